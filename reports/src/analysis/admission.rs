//! Which trials of a bundle count: the first valid try of a contestant in a block, and only in blocks that nobody disturbed; or,
//! where those do not decide a workload, the disturbed ones, too.
//!
//! What other programs, the hypervisor or a quota took is told to the block and not to the trial it hit: to leave out single
//! trials would choose among contestants. What the generator or the server did is told to the trial.

use crate::cells::cell::Cell;
use crate::cells::exclusion::Exclusion;
use crate::cells::gather;
use crate::record::bundle::Bundle;
use crate::record::{Invalid, Run, ScenarioRecord, Trial};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// Workload and model.
pub(super) type Key<'a> = (&'a str, &'a str);

/// The trials of a cell, by block.
type ByBlock<'a> = BTreeMap<u32, &'a Trial>;

/// The trials of a bundle, sorted by whether they count.
#[derive(Default)]
pub(super) struct Admission<'a> {
    /// The first valid try of each cell in each block.
    valid: BTreeMap<Key<'a>, ByBlock<'a>>,
    /// The first disturbed one of each where there is no valid one.
    disturbed: BTreeMap<Key<'a>, ByBlock<'a>>,
    /// Cells in blocks with a trial that others disturbed.
    hit: Vec<(Key<'a>, u32)>,
    /// The blocks of each workload in which others took from the CPUs, and no valid try followed.
    disturbed_blocks: BTreeMap<&'a str, BTreeSet<u32>>,
    /// Every cell in every block of which there is a trial.
    asked: BTreeSet<(Key<'a>, u32)>,
    /// Those that count nowhere.
    excluded: Vec<(&'a Trial, Vec<Exclusion>)>,
}

/// The cells of a workload, and the trials that were left out for them.
pub(super) struct Admitted<'a> {
    pub(super) cells: Vec<Cell>,
    pub(super) excluded: Vec<(&'a Trial, Vec<Exclusion>)>,
    /// Trials in the cells.
    pub(super) used: u32,
}

impl<'a> Admission<'a> {
    pub(super) fn of(bundle: &'a Bundle) -> Self {
        let mut all = Self::default();
        for trial in &bundle.trials {
            let (key, block) = (key(trial), trial.round);
            all.asked.insert((key, block));
            match objections(&bundle.run, trial) {
                reasons if !reasons.is_empty() => {
                    if trial.invalid.iter().any(Invalid::is_disturbance) {
                        all.hit.push((key, block));
                    }
                    if is_disturbed(trial) && measured(&bundle.run, trial) {
                        all.disturbed.entry(key).or_default().entry(block).or_insert(trial);
                    }
                    all.excluded.push((trial, reasons));
                }
                _ if all.valid.get(&key).is_some_and(|of| of.contains_key(&block)) => {
                    all.excluded.push((trial, vec![Exclusion::Repeated]));
                }
                _ => {
                    all.valid.entry(key).or_default().insert(block, trial);
                }
            }
        }
        let valid = &all.valid;
        let replaced = |key: &Key<'_>, block: u32| valid.get(key).is_some_and(|of| of.contains_key(&block));
        for (key, block) in all.hit.iter().filter(|(key, block)| !replaced(key, *block)) {
            all.disturbed_blocks.entry(key.0).or_default().insert(*block);
        }
        for (key, trials) in &mut all.disturbed {
            trials.retain(|block, _| valid.get(key).is_none_or(|of| !of.contains_key(block)));
        }
        all
    }

    /// The blocks of a workload, and those of them that were disturbed.
    pub(super) fn blocks(&self, scenario: &str) -> (BTreeSet<u32>, BTreeSet<u32>) {
        let asked = self.asked.iter().filter(|((name, _), _)| *name == scenario);
        let disturbed = self.disturbed_blocks.get(scenario).cloned().unwrap_or_default();
        (asked.map(|(_, block)| *block).collect(), disturbed)
    }

    /// The share of one CPU that others took in the disturbed trials of a workload: their mean.
    pub(super) fn taken(&self, run: &Run, scenario: &str) -> f64 {
        let of = run.scenarios.iter().find(|one| one.name == scenario);
        let server = of.map_or(run.environment.server_cpus.as_slice(), |one| run.server_cpus(one));
        let sides = [server, &run.environment.swarm_cpus];
        // A record tells the share of the side that was hit more.
        let cpus = sides.map(<[u32]>::len).into_iter().max().unwrap_or(1).max(1) as f64;
        let of = |trial: &Trial| {
            let usage = &trial.usage;
            let shares =
                [&usage.foreign_share, &usage.steal_share].into_iter().filter_map(|share| share.value());
            let quota = trial.invalid.iter().map(|reason| match reason {
                Invalid::Throttled { share, .. } => *share,
                _ => 0.0,
            });
            (shares.copied().chain(quota).sum::<f64>()).max(0.0) * cpus
        };
        let here = self.disturbed.iter().filter(|((name, _), _)| *name == scenario);
        let taken: Vec<f64> = here.flat_map(|(_, trials)| trials.values()).map(|trial| of(trial)).collect();
        taken.iter().sum::<f64>() / taken.len().max(1) as f64
    }

    /// The cells of a workload from its trials outside of these blocks; with `disturbed`, the disturbed trials count, too.
    pub(super) fn cells(
        &self,
        scenario: &'a ScenarioRecord,
        without: &BTreeSet<u32>,
        disturbed: bool,
        seed: u64,
    ) -> Admitted<'a> {
        let name = scenario.name.as_str();
        let none = ByBlock::new();
        let parts: Vec<_> = scenario
            .models
            .par_iter()
            .map(|model| {
                let key = (name, model.as_str());
                let valid = self.valid.get(&key).unwrap_or(&none);
                let (mut trials, aside): (ByBlock<'_>, ByBlock<'_>) =
                    valid.iter().partition(|(block, _)| !without.contains(block));
                if disturbed {
                    trials.extend(self.disturbed.get(&key).unwrap_or(&none));
                }
                let asked = self.asked.range((key, 0)..=(key, u32::MAX)).count();
                let left_out = asked.saturating_sub(trials.len());
                let list: Vec<&Trial> = trials.values().copied().collect();
                let (cell, refused) =
                    gather::gather(scenario, model, &list, u32::try_from(left_out).unwrap_or(u32::MAX), seed);
                let refused: Vec<_> = refused.into_iter().map(|(trial, why)| (trial, vec![why])).collect();
                let used = list.len() - refused.len();
                let aside = aside.into_values().map(|trial| (trial, vec![Exclusion::DisturbedBlock]));
                (cell, aside.chain(refused).collect::<Vec<_>>(), used)
            })
            .collect();
        let used = parts.iter().map(|(.., used)| *used).sum::<usize>();
        let (mut cells, mut excluded) = (Vec::new(), Vec::new());
        for (cell, left_out, _) in parts {
            cells.push(cell);
            excluded.extend(left_out);
        }
        let here = self.excluded.iter().filter(|(trial, _)| trial.scenario == name);
        let counts = |trial: &Trial| {
            disturbed
                && self
                    .disturbed
                    .get(&key(trial))
                    .and_then(|of| of.get(&trial.round))
                    .is_some_and(|one| std::ptr::eq(*one, trial))
        };
        excluded.extend(here.filter(|(trial, _)| !counts(trial)).cloned());
        Admitted { cells, excluded, used: used as u32 }
    }

    /// Trials of workloads that the head does not declare.
    pub(super) fn undeclared(&self, run: &Run) -> Vec<(&'a Trial, Vec<Exclusion>)> {
        let declared = |trial: &Trial| run.scenarios.iter().any(|scenario| scenario.name == trial.scenario);
        self.excluded.iter().filter(|(trial, _)| !declared(trial)).cloned().collect()
    }

    /// Cells in blocks that have only disturbed trials, of the workloads that are chosen.
    pub(super) fn only_disturbed(&self, chosen: impl Fn(&str) -> bool) -> u32 {
        let here = self.disturbed.iter().filter(|((scenario, _), _)| chosen(scenario));
        here.map(|(_, blocks)| blocks.len() as u32).sum()
    }

    /// Cells and blocks with a trial, and those of them without a valid one, of the workloads that are chosen.
    pub(super) fn lost(&self, chosen: impl Fn(&str) -> bool) -> (u32, u32) {
        let asked = || self.asked.iter().filter(|((scenario, _), _)| chosen(scenario));
        let lost =
            |(key, block): &&(Key<'_>, u32)| self.valid.get(key).is_none_or(|of| !of.contains_key(block));
        (asked().count() as u32, asked().filter(lost).count() as u32)
    }

    /// Whether a block of a cell has a valid try.
    pub(super) fn is_replaced(&self, trial: &Trial) -> bool {
        self.valid.get(&key(trial)).is_some_and(|of| of.contains_key(&trial.round))
    }
}

fn key(trial: &Trial) -> Key<'_> {
    (&trial.scenario, &trial.model)
}

/// Whether somebody took from the pinned CPUs, and nothing else is wrong but what comes of that.
fn is_disturbed(trial: &Trial) -> bool {
    let comes_of_it = |one: &Invalid| one.is_disturbance() || one.is_late_generator();
    trial.invalid.iter().any(Invalid::is_disturbance) && trial.invalid.iter().all(comes_of_it)
}

fn measured(run: &Run, trial: &Trial) -> bool {
    is_declared(run, trial) && trial.measured.value().is_some()
}

fn is_declared(run: &Run, trial: &Trial) -> bool {
    let declares =
        |scenario: &ScenarioRecord| scenario.name == trial.scenario && scenario.models.contains(&trial.model);
    run.scenarios.iter().any(declares)
}

/// Why a trial must be left out, as far as its head tells; none if it may be opened.
fn objections(run: &Run, trial: &Trial) -> Vec<Exclusion> {
    if !trial.invalid.is_empty() {
        return trial.invalid.iter().cloned().map(Exclusion::Invalid).collect();
    }
    if is_declared(run, trial) { Vec::new() } else { vec![Exclusion::Undeclared] }
}
