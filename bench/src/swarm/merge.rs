//! A worker's part of a trial, and how the parts of all workers become one measurement, exactly.
//!
//! Counts add, histograms of one shape add bucket by bucket: merging the parts of n shards gives what one worker would
//! have written down had it seen the same requests. Never averages anything.

use bakeoff_reports::record::histogram::{HistogramError, Recorder, replies_per_connection};
use bakeoff_reports::record::{
    Background, Counts, EncodedHistogram, FanOut, Handshakes, HttpReplies, Measured, Slice, Spread,
    WARMUP_SLICES,
};
use serde::{Deserialize, Serialize};

/// What one worker measured: the record of its shard alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerPart {
    /// Which shard it was, from 0.
    pub shard: u32,
    /// How many there were.
    pub shards: u32,
    /// What it saw.
    pub measured: Measured,
}

/// Parts that do not make one measurement.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// There are none.
    #[error("no worker returned a part: there is nothing to merge")]
    Empty,
    /// The shards are not 0 to n - 1, each once.
    #[error(
        "the parts are of shards {present:?}, but {shards} shards were started: one is missing or came twice"
    )]
    Shards {
        /// The shards that are there, sorted.
        present: Vec<u32>,
        /// How many a part says there were.
        shards: u32,
    },
    /// Parts with different windows or slices.
    #[error("the parts of shards {0} and {1} differ in window or slices: they are not of one trial")]
    Shape(u32, u32),
    /// The accounting identity does not hold.
    #[error(
        "shard {shard} does not balance (sent = ok + errors + timeouts + in flight at the end): {counts:?}"
    )]
    Unbalanced {
        /// Which part.
        shard: u32,
        /// Its counts.
        counts: Box<Counts>,
    },
    /// A histogram that cannot be read.
    #[error("a histogram of shard {shard} cannot be merged: {source}")]
    Histogram {
        /// Which part.
        shard: u32,
        /// What is wrong with it.
        source: HistogramError,
    },
}

/// Puts the parts of all workers of a trial together. Their order does not matter.
///
/// # Errors
/// When the parts are not exactly those of all shards of one trial, or one is damaged or does not balance.
pub fn merge(mut parts: Vec<WorkerPart>) -> Result<Measured, MergeError> {
    parts.sort_by_key(|part| part.shard);
    check(&parts)?;
    let first = parts.first().ok_or(MergeError::Empty)?;
    let counts = merge_counts(&parts);
    assert!(counts.balanced(), "a sum of balanced counts balances: {counts:?}");
    Ok(Measured {
        window_ns: first.measured.window_ns,
        completed_in_window: parts.iter().map(|part| part.measured.completed_in_window).sum(),
        reply_bytes_in_window: parts.iter().map(|part| part.measured.reply_bytes_in_window).sum(),
        warmup_sent: parts.iter().map(|part| part.measured.warmup_sent).sum(),
        warmup_completed: merge_warmup(&parts),
        response: merge_histograms(&parts, |part| &part.measured.response)?,
        service: merge_histograms(&parts, |part| &part.measured.service)?,
        send_lag: merge_histograms(&parts, |part| &part.measured.send_lag)?,
        dispatch_lag: merge_histograms(&parts, |part| &part.measured.dispatch_lag)?,
        connect: merge_histograms(&parts, |part| &part.measured.connect)?,
        handshakes: parts.iter().filter_map(|part| part.measured.handshakes).reduce(Handshakes::plus),
        slices: merge_slices(&parts)?,
        spread: merge_spread(&parts)?,
        wire: super::wire::merge(parts.iter().map(|part| &part.measured.wire)),
        background: parts.iter().fold(Background::default(), |sum, part| sum.plus(part.measured.background)),
        http: parts.iter().fold(HttpReplies::default(), |sum, part| sum.plus(&part.measured.http)),
        datagrams: parts
            .iter()
            .filter_map(|part| part.measured.datagrams.clone())
            .reduce(|sum, part| sum.plus(&part)),
        fan_out: merge_fan_out(&parts)?,
        swarm_cpu_ns: parts.iter().map(|part| part.measured.swarm_cpu_ns).sum(),
        swarm_workers: parts.len() as u32,
        swarm_spins: parts.iter().any(|part| part.measured.swarm_spins),
        counts,
    })
}

