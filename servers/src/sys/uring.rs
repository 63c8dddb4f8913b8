//! io_uring behind a safe interface: one ring, multishot accept and receive into provided buffers, sends, polls.
//!
//! What makes it safe: the ring owns, from the submission to the last completion, everything the kernel may touch: the
//! descriptor (so that its number cannot pass to another file), the bytes of a send, and the buffers that receives
//! fill. Dropping the ring cancels all and waits; what the kernel would still not let go is leaked, never freed.
//!
//! Nothing here decides policy: when to receive, what to cancel and when to try again stand in `models::io_uring`.

pub use super::provided::Filled;
use super::provided::{Group, Provided};
use crate::drive::Key;
use crate::drive::accept::SHORT_OF_MEMORY;
use crate::drive::readiness::Source;
use io_uring::squeue::{Entry, Flags};
use io_uring::types::{CancelBuilder, Fd, Timespec};
use io_uring::{EnterFlags, IoUring, cqueue, opcode};
use rustix::io::Errno;
use slotmap::{Key as _, KeyData, SlotMap};
use std::collections::VecDeque;
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

/// A descriptor that operations share.
pub type Descriptor = Arc<OwnedFd>;

/// Submissions handed over in one system call; more wait for the next.
const SUBMISSIONS: u32 = 1024;

/// Completions that fit beside each other. More are kept by the kernel and cost an allocation each.
const COMPLETIONS: u32 = 8192;

/// What the completion of a cancellation is marked with. No slot map has so large an index.
const CANCELLATION: u64 = u64::MAX;

/// An operation in flight, for cancelling it. Void after its last completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation(Key);

/// What the kernel is using until the operation's last completion.
#[derive(Debug)]
enum InFlight {
    Accept { _listener: Descriptor },
    Receive { key: Key, group: Group, _socket: Descriptor },
    Send { key: Key, _socket: Descriptor, bytes: Vec<u8> },
    AwaitRoom { key: Key, _socket: Descriptor },
    Watch { source: Source, _descriptor: Descriptor },
}

/// What has come of an operation.
#[derive(Debug)]
pub enum Event {
    /// A connection was accepted, or could not be. Unless there is `more` to come, nothing is accepted any longer.
    Accepted {
        /// The connection.
        socket: Result<OwnedFd, Errno>,
        /// Whether the operation goes on.
        more: bool,
    },
    /// Input has come, to be given back; `None` is its end. Unless there is `more` to come, nothing is received any
    /// longer.
    Received { key: Key, input: Result<Option<Filled>, Errno>, more: bool },
    /// So many of the bytes have been sent. Here they are back.
    Sent { key: Key, count: Result<usize, Errno>, bytes: Vec<u8> },
    /// A socket has room, or an error that the next call on it reports.
    Room { key: Key },
    /// A watched descriptor has turned readable. Unless there is `more` to come, it is watched no longer.
    Readable { source: Source, more: bool },
}

/// A ring and all that is in flight on it.
pub struct Ring {
    ring: IoUring,
    in_flight: SlotMap<Key, InFlight>,
    /// Submissions for which the queue had no room.
    waiting: VecDeque<Entry>,
    provided: ManuallyDrop<[Provided; 2]>, // by group
}

impl Ring {
    /// A ring with its buffers, for this thread alone.
    ///
    /// # Errors
    /// Where the kernel has no io_uring (ENOSYS), forbids it (EPERM), or has one without multishot receives.
    pub fn new() -> io::Result<Self> {
        Self::with_queues(SUBMISSIONS, COMPLETIONS)
    }

    /// A ring with queues of that many places.
    ///
    /// # Errors
    /// As [`Ring::new`].
    pub fn with_queues(submissions: u32, completions: u32) -> io::Result<Self> {
        let ring = build(submissions, completions)?;
        let [small, large] = Group::ALL.map(|group| Provided::register(&ring.submitter(), group));
        let provided = ManuallyDrop::new([small?, large?]);
        Ok(Self { ring, in_flight: SlotMap::new(), waiting: VecDeque::new(), provided })
    }

    /// Whether there can be one, without the cost of its buffers.
    ///
    /// # Errors
    /// As [`Ring::new`].
    pub fn check() -> io::Result<()> {
        build(SUBMISSIONS, COMPLETIONS).map(drop)
    }

    /// Accepts from a blocking listener until an error ends it.
    pub fn accept(&mut self, listener: &Descriptor) -> Operation {
        let entry = opcode::AcceptMulti::new(Fd(listener.as_raw_fd())).flags(libc::SOCK_CLOEXEC).build();
        self.start(entry, InFlight::Accept { _listener: Arc::clone(listener) })
    }

    /// Receives from a blocking socket, a little at a time, until the end of its input, an error, or want of a buffer
    /// (`NOBUFS`).
    pub fn receive(&mut self, socket: &Descriptor, key: Key) -> Operation {
        let group = Group::Small;
        let entry = opcode::RecvMulti::new(Fd(socket.as_raw_fd()), group.number()).build();
        self.start(entry, InFlight::Receive { key, group, _socket: Arc::clone(socket) })
    }

