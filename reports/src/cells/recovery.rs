//! How long a server takes to be itself again after a surge or a burst: the rules in prose, then in code.
//!
//! # After a surge
//! 1. What is normal is told by the slices of the window that end before the surge begins: the median response time of
//!    the replies completed in them, and how many those were a slice.
//! 2. A slice is *back* when the median of its own replies is at most [`RECOVERED_FACTOR`] = 2 times that, and when it
//!    has at least [`RECOVERED_REPLIES`] = 0.5 of the replies: a server that answers a few at once and lets the others
//!    wait is not back. The median of a slice scatters by far less than the factor; an overload multiplies it by tens.
//! 3. The recovery time is from the surge's end to the end of the first slice from which on every slice is back. So it is
//!    an upper bound, known to one slice: at least the first slice's length, never zero. A relapse counts.
//! 4. When the window's last slice is not back, the recovery is censored: it took longer than the rest of the window.
//!
//! The requests of the surge keep their due times, so the backlog that it leaves is in the response times after it.
//!
//! # After a burst
//! Between bursts nothing is due, so a server is done with a burst when its last reply is out.
//! 1. The recovery time of a burst that ends at e, where the next one begins at b, is max { end(s) - e } over the slices s with
//!    e < end(s) <= b in which a reply was completed, and 0 where there is none. So it is an upper bound, known to one slice.
//! 2. When the last of these slices has a reply, the recovery is censored: it took longer than the pause, b - e.
//! 3. That of a round is the median of its bursts whose pause lies in the window. A round in which a request was given up or in
//!    flight at the end is censored: some burst was never over.
//!
//! This file must not measure, and must not guess where the slices do not tell.

use crate::record::histogram::Recorder;
use crate::record::{Load, Measured, RateShape, Slice, Surge};
use crate::stats::median;
use std::time::Duration;

/// A slice is back when its median response is at most so many times what it was before the surge.
pub const RECOVERED_FACTOR: f64 = 2.0;

/// A slice is back when it has at least this share of the replies that a slice had before the surge.
pub const RECOVERED_REPLIES: f64 = 0.5;

/// When a server was back to normal after a surge, or done with a burst.
#[derive(Clone, Debug, PartialEq)]
pub enum Recovery {
    /// At most so many nanoseconds after its end.
    Within(f64),
    /// Not in what was left of the window, or in the pause: so many nanoseconds.
    NotWithin(f64),
    /// The slices do not tell, for this reason.
    Unknown(String),
}

/// Applies the rules to a round under this load; `None` where its rate does not change. `responses` are the decoded
/// response times of the slices, in their order.
pub(crate) fn of_round<'a>(
    measured: &Measured,
    responses: impl Iterator<Item = &'a Recorder>,
    load: &Load,
) -> Option<Recovery> {
    match load.shape() {
        RateShape::Steady => None,
        RateShape::Bursts { on, off } => Some(after_bursts(measured, on, off)),
        RateShape::Surge { .. } => load.surge().map(|surge| after_surge(measured, responses, surge)),
    }
}

fn end(slice: &Slice) -> u64 {
    slice.start_ns.saturating_add(slice.length_ns)
}

fn after_bursts(measured: &Measured, on: Duration, off: Duration) -> Recovery {
    let [on_ns, off_ns] = [on, off].map(|span| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX));
    let cycle_ns = on_ns.saturating_add(off_ns).max(1);
    let after = |burst: u64| {
        let (ended, next) = (burst * cycle_ns + on_ns, (burst + 1) * cycle_ns);
        let pause: Vec<_> = measured.slices.iter().filter(|s| ended < end(s) && end(s) <= next).collect();
        let last = pause.last()?;
        Some(match pause.iter().rev().find(|slice| slice.completed > 0) {
            None => Recovery::Within(0.0),
            Some(slice) if end(slice) == end(last) => Recovery::NotWithin(off_ns as f64),
            Some(slice) => Recovery::Within((end(slice) - ended) as f64),
        })
    };
    let bursts: Vec<Recovery> = (0..measured.window_ns / cycle_ns).filter_map(after).collect();
    if measured.counts.timeouts > 0 || measured.counts.in_flight_at_end > 0 {
        return Recovery::NotWithin(off_ns as f64);
    }
    let unknown = || Recovery::Unknown("no slice of the window ends in a pause between bursts".to_owned());
    of_cell(bursts.iter()).unwrap_or_else(unknown)
}

