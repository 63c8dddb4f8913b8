//! io_uring behind a safe interface: one ring, multishot accept and receive into provided buffers, sends, polls.
//!
//! What makes it safe: the ring owns, from the submission to the last completion, everything the kernel may touch: the
//! descriptor (so that its number cannot pass to another file), the bytes of a send, and the buffers that receives
//! fill. Dropping the ring cancels all and waits; what the kernel would still not let go is leaked, never freed.
//!
//! Nothing here decides policy: when to receive, what to cancel and when to try again stand in `models::io_uring`.

pub(crate) use super::provided::Filled;
use super::provided::{Group, Provided};
use crate::drive::slots::Slots;
use io_uring::squeue::{Entry, Flags};
use io_uring::types::{CancelBuilder, Fd, Timespec};
use io_uring::{EnterFlags, IoUring, cqueue, opcode};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

/// A descriptor that operations share.
pub(crate) type Descriptor = Arc<OwnedFd>;

/// Submissions handed over in one system call; more wait for the next.
const SUBMISSIONS: u32 = 1024;

/// Completions that fit beside each other. More are kept by the kernel and cost an allocation each.
const COMPLETIONS: u32 = 8192;

/// What the completion of a cancellation is marked with. No operation's key is this large.
const CANCELLATION: u64 = u64::MAX;

/// An operation in flight, for cancelling it. Void once its last completion has been told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Operation(usize);

/// What the kernel is using until the operation's last completion.
#[derive(Debug)]
enum InFlight {
    Accept { _listener: Descriptor },
    Receive { key: usize, group: Group, _socket: Descriptor },
    Send { key: usize, _socket: Descriptor, bytes: Vec<u8> },
    Watch { key: usize, _descriptor: Descriptor },
}

/// What has come of an operation.
#[derive(Debug)]
pub(crate) enum Event {
    /// A connection was accepted, or could not be. Unless there is `more` to come, nothing is accepted any longer.
    Accepted { socket: Result<OwnedFd, Errno>, more: bool },
    /// Input has come, to be given back; `None` is its end. Unless there is `more` to come, nothing is received any
    /// longer.
    Received { key: usize, input: Result<Option<Filled>, Errno>, more: bool },
    /// So many of the bytes have been sent. Here they are back.
    Sent { key: usize, count: Result<usize, Errno>, bytes: Vec<u8> },
    /// A watched descriptor has turned readable. Unless there is `more` to come, it is watched no longer.
    Readable { key: usize, more: bool },
}

/// A ring and all that is in flight on it.
pub(crate) struct Ring {
    ring: IoUring,
    in_flight: Slots<InFlight>,
    /// Submissions for which the queue had no room.
    waiting: VecDeque<Entry>,
    provided: ManuallyDrop<[Provided; 2]>, // by group
}

impl Ring {
    /// A ring with its buffers, for this thread alone.
    ///
    /// # Errors
    /// Where the kernel has no io_uring (ENOSYS), forbids it (EPERM), or has one without multishot receives.
    pub(crate) fn new() -> io::Result<Self> {
        Self::of(SUBMISSIONS, COMPLETIONS)
    }

    fn of(submissions: u32, completions: u32) -> io::Result<Self> {
        let ring = build(submissions, completions)?;
        let [small, large] = Group::ALL.map(|group| Provided::register(&ring.submitter(), group));
        let provided = ManuallyDrop::new([small?, large?]);
        Ok(Self { ring, in_flight: Slots::new(), waiting: VecDeque::new(), provided })
    }

    /// Whether there can be one, without the cost of its buffers.
    ///
    /// # Errors
    /// As [`Ring::new`].
    pub(crate) fn check() -> io::Result<()> {
        build(SUBMISSIONS, COMPLETIONS).map(drop)
    }

    /// Accepts from a blocking listener until an error ends it.
    pub(crate) fn accept(&mut self, listener: &Descriptor) -> Operation {
        let entry = opcode::AcceptMulti::new(Fd(listener.as_raw_fd())).flags(libc::SOCK_CLOEXEC).build();
        self.start(entry, InFlight::Accept { _listener: Arc::clone(listener) })
    }

