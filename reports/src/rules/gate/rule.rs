//! The rule of [`gate`](super) in code, from paired logarithms to what they show. It knows no records, so that a run under
//! way, a report years later and a simulation all apply the same one.

use super::noise;
use super::plan::LEVEL;
use super::plan::{CONFIDENCE, CONFIRM_LEVEL, MIN_PAIRS};
use super::spending::Spending;
use crate::rules::MOST_LEFT_OUT;
use crate::stats::estimate::Estimate;
use crate::stats::random::Random;
use crate::stats::threads;
use crate::stats::{median, multiple, signed_rank};
use rayon::prelude::*;

/// One figure of one model under one workload, as the rule sees it.
#[derive(Clone, Debug)]
pub(crate) struct Series<'a> {
    /// Workload, model and figure: what its random numbers are named after.
    pub(crate) names: [&'a str; 3],
    /// The smallest slowdown that matters, as a share.
    pub(crate) floor: f64,
    /// How far B is behind A, as logarithms, by round of the search.
    pub(crate) search: Vec<(u32, f64)>,
    /// Rounds of the search that were tried and have no pair.
    pub(crate) lost: Vec<u32>,
}

/// Whether there are pairs to judge by: of the rounds tried, no more than [`MOST_LEFT_OUT`] are without one.
pub(crate) fn enough(pairs: usize, lost: usize) -> bool {
    lost as f64 <= MOST_LEFT_OUT * (pairs + lost) as f64
}

/// What the rounds of the search show of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// A slowdown that matters is ruled out.
    Pass,
    /// B is better by more than the floor.
    Improved,
    /// B looks worse by more than the floor.
    Suspected,
    /// The rounds do not tell.
    Open,
}

/// What the rule makes of a figure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    /// What the rounds show.
    pub(crate) class: Class,
    /// p that B is not worse by more than the floor, adjusted for all figures and looks.
    pub(crate) q: f64,
}

/// The p of a figure, each divided by the weight of its look, the smallest over looks.
#[derive(Clone, Copy)]
struct Tests {
    /// That B is not worse by more than the floor.
    worse: f64,
    /// That B is not better by more than the floor.
    better: f64,
    /// That B is worse by more than the practical floor.
    within: f64,
}

/// Applies the rule to all figures of a run.
pub(crate) fn apply(all: &[Series<'_>], spending: Spending<'_>, seed: u64) -> Vec<Found> {
    let evaluations = spending.evaluations();
    threads::prepare();
    let tests: Vec<Tests> = all.par_iter().map(|one| one.tests(&evaluations, seed)).collect();
    let q = |p: fn(&Tests) -> f64| multiple::adjusted(&tests.iter().map(p).collect::<Vec<_>>());
    let (worse, better) = (q(|tests| tests.worse), q(|tests| tests.better));
    let judged = all.par_iter().zip(&tests).zip(worse.par_iter().zip(&better));
    judged
        .map(|((one, tests), (worse, better))| {
            let class = one.class(*worse, *better, tests.within, seed);
            Found { class, q: *worse }
        })
        .collect()
}

impl Series<'_> {
    /// Whether the rounds before this one have pairs enough.
    pub(crate) fn trusted(&self, before: u32) -> bool {
        let pairs = self.search.iter().filter(|(round, _)| *round < before).count();
        enough(pairs, self.lost.iter().filter(|round| **round < before).count())
    }

    /// The logarithms of all rounds of the search.
    pub(crate) fn logs(&self) -> Vec<f64> {
        self.search.iter().map(|(_, log)| *log).collect()
    }

    /// A stream of random numbers of its own.
    fn random(&self, seed: u64, what: &str) -> Random {
        let [workload, model, figure] = self.names;
        Random::named(seed, &["gate", workload, model, figure, what])
    }

    /// The factor behind of these logarithms with its interval.
    pub(crate) fn factor(&self, logs: &[f64], what: &str, seed: u64) -> Option<Estimate> {
        Some(Estimate::at(logs, CONFIDENCE, &mut self.random(seed, what))?.map(f64::exp))
    }

    /// What chance alone makes of so many rounds, as a share.
    pub(crate) fn noise(&self, logs: &[f64], seed: u64) -> Option<f64> {
        noise::floor(logs, &mut self.random(seed, "noise"))
    }

    /// The larger of the practical floor and the noise floor, as a share.
    pub(crate) fn bar(&self, logs: &[f64], seed: u64) -> f64 {
        self.noise(logs, seed).map_or(self.floor, |noise| noise.max(self.floor))
    }

    fn tests(&self, evaluations: &[(u32, f64)], seed: u64) -> Tests {
        let mut least = Tests { worse: 1.0, better: 1.0, within: 1.0 };
        for (rounds, weight) in evaluations.iter().filter(|(_, weight)| *weight > 0.0) {
            let logs: Vec<f64> =
                self.search.iter().filter(|(round, _)| round < rounds).map(|(_, log)| *log).collect();
            if logs.len() < MIN_PAIRS || !self.trusted(*rounds) {
                continue;
            }
            let spend = |p: f64| (p / weight).min(1.0);
            let practical = (1.0 + self.floor).ln();
            let (mut worse, mut better) = (spend(above(&logs, practical)), spend(below(&logs, -practical)));
            // A higher bar only raises them, and above the level nothing follows from either.
            if worse.min(better) <= LEVEL {
                let bar = (1.0 + self.bar(&logs, seed)).ln();
                (worse, better) = (spend(above(&logs, bar)), spend(below(&logs, -bar)));
            }
            least.worse = least.worse.min(worse);
            least.better = least.better.min(better);
            least.within = least.within.min(spend(below(&logs, practical)));
        }
        least
    }

    fn class(&self, worse: f64, better: f64, within: f64, seed: u64) -> Class {
        if worse.min(better).min(within) > LEVEL || !self.trusted(u32::MAX) {
            return Class::Open;
        }
        let logs = self.logs();
        let Some(factor) = self.factor(&logs, "interval", seed) else { return Class::Open };
        let bar = 1.0 + if worse.min(better) <= LEVEL { self.bar(&logs, seed) } else { self.floor };
        if worse <= LEVEL && factor.low > bar {
            Class::Suspected
        } else if better <= LEVEL && factor.high < 1.0 / bar {
            Class::Improved
        } else if within <= LEVEL && factor.high <= 1.0 + self.floor {
            Class::Pass
        } else {
            Class::Open
        }
    }
}

