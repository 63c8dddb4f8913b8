//! A worker over TLS: handshakes full and resumed, and servers that break it.
//!
//! The server is the session of TLS that the models serve, in a blocking loop on a thread for each connection; or one of rustls
//! alone, for what ours does not do: to speak TLS 1.2 alone, and to take leave in the middle of a reply.

use crate::swarm::{Echo, Fault, Server, churn, closed, hasty, open, run, spec};
use bakeoff::swarm::spec::{ClientTls, WorkerSpec};
use bakeoff::swarm::worker::prepare;
use bakeoff::workload::load::{Arrivals, Background, Load};
use bakeoff_reports::record::{Counts, ErrorKind, Handshakes};
use bakeoff_servers::tls::{Fingerprint, Identity, over_tls};
use bakeoff_servers::{Next, Service, ServiceConfig, services};
use rustls::crypto::ring;
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion};
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::spawn;

/// What a server does to the ciphertext of its first reply.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Breaks {
    Nothing,
    /// Flips a bit of it.
    Record,
    /// Sends half of it and closes.
    Off,
}

/// Starts an echo over TLS that ends with the test's process.
fn start(breaks: Breaks) -> (SocketAddr, Fingerprint) {
    let identity = Identity::self_signed().expect("a certificate");
    let echo = services::find("echo").expect("it is built in");
    let service = over_tls((echo.build)(&ServiceConfig::default()), &identity).expect("TLS");
    (listen(move |stream| serve(stream, &*service, breaks)), identity.fingerprint())
}

/// Serves each connection on a thread of its own.
fn listen(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let address = listener.local_addr().expect("bound");
    let serve = Arc::new(serve);
    spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let serve = Arc::clone(&serve);
            spawn(move || serve(stream));
        }
    });
    address
}

/// An echo of rustls alone that speaks one version. One that leaves sends half of a reply and its farewell in one write, and keeps
/// the socket open.
fn start_rustls(version: &'static SupportedProtocolVersion, leaves: bool) -> (SocketAddr, Fingerprint) {
    let identity = Identity::self_signed().expect("a certificate");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .expect("ring has it")
        .with_no_client_auth()
        .with_single_cert(vec![identity.certificate().clone()], identity.key())
        .expect("a certificate and its key");
    let config = Arc::new(config);
    let echo = move |stream: TcpStream| -> io::Result<()> {
        stream.set_nodelay(true)?;
        let tls = ServerConnection::new(Arc::clone(&config)).map_err(io::Error::other)?;
        let (mut stream, mut buffer) = (StreamOwned::new(tls, stream), vec![0; 64 << 10]);
        loop {
            let count = stream.read(&mut buffer)?;
            if leaves {
                stream.conn.writer().write_all(&buffer[..count / 2])?;
                stream.conn.send_close_notify();
                stream.flush()?;
                return stream.sock.read_to_end(&mut Vec::new()).map(drop);
            }
            match count {
                0 => return Ok(()),
                count => stream.write_all(&buffer[..count])?,
            }
        }
    };
    (listen(move |stream| drop(echo(stream))), identity.fingerprint())
}

fn serve(mut stream: TcpStream, service: &dyn Service, breaks: Breaks) {
    let (mut session, mut unread, mut buffer) = (service.open(), Vec::new(), vec![0; 64 << 10]);
    stream.set_nodelay(true).expect("an option");
    loop {
        let Ok(count @ 1..) = stream.read(&mut buffer) else { return };
        unread.extend_from_slice(&buffer[..count]);
        loop {
            let mut output = Vec::new();
            let step = session.advance(&unread, &mut output);
            unread.drain(..step.consumed);
            if step.completed > 0 && breaks != Breaks::Nothing {
                let half = output.len() / 2;
                match breaks {
                    Breaks::Record => output[half] ^= 1,
                    _ => output.truncate(half),
                }
            }
            if stream.write_all(&output).is_err() || !matches!(step.next, Next::Read) {
                return;
            }
            if step.completed > 0 && breaks == Breaks::Off {
                return;
            }
            if step.consumed == 0 || unread.is_empty() {
                break;
            }
        }
    }
}

