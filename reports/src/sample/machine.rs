//! The made-up machine of the made-up bundles of [`crate::sample`]: its environment and its probe. Never a measurement.

use crate::analysis::SYNTHETIC;
use crate::record::*;
use std::collections::BTreeMap;

/// A made-up probe of a machine with nothing wrong, whose one ceiling holds for the first of these workloads.
pub fn probe(scenarios: &[&str]) -> Probe {
    let timer = |asked_ns| Overshoot { asked_ns, p50_ns: 52_000, p99_ns: 71_000, samples: 100 };
    let trip = |p50_ns, p99_ns| Reading::Value(RoundTrip { p50_ns, p99_ns, samples: 6_000 });
    let scatter = |median| Reading::Value(Scatter { goes: 9, median, variation: 0.012, range: 1.04 });
    Probe {
        long: false,
        took_ns: 1_800_000_000,
        clock_read_ns: Reading::Value(37.0),
        timers: Reading::Value([50_000, 200_000, 1_000_000].map(timer).to_vec()),
        fixed_loop_ns: scatter(1_012_000.0),
        co_run: None,
        ping_pong: trip(19_800, 25_100),
        ping_pong_ns: scatter(19_800.0),
        floor: trip(20_300, 26_400),
        ceilings: vec![Ceiling {
            scenarios: scenarios.iter().take(1).map(ToString::to_string).collect(),
            payload_bytes: 64,
            clients: 64,
            in_flight_per_connection: 1,
            requests_per_connection: None,
            reached: Reading::Value(Reached {
                rate_per_s: 96_000.0,
                swarm_share: 0.99,
                server_share: Reading::Value(0.91),
            }),
        }],
        steal_share: Reading::Value(0.0),
        foreign_share: Reading::Value(0.004),
        system: system(),
    }
}

fn system() -> System {
    System {
        cpus: 2,
        quota_cpus: Reading::Absent("the control group sets no limit".to_owned()),
        running_tasks: Reading::Value(1),
        governor: Reading::Absent("the kernel shows no frequency driver".to_owned()),
        turbo: Reading::Absent("the kernel shows no frequency driver".to_owned()),
        smt: Reading::Value(false),
        descriptors: Reading::Value(20_000),
        processes: Reading::Value(32_000),
        mappings: Reading::Value(65_530),
        locked_bytes: Reading::Value(8_388_608),
        local_ports: Reading::Value(28_232),
        somaxconn: Reading::Value(4_096),
        syn_backlog: Reading::Value(2_048),
        congestion_control: Reading::Value("cubic".to_owned()),
        perf_event_paranoid: Reading::Value(2),
        tracefs: Reading::Value("/sys/kernel/tracing".to_owned()),
    }
}

/// Its environment, which says of itself that it is made up.
pub(crate) fn environment() -> Environment {
    let text = |text: &str| Reading::Value(text.to_owned());
    Environment {
        kernel: text("Linux 6.18 (imagined)"),
        cpu_model: text("Imaginary CPU at 3.0 GHz"),
        cpus: vec![0, 1],
        server_cpus: vec![0],
        swarm_cpus: vec![1],
        cpu_choice: None,
        memory_bytes: Reading::Value(25_769_803_776),
        governor: Reading::Absent("the kernel shows no frequency driver".to_owned()),
        max_descriptors: Reading::Value(20_000),
        max_processes: Reading::Value(32_768),
        somaxconn: Reading::Value(4_096),
        congestion_control: text("cubic"),
        compute_ns_per_nominal_us: Reading::Value(1_012.0),
        notes: BTreeMap::from([(
            SYNTHETIC.to_owned(),
            "every figure below was made up by a random number generator to show the report.".to_owned(),
        )]),
    }
}