/// p that values do not lie above a bar.
fn above(logs: &[f64], bar: f64) -> f64 {
    signed_rank::p_above_zero(&logs.iter().map(|log| log - bar).collect::<Vec<_>>())
}

/// p that values do not lie below a bar.
fn below(logs: &[f64], bar: f64) -> f64 {
    signed_rank::p_above_zero(&logs.iter().map(|log| bar - log).collect::<Vec<_>>())
}

/// Whether fresh rounds alone say that B is worse by more than the practical floor: one test, of one question, on rounds
/// that nobody has looked at, in the direction that the search has named.
pub(crate) fn confirms(fresh: &[f64], floor: f64) -> bool {
    let bar = (1.0 + floor).ln();
    median(fresh).is_some_and(|median| median > bar) && above(fresh, bar) <= CONFIRM_LEVEL
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::PlannedLook;

    fn series(logs: &[f64]) -> Series<'static> {
        let search = logs.iter().enumerate().map(|(at, log)| (at as u32, *log)).collect();
        Series { names: ["w", "m", "f"], floor: 0.03, search, lost: Vec::new() }
    }

    fn class(logs: &[f64]) -> Class {
        apply(&[series(logs)], Spending { looks: &[], rounds: logs.len() as u32 }, 1)[0].class
    }

    #[test]
    fn the_classes_of_clear_cases() {
        let around =
            |middle: f64| -> Vec<f64> { (0..20).map(|at| middle + 0.001 * f64::from(at % 5)).collect() };
        assert_eq!(class(&around(0.10)), Class::Suspected);
        assert_eq!(class(&around(-0.10)), Class::Improved);
        assert_eq!(class(&around(0.0)), Class::Pass);
        assert_eq!(class(&around(1.03_f64.ln() - 0.002)), Class::Open, "on the floor itself");
        assert_eq!(class(&around(0.10)[..5]), Class::Open, "five pairs tell nothing");
        assert_eq!(class(&[f64::INFINITY; 20]), Class::Suspected, "B never answers");
        assert_eq!(class(&[f64::NEG_INFINITY; 20]), Class::Improved, "A never answers");
    }

    #[test]
    fn a_small_slowdown_that_is_certain_passes() {
        let logs: Vec<f64> = (0..20).map(|at| 0.018 + 0.0005 * f64::from(at % 5)).collect();
        assert_eq!(class(&logs), Class::Pass);
    }

    #[test]
    fn noise_raises_the_bar_of_a_claim_and_not_that_of_a_pass() {
        // Chance makes more than 3 % of so few wild rounds: neither may be said.
        let wild: Vec<f64> = (0..20).map(|at| if at % 2 == 0 { 0.3 } else { -0.28 }).collect();
        let one = series(&wild);
        assert!(one.bar(&one.logs(), 1) > 0.1);
        assert_eq!(class(&wild), Class::Open);
    }

    #[test]
    fn a_figure_without_pairs_stays_in_the_family() {
        let clear = series(&[0.1; 7]);
        let p = signed_rank::least(7);
        let looks = Spending { looks: &[], rounds: 7 };
        let alone = apply(std::slice::from_ref(&clear), looks, 1)[0].q;
        assert!((alone - p).abs() < 1e-12, "{alone}");
        let with = apply(&[clear, series(&[]), series(&[])], looks, 1)[0].q;
        assert!((with - 3.0 * p).abs() < 1e-12, "{with}");
    }

    #[test]
    fn a_figure_that_loses_its_pairs_later_takes_nothing_back_from_the_others() {
        // Three figures, one look after 20 rounds of 40; the second has lost a third of its pairs by the end.
        let clear: Vec<f64> = (0..20).map(|at| 0.10 + 0.001 * f64::from(at % 5)).collect();
        let looks = [PlannedLook { after_rounds: 20, weight: 0.5 }];
        let spending = Spending { looks: &looks, rounds: 40 };
        let one = series(&clear);
        let losing = Series { lost: (20..30).collect(), ..series(&clear) };
        let dull = series(&[0.0; 5]);
        let lost = apply(&[one.clone(), losing, dull.clone()], spending, 1);
        assert_eq!((lost[0].class, lost[1].class), (Class::Suspected, Class::Open));
        let never = apply(&[one, series(&[]), dull], spending, 1);
        assert!(lost[0].q < never[0].q, "its p at the look counts on: {} {}", lost[0].q, never[0].q);
    }

    #[test]
    fn fresh_rounds_confirm_by_themselves() {
        assert!(confirms(&[0.06; 6], 0.03));
        assert!(!confirms(&[0.02; 20], 0.03), "slower, but not by what matters");
        assert!(!confirms(&[0.06; 3], 0.03), "1/8 is no 10 %");
        assert!(!confirms(&[], 0.03));
    }
}
