//! What every model must do over TLS, asked by a client of rustls.

use crate::cases::{many_requests, resident_bytes};
use crate::client::{MIB, MOST_THAT_ASK_FOR_MORE, exchange, request};
use crate::limits::echoes;
use crate::server::{GUARD, Server, until};
use crate::{Case, Pair, case};
use bakeoff_servers::tls::{Identity, client_config};
use bakeoff_servers::{Exchange, Request};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use rustls::{ALL_VERSIONS, ClientConfig, ClientConnection, HandshakeKind, SupportedProtocolVersion};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// The services that are promised over TLS; what the others add are jobs, which `dynamic` and `static` have too.
const SERVICES: [&str; 5] = ["echo", "line", "http", "static", "dynamic"];

pub(crate) const ALL: &[Case] = &[
    case!(over_tls_requests_in_order, |pair| SERVICES.contains(&pair.service.name)),
    case!(over_tls_a_client_that_does_not_read, |pair| pair.service.name == "http"),
    case!(over_tls_sessions_are_resumed, echoes),
    case!(over_tls_strangers_are_refused, echoes),
    case!(over_tls_a_handshake_that_stops, echoes),
    case!(over_tls_a_truncated_close, echoes),
];

fn start(pair: &Pair) -> Server {
    Server::start_with(pair, |options| options.tls = true)
}

/// A client that trusts this server alone and keeps tickets.
fn trusting(server: &Server) -> Arc<ClientConfig> {
    speaking(server, ALL_VERSIONS)
}

/// The same, which offers these versions of TLS.
fn speaking(server: &Server, versions: &[&'static SupportedProtocolVersion]) -> Arc<ClientConfig> {
    let pinned = server.fingerprint.expect("it serves over TLS");
    client_config(Some(pinned), 8, versions).expect("a configuration")
}

struct Client {
    tls: ClientConnection,
    stream: TcpStream,
}

impl Client {
    fn connect(server: &Server, config: &Arc<ClientConfig>) -> Self {
        let stream = TcpStream::connect_timeout(&server.addr, GUARD).expect("connect");
        stream.set_nodelay(true).expect("nodelay");
        stream.set_nonblocking(true).expect("a flag");
        let name = ServerName::from(server.addr.ip());
        Self { tls: ClientConnection::new(Arc::clone(config), name).expect("a client"), stream }
    }

    /// Sends `bytes` while it reads what comes, until so many bytes have; after the handshake in any case.
    fn converse(&mut self, mut bytes: &[u8], expected: usize) -> io::Result<Vec<u8>> {
        let mut got = Vec::new();
        loop {
            let accepted = self.tls.writer().write(bytes)?;
            bytes = &bytes[accepted..];
            let is_through = bytes.is_empty() && !self.tls.wants_write() && !self.tls.is_handshaking();
            if is_through && got.len() >= expected {
                return Ok(got);
            }
            self.wait()?;
            self.write()?;
            self.read(&mut got)?;
        }
    }

    fn wait(&self) -> io::Result<()> {
        let wanted = if self.tls.wants_write() { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN };
        let guard = Timespec { tv_sec: GUARD.as_secs() as i64, tv_nsec: 0 };
        let ready = poll(&mut [PollFd::new(&self.stream, wanted)], Some(&guard))?;
        assert!(ready > 0, "nothing happened for {GUARD:?}");
        Ok(())
    }

    fn write(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut self.stream) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                written => drop(written?),
            }
        }
        Ok(())
    }

    /// Reads what is there; an end without the server's word is an error.
    fn read(&mut self, got: &mut Vec<u8>) -> io::Result<()> {
        match self.tls.read_tls(&mut self.stream) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            read => drop(read?),
        }
        let state = self.tls.process_new_packets();
        self.write()?; // an alert, perhaps
        let length = state.map_err(io::Error::other)?.plaintext_bytes_to_read();
        match self.tls.reader().take(length as u64).read_to_end(got) {
            Ok(read) if read == 0 && length == 0 => {
                let end = self.tls.reader().read(&mut [0]);
                end.map(drop).or_else(|error| match error.kind() {
                    ErrorKind::WouldBlock => Ok(()),
                    _ => Err(error),
                })
            }
            read => read.map(drop),
        }
    }

    /// Asks all of these at once and compares the replies.
    fn ask(&mut self, exchange: &dyn Exchange, requests: &[Request]) {
        let bytes: Vec<u8> = requests.iter().flat_map(|r| exchange.request(r).to_vec()).collect();
        let replies: Vec<u8> = requests.iter().flat_map(|r| exchange.reply(r).to_vec()).collect();
        let got =
            self.converse(&bytes, replies.len()).unwrap_or_else(|error| panic!("{requests:?}: {error}"));
        assert!(got == replies, "{} bytes of replies, {} are right", got.len(), replies.len());
    }

    /// The server says that it closes, and then does; nothing else comes.
    fn expect_end(&mut self) {
        let mut got = Vec::new();
        loop {
            self.wait().expect("poll");
            match self.tls.read_tls(&mut self.stream) {
                Ok(0) => break,
                Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                read => drop(read.expect("no reset")),
            }
            let state = self.tls.process_new_packets().expect("TLS");
            if state.peer_has_closed() {
                self.stream.set_nonblocking(false).expect("a flag");
                self.stream.read_to_end(&mut got).expect("the end");
                break;
            }
        }
        let end = self.tls.reader().read_to_end(&mut got);
        end.expect("it takes its leave before it closes");
        assert_eq!(got.len(), 0, "nothing comes after the replies");
    }

    fn say_goodbye(&mut self) {
        self.tls.send_close_notify();
        self.write().expect("room");
    }
}