fn after_surge<'a>(
    measured: &Measured,
    responses: impl Iterator<Item = &'a Recorder>,
    surge: Surge,
) -> Recovery {
    let unknown = |why: &str| Recovery::Unknown(why.to_owned());
    let slices: Vec<(&Slice, &Recorder)> = measured.slices.iter().zip(responses).collect();
    let before: Vec<_> = slices.iter().filter(|(slice, _)| end(slice) <= surge.begin_ns).collect();
    let mut normal = Recorder::coarse();
    before.iter().for_each(|(_, response)| normal.merge(response));
    if normal.count() == 0 {
        return unknown("no reply was completed before the surge to compare with");
    }
    let most_ns = normal.histogram().value_at_quantile(0.5) as f64 * RECOVERED_FACTOR;
    let least = normal.count() as f64 / before.len() as f64 * RECOVERED_REPLIES;
    let back = |response: &Recorder| {
        response.count() as f64 >= least && response.histogram().value_at_quantile(0.5) as f64 <= most_ns
    };
    let after: Vec<_> = slices.iter().filter(|(slice, _)| slice.start_ns >= surge.end_ns).collect();
    let Some((last, _)) = after.last() else {
        return unknown("the window has no slice after the surge");
    };
    let calm = after.iter().rev().take_while(|(_, response)| back(response)).count();
    match after.get(after.len() - calm) {
        Some((first, _)) => Recovery::Within(end(first).saturating_sub(surge.end_ns) as f64),
        None => Recovery::NotWithin(end(last).saturating_sub(surge.end_ns) as f64),
    }
}

