//! The load over UDP: datagrams that are numbered and stamped, sent when they are due whatever became of those before.
//!
//! Each client has a socket, which is not connected, so that datagrams from strangers are seen, counted and ignored. In an open
//! loop the clients send in turn. Nothing queues: a datagram needs no connection that is free. In a closed loop a client sends again
//! when its reply has come, or was given up.
//!
//! Never sends anything twice, and never takes a reply for that to another datagram.

mod flights;
mod packet;

use super::clockwork::{Clockwork, SPIN_NS};
use super::connection::error_kind;
use super::loss::Loss;
use super::recorder::Books;
use super::schedule::Schedule;
use super::spec::WorkerSpec;
use crate::host::clock::nanoseconds;
use crate::workload::load::Load;
use bakeoff_reports::record::{Datagrams, ErrorKind, Measured, Reading};
use bakeoff_servers::exchange::Exchange;
use bakeoff_servers::listen::dropped_on_receipt;
use flights::{Arrival, Flight, Flights};
use packet::{Head, PROBE};
use rustix::event::epoll::EventFlags;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, ipproto, recvfrom, sendto, sockopt,
};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Receive buffer asked for at each socket, in bytes; the system grants `net.core.rmem_max` at most.
const RECEIVE_BUFFER: usize = 4 << 20;
/// Datagrams received in one go at a socket, before it is looked whether others are due.
const AT_ONCE: usize = 16;
/// Times it is asked whether anybody answers, and how long each time.
const PROBES: u32 = 20;
const PROBE_PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
/// Pause of a client that could not send.
const AFTER_A_FAILURE_NS: u64 = 1_000_000;
/// More than a datagram holds.
const BUFFER_BYTES: usize = 1 << 16;

/// A client: its socket, and the highest number it has had a reply to.
#[derive(Debug)]
pub(super) struct Flow {
    socket: OwnedFd,
    newest: Option<u64>,
}

/// Everything one worker holds.
pub(super) struct DatagramEngine<'a> {
    exchange: &'a dyn Exchange,
    schedule: Schedule,
    target: SocketAddr,
    size: u32,
    /// The pause of a closed loop; `None` in an open one.
    think_ns: Option<u64>,
    loss: Option<Loss>,
    flows: Vec<Flow>,
    flights: Flights,
    books: Books,
    seen: Datagrams,
    clock: Clockwork,
    /// What is sent, and what was received.
    buffer: Box<[u8]>,
    received: Box<[u8]>,
    /// Open loop: arrivals before this one have been sent.
    noticed: usize,
    pauses: BinaryHeap<Reverse<(u64, u32)>>,
}

impl<'a> DatagramEngine<'a> {
    /// An engine for a checked `spec`, with its sockets.
    pub(super) fn new(spec: &WorkerSpec, schedule: Schedule, exchange: &'a dyn Exchange) -> io::Result<Self> {
        let count = schedule.connections() as usize;
        let think_ns = match spec.load {
            Load::Closed { think, .. } => Some(nanoseconds(think)),
            Load::Open { .. } | Load::Pipelined { .. } | Load::Churn { .. } => None,
        };
        let clock = Clockwork::new(&spec.timing)?;
        let flow = |index: usize| -> io::Result<Flow> {
            let socket = socket(spec.target)?;
            clock.watch(&socket, index as u64, EventFlags::IN)?;
            Ok(Flow { socket, newest: None })
        };
        let flows = (0..count).map(flow).collect::<io::Result<Vec<_>>>()?;
        let timeout_ns = nanoseconds(spec.timing.timeout);
        Ok(Self {
            exchange,
            schedule,
            target: spec.target,
            size: spec.request.size,
            think_ns,
            loss: spec.loss(),
            flows,
            flights: Flights::new(spec.shard, spec.shards, timeout_ns),
            books: Books::new(&spec.timing, spec.slices, count, false),
            seen: Datagrams::default(),
            clock,
            buffer: vec![0; BUFFER_BYTES].into_boxed_slice(),
            received: vec![0; BUFFER_BYTES].into_boxed_slice(),
            noticed: 0,
            pauses: BinaryHeap::with_capacity(count),
        })
    }

    /// The books, to spoil them.
    pub(super) fn books(&mut self) -> &mut Books {
        &mut self.books
    }

