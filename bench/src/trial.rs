//! One trial: a fresh server, the swarm's workers, one start instant, a window, and a record.

use crate::environment::CpuPlan;
use crate::launch::{Child, LaunchError, Launcher};
use crate::load::Load;
use crate::plan::Slot;
use crate::preflight::Limits;
use crate::scenario::Scenario;
use crate::serving::{FromServer, ServeOptions};
use crate::squad::{PATIENCE, Squad, expect};
use crate::swarm::schedule;
use crate::usage::{self, Between, Mark, Population};
use crate::{clock, judge};
use bakeoff_reports::probe::Bounds;
use bakeoff_reports::record::{Doubt, Invalid, Measured, Probe, Reading, Trial, Usage};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Instant;

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
    /// What the generator can show at most; absent when it was not measured.
    pub probe: Option<&'a Probe>,
}

/// The tool was asked to end during a trial.
#[derive(Debug)]
pub struct Interrupted;

/// Everything the runner saw of a trial that went through.
struct Seen {
    measured: Measured,
    /// Connections open before the start; 0 for churn.
    connected: u64,
    between: Between,
    population: Population,
    pss_bytes: Reading<u64>,
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
        let mut trial = Trial {
            index,
            round: slot.round,
            attempt: slot.attempt,
            scenario: scenario.name.clone(),
            model: model.into(),
            started_unix_ms: clock::unix_ms(),
            measured: Reading::Absent("the trial failed".into()),
            server: Reading::Absent("the trial failed".into()),
            usage: Usage::absent("the trial failed"),
            invalid: Vec::new(),
            doubts: Vec::new(),
        };
        let (mut server, address) = match self.start_server(scenario, model) {
            Ok(started) => started,
            Err(LaunchError::Interrupted) => return Err(Interrupted),
            Err(error) => {
                trial.invalid.push(Invalid::ServerDidNotStart { detail: error.to_string() });
                return Ok(trial);
            }
        };
        let seen = self.load(scenario, slot.round, address, server.pid());
        let died = server.has_ended();
        let (counters, killed) = stop_server(&mut server, scenario, &mut trial.usage, died);
        if self.launcher.interrupt.is_set() {
            return Err(Interrupted);
        }
        if let (Err(error), false) = (&seen, died) {
            trial.invalid.push(Invalid::SwarmFailed { detail: error.to_string() });
        }
        if killed && !died {
            trial.doubts.push(Doubt::KilledAtStop);
        }
        if let (true, Err(error)) = (died, &counters) {
            let detail = error.to_string();
            // With a measurement it is the model's result; without one there is nothing to compare.
            match seen {
                Ok(_) => trial.doubts.push(Doubt::ServerDied { detail }),
                Err(_) => trial.invalid.push(Invalid::ServerDied { detail }),
            }
        }
        if let Ok(seen) = seen {
            self.enter(&mut trial, scenario, seen);
        }
        trial.server = counters.map_or_else(|error| Reading::Absent(error.to_string()), Reading::Value);
        Ok(trial)
    }

    /// Enters what was seen, and what to think of it.
    fn enter(&self, trial: &mut Trial, scenario: &Scenario, seen: Seen) {
        trial.usage.window_cpu_ns = seen.between.tree_cpu_ns;
        trial.usage.steal_share = seen.between.steal_share;
        trial.usage.foreign_share = seen.between.foreign_share;
        trial.usage.pss_bytes = seen.pss_bytes;
        trial.usage.threads = seen.population.threads;
        trial.usage.processes = seen.population.processes;
        let clients = u64::from(scenario.load.clients());
        if seen.connected < clients && !matches!(scenario.load, Load::Churn { .. }) {
            trial.doubts.push(Doubt::PartlyConnected { connected: seen.connected, clients });
        }
        let ceiling = Bounds::of(self.probe, &scenario.name).ceiling_per_s;
        let (merit, load) = (scenario.merit, &scenario.load);
        let verdict = judge::judge(&seen.measured, &trial.usage, merit, load, self.cpus, ceiling);
        trial.invalid.extend(verdict.invalid);
        trial.doubts.extend(verdict.doubts);
        trial.measured = Reading::Value(seen.measured);
    }

    fn start_server(&self, scenario: &Scenario, model: &str) -> Result<(Child, SocketAddr), LaunchError> {
        let options = ServeOptions {
            model: model.into(),
            service: scenario.service.clone(),
            address: self.address,
            backlog: scenario.backlog(),
            congestion_control: self.congestion_control.map(str::to_string),
            cpus: self.cpus.server.clone(),
            config: scenario.server.config(self.cpus.server.len()),
        };
        let name = format!("server {model}");
        let mut server = self.launcher.start(&name, options.arguments())?;
        match expect(&mut server, &name, PATIENCE)? {
            FromServer::Ready { address, .. } => Ok((server, address)),
            other => Err(LaunchError::Unexpected { name, said: format!("{other:?}") }),
        }
    }

    fn load(
        &self,
        scenario: &Scenario,
        round: u32,
        target: SocketAddr,
        server: u32,
    ) -> Result<Seen, LaunchError> {
        let shards =
            self.limits.workers(&scenario.load, self.cpus.swarm.len()).map_err(LaunchError::Refused)?;
        let seed = schedule::seed_of_round(self.seed, round);
        let spec = scenario.spec(target, seed, self.congestion_control);
        let mut squad = Squad::gather(self.launcher, &spec, shards, &self.cpus.swarm)?;
        let squad_connected = squad.connected();
        let window = squad.start()?;
        squad.sleep_until(window.begin)?;
        let pinned: Vec<u32> = self.cpus.server.iter().chain(&self.cpus.swarm).copied().collect();
        let before = Mark::take(server, &pinned);
        squad.sleep_until(window.end)?;
        let after = Mark::take(server, &pinned);
        let population = Population::take(server);
        // Reading the memory of a tree takes a while, and its locks. So it waits until the load is over, while the
        // connections are still open; only churn, which leaves none open, is read at the window's end.
        let churn = matches!(scenario.load, Load::Churn { .. });
        let at_end = churn.then(|| usage::pss_bytes(server));
        let measured = squad.collect()?;
        let pss_bytes = at_end.unwrap_or_else(|| usage::pss_bytes(server));
        squad.dismiss();
        let between = before.until(&after, scenario.timing.window, measured.swarm_cpu_ns);
        Ok(Seen { measured, connected: squad_connected, between, population, pss_bytes })
    }
}

