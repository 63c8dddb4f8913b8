//! What everything that an invocation starts has in common: who starts it, on which CPUs, within which limits, on which address.

use super::launch::{LaunchError, Launcher};
use super::program::Program;
use super::serving::ServeOptions;
use super::workers::Workers;
use crate::host::environment;
use crate::host::preflight::{self, Limits};
use crate::host::topology::{CpuPlan, Topology};
use crate::swarm::spec::WorkerSpec;
use crate::workload::contestant::{Contestant, NamedCommand};
use crate::workload::scenario::Scenario;
use bakeoff_reports::record::{Reading, Transport};
use bakeoff_servers::ServerConfig;
use rustix::net::sockopt;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};

/// The surroundings of every server and every worker.
#[derive(Clone, Debug)]
pub struct Context {
    /// Starts children, and ends all waiting when a signal comes.
    pub launcher: Launcher,
    /// Who runs where.
    pub cpus: CpuPlan,
    /// The same where a scenario says how many CPUs its servers get, by this number. Each is made once, before the first trial that
    /// needs it, since a machine is read from hundreds of files.
    by_count: Arc<Mutex<BTreeMap<u32, CpuPlan>>>,
    /// What the system allows.
    pub limits: Limits,
    /// Congestion control of every socket; absent where it is the system's own.
    pub congestion_control: Reading<String>,
    /// Where servers listen; port 0 for a free one each time.
    pub address: SocketAddr,
    /// Real nanoseconds that a nominal microsecond of computing takes, alone on a server CPU.
    pub compute_ns_per_nominal_us: Reading<f64>,
}

impl Context {
    /// Of this machine, with its CPUs divided so. Raises the limit on descriptors of this process and its children as far as it
    /// goes.
    pub fn new(launcher: Launcher, address: SocketAddr, cpus: CpuPlan) -> Self {
        preflight::raise_descriptor_limit();
        Self {
            launcher,
            compute_ns_per_nominal_us: environment::compute_speed(&cpus.server),
            cpus,
            by_count: Arc::default(),
            limits: Limits::of_this_system(),
            congestion_control: choose_congestion_control(),
            address,
        }
    }

    /// The same for servers on loopback, each on a port of its own, with the CPUs that nobody chose otherwise.
    pub fn on_loopback(launcher: Launcher) -> Self {
        Self::new(launcher, SocketAddr::from(([127, 0, 0, 1], 0)), CpuPlan::of_this_machine())
    }

    /// Who runs where under a scenario: as everywhere, unless it says how many CPUs its servers get. The swarm keeps its own, so
    /// that it can do the same under all of them.
    ///
    /// # Errors
    /// When there are not as many.
    pub fn cpus_for(&self, scenario: &Scenario) -> Result<CpuPlan, String> {
        let Some(count) = scenario.server.cpus else { return Ok(self.cpus.clone()) };
        let mut found = self.by_count.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(plan) = found.get(&count) {
            return Ok(plan.clone());
        }
        let plan = self.cpus.with_servers_on(count, Topology::of_this_machine());
        let plan = plan.map_err(|why| format!("scenario `{}`: {why}", scenario.name))?;
        found.insert(count, plan.clone());
        Ok(plan)
    }

