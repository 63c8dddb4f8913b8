//! How metrics are read from a trial: the parts that several entries of the table share.
//!
//! A metric whose parts were not all measured is absent with the reason of the first missing one; it is never made up of the
//! rest.

use super::Round;
use crate::record::histogram::replies_per_connection;
use crate::record::{Handshakes, Reading, Wire};
use crate::stats::quantile::Quantile;

/// A value, or why there is none.
pub(super) type Value = Result<f64, String>;

/// Of the common part of entries, which is none itself.
pub(super) fn nothing(_: &Round<'_>) -> Value {
    Err("it has no reader".to_owned())
}

fn value<T: Copy>(reading: &Reading<T>) -> Result<T, String> {
    match reading {
        Reading::Value(value) => Ok(*value),
        Reading::Absent(why) => Err(why.clone()),
    }
}

pub(super) fn count(reading: &Reading<u64>) -> Value {
    Ok(value(reading)? as f64)
}

pub(super) fn share_of(reading: &Reading<f64>) -> Value {
    value(reading)
}

pub(super) fn share_among(value: f64, among: u64) -> Value {
    if among == 0 { Err("no reply to share it among".to_owned()) } else { Ok(value / among as f64) }
}

/// Events over the replies that were completed while they were counted.
pub(super) fn counted(events: &Reading<u64>, replies: &Reading<u64>) -> Value {
    share_among(count(events)?, value(replies)?)
}

pub(super) fn rate(round: &Round<'_>, replies: u64) -> Value {
    Ok(replies as f64 * 1e9 / round.measured.window_ns as f64)
}

/// A reply counts by its request's due time, so late replies to the warm-up add nothing and a reply in the drain counts if it
/// is within the objective. The response histogram tells values apart to three digits: one that is up to 0.1 % above the
/// objective may count.
pub(super) fn goodput(round: &Round<'_>) -> Value {
    let objective_ns = round.objective_ns.ok_or("the workload states no objective")?;
    rate(round, round.response.histogram().count_between(0, objective_ns))
}

pub(super) fn answered(round: &Round<'_>) -> Value {
    match round.times.sent() {
        0 => Err("nothing was asked".to_owned()),
        sent => Ok(round.times.answered() as f64 / sent as f64),
    }
}

/// Infinite where too many requests were never answered.
pub(super) fn percentile(round: &Round<'_>, p: f64) -> Value {
    match round.times.quantile(p) {
        Quantile::Value(ns) => Ok(ns as f64),
        Quantile::NeverAnswered => Ok(f64::INFINITY),
        Quantile::Insufficient { have, need } => Err(format!("{have} requests, and {need} are needed")),
    }
}

/// Handshakes of TLS of a kind in the window, per second.
pub(super) fn handshakes(round: &Round<'_>, kind: fn(Handshakes) -> u64) -> Value {
    rate(round, kind(round.measured.handshakes.ok_or("the workload speaks no TLS")?))
}

pub(super) fn cpu(round: &Round<'_>) -> Value {
    share_among(count(&round.trial.usage.window_cpu_ns)?, round.measured.completed_in_window)
}

pub(super) fn voluntary(round: &Round<'_>) -> Value {
    let switches = &round.trial.usage.switches;
    counted(&switches.voluntary, &switches.replies)
}

pub(super) fn involuntary(round: &Round<'_>) -> Value {
    let switches = &round.trial.usage.switches;
    counted(&switches.involuntary, &switches.replies)
}

pub(super) fn wire<'a>(round: &Round<'a>) -> Result<&'a Wire, String> {
    match &round.measured.wire {
        Reading::Value(wire) => Ok(wire),
        Reading::Absent(why) => Err(why.clone()),
    }
}

/// Over all requests of the trial, for segments are counted over the whole life of a connection.
pub(super) fn wire_per_request(round: &Round<'_>, segments: impl FnOnce(&Wire) -> f64) -> Value {
    let requests = round.measured.counts.ok.saturating_add(round.measured.warmup_sent);
    share_among(segments(wire(round)?), requests)
}

/// The most that a worker accepted over the mean of all, warm-up and window together: 1 when each accepted as many, their number
/// when one accepted all.
pub(super) fn busiest_accepts(round: &Round<'_>) -> Value {
    let accepted = &round.trial.accepted_by_worker;
    let all: u64 = accepted.iter().sum();
    match accepted.iter().max() {
        None => Err("no worker of this server accepts for itself, or it could not say".into()),
        Some(_) if all == 0 => Err("no worker accepted a connection".into()),
        Some(most) => Ok(*most as f64 * accepted.len() as f64 / all as f64),
    }
}

/// Growth of the tree's own memory, page tables, kernel stacks and kernel objects from rest to load, over the connections held: what one more
/// takes, threads and forks included. Memory that is saved by not serving is no merit: where a hundredth of the requests or
/// more was never answered, it is infinite.
pub(super) fn memory_per_connection(round: &Round<'_>) -> Value {
    if round.times.quantile(0.99) == Quantile::NeverAnswered {
        return Ok(f64::INFINITY);
    }
    let usage = &round.trial.usage;
    let beside = round.measured.background.all().held() as f64;
    let held = wire(round)?.connections as f64 + beside;
    let growth = count(&usage.held_own_bytes)? - count(&usage.idle_own_bytes)?;
    match growth {
        _ if held == 0.0 => Err("no connection was held at the end".to_owned()),
        growth if growth < 0.0 => Err("the server held less at the end than at rest".to_owned()),
        growth => Ok(growth / held),
    }
}

