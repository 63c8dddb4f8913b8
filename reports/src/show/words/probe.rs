//! The probe in words: as facts, and as a line for a summary. What is absent is said with its reason.

use crate::record::{Ceiling, CoRun, Probe, Reading, RoundTrip, Scatter};
use crate::rules::probe::{
    Advice, BACKLOG_NOTED, CLOCK_UNFIT_NS, FOREIGN_UNFIT, LOOP_UNFIT_RANGE, Limit, NoCeiling, STEAL_UNFIT,
    TIMER_UNFIT_NS, Unfit,
};
use crate::show::units;

impl Limit {
    /// A sign to put beside a figure, and what it means.
    pub fn sign(self) -> (&'static str, &'static str) {
        match self {
            Self::Ceiling => ("▲", "at the generator's limit"),
            Self::Floor => ("▼", "at the generator's floor"),
        }
    }
}

/// Every figure of the probe, as name and text.
pub(crate) fn facts(probe: &Probe) -> Vec<(String, String)> {
    let mut facts = vec![
        ("floor of latency".to_owned(), or_why(&probe.floor, trip) + ", swarm with the null server"),
        ("bare ping-pong".to_owned(), or_why(&probe.ping_pong, trip)),
    ];
    let ceilings = probe.ceilings.iter().map(|one| format!("{}: {}", name(one), reached(one)));
    facts.extend(ceilings.map(|text| ("ceiling of rate".to_owned(), text)));
    facts.push(("clock read".to_owned(), or_why(&probe.clock_read_ns, |ns| units::time(*ns))));
    match &probe.timers {
        Reading::Absent(why) => facts.push(("timers".to_owned(), format!("absent: {why}"))),
        Reading::Value(timers) => facts.extend(timers.iter().map(|timer| {
            let late = |ns: u64| units::time(ns as f64);
            (
                format!("sleep of {}", units::time(timer.asked_ns as f64)),
                format!("{} late at p50, {} at p99", late(timer.p50_ns), late(timer.p99_ns)),
            )
        })),
    }
    let steady = |what: &'static str| move |one: &Scatter| format!("{}: how steady {what} is", scatter(one));
    facts.push(("fixed loop".to_owned(), or_why(&probe.fixed_loop_ns, steady("the CPU"))));
    if let Some(reading) = &probe.co_run {
        facts.push(("co-run".to_owned(), or_why(reading, co_run)));
    }
    facts.push(("ping-pong p50".to_owned(), or_why(&probe.ping_pong_ns, steady("a wake-up"))));
    let share = |share: &f64| format!("at most {} of the pinned CPUs", units::share(share.max(0.0)));
    facts.push(("other programs".to_owned(), or_why(&probe.foreign_share, share)));
    facts.push(("hypervisor".to_owned(), or_why(&probe.steal_share, share)));
    facts.extend(system(probe));
    facts
}

fn system(probe: &Probe) -> Vec<(String, String)> {
    let system = &probe.system;
    let count = |value: &u64| units::grouped(*value);
    let on = |on: &bool| if *on { "on" } else { "off" }.to_owned();
    [
        ("CPUs", count(&system.cpus)),
        ("CPU quota", or_why(&system.quota_cpus, |cpus| format!("{cpus:.2} CPUs"))),
        ("tasks running", or_why(&system.running_tasks, count)),
        ("frequency governor", or_why(&system.governor, String::clone)),
        ("turbo", or_why(&system.turbo, on)),
        ("hardware threads", or_why(&system.smt, on)),
        ("descriptors", or_why(&system.descriptors, |n| format!("{} a process", units::grouped(*n)))),
        ("processes", or_why(&system.processes, |n| format!("{} more", units::grouped(*n)))),
        ("memory mappings", or_why(&system.mappings, |n| format!("{} a process", units::grouped(*n)))),
        ("locked memory", or_why(&system.locked_bytes, |n| units::bytes(*n as f64))),
        ("outgoing ports", or_why(&system.local_ports, count)),
        ("listen backlog", or_why(&system.somaxconn, |n| format!("{} at most", units::grouped(*n)))),
        ("half-open backlog", or_why(&system.syn_backlog, count)),
        (
            "default congestion",
            or_why(&system.congestion_control, |name| format!("{name}, for sockets that ask for none")),
        ),
        ("perf_event_paranoid", or_why(&system.perf_event_paranoid, i64::to_string)),
        ("tracefs", or_why(&system.tracefs, String::clone)),
    ]
    .map(|(name, text)| (name.to_owned(), text))
    .to_vec()
}

