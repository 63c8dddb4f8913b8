//! Coroutines: a stackful coroutine for each client, in the plain code of a blocking server, over the reactor of
//! `mio-event-loop`.
//!
//! The loop is the same; what differs is what it finds in a connection's turn: not a state machine that was written as one, but a
//! stack that goes on where it waited. A coroutine runs until a read or write would wait, or a job is to be done elsewhere, and
//! then hands the loop what it hands a thread's scheduler in `thread-per-client`. A client costs a stack with its guard page, of
//! which the pages that were touched take memory, and buffers of its own: a buffer that is shared must not be held across a
//! wait.

use super::mio_event_loop::{Epoll, EventLoop};
use crate::drive::blocking::{Waits, serve_requests};
use crate::drive::buffers::{Buffers, READ_SIZE};
use crate::drive::nonblocking::{READS_A_TURN, Step, Turns};
use crate::drive::protocol::Protocol;
use crate::drive::readiness::{Interest, Ready};
use crate::drive::registry::Tracked;
use crate::model::{Concurrency, Meta, PerClient, Role, ServerModel, Serving, Tuning};
use crate::{Job, JobOutput, Session};
use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult, Yielder};
use mio::net::TcpStream;
use rustix::io::Errno;
use rustix::net::RecvFlags;
use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::BorrowedFd;
use std::rc::Rc;

/// The server of coroutines.
#[derive(Debug)]
pub(super) struct Coroutines;

impl ServerModel for Coroutines {
    fn meta(&self) -> &'static Meta {
        &Meta {
            name: "coroutines",
            summary: "a stackful coroutine for each client on one event loop; plain code, many clients, a stack for each",
            concurrency: Concurrency::Unbounded,
            per_client: PerClient::Nothing,
            threads: |_| 1,
            tunings: &[Tuning::BlockingWorkers, Tuning::ComputeWorkers],
            role: Role::Extra,
        }
    }

    fn serve(&self, serving: Serving) -> io::Result<()> {
        EventLoop::<Epoll, Stackful>::offloading(serving)
    }
}

/// A coroutine's stack: that of a client's thread in `thread-per-client`, for the same reasons.
const STACK_BYTES: usize = 256 * 1024;

/// Stacks that wait for another client, so that churn does not map and unmap one each time.
const SPARE_STACKS: usize = 64;

thread_local! {
    static SPARES: RefCell<Vec<DefaultStack>> = const { RefCell::new(Vec::new()) };
}

/// What its socket has told, inside and outside of a coroutine.
#[derive(Clone, Copy)]
struct Flags {
    readable: bool,
    writable: bool,
    /// The peer has ended its side: no event will tell of what is still to be read.
    read_closed: bool,
}

/// What a coroutine is resumed with: the result of its job, where it waits for one.
type Resumed = Option<JobOutput>;

/// A connection that is a coroutine, between its turns.
struct Stackful {
    /// Dropped before its socket. One that has not come to its end is unwound then.
    coroutine: Option<Coroutine<Resumed, Step, (), DefaultStack>>,
    flags: Rc<Cell<Flags>>,
    in_job: bool,
    queued: bool,
    socket: Rc<Tracked<TcpStream>>,
}

impl Turns for Stackful {
    fn new(socket: Tracked<TcpStream>, session: Box<dyn Session>) -> io::Result<Self> {
        let spare = SPARES.with_borrow_mut(Vec::pop);
        let stack = spare.map_or_else(|| DefaultStack::new(STACK_BYTES), Ok).inspect_err(|error| {
            socket.meter().refused(error);
        })?;
        let flags = Rc::new(Cell::new(Flags { readable: false, writable: true, read_closed: false }));
        let socket = Rc::new(socket);
        let (client, told) = (Rc::clone(&socket), Rc::clone(&flags));
        let coroutine = Coroutine::with_stack(stack, move |yielder, _| {
            let mut waits = Suspended { yielder, flags: told, reads: 0 };
            let (mut protocol, mut buffers) = (Protocol::new(session), Buffers::of_one());
            let (stream, meter) = (&client.stream, client.meter());
            serve_requests(stream, &mut protocol, meter, &mut buffers, RecvFlags::empty(), &mut waits);
        });
        Ok(Self { coroutine: Some(coroutine), flags, in_job: false, queued: false, socket })
    }

