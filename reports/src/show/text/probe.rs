//! The probe as a table for a terminal.

use crate::record::Probe;
use crate::rules::probe::{advice, unfit};
use crate::show::layout::push;
use crate::show::units;
use crate::show::words::probe::facts;
use std::fmt::Write as _;

/// The probe with its advice, at most `width` columns wide (40 at least).
pub fn table(probe: &Probe, width: usize) -> String {
    let width = width.max(40);
    let mut out = String::new();
    let form = if probe.long { "long form" } else { "short form" };
    let head = format!("What can be measured here ({form}, {})", units::time(probe.took_ns as f64));
    push(&mut out, &head, width, "");
    out.push('\n');
    let facts = facts(probe);
    let names = facts.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    for (name, value) in facts {
        push(&mut out, &value, width, &format!("{name:<names$}  "));
    }
    let why = unfit(probe);
    if !why.is_empty() {
        out.push('\n');
    }
    for why in &why {
        push(&mut out, &format!("Not fit to measure on now: {}.", why.words()), width, "! ");
    }
    let lines = advice(probe);
    let _ = writeln!(out, "\nWhat to change to measure better");
    if lines.is_empty() {
        let _ = writeln!(out, "  nothing was found");
    }
    for line in lines {
        push(&mut out, &line.sentence(), width, "- ");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Reading;
    use crate::sample;

    #[test]
    fn the_table_fits_and_tells_everything() {
        let mut probe = sample::probe(&["echo"]);
        probe.system.governor =
            Reading::Absent("a reason that is long enough to have to be wrapped".to_owned());
        for width in [40, 80, 120] {
            let text = table(&probe, width);
            let widest = text.lines().map(|line| line.chars().count()).max();
            assert!(widest <= Some(width), "{widest:?} columns of {width}:\n{text}");
        }
        let text = table(&probe, 80);
        for words in [
            "floor of latency",
            "64 B, 64 clients: ",
            "sleep of 50.0 µs",
            "absent: a reason",
            "to measure better",
        ] {
            assert!(text.contains(words), "{words}:\n{text}");
        }
        assert!(!text.contains("Not fit"), "{text}");
        probe.foreign_share = Reading::Value(0.9);
        assert!(table(&probe, 80).contains("! Not fit to measure on now: other programs used 90 %"));
    }
}
