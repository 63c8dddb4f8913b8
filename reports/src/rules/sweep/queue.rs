//! A single queue, fitted to a percentile of response time over the rate.
//!
//! With one server that takes S per request, Poisson arrivals at the rate r and u = r S, a share u of requests waits, and the
//! wait of those is exponential with mean `S (1 + c) / (2 (1 - u))` in heavy traffic, where c is the squared coefficient of
//! variation of the service time (Kingman, Proc. Cambridge Phil. Soc. 57, 1961; Kleinrock, Queueing Systems 2, 1976, 2.1).
//! So the percentile p of the response is `B + S (1 + c) / (2 (1 - u)) * ln(u / (1 - p))`, with B what a request takes that
//! meets nobody, and B alone while u <= 1 - p. For c = 1 (M/M/1) the wait is exact; for c = 0 (M/D/1) it is Kingman's.
//!
//! # The fit
//! Least squares of the logarithm, for S and B, with c = 0 and c = 1, and the better of the two. Points whose replies came at
//! less than [`KEPT_SHARE`] of the rate, or whose percentile is infinite, have no steady state and no place in a law of it:
//! they are left out, and counted.

/// Points that a fit takes at least: two more than it has parameters.
pub(crate) const LEAST_POINTS: usize = 4;

/// The share of the rate that must have come back for a point to be in a steady state.
pub(crate) const KEPT_SHARE: f64 = 0.97;

/// The largest residual with which the law is said to hold, as a share: a p99 repeats to about 10 % between rounds.
pub(crate) const MOST_RESIDUAL: f64 = 0.25;

/// Steps of the search for the service time, geometric, before it is refined.
const STEPS: i32 = 80;

/// A fitted queue.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Queue {
    /// Time the one server takes for a request, in nanoseconds.
    pub service_ns: f64,
    /// What a request takes that meets nobody, in nanoseconds.
    pub alone_ns: f64,
    /// Squared coefficient of variation of the service time: 0 (M/D/1) or 1 (M/M/1).
    pub scv: f64,
    /// The percentile, as a share.
    pub percentile: f64,
    /// Root mean square deviation of the logarithm, with two degrees of freedom taken off.
    pub residual: f64,
    /// Points it was fitted to.
    pub points: usize,
}

impl Queue {
    /// The percentile of response time at a rate, in nanoseconds; infinite from the capacity on.
    pub fn at(&self, rate_per_s: f64) -> f64 {
        self.alone_ns + wait(rate_per_s, self.service_ns, self.scv, self.percentile)
    }

    /// The rate at which the one server is busy all the time, per second.
    pub fn saturation_per_s(&self) -> f64 {
        1e9 / self.service_ns
    }

    /// Whether the curve may be called that of a single queue.
    pub fn holds(&self) -> bool {
        self.residual <= MOST_RESIDUAL
    }

    /// Its name in Kendall's notation.
    pub fn name(&self) -> &'static str {
        if self.scv == 0.0 { "M/D/1" } else { "M/M/1" }
    }
}

fn wait(rate_per_s: f64, service_ns: f64, scv: f64, percentile: f64) -> f64 {
    let used = rate_per_s * service_ns / 1e9;
    if used >= 1.0 {
        return f64::INFINITY;
    }
    let over = (used / (1.0 - percentile)).ln();
    if over <= 0.0 { 0.0 } else { service_ns * (1.0 + scv) / (2.0 * (1.0 - used)) * over }
}

/// A point to fit: the rate asked for and the one that came back per second, and the percentile in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At {
    pub(crate) rate_per_s: f64,
    pub(crate) back_per_s: f64,
    pub(crate) response_ns: f64,
}

/// The queue through the points in a steady state; the error says why there is none.
pub(crate) fn fit(points: &[At], percentile: f64) -> Result<Queue, String> {
    let steady = |at: &&At| at.response_ns.is_finite() && at.back_per_s >= KEPT_SHARE * at.rate_per_s;
    let points: Vec<At> = points.iter().filter(steady).copied().collect();
    if points.len() < LEAST_POINTS {
        return Err(format!(
            "a queue takes {LEAST_POINTS} rates at which nearly all came back, and there are {}",
            points.len()
        ));
    }
    let most = points.iter().map(|at| at.rate_per_s).fold(0.0, f64::max);
    let best = [0.0, 1.0].into_iter().map(|scv| best(&points, percentile, scv, 1e9 / most));
    let best = best.min_by(|a, b| a.residual.total_cmp(&b.residual)).ok_or("nothing was fitted")?;
    if best.residual.is_finite() { Ok(best) } else { Err("no queue comes near the points".to_owned()) }
}