fn over(spec: WorkerSpec, resume: bool, fingerprint: Option<Fingerprint>) -> WorkerSpec {
    WorkerSpec { tls: Some(ClientTls { resume, fingerprint }), ..spec }
}

#[test]
fn kept_connections_shake_hands_before_the_window() {
    let (address, fingerprint) = start(Breaks::Nothing);
    for load in [closed(8), open(8, 2_000.0, Arrivals::Poisson)] {
        let part = run(&over(spec(address, load), true, Some(fingerprint)));
        assert_eq!(part.counts.unanswered(), 0, "{:?}", part.counts);
        assert!(part.counts.ok > 8, "{:?}", part.counts);
        assert_eq!(part.connect.count, 8);
        assert_eq!(part.handshakes, Some(Handshakes::default()), "none in the window");
    }
}

#[test]
fn churn_resumes_sessions_or_does_not() {
    for (address, fingerprint) in [start(Breaks::Nothing), start_rustls(&TLS12, false)] {
        for resume in [false, true] {
            let part = run(&over(spec(address, churn(4, 1)), resume, Some(fingerprint)));
            assert_eq!(part.counts.unanswered(), 0, "{:?}", part.counts);
            let Handshakes { full, resumed } = part.handshakes.expect("over TLS");
            assert_eq!(full + resumed, part.connect.count, "one for each connect");
            let (wanted, other) = if resume { (resumed, full) } else { (full, resumed) };
            assert!(wanted > 0 && other == 0, "{full} full, {resumed} resumed, asked to resume: {resume}");
        }
    }
}

#[test]
fn large_messages_come_through() {
    let (address, _) = start(Breaks::Nothing);
    let mut spec = over(spec(address, closed(3)), true, None);
    spec.request.size = 1 << 20;
    let part = run(&spec);
    assert_eq!(part.counts.unanswered(), 0, "{:?}", part.counts);
    assert_eq!(part.reply_bytes_in_window, part.completed_in_window << 20);
}

/// Every reply is an error of this kind.
fn fails_with(kind: ErrorKind, (address, fingerprint): (SocketAddr, Fingerprint)) {
    let part = run(&hasty(over(spec(address, closed(2)), true, Some(fingerprint))));
    let Counts { ok, errors, .. } = &part.counts;
    assert!(*ok == 0 && errors.get(&kind).is_some_and(|count| *count > 0), "{:?}", part.counts);
    assert!(errors.keys().all(|other| *other == kind), "{errors:?}");
}

#[test]
fn a_broken_record_is_corrupt_and_a_cut_reply_closed() {
    fails_with(ErrorKind::Corrupt, start(Breaks::Record));
    fails_with(ErrorKind::Closed, start(Breaks::Off));
}

/// The end need not be looked for in the socket, where nothing else may come.
#[test]
fn a_farewell_in_the_read_of_the_last_bytes_ends_the_connection() {
    for version in [&TLS12, &TLS13] {
        fails_with(ErrorKind::Closed, start_rustls(version, true));
    }
}

#[test]
fn a_wrong_certificate_or_no_tls_connects_nothing() {
    let (address, _) = start(Breaks::Nothing);
    let other = Identity::self_signed().expect("a certificate").fingerprint();
    let plain = Server::start(Fault::None);
    for (address, fingerprint) in [(address, Some(other)), (plain.address, None)] {
        let refused = spawn(move || {
            let spec = hasty(over(spec(address, closed(2)), true, fingerprint));
            prepare(&spec, &Echo).map(drop).expect_err("it must not be talked to").to_string()
        });
        let refused = refused.join().expect("no panic");
        assert!(refused.contains("the handshake of TLS failed"), "{refused}");
    }
}

#[test]
fn what_cannot_go_over_tls_is_refused_before_any_work() {
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 9));
    let piped = spec(nowhere, Load::Pipelined { clients: 1, depth: 2 });
    let held = WorkerSpec {
        background: Background { idle: 1, ..Background::default() },
        ..spec(nowhere, closed(1))
    };
    for (spec, what) in [(piped, "pipeline"), (held, "background")] {
        let refused = prepare(&over(spec, true, None), &Echo).expect_err("it cannot").to_string();
        assert!(refused.contains(what) && refused.contains("TLS"), "{refused}");
    }
}
