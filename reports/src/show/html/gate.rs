//! A comparison of two builds: the verdict in a sentence, what stood on either side, a row for each figure with the reasons
//! below, and the pairs round by round.
//!
//! Colour is never alone: each outcome is a word. It decides nothing; the rule is that of [`gate`](crate::rules::gate).

use super::pictures::picture;
use super::{escape, trust};
use crate::analysis::Analysis;
use crate::rules::gate::{
    CONFIDENCE, CONFIRM_LEVEL, CONFIRM_PAIRS, FIRST_LOOK, Gate, MIN_PAIRS, Outcome, Verdict,
};
use crate::rules::verdict::LEVEL;
use crate::show::plot;
use crate::show::text::gate_ab::{columns, grouped, sentence, sides};
use crate::show::units;
use std::fmt::Write as _;

/// The heading of the page.
pub(super) const TITLE: &str = "Has the new build become slower?";

/// The section that the page of a comparison opens with; empty for any other run.
pub(super) fn section(analysis: &Analysis) -> String {
    let Some(gate) = &analysis.gate else { return String::new() };
    let sentence = sentence(gate);
    let (word, rest) = sentence.split_once(' ').unwrap_or((&sentence, ""));
    let mut html = format!(
        "<section id=\"gate\">\n<h2>The verdict</h2>\n<p class=\"verdict{}\"><b>{}</b> {}</p>\n<dl class=\"pairs\">\n",
        match gate.outcome() {
            Outcome::Pass | Outcome::Improved => "",
            Outcome::Inconclusive | Outcome::Invalid => " open",
            Outcome::Regressed => " bad",
        },
        escape(word),
        escape(rest)
    );
    for line in sides(gate) {
        let (name, what) = line.split_once(": ").unwrap_or(("Rounds", &line));
        let name = match name {
            "A" => "A, the baseline",
            "B" => "B, the candidate",
            other => other,
        };
        let _ = writeln!(html, "<dt>{}</dt><dd>{}</dd>", escape(name), escape(what));
    }
    html.push_str("</dl>\n");
    html.push_str(&table(gate));
    html.push_str(&reasons(gate));
    html.push_str(&pictures(gate));
    html.push_str(&trust::trust(analysis));
    html.push_str("</section>\n");
    html
}

/// What an outcome looks like.
fn tag(outcome: Outcome) -> String {
    let class = match outcome {
        Outcome::Pass | Outcome::Improved => " win",
        Outcome::Inconclusive | Outcome::Invalid => "",
        Outcome::Regressed => " bad",
    };
    format!("<span class=\"tag{class}\">{}</span>", outcome.word())
}

