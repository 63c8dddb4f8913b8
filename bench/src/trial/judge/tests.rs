//! The rules on records with known answers. Nothing here measures.

use super::*;
use bakeoff_reports::metric::Group;
use bakeoff_reports::record::{Counts, Datagrams, Spread};

/// 1,000 replies of 1 ms each over one second from one client: Little's law holds exactly.
fn measured() -> Measured {
    let mut response = Recorder::fine();
    let mut lag = Recorder::fine();
    for _ in 0..1000 {
        response.record(1_000_000);
        lag.record(2_000);
    }
    let slice = |i: u64| Slice {
        start_ns: i * 500_000_000,
        length_ns: 500_000_000,
        completed: 500,
        response: Recorder::coarse().encode(),
        failed: 0,
    };
    Measured {
        window_ns: 1_000_000_000,
        counts: Counts { sent: 1000, ok: 1000, ..Counts::default() },
        completed_in_window: 1000,
        reply_bytes_in_window: 64_000,
        warmup_sent: 10,
        warmup_completed: Vec::new(),
        response: response.encode(),
        service: response.encode(),
        send_lag: lag.encode(),
        dispatch_lag: lag.encode(),
        connect: Recorder::fine().encode(),
        slices: vec![slice(0), slice(1)],
        spread: Spread { connections: 1, replies: 1000, ..Spread::default() },
        wire: Reading::Absent("not measured in this test".into()),
        background: Default::default(),
        handshakes: None,
        http: Default::default(),
        datagrams: None,
        fan_out: None,
        swarm_cpu_ns: 500_000_000,
        swarm_workers: 1,
        swarm_spins: false,
    }
}

fn usage(steal: f64) -> Usage {
    Usage { steal_share: Reading::Value(steal), ..Usage::absent("not measured in this test") }
}

fn invalid(measured: &Measured, usage: &Usage, load: &Load) -> Vec<Invalid> {
    by(measured, usage, Metric::ResponseP99, load).invalid
}

/// A floor of 50 us, and 80 in the tail.
const LEAST: Least = Least { p50_ns: 50_000.0, p99_ns: 80_000.0 };

/// Judged without a ceiling.
fn by(measured: &Measured, usage: &Usage, merit: Metric, load: &Load) -> Judgement {
    judge(measured, usage, &Terms { merit, load, cpus: &two_cpus(), ceiling_per_s: None, least: LEAST })
}

fn two_cpus() -> CpuPlan {
    CpuPlan::as_given(vec![0], vec![1])
}

const CLOSED: Load = Load::Closed { clients: 1, think: Duration::ZERO };
const OPEN: Load = Load::Open {
    clients: 1,
    rate_per_s: 1000.0,
    arrivals: crate::workload::load::Arrivals::Poisson,
    shape: crate::workload::load::RateShape::Steady,
};

#[test]
fn a_good_trial_has_neither_reasons_nor_doubts() {
    assert_eq!(invalid(&measured(), &usage(0.0), &CLOSED), []);
    assert_eq!(invalid(&measured(), &usage(0.0), &OPEN), []);
    assert_eq!(doubts(&measured(), &usage(0.0), &CLOSED, &two_cpus()), []);
}

#[test]
fn one_wrong_byte_disqualifies() {
    let mut m = measured();
    m.counts.errors.insert(ErrorKind::Corrupt, 1);
    m.counts.sent += 1;
    assert_eq!(invalid(&m, &usage(0.0), &CLOSED), [Invalid::WrongReply { replies: 1, kinds: Vec::new() }]);
}

#[test]
fn what_the_generator_had_no_port_for_disqualifies_and_is_tried_again() {
    let mut m = measured();
    m.counts.errors.insert(ErrorKind::Shortage, 7);
    m.counts.sent += 7;
    let found = invalid(&m, &usage(0.0), &CLOSED);
    assert_eq!(found, [Invalid::GeneratorShort { requests: 7 }]);
    assert!(is_transient(&found), "ports come back");
}

