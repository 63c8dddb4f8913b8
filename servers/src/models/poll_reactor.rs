//! Poll reactor: the event loop with poll(2) instead of epoll(7).
//!
//! The same loop, connections, timers and pools as `mio-event-loop`; what differs is that each wait hands the kernel the
//! whole list of descriptors and looks through the whole list again, so that a wake-up costs in proportion to the
//! connections that are open, idle ones included.
//!
//! poll(2) is level-triggered: it says at every wait what is ready, so the list holds only what a connection waits for.
//! A negative descriptor is passed over by the kernel; that is how an entry rests without moving the others.

use super::mio_event_loop::EventLoop;
use crate::drive::Key;
use crate::drive::accept::SHORT_OF_MEMORY;
use crate::drive::nonblocking::Connection;
use crate::drive::readiness::{Interest, Readiness, Ready, Source, Wake};
use crate::drive::timers::Timers;
use crate::model::{Concurrency, Meta, PerClient, Role, ServerModel, Serving, Tuning};
use crate::sys;
use libc::{POLLERR, POLLHUP, POLLIN, POLLNVAL, POLLOUT, POLLRDHUP, pollfd};
use mio::net::{TcpListener, TcpStream};
use rustix::event::{EventfdFlags, eventfd};
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd, RawFd};
use std::sync::Arc;

/// The poll-reactor server.
#[derive(Debug)]
pub(super) struct PollReactor;

impl ServerModel for PollReactor {
    fn meta(&self) -> &'static Meta {
        &Meta {
            name: "poll-reactor",
            summary: "one event loop over poll(2); each wake-up costs by the connections that are open",
            concurrency: Concurrency::Unbounded,
            per_client: PerClient::Nothing,
            threads: |_| 1,
            tunings: &[Tuning::BlockingWorkers, Tuning::ComputeWorkers],
            role: Role::Extra,
        }
    }

    fn serve(&self, serving: Serving) -> io::Result<()> {
        EventLoop::<PollSet, Connection>::offloading(serving)
    }
}

/// Entries before those of the connections: the listener, the wake-up, the timer.
const OWN: usize = 3;

/// The list.
struct PollSet {
    entries: Vec<pollfd>,
    /// Of each entry whose it is; `None` where it is nobody's.
    sources: Vec<Option<Source>>,
    woken: Arc<OwnedFd>,
    timer: OwnedFd,
}

/// A descriptor that the kernel passes over, from which [`active`] makes the real one again.
fn resting(fd: RawFd) -> RawFd {
    if fd < 0 { fd } else { !fd }
}

fn active(fd: RawFd) -> RawFd {
    if fd < 0 { !fd } else { fd }
}

/// The entry of a connection. Slot maps count from 1.
fn place(key: Key) -> usize {
    OWN - 1 + (Source::Connection(key).number() & 0xffff_ffff)
}

impl PollSet {
    /// The place of a connection that is watched.
    fn find(&self, key: Key) -> Option<usize> {
        let at = place(key);
        (self.sources.get(at) == Some(&Some(Source::Connection(key)))).then_some(at)
    }
}

impl Readiness for PollSet {
    const LEVEL: bool = true;

    fn new(listener: &mut TcpListener, timers: &Timers) -> io::Result<(Self, Wake)> {
        let woken = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let timer = timers.as_fd().try_clone_to_owned()?;
        let entry = |fd: RawFd| pollfd { fd, events: POLLIN, revents: 0 };
        let entries = vec![entry(listener.as_raw_fd()), entry(woken.as_raw_fd()), entry(timer.as_raw_fd())];
        let waker = Arc::clone(&woken);
        let wake: Wake = Box::new(move || {
            let _ = rustix::io::write(&*waker, &1_u64.to_ne_bytes()); // fails only when full, and then it is readable
        });
        let sources = [Source::Listener, Source::Waker, Source::Timer].map(Some).to_vec();
        Ok((Self { entries, sources, woken, timer }, wake))
    }

    fn register(&mut self, stream: &mut TcpStream, key: Key) -> io::Result<()> {
        let at = place(key);
        while self.entries.len() <= at {
            self.entries.push(pollfd { fd: -1, events: 0, revents: 0 });
            self.sources.push(None);
        }
        self.entries[at] = pollfd { fd: stream.as_raw_fd(), events: POLLIN | POLLRDHUP, revents: 0 };
        self.sources[at] = Some(Source::Connection(key));
        Ok(())
    }

    fn set_interest(&mut self, key: Key, interest: Interest) {
        let Some(at) = self.find(key) else { return };
        let entry = &mut self.entries[at];
        let fd = active(entry.fd);
        (entry.fd, entry.events) = match interest {
            Interest::None => (resting(fd), 0),
            Interest::Read => (fd, POLLIN | POLLRDHUP),
            Interest::Write => (fd, POLLOUT),
        };
    }

    fn deregister(&mut self, key: Key) {
        let Some(at) = self.find(key) else { return };
        (self.sources[at], self.entries[at].fd) = (None, -1);
        // A crowd that has left must not be looked through for ever.
        while self.sources.last() == Some(&None) {
            self.sources.pop();
            self.entries.pop();
        }
    }

