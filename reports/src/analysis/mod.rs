//! Everything the reports show, computed once from a bundle: statistics end here, drawing begins behind it.
//!
//! Invalid trials are left out of every figure and listed with their reasons. The result depends on the bundle alone:
//! not on the number of threads, and for a workload's verdict not on the order of workloads.

mod admission;

use crate::cells::cell::{Cell, CellDoubt};
use crate::cells::exclusion::Exclusion;
use crate::record::bundle::{Bundle, Damage};
use crate::record::envelope::{Envelope, Stress};
use crate::record::{
    Anatomy, End, LookRecord, Metric, Reading, Refused, RoundRecord, Run, ScenarioRecord, Trial,
};
use crate::rules::MOST_LEFT_OUT;
use crate::rules::gate::{self, Gate};
use crate::rules::probe::{self, Bounds, DRIFT_SHARE, Unfit};
use crate::rules::sweep::{self, Sweep};
use crate::rules::verdict::decide::{self as verdict, Judged};
use crate::rules::verdict::{Family, MIN_BLOCKS, Status, Verdict};
use crate::rules::workload::Workload;
use crate::stats::threads;
use admission::{Admission, Admitted};
use rayon::prelude::*;
use std::collections::BTreeSet;

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
    /// Those that are lost for another reason than that others took from the CPUs.
    pub left_out: u32,
    /// Points of sweeps, or pairs of builds, with a trial of a model in a round; and those without a valid one.
    pub points: (u32, u32),
    /// What the machine did round by round.
    pub rounds: Vec<RoundRecord>,
    /// How fast the machine itself was around the trials.
    pub speed: probe::MachineSpeed,
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
    /// Blocks of it were disturbed.
    Disturbed {
        /// How many.
        disturbed: usize,
        /// Of so many.
        blocks: usize,
        /// Workloads whose answer rests on them.
        provisional: usize,
        /// The reason that most discarded trials share, by one of its kind, and how many that are.
        commonest: Option<(Exclusion, usize)>,
    },
    /// So many trials had to be left out, not because blocks were disturbed, that the rest may be no fair sample.
    LeftOut {
        /// Models in blocks, or at points, without a valid trial.
        lost: u32,
        /// Of so many.
        asked: u32,
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
    /// The machine was slower for a while, and some trials of that count.
    Slowed(probe::MachineSpeed),
    /// Work of a stated time took so many times as long after the run as before it, when demands were set by it.
    Calibration(f64),
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
    /// How many times as long computing took after the run as before it, where that moved by more than the machine's speed may.
    fn recalibrated(&self) -> Option<f64> {
        let after = self.end.as_ref()?.compute_ns_per_nominal_us?;
        let factor = after / self.run.environment.compute_ns_per_nominal_us.value()?;
        (factor.max(1.0 / factor) > 1.0 + DRIFT_SHARE).then_some(factor)
    }

    /// What a reader must know of the run as a whole before its figures: interrupted, damaged, incomplete.
    pub fn caveats(&self) -> Vec<Caveat> {
        let synthetic = self.run.environment.notes.get(SYNTHETIC).cloned();
        let mut caveats: Vec<Caveat> = synthetic.map(Caveat::Synthetic).into_iter().collect();
        caveats.extend(self.run.refused.iter().cloned().map(Caveat::Refused));
        // The most severe first.
        if self.gate.is_none() && f64::from(self.left_out) > MOST_LEFT_OUT * f64::from(self.asked) {
            let (lost, asked, commonest) = (self.left_out, self.asked, self.commonest());
            caveats.push(Caveat::LeftOut { lost, asked, commonest });
        }
        caveats.extend(self.disturbed());
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
        caveats.extend(Some(self.speed).filter(|speed| speed.kept > 0).map(Caveat::Slowed));
        caveats.extend(self.recalibrated().map(Caveat::Calibration));
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

    /// Blocks of all workloads.
    pub fn blocks(&self) -> usize {
        self.workloads.iter().map(|one| one.verdict.clean_blocks + one.verdict.disturbed_blocks).sum()
    }

    /// Whether too many points had to be left out for the rest of a sweep to be a fair sample.
    pub fn too_many_points_lost(&self) -> bool {
        f64::from(self.points.1) > MOST_LEFT_OUT * f64::from(self.points.0)
    }

    /// Whether models were to be compared and nowhere two of them have a valid trial, because what one had was left out.
    fn has_no_pair(&self) -> bool {
        let alone = |one: &Workload| {
            let (valid, lost): (Vec<&Cell>, Vec<&Cell>) =
                one.cells.iter().partition(|cell| !cell.rounds.is_empty());
            valid.len() < 2 && lost.iter().any(|cell| cell.excluded > 0)
        };
        !self.workloads.is_empty() && self.sweeps.is_empty() && self.workloads.iter().all(alone)
    }

    /// Whether nothing can be said of anything: no trial counts, no two models have one, or too many points of its sweeps are lost.
    pub fn says_nothing(&self) -> bool {
        self.valid == 0 && self.asked > 0
            || self.workloads.is_empty() && self.too_many_points_lost()
            || self.has_no_pair()
    }

    /// Whether every workload is decided by undisturbed blocks.
    pub fn is_firm(&self) -> bool {
        let firm =
            |one: &Workload| matches!(one.verdict.status, Status::Decided | Status::Equal | Status::NoneFits);
        !self.says_nothing() && self.workloads.iter().all(firm)
    }

    /// The reason that most trials share that were left out and not replaced, and how many those are.
    fn commonest(&self) -> Option<(Exclusion, usize)> {
        let left_out = self.excluded.iter().filter(|one| !one.replaced);
        let reasons = left_out
            .map(|one| one.reasons.iter().filter(|reason| **reason != Exclusion::DisturbedBlock).collect());
        Exclusion::commonest(reasons).map(|(reason, count)| (reason.clone(), count))
    }

    /// That blocks were disturbed, how many, and why.
    fn disturbed(&self) -> Option<Caveat> {
        let verdicts = || self.workloads.iter().map(|one| &one.verdict);
        let disturbed: usize = verdicts().map(|verdict| verdict.disturbed_blocks).sum();
        let clean: usize = verdicts().map(|verdict| verdict.clean_blocks).sum();
        let provisional = verdicts().filter(|verdict| verdict.status == Status::Provisional).count();
        let (blocks, commonest) = (clean + disturbed, self.commonest());
        (disturbed > 0).then_some(Caveat::Disturbed { disturbed, blocks, provisional, commonest })
    }

    /// Everything that was measured: the workloads, then the points of sweeps.
    pub fn measured(&self) -> impl Iterator<Item = &Workload> {
        self.workloads.iter().chain(self.sweeps.iter().flat_map(Sweep::own_points))
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
    threads::prepare();
    let admission = Admission::of(bundle);
    let mut excluded = admission.undeclared(&bundle.run);
    let (mut workloads, mut valid) = (Vec::new(), 0);
    for (workload, admitted) in judged(bundle, &admission) {
        workloads.push(workload);
        excluded.extend(admitted.excluded);
        valid += admitted.used;
    }
    excluded.sort_by_key(|(trial, _)| trial.index);
    let is_searched = |name: &str| {
        let named = bundle.run.scenarios.iter().find(|scenario| scenario.name == name);
        bundle.run.comparison.is_some() || named.is_some_and(|scenario| scenario.sweep.is_some())
    };
    let ((asked, lost), points) = (admission.lost(|_| true), admission.lost(is_searched));
    let excluded =
        excluded.into_iter().map(|(trial, reasons)| exclusion(trial, reasons, &admission)).collect();
    let mut analysis = Analysis {
        run: bundle.run.clone(),
        end: bundle.end.clone(),
        gate: gate::judge(bundle),
        valid,
        recorded: bundle.trials.len() as u32,
        tried_again: bundle.trials.iter().filter(|trial| trial.attempt > 0).count() as u32,
        asked,
        lost,
        points,
        left_out: lost - admission.only_disturbed(|name| !is_searched(name)),
        rounds: bundle.rounds.clone(),
        speed: probe::MachineSpeed::of(&bundle.trials),
        looks: bundle.looks.clone(),
        rounds_run: bundle.trials.iter().map(|trial| trial.round.saturating_add(1)).max().unwrap_or(0),
        damage: bundle.damage.clone(),
        workloads: Vec::new(),
        sweeps: Vec::new(),
        anatomies: anatomies(bundle),
        envelopes: envelopes(bundle),
        excluded,
    };
    let withheld = analysis.too_many_points_lost();
    analysis.sweeps = sweep::gather(&mut workloads, &bundle.objectives, bundle.run.seed, withheld);
    for workload in &mut workloads {
        workload.verdict.boundary = sweep::boundary(&analysis.sweeps, &workload.scenario.name);
    }
    analysis.workloads = workloads;
    analysis
}

/// The workloads with their verdicts, each with the trials behind it. The intervals of a run hold together, so they are made for as
/// many pairs as the run has; the points of sweeps are a family of their own: what is asked of them is where models change places.
fn judged<'a>(bundle: &'a Bundle, admission: &Admission<'a>) -> Vec<(Workload, Admitted<'a>)> {
    let run = &bundle.run;
    let family = |points: bool| {
        let of = run.scenarios.iter().filter(|scenario| scenario.sweep.is_some() == points);
        Family::of(of.map(|scenario| scenario.models.len()))
    };
    let families = [family(false), family(true)];
    let workload = |scenario: &'a ScenarioRecord| {
        let family = families[usize::from(scenario.sweep.is_some())];
        workload(bundle, admission, scenario, family)
    };
    run.scenarios.par_iter().map(workload).collect()
}