#[test]
fn full_receive_buffers_of_the_generator_are_a_reason_of_their_own() {
    let mut m = measured();
    let of = |overflowed| Some(Datagrams { overflowed, ..Datagrams::default() });
    m.datagrams = of(Reading::Value(3));
    let found = invalid(&m, &usage(0.0), &CLOSED);
    assert_eq!(found, [Invalid::GeneratorOverflowed { replies: 3 }]);
    assert!(is_transient(&found) && found[0].to_string().contains("net.core.rmem_max"));
    m.datagrams = of(Reading::Absent("under a loss".into()));
    assert_eq!(invalid(&m, &usage(0.0), &CLOSED), []);
}

#[test]
fn a_request_that_is_not_accounted_for_disqualifies() {
    let mut m = measured();
    m.counts.sent += 1;
    assert_eq!(invalid(&m, &usage(0.0), &CLOSED), [Invalid::Unbalanced]);
}

#[test]
fn late_sends_disqualify_in_open_loop_only() {
    let mut m = measured();
    let mut lag = Recorder::fine();
    (0..1000).for_each(|_| lag.record(10_000));
    m.dispatch_lag = lag.encode();
    assert!(matches!(invalid(&m, &usage(0.0), &OPEN)[..], [Invalid::GeneratorLate { limit_ns: 5_000, .. }]));
    assert_eq!(invalid(&m, &usage(0.0), &CLOSED), []);
}

#[test]
fn a_late_tail_is_a_doubt_and_disqualifies_where_the_tail_decides() {
    let mut m = measured();
    let mut lag = Recorder::fine();
    (0..1000).for_each(|i| lag.record(if i < 980 { 2_000 } else { 800_000 }));
    m.dispatch_lag = lag.encode();
    assert!(matches!(invalid(&m, &usage(0.0), &OPEN)[..], [Invalid::GeneratorTail { .. }]));
    let by_throughput = by(&m, &usage(0.0), Metric::Throughput, &OPEN);
    assert_eq!(by_throughput.invalid, []);
    assert!(matches!(by_throughput.doubts[..], [Doubt::GeneratorTail { .. }]));
}

#[test]
fn lateness_leaves_no_trial_out_whose_merit_is_not_made_of_times() {
    let mut m = measured();
    let mut lag = Recorder::fine();
    (0..1000).for_each(|_| lag.record(10_000_000));
    m.dispatch_lag = lag.encode();
    for merit in Metric::ALL {
        let found = by(&m, &usage(0.0), merit, &OPEN);
        let by_time = merit.group() == Group::Speed;
        assert_eq!(!found.invalid.is_empty(), by_time, "{merit:?}: {found:?}");
        assert!(by_time || matches!(found.doubts[..], [Doubt::GeneratorTail { .. }]), "{merit:?}: {found:?}");
    }
}

#[test]
fn the_same_lag_disqualifies_a_fast_model_and_a_slow_one_alike() {
    let of = |response_ns, late_ns| {
        let (mut response, mut lag) = (Recorder::fine(), Recorder::fine());
        (0..1000).for_each(|i| {
            response.record(response_ns);
            lag.record(if i < 980 { 1_000 } else { late_ns });
        });
        Measured { response: response.encode(), dispatch_lag: lag.encode(), ..measured() }
    };
    for late_ns in [70_000, 90_000] {
        let [fast, slow] = [60_000, 20_000_000]
            .map(|response_ns| by(&of(response_ns, late_ns), &usage(0.0), Metric::ResponseP99, &OPEN));
        assert_eq!(fast.invalid, slow.invalid);
        assert_eq!(fast.invalid.len(), usize::from(late_ns > 80_000), "{fast:?}");
        let doubted = |found: &Judgement| matches!(found.doubts[..], [Doubt::GeneratorTail { .. }]);
        assert_eq!((doubted(&fast), doubted(&slow)), (late_ns < 80_000, false), "the own tail is a doubt");
    }
}

#[test]
fn a_server_that_answers_nothing_is_a_result() {
    let mut m = measured();
    m.counts = Counts { sent: 1000, in_flight_at_end: 1000, ..Counts::default() };
    m.response = Recorder::fine().encode();
    assert_eq!(invalid(&m, &usage(0.0), &OPEN), []);
}

