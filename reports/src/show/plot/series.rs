//! Which colour, mark and dash a model has: by its name, so that it is the same in every report, whatever models stand
//! beside it.
//!
//! A series is a number. The style sheet has eight colours with a dash each, the canvas six marks; together they tell
//! [`DISTINCT`] series apart.

/// Series after which a colour meets its first mark again: the least common multiple of eight and six.
pub(super) const LAP: usize = 24;

/// Series that differ in colour and dash or in mark: all there are.
const DISTINCT: usize = 2 * LAP;

/// The models of this project by their series. A model keeps its place for ever; a new one goes to the end.
const KNOWN: [&str; 20] = [
    "iterative",
    "thread-per-client",
    "fork-per-client",
    "thread-pool",
    "mio-event-loop",
    "tokio",
    "io-uring",
    "poll-reactor",
    "mio-event-loop-inline",
    "tokio-current-thread",
    "tokio-shared-buffers",
    "multi-reactor",
    "prefork",
    "prethread",
    "multi-reactor-shared",
    "prefork-fd-passing",
    "tokio-per-core",
    "coroutines",
    "thread-pool-per-request",
    "elastic-pool",
];

/// Colours of the style sheet: series so many apart share one, with another mark.
const COLOURS: usize = 8;

/// The series of a model in a report on `all` of these. One of this project has a place of its own, and its tunings have its
/// colour with marks of their own as far as there are marks. Any other has a place that follows from its name, the next
/// free one where two of the report would have the same.
pub(crate) fn series<'a>(model: &'a str, all: impl Iterator<Item = &'a str>) -> usize {
    let known = |name: &str| {
        let base = name.split_once('[').map_or(name, |(base, _)| base);
        KNOWN.iter().position(|known| *known == base)
    };
    if let Some(at) = known(model) {
        if KNOWN[at] == model {
            return at;
        }
        let mut tunings: Vec<&str> =
            all.filter(|name| known(name) == Some(at) && *name != KNOWN[at]).chain([model]).collect();
        tunings.sort_unstable();
        tunings.dedup();
        let nth = tunings.iter().position(|name| *name == model).expect("it is one of them");
        return at + LAP + COLOURS * nth;
    }
    let mut others: Vec<&str> = all.filter(|name| known(name).is_none()).chain([model]).collect();
    others.sort_unstable();
    others.dedup();
    let mut taken: Vec<usize> = Vec::new();
    for name in others {
        // A report with more models than there are places repeats their looks, under numbers of their own.
        let lap = taken.len() / (DISTINCT - KNOWN.len()) * DISTINCT;
        let places = KNOWN.len() + lap..DISTINCT + lap;
        let first = crc32fast::hash(name.as_bytes()) as usize % places.len();
        let free = places.clone().cycle().skip(first).find(|place| !taken.contains(place));
        taken.push(free.expect("a lap has a place for each of its models"));
        if name == model {
            break;
        }
    }
    *taken.last().expect("the model is one of them")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::plot::canvas::marker_of;
    use std::collections::BTreeSet;

    #[test]
    fn a_model_of_this_project_keeps_its_series_in_every_report() {
        for (at, model) in KNOWN.iter().enumerate() {
            assert_eq!(series(model, KNOWN.iter().copied()), at);
            assert_eq!(series(model, [*model, "another"].into_iter()), at);
        }
    }

    #[test]
    fn no_two_series_of_a_report_look_alike() {
        let looks: BTreeSet<(usize, usize)> =
            (0..DISTINCT).map(|series| (series % COLOURS, marker_of(series))).collect();
        assert_eq!(looks.len(), DISTINCT);
        assert!(KNOWN.len() <= LAP, "tunings have the places from there on");
    }

    #[test]
    fn tunings_have_the_colour_of_their_model_and_marks_of_their_own() {
        let all = ["tokio[compute_workers=8]", "tokio", "tokio[compute_workers=2]", "mio-event-loop"];
        let of = |model| series(model, all.into_iter());
        assert_eq!(of("tokio"), 5);
        assert_eq!(["tokio[compute_workers=2]", "tokio[compute_workers=8]"].map(of), [29, 37]);
    }

    #[test]
    fn others_are_distinct_in_a_report_and_do_not_depend_on_its_order() {
        let names: Vec<String> = (0..40).map(|n| format!("server-{n}")).collect();
        let all = || names.iter().map(String::as_str);
        let mut given: Vec<usize> = all().map(|name| series(name, all())).collect();
        assert_eq!(given, all().map(|name| series(name, all().rev())).collect::<Vec<_>>());
        assert!(given.iter().all(|place| *place >= KNOWN.len()), "none looks like a model of this project");
        given.sort_unstable();
        given.dedup();
        assert_eq!(given.len(), names.len());
        assert_eq!(series("nginx", ["nginx"].into_iter()), series("nginx", ["nginx", "tokio"].into_iter()));
    }
}
