//! Prefork with descriptor passing: the parent accepts and hands each connection to a worker process that is free, through a Unix
//! socket (`SCM_RIGHTS`; Stevens, UNP chapter 30, design 5). It could choose the worker by what it knows of the client; here it
//! takes the one that has been free for longest, so that all get the same.
//!
//! A worker says by one byte that it is free again. Beyond the workers the clients wait in the kernel's backlog.

use crate::Stop;
use crate::drive::accept::{AcceptError, Backoff};
use crate::drive::blocking::serve_session;
use crate::drive::buffers::Buffers;
use crate::drive::processes::Processes;
use crate::drive::registry::Meter;
use crate::model::{Concurrency, Meta, PerClient, Role, ServerModel, Serving, Tuning};
use crate::sys::children::close_in_child;
use crate::{Counters, Service};
use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recv, recvmsg, send, sendmsg, socketpair,
};
use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd as _, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The server whose parent accepts.
#[derive(Debug)]
pub(super) struct PreforkFdPassing;

impl ServerModel for PreforkFdPassing {
    fn meta(&self) -> &'static Meta {
        &Meta {
            name: "prefork-fd-passing",
            summary: "a parent that accepts and hands each client to a free process; isolation where the parent is to choose",
            concurrency: Concurrency::HeldByProcess(Tuning::PoolWorkers),
            per_client: PerClient::Nothing,
            threads: |_| 1,
            tunings: &[Tuning::PoolWorkers],
            role: Role::Extra,
        }
    }

    /// # Errors
    /// Also when the process has other threads or children.
    fn serve(&self, Serving { listener, service, config, stop, counters, .. }: Serving) -> io::Result<()> {
        listener.set_nonblocking(true)?;
        let wanted = config.pool_workers.max(1);
        let workers = Processes::new(wanted, &stop, counters)?;
        let poll = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&poll, &workers, EventData::new_u64(WORKER_ENDED), EventFlags::IN)?;
        epoll::add(&poll, &listener, EventData::new_u64(LISTENER), EventFlags::empty())?;
        let mut parent = Parent {
            listener: Arc::new(listener),
            service,
            stop,
            counters,
            workers,
            poll,
            channels: (0..wanted).map(|_| None).collect(),
            free: VecDeque::new(),
            in_hand: None,
            accept_again: None,
            backoff: Backoff::new(),
        };
        parent.run()?;
        drop((parent.listener, parent.channels));
        if parent.in_hand.is_some() {
            counters.closed();
        }
        parent.workers.shutdown(Instant::now() + config.stop_deadline)
    }
}

/// What the parent waits for besides its workers, which have their numbers.
const LISTENER: u64 = u64::MAX;
const WORKER_ENDED: u64 = u64::MAX - 1;

/// What a worker says when it is free, and what a descriptor comes with: a message needs a byte at least.
const BYTE: [u8; 1] = [0];

struct Parent {
    listener: Arc<TcpListener>,
    service: Arc<dyn Service>,
    stop: Stop,
    counters: &'static Counters,
    workers: Processes,
    poll: OwnedFd,
    /// The parent's end of the socket to each worker, by its number.
    channels: Vec<Option<OwnedFd>>,
    /// The workers without a client, the one that has waited for longest first.
    free: VecDeque<usize>,
    /// A client that no worker could be given yet.
    in_hand: Option<TcpStream>,
    /// When to accept again, where it cannot now.
    accept_again: Option<Instant>,
    backoff: Backoff,
}

impl Parent {
    fn run(&mut self) -> io::Result<()> {
        let stop = self.stop.clone();
        let listener = Arc::clone(&self.listener);
        let _unblocked = stop.unblock(&listener)?; // makes an event, too
        let mut events = Vec::with_capacity(1024);
        let mut accepting = false;
        while !stop.requested() {
            self.start_workers();
            if self.accept_again.is_some_and(|at| at <= Instant::now()) {
                self.accept_again = None;
            }
            if self.accept_again.is_none()
                && let Some(stream) = self.in_hand.take()
            {
                self.hand_over(stream);
            }
            let accept = !self.free.is_empty() && self.in_hand.is_none() && self.accept_again.is_none();
            if accept != std::mem::replace(&mut accepting, accept) {
                let interest = if accept { EventFlags::IN } else { EventFlags::empty() };
                epoll::modify(&self.poll, &self.listener, EventData::new_u64(LISTENER), interest)?;
            }
            events.clear();
            match epoll::wait(&self.poll, spare_capacity(&mut events), self.limit().as_ref()) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            for event in &events {
                match event.data.u64() {
                    LISTENER => self.accept(),
                    WORKER_ENDED => self.bury(),
                    worker => self.hear(worker as usize),
                }
            }
        }
        Ok(())
    }

    fn limit(&self) -> Option<Timespec> {
        let accept = self.accept_again.map(|at| at.saturating_duration_since(Instant::now()));
        let next: Duration = accept.into_iter().chain(self.workers.next_attempt()).min()?;
        Timespec::try_from(next).ok()
    }

