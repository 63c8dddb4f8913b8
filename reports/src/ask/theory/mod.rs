//! Closed forms of queueing theory: what a workload allows at most, and how long a queue should be.
//!
//! Pure arithmetic on known parameters, tested against published values. [`limits`] holds it against a run. It must
//! never fit anything to what it is then compared with.

pub mod arithmetic;
pub mod limits;

/// Most requests per second of a closed loop of `clients` whose response takes `least_response_ns` at least and who then
/// think for `think_ns`: `N / (R_min + Z)`. Infinite when both times are 0.
///
/// Source: the asymptotic bounds of operational analysis; Denning and Buzen, The Operational Analysis of Queueing Network
/// Models, ACM Computing Surveys 10(3), 1978; Lazowska, Zahorjan, Graham and Sevcik, Quantitative System Performance,
/// 1984, chapter 5.
pub fn closed_bound_per_s(clients: f64, least_response_ns: f64, think_ns: f64) -> f64 {
    clients * 1e9 / (least_response_ns + think_ns)
}

/// Most requests per second of `servers` alike (CPUs, threads) of which a request occupies one for `demand_ns`: `c / D`.
/// Infinite for a demand of 0. Source: the utilisation law `U = X D / c <= 1`, as [`closed_bound_per_s`].
pub fn demand_bound_per_s(servers: f64, demand_ns: f64) -> f64 {
    servers * 1e9 / demand_ns
}

/// Mean wait in an M/G/1 queue of arrival rate `lambda` and service of the two moments (Pollaczek and Khinchine; Kleinrock,
/// Queueing Systems 1, 1975, 5.6): `lambda E[S^2] / (2 (1 - rho))`. With exponential service the mean response is
/// `1 / (mu - lambda)`, with constant service the mean wait is `rho / (2 mu (1 - rho))`. Infinite from rho = 1 on. Holds
/// in any one unit of time.
pub fn mg1_wait(lambda: f64, mean: f64, mean_square: f64) -> f64 {
    let idle = 1.0 - lambda * mean;
    if idle > 0.0 { lambda * mean_square / (2.0 * idle) } else { f64::INFINITY }
}

/// Mean response in an M/G/1 queue whose server divides itself evenly among all requests present: `E[S] / (1 - rho)`,
/// whatever the distribution of the service (processor sharing; Kleinrock, Queueing Systems 2, 1976, 4.4). Infinite from
/// rho = 1 on. Holds in any one unit of time.
pub fn mg1_sharing_response(lambda: f64, mean: f64) -> f64 {
    let idle = 1.0 - lambda * mean;
    if idle > 0.0 { mean / idle } else { f64::INFINITY }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9 * b.abs().max(1e-9)
    }

    #[test]
    fn a_closed_loop_is_bounded_by_its_clients_and_by_its_bottleneck() {
        // Denning and Buzen's form with N = 10, R = 2 s, Z = 18 s: half a request a second.
        assert!(near(closed_bound_per_s(10.0, 2e9, 18e9), 0.5));
        // A pool of 16 with a wait of 5 ms.
        assert!(near(demand_bound_per_s(16.0, 5e6), 3_200.0));
        // The bounds cross at N* = (R + Z) / D.
        let (least, think, demand) = (2e9, 18e9, 0.5e9);
        let crossing = (least + think) / demand;
        assert!(near(closed_bound_per_s(crossing, least, think), demand_bound_per_s(1.0, demand)));
        assert_eq!(demand_bound_per_s(1.0, 0.0), f64::INFINITY);
    }

    #[test]
    fn a_queue_has_its_known_special_cases() {
        let (mu, lambda) = (2.0_f64, 1.4);
        let exponential = 1.0 / mu + mg1_wait(lambda, 1.0 / mu, 2.0 / (mu * mu));
        assert!(near(exponential, 1.0 / (mu - lambda)), "M/M/1");
        let rho = lambda / mu;
        assert!(near(mg1_wait(lambda, 1.0 / mu, 1.0 / (mu * mu)), rho / (2.0 * mu * (1.0 - rho))), "M/D/1");
        // With exponential service, first come first served and sharing have one mean.
        assert!(near(mg1_sharing_response(lambda, 1.0 / mu), exponential));
        assert_eq!(mg1_wait(1.0, 1.5, 3.0), f64::INFINITY);
        assert_eq!(mg1_sharing_response(1.0, 1.0), f64::INFINITY);
    }
}
