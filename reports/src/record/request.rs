//! What one request asks of the server: its payload, the kind of work, and how much of it, as a distribution with its moments
//! and quantiles.
//!
//! Pure arithmetic; what a draw's number is comes from the schedule.

use super::http::HttpRequest;
use super::ns as nanos;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What a request is made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestShape {
    /// Payload in bytes; of requests that are spelled out, their body or the content that is expected, the larger.
    #[serde(rename = "size_bytes")]
    pub size: u32,
    /// Demand, where a request does one kind of work.
    pub demand: DemandShape,
    /// What a request does one after the other, where it does several kinds of work; then it has no `demand`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<Stage>,
    /// The request itself, where the workload spells it out; absent where the service makes it of the payload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpRequest>,
}

impl RequestShape {
    /// A request that the service makes of a payload of `size` bytes.
    pub fn new(size: u32, demand: DemandShape) -> Self {
        Self { size, demand, stages: Vec::new(), http: None }
    }

    /// A request that does several kinds of work, one after the other.
    pub fn of_stages(size: u32, stages: Vec<Stage>) -> Self {
        Self { stages, ..Self::new(size, DemandShape::None) }
    }

    /// A request of HTTP as it is spelled out.
    pub fn http(request: HttpRequest) -> Self {
        let expected = request.expect.length.unwrap_or_default();
        let size = u32::try_from(expected.max(request.body.len() as u64)).unwrap_or(u32::MAX);
        Self { http: Some(request), ..Self::new(size, DemandShape::None) }
    }

    /// What a request does, one stage after the other, where the service's own work is `own`: none where it does no work that
    /// takes time.
    pub fn stages(&self, own: Option<Work>) -> Vec<Stage> {
        match own {
            None | Some(Work::Poison) => Vec::new(),
            Some(Work::Stages) => self.stages.clone(),
            Some(work) => vec![Stage { work, demand: self.demand }],
        }
    }

    /// The same request with all that it computes `factor` times as long, where the service's own work is `own`.
    #[must_use]
    pub fn computing_scaled(&self, own: Option<Work>, factor: f64) -> Self {
        let scaled = |demand: &DemandShape, work| match work {
            Some(Work::Compute) => demand.scaled(factor),
            _ => *demand,
        };
        let stage = |stage: &Stage| Stage { demand: scaled(&stage.demand, Some(stage.work)), ..*stage };
        Self {
            demand: scaled(&self.demand, own),
            stages: self.stages.iter().map(stage).collect(),
            ..self.clone()
        }
    }
}

/// One kind of work of a request that does several, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// What it makes the server do: compute, wait or block.
    pub work: Work,
    /// How long, by a law of its own.
    pub demand: DemandShape,
}

/// The mean in nanoseconds and the squared coefficient of variation of the sum of stages whose demands are drawn each for itself;
/// (0, 0) of none.
pub fn moments_of_sum<'a>(stages: impl IntoIterator<Item = &'a Stage>) -> (f64, f64) {
    let (mut mean, mut variance) = (0.0, 0.0);
    for (of_one, scv) in stages.into_iter().map(|stage| stage.demand.moments()) {
        mean += of_one;
        variance += scv * of_one * of_one;
    }
    (mean, if mean > 0.0 { variance / (mean * mean) } else { 0.0 })
}

/// What the demand of a request makes the server do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// Use a CPU.
    Compute,
    /// Wait for somebody else without holding a thread.
    Wait,
    /// Hold its thread without using a CPU.
    Block,
    /// Several of these, one after the other: the stages of the request.
    Stages,
    /// Kill the process that handles it.
    Poison,
}

/// Exponential demands are cut off at so many times their mean.
pub const EXPONENTIAL_CUT: f64 = 20.0;