    /// Receives from a blocking socket, a little at a time, until the end of its input, an error, or want of a buffer
    /// (`NOBUFS`).
    pub(crate) fn receive(&mut self, socket: &Descriptor, key: usize) -> Operation {
        let group = Group::Small;
        let entry = opcode::RecvMulti::new(Fd(socket.as_raw_fd()), group.number()).build();
        self.start(entry, InFlight::Receive { key, group, _socket: Arc::clone(socket) })
    }

    /// Receives from a blocking socket once, as much as there is.
    pub(crate) fn receive_once(&mut self, socket: &Descriptor, key: usize) -> Operation {
        let group = Group::Large;
        let entry = opcode::Recv::new(Fd(socket.as_raw_fd()), std::ptr::null_mut(), 0)
            .buf_group(group.number())
            .build()
            .flags(Flags::BUFFER_SELECT);
        self.start(entry, InFlight::Receive { key, group, _socket: Arc::clone(socket) })
    }

    /// Sends `bytes` from `from` on, as much of it as there is room for once there is some.
    pub(crate) fn send(&mut self, socket: &Descriptor, key: usize, bytes: Vec<u8>, from: usize) -> Operation {
        let rest = &bytes[from..];
        let length = u32::try_from(rest.len()).unwrap_or(u32::MAX); // a partial send, then
        let entry = opcode::Send::new(Fd(socket.as_raw_fd()), rest.as_ptr(), length)
            .flags(libc::MSG_NOSIGNAL)
            .build();
        self.start(entry, InFlight::Send { key, _socket: Arc::clone(socket), bytes })
    }

    /// Tells of a descriptor whenever it turns readable (an edge: it need not be read).
    pub(crate) fn watch(&mut self, descriptor: &Descriptor, key: usize) -> Operation {
        let entry = opcode::PollAdd::new(Fd(descriptor.as_raw_fd()), libc::POLLIN as u32).multi(true).build();
        self.start(entry, InFlight::Watch { key, _descriptor: Arc::clone(descriptor) })
    }

    /// Asks for the end of an operation, which is told like any other (`CANCELED`, unless it was faster).
    pub(crate) fn cancel(&mut self, operation: Operation) {
        let entry = opcode::AsyncCancel::new(operation.0 as u64).build().user_data(CANCELLATION);
        self.waiting.push_back(entry);
        self.fill();
    }

    /// The bytes that have come.
    pub(crate) fn bytes(&self, filled: &Filled) -> &[u8] {
        self.provided[usize::from(filled.group().number())].bytes(filled)
    }

    /// Lets the kernel have a buffer back.
    pub(crate) fn give_back(&mut self, filled: Filled) {
        self.provided[usize::from(filled.group().number())].give_back(filled);
    }

    /// Submits what was asked for and adds to `events` what has come of it; waits for something unless `at_once` or
    /// something is there already. A signal ends the wait.
    ///
    /// # Errors
    /// When the ring itself fails.
    pub(crate) fn wait(&mut self, at_once: bool, events: &mut Vec<Event>) -> io::Result<()> {
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
                Err(Errno::BUSY | Errno::AGAIN) if events.len() > before => {}
                Err(Errno::BUSY | Errno::AGAIN) => std::thread::sleep(Duration::from_millis(1)),
                Err(error) => return Err(error.into()),
            }
            if all {
                return Ok(());
            }
        }
    }

    fn start(&mut self, entry: Entry, in_flight: InFlight) -> Operation {
        let Ok(key) = self.in_flight.insert_with(|_| Ok::<_, std::convert::Infallible>(in_flight));
        self.waiting.push_back(entry.user_data(key as u64));
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
                events.extend(told(&completion, in_flight, provided));
            }
        }
    }
}

/// Makes an event of a completion; after the last one nothing is kept of the operation.
fn told(
    completion: &cqueue::Entry,
    in_flight: &mut Slots<InFlight>,
    provided: &mut [Provided; 2],
) -> Option<Event> {
    let id = completion.user_data() as usize;
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
        InFlight::Watch { key, .. } => Event::Readable { key: *key, more },
    };
    if !more {
        in_flight.remove(id);
    }
    Some(event)
}

