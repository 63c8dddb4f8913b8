//! What every model must do that serves datagrams.

use crate::server::{GUARD, Server, config};
use crate::{Case, Pair, case};
use bakeoff_servers::CounterSnapshot;
use bakeoff_servers::datagrams::LONGEST;
use rustix::process::Signal;
use std::net::{Ipv4Addr, UdpSocket};

pub(crate) const ALL: &[Case] = &[
    case!(datagrams_of_0_and_1472_and_65507_bytes),
    case!(datagrams_of_many_senders),
    case!(a_datagram_from_a_stranger),
    case!(a_datagram_has_one_reply_from_the_address_it_was_sent_to),
    case!(datagrams_that_have_come_are_answered_at_the_stop),
    case!(a_full_buffer_is_told_apart),
];

/// The longest payload that fits a frame of Ethernet.
const FRAME: u32 = 1_472;

fn client(server: &Server) -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    socket.connect(server.addr).expect("an address");
    socket.set_read_timeout(Some(GUARD)).expect("a timeout");
    socket
}

fn bytes(length: u32, seed: u8) -> Vec<u8> {
    (0..length).map(|at| (at as u8).wrapping_mul(31).wrapping_add(seed)).collect()
}

fn expect(socket: &UdpSocket, expected: &[u8]) {
    let mut buffer = vec![0; 1 << 16];
    let length = socket.recv(&mut buffer).expect("a reply");
    assert!(buffer[..length] == *expected, "{length} bytes for {}", expected.len());
}

/// Stops the server, which must have answered `answered` datagrams and counted nothing else.
fn stop(server: Server, answered: u64) -> CounterSnapshot {
    let counters = server.stop_clean(0);
    assert_eq!((counters.requests, counters.unsent), (answered, 0), "{counters:?}");
    counters
}

fn datagrams_of_0_and_1472_and_65507_bytes(pair: &Pair) {
    let server = Server::start_datagrams(pair);
    let client = client(&server);
    let sizes = [0, 1, 64, FRAME, FRAME + 1, LONGEST, 0, LONGEST];
    for (seed, size) in (0..).zip(sizes) {
        let sent = bytes(size, seed);
        client.send(&sent).expect("it fits");
        expect(&client, &sent);
    }
    let counters = stop(server, sizes.len() as u64);
    let total: u64 = sizes.iter().map(|size| u64::from(*size)).sum();
    assert_eq!((counters.bytes_in, counters.bytes_out, counters.overflowed), (total, total, 0));
}

fn datagrams_of_many_senders(pair: &Pair) {
    const SENDERS: u8 = 50;
    let server = Server::start_datagrams(pair);
    let clients: Vec<UdpSocket> = (0..SENDERS).map(|_| client(&server)).collect();
    for round in 0..4_u8 {
        for (sender, client) in (0..).zip(&clients) {
            client.send(&[sender, round]).expect("it fits");
        }
        for (sender, client) in (0..).zip(&clients) {
            expect(client, &[sender, round]);
        }
    }
    assert_eq!(stop(server, 4 * u64::from(SENDERS)).overflowed, 0);
}

/// Who sends something in the middle of another's conversation is answered alone, and who is gone by then disturbs nobody.
fn a_datagram_from_a_stranger(pair: &Pair) {
    let server = Server::start_datagrams(pair);
    let [known, stranger] = [(); 2].map(|()| client(&server));
    for number in 0..20 {
        known.send(&[number; 64]).expect("it fits");
        stranger.send(&[number; 32]).expect("it fits");
        client(&server).send(&[number; 16]).expect("it fits");
        expect(&known, &[number; 64]);
        expect(&stranger, &[number; 32]);
    }
    stop(server, 60);
    for socket in [known, stranger] {
        socket.set_nonblocking(true).expect("a flag");
        assert!(socket.recv(&mut [0; 64]).is_err(), "its own replies alone");
    }
}

fn a_datagram_has_one_reply_from_the_address_it_was_sent_to(pair: &Pair) {
    let server = Server::start_datagrams(pair);
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    socket.set_read_timeout(Some(GUARD)).expect("a timeout");
    let mut buffer = [0; 64];
    for number in 0..20 {
        socket.send_to(&[number], server.addr).expect("it fits");
        let (length, from) = socket.recv_from(&mut buffer).expect("a reply");
        assert_eq!((&buffer[..length], from), (&[number][..], server.addr));
    }
    stop(server, 20);
    socket.set_nonblocking(true).expect("a flag");
    assert!(socket.recv_from(&mut buffer).is_err(), "one reply each");
}

fn datagrams_that_have_come_are_answered_at_the_stop(pair: &Pair) {
    let server = Server::start_datagrams(pair);
    let client = client(&server);
    client.send(b"first").expect("it fits");
    expect(&client, b"first"); // it serves
    server.signal_group(Signal::STOP);
    for number in 0..10 {
        client.send(&[number; 100]).expect("it fits");
    }
    server.terminate();
    server.signal_group(Signal::CONT);
    stop(server, 11);
    // Threads that share a socket answer in whatever order they please.
    let mut buffer = [0; 128];
    let mut numbers: Vec<u8> =
        (0..10).map(|_| (client.recv(&mut buffer).expect("a reply"), buffer[0]).1).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..10).collect::<Vec<u8>>());
}

fn a_full_buffer_is_told_apart(pair: &Pair) {
    const SENT: u64 = 3_000;
    let server = Server::start_datagrams(pair);
    let client = client(&server);
    client.send(b"first").expect("it fits");
    expect(&client, b"first");
    server.signal_group(Signal::STOP);
    for _ in 0..SENT {
        client.send(&[0; 1_000]).expect("loopback takes it");
    }
    server.terminate();
    server.signal_group(Signal::CONT);
    let counters = server.stop_clean(0);
    assert!(counters.overflowed > 0, "3 MB do not fit one buffer: {counters:?}");
    assert_eq!(counters.requests + counters.unsent + counters.overflowed, SENT + 1, "{counters:?}");
    let sockets = pair.model.datagrams().map(|datagrams| (datagrams.sockets)(&config()));
    assert!(sockets >= Some(1));
}
