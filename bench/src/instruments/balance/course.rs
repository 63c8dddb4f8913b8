//! One trial: servers, what stands before them, one load; the first server killed under it and started again.

use super::Front;
use super::balancer::{Balancer, Installed};
use super::configuration::Backend;
use super::seats::Seat;
use crate::host::clock::{monotonic_ns, nanoseconds};
use crate::process::context::Context;
use crate::process::launch::LaunchError;
use crate::process::program::arguments_to_become;
use crate::process::server::{Server, Speaks};
use crate::process::serving::{ServeOptions, TELL_FIRST_REPLY};
use crate::process::workers::{Window, Workers};
use crate::swarm::spec::WorkerSpec;
use crate::trial::judge;
use crate::workload::load::{Arrivals, DemandShape, Load, RateShape, RequestShape, Timing};
use crate::workload::server::{DEFAULT_BACKLOG, ServerSettings};
use bakeoff_reports::record::balance::{BalanceSetup, BalanceTrial, BalancerRecord, Kill, ServerRecord};
use bakeoff_reports::record::{Doubt, Measured, Reading, Usage};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

/// What is asked: every model serves it, and it is what balancers speak.
const SERVICE: &str = "http";
/// The length of a slice that a window of usual length is cut into.
const SLICE: Duration = Duration::from_millis(20);
/// Fewer and more slices than this are not made: the first would say little, the second is what a record holds.
const SLICES: (u64, u64) = (100, 1_000);

/// Makes one trial, also one that fails: why is then in the record.
///
/// # Errors
/// Only when interrupted.
pub fn take(
    context: &Context,
    setup: &BalanceSetup,
    front: Front<'_>,
    model: &str,
) -> Result<BalanceTrial, LaunchError> {
    let mut trial = BalanceTrial {
        balancer: None,
        model: model.into(),
        measured: Reading::Absent("the trial failed".into()),
        servers: Vec::new(),
        kill: None,
        ended_early: Vec::new(),
        doubts: Vec::new(),
    };
    let course = Course { context, setup, front, model };
    trial.measured = match course.run(&mut trial) {
        Err(_) if context.interrupted() => return Err(LaunchError::Interrupted),
        Err(error) => Reading::Absent(error.to_string()),
        Ok(measured) => Reading::Value(measured),
    };
    Ok(trial)
}

/// What a trial is made of.
struct Course<'a> {
    context: &'a Context,
    setup: &'a BalanceSetup,
    front: Front<'a>,
    model: &'a str,
}

