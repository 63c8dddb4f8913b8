//! Everything the reports show, computed once from a bundle: statistics end here, drawing begins behind it.
//!
//! Invalid trials are left out of every figure and listed with their reasons. The result depends on the bundle alone:
//! not on the number of threads, and for a workload's verdict not on the order of workloads.

use crate::cells::cell::Cell;
use crate::cells::gather;
use crate::record::bundle::Bundle;
use crate::record::envelope::{Envelope, Stress};
use crate::record::{Anatomy, End, LookRecord, Reading, RoundRecord, Run, ScenarioRecord, Trial};
use crate::rules::gate::{self, Gate};
use crate::rules::probe::{self, Bounds};
use crate::rules::sweep::{self, Sweep};
use crate::rules::verdict::MOST_LEFT_OUT;
use crate::rules::verdict::{self, Verdict};
use crate::rules::workload::Workload;
use crate::show::units;
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
    /// What a comparison of two builds came to; absent for a run that compares models.
    pub gate: Option<Gate>,
    /// The workloads, in the run's order.
    pub workloads: Vec<Workload>,
    /// The sweeps: workloads at several values of a parameter, which are no workloads of their own.
    pub sweeps: Vec<Sweep>,
    /// What one request makes each model do, in the order of the run's models.
    pub anatomies: Vec<Anatomy>,
    /// What breaks each model, in the order of the run's models.
    pub envelopes: Vec<Envelope>,
    /// Trials that were left out, in the order they were run.
    pub excluded: Vec<Excluded>,
    /// Records of the bundle that could not be read, in words.
    pub damage: Vec<String>,
    /// Trials that count.
    pub valid: u32,
    /// Trials in the bundle, tries of the same again included.
    pub recorded: u32,
    /// Of those, the ones that tried an invalid trial again.
    pub tried_again: u32,
    /// Rounds of a model under a workload that the bundle has a trial of.
    pub asked: u32,
    /// Of those, the ones without any valid trial.
    pub lost: u32,
    /// What the machine did round by round.
    pub rounds: Vec<RoundRecord>,
    /// What looks at the figures ended, in order; none in a run of fixed rounds.
    pub looks: Vec<LookRecord>,
    /// Rounds begun.
    pub rounds_run: u32,
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
    /// Which try it was, from 0.
    pub attempt: u32,
    /// Why.
    pub reasons: Vec<String>,
    /// Whether another try of the same round is valid and stands in its place.
    pub replaced: bool,
}

impl Analysis {
    /// Notes on the run as a whole that a reader must see before the figures: interrupted, damaged, incomplete.
    pub fn caveats(&self) -> Vec<String> {
        let mut caveats = Vec::new();
        if let Some(text) = self.run.environment.notes.get(SYNTHETIC) {
            caveats.push(format!("Synthetic data, not a measurement: {text}"));
        }
        // The gravest first: nothing below it is a verdict.
        caveats.extend(self.no_verdict());
        let recorded = self.recorded - self.tried_again;
        let about = if self.ends_early() { "about " } else { "" };
        let planned = format!("{about}{}", self.run.planned_trials);
        match &self.end {
            None => caveats.push(format!(
                "The run did not end properly: {recorded} of {planned} planned trials are recorded."
            )),
            Some(end) if end.interrupted => {
                caveats.push(format!(
                    "The run was interrupted: {recorded} of {planned} planned trials are recorded."
                ));
            }
            // With a budget the number planned is an estimate, and looks end cells on the way.
            Some(_) if recorded != self.run.planned_trials && !self.ends_early() => {
                caveats.push(format!("{recorded} of {planned} planned trials are recorded."));
            }
            Some(_) => {}
        }
        caveats.extend(self.drift());
        if let Reading::Value(probe) = &self.run.probe {
            let unfit = probe::unfit(probe).into_iter();
            caveats.extend(unfit.map(|why| {
                format!("Before the run the machine was not fit to measure on: {}.", why.words())
            }));
        }
        caveats.extend(self.damage.iter().map(|damage| format!("The bundle is damaged: {damage}.")));
        caveats
    }

    /// Whether the rounds planned are an estimate, because looks may end cells before.
    fn ends_early(&self) -> bool {
        self.run.sequential.is_some() || self.run.comparison.is_some()
    }

    /// Rounds asked for; those that were run, where looks may end the run before.
    pub fn rounds_done(&self) -> u32 {
        if self.ends_early() { self.rounds_run } else { self.run.rounds }
    }

    /// Whether too many trials had to be left out for the rest to be a fair sample of anything.
    pub fn is_invalid(&self) -> bool {
        f64::from(self.lost) > MOST_LEFT_OUT * f64::from(self.asked)
    }

    /// That there is no verdict, why, and what to do. A comparison of two builds has a rule of its own, cell by cell: of one
    /// whose candidate does not start, half of all trials are left out.
    fn no_verdict(&self) -> Option<String> {
        if !self.is_invalid() || self.gate.is_some() {
            return None;
        }
        let (lost, asked, limit) = (self.lost, self.asked, units::share(MOST_LEFT_OUT));
        let (again, most) = (self.in_vain(), self.commonest());
        Some(format!(
            "No verdict: {lost} of {asked} trials had to be left out{again}{most}; with more than {limit} left out, the rest \
             is no fair sample. Run again while the machine has nothing else to do; a model that always fails can be left \
             out by naming the others with --model."
        ))
    }

