//! The client of an anatomy: one connection, one request at a time, every reply byte compared; of a server that words its replies
//! otherwise than ours, where the protocol lets it, status and content.
//!
//! It never blocks by itself, so that whoever traces the server can let the server go on in between.

use super::stream::Stream;
use crate::host::connect::connect;
use crate::swarm::http_exchange::exchange;
use crate::swarm::http_replies::fault;
use crate::sys::{TcpInfo, tcp_info};
use crate::workload::load::RequestShape;
use bakeoff_reports::record::Segments;
use bakeoff_servers::exchange::{HttpReply, Progress, Wrong};
use bakeoff_servers::services::ServiceEntry;
use bakeoff_servers::tls::Fingerprint;
use bakeoff_servers::{Exchange, Parts, Request};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What the client asks for, again and again.
pub(super) struct Question {
    exchange: Box<dyn Exchange>,
    size: u32,
    demand_ns: u64,
    /// Whether the protocol has a word for the end of a conversation.
    says_exit: bool,
    /// Bytes of the last whole reply; before it those that a reply of ours has.
    reply_bytes: AtomicU64,
}

impl Question {
    /// Requests of this shape to a service, each demanding `demand_ns`.
    pub(super) fn new(service: &ServiceEntry, request: &RequestShape, demand_ns: u64) -> Self {
        let exchange = exchange(service, request, 0);
        let says_exit = service.name == "line";
        let question =
            Self { exchange, size: request.size, demand_ns, says_exit, reply_bytes: AtomicU64::new(0) };
        let ours = question.exchange.reply(&question.request(0)).len() as u64;
        question.reply_bytes.store(ours, Ordering::Relaxed);
        question
    }

    /// Bytes of a request and of its reply as it came, framing included.
    pub(super) fn lengths(&self) -> (u64, u64) {
        let request = self.exchange.request(&self.request(0)).len() as u64;
        (request, self.reply_bytes.load(Ordering::Relaxed))
    }

    /// The request of that number. All are of one length, though some services write the number out in digits; and where
    /// pages differ in length, it is the same page every time.
    fn request(&self, number: u64) -> Request {
        const FIRST: u64 = 1_000_000_000;
        let number = if self.exchange.sizes().is_empty() { number } else { 0 };
        Request::new(FIRST + number, self.size, self.demand_ns)
    }
}

/// An open connection.
pub(super) struct Peer<'a> {
    question: &'a Question,
    stream: Stream,
    next: u64,
    /// Of the current request: its bytes, how many are sent, how many of the reply have come.
    bytes: Vec<u8>,
    sent: usize,
    received: usize,
    whole: bool,
    /// What reads the replies of a server that words them otherwise than ours, from its first on.
    other_words: Option<Box<HttpReply>>,
    buffer: Vec<u8>,
}

impl<'a> Peer<'a> {
    /// Connects; over TLS where the server has a certificate, with a handshake that [`Self::is_ready`] carries on.
    pub(super) fn connect(
        question: &'a Question,
        address: SocketAddr,
        congestion_control: Option<&str>,
        certificate: Option<Fingerprint>,
    ) -> Result<Self, String> {
        let failed = |e: std::io::Error| format!("connecting to the server at {address} failed: {e}");
        let stream = connect(address, Duration::from_secs(5)).map_err(failed)?;
        stream.set_nodelay(true).and_then(|()| stream.set_nonblocking(true)).map_err(failed)?;
        if let Some(name) = congestion_control {
            sockopt::set_tcp_congestion(&stream, name).map_err(|e| failed(e.into()))?;
        }
        let stream = Stream::new(stream, address.ip(), certificate).map_err(failed)?;
        let buffer = vec![0; 64 * 1024];
        let (bytes, other_words) = (Vec::new(), None);
        Ok(Self { question, stream, next: 0, bytes, sent: 0, received: 0, whole: false, other_words, buffer })
    }

    /// Whether the first request can be sent.
    pub(super) fn is_ready(&mut self) -> Result<bool, String> {
        self.stream.is_ready().map_err(|e| format!("the handshake of TLS failed: {e}"))
    }

    /// Waits until the first request can be sent.
    pub(super) fn wait_ready(&mut self, limit: Duration) -> Result<(), String> {
        let begin = Instant::now();
        while !self.is_ready()? {
            self.wait(begin, limit)?;
        }
        Ok(())
    }

    /// Begins the next request; [`Self::advance`] carries it on.
    pub(super) fn begin(&mut self) {
        self.bytes = self.question.exchange.request(&self.question.request(self.next)).to_vec();
        (self.sent, self.received, self.whole) = (0, 0, false);
        self.other_words.iter_mut().for_each(|reader| reader.restart());
        self.next += 1;
    }

