//! Sweeps: the same workload at several values of one parameter, and what the points say together.
//!
//! Each point is a workload with cells and a verdict of its own; here they become curves with a knee and a fitted law, the
//! places where models change places, and the capacity under an objective. The parts state their rules:
//! [`Knee`], [`Usl`], [`Queue`], [`Crossover`], [`capacity`].
//!
//! Nothing here measures or draws; a statement that the rounds do not carry is not made.

pub mod capacity;
mod crossover;
mod curve;
mod knee;
mod queue;
mod resample;
mod usl;

pub use crossover::{Boundary, Crossover};
pub(crate) use curve::enough;
pub use curve::{At, Curve, Fit};
pub use knee::Knee;
pub use queue::Queue;
pub use usl::Usl;

use crate::cells::cell::SHOWN;
use crate::record::{Axis, Metric, Objective, SweepPoint};
use crate::rules::verdict::{Flip, Place};
use crate::rules::workload::Workload;
use crate::stats::quantile::Quantile;
use crate::stats::random::Random;
use capacity::{Capacities, End, Tried};
use crossover::Line;
use resample::Grid;
use std::collections::BTreeSet;

/// A workload at several values of one parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Sweep {
    /// Name of the workload.
    pub of: String,
    /// The parameter.
    pub axis: Axis,
    /// The points that any trial was made at, by ascending value; among them the workload itself, where it is in the run.
    pub points: Vec<Workload>,
    /// The models, in the order to show them.
    pub models: Vec<String>,
    /// A curve for each model.
    pub curves: Vec<Curve>,
    /// Where models change places; empty for a capacity search, whose models meet at few rates.
    pub crossovers: Vec<Crossover>,
    /// The highest rate, or the largest room, under the objective, where there is one.
    pub capacity: Option<Capacities>,
    /// Whether the rates were chosen while it ran, so that models were not all tried at all of them.
    pub searched: bool,
    /// Whether too much of the run was left out for a statement on it.
    pub withheld: bool,
}

impl Sweep {
    /// The points that were measured for it alone.
    pub fn own_points(&self) -> impl Iterator<Item = &Workload> {
        self.points.iter().filter(|point| point.scenario.name != self.of)
    }
}

/// Takes the points of sweeps out of the workloads, in the order of their first points.
pub(crate) fn gather(
    workloads: &mut Vec<Workload>,
    objectives: &[Objective],
    seed: u64,
    withheld: bool,
) -> Vec<Sweep> {
    let mut groups: Vec<((String, Axis), Vec<Workload>)> = Vec::new();
    let (points, others): (Vec<_>, Vec<_>) =
        std::mem::take(workloads).into_iter().partition(|one| one.scenario.sweep.is_some());
    *workloads = others;
    for point in points {
        let Some(place) = &point.scenario.sweep else { continue };
        let key = (place.of.clone(), place.axis);
        match groups.iter_mut().find(|(known, _)| *known == key) {
            Some((_, points)) => points.push(point),
            None => groups.push((key, vec![point])),
        }
    }
    for ((of, axis), points) in &mut groups {
        let known = |value: f64| points.iter().any(|point| self::value(point) == value);
        let own = workloads.iter().find(|one| one.scenario.name == *of).and_then(|one| own_place(one, *axis));
        points.extend(own.filter(|own| !known(value(own))));
    }
    let all = groups.into_iter();
    all.filter_map(|((of, axis), points)| sweep(of, axis, points, objectives, seed, withheld)).collect()
}

/// A workload as a point of its own curve: at its own place on the axis it is measured already.
fn own_place(workload: &Workload, axis: Axis) -> Option<Workload> {
    let value = match axis {
        Axis::Rate => workload.scenario.rate_per_s()?,
        Axis::Clients => f64::from(workload.scenario.load.clients()),
        Axis::Idle => f64::from(workload.scenario.background.idle),
        // Of several rooms it says nothing: a point is one that all clients are in.
        Axis::Room => {
            let clients = workload.scenario.load.clients();
            f64::from(workload.scenario.audience.filter(|audience| audience.size == clients)?.size)
        }
        // The workload itself says nothing of cores: it had those of the run.
        Axis::Cores => return None,
    };
    let mut point = workload.clone();
    point.scenario.sweep = Some(SweepPoint { of: workload.scenario.name.clone(), axis, value });
    Some(point)
}

