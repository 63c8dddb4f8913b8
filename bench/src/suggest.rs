//! "Did you mean": an error for a name that is not known, with the nearest one and the list.

use strsim::levenshtein;

/// A sentence for the unknown name `given` of a `kind` of thing, of which `known` are all.
pub fn unknown<'a>(kind: &str, given: &str, known: impl Iterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.collect();
    let nearest = known.iter().min_by_key(|name| levenshtein(given, name));
    let hint = nearest
        .filter(|name| levenshtein(given, name) <= 2 + given.len() / 4 || name.contains(given))
        .map(|name| format!(", did you mean `{name}`?"))
        .unwrap_or_else(|| ".".into());
    format!("unknown {kind} `{given}`{hint} Known: {}", known.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_the_list_is_given() {
        let text = unknown("model", "tokyo", ["mio-event-loop", "tokio"].into_iter());
        assert_eq!(text, "unknown model `tokyo`, did you mean `tokio`? Known: mio-event-loop, tokio");
    }

    #[test]
    fn nothing_near_means_no_guess() {
        let text = unknown("service", "quantum", ["echo", "line"].into_iter());
        assert_eq!(text, "unknown service `quantum`. Known: echo, line");
    }
}
