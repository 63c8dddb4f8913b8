//! Campaigns: many trials under one plan, each on disk before the next begins.
//!
//! ```text
//! plan, pairs::plan       the cells, and the order of each round as a pure function of the seed
//! admission               commands that do not speak what a workload asks are taken out of it
//! strategy                the contract: which trials come next, and what follows from those that are done
//!   rounds capacity pairs the strategies: rounds or a budget, a search for a rate, two builds
//! mod (here)              the one loop: probe, head, rounds of blocks, repetitions, records, progress, interruption
//! ```
//!
//! Nothing here computes a statistic of a run; what a strategy decides on it asks `bakeoff_reports::rules`.

pub mod admission;
mod afterwards;
pub mod blocks;
pub mod budget;
pub mod capacity;
pub mod head;
pub mod pairs;
pub mod plan;
mod progress;
mod retries;
mod search;
mod speed;
pub mod strategy;

use crate::host::{clock, environment};
use crate::instruments::probe::{Form, Point, Prober};
use crate::print_to_stderr;
use crate::process::context::Context;
use crate::process::launch::Interrupted;
use crate::process::program::Program;
use crate::trial::judge;
use crate::trial::{Conditions, TrialId};
use crate::workload::scenario::Scenario;
use bakeoff_reports::record::bundle::{BundleError, Writer};
use bakeoff_reports::record::{Doubt, End, Invalid, Probe, Reading, Record, RoundRecord, Run, Trial};
use bakeoff_reports::show::units;
use progress::{Extent, Progress};
use retries::Retries;
use speed::Speed;
use std::path::Path;
use std::time::{Duration, Instant};
use strategy::{Block, Cell, Repeat, Strategy};

/// How a campaign is made, besides what is measured.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The command line, for the record.
    pub command: Vec<String>,
    /// Whether to show progress on standard error.
    pub progress: bool,
    /// Whether to find out what servers cost, beyond what every verdict needs.
    pub costs: bool,
    /// Further tries of a trial that the load generator or other processes disturbed.
    pub retries: u32,
    /// Whether to measure the generator's own limits first.
    pub probe: bool,
    /// Whether to take the anatomy of a request of every model, after the trials.
    pub anatomy: bool,
    /// Whether to find out, after the trials, what breaks every model.
    pub envelope: bool,
}

/// How a campaign ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All done.
    Complete,
    /// Stopped by a signal; what was finished is on disk.
    Interrupted,
    /// Stopped by a signal before there was anything to put on disk.
    NotBegun,
}

/// How a campaign ended, and where its time went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completion {
    /// How it ended.
    pub ending: Ending,
    /// Time in trials.
    pub measuring: Duration,
    /// Time in all.
    pub took: Duration,
}

/// A contestant, and what the record calls it.
#[derive(Debug)]
pub struct Entry<'a> {
    /// Its name in the record.
    pub name: String,
    /// What serves for it.
    pub program: Program<'a>,
    /// Further builds of the same, which serve in turn with it, block by block.
    pub further: Vec<Program<'a>>,
    /// Whether it is known to speak echo, which is what the anatomy of a run asks for.
    pub echoes: bool,
}

impl<'a> Entry<'a> {
    /// What serves in the block of this number.
    fn in_block(&self, number: u32) -> Program<'a> {
        match number as usize % (self.further.len() + 1) {
            0 => self.program,
            nth => self.further[nth - 1],
        }
    }
}

/// Who is measured under what.
#[derive(Debug)]
pub struct Field<'a> {
    /// The workloads.
    pub scenarios: &'a [Scenario],
    /// The contestants.
    pub entries: Vec<Entry<'a>>,
}

/// Why a campaign is left before its end.
#[derive(Debug)]
enum Stop {
    Interrupted,
    /// A record cannot be written.
    Failed(BundleError),
}

impl From<BundleError> for Stop {
    fn from(error: BundleError) -> Self {
        Self::Failed(error)
    }
}

impl From<Interrupted> for Stop {
    fn from(_: Interrupted) -> Self {
        Self::Interrupted
    }
}

/// A campaign that is about to begin.
#[derive(Debug)]
pub struct Campaign<'a> {
    context: &'a Context,
    options: &'a Options,
    field: Field<'a>,
    progress: Progress,
    begun: Instant,
}