    /// Sends and receives what can be without waiting; says whether the whole reply is here.
    pub(super) fn advance(&mut self) -> Result<bool, String> {
        self.send()?;
        let request = self.question.request(self.next - 1);
        let reply = self.question.exchange.reply(&request);
        while !self.whole {
            match self.stream.read(&mut self.buffer) {
                Ok(0) => return Err("the server closed the connection before it had answered".into()),
                Ok(n) => self.receive(&request, &reply, n)?,
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(format!("reading the reply failed: {e}")),
            }
        }
        Ok(self.sent == self.bytes.len())
    }

    /// Takes the `n` bytes in the buffer.
    fn receive(&mut self, request: &Request, reply: &Parts<'_>, n: usize) -> Result<(), String> {
        let bytes = &self.buffer[..n];
        if self.other_words.is_none() && reply.verify(self.received, bytes) == Ok(n) {
            self.whole = self.received + n == reply.len();
        } else {
            let expected = self.question.exchange.expected(request);
            let expected = expected.ok_or("the server answered with a wrong byte")?;
            let wrong = |why: Wrong| format!("the server's reply {}", fault(why, &expected));
            let mut reader = match self.other_words.take() {
                Some(reader) => reader,
                None => {
                    let mut reader = Box::<HttpReply>::default();
                    // What came before was what ours would send, to the byte.
                    reader.on_data(&reply.to_vec()[..self.received], &expected).map_err(wrong)?;
                    reader
                }
            };
            match reader.on_data(bytes, &expected).map_err(wrong)? {
                Progress::Part => {}
                Progress::Wrong { .. } => {
                    return Err(reader.wrong().map(wrong).expect("it says that it is wrong"));
                }
                Progress::Whole { closes: false } => self.whole = true,
                Progress::Whole { closes: true } => {
                    return Err(
                        "the server closes the connection behind each reply, and an anatomy follows one"
                            .into(),
                    );
                }
            }
            self.other_words = Some(reader);
        }
        self.received += n;
        if self.whole {
            self.question.reply_bytes.store(self.received as u64, Ordering::Relaxed);
        }
        Ok(())
    }

    fn send(&mut self) -> Result<(), String> {
        while self.sent < self.bytes.len() {
            match self.stream.write(&self.bytes[self.sent..]) {
                Ok(n) => self.sent += n,
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(format!("sending a request failed: {e}")),
            }
        }
        Ok(())
    }

    /// One request and its reply, waiting. Returns the time from the write to the last byte.
    pub(super) fn ask(&mut self, limit: Duration) -> Result<Duration, String> {
        let begin = Instant::now();
        self.begin();
        while !self.advance()? {
            self.wait(begin, limit)?;
        }
        Ok(begin.elapsed())
    }

    /// Ends the conversation from this side.
    pub(super) fn end(&mut self) -> Result<(), String> {
        if self.question.says_exit {
            (self.bytes, self.sent) = (b"exit\n".to_vec(), 0);
            return self.send();
        }
        self.stream.end().map_err(|e| format!("closing the connection failed: {e}"))
    }

    /// Whether the server has ended its side too.
    pub(super) fn ended(&mut self) -> Result<bool, String> {
        loop {
            match self.stream.read(&mut self.buffer) {
                Ok(0) => return Ok(true),
                Ok(_) => return Err("the server sent more than the reply".into()),
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(format!("waiting for the server to close failed: {e}")),
            }
        }
    }

    /// Waits for the server's end.
    pub(super) fn wait_ended(&mut self, limit: Duration) -> Result<(), String> {
        let begin = Instant::now();
        while !self.ended()? {
            self.wait(begin, limit)?;
        }
        Ok(())
    }

    /// Sleeps until something can be done on the socket, a short while at most.
    fn wait(&self, begin: Instant, limit: Duration) -> Result<(), String> {
        const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
        if begin.elapsed() >= limit {
            return Err(format!("the server did not answer within {limit:.1?}"));
        }
        let mut flags = PollFlags::IN;
        flags.set(PollFlags::OUT, self.sent < self.bytes.len() || self.stream.wants_write());
        // An interrupted or failed wait is looked at by the next read.
        let _ = poll(&mut [PollFd::new(self.stream.socket(), flags)], Some(&LOOK));
        Ok(())
    }

    /// What the kernel knows of the connection.
    pub(super) fn info(&self) -> Result<TcpInfo, String> {
        tcp_info(self.stream.socket().as_fd()).map_err(|e| format!("TCP_INFO cannot be read: {e}"))
    }
}

/// The counters of a connection as the record has them. They are 32 bits wide in the kernel.
pub(super) fn segments(info: &TcpInfo) -> Segments {
    Segments {
        out: info.segs_out.into(),
        r#in: info.segs_in.into(),
        data_out: info.data_segs_out.into(),
        data_in: info.data_segs_in.into(),
        payload_out_bytes: info.bytes_sent,
        payload_in_bytes: info.bytes_received,
    }
}
