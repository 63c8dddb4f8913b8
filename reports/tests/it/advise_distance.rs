//! The distance between a question and a workload: what any distance must be, whatever the weights.

use bakeoff_reports::ask::advise::distance::{OTHER_LIFE, Point, Purpose, distance};
use bakeoff_reports::record::{Pacing, Profile};
use proptest::prelude::*;

fn profile() -> impl Strategy<Value = Profile> {
    let pacing = prop_oneof![Just(Pacing::Closed), Just(Pacing::Open), Just(Pacing::Churn)];
    let work = || prop_oneof![Just(0.0), 1e3..1e8_f64];
    let sizes = (1..100_000_u64, 0..100_000_u64, 0..4_000_000_u64, 1..1_000_u64, 1..64_u32);
    (pacing, sizes, (1.0..1e6_f64, work(), work(), work(), 0.0..60.0_f64)).prop_map(
        |(pacing, sizes, figures)| Profile {
            pacing,
            active_connections: sizes.0,
            idle_connections: sizes.1,
            rate_per_s: (pacing == Pacing::Open).then_some(figures.0),
            requests_per_connection: (pacing == Pacing::Churn).then_some(sizes.3),
            in_flight_per_connection: sizes.4,
            payload_bytes: sizes.2,
            compute_ns: figures.1,
            wait_ns: figures.2,
            block_ns: figures.3,
            demand_scv: figures.4,
        },
    )
}

const PURPOSES: [Purpose; 3] = [Purpose::Capacity, Purpose::Latency, Purpose::Memory];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_distance_is_zero_to_itself_symmetric_and_finite(a in profile(), b in profile()) {
        let (a, b) = (Point::from(&a), Point::from(&b));
        for purpose in PURPOSES {
            let (there, back) = (distance(&a, &b, purpose).total(), distance(&b, &a, purpose).total());
            prop_assert!(distance(&a, &a, purpose).parts.is_empty());
            prop_assert!(there.is_finite() && there >= 0.0 && (there - back).abs() < 1e-9, "{there} {back}");
            if a.requests_per_connection.is_some() != b.requests_per_connection.is_some() {
                prop_assert!(there >= OTHER_LIFE);
            }
        }
    }

    #[test]
    fn a_distance_grows_with_every_ratio(a in profile(), which in 0..8_usize, factor in 2.0..8.0_f64) {
        let (near, far) = (moved(&a, which, factor), moved(&a, which, 2.0 * factor));
        let from = Point::from(&a);
        for purpose in PURPOSES {
            let of = |to: &Profile| distance(&from, &Point::from(to), purpose).total();
            prop_assert!(of(&far) >= of(&near) - 1e-9, "{which}: {} then {}", of(&near), of(&far));
        }
        let latency = |to: &Profile| distance(&from, &Point::from(to), Purpose::Latency).total();
        prop_assert!(latency(&far) > latency(&near), "for the response time everything counts: {which}");
    }
}

/// A profile with one figure larger by a factor, from above its floor.
fn moved(profile: &Profile, which: usize, factor: f64) -> Profile {
    let mut to = profile.clone();
    let large = |value: u64, floor: f64| (value.max(1) as f64).max(floor) * factor;
    match which {
        0 => to.active_connections = (large(to.active_connections, 1.0)) as u64,
        1 => to.idle_connections = large(to.idle_connections, 64.0) as u64,
        2 => to.payload_bytes = large(to.payload_bytes, 1024.0) as u64,
        3 => to.compute_ns = to.compute_ns.max(1e4) * factor,
        4 => to.wait_ns = to.wait_ns.max(1e4) * factor,
        5 => to.block_ns = to.block_ns.max(1e4) * factor,
        6 => to.demand_scv = (to.demand_scv + 1.0) * factor - 1.0,
        _ => to.in_flight_per_connection = (f64::from(to.in_flight_per_connection) * factor) as u32 + 1,
    }
    to
}