    /// The tries of each round that is lost.
    fn lost_rounds(&self) -> BTreeMap<(&str, &str, u32), Vec<&Excluded>> {
        let mut rounds: BTreeMap<_, Vec<&Excluded>> = BTreeMap::new();
        for trial in self.excluded.iter().filter(|trial| !trial.replaced) {
            let round = (trial.scenario.as_str(), trial.model.as_str(), trial.round);
            rounds.entry(round).or_default().push(trial);
        }
        rounds
    }

    /// How many of the lost rounds were tried again.
    fn in_vain(&self) -> String {
        let tried_again = |tries: &Vec<&Excluded>| tries.iter().any(|one| one.attempt > 0);
        let rounds = self.lost_rounds();
        match rounds.values().filter(|tries| tried_again(tries)).count() {
            0 => String::new(),
            n if n == rounds.len() => ", tried again in vain".to_owned(),
            n => format!(", {n} of them tried again in vain"),
        }
    }

    /// The reason that most lost rounds share; reasons of one kind differ in their figures only.
    fn commonest(&self) -> String {
        let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
        let rounds = self.lost_rounds();
        for tries in rounds.values() {
            let reasons = tries.iter().flat_map(|one| &one.reasons);
            let of_round: BTreeSet<&str> = reasons.map(|reason| units::before_figures(reason)).collect();
            of_round.into_iter().for_each(|kind| *kinds.entry(kind).or_default() += 1);
        }
        let most = kinds.into_iter().max_by_key(|(kind, count)| (*count, Reverse(*kind)));
        most.map_or_else(String::new, |(kind, count)| {
            let how_many = if 2 * count > rounds.len() { "most of them" } else { "the most frequent reason" };
            format!(", {how_many} ({count}) because: {kind} …")
        })
    }

    /// In how many rounds the machine's speed moved.
    fn drift(&self) -> Option<String> {
        let (moved, told, most) = probe::drift(&self.rounds).filter(|(moved, ..)| *moved > 0)?;
        Some(format!(
            "The machine's own speed moved by more than {} within {moved} of {told} rounds ({} at most): figures of such a \
             round compare badly with each other.",
            units::share(probe::DRIFT_SHARE),
            units::factor(most)
        ))
    }

    /// Everything that was measured: the workloads, then the points of sweeps.
    pub fn measured(&self) -> impl Iterator<Item = &Workload> {
        self.workloads.iter().chain(self.sweeps.iter().flat_map(|sweep| &sweep.points))
    }

    /// Every doubt about a cell, as (workload, model, doubt).
    pub fn doubts(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.measured().flat_map(|workload| {
            workload.cells.iter().flat_map(move |cell| {
                let names = (workload.scenario.name.as_str(), cell.model.as_str());
                cell.doubts.iter().map(move |doubt| (names.0, names.1, doubt.as_str()))
            })
        })
    }
}

/// The name of the environment note that marks made-up records; its text is shown above every figure.
pub const SYNTHETIC: &str = "synthetic";

/// Analyses a bundle.
pub fn analyse(bundle: &Bundle) -> Analysis {
    let mut excluded = Vec::new();
    let mut left_out: BTreeMap<Key<'_>, u32> = BTreeMap::new();
    let mut admitted: BTreeMap<Key<'_>, Vec<&Trial>> = BTreeMap::new();
    let (mut seen, mut asked) = (BTreeSet::new(), BTreeSet::new());
    for trial in &bundle.trials {
        let key = key(trial);
        asked.insert((key, trial.round));
        // The first valid try of a round counts.
        let reasons = objections(&bundle.run, trial, &mut seen);
        if reasons.is_empty() {
            admitted.entry(key).or_default().push(trial);
        } else {
            excluded.push((trial, reasons));
        }
    }
    // A round that another try made good is not left out.
    asked.difference(&seen).for_each(|(key, _)| *left_out.entry(*key).or_default() += 1);
    admitted.values_mut().for_each(|trials| trials.sort_by_key(|trial| trial.round));
    let parts = bundle.run.scenarios.par_iter().map(|scenario| {
        let cells: Vec<_> = scenario
            .models
            .par_iter()
            .map(|model| {
                let key = (scenario.name.as_str(), model.as_str());
                let trials = admitted.get(&key).map_or(&[][..], Vec::as_slice);
                gather::gather(scenario, model, trials, left_out.get(&key).copied().unwrap_or(0))
            })
            .collect();
        let (cells, refused): (Vec<Cell>, Vec<_>) = cells.into_iter().unzip();
        (cells, refused)
    });
    let (cells, refused): (Vec<Vec<Cell>>, Vec<_>) = parts.unzip();
    let mut workloads = workloads(bundle, cells);
    for (trial, why) in refused.into_iter().flatten().flatten() {
        seen.remove(&(key(trial), trial.round));
        excluded.push((trial, vec![why]));
    }
    excluded.sort_by_key(|(trial, _)| trial.index);
    let valid = (bundle.trials.len() - excluded.len()) as u32;
    let excluded = excluded.into_iter().map(|(trial, reasons)| exclusion(trial, reasons, &seen)).collect();
    let mut analysis = Analysis {
        run: bundle.run.clone(),
        end: bundle.end.clone(),
        gate: gate::judge(bundle),
        valid,
        recorded: bundle.trials.len() as u32,
        tried_again: bundle.trials.iter().filter(|trial| trial.attempt > 0).count() as u32,
        asked: asked.len() as u32,
        lost: (asked.len() - seen.len()) as u32,
        rounds: bundle.rounds.clone(),
        looks: bundle.looks.clone(),
        rounds_run: rounds_run(bundle),
        damage: bundle.damage.iter().map(ToString::to_string).collect(),
        workloads: Vec::new(),
        sweeps: Vec::new(),
        anatomies: anatomies(bundle),
        envelopes: envelopes(bundle),
        excluded,
    };
    if analysis.is_invalid() {
        workloads.iter_mut().for_each(|one| one.verdict.withhold(analysis.lost, analysis.asked));
    }
    let seed = bundle.run.seed;
    analysis.sweeps = sweep::gather(&mut workloads, &bundle.objectives, seed, analysis.is_invalid());
    for workload in &mut workloads {
        workload.verdict.boundary = sweep::boundary(&analysis.sweeps, &workload.scenario.name);
    }
    analysis.workloads = workloads;
    analysis
}