impl<'a> Campaign<'a> {
    /// Its time begins to run.
    fn new(context: &'a Context, options: &'a Options, field: Field<'a>, extent: Extent) -> Self {
        let progress = Progress::new(extent, options.progress);
        Self { context, options, field, progress, begun: Instant::now() }
    }

    /// Runs it as `strategy` says, into a new bundle at `path`.
    ///
    /// # Errors
    /// When the bundle cannot be written. What was written before stays valid.
    fn run(self, mut head: Run, strategy: &mut dyn Strategy, path: &Path) -> Result<Completion, BundleError> {
        if self.options.probe {
            let Ok(probe) = self.probe() else {
                self.progress.end(true);
                let took = self.begun.elapsed();
                return Ok(Completion { ending: Ending::NotBegun, measuring: Duration::ZERO, took });
            };
            head.probe = Reading::Value(probe);
            head.started_unix_ms = clock::unix_ms();
        }
        let mut bundle = Writer::create(path, &head)?;
        strategy.begin(&head).iter().try_for_each(|record| bundle.append(record))?;
        self.trials(&head, strategy, bundle, Begun::default())
    }

    /// Runs what the strategy wants into a bundle that has its head.
    fn trials(
        self,
        head: &Run,
        strategy: &mut dyn Strategy,
        bundle: Writer,
        before: Begun,
    ) -> Result<Completion, BundleError> {
        let conditions = Conditions {
            context: self.context,
            seed: head.seed,
            costs: self.options.costs,
            probe: head.probe.value(),
        };
        let (retries, begun, self_context) = (Retries::new(self.options.retries), self.begun, self.context);
        let mut running = Running {
            campaign: self,
            conditions,
            strategy,
            bundle,
            retries,
            speed: Speed::new(&self_context.cpus),
            written: before.trials,
            step: before.steps,
            measuring: Duration::ZERO,
        };
        let ending = running.all()?;
        Ok(Completion { ending, measuring: running.measuring, took: begun.elapsed() })
    }

    /// What machine and generator can show.
    fn probe(&self) -> Result<Probe, Interrupted> {
        self.progress.doing("measuring the machine and the load generator first, about three seconds");
        let prober = Prober { context: self.context, form: Form::Short };
        let probe = prober.probe(&Point::of(self.field.scenarios))?;
        if let Some(warning) = busy(&probe) {
            print_to_stderr(&warning);
        }
        Ok(probe)
    }
}

/// That other programs leave too little of the CPUs for a trial to be valid, said before the time is spent.
fn busy(probe: &Probe) -> Option<String> {
    let share = probe.foreign_share.value().copied().filter(|share| *share > judge::FOREIGN_SHARE)?;
    Some(format!(
        "other programs use {} of the CPUs now. Where they take more than {}, a block of trials is disturbed and its answer only\n\
         provisional. Stop them, or use --wait-for-quiet",
        units::share(share),
        units::share(judge::FOREIGN_SHARE)
    ))
}

/// What a bundle holds already.
#[derive(Clone, Copy, Debug, Default)]
struct Begun {
    trials: u32,
    steps: u32,
}

/// A campaign under way.
struct Running<'a> {
    campaign: Campaign<'a>,
    conditions: Conditions<'a>,
    strategy: &'a mut dyn Strategy,
    bundle: Writer,
    retries: Retries,
    speed: Speed<'a>,
    /// Trials on disk.
    written: u32,
    /// The first step's number.
    step: u32,
    measuring: Duration,
}

