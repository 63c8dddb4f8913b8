//! Capacity: the highest rate at which a model still meets an objective on its response time, from trials at many rates; or the
//! largest room of a chat, from trials at many sizes. What is said of rates here holds of either.
//!
//! # Definition
//! A trial meets the objective when the stated percentile of response time, over the requests *sent*, is at most the limit:
//! what was never answered is infinitely late, so at most the percentile's allowance may go unanswered. Capacity is the rate at
//! which half of the trials meet it.
//!
//! # The estimate
//! The share of trials that miss the objective is fitted over the rates by isotonic regression (it may only rise with the
//! rate; pool adjacent violators: Barlow and others, Statistical Inference under Order Restrictions, 1972), and capacity is
//! where it passes one half, by a straight line over the logarithm of the rate between the two rates on either side. That is the
//! usual estimate for an up-and-down search (Stylianou and Flournoy, Biometrics 58, 2002).
//!
//! Half of the windows are not enough for who runs a service. So the rate that [`KEPT`] of the windows keep stands beside it: the
//! highest rate tried at which, by the same fit, no more than a twentieth of them miss. It is what was seen, from few windows:
//! how many there were at that rate is told, and of `n` windows without a miss a share of `3/n` may miss still.
//!
//! # The interval
//! The central 95 % over resamples of the rounds, the same rounds for every model, so that ratios between models are paired. A
//! search tells no more than between which two rates the boundary lies; so each resample puts it at a random place between
//! them, and the ladder's own coarseness is part of the interval. A model is behind when the whole interval of the ratio lies
//! beyond the practical floor; unlike the verdict on a workload, that is not adjusted for the number of models.
//! Where the best model met the objective at every rate that was tried, or the other at none, no ratio is known, only the
//! least it can be: the one between the last rates that were tried.

use super::resample::{ends, over_rounds};
use crate::record::histogram::{HistogramError, Recorder};
use crate::record::{Axis, Measured, Metric, Objective};
use crate::stats::bootstrap::CONFIDENCE;
use crate::stats::median;
use crate::stats::paired::{Better, log_behind};
use crate::stats::quantile::{Distribution, Quantile};
use crate::stats::random::Random;
use std::collections::{BTreeMap, BTreeSet};

/// Trials of a model that an estimate takes at least.
pub const LEAST_TRIALS: usize = 6;

/// The share of windows that keep the objective at [`Capacity::kept`].
pub const KEPT: f64 = 0.95;

/// A trial at a rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tried {
    /// The round.
    pub round: u32,
    /// What was asked for, on the axis.
    pub value: f64,
    /// Whether the objective was met.
    pub met: bool,
}

/// Whether a quantile meets a limit; `None` where there were too few requests to tell.
pub fn meets(quantile: Quantile, limit_ns: u64) -> Option<bool> {
    quantile.ns().map(|ns| ns <= limit_ns as f64)
}

/// Whether a trial meets an objective; `None` where there were too few requests to tell.
///
/// # Errors
/// When the histogram is damaged.
pub fn met(measured: &Measured, objective: &Objective) -> Result<Option<bool>, HistogramError> {
    let recorder = Recorder::decode(&measured.response)?;
    let quantile = Distribution::new(&recorder, measured.counts.sent).quantile(objective.percentile);
    Ok(meets(quantile, objective.limit_ns))
}

/// Why no rate above the one that was carried was tried, or counts.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    /// No higher rate was tried.
    NotTried,
    /// Trials at this higher one had to be left out.
    LeftOut {
        /// Its value on the axis.
        value: f64,
    },
    /// The load generator reaches no more than this.
    Generator {
        /// Replies per second.
        rate_per_s: f64,
    },
}

/// What was found for a model.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// The capacity, on the axis.
    At {
        /// The estimate.
        value: f64,
        /// Lower end of its interval.
        low: f64,
        /// Upper end of its interval; infinite where some resamples never miss the objective.
        high: f64,
    },
    /// The objective was met at the highest rate tried.
    AtLeast {
        /// That rate.
        value: f64,
        /// Why no higher one was tried.
        end: End,
    },
    /// It was missed at the lowest rate tried.
    Below {
        /// That rate.
        value: f64,
    },
    /// Too few trials to tell.
    Unknown {
        /// How many there are.
        trials: usize,
    },
}

