//! A comparison of two builds: the verdict in a sentence, what stood on either side, a row for each figure with the reasons
//! below, and the pairs round by round.
//!
//! Colour is never alone: each outcome is a word. It decides nothing; the rule is that of [`gate`](crate::rules::gate).

use super::element::{any_table, pairs, picture, section as framed};
use super::trust;
use crate::analysis::Analysis;
use crate::rules::gate::LEVEL;
use crate::rules::gate::{
    CONFIDENCE, CONFIRM_LEVEL, CONFIRM_PAIRS, FIRST_LOOK, Gate, MIN_PAIRS, Outcome, Verdict,
};
use crate::show::plot;
use crate::show::units::{self, share};
use crate::show::words::gate::{columns, grouped, sentence, sides};
use maud::{Markup, Render as _, html};

/// The columns of the table of verdicts.
const HEADS: [&str; 8] =
    ["figure", "outcome", "times worse [90 %]", "A", "B", "matters from", "noise floor", "detects"];

/// The section that the page of a comparison opens with; empty for any other run.
pub(super) fn section(analysis: &Analysis) -> Markup {
    let Some(gate) = &analysis.gate else { return html! {} };
    let sentence = sentence(gate);
    let (word, rest) = sentence.split_once(' ').unwrap_or((&sentence, ""));
    let class = match gate.outcome() {
        Outcome::Pass | Outcome::Improved => "verdict",
        Outcome::Inconclusive | Outcome::Invalid => "verdict open",
        Outcome::Regressed => "verdict bad",
    };
    let names = ["A, the baseline", "B, the candidate", "Rounds"];
    let body = html! {
        p class=(class) { b { (word) } " " (rest) }
        (pairs(names.into_iter().zip(sides(gate))))
        (table(gate))
        (reasons(gate))
        (pictures(gate))
        (trust::trust(analysis))
    };
    framed("gate", "The verdict", &body)
}

/// What an outcome looks like.
fn tag(outcome: Outcome) -> Markup {
    let class = match outcome {
        Outcome::Pass | Outcome::Improved => "tag win",
        Outcome::Inconclusive | Outcome::Invalid => "tag",
        Outcome::Regressed => "tag bad",
    };
    html! { span class=(class) { (outcome.word()) } }
}

fn name(verdict: &Verdict) -> Markup {
    html! { (verdict.model) " " span.quiet { "under" } " " (verdict.scenario) }
}

/// Whether a verdict is the first of its cell, in a list in the order of cells.
fn begins_cell(before: Option<&Verdict>, this: &Verdict) -> bool {
    before.is_none_or(|before| (&before.scenario, &before.model) != (&this.scenario, &this.model))
}

fn table(gate: &Gate) -> Markup {
    let row = |one: &Verdict| {
        let [_, factor, a, b, noise, finds] = columns(one);
        html! {
            tr {
                th scope="row" { (one.figure.label()) }
                td { (tag(one.outcome)) }
                @for text in [factor, a, b, share(one.practical), noise, finds] { td { (text) } }
            }
            "\n"
        }
    };
    let rows = html! {
        @for (at, one) in gate.cells.iter().enumerate() {
            @if begins_cell(at.checked_sub(1).map(|at| &gate.cells[at]), one) {
                tr.cell { th scope="rowgroup" colspan=(HEADS.len()) { (name(one)) } }
            }
            (row(one))
        }
    };
    html! {
        (any_table("Verdicts", Some("gate"), HEADS.map(|head| head.render()).into_iter(), &rows))
        p.note {
            "How many times worse B is than A: the median over pairs of one round, with its interval. A and B: the medians \
             themselves. The noise floor is what chance alone makes of these very pairs. Detects: the least slowdown that 4 of \
             5 such runs find."
        }
    }
}

/// Every reason, cell by cell; what several figures of a cell share is told once.
fn reasons(gate: &Gate) -> Markup {
    let all: Vec<&Verdict> = gate.cells.iter().collect();
    let groups = grouped(&all);
    html! {
        h3 { "Why" }
        dl.pairs {
            @for (at, (figures, reason)) in groups.iter().enumerate() {
                @let labels: Vec<String> = figures.iter().map(|one| one.figure.label().to_owned()).collect();
                @if begins_cell(at.checked_sub(1).map(|at| groups[at].0[0]), figures[0]) {
                    dt { (name(figures[0])) }
                }
                dd { (tag(figures[0].outcome)) " " (units::all_of(&labels)) ": " (reason) }
            }
        }
    }
}

/// The pairs of each figure: those that need looking at first, the others on demand.
fn pictures(gate: &Gate) -> Markup {
    let draw = |at: usize, one: &Verdict| {
        let title = format!("{}, {} under {}", one.figure.label(), one.model, one.scenario);
        picture(plot::pairs_by_round(one, &format!("gate-{}", at + 1)), &title)
    };
    let numbered = || gate.cells.iter().enumerate();
    let passes = |one: &Verdict| one.outcome == Outcome::Pass;
    let (first, others): (Vec<_>, Vec<_>) = numbered().partition(|(_, one)| !passes(one));
    html! {
        h3 { "Round by round" }
        @if !first.is_empty() { div.plots { @for (at, one) in &first { (draw(*at, one)) } } }
        @if !others.is_empty() {
            details.more open[first.is_empty()] {
                summary { "The figures that pass" }
                div.plots { @for (at, one) in &others { (draw(*at, one)) } }
            }
        }
    }
}

/// How the verdicts of a comparison are made and what they claim.
pub(super) fn method() -> Markup {
    let body = html! {
        p {
            "A " em { "round" } " runs every cell, a model under a workload, once with A and once with B, each in a fresh server \
             process, in an order shuffled from the seed. Only the two sides of one round are compared with each other, so \
             that what the machine did to one it did to the other. A request that was never answered is infinitely slow."
        }
        p {
            "B is " em { "suspected" } " when the lower end of the interval lies beyond what matters and beyond the noise floor, \
             and a signed-rank test of the pairs, adjusted for every figure of the run (Benjamini and Hochberg) and for how \
             often the run looked, says so at " (share(LEVEL)) ". Then the cell runs again, on at least " (CONFIRM_PAIRS)
            " fresh rounds if so many were planned, and is " em { "regressed" } " if these alone say so, at "
            (share(CONFIRM_LEVEL)) ". If they do not, it is " em { "inconclusive" } ". " em { "Improved" } " is the same the \
             other way round, without fresh rounds. " em { "Pass" } " means that a slowdown that matters is ruled out at "
            (share(LEVEL)) ": not that there is none. A build that sends wrong replies, dies or does not start in two rounds or \
             more, where the other never does, is regressed whatever its speed."
        }
        p {
            "The interval is a bootstrap of the median with a confidence of " (share(CONFIDENCE)) ": each claim looks at one end \
             of it, and each end holds with " (share(1.0 - (1.0 - CONFIDENCE) / 2.0)) ". The first look is after " (FIRST_LOOK)
            " rounds; every look has a share of the error rate, stated in the head of the bundle. Fewer than " (MIN_PAIRS)
            " pairs say nothing, and with more than 15\u{a0}% of the rounds without a pair the figure is " em { "invalid" } "."
        }
    };
    framed("method", "How to read this", &body)
}