#[test]
fn the_work_of_others_disqualifies() {
    let disturbed = Usage { foreign_share: Reading::Value(0.2), ..usage(0.0) };
    assert_eq!(invalid(&measured(), &disturbed, &CLOSED), [Invalid::ForeignLoad { share: 0.2 }]);
}

#[test]
fn a_quota_that_throttles_is_told_and_disqualifies_above_its_limit() {
    let took = Throttling { periods: 88, throttled: 84, lost: Duration::from_secs(3) };
    let judged = throttled(&took, 0.25);
    assert_eq!(judged.invalid, [Invalid::Throttled { share: 0.25, throttled: 84, periods: 88 }]);
    assert!(!is_transient(&judged.invalid) && judged.doubts.is_empty());
    let little = throttled(&Throttling { throttled: 1, ..took }, 0.01);
    assert_eq!(
        (little.invalid, little.doubts),
        (vec![], vec![Doubt::Throttled { share: 0.01, throttled: 1, periods: 88 }])
    );
    assert_eq!(throttled(&Throttling { throttled: 0, ..took }, 0.0), Judgement::default());
}

#[test]
fn cpus_that_nobody_tells_are_a_doubt() {
    let nowhere = CpuPlan::as_given(Vec::new(), Vec::new());
    assert_eq!(doubts(&measured(), &usage(0.0), &CLOSED, &nowhere), [Doubt::NotPinned]);
}

#[test]
fn stolen_time_disqualifies() {
    assert_eq!(invalid(&measured(), &usage(0.06), &CLOSED), [Invalid::Stolen { share: 0.06 }]);
}

#[test]
fn a_busy_generator_is_a_doubt_unless_it_spins_by_design() {
    let mut m = measured();
    m.swarm_cpu_ns = 990_000_000;
    let both = Usage { window_cpu_ns: Reading::Value(980_000_000), ..usage(0.0) };
    assert_eq!(doubts(&m, &both, &CLOSED, &two_cpus()), [], "both at their limit");
    assert_eq!(doubts(&m, &usage(0.0), &CLOSED, &two_cpus()), [Doubt::GeneratorBusy { share: 0.99 }]);
    m.swarm_spins = true;
    assert_eq!(doubts(&m, &usage(0.0), &CLOSED, &two_cpus()), []);
}

#[test]
fn a_swarm_that_limits_a_server_which_a_null_server_outruns_disqualifies() {
    let mut m = measured();
    m.swarm_cpu_ns = 990_000_000;
    let at = |server_ns, ceiling, cpus: &CpuPlan| {
        let usage = Usage { window_cpu_ns: Reading::Value(server_ns), ..usage(0.0) };
        let least = LEAST;
        let merit = Metric::Throughput;
        judge(&m, &usage, &Terms { merit, load: &CLOSED, cpus, ceiling_per_s: ceiling, least })
    };
    let bound = at(600_000_000, Some(1_500.0), &two_cpus());
    let reason = Invalid::GeneratorBound {
        swarm_share: 0.99,
        server_share: 0.6,
        rate_per_s: 1_000.0,
        ceiling_per_s: 1_500.0,
    };
    assert_eq!((bound.invalid, bound.doubts), (vec![reason], vec![]), "and no doubt about it beside");
    assert!(
        is_transient(&[at(600_000_000, Some(1_500.0), &two_cpus()).invalid[0].clone()]),
        "the swarm may recover"
    );
    for near in [900.0, 1_240.0] {
        let found = at(600_000_000, Some(near), &two_cpus());
        assert_eq!(found.invalid, [], "the swarm was at its best, whatever the server could have done");
        assert_eq!(found.doubts, [Doubt::GeneratorBusy { share: 0.99 }]);
    }
    assert_eq!(at(600_000_000, None, &two_cpus()).invalid, [], "nobody knows");
    let busy = at(900_000_000, Some(1_500.0), &two_cpus());
    assert_eq!((busy.invalid, busy.doubts), (vec![], vec![Doubt::GeneratorBusy { share: 0.99 }]));
    assert_eq!(at(10, Some(1_500.0), &CpuPlan::as_given(vec![0], vec![0])).invalid, [], "they share a CPU");
}

