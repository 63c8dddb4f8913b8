//! The client of the conformance cases: blocking, impatient, and every reply byte compared. It says what was wrong in words.

use crate::host::connect::connect;
use crate::swarm::http_replies::fault;
use bakeoff_servers::exchange::{HttpExpected, HttpReply, Progress};
use bakeoff_servers::services::{POISON, ServiceEntry};
use bakeoff_servers::{Exchange, Request};
use socket2::SockRef;
use std::io::{self, BufRead as _, BufReader, ErrorKind, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// A server that listens, and what it is asked in.
pub(super) struct Subject {
    address: SocketAddr,
    service: &'static ServiceEntry,
    exchange: Box<dyn Exchange>,
    /// How long a reply may take, to its last byte; and a request to be read.
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
        Request::new(id, size.max(self.exchange.min_payload()), demand_ns)
    }

    /// The bytes of a request.
    pub(super) fn bytes(&self, request: &Request) -> Vec<u8> {
        self.exchange.request(request).to_vec()
    }

    /// Connects.
    pub(super) fn connect(&self) -> Result<Client<'_>, String> {
        let failed = |e: io::Error| format!("connecting failed: {e}");
        let stream = connect(self.address, self.patience).map_err(failed)?;
        let set = stream.set_nodelay(true).and_then(|()| stream.set_read_timeout(Some(self.patience)));
        set.and_then(|()| stream.set_write_timeout(Some(self.patience))).map_err(failed)?;
        let reader = BufReader::with_capacity(64 * 1024, stream.try_clone().map_err(failed)?);
        Ok(Client { subject: self, stream, reader })
    }

    /// Asks so many requests, over again where the server closes the connection behind a reply as its protocol lets it.
    pub(super) fn ask_all(&self, requests: &[Request]) -> Result<(), String> {
        self.ask_while(|| true, requests)
    }

    /// The same, as long as there is reason to go on.
    pub(super) fn ask_while(&self, goes_on: impl Fn() -> bool, requests: &[Request]) -> Result<(), String> {
        let mut client = self.connect()?;
        for request in requests.iter().take_while(|_| goes_on()) {
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
        let (until, mut rest) = (self.until(), bytes);
        while !rest.is_empty() {
            let wait = |left| self.stream.set_write_timeout(Some(left));
            match left(until).and_then(wait).and_then(|()| self.stream.write(rest)) {
                Ok(sent) => rest = &rest[sent..],
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return Err(format!("it did not read a request within {:.0?}", self.subject.patience));
                }
                Err(e) => return Err(format!("sending a request failed: {e}")),
            }
        }
        Ok(())
    }

    /// When what begins now has taken too long.
    fn until(&self) -> Instant {
        Instant::now() + self.subject.patience
    }

    /// What has come and is not yet taken; where there is nothing, what comes next.
    fn fill(&mut self, until: Instant) -> io::Result<&[u8]> {
        // Not at each read anew, or a server that sends a byte now and then would be waited for without end.
        if self.reader.buffer().is_empty() {
            self.stream.set_read_timeout(Some(left(until)?))?;
        }
        self.reader.fill_buf()
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
        let (until, mut received) = (self.until(), 0);
        while received < whole.len() {
            let came = match self.fill(until) {
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
        let (until, mut reader) = (self.until(), HttpReply::default());
        let progress = loop {
            let Some(byte) = self.byte(until).map_err(|e| self.told(&e, "the reply", 0, 0))? else {
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

    fn byte(&mut self, until: Instant) -> io::Result<Option<u8>> {
        loop {
            match self.fill(until) {
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
        match self.byte(self.until()) {
            Ok(None) => Ok(()),
            Ok(Some(byte)) => Err(format!("it sent a byte (0x{byte:02x}) that nobody asked for")),
            Err(e) if e.kind() == ErrorKind::ConnectionReset => Ok(()),
            Err(e) => Err(self.told(&e, "the end of the connection", 0, 0)),
        }
    }

    /// Whatever comes until the connection ends is let go.
    pub(super) fn let_end(&mut self) -> Result<(), String> {
        let until = self.until();
        loop {
            match self.byte(until) {
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

    fn told(&self, error: &io::Error, what: &str, received: usize, of: usize) -> String {
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

/// How long there is until then.
fn left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bakeoff_servers::services;
    use std::cell::Cell;
    use std::io::Read as _;
    use std::net::TcpListener;

    const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

    /// A server that answers each request with a head of no content, so many bytes at a time.
    fn subject(piece: usize, patience: Duration) -> Subject {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                while stream.read(&mut [0; 1_024]).is_ok_and(|bytes| bytes > 0) {
                    for bytes in OK.chunks(piece) {
                        if stream.write_all(bytes).is_err() {
                            break;
                        }
                        std::thread::sleep(Duration::from_millis(if piece < OK.len() { 50 } else { 0 }));
                    }
                }
            }
        });
        let service = services::find("http").expect("a service");
        Subject::new(address, service, (service.exchange)(0), patience)
    }

    #[test]
    fn a_reply_that_drips_is_not_waited_for_byte_by_byte() {
        let subject = subject(1, Duration::from_millis(400));
        let why = subject.ask_all(&[subject.request(1, 0)]).expect_err("it takes two seconds");
        assert!(why.contains("did not come within 400ms"), "{why}");
    }

    #[test]
    fn nothing_more_is_asked_when_there_is_no_reason_to_go_on() {
        let subject = subject(OK.len(), Duration::from_secs(3));
        let requests: Vec<Request> = (0..5).map(|id| subject.request(id, 0)).collect();
        let looked = Cell::new(0);
        let goes_on = || {
            looked.set(looked.get() + 1);
            looked.get() < 3
        };
        assert_eq!(subject.ask_while(goes_on, &requests), Ok(()));
        assert_eq!(looked.get(), 3, "it is looked at before each, and heeded");
        assert_eq!(subject.ask_while(|| false, &[]), Ok(()));
    }
}