/// The capacity of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Capacity {
    /// The model.
    pub model: String,
    /// What was found.
    pub found: Found,
    /// Each rate that was tried, ascending, with the trials there and how many met the objective.
    pub tried: Vec<(f64, usize, usize)>,
    /// What [`KEPT`] of the windows keep; absent where no rate tried was kept by so many, or too few trials tell.
    pub kept: Option<Kept>,
    /// How many times the best model's capacity is of this one's: median, low and high; absent for the best and for models
    /// without an estimate. With an infinite high end only the least it can be is known.
    pub behind_by: Option<(f64, f64, f64)>,
    /// Whether it cannot be told from the best, or is the best.
    pub wins: bool,
}

/// A rate that [`KEPT`] of the windows keep.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kept {
    /// What was asked for, on the axis.
    pub value: f64,
    /// Trials at it.
    pub windows: usize,
    /// Of these, the ones that missed the objective.
    pub missed: usize,
}

/// The capacities of all models under one objective, the largest first.
#[derive(Clone, Debug, PartialEq)]
pub struct Capacities {
    /// The objective.
    pub objective: Objective,
    /// What it is a capacity for: a rate, or the members of a room.
    pub axis: Axis,
    /// The models.
    pub models: Vec<Capacity>,
}

/// Where the boundary lies among the rates tried.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Edge {
    /// Between these two rates, and at this one by the line.
    Between(f64, f64, f64),
    Above(f64),
    Below(f64),
}

/// The estimates for all models. `limit` tells why no rate above the given one was tried for a model.
pub fn estimate(
    objective: &Objective,
    axis: Axis,
    models: &[(String, Vec<Tried>)],
    limit: impl Fn(&str, f64) -> End,
    seed: u64,
) -> Capacities {
    // Rounds by position: a number that stands in a file must not decide how much memory is taken.
    let rounds: BTreeSet<u32> = models.iter().flat_map(|(_, tried)| tried).map(|one| one.round).collect();
    let rounds: Vec<u32> = rounds.into_iter().collect();
    let counted: Vec<Counted> = models.iter().map(|(_, tried)| Counted::new(tried, &rounds)).collect();
    let enough = |at: usize| models[at].1.len() >= LEAST_TRIALS;
    let edges: Vec<Option<Edge>> =
        (0..models.len()).map(|at| if enough(at) { counted[at].edge() } else { None }).collect();
    let samples = resampled(&counted, &mut Random::named(seed, &["capacity", &objective.of]));
    let centre = |at: usize| match edges[at] {
        None => -1.0,
        Some(Edge::Below(_)) => 0.0,
        Some(Edge::Between(_, _, rate)) => rate,
        Some(Edge::Above(_)) => f64::INFINITY,
    };
    let mut order: Vec<usize> = (0..models.len()).collect();
    order.sort_by(|a, b| centre(*b).total_cmp(&centre(*a)).then_with(|| models[*a].0.cmp(&models[*b].0)));
    let best = order.first().copied().filter(|best| centre(*best) > 0.0);
    let one = |at: usize| {
        let (model, tried) = &models[at];
        let found = match edges[at] {
            None => Found::Unknown { trials: tried.len() },
            Some(Edge::Below(value)) => Found::Below { value },
            Some(Edge::Above(value)) => Found::AtLeast { value, end: limit(model, value) },
            Some(Edge::Between(_, _, value)) => {
                let (low, high) = ends(samples[at].clone()).unwrap_or((value, value));
                Found::At { value, low: low.min(value), high: high.max(value) }
            }
        };
        let behind_by = best
            .filter(|best| *best != at && edges[at].is_some())
            .and_then(|best| ratio(&samples, &counted, best, at));
        let behind = behind_by.is_some_and(|(_, low, _)| low > 1.0 + Metric::Throughput.floor());
        let wins = best.is_some() && centre(at) > 0.0 && !behind;
        let kept = edges[at].and_then(|_| counted[at].kept());
        Capacity { model: model.clone(), found, tried: rungs(tried), kept, behind_by, wins }
    };
    Capacities { objective: objective.clone(), axis, models: order.into_iter().map(one).collect() }
}

