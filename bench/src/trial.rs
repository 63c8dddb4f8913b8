//! One trial: a fresh server, the swarm's workers, one start instant, a window, and a record.

use crate::environment::CpuPlan;
use crate::launch::{Child, LaunchError, Launcher};
use crate::load::Load;
use crate::plan::Slot;
use crate::preflight::Limits;
use crate::scenario::Scenario;
use crate::serving::{FromServer, ServeOptions};
use crate::squad::{PATIENCE, Squad, expect};
use crate::usage::{self, CpuMark, Population};
use crate::{clock, judge};
use bakeoff_reports::record::{Invalid, Measured, Reading, Trial, Usage};
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
    /// Seed of the schedules.
    pub seed: u64,
    /// Where servers listen; port 0 for a free one each time.
    pub address: SocketAddr,
}

/// The tool was asked to end during a trial.
#[derive(Debug)]
pub struct Interrupted;

/// Everything the runner saw of a trial that went through.
struct Seen {
    measured: Measured,
    window_cpu: Reading<u64>,
    steal: Reading<f64>,
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
        let seen = self.load(scenario, address, server.pid());
        let died = server.has_ended();
        let (counters, killed) = stop_server(&mut server, scenario, &mut trial.usage, died);
        match seen {
            Err(LaunchError::Interrupted) => return Err(Interrupted),
            Err(error) if !died => trial.invalid.push(Invalid::SwarmFailed { detail: error.to_string() }),
            Err(_) => {}
            Ok(seen) => {
                trial.usage.window_cpu_ns = seen.window_cpu;
                trial.usage.steal_share = seen.steal;
                trial.usage.pss_bytes = seen.pss_bytes;
                trial.usage.threads = seen.population.threads;
                trial.usage.processes = seen.population.processes;
                trial.invalid.extend(judge::invalid(&seen.measured, &trial.usage, &scenario.load));
                trial.doubts = judge::doubts(&seen.measured, &trial.usage, &scenario.load, self.cpus);
                trial.measured = Reading::Value(seen.measured);
            }
        }
        match counters {
            Ok(counters) => trial.server = Reading::Value(counters),
            Err(error) => {
                trial.server = Reading::Absent(error.to_string());
                if died {
                    trial.invalid.push(Invalid::ServerDied { detail: error.to_string() });
                }
            }
        }
        if killed && !died {
            trial.doubts.push(bakeoff_reports::record::Doubt::KilledAtStop);
        }
        Ok(trial)
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

    fn load(&self, scenario: &Scenario, target: SocketAddr, server: u32) -> Result<Seen, LaunchError> {
        let shards = self.limits.workers(&scenario.load, self.cpus.swarm.len());
        let spec = scenario.spec(target, self.seed, self.congestion_control);
        let mut squad = Squad::gather(self.launcher, &spec, shards, &self.cpus.swarm)?;
        let window = squad.start()?;
        squad.sleep_until(window.begin)?;
        let before = CpuMark::take(server, &self.cpus.server);
        squad.sleep_until(window.end)?;
        let after = CpuMark::take(server, &self.cpus.server);
        let population = Population::take(server);
        // Reading the memory of a tree takes a while, and its locks. So it waits until the load is over, while the
        // connections are still open; only churn, which leaves none open, is read at the window's end.
        let churn = matches!(scenario.load, Load::Churn { .. });
        let at_end = churn.then(|| usage::pss_bytes(server));
        let measured = squad.collect()?;
        let pss_bytes = at_end.unwrap_or_else(|| usage::pss_bytes(server));
        squad.dismiss();
        Ok(Seen {
            measured,
            window_cpu: before.cpu_until(&after),
            steal: before.steal_until(&after),
            population,
            pss_bytes,
        })
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
