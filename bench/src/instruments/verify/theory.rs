//! The closed forms behind the oracles. Pure arithmetic on known parameters; never looks at a measurement.
//!
//! Rates are per nanosecond and times in nanoseconds unless said otherwise; the forms hold in any one unit.

/// Quantile `q` of the response time in an open loop of length `t` over one FIFO at utilisation `rho`, whose server
/// stands still for `s` once; negative where the quantile lies below the stall's reach.
///
/// A request that arrives `u` after the stall began is answered when the stall is over and the `rho u` of work before it
/// is done: after `s - (1 - rho) u`. So a share `(s - x) / ((1 - rho) t)` of all requests waits longer than `x`.
pub fn stall_quantile(q: f64, s: f64, t: f64, rho: f64) -> f64 {
    s - (1.0 - q) * (1.0 - rho) * t
}

pub use bakeoff_reports::ask::theory::mg1_wait;

/// Probability that an arrival waits in an M/M/c queue at an offered load of `load` = lambda/mu Erlang (Erlang C), by way
/// of the stable recursion for Erlang B.
pub fn erlang_c(c: u32, load: f64) -> f64 {
    let blocked = (1..=c).fold(1.0, |b, k| load * b / (f64::from(k) + load * b));
    let rho = load / f64::from(c);
    blocked / (1.0 - rho * (1.0 - blocked))
}

/// Mean wait in an M/M/c queue, as a multiple of the mean service time: `C(c, load) / (c - load)`. Infinite from a load of
/// c on.
pub fn mmc_wait_over_service(c: u32, load: f64) -> f64 {
    let idle = f64::from(c) - load;
    if idle > 0.0 { erlang_c(c, load) / idle } else { f64::INFINITY }
}

/// Asymptotic variance of the mean of n waits in M/M/1 times n, in squared service times: `Var(mean W) ~ v / n` with
/// `v = rho (2 + 5 rho - 4 rho^2 + rho^3) / (1 - rho)^4` (Blomqvist, Skand. Aktuarietidskr. 50, 1967; Law and Kelton,
/// Simulation Modeling and Analysis, 4.3). It sizes the oracles' bands, and the simulation that makes them is tested
/// against it.
pub fn mm1_wait_variance(rho: f64) -> f64 {
    rho * (2.0 + 5.0 * rho - 4.0 * rho * rho + rho.powi(3)) / (1.0 - rho).powi(4)
}

/// The two-sided standard normal quantile: z with `P(|Z| > z) = alpha`, for alpha in 1e-12 to 1. By bisection on
/// the tail.
pub fn two_sided_z(alpha: f64) -> f64 {
    let (mut low, mut high) = (0.0, 8.0);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if 2.0 * normal_tail(middle) > alpha { low = middle } else { high = middle }
    }
    (low + high) / 2.0
}

/// `P(Z > z)` for z >= 0: by the trapezoid rule over the density up to 10, which is exact to about 1e-10.
fn normal_tail(z: f64) -> f64 {
    const STEPS: u32 = 2_000;
    let width = (10.0 - z) / f64::from(STEPS);
    let density = |x: f64| (-x * x / 2.0).exp() / std::f64::consts::TAU.sqrt();
    let inner: f64 = (1..STEPS).map(|i| density(z + f64::from(i) * width)).sum();
    width * (inner + (density(z) + density(10.0)) / 2.0)
}

/// Kolmogorov and Smirnov's distance of a sample of gaps (in any order; sorted here) to the exponential distribution of
/// mean `mean`: the largest difference of the two distribution functions. 1 for an empty sample.
pub fn ks_exponential(gaps: &mut [f64], mean: f64) -> f64 {
    gaps.sort_unstable_by(f64::total_cmp);
    let n = gaps.len() as f64;
    let far = |(i, gap): (usize, &f64)| {
        let theory = 1.0 - (-gap / mean).exp();
        (theory - i as f64 / n).max((i + 1) as f64 / n - theory)
    };
    if gaps.is_empty() { 1.0 } else { gaps.iter().enumerate().map(far).fold(0.0, f64::max) }
}

/// Distance that the empirical distribution of `n` independent draws exceeds with a probability of at most `alpha`
/// (Dvoretzky, Kiefer, Wolfowitz 1956 with the constant of Massart 1990): `sqrt(ln(2/alpha) / 2n)`.
pub fn ks_critical(n: usize, alpha: f64) -> f64 {
    ((2.0 / alpha).ln() / (2.0 * n.max(1) as f64)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 5e-4 * b.abs().max(1e-9)
    }

    #[test]
    fn the_published_values() {
        assert!(near(stall_quantile(0.99, 2.0, 60.0, 0.5), 1.7));
        assert!(near(stall_quantile(0.95, 2.0, 60.0, 0.5), 0.5));
        // Erlang C at rho = .8: Wq/S = 4.0, .746, .205 for c = 1, 4, 10.
        for (c, expected) in [(1, 4.0), (4, 0.7455), (10, 0.2046)] {
            let got = mmc_wait_over_service(c, 0.8 * f64::from(c));
            assert!((got - expected).abs() < 2e-3, "{c}: {got}");
        }
        assert_eq!(mmc_wait_over_service(2, 2.0), f64::INFINITY);
        assert_eq!(mg1_wait(1.0, 1.5, 3.0), f64::INFINITY);
        assert!(near(erlang_c(1, 0.7), 0.7), "with one server the probability of waiting is rho");
        for (alpha, z) in [(0.3173105, 1.0), (0.05, 1.959964), (0.01, 2.575829), (1e-6, 4.891638)] {
            assert!(near(two_sided_z(alpha), z), "{alpha}: {}", two_sided_z(alpha));
        }
    }

    #[test]
    fn pollaczek_khinchine_has_both_special_cases() {
        let (mu, lambda) = (2.0_f64, 1.4);
        let exponential = 1.0 / mu + mg1_wait(lambda, 1.0 / mu, 2.0 / (mu * mu));
        assert!(near(exponential, 1.0 / (mu - lambda)));
        let rho = lambda / mu;
        assert!(near(mg1_wait(lambda, 1.0 / mu, 1.0 / (mu * mu)), rho / (2.0 * mu * (1.0 - rho))));
    }

    #[test]
    fn the_distance_of_known_samples() {
        // The exact quantiles at the middles of n equal parts are 1/2n away.
        let mut ideal: Vec<f64> = (0..100).map(|i| -(1.0 - (f64::from(i) + 0.5) / 100.0).ln()).collect();
        assert!(near(ks_exponential(&mut ideal, 1.0), 0.005));
        // Uniform gaps of the same mean are ln-shaped away: 0.153 at most.
        let mut uniform: Vec<f64> = (0..10_000).map(|i| f64::from(i) / 5_000.0).collect();
        let distance = ks_exponential(&mut uniform, 1.0);
        assert!((0.150..0.156).contains(&distance), "{distance}");
        assert_eq!(ks_exponential(&mut [], 1.0), 1.0);
    }
}
