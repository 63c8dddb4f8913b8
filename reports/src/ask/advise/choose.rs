//! The choice among the models that satisfy a question, its reasons, and how far to trust it.
//!
//! # The choice
//! Among the models that satisfy all that was asked, at the nearest workload that has the most of them: the one with the
//! best by that workload's figure of merit, and every other that is not shown to be behind. It is the rule of a run's verdict
//! ([`verdict`](crate::rules::verdict)) over those models alone, so the comparisons it adjusts for are those between them.
//!
//! # The confidence
//! *None* when nothing is recommended. Otherwise it starts *high*, and each of these lowers it:
//! * a workload it rests on is only similar (distance above 1): medium at most; less than that (above 3): low;
//! * fewer than 6 rounds: medium at most;
//! * an interval wider than 1.25 times: medium at most; wider than 2 times: low;
//! * doubts about a recommended model at a workload used: medium at most;
//! * isolation asked for and only known by construction: medium at most;
//! * the payload or the number of connections unknown: medium at most;
//! * records from another machine, or of synthetic data: low.

use super::answer::{CellUsed, Confidence, Criterion, Finding, Level, ModelAnswer, Stand};
use super::distance::{NEAR, Purpose, SIMILAR};
use super::question::Question;
use super::site::Site;
use super::{Machine, Source, by_shortfall, elsewhere};
use crate::analysis::SYNTHETIC;
use crate::cells::cell::Cell;
use crate::record::Metric;
use crate::rules::verdict::{Family, Pair, Settled, decide};
use crate::rules::workload::Workload;
use crate::show::units;
use std::collections::BTreeSet;

/// Rounds from which an interval has its full confidence.
const FULL_ROUNDS: u32 = 6;
/// An interval wider than this, high over low, is no sharp figure.
const WIDE: f64 = 1.25;
/// An interval wider than this says little.
const VERY_WIDE: f64 = 2.0;
/// Models told with their costs, and models told with why they fail.
const MOST_TOLD: usize = 6;

/// What was chosen.
pub(super) struct Choice {
    pub recommended: Vec<String>,
    pub reasons: Vec<String>,
}

/// Chooses among the models that satisfy.
pub(super) fn choose(question: &Question, sites: &[Site<'_>], models: &[ModelAnswer]) -> Choice {
    let fit: Vec<&str> =
        models.iter().filter(|one| one.stand == Stand::Satisfies).map(|one| one.model.as_str()).collect();
    let timed = question.p99_ns.is_some() || question.rate_per_s.is_some();
    let purpose = if timed { Purpose::Latency } else { Purpose::Capacity };
    let ranked = sites.iter().filter(|site| site.upper.is_none()).map(|site| {
        let missing = fit.iter().filter(|model| !site.has(model)).count();
        (missing, site.distance(question, purpose).total(), site)
    });
    let nearest = ranked.min_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let Some((missing, _, site)) = nearest.filter(|_| !fit.is_empty()) else {
        return Choice { recommended: Vec::new(), reasons: Vec::new() };
    };
    let mut choice = among(site.workload, &fit);
    if missing > 0 {
        let name = &site.workload.scenario.name;
        choice.reasons.push(format!(
            "{} that satisfy were not run under {name} and could not be ranked.",
            units::plural(missing as u64, "model")
        ));
    }
    choice
}

fn among(workload: &Workload, fit: &[&str]) -> Choice {
    let merit = workload.scenario.merit;
    let cells: Vec<&Cell> = fit
        .iter()
        .filter_map(|model| workload.cell(model))
        .filter(|cell| cell.value(merit).is_some())
        .collect();
    if cells.is_empty() {
        // No figure to rank by: all that satisfy, in the order of the run.
        return Choice { recommended: fit.iter().map(ToString::to_string).collect(), reasons: Vec::new() };
    }
    let settled =
        decide::contest(merit, cells.iter().copied(), &workload.bounds).settle(Family::of([cells.len()]));
    // Too few blocks to compare show nobody to be behind.
    let front = if settled.front.is_empty() { (0..cells.len()).collect() } else { settled.front.clone() };
    let kept = |at: &usize| front.contains(at) || !front.iter().all(|one| settled.is_behind(*one, *at));
    let (winners, behind): (Vec<usize>, Vec<usize>) =
        ranked(&settled, cells.len()).into_iter().partition(kept);
    let behind = behind.first().and_then(|at| Some((cells[*at], settled.pair(*front.first()?, *at)?)));
    let winners: Vec<&Cell> = winners.into_iter().map(|at| cells[at]).collect();
    let mut reasons = vec![lead(workload, &winners, behind)];
    reasons.extend(winners.iter().take(MOST_TOLD).filter_map(|cell| costs(cell)));
    Choice { recommended: winners.into_iter().map(|cell| cell.model.clone()).collect(), reasons }
}

/// All of them: those that were compared by how they came out, then the others.
fn ranked(settled: &Settled, all: usize) -> Vec<usize> {
    let others = (0..all).filter(|at| !settled.order.contains(at));
    settled
        .front
        .iter()
        .chain(settled.order.iter().filter(|at| !settled.front.contains(at)))
        .copied()
        .chain(others)
        .collect()
}

fn lead(workload: &Workload, winners: &[&Cell], next: Option<(&Cell, Pair)>) -> String {
    let (merit, name) = (workload.scenario.merit.label(), &workload.scenario.name);
    let who = match winners {
        [one] => format!("{} is the best by {merit} under {name} of those that satisfy", one.model),
        _ => format!("by {merit} under {name} these are not distinguishable, or differ by less than matters"),
    };
    match next {
        Some((cell, pair)) => {
            format!("{who}; the next, {}, is at least {} behind.", cell.model, units::factor(pair.low.exp()))
        }
        _ => format!("{who}."),
    }
}

/// What a model's requests cost, as far as it was measured.
fn costs(cell: &Cell) -> Option<String> {
    let told = [
        (Metric::CpuPerRequest, "of CPU"),
        (Metric::SwitchesPerRequest, "context switches"),
        (Metric::SystemCallsPerRequest, "system calls"),
    ];
    let parts: Vec<String> = told
        .into_iter()
        .filter_map(|(cost, name)| Some(format!("{} {name}", cost.show(cell.value(cost)?))))
        .collect();
    (!parts.is_empty()).then(|| format!("{} takes {} a request.", cell.model, parts.join(", ")))
}

/// The reasons of the choice, and why each of the other models is not among it.
pub(super) fn reasons(
    models: &[ModelAnswer],
    recommended: &[String],
    mut reasons: Vec<String>,
) -> Vec<String> {
    let fails = |one: &&ModelAnswer| one.stand == Stand::Fails && !recommended.contains(&one.model);
    let failed: Vec<&ModelAnswer> = by_shortfall(models).into_iter().filter(fails).collect();
    for one in failed.iter().take(MOST_TOLD) {
        let fails = one.findings.iter().filter(|finding| finding.asked && finding.stand == Stand::Fails);
        let why: Vec<String> =
            fails.map(|finding| format!("{}: {}", finding.criterion, finding.words)).collect();
        reasons.push(format!("Not {} ({}).", one.model, why.join("; ")));
    }
    if failed.len() > MOST_TOLD {
        reasons.push(format!("Nor {} more.", failed.len() - MOST_TOLD));
    }
    reasons
}

/// What the confidence is read off.
pub(super) struct Rest<'a> {
    pub models: &'a [ModelAnswer],
    pub recommended: &'a [String],
    pub cells: &'a [CellUsed],
}

