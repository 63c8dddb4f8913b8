//! The run: every trial of the plan in its order, each on disk before the next begins; invalid ones again at the end of
//! their round.

use crate::campaign::run::budget::{self, Pace};
use crate::campaign::run::plan::{Cell, Plan, Retries, Slot};
use crate::campaign::run::progress::Progress;
use crate::host::clock;
use crate::host::environment::{self, CpuPlan};
use crate::host::preflight::{self, Limits};
use crate::instruments::anatomy::{self, AnatomyOptions, Workbench};
use crate::instruments::envelope::{self, EnvelopeOptions};
use crate::instruments::probe::{self, Form, Point, Prober};
use crate::process::launch::{LaunchError, Launcher};
use crate::tell;
use crate::trial::judge;
use crate::trial::{Bench, Left};
use bakeoff_reports::record::bundle::{BundleError, Writer};
use bakeoff_reports::record::envelope::Stress;
use bakeoff_reports::record::{
    Anatomy, End, LookRecord, ModelRecord, Probe, Reading, Record, RoundRecord, Run, SCHEMA_VERSION,
    Sequential,
};
use bakeoff_reports::rules::sequential::{self, Ledger};
use bakeoff_reports::show::units;
use bakeoff_servers::ServerModel;
use rustix::net::sockopt;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::Instant;

/// How a run is to be done, besides what.
#[derive(Debug)]
pub struct RunOptions {
    /// The seed of everything.
    pub seed: u64,
    /// Rounds.
    pub rounds: u32,
    /// The command line, for the record.
    pub command: Vec<String>,
    /// Where servers listen; port 0 for a free one each time.
    pub address: SocketAddr,
    /// Whether to take the anatomy of a request of every model, after the trials.
    pub anatomy: bool,
    /// Whether to find out, after the trials, what breaks every model.
    pub envelope: bool,
    /// Whether to draw progress on standard error.
    pub progress: bool,
    /// Whether to find out what servers cost, beyond what every verdict needs.
    pub costs: bool,
    /// Further tries of a trial that the generator or the neighbours spoiled.
    pub retries: u32,
    /// Whether to measure the generator's own limits first.
    pub probe: bool,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All trials done.
    Complete,
    /// Stopped by a signal; what was finished is on disk.
    Interrupted,
    /// Stopped by a signal before there was anything to put on disk.
    NotBegun,
}

/// A run under way.
struct Running<'a> {
    plan: &'a Plan,
    bench: Bench<'a>,
    bundle: Writer,
    progress: Progress,
    retries: Retries,
    written: u32,
    /// When the budget began to run.
    begun: Instant,
    pace: Pace,
    ledger: Ledger,
    /// Cells that a look has ended.
    ended: Vec<Cell>,
}

/// Runs the whole plan into a new bundle at `path`.
///
/// # Errors
/// When the bundle cannot be written. What was written before stays valid.
pub fn run(
    plan: &Plan,
    options: &RunOptions,
    launcher: &Launcher,
    path: &Path,
) -> Result<Ending, BundleError> {
    let begun = Instant::now();
    preflight::raise_descriptor_limit();
    let cpus = CpuPlan::split(environment::allowed_cpus());
    let limits = Limits::of_this_system();
    let congestion_control = choose_congestion_control();
    let progress = Progress::new(plan, options.progress);
    let name = congestion_control.value().map(String::as_str);
    let prober =
        Prober { launcher, cpus: &cpus, limits: &limits, congestion_control: name, form: Form::Short };
    let Ok(probed) = probe_first(plan, options, &prober, &progress) else {
        progress.end(true);
        return Ok(Ending::NotBegun);
    };
    let head = head(plan, options, &cpus, &congestion_control, probed);
    let bench = Bench {
        launcher,
        cpus: &cpus,
        limits: &limits,
        congestion_control: name,
        seed: options.seed,
        address: options.address,
        costs: options.costs,
        probe: head.probe.value(),
    };
    let retries = Retries::new(options.retries);
    let bundle = Writer::create(path, &head)?;
    let (pace, ledger) = (Pace::new(plan, options.costs), Ledger::new(&head));
    let ended = Vec::new();
    Running { plan, bench, bundle, progress, retries, written: 0, begun, pace, ledger, ended }.all(options)
}

