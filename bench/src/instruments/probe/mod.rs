//! Pre-flight metrology: what this machine and this load generator can show at most, measured before anything is compared.
//!
//! The swarm drives a null server, so that its own limits are known; the machine's clock, timers and evenness are measured
//! beside it. What cannot be measured is absent with the reason. It judges nothing: `bakeoff_reports::rules::probe` does.

mod co_run;
pub mod machine;
pub mod null_server;
mod system;

use crate::host::clock::nanoseconds;
use crate::host::topology::CpuPlan;
use crate::host::usage::{Between, Mark};
use crate::process::context::Context;
use crate::process::launch::{Interrupted, LaunchError};
use crate::process::server::{Server, Speaks};
use crate::process::workers::PATIENCE;
use crate::swarm::spec::WorkerSpec;
use crate::workload::load::{DemandShape, Load, RequestShape, Timing};
use crate::workload::scenario::Scenario;
use bakeoff_reports::record::histogram::Recorder;
use bakeoff_reports::record::{Ceiling, Measured, Probe, Reached, Reading, RoundTrip, Scatter};
use bakeoff_servers::services;
use null_server::NullOptions;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Ceilings measured before a run at most, to bound the time it takes.
pub const MOST_CEILINGS: usize = 8;
/// A ceiling is the best of so many goes: a machine that was slow for one of them must not make it too low.
const GOES: u32 = 3;
/// Payload of the floor's requests in bytes.
const FLOOR_PAYLOAD: u32 = 64;

/// How thorough a probe is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// For before a run: about a second and half of one for each ceiling.
    Short,
    /// For a person who looks at the machine: about five times that.
    Long,
}

impl Form {
    fn pick<T>(self, short: T, long: T) -> T {
        match self {
            Self::Short => short,
            Self::Long => long,
        }
    }
}

/// A load whose ceiling is wanted, as full as its clients can make it.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Workloads it stands for.
    pub scenarios: Vec<String>,
    /// Payload of a request in bytes.
    pub payload: u32,
    /// The load: a closed loop without think time, with or without pipelining, or churn.
    pub load: Load,
    /// Why the null server cannot tell the ceiling of these workloads; `None` where it can.
    pub untold: Option<&'static str>,
}

impl Point {
    /// A closed loop.
    pub fn closed(payload: u32, clients: u32) -> Self {
        let load = Load::Closed { clients, think: Duration::ZERO };
        Self { scenarios: Vec::new(), payload, load, untold: None }
    }

    /// The loads of scenarios: the same payload and clients, without think time or schedule, each once.
    pub fn of(scenarios: &[Scenario]) -> Vec<Self> {
        let mut points: Vec<Self> = Vec::new();
        for scenario in scenarios {
            let mut point = Self::closed(scenario.request.size, scenario.load.clients());
            if matches!(scenario.load, Load::Churn { .. } | Load::Pipelined { .. }) {
                point.load = scenario.load.clone();
            }
            point.untold = if !scenario.transport.is_tcp() {
                Some("requests go over UDP, and the null server takes connections")
            } else if scenario.tls.is_some() {
                Some("the workload goes over TLS, which the null server does not speak")
            } else {
                untold(&scenario.service)
            };
            let same = |known: &&mut Self| {
                (known.payload, &known.load, known.untold) == (point.payload, &point.load, point.untold)
            };
            match points.iter_mut().find(same) {
                Some(known) => known.scenarios.push(scenario.name.clone()),
                None => {
                    point.scenarios.push(scenario.name.clone());
                    points.push(point);
                }
            }
        }
        points
    }
}

/// Why the null server, which returns the bytes it reads at once, is no measure of a service; `None` where it is.
fn untold(service: &str) -> Option<&'static str> {
    match services::find(service) {
        Some(entry) if entry.works() => Some("the service works or waits, and the null server does neither"),
        Some(entry) if matches!(entry.name, "echo" | "line") => None,
        _ => {
            Some("the service's replies differ from its requests, and the null server returns what it reads")
        }
    }
}

/// Where and how to probe.
#[derive(Debug)]
pub struct Prober<'a> {
    /// Where servers and workers run.
    pub context: &'a Context,
    /// How thorough.
    pub form: Form,
}