/// What the trials of a model say, ready to be resampled: its rates, and for each round the rungs tried with what was missed.
struct Counted {
    rates: Vec<f64>,
    /// Rung and whether it was missed, for each trial of each round.
    rounds: Vec<Vec<(usize, bool)>>,
    /// Misses and trials at each rung.
    all: Vec<(f64, f64)>,
}

impl Counted {
    fn new(tried: &[Tried], rounds: &[u32]) -> Self {
        let rungs = rungs(tried);
        let rates: Vec<f64> = rungs.iter().map(|(rate, ..)| *rate).collect();
        let mut by_round = vec![Vec::new(); rounds.len()];
        for one in tried {
            let rung = rates.partition_point(|rate| *rate < one.value);
            let at = rounds.partition_point(|round| *round < one.round);
            by_round[at].push((rung, !one.met));
        }
        let all = rungs.iter().map(|(_, n, met)| ((n - met) as f64, *n as f64)).collect();
        Self { rates, rounds: by_round, all }
    }

    fn edge(&self) -> Option<Edge> {
        edge(&self.rates, &self.all)
    }

    fn kept(&self) -> Option<Kept> {
        let missed = isotonic(&self.all);
        // The fit never falls, so these are the lowest rates.
        let rungs = missed.iter().take_while(|share| **share <= 1.0 - KEPT).count();
        let (missed, windows) = *self.all[..rungs].last()?;
        Some(Kept { value: self.rates[rungs - 1], windows: windows as usize, missed: missed as usize })
    }

    /// Over drawn rounds. A rate that was not drawn keeps, with next to no weight, what the whole search said of it: a resample
    /// that happens to lack every miss would otherwise know of no end at all.
    fn redrawn(&self, drawn: &[usize]) -> Option<Edge> {
        let mut counts: Vec<(f64, f64)> =
            self.all.iter().map(|(missed, n)| (missed * KEPT_WEIGHT, n * KEPT_WEIGHT)).collect();
        for (rung, missed) in drawn.iter().flat_map(|round| &self.rounds[*round]) {
            counts[*rung].0 += f64::from(u8::from(*missed));
            counts[*rung].1 += 1.0;
        }
        edge(&self.rates, &counts)
    }
}

/// The weight of a trial that a resample did not draw.
const KEPT_WEIGHT: f64 = 0.01;

/// The capacity of each model in every resample of the rounds: 0 where every rate misses, infinite where none does.
fn resampled(models: &[Counted], random: &mut Random) -> Vec<Vec<f64>> {
    let rounds = models.iter().map(|one| one.rounds.len()).max().unwrap_or(0);
    let places = over_rounds(rounds, random, |drawn, random| {
        let one = |of: &Counted| of.redrawn(drawn).map(|edge| place(edge, random));
        models.iter().map(one).collect::<Vec<Option<f64>>>()
    });
    (0..models.len()).map(|at| places.iter().filter_map(|places| places[at]).collect()).collect()
}

/// A random place between the two rates, even over the logarithm.
fn place(edge: Edge, random: &mut Random) -> f64 {
    match edge {
        Edge::Below(_) => 0.0,
        Edge::Above(_) => f64::INFINITY,
        Edge::Between(low, high, _) => low * (high / low).powf(random.unit()),
    }
}

/// How many times the capacity of `best` is of that of `other`. Where one of them lies beyond the rates tried, the last rate
/// tried stands for it, so that the ratio is the least there can be, and the high end is infinite.
fn ratio(samples: &[Vec<f64>], counted: &[Counted], best: usize, other: usize) -> Option<(f64, f64, f64)> {
    let (first, last) = (counted[other].rates.first()?, counted[best].rates.last()?);
    let mut open = 0;
    let both = samples[best].iter().zip(&samples[other]);
    let logs: Vec<f64> = both
        .map(|(ahead, behind)| {
            // Both met everything: nothing tells them apart.
            if ahead.is_infinite() && behind.is_infinite() {
                return 0.0;
            }
            open += usize::from(ahead.is_infinite() || *behind == 0.0);
            log_behind(ahead.min(*last), behind.max(*first), Better::More)
        })
        .collect();
    let median = median(&logs)?;
    let bounded = (open as f64) < (1.0 - CONFIDENCE) / 2.0 * logs.len() as f64;
    let (low, high) = ends(logs)?;
    Some((median.exp(), low.exp(), if bounded { high.exp() } else { f64::INFINITY }))
}

