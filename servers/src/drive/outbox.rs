//! Writing to a client from whoever has something for it: the post of models whose threads and loops ask the kernel themselves.
//!
//! A message is put into its receiver's outbox, and who put the first one there sends all that is in it at the end of its own turn:
//! messages that meet there go out in one write, as replies do in Redis (`handleClientsWithPendingWrites`), and nobody is
//! woken for them. What the kernel does not take is kept, and a postman, a thread that a server's first client starts, sends it
//! when there is room. Whoever has left more than 1 MiB of what others said unread when one more message comes is shut out;
//! for what its own session answers, the session waits.
//!
//! Whoever drives sessions must call [`send_pending`] before it waits for anything, writes to a client itself, or closes.
//! Never reads, never waits for a client, and never knows what a message means.

use super::lock;
use super::registry::Meter;
use crate::service::Post;
use crate::sync::Mutex;
use crate::{Service, Session, sys};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::Errno;
use rustix::net::{SendFlags, send};
use std::cell::RefCell;
use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::{Duration, Instant};

/// Bytes of what others say that a client may leave unread, beyond what the kernel keeps for it, before a message for it is one too many.
pub(crate) const MOST_UNREAD: usize = 1 << 20;

/// Opens a session of `service` for the client at `stream`, with a post of its own if sessions talk to each other.
///
/// # Errors
/// No descriptor for the post, or no thread for the postman, without whom what the kernel does not take would be lost.
pub fn open(service: &dyn Service, stream: impl AsFd, meter: &Meter) -> io::Result<Box<dyn Session>> {
    let mut session = service.open();
    if service.talks() {
        session.attach(Arc::new(Direct::new(stream, meter)?));
    }
    Ok(session)
}

/// The post of one client.
#[derive(Debug)]
struct Direct(Arc<Outbox>);

impl Direct {
    /// For the client at `stream`, of which it keeps a descriptor: others may be about to write when the connection closes.
    fn new(stream: impl AsFd, meter: &Meter) -> io::Result<Self> {
        let postman = Postman::hired()?;
        let stream = stream.as_fd().try_clone_to_owned()?;
        Ok(Self(Arc::new(Outbox { stream, meter: meter.clone(), postman, state: Mutex::default() })))
    }
}

impl Post for Direct {
    fn deliver(&self, message: &Arc<[u8]>) {
        let mut state = lock(&self.0.state);
        // One message may be of any length, so it is what waited before that counts, and what the kernel would take does not.
        if state.unread() > MOST_UNREAD {
            self.0.flush(&mut state);
        }
        if state.unread() > MOST_UNREAD {
            self.0.meter.shut_out();
            return self.0.end(&mut state);
        }
        self.0.keep(&mut state, message);
    }

    fn answer(&self, message: &Arc<[u8]>) {
        let mut state = lock(&self.0.state);
        if self.0.keep(&mut state, message) {
            let end = state.unsent.len();
            state.answer = end - message.len()..end;
        }
    }

    fn flush(&self) -> bool {
        let mut state = lock(&self.0.state);
        if state.answer.end > state.sent {
            self.0.flush(&mut state);
        }
        state.answer.end <= state.sent
    }
}

impl Drop for Direct {
    /// Nothing more is taken. What waits still goes out, unless the server stops first or nothing is read for [`LINGER`]: the postman
    /// keeps the descriptor, and so the connection, until then.
    fn drop(&mut self) {
        lock(&self.0.state).closed = true;
    }
}

thread_local! {
    /// Those for whom this thread has messages to send.
    static PENDING: RefCell<Vec<Arc<Outbox>>> = const { RefCell::new(Vec::new()) };
}

/// Sends what sessions on this thread have delivered since the last call.
#[inline]
pub fn send_pending() {
    if PENDING.with_borrow(|pending| !pending.is_empty()) {
        send_all_pending();
    }
}

#[cold]
fn send_all_pending() {
    let mut pending = PENDING.take();
    pending.iter().for_each(Outbox::send_as_sender);
    pending.clear();
    PENDING.set(pending); // with its room
}

/// A client's side of its socket, for writing.
#[derive(Debug)]
struct Outbox {
    stream: OwnedFd,
    /// Counts bytes under the lock; the client's own thread or loop, whose replies come this way, too, counts none.
    meter: Meter,
    postman: Arc<Postman>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// What the kernel was not offered or did not take, from `sent` on.
    unsent: Vec<u8>,
    sent: usize,
    /// Where in it the last answer is.
    answer: Range<usize>,
    /// No message is taken any more.
    closed: bool,
    carrier: Carrier,
}

