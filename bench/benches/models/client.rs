//! The client of these benches: a closed loop that asks exactly so many requests and stops its clock with the last reply.
//!
//! The swarm is bound by time, and its loop would have to ask before every request whether it is the last; a bench is
//! bound by count. So this is a loop of its own over the same contract, the client's half of the service: one thread,
//! level-triggered epoll, one send and one receive for a request whose reply comes whole, every byte compared.

use bakeoff_servers::exchange::{Exchange, Request};
use bakeoff_servers::services::{POISON, ServiceEntry};
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send, sockopt};
use rustix::time::Timespec;
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Payload of a request in bytes, where replies can be of any size; the next larger there is where they cannot.
const SIZE: u32 = 64;
/// What a request demands that computes, in nominal nanoseconds.
const COMPUTE_NS: u64 = 50_000;
/// What a request demands that waits or blocks, in nanoseconds.
const PAUSE_NS: u64 = 1_000_000;
/// How long nothing at all may come before the server is given up, in seconds.
const PATIENCE_S: i64 = 10;
/// Size of the receive buffer in bytes, as the swarm has it.
const BUFFER: usize = 64 << 10;
/// Events taken in one wait.
const EVENTS: usize = 256;

/// What is asked of a service: every request is the same but for its number.
pub(crate) struct Question {
    exchange: Box<dyn Exchange>,
    size: u32,
    demand_ns: u64,
}

impl Question {
    /// The question for a service; `None` for one whose requests kill the server.
    pub(crate) fn new(service: &ServiceEntry) -> Option<Self> {
        let demand_ns = match service.demand {
            Some(POISON) => return None,
            Some("compute") => COMPUTE_NS,
            Some(_) => PAUSE_NS,
            None => 0,
        };
        // Which sizes there are, only the client's half knows, and it is made for a largest one.
        let probe = (service.exchange)(SIZE);
        let sizes = probe.sizes();
        let larger = sizes.iter().copied().find(|size| *size >= SIZE).or(sizes.last().copied());
        let size = larger.unwrap_or(SIZE).max(probe.min_payload());
        Some(Self { exchange: (service.exchange)(size), size, demand_ns })
    }

    fn request(&self, id: u64) -> Request {
        Request::new(id, self.size, self.demand_ns)
    }
}

/// What a client has sent and received, whole requests and replies alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Requests answered rightly.
    pub(crate) requests: u64,
    /// Bytes of these requests.
    pub(crate) bytes_sent: u64,
    /// Bytes of their replies.
    pub(crate) bytes_received: u64,
}

/// Why the loop could not go on.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Making or waiting for sockets failed.
    System(&'static str, io::Error),
    /// A connection did not do what it should.
    Connection(usize, String),
    /// Nothing came for too long, with so many requests under way.
    Silence(u64),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System(doing, error) => write!(f, "{doing} failed: {error}"),
            Self::Connection(index, what) => write!(f, "connection {index}: {what}"),
            Self::Silence(requests) => {
                write!(f, "no byte came for {PATIENCE_S} s, with {requests} request(s) under way")
            }
        }
    }
}

/// A connection with at most one request under way.
struct Connection {
    stream: TcpStream,
    request: Request,
    bytes: Vec<u8>,
    sent: usize,
    received: usize,
    waits: bool,
}

/// A closed loop over connections to one server.
pub(crate) struct Client {
    question: Question,
    epoll: OwnedFd,
    connections: Vec<Connection>,
    events: Vec<Event>,
    buffer: Box<[u8]>,
    next: u64,
    tally: Tally,
}

impl Client {
    /// Opens `clients` connections, without sending a byte.
    pub(crate) fn connect(
        question: Question,
        target: SocketAddr,
        clients: usize,
        congestion_control: Option<&str>,
    ) -> Result<Self, Failure> {
        let failed = |error: Errno| Failure::System("making the client's poll instance", error.into());
        let epoll = epoll::create(CreateFlags::CLOEXEC).map_err(failed)?;
        let mut connections = Vec::with_capacity(clients);
        for index in 0..clients {
            let stream = connect(target, congestion_control).map_err(|error| {
                Failure::Connection(index, format!("connecting to {target} failed: {error}"))
            })?;
            epoll::add(&epoll, &stream, EventData::new_u64(index as u64), EventFlags::IN).map_err(failed)?;
            let request = question.request(0);
            connections.push(Connection {
                stream,
                request,
                bytes: Vec::new(),
                sent: 0,
                received: 0,
                waits: false,
            });
        }
        let buffer = vec![0; BUFFER].into_boxed_slice();
        let events = Vec::with_capacity(EVENTS);
        Ok(Self { question, epoll, connections, events, buffer, next: 0, tally: Tally::default() })
    }

