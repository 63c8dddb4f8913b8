//! A balancer for tests: relays each connection, byte by byte, to the next server that takes it.
//!
//! `relay PORT ADDRESS,ADDRESS,... [READS]`: with READS it ends with status 7 and a last word after so many reads from clients.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [port, servers, reads @ ..] = words.as_slice() else { panic!("relay PORT SERVERS [READS]") };
    let servers: Vec<SocketAddr> = servers.split(',').map(|one| one.parse().expect("an address")).collect();
    let reads = reads.first().map_or(i64::MAX, |reads| reads.parse().expect("a number"));
    let left = Arc::new(AtomicI64::new(reads));
    let listener = TcpListener::bind(("127.0.0.1", port.parse().expect("a port"))).expect("it is free");
    for (at, client) in listener.incoming().flatten().enumerate() {
        let next = (0..servers.len()).map(|step| servers[(at + step) % servers.len()]);
        // Without any server the client is hung up on.
        let Some(server) = next.into_iter().find_map(|address| TcpStream::connect(address).ok()) else {
            continue;
        };
        let streams = [&client, &server].map(|stream| stream.try_clone().expect("a descriptor"));
        let [from_client, from_server] = streams;
        let left = Arc::clone(&left);
        std::thread::spawn(move || pass(from_client, server, || count(&left)));
        std::thread::spawn(move || pass(from_server, client, || ()));
    }
}

fn count(left: &AtomicI64) {
    if left.fetch_sub(1, Ordering::Relaxed) <= 0 {
        eprintln!("relay: out of patience");
        std::process::exit(7);
    }
}

/// Passes on what comes until either side ends; then both do.
fn pass(mut from: TcpStream, mut to: TcpStream, each: impl Fn()) {
    let _ = to.set_nodelay(true);
    let mut buffer = [0; 16 << 10];
    while let Ok(n @ 1..) = from.read(&mut buffer) {
        each();
        if to.write_all(&buffer[..n]).is_err() {
            break;
        }
    }
    for stream in [from, to] {
        let _ = stream.shutdown(Shutdown::Both);
    }
}