impl Course<'_> {
    fn run(&self, trial: &mut BalanceTrial) -> Result<Measured, LaunchError> {
        let direct = self.front.installed.balancer == Balancer::Direct;
        let count = if direct { 1 } else { self.setup.servers };
        let ip = self.context.address.ip();
        let seats: Vec<Seat> =
            (0..count).map(|_| Seat::reserve(ip)).collect::<Result<_, _>>().map_err(|error| {
                LaunchError::Refused(format!("taking a port on {ip} for a server failed: {error}"))
            })?;
        let addresses: Vec<SocketAddr> = seats.iter().map(|seat| seat.address).collect();
        let start = |address: &SocketAddr| self.start_server(*address, &[]).map(Some);
        let mut servers: Vec<Option<Server>> = addresses.iter().map(start).collect::<Result<_, _>>()?;
        let folder = tempfile::tempdir().map_err(|e| {
            LaunchError::Refused(format!("making a folder for the balancer's files failed: {e}"))
        })?;
        let mut balancer = match direct {
            true => None,
            false => Some(self.start_balancer(&addresses, folder.path(), trial)?),
        };
        let target = balancer.as_ref().map_or(addresses[0], |balancer| balancer.address);
        let measured = self.load(target, addresses[0], &mut servers, trial);
        // The balancer first: servers count what connections carried when these close.
        if let Some(mut balancer) = balancer.take() {
            let died = balancer.has_ended();
            let stopped = balancer.stop(Duration::ZERO);
            trial.ended_early.extend(died.then(|| stopped.early_end()));
        }
        let mut first_replies = Vec::new();
        for (address, server) in addresses.iter().zip(servers) {
            let (requests, first_reply_ns) = self.stop_server(server, trial);
            trial.servers.push(ServerRecord { address: address.to_string(), requests });
            first_replies.push(first_reply_ns);
        }
        let (measured, begin_ns) = measured?;
        if let Some(kill) = trial.kill.as_mut().filter(|kill| kill.back_ns.value().is_some()) {
            kill.first_reply_ns = match first_replies[0] {
                Some(at_ns) => Reading::Value(at_ns.saturating_sub(begin_ns)),
                None => Reading::Absent("no request reached it before the end".into()),
            };
        }
        Ok(measured)
    }

    /// Starts a server of the model and gives it the word to go.
    fn start_server(&self, address: SocketAddr, more: &[&str]) -> Result<Server, LaunchError> {
        let config = ServerSettings::default().config(self.context.cpus.server.len());
        let serve = self.context.serve_options(SERVICE, DEFAULT_BACKLOG, config);
        let mut server =
            self.context.model(self.model).start_with(&ServeOptions { address, ..serve }, more)?;
        server.go()?;
        Ok(server)
    }

    /// Starts the balancer, and waits until it listens.
    fn start_balancer(
        &self,
        servers: &[SocketAddr],
        folder: &Path,
        trial: &mut BalanceTrial,
    ) -> Result<Server, LaunchError> {
        let Front { installed, policy } = self.front;
        let Installed { balancer, version, .. } = installed;
        let name = balancer.name();
        let command = installed.command(servers, folder).map_err(LaunchError::Refused)?;
        let config = ServerSettings::default().config(self.context.cpus.server.len());
        let options = self.context.serve_options(SERVICE, DEFAULT_BACKLOG, config);
        let arguments = arguments_to_become(&command, &options);
        let launcher = &self.context.launcher;
        let mut child = Server::start(launcher, &format!("balancer {name}"), arguments, Speaks::Nothing)?;
        let (address, clients) = (child.address, self.setup.clients);
        let retries = self.setup.retries;
        let backend = policy.map(|policy| Backend { address, servers, policy, retries, clients, folder });
        let configuration = backend.and_then(|backend| installed.configuration(&backend));
        if let Some(text) = &configuration {
            let file = folder.join(format!("{}.conf", address.port()));
            fs::write(&file, text)
                .map_err(|e| LaunchError::Refused(format!("writing {} failed: {e}", file.display())))?;
        }
        trial.balancer = Some(BalancerRecord {
            name: name.into(),
            version: version.clone(),
            policy,
            configuration: configuration.unwrap_or(command.text),
        });
        match child.go() {
            Ok(()) => Ok(child),
            Err(error) => Err(child.explained(error)),
        }
    }

    /// Loads what stands at `target`, and kills the first server meanwhile and brings it back where that was asked for. Says also when
    /// the window began, as CLOCK_MONOTONIC showed.
    fn load(
        &self,
        target: SocketAddr,
        first: SocketAddr,
        servers: &mut [Option<Server>],
        trial: &mut BalanceTrial,
    ) -> Result<(Measured, u64), LaunchError> {
        let spec = self.spec(target);
        let mut workers = self.context.spawn_workers(&spec)?;
        let connected = workers.connected();
        let window = workers.start()?;
        if let Some(at_ns) = self.setup.kill_at_ns {
            let server = servers.first_mut().expect("there is one at least");
            trial.kill = Some(self.kill(at_ns, first, server, &workers, window)?);
        }
        workers.sleep_until(window.end)?;
        let begin_ns = monotonic_ns().saturating_sub(nanoseconds(window.begin.elapsed()));
        let measured = workers.collect()?;
        workers.shutdown();
        trial.doubts = doubts(&measured, &spec.load, self.context, connected);
        Ok((measured, begin_ns))
    }

    fn spec(&self, target: SocketAddr) -> WorkerSpec {
        let BalanceSetup { rate_per_s, clients, window_ns, timeout_ns, seed, .. } = *self.setup;
        let load = Load::Open { clients, rate_per_s, arrivals: Arrivals::Poisson, shape: RateShape::Steady };
        let [window, warmup, timeout] =
            [window_ns, self.setup.warmup_ns, timeout_ns].map(Duration::from_nanos);
        let timing = Timing { warmup, window, timeout, drain: timeout };
        let request = RequestShape::new(self.setup.reply_bytes, DemandShape::None);
        let slices = (window_ns / nanoseconds(SLICE)).clamp(SLICES.0, SLICES.1) as u32;
        let congestion_control = self.context.congestion_control().map(str::to_string);
        WorkerSpec {
            seed,
            slices,
            congestion_control,
            ..WorkerSpec::new(target, SERVICE, load, request, timing)
        }
    }

    /// Kills a server by SIGKILL, and starts it again on the same port.
    fn kill(
        &self,
        at_ns: u64,
        address: SocketAddr,
        server: &mut Option<Server>,
        workers: &Workers,
        window: Window,
    ) -> Result<Kill, LaunchError> {
        let since_begin = || nanoseconds(window.begin.elapsed());
        workers.sleep_until(window.begin + Duration::from_nanos(at_ns))?;
        // Before it, so that the time from it is never too short. Dropping a server sends SIGKILL to its process group.
        let killed_ns = since_begin();
        drop(server.take());
        let absent = |why: &str| Reading::Absent(why.into());
        let Some(back_at_ns) = self.setup.back_at_ns else {
            let (back_ns, first_reply_ns) =
                (absent("it was not to come back"), absent("it was not to come back"));
            return Ok(Kill { killed_ns, back_ns, first_reply_ns });
        };
        workers.sleep_until(window.begin + Duration::from_nanos(back_at_ns))?;
        let back_ns = match self.start_server(address, &[TELL_FIRST_REPLY]) {
            Ok(started) => {
                *server = Some(started);
                Reading::Value(since_begin())
            }
            Err(LaunchError::Interrupted) => return Err(LaunchError::Interrupted),
            Err(error) => Reading::Absent(error.to_string()),
        };
        Ok(Kill { killed_ns, back_ns, first_reply_ns: absent("it did not come back") })
    }

    /// Stops a server, and says how many requests it counted, and when it made its first reply where it was to say so.
    fn stop_server(&self, server: Option<Server>, trial: &mut BalanceTrial) -> (Reading<u64>, Option<u64>) {
        let Some(mut server) = server else { return (Reading::Absent("it was killed".into()), None) };
        let died = server.has_ended();
        let stopped = server.stop(ServerSettings::default().config(1).stop_deadline);
        trial.ended_early.extend(died.then(|| stopped.early_end()));
        let requests = match stopped.counters {
            Ok(counters) => Reading::Value(counters.requests),
            Err(error) => Reading::Absent(error.to_string()),
        };
        (requests, stopped.first_reply_ns)
    }
}

/// Reasons for caution. That requests failed, or that a window with a kill in it is not steady, is what is asked.
fn doubts(measured: &Measured, load: &Load, context: &Context, connected: u64) -> Vec<Doubt> {
    let usage = Usage::absent("servers and balancer together were not watched");
    let mut doubts = judge::doubts(measured, &usage, load, &context.cpus);
    doubts.retain(|doubt| !matches!(doubt, Doubt::Unanswered { .. } | Doubt::Unsteady { .. }));
    let clients = load.clients().into();
    if connected < clients {
        doubts.push(Doubt::PartlyConnected { connected, clients });
    }
    doubts
}