    fn set_accepting(&mut self, yes: bool) {
        let listener = &mut self.entries[0];
        listener.fd = if yes { active(listener.fd) } else { resting(listener.fd) };
    }

    fn wait(&mut self, at_once: bool, ready: &mut Vec<Ready>) -> io::Result<()> {
        let mut left = match sys::poll(&mut self.entries, if at_once { 0 } else { -1 }) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            // The kernel copies the list: for want of memory it asks to be asked again.
            Err(error) if error.kind() == io::ErrorKind::OutOfMemory => {
                std::thread::sleep(SHORT_OF_MEMORY);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        for (entry, source) in self.entries.iter().zip(&self.sources) {
            if left == 0 {
                break;
            }
            let Some(source) = source.filter(|_| entry.revents != 0) else { continue };
            left -= 1;
            let is = |flags| entry.revents & flags != 0;
            ready.push(Ready {
                source,
                readable: is(POLLIN),
                writable: is(POLLOUT),
                read_closed: is(POLLRDHUP | POLLHUP),
                failed: is(POLLERR | POLLNVAL),
            });
        }
        // Level-triggered: what has been reported must be read, or it is reported for ever.
        for (descriptor, source) in [(&*self.woken, Source::Waker), (&self.timer, Source::Timer)] {
            if ready.iter().take(OWN).any(|one| one.source == source) {
                let _ = rustix::io::read(descriptor, &mut [0; 8]); // nothing there: another wait has taken it
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drive::timers::Due;
    use slotmap::SlotMap;
    use std::io::Write as _;
    use std::net::{Ipv4Addr, TcpListener as StdListener, TcpStream as StdStream};
    use std::time::{Duration, Instant};

    struct Rig {
        set: PollSet,
        listener: TcpListener,
        timers: Timers,
        wake: Wake,
    }

    fn rig() -> Rig {
        let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        listener.set_nonblocking(true).expect("a flag");
        let mut listener = TcpListener::from_std(listener);
        let timers = Timers::new().expect("a timer");
        let (set, wake) = PollSet::new(&mut listener, &timers).expect("a list");
        Rig { set, listener, timers, wake }
    }

    fn ready(set: &mut PollSet, at_once: bool) -> Vec<Ready> {
        let mut ready = Vec::new();
        set.wait(at_once, &mut ready).expect("poll");
        ready
    }

    fn sources(set: &mut PollSet) -> Vec<Source> {
        ready(set, true).into_iter().map(|one| one.source).collect()
    }

    #[test]
    fn a_connection_is_reported_for_its_interest_only() {
        let mut rig = rig();
        let address = rig.listener.local_addr().expect("bound");
        let mut client = StdStream::connect(address).expect("a connection");
        assert_eq!(ready(&mut rig.set, false)[0].source, Source::Listener);
        let (mut stream, _) = rig.listener.accept().expect("it waits");
        let mut keys = SlotMap::new();
        let dead = keys.insert(());
        keys.remove(dead);
        let key = keys.insert(()); // the same place, in its second life
        rig.set.register(&mut stream, key).expect("room");
        assert_eq!(sources(&mut rig.set), []);
        client.write_all(b"x").expect("sent");
        let is_ours = |one: &Ready| one.source == Source::Connection(key);
        for _ in 0..2 {
            let one = ready(&mut rig.set, false)[0];
            assert!(is_ours(&one) && one.readable && !one.writable && !one.read_closed, "{one:?}");
        }
        rig.set.set_interest(key, Interest::None);
        assert_eq!(sources(&mut rig.set), [], "it has a job");
        rig.set.set_interest(key, Interest::Write);
        assert!(ready(&mut rig.set, false)[0].writable);
        rig.set.set_interest(dead, Interest::None);
        rig.set.set_interest(key, Interest::Read);
        drop(client);
        let one = ready(&mut rig.set, false)[0];
        assert!(is_ours(&one) && one.read_closed, "{one:?}");
        rig.set.deregister(key);
        assert_eq!((sources(&mut rig.set), rig.set.entries.len()), (vec![], OWN));
    }

    #[test]
    fn a_wake_up_and_a_timer_are_reported_once() {
        let mut rig = rig();
        (rig.wake)();
        (rig.wake)();
        assert_eq!(sources(&mut rig.set), [Source::Waker]);
        assert_eq!(sources(&mut rig.set), []);
        rig.timers.add(Instant::now() + Duration::from_millis(1), Due::Grow);
        rig.timers.arm().expect("set");
        assert_eq!(ready(&mut rig.set, false)[0].source, Source::Timer);
        assert_eq!(sources(&mut rig.set), []);
    }

    #[test]
    fn a_listener_may_rest() {
        let mut rig = rig();
        let _client = StdStream::connect(rig.listener.local_addr().expect("bound")).expect("a connection");
        rig.set.set_accepting(false);
        assert_eq!(sources(&mut rig.set), []);
        rig.set.set_accepting(true);
        assert_eq!(ready(&mut rig.set, false)[0].source, Source::Listener);
    }
}