fn table(gate: &Gate) -> String {
    let mut html = String::from(
        "<div class=\"scroll wide\" tabindex=\"0\" role=\"region\" aria-label=\"Verdicts\"><table class=\"gate\"><thead><tr>",
    );
    let heads =
        ["figure", "outcome", "times worse [90 %]", "A", "B", "matters from", "noise floor", "would find"];
    for head in heads {
        let _ = write!(html, "<th scope=\"col\">{head}</th>");
    }
    html.push_str("</tr></thead><tbody>\n");
    let mut cell = None;
    for one in &gate.cells {
        let this = (&one.scenario, &one.model);
        if cell != Some(this) {
            let _ = writeln!(
                html,
                "<tr class=\"cell\"><th scope=\"rowgroup\" colspan=\"{}\">{} <span class=\"quiet\">under</span> {}</th></tr>",
                heads.len(),
                escape(&one.model),
                escape(&one.scenario)
            );
            cell = Some(this);
        }
        let [_, factor, a, b, noise, finds] = columns(one);
        let _ = write!(
            html,
            "<tr><th scope=\"row\">{}</th><td>{}</td>",
            escape(one.figure.label()),
            tag(one.outcome)
        );
        for text in [factor, a, b, units::percent(one.practical), noise, finds] {
            let _ = write!(html, "<td>{}</td>", escape(&text));
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody></table></div>\n");
    html.push_str(
        "<p class=\"note\">How many times worse B is than A: the median over pairs of one round, with its interval. A and B: the \
         medians themselves. The noise floor is what chance alone makes of these very pairs. Would find: the least slowdown that 4 \
         of 5 such runs find.</p>\n",
    );
    html
}

/// Every reason, cell by cell; what several figures of a cell share is told once.
fn reasons(gate: &Gate) -> String {
    let mut html = String::from("<h3>Why</h3>\n<dl class=\"pairs\">\n");
    let all: Vec<&Verdict> = gate.cells.iter().collect();
    let mut cell = None;
    for (figures, reason) in grouped(&all) {
        let first = figures[0];
        let this = (&first.scenario, &first.model);
        if cell != Some(this) {
            let (model, scenario) = (escape(&first.model), escape(&first.scenario));
            let _ = writeln!(html, "<dt>{model} <span class=\"quiet\">under</span> {scenario}</dt>");
            cell = Some(this);
        }
        let labels: Vec<String> = figures.iter().map(|one| one.figure.label().to_owned()).collect();
        let _ = writeln!(
            html,
            "<dd>{} {}: {}</dd>",
            tag(first.outcome),
            escape(&units::all_of(&labels)),
            escape(reason)
        );
    }
    html.push_str("</dl>\n");
    html
}

/// The pairs of each figure: those that need looking at first, the others on demand.
fn pictures(gate: &Gate) -> String {
    let draw = |some: &dyn Fn(&Verdict) -> bool| -> String {
        let numbered = gate.cells.iter().enumerate().filter(|(_, one)| some(one));
        numbered
            .map(|(at, one)| {
                let title = format!("{}, {} under {}", one.figure.label(), one.model, one.scenario);
                picture(plot::pairs_by_round(one, &format!("gate-{}", at + 1)), &escape(&title))
            })
            .collect()
    };
    let passes = |one: &Verdict| one.outcome == Outcome::Pass;
    let (first, others) = (draw(&|one| !passes(one)), draw(&passes));
    let mut html = String::from("<h3>Round by round</h3>\n");
    if !first.is_empty() {
        let _ = writeln!(html, "<div class=\"plots\">\n{first}</div>");
    }
    if !others.is_empty() {
        let open = if first.is_empty() { " open" } else { "" };
        let _ = writeln!(
            html,
            "<details class=\"more\"{open}><summary>The figures that pass</summary>\n<div class=\"plots\">\n{others}</div>\n\
             </details>"
        );
    }
    html
}

/// How the verdicts of a comparison are made and what they claim.
pub(super) fn method() -> String {
    let percent = |share: f64| units::percent(share);
    format!(
        "<section id=\"method\">\n<h2>How to read this</h2>\n\
         <p>A <em>round</em> runs every cell, a model under a workload, once with A and once with B, each in a fresh server \
         process, in an order shuffled from the seed. Only the two sides of one round are compared with each other, so that \
         what the machine did to one it did to the other. A request that was never answered is infinitely slow.</p>\n\
         <p>B is <em>suspected</em> when the lower end of the interval lies beyond what matters and beyond the noise floor, \
         and a signed-rank test of the pairs, adjusted for every figure of the run (Benjamini and Hochberg) and for how often \
         the run looked, says so at {}. Then the cell runs again, on at least {CONFIRM_PAIRS} fresh rounds if so many were \
         planned, and is <em>regressed</em> if these alone say so, at {}. If they do not, it is <em>inconclusive</em>. \
         <em>Improved</em> is the same the other way round, without fresh rounds. <em>Pass</em> means that a slowdown that \
         matters is ruled out at {}: not that there is none. A build that answers wrongly, dies or does not start in two rounds or \
         more, where the other never does, is regressed whatever its speed.</p>\n\
         <p>The interval is a bootstrap of the median with a confidence of {}: each claim looks at one end of it, and each end \
         holds with {}. The first look is after {FIRST_LOOK} rounds; every look has a share of the error rate, stated in the \
         head of the bundle. Fewer than {MIN_PAIRS} pairs tell nothing, and with more than 15&nbsp;% of the rounds without a \
         pair the figure is <em>invalid</em>.</p>\n</section>\n",
        percent(LEVEL),
        percent(CONFIRM_LEVEL),
        percent(LEVEL),
        percent(CONFIDENCE),
        percent(1.0 - (1.0 - CONFIDENCE) / 2.0),
    )
}
