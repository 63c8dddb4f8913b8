//! One trial: a fresh server, the swarm's workers, one start instant, a window, and a record.

pub mod judge;

use self::judge::{Least, Terms};
use crate::host::clock;
use crate::host::usage::{COUNTING, Depth, SwitchMark, Watch, not_accepted};
use crate::process::context::Context;
use crate::process::launch::{Interrupted, LaunchError};
use crate::process::program::Program;
use crate::process::server::Server;
use crate::process::serving::ServeOptions;
use crate::process::workers::PATIENCE;
use crate::swarm::schedule;
use crate::swarm::spec::WorkerSpec;
use crate::sys::Ended;
use crate::workload::load::{DemandShape, Load};
use crate::workload::scenario::{Counting, Scenario};
use bakeoff_reports::record::{Doubt, Invalid, Measured, Probe, Reading, Trial, Usage};
use bakeoff_reports::rules::probe::Bounds;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// What all trials of a campaign share.
#[derive(Debug)]
pub struct Conditions<'a> {
    /// Where servers and workers run.
    pub context: &'a Context,
    /// Seed of the campaign; each round has a schedule of its own, the same for all contestants.
    pub seed: u64,
    /// Whether to find out what a server costs, beyond what every verdict needs. Costs some time before each window.
    pub costs: bool,
    /// What the generator can show at most; absent when it was not measured.
    pub probe: Option<&'a Probe>,
}

/// Which trial of a campaign one is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrialId {
    /// Its number, from 0.
    pub index: u32,
    /// The round, from 0.
    pub round: u32,
    /// Which try of it in this round, from 0.
    pub attempt: u32,
}

/// The rounds in which events are counted, from the first on: a count per request hardly varies, and takes a quarter of a
/// second.
pub const COUNTED_ROUNDS: u32 = 1;

/// Whether events are counted in a round.
pub(crate) fn counts_events(scenario: &Scenario, round: u32) -> bool {
    match scenario.counting {
        Counting::FirstRounds => round < COUNTED_ROUNDS,
        Counting::EveryRound => true,
        Counting::Never => false,
    }
}

/// The share of the window from which on it is told that reading went on in it, or after it.
const LATE: f64 = 0.02;

/// Everything the runner saw of a trial that went through.
struct Observed {
    measured: Measured,
    /// Connections open before the start; 0 for churn.
    connected: u64,
    /// How far into the window the reading of costs went that belongs before it.
    late: Duration,
    /// How long after the window the reading of costs ended.
    late_after: Duration,
    /// What a CPU quota makes of it.
    throttled: judge::Judgement,
    /// All but what only the server's end can tell.
    usage: Usage,
    /// The switches of the server before the load, where its threads come and go under it, so that only its end tells theirs.
    switches_before: Option<SwitchMark>,
}

