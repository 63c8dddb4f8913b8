//! Where an event loop learns which descriptors are ready: epoll(7) through mio, or poll(2).
//!
//! A source of readiness never reads or writes a connection, and never decides whose turn it is.

use super::Key;
use super::timers::Timers;
use mio::net::{TcpListener, TcpStream};
use slotmap::{Key as _, KeyData};
use std::io;

/// Wakes a loop from any thread.
pub type Wake = Box<dyn Fn() + Send + Sync>;

/// What a loop waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Clients that connect.
    Listener,
    /// A wake-up from another thread: jobs have finished.
    Waker,
    /// The timerfd: a deadline has passed.
    Timer,
    /// One of its connections.
    Connection(Key),
}

/// The low half of the numbers that are no connection's: a slot map never uses this index.
const OWN: u64 = u32::MAX as u64;

impl Source {
    /// The number by which the kernel reports it.
    pub fn number(self) -> usize {
        let number = match self {
            Self::Listener => OWN,
            Self::Waker => 1 << 32 | OWN,
            Self::Timer => 2 << 32 | OWN,
            Self::Connection(key) => key.data().as_ffi(),
        };
        number as usize
    }

    /// The source of that number.
    pub fn of(number: usize) -> Self {
        let number = number as u64;
        match (number & OWN, number >> 32) {
            (OWN, 0) => Self::Listener,
            (OWN, 1) => Self::Waker,
            (OWN, _) => Self::Timer,
            _ => Self::Connection(KeyData::from_ffi(number).into()),
        }
    }
}

/// The readiness of one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// Whose it is.
    pub source: Source,
    /// A read would not wait.
    pub readable: bool,
    /// A write would not wait.
    pub writable: bool,
    /// The peer has ended its side.
    pub read_closed: bool,
    /// The descriptor has an error, which the next call on it reports.
    pub failed: bool,
}

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Its turn, or a job: nothing that a socket could tell.
    None,
    /// Input.
    Read,
    /// Room for output.
    Write,
}

/// A source of readiness. One that is edge-triggered has nothing to do in the methods that have a body here.
pub trait Readiness: Sized {
    /// Whether it is level-triggered: it reports what is ready until it is dealt with, so it must know after every turn
    /// what a connection waits for.
    const LEVEL: bool;

    /// Watches the listener and the timers. Also returns what wakes whoever waits.
    ///
    /// # Errors
    /// When the system has no descriptor or memory for it.
    fn new(listener: &mut TcpListener, timers: &Timers) -> io::Result<(Self, Wake)>;

    /// Watches a connection from now on.
    ///
    /// # Errors
    /// When the kernel has no memory for one more.
    fn register(&mut self, stream: &mut TcpStream, key: Key) -> io::Result<()>;

    /// Fills `ready`, which is empty, with what is ready; waits for something unless `at_once`. A signal ends the wait
    /// with nothing.
    ///
    /// # Errors
    /// When waiting itself fails.
    fn wait(&mut self, at_once: bool, ready: &mut Vec<Ready>) -> io::Result<()>;

    /// What the connection waits for now.
    fn set_interest(&mut self, _: Key, _: Interest) {}

    /// The connection is gone.
    fn deregister(&mut self, _: Key) {}

    /// Whether to report clients that wait at the listener.
    fn set_accepting(&mut self, _: bool) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use slotmap::SlotMap;

    #[test]
    fn every_source_has_a_number_of_its_own() {
        let mut keys = SlotMap::new();
        let (first, other) = (keys.insert(()), keys.insert(()));
        keys.remove(first);
        let sources = [Source::Listener, Source::Waker, Source::Timer];
        let connections = [first, other, keys.insert(())].map(Source::Connection);
        for source in sources.into_iter().chain(connections) {
            assert_eq!(Source::of(source.number()), source);
        }
    }
}