/// Asks the server to stop, takes its counters, reaps it, and enters what its life cost. Says whether it had to be
/// killed.
fn stop_server(
    server: &mut Child,
    scenario: &Scenario,
    usage: &mut Usage,
    died: bool,
) -> (Result<BTreeMap<String, u64>, LaunchError>, bool) {
    let deadline = Instant::now() + scenario.server.config(1).stop_deadline + PATIENCE / 5;
    server.ask_to_stop();
    let left = deadline.saturating_duration_since(Instant::now());
    let counters = match expect(server, "server", left) {
        Ok(FromServer::Served { counters }) => {
            Ok(counters.rows().into_iter().map(|(name, count)| (name.to_string(), count)).collect())
        }
        Ok(other) => Err(LaunchError::Unexpected { name: "server".into(), said: format!("{other:?}") }),
        Err(error) => Err(error),
    };
    let (ended, killed) = server.reap(deadline);
    if let Some(ended) = ended {
        if killed || died {
            let reason = "the server did not end by itself, so its descendants are not in its account";
            *usage = Usage::absent(reason);
        } else {
            usage.life_user_ns = Reading::Value(clock::nanoseconds(ended.user));
            usage.life_system_ns = Reading::Value(clock::nanoseconds(ended.system));
            usage.life_voluntary_switches = Reading::Value(ended.voluntary_switches);
            usage.life_involuntary_switches = Reading::Value(ended.involuntary_switches);
        }
    }
    (counters, killed)
}