#[test]
fn a_swarm_behind_its_schedule_disqualifies_unless_the_server_is_what_is_slow() {
    let mut m = measured();
    m.completed_in_window = 900;
    let lagging = |ns| {
        let mut lag = Recorder::fine();
        (0..1000).for_each(|i| lag.record(if i < 970 { 2_000 } else { ns }));
        lag.encode()
    };
    m.dispatch_lag = lagging(80_000_000);
    let at = |m: &Measured, server_ns| {
        let usage = Usage { window_cpu_ns: Reading::Value(server_ns), ..usage(0.0) };
        by(m, &usage, Metric::ResponseP50, &OPEN).invalid
    };
    assert!(
        matches!(at(&m, 100_000_000)[..], [Invalid::BehindSchedule { achieved_share, .. }] if achieved_share == 0.9)
    );
    assert_eq!(at(&m, 800_000_000), [], "the server had no time for more");
    m.dispatch_lag = lagging(40_000_000);
    assert_eq!(at(&m, 100_000_000), [], "that explains less than half: the server kept the rest waiting");
    m.completed_in_window = 1000;
    m.dispatch_lag = lagging(80_000_000);
    assert_eq!(at(&m, 100_000_000), [], "all were answered");
}

/// A window in slices with so many replies each.
fn sliced(completed: [u64; 10]) -> Measured {
    let response = Recorder::coarse().encode();
    let slice =
        |completed| Slice { start_ns: 0, length_ns: 1, completed, response: response.clone(), failed: 0 };
    Measured { slices: completed.map(slice).to_vec(), ..measured() }
}

#[test]
fn a_window_that_changes_its_speed_has_no_steady_state_and_one_that_stutters_has() {
    let step = sliced([200, 201, 199, 202, 198, 301, 299, 300, 302, 298]);
    let found = by(&step, &usage(0.03), Metric::Throughput, &CLOSED);
    assert!(matches!(found.invalid[..], [Invalid::Unsteady { ratio }] if ratio == 1.5), "{found:?}");
    assert_eq!(found.doubts, [], "said once");
    let stutter = sliced([400, 50, 380, 20, 150, 30, 600, 450, 40, 380]);
    let found = by(&stutter, &usage(0.03), Metric::Throughput, &CLOSED);
    assert_eq!(found.invalid, []);
    assert!(matches!(found.doubts[..], [Doubt::Unsteady { ratio }] if ratio == 1.5), "{found:?}");
    let small = sliced([200, 200, 200, 200, 200, 240, 240, 240, 240, 240]);
    assert_eq!(invalid(&small, &usage(0.03), &CLOSED), [], "a fifth is within what is allowed");
}

#[test]
fn what_a_server_does_to_itself_in_the_middle_of_a_window_is_a_result() {
    let quiet = usage(0.0);
    let by_others = Usage { foreign_share: Reading::Value(0.08), ..usage(0.0) };
    let judged = |m: &Measured, usage: &Usage| by(m, usage, Metric::Throughput, &CLOSED);
    let unsteady =
        |found: &Judgement| found.doubts.iter().any(|doubt| matches!(doubt, Doubt::Unsteady { .. }));

    let slows_down = sliced([300, 301, 299, 300, 302, 201, 199, 200, 202, 198]);
    let found = judged(&slows_down, &quiet);
    assert!(found.invalid.is_empty() && unsteady(&found), "nobody else had a hand in it: {found:?}");
    assert!(matches!(judged(&slows_down, &by_others).invalid[..], [Invalid::Unsteady { .. }]));

    let mut dies = sliced([300, 300, 300, 300, 300, 0, 0, 0, 0, 0]);
    for count in [&mut dies.counts.timeouts, &mut dies.counts.in_flight_at_end] {
        *count = 2;
    }
    dies.counts.sent += 4;
    for usage in [&quiet, &by_others] {
        let found = judged(&dies, usage);
        assert!(found.invalid.is_empty() && unsteady(&found), "an end is a result: {found:?}");
    }
}