/// The limits in one sentence, for a summary.
pub(crate) fn brief(probe: &Reading<Probe>) -> String {
    let probe = match probe {
        Reading::Absent(why) => return format!("Limits of the generator: not measured, {why}."),
        Reading::Value(probe) => probe,
    };
    let best = probe.ceilings.iter().filter_map(|one| {
        Some((one, one.reached.value().filter(|reached| reached.is_ceiling())?.rate_per_s))
    });
    let best = best.max_by(|a, b| a.1.total_cmp(&b.1));
    let best = best.map_or_else(
        || "no ceiling of rate is known".to_owned(),
        |(one, rate)| format!("a rate of {} ({})", units::rate(rate), name(one)),
    );
    let floor = or_why(&probe.floor, trip);
    format!("Limits of the generator, against a null server: response time {floor} at least; {best}.")
}

fn or_why<T>(reading: &Reading<T>, show: impl Fn(&T) -> String) -> String {
    match reading {
        Reading::Value(value) => show(value),
        Reading::Absent(why) => format!("absent: {why}"),
    }
}

fn trip(trip: &RoundTrip) -> String {
    format!("p50 {}, p99 {}", units::time(trip.p50_ns as f64), units::time(trip.p99_ns as f64))
}

fn scatter(scatter: &Scatter) -> String {
    format!(
        "{}, varies by {}, {} from p10 to p90 of {} goes",
        units::time(scatter.median),
        units::share(scatter.variation),
        units::factor(scatter.range),
        scatter.goes
    )
}

fn co_run(one: &CoRun) -> String {
    format!(
        "the fixed loop takes {} as long on {} with the swarm's {} busy",
        units::factor(one.slowdown()),
        units::cpus(&[one.server_cpu]),
        units::cpus(&one.swarm_cpus)
    )
}

/// The load of a ceiling in a few words.
fn name(ceiling: &Ceiling) -> String {
    let payload = units::bytes(ceiling.payload_bytes as f64);
    let clients = units::plural(ceiling.clients, "client");
    match (ceiling.requests_per_connection, ceiling.in_flight_per_connection) {
        (None, 1) => format!("{payload}, {clients}"),
        (None, depth) => format!("{payload}, {clients}, {depth} at once"),
        (Some(requests), _) => format!("{payload}, {clients}, {requests} a connection"),
    }
}

fn reached(ceiling: &Ceiling) -> String {
    or_why(&ceiling.reached, |reached| {
        let server = or_why(&reached.server_share, |share| units::share(*share));
        let limit = if reached.is_ceiling() { "" } else { "; no ceiling: the null server was the limit" };
        format!(
            "{} (CPU: swarm {}, null server {server}){limit}",
            units::rate(reached.rate_per_s),
            units::share(reached.swarm_share)
        )
    })
}

impl NoCeiling {
    /// Why, as the end of a sentence.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::NotMeasured => "it was not measured".to_owned(),
            Self::Absent(why) => why.clone(),
            Self::NullServer => "the null server was the limit, not the generator".to_owned(),
        }
    }
}

