//! Everything the reports show, computed once from a bundle: statistics end here, drawing begins behind it.
//!
//! Invalid trials are left out of every figure and listed with their reasons. The result depends on the bundle alone:
//! not on the number of threads, and for a workload's verdict not on the order of workloads.

use crate::bundle::Bundle;
use crate::cell::Cell;
use crate::gather;
use crate::record::{Anatomy, End, Run, ScenarioRecord, Trial};
use crate::verdict::{self, Verdict};
use rayon::prelude::*;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// What a run says.
#[derive(Clone, Debug, PartialEq)]
pub struct Analysis {
    /// What was asked, with what, where.
    pub run: Run,
    /// The end of the run; absent when the tool was killed.
    pub end: Option<End>,
    /// The workloads, in the run's order.
    pub workloads: Vec<Workload>,
    /// What one request makes each model do, in the order of the run's models.
    pub anatomies: Vec<Anatomy>,
    /// Trials that were left out, in the order they were run.
    pub excluded: Vec<Excluded>,
    /// Records of the bundle that could not be read, in words.
    pub damage: Vec<String>,
    /// Trials that count.
    pub valid: u32,
    /// Trials in the bundle.
    pub recorded: u32,
}

/// A workload: its cells and its verdict.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// What was run.
    pub scenario: ScenarioRecord,
    /// A cell for each of its models, in its order.
    pub cells: Vec<Cell>,
    /// Which models fit it.
    pub verdict: Verdict,
}

impl Workload {
    /// The cell of a model.
    pub fn cell(&self, model: &str) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.model == model)
    }
}

/// A trial that was left out.
#[derive(Clone, Debug, PartialEq)]
pub struct Excluded {
    /// Position in the run, from 0.
    pub index: u32,
    /// Round, from 0.
    pub round: u32,
    /// Workload.
    pub scenario: String,
    /// Model.
    pub model: String,
    /// Why.
    pub reasons: Vec<String>,
}

impl Analysis {
    /// Notes on the run as a whole that a reader must see before the figures: interrupted, damaged, incomplete.
    pub fn caveats(&self) -> Vec<String> {
        let mut caveats = Vec::new();
        if let Some(text) = self.run.environment.notes.get(SYNTHETIC) {
            caveats.push(format!("Synthetic data, not a measurement: {text}"));
        }
        let (recorded, planned) = (self.recorded, self.run.planned_trials);
        match &self.end {
            None => caveats.push(format!(
                "The run did not end properly: {recorded} of {planned} planned trials are recorded."
            )),
            Some(end) if end.interrupted => {
                caveats.push(format!(
                    "The run was interrupted: {recorded} of {planned} planned trials are recorded."
                ));
            }
            Some(_) if recorded != planned => {
                caveats.push(format!("{recorded} of {planned} planned trials are recorded."));
            }
            Some(_) => {}
        }
        caveats.extend(self.disturbed());
        caveats.extend(self.damage.iter().map(|damage| format!("The bundle is damaged: {damage}.")));
        caveats
    }

    /// What to do when many trials had to be left out.
    fn disturbed(&self) -> Option<String> {
        if self.excluded.len() as f64 <= MOST_LEFT_OUT * f64::from(self.recorded) {
            return None;
        }
        // Reasons of one kind differ in their figures only.
        let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
        for reason in self.excluded.iter().flat_map(|trial| &trial.reasons) {
            let kind = reason.split(|c: char| c.is_ascii_digit()).next().unwrap_or(reason);
            *kinds.entry(kind.trim_end()).or_default() += 1;
        }
        let (kind, count) = kinds.into_iter().max_by_key(|(kind, count)| (*count, Reverse(*kind)))?;
        Some(format!(
            "{} of {} trials had to be left out, most of them ({count}) because: {kind} ... Run again while the machine \
             has nothing else to do, or with more rounds.",
            self.excluded.len(),
            self.recorded
        ))
    }