fn sweep(
    of: String,
    axis: Axis,
    mut points: Vec<Workload>,
    objectives: &[Objective],
    seed: u64,
    withheld: bool,
) -> Option<Sweep> {
    points.sort_by(|a, b| value(a).total_cmp(&value(b)));
    let goal = objectives.iter().find(|goal| goal.of == of && axis == Axis::Rate);
    // A search declares every rate it might try, and a run with a budget every point it might have time for.
    points.retain(|point| point.cells.iter().any(|cell| !cell.rounds.is_empty() || cell.excluded > 0));
    let its_own = |point: &&Workload| point.scenario.name != of;
    let first = points.iter().find(its_own)?;
    let models = first.scenario.models.clone();
    let objective = goal.cloned().or_else(|| stated(&of, axis, &points));
    let curves = models.iter().map(|model| curve::curve(model, axis, &points, seed)).collect();
    let crossovers = if goal.is_some() || withheld { Vec::new() } else { crossovers(&models, &points, seed) };
    let capacity = objective.filter(|_| !withheld).map(|objective| {
        // The many blocks of the workload itself must not stand for the few at other rates.
        let points: Vec<Workload> = points.iter().filter(its_own).cloned().collect();
        capacities(&objective, axis, &models, &points, seed)
    });
    Some(Sweep { of, axis, points, models, curves, crossovers, capacity, searched: goal.is_some(), withheld })
}

/// The objective that the workload itself states: on the p99, or on the median where that decides.
fn stated(of: &str, axis: Axis, points: &[Workload]) -> Option<Objective> {
    let scenario = &points.first()?.scenario;
    let percentile = if scenario.merit == Metric::ResponseP50 { 0.5 } else { 0.99 };
    let limit_ns = scenario.objective_ns.filter(|_| matches!(axis, Axis::Rate | Axis::Room))?;
    Some(Objective { of: of.to_owned(), percentile, limit_ns })
}

/// Where on the axis a point lies.
pub(crate) fn value(point: &Workload) -> f64 {
    point.scenario.sweep.as_ref().map_or(f64::NAN, |place| place.value)
}

/// The rounds of any model at any point, ascending.
fn rounds_of(points: &[Workload]) -> Vec<u32> {
    let cells = points.iter().flat_map(|point| &point.cells);
    let rounds: BTreeSet<u32> = cells.flat_map(|cell| &cell.rounds).map(|round| round.round).collect();
    rounds.into_iter().collect()
}

/// A figure of a model at every point in every round.
fn grid(
    model: &str,
    points: &[Workload],
    rounds: &[u32],
    figure: impl Fn(&crate::cells::cell::RoundFigures) -> Option<f64>,
) -> Grid {
    let of_point = |point: &Workload| {
        let cell = point.cell(model);
        let of_round = |at: &u32| figure(cell?.rounds.iter().find(|round| round.round == *at)?);
        rounds.iter().map(of_round).collect()
    };
    points.iter().map(of_point).collect()
}

fn crossovers(models: &[String], points: &[Workload], seed: u64) -> Vec<Crossover> {
    let Some(scenario) = points.first().map(|point| &point.scenario) else { return Vec::new() };
    let merit = scenario.merit;
    let (values, rounds): (Vec<f64>, _) = (points.iter().map(value).collect(), rounds_of(points));
    let grids: Vec<Grid> =
        models.iter().map(|model| grid(model, points, &rounds, |round| round.value(merit))).collect();
    let drowned: Vec<Vec<bool>> =
        models.iter().map(|model| points.iter().map(|point| drowned(point, model)).collect()).collect();
    let mut found = Vec::new();
    for (at, first) in models.iter().enumerate() {
        for (other, second) in models.iter().enumerate().skip(at + 1) {
            let mut random = Random::named(seed, &["crossover", &scenario.name, first, second]);
            // Which of two that cannot keep up is the later one says nothing of either.
            let told = |of: usize| -> Grid {
                let both = drowned[at].iter().zip(&drowned[other]).map(|(a, b)| *a && *b);
                let kept = |(figures, lost): (&Vec<_>, bool)| {
                    if lost { vec![None; rounds.len()] } else { figures.clone() }
                };
                grids[of].iter().zip(both).map(kept).collect()
            };
            let (ours, theirs) = (told(at), told(other));
            let sure: Vec<i8> = points
                .iter()
                .enumerate()
                .map(|(point, one)| match drowned[at][point] && drowned[other][point] {
                    true => 0,
                    false => side(one, first, second),
                })
                .collect();
            found.extend(crossover::crossovers(
                &values,
                Line { model: first, figures: &ours },
                Line { model: second, figures: &theirs },
                merit.better(),
                &sure,
                &mut random,
            ));
        }
    }
    found
}

