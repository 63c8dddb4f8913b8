//! The tables of `bakeoff verify` as text of 80 columns. Never computes a figure.

use super::finding::{Finding, Status};
use super::rig::Rig;
use super::{FALSE_ALARM, MACHINE, passed};
use std::fmt::Write as _;

/// The table's head.
pub fn head() -> String {
    row("ORACLE", "FIGURE", "EXPECTED", "MEASURED", "BAND", "VERDICT")
}

/// The line of a finding.
pub fn line(finding: &Finding) -> String {
    let unit = finding.unit;
    let verdict = match finding.verdict() {
        Status::Pass => "pass",
        Status::Fail => "FAIL",
        Status::Unknown(_) => "unknown",
    };
    let (expected, measured) = (unit.show(finding.expected), unit.show(finding.measured));
    row(finding.oracle, &finding.figure, &expected, &measured, &finding.band_in_words(), verdict)
}

fn row(oracle: &str, figure: &str, expected: &str, measured: &str, band: &str, verdict: &str) -> String {
    format!("{oracle:<8} {figure:<25} {expected:>9} {measured:>9}  {band:<15} {verdict}")
}

/// What stands below the table: the verdict, its error rate, what disturbed it.
pub fn foot(findings: &[Finding], rig: &Rig<'_>) -> String {
    let mut text = String::new();
    let count = |wanted: fn(&Status) -> bool| findings.iter().filter(|f| wanted(&f.verdict())).count();
    let failed = count(|v| *v == Status::Fail);
    let unknown = count(|v| matches!(v, Status::Unknown(_)));
    let n = findings.len();
    let whole = match (passed(findings), failed, &rig.defect) {
        (true, _, None) => format!("All {n} figures are right."),
        (true, _, Some(defect)) => {
            format!("All {n} figures look right: `{}` was not caught.", defect.name())
        }
        (_, 0, _) => {
            format!("{unknown} of {n} figures cannot be told: something disturbed their trials. Try again.")
        }
        (_, _, Some(defect)) => format!("`{}` was caught: {failed} of {n} figures are wrong.", defect.name()),
        _ => format!("{failed} of {n} figures are wrong: do not trust this harness on this machine."),
    };
    let _ = writeln!(text, "\n{whole}");
    let mut told = None;
    for finding in findings {
        if let (Status::Unknown(reason), true) = (finding.verdict(), told != Some(finding.oracle)) {
            told = Some(finding.oracle);
            let _ = writeln!(text, "{}: {reason}.", finding.oracle);
        }
    }
    let _ = writeln!(
        text,
        "\nSeed {}. The bands of mm1, md1, mmc (replays apart) and of the schedule are for\n\
         chance, with {:.0} % of room for the machine: a sound harness fails one of them in\n\
         {:.0} % of whole tables (Bonferroni). The other bands are tolerances; counts are\n\
         exact. Replayed: what the same arrivals and demands give in a computed queue.",
        rig.seed,
        MACHINE * 100.0,
        FALSE_ALARM * 100.0
    );
    text
}

#[cfg(test)]
mod tests {
    use super::super::finding::Unit;
    use super::*;

    #[test]
    fn no_line_is_wider_than_a_terminal() {
        let finding = Finding::between(
            "little",
            "closed p50 / bare, 41 pairs",
            Unit::Time,
            (123_456_789.0, 123_456_789.0),
            (100_000_000.0, 140_000_000.0),
        );
        for line in [head(), line(&finding), line(&Finding { measured: f64::NAN, ..finding })] {
            assert!(line.chars().count() <= 80, "{} {line}", line.chars().count());
        }
    }
}
