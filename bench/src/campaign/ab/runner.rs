//! The comparison itself: pairs in shuffled rounds, looks at the figures, fresh rounds for what looks slower; every trial on
//! disk before the next begins.

use crate::campaign::ab::plan::{AbPlan, LEAST_ROUNDS, words};
use crate::campaign::ab::progress::Progress;
use crate::campaign::ab::rehearsal::{Unfit, rehearse};
use crate::campaign::ab::side::Standing;
use crate::campaign::run::plan::{Cell, Retries, Slot};
use crate::campaign::run::runner::choose_congestion_control;
use crate::host::clock;
use crate::host::environment::{self, CpuPlan};
use crate::host::preflight::{self, Limits};
use crate::instruments::probe::{self, Form, Point, Prober};
use crate::trial::judge;
use crate::trial::{Bench, Left};
use bakeoff_reports::record::bundle::{BundleError, Writer};
use bakeoff_reports::record::{
    Comparison, ConfirmRecord, End, ModelRecord, Probe, Reading, Record, RoundRecord, Run, SCHEMA_VERSION,
    Side,
};
use bakeoff_reports::rules::gate::{self, Ledger};
use bakeoff_servers::models;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

/// The two sides.
#[derive(Clone, Copy, Debug)]
pub struct Sides<'a> {
    /// The baseline.
    pub a: &'a Standing,
    /// The candidate.
    pub b: &'a Standing,
}

impl<'a> Sides<'a> {
    /// One of them.
    pub fn of(self, side: Side) -> &'a Standing {
        match side {
            Side::A => self.a,
            Side::B => self.b,
        }
    }
}

/// How a comparison is to be done, besides what.
#[derive(Debug)]
pub struct AbOptions {
    /// The command line, for the record.
    pub command: Vec<String>,
    /// Where servers listen; port 0 for a free one each time.
    pub address: SocketAddr,
    /// Whether to draw progress on standard error.
    pub progress: bool,
    /// Whether to find out what servers cost, beyond what every verdict needs.
    pub costs: bool,
    /// Further tries of a spoiled trial.
    pub retries: u32,
    /// Whether to measure the generator's own limits first.
    pub probe: bool,
    /// Whether an undecided comparison fails, for the record.
    pub strict: bool,
}

/// How a comparison ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All done.
    Complete,
    /// Stopped by a signal; what was finished is on disk.
    Interrupted,
}

/// Where the time went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// In trials.
    pub measuring: Duration,
    /// In everything else: rehearsal, probe, looks, writing.
    pub beside: Duration,
}

/// A comparison was not done.
#[derive(Debug, thiserror::Error)]
pub enum AbError {
    /// A server that does not do its work.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// The bundle cannot be written.
    #[error(transparent)]
    Bundle(#[from] BundleError),
}

/// A comparison under way.
struct Running<'a> {
    plan: &'a AbPlan,
    sides: Sides<'a>,
    bench: Bench<'a>,
    bundle: Writer,
    progress: Progress,
    retries: Retries,
    ledger: Ledger,
    /// Whether each cell still runs.
    runs: Vec<bool>,
    written: u32,
    round: u32,
    begun: Instant,
    /// What the pairs of each cell took so far, and how many they were.
    taken: Vec<(Duration, u32)>,
}

/// Runs a comparison into a new bundle at `path`.
///
/// # Errors
/// A server that cannot take part; a bundle that cannot be written. What was written before stays valid.
pub fn run(
    plan: &AbPlan,
    sides: Sides<'_>,
    options: &AbOptions,
    launcher: &crate::process::launch::Launcher,
    path: &Path,
) -> Result<(Ending, Spent), AbError> {
    let begun = Instant::now();
    preflight::raise_descriptor_limit();
    let cpus = CpuPlan::split(environment::allowed_cpus());
    let limits = Limits::of_this_system();
    let congestion_control = choose_congestion_control();
    let name = congestion_control.value().map(String::as_str);
    let progress = Progress::new(plan.budget, plan.search_rounds, options.progress);
    let bench = |probe| Bench {
        launcher,
        cpus: &cpus,
        limits: &limits,
        congestion_control: name,
        seed: plan.seed,
        address: options.address,
        costs: options.costs,
        probe,
    };
    progress.doing("starting every server once");
    rehearse(plan, sides, &bench(None))?;
    let prober =
        Prober { launcher, cpus: &cpus, limits: &limits, congestion_control: name, form: Form::Short };
    let Ok(probed) = probed(plan, options, &prober, &progress) else { return Err(Unfit::Interrupted.into()) };
    let head = head(plan, sides, options, &cpus, &congestion_control, probed);
    let bundle = Writer::create(path, &head)?;
    let running = Running {
        plan,
        sides,
        bench: bench(head.probe.value()),
        bundle,
        progress,
        retries: Retries::new(options.retries),
        ledger: Ledger::new(&head),
        runs: vec![true; plan.cells.len()],
        written: 0,
        round: 0,
        begun: Instant::now(),
        taken: vec![(Duration::ZERO, 0); plan.cells.len()],
    };
    let (ending, measuring) = running.all()?;
    Ok((ending, Spent { measuring, beside: begun.elapsed().saturating_sub(measuring) }))
}

