//! Entries put in order: one series for each figure that can be continued, its change points, and these as alerts by
//! commit.
//!
//! Two points belong to one series when machine, workload (its definition included, with warm-up and window), model, figure
//! and reference are the same. A series is in the order of its commits where the time of every commit is known, so that an
//! older commit that is measured later finds its place; otherwise in the order of its runs.

use super::divisive::{self, ENOUGH};
use super::entry::{Entry, Machine, TEXT_ALONE};
use crate::record::Metric;
use crate::stats::estimate::Estimate;
use crate::stats::median;
use crate::stats::paired::log_behind;
use crate::stats::threads;
use rayon::prelude::*;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// A history: what was recorded, and what it shows.
#[derive(Clone, Debug, PartialEq)]
pub struct History {
    /// The runs, the oldest first.
    pub entries: Vec<Entry>,
    /// The series, by machine, workload, model and figure.
    pub series: Vec<Series>,
    /// Changes that matter, by commit, the newest first.
    pub alerts: Vec<Alert>,
    /// Whether there are runs of more than one machine.
    several_machines: bool,
    /// Workloads of which there are several definitions.
    redefined: BTreeSet<String>,
}

/// What must be the same for two figures to be compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesKey {
    /// The machine.
    pub machine: Machine,
    /// Name of the workload.
    pub scenario: String,
    /// Its definition, see [`Point::definition`](super::Point::definition).
    pub definition: String,
    /// Name of the model.
    pub model: String,
    /// The figure.
    pub figure: Metric,
    /// Name of the reference; absent where there is none.
    pub reference: Option<String>,
}

/// A figure over the runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// What it is of.
    pub key: SeriesKey,
    /// Its values in order.
    pub samples: Vec<Sample>,
    /// Where the ratio to the reference changes, ascending.
    pub changes: Vec<Change>,
    /// Why no change point was looked for; absent where one was.
    pub untested: Option<String>,
}

/// The figure of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// The run, by its place in [`History::entries`].
    pub entry: usize,
    /// The figure in its own unit.
    pub value: Estimate,
    /// The figure over the reference's.
    pub ratio: Option<Estimate>,
}

impl Sample {
    /// The ratio if it can be compared: above zero and finite. A figure that is infinite, because requests were never
    /// answered, has no distance to others.
    pub fn comparable(&self) -> Option<f64> {
        self.ratio.map(|ratio| ratio.median).filter(|ratio| ratio.is_finite() && *ratio > 0.0)
    }
}

/// A change point of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// The first sample of the new level, by its place in [`Series::samples`].
    pub at: usize,
    /// The last sample of the old level.
    pub last: usize,
    /// Median ratio between the change before (or the begin) and this one.
    pub before: f64,
    /// Median ratio from here to the next change (or the end).
    pub after: f64,
    /// How many times worse the new level is; below 1 it is better.
    pub worse: f64,
    /// The p of the permutation test.
    pub p: f64,
    /// Whether it is larger than the smallest change that matters for the figure.
    pub matters: bool,
}

/// Changes that began with the same run.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// The last run before them, of the series with the narrowest gap; by its place in [`History::entries`].
    pub last_good: usize,
    /// The first run with them.
    pub first_bad: usize,
    /// Series and change, by their places.
    pub changes: Vec<(usize, usize)>,
}

impl History {
    /// The history of these entries, whatever their order.
    pub fn of(mut entries: Vec<Entry>) -> Self {
        entries.sort_by(|a, b| (a.started_unix_ms, &a.key).cmp(&(b.started_unix_ms, &b.key)));
        let mut of_key: BTreeMap<SeriesKey, Vec<Sample>> = BTreeMap::new();
        for (at, entry) in entries.iter().enumerate() {
            for point in &entry.points {
                let key = SeriesKey {
                    machine: entry.machine.clone(),
                    scenario: point.scenario.clone(),
                    definition: point.definition.clone(),
                    model: point.model.clone(),
                    figure: point.figure,
                    reference: point.reference.as_ref().map(|reference| reference.name.clone()),
                };
                let ratio = point.reference.as_ref().map(|reference| reference.ratio);
                of_key.entry(key).or_default().push(Sample { entry: at, value: point.value, ratio });
            }
        }
        threads::prepare();
        let series: Vec<Series> = of_key
            .into_iter()
            .collect::<Vec<_>>()
            .into_par_iter()
            .map(|(key, samples)| series(&entries, key, samples))
            .collect();
        let alerts = alerts(&entries, &series);
        // Found once: every series asks for it, wherever it is named.
        let several_machines = entries.iter().any(|entry| entry.machine != entries[0].machine);
        let redefined = redefined(&series);
        Self { entries, series, alerts, several_machines, redefined }
    }

    /// How many series a change point was looked for in.
    pub fn tested(&self) -> usize {
        self.series.iter().filter(|series| series.untested.is_none()).count()
    }

    /// The machines there are runs of, by fingerprint.
    pub fn machines(&self) -> Vec<&Machine> {
        let mut machines: Vec<&Machine> = self.entries.iter().map(|entry| &entry.machine).collect();
        machines.sort();
        machines.dedup();
        machines
    }

