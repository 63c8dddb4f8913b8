//! A client that verifies every byte.

use crate::Pair;
use crate::server::{GUARD, Server};
use bakeoff_servers::services::POISON;
use bakeoff_servers::{Exchange, Parts, Request};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::{Domain, SockRef, Socket, Type};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

/// Largest payload used here.
pub(crate) const MIB: u32 = 1 << 20;

/// The client's half of the pair's service, as a client speaks it that does no harm.
pub(crate) fn exchange(pair: &Pair) -> Box<dyn Exchange> {
    let exchange = (pair.service.exchange)(MIB);
    if pair.service.demand == Some(POISON) { Box::new(Harmless(exchange)) } else { exchange }
}

/// Demands nothing, whatever a case's requests say: so one case holds for services that work and for one that dies.
struct Harmless(Box<dyn Exchange>);

impl Exchange for Harmless {
    fn min_payload(&self) -> u32 {
        self.0.min_payload()
    }

    fn request(&self, request: &Request) -> Parts<'_> {
        self.0.request(&Request { demand_ns: 0, ..*request })
    }

    fn reply(&self, request: &Request) -> Parts<'_> {
        self.0.reply(&Request { demand_ns: 0, ..*request })
    }
}

/// A request with next to no demand.
pub(crate) fn request(id: u64, size: u32) -> Request {
    Request::new(id, size, 1_000)
}

/// Whether a request of the service brings next to nothing, whatever it asks for. Such requests all fit into what the
/// kernel keeps, so that their sender is never stuck; it takes several reads' worth to see that a server stops reading.
pub(crate) fn asks_for_more(exchange: &dyn Exchange) -> bool {
    exchange.request(&request(0, MIB)).len() < 100
}

/// Requests of a service that [asks for more](asks_for_more), about 50 bytes each, of which every server must leave some
/// unread, 300 KiB. A proactor's cancellation comes late by what is on its way: it has been seen to take 100 KiB.
pub(crate) const MOST_THAT_ASK_FOR_MORE: u64 = 6_144;

pub(crate) struct Client<'a> {
    pub(crate) stream: TcpStream,
    exchange: &'a dyn Exchange,
}

impl<'a> Client<'a> {
    pub(crate) fn connect(server: &Server, exchange: &'a dyn Exchange) -> Self {
        let stream = TcpStream::connect_timeout(&server.addr, GUARD).expect("connect");
        Self::over(stream, exchange)
    }

    /// A client whose kernel takes in few bytes that it does not read. Not fewer than some of loopback's 64 KiB
    /// segments: below, the kernel drops segments that do not fit, the acknowledgements on them included, and the
    /// client's own sending stalls for retransmission timeouts.
    pub(crate) fn connect_narrow(server: &Server, exchange: &'a dyn Exchange) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("socket");
        socket.set_recv_buffer_size(256 * 1024).expect("receive buffer");
        socket.connect(&server.addr.into()).expect("connect");
        Self::over(socket.into(), exchange)
    }

    fn over(stream: TcpStream, exchange: &'a dyn Exchange) -> Self {
        stream.set_nodelay(true).expect("nodelay");
        stream.set_read_timeout(Some(GUARD)).expect("timeout");
        stream.set_write_timeout(Some(GUARD)).expect("timeout");
        Self { stream, exchange }
    }