    /// These surroundings as a scenario has them.
    ///
    /// # Errors
    /// As [`Self::cpus_for`].
    pub fn under(&self, scenario: &Scenario) -> Result<Cow<'_, Self>, String> {
        Ok(match scenario.server.cpus {
            None => Cow::Borrowed(self),
            Some(_) => {
                Cow::Owned(Self { cpus: self.cpus_for(scenario)?, by_count: Arc::default(), ..self.clone() })
            }
        })
    }

    /// How many CPUs the servers of a scenario get.
    pub fn server_cpus(&self, scenario: &Scenario) -> usize {
        scenario.server.cpus.map_or(self.cpus.server.len(), |count| count as usize)
    }

    /// The congestion control to ask for; `None` leaves the system's.
    pub fn congestion_control(&self) -> Option<&str> {
        self.congestion_control.value().map(String::as_str)
    }

    /// Whether the tool was asked to end.
    pub fn interrupted(&self) -> bool {
        self.launcher.interrupt.is_set()
    }

    /// A model of this program.
    pub fn model<'a>(&'a self, model: &'a str) -> Program<'a> {
        Program::Model { launcher: &self.launcher, model, tax_ns: 0 }
    }

    /// What serves for a contestant.
    pub fn program<'a>(&'a self, contestant: &'a Contestant) -> Program<'a> {
        match contestant {
            Contestant::Model(tuned) => self.model(tuned.name()),
            Contestant::Command(NamedCommand { name, command }) => {
                Program::Command { launcher: &self.launcher, name, command }
            }
        }
    }

    /// How a server is to serve a service here.
    pub fn serve_options(&self, service: &str, backlog: u32, config: ServerConfig) -> ServeOptions {
        ServeOptions {
            service: service.into(),
            transport: Transport::Tcp,
            address: self.address,
            backlog,
            congestion_control: self.congestion_control().map(str::to_string),
            cpus: self.cpus.server.clone(),
            tls: false,
            config,
        }
    }

    /// What a demand is multiplied by so that it takes the time stated on this machine: where it is one of computing, and
    /// nominal time could be timed.
    pub fn calibration(&self, scenario: &Scenario) -> Option<f64> {
        let nominal = *self.compute_ns_per_nominal_us.value()?;
        scenario.computes().then(|| 1_000.0 / nominal)
    }

    /// Starts as many workers as a load needs here, each connected when this returns.
    ///
    /// # Errors
    /// When the load needs too many, or a worker cannot start or connect, with its words.
    pub fn spawn_workers(&self, spec: &WorkerSpec) -> Result<Workers, LaunchError> {
        // Of a chat one worker must know all that is said.
        let cpus = if spec.audience.is_some() { 1 } else { self.cpus.swarm.len() };
        let shards = self.limits.workers(spec.load.clients(), spec.background.total(), cpus);
        Workers::spawn(&self.launcher, spec, shards.map_err(LaunchError::Refused)?, &self.cpus.swarm)
    }
}

/// Cubic where a user may ask for it, so that runs on differently configured machines compare; else the system's own.
pub fn choose_congestion_control() -> Reading<String> {
    const WANTED: &str = "cubic";
    // Asked of a socket, because what a user may have is less than what there is.
    let socket = TcpListener::bind("127.0.0.1:0").map_err(|e| e.to_string());
    match socket.and_then(|s| sockopt::set_tcp_congestion(&s, WANTED).map_err(|e| e.to_string())) {
        Ok(()) => Reading::Value(WANTED.into()),
        Err(why) => Reading::Absent(format!("{WANTED} is unavailable ({why}); the system's default is used")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::launch::Interrupt;

    #[test]
    fn the_machine_is_read_once_for_each_number_of_cpus() {
        let launcher = Launcher { program: "/bin/sh".into(), interrupt: Interrupt::default() };
        let context = Context::on_loopback(launcher);
        let mut scenario = Scenario::built_in("churn").expect("built in");
        assert_eq!(context.cpus_for(&scenario), Ok(context.cpus.clone()));
        scenario.server.cpus = Some(1);
        let read = context.cpus_for(&scenario).expect("one CPU");
        assert_eq!(context.by_count.lock().expect("whole").get(&1), Some(&read));
        // No machine has it, so it can only come from what is known already, in copies of the surroundings too.
        let known = CpuPlan::as_given(vec![9_000], vec![9_001]);
        context.by_count.lock().expect("whole").insert(1, known.clone());
        assert_eq!(context.clone().under(&scenario).map(|one| one.cpus.clone()), Ok(known));
    }
}