pub(crate) fn probe_first(
    plan: &Plan,
    options: &RunOptions,
    prober: &Prober<'_>,
    progress: &Progress,
) -> Result<Reading<Probe>, probe::Interrupted> {
    if !options.probe {
        return Ok(Reading::Absent("the run was started with --no-probe".into()));
    }
    progress.probing();
    let probe = prober.probe(&Point::of(&plan.scenarios))?;
    if let Some(warning) = busy(&probe) {
        tell(&warning);
    }
    Ok(Reading::Value(probe))
}

/// That other programs leave too little of the CPUs for a trial to be valid, said before the time is spent.
fn busy(probe: &Probe) -> Option<String> {
    let share = probe.foreign_share.value().copied().filter(|share| *share > judge::FOREIGN_SHARE)?;
    Some(format!(
        "other programs use {} of the CPUs now: at more than {} a trial is discarded, so most of this run\n\
         may be for nothing. Stop them, or stop this with Ctrl-C and try later",
        units::share(share),
        units::share(judge::FOREIGN_SHARE)
    ))
}

impl Running<'_> {
    fn all(mut self, options: &RunOptions) -> Result<Ending, BundleError> {
        let mut ending = match self.rounds() {
            Ok(()) => Ending::Complete,
            Err(Left::Failed(error)) => return Err(error),
            Err(Left::Interrupted) => Ending::Interrupted,
        };
        if options.anatomy && ending == Ending::Complete {
            ending = anatomies(self.plan, &self.bench, &self.progress, &mut self.bundle)?;
        }
        if options.envelope && ending == Ending::Complete {
            let (seed, address) = (options.seed, options.address);
            let (workbench, all) = (workbench(&self.bench), EnvelopeOptions { seed, address });
            let models: Vec<&str> = self.plan.models.iter().map(|model| model.name()).collect();
            let tell = |model: &str, stress: Stress| {
                self.progress.afterwards(&format!("what breaks {model} / {}", stress.name()));
            };
            if !envelope::take_all(&workbench, all, &models, &Stress::ALL, &mut self.bundle, tell)? {
                ending = Ending::Interrupted;
            }
        }
        let interrupted = ending == Ending::Interrupted;
        self.progress.end(interrupted);
        let end = End { finished_unix_ms: clock::unix_ms(), trials: self.written, interrupted };
        self.bundle.append(&Record::End(end))?;
        Ok(ending)
    }

    /// The planned rounds; with a budget, rounds of what is not decided for as long as another fits.
    fn rounds(&mut self) -> Result<(), Left> {
        for round in 0.. {
            let slots = self.plan.round(round, |cell| !self.ended.contains(&cell));
            let goes_on = match self.plan.budget {
                Some(budget) => budget::fits(budget, self.begun.elapsed(), round, self.pace.of_round(&slots)),
                None => round < self.plan.rounds(),
            };
            if !goes_on || slots.is_empty() {
                break;
            }
            self.round(&slots)?;
            self.progress.round_done(round, slots.len());
            if let Some(look) = self.ledger.look(round + 1) {
                self.end(&look);
                self.bundle.append(&Record::Look(look))?;
            }
        }
        Ok(())
    }

    /// Takes what a look decided out of the rounds to come.
    fn end(&mut self, look: &LookRecord) {
        let of =
            |cell: &Cell| (&self.plan.scenarios[cell.scenario].name, self.plan.models[cell.model].name());
        for one in &look.ended {
            let ended = |cell: &&Cell| of(cell) == (&one.scenario, one.model.as_str());
            self.ended.extend(self.plan.cells.iter().find(ended));
        }
        self.progress.looked(look);
    }

    /// One round: its trials, then the spoiled ones again, still under the schedule of the round and close to its others in
    /// time, so that they pair with them; between two looks at the machine's speed.
    fn round(&mut self, slots: &[Slot]) -> Result<(), Left> {
        let loop_before_ns = probe::speed(self.bench.cpus);
        self.retries.begin_round(slots.len());
        let mut waiting = self.trials(slots)?;
        while !waiting.is_empty() {
            let again: Vec<Slot> = waiting.into_iter().filter_map(|slot| self.retries.again(slot)).collect();
            waiting = self.trials(&again)?;
        }
        let Some(first) = slots.first() else { return Ok(()) };
        let loop_after_ns = probe::speed(self.bench.cpus);
        let record = RoundRecord { round: first.round, loop_before_ns, loop_after_ns };
        Ok(self.bundle.append(&Record::Round(record))?)
    }

    /// Runs trials and returns those that were spoiled in a way that may pass.
    fn trials(&mut self, slots: &[Slot]) -> Result<Vec<Slot>, Left> {
        let mut spoiled = Vec::new();
        for slot in slots {
            let scenario = &self.plan.scenarios[slot.cell.scenario];
            let model = self.plan.models[slot.cell.model].name();
            self.progress.begin(slot, scenario, model);
            let begun = Instant::now();
            let trial = self.bench.trial(self.written, *slot, scenario, model)?;
            if judge::may_pass(&trial.invalid) {
                spoiled.push(*slot);
            }
            self.pace.took(slot.cell, begun.elapsed());
            self.progress.finished(&trial);
            if self.plan.budget.is_some() {
                self.ledger.add(&trial);
            }
            self.bundle.append(&Record::Trial(Box::new(trial)))?;
            self.written += 1;
        }
        Ok(spoiled)
    }
}

