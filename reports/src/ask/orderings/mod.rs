//! Known orderings, held against a run: what came out as the literature says, what did not, what cannot be told.
//!
//! # The rule
//! Every figure is taken round by round. A ratio divides the figures of two models in the same round. Of the rounds that
//! have it, the median and its 95 % bootstrap interval are compared with the band of the expectation:
//! *as expected* when the median lies in the band; *otherwise* when the whole interval lies outside; in between, and with
//! fewer than 4 rounds or with too much of the run left out, it *cannot be told*. Where nothing is expected, the figure is
//! only reported.
//!
//! It never moves a band because of a figure.

mod expected;

pub use expected::{EXPECTED, Expectation, Figure, Side};

use crate::analysis::Analysis;
use crate::cells::cell::{Cell, RoundFigures};
use crate::metric::cost::Cost;
use crate::rules::verdict::MIN_ROUNDS;
use crate::stats::bootstrap::median_interval;
use crate::stats::median;
use crate::stats::random::Random;

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
    /// Rounds that have the figure.
    pub rounds: usize,
    /// Median over the rounds, and the ends of its interval; absent without a round.
    pub measured: Option<(f64, f64, f64)>,
    /// What to think of it.
    pub judgement: Judgement,
}

/// Holds the expectations whose workloads the run has against it.
pub fn judge(analysis: &Analysis) -> Vec<Finding> {
    let ran = |side: &Side| cell(analysis, side).is_some();
    let asked = |one: &&Expectation| ran(&one.of) && one.by.is_none_or(|by| ran(&by));
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
    let figures = figures(analysis, expectation);
    let mut random = Random::named(analysis.run.seed, &[expectation.claim]);
    let measured = median(&figures).zip(median_interval(&figures, &mut random));
    let measured = measured.map(|(middle, (low, high))| (middle, low, high));
    // With too much of the run left out the rest is no fair sample, here as in a verdict.
    let rounds = if analysis.is_invalid() { 0 } else { figures.len() };
    let judgement = weigh(expectation.band, measured, rounds);
    Finding { expectation, rounds: figures.len(), measured, judgement }
}

fn weigh(band: Option<(f64, f64)>, measured: Option<(f64, f64, f64)>, rounds: usize) -> Judgement {
    let Some((least, most)) = band else { return Judgement::Reported };
    match measured {
        Some((middle, low, high)) if rounds >= MIN_ROUNDS => {
            if (least..=most).contains(&middle) {
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

/// The figure of every round that has it.
fn figures(analysis: &Analysis, expectation: &Expectation) -> Vec<f64> {
    let Some(of) = cell(analysis, &expectation.of) else { return Vec::new() };
    let value = |cell: &Cell, round: &RoundFigures| figure(expectation.figure, cell, round);
    let Some(by) = expectation.by else {
        return of.rounds.iter().filter_map(|round| value(of, round)).collect();
    };
    let Some(by) = cell(analysis, &by) else { return Vec::new() };
    let ratio = |round: &RoundFigures| {
        let other = by.rounds.iter().find(|other| other.round == round.round)?;
        Some(value(of, round)? / value(by, other)?).filter(|ratio| !ratio.is_nan())
    };
    of.rounds.iter().filter_map(ratio).collect()
}

fn figure(figure: Figure, cell: &Cell, round: &RoundFigures) -> Option<f64> {
    match figure {
        Figure::Throughput => Some(round.throughput_per_s),
        Figure::ResponseP99 => round.response.p99().ns(),
        Figure::CpuPerRequest => round.costs.value(Cost::Cpu),
        // Over the rounds together: the record of a round keeps it, its figures do not.
        Figure::Starved => {
            let merged = cell.merged.as_ref()?;
            Some(merged.never_served as f64 / merged.connections.max(1) as f64)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_in_the_band_is_as_expected_and_an_interval_outside_is_not() {
        use Judgement::*;
        let band = Some((2.0, 4.0));
        for (measured, rounds, judgement) in [
            (Some((3.0, 1.0, 9.0)), 8, AsExpected),
            (Some((4.0, 3.9, 4.1)), 8, AsExpected),
            (Some((1.5, 1.4, 1.99)), 8, Otherwise),
            (Some((9.0, 4.1, 12.0)), 8, Otherwise),
            (Some((1.5, 1.4, 2.0)), 8, CannotTell),
            (Some((3.0, 2.9, 3.1)), MIN_ROUNDS - 1, CannotTell),
            (None, 0, CannotTell),
        ] {
            assert_eq!(weigh(band, measured, rounds), judgement, "{measured:?} over {rounds} rounds");
        }
        assert_eq!(weigh(None, Some((1.0, 1.0, 1.0)), 8), Reported);
        let boundless = Some((10.0, f64::INFINITY));
        assert_eq!(weigh(boundless, Some((f64::INFINITY, 20.0, f64::INFINITY)), 8), AsExpected);
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