fn check(parts: &[WorkerPart]) -> Result<(), MergeError> {
    let first = parts.first().ok_or(MergeError::Empty)?;
    let present: Vec<u32> = parts.iter().map(|part| part.shard).collect();
    let complete = present.iter().copied().eq(0..first.shards);
    if !complete || parts.iter().any(|part| part.shards != first.shards) {
        return Err(MergeError::Shards { present, shards: first.shards });
    }
    let shape = |part: &WorkerPart| -> Vec<(u64, u64)> {
        part.measured.slices.iter().map(|slice| (slice.start_ns, slice.length_ns)).collect()
    };
    for part in parts {
        if part.measured.window_ns != first.measured.window_ns || shape(part) != shape(first) {
            return Err(MergeError::Shape(first.shard, part.shard));
        }
        if !part.measured.counts.balanced() {
            return Err(MergeError::Unbalanced {
                shard: part.shard,
                counts: Box::new(part.measured.counts.clone()),
            });
        }
    }
    Ok(())
}

fn merge_counts(parts: &[WorkerPart]) -> Counts {
    let mut sum = Counts::default();
    for counts in parts.iter().map(|part| &part.measured.counts) {
        sum.sent += counts.sent;
        sum.ok += counts.ok;
        sum.timeouts += counts.timeouts;
        sum.in_flight_at_end += counts.in_flight_at_end;
        sum.never_written += counts.never_written;
        for (&kind, count) in &counts.errors {
            *sum.errors.entry(kind).or_default() += count;
        }
    }
    sum
}

fn merge_histograms<'a>(
    parts: &'a [WorkerPart],
    of: impl Fn(&'a WorkerPart) -> &'a EncodedHistogram,
) -> Result<EncodedHistogram, MergeError> {
    let mut sum: Option<Recorder> = None;
    for part in parts {
        let one = Recorder::decode(of(part))
            .map_err(|source| MergeError::Histogram { shard: part.shard, source })?;
        match &mut sum {
            None => sum = Some(one),
            Some(sum) => sum.merge(&one),
        }
    }
    sum.map(|recorder| recorder.encode()).ok_or(MergeError::Empty)
}

fn merge_fan_out(parts: &[WorkerPart]) -> Result<Option<FanOut>, MergeError> {
    let mut sum: Option<FanOut> = None;
    for part in parts {
        let Some(more) = &part.measured.fan_out else { continue };
        let plus = |sum: FanOut| sum.plus(more);
        let both = sum.take().map_or_else(|| Ok(more.clone()), plus);
        sum = Some(both.map_err(|source| MergeError::Histogram { shard: part.shard, source })?);
    }
    Ok(sum)
}

fn merge_slices(parts: &[WorkerPart]) -> Result<Vec<Slice>, MergeError> {
    let first = parts.first().ok_or(MergeError::Empty)?;
    let merged = first.measured.slices.iter().enumerate().map(|(index, slice)| {
        Ok(Slice {
            start_ns: slice.start_ns,
            length_ns: slice.length_ns,
            completed: parts.iter().map(|part| part.measured.slices[index].completed).sum(),
            response: merge_histograms(parts, |part| &part.measured.slices[index].response)?,
            failed: parts.iter().map(|part| part.measured.slices[index].failed).sum(),
        })
    });
    merged.collect()
}

fn merge_warmup(parts: &[WorkerPart]) -> Vec<u64> {
    let slice = |at| parts.iter().filter_map(|part| part.measured.warmup_completed.get(at)).sum();
    (0..WARMUP_SLICES).map(slice).collect()
}

fn merge_spread(parts: &[WorkerPart]) -> Result<Spread, MergeError> {
    let spreads = || parts.iter().map(|part| &part.measured.spread);
    let mut each: Option<Recorder> = None;
    for part in parts {
        let one = replies_per_connection(&part.measured.spread)
            .map_err(|source| MergeError::Histogram { shard: part.shard, source })?;
        each = match (each, one) {
            (Some(mut sum), Some(one)) => {
                sum.merge(&one);
                Some(sum)
            }
            (sum, one) => sum.or(one),
        };
    }
    Ok(Spread {
        connections: spreads().map(|spread| spread.connections).sum(),
        never_served: spreads().map(|spread| spread.never_served).sum(),
        replies: spreads().map(|spread| spread.replies).sum(),
        replies_squared: spreads().map(|spread| spread.replies_squared).sum(),
        fewest: spreads().filter(|s| s.connections > 0).map(|s| s.fewest).min().unwrap_or(0),
        most: spreads().map(|spread| spread.most).max().unwrap_or(0),
        hdr_v2: each.map_or_else(String::new, |recorder| recorder.encode().hdr_v2),
    })
}

#[cfg(test)]
mod tests {
    use super::super::recorder::Books;
    use super::*;
    use crate::workload::load::Timing;
    use bakeoff_reports::record::{ErrorKind, Reading, Wire};
    use proptest::prelude::*;
    use std::time::Duration;

    const SLOTS: usize = 4;

