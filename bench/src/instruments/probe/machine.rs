//! What the machine itself does: the cost of its clock, how late its timers are, how evenly it works, how long a bare round
//! trip takes. Each on a thread of its own, so that the caller's pinning stays.

use crate::host::clock::{monotonic_ns, nanoseconds};
use crate::host::connect::connect;
use crate::host::pinned::on_cpus;
use crate::sys;
use bakeoff_reports::record::{Overshoot, Reading, RoundTrip, Scatter};
use rustix::net::sockopt;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Steps of the fixed work, about a quarter of a millisecond: long against the clock and an interrupt, short against a trial.
const LOOP_STEPS: u64 = 200_000;
/// Goes of the fixed work, back to back, of which the fastest is the machine's speed. They take two milliseconds, in which a clock
/// that idled comes up; what slows one go down and not another is over before a trial begins, what slows all of them may be a phase.
const LOOP_GOES: u32 = 8;
/// Lengths of sleep that are tried, in nanoseconds: those a schedule of 1,000 to 20,000 requests per second has.
const SLEEPS_NS: [u64; 4] = [50_000, 100_000, 250_000, 1_000_000];
/// Bytes of a ping.
const PING: usize = 64;

/// Runs `work` on a thread pinned to `cpus`.
fn on<T: Send>(cpus: &[u32], work: impl FnOnce() -> Result<T, String> + Send) -> Reading<T> {
    on_cpus(cpus, work).map_or_else(Reading::Absent, Reading::Value)
}

/// Nanoseconds that a read of the monotonic clock takes: the best of some series, each the mean of 1,000 reads.
pub(super) fn clock_read_ns(cpus: &[u32]) -> Reading<f64> {
    const READS: u32 = 1_000;
    let series = || {
        let begin = monotonic_ns();
        (0..READS).for_each(|_| {
            std::hint::black_box(monotonic_ns());
        });
        (monotonic_ns() - begin) as f64 / f64::from(READS)
    };
    on(cpus, || Ok((0..20).map(|_| series()).fold(f64::INFINITY, f64::min)))
}

/// How late sleeps end, with the timers as sharp as the swarm sets its own.
pub(super) fn timers(cpus: &[u32], samples: u32) -> Reading<Vec<Overshoot>> {
    on(cpus, || {
        crate::host::clock::sharpen_timers();
        let overshoot = |asked_ns| {
            let mut late: Vec<u64> = (0..samples.max(1))
                .map(|_| {
                    let due = monotonic_ns() + asked_ns;
                    crate::host::clock::sleep_until(due);
                    monotonic_ns() - due
                })
                .collect();
            late.sort_unstable();
            Overshoot {
                asked_ns,
                p50_ns: at(&late, 0.5),
                p99_ns: at(&late, 0.99),
                samples: late.len() as u64,
            }
        };
        Ok(SLEEPS_NS.map(overshoot).to_vec())
    })
}

/// Times of the fixed work over `goes`.
pub(super) fn fixed_loop(cpus: &[u32], goes: u32) -> Reading<Scatter> {
    on(cpus, || scatter(&loop_times(goes)).ok_or_else(|| "the clock stood still".into()))
}

/// The machine's speed now: time of the fixed work on one of these CPUs, in nanoseconds. Takes about 2 ms.
pub(super) fn loop_ns(cpus: &[u32]) -> Reading<f64> {
    on(cpus, || Ok((0..LOOP_GOES).map(|_| loop_time()).fold(f64::INFINITY, f64::min)))
}

/// Times of the fixed work over so many goes on the calling thread, one after another without a pause.
pub(super) fn loop_times(goes: u32) -> Vec<f64> {
    // The first go warms the cache and the frequency and counts for nothing.
    loop_time();
    (1..=goes.max(1)).map(|_| loop_time()).collect()
}

fn loop_time() -> f64 {
    let begin = Instant::now();
    fixed_work();
    nanoseconds(begin.elapsed()) as f64
}

/// Six sums and products a step that do not wait for each other, so that it takes all the units of a core that there are. A
/// chain of steps that wait for each other takes the same time beside a busy sibling, while everything that serves takes up
/// to half as long again (seen on a virtual machine: this work 1.3 to 1.5 times, a chain 1.0 to 1.1).
pub(super) fn fixed_work() {
    let [mut a, mut b, mut c, mut d, mut e, mut f] = [1_usize, 2, 3, 4, 5, 6];
    for _ in 0..LOOP_STEPS {
        (a, b) = (a.wrapping_mul(3).wrapping_add(1), b.wrapping_mul(5).wrapping_add(1));
        (c, d) = (c ^ (b >> 3), d.wrapping_add(a));
        (e, f) = (e.wrapping_mul(7).wrapping_add(c), f ^ d);
        // In memory, as `black_box` keeps a value, each step would wait for the one before.
        sys::keep_in_registers([a, b, c, d, e, f]);
    }
}