/// Each rate with its trials and how many met the objective, ascending.
fn rungs(tried: &[Tried]) -> Vec<(f64, usize, usize)> {
    let mut rungs: BTreeMap<u64, (usize, usize)> = BTreeMap::new();
    for one in tried {
        // The bits of positive numbers are ordered as the numbers are.
        let rung = rungs.entry(one.value.to_bits()).or_default();
        rung.0 += 1;
        rung.1 += usize::from(one.met);
    }
    rungs.into_iter().map(|(rate, (trials, met))| (f64::from_bits(rate), trials, met)).collect()
}

/// Where the isotonic share of misses passes one half, given misses and trials at each rate; `None` for no rate.
fn edge(rates: &[f64], counts: &[(f64, f64)]) -> Option<Edge> {
    let missed = isotonic(counts);
    let (first, last) = (*rates.first()?, *rates.last()?);
    let Some(above) = missed.iter().position(|share| *share >= 0.5) else { return Some(Edge::Above(last)) };
    if above == 0 {
        return Some(Edge::Below(first));
    }
    let ((low, below), (high, beyond)) =
        ((rates[above - 1], missed[above - 1]), (rates[above], missed[above]));
    let part = (0.5 - below) / (beyond - below);
    Some(Edge::Between(low, high, low * (high / low).powf(part)))
}