fn probed(
    plan: &AbPlan,
    options: &AbOptions,
    prober: &Prober<'_>,
    progress: &Progress,
) -> Result<Reading<Probe>, probe::Interrupted> {
    if !options.probe {
        return Ok(Reading::Absent("the run was started with --no-probe".into()));
    }
    progress.doing("measuring the machine and the load generator");
    prober.probe(&Point::of(&plan.scenarios)).map(Reading::Value)
}

impl Running<'_> {
    fn all(mut self) -> Result<(Ending, Duration), BundleError> {
        let ending = match self.search().and_then(|()| self.confirm()) {
            Ok(()) => Ending::Complete,
            Err(Left::Failed(error)) => return Err(error),
            Err(Left::Interrupted) => Ending::Interrupted,
        };
        self.progress.end();
        let interrupted = ending == Ending::Interrupted;
        let end = End { finished_unix_ms: clock::unix_ms(), trials: self.written, interrupted };
        self.bundle.append(&Record::End(end))?;
        Ok((ending, self.taken.iter().map(|(time, _)| *time).sum()))
    }

    /// Rounds until every cell is decided, or the search's share of the time is over.
    fn search(&mut self) -> Result<(), Left> {
        while self.round < self.plan.search_rounds && self.runs.contains(&true) {
            let time_is_left = match self.plan.search_time() {
                Some(time) => self.begun.elapsed() + self.next_round() <= time,
                None => true,
            };
            if !time_is_left && self.round > 0 {
                break;
            }
            self.one_round("searching")?;
            if let Some(look) = self.ledger.look(self.round) {
                for ended in &look.ended {
                    let of = |cell: &crate::campaign::ab::plan::AbCell| {
                        (&self.plan.scenarios[cell.scenario].name, &cell.model)
                            == (&ended.scenario, &ended.model)
                    };
                    let decided = self.plan.cells.iter().position(of);
                    decided.into_iter().for_each(|at| self.runs[at] = false);
                }
                self.progress.say(&format!(
                    "looked after {} rounds: {} decided, {} go on",
                    look.after_rounds,
                    look.ended.len(),
                    look.going_on
                ));
                self.bundle.append(&Record::Look(look))?;
            }
        }
        Ok(())
    }

    /// Fresh rounds for what looks slower: as many as what is left of the time holds, and never fewer than a gate needs.
    fn confirm(&mut self) -> Result<(), Left> {
        let suspects = self.ledger.suspects(self.round);
        if suspects.is_empty() {
            return Ok(());
        }
        let of = |cell: &crate::campaign::ab::plan::AbCell| {
            suspects.contains(&(self.plan.scenarios[cell.scenario].name.clone(), cell.model.clone()))
        };
        self.runs = self.plan.cells.iter().map(of).collect();
        let left = self.plan.budget.map(|budget| budget.saturating_sub(self.begun.elapsed()));
        let fits =
            left.map_or(u32::MAX, |left| (left.as_secs_f64() / self.next_round().as_secs_f64()) as u32);
        // As many as the search had: what needed so many to show needs as many to show again.
        let rounds = self.round.max(LEAST_ROUNDS).min(self.plan.confirm_rounds).min(fits).max(LEAST_ROUNDS);
        self.progress.say(&format!(
            "{} of {} cells look slower: {rounds} fresh rounds to confirm it, {}",
            suspects.len(),
            self.plan.cells.len(),
            words(self.next_round() * rounds)
        ));
        let record = ConfirmRecord { from_round: self.round, rounds, cells: suspects };
        self.bundle.append(&Record::Confirm(record))?;
        for _ in 0..rounds {
            self.one_round("confirming")?;
        }
        Ok(())
    }

    /// What the next round will take: the mean of each running cell's pairs so far, or what was expected of them.
    fn next_round(&self) -> Duration {
        let running = (0..self.plan.cells.len()).filter(|cell| self.runs[*cell]);
        let of = |cell: usize| match self.taken[cell] {
            (_, 0) => self.plan.pair_time(&self.plan.cells[cell]),
            (time, pairs) => time / pairs,
        };
        running.map(of).sum()
    }

    fn one_round(&mut self, doing: &str) -> Result<(), Left> {
        let pairs = self.plan.round(self.round, |cell| self.runs[cell]);
        let loop_before_ns = probe::speed(self.bench.cpus);
        self.retries.begin_round(2 * pairs.len());
        for (cell, first) in pairs {
            let second = if first == Side::A { Side::B } else { Side::A };
            for side in [first, second] {
                self.trial(cell, side)?;
            }
            self.taken[cell].1 += 1;
        }
        let loop_after_ns = probe::speed(self.bench.cpus);
        let record = RoundRecord { round: self.round, loop_before_ns, loop_after_ns };
        self.bundle.append(&Record::Round(record))?;
        self.round += 1;
        let left = self.plan.budget.map_or_else(String::new, |budget| {
            format!(", {} of the budget left", words(budget.saturating_sub(self.begun.elapsed())))
        });
        self.progress.round(&format!("{doing}: round {} done{left}", self.round), self.round);
        Ok(())
    }

    /// One side of a pair; again at once when something spoiled it, so that the other stays its neighbour in time.
    fn trial(&mut self, cell: usize, side: Side) -> Result<(), Left> {
        let compared = &self.plan.cells[cell];
        let scenario = &self.plan.scenarios[compared.scenario];
        let place = Cell { scenario: compared.scenario, model: cell };
        let mut next = Some(Slot { round: self.round, attempt: 0, cell: place });
        while let Some(slot) = next {
            let begun = Instant::now();
            let entrant = self.sides.of(side).entrant(&compared.model);
            let name = side.model(&compared.model);
            let trial = self.bench.trial_of(self.written, slot, scenario, &name, entrant)?;
            self.taken[cell].0 += begun.elapsed();
            next = if judge::may_pass(&trial.invalid) { self.retries.again(slot) } else { None };
            self.ledger.add(&trial);
            self.bundle.append(&Record::Trial(Box::new(trial)))?;
            self.written += 1;
        }
        Ok(())
    }
}