impl Running<'_> {
    fn all(&mut self) -> Result<Ending, BundleError> {
        let ending = match self.rounds().and_then(|()| self.afterwards()) {
            Ok(()) => Ending::Complete,
            Err(Stop::Failed(error)) => return Err(error),
            Err(Stop::Interrupted) => Ending::Interrupted,
        };
        let interrupted = ending == Ending::Interrupted;
        self.campaign.progress.end(interrupted);
        let end = End {
            finished_unix_ms: clock::unix_ms(),
            trials: self.written,
            interrupted,
            compute_ns_per_nominal_us: self.calibration_again(),
        };
        self.bundle.append(&Record::End(end))?;
        Ok(ending)
    }

    /// How long a nominal microsecond takes now, where demands were calibrated to what it took before.
    fn calibration_again(&self) -> Option<f64> {
        let context = self.campaign.context;
        let calibrated = |scenario: &Scenario| context.calibration(scenario).is_some();
        if !self.campaign.field.scenarios.iter().any(calibrated) {
            return None;
        }
        environment::compute_speed(&context.cpus.server).value().copied()
    }

    fn rounds(&mut self) -> Result<(), Stop> {
        for round in self.step.. {
            let Some(blocks) = self.strategy.next_round(round, self.campaign.begun.elapsed()) else { break };
            self.round(round, &blocks)?;
            for record in self.strategy.end_round(round + 1, self.campaign.begun.elapsed()) {
                self.campaign.progress.decided(&record);
                self.bundle.append(&record)?;
            }
        }
        Ok(())
    }

    /// One round: its blocks, between two looks at the machine's speed.
    fn round(&mut self, round: u32, blocks: &[Block]) -> Result<(), Stop> {
        let trials = blocks.iter().map(|block| block.cells.len()).sum();
        let loop_before_ns = self.speed.look();
        self.retries.begin_round(trials);
        for block in blocks {
            self.block(block)?;
            self.strategy.end_block(block);
            self.campaign.progress.so_far(self.strategy.so_far());
        }
        let loop_after_ns = self.speed.look();
        self.bundle.append(&Record::Round(RoundRecord { round, loop_before_ns, loop_after_ns }))?;
        self.campaign.progress.round_done(round);
        Ok(())
    }

    /// The trials of a block; disturbed ones again, under the schedule of the round and close to the others in time, so that
    /// they pair with them.
    fn block(&mut self, block: &Block) -> Result<(), Stop> {
        let mut waiting: Vec<(Cell, u32)> = block.cells.iter().map(|cell| (*cell, 0)).collect();
        while !waiting.is_empty() {
            let mut later = Vec::new();
            for (cell, first) in waiting {
                let mut attempt = first;
                while self.trial(cell, block, attempt)? {
                    attempt += 1;
                    if block.repeat != Repeat::AtOnce {
                        later.push((cell, attempt));
                        break;
                    }
                }
            }
            waiting = later;
        }
        Ok(())
    }

    /// One trial, on disk when this returns; says whether it is to be repeated.
    fn trial(&mut self, cell: Cell, block: &Block, attempt: u32) -> Result<bool, Stop> {
        let field = &self.campaign.field;
        let (scenario, entry) = (&field.scenarios[cell.scenario], &field.entries[cell.contestant]);
        let round = block.number;
        self.campaign.progress.begin(&scenario.name, &entry.name, round, attempt);
        let begun = Instant::now();
        if attempt > 0 {
            self.speed.wait(&self.campaign.context.launcher.interrupt);
        }
        let id = TrialId { index: self.written, round, attempt };
        let before = self.speed.latest();
        let mut trial: Trial = self.conditions.trial(id, scenario, &entry.name, entry.in_block(round))?;
        trial.loop_ns = before.zip(self.speed.look().value().copied()).map(<[f64; 2]>::from);
        let took = begun.elapsed();
        self.measuring += took;
        let by_block = block.repeat == Repeat::ByBlock && trial.invalid.iter().any(Invalid::is_disturbance);
        let matters = trial.invalid.is_empty() && judge::depends_on_time(scenario.merit);
        let slowed = trial.loop_ns.and_then(|looks| self.speed.slowed(looks)).filter(|_| matters);
        let repeat = !by_block && self.retries.repeat(&trial.invalid, slowed.is_some(), attempt);
        match slowed {
            Some(factor) if repeat => trial.invalid.push(Invalid::Slowed { factor }),
            Some(factor) => trial.doubts.push(Doubt::Slowed { factor }),
            None => {}
        }
        self.strategy.observe(cell, &trial, took, !repeat);
        self.campaign.progress.finished(&trial);
        self.bundle.append(&Record::Trial(Box::new(trial)))?;
        self.written += 1;
        Ok(repeat)
    }
}