    /// One request in the books: slot, intended time, lag, service, what becomes of it.
    type Event = (usize, u64, u64, u64, u8);

    fn timing() -> Timing {
        let second = Duration::from_secs(1);
        Timing { warmup: second / 10, window: second, timeout: second, drain: second }
    }

    /// What a worker with the slots of one shard writes down of the requests that are its.
    fn part(events: &[Event], shard: u32, shards: u32) -> WorkerPart {
        let mine = |slot: usize| slot as u32 % shards == shard;
        let slots = (0..SLOTS).filter(|&slot| mine(slot)).count();
        let mut books = Books::new(&timing(), 7, slots, false);
        let mut never_written = 0;
        // A worker sees completions in order of time.
        let mut events = events.to_vec();
        events.sort_by_key(|&(_, intended, lag, service, _)| intended + lag + service);
        for &(slot, intended, lag, service, fate) in events.iter().filter(|event| mine(event.0)) {
            books.due(intended);
            let (sent, done) = (intended + lag, intended + lag + service);
            let held_up = lag % 2 == 0;
            if held_up {
                books.held_up(intended, intended + lag / 2);
            }
            if fate != 5 {
                books.given(slot / shards as usize);
                books.written(intended, sent, held_up);
            }
            match fate {
                0..3 => books.answered(slot / shards as usize, 64, intended, sent, done),
                3 => books.failed(intended, done, ErrorKind::Reset),
                4 => books.timed_out(intended, done),
                5 if books.counts(intended) => never_written += 1,
                _ => {}
            }
        }
        let connections = slots as u64;
        let min_rtt_us = Reading::Value(7);
        let wire = Wire { connections, segments_out: 3 * connections, min_rtt_us, ..Wire::default() };
        let wire = Reading::Value(wire);
        let measured = books.close(never_written, 1_000 / u64::from(shards), false, wire);
        WorkerPart { shard, shards, measured }
    }

    fn events() -> impl Strategy<Value = Vec<Event>> {
        let event = (0..SLOTS, 0_u64..1_100_000_000, 0_u64..1_000_000, 0_u64..400_000_000, 0_u8..7);
        proptest::collection::vec(event, 0..200)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn merging_the_shards_is_the_whole(events in events(), shards in prop_oneof![Just(2_u32), Just(4)]) {
            let whole = merge(vec![part(&events, 0, 1)]).expect("one part");
            let parts = (0..shards).rev().map(|shard| part(&events, shard, shards)).collect();
            let merged = merge(parts).expect("all parts");
            prop_assert!(merged.counts.balanced());
            let failed: u64 = merged.slices.iter().map(|slice| slice.failed).sum();
            prop_assert_eq!(failed, merged.counts.errors_total() + merged.counts.timeouts);
            prop_assert_eq!(merged, Measured { swarm_workers: shards, ..whole });
        }

        #[test]
        fn a_part_survives_its_line(events in events()) {
            let part = part(&events, 0, 1);
            let line = serde_json::to_string(&part).expect("a line");
            prop_assert_eq!(serde_json::from_str::<WorkerPart>(&line).expect("our own line"), part);
        }
    }

    #[test]
    fn parts_that_do_not_belong_together_are_refused() {
        assert!(matches!(merge(vec![]), Err(MergeError::Empty)));
        let events = [(0, 200_000_000, 1, 1, 0), (1, 200_000_000, 1, 1, 0)];
        let (zero, one) = (part(&events, 0, 2), part(&events, 1, 2));
        let shards = |parts| matches!(merge(parts), Err(MergeError::Shards { .. }));
        assert!(shards(vec![zero.clone()]), "one is missing");
        assert!(shards(vec![zero.clone(), zero.clone()]), "one came twice");
        assert!(shards(vec![zero.clone(), WorkerPart { shards: 3, ..one.clone() }]), "of different swarms");
        let mut window = one.clone();
        window.measured.window_ns = 5;
        assert!(matches!(merge(vec![zero.clone(), window]), Err(MergeError::Shape(0, 1))));
        let mut slices = one.clone();
        slices.measured.slices.pop();
        assert!(matches!(merge(vec![zero.clone(), slices]), Err(MergeError::Shape(0, 1))));
        let mut lost = one.clone();
        lost.measured.counts.sent += 1;
        assert!(matches!(merge(vec![zero.clone(), lost]), Err(MergeError::Unbalanced { shard: 1, .. })));
        let mut damaged = one.clone();
        damaged.measured.response.count += 1;
        assert!(matches!(merge(vec![zero.clone(), damaged]), Err(MergeError::Histogram { shard: 1, .. })));
        assert!(merge(vec![zero, one]).is_ok());
    }
}
