//! Where a reactor learns which descriptors are ready: all that `mio-event-loop` and `poll-reactor` differ in.
//!
//! A source never reads or writes a connection, and never decides whose turn it is.

use super::{LISTENER, TIMER, WAKER};
use crate::drive::timers::Timers;
use mio::net::{TcpListener, TcpStream};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::time::Duration;

/// Wakes the reactor from any thread.
pub(in crate::models) type Wake = Box<dyn Fn() + Send + Sync>;

/// Events taken from one wait.
const EVENTS: usize = 1024;

/// What a source says of one descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::models) struct Ready {
    /// Whose it is: a connection's key, or one of the reactor's own.
    pub(super) key: usize,
    /// A read would not wait.
    pub(super) readable: bool,
    /// A write would not wait.
    pub(super) writable: bool,
    /// The peer has ended its side.
    pub(super) read_closed: bool,
    /// The descriptor has an error, which the next call on it reports.
    pub(super) failed: bool,
}

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::models) enum Wants {
    /// Its turn, or a job: nothing that a socket could tell.
    Nothing,
    /// Input.
    Input,
    /// Room for output.
    Room,
}

/// A source of readiness.
pub(in crate::models) trait Readiness: Sized {
    /// Whether it says again and again what is ready and not dealt with, so that it must be told what a connection
    /// waits for, after every turn.
    const LEVEL: bool;

    /// A source that watches the listener and the timers, and how to wake it.
    fn new(listener: &mut TcpListener, timers: &Timers) -> io::Result<(Self, Wake)>;

    /// Watches a connection from now on.
    fn watch(&mut self, stream: &mut TcpStream, key: usize) -> io::Result<()>;

    /// What the connection waits for now. Not called unless [`LEVEL`](Self::LEVEL).
    fn expect(&mut self, key: usize, wants: Wants);

    /// The connection is gone. Not called unless [`LEVEL`](Self::LEVEL).
    fn forget(&mut self, key: usize);

    /// Whether clients that wait at the listener are to be told. Not called unless [`LEVEL`](Self::LEVEL).
    fn accepting(&mut self, yes: bool);

    /// Fills `ready`, which is empty, with what is ready; waits for something unless `at_once`. A signal ends the wait
    /// with nothing.
    fn wait(&mut self, at_once: bool, ready: &mut Vec<Ready>) -> io::Result<()>;
}

/// epoll(7) by mio, edge-triggered: each descriptor is told of once and says what changes.
pub(in crate::models) struct Edges {
    poll: Poll,
    events: Events,
}

impl Readiness for Edges {
    const LEVEL: bool = false;

    fn new(listener: &mut TcpListener, timers: &Timers) -> io::Result<(Self, Wake)> {
        let poll = Poll::new()?;
        poll.registry().register(listener, Token(LISTENER), Interest::READABLE)?;
        let timer = timers.as_fd().as_raw_fd();
        poll.registry().register(&mut SourceFd(&timer), Token(TIMER), Interest::READABLE)?;
        let waker = mio::Waker::new(poll.registry(), Token(WAKER))?;
        let wake: Wake = Box::new(move || {
            let _ = waker.wake(); // fails only for a full eventfd, which is readable anyway
        });
        Ok((Self { poll, events: Events::with_capacity(EVENTS) }, wake))
    }

    fn watch(&mut self, stream: &mut TcpStream, key: usize) -> io::Result<()> {
        // Both interests once and for all: edge-triggered, they cost nothing until something changes.
        self.poll.registry().register(stream, Token(key), Interest::READABLE | Interest::WRITABLE)
    }

    fn expect(&mut self, _: usize, _: Wants) {}

    fn forget(&mut self, _: usize) {}

    fn accepting(&mut self, _: bool) {}

    fn wait(&mut self, at_once: bool, ready: &mut Vec<Ready>) -> io::Result<()> {
        match self.poll.poll(&mut self.events, at_once.then_some(Duration::ZERO)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(error),
        }
        ready.extend(self.events.iter().map(|event| Ready {
            key: event.token().0,
            readable: event.is_readable(),
            writable: event.is_writable(),
            read_closed: event.is_read_closed(),
            failed: event.is_error(),
        }));
        Ok(())
    }
}