/// Rounds of which there is a trial, counted from the first.
fn rounds_run(bundle: &Bundle) -> u32 {
    bundle.trials.iter().map(|trial| trial.round.saturating_add(1)).max().unwrap_or(0)
}

/// The workloads with their verdicts, which need all cells of the run: comparisons are adjusted for how many there are. The
/// points of sweeps are a family of their own: what is asked of them is where models change places.
fn workloads(bundle: &Bundle, cells: Vec<Vec<Cell>>) -> Vec<Workload> {
    let run = &bundle.run;
    let with_cells: Vec<_> = run.scenarios.iter().zip(cells.iter().map(Vec::as_slice)).collect();
    let looks = run.sequential.as_ref().map_or(&[][..], |sequential| &sequential.looks);
    let (points, alone): (Vec<_>, Vec<_>) =
        with_cells.iter().copied().partition(|(scenario, _)| scenario.sweep.is_some());
    let decide = |family: &[_]| verdict::decide(family, looks, rounds_run(bundle), run.seed).into_iter();
    let (mut points, mut alone) = (decide(&points), decide(&alone));
    let verdicts: Vec<Verdict> = with_cells
        .iter()
        .filter_map(|(scenario, _)| if scenario.sweep.is_some() { points.next() } else { alone.next() })
        .collect();
    let parts = run.scenarios.iter().zip(cells).zip(verdicts);
    let workload = |((scenario, cells), verdict): ((&ScenarioRecord, Vec<Cell>), Verdict)| {
        let mut bounds = Bounds::of(run.probe.value(), &scenario.name);
        let rates = cells.iter().flat_map(|cell| &cell.rounds).map(|round| round.throughput_per_s);
        bounds.compare(rates.fold(0.0, f64::max));
        Workload { scenario: scenario.clone(), cells, verdict, bounds }
    };
    parts.map(workload).collect()
}

/// One for each model of the run that has any: the last one, should there be more.
fn anatomies(bundle: &Bundle) -> Vec<Anatomy> {
    let of = |model: &str| bundle.anatomies.iter().rev().find(|anatomy| anatomy.model == model);
    bundle.run.models.iter().filter_map(|model| of(&model.name)).cloned().collect()
}

/// In the order of the run's models and of the stresses: the last one of each pair, should there be more. Models that the head
/// does not declare are left out.
fn envelopes(bundle: &Bundle) -> Vec<Envelope> {
    let last = |model: &str, stress| {
        bundle.envelopes.iter().rev().find(|one| one.model == model && one.stress == stress).cloned()
    };
    let models = bundle.run.models.iter();
    models
        .flat_map(|model| Stress::ALL.into_iter().filter_map(move |stress| last(&model.name, stress)))
        .collect()
}

/// Workload and model.
type Key<'a> = (&'a str, &'a str);

fn key(trial: &Trial) -> Key<'_> {
    (&trial.scenario, &trial.model)
}

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
    if !seen.insert((key(trial), trial.round)) {
        return vec!["the same round of this model and workload was recorded before".to_owned()];
    }
    Vec::new()
}

fn exclusion(trial: &Trial, reasons: Vec<String>, valid: &BTreeSet<(Key<'_>, u32)>) -> Excluded {
    Excluded {
        index: trial.index,
        round: trial.round,
        scenario: trial.scenario.clone(),
        model: trial.model.clone(),
        attempt: trial.attempt,
        reasons,
        replaced: valid.contains(&(key(trial), trial.round)),
    }
}
