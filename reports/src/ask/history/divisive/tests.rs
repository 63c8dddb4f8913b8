//! E-divisive on series whose change points are known.

use super::*;
use proptest::prelude::*;

/// Noise of 2 % around the levels given, each for so many values.
fn series(levels: &[(f64, usize)], seed: u64) -> Vec<f64> {
    let mut random = Random::named(seed, &["series"]);
    let each = levels.iter().flat_map(|(level, count)| std::iter::repeat_n(*level, *count));
    each.map(|level| level + 0.02 * random.normal()).collect()
}

fn places(values: &[f64]) -> Vec<usize> {
    change_points(values, 1).iter().map(|change| change.at).collect()
}

#[test]
fn the_statistic_is_the_published_one() {
    // By hand: X = 0, 1, 2 and Y = 4, 5, 6. Between: 3 * (4 + 5 + 6) - 3 * (0 + 1 + 2) = 36 over 9 pairs; within each
    // (1 + 1 + 2) / 3 = 4/3. E = 8 - 8/3 = 16/3, Q = 9/6 E = 8.
    let (at, q) = best_split(&[0.0, 1.0, 2.0, 4.0, 5.0, 6.0]).expect("room for one split");
    assert_eq!(at, 3);
    assert!((q - 8.0).abs() < 1e-12, "{q}");
    assert_eq!(best_split(&[0.0; 5]), None);
}

#[test]
fn a_step_is_found_where_it_is() {
    // Five times the noise: a value that strays by half the step may fall to either side.
    let found: Vec<Vec<usize>> = (0..30).map(|seed| places(&series(&[(0.0, 20), (0.1, 12)], seed))).collect();
    assert!(found.iter().all(|places| places.len() == 1 && places[0].abs_diff(20) <= 1), "{found:?}");
    assert!(found.iter().filter(|places| **places == [20]).count() >= 28, "{found:?}");
}

#[test]
fn a_step_is_found_soon_after_it_happened_and_not_from_one_run() {
    let before = 25;
    let found = |after| {
        (0..40).filter(|seed| !places(&series(&[(0.0, before), (0.2, after)], *seed)).is_empty()).count()
    };
    assert!(found(1) <= 3, "one run is an outlier: {}", found(1));
    assert!(found(4) >= 38, "four runs are a change: {}", found(4));
}

#[test]
fn two_steps_are_found_even_when_the_second_undoes_the_first() {
    for seed in 0..8 {
        assert_eq!(
            places(&series(&[(0.0, 15), (0.15, 14), (0.3, 13)], seed)),
            [15, 29],
            "stairs, seed {seed}"
        );
        assert_eq!(
            places(&series(&[(0.0, 15), (0.15, 14), (0.0, 15)], seed)),
            [15, 29],
            "a hump, seed {seed}"
        );
    }
}

#[test]
fn the_smallest_series_that_is_tested_can_show_a_perfect_step() {
    let step = |count: usize| series(&[(0.0, count / 2), (1.0, count / 2)], 3);
    assert_eq!(places(&step(ENOUGH)), [ENOUGH / 2]);
    assert_eq!(places(&step(ENOUGH - 2)), [0_usize; 0]);
}

#[test]
fn noise_raises_the_alarms_that_the_level_allows() {
    let alarms = |noise: fn(&mut Random) -> f64| {
        let alarm = |seed: &u64| {
            let mut random = Random::named(*seed, &["noise"]);
            let values: Vec<f64> = (0..30).map(|_| noise(&mut random)).collect();
            !change_points(&values, *seed).is_empty()
        };
        (0..400_u64).filter(alarm).count()
    };
    // Binomial(400, 0.01): mean 4, standard deviation 2. More than 11 has a chance below 0.001, and the seeds are fixed.
    let (normal, heavy) =
        (alarms(Random::normal), alarms(|random| random.normal() / random.normal().abs().max(1e-9)));
    assert!(normal <= 11, "{normal} of 400 series of normal noise");
    assert!(heavy <= 11, "{heavy} of 400 series of Cauchy noise");
}

/// How many of so many series of a persistence alarm: values that keep this share of the one before, and a step in the middle in
/// standard deviations.
fn alarms(persistence: f64, step: f64, count: usize, series: u64) -> usize {
    let alarm = |seed: &u64| {
        let mut random = Random::named(*seed, &["drift"]);
        let mut value = random.normal();
        let values: Vec<f64> = (0..count)
            .map(|at| {
                value = persistence * value + (1.0 - persistence * persistence).sqrt() * random.normal();
                value + if at < count / 2 { 0.0 } else { step }
            })
            .collect();
        !change_points(&values, *seed).is_empty()
    };
    (0..series).filter(alarm).count()
}

#[test]
fn a_machine_that_drifts_from_run_to_run_seldom_raises_an_alarm() {
    let of_30 = |persistence, step| alarms(persistence, step, 30, 100);
    assert!(of_30(0.0, 0.0) <= 4, "{} without persistence", of_30(0.0, 0.0));
    // 26 by shuffling.
    assert!(of_30(0.5, 0.0) <= 10, "{} of 100 with half of the run before", of_30(0.5, 0.0));
    assert!(of_30(0.5, 3.0) >= 70, "{} of 100 steps of three standard deviations", of_30(0.5, 3.0));
}

#[test]
fn a_change_of_spread_alone_is_a_change_too() {
    let found = |seed: u64| {
        let mut random = Random::new(seed);
        let spread = |at| if at < 40 { 0.01 } else { 0.2 };
        places(&(0..80).map(|at| spread(at) * random.normal()).collect::<Vec<f64>>())
    };
    let near = (0..10).filter(|seed| found(*seed).iter().any(|at| at.abs_diff(40) <= 5)).count();
    assert!(near >= 5, "{near} of 10");
}

#[test]
fn only_the_newest_values_count_and_places_stay_those_of_the_series() {
    let values = series(&[(0.0, 60), (1.0, LONGEST - 50), (0.5, 50)], 5);
    assert_eq!(places(&values), [10 + LONGEST], "the first step is too old to be looked at");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn segments_are_never_too_short_and_the_answer_is_always_the_same(
        values in prop::collection::vec(-3.0..3.0_f64, 0..40), step in 0.0..8.0_f64, seed in 0_u64..99,
    ) {
        let half = values.len() / 2;
        let values: Vec<f64> =
            values.iter().enumerate().map(|(at, value)| if at < half { *value } else { value + step }).collect();
        let found = change_points(&values, seed);
        let ends: Vec<usize> = [0].into_iter().chain(found.iter().map(|one| one.at)).chain([values.len()]).collect();
        prop_assert!(found.is_empty() || ends.windows(2).all(|pair| pair[1] - pair[0] >= SHORTEST), "{:?}", ends);
        prop_assert!(found.iter().all(|one| one.p > 0.0 && one.p <= LEVEL));
        prop_assert_eq!(&found, &change_points(&values, seed));
        // Another unit, by a power of two so that nothing is rounded, is the same series.
        let scaled: Vec<f64> = values.iter().map(|value| value * 8.0).collect();
        prop_assert_eq!(&found, &change_points(&scaled, seed));
    }

    #[test]
    fn what_never_changes_has_no_change_point(value in -5.0..5.0_f64, count in 0_usize..60) {
        prop_assert!(change_points(&vec![value; count], 1).is_empty());
    }
}
