//! The bare limit of a latency: one blocking connection, one write and one read per exchange, the clock before and after.

use super::{BUFFER, ClientPart, ClientSpec};
use bakeoff::host::clock::{monotonic_ns, thread_cpu_ns};
use bakeoff_reports::record::histogram::Recorder;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;

/// Exchanges messages one after another, over one connection whatever the number asked for.
pub(super) fn run(spec: &ClientSpec) -> io::Result<ClientPart> {
    let mut stream = TcpStream::connect(spec.target)?;
    stream.set_nodelay(true)?;
    rustix::net::sockopt::set_tcp_congestion(&stream, "cubic")?;
    let message = vec![b'x'; spec.size];
    let mut buffer = vec![0; BUFFER];
    let mut times = Recorder::fine();
    let begin = monotonic_ns() + spec.warmup_ns;
    let end = begin + spec.window_ns;
    let mut cpu_at_begin = None;
    loop {
        let sent = monotonic_ns();
        if sent >= end {
            let cpu_ns = thread_cpu_ns() - cpu_at_begin.unwrap_or_default();
            return Ok(ClientPart { completed: times.count(), cpu_ns, times: Some(times.encode()) });
        }
        if sent >= begin && cpu_at_begin.is_none() {
            cpu_at_begin = Some(thread_cpu_ns());
            continue;
        }
        stream.write_all(&message)?;
        stream.read_exact(&mut buffer[..spec.size])?;
        if cpu_at_begin.is_some() {
            times.record(monotonic_ns() - sent);
        }
    }
}
