//! Many clients on one thread: each connects, sends a whole request or half of one, and what becomes of it is kept.
//!
//! One poll(2) over those that are not settled. A client that was answered keeps its connection until the crowd is
//! dropped, unless told to hang up. Every byte of an answer is compared. Nothing here waits beyond its deadline.

use crate::host::connect::meets_itself;
use crate::process::launch::{Interrupt, LaunchError};
use bakeoff_reports::record::envelope::Saw;
use bakeoff_servers::{Exchange, Request};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// What a client sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClientRequest {
    /// A request that demands so much; 0 for nothing.
    Whole { demand_ns: u64 },
    /// The first half of a request, and no more.
    Half,
}

/// Where a client stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Connecting,
    Waiting,
    /// Half a request is sent; there is nothing to wait for.
    Holding,
    Answered,
    Refused,
    Reset,
    Closed,
    Wrong,
    Other,
}

struct Client {
    stream: Option<TcpStream>,
    state: State,
    ask: ClientRequest,
    request: Request,
    bytes: Vec<u8>,
    sent: usize,
    received: usize,
    begun: Instant,
    answer: Option<Duration>,
}

impl Client {
    fn settled(&self) -> bool {
        !matches!(self.state, State::Connecting | State::Waiting)
    }
}

/// The clients of one server.
pub(super) struct Clients<'a> {
    exchange: &'a dyn Exchange,
    address: SocketAddr,
    interrupt: Interrupt,
    hang_up: bool,
    size: u32,
    next_id: u64,
    clients: Vec<Client>,
    buffer: Vec<u8>,
}

impl<'a> Clients<'a> {
    /// Nobody yet. Requests have payloads of `size` bytes, selected by `seed`.
    pub(super) fn new(
        exchange: &'a dyn Exchange,
        address: SocketAddr,
        size: u32,
        seed: u64,
        interrupt: Interrupt,
    ) -> Self {
        // Some services write the number out in digits: all numbers are of one length.
        let next_id = 1_000_000_000 + seed % 1_000_000_000;
        let (clients, buffer) = (Vec::new(), vec![0; 16 * 1024]);
        Self { exchange, address, interrupt, hang_up: false, size, next_id, clients, buffer }
    }

    /// Lets clients hang up as soon as they are answered.
    pub(super) fn hanging_up(mut self) -> Self {
        self.hang_up = true;
        self
    }

    /// How many there are.
    pub(super) fn len(&self) -> u64 {
        self.clients.len() as u64
    }

    /// Begins to connect so many more, one right after the other; they are carried on by [`Self::settle`].
    pub(super) fn open(&mut self, count: u64, ask: ClientRequest) {
        for _ in 0..count {
            let (request, bytes) = self.make(ask);
            let begun = Instant::now();
            let (stream, state) = match connect(self.address) {
                Ok(stream) => (Some(stream), State::Connecting),
                Err(error) => (None, failed(&error)),
            };
            let (sent, received) = (0, 0);
            self.clients.push(Client {
                stream,
                state,
                ask,
                request,
                bytes,
                sent,
                received,
                begun,
                answer: None,
            });
        }
    }

    /// Lets every client that was answered ask again.
    pub(super) fn ask_again(&mut self) {
        for at in 0..self.clients.len() {
            if self.clients[at].state != State::Answered {
                continue;
            }
            let ask = ClientRequest::Whole { demand_ns: 0 };
            let (request, bytes) = self.make(ask);
            let client = &mut self.clients[at];
            (client.ask, client.request, client.bytes) = (ask, request, bytes);
            (client.sent, client.received, client.answer) = (0, 0, None);
            (client.state, client.begun) = (State::Waiting, Instant::now());
        }
    }

    fn make(&mut self, ask: ClientRequest) -> (Request, Vec<u8>) {
        let demand_ns = if let ClientRequest::Whole { demand_ns } = ask { demand_ns } else { 0 };
        let request = Request::new(self.next_id, self.size, demand_ns);
        self.next_id += 1;
        let mut bytes = self.exchange.request(&request).to_vec();
        if ask == ClientRequest::Half {
            bytes.truncate(bytes.len() / 2);
        }
        (request, bytes)
    }

