//! Why a model won, read off the cost figures. Every number in the sentence was measured; a figure that is absent is
//! not mentioned as if it were equal, and when nothing differs the sentence says that.

mod merit;

use crate::cells::cell::Cell;
use crate::record::{Metric, Profile};
use crate::rules::verdict::{OF_THE_LEAD, Place, Standing, Status, TELLING};
use crate::rules::workload::Workload;
use crate::show::units;
use crate::show::words::waiting;

/// A cost that a reason may name.
struct Telling {
    cost: Metric,
    name: &'static str,
    /// A smaller difference, in the cost's own unit, explains nothing even where the factor is large.
    least: f64,
}

/// The costs a reason may name. Memory is not among them: it does not make a request faster. Nor are instructions and
/// cycles, which the CPU time stands for. Nor is the run delay: where threads queue for a CPU it is the response time
/// under another name, while an event loop's requests queue in their sockets, where it does not see them.
const COSTS: [Telling; 5] = [
    Telling { cost: Metric::SwitchesPerRequest, name: "context switches per request", least: 0.05 },
    Telling { cost: Metric::SystemCallsPerRequest, name: "system calls per request", least: 0.2 },
    Telling { cost: Metric::PageFaultsPerRequest, name: "page faults per request", least: 0.1 },
    Telling { cost: Metric::CpuPerRequest, name: "server CPU per request", least: 100.0 },
    Telling { cost: Metric::SegmentsPerRequest, name: "segments per request", least: 0.2 },
];

/// A sentence names at most so many.
const MOST: usize = 3;

impl Workload {
    /// Why its verdict is what it is, in sentences; empty where nothing explains it.
    pub fn reason(&self) -> String {
        let (merit, cells, standings) = (self.verdict.merit, &self.cells, &self.verdict.standings);
        match self.verdict.status {
            Status::NoneFits => return "Lower the load, or allow the models more workers.".to_owned(),
            Status::Undecided { .. } => return UNDECIDED.to_owned(),
            Status::Decided | Status::Equal | Status::Provisional => {}
        }
        let mut sentences = Vec::new();
        let next = self.verdict.next().and_then(|(next, lead)| Some((self.cell(&next.model)?, lead.median)));
        if let (Some(best), Some((next, lead))) = (self.cell(&standings[0].model), next) {
            match merit::against(merit, best, next) {
                Some(why) => sentences.push(why),
                None => sentences.extend(against(merit, &self.scenario.profile(), best, next, lead)),
            }
        }
        let alike = standings.iter().filter(|one| surely_wins(one));
        sentences.extend(cheapest(alike.filter_map(|one| self.cell(&one.model)).collect()));
        sentences.extend(starved(cells, standings));
        sentences.extend(starving_winners(cells, standings));
        sentences.join(" ")
    }
}

/// What to do: nothing is said of discarded trials, which the verdict itself counts.
const UNDECIDED: &str =
    "Give it more time with `bakeoff continue`, or a longer window if the figure needs more requests.";

/// How two models differ, where the first is ahead by the factor `lead`: in costs, in waiting, in connections left alone.
fn against(merit: Metric, profile: &Profile, best: &Cell, next: &Cell, lead: f64) -> Vec<String> {
    let (known, costs) = costs(merit, best, next, lead);
    let mut sentences = Vec::new();
    sentences.extend(costs);
    if !abandons(next) {
        sentences.extend(waiting::explain(profile, best, next));
        sentences.extend(uneven(best, next));
    }
    if sentences.is_empty() && !abandons(next) {
        sentences.push(unexplained(&known, &next.model));
    }
    sentences
}

