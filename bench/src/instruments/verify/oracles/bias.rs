//! The generator's own bias: the swarm's median response against that of the barest client there is, a blocking send and
//! receive, on the same CPUs before the same server, in pairs that lie next to each other in time.

use super::super::finding::{Finding, Unit};
use super::super::rig::{Kind, Rig};
use crate::host::clock;
use crate::host::connect::connect;
use crate::host::pinned::on_cpus;
use crate::process::launch::LaunchError;
use crate::process::server::Server;
use crate::process::workers::PATIENCE;
use crate::swarm::spec::WorkerSpec;
use crate::workload::load::{Arrivals, Load, RateShape, Timing};
use bakeoff_reports::record::histogram::Recorder;
use bakeoff_reports::stats::bootstrap::median_interval;
use bakeoff_reports::stats::median;
use bakeoff_reports::stats::random::Random;
use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::time::Duration;

/// How far the median of the pairs may be from 1.
const TOLERANCE: f64 = 0.05;
/// Rate of the open loop and of its bare counterpart: far below what the server can do.
const RATE_PER_S: f64 = 2_000.0;

/// Runs it.
pub(super) fn run(rig: &Rig<'_>) -> Result<Vec<Finding>, LaunchError> {
    let (rounds, ms) = rig.scale.pick((7, 80), (21, 80), (41, 500));
    let closed = Load::Closed { clients: 1, think: Duration::ZERO };
    let open = Load::Open {
        clients: 1,
        rate_per_s: RATE_PER_S,
        arrivals: Arrivals::Fixed,
        shape: RateShape::Steady,
    };
    let gap = Duration::from_secs_f64(1.0 / RATE_PER_S);
    rig.undisturbed(|seed| {
        let server = rig.serve(Kind::One, "echo")?;
        let pairs = Pairs { rig, server: &server, window: Duration::from_millis(ms), seed };
        let (mut of_closed, mut of_open) = (Vec::new(), Vec::new());
        for round in 0..rounds {
            of_closed.push(pairs.pair(&closed, None, round % 2 == 0)?);
            of_open.push(pairs.pair(&open, Some(gap), round % 2 == 0)?);
        }
        server.stop(PATIENCE);
        Ok(vec![finding("closed", &of_closed), finding("open", &of_open)])
    })
}

/// The ratio of one pair, and what disturbed its swarm.
type Pair = (f64, Option<String>);

/// The median over the pairs. It is right within the tolerance, wrong when its whole 95 % bootstrap interval lies outside,
/// and cannot be told in between. A median bears some disturbed pairs, but not half of them.
fn finding(load: &str, pairs: &[Pair]) -> Finding {
    let ratios: Vec<f64> = pairs.iter().map(|(ratio, _)| *ratio).filter(|ratio| !ratio.is_nan()).collect();
    let ratio = median(&ratios).unwrap_or(f64::NAN);
    let figure = format!("{load} p50 / bare, {} pairs", pairs.len());
    // A window in which everybody stood still has no reply, and so no ratio.
    let of_pair = |(ratio, reason): &Pair| {
        reason.clone().or_else(|| ratio.is_nan().then(|| "a window had too few replies".into()))
    };
    let disturbed: Vec<String> = pairs.iter().filter_map(of_pair).collect();
    let reason = disturbed.first().filter(|_| disturbed.len() * 2 >= pairs.len()).cloned();
    let (low, high) =
        median_interval(&ratios, &mut Random::new(pairs.len() as u64)).unwrap_or((0.0, f64::MAX));
    let finding = Finding::within("bias", &figure, Unit::Number, (1.0, ratio), TOLERANCE);
    let (outside, may_be_right) = (
        !(finding.band.0..=finding.band.1).contains(&ratio),
        low <= finding.band.1 && high >= finding.band.0,
    );
    let void = (outside && may_be_right && !ratio.is_nan())
        .then(|| format!("the pairs scatter: {low:.2} to {high:.2}"));
    Finding { disturbed: reason, void, ..finding }
}

/// What all pairs share.
struct Pairs<'a> {
    rig: &'a Rig<'a>,
    server: &'a Server,
    window: Duration,
    seed: u64,
}