    /// Clients of this worker.
    pub(super) fn flows(&self) -> u32 {
        self.flows.len() as u32
    }

    /// Asks the server from the first socket until it answers once: nothing else tells whether anybody is there. Then begins to lose
    /// what the workload says is lost. Returns whether somebody has answered.
    pub(super) fn reach(&mut self) -> io::Result<bool> {
        let Some(flow) = self.flows.first() else { return Ok(false) };
        let head = Head { number: PROBE, sent_ns: 0 };
        let mut answered = false;
        for _ in 0..PROBES {
            head.write(self.exchange, self.size, &mut self.buffer);
            sendto(&flow.socket, &self.buffer[..self.size as usize], SendFlags::empty(), &self.target)?;
            let mut entries = [PollFd::new(&flow.socket, PollFlags::IN)];
            match poll(&mut entries, Some(&PROBE_PATIENCE)) {
                Ok(0) | Err(Errno::INTR) => continue,
                Ok(_) => {}
                Err(error) => return Err(error.into()),
            }
            while let Ok((_, length, from)) = recvfrom(&flow.socket, &mut *self.received, RecvFlags::empty())
            {
                let is_ours = from.and_then(|from| SocketAddr::try_from(from).ok()) == Some(self.target);
                answered |= is_ours && head.is_whole(self.exchange, self.size, &self.received[..length]);
            }
            if answered {
                break;
            }
        }
        if let Some(loss) = self.loss {
            self.flows.iter().try_for_each(|flow| loss.of_datagrams(&flow.socket))?;
        }
        Ok(answered)
    }

    /// Runs the trial that starts when CLOCK_MONOTONIC shows `start_ns`, to its end.
    pub(super) fn run(&mut self, start_ns: u64) -> io::Result<()> {
        self.clock.start(start_ns);
        if self.think_ns.is_some() {
            (0..self.flows()).for_each(|flow| self.send_next(flow, 0));
        }
        loop {
            let now = self.clock.now();
            self.clock.note_cpu(now);
            self.expire(now);
            self.send_due();
            let now = self.clock.now();
            self.clock.note_cpu(now);
            self.expire(now); // what had its whole timeout is lost, and not in flight
            if self.is_finished(now) {
                return Ok(());
            }
            let sleep_ns = self.sleep_ns(now);
            let count = self.clock.rest(now, sleep_ns, self.spins())?;
            for at in 0..count {
                if let Some((flow, _)) = self.clock.event(at) {
                    self.receive(flow as u32);
                    self.send_due();
                }
            }
        }
    }

    /// Sends what is due by now.
    fn send_due(&mut self) {
        if self.think_ns.is_none() {
            return self.dispatch();
        }
        let until = self.clock.now();
        while let Some(&Reverse((due_ns, flow))) = self.pauses.peek().filter(|next| next.0.0 <= until) {
            self.pauses.pop();
            self.send_next(flow, due_ns);
        }
    }

    /// Open loop: sends every datagram that is due.
    fn dispatch(&mut self) {
        let until = self.clock.now();
        let mut now = until;
        while let Some(&intended_ns) = self.schedule.offsets_ns().get(self.noticed) {
            if intended_ns > until {
                break;
            }
            let flow = (self.noticed % self.flows.len()) as u32;
            self.noticed += 1;
            self.books.due(intended_ns);
            self.send(flow, intended_ns, now);
            now = self.clock.now();
        }
    }

    /// Closed loop: a client sends its next datagram, which was due at `due_ns`, unless the window is over.
    fn send_next(&mut self, flow: u32, due_ns: u64) {
        if due_ns < self.clock.end_ns {
            self.books.due(due_ns);
            let now = self.clock.now();
            self.send(flow, due_ns, now);
        }
    }

    fn send(&mut self, flow: u32, intended_ns: u64, now: u64) {
        self.books.given(flow as usize);
        self.books.written(intended_ns, now, false);
        let head = Head { number: self.flights.next_number(), sent_ns: now };
        head.write(self.exchange, self.size, &mut self.buffer);
        self.flights.push(Flight::new(intended_ns, now, flow));
        let bytes = &self.buffer[..self.size as usize];
        let sent = loop {
            match sendto(&self.flows[flow as usize].socket, bytes, SendFlags::empty(), &self.target) {
                Err(Errno::INTR) => {}
                sent => break sent,
            }
        };
        if let Err(error) = sent {
            self.flights.withdraw();
            // Out of buffers, ports or memory: the generator's own want.
            let short = [Errno::AGAIN, Errno::NOBUFS, Errno::NOMEM, Errno::ADDRNOTAVAIL];
            let kind = if short.contains(&error) { ErrorKind::Shortage } else { error_kind(error) };
            self.books.failed(intended_ns, now, kind);
            self.go_on(flow, now, AFTER_A_FAILURE_NS);
        }
    }