/// The median of rounds (or of the bursts of one), where one that is censored is longer than any that is not; `None` without any.
/// Those that do not tell are left out while others do.
pub(crate) fn of_cell<'a>(rounds: impl Iterator<Item = &'a Recovery>) -> Option<Recovery> {
    let (mut times, mut left, mut why) = (Vec::new(), f64::INFINITY, None);
    for round in rounds {
        match round {
            Recovery::Within(ns) => times.push(*ns),
            Recovery::NotWithin(ns) => {
                times.push(f64::INFINITY);
                left = left.min(*ns);
            }
            Recovery::Unknown(reason) => why = why.or(Some(reason)),
        }
    }
    match median(&times) {
        Some(ns) if ns.is_infinite() => Some(Recovery::NotWithin(left)),
        Some(ns) => Some(Recovery::Within(ns)),
        None => why.map(|why| Recovery::Unknown(why.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Arrivals, Reading};
    use crate::sample::{Spec, bundle};

    const SLICE_NS: u64 = 10_000_000;

    /// Slices of 10 ms, each with its replies and their response time in microseconds; a surge from 20 to 40 ms.
    fn recovery(slices: &[(u64, u64)]) -> Recovery {
        let trial = bundle(&Spec { scenarios: 1, models: 1, rounds: 1, ..Spec::default() }).trials.remove(0);
        let Reading::Value(mut measured) = trial.measured else { panic!("the sample measures") };
        let responses: Vec<Recorder> = slices
            .iter()
            .map(|(replies, us)| {
                let mut recorder = Recorder::coarse();
                recorder.record_n(us * 1_000, *replies);
                recorder
            })
            .collect();
        let slice = |(at, response): (usize, &Recorder)| Slice {
            start_ns: at as u64 * SLICE_NS,
            length_ns: SLICE_NS,
            completed: response.count(),
            response: response.encode(),
            failed: 0,
        };
        measured.slices = responses.iter().enumerate().map(slice).collect();
        let surge = Surge { begin_ns: 2 * SLICE_NS, end_ns: 4 * SLICE_NS, factor: 3.0 };
        after_surge(&measured, responses.iter(), surge)
    }

    /// The same with bursts of 10 ms every 40 ms, the first from the begin on; replies of each slice, and requests in flight at
    /// the end.
    fn after_bursts_of(replies: &[u64], in_flight_at_end: u64) -> Option<Recovery> {
        let trial = bundle(&Spec { scenarios: 1, models: 1, rounds: 1, ..Spec::default() }).trials.remove(0);
        let Reading::Value(mut measured) = trial.measured else { panic!("the sample measures") };
        let slice = |(at, completed): (usize, &u64)| Slice {
            start_ns: at as u64 * SLICE_NS,
            length_ns: SLICE_NS,
            completed: *completed,
            response: Recorder::coarse().encode(),
            failed: 0,
        };
        measured.slices = replies.iter().enumerate().map(slice).collect();
        measured.window_ns = replies.len() as u64 * SLICE_NS;
        (measured.counts.timeouts, measured.counts.in_flight_at_end) = (0, in_flight_at_end);
        let (on, off) = (Duration::from_nanos(SLICE_NS), Duration::from_nanos(3 * SLICE_NS));
        let shape = RateShape::Bursts { on, off };
        let load = Load::Open { clients: 1, rate_per_s: 1.0, arrivals: Arrivals::Fixed, shape };
        of_round(&measured, std::iter::empty(), &load)
    }

    #[test]
    fn a_burst_is_over_with_its_last_reply() {
        let within = |slices: u64| Some(Recovery::Within((slices * SLICE_NS) as f64));
        assert_eq!(after_bursts_of(&[9, 0, 0, 0], 0), within(0), "answered while it lasts");
        assert_eq!(after_bursts_of(&[5, 3, 1, 0], 0), within(2));
        assert_eq!(after_bursts_of(&[5, 0, 1, 0], 0), within(2), "a straggler counts");
        assert_eq!(after_bursts_of(&[5, 1, 0, 0, 5, 1, 1, 0, 6, 0, 0, 0], 0), within(1), "the median");
        assert_eq!(after_bursts_of(&[5, 1, 0, 0, 5, 1, 1], 0), within(1), "the last pause is cut off");
    }

    #[test]
    fn a_burst_that_meets_the_next_or_loses_a_request_is_censored() {
        let never = Some(Recovery::NotWithin(3.0 * SLICE_NS as f64));
        assert_eq!(after_bursts_of(&[5, 4, 4, 1], 0), never);
        assert_eq!(after_bursts_of(&[5, 0, 0, 0], 1), never);
        assert!(matches!(after_bursts_of(&[5, 4], 0), Some(Recovery::Unknown(_))), "no whole pause");
    }

    #[test]
    fn the_time_is_to_the_end_of_the_first_slice_after_which_all_is_well() {
        let (calm, busy, slow) = ((50, 200), (90, 900), (100, 30_000));
        let within = |slices: u64| Recovery::Within((slices * SLICE_NS) as f64);
        assert_eq!(recovery(&[calm, calm, busy, slow, calm, calm, calm]), within(1), "at once is one slice");
        assert_eq!(recovery(&[calm, calm, busy, slow, slow, slow, calm, calm]), within(3));
        assert_eq!(
            recovery(&[calm, calm, busy, slow, calm, slow, calm, calm]),
            within(3),
            "a relapse counts"
        );
        assert_eq!(recovery(&[calm, calm, slow, slow, (50, 399), calm]), within(1), "twice is still normal");
        assert_eq!(recovery(&[calm, calm, slow, slow, (50, 410), calm]), within(2), "more is not");
    }

    #[test]
    fn a_server_that_is_slow_or_silent_to_the_end_is_not_back() {
        let (calm, slow) = ((50, 200), (100, 30_000));
        let never = Recovery::NotWithin(3.0 * SLICE_NS as f64);
        assert_eq!(recovery(&[calm, calm, slow, slow, slow, slow, slow]), never);
        assert_eq!(recovery(&[calm, calm, slow, slow, calm, calm, (0, 0)]), never, "no reply is no recovery");
        assert_eq!(
            recovery(&[calm, calm, slow, slow, (24, 200), (24, 200), (24, 200)]),
            never,
            "a few are served"
        );
        let back = Recovery::Within(SLICE_NS as f64);
        assert_eq!(recovery(&[calm, calm, slow, slow, (25, 200), (25, 200)]), back, "half of them are");
    }

    #[test]
    fn what_the_slices_do_not_tell_is_unknown() {
        let reason = |slices: &[(u64, u64)]| match recovery(slices) {
            Recovery::Unknown(why) => why,
            told => panic!("{told:?}"),
        };
        assert!(reason(&[(0, 0), (0, 0), (9, 9), (9, 9), (9, 9)]).contains("before the surge"));
        assert!(reason(&[(50, 200); 4]).contains("no slice after"));
    }

    #[test]
    fn rounds_are_summed_up_by_their_median_and_censored_ones_are_the_longest() {
        use Recovery::{NotWithin, Within};
        let of = |rounds: &[Recovery]| of_cell(rounds.iter());
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[Within(30.0), NotWithin(90.0), Within(10.0)]), Some(Within(30.0)));
        assert_eq!(of(&[Within(30.0), NotWithin(90.0), NotWithin(80.0)]), Some(NotWithin(80.0)));
        let unknown = Recovery::Unknown("no reply".into());
        assert_eq!(of(&[unknown.clone(), Within(30.0)]), Some(Within(30.0)));
        assert_eq!(of(std::slice::from_ref(&unknown)), Some(unknown));
    }

    #[test]
    fn the_constants_are_those_of_the_prose() {
        let prose = include_str!("recovery.rs");
        assert!(prose.contains(&format!("[`RECOVERED_FACTOR`] = {RECOVERED_FACTOR} times")));
        assert!(prose.contains(&format!("[`RECOVERED_REPLIES`] = {RECOVERED_REPLIES} of")));
    }
}
