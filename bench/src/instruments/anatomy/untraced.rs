//! The pass that is not traced: times, switches and segments of requests, one at a time on one connection.

use super::peer::{Peer, segments};
use super::{Subject, end_limit};
use crate::host::clock::nanoseconds;
use crate::host::usage::{self, FEWEST_TICKS};
use crate::sys::TcpInfo;
use bakeoff_reports::record::{ConnectionWire, Reading, Segments, Untraced};
use procfs::process::Process;
use std::time::{Duration, Instant};

/// Requests before the counting begins, to fill caches and allocate buffers.
const WARM_UP: u32 = 50;
/// Most requests counted.
const MOST: usize = 200_000;

/// What can be read of the server's tree, each part absent with a reason.
struct Sample {
    cpu: Result<Duration, String>,
    /// User and system time in clock ticks.
    ticks: Result<(u64, u64), String>,
    /// Voluntary and involuntary switches.
    switches: Result<(u64, u64), String>,
}

impl Sample {
    fn take(server: u32) -> Self {
        let sum = |read: fn(u32) -> Result<(u64, u64), String>| {
            usage::tree(server)?
                .into_iter()
                .map(read)
                .try_fold((0, 0), |sum, one| one.map(|one| (sum.0 + one.0, sum.1 + one.1)))
        };
        Self { switches: sum(switches), ticks: sum(ticks), cpu: usage::tree_cpu_time(server) }
    }
}

fn process(pid: u32) -> Result<Process, String> {
    Process::new(pid as i32).map_err(|e| format!("process {pid} of the server cannot be read: {e}"))
}

fn ticks(pid: u32) -> Result<(u64, u64), String> {
    let stat = process(pid)?.stat().map_err(|e| format!("/proc/{pid}/stat cannot be read: {e}"))?;
    Ok((stat.utime, stat.stime))
}

fn switches(pid: u32) -> Result<(u64, u64), String> {
    let failed = |e| format!("/proc/{pid}/task cannot be read: {e}");
    let mut sum = (0, 0);
    for task in process(pid)?.tasks().map_err(failed)?.flatten() {
        let status = task.status().map_err(failed)?;
        let (Some(voluntary), Some(involuntary)) =
            (status.voluntary_ctxt_switches, status.nonvoluntary_ctxt_switches)
        else {
            return Err("this kernel does not count context switches in /proc/PID/task/TID/status".into());
        };
        sum = (sum.0 + voluntary, sum.1 + involuntary);
    }
    Ok(sum)
}

/// Requests over one fresh connection for about `span`.
///
/// # Errors
/// When the server does not answer as it must.
pub(super) fn pass(
    subject: &Subject<'_>,
    span: Duration,
) -> Result<(Untraced, Reading<ConnectionWire>), String> {
    let mut peer = subject.connect()?;
    peer.wait_ready(subject.limit)?;
    let connected = peer.info();
    let begin = Instant::now();
    for _ in 0..WARM_UP {
        peer.ask(subject.limit)?;
        if begin.elapsed() > span / 4 {
            break;
        }
    }
    let (before, wire_before) = (Sample::take(subject.server), peer.info());
    let mut times = Vec::with_capacity(MOST / 8);
    let begin = Instant::now();
    while times.is_empty() || (begin.elapsed() < span && times.len() < MOST) {
        subject.go_on()?;
        times.push(nanoseconds(peer.ask(subject.limit)?));
    }
    let (after, wire_after) = (Sample::take(subject.server), peer.info());
    let close = close(&mut peer, &wire_after);
    let requests = times.len() as u64;
    let wire = connected
        .and_then(|connected| Ok(wire(subject, &connected, &wire_before?, &wire_after?, requests, close)));
    Ok((summary(&mut times, &before, &after), wire.map_or_else(Reading::Absent, Reading::Value)))
}

fn close(peer: &mut Peer<'_>, before: &Result<TcpInfo, String>) -> Reading<Segments> {
    let closed = peer.end().and_then(|()| peer.wait_ended(end_limit())).and_then(|()| peer.info());
    match (closed, before) {
        (Ok(closed), Ok(before)) => {
            let mut segments = segments(&closed).since(&segments(before));
            // A FIN takes a sequence number (RFC 9293), and tcpi_bytes_received counts those.
            segments.payload_in_bytes = segments.payload_in_bytes.saturating_sub(1);
            Reading::Value(segments)
        }
        (Err(why), _) => Reading::Absent(why),
        (_, Err(why)) => Reading::Absent(why.clone()),
    }
}