/// The rising shares nearest to what was counted, given as misses and trials at each rate: pool adjacent violators.
fn isotonic(counts: &[(f64, f64)]) -> Vec<f64> {
    let mut blocks: Vec<(f64, f64, usize)> = Vec::new();
    for (missed, trials) in counts {
        blocks.push((*missed, *trials, 1));
        while let [.., before, last] = &blocks[..] {
            if before.0 / before.1 <= last.0 / last.1 {
                break;
            }
            let pooled = (before.0 + last.0, before.1 + last.1, before.2 + last.2);
            blocks.truncate(blocks.len() - 2);
            blocks.push(pooled);
        }
    }
    blocks.into_iter().flat_map(|(missed, trials, n)| std::iter::repeat_n(missed / trials, n)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objective() -> Objective {
        Objective { of: "echo".into(), percentile: 0.99, limit_ns: 5_000_000 }
    }

    fn tried(rates: &[(f64, &str)]) -> Vec<Tried> {
        let each = rates.iter().flat_map(|(rate, met)| met.chars().map(move |c| (*rate, c == '+')));
        each.zip(0..).map(|((value, met), round)| Tried { round, value, met }).collect()
    }

    fn found(trials: Vec<Tried>) -> Found {
        let why = |_: &str, _: f64| End::NotTried;
        estimate(&objective(), Axis::Rate, &[("one".into(), trials)], why, 1).models[0].found.clone()
    }

    #[test]
    fn shares_are_pooled_until_they_rise() {
        let counts = [(0.0, 2.0), (2.0, 3.0), (1.0, 3.0), (4.0, 4.0)];
        assert_eq!(isotonic(&counts), [0.0, 0.5, 0.5, 1.0]);
        assert_eq!(isotonic(&[(1.0, 1.0), (0.0, 1.0), (0.0, 1.0)]), [1.0 / 3.0; 3]);
    }

    #[test]
    fn a_clean_boundary_lies_between_its_two_rates() {
        let clean = tried(&[(1_000.0, "++"), (2_000.0, "+++"), (4_000.0, "---"), (8_000.0, "-")]);
        let Found::At { value, low, high } = found(clean) else { panic!("a boundary") };
        assert!((value / (2_000.0 * 4_000.0_f64).sqrt() - 1.0).abs() < 1e-9, "{value}");
        assert!((1_000.0..2_300.0).contains(&low) && (3_600.0..=8_000.0).contains(&high), "{low} {high}");
    }

    #[test]
    fn what_nearly_all_windows_keep_is_the_highest_rate_up_to_which_few_miss() {
        let kept = |rates: &[(f64, &str)]| {
            let why = |_: &str, _: f64| End::NotTried;
            estimate(&objective(), Axis::Rate, &[("one".into(), tried(rates))], why, 1).models[0].kept
        };
        let clean = [(1_000.0, "++++"), (2_000.0, "+++"), (4_000.0, "+-+"), (8_000.0, "--")];
        assert_eq!(kept(&clean), Some(Kept { value: 2_000.0, windows: 3, missed: 0 }));
        // One of 25 is within a twentieth; one of 15 is not, although half of the windows at the next rate keep it, too.
        let often = "+".repeat(24) + "-";
        let few = [(1_000.0, "++++"), (2_000.0, often.as_str()), (4_000.0, "---")];
        assert_eq!(kept(&few), Some(Kept { value: 2_000.0, windows: 25, missed: 1 }));
        let seldom = "+".repeat(14) + "-";
        let more = [(1_000.0, "++++"), (2_000.0, seldom.as_str()), (4_000.0, "---")];
        assert_eq!(kept(&more), Some(Kept { value: 1_000.0, windows: 4, missed: 0 }));
        assert_eq!(kept(&[(1_000.0, "+-----")]), None);
        assert_eq!(kept(&[(1_000.0, "+++")]), None, "too few trials for anything");
    }

    #[test]
    fn ends_of_the_ladder_and_too_few_trials_are_told_apart() {
        let above = found(tried(&[(1_000.0, "+++"), (2_000.0, "+++")]));
        assert_eq!(above, Found::AtLeast { value: 2_000.0, end: End::NotTried });
        assert_eq!(found(tried(&[(1_000.0, "------")])), Found::Below { value: 1_000.0 });
        assert_eq!(found(tried(&[(1_000.0, "+++")])), Found::Unknown { trials: 3 });
    }

    #[test]
    fn models_are_ordered_and_compared_by_the_same_rounds() {
        let why = |_: &str, _: f64| End::NotTried;
        let models = [
            ("slow".to_owned(), tried(&[(900.0, "++++"), (1_000.0, "----")])),
            ("fast".to_owned(), tried(&[(4_000.0, "++++"), (4_400.0, "----")])),
            ("same".to_owned(), tried(&[(4_000.0, "++++"), (4_400.0, "----")])),
            ("none".to_owned(), tried(&[(500.0, "--------")])),
            ("few".to_owned(), tried(&[(500.0, "+")])),
        ];
        let out = estimate(&objective(), Axis::Rate, &models, why, 1);
        let names: Vec<&str> = out.models.iter().map(|one| one.model.as_str()).collect();
        assert_eq!(names, ["fast", "same", "slow", "none", "few"]);
        assert_eq!(
            out.models.iter().map(|one| one.wins).collect::<Vec<_>>(),
            [true, true, false, false, false]
        );
        let (middle, low, high) = out.models[2].behind_by.expect("an estimate");
        assert!((middle / 4.42 - 1.0).abs() < 0.1 && low > 3.5 && high < 5.5, "{middle} {low} {high}");
        let (middle, low, high) = out.models[3].behind_by.expect("at least so much");
        assert!((8.0..8.8).contains(&low) && (8.0..8.8).contains(&middle), "{middle} {low}");
        assert!(
            high.is_infinite() && out.models[3].behind().starts_with("at least 8."),
            "{:?}",
            out.models[3]
        );
    }

    #[test]
    fn a_best_model_whose_end_was_not_found_is_ahead_by_what_was_tried_and_no_more() {
        let why = |_: &str, _: f64| End::NotTried;
        let models = [
            ("open".to_owned(), tried(&[(1_000.0, "++++"), (2_000.0, "++++")])),
            ("near".to_owned(), tried(&[(1_950.0, "++++"), (2_100.0, "----")])),
            ("far".to_owned(), tried(&[(900.0, "++++"), (1_000.0, "----")])),
        ];
        let out = estimate(&objective(), Axis::Rate, &models, why, 1);
        assert_eq!(out.models.iter().map(|one| one.wins).collect::<Vec<_>>(), [true, true, false]);
        let (_, low, high) = out.models[2].behind_by.expect("a ratio");
        assert!((2.0..2.2).contains(&low) && high.is_infinite(), "{low} {high}");
        assert!(out.models[2].behind().starts_with("at least "), "{:?}", out.models[2]);
    }

    #[test]
    fn the_number_of_a_round_takes_no_memory() {
        let mut trials = tried(&[(1_000.0, "+++"), (2_000.0, "---")]);
        trials[5].round = u32::MAX;
        assert!(matches!(found(trials), Found::At { .. }));
    }
}
