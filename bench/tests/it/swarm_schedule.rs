//! The schedule as a pure function: exact values, properties, distributions.
//!
//! Distribution tests compare a Kolmogorov-Smirnov distance with the critical value at 0.1 %: of a thousand seeds one
//! would fail a correct generator. The seeds are fixed, so these tests never flicker.

use bakeoff::swarm::schedule::{Schedule, seed_of_round};
use bakeoff::workload::bounds::{ScheduleError, check};
use bakeoff::workload::load::{
    Arrivals, DemandShape, EXPONENTIAL_CUT, Load, RateShape, RequestShape, Stage, Timing, Work,
};
use bakeoff_servers::services::StageKind;
use proptest::prelude::*;
use std::collections::HashSet;
use std::time::Duration;

fn timing(total_ms: u64) -> Timing {
    Timing {
        warmup: Duration::from_millis(total_ms / 4),
        window: Duration::from_millis(total_ms - total_ms / 4),
        timeout: Duration::from_secs(1),
        drain: Duration::from_secs(1),
    }
}

fn open(clients: u32, rate_per_s: f64, arrivals: Arrivals) -> Load {
    Load::Open { clients, rate_per_s, arrivals, shape: RateShape::Steady }
}

fn shape(demand: DemandShape) -> RequestShape {
    RequestShape::new(64, demand)
}

fn exponential(mean_us: u64) -> RequestShape {
    shape(DemandShape::Exponential { mean: Duration::from_micros(mean_us) })
}

fn schedule(seed: u64, load: &Load, request: &RequestShape, total_ms: u64) -> Schedule {
    Schedule::new(seed, load, request, &timing(total_ms), 0, 1).expect("within bounds")
}

/// Distance between the sample and the exponential distribution with mean 1, times the root of the sample size.
fn ks_exponential(mut sample: Vec<f64>) -> f64 {
    sample.sort_by(f64::total_cmp);
    let n = sample.len() as f64;
    let gaps = sample.iter().zip(0_u32..).map(|(x, i)| {
        let cdf = 1.0 - (-x).exp();
        (cdf - f64::from(i) / n).max(f64::from(i + 1) / n - cdf)
    });
    gaps.fold(0.0, f64::max) * n.sqrt()
}

/// Critical value of the Kolmogorov distribution at 0.1 %.
const KS_CRITICAL: f64 = 1.949;

#[test]
fn the_schedule_of_a_seed_never_changes() {
    let poisson = schedule(42, &open(4, 1_000.0, Arrivals::Poisson), &exponential(100), 1_000);
    assert_eq!(poisson.offsets_ns()[..6], POISSON_42);
    let demands: Vec<u64> = (0..6).map(|i| poisson.arrival(i).demand_ns).collect();
    assert_eq!(demands, ARRIVAL_DEMANDS_42);
    let closed = Load::Closed { clients: 4, think: Duration::ZERO };
    let closed = schedule(42, &closed, &exponential(100), 1_000);
    let demands: Vec<u64> = (0..6).map(|j| closed.request_of(3, j).demand_ns).collect();
    assert_eq!(demands, CONNECTION_3_DEMANDS_42);
    let bimodal = DemandShape::Bimodal {
        short: Duration::from_micros(10),
        long: Duration::from_millis(1),
        long_share: 0.25,
    };
    let bimodal = schedule(7, &open(4, 1_000.0, Arrivals::Fixed), &shape(bimodal), 1_000);
    let long: Vec<usize> = (0..24).filter(|&i| bimodal.arrival(i).demand_ns == 1_000_000).collect();
    assert_eq!(long, LONG_ONES_7);
    assert_eq!(bimodal.offsets_ns()[..4], [0, 1_000_000, 2_000_000, 3_000_000]);
}

// Computed by a second implementation, in Python, from the definition in the schedule's documentation.
const POISSON_42: [u64; 6] = [299_309, 1_587_717, 2_242_801, 2_485_166, 3_194_596, 5_122_391];
const ARRIVAL_DEMANDS_42: [u64; 6] = [37_427, 85_259, 1_426, 805, 207_511, 15_627];
const CONNECTION_3_DEMANDS_42: [u64; 6] = [9_724, 86_818, 32_787, 21_108, 113_353, 82_213];
const LONG_ONES_7: [usize; 8] = [0, 1, 3, 6, 8, 9, 10, 19];