impl Conditions<'_> {
    /// Runs one trial to its record, in which the contestant that it serves for is called `name`. A trial that fails is a record too, with the
    /// reason.
    ///
    /// # Errors
    /// Only when interrupted.
    pub fn trial(
        &self,
        id: TrialId,
        scenario: &Scenario,
        name: &str,
        program: Program<'_>,
    ) -> Result<Trial, Interrupted> {
        let mut trial = Trial {
            index: id.index,
            round: id.round,
            attempt: id.attempt,
            scenario: scenario.name.clone(),
            model: name.into(),
            started_unix_ms: clock::unix_ms(),
            measured: Reading::Absent("the trial failed".into()),
            server: Reading::Absent("the trial failed".into()),
            accepted_by_worker: Vec::new(),
            usage: Usage::absent("the trial failed"),
            loop_ns: None,
            invalid: Vec::new(),
            doubts: Vec::new(),
        };
        match self.context.under(scenario) {
            Ok(context) => {
                Conditions { context: &context, ..*self }.measure(&mut trial, scenario, program)?;
            }
            Err(detail) => trial.invalid.push(Invalid::ServerDidNotStart { detail }),
        }
        Ok(trial)
    }

    /// Starts the server, loads it, stops it, and enters what came of it.
    fn measure(
        &self,
        trial: &mut Trial,
        scenario: &Scenario,
        program: Program<'_>,
    ) -> Result<(), Interrupted> {
        let config = scenario.server.config(self.context.cpus.server.len());
        let options = ServeOptions {
            transport: scenario.transport,
            tls: scenario.tls.is_some(),
            ..self.context.serve_options(&scenario.service, scenario.server.backlog(), config)
        };
        let mut server = match program.start(&options) {
            Ok(started) => started,
            Err(LaunchError::Interrupted) => return Err(Interrupted),
            Err(error) => {
                trial.invalid.push(Invalid::ServerDidNotStart { detail: error.to_string() });
                return Ok(());
            }
        };
        let observed = self.load(scenario, trial.round, &mut server);
        let died = server.has_ended();
        let words = server.words();
        let stopped = server.stop(options.config.stop_deadline);
        if self.context.interrupted() {
            return Err(Interrupted);
        }
        if let (Err(error), false) = (&observed, died) {
            let detail = error.to_string();
            trial.invalid.push(match error {
                LaunchError::NothingConnected { .. } => Invalid::NothingConnected { detail },
                LaunchError::NeverListened { .. } | LaunchError::Occupied { .. } => {
                    Invalid::ServerDidNotStart { detail }
                }
                _ => Invalid::SwarmFailed { detail },
            });
        }
        if stopped.killed && !died {
            trial.doubts.push(Doubt::KilledAtStop);
        }
        if !stopped.left.is_empty() {
            trial.doubts.push(Doubt::LeftBehind { processes: stopped.left.clone() });
        }
        if died {
            let detail = stopped.early_end();
            // With a measurement it is the model's result; without one there is nothing to compare.
            match observed {
                Ok(_) => trial.doubts.push(Doubt::ServerDied { detail }),
                Err(_) => trial.invalid.push(Invalid::ServerDied { detail }),
            }
        }
        trial.server = stopped.counts();
        if let Ok(mut observed) = observed {
            if let Some(words) = words.filter(|_| !died && observed.measured.counts.ok == 0) {
                trial.doubts.push(Doubt::ServerSaid { words });
            }
            if let Some(fan_out) = &mut observed.measured.fan_out {
                let counted = trial.server.value().and_then(|counts| counts.get("shut_out"));
                fan_out.shut_out = counted.copied();
            }
            let ended = stopped.ended.filter(|_| !stopped.killed && !died);
            self.enter(trial, scenario, observed, ended);
        }
        trial.accepted_by_worker = stopped.accepted_by_worker();
        Ok(())
    }

    /// Enters what was observed, and what to think of it. `ended` is there when the server ended by itself: only then are its
    /// descendants in its account.
    fn enter(&self, trial: &mut Trial, scenario: &Scenario, observed: Observed, ended: Option<Ended>) {
        trial.usage = observed.usage;
        enter_life(&mut trial.usage, ended);
        if let Some(before) = observed.switches_before {
            let warmed_up: u64 = observed.measured.warmup_completed.iter().sum();
            let replies = observed.measured.counts.ok.saturating_add(warmed_up);
            trial.usage.switches = before.until_end(switches_of_life(&trial.usage), replies);
        }
        let clients = u64::from(scenario.load.clients());
        if observed.connected < clients && !matches!(scenario.load, Load::Churn { .. }) {
            trial.doubts.push(Doubt::PartlyConnected { connected: observed.connected, clients });
        }
        let background = observed.measured.background;
        if background.missing() > 0 {
            let asked = background.all().asked;
            trial.doubts.push(Doubt::BackgroundMissing { missing: background.missing(), asked });
        }
        if observed.late > scenario.timing.window.mul_f64(LATE) {
            trial.doubts.push(Doubt::SampledLate { late_ns: clock::nanoseconds(observed.late) });
        }
        if observed.late_after > scenario.timing.window.mul_f64(LATE) {
            trial.doubts.push(Doubt::ReadLate { late_ns: clock::nanoseconds(observed.late_after) });
        }
        trial.invalid.extend(observed.throttled.invalid);
        trial.doubts.extend(observed.throttled.doubts);
        let bounds = Bounds::of(self.probe, &scenario.name);
        let terms = Terms {
            merit: scenario.merit,
            load: &scenario.load,
            cpus: &self.context.cpus,
            ceiling_per_s: bounds.ceiling_per_s,
            least: Least::of(&bounds, scenario),
        };
        let judgement = judge::judge(&observed.measured, &trial.usage, &terms);
        trial.invalid.extend(judgement.invalid);
        trial.doubts.extend(judgement.doubts);
        trial.measured = Reading::Value(observed.measured);
    }

    fn load(&self, scenario: &Scenario, round: u32, server: &mut Server) -> Result<Observed, LaunchError> {
        // The server waits for a word before it starts anything, so that all it will start is counted.
        // Where a request may kill the server, the load that counting takes before the window would kill it too soon.
        let deadly = matches!(scenario.request.demand, DemandShape::Poison { .. });
        let depth = match self.costs {
            true if counts_events(scenario, round) && !deadly => Depth::Events,
            true => Depth::Costs,
            false => Depth::Verdict,
        };
        let (context, target) = (self.context, server.address);
        let mut watch = Watch::new(server.pid(), &context.cpus.server, &context.cpus.swarm, depth);
        if scenario.load.varies() {
            watch.follow_threads(scenario.slices);
        }
        server.go()?;
        watch.at_rest();
        let seed = schedule::seed_of_round(self.seed, round);
        let mut spec = WorkerSpec::of(scenario, target, seed, context.congestion_control());
        if let Some(tls) = &mut spec.tls {
            tls.fingerprint = server.fingerprint;
        }
        if let Some(factor) = context.calibration(scenario) {
            spec.request = scenario.calibrated(factor);
        }
        if depth == Depth::Events {
            spec.timing.warmup += COUNTING;
        }
        let mut workers = context.spawn_workers(&spec)?;
        let connected = workers.connected();
        if scenario.transport.is_tcp() {
            self.await_accepts(target);
        }
        watch.rehearse();
        let window = workers.start()?;
        watch.window(spec.timing.warmup, (window.begin, window.end), |at| workers.sleep_until(at))?;
        // Reading the memory of a tree takes a while, and its locks. So it waits until the load is over, while the
        // connections are still open; only churn, which leaves none open, is read at the window's end.
        let churn = matches!(scenario.load, Load::Churn { .. });
        if churn {
            watch.holding();
        }
        let measured = workers.collect()?;
        if !churn {
            watch.holding();
        }
        workers.shutdown();
        let (late, late_after) = (watch.late(), watch.late_after());
        let switches_before = watch.switches_before().filter(|_| churn);
        let throttled =
            watch.throttled().map(|(took, share)| judge::throttled(&took, share)).unwrap_or_default();
        let usage = watch.usage(spec.timing.window, &measured);
        Ok(Observed { measured, connected, late, late_after, throttled, usage, switches_before })
    }

    /// Waits until the server has accepted what is connected to it, or comes to a stop with that (a server of one client at
    /// a time). A connection is complete for its client once the kernel has queued it: thousands of forks or threads may
    /// then still be to come, and a load that began now would be measured behind them.
    fn await_accepts(&self, target: SocketAddr) {
        const BETWEEN_LOOKS: Duration = Duration::from_millis(5);
        const STANDSTILL: Duration = Duration::from_millis(200);
        let deadline = Instant::now() + PATIENCE;
        let (mut fewest, mut since) = (u64::MAX, Instant::now());
        while let Some(waiting @ 1..) = not_accepted(target) {
            if waiting < fewest {
                (fewest, since) = (waiting, Instant::now());
            }
            let next = Instant::now() + BETWEEN_LOOKS;
            if since.elapsed() > STANDSTILL
                || next > deadline
                || !self.context.launcher.interrupt.sleep_until(next)
            {
                return;
            }
        }
    }
}

