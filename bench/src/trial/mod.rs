//! One trial: a fresh server, the swarm's workers, one start instant, a window, and a record.

pub mod judge;

use self::judge::{Least, Terms};
use crate::campaign::run::plan::Slot;
use crate::host::clock;
use crate::host::environment::CpuPlan;
use crate::host::preflight::Limits;
use crate::host::usage::{COUNTING, Depth, Watch, not_accepted};
use crate::process::entrant::Entrant;
use crate::process::launch::{Child, LaunchError, Launcher};
use crate::process::serving::{FromServer, ServeOptions};
use crate::process::squad::{PATIENCE, Squad, expect};
use crate::swarm::schedule;
use crate::sys::Ended;
use crate::workload::load::{DemandShape, Load};
use crate::workload::scenario::Scenario;
use bakeoff_reports::record::bundle::BundleError;
use bakeoff_reports::record::{Doubt, Invalid, Measured, Probe, Reading, Trial, Usage};
use bakeoff_reports::rules::probe::Bounds;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// What all trials of a run share.
#[derive(Debug)]
pub struct Bench<'a> {
    /// Starts children.
    pub launcher: &'a Launcher,
    /// Who runs where.
    pub cpus: &'a CpuPlan,
    /// What the system allows.
    pub limits: &'a Limits,
    /// Congestion control for every socket.
    pub congestion_control: Option<&'a str>,
    /// Seed of the run; each round has a schedule of its own, the same for all models.
    pub seed: u64,
    /// Where servers listen; port 0 for a free one each time.
    pub address: SocketAddr,
    /// Whether to find out what a server costs, beyond what every verdict needs. Costs some time before each window.
    pub costs: bool,
    /// What the generator can show at most; absent when it was not measured.
    pub probe: Option<&'a Probe>,
}

/// The rounds in which events are counted: a count per request hardly varies, and takes a quarter of a second.
const COUNTED_ROUNDS: u32 = 2;

/// The share of the window from which on it is told that reading went on in it.
const LATE: f64 = 0.02;

/// The tool was asked to end during a trial.
#[derive(Debug)]
pub struct Interrupted;

/// Why a round was left.
#[derive(Debug)]
pub(crate) enum Left {
    /// The tool was asked to end.
    Interrupted,
    /// A trial cannot be written down.
    Failed(BundleError),
}

impl From<BundleError> for Left {
    fn from(error: BundleError) -> Self {
        Self::Failed(error)
    }
}

impl From<Interrupted> for Left {
    fn from(_: Interrupted) -> Self {
        Self::Interrupted
    }
}

/// Everything the runner saw of a trial that went through.
struct Seen {
    measured: Measured,
    /// Connections open before the start; 0 for churn.
    connected: u64,
    /// How far into the window the reading of costs went that belongs before it.
    late: Duration,
    /// All but what only the server's end can tell.
    usage: Usage,
}