/// The most that other processes took in any of the swarm's trials.
#[derive(Debug, Default)]
struct Disturbance {
    steal: Worst,
    foreign: Worst,
}

/// What was measured with a null server.
struct NullServerResults {
    ping_pong: Reading<RoundTrip>,
    ping_pong_ns: Reading<Scatter>,
    floor: Reading<RoundTrip>,
    ceilings: Vec<Ceiling>,
    disturbed: Disturbance,
}

impl NullServerResults {
    fn nothing(points: &[Point], why: &str) -> Self {
        let unreached = |point| Ceiling { reached: Reading::Absent(why.into()), ..unmeasured(point) };
        Self {
            ping_pong: Reading::Absent(why.into()),
            ping_pong_ns: Reading::Absent(why.into()),
            floor: Reading::Absent(why.into()),
            ceilings: points.iter().map(unreached).collect(),
            disturbed: Disturbance::default(),
        }
    }
}

#[derive(Debug, Default)]
struct Worst(Option<Reading<f64>>);

impl Worst {
    fn add(&mut self, share: Reading<f64>) {
        let worse = match (&self.0, &share) {
            (Some(Reading::Value(known)), Reading::Value(share)) => share > known,
            (Some(Reading::Value(_)), Reading::Absent(_)) => false,
            _ => true,
        };
        if worse {
            self.0 = Some(share);
        }
    }

    fn reading(self) -> Reading<f64> {
        self.0.unwrap_or_else(|| Reading::Absent("the null server could not be loaded".into()))
    }
}