#[test]
fn poisson_gaps_are_exponential() {
    for seed in [1, 2, 3, 4] {
        let schedule =
            schedule(seed, &open(1, 50_000.0, Arrivals::Poisson), &shape(DemandShape::None), 1_000);
        let offsets = schedule.offsets_ns();
        let gaps: Vec<f64> = offsets.windows(2).map(|w| (w[1] - w[0]) as f64 / 20_000.0).collect();
        // A Poisson count of mean 50,000 stays within 5 standard deviations but for one seed in a million.
        assert!((48_882..51_118).contains(&offsets.len()), "{} arrivals", offsets.len());
        let distance = ks_exponential(gaps);
        assert!(distance < KS_CRITICAL, "seed {seed}: {distance}");
    }
}

#[test]
fn exponential_demands_are_exponential_and_cut() {
    for seed in [1, 2, 3, 4] {
        let closed = Load::Closed { clients: 10, think: Duration::ZERO };
        let schedule = schedule(seed, &closed, &exponential(1_000), 1_000);
        let ids = (0..10).flat_map(|c| (0..5_000).map(move |j| (c, j)));
        let demands: Vec<f64> = ids.map(|(c, j)| schedule.request_of(c, j).demand_ns as f64 / 1e6).collect();
        assert!(demands.iter().all(|&d| d <= EXPONENTIAL_CUT));
        let distance = ks_exponential(demands);
        assert!(distance < KS_CRITICAL, "seed {seed}: {distance}");
    }
}

#[test]
fn the_ks_test_would_notice_a_wrong_distribution() {
    let uniform = (0..50_000).map(|i| f64::from(i) / 25_000.0).collect();
    assert!(ks_exponential(uniform) > 10.0 * KS_CRITICAL);
}

#[test]
fn the_rare_demand_is_as_rare_as_asked() {
    for (share, seed) in [(0.0, 1), (0.01, 2), (0.5, 3), (1.0, 4)] {
        let short = Duration::from_nanos(1);
        let long = Duration::from_nanos(2);
        let demand = DemandShape::Bimodal { short, long, long_share: share };
        let closed = Load::Closed { clients: 1, think: Duration::ZERO };
        let schedule = schedule(seed, &closed, &shape(demand), 1_000);
        let n = 100_000;
        let rare = (0..n).filter(|&j| schedule.request_of(0, j).demand_ns == 2).count() as f64;
        // Five standard deviations of a binomial: one seed in a million.
        let deviation = (n as f64 * share * (1.0 - share)).sqrt();
        assert!((rare - n as f64 * share).abs() <= 5.0 * deviation, "{rare} of {n} at {share}");
    }
}

#[test]
fn what_cannot_be_scheduled_is_refused_with_its_bound() {
    let none = shape(DemandShape::None);
    let t = timing(1_000);
    let closed = |clients| Load::Closed { clients, think: Duration::ZERO };
    assert_eq!(check(&closed(0), &none, &t, 0, 1), Err(ScheduleError::Clients(0)));
    assert_eq!(check(&closed(1_000_001), &none, &t, 0, 1), Err(ScheduleError::Clients(1_000_001)));
    for (shard, shards) in [(0, 0), (2, 2), (0, 5)] {
        let refused = Err(ScheduleError::Shard { shard, shards, clients: 4 });
        assert_eq!(check(&closed(4), &none, &t, shard, shards), refused);
    }
    for rate in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let got = check(&open(4, rate, Arrivals::Fixed), &none, &t, 0, 1);
        assert!(matches!(got, Err(ScheduleError::Rate(_))), "{rate}: {got:?}");
    }
    let too_many = check(&open(4, 50_000_001.0, Arrivals::Poisson), &none, &t, 0, 1);
    assert!(too_many.expect_err("over the bound").to_string().contains("50000001 requests"));
    assert_eq!(check(&open(4, 50_000_000.0, Arrivals::Poisson), &none, &t, 0, 1), Ok(()));
    let empty = Load::Churn { clients: 1, requests_per_connection: 0 };
    assert_eq!(check(&empty, &none, &t, 0, 1), Err(ScheduleError::EmptySession));
    let sized = |size| RequestShape::new(size, DemandShape::None);
    assert_eq!(check(&closed(1), &sized(0), &t, 0, 1), Ok(()), "an empty payload is one");
    assert_eq!(check(&closed(1), &sized(4 << 20), &t, 0, 1), Ok(()));
    assert_eq!(check(&closed(1), &sized((4 << 20) + 1), &t, 0, 1), Err(ScheduleError::Size((4 << 20) + 1)));
    for long_share in [-0.1, 1.1] {
        let demand = DemandShape::Bimodal { short: Duration::ZERO, long: Duration::ZERO, long_share };
        assert_eq!(check(&closed(1), &shape(demand), &t, 0, 1), Err(ScheduleError::Share(long_share)));
    }
    let pipelined = |clients, depth| check(&Load::Pipelined { clients, depth }, &none, &t, 0, 1);
    assert_eq!((pipelined(1, 1_024), pipelined(7_812, 1_024)), (Ok(()), Ok(())));
    assert_eq!(pipelined(1, 1), Err(ScheduleError::Pipeline(1)));
    assert_eq!(pipelined(1, 1_025), Err(ScheduleError::Pipeline(1_025)));
    let many = ScheduleError::TooManyInFlight { clients: 7_813, depth: 1_024 };
    assert_eq!(pipelined(7_813, 1_024), Err(many));
    let surge = RateShape::Surge { factor: 2.0, after: Duration::ZERO, lasting: 750 * MS };
    let surging = |rate| check(&shaped(rate, Arrivals::Fixed, surge), &none, &t, 0, 1);
    assert_eq!(surging(28_571_428.0), Ok(()));
    assert!(
        matches!(surging(28_571_430.0), Err(ScheduleError::TooManyRequests { .. })),
        "1.75 times as many"
    );
    let no_window = Timing { window: Duration::ZERO, ..t };
    assert_eq!(check(&closed(1), &none, &no_window, 0, 1), Err(ScheduleError::Zero("the window")));
    let long = Timing { drain: Duration::from_secs(3601), ..t };
    assert!(matches!(check(&closed(1), &none, &long, 0, 1), Err(ScheduleError::TooLong { .. })));
}