/// What one request demands of the server, drawn per request from the seed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum DemandShape {
    /// Nothing in the request; the service's own default holds.
    None,
    /// Always the same.
    Fixed {
        /// The demand.
        #[serde(rename = "value_ns", with = "nanos")]
        value: Duration,
    },
    /// Exponentially distributed, cut off at 20 times the mean (which loses 2e-9 of the draws).
    Exponential {
        /// The mean.
        #[serde(rename = "mean_ns", with = "nanos")]
        mean: Duration,
    },
    /// One of two values.
    Bimodal {
        /// The common demand.
        #[serde(rename = "short_ns", with = "nanos")]
        short: Duration,
        /// The rare one.
        #[serde(rename = "long_ns", with = "nanos")]
        long: Duration,
        /// Probability of the rare one, between 0 and 1.
        long_share: f64,
    },
    /// Bounded Pareto: a power law cut off at both ends, the heavy tail of service times (Harchol-Balter, "Performance
    /// Modeling and Design of Computer Systems", 2013, chapter 20). P(demand > x) falls as `x^-shape`.
    Pareto {
        /// The smallest demand.
        #[serde(rename = "least_ns", with = "nanos")]
        least: Duration,
        /// The largest demand, above `least`.
        #[serde(rename = "most_ns", with = "nanos")]
        most: Duration,
        /// The exponent, above 0; the smaller, the heavier the tail.
        shape: f64,
    },
    /// No time: with this probability the request aborts its handler, else it is echoed.
    Poison {
        /// The probability, above 0 and below 1.
        share: f64,
    },
}

/// Nanoseconds of a span, as a number to calculate with.
fn ns(span: Duration) -> f64 {
    span.as_secs_f64() * 1e9
}

impl DemandShape {
    /// Mean in nanoseconds and squared coefficient of variation (variance over squared mean) of the demand that a request
    /// states; (0, 0) where it states no time.
    pub fn moments(&self) -> (f64, f64) {
        match *self {
            Self::None | Self::Poison { .. } => (0.0, 0.0),
            Self::Fixed { value } => (ns(value), 0.0),
            Self::Exponential { mean } => (ns(mean), 1.0),
            Self::Bimodal { short, long, long_share } => {
                let (short, long) = (ns(short), ns(long));
                let mean = short + (long - short) * long_share;
                let variance = (long - short).powi(2) * long_share * (1.0 - long_share);
                (mean, if mean > 0.0 { variance / (mean * mean) } else { 0.0 })
            }
            Self::Pareto { least, most, shape } => {
                let log_ratio = (ns(most) / ns(least)).ln();
                // In units of `least`, so that no power can overflow a float before the moment itself does.
                let mean = pareto_moment(shape, log_ratio, 1.0);
                let scv = pareto_moment(shape, log_ratio, 2.0) / (mean * mean) - 1.0;
                (ns(least) * mean, scv.max(0.0))
            }
        }
    }

    /// The demand in nanoseconds that a share of the requests stays at or below, where a request states a time; 0 where
    /// it states none. `share` lies in 0 to 1. Exponential demands are not cut off here.
    pub fn quantile_ns(&self, share: f64) -> f64 {
        match *self {
            Self::None | Self::Poison { .. } => 0.0,
            Self::Fixed { value } => ns(value),
            Self::Exponential { mean } => -ns(mean) * (1.0 - share).ln(),
            Self::Bimodal { short, long, long_share } => {
                ns(if share <= 1.0 - long_share { short } else { long })
            }
            Self::Pareto { least, most, shape } => {
                let (least, most) = (ns(least), ns(most));
                // F(x) = (1 - (L/x)^a) / (1 - (L/H)^a), solved for x.
                let within = -(-shape * (most / least).ln()).exp_m1();
                (least * (-(-share * within).ln_1p() / shape).exp()).clamp(least, most)
            }
        }
    }