/// The best service time below `most_ns`, with which the highest rate would use the whole server.
fn best(points: &[At], percentile: f64, scv: f64, most_ns: f64) -> Queue {
    // From a ten-thousandth of the time to all but a thousandth of it, denser towards the latter.
    let at = |step: f64| most_ns * (1.0 - 10_f64.powf(-3.0 * step / f64::from(STEPS))).max(1e-4);
    let queue = |service_ns: f64| with_base(points, percentile, scv, service_ns);
    let cost = |step: f64| queue(at(step)).residual;
    let coarse = (0..=STEPS).map(f64::from).min_by(|a, b| cost(*a).total_cmp(&cost(*b))).unwrap_or(0.0);
    let (mut low, mut high) = ((coarse - 1.0).max(0.0), coarse + 1.0);
    for _ in 0..24 {
        let third = (high - low) / 3.0;
        if cost(low + third) < cost(high - third) { high -= third } else { low += third }
    }
    queue(at((low + high) / 2.0))
}

/// The best time alone for a service time: the sum of squares of the logarithms has one minimum over it between 0 and the
/// least response, found by thirds.
fn with_base(points: &[At], percentile: f64, scv: f64, service_ns: f64) -> Queue {
    let waits: Vec<(f64, f64)> = points
        .iter()
        .map(|at| (wait(at.rate_per_s, service_ns, scv, percentile), at.response_ns.ln()))
        .collect();
    let cost = |base: f64| waits.iter().map(|(wait, ln)| ((base + wait).ln() - ln).powi(2)).sum::<f64>();
    let (mut low, mut high) =
        (service_ns.min(1.0), points.iter().map(|at| at.response_ns).fold(0.0, f64::max));
    for _ in 0..40 {
        let third = (high - low) / 3.0;
        if cost(low + third) < cost(high - third) { high -= third } else { low += third }
    }
    let alone_ns = (low + high) / 2.0;
    let residual = (cost(alone_ns) / (points.len() - 2) as f64).sqrt();
    Queue { service_ns, alone_ns, scv, percentile, residual, points: points.len() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::random::Random;

    fn points(queue: &Queue, noise: f64, random: &mut Random) -> Vec<At> {
        let rates = [0.05, 0.1, 0.2, 0.4, 0.6, 0.75, 0.85, 0.92].map(|used| used * queue.saturation_per_s());
        let response = |rate| queue.at(rate) * (noise * random.normal()).exp();
        let mut response = response;
        rates.map(|rate| At { rate_per_s: rate, back_per_s: rate, response_ns: response(rate) }).to_vec()
    }

    fn queue(scv: f64) -> Queue {
        Queue { service_ns: 100_000.0, alone_ns: 180_000.0, scv, percentile: 0.99, residual: 0.0, points: 8 }
    }

    #[test]
    fn the_form_is_exact_for_mm1() {
        // P(response > t) = exp(-(mu - lambda) t) with B = S drawn anew is M/M/1's; its wait alone exceeds t with
        // u exp(-(mu - lambda) t), so the wait's p99 at u = 0.5 is ln(50) / (mu - lambda).
        let expected = 50_f64.ln() / (1.0 / 100_000.0 - 0.5 / 100_000.0);
        assert!((wait(5_000.0, 100_000.0, 1.0, 0.99) / expected - 1.0).abs() < 1e-12);
        assert_eq!(wait(10_000.0, 100_000.0, 1.0, 0.99), f64::INFINITY);
        assert_eq!(wait(50.0, 100_000.0, 1.0, 0.99), 0.0, "fewer than one in a hundred waits");
    }

    #[test]
    fn noise_of_10_percent_moves_the_service_time_by_a_tenth_at_most_in_nineteen_of_twenty() {
        for scv in [0.0, 1.0] {
            let (queue, mut random) = (queue(scv), Random::new(11));
            let near = (0..40).filter(|_| {
                let fitted = fit(&points(&queue, 0.10, &mut random), 0.99).expect("eight points");
                (fitted.service_ns / queue.service_ns - 1.0).abs() < 0.1 && fitted.holds()
            });
            let near = near.count();
            assert!(near >= 38, "c = {scv}: {near} of 40");
        }
    }

    #[test]
    fn points_without_a_steady_state_are_left_out_and_a_flat_step_does_not_hold() {
        let mut all = points(&queue(1.0), 0.0, &mut Random::new(1));
        all.push(At { rate_per_s: 20_000.0, back_per_s: 10_000.0, response_ns: 3e8 });
        all.push(At { rate_per_s: 9_900.0, back_per_s: 9_890.0, response_ns: f64::INFINITY });
        let fitted = fit(&all, 0.99).expect("eight steady points");
        assert_eq!((fitted.points, fitted.name()), (8, "M/M/1"));
        assert!((fitted.service_ns / 100_000.0 - 1.0).abs() < 0.01, "{fitted:?}");
        assert!(fit(&all[..3], 0.99).expect_err("too few").contains("4 rates"));
        let step = |rate: f64| At {
            rate_per_s: rate,
            back_per_s: rate,
            response_ns: if rate > 300.0 && rate < 3_000.0 { 4e7 } else { 1e5 },
        };
        let step = [100.0, 200.0, 400.0, 800.0, 1_600.0, 3_200.0].map(step);
        assert!(!fit(&step, 0.99).expect("six points").holds());
    }
}
