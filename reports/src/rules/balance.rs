//! What a server's death cost the clients of a balancer, and how evenly the requests were spread.
//!
//! A request fails that gets no right reply: it is refused, reset, closed on, answered with another status, or given up. It is
//! booked in the slice of the window in which that is found out, the last where that is later. So:
//!
//! - *before*, *gone*, *back*: failures before the slice of the kill, from there to the slice in which the server listens again (to the
//!   end where it never does), and after that.
//! - *Time to none*: from the kill to the end of the last slice with a failure; nothing failed from then on. Known to one slice, and
//!   never less than it was. None where nothing failed from the kill on; not reached where the last slice of the window still has
//!   a failure.
//! - The *share* of each server that lived throughout, and Jain's index of them (1 where all have the same, 1/n where one has all).
//!   Source: Jain, Chiu, Hawe: A quantitative measure of fairness (1984).

use crate::record::Slice;
use crate::record::balance::Kill;
use serde::Serialize;

/// How long requests went on failing after a kill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeToNone {
    /// Nothing failed from the kill on.
    NothingFailed,
    /// So many nanoseconds at most.
    Within(u64),
    /// Requests failed to the end of the window, so many nanoseconds after the kill.
    NotReached(u64),
}

/// The failures around a kill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Outage {
    /// Failures before the slice of the kill.
    pub failed_before: u64,
    /// Failures while the server was gone.
    pub failed_gone: u64,
    /// Failures after it was back.
    pub failed_back: u64,
    /// From the kill to the last failure.
    pub time_to_none: TimeToNone,
}

impl Outage {
    /// Reads it off the slices of a window.
    pub fn of(slices: &[Slice], kill: &Kill) -> Self {
        let end = |slice: &Slice| slice.start_ns + slice.length_ns;
        let back_ns = kill.back_ns.value().copied().unwrap_or(u64::MAX);
        let sum = |belongs: &dyn Fn(&Slice) -> bool| -> u64 {
            slices.iter().filter(|slice| belongs(slice)).map(|slice| slice.failed).sum()
        };
        let is_before = |slice: &Slice| end(slice) <= kill.killed_ns;
        // The slice in which it came back has failures of the time before.
        let is_back = |slice: &Slice| slice.start_ns >= back_ns;
        let last = slices.iter().rfind(|slice| slice.failed > 0 && !is_before(slice)).map(end);
        Self {
            failed_before: sum(&is_before),
            failed_gone: sum(&|slice| !is_before(slice) && !is_back(slice)),
            failed_back: sum(&is_back),
            time_to_none: match last {
                None => TimeToNone::NothingFailed,
                Some(last) if Some(last) == slices.last().map(end) => {
                    TimeToNone::NotReached(last - kill.killed_ns)
                }
                Some(last) => TimeToNone::Within(last - kill.killed_ns),
            },
        }
    }
}

/// The slices of the window that nothing was done in: those that end before the kill, all where there is none.
pub fn undisturbed<'a>(slices: &'a [Slice], kill: Option<&'a Kill>) -> impl Iterator<Item = &'a Slice> {
    slices
        .iter()
        .filter(move |slice| kill.is_none_or(|kill| slice.start_ns + slice.length_ns <= kill.killed_ns))
}

/// Jain's index of how evenly something is spread, 1/n to 1; `None` of nothing.
pub fn jain(each: &[u64]) -> Option<f64> {
    let sum: f64 = each.iter().map(|count| *count as f64).sum();
    let squares: f64 = each.iter().map(|count| (*count as f64).powi(2)).sum();
    (squares > 0.0).then(|| sum * sum / (each.len() as f64 * squares))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Reading;
    use crate::record::histogram::Recorder;

    fn slices(failed: &[u64]) -> Vec<Slice> {
        let slice = |(at, failed): (usize, &u64)| Slice {
            start_ns: at as u64 * 10,
            length_ns: 10,
            completed: 0,
            response: Recorder::coarse().encode(),
            failed: *failed,
        };
        failed.iter().enumerate().map(slice).collect()
    }

    fn kill(killed_ns: u64, back_ns: Option<u64>) -> Kill {
        let absent = || Reading::Absent("not in this test".to_owned());
        Kill { killed_ns, back_ns: back_ns.map_or_else(absent, Reading::Value), first_reply_ns: absent() }
    }

    #[test]
    fn failures_are_before_gone_or_back_and_the_last_one_ends_the_outage() {
        let outage = Outage::of(&slices(&[1, 0, 5, 3, 0, 2, 0, 0]), &kill(23, Some(41)));
        let time_to_none = TimeToNone::Within(60 - 23);
        assert_eq!(outage, Outage { failed_before: 1, failed_gone: 8, failed_back: 2, time_to_none });
    }

    #[test]
    fn a_server_that_never_comes_back_is_gone_to_the_end() {
        let outage = Outage::of(&slices(&[0, 0, 4, 0, 0]), &kill(20, None));
        assert_eq!((outage.failed_gone, outage.failed_back), (4, 0));
        assert_eq!(outage.time_to_none, TimeToNone::Within(10));
    }

    #[test]
    fn who_fails_to_the_end_never_reached_none_and_who_never_failed_has_no_time() {
        assert_eq!(Outage::of(&slices(&[0, 9, 9]), &kill(12, None)).time_to_none, TimeToNone::NotReached(18));
        let nothing = Outage::of(&slices(&[7, 0, 0]), &kill(12, None));
        assert_eq!((nothing.failed_before, nothing.time_to_none), (7, TimeToNone::NothingFailed));
        assert_eq!(Outage::of(&[], &kill(0, None)).time_to_none, TimeToNone::NothingFailed);
    }

    #[test]
    fn slices_before_the_kill_are_undisturbed() {
        let slices = slices(&[0; 4]);
        let starts =
            |kill: Option<&Kill>| undisturbed(&slices, kill).map(|one| one.start_ns).collect::<Vec<_>>();
        assert_eq!(starts(Some(&kill(20, None))), [0, 10]);
        assert_eq!(starts(Some(&kill(29, None))), [0, 10]);
        assert_eq!(starts(None).len(), 4);
    }

    #[test]
    fn jains_index_runs_from_one_in_n_to_one() {
        assert_eq!(jain(&[5, 5, 5, 5]), Some(1.0));
        assert_eq!(jain(&[8, 0, 0, 0]), Some(0.25));
        assert!(jain(&[3, 1]).is_some_and(|index| (index - 0.8).abs() < 1e-12));
        assert_eq!([jain(&[]), jain(&[0, 0])], [None, None]);
    }
}