/// The integral of the threads over the window: each reading stands for the slice that it ends.
pub(super) fn thread_seconds(round: &Round<'_>) -> Value {
    let slices = &round.measured.slices;
    match &round.trial.usage.threads_by_slice {
        None => Err("threads are read over the window only where the load comes and goes".to_owned()),
        Some(Reading::Absent(why)) => Err(why.clone()),
        Some(Reading::Value(counts)) if counts.len() == slices.len() => {
            Ok(counts.iter().zip(slices).map(|(count, slice)| *count as f64 * slice.length_ns as f64).sum())
        }
        Some(Reading::Value(counts)) => {
            Err(format!("{} readings of threads are not of {} slices", counts.len(), slices.len()))
        }
    }
}

/// The squared sum over n times the sum of squares. Absent without replies, and for sums that no replies can have: by
/// Cauchy's inequality the index is 1 at most.
pub(super) fn jain(round: &Round<'_>) -> Value {
    let spread = &round.measured.spread;
    let (n, squared) = (spread.connections as f64, spread.replies_squared as f64);
    let index = (n > 0.0 && squared > 0.0).then(|| (spread.replies as f64).powi(2) / (n * squared));
    index.filter(|index| *index <= 1.0 + 1e-9).ok_or_else(|| "no replies".to_owned())
}

pub(super) fn least_served(round: &Round<'_>) -> Value {
    let spread = &round.measured.spread;
    let each = replies_per_connection(spread).map_err(|e| format!("its spread's {e}"))?;
    match each.map_or(0, |each| each.histogram().value_at_quantile(0.5)) {
        0 => Err("half the connections had no reply".to_owned()),
        // The median is of two digits, so it may stand a little below a least that is exact.
        middle => Ok((spread.fewest as f64 / middle as f64).min(1.0)),
    }
}

pub(super) fn never_served(round: &Round<'_>) -> Value {
    let spread = &round.measured.spread;
    share_among(spread.never_served as f64, spread.connections)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::histogram::Recorder;
    use crate::record::{Background, ConnectionCounts, Trial};
    use crate::sample::{self, Spec};
    use crate::stats::quantile::Distribution;

    #[test]
    fn the_memory_of_a_connection_is_over_those_beside_the_load_too() {
        let bundle = sample::bundle(&Spec { scenarios: 1, rounds: 1, requests: 20, ..Spec::default() });
        let trial = bundle
            .trials
            .iter()
            .find(|t| memory_of(t, 0, 0).is_ok_and(f64::is_finite))
            .expect("one has its memory read");
        let Reading::Value(wire) = &trial.measured.value().expect("measured").wire else { panic!("no wire") };
        let alone = memory_of(trial, 0, 0).expect("as above");
        // As many again beside them, and one more that was lost: half as much each.
        let opened = wire.connections + 1;
        let shared = memory_of(trial, opened, 1).expect("the same readings");
        assert!((shared - alone / 2.0).abs() < 1e-9 * alone, "{shared} {alone}");
    }

    #[test]
    fn the_busiest_worker_is_told_against_the_mean_and_absent_where_none_accepts() {
        let bundle = sample::bundle(&Spec { scenarios: 1, rounds: 1, requests: 20, ..Spec::default() });
        let measured = bundle.trials.iter().find_map(|trial| trial.measured.value()).expect("measured");
        let response = Recorder::decode(&measured.response).expect("a histogram");
        let times = Distribution::new(&response, measured.counts.sent);
        let of = |accepted: &[u64]| {
            let trial = &Trial { accepted_by_worker: accepted.to_vec(), ..bundle.trials[0].clone() };
            let (response, times) = (&response, &times);
            busiest_accepts(&Round { trial, measured, response, times, objective_ns: None, timeout_ns: 1 })
        };
        assert_eq!([of(&[5, 5, 5]), of(&[9, 0, 0]), of(&[2, 1, 0])], [Ok(1.0), Ok(3.0), Ok(2.0)]);
        assert!(of(&[]).is_err() && of(&[0, 0]).is_err());
    }

    /// The memory of a connection, had the trial had such idle companions.
    fn memory_of(trial: &Trial, opened: u64, lost: u64) -> Value {
        let mut measured = trial.measured.value().ok_or("not measured")?.clone();
        measured.background =
            Background { idle: ConnectionCounts { asked: opened, opened, lost }, ..Background::default() };
        let response = Recorder::decode(&measured.response).map_err(|e| e.to_string())?;
        let times = Distribution::new(&response, measured.counts.sent);
        let (measured, response, times) = (&measured, &response, &times);
        memory_per_connection(&Round { trial, measured, response, times, objective_ns: None, timeout_ns: 1 })
    }
}
