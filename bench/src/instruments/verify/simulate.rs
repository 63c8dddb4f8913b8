//! Queues without a clock: the same first-come-first-served queue that an oracle builds of sockets, computed.
//!
//! Two uses. A *replay* takes the very arrivals and demands of a trial and says what its response times must have been.
//! *Replications* with fresh draws say how far the mean and the percentile of so many requests scatter, and so how wide
//! a band must be. Seeded; never sleeps.

use bakeoff_reports::stats::random::Random;

/// Arrival (or service) times of a queue with `c` servers, in the order of arrivals.
#[derive(Debug)]
pub struct Fifo {
    /// When each server is free again.
    free_at: Vec<f64>,
}

impl Fifo {
    /// An empty queue before `c` servers.
    pub fn new(c: usize) -> Self {
        Self { free_at: vec![0.0; c.max(1)] }
    }

    /// Lets a request in at `arrival` (not before the one before it) that needs `service`; returns its response time.
    /// The recursions of Lindley (one server) and of Kiefer and Wolfowitz (several).
    pub fn pass(&mut self, arrival: f64, service: f64) -> f64 {
        let first = (0..self.free_at.len()).min_by(|a, b| self.free_at[*a].total_cmp(&self.free_at[*b]));
        let server = first.unwrap_or(0);
        let done = self.free_at[server].max(arrival) + service;
        self.free_at[server] = done;
        done - arrival
    }
}

/// What a trial shows of a queue: the mean wait, the mean response, the 99th percentile of response.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// Mean of response minus service.
    pub mean_wait: f64,
    /// Mean response.
    pub mean: f64,
    /// 99th percentile of response.
    pub p99: f64,
}

/// Summarises the responses to `requests` (arrival, service) that count, where `skip` of them come before the window.
pub fn replay(requests: impl Iterator<Item = (f64, f64)>, c: usize, skip: usize) -> Summary {
    let mut queue = Fifo::new(c);
    let mut responses = Vec::new();
    let mut waits = 0.0;
    for (number, (arrival, service)) in requests.enumerate() {
        let response = queue.pass(arrival, service);
        if number >= skip {
            responses.push(response);
            waits += response - service;
        }
    }
    let n = responses.len().max(1) as f64;
    let mean = responses.iter().sum::<f64>() / n;
    responses.sort_unstable_by(f64::total_cmp);
    let rank = ((0.99 * n - 1e-6).ceil() as usize).max(1);
    let p99 = responses.get(rank - 1).copied().unwrap_or(0.0);
    Summary { mean_wait: waits / n, mean, p99 }
}

/// A figure over replications: its centre, and how it scatters on a logarithmic scale (means of queues are skewed).
#[derive(Clone, Copy, Debug)]
pub struct Scatter {
    /// Mean of the logarithms, taken back.
    pub centre: f64,
    /// Standard deviation of the logarithms.
    pub log_sd: f64,
}

impl Scatter {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let logs: Vec<f64> = values.map(|v| v.max(1e-9).ln()).collect();
        let n = logs.len().max(2) as f64;
        let mean = logs.iter().sum::<f64>() / n;
        let variance = logs.iter().map(|l| (l - mean) * (l - mean)).sum::<f64>() / (n - 1.0);
        Self { centre: mean.exp(), log_sd: variance.sqrt() }
    }

    /// The band about `expected` that a healthy figure leaves with the two-sided probability that `z` stands for.
    pub fn band(&self, expected: f64, z: f64) -> (f64, f64) {
        let half = z * self.log_sd;
        (expected * (-half).exp(), expected * half.exp())
    }
}

/// What repeated trials of one queue would show.
#[derive(Clone, Copy, Debug)]
pub struct Replications {
    /// Of the mean wait.
    pub mean_wait: Scatter,
    /// Of the mean response.
    pub mean: Scatter,
    /// Of the 99th percentile of response.
    pub p99: Scatter,
}

/// A queue to replicate: Poisson arrivals before `c` servers, service times drawn from a table of equally likely ones.
#[derive(Clone, Copy, Debug)]
pub struct Queue<'a> {
    /// Arrivals per unit of time.
    pub lambda: f64,
    /// Servers.
    pub c: usize,
    /// Equally likely service times.
    pub services: &'a [f64],
    /// Requests before the window.
    pub skip: usize,
    /// Requests in the window.
    pub n: usize,
}

