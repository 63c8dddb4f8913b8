//! From the trials of a cell to the cell: each is opened, checked, merged and dropped in turn, so that a long run needs
//! no more memory than a short one.
//!
//! Histograms of rounds are merged, percentiles never averaged. A trial that contradicts itself is left out with the
//! reason, never repaired.

use crate::cells::cell::{Accepts, Cell, CellDoubt, Latency, Means, Merged, Moment, RoundFigures, bands};
use crate::cells::exclusion::Exclusion;
use crate::cells::recovery;
use crate::metric::{Figures, Round};
use crate::record::histogram::Recorder;
use crate::record::{
    Doubt, EncodedHistogram, FanOut, HttpReplies, Invalid, Measured, Reading, ScenarioRecord, Slice, Trial,
};
use crate::stats::median;
use crate::stats::quantile::Distribution;
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
    scenario: &ScenarioRecord,
    model: &str,
    trials: &[&'a Trial],
    excluded: u32,
    seed: u64,
) -> (Cell, Vec<(&'a Trial, Exclusion)>) {
    let (mut sum, mut rounds, mut valid, mut refused) = (Sum::new(), Vec::new(), Vec::new(), Vec::new());
    for trial in trials {
        match open(trial) {
            Ok((measured, opened)) => {
                rounds.push(figures(scenario, trial, measured, &opened));
                valid.push((*trial, measured));
                sum.add(opened);
            }
            Err(why) => refused.push((*trial, why)),
        }
    }
    let cell = Cell {
        model: model.to_owned(),
        excluded: excluded + refused.len() as u32,
        medians: Figures::medians(&rounds.iter().map(|round| &round.figures).collect::<Vec<_>>()),
        subject: (scenario.name.clone(), seed),
        user_mode_only: valid.iter().any(|(trial, _)| trial.usage.counted.user_mode_only),
        counted: counted(&valid),
        accepts: accepts(&valid),
        doubts: doubts(&valid),
        merged: (!valid.is_empty()).then(|| merged(&sum, &valid)),
        rounds,
    };
    (cell, refused)
}

/// The figures of one trial by itself, whether it counts or not.
///
/// # Errors
/// Why it has none: nothing was measured, or it contradicts itself.
pub(crate) fn of_trial(scenario: &ScenarioRecord, trial: &Trial) -> Result<RoundFigures, Exclusion> {
    open(trial).map(|(measured, opened)| figures(scenario, trial, measured, &opened))
}

/// Decodes and checks a valid trial; the error says why it must be left out after all.
fn open(trial: &Trial) -> Result<(&Measured, Opened), Exclusion> {
    let measured = match &trial.measured {
        Reading::Value(measured) => measured,
        Reading::Absent(why) => return Err(Exclusion::NotMeasured(why.clone())),
    };
    if measured.window_ns == 0 {
        return Err(Exclusion::NoWindow);
    }
    if !measured.counts.balanced() {
        return Err(Exclusion::Invalid(Invalid::Unbalanced));
    }
    if measured.response.count != measured.counts.ok {
        let (values, answered) = (measured.response.count, measured.counts.ok);
        return Err(Exclusion::Miscounted { values, answered });
    }
    let decode = |of: &'static str, encoded: &EncodedHistogram| {
        Recorder::decode(encoded).map_err(|error| Exclusion::Histogram { of, why: error.to_string() })
    };
    let slices = measured.slices.iter().map(|slice| Ok((middle(slice), decode("slice", &slice.response)?)));
    let opened = Opened {
        response: decode("response", &measured.response)?,
        service: decode("service", &measured.service)?,
        send_lag: decode("send lag", &measured.send_lag)?,
        dispatch_lag: decode("dispatch lag", &measured.dispatch_lag)?,
        connect: decode("connect", &measured.connect)?,
        slices: slices.collect::<Result<_, Exclusion>>()?,
    };
    Ok((measured, opened))
}

