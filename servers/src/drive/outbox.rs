//! Writing to a client from whoever has something for it: the post of models whose threads and loops ask the kernel themselves.
//!
//! A message goes out at once, on the thread of its sender, under a lock of the receiver's: nothing is queued and nobody is
//! woken. What the kernel does not take is kept, and a postman, a thread that the first slow client of a server starts, sends it
//! when there is room. Whoever has left [`MOST_UNREAD`] bytes unread when one more message comes is shut out.
//!
//! Never reads, never waits for a client, and never knows what a message means.

use super::lock;
use super::registry::Meter;
use crate::service::Post;
use crate::sync::Mutex;
use crate::{Service, Session, sys};
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::io::Errno;
use rustix::net::{SendFlags, send};
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::sync::{Arc, OnceLock};
use std::thread;

/// Bytes that a client may leave unread, beyond what the kernel keeps for it, before a message for it is one too many.
pub(crate) const MOST_UNREAD: usize = 1 << 20;

/// Opens a session of `service` for the client at `stream`, with a post of its own if sessions talk to each other.
///
/// # Errors
/// No descriptor for the post.
pub(crate) fn open(service: &dyn Service, stream: impl AsFd, meter: &Meter) -> io::Result<Box<dyn Session>> {
    let mut session = service.open();
    if service.talks() {
        session.attach(Arc::new(Direct::new(stream, meter)?));
    }
    Ok(session)
}

/// The post of one client.
struct Direct(Arc<Outbox>);

impl Direct {
    /// For the client at `stream`, of which it keeps a descriptor: others may be about to write when the connection closes.
    fn new(stream: impl AsFd, meter: &Meter) -> io::Result<Self> {
        let stream = stream.as_fd().try_clone_to_owned()?;
        Ok(Self(Arc::new(Outbox { stream, meter: meter.clone(), state: Mutex::default() })))
    }
}

impl Post for Direct {
    fn deliver(&self, message: &Arc<[u8]>) {
        let mut state = lock(&self.0.state);
        if state.closed {
            return;
        }
        if state.waiting() > 0 {
            return self.0.keep(&mut state, message);
        }
        match self.0.send(message) {
            Ok(sent) if sent == message.len() => {}
            Ok(sent) => {
                state.unsent.extend_from_slice(&message[sent..]);
                if Postman::take(&self.0).is_err() {
                    self.0.shut_out(&mut state);
                }
            }
            Err(_) => self.0.end(&mut state),
        }
    }
}

impl Drop for Direct {
    /// Nothing more is taken. What waits still goes out: the postman keeps the descriptor, and so the connection, until it has.
    fn drop(&mut self) {
        lock(&self.0.state).closed = true;
    }
}

/// A client's side of its socket, for writing.
struct Outbox {
    stream: OwnedFd,
    /// Counts bytes under the lock; the client's own thread or loop, whose replies come this way, too, counts none.
    meter: Meter,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What the kernel did not take, from `sent` on.
    unsent: Vec<u8>,
    sent: usize,
    /// No message is taken any more.
    closed: bool,
}

impl State {
    fn waiting(&self) -> usize {
        self.unsent.len() - self.sent
    }

    /// Takes no message any more and drops those that wait.
    fn close(&mut self) {
        *self = Self { closed: true, ..Self::default() };
    }
}

impl Outbox {
    /// Sends what the kernel takes now; returns how much that was.
    fn send(&self, bytes: &[u8]) -> Result<usize, Errno> {
        let mut sent = 0;
        while sent < bytes.len() {
            match send(&self.stream, &bytes[sent..], SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(n) => {
                    self.meter.sent(n);
                    sent += n;
                }
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(sent)
    }

    /// Puts a message behind those that wait, or shuts the client out: one message may be of any length, so it is what waited before
    /// that counts.
    fn keep(&self, state: &mut State, message: &[u8]) {
        if state.waiting() > MOST_UNREAD {
            return self.shut_out(state);
        }
        if state.sent > MOST_UNREAD {
            state.unsent.drain(..state.sent);
            state.sent = 0;
        }
        state.unsent.extend_from_slice(message);
    }

    /// Ends the connection of a client that has left too much unread.
    fn shut_out(&self, state: &mut State) {
        self.meter.shut_out();
        self.end(state);
    }

    /// Ends the connection: whoever reads from it finds its end.
    fn end(&self, state: &mut State) {
        state.close();
        sys::shutdown_both(self.stream.as_raw_fd());
    }

    /// Sends what waits, as far as there is room; returns whether anything still waits.
    fn flush(&self) -> bool {
        let mut state = lock(&self.state);
        match self.send(&state.unsent[state.sent..]) {
            Ok(sent) => state.sent += sent,
            Err(_) => self.end(&mut state),
        }
        if state.waiting() == 0 {
            (state.unsent, state.sent) = (Vec::new(), 0); // a client that was slow once keeps no memory
        }
        state.waiting() > 0
    }

    fn waits(&self) -> bool {
        lock(&self.state).waiting() > 0
    }
}

/// Sends what slow clients left, when there is room. One in a process; it ends with it.
struct Postman {
    /// Those that it has not seen yet.
    new: Mutex<Vec<Arc<Outbox>>>,
    woken: OwnedFd,
}

static POSTMAN: OnceLock<io::Result<Postman>> = OnceLock::new();

impl Postman {
    /// Gives it a client that has begun to be slow.
    fn take(outbox: &Arc<Outbox>) -> Result<(), ()> {
        let postman = POSTMAN.get_or_init(Self::hire).as_ref().map_err(|_| ())?;
        lock(&postman.new).push(Arc::clone(outbox));
        Self::wake();
        Ok(())
    }

    /// Has it look at all its clients.
    fn wake() {
        if let Some(Ok(postman)) = POSTMAN.get() {
            let _ = rustix::io::write(&postman.woken, &1_u64.to_ne_bytes()); // fails only when full, and then it is readable
        }
    }

    fn hire() -> io::Result<Self> {
        let woken = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let at_work = woken.try_clone()?;
        thread::Builder::new().name("postman".into()).spawn(move || Self::work(&at_work))?;
        Ok(Self { new: Mutex::default(), woken })
    }

    fn work(woken: &OwnedFd) {
        let mut slow: Vec<Arc<Outbox>> = Vec::new();
        loop {
            let mut entries = vec![PollFd::new(woken, PollFlags::IN)];
            entries.extend(slow.iter().map(|outbox| PollFd::new(&outbox.stream, PollFlags::OUT)));
            if poll(&mut entries, None).is_err() {
                continue; // interrupted
            }
            let ready: Vec<bool> = entries[1..].iter().map(|entry| !entry.revents().is_empty()).collect();
            drop(entries);
            let mut ready = ready.into_iter();
            // Those that have closed meanwhile wait for nothing any more.
            slow.retain(|outbox| if ready.next() == Some(true) { outbox.flush() } else { outbox.waits() });
            let _ = rustix::io::read(woken, &mut [0; 8]);
            if let Some(Ok(postman)) = POSTMAN.get() {
                slow.append(&mut lock(&postman.new));
            }
        }
    }
}
