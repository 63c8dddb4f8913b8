//! Known orderings, held against a run: what came out as the literature says, what did not, what cannot be told.
//!
//! # The rule
//! Every figure is taken round by round. A ratio divides the figures of two models in the same round, each less that of a baseline where
//! the source states what lies above one; where the second lies below it, the ratio is infinite. Of the rounds that
//! have it, the median and its 95 % bootstrap interval are compared with the band of the expectation:
//! *as expected* when the median lies in the band; *otherwise* when the whole interval lies outside; in between, and with
//! fewer than 4 rounds or with too much of the run left out, it *cannot be told*. Where nothing is expected, the figure is
//! only reported.
//!
//! It never moves a band because of a figure.

mod expected;

pub use expected::{EXPECTED, Expectation, Side};

use crate::analysis::Analysis;
use crate::cells::cell::{Cell, RoundFigures};
use crate::stats::bootstrap::MIN_ROUNDS;
use crate::stats::estimate::{Estimate, Subject};

/// What came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// In the band.
    AsExpected,
    /// Outside, with its whole interval.
    Otherwise,
    /// Too few rounds, or the interval reaches into the band.
    CannotTell,
    /// Nothing was expected.
    Reported,
}

/// An expectation and what came of it.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What was expected.
    pub expectation: &'static Expectation,
    /// What the rounds say; absent without a round.
    pub measured: Option<Estimate>,
    /// What to think of it.
    pub judgement: Judgement,
}

/// Holds the expectations whose workloads the run has against it.
pub fn judge(analysis: &Analysis) -> Vec<Finding> {
    let ran = |side: &Side| cell(analysis, side).is_some();
    let asked = |one: &&Expectation| ran(&one.of) && [one.by, one.above].iter().flatten().all(ran);
    EXPECTED.iter().filter(asked).map(|expectation| finding(analysis, expectation)).collect()
}

/// Whether all that was expected came out.
pub fn all_as_expected(findings: &[Finding]) -> bool {
    findings.iter().all(|one| matches!(one.judgement, Judgement::AsExpected | Judgement::Reported))
}

fn cell<'a>(analysis: &'a Analysis, side: &Side) -> Option<&'a Cell> {
    let workload = analysis.workloads.iter().find(|one| one.scenario.name == side.workload)?;
    workload.cell(side.model)
}

fn finding(analysis: &Analysis, expectation: &'static Expectation) -> Finding {
    let measured = measured(analysis, expectation);
    // With too much of the run left out the rest is no fair sample, here as in a verdict.
    let trusted = measured.filter(|_| !analysis.says_nothing());
    Finding { expectation, measured, judgement: weigh(expectation.band, trusted) }
}

fn weigh(band: Option<(f64, f64)>, measured: Option<Estimate>) -> Judgement {
    let Some((least, most)) = band else { return Judgement::Reported };
    match measured {
        Some(Estimate { median, low, high, rounds }) if rounds >= MIN_ROUNDS => {
            if (least..=most).contains(&median) {
                Judgement::AsExpected
            } else if high < least || low > most {
                Judgement::Otherwise
            } else {
                Judgement::CannotTell
            }
        }
        _ => Judgement::CannotTell,
    }
}

/// The figure over the rounds that have it, or its ratio to the other's in the same rounds.
fn measured(analysis: &Analysis, expectation: &Expectation) -> Option<Estimate> {
    let (of, metric) = (cell(analysis, &expectation.of)?, expectation.figure);
    let Some(by) = expectation.by else { return of.estimate(metric) };
    let other = cell(analysis, &by)?;
    let base = expectation.above.map(|side| cell(analysis, &side).ok_or(())).transpose().ok()?;
    let ratio = |round: &RoundFigures| {
        let value = |cell: &Cell| cell.rounds.iter().find(|one| one.round == round.round)?.value(metric);
        let base = base.map_or(Some(0.0), value)?;
        above(base, round.value(metric)?, value(other)?)
    };
    let contestants = [of.model.as_str(), by.workload, by.model];
    let workload = expectation.of.workload;
    let subject = Subject { seed: analysis.run.seed, workload, contestants: &contestants, metric };
    Estimate::of(&of.rounds.iter().filter_map(ratio).collect::<Vec<_>>(), &subject)
}

/// How many times as far above a baseline one figure lies as another; `None` where neither lies above it.
fn above(base: f64, one: f64, other: f64) -> Option<f64> {
    let (one, other) = (one - base, (other - base).max(0.0));
    Some(one / other).filter(|ratio| !ratio.is_nan() && one >= 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_in_the_band_is_as_expected_and_an_interval_outside_is_not() {
        use Judgement::*;
        let band = Some((2.0, 4.0));
        let of = |median, low, high, rounds| Some(Estimate { median, low, high, rounds });
        for (measured, judgement) in [
            (of(3.0, 1.0, 9.0, 8), AsExpected),
            (of(4.0, 3.9, 4.1, 8), AsExpected),
            (of(1.5, 1.4, 1.99, 8), Otherwise),
            (of(9.0, 4.1, 12.0, 8), Otherwise),
            (of(1.5, 1.4, 2.0, 8), CannotTell),
            (of(3.0, 2.9, 3.1, MIN_ROUNDS - 1), CannotTell),
            (None, CannotTell),
        ] {
            assert_eq!(weigh(band, measured), judgement, "{measured:?}");
        }
        assert_eq!(weigh(None, of(1.0, 1.0, 1.0, 8)), Reported);
        let boundless = Some((10.0, f64::INFINITY));
        assert_eq!(weigh(boundless, of(f64::INFINITY, 20.0, f64::INFINITY, 8)), AsExpected);
    }

    #[test]
    fn a_baseline_is_taken_off_both_figures() {
        assert_eq!(above(0.0, 6.0, 3.0), Some(2.0));
        assert_eq!(above(2.0, 6.0, 3.0), Some(4.0));
        assert_eq!(above(3.5, 6.0, 3.0), Some(f64::INFINITY), "the second costs nothing above it");
        assert_eq!((above(3.0, 3.0, 3.0), above(6.0, 5.0, 7.0)), (None, None));
    }

    #[test]
    fn every_band_is_a_range_and_every_claim_has_a_source() {
        for one in EXPECTED {
            assert!(one.band.is_none_or(|(least, most)| least <= most), "{}", one.claim);
            assert!(!one.source.is_empty() && one.claim.len() <= 48, "{}", one.claim);
        }
        assert!(EXPECTED.windows(2).all(|pair| pair[0].ordering <= pair[1].ordering));
    }
}
