//! What was measured, as places that a question can be near to: workloads, and points between two of a sweep.
//!
//! Between two points of a sweep figures are interpolated along straight lines of logarithms, for rates, times and memory
//! all change by factors. Nothing is ever extrapolated beyond the points that were measured.

use super::Source;
use super::distance::{self, Distance, FAR, Point, Purpose};
use super::question::Question;
use crate::cells::cell::{Cell, CellDoubt};
use crate::record::{Axis, Background, Metric, Pacing, Profile, ScenarioRecord, Work};
use crate::rules::workload::Workload;
use crate::stats::bootstrap::MIN_ROUNDS;
use crate::stats::estimate::Estimate;

/// A metric of a cell, where rounds enough have it.
///
/// # Errors
/// Too few have.
pub(super) fn estimate(cell: &Cell, metric: Metric) -> Result<Estimate, String> {
    let found = cell.estimate(metric);
    let rounds = found.map_or(0, |found| found.rounds);
    let few = || format!("{rounds} of the {MIN_ROUNDS} rounds needed have the figure");
    found.filter(|_| rounds >= MIN_ROUNDS).ok_or_else(few)
}

/// A share of the way from one estimate to another, along logarithms.
fn along(one: Estimate, other: Estimate, share: f64) -> Estimate {
    let mean = |a: f64, b: f64| match a > 0.0 && b > 0.0 && a.is_finite() && b.is_finite() {
        true => (a.ln() * (1.0 - share) + b.ln() * share).exp(),
        // Nothing lies between a figure and never.
        false => a.max(b),
    };
    Estimate {
        median: mean(one.median, other.median),
        low: mean(one.low, other.low),
        high: mean(one.high, other.high),
        rounds: one.rounds.min(other.rounds),
    }
}

/// A place that was measured, or that lies between two that were.
#[derive(Clone, Debug)]
pub(super) struct Site<'a> {
    /// Position of its source.
    pub source: usize,
    /// The workload, the lower one of two.
    pub workload: &'a Workload,
    /// The upper one, and the share of the way to it, 0 to 1.
    pub upper: Option<(&'a Workload, f64)>,
    /// The workload in figures; between two, that of the point between.
    pub profile: Profile,
}

impl Site<'_> {
    /// Its name.
    pub(super) fn name(&self) -> String {
        match self.upper {
            Some((upper, _)) => {
                format!("between {} and {}", self.workload.scenario.name, upper.scenario.name)
            }
            None => self.workload.scenario.name.clone(),
        }
    }

    /// How far it lies from a question.
    pub(super) fn distance(&self, question: &Question, purpose: Purpose) -> Distance {
        distance::distance(&Point::from(question), &Point::from(&self.profile), purpose)
    }

    /// Whether a model has a valid round here.
    pub(super) fn has(&self, model: &str) -> bool {
        let has = |one: &Workload| one.cell(model).is_some_and(|cell| !cell.rounds.is_empty());
        has(self.workload) && self.upper.is_none_or(|(upper, _)| has(upper))
    }

    /// The doubts about a model here.
    pub(super) fn doubts(&self, model: &str) -> Vec<&CellDoubt> {
        let cells = [Some(self.workload), self.upper.map(|(upper, _)| upper)];
        let cells = cells.into_iter().flatten().filter_map(|one| one.cell(model));
        cells.flat_map(|cell| &cell.doubts).collect()
    }

    /// A figure of a model here, between two points if need be.
    pub(super) fn figure(
        &self,
        model: &str,
        of: impl Fn(&Workload, &Cell) -> Result<Estimate, String>,
    ) -> Result<Estimate, String> {
        let at = |one: &Workload| match one.cell(model) {
            Some(cell) => of(one, cell),
            None => Err("it was not run".to_owned()),
        };
        let lower = at(self.workload)?;
        match self.upper {
            Some((upper, share)) => Ok(along(lower, at(upper)?, share)),
            None => Ok(lower),
        }
    }
}