fn wire(
    subject: &Subject<'_>,
    connected: &TcpInfo,
    before: &TcpInfo,
    after: &TcpInfo,
    requests: u64,
    close: Reading<Segments>,
) -> ConnectionWire {
    // The bits of tcpi_options: linux/tcp.h, TCPI_OPT_*.
    let agreed = |bit: u8| connected.options & bit != 0;
    ConnectionWire {
        ip_header_bytes: if subject.address.is_ipv4() { 20 } else { 40 },
        timestamps: agreed(1),
        sack: agreed(2),
        window_scaling: agreed(4),
        mss_bytes: after.snd_mss.into(),
        retransmits: after.total_retrans.into(),
        connect: segments(connected),
        requests,
        request: segments(after).since(&segments(before)),
        close,
    }
}

fn summary(times: &mut [u64], before: &Sample, after: &Sample) -> Untraced {
    let requests = times.len() as u64;
    let middle = times.len() / 2;
    let (_, median, _) = times.select_nth_unstable(middle);
    let per_request = |count: u64| count as f64 / requests as f64;
    let switches = difference(&before.switches, &after.switches);
    let cpu = match (&before.cpu, &after.cpu) {
        (Ok(before), Ok(after)) => Reading::Value(per_request(nanoseconds(after.saturating_sub(*before)))),
        (Err(why), _) | (_, Err(why)) => Reading::Absent(why.clone()),
    };
    Untraced {
        requests,
        round_trip_p50_ns: *median,
        cpu_ns_per_request: cpu,
        kernel_share: kernel_share(difference(&before.ticks, &after.ticks)),
        voluntary_per_request: reading(switches.clone().map(|s| per_request(s.0))),
        involuntary_per_request: reading(switches.map(|s| per_request(s.1))),
    }
}

type Pair = Result<(u64, u64), String>;

fn difference(before: &Pair, after: &Pair) -> Pair {
    let (before, after) = (before.clone()?, after.clone()?);
    Ok((after.0.saturating_sub(before.0), after.1.saturating_sub(before.1)))
}

fn kernel_share(ticks: Pair) -> Reading<f64> {
    reading(ticks.and_then(|(user, system)| match user + system {
        few @ 0..FEWEST_TICKS => Err(format!(
            "the kernel samples it at clock ticks, and only {few} fell on the server; {FEWEST_TICKS} are needed"
        )),
        all => Ok(system as f64 / all as f64),
    }))
}

fn reading<T>(result: Result<T, String>) -> Reading<T> {
    result.map_or_else(Reading::Absent, Reading::Value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_few_ticks_is_absent_and_of_many_a_figure() {
        assert!(matches!(kernel_share(Ok((9, 10))), Reading::Absent(_)));
        assert_eq!(kernel_share(Ok((10, 30))), Reading::Value(0.75));
        assert!(matches!(kernel_share(Err("no /proc".into())), Reading::Absent(why) if why == "no /proc"));
    }

    #[test]
    fn means_are_of_the_difference_and_a_reason_travels() {
        let sample = |cpu_us, voluntary| Sample {
            cpu: Ok(Duration::from_micros(cpu_us)),
            ticks: Ok((0, 0)),
            switches: Ok((voluntary, 7)),
        };
        let untraced = summary(&mut [5, 1, 9, 7], &sample(100, 10), &sample(140, 14));
        assert_eq!(untraced.cpu_ns_per_request, Reading::Value(10_000.0));
        assert_eq!(untraced.voluntary_per_request, Reading::Value(1.0));
        assert_eq!(untraced.involuntary_per_request, Reading::Value(0.0));
        assert_eq!((untraced.requests, untraced.round_trip_p50_ns), (4, 7));
        let blind = Sample { cpu: Err("gone".into()), ..sample(0, 0) };
        let untraced = summary(&mut [5], &blind, &sample(140, 14));
        assert_eq!(untraced.cpu_ns_per_request, Reading::Absent("gone".into()));
    }
}