    /// Receives from a blocking socket once, as much as there is.
    pub fn receive_once(&mut self, socket: &Descriptor, key: Key) -> Operation {
        let group = Group::Large;
        let entry = opcode::Recv::new(Fd(socket.as_raw_fd()), std::ptr::null_mut(), 0)
            .buf_group(group.number())
            .build()
            .flags(Flags::BUFFER_SELECT);
        self.start(entry, InFlight::Receive { key, group, _socket: Arc::clone(socket) })
    }

    /// Sends `bytes` from `from` on, as much of it as there is room for once there is some.
    pub fn send(&mut self, socket: &Descriptor, key: Key, bytes: Vec<u8>, from: usize) -> Operation {
        let rest = &bytes[from..];
        let length = u32::try_from(rest.len()).unwrap_or(u32::MAX); // a partial send, then
        let entry = opcode::Send::new(Fd(socket.as_raw_fd()), rest.as_ptr(), length)
            .flags(libc::MSG_NOSIGNAL)
            .build();
        self.start(entry, InFlight::Send { key, _socket: Arc::clone(socket), bytes })
    }

    /// Tells once when a socket has room.
    pub fn await_room(&mut self, socket: &Descriptor, key: Key) -> Operation {
        let entry = opcode::PollAdd::new(Fd(socket.as_raw_fd()), libc::POLLOUT as u32).build();
        self.start(entry, InFlight::AwaitRoom { key, _socket: Arc::clone(socket) })
    }

    /// Tells of a descriptor whenever it turns readable (an edge: it need not be read).
    pub fn watch(&mut self, descriptor: &Descriptor, source: Source) -> Operation {
        let entry = opcode::PollAdd::new(Fd(descriptor.as_raw_fd()), libc::POLLIN as u32).multi(true).build();
        self.start(entry, InFlight::Watch { source, _descriptor: Arc::clone(descriptor) })
    }

    /// Asks for the end of an operation, which is reported like any other (`CANCELED`, unless it was faster).
    pub fn cancel(&mut self, operation: Operation) {
        let entry = opcode::AsyncCancel::new(operation.0.data().as_ffi()).build().user_data(CANCELLATION);
        self.waiting.push_back(entry);
        self.fill();
    }

    /// The bytes that have come.
    pub fn bytes(&self, filled: &Filled) -> &[u8] {
        self.provided[usize::from(filled.group().number())].bytes(filled)
    }

    /// Lets the kernel have a buffer back.
    pub fn give_back(&mut self, filled: Filled) {
        self.provided[usize::from(filled.group().number())].give_back(filled);
    }

    /// Submits what was asked for and adds to `events` what has come of it; waits for something unless `at_once` or
    /// something is there already. A signal ends the wait.
    ///
    /// # Errors
    /// When the ring itself fails.
    pub fn wait(&mut self, at_once: bool, events: &mut Vec<Event>) -> io::Result<()> {
        loop {
            self.fill();
            let all = self.waiting.is_empty();
            let before = events.len();
            let wait = all && !at_once && events.is_empty();
            let entered = self.enter(u32::from(wait));
            self.reap(events);
            match entered {
                Ok(()) | Err(Errno::INTR) => {}
                // The kernel keeps completions for which there was no room, and takes nothing more until there is; or
                // it is short of memory, and then a pause helps where taking completions did not.
                Err(Errno::BUSY | Errno::AGAIN | Errno::NOMEM) if events.len() > before => {}
                Err(Errno::BUSY | Errno::AGAIN | Errno::NOMEM) => std::thread::sleep(SHORT_OF_MEMORY),
                Err(error) => return Err(error.into()),
            }
            if all {
                return Ok(());
            }
        }
    }

    fn start(&mut self, entry: Entry, in_flight: InFlight) -> Operation {
        let key = self.in_flight.insert(in_flight);
        self.waiting.push_back(entry.user_data(key.data().as_ffi()));
        self.fill();
        Operation(key)
    }

    /// Moves submissions into the queue while there is room.
    fn fill(&mut self) {
        let mut queue = self.ring.submission();
        while let Some(entry) = self.waiting.front() {
            // SAFETY: all an entry refers to is kept in `in_flight` until its last completion has been reaped, and
            // moving a `Vec` there does not move its bytes. A cancellation refers to nothing.
            if unsafe { queue.push(entry) }.is_err() {
                break;
            }
            self.waiting.pop_front();
        }
    }

    fn enter(&mut self, want: u32) -> Result<(), Errno> {
        let count = self.ring.submission().len() as u32;
        // Always asking for events: only then the kernel does the work that it has deferred to this thread.
        let flags = EnterFlags::GETEVENTS.bits();
        // SAFETY: submits entries that `fill` vouches for; no argument is passed.
        let entered = unsafe { self.ring.submitter().enter::<libc::sigset_t>(count, want, flags, None) };
        entered.map(drop).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
    }

