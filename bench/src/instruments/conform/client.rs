//! The client of the conformance cases: blocking, impatient, and every reply byte compared. It says what was wrong in words.

use crate::host::connect::connect;
use crate::swarm::http_replies::fault;
use bakeoff_servers::exchange::{HttpExpected, HttpReply, Progress};
use bakeoff_servers::services::{POISON, ServiceEntry};
use bakeoff_servers::{Exchange, Request};
use socket2::SockRef;
use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// A server that listens, and what it is asked in.
pub(super) struct Subject {
    address: SocketAddr,
    service: &'static ServiceEntry,
    exchange: Box<dyn Exchange>,
    /// How long a reply may take.
    patience: Duration,
}

impl Subject {
    /// A server asked in a service, by `exchange`.
    pub(super) fn new(
        address: SocketAddr,
        service: &'static ServiceEntry,
        exchange: Box<dyn Exchange>,
        patience: Duration,
    ) -> Self {
        Self { address, service, exchange, patience }
    }

    /// Its service.
    pub(super) fn service(&self) -> &'static ServiceEntry {
        self.service
    }

    /// A request of about so many payload bytes that demands next to nothing.
    pub(super) fn request(&self, id: u64, size: u32) -> Request {
        let demand_ns = if self.service.works() { 1_000 } else { 0 };
        Request { id, size: size.max(self.exchange.min_payload()), demand_ns }
    }

    /// The bytes of a request.
    pub(super) fn bytes(&self, request: &Request) -> Vec<u8> {
        self.exchange.request(request).to_vec()
    }

    /// Connects.
    pub(super) fn connect(&self) -> Result<Client<'_>, String> {
        let failed = |e: std::io::Error| format!("connecting failed: {e}");
        let stream = connect(self.address, self.patience).map_err(failed)?;
        let set = stream.set_nodelay(true).and_then(|()| stream.set_read_timeout(Some(self.patience)));
        set.and_then(|()| stream.set_write_timeout(Some(self.patience))).map_err(failed)?;
        let reader = BufReader::with_capacity(64 * 1024, stream.try_clone().map_err(failed)?);
        Ok(Client { subject: self, stream, reader })
    }

    /// Asks so many requests, over again where the server closes the connection behind a reply as its protocol lets it.
    pub(super) fn ask_all(&self, requests: &[Request]) -> Result<(), String> {
        let mut client = self.connect()?;
        for request in requests {
            if client.ask(request)? == After::Closes {
                client = self.connect()?;
            }
        }
        Ok(())
    }

    /// Whether its requests may kill the server.
    pub(super) fn is_deadly(&self) -> bool {
        self.service.demand == Some(POISON)
    }
}

/// What becomes of the connection behind a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// It stays.
    Stays,
    /// The server closes it, as its protocol lets it.
    Closes,
}

/// A connection.
pub(super) struct Client<'a> {
    subject: &'a Subject,
    stream: TcpStream,
    reader: BufReader<TcpStream>,
}