    /// Takes what has come to a client's socket, a turn's worth.
    fn receive(&mut self, flow: u32) {
        let at_once = if self.think_ns.is_some() { 1 } else { AT_ONCE };
        for _ in 0..at_once {
            let socket = &self.flows[flow as usize].socket;
            let Ok((_, length, from)) = recvfrom(socket, &mut *self.received, RecvFlags::empty()) else {
                return;
            };
            let now = self.clock.now();
            if from.and_then(|from| SocketAddr::try_from(from).ok()) != Some(self.target) {
                self.seen.strangers += 1;
                continue;
            }
            self.arrived(flow, length, now);
        }
    }

    /// A datagram of `length` bytes has come from the server.
    fn arrived(&mut self, flow: u32, length: usize, now: u64) {
        self.expire(now); // so that what comes too late is that
        let bytes = &self.received[..length];
        let Some(head) = Head::of(bytes) else {
            self.seen.unasked += 1;
            return;
        };
        if head.number == PROBE {
            return;
        }
        let (flight, in_time) = match self.flights.arrived(head.number, head.sent_ns, flow) {
            Arrival::InTime(flight) => (flight, true),
            Arrival::Late(flight) => (flight, false),
            // The payload follows from the number, so that it tells a copy from a number that is wrong.
            Arrival::Copy if head.is_whole(self.exchange, self.size, bytes) => {
                self.seen.duplicated += u64::from(self.books.counts(head.sent_ns));
                return;
            }
            Arrival::Copy | Arrival::Unasked => {
                self.seen.unasked += 1;
                return;
            }
        };
        let counts = self.books.counts(flight.intended_ns);
        let newest = &mut self.flows[flow as usize].newest;
        // One that was sent before the newest that has come; copies are no part of it (RFC 4737, 3.3).
        self.seen.reordered += u64::from(counts && newest.is_some_and(|newest| head.number < newest));
        *newest = (*newest).max(Some(head.number));
        if !in_time {
            self.seen.late += u64::from(counts);
            return;
        }
        if head.is_whole(self.exchange, self.size, bytes) {
            self.books.answered(flow as usize, length, flight.intended_ns, flight.sent_ns, now);
        } else {
            self.books.failed(flight.intended_ns, now, ErrorKind::Corrupt);
        }
        self.go_on(flow, now, 0);
    }

    /// Gives up what has waited too long at `now`.
    fn expire(&mut self, now: u64) {
        while let Some(flight) = self.flights.expired(now) {
            self.books.timed_out(flight.intended_ns, now);
            self.go_on(flight.flow, now, 0);
        }
    }

    /// Closed loop: a client has its reply, or will have none, and sends again after its pause, of `least_ns` at least.
    fn go_on(&mut self, flow: u32, now: u64, least_ns: u64) {
        match self.think_ns.map(|think_ns| think_ns.max(least_ns)) {
            None => {}
            Some(0) => self.send_next(flow, now),
            Some(pause_ns) => self.pauses.push(Reverse((now + pause_ns, flow))),
        }
    }

    /// Whether every datagram of the window has come back, or the drain is over: until then what is missing may be late.
    fn is_finished(&self, now: u64) -> bool {
        let all_due = self.noticed == self.schedule.offsets_ns().len();
        self.clock.finished(now, all_due && self.books.outstanding() == 0 && !self.flights.any_missing())
    }

    /// How long the loop may sleep: to a little before the next send, or exactly to what else comes next.
    fn sleep_ns(&mut self, now: u64) -> u64 {
        let due = self.schedule.offsets_ns().get(self.noticed).copied();
        let pause = self.pauses.peek().map(|&Reverse((due_ns, _))| due_ns);
        let send = due.or(pause).map(|at| at.saturating_sub(SPIN_NS));
        let next =
            [send, self.flights.next_deadline_ns(), self.clock.next_mark(now)].into_iter().flatten().min();
        next.map_or(0, |next| next.saturating_sub(now))
    }

