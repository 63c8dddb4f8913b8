//! A build that fails: wrong bytes, an early end, no start. Not a matter of speed, so not a matter of floors.
//!
//! # The rule
//! B is *broken* when, of the rounds in which just one of the two failed, so many are B's that a fair coin gives as many in 5 %
//! of cases at most: five against none. Fewer can be the machine's, a process killed for want of memory or a port that somebody
//! took, and would fall on B alone every other time. A wrong byte is no accident of that kind, and two rounds of it are enough
//! where A answers rightly in the same rounds.
//!
//! A alone failing is never held against B, and is no praise of it either: the figures are judged by the rounds that are
//! left, and where too few are left there is no verdict. Requests that a build leaves unanswered are no failure in this
//! sense; they are infinite in its percentiles and missing in its share answered, and are judged there.

use super::plan::LEVEL;
use crate::record::{Doubt, Invalid, Side, Trial};
use std::mem::discriminant;

/// Rounds in which B must answer wrongly.
pub(crate) const ROUNDS: usize = 2;

/// Rounds without anything but failures after which nothing else is to be expected: as many as make B broken.
const CLEAR: usize = 5;

/// How a build failed in a trial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A wrong byte.
    Wrong,
    /// It ended before it was asked to; how.
    Died(String),
    /// It did not start; what it said.
    NotStarted(String),
    /// Not one connection could be opened; how the last attempt failed.
    Closed(String),
}

impl Fault {
    /// The fault of the server in a trial, if it has one.
    pub(crate) fn of(trial: &Trial) -> Option<Self> {
        let invalid = trial.invalid.iter().find_map(|reason| match reason {
            Invalid::WrongReply { .. } => Some(Self::Wrong),
            Invalid::ServerDied { detail } => Some(Self::Died(detail.clone())),
            Invalid::ServerDidNotStart { detail } => Some(Self::NotStarted(detail.clone())),
            Invalid::NothingConnected { detail } => Some(Self::Closed(detail.clone())),
            _ => None,
        });
        let died = |doubt: &Doubt| match doubt {
            Doubt::ServerDied { detail } => Some(Self::Died(detail.clone())),
            _ => None,
        };
        invalid.or_else(|| trial.doubts.iter().find_map(died))
    }
}

/// The rounds in which either side failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Rounds in which both were tried.
    pub tried: usize,
    /// Of these, the ones in which only A failed, and those in which only B did.
    pub alone: [usize; 2],
    /// Those in which both failed.
    pub both: usize,
    /// The faults of each side by their kind: the first of it, and in how many rounds; in the order they came.
    pub kinds: [Vec<(Fault, usize)>; 2],
}

impl Faults {
    /// Counts rounds, each given as the faults of A and of B.
    pub(crate) fn count<'a>(rounds: impl Iterator<Item = [Option<&'a Fault>; 2]>) -> Self {
        let mut faults = Self::default();
        for round in rounds {
            faults.tried += 1;
            match round {
                [Some(_), Some(_)] => faults.both += 1,
                [Some(_), None] => faults.alone[0] += 1,
                [None, Some(_)] => faults.alone[1] += 1,
                [None, None] => {}
            }
            for (kinds, fault) in faults.kinds.iter_mut().zip(round) {
                let Some(fault) = fault else { continue };
                match kinds.iter_mut().find(|(first, _)| discriminant(first) == discriminant(fault)) {
                    Some((_, rounds)) => *rounds += 1,
                    None => kinds.push((fault.clone(), 1)),
                }
            }
        }
        faults
    }

    /// Rounds in which a side failed.
    pub(crate) fn of(&self, side: Side) -> usize {
        self.both + self.alone[side as usize]
    }

    /// Whether B fails where A does not, and too often for chance: were both as likely to fail, each round in which one of
    /// them did would be a toss of a coin. So five against none, at 0.05; a wrong byte alone is no matter of chance, and two
    /// rounds of it against none are enough.
    pub(crate) fn broken(&self) -> bool {
        let [a, b] = self.alone;
        let wrong = self.kinds[Side::B as usize].iter().find(|(fault, _)| *fault == Fault::Wrong);
        let wrong = wrong.map_or(0, |(_, rounds)| *rounds);
        tail(b, a + b) <= LEVEL || wrong >= ROUNDS && self.of(Side::A) == 0
    }

    /// Whether a side failed in every round so far, and in enough of them to tell.
    pub(crate) fn always(&self) -> bool {
        let all = Side::BOTH.into_iter().any(|side| self.of(side) == self.tried);
        all && (self.broken() || self.tried >= CLEAR)
    }
}