    /// What sets a series apart from others of the same workload, model and figure: the machine and the definition, where
    /// there are several.
    pub fn apart(&self, key: &SeriesKey) -> String {
        let mut words = Vec::new();
        if self.several_machines {
            words.push(format!("machine {}", key.machine.fingerprint));
        }
        if self.redefined.contains(&key.scenario) {
            words.push(format!("definition {}", key.definition));
        }
        words.join(", ")
    }
}

/// The workloads of which there are several definitions.
fn redefined(series: &[Series]) -> BTreeSet<String> {
    let mut definitions: BTreeMap<&str, &str> = BTreeMap::new();
    let mut redefined = BTreeSet::new();
    for SeriesKey { scenario, definition, .. } in series.iter().map(|series| &series.key) {
        if *definitions.entry(scenario).or_insert(definition) != definition {
            redefined.insert(scenario.clone());
        }
    }
    redefined
}

fn series(entries: &[Entry], key: SeriesKey, mut samples: Vec<Sample>) -> Series {
    let committed = |sample: &Sample| entries[sample.entry].committed_unix_ms;
    if samples.iter().all(|sample| committed(sample).is_some()) {
        // Stable: runs of one commit stay in their own order.
        samples.sort_by_key(committed);
    }
    let (places, logs): (Vec<usize>, Vec<f64>) =
        samples.iter().enumerate().filter_map(|(at, sample)| Some((at, sample.comparable()?.ln()))).unzip();
    let untested = match (&key.reference, logs.len()) {
        (None, _) => Some("no reference was measured with it".to_owned()),
        _ if key.definition.starts_with(TEXT_ALONE) => Some(
            "recorded when warm-up and window did not belong to the definition; import the bundles again"
                .to_owned(),
        ),
        (_, runs) if runs < ENOUGH => Some(format!("{runs} of the {ENOUGH} runs that a change needs")),
        _ => None,
    };
    let found = if untested.is_some() { Vec::new() } else { divisive::change_points(&logs, seed(&key)) };
    let level = |begin: usize, end: usize| median(&logs[begin..end]).unwrap_or(0.0).exp();
    let ends: Vec<usize> = found.iter().map(|one| one.at).chain([logs.len()]).collect();
    let mut begin = logs.len().saturating_sub(divisive::LONGEST);
    let mut changes = Vec::new();
    for (nth, point) in found.iter().enumerate() {
        let (before, after) = (level(begin, point.at), level(point.at, ends[nth + 1]));
        let log = log_behind(before, after, key.figure.better());
        changes.push(Change {
            at: places[point.at],
            last: places[point.at - 1],
            before,
            after,
            worse: log.exp(),
            p: point.p,
            matters: log.abs() > (1.0 + key.figure.floor()).ln(),
        });
        begin = point.at;
    }
    Series { key, samples, changes, untested }
}

/// A series' own stream of shuffles, the same whatever else is in the history.
fn seed(key: &SeriesKey) -> u64 {
    let reference = key.reference.as_deref().unwrap_or_default();
    let names =
        [&key.machine.fingerprint, &key.scenario, &key.definition, &key.model, key.figure.key(), reference];
    names.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, name| {
        (hash ^ u64::from(crc32fast::hash(name.as_bytes()))).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// What a run is grouped by: its commit, or itself where the commit is not known.
fn group(entry: &Entry) -> &str {
    entry.commit.as_deref().unwrap_or(&entry.key)
}

/// Where a run stands in time: when its commit was made, or when it began where that is not known.
fn when(entry: &Entry) -> u64 {
    entry.committed_unix_ms.unwrap_or(entry.started_unix_ms)
}

fn alerts(entries: &[Entry], series: &[Series]) -> Vec<Alert> {
    let mut groups: BTreeMap<&str, Vec<(usize, usize)>> = BTreeMap::new();
    for (nth, one) in series.iter().enumerate() {
        for (which, change) in one.changes.iter().enumerate().filter(|(_, change)| change.matters) {
            let first = one.samples[change.at].entry;
            groups.entry(group(&entries[first])).or_default().push((nth, which));
        }
    }
    let mut alerts: Vec<Alert> = groups
        .into_iter()
        .filter_map(|(culprit, changes)| alert(entries, series, culprit, changes))
        .collect();
    alerts.sort_by_key(|alert| Reverse((when(&entries[alert.first_bad]), alert.first_bad)));
    alerts
}

/// The changes that began with a commit, and the runs between which they did. A later last run and an earlier first one leave
/// less between them; but a change that was placed a run late has a run of the same commit before it, and that one is no good
/// run unless every change is like that: then the figures moved between two runs of one commit.
fn alert(entries: &[Entry], series: &[Series], culprit: &str, changes: Vec<(usize, usize)>) -> Option<Alert> {
    let runs = |(nth, which): &(usize, usize)| {
        let (one, change) = (&series[*nth], series[*nth].changes[*which]);
        (one.samples[change.last].entry, one.samples[change.at].entry)
    };
    let innocent = |run: &usize| group(&entries[*run]) != culprit;
    let lasts = changes.iter().map(|change| runs(change).0);
    let last_good = lasts.max_by_key(|run| (innocent(run), when(&entries[*run]), *run))?;
    let firsts = changes.iter().map(|change| runs(change).1);
    let first_bad = firsts.min_by_key(|run| (when(&entries[*run]), *run))?;
    Some(Alert { last_good, first_bad, changes })
}
