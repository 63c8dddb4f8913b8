//! The table of known orderings as text of 80 columns. Never computes a figure.

use crate::ask::orderings::{Finding, Judgement};
use crate::record::Metric;
use crate::show::layout::wrap;
use crate::show::units;
use std::fmt::Write as _;

/// The table, and what stands below it.
pub fn table(findings: &[Finding]) -> String {
    let mut text = line("ORDERING", "MEASURED", "EXPECTED", "");
    for finding in findings {
        let one = finding.expectation;
        let claim = format!("{} {}", one.ordering, one.claim);
        let _ = write!(text, "\n{}", line(&claim, "", "", judgement(finding.judgement)));
        let expected = one.band.map_or_else(|| "nothing".to_owned(), |band| range(one.figure, band));
        let _ = write!(text, "\n{}", line("", &measured(finding), &expected, ""));
    }
    let mut sources: Vec<(u8, &str)> =
        findings.iter().map(|one| (one.expectation.ordering, one.expectation.source)).collect();
    sources.dedup();
    text.push_str("\n\nWho expects it:\n");
    for (ordering, source) in sources {
        wrapped(&mut text, &format!("{ordering}: {source}."));
    }
    let count = |wanted| findings.iter().filter(|one| one.judgement == wanted).count();
    let _ = write!(
        text,
        "\n{} as expected, {} otherwise, {} undecided, {} only reported.",
        count(Judgement::AsExpected),
        count(Judgement::Otherwise),
        count(Judgement::CannotTell),
        count(Judgement::Reported)
    );
    text
}

fn wrapped(text: &mut String, line: &str) {
    for line in wrap(line, 80, "   ") {
        let _ = writeln!(text, "{line}");
    }
}

fn line(claim: &str, measured: &str, expected: &str, judgement: &str) -> String {
    let text = match (measured, claim) {
        ("", claim) => format!("{claim:<62} {judgement}"),
        (measured, "") => format!("    {measured:<40} expected {expected}"),
        (measured, claim) => format!("{claim:<20} {measured}, {expected}"),
    };
    text.trim_end().to_owned()
}

fn judgement(judgement: Judgement) -> &'static str {
    match judgement {
        Judgement::AsExpected => "as expected",
        Judgement::Otherwise => "OTHERWISE",
        Judgement::CannotTell => "undecided",
        Judgement::Reported => "reported",
    }
}

fn measured(finding: &Finding) -> String {
    let figure = finding.expectation.figure;
    match finding.measured {
        Some(of) => {
            let [middle, low, high] = [of.median, of.low, of.high].map(|value| show(finding, value));
            format!("{middle} [{low}, {high}], {}", units::plural(of.rounds as u64, "round"))
        }
        None => format!("no {}", figure.label()),
    }
}

fn show(finding: &Finding, value: f64) -> String {
    if finding.expectation.by.is_some() {
        return units::factor(value);
    }
    finding.expectation.figure.show(value)
}

fn range(figure: Metric, (least, most): (f64, f64)) -> String {
    let stated = matches!(figure, Metric::NeverServed | Metric::BusiestAccepts);
    let laws = stated || figure == Metric::Throughput && least > 100.0;
    let show = |value: f64| if laws { figure.show(value) } else { units::factor(value) };
    match (least, most) {
        (least, most) if least == most => show(least),
        (least, most) if most.is_infinite() => format!("{} or more", show(least)),
        (least, most) => format!("{} to {}", show(least), show(most)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ask::orderings::EXPECTED;
    use crate::stats::estimate::Estimate;

    #[test]
    fn no_line_is_wider_than_a_terminal() {
        let findings: Vec<Finding> = EXPECTED
            .iter()
            .map(|expectation| Finding {
                expectation,
                measured: Some(Estimate { median: 123.4, low: 120.1, high: 1_234.5, rounds: 1_000 }),
                judgement: Judgement::CannotTell,
            })
            .collect();
        let text = table(&findings);
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{} {line}", line.chars().count());
        }
        assert!(text.contains(&format!("{} undecided", EXPECTED.len())), "{text}");
    }
}
