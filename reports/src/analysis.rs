//! Everything the reports show, computed once from a bundle: statistics end here, drawing begins behind it.
//!
//! Invalid trials are left out of every figure and listed with their reasons. The result depends on the bundle alone:
//! not on the number of threads, and for a workload's verdict not on the order of workloads.

use crate::cells::cell::{Cell, CellDoubt};
use crate::cells::exclusion::Exclusion;
use crate::cells::gather;
use crate::record::bundle::{Bundle, Damage};
use crate::record::envelope::{Envelope, Stress};
use crate::record::{
    Anatomy, End, LookRecord, Metric, Reading, Refused, RoundRecord, Run, ScenarioRecord, Trial,
};
use crate::rules::gate::{self, Gate};
use crate::rules::probe::{self, Bounds, Unfit};
use crate::rules::sweep::{self, Sweep};
use crate::rules::verdict::MOST_LEFT_OUT;
use crate::rules::verdict::{self, Verdict};
use crate::rules::workload::Workload;
use crate::stats::threads;
use rayon::prelude::*;
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
    /// Records of the bundle that could not be read.
    pub damage: Vec<Damage>,
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
    pub reasons: Vec<Exclusion>,
    /// Whether another try of the same round is valid and stands in its place.
    pub replaced: bool,
}

/// What a reader must know of a run before its figures.
#[derive(Clone, Debug, PartialEq)]
pub enum Caveat {
    /// Its data are made up; what the bundle says of them.
    Synthetic(String),
    /// So many trials had to be left out that the rest is no fair sample.
    NoVerdict {
        /// Rounds of a model under a workload without a valid trial.
        lost: u32,
        /// Of so many.
        asked: u32,
        /// How many of the lost were tried again.
        retried: u32,
        /// The reason that most of them share, by one of its kind, and how many that are.
        commonest: Option<(Exclusion, usize)>,
    },
    /// A model has no trial, because it cannot start on this machine.
    Refused(Refused),
    /// Not as many trials are recorded as were planned.
    Incomplete {
        /// What became of the run.
        ended: RunEnd,
        /// Trials recorded, further tries aside.
        recorded: u32,
        /// Trials planned.
        planned: u32,
        /// Whether that is an estimate.
        about: bool,
    },
    /// The machine's speed moved within rounds.
    Drift {
        /// In how many.
        moved: usize,
        /// Of so many that tell.
        told: usize,
        /// By this factor at most.
        most: f64,
    },
    /// The machine was not fit to measure on before the run, for this reason.
    Unfit(Unfit),
    /// A record of the bundle cannot be read.
    Damaged(Damage),
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunEnd {
    /// Properly.
    Properly,
    /// It was interrupted.
    Interrupted,
    /// The tool was killed.
    Killed,
}

impl Analysis {
    /// What a reader must know of the run as a whole before its figures: interrupted, damaged, incomplete.
    pub fn caveats(&self) -> Vec<Caveat> {
        let synthetic = self.run.environment.notes.get(SYNTHETIC).cloned();
        let mut caveats: Vec<Caveat> = synthetic.map(Caveat::Synthetic).into_iter().collect();
        // The most severe first: nothing below it is a verdict.
        caveats.extend(self.no_verdict());
        caveats.extend(self.run.refused.iter().cloned().map(Caveat::Refused));
        let (recorded, planned) = (self.recorded - self.tried_again, self.run.planned_trials);
        let about = self.ends_early();
        let ended = match &self.end {
            None => RunEnd::Killed,
            Some(end) if end.interrupted => RunEnd::Interrupted,
            Some(_) => RunEnd::Properly,
        };
        // With a budget the number planned is an estimate, and looks end cells on the way.
        if ended != RunEnd::Properly || recorded != planned && !about {
            caveats.push(Caveat::Incomplete { ended, recorded, planned, about });
        }
        let drift = probe::drift(&self.rounds).filter(|(moved, ..)| *moved > 0);
        caveats.extend(drift.map(|(moved, told, most)| Caveat::Drift { moved, told, most }));
        if let Reading::Value(probe) = &self.run.probe {
            caveats.extend(probe::unfit(probe).into_iter().map(Caveat::Unfit));
        }
        caveats.extend(self.damage.iter().cloned().map(Caveat::Damaged));
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

    /// That there is no verdict, and why. A comparison of two builds has a rule of its own, cell by cell: of one whose
    /// candidate does not start, half of all trials are left out.
    fn no_verdict(&self) -> Option<Caveat> {
        if !self.is_invalid() || self.gate.is_some() {
            return None;
        }
        let rounds = self.lost_rounds();
        let tried_again = |tries: &&Vec<&Excluded>| tries.iter().any(|one| one.attempt > 0);
        let retried = rounds.values().filter(tried_again).count() as u32;
        let reasons = rounds.values().map(|tries| tries.iter().flat_map(|one| &one.reasons).collect());
        let commonest = Exclusion::commonest(reasons);
        let commonest = commonest.map(|(reason, count)| (reason.clone(), count));
        Some(Caveat::NoVerdict { lost: self.lost, asked: self.asked, retried, commonest })
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

    /// Everything that was measured: the workloads, then the points of sweeps.
    pub fn measured(&self) -> impl Iterator<Item = &Workload> {
        self.workloads.iter().chain(self.sweeps.iter().flat_map(|sweep| &sweep.points))
    }

    /// Every doubt about a cell, as (workload, model, doubt).
    pub fn doubts(&self) -> impl Iterator<Item = (&str, &str, &CellDoubt)> {
        self.measured().flat_map(|workload| {
            workload.cells.iter().flat_map(move |cell| {
                let names = (workload.scenario.name.as_str(), cell.model.as_str());
                cell.doubts.iter().map(move |doubt| (names.0, names.1, doubt))
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
    threads::prepare();
    let parts = bundle.run.scenarios.par_iter().map(|scenario| {
        let cells: Vec<_> = scenario
            .models
            .par_iter()
            .map(|model| {
                let key = (scenario.name.as_str(), model.as_str());
                let trials = admitted.get(&key).map_or(&[][..], Vec::as_slice);
                gather::gather(
                    scenario,
                    model,
                    trials,
                    left_out.get(&key).copied().unwrap_or(0),
                    bundle.run.seed,
                )
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
        damage: bundle.damage.clone(),
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
        let rates =
            cells.iter().flat_map(|cell| &cell.rounds).filter_map(|round| round.value(Metric::Throughput));
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
        .flat_map(|model| Stress::ALL.iter().copied().filter_map(move |stress| last(&model.name, stress)))
        .collect()
}

/// Workload and model.
type Key<'a> = (&'a str, &'a str);

fn key(trial: &Trial) -> Key<'_> {
    (&trial.scenario, &trial.model)
}

/// Why a trial must be left out, as far as its head tells; none if it may be opened.
fn objections<'a>(run: &Run, trial: &'a Trial, seen: &mut BTreeSet<(Key<'a>, u32)>) -> Vec<Exclusion> {
    if !trial.invalid.is_empty() {
        return trial.invalid.iter().cloned().map(Exclusion::Invalid).collect();
    }
    let declares =
        |scenario: &ScenarioRecord| scenario.name == trial.scenario && scenario.models.contains(&trial.model);
    if !run.scenarios.iter().any(declares) {
        return vec![Exclusion::Undeclared];
    }
    if !seen.insert((key(trial), trial.round)) {
        return vec![Exclusion::Repeated];
    }
    Vec::new()
}

fn exclusion(trial: &Trial, reasons: Vec<Exclusion>, valid: &BTreeSet<(Key<'_>, u32)>) -> Excluded {
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