    /// Starts the workers that are missing, each with a socket of its own.
    fn start_workers(&mut self) {
        while !self.stop.requested() && self.workers.next_attempt() == Some(Duration::ZERO) {
            let (unix, packets) = (AddressFamily::UNIX, SocketType::SEQPACKET);
            let (ours, theirs) = match socketpair(unix, packets, SocketFlags::CLOEXEC, None) {
                Ok(both) => both,
                Err(error) => return self.workers.refused(&error.into()),
            };
            let Self { workers, listener, channels, service, stop, counters, poll, in_hand, .. } = self;
            let started = workers.start_one(|_| {
                close_in_child(&*listener);
                close_in_child(&*poll);
                in_hand.iter().for_each(close_in_child);
                channels.iter().flatten().chain([&ours]).for_each(close_in_child);
                receive_and_serve(&theirs, &**service, stop, counters);
            });
            let Some(worker) = started else { return };
            match epoll::add(&*poll, &ours, EventData::new_u64(worker as u64), EventFlags::IN) {
                Ok(()) => {
                    channels[worker] = Some(ours);
                    self.free.push_back(worker);
                }
                Err(_) => drop(ours), // no memory to watch it: it ends, and another attempt is made
            }
        }
    }

    /// Takes the place of a worker that has ended from it.
    fn bury(&mut self) {
        while let Some(worker) = self.workers.take_ended() {
            self.channels[worker] = None;
            self.free.retain(|free| *free != worker);
        }
    }

    /// A worker is free again, or has died, which is told by its end.
    fn hear(&mut self, worker: usize) {
        let Some(channel) = &self.channels[worker] else { return };
        if matches!(recv(channel, &mut BYTE.clone(), RecvFlags::DONTWAIT), Ok((1.., _))) {
            if self.counters.workers.set_busy(worker, false) {
                self.counters.closed();
            }
            self.free.push_back(worker);
        } else {
            // Its end of the socket is closed, for good: nothing more to be told.
            let _ = epoll::delete(&self.poll, channel);
        }
    }

    /// Accepts as many as there are workers free.
    fn accept(&mut self) {
        while !self.free.is_empty() && self.in_hand.is_none() && !self.stop.requested() {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    self.backoff.reset();
                    self.counters.opened();
                    self.hand_over(stream);
                }
                Err(error) => match AcceptError::of(&error) {
                    AcceptError::OfOneClient => {}
                    AcceptError::NobodyWaits | AcceptError::ShutDown => return,
                    AcceptError::Exhausted => return self.pause(&error),
                },
            }
        }
    }

    /// Accepts no more for a while.
    fn pause(&mut self, error: &io::Error) {
        self.counters.accept_failed(error);
        self.accept_again = Some(Instant::now() + self.backoff.pause(self.counters));
    }

    /// Gives a connection to the worker that has been free for longest; keeps it where there is none after all.
    fn hand_over(&mut self, stream: TcpStream) {
        while let Some(worker) = self.free.pop_front() {
            let Some(channel) = &self.channels[worker] else { continue };
            match pass(channel, &stream) {
                Ok(()) => {
                    self.counters.workers.accepted_one(worker);
                    self.counters.workers.set_busy(worker, true);
                    return;
                }
                Err(Errno::PIPE | Errno::CONNRESET) => {} // it has died, and its end will tell
                Err(error) => {
                    // Out of memory, or of descriptors that may be on their way.
                    self.free.push_front(worker);
                    self.pause(&error.into());
                    break;
                }
            }
        }
        self.in_hand = Some(stream);
    }
}

/// Sends a copy of a connection's descriptor.
fn pass(channel: &OwnedFd, stream: &TcpStream) -> Result<(), Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let descriptors = [stream.as_fd()];
    control.push(SendAncillaryMessage::ScmRights(&descriptors));
    sendmsg(channel, &[IoSlice::new(&BYTE)], &mut control, SendFlags::NOSIGNAL).map(drop)
}

/// Waits for a connection; `None` when the parent is gone, or the stop has come and there is no more.
fn receive(channel: &OwnedFd) -> Option<Option<TcpStream>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = BYTE;
    let received = loop {
        match recvmsg(channel, &mut [IoSliceMut::new(&mut byte)], &mut control, RecvFlags::CMSG_CLOEXEC) {
            Err(Errno::INTR) => {}
            other => break other.ok()?,
        }
    };
    let descriptor = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    (received.bytes > 0).then(|| descriptor.map(TcpStream::from))
}

/// A worker's whole life.
fn receive_and_serve(channel: &OwnedFd, service: &dyn Service, stop: &Stop, counters: &'static Counters) {
    let Ok(_unblocked) = stop.unblock(channel) else { return }; // there is room: these are the first
    let mut buffers = Buffers::new();
    while let Some(stream) = receive(channel) {
        match stream {
            Some(stream) => serve(stream, service, &mut buffers, stop, counters),
            // This process has no room for a descriptor: the kernel has closed it.
            None => Counters::count(&counters.connection_errors),
        }
        if send(channel, &BYTE, SendFlags::NOSIGNAL).is_err() {
            return; // the parent is gone
        }
    }
}

/// Serves a connection to its end. A session or job that panics ends it alone, and is counted; the parent counts its closing.
fn serve(
    stream: TcpStream,
    service: &dyn Service,
    buffers: &mut Buffers,
    stop: &Stop,
    counters: &'static Counters,
) {
    let meter = Meter::new(counters);
    // SIGTERM, from the parent's stop, ends a read, which gets what has arrived and then the end. There is room for it.
    let unblocked = stop.unblock(&stream);
    let attempt = AssertUnwindSafe(|| serve_session(&stream, service.open(), &meter, buffers));
    if catch_unwind(attempt).is_err() {
        meter.crashed();
        *buffers = Buffers::new();
    }
    meter.flush();
    drop(unblocked);
}
