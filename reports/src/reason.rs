//! Why a model won, read off the cost figures. Every number in the sentence was measured; a figure that is absent is
//! not mentioned, and when nothing differs the sentence says that.

use crate::cell::{Cell, Costs};
use crate::record::Reading;
use crate::units;
use crate::verdict::{Outcome, Standing};

/// A cost that differs by less than this factor explains nothing.
pub(crate) const TELLING: f64 = 1.2;

struct Cost {
    name: &'static str,
    reading: fn(&Costs) -> &Reading<f64>,
    show: fn(f64) -> String,
}

/// The costs a reason may name. Memory is not among them: it does not make a request faster.
const COSTS: [Cost; 2] = [
    Cost {
        name: "context switches per request",
        reading: |costs| &costs.switches_per_request,
        show: units::quantity,
    },
    Cost { name: "server CPU per request", reading: |costs| &costs.cpu_ns_per_request, show: units::time },
];

/// The reason of an outcome, in sentences.
pub(crate) fn explain(cells: &[Cell], standings: &[Standing], outcome: &Outcome) -> String {
    let cell = |model: &str| cells.iter().find(|cell| cell.model == model);
    match outcome {
        Outcome::Undecided { .. } => undecided(cells),
        Outcome::NoneFits => "Lower the load, or allow the models more workers.".to_owned(),
        Outcome::Chosen { winners, next } => {
            let mut sentences = Vec::new();
            let next = next.as_ref().and_then(|(model, _)| cell(model));
            if let (Some(best), Some(next)) = (cell(&winners[0]), next) {
                sentences.push(against(best, next));
            }
            sentences.extend(cheapest(winners.iter().filter_map(|model| cell(model)).collect()));
            sentences.extend(starved(cells, standings));
            sentences.join(" ")
        }
    }
}

fn undecided(cells: &[Cell]) -> String {
    let excluded: u32 = cells.iter().map(|cell| cell.excluded).sum();
    if excluded > 0 {
        return format!("{} left out as invalid.", units::plural(u64::from(excluded), "trial"));
    }
    "Run more rounds, or a longer window if the figure needs more requests.".to_owned()
}

/// How the costs of two models differ, the most telling first.
fn against(best: &Cell, next: &Cell) -> String {
    let mut found: Vec<(f64, String)> = COSTS
        .iter()
        .filter_map(|cost| {
            let ours = *(cost.reading)(&best.costs).value()?;
            let theirs = *(cost.reading)(&next.costs).value()?;
            let ratio = theirs.max(1e-9) / ours.max(1e-9);
            let (ours, theirs) = ((cost.show)(ours), (cost.show)(theirs));
            (ratio >= TELLING).then(|| (ratio, format!("{ours} {} against {theirs}", cost.name)))
        })
        .collect();
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    if found.is_empty() {
        return format!("Neither switches nor CPU per request explain the lead over {}.", next.model);
    }
    let found: Vec<String> = found.into_iter().map(|(_, text)| text).collect();
    format!("Beside {}: {}.", next.model, found.join(", "))
}

/// Among models that tie, the one that uses least CPU, if it is clearly less than the most any of them uses.
fn cheapest(winners: Vec<&Cell>) -> Option<String> {
    let mut cpu: Vec<(f64, &str)> = winners
        .iter()
        .filter_map(|cell| Some((*cell.costs.cpu_ns_per_request.value()?, cell.model.as_str())))
        .collect();
    cpu.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(b.1)));
    let (least, most) = (cpu.first()?, cpu.last()?);
    (most.0 >= least.0 * TELLING).then(|| {
        let (low, high) = (units::time(least.0), units::time(most.0));
        format!("Of those that tie, {} uses least CPU: {low} a request, {} uses {high}.", least.1, most.1)
    })
}

/// The models behind that left connections without any reply.
fn starved(cells: &[Cell], standings: &[Standing]) -> Option<String> {
    let left: Vec<String> = standings
        .iter()
        .filter(|standing| !standing.wins())
        .filter_map(|standing| {
            let cell = cells.iter().find(|cell| cell.model == standing.model)?;
            let merged = cell.merged.as_ref()?;
            (merged.never_served > 0).then(|| {
                let share = merged.never_served as f64 / merged.connections.max(1) as f64;
                format!("{} ({:.0} %)", cell.model, share * 100.0)
            })
        })
        .collect();
    (!left.is_empty()).then(|| format!("Left connections without any reply: {}.", left.join(", ")))
}