/// Takes the anatomy of a small echo of every model of the plan, into the bundle.
fn anatomies(
    plan: &Plan,
    bench: &Bench<'_>,
    progress: &Progress,
    bundle: &mut Writer,
) -> Result<Ending, BundleError> {
    let workbench = workbench(bench);
    for model in &plan.models {
        progress.afterwards(&format!("anatomy of a request / {}", model.name()));
        let options = AnatomyOptions::small_echo(model.name(), bench.address);
        let anatomy = match anatomy::take(&workbench, &options) {
            Ok(anatomy) => anatomy,
            Err(LaunchError::Interrupted) => return Ok(Ending::Interrupted),
            Err(error) => Anatomy::absent(model.name(), options.service.name, &error.to_string()),
        };
        bundle.append(&Record::Anatomy(Box::new(anatomy)))?;
    }
    Ok(Ending::Complete)
}

fn workbench<'a>(bench: &Bench<'a>) -> Workbench<'a> {
    let (launcher, cpus, congestion_control) = (bench.launcher, bench.cpus, bench.congestion_control);
    Workbench { launcher, cpus, congestion_control }
}

pub(crate) fn head(
    plan: &Plan,
    options: &RunOptions,
    cpus: &CpuPlan,
    congestion_control: &Reading<String>,
    probe: Reading<Probe>,
) -> Run {
    let model =
        |m: &&dyn ServerModel| ModelRecord { name: m.name().into(), summary: m.meta().summary.into() };
    Run {
        schema_version: SCHEMA_VERSION,
        tool_version: env!("CARGO_PKG_VERSION").into(),
        command: options.command.clone(),
        started_unix_ms: clock::unix_ms(),
        seed: options.seed,
        rounds: options.rounds,
        planned_trials: u32::try_from(plan.slots.len()).unwrap_or(u32::MAX),
        sequential: plan.budget.map(|budget| Sequential {
            budget_ns: clock::nanoseconds(budget),
            looks: sequential::looks(options.rounds),
        }),
        comparison: None,
        scenarios: plan
            .scenarios
            .iter()
            .enumerate()
            .map(|(i, s)| s.record(plan.models_of(i), &s.server.config(cpus.server.len())))
            .collect(),
        models: plan.models.iter().map(model).collect(),
        environment: environment::read(cpus, congestion_control.clone()),
        probe,
    }
}

/// Cubic where it may be had, so that runs on differently configured machines compare; else the system's own.
pub fn choose_congestion_control() -> Reading<String> {
    const WANTED: &str = "cubic";
    // Asked of a socket, because what a user may have is less than what there is.
    let socket = TcpListener::bind("127.0.0.1:0").map_err(|e| e.to_string());
    match socket.and_then(|s| sockopt::set_tcp_congestion(&s, WANTED).map_err(|e| e.to_string())) {
        Ok(()) => Reading::Value(WANTED.into()),
        Err(why) => {
            Reading::Absent(format!("{WANTED} is not to be had ({why}); the system's default is used"))
        }
    }
}