    /// Carries all on until everyone has an outcome, or patience ends.
    ///
    /// # Errors
    /// When interrupted.
    pub(super) fn settle(&mut self, patience: Duration) -> Result<(), LaunchError> {
        let deadline = Instant::now() + patience;
        loop {
            for at in 0..self.clients.len() {
                if !self.clients[at].settled() {
                    self.advance(at);
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || self.clients.iter().all(Client::settled) {
                return Ok(());
            }
            if self.interrupt.is_set() {
                return Err(LaunchError::Interrupted);
            }
            self.wait(left);
        }
    }

    /// Sleeps until something may be done for one of them, a short while at most.
    fn wait(&self, left: Duration) {
        const LOOK: Duration = Duration::from_millis(20);
        let mut events: Vec<PollFd<'_>> = Vec::new();
        for client in self.clients.iter().filter(|client| !client.settled()) {
            let Some(stream) = &client.stream else { continue };
            let mut flags = PollFlags::IN;
            flags.set(PollFlags::OUT, client.sent < client.bytes.len());
            events.push(PollFd::new(stream, flags));
        }
        if let Ok(limit) = Timespec::try_from(left.min(LOOK)) {
            // An interrupted or failed wait is looked at by the next read.
            let _ = poll(&mut events, Some(&limit));
        }
    }

    /// Sends and receives for one client what can be without waiting.
    fn advance(&mut self, at: usize) {
        let client = &mut self.clients[at];
        let Some(stream) = &mut client.stream else { return };
        while client.sent < client.bytes.len() {
            match stream.write(&client.bytes[client.sent..]) {
                Ok(n) => {
                    client.sent += n;
                    client.state = State::Waiting;
                }
                // Not connected yet, or no room: poll(2) tells when.
                Err(error) if waits(&error) => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return self.end(at, failed(&error)),
            }
        }
        if client.ask == ClientRequest::Half {
            client.state = State::Holding;
            return;
        }
        let reply = self.exchange.reply(&client.request);
        while client.received < reply.len() {
            match stream.read(&mut self.buffer) {
                Ok(0) => return self.end(at, State::Closed),
                Ok(n) => match reply.verify(client.received, &self.buffer[..n]) {
                    Ok(taken) if taken == n => client.received += n,
                    _ => return self.end(at, State::Wrong),
                },
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return self.end(at, failed(&error)),
            }
        }
        client.answer = Some(client.begun.elapsed());
        client.state = State::Answered;
        if self.hang_up {
            client.stream = None;
        }
    }

    fn end(&mut self, at: usize, state: State) {
        (self.clients[at].state, self.clients[at].stream) = (state, None);
    }

    /// Looks whether a server has hung up on somebody whom it had answered.
    pub(super) fn look(&mut self) {
        for at in 0..self.clients.len() {
            let client = &mut self.clients[at];
            let (State::Answered, Some(stream)) = (client.state, &mut client.stream) else { continue };
            match stream.read(&mut self.buffer) {
                Ok(0) => self.end(at, State::Closed),
                Ok(_) => self.end(at, State::Wrong),
                Err(error) if waits(&error) || error.kind() == ErrorKind::Interrupted => {}
                Err(error) => self.end(at, failed(&error)),
            }
        }
    }

    /// What everybody has seen so far. Those that hold half a request wait.
    pub(super) fn saw(&self) -> Saw {
        let mut saw = Saw { clients: self.len(), ..Saw::default() };
        for client in &self.clients {
            *match client.state {
                State::Connecting => &mut saw.connecting,
                State::Waiting | State::Holding => &mut saw.waiting,
                State::Answered => &mut saw.answered,
                State::Refused => &mut saw.refused,
                State::Reset => &mut saw.reset,
                State::Closed => &mut saw.closed,
                State::Wrong => &mut saw.wrong,
                State::Other => &mut saw.other,
            } += 1;
        }
        saw
    }

    /// The slowest answer so far, of those that still stand.
    pub(super) fn slowest(&self) -> Option<Duration> {
        self.clients.iter().filter_map(|client| client.answer).max()
    }
}

fn connect(address: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    match socket.connect(&address.into()) {
        Ok(()) => {}
        Err(error) if error.raw_os_error() == Some(Errno::INPROGRESS.raw_os_error()) => {}
        Err(error) => return Err(error),
    }
    if meets_itself(&socket, address) {
        return Err(ErrorKind::ConnectionRefused.into());
    }
    Ok(socket.into())
}

/// Whether a call on a non-blocking socket could not be done yet.
fn waits(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected)
}

fn failed(error: &std::io::Error) -> State {
    match error.kind() {
        ErrorKind::ConnectionRefused => State::Refused,
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => State::Reset,
        _ => State::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bakeoff_servers::services;
    use std::net::TcpListener;

    const SOON: Duration = Duration::from_secs(10);

    fn crowd(exchange: &dyn Exchange, address: SocketAddr) -> Clients<'_> {
        Clients::new(exchange, address, 16, 7, Interrupt::default())
    }

    fn echo() -> Box<dyn Exchange> {
        (services::find("echo").expect("a service").exchange)(16)
    }

    /// A listener and a thread that treats each accepted connection so, one after the other.
    fn server(count: usize, treat: fn(usize, TcpStream)) -> (SocketAddr, std::thread::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let serve = move || (0..count).for_each(|at| treat(at, listener.accept().expect("a client").0));
        (address, std::thread::spawn(serve))
    }

    #[test]
    fn everybody_counts_once_by_what_happened_to_it() {
        let (address, thread) = server(4, |at, mut stream| {
            let mut request = [0; 16];
            stream.read_exact(&mut request).expect("a request");
            match at {
                0 => stream.write_all(&request).expect("room"),
                1 => stream.write_all(&[0; 16]).expect("room"),
                2 => stream.write_all(&request[..8]).expect("room"), // then closed
                _ => socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("a socket"),
            }
        });
        let exchange = echo();
        let mut crowd = crowd(&*exchange, address);
        for _ in 0..4 {
            // One after the other, so that it is known who is who.
            crowd.open(1, ClientRequest::Whole { demand_ns: 0 });
            crowd.settle(SOON).expect("not interrupted");
        }
        thread.join().expect("it serves");
        let expected = Saw { clients: 4, answered: 1, wrong: 1, closed: 1, reset: 1, ..Saw::default() };
        assert_eq!(crowd.saw(), expected);
        assert!(crowd.saw().balanced() && crowd.slowest().is_some());
        // The listener is gone with its thread, and so is the answered client's connection.
        crowd.open(1, ClientRequest::Whole { demand_ns: 0 });
        crowd.settle(SOON).expect("not interrupted");
        crowd.look();
        assert_eq!(crowd.saw(), Saw { clients: 5, answered: 0, refused: 1, closed: 2, ..expected });
    }

    #[test]
    fn who_sends_half_a_request_holds_and_who_is_not_answered_waits() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let exchange = echo();
        let mut crowd = crowd(&*exchange, listener.local_addr().expect("bound"));
        crowd.open(1, ClientRequest::Half);
        crowd.settle(SOON).expect("not interrupted");
        let mut half = [0; 16];
        let (mut accepted, _) = listener.accept().expect("a client");
        accepted.set_read_timeout(Some(Duration::from_millis(50))).expect("a socket");
        assert_eq!(accepted.read(&mut half).expect("half a request"), 8);
        assert!(accepted.read(&mut half).is_err(), "and no more");
        crowd.open(1, ClientRequest::Whole { demand_ns: 0 });
        crowd.settle(Duration::from_millis(50)).expect("not interrupted");
        assert_eq!(crowd.saw(), Saw { clients: 2, waiting: 2, ..Saw::default() });
        let interrupted = Interrupt::default();
        interrupted.set();
        crowd.interrupt = interrupted;
        assert!(matches!(crowd.settle(SOON), Err(LaunchError::Interrupted)));
    }
}