impl Queue<'_> {
    /// Runs it `times` times over.
    pub fn replicate(&self, times: usize, seed: u64) -> Replications {
        let mut random = Random::new(seed);
        let runs: Vec<Summary> = (0..times).map(|_| self.once(&mut random)).collect();
        Replications {
            mean_wait: Scatter::of(runs.iter().map(|r| r.mean_wait)),
            mean: Scatter::of(runs.iter().map(|r| r.mean)),
            p99: Scatter::of(runs.iter().map(|r| r.p99)),
        }
    }

    /// One trial of it.
    pub fn once(&self, random: &mut Random) -> Summary {
        let mut now = 0.0;
        let requests = (0..self.skip + self.n).map(|_| {
            now -= (1.0 - random.unit()).ln() / self.lambda;
            (now, self.services[random.below(self.services.len())])
        });
        replay(requests, self.c, self.skip)
    }
}

#[cfg(test)]
mod tests {
    use super::super::theory;
    use super::*;

    /// Equally likely exponential times of mean 1, each the mean of its share of the distribution.
    fn exponential(size: usize) -> Vec<f64> {
        let n = size as f64;
        // The integral of -ln(1 - u) over ((i)/n, (i+1)/n), times n.
        let antiderivative = |v: f64| if v <= 0.0 { 0.0 } else { v * v.ln() - v };
        let share = |i: usize| 1.0 - i as f64 / n;
        (0..size).map(|i| -n * (antiderivative(share(i)) - antiderivative(share(i + 1)))).collect()
    }

    #[test]
    fn the_queue_agrees_with_the_closed_forms() {
        let exponential = exponential(4096);
        let cases: [(&[f64], usize, f64, f64); 3] = [
            (&exponential, 1, 0.5, 1.0),
            (&[1.0], 1, 0.7, 0.7 / 0.6),
            (&exponential, 4, 0.8 * 4.0, theory::mmc_wait_over_service(4, 3.2)),
        ];
        for (services, c, lambda, wait) in cases {
            let queue = Queue { lambda, c, services, skip: 2_000, n: 400_000 };
            let got = queue.once(&mut Random::new(5)).mean_wait;
            // At 400,000 requests the standard errors are 0.9, 0.4 and 1.5 %; the seed is fixed.
            assert!((got / wait - 1.0).abs() < 0.045, "c = {c}: {got} for {wait}");
        }
        let queue = Queue { lambda: 0.5, c: 1, services: &exponential, skip: 1_000, n: 400_000 };
        let p99 = queue.once(&mut Random::new(6)).p99;
        assert!((p99 / (100_f64.ln() / 0.5) - 1.0).abs() < 0.04, "{p99}");
    }

    #[test]
    fn the_scatter_agrees_with_the_known_variance() {
        let exponential = exponential(1024);
        let (rho, n) = (0.5, 10_000);
        let queue = Queue { lambda: rho, c: 1, services: &exponential, skip: 500, n };
        let got = queue.replicate(300, 9).mean_wait.log_sd;
        let known = (theory::mm1_wait_variance(rho) / n as f64).sqrt() / (rho / (1.0 - rho));
        // The standard error of a standard deviation from 300 runs is 4 %; the seed is fixed.
        assert!((got / known - 1.0).abs() < 0.15, "{got} for {known}");
    }

    #[test]
    fn bands_have_the_stated_error_rate() {
        let exponential = exponential(1024);
        let queue = Queue { lambda: 0.7, c: 1, services: &exponential, skip: 300, n: 3_000 };
        let scatter = queue.replicate(300, 1);
        let (alpha, trials) = (0.05, 600);
        let z = theory::two_sided_z(alpha);
        let mut random = Random::new(77);
        let mut alarms = [0_u32; 2];
        for _ in 0..trials {
            let run = queue.once(&mut random);
            for (alarm, scatter, figure) in [(0, &scatter.mean, run.mean), (1, &scatter.p99, run.p99)] {
                let (low, high) = scatter.band(scatter.centre, z);
                alarms[alarm] += u32::from(!(low..=high).contains(&figure));
            }
        }
        // Expected 30 of 600, standard deviation 5.3; the band of 300 runs adds some. Fixed seed.
        assert!(alarms.iter().all(|a| (10..=55).contains(a)), "{alarms:?}");
    }

    #[test]
    fn several_servers_take_requests_in_order() {
        let requests = [(0.0, 4.0), (1.0, 4.0), (2.0, 1.0), (3.0, 1.0)];
        let mut queue = Fifo::new(2);
        let responses: Vec<f64> = requests.iter().map(|(a, s)| queue.pass(*a, *s)).collect();
        assert_eq!(responses, [4.0, 4.0, 3.0, 3.0]);
    }
}