/// On which side of a pair a point is shown to lie: 1 where the second model is behind, -1 where the first is, 0 for neither.
fn side(point: &Workload, first: &str, second: &str) -> i8 {
    let at = |name: &str| point.scenario.models.iter().position(|model| model == name);
    let verdict = &point.verdict;
    let pair = at(first).zip(at(second)).and_then(|(first, second)| verdict.pair(first, second));
    let floor = verdict.floor.ln_1p();
    match pair {
        Some(pair) if pair.is_behind(floor) => 1,
        Some(pair) if pair.turned().is_behind(floor) => -1,
        _ => 0,
    }
}

/// Whether a model does not keep up with the rate of a point: what it answers depends on how long the trial lasts.
pub(crate) fn drowned(point: &Workload, model: &str) -> bool {
    let asked = point.scenario.sweep.as_ref().and_then(|place| match place.axis {
        Axis::Rate => Some(place.value),
        Axis::Room => point.scenario.rate_per_s(),
        Axis::Clients | Axis::Idle | Axis::Cores => None,
    });
    let back = point.cell(model).and_then(|cell| cell.value(Metric::Throughput));
    back.zip(asked).is_some_and(|(back, asked)| back < queue::KEPT_SHARE * asked)
}

fn capacities(
    objective: &Objective,
    axis: Axis,
    models: &[String],
    points: &[Workload],
    seed: u64,
) -> Capacities {
    let shown = SHOWN.iter().position(|share| *share == objective.percentile);
    let tried = |model: &String| {
        let mut tried = Vec::new();
        for point in points {
            for round in point.cell(model).iter().flat_map(|cell| &cell.rounds) {
                let quantile =
                    shown.map_or(Quantile::Insufficient { have: 0, need: 0 }, |at| round.response.shown[at]);
                if let Some(met) = capacity::meets(quantile, objective.limit_ns) {
                    tried.push(Tried { round: round.round, value: value(point), met });
                }
            }
        }
        (model.clone(), tried)
    };
    let models: Vec<(String, Vec<Tried>)> = models.iter().map(tried).collect();
    capacity::estimate(objective, axis, &models, |model, last| limit(points, axis, model, last), seed)
}

/// Why nothing above the last value was tried, or counts, for a model.
fn limit(points: &[Workload], axis: Axis, model: &str, last: f64) -> End {
    let left_out =
        |point: &&Workload| value(point) > last && point.cell(model).is_some_and(|cell| cell.excluded > 0);
    if let Some(point) = points.iter().find(left_out) {
        return End::LeftOut { value: value(point) };
    }
    match points.iter().rev().find_map(|point| point.bounds.ceiling_per_s) {
        Some(ceiling) if axis == Axis::Rate && last * 1.25 > ceiling => {
            End::Generator { rate_per_s: ceiling }
        }
        _ => End::NotTried,
    }
}

/// The boundary of the workload of this name: which model is best from where on. Empty where the run holds no sweep of it, or
/// none that shows one.
pub fn boundary(sweeps: &[Sweep], workload: &str) -> Vec<Flip> {
    sweeps.iter().filter(|sweep| sweep.of == workload).flat_map(Sweep::boundaries).collect()
}

/// The models that are first at a point, or shown to be equal to the first; those that are merely near it are not.
pub(crate) fn sure(point: &Workload) -> impl Iterator<Item = &str> {
    let standings = point.verdict.standings.iter().filter(|one| point.verdict.wins(&one.model));
    let sure = standings.filter(|one| matches!(one.place, Place::Leader | Place::Equal(_)));
    sure.map(|one| one.model.as_str())
}

impl Sweep {
    /// Where the best model changes: of those pairs that are both best, or share first place, somewhere along the axis.
    pub fn boundaries(&self) -> Vec<Flip> {
        let best: Vec<&str> = self.kept().flat_map(sure).collect();
        let flip = |one: &Crossover| match one.boundary {
            Boundary::Shown { value, low, high, .. }
                if best.contains(&one.before.as_str()) && best.contains(&one.after.as_str()) =>
            {
                let (before, after) = (one.before.clone(), one.after.clone());
                Some(Flip { before, after, axis: self.axis, at: (value, low, high) })
            }
            _ => None,
        };
        self.crossovers.iter().filter_map(flip).collect()
    }

    /// Whether a point is a rate with which no model keeps up: there the response time says how long the trial was.
    pub(crate) fn beyond(&self, point: &Workload) -> bool {
        self.models.iter().all(|model| drowned(point, model))
    }

    /// The points that say something of the models.
    pub(crate) fn kept(&self) -> impl Iterator<Item = &Workload> {
        self.points.iter().filter(|point| !self.beyond(point))
    }
}
