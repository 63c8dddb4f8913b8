//! The costs of a request as reports show them, and the reasons read off them.

#[allow(dead_code)] // other tests use the rest
use crate::support;

use bakeoff_reports::analysis::analyse;
use bakeoff_reports::record::bundle::Bundle;
use bakeoff_reports::record::histogram::Recorder;
use bakeoff_reports::record::{
    Arrivals, DemandShape, Load, Metric, RateShape, Reading, Spread, Switches, Usage, Work,
};
use std::time::Duration;
use support::{measured, with_throughput};

#[test]
fn switches_are_shared_among_the_requests_of_the_swarm() {
    let mut bundle = with_throughput(&[&[1000; 4], &[900; 4]]);
    for trial in &mut bundle.trials {
        let measured = measured(&mut trial.measured);
        measured.warmup_sent = 100;
        // 500 requests; the server counts every read of a large message.
        let ok = measured.counts.ok;
        trial.usage.switches = Switches {
            voluntary: Reading::Value(2 * (ok + 100) - 7),
            involuntary: Reading::Value(7),
            replies: Reading::Value(ok + 100),
        };
        // Starting up is no part of a request.
        trial.usage.life_voluntary_switches = Reading::Value(1_000_000);
        trial.server = Reading::Value([("requests".to_owned(), 16 * (ok + 100))].into());
    }
    let analysis = analyse(&bundle);
    for cell in &analysis.workloads[0].cells {
        assert_eq!(*cell.get(Metric::SwitchesPerRequest), Reading::Value(2.0));
    }
}

#[test]
fn costs_are_divided_by_what_they_were_counted_with() {
    let mut bundle = with_throughput(&[&[1000; 4]]);
    for trial in &mut bundle.trials {
        let usage = &mut trial.usage;
        usage.window_cpu_ns = Reading::Value(8_000_000);
        usage.window_user_share = Reading::Value(0.25);
        usage.run_delay_ns = Reading::Value(3_000_000);
        // Counted before the window: what the window completed must not matter.
        usage.counted.system_calls = Reading::Value(630);
        usage.counted.system_call_replies = Reading::Value(300);
        usage.counted.replies = Reading::Value(10);
        usage.counted.instructions = Reading::Value(70_000);
        (usage.idle_own_bytes, usage.held_own_bytes) = (Reading::Value(1_000_000), Reading::Value(1_640_000));
        let measured = measured(&mut trial.measured);
        (measured.counts.ok, measured.counts.sent) = (measured.response.count, measured.response.count);
        (measured.counts.in_flight_at_end, measured.counts.never_written) = (0, 0);
        let life = measured.counts.ok + measured.warmup_sent;
        let wire = match &mut measured.wire {
            Reading::Value(wire) => wire,
            Reading::Absent(why) => panic!("{why}"),
        };
        (wire.connections, wire.segments_in, wire.segments_out) = (64, life, 2 * life);
        let each: u64 = 10;
        let mut replies = Recorder::coarse();
        (0..64).for_each(|at| replies.record(if at == 0 { each / 2 } else { each }));
        measured.spread = Spread {
            connections: 64,
            never_served: 0,
            replies: 635,
            replies_squared: 63 * 100 + 25,
            fewest: 5,
            most: 10,
            hdr_v2: replies.encode().hdr_v2,
        };
    }
    let costs = &analyse(&bundle).workloads[0].cells[0];
    let is = |cost, expected: f64| {
        let got = costs.value(cost).unwrap_or_else(|| panic!("{cost:?}: {:?}", costs.get(cost)));
        assert!((got - expected).abs() < 1e-9 * expected, "{cost:?}: {got}, not {expected}");
    };
    is(Metric::CpuPerRequest, 8_000.0);
    is(Metric::UserCpuPerRequest, 2_000.0);
    is(Metric::SystemCpuPerRequest, 6_000.0);
    is(Metric::RunDelayPerRequest, 3_000.0);
    is(Metric::SystemCallsPerRequest, 2.1);
    is(Metric::InstructionsPerRequest, 7_000.0);
    is(Metric::MemoryPerConnection, 10_000.0);
    is(Metric::SegmentsPerRequest, 3.0);
    is(Metric::LeastServed, 0.5);
    is(Metric::Fairness, 635.0 * 635.0 / (64.0 * 6_325.0));
    assert!(
        matches!(costs.get(Metric::CyclesPerRequest), Reading::Absent(why) if why.contains("virtual machine"))
    );
}