/// Whether the kernel knows multishot receives (Linux 6.0): it looks at a submission (EINVAL) before it looks at the
/// descriptor (EBADF), which is none here.
fn receives_again_and_again(ring: &mut IoUring) -> io::Result<bool> {
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
                if receives_again_and_again(&mut ring)? {
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

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::event::{EventfdFlags, eventfd};
    use std::collections::HashSet;
    use std::io::Write as _;
    use std::os::unix::net::UnixStream;

    /// A ring, or `None` with a line that says why the test is skipped.
    fn ring() -> Option<Ring> {
        Ring::new().inspect_err(|error| println!("skipped: no io_uring here: {error}")).ok()
    }

    fn pair() -> (UnixStream, Descriptor) {
        let (client, server) = UnixStream::pair().expect("a pair of sockets");
        (client, Arc::new(OwnedFd::from(server)))
    }

    #[test]
    fn out_of_buffers_a_receive_ends_and_nothing_is_lost() {
        const EACH: usize = 100_000;
        const SOCKETS: usize = 40; // 4 MB, twice what the buffers hold
        let Some(mut ring) = ring() else { return };
        let pairs: Vec<_> = (0..SOCKETS).map(|_| pair()).collect();
        for (key, (client, server)) in pairs.iter().enumerate() {
            client.set_nonblocking(true).expect("a flag");
            let mut client = client;
            client.write_all(&vec![key as u8; EACH]).expect("the kernel keeps so much");
            ring.receive(server, key);
        }
        let (mut got, mut held, mut without, mut events) = ([0; SOCKETS], Vec::new(), 0, Vec::new());
        while got.iter().any(|&bytes| bytes < EACH) {
            ring.wait(false, &mut events).expect("a ring that works");
            for event in events.drain(..) {
                let Event::Received { key, input, more } = event else { panic!("{event:?}") };
                match input {
                    Ok(Some(filled)) => {
                        assert!(ring.bytes(&filled).iter().all(|&byte| byte == key as u8));
                        got[key] += ring.bytes(&filled).len();
                        held.push(filled);
                    }
                    Err(Errno::NOBUFS) => {
                        without += 1;
                        held.drain(..).for_each(|filled| ring.give_back(filled));
                    }
                    other => panic!("{other:?}"),
                }
                if !more {
                    ring.receive(&pairs[key].1, key);
                }
            }
        }
        assert!(without > 0 && got == [EACH; SOCKETS], "{without} {got:?}");
    }

    #[test]
    fn more_operations_and_completions_than_the_queues_hold_are_all_told() {
        let many = 500;
        let Ok(mut ring) = Ring::of(8, 16) else { return println!("skipped: no io_uring here") };
        let ready = Arc::new(eventfd(1, EventfdFlags::CLOEXEC).expect("an eventfd"));
        for key in 0..many {
            ring.watch(&ready, key);
        }
        let (mut told, mut events) = (HashSet::new(), Vec::new());
        while told.len() < many {
            ring.wait(false, &mut events).expect("a ring that works");
            told.extend(events.drain(..).map(|event| match event {
                Event::Readable { key, .. } => key,
                other => panic!("{other:?}"),
            }));
        }
        assert!(told.iter().all(|&key| key < many));
    }

    #[test]
    fn a_ring_that_is_dropped_lets_go_of_all_it_used() {
        let Some(mut ring) = ring() else { return };
        let (_client, server) = pair();
        let (_other_client, other) = pair();
        ring.receive(&server, 1);
        ring.receive_once(&other, 2);
        ring.watch(&server, 3);
        ring.send(&other, 4, vec![7; 8 << 20], 0); // more than the kernel keeps: it gets stuck with the rest
        let mut events = Vec::new();
        ring.wait(true, &mut events).expect("a ring that works");
        drop(ring);
        assert_eq!((Arc::strong_count(&server), Arc::strong_count(&other)), (1, 1));
    }

    #[test]
    fn a_cancelled_receive_is_told_and_no_longer_there() {
        let Some(mut ring) = ring() else { return };
        let (_client, server) = pair();
        let operation = ring.receive(&server, 5);
        let mut events = Vec::new();
        ring.wait(true, &mut events).expect("a ring that works");
        assert!(events.is_empty(), "{events:?}");
        ring.cancel(operation);
        while events.is_empty() {
            ring.wait(false, &mut events).expect("a ring that works");
        }
        let cancelled =
            matches!(events[..], [Event::Received { key: 5, input: Err(Errno::CANCELED), more: false }]);
        assert!(cancelled && Arc::strong_count(&server) == 1, "{events:?}");
    }
}