impl Bench<'_> {
    /// Runs one trial to its record. A trial that fails is a record too, with the reason.
    ///
    /// # Errors
    /// Only when interrupted.
    pub fn trial(
        &self,
        index: u32,
        slot: Slot,
        scenario: &Scenario,
        model: &str,
    ) -> Result<Trial, Interrupted> {
        self.trial_of(
            index,
            slot,
            scenario,
            model,
            Entrant::Model { launcher: self.launcher, model, tax_ns: 0 },
        )
    }

    /// The same with whoever serves; `name` is the model's in the record.
    ///
    /// # Errors
    /// Only when interrupted.
    pub fn trial_of(
        &self,
        index: u32,
        slot: Slot,
        scenario: &Scenario,
        name: &str,
        entrant: Entrant<'_>,
    ) -> Result<Trial, Interrupted> {
        let mut trial = Trial {
            index,
            round: slot.round,
            attempt: slot.attempt,
            scenario: scenario.name.clone(),
            model: name.into(),
            started_unix_ms: clock::unix_ms(),
            measured: Reading::Absent("the trial failed".into()),
            server: Reading::Absent("the trial failed".into()),
            usage: Usage::absent("the trial failed"),
            invalid: Vec::new(),
            doubts: Vec::new(),
        };
        let (mut server, address) = match entrant.start(self.serve_options(scenario)) {
            Ok(started) => started,
            Err(LaunchError::Interrupted) => return Err(Interrupted),
            Err(error) => {
                trial.invalid.push(Invalid::ServerDidNotStart { detail: error.to_string() });
                return Ok(trial);
            }
        };
        let seen = self.load(scenario, slot.round, address, entrant, &mut server);
        let died = server.has_ended();
        let (counters, ended, killed) = stop_server(&mut server, scenario, entrant);
        if self.launcher.interrupt.is_set() {
            return Err(Interrupted);
        }
        if let (Err(error), false) = (&seen, died) {
            let detail = error.to_string();
            trial.invalid.push(match error {
                LaunchError::NothingConnected { .. } => Invalid::NothingConnected { detail },
                LaunchError::NeverListened { .. } => Invalid::ServerDidNotStart { detail },
                _ => Invalid::SwarmFailed { detail },
            });
        }
        if killed && !died {
            trial.doubts.push(Doubt::KilledAtStop);
        }
        if died {
            let detail = how_it_died(&counters, ended);
            // With a measurement it is the model's result; without one there is nothing to compare.
            match seen {
                Ok(_) => trial.doubts.push(Doubt::ServerDied { detail }),
                Err(_) => trial.invalid.push(Invalid::ServerDied { detail }),
            }
        }
        if let Ok(seen) = seen {
            self.enter(&mut trial, scenario, seen, ended.filter(|_| !killed && !died));
        }
        trial.server = counters.map_or_else(|error| Reading::Absent(error.to_string()), Reading::Value);
        Ok(trial)
    }

    /// Enters what was seen, and what to think of it. `ended` is there when the server ended by itself: only then are its
    /// descendants in its account.
    fn enter(&self, trial: &mut Trial, scenario: &Scenario, seen: Seen, ended: Option<Ended>) {
        trial.usage = seen.usage;
        enter_life(&mut trial.usage, ended);
        let clients = u64::from(scenario.load.clients());
        if seen.connected < clients && !matches!(scenario.load, Load::Churn { .. }) {
            trial.doubts.push(Doubt::PartlyConnected { connected: seen.connected, clients });
        }
        let companions = &seen.measured.companions;
        if companions.missing() > 0 {
            let asked = companions.all().asked;
            trial.doubts.push(Doubt::CompanionsMissing { missing: companions.missing(), asked });
        }
        if seen.late > scenario.timing.window.mul_f64(LATE) {
            trial.doubts.push(Doubt::SampledLate { late_ns: clock::nanoseconds(seen.late) });
        }
        let bounds = Bounds::of(self.probe, &scenario.name);
        let terms = Terms {
            merit: scenario.merit,
            load: &scenario.load,
            cpus: self.cpus,
            ceiling_per_s: bounds.ceiling_per_s,
            least: Least::of(&bounds, scenario),
        };
        let verdict = judge::judge(&seen.measured, &trial.usage, &terms);
        trial.invalid.extend(verdict.invalid);
        trial.doubts.extend(verdict.doubts);
        trial.measured = Reading::Value(seen.measured);
    }

    /// How the server is to serve; who serves puts its own model in.
    fn serve_options(&self, scenario: &Scenario) -> ServeOptions {
        ServeOptions {
            model: String::new(),
            service: scenario.service.clone(),
            address: self.address,
            backlog: scenario.backlog(),
            congestion_control: self.congestion_control.map(str::to_string),
            cpus: self.cpus.server.clone(),
            config: scenario.server.config(self.cpus.server.len()),
        }
    }

    fn load(
        &self,
        scenario: &Scenario,
        round: u32,
        target: SocketAddr,
        entrant: Entrant<'_>,
        server: &mut Child,
    ) -> Result<Seen, LaunchError> {
        // The server waits for a word before it starts anything, so that all it will start is counted.
        // Where a request may kill the server, the load that counting takes before the window would kill it too soon.
        let deadly = matches!(scenario.request.demand, DemandShape::Poison { .. });
        let depth = match self.costs {
            true if round < COUNTED_ROUNDS && !deadly => Depth::Events,
            true => Depth::Costs,
            false => Depth::Verdict,
        };
        let mut watch = Watch::new(server.pid(), &self.cpus.server, &self.cpus.swarm, depth);
        entrant.go(server, target)?;
        watch.at_rest();
        let shards = self.limits.workers(&scenario.load, &scenario.beside, self.cpus.swarm.len());
        let shards = shards.map_err(LaunchError::Refused)?;
        let seed = schedule::seed_of_round(self.seed, round);
        let mut spec = scenario.spec(target, seed, self.congestion_control);
        if depth == Depth::Events {
            spec.timing.warmup += COUNTING;
        }
        let mut squad = Squad::gather(self.launcher, &spec, shards, &self.cpus.swarm)?;
        let connected = squad.connected();
        self.await_accepts(target);
        watch.rehearse();
        let window = squad.start()?;
        watch.window(spec.timing.warmup, (window.begin, window.end), |at| squad.sleep_until(at))?;
        // Reading the memory of a tree takes a while, and its locks. So it waits until the load is over, while the
        // connections are still open; only churn, which leaves none open, is read at the window's end.
        let churn = matches!(scenario.load, Load::Churn { .. });
        if churn {
            watch.holding();
        }
        let measured = squad.collect()?;
        if !churn {
            watch.holding();
        }
        squad.dismiss();
        let late = watch.late();
        let usage = watch.usage(spec.timing.window, &measured);
        Ok(Seen { measured, connected, late, usage })
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
            if since.elapsed() > STANDSTILL || next > deadline || !self.launcher.interrupt.sleep_until(next) {
                return;
            }
        }
    }
}

