//! The bare limit of a client: one thread, level-triggered epoll, closed loop, one write and one read per request, no
//! verification, no histogram, two counters, one reading of the clock for a batch of events.

use super::BUFFER;
use bakeoff::host::clock::{monotonic_ns, thread_cpu_ns};
use bakeoff_reports::record::EncodedHistogram;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use serde::{Deserialize, Serialize};
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

/// Which bare client.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum Kind {
    /// The closed loop of this file.
    Closed,
    /// One blocking connection.
    PingPong,
    /// A clock that is looked at at the times of a Poisson schedule.
    Clock { rate_per_s: f64 },
    /// Members of a room.
    Room,
}

/// What a bare client is asked to do.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ClientSpec {
    pub(crate) kind: Kind,
    pub(crate) target: SocketAddr,
    pub(crate) clients: usize,
    pub(crate) size: usize,
    pub(crate) warmup_ns: u64,
    pub(crate) window_ns: u64,
}

/// What a bare client measured in the window.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ClientPart {
    /// Replies, or what members of a room have heard.
    pub(crate) completed: u64,
    /// CPU time of the client's thread, in nanoseconds.
    pub(crate) cpu_ns: u64,
    /// The times of the exchanges or looks, where they were measured.
    pub(crate) times: Option<EncodedHistogram>,
}

/// Runs the client that is asked for.
pub(crate) fn run_client(spec: &ClientSpec) -> io::Result<ClientPart> {
    match spec.kind {
        Kind::Closed => run_closed(spec),
        Kind::PingPong => super::ping::run(spec),
        Kind::Clock { rate_per_s } => super::clock::run(spec, rate_per_s),
        Kind::Room => super::room::run(spec),
    }
}

fn run_closed(spec: &ClientSpec) -> io::Result<ClientPart> {
    let poll = epoll::create(CreateFlags::CLOEXEC)?;
    let message = vec![b'x'; spec.size];
    let mut connections = Vec::new();
    for i in 0..spec.clients {
        let stream = TcpStream::connect(spec.target)?;
        stream.set_nodelay(true)?;
        rustix::net::sockopt::set_tcp_congestion(&stream, "cubic")?;
        stream.set_nonblocking(true)?;
        epoll::add(&poll, &stream, EventData::new_u64(i as u64), EventFlags::IN)?;
        connections.push((stream, 0));
    }
    for (stream, _) in &mut connections {
        stream.write_all(&message)?;
    }
    let begin = monotonic_ns() + spec.warmup_ns;
    let end = begin + spec.window_ns;
    let mut buffer = vec![0; BUFFER];
    let mut events: Vec<epoll::Event> = Vec::with_capacity(1024);
    let mut completed = 0;
    let mut cpu_at_begin = None;
    loop {
        events.clear();
        epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), None)?;
        let now = monotonic_ns();
        if now >= end {
            let cpu_ns = thread_cpu_ns() - cpu_at_begin.unwrap_or_default();
            return Ok(ClientPart { completed, cpu_ns, times: None });
        }
        if now >= begin && cpu_at_begin.is_none() {
            cpu_at_begin = Some(thread_cpu_ns());
        }
        for event in &events {
            let (stream, got) = &mut connections[event.data.u64() as usize];
            match stream.read(&mut buffer)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => *got += n,
            }
            if *got >= spec.size {
                *got = 0;
                completed += u64::from(now >= begin);
                stream.write_all(&message)?;
            }
        }
    }
}