/// Every place of the sources that says something about ordinary requests, and the points of sweeps between which the
/// question lies.
pub(super) fn sites<'a>(sources: &'a [Source], question: &Question) -> Vec<Site<'a>> {
    let mut all = Vec::new();
    for (at, source) in sources.iter().enumerate() {
        let analysis = &source.analysis;
        if analysis.says_nothing() {
            continue;
        }
        let usable: Vec<&Workload> = analysis.measured().filter(|one| is_ordinary(&one.scenario)).collect();
        all.extend(usable.iter().map(|&workload| Site {
            source: at,
            workload,
            upper: None,
            profile: workload.scenario.profile(),
        }));
        all.extend(between(&usable, question).into_iter().map(|(workload, upper, share, profile)| Site {
            source: at,
            workload,
            upper: Some((upper, share)),
            profile,
        }));
    }
    all
}

/// Whether a workload is evidence for ordinary requests: whoever asks is answered, over connections that lose nothing and are not encrypted, none of them crashes the
/// server, their rate is steady, and no slow client sits beside them.
pub fn is_ordinary(scenario: &ScenarioRecord) -> bool {
    let Background { idle: _, slow_readers, slow_senders } = scenario.background;
    scenario.transport.is_tcp()
        && scenario.loss == 0.0
        && scenario.audience.is_none()
        && scenario.tls.is_none()
        && scenario.work != Some(Work::Poison)
        && !scenario.load.varies()
        && slow_readers + slow_senders == 0
}

/// A point of a sweep and the next one above it, how far up between them the question lies, and the profile there.
type Between<'a> = (&'a Workload, &'a Workload, f64, Profile);

fn between<'a>(workloads: &[&'a Workload], question: &Question) -> Vec<Between<'a>> {
    let asked = |axis: Axis| match axis {
        Axis::Clients => question.active().map(|n| n as f64),
        Axis::Rate => question.rate_per_s,
        Axis::Idle => question.idle().map(|n| n as f64),
        // A question is about a number of cores that is there, not about one that might be; and about no chat.
        Axis::Cores | Axis::Room => None,
    };
    let mut found = Vec::new();
    for lower in workloads {
        let Some(low) = &lower.scenario.sweep else { continue };
        let Some(value) = asked(low.axis) else { continue };
        let above = workloads.iter().filter_map(|upper| {
            let high = upper.scenario.sweep.as_ref()?;
            (high.of == low.of && high.axis == low.axis && high.value > low.value)
                .then_some((*upper, high.value))
        });
        let Some((upper, high)) = above.min_by(|a, b| a.1.total_cmp(&b.1)) else { continue };
        if low.value > 0.0 && low.value < value && value < high {
            let share = (value / low.value).ln() / (high / low.value).ln();
            found.push((*lower, upper, share, moved(lower.scenario.profile(), low.axis, value)));
        }
    }
    found
}

/// A profile with the swept parameter at another value.
fn moved(mut profile: Profile, axis: Axis, value: f64) -> Profile {
    match axis {
        Axis::Clients => profile.active_connections = value.round() as u64,
        Axis::Rate => profile.rate_per_s = Some(value),
        Axis::Idle => profile.idle_connections = value.round() as u64,
        Axis::Cores | Axis::Room => {}
    }
    profile
}

/// The places that a model was measured at and that are near enough for a purpose, nearest first, each with its distance;
/// only those about as near as the nearest.
pub(super) fn nearest<'s, 'a>(
    sites: &'s [Site<'a>],
    question: &Question,
    purpose: Purpose,
    model: &str,
) -> Vec<(usize, &'s Site<'a>, f64)> {
    let mut near: Vec<_> = sites
        .iter()
        .enumerate()
        // Between two rates lies no capacity: either the server carried the rate or it did not.
        .filter(|(_, site)| {
            let between_rates = site.upper.is_some() && site.profile.pacing == Pacing::Open;
            site.has(model) && !(purpose == Purpose::Capacity && between_rates)
        })
        .map(|(at, site)| (at, site, site.distance(question, purpose).total()))
        .filter(|(.., distance)| *distance <= FAR)
        .collect();
    near.sort_by(|a, b| a.2.total_cmp(&b.2));
    let reach = near.first().map_or(0.0, |first| first.2 + ABOUT_AS_NEAR);
    near.retain(|(.., distance)| *distance <= reach);
    near
}

/// Workloads whose distance is larger than the nearest's by no more than this are asked too.
const ABOUT_AS_NEAR: f64 = 0.5;