fn shaped(rate_per_s: f64, arrivals: Arrivals, shape: RateShape) -> Load {
    Load::Open { clients: 16, rate_per_s, arrivals, shape }
}

const MS: Duration = Duration::from_millis(1);

fn bursts(on_ms: u32, off_ms: u32) -> RateShape {
    RateShape::Bursts { on: on_ms * MS, off: off_ms * MS }
}

#[test]
fn bursts_keep_the_mean_rate_and_their_pauses() {
    let none = shape(DemandShape::None);
    for (seed, arrivals) in [(1, Arrivals::Fixed), (2, Arrivals::Poisson), (3, Arrivals::Poisson)] {
        // Warm-up 250 ms, window 750 ms; the cycle of 75 ms fits the window ten times.
        let schedule = schedule(seed, &shaped(40_000.0, arrivals, bursts(15, 60)), &none, 1_000);
        let window: Vec<u64> =
            schedule.offsets_ns().iter().filter_map(|at| at.checked_sub(250_000_000)).collect();
        assert!(window.iter().all(|at| at % 75_000_000 < 15_000_000));
        // 30,000 due; five standard deviations of a Poisson count are 866: one seed in a million.
        let off = window.len().abs_diff(30_000);
        assert!(off <= if arrivals == Arrivals::Fixed { 1 } else { 866 }, "{}", window.len());
        // Within the bursts, put end to end, gaps are what they are without bursts, at five times the rate.
        if arrivals == Arrivals::Poisson {
            let busy: Vec<u64> =
                window.iter().map(|at| at / 75_000_000 * 15_000_000 + at % 75_000_000).collect();
            let gaps = busy.windows(2).map(|w| (w[1] - w[0]) as f64 / 5_000.0).collect();
            let distance = ks_exponential(gaps);
            assert!(distance < KS_CRITICAL, "seed {seed}: {distance}");
        }
    }
}

#[test]
fn a_surge_multiplies_the_rate_where_it_is_and_nowhere_else() {
    let surge = RateShape::Surge { factor: 4.0, after: 250 * MS, lasting: 250 * MS };
    for seed in 1..=3 {
        let schedule =
            schedule(seed, &shaped(20_000.0, Arrivals::Poisson, surge), &shape(DemandShape::None), 1_000);
        // Quarters of a second: warm-up, before, surge, after. Five standard deviations each: one seed in 400,000.
        let mut quarters = [0_u32; 4];
        schedule.offsets_ns().iter().for_each(|at| quarters[(at / 250_000_000) as usize] += 1);
        for (count, expected) in quarters.into_iter().zip([5_000.0_f64, 5_000.0, 20_000.0, 5_000.0]) {
            assert!((f64::from(count) - expected).abs() < 5.0 * expected.sqrt(), "{quarters:?}");
        }
    }
    let fixed = schedule(1, &shaped(1_000.0, Arrivals::Fixed, surge), &shape(DemandShape::None), 1_000);
    assert_eq!(fixed.offsets_ns().len(), 1_750);
    // From 500 ms on, four to the millisecond.
    assert_eq!(
        fixed.offsets_ns()[500..505],
        [500_000_000, 500_250_000, 500_500_000, 500_750_000, 501_000_000]
    );
}