fn figures(scenario: &ScenarioRecord, trial: &Trial, measured: &Measured, opened: &Opened) -> RoundFigures {
    let times = Distribution::new(&opened.response, measured.counts.sent);
    let round = Round {
        trial,
        measured,
        response: &opened.response,
        times: &times,
        objective_ns: scenario.objective_ns,
        timeout_ns: u64::try_from(scenario.timing.timeout.as_nanos()).unwrap_or(u64::MAX),
    };
    let responses = || opened.slices.iter().map(|(_, response)| response);
    RoundFigures {
        round: trial.round,
        figures: Figures::of(&round),
        bounded: round
            .censored(scenario.merit)
            .filter(|figure| !figure.is_known())
            .map(|figure| (scenario.merit, figure)),
        recovery: recovery::of_round(measured, responses(), &scenario.load),
        server_died: trial.doubts.iter().any(|doubt| matches!(doubt, Doubt::ServerDied { .. })),
        response: Latency::of(&opened.response, measured.counts.sent, false),
        steal_share: trial.usage.steal_share.clone(),
        foreign_share: trial.usage.foreign_share.clone(),
    }
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
    let threads = threads(valid);
    let moments = sum.slices.iter().map(|(at, slice)| Moment {
        at_ns: *at,
        response: of(slice),
        bands: bands(slice),
        threads: threads.get(at).and_then(|counts| median(counts)),
    });
    Merged {
        means: means(valid),
        response: Latency::of(&sum.response, total(|m| m.counts.sent), true),
        service: of(&sum.service),
        send_lag: Latency::of(
            &sum.send_lag,
            sum.send_lag.count().saturating_add(total(|m| m.counts.never_written)),
            false,
        ),
        dispatch_lag: of(&sum.dispatch_lag),
        connect: of(&sum.connect),
        errors,
        http: valid.iter().fold(HttpReplies::default(), |sum, (_, measured)| sum.plus(&measured.http)),
        datagrams: valid
            .iter()
            .filter_map(|(_, measured)| measured.datagrams.clone())
            .reduce(|sum, more| sum.plus(&more)),
        fan_out: fan_out(valid),
        timeouts: total(|m| m.counts.timeouts),
        pending: total(|m| m.counts.in_flight_at_end),
        connections: total(|m| m.spread.connections),
        never_served: total(|m| m.spread.never_served),
        moments: moments.collect(),
    }
}

/// The deliveries of all rounds; `None` where there are none, or one round's cannot be read.
fn fan_out(valid: &[(&Trial, &Measured)]) -> Option<FanOut> {
    let mut rounds = valid.iter().filter_map(|(_, measured)| measured.fan_out.as_ref());
    let first = rounds.next()?.clone();
    rounds.try_fold(first, |sum, more| sum.plus(more)).ok()
}

fn means(valid: &[(&Trial, &Measured)]) -> Option<Means> {
    let mean = |histogram: fn(&Measured) -> &EncodedHistogram| {
        let all = valid.iter().map(|(_, measured)| histogram(measured));
        let (sum, count) =
            all.fold((0.0, 0.0), |(sum, count), one| (sum + one.sum_ns as f64, count + one.count as f64));
        (count > 0.0).then_some(sum / count)
    };
    Some(Means {
        response_ns: mean(|m| &m.response)?,
        service_ns: mean(|m| &m.service)?,
        connection_ns: (mean(|m| &m.send_lag)? - mean(|m| &m.dispatch_lag)?).max(0.0),
    })
}

/// The threads of the rounds' servers at the ends of the slices, by the middles of these.
fn threads(valid: &[(&Trial, &Measured)]) -> BTreeMap<u64, Vec<f64>> {
    let mut threads: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
    for (trial, measured) in valid {
        let counts = trial.usage.threads_by_slice.as_ref().and_then(Reading::value);
        for (slice, count) in measured.slices.iter().zip(counts.into_iter().flatten()) {
            threads.entry(middle(slice)).or_default().push(*count as f64);
        }
    }
    threads
}

/// Where a slice is drawn, in nanoseconds from the window's begin.
fn middle(slice: &Slice) -> u64 {
    slice.start_ns.saturating_add(slice.length_ns / 2)
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

/// How the accepts of each round were spread over the workers.
fn accepts(valid: &[(&Trial, &Measured)]) -> Option<Accepts> {
    let each = || valid.iter().flat_map(|(trial, _)| &trial.accepted_by_worker).copied();
    let workers = valid.iter().map(|(trial, _)| trial.accepted_by_worker.len() as u64).max()?;
    Some(Accepts { workers, fewest: each().min()?, most: each().max()? })
}

/// The counter that does not add up over rounds.
const PEAK: &str = "peak";

/// One for each kind of doubt, by the most severe of its kind.
fn doubts(valid: &[(&Trial, &Measured)]) -> Vec<CellDoubt> {
    let of = valid.len() as u64;
    let mut kinds: BTreeMap<u8, CellDoubt> = BTreeMap::new();
    for doubt in valid.iter().flat_map(|(trial, _)| &trial.doubts) {
        let first = || CellDoubt { worst: doubt.clone(), rounds: 0, of };
        let kind = kinds.entry(doubt.kind()).or_insert_with(first);
        kind.rounds = (kind.rounds + 1).min(of);
        if doubt.severity() > kind.worst.severity() {
            kind.worst = doubt.clone();
        }
    }
    kinds.into_values().collect()
}