/// Who sends what is in an outbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Carrier {
    /// Nothing is in it.
    #[default]
    Nobody,
    /// The thread on which it came, at the end of its turn.
    Sender,
    /// The postman, when there is room.
    Postman,
}

/// How long a client that has left is waited for while it reads nothing of what is left for it.
const LINGER: Duration = Duration::from_secs(2);

/// Bytes of room that an empty outbox keeps.
const KEPT: usize = 1 << 10;

impl State {
    fn waiting(&self) -> usize {
        self.unsent.len() - self.sent
    }

    /// What waits of others' messages.
    fn unread(&self) -> usize {
        self.waiting() - self.answer.end.saturating_sub(self.answer.start.max(self.sent))
    }

    /// Drops what waits. A client that was slow once keeps next to no memory.
    fn clear(&mut self) {
        self.unsent.clear();
        self.unsent.shrink_to(KEPT);
        (self.sent, self.answer) = (0, 0..0);
    }

    /// Forgets what is sent, where that is much.
    fn compact(&mut self) {
        if self.sent > MOST_UNREAD {
            self.unsent.drain(..self.sent);
            self.answer.start = self.answer.start.saturating_sub(self.sent);
            self.answer.end = self.answer.end.saturating_sub(self.sent);
            self.sent = 0;
        }
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

    /// Puts a message behind those that wait; returns whether it was taken.
    fn keep(self: &Arc<Self>, state: &mut State, message: &[u8]) -> bool {
        if state.closed {
            return false;
        }
        state.compact();
        state.unsent.extend_from_slice(message);
        if state.carrier == Carrier::Nobody {
            state.carrier = Carrier::Sender;
            PENDING.with_borrow_mut(|pending| pending.push(Arc::clone(self)));
        }
        true
    }

    /// The turn of the thread that had messages for the client is over: the postman gets what the kernel does not take.
    fn send_as_sender(self: &Arc<Self>) {
        let mut state = lock(&self.state);
        self.flush(&mut state);
        state.carrier = Carrier::Nobody;
        if state.waiting() > 0 {
            state.carrier = Carrier::Postman;
            self.postman.take(self);
        }
    }

    /// Ends the connection, takes no message any more and drops those that wait: whoever reads from it finds its end.
    fn end(&self, state: &mut State) {
        state.clear();
        state.closed = true;
        sys::shutdown_both(self.stream.as_raw_fd());
    }

    /// Sends what waits, as far as there is room.
    fn flush(&self, state: &mut State) {
        match self.send(&state.unsent[state.sent..]) {
            Ok(sent) => state.sent += sent,
            Err(_) => self.end(state),
        }
        if state.waiting() == 0 {
            state.clear();
        }
    }
}

/// Sends what slow clients left, when there is room. One in a process; it ends with it.
#[derive(Debug)]
struct Postman {
    /// Those that it has not seen yet.
    new: Mutex<Vec<Arc<Outbox>>>,
    woken: OwnedFd,
}

static POSTMAN: LazyLock<Mutex<Option<Arc<Postman>>>> = LazyLock::new(Mutex::default);

impl Postman {
    /// The postman, who is hired before the first message, so that none is lost for want of one.
    fn hired() -> io::Result<Arc<Self>> {
        let mut hired = lock(&POSTMAN);
        if let Some(postman) = &*hired {
            return Ok(Arc::clone(postman));
        }
        let woken = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let postman = Arc::new(Self { new: Mutex::default(), woken });
        let at_work = Arc::clone(&postman);
        thread::Builder::new().name("postman".into()).spawn(move || at_work.work())?;
        Ok(Arc::clone(hired.insert(postman)))
    }

    /// Gives it a client that has begun to be slow.
    fn take(&self, outbox: &Arc<Outbox>) {
        lock(&self.new).push(Arc::clone(outbox));
        let _ = rustix::io::write(&self.woken, &1_u64.to_ne_bytes()); // fails only when full, and then it is readable
    }