impl Unfit {
    /// Why, as the end of a sentence.
    pub fn words(&self) -> String {
        let (share, time) = (units::share, units::time);
        match self {
            Self::NoNullServer(why) => format!("the null server could not be measured: {why}"),
            Self::Foreign(part) => {
                format!(
                    "other programs used {} of the pinned CPUs (limit {})",
                    share(*part),
                    share(FOREIGN_UNFIT)
                )
            }
            Self::Steal(part) => {
                format!(
                    "the hypervisor took {} of the pinned CPUs (limit {})",
                    share(*part),
                    share(STEAL_UNFIT)
                )
            }
            Self::Clock(ns) => {
                format!("reading the clock takes {} (limit {})", time(*ns), time(CLOCK_UNFIT_NS))
            }
            Self::Timers(ns) => {
                format!(
                    "sleeps typically end {} late (limit {})",
                    time(*ns as f64),
                    time(TIMER_UNFIT_NS as f64)
                )
            }
            Self::Unsteady(range) => format!(
                "the same work took {} as long from one run to the next (limit {})",
                units::factor(*range),
                units::factor(LOOP_UNFIT_RANGE)
            ),
        }
    }
}

impl Advice {
    /// What was found and what to do, in a sentence.
    pub(crate) fn sentence(&self) -> String {
        let (share, time, grouped) = (units::share, units::time, units::grouped);
        match self {
            Self::Foreign(part) => format!(
                "Other programs used up to {} of the pinned CPUs: stop them, or keep them off with a cpuset.",
                share(*part)
            ),
            Self::Steal(part) => format!(
                "The hypervisor took up to {} of the pinned CPUs: use a machine with dedicated CPUs, or another hour.",
                share(*part)
            ),
            Self::Unsteady(range) => format!(
                "The same work took {} as long in slow runs as in fast ones: compare within rounds only, and run more of them.",
                units::factor(*range)
            ),
            Self::CoRun(factor) => format!(
                "The same work took {} as long on a server CPU while the swarm's CPUs were busy: they share a core, a cache or a \
                 power budget, or the hypervisor has fewer CPUs than it shows. Choose others with --server-cpus and --swarm-cpus.",
                units::factor(*factor)
            ),
            Self::OneCpu => {
                "One CPU for server and swarm: each waits for the other. Use two at least.".to_owned()
            }
            Self::TwoCpus => {
                "Two CPUs, one to serve and one to load: nothing can be said of how a model scales over \
                              cores. Use four or more for that."
                    .to_owned()
            }
            Self::Quota { granted, cpus } => format!(
                "The control group grants {granted:.2} of {cpus} CPUs and stops everybody when they are used up: lift the \
                 quota."
            ),
            Self::Governor(governor) => format!(
                "The frequency governor is `{governor}`: choose performance (`cpupower frequency-set -g performance`)."
            ),
            Self::Turbo => {
                "Turbo is on, so the frequency depends on heat and on other CPUs: turn it off for long runs."
                    .to_owned()
            }
            Self::HardwareThreads => {
                "Hardware threads share cores, so other programs may run on a server's core: turn them off for long runs (`echo \
                 off > /sys/devices/system/cpu/smt/control`)."
                    .to_owned()
            }
            Self::Clock(ns) => format!(
                "Reading the clock takes {}: a clock source that the vDSO can read (tsc) takes a tenth of that.",
                time(*ns)
            ),
            Self::Timers(timer) => format!(
                "A sleep of {} ended up to {} late (p99): expect lag of the generator where it sleeps between requests.",
                time(timer.asked_ns as f64),
                time(timer.p99_ns as f64)
            ),
            Self::Descriptors(allowed) => format!(
                "A process may open {} descriptors: raise the hard limit (`ulimit -Hn`) for more connections than that.",
                grouped(*allowed)
            ),
            Self::Ports(ports) => format!(
                "Outgoing connections have {} ports: widen net.ipv4.ip_local_port_range.",
                grouped(*ports)
            ),
            Self::Backlog(most) => format!(
                "A listen backlog is capped at {}: raise net.core.somaxconn to {} or more.",
                grouped(*most),
                grouped(BACKLOG_NOTED)
            ),
            Self::NoTracepoints => {
                "Tracepoints are unavailable: system calls per request will be absent.".to_owned()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::record::{CoRun, Overshoot, Probe, Reading, Scatter};
    use crate::rules::probe::{advice, unfit};
    use crate::sample;

    #[test]
    fn a_good_machine_needs_no_advice_but_on_what_it_cannot_show() {
        let mut probe = sample::probe(&[]);
        assert_eq!(unfit(&probe), []);
        probe.system.cpus = 8;
        assert_eq!(advice(&probe), []);
    }

    #[test]
    fn each_thing_that_is_wrong_is_named_with_what_to_do() {
        type Change = fn(&mut Probe);
        let cases: [(Change, &str); 13] = [
            (|p| p.foreign_share = Reading::Value(0.2), "stop them"),
            (|p| p.steal_share = Reading::Value(0.1), "dedicated"),
            (
                |p| {
                    p.fixed_loop_ns =
                        Reading::Value(Scatter { goes: 9, median: 1e6, variation: 0.3, range: 2.0 });
                },
                "rounds",
            ),
            (|p| p.system.cpus = 1, "Use two"),
            (|p| p.system.quota_cpus = Reading::Value(1.5), "1.50 of 8"),
            (|p| p.system.governor = Reading::Value("powersave".into()), "performance"),
            (|p| p.system.turbo = Reading::Value(true), "Turbo"),
            (|p| p.system.smt = Reading::Value(true), "smt/control"),
            (
                |p| {
                    p.co_run = Some(Reading::Value(CoRun {
                        server_cpu: 0,
                        swarm_cpus: vec![1],
                        idle_ns: 1e6,
                        busy_ns: 1.6e6,
                    }));
                },
                "1.60× as long",
            ),
            (|p| p.clock_read_ns = Reading::Value(900.0), "tsc"),
            (|p| p.system.descriptors = Reading::Value(1024), "ulimit -Hn"),
            (|p| p.system.somaxconn = Reading::Value(128), "net.core.somaxconn"),
            (|p| p.system.tracefs = Reading::Absent("no such folder".into()), "system calls"),
        ];
        for (change, words) in cases {
            let mut probe = sample::probe(&[]);
            probe.system.cpus = 8;
            change(&mut probe);
            let lines: Vec<String> = advice(&probe).iter().map(|one| one.sentence()).collect();
            assert!(lines.len() == 1 && lines[0].contains(words), "{words}: {lines:?}");
            assert_eq!(unfit(&probe), [], "{words}");
        }
    }

    #[test]
    fn a_machine_that_measures_nothing_true_is_unfit_and_says_why() {
        type Change = fn(&mut Probe);
        let cases: [(Change, &str); 6] = [
            (|p| p.foreign_share = Reading::Value(0.6), "other programs"),
            (|p| p.steal_share = Reading::Value(0.3), "hypervisor"),
            (|p| p.clock_read_ns = Reading::Value(20_000.0), "clock"),
            (
                |p| {
                    let late =
                        Overshoot { asked_ns: 50_000, p50_ns: 3_000_000, p99_ns: 9_000_000, samples: 100 };
                    p.timers = Reading::Value(vec![late]);
                },
                "3.00 ms late",
            ),
            (
                |p| {
                    p.fixed_loop_ns =
                        Reading::Value(Scatter { goes: 9, median: 1e6, variation: 0.9, range: 4.0 });
                },
                "same work",
            ),
            (
                |p| {
                    p.floor = Reading::Absent("no port was free".into());
                    p.ceilings.clear();
                },
                "no port was free",
            ),
        ];
        for (change, words) in cases {
            let mut probe = sample::probe(&[]);
            change(&mut probe);
            let why: Vec<String> = unfit(&probe).iter().map(|one| one.words()).collect();
            assert!(why.len() == 1 && why[0].contains(words), "{words}: {why:?}");
        }
    }
}