impl Prober<'_> {
    /// Measures everything, with a ceiling for each of `points`.
    ///
    /// # Errors
    /// Only when interrupted; what else goes wrong makes a figure absent.
    pub fn probe(&self, points: &[Point]) -> Result<Probe, Interrupted> {
        let begin = Instant::now();
        let system = system::read(self.context.cpus.all.len());
        let clock_read_ns = machine::clock_read_ns(&self.context.cpus.swarm);
        let timers = machine::timers(&self.context.cpus.swarm, self.form.pick(100, 1_000));
        let fixed_loop_ns = machine::fixed_loop(&self.context.cpus.server, self.form.pick(30, 300));
        let co_run = Some(co_run::co_run(&self.context.cpus));
        let against = self.start_null().map_or_else(
            |error| NullServerResults::nothing(points, &error.to_string()),
            |null| self.against(null, points),
        );
        if self.context.interrupted() {
            return Err(Interrupted);
        }
        Ok(Probe {
            long: self.form == Form::Long,
            took_ns: nanoseconds(begin.elapsed()),
            clock_read_ns,
            timers,
            fixed_loop_ns,
            co_run,
            ping_pong: against.ping_pong,
            ping_pong_ns: against.ping_pong_ns,
            floor: against.floor,
            ceilings: against.ceilings,
            steal_share: against.disturbed.steal.reading(),
            foreign_share: against.disturbed.foreign.reading(),
            system,
        })
    }

    /// Everything that needs a null server, with this one, which is stopped afterwards.
    fn against(&self, null: Server, points: &[Point]) -> NullServerResults {
        let target = null.address;
        let mut disturbed = Disturbance::default();
        let (goes, go) = self.form.pick((5, Duration::from_millis(40)), (10, Duration::from_millis(200)));
        let (ping_pong, ping_pong_ns) =
            machine::ping_pong(&self.context.cpus.swarm, target, self.context.congestion_control(), goes, go);
        let floor = self.floor(&null, &mut disturbed);
        let mut ceilings: Vec<Ceiling> = points.iter().map(unmeasured).collect();
        let most = self.form.pick(MOST_CEILINGS, usize::MAX);
        let told = ceilings.iter_mut().zip(points).filter(|(_, point)| point.untold.is_none());
        for (ceiling, point) in told.take(most) {
            ceiling.reached = self.best(&null, point, &mut disturbed);
        }
        null.stop(PATIENCE);
        NullServerResults { ping_pong, ping_pong_ns, floor, ceilings, disturbed }
    }

    fn start_null(&self) -> Result<Server, LaunchError> {
        let options = NullOptions {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            congestion_control: self.context.congestion_control().map(str::to_string),
            cpu: self.context.cpus.server.first().copied(),
        };
        Server::start(&self.context.launcher, "null server", options.arguments(), Speaks::Nothing)
    }

    /// The response time with a single client.
    fn floor(&self, null: &Server, disturbed: &mut Disturbance) -> Reading<RoundTrip> {
        let mut trip = || {
            let point = Point::closed(FLOOR_PAYLOAD, 1);
            let (measured, _) = self.drive(null, &point, disturbed).map_err(|e| e.to_string())?;
            let times = Recorder::decode(&measured.response).map_err(|e| e.to_string())?;
            if times.count() == 0 {
                return Err("the null server answered nothing".to_string());
            }
            let at = |share| times.histogram().value_at_quantile(share);
            Ok(RoundTrip { p50_ns: at(0.5), p99_ns: at(0.99), samples: times.count() })
        };
        reading(trip())
    }

    /// The best of several goes; the reason of the last when none reached anything.
    fn best(&self, null: &Server, point: &Point, disturbed: &mut Disturbance) -> Reading<Reached> {
        let goes = (0..GOES).map(|_| self.reached(null, point, disturbed));
        let better = |best: Reading<Reached>, go: Reading<Reached>| match (&best, &go) {
            (Reading::Value(best_yet), Reading::Value(next)) if best_yet.rate_per_s >= next.rate_per_s => {
                best
            }
            (Reading::Value(_), Reading::Absent(_)) => best,
            _ => go,
        };
        goes.reduce(better).unwrap_or_else(|| Reading::Absent("no go was made".into()))
    }

    /// The rate with all the clients of a point, in one go.
    fn reached(&self, null: &Server, point: &Point, disturbed: &mut Disturbance) -> Reading<Reached> {
        if self.context.interrupted() {
            return Reading::Absent("interrupted".into());
        }
        let clients = u64::from(point.load.clients());
        if self
            .context
            .limits
            .descriptors
            .is_some_and(|allowed| allowed < clients + crate::host::preflight::SPARE_DESCRIPTORS)
        {
            return Reading::Absent(format!(
                "{clients} clients need more descriptors than one process may open"
            ));
        }
        let (measured, between) = match self.drive(null, point, disturbed) {
            Ok(driven) => driven,
            Err(error) => return Reading::Absent(error.to_string()),
        };
        if measured.completed_in_window == 0 {
            return Reading::Absent("the null server answered nothing".into());
        }
        let window_ns = measured.window_ns as f64;
        let workers = self.context.cpus.swarm.len().min(measured.swarm_workers as usize).max(1);
        Reading::Value(Reached {
            rate_per_s: measured.completed_in_window as f64 * 1e9 / window_ns,
            swarm_share: measured.swarm_cpu_ns as f64 / (window_ns * workers as f64),
            server_share: match between.tree_cpu_ns {
                Reading::Value(ns) => Reading::Value(ns as f64 / window_ns),
                Reading::Absent(why) => Reading::Absent(why),
            },
        })
    }

    /// Loads the null server, and notes what other processes took meanwhile.
    fn drive(
        &self,
        null: &Server,
        point: &Point,
        disturbed: &mut Disturbance,
    ) -> Result<(Measured, Between), LaunchError> {
        let spec = self.spec(null.address, point);
        let mut workers = self.context.spawn_workers(&spec)?;
        let window = workers.start()?;
        let pinned: Vec<u32> =
            self.context.cpus.server.iter().take(1).chain(&self.context.cpus.swarm).copied().collect();
        workers.sleep_until(window.begin)?;
        let before = Mark::take(null.pid(), &pinned);
        workers.sleep_until(window.end)?;
        let after = Mark::take(null.pid(), &pinned);
        let measured = workers.collect()?;
        workers.shutdown();
        let between = before.until(&after, spec.timing.window, measured.swarm_cpu_ns);
        disturbed.steal.add(between.steal_share.clone());
        disturbed.foreign.add(between.foreign_share.clone());
        Ok((measured, between))
    }

    fn spec(&self, target: SocketAddr, point: &Point) -> WorkerSpec {
        let (warmup, window) = self.form.pick((30, 100), (200, 800));
        let request = RequestShape::new(point.payload, DemandShape::None);
        let timing = Timing {
            warmup: Duration::from_millis(warmup),
            window: Duration::from_millis(window),
            timeout: Duration::from_secs(2),
            drain: Duration::from_millis(200),
        };
        WorkerSpec {
            slices: 1,
            congestion_control: self.context.congestion_control().map(str::to_string),
            ..WorkerSpec::new(target, "echo", point.load.clone(), request, timing)
        }
    }
}

