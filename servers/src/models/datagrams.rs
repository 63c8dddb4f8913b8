//! How models serve datagrams: a thread in recvfrom(2), several in it on one socket, a loop, a loop for each socket. Those of
//! tokio are beside its other tasks.
//!
//! A stop shuts the sockets down for reading, as it does with listeners: who waits is woken, what has come can still be read.

use crate::datagrams::{Datagrams, ServingDatagrams};
use crate::drive::accept::retry_spawn;
use crate::drive::datagrams::{BUFFER, Echo, Turn};
use crate::drive::supervise::{StopAtEnd, side_by_side};
use crate::tuning::Tuning;
use crate::{ServerConfig, Stop};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use std::net::UdpSocket;
use std::os::fd::AsRawFd as _;
use std::sync::Arc;
use std::{io, thread};

/// Of `iterative`.
pub(super) static ITERATIVE: Datagrams = Datagrams {
    summary: "one thread in recvfrom, then sendto (Stevens, UNP chapter 8)",
    sockets: |_| 1,
    tunings: &[],
    answer: |mut serving| {
        let socket = serving.only_socket();
        let _unblocked = serving.stop.unblock(&socket)?;
        answer(&socket, Echo::new(&serving))
    },
};

/// Of `prethread`.
pub(super) static PRETHREAD: Datagrams = Datagrams {
    summary: "threads that all wait in recvfrom on one socket",
    sockets: |_| 1,
    tunings: &[Tuning::PoolWorkers],
    answer: prethread,
};

/// Of `mio-event-loop`.
pub(super) static EVENT_LOOP: Datagrams = Datagrams {
    summary: "one loop over one socket",
    sockets: |_| 1,
    tunings: &[],
    answer: |mut serving| {
        let socket = serving.only_socket();
        reactor(&socket, Echo::new(&serving), &serving.stop)
    },
};

/// Of `multi-reactor`.
pub(super) static MULTI_REACTOR: Datagrams = Datagrams {
    summary: "a loop for each core, each with a socket of its own (SO_REUSEPORT)",
    sockets: runtimes,
    tunings: &[Tuning::RuntimeWorkers],
    answer: multi_reactor,
};

/// Sockets, or who waits at them: one for each core that serves.
pub(super) fn runtimes(config: &ServerConfig) -> usize {
    config.runtime_workers.max(1)
}

/// Blocks in recvfrom until the stop.
fn answer(socket: &UdpSocket, mut echo: Echo) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    while echo.turn(socket, &mut buffer)? != Turn::Ended {}
    Ok(())
}

fn prethread(mut serving: ServingDatagrams) -> io::Result<()> {
    let socket = Arc::new(serving.only_socket());
    let unblocked = serving.stop.unblock(&*socket)?;
    let spawn = |worker: usize| {
        let (socket, echo, stop) = (Arc::clone(&socket), Echo::new(&serving), serving.stop.clone());
        thread::Builder::new().name(format!("worker-{worker}")).spawn(move || {
            let _at_end = StopAtEnd::new(&stop); // one that fails ends the server, which says so
            answer(&socket, echo)
        })
    };
    // One is enough to serve, and the others come when there is room for them.
    let threads: Vec<_> = (0..serving.config.pool_workers.max(1))
        .map_while(|worker| retry_spawn(&serving.stop, serving.counters, || spawn(worker)))
        .collect();
    serving.stop.wait(None);
    let panicked = |_| Err(io::Error::other("a thread that answers datagrams panicked"));
    let ends = threads.into_iter().map(|thread| thread.join().unwrap_or_else(panicked));
    let end = ends.fold(Ok(()), io::Result::and);
    drop(unblocked);
    end
}

/// Waits for readiness, by edges: the socket is emptied before the next wait.
fn reactor(socket: &UdpSocket, mut echo: Echo, stop: &Stop) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    let mut poll = Poll::new()?;
    poll.registry().register(&mut SourceFd(&socket.as_raw_fd()), Token(0), Interest::READABLE)?;
    let _unblocked = stop.unblock(socket)?; // makes an event, too
    let (mut events, mut buffer) = (Events::with_capacity(1), vec![0; BUFFER]);
    loop {
        match echo.turn(socket, &mut buffer)? {
            Turn::Again => {}
            Turn::Ended => return Ok(()),
            Turn::Empty => match poll.poll(&mut events, None) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            },
        }
    }
}

fn multi_reactor(mut serving: ServingDatagrams) -> io::Result<()> {
    let sockets = std::mem::take(&mut serving.sockets);
    let bodies = sockets.into_iter().map(|socket| {
        let echo = Echo::new(&serving);
        move |stop: &Stop| reactor(&socket, echo, stop)
    });
    let bodies = bodies.collect();
    side_by_side("reactor", &serving.stop, bodies)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Counters;
    use std::os::fd::OwnedFd;

    #[test]
    fn threads_that_fail_end_the_server_which_says_so() {
        let (pipe, _writer) = io::pipe().expect("a pipe"); // no socket, so that receiving fails
        let error = PRETHREAD.serve(ServingDatagrams {
            sockets: vec![UdpSocket::from(OwnedFd::from(pipe))],
            config: ServerConfig { pool_workers: 2, ..ServerConfig::for_cpus(1) },
            stop: Stop::on_signals().expect("handlers"),
            counters: Counters::shared().expect("memory"),
        });
        assert!(error.expect_err("nobody answers").to_string().contains("socket"));
    }
}