fn over_tls_requests_in_order(pair: &Pair) {
    let server = start(pair);
    let exchange = (pair.service.exchange)(4 * MIB);
    let mut client = Client::connect(&server, &trusting(&server));
    let requests = many_requests();
    client.ask(&*exchange, &requests);
    for request in &requests[..20] {
        client.ask(&*exchange, &[*request]);
    }
    let size = if pair.service.name == "echo" { 4 * MIB } else { MIB };
    let large: Vec<Request> = (0..2).map(|id| request(id, size)).collect();
    client.ask(&*exchange, &large);
    client.say_goodbye();
    client.expect_end();
    drop(client);
    let counters = server.stop_clean(1);
    if pair.service.name != "echo" {
        assert_eq!(counters.requests, (requests.len() + 20 + large.len()) as u64, "{counters:?}");
    }
    assert_eq!(counters.connection_errors, 0, "{counters:?}");
}

/// A few records ask for 48 MiB: neither these nor what was decrypted of them makes the server grow.
fn over_tls_a_client_that_does_not_read(pair: &Pair) {
    let server = start(pair);
    let exchange = exchange(pair);
    let mut greedy = Client::connect(&server, &trusting(&server));
    greedy.ask(&*exchange, &[request(0, 64)]);
    // Workers that start later are no memory of this client.
    until("the workers have started and sleep", || {
        server.children().len() >= pair.processes() && server.asleep().is_some()
    });
    let before = resident_bytes(&server);
    let requests: Vec<Request> = (0..MOST_THAT_ASK_FOR_MORE).map(|id| request(id, 8 * 1024)).collect();
    let bytes: Vec<u8> = requests.iter().flat_map(|r| exchange.request(r).to_vec()).collect();
    let mut rest = &bytes[..];
    until("the server does not read either", || {
        let accepted = greedy.tls.writer().write(rest).expect("a buffer");
        rest = &rest[accepted..];
        greedy.write().expect("no reset");
        let first = server.asleep();
        std::thread::sleep(Duration::from_millis(60));
        (rest.is_empty() || accepted == 0) && first.is_some() && first == server.asleep()
    });
    let grown = resident_bytes(&server).saturating_sub(before);
    assert!(grown < 8 << 20, "the server grew by {grown} bytes for one client that does not read");
    let replies: Vec<u8> = requests.iter().flat_map(|r| exchange.reply(r).to_vec()).collect();
    let got = greedy.converse(rest, replies.len()).expect("it reads again, and has lost nothing");
    assert!(got == replies);
    drop(greedy);
    server.stop_clean(1);
}