fn workload<'a>(
    bundle: &'a Bundle,
    admission: &Admission<'a>,
    scenario: &'a ScenarioRecord,
    family: Family,
) -> (Workload, Admitted<'a>) {
    let run = &bundle.run;
    let (blocks, mut disturbed) = admission.blocks(&scenario.name);
    if scenario.sweep.is_some() || run.comparison.is_some() {
        // A point of a search or a pair of builds is a trial or two by itself.
        disturbed.clear();
    }
    let bounds = |cells: &[Cell]| {
        let mut bounds = Bounds::of(run.probe.value(), &scenario.name);
        let rates =
            cells.iter().flat_map(|cell| &cell.rounds).filter_map(|round| round.value(Metric::Throughput));
        bounds.compare(rates.fold(0.0, f64::max));
        bounds
    };
    let (clean_blocks, disturbed_blocks) = (blocks.len() - disturbed.len(), disturbed.len());
    let admitted = admission.cells(scenario, &disturbed, false, run.seed);
    let limits = bounds(&admitted.cells);
    let judged = Judged { scenario, cells: &admitted.cells, bounds: &limits, clean_blocks, disturbed_blocks };
    let verdict = verdict::decide(judged, family);
    if !matches!(verdict.status, Status::Undecided { .. }) || disturbed_blocks == 0 {
        return made(scenario, admitted, verdict, limits);
    }
    let all = admission.cells(scenario, &BTreeSet::new(), true, run.seed);
    let all_limits = bounds(&all.cells);
    let judged = Judged { cells: &all.cells, bounds: &all_limits, ..judged };
    let provisional = verdict::provisional(judged, family, admission.taken(run, &scenario.name));
    // Where there are clean blocks to go by, what they leave open stays open unless the others claim something.
    let says = !provisional.winners.is_empty() || clean_blocks < MIN_BLOCKS;
    if says && provisional.standings.iter().any(|standing| standing.figure.is_some()) {
        return made(scenario, all, provisional, all_limits);
    }
    made(scenario, admitted, verdict, limits)
}

fn made<'a>(
    scenario: &ScenarioRecord,
    mut admitted: Admitted<'a>,
    verdict: Verdict,
    bounds: Bounds,
) -> (Workload, Admitted<'a>) {
    let cells = std::mem::take(&mut admitted.cells);
    (Workload { scenario: scenario.clone(), cells, verdict, bounds }, admitted)
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

fn exclusion(trial: &Trial, reasons: Vec<Exclusion>, admission: &Admission<'_>) -> Excluded {
    let aside = reasons.contains(&Exclusion::DisturbedBlock);
    Excluded {
        index: trial.index,
        round: trial.round,
        scenario: trial.scenario.clone(),
        model: trial.model.clone(),
        attempt: trial.attempt,
        reasons,
        replaced: !aside && admission.is_replaced(trial),
    }
}
