//! A comparison of two builds as Markdown for a job page or a pull request, and in a sentence: what to be careful about, the
//! verdict, what needs somebody's eyes next, the whole table folded.

use super::markdown::{Page, bold};
use super::text::{cut, markdown as safe};
use crate::analysis::Analysis;
use crate::record::{Contender, Metric, Origin, Run};
use crate::rules::gate::{Gate, Outcome, Verdict};
use crate::show::units::{self, share};
use crate::show::words::gate::{difference, sentence as verdict, worse_by};
use crate::stats::estimate::Estimate;
use std::fmt::Write as _;

/// From the gravest on, as they are told.
const GRAVEST_FIRST: [Outcome; 5] =
    [Outcome::Regressed, Outcome::Invalid, Outcome::Inconclusive, Outcome::Improved, Outcome::Pass];

/// How far B is behind or ahead, with the ends of its interval.
fn behind(figure: Metric, factor: &Estimate) -> String {
    let [median, low, high] = [factor.median, factor.low, factor.high].map(|one| difference(figure, one));
    format!("{median} ({low} to {high})")
}

/// A verdict in a sentence, for every figure it rests on.
pub(super) fn sentence(verdict: &Verdict) -> String {
    let show =
        |value: Option<f64>| value.map_or_else(|| "absent".to_owned(), |value| verdict.figure.show(value));
    let mut text = format!(
        "{}, {}, {}: {}: A {}, B {}",
        verdict.scenario,
        verdict.model,
        verdict.figure.label(),
        verdict.outcome.word(),
        show(verdict.a),
        show(verdict.b)
    );
    if let Some(one) = &verdict.factor {
        let _ = write!(
            text,
            "; B is {} in {}",
            behind(verdict.figure, one),
            units::plural(one.rounds as u64, "round")
        );
    }
    if let Some(one) = &verdict.confirmed {
        let _ = write!(
            text,
            ", {} in {}",
            behind(verdict.figure, one),
            units::plural(one.rounds as u64, "fresh round")
        );
    }
    if let Some(q) = verdict.q {
        let _ = write!(text, "; q {} that B is not worse", probability(q));
    }
    let _ = write!(text, "; matters from {} on", share(verdict.practical));
    if let Some(noise) = verdict.noise_floor {
        let _ = write!(text, "; the noise floor is {}", share(noise));
    }
    if let Some(detectable) = verdict.detectable {
        let _ = write!(
            text,
            "; {} worse would be found in 4 of 5 runs",
            share(worse_by(detectable, verdict.figure.better()))
        );
    }
    let _ = write!(text, ". {}", verdict.reason());
    text
}

/// A probability to four digits: "0.0012", "under 0.0001".
fn probability(q: f64) -> String {
    if q < 0.0001 { "under 0.0001".to_owned() } else { format!("{q:.4}") }
}

/// The summary: below [`LARGEST`](super::LARGEST_MARKDOWN) bytes, whatever the comparison.
pub fn markdown(gate: &Gate, analysis: &Analysis) -> String {
    let mut page = Page::default();
    let word = if gate.cells.is_empty() { "nothing was compared" } else { gate.outcome().word() };
    page.always(&format!("## bakeoff: {word}\n\n"));
    page.caveats(analysis);
    page.always(&headline(gate));
    let of = |wanted: Outcome| gate.cells.iter().filter(move |cell| cell.outcome == wanted);
    for outcome in GRAVEST_FIRST.into_iter().filter(|outcome| *outcome != Outcome::Pass) {
        let lines = of(outcome).map(|cell| {
            let told = safe(&cut(&sentence(cell), 600));
            format!("- {}\n", told)
        });
        page.section(&format!("\n### {} ({})\n\n", heading(outcome), of(outcome).count()), lines, "");
    }
    let head = "| workload | model | figure | verdict | A | B | B (90 % interval) | fresh rounds | q | matters from | noise floor | found in 4 of 5 | rounds |\n\
                |---|---|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n";
    let ordered = GRAVEST_FIRST.into_iter().flat_map(of);
    let open = format!(
        "\n<details><summary>All {}</summary>\n\n{head}",
        units::plural(gate.cells.len() as u64, "comparison")
    );
    page.section(&open, ordered.map(row), "\n</details>\n");
    page.finish(&foot(gate, &analysis.run))
}

/// The verdict as the rule has it, and what was compared.
fn headline(gate: &Gate) -> String {
    let counts: Vec<String> = GRAVEST_FIRST
        .into_iter()
        .filter(|outcome| gate.count(*outcome) > 0)
        .map(|outcome| format!("{} {}", gate.count(outcome), outcome.word()))
        .collect();
    let counts = if counts.is_empty() { String::new() } else { format!("{}.\n\n", counts.join(", ")) };
    format!(
        "{}\n\n{counts}A is {}, B is {}.\n",
        bold(&cut(&verdict(gate), 600)),
        side(&gate.comparison.a),
        side(&gate.comparison.b)
    )
}

fn side(contender: &Contender) -> String {
    let label = bold(&cut(&contender.label, 80));
    match &contender.origin {
        Origin::Commit { commit, .. } => format!("{label} ({})", safe(&cut(commit, 12))),
        Origin::Binary { path } => format!("{label} (the program {})", safe(&cut(path, 120))),
        Origin::Command { words } => format!("{label} (the command {})", safe(&cut(words, 120))),
    }
}

fn heading(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Regressed => "Regressed",
        Outcome::Invalid => "Invalid",
        Outcome::Inconclusive => "Inconclusive",
        Outcome::Improved => "Improved",
        Outcome::Pass => "Pass",
    }
}

fn row(verdict: &Verdict) -> String {
    let show = |value: Option<f64>| value.map_or_else(String::new, |value| verdict.figure.show(value));
    let [search, fresh] = [verdict.factor, verdict.confirmed]
        .map(|one| one.map_or_else(String::new, |one| behind(verdict.figure, &one)));
    let cells = [
        safe(&cut(&verdict.scenario, 80)),
        safe(&cut(&verdict.model, 80)),
        verdict.figure.label().to_owned(),
        verdict.outcome.word().to_owned(),
        show(verdict.a),
        show(verdict.b),
        search,
        fresh,
        verdict.q.map_or_else(String::new, probability),
        share(verdict.practical),
        verdict.noise_floor.map_or_else(String::new, share),
        verdict
            .detectable
            .map_or_else(String::new, |factor| share(worse_by(factor, verdict.figure.better()))),
        verdict.rounds.to_string(),
    ];
    format!("| {} |\n", cells.join(" | "))
}

fn foot(gate: &Gate, run: &Run) -> String {
    let strict = if gate.comparison.strict { " Undecided counts as failed." } else { "" };
    format!(
        "\nBoth builds ran in the same rounds, in shuffled order, on the same machine. Absent figures are empty. Seed {}, \
         bakeoff {}, {}.{strict}\n",
        run.seed,
        safe(&cut(&run.tool_version, 40)),
        units::moment(run.started_unix_ms)
    )
}