/// What a server counted, how it ended, and whether it had to be killed.
type Stopped = (Result<BTreeMap<String, u64>, LaunchError>, Option<Ended>, bool);

/// Asks the server to stop, takes its counters and reaps it.
fn stop_server(server: &mut Child, scenario: &Scenario, entrant: Entrant<'_>) -> Stopped {
    let deadline = Instant::now() + scenario.server.config(1).stop_deadline + PATIENCE / 5;
    let lives = !server.has_ended();
    server.ask_to_stop();
    let left = deadline.saturating_duration_since(Instant::now());
    if matches!(entrant, Entrant::Command { .. }) && lives {
        // It says nothing to us, so there is only its end to wait for. Of one that died, its words are asked for below.
        let (ended, killed) = server.reap(deadline);
        return (Err(LaunchError::Refused("a command counts nothing for us".into())), ended, killed);
    }
    let counters = match expect(server, "server", left) {
        Ok(FromServer::Served { counters }) => {
            Ok(counters.rows().into_iter().map(|(name, count)| (name.to_string(), count)).collect())
        }
        Ok(other) => Err(LaunchError::Unexpected { name: "server".into(), said: format!("{other:?}") }),
        Err(error) => Err(error),
    };
    let (ended, killed) = server.reap(deadline);
    (counters, ended, killed)
}

/// How a server ended that was not asked to. One that took its leave in order, with its counters and status 0, ended too
/// soon none the less.
fn how_it_died(counters: &Result<BTreeMap<String, u64>, LaunchError>, ended: Option<Ended>) -> String {
    match (counters, ended) {
        (Err(error), _) => error.to_string(),
        (Ok(_), Some(ended)) => format!("the server {} before it was asked to stop", ended.describe()),
        (Ok(_), None) => "the server was gone before it was asked to stop".into(),
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
