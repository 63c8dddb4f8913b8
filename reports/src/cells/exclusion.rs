//! Why a trial is in no figure, as a value: what it was judged, or how its record contradicts itself or the head.

use crate::record::Invalid;
use std::mem::discriminant;

/// Why a trial is in no figure.
#[derive(Clone, Debug, PartialEq)]
pub enum Exclusion {
    /// It was judged invalid.
    Invalid(Invalid),
    /// Another trial of its block was disturbed: single trials are not left out of it.
    DisturbedBlock,
    /// The head does not declare its workload with its model.
    Undeclared,
    /// The same round of its model and workload was recorded before.
    Repeated,
    /// Nothing was measured, for this reason.
    NotMeasured(String),
    /// Its window has no length.
    NoWindow,
    /// Its histogram of response times holds another number than was answered.
    Miscounted {
        /// Values in the histogram.
        values: u64,
        /// Requests answered.
        answered: u64,
    },
    /// A histogram of it cannot be read.
    Histogram {
        /// Of what.
        of: &'static str,
        /// Why not.
        why: String,
    },
}

impl Exclusion {
    /// Whether two reasons differ in their figures at most.
    pub fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Invalid(one), Self::Invalid(other)) => discriminant(one) == discriminant(other),
            _ => discriminant(self) == discriminant(other),
        }
    }

    /// The kind of reason that most groups share, by one of that kind, and in how many groups it is; of equally frequent ones
    /// the first.
    pub fn commonest<'a>(groups: impl Iterator<Item = Vec<&'a Self>>) -> Option<(&'a Self, usize)> {
        let mut kinds: Vec<(&Self, usize)> = Vec::new();
        for group in groups {
            for (at, reason) in group.iter().enumerate() {
                if group[..at].iter().any(|before| before.is_like(reason)) {
                    continue;
                }
                match kinds.iter_mut().find(|(kind, _)| kind.is_like(reason)) {
                    Some((_, count)) => *count += 1,
                    None => kinds.push((reason, 1)),
                }
            }
        }
        kinds.into_iter().rev().max_by_key(|(_, count)| *count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_grouped_by_kind_and_not_by_their_figures() {
        let foreign = |share| Exclusion::Invalid(Invalid::ForeignLoad { share });
        let (a, b, c) = (foreign(0.2), foreign(0.5), Exclusion::Invalid(Invalid::Stolen { share: 0.3 }));
        let groups = [vec![&c], vec![&a, &b], vec![&b], vec![&Exclusion::Repeated]];
        assert_eq!(Exclusion::commonest(groups.into_iter()), Some((&a, 2)), "once a group");
        assert_eq!(Exclusion::commonest([vec![&c], vec![&a]].into_iter()), Some((&c, 1)), "the first");
        assert_eq!(Exclusion::commonest(std::iter::empty()), None);
    }
}