    pub(crate) fn send(&mut self, request: &Request) {
        self.send_bytes(&self.exchange.request(request).to_vec());
    }

    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("send");
    }

    /// Reads the reply to `request`, and nothing beyond it.
    pub(crate) fn expect(&mut self, request: &Request) {
        let reply = self.exchange.reply(request);
        let mut bytes = vec![0; reply.len()];
        self.stream.read_exact(&mut bytes).unwrap_or_else(|error| panic!("reply to {request:?}: {error}"));
        assert_eq!(reply.verify(0, &bytes), Ok(bytes.len()), "reply to {request:?}");
    }

    pub(crate) fn exchange(&mut self, request: &Request) {
        self.send(request);
        self.expect(request);
    }

    /// Whether there is something to read, or an end.
    pub(crate) fn has_input(&self) -> bool {
        poll(&mut [PollFd::new(&self.stream, PollFlags::IN)], Some(&Timespec::default())).expect("poll") > 0
    }

    pub(crate) fn expect_end(&mut self) {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).expect("the end of the replies");
        assert_eq!(rest.len(), 0, "nothing comes after the replies");
    }

    pub(crate) fn end_requests(&self) {
        self.stream.shutdown(Shutdown::Write).expect("half-close");
    }

    /// Closes so that the server sees a reset.
    pub(crate) fn reset(self) {
        SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).expect("linger");
    }

    /// Sends all requests while reading their replies in order.
    pub(crate) fn exchange_all(&mut self, requests: &[Request]) {
        let mut writer = self.stream.try_clone().expect("clone");
        let exchange = self.exchange;
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let bytes: Vec<u8> =
                    requests.iter().flat_map(|request| exchange.request(request).to_vec()).collect();
                writer.write_all(&bytes).expect("send");
            });
            for request in requests {
                self.expect(request);
            }
        });
    }

    /// Sends without reading until the server provably does not read either, or `most` requests were sent whole.
    /// Returns how many were, and what is missing of the one that was cut.
    pub(crate) fn send_until_stuck(
        &mut self,
        server: &Server,
        next: impl Fn(u64) -> Request,
        most: u64,
    ) -> (u64, Vec<u8>) {
        self.stream.set_write_timeout(Some(Duration::from_millis(100))).expect("timeout");
        let mut stuck = None;
        'requests: for id in 0..most {
            let bytes = self.exchange.request(&next(id)).to_vec();
            let mut sent = 0;
            let mut guard = Instant::now() + GUARD;
            while sent < bytes.len() {
                match self.stream.write(&bytes[sent..]) {
                    Ok(n) => {
                        sent += n;
                        guard = Instant::now() + GUARD;
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        if self.left_unread(server) {
                            stuck = Some((id, bytes[sent..].to_vec()));
                            break 'requests;
                        }
                        assert!(Instant::now() < guard, "the server neither reads nor leaves it for good");
                    }
                    Err(error) => panic!("send: {error}"),
                }
            }
        }
        self.stream.set_write_timeout(Some(GUARD)).expect("timeout");
        stuck.unwrap_or((most, Vec::new()))
    }

    /// Whether the server leaves this client's bytes unread of its own will: they lie in its socket while all its
    /// threads sleep, and not one runs or waits for a CPU from the first look to the last. Whoever wanted them would
    /// have been woken by them. That this client cannot write is no proof: with its own window closed, the kernel may
    /// have lost the news that the server's is open again. To be asked while no other client is being served.
    pub(crate) fn left_unread(&self, server: &Server) -> bool {
        let look = || (self.unread_by_server(), server.asleep());
        let first = look();
        let pause = || std::thread::sleep(Duration::from_millis(60));
        first.0 > 0 && first.1.is_some() && (0..3).all(|_| (pause(), look() == first).1)
    }

    /// Bytes that lie in the server's socket, arrived and not read.
    fn unread_by_server(&self) -> u32 {
        let port = self.stream.local_addr().expect("address").port();
        let sockets = std::fs::read_to_string("/proc/net/tcp").expect("/proc/net/tcp");
        // Searched as text: thousands of closed connections of other tests may be listed (proc(5): local address,
        // remote address, state, then tx_queue:rx_queue, all in hexadecimal).
        let remote = format!(" 0100007F:{port:04X} 01 ");
        let queues = sockets.lines().find_map(|line| line.split_once(&remote)?.1.split_whitespace().next());
        let (_, unread) = queues.and_then(|queues| queues.split_once(':')).unwrap_or(("", "0"));
        u32::from_str_radix(unread, 16).expect("hexadecimal")
    }
}