fn head(
    plan: &AbPlan,
    sides: Sides<'_>,
    options: &AbOptions,
    cpus: &CpuPlan,
    congestion_control: &Reading<String>,
    probe: Reading<Probe>,
) -> Run {
    let of = |scenario: usize| -> Vec<String> {
        let cells = plan.cells.iter().filter(move |cell| cell.scenario == scenario);
        cells.flat_map(|cell| Side::BOTH.map(|side| side.model(&cell.model))).collect()
    };
    let mut names: Vec<&str> = plan.cells.iter().map(|cell| cell.model.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let model = |name: &str, side: Side| ModelRecord {
        name: side.model(name),
        summary: models::find(name)
            .map_or_else(|| sides.of(side).contender.label.clone(), |m| m.meta().summary.into()),
    };
    let scenarios = plan.scenarios.iter().enumerate();
    Run {
        schema_version: SCHEMA_VERSION,
        tool_version: env!("CARGO_PKG_VERSION").into(),
        command: options.command.clone(),
        started_unix_ms: clock::unix_ms(),
        seed: plan.seed,
        rounds: plan.search_rounds,
        planned_trials: plan.rounds_of_all().saturating_mul(2 * plan.cells.len() as u32),
        sequential: None,
        comparison: Some(Comparison {
            a: sides.a.contender.clone(),
            b: sides.b.contender.clone(),
            cells: plan.compared(),
            search_rounds: plan.search_rounds,
            confirm_rounds: plan.confirm_rounds,
            looks: gate::looks(plan.search_rounds),
            strict: options.strict,
        }),
        scenarios: scenarios.map(|(at, s)| s.record(of(at), &s.server.config(cpus.server.len()))).collect(),
        models: names.iter().flat_map(|name| Side::BOTH.map(|side| model(name, side))).collect(),
        environment: environment::read(cpus, congestion_control.clone()),
        probe,
    }
}