/// How far to trust a recommendation.
pub(super) fn confidence(
    question: &Question,
    sources: &[Source],
    sites: &[Site<'_>],
    here: &Machine,
    rest: &Rest<'_>,
) -> Confidence {
    if rest.recommended.is_empty() {
        return Confidence { level: Level::None, because: vec!["nothing is recommended".to_owned()] };
    }
    let mut held = Held { level: Level::High, because: Vec::new() };
    let chosen = rest.models.iter().filter(|one| rest.recommended.contains(&one.model));
    let findings: Vec<_> = chosen
        .flat_map(|one| one.findings.iter().map(move |finding| (one.model.as_str(), finding)))
        .filter(|(_, finding)| finding.asked)
        .collect();
    let used: BTreeSet<usize> = findings.iter().filter_map(|(_, finding)| finding.cell).collect();
    let used: Vec<&CellUsed> = used.into_iter().map(|at| &rest.cells[at]).collect();
    for cell in &used {
        match cell.distance {
            d if d > SIMILAR => held.to(Level::Low, format!("{} is not like your workload", cell.workload)),
            d if d > NEAR => {
                held.to(Level::Medium, format!("{} is only similar to your workload", cell.workload));
            }
            _ => {}
        }
    }
    let measured = || findings.iter().filter(|(_, finding)| finding.value.value().is_some());
    if let Some(fewest) = measured().map(|(_, finding)| finding.rounds).min().filter(|n| *n < FULL_ROUNDS) {
        held.to(Level::Medium, format!("a figure rests on {}", units::plural(u64::from(fewest), "round")));
    }
    let widths = measured().filter_map(|(_, finding)| finding.interval).filter(|(low, _)| *low > 0.0);
    match widths.map(|(low, high)| high / low).fold(1.0, f64::max) {
        width if width > VERY_WIDE => {
            held.to(Level::Low, format!("an interval is {} wide", units::factor(width)));
        }
        width if width > WIDE => {
            held.to(Level::Medium, format!("an interval is {} wide", units::factor(width)));
        }
        _ => {}
    }
    let name_of = |site: &Site<'_>| (sources[site.source].name.clone(), site.name());
    let at: Vec<&Site<'_>> = sites
        .iter()
        .filter(|site| used.iter().any(|cell| (cell.source.clone(), cell.workload.clone()) == name_of(site)))
        .collect();
    for model in rest.recommended {
        if let Some(doubt) = at.iter().flat_map(|site| site.doubts(model)).next() {
            held.to(Level::Medium, format!("there is a doubt about {model}: {doubt}"));
        }
    }
    let constructed = |finding: &Finding| finding.criterion == Criterion::Isolation && finding.rounds == 0;
    if findings.iter().any(|(_, finding)| constructed(finding)) {
        held.to(Level::Medium, "isolation is by construction, not measured".to_owned());
    }
    if question.connections.is_none() || question.payload_bytes.is_none() {
        held.to(Level::Medium, "the payload or the number of connections is not known".to_owned());
    }
    for source in at.iter().map(|site| &sources[site.source]) {
        if elsewhere(source, here).is_some() {
            held.to(Level::Low, "it was measured on another machine".to_owned());
        }
        if source.analysis.run.environment.notes.contains_key(SYNTHETIC) {
            held.to(Level::Low, "the records are made up".to_owned());
        }
    }
    Confidence { level: held.level, because: held.because }
}

struct Held {
    level: Level,
    because: Vec<String>,
}

impl Held {
    /// Lowers the level to at most this one, for a reason; each reason is told once.
    fn to(&mut self, level: Level, why: String) {
        self.level = self.level.min(level);
        if !self.because.contains(&why) {
            self.because.push(why);
        }
    }
}