#[test]
fn pareto_demands_have_the_mean_and_the_bounds_they_are_said_to() {
    for (seed, a) in [(1, 1.2), (2, 1.0), (3, 2.0), (4, 0.7)] {
        let demand = DemandShape::Pareto { least: MS / 50, most: 50 * MS, shape: a };
        let closed = Load::Closed { clients: 1, think: Duration::ZERO };
        let schedule = schedule(seed, &closed, &shape(demand), 1_000);
        let n = 200_000_u32;
        let draws: Vec<u64> = (0..n).map(|j| schedule.request_of(0, j.into()).demand_ns).collect();
        assert!(draws.iter().all(|d| (20_000..=50_000_000).contains(d)));
        let (mean_ns, scv) = demand.moments();
        let drawn = draws.iter().sum::<u64>() as f64 / f64::from(n);
        // Five standard errors of the mean, which the second moment gives: one seed in a million.
        let error = mean_ns * (scv / f64::from(n)).sqrt();
        assert!((drawn - mean_ns).abs() < 5.0 * error, "shape {a}: {drawn} for {mean_ns} +- {error}");
        for share in [0.1, 0.5, 0.99] {
            let below = draws.iter().filter(|d| **d as f64 <= demand.quantile_ns(share)).count() as f64;
            let deviation = (f64::from(n) * share * (1.0 - share)).sqrt();
            assert!((below - f64::from(n) * share).abs() < 5.0 * deviation, "shape {a}, {share}: {below}");
        }
    }
}

#[test]
fn so_many_requests_are_poisoned_and_the_others_are_not() {
    let load = open(1, 100_000.0, Arrivals::Fixed);
    let schedule = schedule(9, &load, &shape(DemandShape::Poison { share: 0.01 }), 1_000);
    let demands = || (0..schedule.offsets_ns().len()).map(|k| schedule.arrival(k).demand_ns);
    assert!(demands().all(|demand| demand <= 1));
    // Five standard deviations of a binomial around 1,000: one seed in a million.
    let poisoned = demands().sum::<u64>();
    assert!(poisoned.abs_diff(1_000) <= 157, "{poisoned}");
}

fn arrivals() -> impl Strategy<Value = Arrivals> {
    prop_oneof![Just(Arrivals::Fixed), Just(Arrivals::Poisson)]
}