    fn spins(&self) -> bool {
        self.think_ns != Some(0)
    }

    /// What was measured, and the sockets, which stay open.
    pub(super) fn close(mut self) -> (Measured, Vec<Flow>) {
        let is_taken = |number: u64| self.loss.is_some_and(|loss| loss.takes(number));
        let lost = self.flights.lost().filter(|(_, flight)| self.books.counts(flight.intended_ns));
        for (number, _) in lost {
            self.seen.lost += 1;
            self.seen.dropped += u64::from(is_taken(number));
        }
        self.seen.overflowed = self.overflowed();
        let wire = Reading::Absent("datagrams go over no connection".into());
        let (cpu_ns, spins) = (self.clock.window_cpu_ns(), self.spins());
        let mut measured = self.books.close(0, cpu_ns, spins, wire);
        measured.datagrams = Some(self.seen);
        (measured, self.flows)
    }

    /// Replies that found the receive buffers of the swarm full. The kernel counts what the rule of a loss takes with them, and a
    /// datagram that the rule would have taken may never have come: where there is a loss, they are known to be none or not known.
    fn overflowed(&self) -> Reading<u64> {
        let dropped = self.flows.iter().map(|flow| dropped_on_receipt(&flow.socket).map(u64::from));
        let by_rule =
            |loss: Loss| self.flights.unanswered().filter(|number| loss.takes(*number)).count() as u64;
        match (dropped.sum::<io::Result<u64>>(), self.loss.map(by_rule)) {
            (Ok(dropped), None) => Reading::Value(dropped),
            (Ok(dropped), Some(by_rule)) if dropped == 0 || dropped == by_rule => Reading::Value(0),
            (Ok(dropped), Some(by_rule)) => Reading::Absent(format!(
                "cannot be told apart under a loss: the kernel dropped {dropped}, and the rule explains {by_rule}"
            )),
            (Err(error), _) => Reading::Absent(format!("asking a socket what it dropped failed: {error}")),
        }
    }
}

/// A socket that takes datagrams from anybody who reaches it: over loopback alone where the target is there.
fn socket(target: SocketAddr) -> io::Result<OwnedFd> {
    let host = match target {
        SocketAddr::V4(v4) if v4.ip().is_loopback() => Ipv4Addr::LOCALHOST.into(),
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(v6) if v6.ip().is_loopback() => Ipv6Addr::LOCALHOST.into(),
        SocketAddr::V6(_) => IpAddr::from(Ipv6Addr::UNSPECIFIED),
    };
    let bound = || {
        let family = if target.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = rustix::net::socket_with(family, SocketType::DGRAM, flags, Some(ipproto::UDP))?;
        rustix::net::bind(&socket, &SocketAddr::new(host, 0))?;
        let port = SocketAddr::try_from(rustix::net::getsockname(&socket)?)?.port();
        Ok((socket, port))
    };
    let socket = at_another_port(target.port(), bound)?;
    sockopt::set_socket_recv_buffer_size(&socket, RECEIVE_BUFFER)?;
    Ok(socket)
}

/// What `bound` makes at another port than this one: a socket at its target's would talk to itself.
fn at_another_port<T>(port: u16, bound: impl Fn() -> io::Result<(T, u16)>) -> io::Result<T> {
    let first = bound()?;
    if first.1 != port {
        return Ok(first.0);
    }
    bound().map(|(second, _)| second) // while the first holds that port
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn no_socket_is_at_the_port_of_its_target() {
        let made = Cell::new(0_u16);
        let bound = || {
            made.set(made.get() + 1);
            Ok((made.get(), 7_000 + made.get()))
        };
        assert_eq!(at_another_port(7_001, bound).expect("made"), 2);
        assert_eq!(at_another_port(7_001, bound).expect("made"), 3);
    }

    #[test]
    fn a_socket_for_a_target_on_loopback_is_there_itself() {
        for target in ["127.0.0.1:9", "127.0.0.2:9"].map(|text| text.parse().expect("an address")) {
            let socket = socket(target).expect("room");
            let address = rustix::net::getsockname(&socket).expect("bound");
            assert!(SocketAddr::try_from(address).expect("of IP").ip().is_loopback());
        }
    }
}