/// The probability of at least so many heads of so many tosses of a fair coin.
fn tail(heads: usize, tosses: usize) -> f64 {
    let mut likely = 0.5_f64.powi(i32::try_from(tosses).unwrap_or(i32::MAX));
    let mut sum = 0.0;
    // From all heads down, each from the one before.
    for count in (heads..=tosses).rev() {
        sum += likely;
        likely *= count as f64 / (tosses - count + 1) as f64;
    }
    sum.min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(only_a: usize, only_b: usize, both: usize, neither: usize) -> Faults {
        of_kind(&Fault::Wrong, [only_a, only_b, both, neither])
    }

    fn deaths(only_a: usize, only_b: usize, both: usize, neither: usize) -> Faults {
        of_kind(&Fault::Died("signal 9".to_owned()), [only_a, only_b, both, neither])
    }

    fn of_kind(fault: &Fault, [only_a, only_b, both, neither]: [usize; 4]) -> Faults {
        let wrong = Some(fault);
        let of = |round, times| std::iter::repeat_n(round, times);
        let rounds = of([wrong, None], only_a)
            .chain(of([None, wrong], only_b))
            .chain(of([wrong, wrong], both))
            .chain(of([None, None], neither));
        Faults::count(rounds)
    }

    #[test]
    fn two_rounds_of_wrong_bytes_of_b_and_none_of_a_are_enough() {
        assert!(faults(0, 2, 0, 38).broken());
        assert!(!faults(0, 1, 0, 39).broken(), "one can be the machine's");
        assert!(!faults(2, 0, 0, 38).broken(), "A's own failures are not B's");
    }

    #[test]
    fn faults_of_several_kinds_are_counted_each() {
        let (wrong, died) = (Fault::Wrong, Fault::Died("signal 9".to_owned()));
        let of = |faults: &[&Fault]| Faults::count(faults.iter().map(|fault| [None, Some(*fault)]));
        assert!(of(&[&died, &wrong, &wrong]).broken(), "two rounds of wrong bytes, whatever came before");
        let once = of(&[&wrong, &died]);
        assert!(!once.broken(), "one wrong byte and one kill: neither is enough");
    }

    #[test]
    fn what_can_be_the_machines_takes_more_than_a_coin_would_give() {
        assert!(!deaths(0, 2, 0, 38).broken() && !deaths(0, 4, 0, 36).broken(), "1/16");
        assert!(deaths(0, 5, 0, 35).broken(), "1/32");
        assert!(!deaths(1, 5, 0, 34).broken() && deaths(1, 7, 0, 32).broken());
    }

    #[test]
    fn where_a_fails_too_counts_decide() {
        assert!(!faults(0, 4, 1, 35).broken(), "1/16");
        assert!(faults(0, 5, 1, 34).broken(), "1/32");
        assert!(!faults(3, 5, 0, 12).broken() && !faults(0, 0, 20, 0).broken());
        assert!(faults(1, 9, 0, 10).broken());
    }

    #[test]
    fn a_side_that_always_fails_is_known_after_a_few_rounds() {
        assert!(faults(0, 2, 0, 0).always() && deaths(5, 0, 0, 0).always() && deaths(1, 0, 4, 0).always());
        assert!(!deaths(0, 4, 0, 0).always() && deaths(0, 5, 0, 0).always());
        assert!(!faults(0, 1, 0, 0).always() && !deaths(0, 5, 0, 1).always());
        assert!(!deaths(3, 3, 0, 0).always(), "each works at times");
    }

    #[test]
    fn the_coin_is_fair() {
        assert_eq!(tail(0, 4), 1.0);
        assert_eq!([tail(4, 4), tail(3, 4), tail(2, 4)], [1.0 / 16.0, 5.0 / 16.0, 11.0 / 16.0]);
        assert_eq!(tail(0, 0), 1.0);
    }
}
