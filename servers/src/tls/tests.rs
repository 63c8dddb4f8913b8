//! A session over TLS without a socket: a client of rustls on one side, the protocol of a connection on the other.

use super::*;
use crate::drive::buffers::READ_SIZE;
use crate::drive::protocol::{Action, BATCH, Protocol};
use crate::services::{self, ServiceConfig};
use crate::{Next, Request};
use rustls::pki_types::ServerName;
use rustls::{ALL_VERSIONS, ClientConnection, HandshakeKind};
use std::io::{Read as _, Write as _};

fn service(name: &str) -> (Arc<dyn Service>, Arc<rustls::ClientConfig>) {
    let identity = Identity::self_signed().expect("a certificate");
    let inner = (services::find(name).expect("a service").build)(&ServiceConfig::default());
    let config = client_config(Some(identity.fingerprint()), 4, ALL_VERSIONS).expect("a configuration");
    (over_tls(inner, &identity).expect("TLS"), config)
}

fn client(config: &Arc<rustls::ClientConfig>) -> ClientConnection {
    let name = ServerName::try_from("localhost").expect("a name");
    ClientConnection::new(Arc::clone(config), name).expect("a client")
}

/// What the client has to say, in pieces of so many bytes, goes to the server; what it answers, back. Returns the plaintext that
/// comes and the longest output there was; `None` once the connection is closed.
fn talk(client: &mut ClientConnection, server: &mut Protocol, piece: usize) -> Option<(Vec<u8>, usize)> {
    let (mut plain, mut longest) = (Vec::new(), 0);
    while client.wants_write() {
        let mut sent = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut sent).expect("memory");
        }
        for bytes in sent.chunks(piece) {
            let mut output = Vec::new();
            let mut action = server.on_data(bytes, &mut output);
            loop {
                longest = longest.max(output.len());
                take(client, &output, &mut plain);
                output.clear();
                action = match action {
                    Action::Read => break,
                    Action::Write => server.on_written(&mut output).1,
                    Action::Run(job) => server.on_result(job.run(), &mut output),
                    Action::AwaitRoom => panic!("there is always room"),
                    Action::Close => return None,
                };
            }
        }
    }
    Some((plain, longest))
}

fn take(client: &mut ClientConnection, mut bytes: &[u8], plain: &mut Vec<u8>) {
    while !bytes.is_empty() {
        client.read_tls(&mut bytes).expect("memory");
        let length = client.process_new_packets().expect("TLS").plaintext_bytes_to_read();
        client.reader().take(length as u64).read_to_end(plain).expect("plaintext");
    }
}

#[test]
fn requests_come_through_in_whatever_pieces() {
    for piece in [1, 7, 100, READ_SIZE] {
        for name in ["line", "static", "dynamic", "hash"] {
            let exchange = (services::find(name).expect("a service").exchange)(700);
            let requests: Vec<Request> = (0..30).map(|id| Request::new(id, 20 + id as u32, 1)).collect();
            let (service, config) = service(name);
            let (mut client, mut server) = (client(&config), Protocol::new(service.open()));
            for request in &requests {
                client.writer().write_all(&exchange.request(request).to_vec()).expect("room");
            }
            let (got, _) = talk(&mut client, &mut server, piece).expect("it stays open");
            let right: Vec<u8> =
                requests.iter().flat_map(|request| exchange.reply(request).to_vec()).collect();
            assert!(got == right, "{name} in pieces of {piece}: {} bytes of {}", got.len(), right.len());
        }
    }
}

#[test]
fn a_record_that_asks_for_much_is_answered_in_batches() {
    let (service, config) = service("http");
    let exchange = (services::find("http").expect("a service").exchange)(64 << 10);
    let requests: Vec<Request> = (0..200).map(|id| Request::new(id, 64 << 10, 0)).collect();
    let (mut client, mut server) = (client(&config), Protocol::new(service.open()));
    talk(&mut client, &mut server, READ_SIZE);
    let bytes: Vec<u8> = requests.iter().flat_map(|request| exchange.request(request).to_vec()).collect();
    assert!(bytes.len() < 16 << 10, "one record");
    client.writer().write_all(&bytes).expect("room");
    // The last byte alone: what was held back must not be used up before the plaintext is.
    let (got, longest) = talk(&mut client, &mut server, bytes.len() + 21).expect("it stays open");
    assert!(got == requests.iter().flat_map(|request| exchange.reply(request).to_vec()).collect::<Vec<u8>>());
    assert!(longest < 2 * BATCH, "{longest} bytes at once");
}

#[test]
fn a_session_is_resumed_and_a_farewell_answered() {
    let (service, config) = service("echo");
    for kind in [HandshakeKind::Full, HandshakeKind::Resumed, HandshakeKind::Resumed] {
        let (mut client, mut server) = (client(&config), Protocol::new(service.open()));
        client.writer().write_all(b"hello").expect("room");
        assert_eq!(talk(&mut client, &mut server, READ_SIZE).expect("open").0, b"hello");
        assert_eq!(client.handshake_kind(), Some(kind));
        client.send_close_notify();
        assert_eq!(talk(&mut client, &mut server, READ_SIZE), None, "it closes");
        assert!(client.process_new_packets().expect("TLS").peer_has_closed(), "and says so");
        assert_eq!(server.rejected(), None);
    }
}

#[test]
fn what_is_no_tls_or_damaged_is_rejected() {
    let (service, config) = service("echo");
    let long = [23, 3, 3, 0xff, 0xff];
    for garbage in [b"GET / HTTP/1.1\r\n".as_slice(), &long, &[23, 3, 3, 0, 1, 99]] {
        let (mut session, mut output) = (service.open(), Vec::new());
        let next = session.advance(garbage, &mut output).next;
        assert!(matches!(next, Next::Reject(_)), "{garbage:?}: {next:?}");
        assert_eq!(output.first(), Some(&21), "an alert says so");
    }
    let (mut client, mut server) = (client(&config), Protocol::new(service.open()));
    talk(&mut client, &mut server, READ_SIZE).expect("a handshake");
    client.writer().write_all(b"hello").expect("room");
    let mut record = Vec::new();
    client.write_tls(&mut record).expect("memory");
    *record.last_mut().expect("bytes") ^= 1;
    server.on_data(&record, &mut Vec::new());
    assert_eq!(server.rejected(), Some("a record of TLS was tampered with"));
}

#[test]
fn a_fingerprint_reads_back_and_is_checked() {
    let fingerprint = Identity::self_signed().expect("a certificate").fingerprint();
    let text = fingerprint.to_string();
    assert_eq!(text.parse(), Ok(fingerprint));
    let colons: Vec<String> = (0..32).map(|at| text[2 * at..2 * at + 2].to_uppercase()).collect();
    assert_eq!(colons.join(":").parse(), Ok(fingerprint), "as openssl prints it");
    for wrong in ["", "ab", &text[1..], &format!("{text}0"), &text.replace(&text[..1], "g")] {
        assert!(wrong.parse::<Fingerprint>().is_err(), "{wrong}");
    }
    let other = Identity::self_signed().expect("a certificate").fingerprint();
    assert_ne!(fingerprint, other, "each start has a key of its own");
}
