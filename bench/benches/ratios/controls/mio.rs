//! An echo server on mio, by hand: one loop, a slab of streams.

use super::BUFFER;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use std::io::{self, ErrorKind, Read as _, Write as _};

const LISTENER: Token = Token(usize::MAX);

struct Connection {
    stream: TcpStream,
    unsent: Vec<u8>,
}

pub(super) fn serve(listener: std::net::TcpListener, _: usize) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let mut listener = TcpListener::from_std(listener);
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut events = Events::with_capacity(1024);
    let mut connections: Vec<Option<Connection>> = Vec::new();
    let mut free: Vec<usize> = Vec::new();
    let mut buffer = vec![0; BUFFER];
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut stream, _)) = listener.accept() {
                    let slot = free.pop().unwrap_or_else(|| {
                        connections.push(None);
                        connections.len() - 1
                    });
                    poll.registry().register(
                        &mut stream,
                        Token(slot),
                        Interest::READABLE | Interest::WRITABLE,
                    )?;
                    connections[slot] = Some(Connection { stream, unsent: Vec::new() });
                }
                continue;
            }
            let slot = event.token().0;
            let Some(connection) = &mut connections[slot] else { continue };
            if !ready(connection, &mut buffer, event.is_read_closed()) {
                connections[slot] = None;
                free.push(slot);
            }
        }
    }
}

/// Echoes what has come; false when the connection is over.
fn ready(connection: &mut Connection, buffer: &mut [u8], closing: bool) -> bool {
    loop {
        while !connection.unsent.is_empty() {
            match connection.stream.write(&connection.unsent) {
                Ok(n) => drop(connection.unsent.drain(..n)),
                Err(error) => return error.kind() == ErrorKind::WouldBlock,
            }
        }
        match connection.stream.read(buffer) {
            Ok(0) => return false,
            Ok(n) => {
                match connection.stream.write(&buffer[..n]) {
                    Ok(sent) => connection.unsent.extend_from_slice(&buffer[sent..n]),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        connection.unsent.extend_from_slice(&buffer[..n]);
                    }
                    Err(_) => return false,
                }
                // A short read has emptied the socket: the next bytes make a new event.
                if n < buffer.len() && !closing && connection.unsent.is_empty() {
                    return true;
                }
            }
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        }
    }
}