#[test]
fn a_cost_that_is_absent_is_not_said_to_be_equal() {
    let mut bundle = with_throughput(&[&[1000; 6], &[2000; 6]]);
    for trial in &mut bundle.trials {
        trial.usage = Usage::absent("no /proc");
        measured(&mut trial.measured).spread = Spread::default();
        measured(&mut trial.measured).wire = Reading::Absent("no TCP_INFO".to_owned());
        let none = || Reading::Value(0);
        trial.usage.switches =
            Switches { voluntary: none(), involuntary: none(), replies: Reading::Value(9) };
    }
    let reason = |bundle: &Bundle| analyse(bundle).workloads[0].reason();
    let only = "A difference in context switches per request does not explain the lead over iterative.";
    assert!(reason(&bundle).starts_with(only), "{}", reason(&bundle));
    for trial in &mut bundle.trials {
        trial.usage.switches = Switches::absent("no /proc");
    }
    assert!(
        reason(&bundle).starts_with("Nothing explains the lead over iterative: no cost could be measured")
    );
}

fn open() -> Load {
    Load::Open { clients: 4, rate_per_s: 1_000.0, arrivals: Arrivals::Poisson, shape: RateShape::Steady }
}

/// Two models of equal costs; with the second a mean request takes 3 ms instead of 0.4 ms.
fn equally_dear() -> Bundle {
    let mut bundle = with_throughput(&[&[1000; 6], &[2000; 6]]);
    bundle.run.scenarios[0].load = open();
    for trial in &mut bundle.trials {
        let slow = trial.model == "iterative";
        trial.usage = Usage::absent("not read");
        trial.usage.window_cpu_ns = Reading::Value(if slow { 1000 } else { 2000 } * 100_000);
        trial.usage.run_delay_ns = Reading::Value(if slow { 0 } else { 2000 * 250_000 });
        let measured = measured(&mut trial.measured);
        measured.wire = Reading::Absent("no TCP_INFO".to_owned());
        let mut times = Recorder::fine();
        (0..measured.counts.ok).for_each(|_| times.record(if slow { 3_000_000 } else { 400_000 }));
        (measured.response, measured.service) = (times.encode(), times.encode());
        let mut none = Recorder::fine();
        (0..measured.counts.ok).for_each(|_| none.record(1_000));
        (measured.send_lag, measured.dispatch_lag) = (none.encode(), none.encode());
        measured.spread = Spread {
            connections: 4,
            replies: 400,
            replies_squared: 40_000,
            fewest: 100,
            most: 100,
            ..Spread::default()
        };
    }
    bundle
}

#[test]
fn requests_that_stand_in_a_queue_are_the_reason_where_costs_are_equal() {
    let reason = |bundle: &Bundle| analyse(bundle).workloads[0].reason();
    let mut bundle = equally_dear();
    // 3 ms less 100 us of CPU; 400 us less 100 us of CPU and 250 us of waiting for one.
    let queue = "A mean request waits 2.90 ms in sockets and queues of the server with iterative, 50.0 µs with fork-per-client.";
    assert!(reason(&bundle).starts_with(queue), "{}", reason(&bundle));
    assert!(!reason(&bundle).contains("explain the lead"), "{}", reason(&bundle));
    bundle.run.scenarios[0].load = Load::Closed { clients: 4, think: Duration::ZERO };
    assert!(!reason(&bundle).contains("waits"), "a closed loop always queues: {}", reason(&bundle));
    bundle.run.scenarios[0].load = open();
    bundle.run.scenarios[0].work = Some(Work::Wait);
    bundle.run.scenarios[0].request.demand = DemandShape::Fixed { value: Duration::from_micros(2_900) };
    assert!(
        !reason(&bundle).contains("waits"),
        "what the workload asks for is no queue: {}",
        reason(&bundle)
    );
    bundle.run.scenarios[0].work = None;
    for trial in bundle.trials.iter_mut().filter(|trial| trial.model == "iterative") {
        let mut lag = Recorder::fine();
        let measured = measured(&mut trial.measured);
        (0..measured.counts.ok).for_each(|_| lag.record(2_601_000));
        measured.send_lag = lag.encode();
        let mut service = Recorder::fine();
        (0..measured.counts.ok).for_each(|_| service.record(399_000));
        measured.service = service.encode();
    }
    let connection =
        "A mean request waits 2.60 ms for a free connection with iterative, 0 ns with fork-per-client.";
    assert!(reason(&bundle).starts_with(connection), "{}", reason(&bundle));
    for trial in &mut bundle.trials {
        trial.usage.run_delay_ns = Reading::Absent("no schedstat".to_owned());
    }
    assert!(!reason(&bundle).contains("waits"), "no part may be missing: {}", reason(&bundle));
}

#[test]
fn a_model_that_serves_some_connections_more_than_others_is_told_on() {
    let mut bundle = equally_dear();
    for trial in bundle.trials.iter_mut().filter(|trial| trial.model == "iterative") {
        let spread = &mut measured(&mut trial.measured).spread;
        *spread = Spread {
            replies: 400,
            replies_squared: 350 * 350 + 3 * 289,
            connections: 4,
            fewest: 17,
            most: 350,
            ..Spread::default()
        };
    }
    let reason = analyse(&bundle).workloads[0].reason();
    let told = "iterative serves its connections unevenly: a Jain index of 0.324 against 1.000.";
    assert!(reason.contains(told), "{reason}");
}
