//! The generator's own bias: the swarm's median response against that of the barest client there is, a blocking send and
//! receive, on the same CPUs before the same server, in pairs that lie next to each other in time.

use super::super::finding::{Finding, Unit};
use super::super::rig::Rig;
use crate::launch::LaunchError;
use crate::load::{Arrivals, Load, Timing, WorkerSpec};
use crate::{clock, environment};
use bakeoff_reports::histogram::Recorder;
use bakeoff_reports::statistics::median;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How far the median of the pairs may be from 1.
const TOLERANCE: f64 = 0.05;
/// Rate of the open loop and of its bare counterpart: far below what the server can do.
const RATE_PER_S: f64 = 2_000.0;

/// Runs it.
pub(super) fn run(rig: &Rig<'_>) -> Result<Vec<Finding>, LaunchError> {
    let (rounds, window) = rig.scale.pick((3, 150), (11, 200), (41, 500));
    let window = Duration::from_millis(window);
    let server = rig.serve("iterative", "echo", 1)?;
    let closed = Load::Closed { clients: 1, think: Duration::ZERO };
    let open = Load::Open { clients: 1, rate_per_s: RATE_PER_S, arrivals: Arrivals::Fixed };
    let (mut closed_ratios, mut open_ratios) = (Vec::new(), Vec::new());
    let swarm = |load: &Load| -> Result<f64, LaunchError> {
        let spec = WorkerSpec {
            timing: Timing { warmup: window / 4, window, timeout: window * 20, drain: window * 20 },
            ..rig.spec(server.address, "echo", load.clone(), window)
        };
        Ok(rig.trial(&spec, 1, None, |_| Ok(()))?.response_ns(0.5))
    };
    let bare = |gap: Option<Duration>| {
        bare_median(server.address, &rig.cpus.swarm, window, gap)
            .map_err(|e| LaunchError::Refused(format!("the bare ping-pong failed: {e}")))
    };
    let gap = Some(Duration::from_secs_f64(1.0 / RATE_PER_S));
    for round in 0..rounds {
        // Each goes first as often as the other.
        let (ours, theirs, ours_open, theirs_open) = if round % 2 == 0 {
            let theirs = bare(None)?;
            let ours = swarm(&closed)?;
            let theirs_open = bare(gap)?;
            (ours, theirs, swarm(&open)?, theirs_open)
        } else {
            let ours = swarm(&closed)?;
            let theirs = bare(None)?;
            let ours_open = swarm(&open)?;
            (ours, theirs, ours_open, bare(gap)?)
        };
        closed_ratios.push(ours / theirs);
        open_ratios.push(ours_open / theirs_open);
    }
    server.stop();
    let finding = |figure: &str, ratios: &[f64]| {
        let ratio = median(ratios).unwrap_or(f64::NAN);
        Finding::within("bias", figure, Unit::Number, (1.0, ratio), TOLERANCE)
    };
    Ok(vec![
        finding(&format!("closed p50 / bare, {rounds} pairs"), &closed_ratios),
        finding(&format!("open p50 / bare, {rounds} pairs"), &open_ratios),
    ])
}

/// The median time of a blocking 64-byte ping-pong on these CPUs, in nanoseconds: as fast as it goes, or one every `gap`,
/// with a spin until then. A quarter of the time goes before, to warm up.
fn bare_median(target: SocketAddr, cpus: &[u32], window: Duration, gap: Option<Duration>) -> io::Result<f64> {
    let cpus = cpus.to_vec();
    let client = std::thread::spawn(move || {
        environment::pin(&cpus)?;
        clock::sharpen_timers();
        let mut stream = TcpStream::connect(target)?;
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
            let sent = clock::monotonic_ns();
            stream.write_all(&message)?;
            stream.read_exact(&mut message)?;
            let done = clock::monotonic_ns();
            if sent >= counted {
                times.record(done - sent);
            }
        }
        Ok(times.histogram().value_at_quantile(0.5) as f64)
    });
    client.join().unwrap_or_else(|_| Err(io::Error::other("its thread panicked")))
}