    fn work(&self) {
        let mut slow: Vec<Slow> = Vec::new();
        loop {
            let mut entries = vec![PollFd::new(&self.woken, PollFlags::IN)];
            entries.extend(slow.iter().map(|one| PollFd::new(&one.outbox.stream, PollFlags::OUT)));
            let limit = Timespec::try_from(LINGER).ok().filter(|_| !slow.is_empty());
            if poll(&mut entries, limit.as_ref()).is_err() {
                continue; // interrupted
            }
            let ready: Vec<bool> = entries[1..].iter().map(|entry| !entry.revents().is_empty()).collect();
            drop(entries);
            let mut ready = ready.into_iter();
            slow.retain_mut(|one| one.go_on(ready.next() == Some(true)));
            let _ = rustix::io::read(&self.woken, &mut [0; 8]);
            let new = std::mem::take(&mut *lock(&self.new));
            slow.extend(new.into_iter().map(|outbox| Slow { outbox, last_read: Instant::now() }));
        }
    }
}

/// A client whose outbox the postman has.
struct Slow {
    outbox: Arc<Outbox>,
    /// When there was room last.
    last_read: Instant,
}

impl Slow {
    /// Sends what there is room for; returns whether more waits for room.
    fn go_on(&mut self, has_room: bool) -> bool {
        let mut state = lock(&self.outbox.state);
        if has_room {
            self.outbox.flush(&mut state);
            self.last_read = Instant::now();
        } else if state.closed && self.last_read.elapsed() > LINGER {
            self.outbox.end(&mut state); // nobody delivers to it any more, who could find that it has too much
        }
        if state.waiting() == 0 {
            state.carrier = Carrier::Nobody; // of those that have closed nothing waits
        }
        state.carrier == Carrier::Postman
    }
}

#[cfg(all(test, not(bakeoff_loom)))]
mod tests {
    use super::*;
    use crate::Counters;
    use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, recv, socketpair};

    /// A post, and the client's end of its connection, at which each write is one packet.
    fn post(kind: SocketType) -> (Direct, OwnedFd, &'static Counters) {
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None).expect("a pair of sockets");
        let counters = Counters::shared().expect("room");
        (Direct::new(ours, &Meter::new(counters)).expect("room for a post"), theirs, counters)
    }

    fn heard(client: &OwnedFd) -> Option<Vec<u8>> {
        let mut packet = vec![0; 64];
        let (length, _) = recv(client, &mut packet[..], RecvFlags::DONTWAIT).ok()?;
        packet.truncate(length);
        Some(packet)
    }

    fn say(post: &Direct, text: &[u8]) {
        post.deliver(&text.into());
    }

    #[test]
    fn messages_that_meet_in_an_outbox_go_out_in_one_write_when_the_turn_of_the_first_is_over() {
        let (post, client, _) = post(SocketType::SEQPACKET);
        say(&post, b"one ");
        thread::scope(|scope| {
            scope.spawn(|| {
                say(&post, b"two ");
                send_pending(); // the others' turn is not over
                assert_eq!(heard(&client), None);
            });
        });
        say(&post, b"three");
        send_pending();
        assert_eq!(heard(&client).as_deref(), Some(&b"one two three"[..]));
        assert_eq!(heard(&client), None);
        say(&post, b"four");
        drop(post);
        send_pending();
        assert_eq!(heard(&client).as_deref(), Some(&b"four"[..]), "a post that is gone has sent all");
    }

    #[test]
    fn what_the_kernel_would_take_counts_as_unread_by_nobody_whoever_is_to_send_it() {
        let (post, client, counters) = post(SocketType::STREAM);
        say(&post, &[b'x'; MOST_UNREAD + 1]);
        say(&post, b"more"); // the kernel takes some of it now
        assert_eq!(counters.snapshot().shut_out, 0);
        send_pending();
        assert!(lock(&post.0.state).carrier == Carrier::Postman);
        let mut left = MOST_UNREAD + 1 + 4;
        while left > 0 {
            let mut read = vec![0; 1 << 16];
            left -= recv(&client, &mut read[..], RecvFlags::empty()).expect("the rest is on its way").0;
        }
        // The postman says that he has nothing any more in his own time.
        while lock(&post.0.state).carrier != Carrier::Nobody {
            thread::yield_now();
        }
        for _ in 0..2 {
            say(&post, &[b'x'; MOST_UNREAD]);
        }
        say(&post, b"one too many");
        assert_eq!(counters.snapshot().shut_out, 1);
        send_pending();
    }

    #[test]
    fn who_leaves_without_reading_what_is_left_for_it_is_not_kept_for_ever() {
        let (post, _client, _) = post(SocketType::STREAM);
        say(&post, &[b'x'; MOST_UNREAD]);
        send_pending();
        let outbox = Arc::downgrade(&post.0);
        drop(post);
        while outbox.strong_count() > 0 {
            thread::sleep(Duration::from_millis(20)); // for as long as he lingers
        }
    }
}
