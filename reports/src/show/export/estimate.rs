//! The estimates that criterion keeps of a sample, made the way it makes them: each with the percentile bootstrap of the
//! rounds. The standard error is the spread of the resampled figures.

use crate::stats::bootstrap::{CONFIDENCE, RESAMPLES};
use crate::stats::median;
use crate::stats::random::Random;
use serde_json::{Value, json};

/// Makes a median absolute deviation that of a standard deviation, for normal noise; criterion's has it, too.
const NORMAL: f64 = 1.4826;

type Statistic = fn(&[f64]) -> f64;

fn mean(sample: &[f64]) -> f64 {
    sample.iter().sum::<f64>() / sample.len() as f64
}

fn std_dev(sample: &[f64]) -> f64 {
    let mean = mean(sample);
    let squares: f64 = sample.iter().map(|value| (value - mean).powi(2)).sum();
    (squares / (sample.len() as f64 - 1.0)).sqrt()
}

fn middle(sample: &[f64]) -> f64 {
    median(sample).unwrap_or(f64::NAN)
}

fn median_abs_dev(sample: &[f64]) -> f64 {
    let middle = middle(sample);
    let deviations: Vec<f64> = sample.iter().map(|value| (value - middle).abs()).collect();
    NORMAL * self::middle(&deviations)
}

/// The contents of `estimates.json`. The sample has two finite values at least.
pub(super) fn estimates(sample: &[f64], random: &mut Random) -> Value {
    let statistics: [(&str, Statistic); 4] =
        [("mean", mean), ("median", middle), ("median_abs_dev", median_abs_dev), ("std_dev", std_dev)];
    let mut drawn: [Vec<f64>; 4] = Default::default();
    let mut resample = vec![0.0; sample.len()];
    for _ in 0..RESAMPLES {
        resample.fill_with(|| sample[random.below(sample.len())]);
        for (figures, (_, statistic)) in drawn.iter_mut().zip(statistics) {
            figures.push(statistic(&resample));
        }
    }
    let mut document = json!({ "slope": null });
    for (mut figures, (name, statistic)) in drawn.into_iter().zip(statistics) {
        figures.sort_unstable_by(f64::total_cmp);
        let tail = ((1.0 - CONFIDENCE) / 2.0 * RESAMPLES as f64) as usize;
        document[name] = json!({
            "confidence_interval": {
                "confidence_level": CONFIDENCE,
                "lower_bound": figures[tail],
                "upper_bound": figures[RESAMPLES - 1 - tail],
            },
            "point_estimate": statistic(sample),
            "standard_error": std_dev(&figures),
        });
    }
    document
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statistics_of_a_sample_that_can_be_worked_out_by_hand() {
        let sample = [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0];
        assert_eq!((mean(&sample), middle(&sample)), (5.0, 4.5));
        assert!((std_dev(&sample) - (32.0_f64 / 7.0).sqrt()).abs() < 1e-12);
        // Deviations from 4.5: 0.5 five times, then 2.5, 2.5 and 4.5.
        assert!((median_abs_dev(&sample) - NORMAL * 0.5).abs() < 1e-12);
        let all = estimates(&sample, &mut Random::new(1));
        assert_eq!(all["mean"]["point_estimate"], 5.0);
        let interval = &all["mean"]["confidence_interval"];
        let ends = ["lower_bound", "upper_bound"].map(|end| interval[end].as_f64().expect("a number"));
        assert!(ends[0] < 5.0 && 5.0 < ends[1] && all["slope"].is_null(), "{all}");
        // The standard error of the mean is the spread over the root of n, less what n - 1 adds.
        let error = all["mean"]["standard_error"].as_f64().expect("a number");
        assert!((error - (32.0_f64 / 8.0 / 8.0).sqrt()).abs() < 0.05, "{error}");
    }
}