/// The switches of a server's life, voluntary and involuntary.
fn switches_of_life(usage: &Usage) -> Result<(u64, u64), String> {
    match (&usage.life_voluntary_switches, &usage.life_involuntary_switches) {
        (Reading::Value(voluntary), Reading::Value(involuntary)) => Ok((*voluntary, *involuntary)),
        (Reading::Absent(why), _) | (_, Reading::Absent(why)) => Err(why.clone()),
    }
}

/// Enters what the server's life cost, as its end told.
fn enter_life(usage: &mut Usage, ended: Option<Ended>) {
    let reason = "the server did not end by itself, so its descendants are not in its account";
    let count = |figure: fn(&Ended) -> u64| match &ended {
        Some(ended) => Reading::Value(figure(ended)),
        None => Reading::Absent(reason.into()),
    };
    usage.life_user_ns = count(|ended| clock::nanoseconds(ended.user));
    usage.life_system_ns = count(|ended| clock::nanoseconds(ended.system));
    usage.life_voluntary_switches = count(|ended| ended.voluntary_switches);
    usage.life_involuntary_switches = count(|ended| ended.involuntary_switches);
    usage.life_minor_faults = count(|ended| ended.minor_faults);
    usage.life_major_faults = count(|ended| ended.major_faults);
}
