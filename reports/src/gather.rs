//! From the trials of a cell to the cell: each is opened, checked, merged and dropped in turn, so that a long run needs
//! no more memory than a short one.
//!
//! Histograms of rounds are merged, percentiles never averaged. A trial that contradicts itself is left out with the
//! reason, never repaired.

use crate::cell::{Cell, Costs, Latency, Merged, Moment, RoundFigures};
use crate::histogram::{HistogramError, Recorder};
use crate::record::{Doubt, EncodedHistogram, Invalid, Measured, Reading, Trial, Usage};
use crate::statistics::median;
use std::collections::BTreeMap;

/// A trial with its histograms decoded.
struct Opened {
    response: Recorder,
    service: Recorder,
    send_lag: Recorder,
    dispatch_lag: Recorder,
    connect: Recorder,
    slices: Vec<(u64, Recorder)>,
}

/// The histograms of the rounds so far.
struct Sum {
    response: Recorder,
    service: Recorder,
    send_lag: Recorder,
    dispatch_lag: Recorder,
    connect: Recorder,
    slices: BTreeMap<u64, Recorder>,
}

impl Sum {
    fn new() -> Self {
        let empty = Recorder::fine();
        Self {
            response: empty.clone(),
            service: empty.clone(),
            send_lag: empty.clone(),
            dispatch_lag: empty.clone(),
            connect: empty,
            slices: BTreeMap::new(),
        }
    }

    fn add(&mut self, opened: Opened) {
        self.response.merge(&opened.response);
        self.service.merge(&opened.service);
        self.send_lag.merge(&opened.send_lag);
        self.dispatch_lag.merge(&opened.dispatch_lag);
        self.connect.merge(&opened.connect);
        for (at, slice) in opened.slices {
            self.slices.entry(at).and_modify(|whole| whole.merge(&slice)).or_insert(slice);
        }
    }
}