    fn on_ready(&mut self, ready: &Ready) {
        let mut flags = self.flags.get();
        flags.read_closed |= ready.read_closed || ready.failed;
        flags.readable |= ready.readable || flags.read_closed;
        flags.writable |= ready.writable || ready.failed;
        self.flags.set(flags);
    }

    fn interest(&self) -> Interest {
        Interest::None // both are watched all the time: the readiness is edge-triggered
    }

    fn turn(&mut self, _: &mut Buffers) -> Step {
        if self.in_job { Step::Wait } else { self.resume(None) }
    }

    fn on_result(&mut self, result: JobOutput, _: &mut Buffers) -> Step {
        if std::mem::take(&mut self.in_job) { self.resume(Some(result)) } else { Step::Wait }
    }

    fn crashed(&self) {
        self.socket.meter().crashed();
    }

    fn queued(&mut self) -> &mut bool {
        &mut self.queued
    }
}

impl Stackful {
    /// Lets it go on until it waits. What panics in there comes out here.
    fn resume(&mut self, resumed: Resumed) -> Step {
        let Some(coroutine) = &mut self.coroutine else { return Step::Close };
        match coroutine.resume(resumed) {
            CoroutineResult::Yield(step) => {
                self.in_job = matches!(step, Step::Run(_));
                step
            }
            CoroutineResult::Return(()) => {
                let stack = self.coroutine.take().map(Coroutine::into_stack);
                SPARES.with_borrow_mut(|spares| {
                    spares.extend(stack.filter(|_| spares.len() < SPARE_STACKS));
                });
                Step::Close
            }
        }
    }
}

/// How a coroutine waits: it hands the loop what is to be done meanwhile.
struct Suspended<'a> {
    yielder: &'a Yielder<Resumed, Step>,
    flags: Rc<Cell<Flags>>,
    /// Reads since the others had their turns.
    reads: u32,
}

impl Suspended<'_> {
    fn suspend(&mut self, step: Step) -> Resumed {
        self.reads = 0;
        self.yielder.suspend(step)
    }

    fn change(&self, change: impl FnOnce(&mut Flags)) {
        let mut flags = self.flags.get();
        change(&mut flags);
        self.flags.set(flags);
    }
}

impl Waits for Suspended<'_> {
    fn readable(&mut self) -> bool {
        if self.reads == READS_A_TURN {
            self.suspend(Step::Yield);
        }
        while !self.flags.get().readable {
            self.suspend(Step::Wait);
        }
        self.reads += 1;
        true
    }

    fn writable(&mut self) {
        while !self.flags.get().writable {
            self.suspend(Step::Wait);
        }
    }

    /// A read that did not fill the buffer shows the socket to be empty without another to say so (epoll(7), Q9).
    fn on_read(&mut self, read: Result<usize, Errno>) {
        self.change(|flags| match read {
            Ok(n) => flags.readable = n == READ_SIZE || flags.read_closed,
            Err(Errno::AGAIN) => flags.readable = false,
            Err(_) => {}
        });
    }

    fn on_full(&mut self) {
        self.change(|flags| flags.writable = false);
    }

    fn await_room(&mut self, _: BorrowedFd<'_>) {
        self.on_full();
        self.writable();
    }

    /// A job that panics has no result: the loop closes the connection instead of resuming this.
    fn run(&mut self, job: Job) -> JobOutput {
        self.suspend(Step::Run(job)).unwrap_or(JobOutput::NOTHING)
    }
}