/// In whatever thread or process the next one is served, and in both versions: the tickets of 1.2 are others.
fn over_tls_sessions_are_resumed(pair: &Pair) {
    const SESSIONS: usize = 12;
    let server = start(pair);
    let exchange = exchange(pair);
    for version in [&TLS13, &TLS12] {
        let config = speaking(&server, &[version]);
        for id in 0..SESSIONS as u64 {
            let mut client = Client::connect(&server, &config);
            client.ask(&*exchange, &[request(id, 100)]);
            let expected = if id == 0 { HandshakeKind::Full } else { HandshakeKind::Resumed };
            assert_eq!(client.tls.protocol_version(), Some(version.version));
            assert_eq!(client.tls.handshake_kind(), Some(expected), "session {id} of {version:?}");
            client.say_goodbye();
            client.expect_end();
        }
    }
    server.stop_clean(2 * SESSIONS);
}

/// All that comes until the server closes.
fn answer_to(server: &Server, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect_timeout(&server.addr, GUARD).expect("connect");
    stream.set_read_timeout(Some(GUARD)).expect("timeout");
    stream.write_all(bytes).expect("send");
    let mut answer = Vec::new();
    let end = stream.read_to_end(&mut answer);
    assert!(end.is_ok() || !answer.is_empty(), "{end:?}");
    answer
}

/// A first message of a client of TLS 1.1 (RFC 4346, 7.4.1.2).
fn hello_of_tls_1_1() -> Vec<u8> {
    let body = [&[3, 2][..], &[7; 32], &[0], &[0, 2, 0, 0x2f], &[1, 0]].concat();
    let message = [&[1, 0, 0, body.len() as u8][..], &body].concat();
    [&[22, 3, 1, 0, message.len() as u8][..], &message].concat()
}

fn over_tls_strangers_are_refused(pair: &Pair) {
    const FATAL: [u8; 6] = [21, 3, 3, 0, 2, 2];
    let server = start(pair);
    // Unencrypted HTTP gets an alert that a client shows, and not silence.
    let answer = answer_to(&server, b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n");
    assert!(answer.starts_with(&FATAL), "{answer:?}");
    let answer = answer_to(&server, &hello_of_tls_1_1());
    assert!(answer.starts_with(&FATAL), "{answer:?}");
    // A client that expects another certificate says so and leaves.
    let other = Identity::self_signed().expect("a certificate").fingerprint();
    let mut deceived =
        Client::connect(&server, &client_config(Some(other), 0, ALL_VERSIONS).expect("a configuration"));
    let refused = deceived.converse(b"secret", 6).expect_err("it must not talk to this server");
    assert!(refused.to_string().contains("invalid peer certificate"), "{refused}");
    drop(deceived);
    let mut client = Client::connect(&server, &trusting(&server));
    client.ask(&*exchange(pair), &[request(1, 64)]);
    drop(client);
    let counters = server.stop();
    assert_eq!((counters.accepted, counters.crashed), (4, 0), "{counters:?}");
    assert_eq!(counters.protocol_errors, 3, "{counters:?}");
}

fn over_tls_a_handshake_that_stops(pair: &Pair) {
    let server = start(pair);
    let config = trusting(&server);
    let mut stuck = Client::connect(&server, &config);
    let mut hello = Vec::new();
    stuck.tls.write_tls(&mut hello).expect("memory");
    stuck.stream.write_all(&hello[..hello.len() / 2]).expect("send");
    let asks = || Client::connect(&server, &config).ask(&*exchange(pair), &[request(1, 64)]);
    let mut accepted = 2;
    if pair.concurrency() > 1 {
        asks();
        accepted += 1;
    }
    drop(stuck);
    asks();
    server.stop_clean(accepted);
}

fn over_tls_a_truncated_close(pair: &Pair) {
    let server = start(pair);
    let mut client = Client::connect(&server, &trusting(&server));
    client.ask(&*exchange(pair), &[request(1, 64)]);
    // Half of the next record, and the end of the connection without a word.
    client.tls.writer().write_all(&[1; 100]).expect("a buffer");
    let mut record = Vec::new();
    client.tls.write_tls(&mut record).expect("memory");
    client.stream.write_all(&record[..record.len() / 2]).expect("send");
    client.stream.shutdown(Shutdown::Write).expect("half-close");
    client.expect_end();
    drop(client);
    let counters = server.stop_clean(1);
    assert_eq!(counters.connection_errors, 0, "{counters:?}");
}