impl Client<'_> {
    /// Sends bytes.
    pub(super) fn send(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.stream.write_all(bytes).map_err(|e| match e.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                format!("it read no further for {:.0?} while a request was sent", self.subject.patience)
            }
            _ => format!("sending a request failed: {e}"),
        })
    }

    /// Sends a request and checks its reply.
    pub(super) fn ask(&mut self, request: &Request) -> Result<After, String> {
        self.send(&self.subject.bytes(request))?;
        self.expect(request)
    }

    /// Reads the reply to a request and no byte beyond it, and checks it.
    pub(super) fn expect(&mut self, request: &Request) -> Result<After, String> {
        let reply = self.subject.exchange.reply(request);
        if let Some(expected) = self.subject.exchange.expected(request) {
            return self.expect_http(&expected);
        }
        let whole = reply.to_vec();
        let mut received = 0;
        while received < whole.len() {
            let came = match self.reader.fill_buf() {
                Ok([]) => {
                    return Err(format!(
                        "it closed the connection after {received} of {} bytes of a reply",
                        whole.len()
                    ));
                }
                Ok(bytes) => bytes,
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) => return Err(self.told(&e, "a reply", received, whole.len())),
            };
            let n = came.len().min(whole.len() - received);
            let wrong = came[..n].iter().zip(&whole[received..]).position(|(got, right)| got != right);
            if let Some(at) = wrong {
                let (got, right, at) = (came[at], whole[received + at], received + at);
                return Err(format!(
                    "byte {at} of a reply of {} is 0x{got:02x} and should be 0x{right:02x}",
                    whole.len()
                ));
            }
            self.reader.consume(n);
            received += n;
        }
        Ok(After::Stays)
    }

    /// Reads a reply of HTTP, byte by byte, for only its reader knows where it ends.
    fn expect_http(&mut self, expected: &HttpExpected<'_>) -> Result<After, String> {
        let mut reader = HttpReply::default();
        let progress = loop {
            let Some(byte) = self.byte().map_err(|e| self.told(&e, "the reply", 0, 0))? else {
                let whole = reader.on_end(expected);
                break whole.ok_or("it closed the connection in a reply")?;
            };
            match reader.on_data(&[byte], expected) {
                Ok(Progress::Part) => {}
                Ok(whole) => break whole,
                Err(why) => return Err(format!("its reply {}", fault(why, expected))),
            }
        };
        match (reader.wrong(), progress) {
            (Some(why), _) => Err(format!("its reply {}", fault(why, expected))),
            (None, Progress::Whole { closes: true }) => Ok(After::Closes),
            (None, _) => Ok(After::Stays),
        }
    }

    fn byte(&mut self) -> Result<Option<u8>, std::io::Error> {
        loop {
            match self.reader.fill_buf() {
                Ok(bytes) => {
                    let first = bytes.first().copied();
                    self.reader.consume(usize::from(first.is_some()));
                    return Ok(first);
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// Waits for the end of the connection; nothing may come before it.
    pub(super) fn expect_end(&mut self) -> Result<(), String> {
        match self.byte() {
            Ok(None) => Ok(()),
            Ok(Some(byte)) => Err(format!("it sent a byte (0x{byte:02x}) that nobody asked for")),
            Err(e) if e.kind() == ErrorKind::ConnectionReset => Ok(()),
            Err(e) => Err(self.told(&e, "the end of the connection", 0, 0)),
        }
    }

    /// Whatever comes until the connection ends is let go.
    pub(super) fn let_end(&mut self) -> Result<(), String> {
        loop {
            match self.byte() {
                Ok(None) => return Ok(()),
                Ok(Some(_)) => {}
                Err(e) if e.kind() == ErrorKind::ConnectionReset => return Ok(()),
                Err(e) => return Err(self.told(&e, "the end of the connection", 0, 0)),
            }
        }
    }

    /// Sends no more; replies may still come.
    pub(super) fn end_requests(&self) -> Result<(), String> {
        self.stream.shutdown(Shutdown::Write).map_err(|e| format!("closing one side failed: {e}"))
    }

    /// Another handle to send with, for a thread of its own.
    pub(super) fn sender(&self) -> Result<TcpStream, String> {
        self.stream.try_clone().map_err(|e| format!("sharing the connection failed: {e}"))
    }

    /// Closes so that the server sees a reset.
    pub(super) fn reset(self) {
        // It is closed in any case.
        let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
    }

    fn told(&self, error: &std::io::Error, what: &str, received: usize, of: usize) -> String {
        let patience = self.subject.patience;
        match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut if of > 0 => {
                format!("it did not answer within {patience:.0?}: {received} of {of} bytes of {what} came")
            }
            ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                format!("{what} did not come within {patience:.0?}")
            }
            _ => format!("waiting for {what} failed: {error}"),
        }
    }
}