/// How the costs of two models differ, the most telling first; and the costs that both have.
fn costs(merit: Metric, best: &Cell, next: &Cell, lead: f64) -> (Vec<&'static str>, Option<String>) {
    let least_ratio = if lead.is_finite() { lead.powf(OF_THE_LEAD).max(TELLING) } else { TELLING };
    let (mut known, mut found): (Vec<&str>, Vec<(f64, String)>) = (Vec::new(), Vec::new());
    for telling in COSTS.iter().filter(|telling| telling.cost != merit) {
        let readings = (best.value(telling.cost), next.value(telling.cost));
        let (Some(ours), Some(theirs)) = readings else { continue };
        known.push(telling.name);
        // Next to nothing on one side makes no factor: it counts as the least that would tell.
        let ratio = theirs.max(telling.least) / ours.max(telling.least);
        if ratio >= least_ratio && theirs - ours >= telling.least {
            let (ours, theirs) = (telling.cost.show(ours), telling.cost.show(theirs));
            found.push((ratio, format!("{ours} {} against {theirs}", telling.name)));
        }
    }
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    let texts: Vec<String> = found.into_iter().take(MOST).map(|(_, text)| text).collect();
    (known, (!texts.is_empty()).then(|| format!("Compared with {}: {}.", next.model, texts.join(", "))))
}

/// That a model serves its connections less evenly than another does.
fn uneven(best: &Cell, next: &Cell) -> Option<String> {
    let (ours, theirs) = (best.value(Metric::Fairness)?, next.value(Metric::Fairness)?);
    (ours >= theirs * TELLING).then(|| {
        let (ours, theirs) = (Metric::Fairness.show(ours), Metric::Fairness.show(theirs));
        format!("{} serves its connections unevenly: a Jain index of {theirs} against {ours}.", next.model)
    })
}

/// Whether a model left connections without any reply, which is told beside the reasons.
fn abandons(cell: &Cell) -> bool {
    cell.merged.as_ref().is_some_and(|merged| merged.never_served > 0)
}

/// What to say when no cost differs enough: only of costs that both models have.
fn unexplained(known: &[&str], next: &str) -> String {
    match known {
        [] => format!("Nothing explains the lead over {next}: no cost could be measured for both."),
        [one] => format!("A difference in {one} does not explain the lead over {next}."),
        [first @ .., last] => {
            let names: Vec<&str> = first.iter().map(|name| name.trim_end_matches(PER)).collect();
            let last = last.trim_end_matches(PER);
            format!("Neither {} nor {last}{PER} explain the lead over {next}.", names.join(", "))
        }
    }
}

const PER: &str = " per request";

/// Among equal models, the one that uses least CPU, if it is clearly less than the most any of them uses.
fn cheapest(winners: Vec<&Cell>) -> Option<String> {
    let mut cpu: Vec<(f64, &str)> = winners
        .iter()
        .filter_map(|cell| Some((cell.value(Metric::CpuPerRequest)?, cell.model.as_str())))
        .collect();
    cpu.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(b.1)));
    let (least, most) = (cpu.first()?, cpu.last()?);
    (most.0 >= least.0 * TELLING).then(|| {
        let (low, high) = (units::time(least.0), units::time(most.0));
        format!("Of these, {} uses least CPU: {low} a request, {} uses {high}.", least.1, most.1)
    })
}

/// The share of its connections that a model left without any reply, over all its rounds; `None` when none was.
fn unserved(cells: &[Cell], standing: &Standing) -> Option<f64> {
    let merged = cells.iter().find(|cell| cell.model == standing.model)?.merged.as_ref()?;
    (merged.never_served > 0).then(|| merged.never_served as f64 / merged.connections.max(1) as f64)
}

fn surely_wins(standing: &Standing) -> bool {
    matches!(standing.place, Place::Leader | Place::Equal(_) | Place::Near(_))
}

/// The models that do not surely win and left connections without any reply.
fn starved(cells: &[Cell], standings: &[Standing]) -> Option<String> {
    let losers = standings.iter().filter(|standing| !surely_wins(standing));
    let left: Vec<String> = losers
        .filter_map(|standing| {
            Some(format!("{} ({})", standing.model, units::share(unserved(cells, standing)?)))
        })
        .collect();
    (!left.is_empty()).then(|| format!("Left connections without any reply: {}.", left.join(", ")))
}

/// A winner that serves a few and lets the others wait is fast for the few: whoever chooses it must know.
fn starving_winners(cells: &[Cell], standings: &[Standing]) -> Vec<String> {
    let winners = standings.iter().filter(|standing| surely_wins(standing));
    let warn = |standing: &Standing| {
        let share = units::share(unserved(cells, standing)?);
        Some(format!("Careful: {} wins while {share} of its connections never got a reply.", standing.model))
    };
    winners.filter_map(warn).collect()
}