/// Shapes that fit a window of 150 ms.
fn shapes() -> impl Strategy<Value = RateShape> {
    prop_oneof![
        Just(RateShape::Steady),
        (1_u32..75, 1_u32..75).prop_map(|(on, off)| bursts(on, off)),
        (1.1_f64..20.0, 0_u32..75, 1_u32..75).prop_map(|(factor, after, lasting)| {
            RateShape::Surge { factor, after: after * MS, lasting: lasting * MS }
        })
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_shards_of_an_open_loop_are_the_whole(
        seed: u64, rate in 1.0_f64..20_000.0, arrivals in arrivals(), rate_shape in shapes(), shards in 1_u32..8,
    ) {
        let (load, request) = (shaped(rate, arrivals, rate_shape), exponential(50));
        let whole = schedule(seed, &load, &request, 200);
        let mut union: Vec<(u64, u64, u64)> = Vec::new();
        for shard in 0..shards {
            let part = Schedule::new(seed, &load, &request, &timing(200), shard, shards).expect("within bounds");
            union.extend(part.offsets_ns().iter().enumerate().map(|(i, &at)| {
                let request = part.arrival(i);
                (request.id, at, request.demand_ns)
            }));
        }
        union.sort_unstable();
        let expected: Vec<_> = whole.offsets_ns().iter().enumerate()
            .map(|(i, &at)| (i as u64, at, whole.arrival(i).demand_ns)).collect();
        prop_assert_eq!(union, expected);
        prop_assert!(whole.offsets_ns().is_sorted());
        prop_assert!(whole.offsets_ns().iter().all(|&at| at < 200_000_000));
    }

    #[test]
    fn fixed_gaps_give_the_rate_exactly(rate in 1_u32..100_000) {
        let schedule = schedule(1, &open(1, f64::from(rate), Arrivals::Fixed), &shape(DemandShape::None), 1_000);
        prop_assert_eq!(schedule.offsets_ns().len(), rate as usize);
    }

    #[test]
    fn the_shards_of_connections_are_the_whole(seed: u64, clients in 1_u32..50, shards in 1_u32..8) {
        prop_assume!(shards <= clients);
        let load = Load::Churn { clients, requests_per_connection: 3 };
        let whole = schedule(seed, &load, &exponential(50), 200);
        let mut seen = HashSet::new();
        let mut ids = HashSet::new();
        for shard in 0..shards {
            let part = Schedule::new(seed, &load, &exponential(50), &timing(200), shard, shards)
                .expect("within bounds");
            for c in (0..part.connections()).map(|index| part.connection(index)) {
                prop_assert!(seen.insert(c));
                for j in 0..5 {
                    prop_assert_eq!(part.request_of(c, j), whole.request_of(c, j));
                    prop_assert!(ids.insert(part.request_of(c, j).id));
                }
            }
        }
        prop_assert_eq!(seen, (0..clients).collect::<HashSet<_>>());
    }

    #[test]
    fn a_connections_demands_do_not_depend_on_how_many_there_are(seed: u64, c in 0_u32..8, j in 0_u64..1_000) {
        let of = |clients| {
            let load = Load::Closed { clients, think: Duration::ZERO };
            schedule(seed, &load, &exponential(50), 200).request_of(c, j).demand_ns
        };
        prop_assert_eq!(of(8), of(64));
    }
}

#[test]
fn a_drawn_demand_is_never_zero_which_would_ask_for_the_servers_default() {
    let demand = DemandShape::Exponential { mean: Duration::from_nanos(2) };
    let schedule =
        Schedule::new(1, &open(4, 10_000.0, Arrivals::Fixed), &shape(demand), &timing(1_000), 0, 1)
            .expect("within bounds");
    let demands: Vec<u64> = (0..10_000).map(|i| schedule.arrival(i).demand_ns).collect();
    assert!(demands.contains(&1) && !demands.contains(&0));
}

#[test]
fn every_round_has_a_schedule_of_its_own_which_the_seed_decides() {
    let seeds = |seed| (0..1000).map(|round| seed_of_round(seed, round)).collect::<Vec<_>>();
    let (one, two) = (seeds(1), seeds(2));
    assert_eq!(one, seeds(1));
    let mut all = [one, two].concat();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 2000);
}

/// Stages are drawn each for itself: those of fixed length as stated, one of another law by its own draws, whatever the shards.
#[test]
fn stages_are_drawn_each_from_a_stream_of_its_own() {
    let law = DemandShape::Exponential { mean: Duration::from_micros(10) };
    let fixed = |us| DemandShape::Fixed { value: Duration::from_micros(us) };
    let stage = |work, demand| Stage { work, demand };
    let stages = vec![
        stage(Work::Compute, fixed(2)),
        stage(Work::Wait, law),
        stage(Work::Block, fixed(3)),
        stage(Work::Compute, law),
    ];
    let request = RequestShape::of_stages(64, stages);
    let load = open(2, 20_000.0, Arrivals::Fixed);
    let whole = schedule(7, &load, &request, 1_000);
    let drawn: Vec<Vec<(StageKind, u64)>> = (0..20_000)
        .map(|k| whole.arrival(k).stages.iter().map(|stage| (stage.kind, stage.demand_ns)).collect())
        .collect();
    use StageKind::{Block, Compute, Wait};
    for stages in &drawn {
        assert_eq!((stages.len(), stages[0], stages[2]), (4, (Compute, 2_000), (Block, 3_000)));
        assert_eq!((stages[1].0, stages[3].0), (Wait, Compute));
    }
    let of = |at: usize| drawn.iter().map(|stages| stages[at].1 as f64 / 1e4).collect::<Vec<_>>();
    let (waits, computes) = (of(1), of(3));
    for draws in [&waits, &computes] {
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        assert!((mean - 1.0).abs() < 0.03, "4 standard errors of 1 / sqrt(20,000): {mean}");
    }
    let product = waits.iter().zip(&computes).map(|(a, b)| (a - 1.0) * (b - 1.0)).sum::<f64>() / 2e4;
    assert!(product.abs() < 0.03, "they are drawn independently: {product}");
    let halves =
        [0, 1].map(|shard| Schedule::new(7, &load, &request, &timing(1_000), shard, 2).expect("valid"));
    for k in 0..20_000 {
        assert_eq!(halves[k % 2].arrival(k / 2), whole.arrival(k));
    }
    assert_eq!(whole.arrival(0).demand_ns, 0, "there is no single time beside them");
}