/// A blocking ping-pong with an echo server over one connection: all round trips, and the medians of the goes.
pub(super) fn ping_pong(
    cpus: &[u32],
    target: SocketAddr,
    congestion_control: Option<&str>,
    goes: u32,
    go: Duration,
) -> (Reading<RoundTrip>, Reading<Scatter>) {
    let times = on(cpus, || {
        let failed = |e: std::io::Error| format!("the ping-pong with {target} failed: {e}");
        let mut stream = connect(target, Duration::from_secs(2)).map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        stream.set_read_timeout(Some(Duration::from_secs(2))).map_err(failed)?;
        if let Some(name) = congestion_control {
            sockopt::set_tcp_congestion(&stream, name).map_err(|e| failed(e.into()))?;
        }
        let mut all = Vec::new();
        for _ in 0..goes {
            all.push(ping(&mut stream, go).map_err(failed)?);
        }
        Ok(all)
    });
    let all = match times {
        Reading::Value(all) => all,
        Reading::Absent(why) => return (Reading::Absent(why.clone()), Reading::Absent(why)),
    };
    let medians: Vec<f64> = all.iter().map(|times| at(times, 0.5) as f64).collect();
    let scatter = scatter(&medians).map_or_else(|| Reading::Absent("no round trip".into()), Reading::Value);
    let mut times: Vec<u64> = all.into_iter().flatten().collect();
    times.sort_unstable();
    let trip = RoundTrip { p50_ns: at(&times, 0.5), p99_ns: at(&times, 0.99), samples: times.len() as u64 };
    (Reading::Value(trip), scatter)
}

/// Times of round trips for a while, in order.
fn ping(stream: &mut TcpStream, go: Duration) -> std::io::Result<Vec<u64>> {
    let (message, mut reply) = ([b'x'; PING], [0; PING]);
    let (mut times, end) = (Vec::new(), monotonic_ns() + nanoseconds(go));
    loop {
        let begin = monotonic_ns();
        stream.write_all(&message)?;
        stream.read_exact(&mut reply)?;
        let now = monotonic_ns();
        times.push(now - begin);
        if now >= end {
            times.sort_unstable();
            return Ok(times);
        }
    }
}

/// A quantile of sorted values: the smallest that at least `share` of them do not exceed; 0 of none.
fn at(sorted: &[u64], share: f64) -> u64 {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0)
}

/// How values above zero scatter; `None` of none, or when one is not above zero.
fn scatter(values: &[f64]) -> Option<Scatter> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.first().filter(|least| **least > 0.0)?;
    let ranked = |share: f64| sorted[((sorted.len() as f64 * share).ceil() as usize).saturating_sub(1)];
    let mean = sorted.iter().sum::<f64>() / sorted.len() as f64;
    let squares: f64 = sorted.iter().map(|value| (value - mean).powi(2)).sum();
    let variation = (squares / (sorted.len() - 1).max(1) as f64).sqrt() / mean;
    let range = ranked(0.9) / ranked(0.1);
    Some(Scatter { goes: sorted.len() as u32, median: ranked(0.5), variation, range })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_and_scatter_are_those_of_the_values() {
        let values: Vec<u64> = (1..=100).collect();
        assert_eq!(
            [at(&values, 0.5), at(&values, 0.99), at(&values[..1], 0.99), at(&[], 0.5)],
            [50, 99, 1, 0]
        );
        let found = scatter(&[3.0, 1.0, 2.0]).expect("three values");
        assert_eq!((found.goes, found.median, found.range), (3, 2.0, 3.0));
        assert!((found.variation - 0.5).abs() < 1e-12, "standard deviation 1 of a mean of 2");
        let mut one_hiccup = [1.0; 30];
        one_hiccup[7] = 50.0;
        assert_eq!(scatter(&one_hiccup).map(|s| (s.median, s.range)), Some((1.0, 1.0)));
        assert_eq!(scatter(&[5.0]).map(|s| s.variation), Some(0.0));
        assert_eq!((scatter(&[]), scatter(&[0.0, 1.0])), (None, None));
    }

    #[test]
    fn sleeps_never_end_early_and_all_are_counted() {
        let Reading::Value(timers) = timers(&[], 5) else { panic!("sleeping needs nothing") };
        assert_eq!(
            timers.iter().map(|t| (t.asked_ns, t.samples)).collect::<Vec<_>>(),
            SLEEPS_NS.map(|ns| (ns, 5))
        );
        assert!(timers.iter().all(|timer| timer.p50_ns <= timer.p99_ns));
    }

    #[test]
    fn a_cpu_that_is_not_there_is_a_reason_not_a_figure() {
        assert!(matches!(loop_ns(&[1_000]), Reading::Absent(why) if why.contains("allowed are")));
        assert!(matches!(loop_ns(&[]), Reading::Value(ns) if ns > 0.0));
    }
}