#[test]
fn chance_alone_makes_no_more_windows_unsteady_than_stated() {
    // 20,000 steady windows whose slices scatter by 40 %: 0.1 % by chance is 20, less for 8 degrees of freedom (t table:
    // 0.034 %, 7), and only those whose halves differ by a quarter. 30 is beyond any chance of either.
    let mut random = bakeoff_reports::stats::random::Random::named(1, &["unsteady"]);
    let mut window = sliced([200; 10]);
    let mut found = 0;
    for _ in 0..20_000 {
        for slice in &mut window.slices {
            slice.completed = (200.0 * (1.0 + 0.4 * random.normal())).max(0.0) as u64;
        }
        found += usize::from(no_steady_state(&window).is_some());
    }
    assert!(found > 0 && found < 30, "{found} of 20,000");
}

#[test]
fn only_what_may_have_passed_is_tried_again() {
    let stolen = Invalid::Stolen { share: 0.2 };
    let wrong = Invalid::WrongReply { replies: 1, kinds: Vec::new() };
    assert!(is_transient(std::slice::from_ref(&stolen)));
    assert!(
        !is_transient(std::slice::from_ref(&wrong)) && !is_transient(&[stolen, wrong]) && !is_transient(&[])
    );
}

#[test]
fn littles_law_catches_a_time_that_is_not_true() {
    let mut m = measured();
    m.response.sum_ns /= 2;
    assert!(
        matches!(doubts(&m, &usage(0.0), &CLOSED, &two_cpus())[..], [Doubt::LittlesLaw { off }] if (off - 0.5).abs() < 1e-9)
    );
}

#[test]
fn littles_law_counts_every_request_under_way() {
    // Twice as many under way at twice the response time, at the same rate.
    let mut m = measured();
    m.response.sum_ns *= 2;
    let piped = Load::Pipelined { clients: 1, depth: 2 };
    assert_eq!(doubts(&m, &usage(0.0), &piped, &two_cpus()), []);
    let found = doubts(&m, &usage(0.0), &CLOSED, &two_cpus());
    assert!(matches!(found[..], [Doubt::LittlesLaw { .. }]), "{found:?}");
}

#[test]
fn a_load_that_changes_by_itself_need_not_have_like_halves() {
    let mut m = measured();
    (m.slices[0].completed, m.slices[1].completed) = (1200, 800);
    let ms = Duration::from_millis;
    let surge = crate::workload::load::RateShape::Surge { factor: 2.0, after: ms(0), lasting: ms(100) };
    let Load::Open { clients, rate_per_s, arrivals, .. } = OPEN else { panic!("it is an open loop") };
    let surging = Load::Open { clients, rate_per_s, arrivals, shape: surge };
    let unsteady = |load| {
        let found = doubts(&m, &usage(0.0), load, &two_cpus());
        found.iter().any(|doubt| matches!(doubt, Doubt::Unsteady { .. }))
    };
    assert!(unsteady(&OPEN) && !unsteady(&surging));
}

#[test]
fn halves_that_differ_are_a_doubt() {
    let mut m = measured();
    (m.slices[0].completed, m.slices[1].completed) = (1200, 800);
    assert!(matches!(doubts(&m, &usage(0.0), &CLOSED, &two_cpus())[..], [Doubt::Unsteady { .. }]));
}

#[test]
fn starvation_and_silence_are_doubts() {
    let mut m = measured();
    m.spread.never_served = 3;
    m.counts.sent += 5;
    m.counts.in_flight_at_end = 5;
    let found = doubts(&m, &usage(0.0), &OPEN, &CpuPlan::as_given(vec![0], vec![0]));
    let starved = Doubt::Starved { connections: 3 };
    assert_eq!(found, [Doubt::SharedCpu, starved, Doubt::Unanswered { requests: 5, sent: 1005 }]);
}