    /// Every doubt about a cell, as (workload, model, doubt).
    pub fn doubts(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.workloads.iter().flat_map(|workload| {
            workload.cells.iter().flat_map(move |cell| {
                let names = (workload.scenario.name.as_str(), cell.model.as_str());
                cell.doubts.iter().map(move |doubt| (names.0, names.1, doubt.as_str()))
            })
        })
    }
}

/// The share of trials that may be left out before a reader is warned first of all.
const MOST_LEFT_OUT: f64 = 0.15;

/// The name of the environment note that marks made-up records; its text is shown above every figure.
pub const SYNTHETIC: &str = "synthetic";

/// Analyses a bundle.
pub fn analyse(bundle: &Bundle) -> Analysis {
    let mut excluded = Vec::new();
    let mut left_out: BTreeMap<Key<'_>, u32> = BTreeMap::new();
    let mut admitted: BTreeMap<Key<'_>, Vec<&Trial>> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for trial in &bundle.trials {
        let key = (trial.scenario.as_str(), trial.model.as_str());
        let reasons = objections(&bundle.run, trial, &mut seen);
        if reasons.is_empty() {
            admitted.entry(key).or_default().push(trial);
        } else {
            *left_out.entry(key).or_default() += 1;
            excluded.push(exclusion(trial, reasons));
        }
    }
    admitted.values_mut().for_each(|trials| trials.sort_by_key(|trial| trial.round));
    let parts = bundle.run.scenarios.par_iter().map(|scenario| {
        let cells: Vec<_> = scenario
            .models
            .par_iter()
            .map(|model| {
                let key = (scenario.name.as_str(), model.as_str());
                let trials = admitted.get(&key).map_or(&[][..], Vec::as_slice);
                gather::gather(model, trials, left_out.get(&key).copied().unwrap_or(0))
            })
            .collect();
        let (cells, refused): (Vec<Cell>, Vec<_>) = cells.into_iter().unzip();
        let verdict = verdict::decide(scenario, &cells, bundle.run.seed);
        (Workload { scenario: scenario.clone(), cells, verdict }, refused)
    });
    let parts: Vec<_> = parts.collect();
    let (workloads, refused): (Vec<Workload>, Vec<_>) = parts.into_iter().unzip();
    excluded.extend(refused.into_iter().flatten().flatten().map(|(trial, why)| exclusion(trial, vec![why])));
    excluded.sort_by_key(|trial: &Excluded| trial.index);
    Analysis {
        run: bundle.run.clone(),
        end: bundle.end.clone(),
        valid: (bundle.trials.len() - excluded.len()) as u32,
        recorded: bundle.trials.len() as u32,
        damage: bundle.damage.iter().map(ToString::to_string).collect(),
        workloads,
        anatomies: anatomies(bundle),
        excluded,
    }
}

/// One for each model of the run that has any: the last one, should there be more.
fn anatomies(bundle: &Bundle) -> Vec<Anatomy> {
    let of = |model: &str| bundle.anatomies.iter().rev().find(|anatomy| anatomy.model == model);
    bundle.run.models.iter().filter_map(|model| of(&model.name)).cloned().collect()
}

/// Workload and model.
type Key<'a> = (&'a str, &'a str);

/// Why a trial must be left out, as far as its head tells; none if it may be opened.
fn objections<'a>(run: &Run, trial: &'a Trial, seen: &mut BTreeSet<(Key<'a>, u32)>) -> Vec<String> {
    if !trial.invalid.is_empty() {
        return trial.invalid.iter().map(ToString::to_string).collect();
    }
    let declares =
        |scenario: &ScenarioRecord| scenario.name == trial.scenario && scenario.models.contains(&trial.model);
    if !run.scenarios.iter().any(declares) {
        return vec!["the head of the bundle does not declare this workload with this model".to_owned()];
    }
    if !seen.insert(((trial.scenario.as_str(), trial.model.as_str()), trial.round)) {
        return vec!["the same round of this model and workload was recorded before".to_owned()];
    }
    Vec::new()
}

fn exclusion(trial: &Trial, reasons: Vec<String>) -> Excluded {
    Excluded {
        index: trial.index,
        round: trial.round,
        scenario: trial.scenario.clone(),
        model: trial.model.clone(),
        reasons,
    }
}