fn unmeasured(point: &Point) -> Ceiling {
    Ceiling {
        scenarios: point.scenarios.clone(),
        payload_bytes: point.payload.into(),
        clients: point.load.clients().into(),
        requests_per_connection: match point.load {
            Load::Churn { requests_per_connection, .. } => Some(requests_per_connection),
            Load::Closed { .. } | Load::Pipelined { .. } | Load::Open { .. } => None,
        },
        in_flight_per_connection: point.load.in_flight_per_connection(),
        reached: Reading::Absent(point.untold.map_or_else(
            || format!("a run measures the first {MOST_CEILINGS} ceilings only"),
            str::to_string,
        )),
    }
}

fn reading<T>(result: Result<T, String>) -> Reading<T> {
    result.map_or_else(Reading::Absent, Reading::Value)
}

/// The machine's speed now: the time of a fixed piece of work on a CPU of the server, then on one of the swarm, in nanoseconds, of the
/// slower one. One after the other, because two CPUs may be threads of one core.
pub fn speed(cpus: &CpuPlan) -> Reading<f64> {
    let first = |cpus: &[u32]| machine::loop_ns(cpus.get(..1).unwrap_or(&[]));
    match (first(&cpus.server), first(&cpus.swarm)) {
        (Reading::Value(server), Reading::Value(swarm)) => Reading::Value(server.max(swarm)),
        (Reading::Absent(why), _) | (_, Reading::Absent(why)) => Reading::Absent(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenarios_of_one_load_share_a_ceiling_and_churn_has_its_own() {
        let scenarios: Vec<Scenario> = ["small-echo-closed", "small-echo-open", "churn", "large-echo"]
            .iter()
            .map(|name| Scenario::built_in(name).expect("built in"))
            .collect();
        let points = Point::of(&scenarios);
        let named = |name: &str| points.iter().filter(|p| p.scenarios.iter().any(|s| s == name)).count();
        assert!(scenarios.iter().all(|scenario| named(&scenario.name) == 1), "{points:?}");
        assert!(points.iter().any(|point| matches!(point.load, Load::Churn { .. })), "{points:?}");
        assert!(points.iter().all(|point| !matches!(point.load, Load::Open { .. })), "{points:?}");
        let mut twice = scenarios[0].clone();
        twice.name = "again".into();
        assert_eq!(Point::of(&[scenarios[0].clone(), twice]).len(), 1);
    }

    #[test]
    fn a_service_that_is_no_echo_has_no_ceiling_and_says_why() {
        let scenarios = ["small-echo-closed", "wait", "compute-bimodal"]
            .map(|name| Scenario::built_in(name).expect("built in"));
        let points = Point::of(&scenarios);
        let of =
            |name: &str| points.iter().find(|p| p.scenarios.iter().any(|s| s == name)).expect("one each");
        assert_eq!(of("small-echo-closed").untold, None);
        for name in ["wait", "compute-bimodal"] {
            let Reading::Absent(why) = unmeasured(of(name)).reached else { panic!("{name}") };
            assert!(why.contains("works or waits"), "{why}");
        }
        assert!(untold("http").is_some_and(|why| why.contains("replies")) && untold("line").is_none());
    }

    #[test]
    fn the_worst_disturbance_counts_and_a_value_outweighs_an_absence() {
        let mut worst = Worst::default();
        for share in [Reading::Absent("no".to_string()), Reading::Value(0.1), Reading::Value(0.05)] {
            worst.add(share);
        }
        worst.add(Reading::Absent("later".into()));
        assert_eq!(worst.reading(), Reading::Value(0.1));
        assert!(matches!(Worst::default().reading(), Reading::Absent(_)));
    }
}
