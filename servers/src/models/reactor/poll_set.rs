//! poll(2) as a source of readiness: one list of descriptors, handed to the kernel whole at every wait.
//!
//! poll(2) is level-triggered: it says at every wait what is ready, so the list holds only what a connection waits for.
//! A negative descriptor is passed over by the kernel; that is how an entry rests without moving the others.

use super::readiness::{Readiness, Ready, Wake, Wants};
use super::{LISTENER, TIMER, WAKER};
use crate::drive::timers::Timers;
use crate::sys;
use libc::{POLLERR, POLLHUP, POLLIN, POLLNVAL, POLLOUT, POLLRDHUP, pollfd};
use mio::net::{TcpListener, TcpStream};
use rustix::event::{EventfdFlags, eventfd};
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd, RawFd};
use std::sync::Arc;

/// Entries before those of the connections: the listener, the wake-up, the timer.
const OWN: usize = 3;

/// The list.
pub(in crate::models) struct PollSet {
    entries: Vec<pollfd>,
    /// Of each entry whose it is; [`FREE`] where it is nobody's.
    keys: Vec<usize>,
    woken: Arc<OwnedFd>,
    timer: OwnedFd,
}

const FREE: usize = usize::MAX;

/// A descriptor that the kernel passes over, from which [`active`] makes the real one again.
fn resting(fd: RawFd) -> RawFd {
    if fd < 0 { fd } else { !fd }
}

fn active(fd: RawFd) -> RawFd {
    if fd < 0 { !fd } else { fd }
}

fn place(key: usize) -> usize {
    OWN + (key & 0xffff_ffff)
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
        Ok((Self { entries, keys: vec![LISTENER, WAKER, TIMER], woken, timer }, wake))
    }

    fn watch(&mut self, stream: &mut TcpStream, key: usize) -> io::Result<()> {
        let at = place(key);
        while self.entries.len() <= at {
            self.entries.push(pollfd { fd: -1, events: 0, revents: 0 });
            self.keys.push(FREE);
        }
        self.entries[at] = pollfd { fd: stream.as_raw_fd(), events: POLLIN | POLLRDHUP, revents: 0 };
        self.keys[at] = key;
        Ok(())
    }

    fn expect(&mut self, key: usize, wants: Wants) {
        let at = place(key);
        if self.keys.get(at) != Some(&key) {
            return;
        }
        let entry = &mut self.entries[at];
        let fd = active(entry.fd);
        (entry.fd, entry.events) = match wants {
            Wants::Nothing => (resting(fd), 0),
            Wants::Input => (fd, POLLIN | POLLRDHUP),
            Wants::Room => (fd, POLLOUT),
        };
    }

    fn forget(&mut self, key: usize) {
        let at = place(key);
        if self.keys.get(at) != Some(&key) {
            return;
        }
        (self.keys[at], self.entries[at].fd) = (FREE, -1);
        // A crowd that has left must not be looked through for ever.
        while self.keys.last() == Some(&FREE) {
            self.keys.pop();
            self.entries.pop();
        }
    }

    fn accepting(&mut self, yes: bool) {
        let listener = &mut self.entries[0];
        listener.fd = if yes { active(listener.fd) } else { resting(listener.fd) };
    }

    fn wait(&mut self, at_once: bool, ready: &mut Vec<Ready>) -> io::Result<()> {
        let mut left = match sys::poll(&mut self.entries, if at_once { 0 } else { -1 }) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(error),
        };
        for (entry, key) in self.entries.iter().zip(&self.keys) {
            if left == 0 {
                break;
            }
            if entry.revents == 0 {
                continue;
            }
            left -= 1;
            let is = |flags| entry.revents & flags != 0;
            ready.push(Ready {
                key: *key,
                readable: is(POLLIN),
                writable: is(POLLOUT),
                read_closed: is(POLLRDHUP | POLLHUP),
                failed: is(POLLERR | POLLNVAL),
            });
        }
        // Level-triggered: whoever has been told must be silenced, or it is told for ever. What is read is how often.
        for (source, key) in [(&*self.woken, WAKER), (&self.timer, TIMER)] {
            if ready.iter().take(OWN).any(|one| one.key == key) {
                let _ = rustix::io::read(source, &mut [0; 8]); // nothing there: another wait has taken it
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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

    fn keys(set: &mut PollSet) -> Vec<usize> {
        ready(set, true).into_iter().map(|one| one.key).collect()
    }

    #[test]
    fn a_connection_is_told_of_while_it_waits_and_only_then() {
        let mut rig = rig();
        let address = rig.listener.local_addr().expect("bound");
        let mut client = StdStream::connect(address).expect("a connection");
        assert_eq!(ready(&mut rig.set, false)[0].key, LISTENER);
        let (mut stream, _) = rig.listener.accept().expect("it waits");
        let key = 7 << 32 | 2; // the third place, in its eighth life
        rig.set.watch(&mut stream, key).expect("room");
        assert_eq!(keys(&mut rig.set), []);
        client.write_all(b"x").expect("sent");
        for _ in 0..2 {
            let one = ready(&mut rig.set, false)[0];
            assert!(one.key == key && one.readable && !one.writable && !one.read_closed, "{one:?}");
        }
        rig.set.expect(key, Wants::Nothing);
        assert_eq!(keys(&mut rig.set), [], "it has a job");
        rig.set.expect(key, Wants::Room);
        assert!(ready(&mut rig.set, false)[0].writable);
        rig.set.expect(6 << 32 | 2, Wants::Nothing); // of an earlier life
        rig.set.expect(key, Wants::Input);
        drop(client);
        let one = ready(&mut rig.set, false)[0];
        assert!(one.key == key && one.read_closed, "{one:?}");
        rig.set.forget(key);
        assert_eq!((keys(&mut rig.set), rig.set.entries.len()), (vec![], OWN));
    }

    #[test]
    fn a_wake_up_and_a_timer_are_told_once() {
        let mut rig = rig();
        (rig.wake)();
        (rig.wake)();
        assert_eq!(keys(&mut rig.set), [WAKER]);
        assert_eq!(keys(&mut rig.set), []);
        rig.timers.add(Instant::now() + Duration::from_millis(1), 5);
        rig.timers.arm().expect("set");
        assert_eq!(ready(&mut rig.set, false)[0].key, TIMER);
        assert_eq!(keys(&mut rig.set), []);
    }

    #[test]
    fn a_listener_may_rest() {
        let mut rig = rig();
        let _client = StdStream::connect(rig.listener.local_addr().expect("bound")).expect("a connection");
        rig.set.accepting(false);
        assert_eq!(keys(&mut rig.set), []);
        rig.set.accepting(true);
        assert_eq!(ready(&mut rig.set, false)[0].key, LISTENER);
    }
}