impl Pairs<'_> {
    /// One pair: swarm over bare; each goes first as often as the other.
    fn pair(&self, load: &Load, gap: Option<Duration>, bare_first: bool) -> Result<Pair, LaunchError> {
        let bare = || {
            bare_median(self.server.address, &self.rig.context.cpus.swarm, self.window, gap)
                .map_err(|e| LaunchError::Refused(format!("the bare ping-pong failed: {e}")))
        };
        if bare_first {
            let theirs = bare()?;
            let (ours, disturbed) = self.swarm(load)?;
            Ok((ours / theirs, disturbed))
        } else {
            let (ours, disturbed) = self.swarm(load)?;
            Ok((ours / bare()?, disturbed))
        }
    }

    fn swarm(&self, load: &Load) -> Result<Pair, LaunchError> {
        let window = self.window;
        let spec = WorkerSpec {
            timing: Timing { warmup: window / 4, window, timeout: window * 50, drain: window * 50 },
            seed: self.seed,
            ..self.rig.spec(self.server.address, "echo", load.clone(), window)
        };
        let outcome = self.rig.quiet_trial(&spec, self.server)?;
        Ok((outcome.response_ns(0.5), outcome.disturbed))
    }
}

/// The median time of a blocking 64-byte ping-pong on these CPUs, in nanoseconds: as fast as it goes, or one every `gap`,
/// with a spin until then. A quarter of the time goes before, to warm up.
fn bare_median(
    target: SocketAddr,
    cpus: &[u32],
    window: Duration,
    gap: Option<Duration>,
) -> Result<f64, String> {
    let client = || {
        clock::sharpen_timers();
        let mut stream = connect(target, Duration::from_secs(10))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        let mut times = Recorder::fine();
        let begin = clock::monotonic_ns();
        let counted = begin + clock::nanoseconds(window / 4);
        let end = counted + clock::nanoseconds(window);
        let mut message = [7; 64];
        let mut due = begin;
        while clock::monotonic_ns() < end {
            if let Some(gap) = gap {
                due += clock::nanoseconds(gap);
                clock::sleep_until(due.saturating_sub(60_000));
                while clock::monotonic_ns() < due {
                    std::hint::spin_loop();
                }
            }
            // A late send counts from when it was due, as in the swarm.
            let from = gap.map_or_else(clock::monotonic_ns, |_| due);
            stream.write_all(&message)?;
            stream.read_exact(&mut message)?;
            if from >= counted {
                times.record(clock::monotonic_ns() - from);
            }
        }
        io::Result::Ok(times.histogram().value_at_quantile(0.5) as f64)
    };
    on_cpus(cpus, || client().map_err(|e| e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::super::super::finding::Status;
    use super::*;

    fn verdict(ratios: &[f64], disturbed: usize) -> Status {
        let reason = |i: usize| (i < disturbed).then(|| "steal".to_string());
        let pairs: Vec<Pair> = ratios.iter().enumerate().map(|(i, ratio)| (*ratio, reason(i))).collect();
        finding("open", &pairs).verdict()
    }

    #[test]
    fn a_bias_beyond_the_tolerance_fails_and_a_scatter_cannot_be_told() {
        assert_eq!(verdict(&[0.98, 1.01, 1.0, 1.03, 0.99, 1.02, 1.04], 0), Status::Pass);
        // A timer wheel of milliseconds against a round trip of microseconds.
        assert_eq!(verdict(&[30.0, 34.0, 41.0, 28.0, 35.0, 33.0, 36.0], 0), Status::Fail);
        assert_eq!(verdict(&[1.08, 1.09, 1.07, 1.1, 1.08, 1.09, 1.07], 0), Status::Fail);
        assert!(matches!(verdict(&[1.2, 0.9, 1.1, 1.0, 1.15, 0.95, 1.06], 0), Status::Unknown(_)));
    }

    #[test]
    fn a_window_without_replies_makes_no_pair() {
        let none = f64::NAN;
        assert_eq!(verdict(&[0.98, none, 1.0, 1.03, none, 1.02, 1.04], 0), Status::Pass);
        assert_eq!(verdict(&[none; 7], 0), Status::Unknown("a window had too few replies".into()));
    }

    #[test]
    fn a_median_bears_some_disturbed_pairs_but_not_half_of_them() {
        let off = [1.1; 7];
        assert_eq!(verdict(&off, 3), Status::Fail);
        assert_eq!(verdict(&off, 4), Status::Unknown("steal".into()));
    }
}