    fn reap(&mut self, events: &mut Vec<Event>) {
        let Self { ring, in_flight, provided, .. } = self;
        for completion in ring.completion() {
            if completion.user_data() != CANCELLATION {
                events.extend(event_of(&completion, in_flight, provided));
            }
        }
    }
}

/// Makes an event of a completion; after the last one nothing is kept of the operation.
fn event_of(
    completion: &cqueue::Entry,
    in_flight: &mut SlotMap<Key, InFlight>,
    provided: &mut [Provided; 2],
) -> Option<Event> {
    let id = KeyData::from_ffi(completion.user_data()).into();
    let more = cqueue::more(completion.flags());
    let result =
        u32::try_from(completion.result()).map_err(|_| Errno::from_raw_os_error(-completion.result()));
    let filled = cqueue::buffer_select(completion.flags());
    let event = match in_flight.get_mut(id)? {
        InFlight::Accept { .. } => {
            // SAFETY: the kernel has just made this descriptor for us, and nobody else knows of it.
            let owned = |number: u32| unsafe { OwnedFd::from_raw_fd(number as i32) };
            Event::Accepted { socket: result.map(owned), more }
        }
        InFlight::Receive { key, group, .. } => {
            let length = result.unwrap_or(0) as usize;
            // Some kernels hand out a buffer with nothing in it at the end of input.
            let filled =
                filled.and_then(|buffer| provided[usize::from(group.number())].filled(buffer, length));
            Event::Received { key: *key, input: result.map(|_| filled), more }
        }
        InFlight::Send { key, bytes, .. } => {
            let (key, bytes) = (*key, std::mem::take(bytes));
            Event::Sent { key, count: result.map(|count| count as usize), bytes }
        }
        InFlight::AwaitRoom { key, .. } => Event::Room { key: *key },
        InFlight::Watch { source, .. } => Event::Readable { source: *source, more },
    };
    if !more {
        in_flight.remove(id);
    }
    Some(event)
}

/// Whether the kernel knows multishot receives (Linux 6.0): it looks at a submission (EINVAL) before it looks at the
/// descriptor (EBADF), which is none here.
fn has_multishot_receive(ring: &mut IoUring) -> io::Result<bool> {
    let entry = opcode::RecvMulti::new(Fd(-1), Group::Small.number()).build();
    // SAFETY: refers to no memory.
    let pushed = unsafe { ring.submission().push(&entry) };
    pushed.map_err(io::Error::other)?;
    ring.submit_and_wait(1)?;
    let completion = ring.completion().next();
    Ok(completion.is_some_and(|completion| completion.result() == -libc::EBADF))
}

/// Sets a ring up for one thread that does its kernel work when it asks for completions; step by step without what an
/// older kernel does not know (EINVAL): deferred work 6.1, a single issuer 6.0, cooperative work 5.19, going on after
/// a failed submission 5.18. The ring knows multishot receives.
fn build(submissions: u32, completions: u32) -> io::Result<IoUring> {
    let steps: [fn(&mut io_uring::Builder) -> &mut io_uring::Builder; 5] = [
        |builder| builder.setup_submit_all().setup_single_issuer().setup_defer_taskrun(),
        |builder| builder.setup_submit_all().setup_single_issuer().setup_coop_taskrun(),
        |builder| builder.setup_submit_all().setup_coop_taskrun(),
        |builder| builder.setup_submit_all(),
        |builder| builder,
    ];
    let mut refused = io::Error::from(Errno::INVAL);
    for step in steps {
        let mut builder = IoUring::builder();
        builder.dontfork().setup_cqsize(completions).setup_clamp();
        match step(&mut builder).build(submissions) {
            Err(error) if Errno::from_io_error(&error) == Some(Errno::INVAL) => refused = error,
            Err(error) => return Err(error),
            Ok(mut ring) => {
                if has_multishot_receive(&mut ring)? {
                    return Ok(ring);
                }
                return Err(io::Error::other("this kernel's has no multishot receive (Linux 6.0)"));
            }
        }
    }
    Err(refused)
}

impl Drop for Ring {
    fn drop(&mut self) {
        const TRIES: u32 = 20;
        let mut events = Vec::new();
        for _ in 0..TRIES {
            if self.in_flight.is_empty() && self.waiting.is_empty() {
                break;
            }
            if self.wait(true, &mut events).is_err() {
                break;
            }
            let limit = Timespec::from(Duration::from_millis(20));
            // What is left after the limit is asked for again, or leaked below.
            let _ = self.ring.submitter().register_sync_cancel(Some(limit), CancelBuilder::any());
            let _ = self.wait(true, &mut events);
        }
        let given_up = |group: Group| self.ring.submitter().unregister_buf_ring(group.number()).is_ok();
        if self.in_flight.is_empty() && Group::ALL.into_iter().all(given_up) {
            // SAFETY: dropped once, here; no operation is in flight, and the kernel has given the buffers up.
            unsafe { ManuallyDrop::drop(&mut self.provided) };
        } else {
            std::mem::forget(std::mem::take(&mut self.in_flight)); // the kernel may still read or write there
        }
    }
}

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ring").field("in_flight", &self.in_flight.len()).finish_non_exhaustive()
    }
}