/// Makes a cell of its trials, which are in order of rounds. `excluded` were left out before; those that have to be
/// left out here are returned with the reason.
pub(crate) fn gather<'a>(
    model: &str,
    trials: &[&'a Trial],
    excluded: u32,
) -> (Cell, Vec<(&'a Trial, String)>) {
    let (mut sum, mut rounds, mut valid, mut refused) = (Sum::new(), Vec::new(), Vec::new(), Vec::new());
    for trial in trials {
        match open(trial) {
            Ok((measured, opened)) => {
                rounds.push(figures(trial, measured, &opened.response));
                valid.push((*trial, measured));
                sum.add(opened);
            }
            Err(why) => refused.push((*trial, why)),
        }
    }
    let cell = Cell {
        model: model.to_owned(),
        excluded: excluded + refused.len() as u32,
        costs: Costs {
            cpu_ns_per_request: middle(&rounds, |round| &round.cpu_ns_per_request),
            switches_per_request: middle(&rounds, |round| &round.switches_per_request),
            pss_bytes: middle(&rounds, |round| &round.pss_bytes),
            threads: middle(&rounds, |round| &round.threads),
            processes: middle(&rounds, |round| &round.processes),
        },
        counted: counted(&valid),
        doubts: doubts(&valid),
        merged: (!valid.is_empty()).then(|| merged(&sum, &valid)),
        rounds,
    };
    (cell, refused)
}

/// Decodes and checks a valid trial; the error says why it must be left out after all.
fn open(trial: &Trial) -> Result<(&Measured, Opened), String> {
    let measured = match &trial.measured {
        Reading::Value(measured) => measured,
        Reading::Absent(why) => return Err(format!("nothing was measured: {why}")),
    };
    if measured.window_ns == 0 {
        return Err("its window has no length".to_owned());
    }
    if !measured.counts.balanced() {
        return Err(Invalid::Unbalanced.to_string());
    }
    if measured.response.count != measured.counts.ok {
        return Err(format!(
            "its response histogram holds {} values for {} answered requests",
            measured.response.count, measured.counts.ok
        ));
    }
    let decode = |name: &str, encoded: &EncodedHistogram| {
        Recorder::decode(encoded).map_err(|error: HistogramError| format!("its {name} {error}"))
    };
    let slices = measured.slices.iter().map(|slice| {
        let middle = slice.start_ns.saturating_add(slice.length_ns / 2);
        Ok((middle, decode("slice", &slice.response)?))
    });
    let opened = Opened {
        response: decode("response", &measured.response)?,
        service: decode("service", &measured.service)?,
        send_lag: decode("send lag", &measured.send_lag)?,
        dispatch_lag: decode("dispatch lag", &measured.dispatch_lag)?,
        connect: decode("connect", &measured.connect)?,
        slices: slices.collect::<Result<_, String>>()?,
    };
    Ok((measured, opened))
}

fn figures(trial: &Trial, measured: &Measured, response: &Recorder) -> RoundFigures {
    let completed = measured.completed_in_window;
    let usage = &trial.usage;
    let per_reply = |ns: &u64| match completed {
        0 => Err("no reply to share it among".to_owned()),
        n => Ok(*ns as f64 / n as f64),
    };
    let as_float = |reading: &Reading<u64>| then(reading, |value| Ok(*value as f64));
    RoundFigures {
        round: trial.round,
        throughput_per_s: completed as f64 * 1e9 / measured.window_ns as f64,
        response: Latency::of(response, measured.counts.sent, false),
        cpu_ns_per_request: then(&usage.window_cpu_ns, per_reply),
        switches_per_request: switches_per_request(usage, measured),
        pss_bytes: as_float(&usage.pss_bytes),
        threads: as_float(&usage.threads),
        processes: as_float(&usage.processes),
        steal_share: usage.steal_share.clone(),
        foreign_share: usage.foreign_share.clone(),
    }
}

/// Switches are counted over the server's whole life, so they are shared among the requests of the whole trial, warm-up
/// included. As the swarm counts them: what a server counts as a request is its own affair, and where messages have no
/// frame (echo) it is every read.
fn switches_per_request(usage: &Usage, measured: &Measured) -> Reading<f64> {
    then(&usage.life_voluntary_switches, |voluntary| {
        let involuntary = match &usage.life_involuntary_switches {
            Reading::Value(involuntary) => *involuntary,
            Reading::Absent(why) => return Err(why.clone()),
        };
        match measured.counts.ok.saturating_add(measured.warmup_sent) {
            0 => Err("no request to share the switches among".to_owned()),
            requests => Ok((*voluntary as f64 + involuntary as f64) / requests as f64),
        }
    })
}

fn then<T>(reading: &Reading<T>, map: impl FnOnce(&T) -> Result<f64, String>) -> Reading<f64> {
    match reading {
        Reading::Absent(why) => Reading::Absent(why.clone()),
        Reading::Value(value) => map(value).map_or_else(Reading::Absent, Reading::Value),
    }
}

fn middle(rounds: &[RoundFigures], reading: impl Fn(&RoundFigures) -> &Reading<f64>) -> Reading<f64> {
    let values: Vec<f64> = rounds.iter().filter_map(|round| reading(round).value().copied()).collect();
    median(&values).map_or_else(
        || match rounds.first().map(&reading) {
            Some(Reading::Absent(why)) => Reading::Absent(why.clone()),
            _ => Reading::Absent("no valid round".to_owned()),
        },
        Reading::Value,
    )
}

fn merged(sum: &Sum, valid: &[(&Trial, &Measured)]) -> Merged {
    let of = |recorder: &Recorder| Latency::of(recorder, recorder.count(), false);
    let total = |count: fn(&Measured) -> u64| {
        valid.iter().fold(0_u64, |sum, (_, measured)| sum.saturating_add(count(measured)))
    };
    let mut errors = BTreeMap::new();
    for (kind, count) in valid.iter().flat_map(|(_, measured)| &measured.counts.errors) {
        let sum = errors.entry(*kind).or_insert(0_u64);
        *sum = sum.saturating_add(*count);
    }
    let fairness: Vec<f64> = valid.iter().filter_map(|(_, measured)| jain(measured)).collect();
    let moments = sum.slices.iter().map(|(at, slice)| Moment { at_ns: *at, response: of(slice) });
    Merged {
        response: Latency::of(&sum.response, total(|m| m.counts.sent), true),
        service: of(&sum.service),
        send_lag: of(&sum.send_lag),
        dispatch_lag: of(&sum.dispatch_lag),
        connect: of(&sum.connect),
        errors,
        timeouts: total(|m| m.counts.timeouts),
        pending: total(|m| m.counts.in_flight_at_end),
        connections: total(|m| m.spread.connections),
        never_served: total(|m| m.spread.never_served),
        fairness: median(&fairness),
        moments: moments.collect(),
    }
}

/// The servers' own counters over the rounds.
fn counted(valid: &[(&Trial, &Measured)]) -> BTreeMap<String, u64> {
    let mut counted = BTreeMap::new();
    for (name, count) in valid.iter().filter_map(|(trial, _)| trial.server.value()).flatten() {
        let sum = counted.entry(name.clone()).or_insert(0_u64);
        *sum = if name == PEAK { (*sum).max(*count) } else { sum.saturating_add(*count) };
    }
    counted
}

/// The counter that does not add up over rounds.
const PEAK: &str = "peak";

/// Jain's index: the squared sum over n times the sum of squares. `None` without replies, and for sums that no replies
/// can have: by Cauchy's inequality the index is 1 at most.
fn jain(measured: &Measured) -> Option<f64> {
    let spread = &measured.spread;
    let (n, squared) = (spread.connections as f64, spread.replies_squared as f64);
    let index = (n > 0.0 && squared > 0.0).then(|| (spread.replies as f64).powi(2) / (n * squared));
    index.filter(|index| *index <= 1.0 + 1e-9)
}

/// One line for each kind of doubt, with the gravest of its kind and how many rounds have one.
fn doubts(valid: &[(&Trial, &Measured)]) -> Vec<String> {
    let mut kinds: BTreeMap<u8, (u64, &Doubt)> = BTreeMap::new();
    for doubt in valid.iter().flat_map(|(trial, _)| &trial.doubts) {
        let entry = kinds.entry(doubt.kind()).or_insert((0, doubt));
        entry.0 += 1;
        if doubt.gravity() > entry.1.gravity() {
            entry.1 = doubt;
        }
    }
    let rounds = valid.len() as u64;
    let tell = |(count, worst): (u64, &Doubt)| match rounds {
        1 => worst.to_string(),
        _ => format!("{worst} ({} of {rounds} rounds)", count.min(rounds)),
    };
    kinds.into_values().map(tell).collect()
}