    /// Asks `requests` requests, on every connection the next as soon as it has its reply, and returns the time from before
    /// the first is sent until the last is answered. With fewer requests than connections, so many connections ask.
    pub(crate) fn drive(&mut self, requests: u64) -> Result<Duration, Failure> {
        let begin = Instant::now();
        let mut begun = requests.min(self.connections.len() as u64);
        for index in 0..begun as usize {
            self.ask(index)?;
        }
        let mut answered = 0;
        while answered < requests {
            self.wait(begun - answered)?;
            for at in 0..self.events.len() {
                let Event { flags, data } = self.events[at];
                let index = data.u64() as usize;
                if self.go_on(index, flags)? {
                    answered += 1;
                    if begun < requests {
                        begun += 1;
                        self.ask(index)?;
                    }
                }
            }
        }
        Ok(begin.elapsed())
    }

    /// What has been answered since the connections were opened.
    pub(crate) fn tally(&self) -> Tally {
        self.tally
    }

    fn wait(&mut self, under_way: u64) -> Result<(), Failure> {
        const TIMEOUT: Timespec = Timespec { tv_sec: PATIENCE_S, tv_nsec: 0 };
        self.events.clear();
        let room = rustix::buffer::spare_capacity(&mut self.events);
        match epoll::wait(&self.epoll, room, Some(&TIMEOUT)) {
            Ok(0) => Err(Failure::Silence(under_way)),
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(Failure::System("waiting for replies", error.into())),
        }
    }

    /// Sends the next request on a connection that waits for nothing.
    fn ask(&mut self, index: usize) -> Result<(), Failure> {
        let request = self.question.request(self.next);
        self.next += 1;
        let connection = &mut self.connections[index];
        connection.request = request;
        connection.bytes.clear();
        for piece in self.question.exchange.request(&request).pieces() {
            connection.bytes.extend_from_slice(piece);
        }
        (connection.sent, connection.received, connection.waits) = (0, 0, true);
        if !self.send(index)? {
            self.watch(index, EventFlags::IN | EventFlags::OUT)?;
        }
        Ok(())
    }

    /// Sends what the socket takes. Says whether the whole request is sent.
    fn send(&mut self, index: usize) -> Result<bool, Failure> {
        let connection = &mut self.connections[index];
        while connection.sent < connection.bytes.len() {
            match send(&connection.stream, &connection.bytes[connection.sent..], SendFlags::NOSIGNAL) {
                Ok(sent) => connection.sent += sent,
                Err(Errno::AGAIN) => return Ok(false),
                Err(Errno::INTR) => {}
                Err(error) => return Err(Failure::Connection(index, format!("sending failed: {error}"))),
            }
        }
        Ok(true)
    }

    fn watch(&self, index: usize, flags: EventFlags) -> Result<(), Failure> {
        let (stream, data) = (&self.connections[index].stream, EventData::new_u64(index as u64));
        epoll::modify(&self.epoll, stream, data, flags)
            .map_err(|error| Failure::System("changing what is waited for", error.into()))
    }

    /// Does what an event asks for. Says whether the connection's request is now answered.
    fn go_on(&mut self, index: usize, flags: EventFlags) -> Result<bool, Failure> {
        if flags.contains(EventFlags::OUT) && self.send(index)? {
            self.watch(index, EventFlags::IN)?;
        }
        if flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
            return self.receive(index);
        }
        Ok(false)
    }

    /// Reads once and compares. Says whether the reply is whole.
    fn receive(&mut self, index: usize) -> Result<bool, Failure> {
        let connection = &mut self.connections[index];
        let failed = |what| Err(Failure::Connection(index, what));
        let got = match recv(&connection.stream, &mut *self.buffer, RecvFlags::empty()) {
            Ok((_, got)) => got,
            Err(Errno::AGAIN | Errno::INTR) => return Ok(false),
            Err(error) => return failed(format!("receiving failed: {error}")),
        };
        let reply = self.question.exchange.reply(&connection.request);
        let (before, length) = (connection.received, reply.len());
        if got == 0 {
            return failed(format!("closed by the server after {before} of {length} bytes of a reply"));
        }
        if !connection.waits {
            return failed(format!("{got} bytes came that nobody had asked for"));
        }
        match reply.verify(before, &self.buffer[..got]) {
            Err(at) => return failed(format!("byte {at} of the reply to {:?} is wrong", connection.request)),
            Ok(right) if right < got => {
                return failed(format!("{} bytes came behind the reply", got - right));
            }
            Ok(_) => connection.received += got,
        }
        if connection.received < length {
            return Ok(false);
        }
        if connection.sent < connection.bytes.len() {
            return failed("the reply came before its request was sent".into());
        }
        connection.waits = false;
        self.tally.requests += 1;
        self.tally.bytes_sent += connection.bytes.len() as u64;
        self.tally.bytes_received += length as u64;
        Ok(true)
    }
}

fn connect(target: SocketAddr, congestion_control: Option<&str>) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(target)?;
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    if let Some(name) = congestion_control {
        sockopt::set_tcp_congestion(&stream, name)?;
    }
    Ok(stream)
}