    /// The same demand with all times `factor` times as long; shares and shapes stay.
    #[must_use]
    pub fn scaled(&self, factor: f64) -> Self {
        let of = |span: Duration| span.mul_f64(factor);
        match *self {
            Self::None | Self::Poison { .. } => *self,
            Self::Fixed { value } => Self::Fixed { value: of(value) },
            Self::Exponential { mean } => Self::Exponential { mean: of(mean) },
            Self::Bimodal { short, long, long_share } => {
                Self::Bimodal { short: of(short), long: of(long), long_share }
            }
            Self::Pareto { least, most, shape } => Self::Pareto { least: of(least), most: of(most), shape },
        }
    }

    /// The largest demand that can be drawn.
    pub fn largest(&self) -> Duration {
        match *self {
            Self::None | Self::Poison { .. } => Duration::ZERO,
            Self::Fixed { value } => value,
            Self::Exponential { mean } => mean.mul_f64(EXPONENTIAL_CUT),
            Self::Bimodal { short, long, .. } => short.max(long),
            Self::Pareto { most, .. } => most,
        }
    }
}

/// The `power`-th moment of a bounded Pareto distribution whose least value is 1: a (r^(k-a) - 1) / (k - a) over
/// 1 - r^-a, where r is the largest value, a the shape and k the power. At k = a the fraction is ln r, which `exp_m1`
/// approaches without losing digits.
fn pareto_moment(shape: f64, log_ratio: f64, power: f64) -> f64 {
    let above = power - shape;
    let integral = if above == 0.0 { log_ratio } else { (above * log_ratio).exp_m1() / above };
    shape * integral / -(-shape * log_ratio).exp_m1()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_add_means_and_variances_and_are_scaled_where_they_compute() {
        let stage = |work, demand| Stage { work, demand };
        let compute = stage(Work::Compute, DemandShape::Fixed { value: us(2_000) });
        let wait = stage(Work::Wait, DemandShape::Exponential { mean: us(10_000) });
        let request = RequestShape::of_stages(64, vec![compute, wait, compute]);
        let stages = request.stages(Some(Work::Stages));
        // 14 ms, of which the variance is that of the wait: (10 / 14)^2.
        let (mean, scv) = moments_of_sum(&stages);
        assert!((mean - 14e6).abs() < 1e-3 && (scv - 100.0 / 196.0).abs() < 1e-12, "{mean} {scv}");
        assert_eq!(moments_of_sum([&compute]), (2e6, 0.0));
        assert_eq!(moments_of_sum([]), (0.0, 0.0));
        let scaled = request.computing_scaled(Some(Work::Stages), 1.5).stages;
        let longer = stage(Work::Compute, DemandShape::Fixed { value: us(3_000) });
        assert_eq!(scaled, [longer, wait, longer]);
        // A service of one kind of work has one stage, and one that does none has none.
        let plain = RequestShape::new(64, wait.demand);
        assert_eq!(plain.stages(Some(Work::Wait)), [wait]);
        assert_eq!(plain.computing_scaled(Some(Work::Wait), 1.5), plain);
        assert!(plain.stages(None).is_empty() && plain.stages(Some(Work::Poison)).is_empty());
    }

    fn us(us: u64) -> Duration {
        Duration::from_micros(us)
    }

    #[test]
    fn moments_are_those_of_the_distributions() {
        assert_eq!(DemandShape::None.moments(), (0.0, 0.0));
        assert_eq!(DemandShape::Poison { share: 0.5 }.moments(), (0.0, 0.0));
        assert_eq!(DemandShape::Fixed { value: us(200) }.moments(), (200_000.0, 0.0));
        assert_eq!(DemandShape::Exponential { mean: us(5) }.moments(), (5_000.0, 1.0));
        // 50 us and, one in 200, 10 ms: mean 99.75 us, variance 0.005 * 0.995 * (9.95 ms)^2.
        let (mean, scv) =
            DemandShape::Bimodal { short: us(50), long: us(10_000), long_share: 0.005 }.moments();
        assert!((mean - 99_750.0).abs() < 1e-6, "{mean}");
        assert!((scv - 0.004_975 * (9.95e6 / 99_750.0_f64).powi(2)).abs() < 1e-9, "{scv}");
    }

    #[test]
    fn scaling_a_demand_scales_its_mean_and_keeps_its_shape() {
        for demand in [
            DemandShape::None,
            DemandShape::Poison { share: 0.5 },
            DemandShape::Fixed { value: us(200) },
            DemandShape::Exponential { mean: us(5) },
            DemandShape::Bimodal { short: us(50), long: us(10_000), long_share: 0.005 },
            DemandShape::Pareto { least: us(20), most: us(20_000), shape: 1.2 },
        ] {
            let ((mean, scv), (scaled, same)) = (demand.moments(), demand.scaled(1.28).moments());
            assert!((scaled - 1.28 * mean).abs() <= 1e-4 * mean, "{demand:?}: {scaled}");
            assert!((same - scv).abs() <= 1e-4 * scv, "{demand:?}: {same}");
        }
    }

    /// Mean and squared coefficient of variation by integrating the density itself, in steps of the logarithm of the
    /// demand (Simpson's rule): another way to the same figures than the formula.
    fn integrated(least_ns: f64, most_ns: f64, shape: f64) -> (f64, f64) {
        const STEPS: u32 = 20_000;
        let width = (most_ns / least_ns).ln() / f64::from(STEPS);
        let mut sums = [0.0_f64; 3];
        for step in 0..=STEPS {
            let x = least_ns * (f64::from(step) * width).exp();
            let weight = if step == 0 || step == STEPS { 1.0 } else { f64::from(2 + step % 2 * 2) };
            // dx = x dlnx; the density's constant cancels in the quotients below.
            let mass = weight * x * shape * least_ns.powf(shape) * x.powf(-shape - 1.0);
            for (sum, power) in sums.iter_mut().zip([0, 1, 2]) {
                *sum += mass * x.powi(power);
            }
        }
        let (mean, square) = (sums[1] / sums[0], sums[2] / sums[0]);
        (mean, square / (mean * mean) - 1.0)
    }

    #[test]
    fn pareto_moments_are_the_integrals_also_at_and_near_the_shapes_1_and_2() {
        for shape in [0.3, 0.999_999, 1.0, 1.000_001, 1.2, 1.5, 2.0, 2.000_000_1, 3.7] {
            for (least, most) in [(us(20), us(50_000)), (us(100), us(110)), (us(1), us(60_000_000))] {
                let (mean, scv) = DemandShape::Pareto { least, most, shape }.moments();
                let (by_mean, by_scv) = integrated(ns(least), ns(most), shape);
                assert!((mean / by_mean - 1.0).abs() < 1e-8, "{shape} {most:?}: {mean} {by_mean}");
                assert!((scv - by_scv).abs() < 1e-7 * (1.0 + by_scv), "{shape} {most:?}: {scv} {by_scv}");
            }
        }
    }

    #[test]
    fn pareto_quantiles_begin_at_the_least_and_end_at_the_most() {
        for shape in [0.1, 1.0, 2.0, 40.0] {
            let pareto = DemandShape::Pareto { least: us(20), most: us(50_000), shape };
            let of = |share| pareto.quantile_ns(share);
            assert!((of(0.0) - 20_000.0).abs() < 1e-6 && of(1.0) <= 50_000_000.0, "{shape}");
            // With a steep law the largest is so rare that floats cannot tell its share from 1.
            assert!(of(1.0) > 49_999_999.0, "{shape}: {}", of(1.0));
            assert!((0..100).all(|i| of(f64::from(i) / 100.0) <= of(f64::from(i + 1) / 100.0)), "{shape}");
        }
        // By hand: half of a law with shape 1 from 1 to 3 lies at 1 / (1 - 0.5 * 2/3) = 1.5.
        let even = DemandShape::Pareto { least: us(1), most: us(3), shape: 1.0 };
        assert!((even.quantile_ns(0.5) - 1_500.0).abs() < 1e-9);
    }
}
