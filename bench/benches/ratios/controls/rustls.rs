//! The limit over TLS: one thread, level-triggered epoll and rustls, one read and one write per event, as its users write it.

use super::BUFFER;
use bakeoff_servers::tls::Identity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;
use rustls::crypto::ring;
use rustls::{ServerConfig, ServerConnection};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd as _;
use std::sync::Arc;

struct Connection {
    stream: TcpStream,
    tls: ServerConnection,
    /// Whether it waits for room in its socket.
    stuck: bool,
}

pub(super) fn serve(listener: TcpListener, identity: &Identity) -> io::Result<()> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|config| {
            config
                .with_no_client_auth()
                .with_single_cert(vec![identity.certificate().clone()], identity.key())
        })
        .map_err(io::Error::other)?;
    config.ticketer = ring::Ticketer::new().map_err(io::Error::other)?;
    let config = Arc::new(config);
    listener.set_nonblocking(true)?;
    let poll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&poll, &listener, EventData::new_u64(u64::MAX), EventFlags::IN)?;
    let mut connections: Vec<Option<Connection>> = Vec::new();
    let mut buffer = vec![0; BUFFER];
    let mut events: Vec<epoll::Event> = Vec::with_capacity(1024);
    loop {
        events.clear();
        match epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in &events {
            if event.data.u64() == u64::MAX {
                while let Ok((stream, _)) = listener.accept() {
                    stream.set_nonblocking(true)?;
                    let fd = stream.as_raw_fd() as usize;
                    epoll::add(&poll, &stream, EventData::new_u64(fd as u64), EventFlags::IN)?;
                    if connections.len() <= fd {
                        connections.resize_with(fd + 1, || None);
                    }
                    let tls = ServerConnection::new(Arc::clone(&config)).map_err(io::Error::other)?;
                    connections[fd] = Some(Connection { stream, tls, stuck: false });
                }
                continue;
            }
            let fd = event.data.u64() as usize;
            let Some(connection) = &mut connections[fd] else { continue };
            let was_stuck = connection.stuck;
            if ready(connection, &mut buffer).is_err() {
                connections[fd] = None;
                continue;
            }
            if connection.stuck != was_stuck {
                let wanted = if connection.stuck { EventFlags::OUT } else { EventFlags::IN };
                epoll::modify(&poll, &connection.stream, EventData::new_u64(fd as u64), wanted)?;
            }
        }
    }
}

/// Echoes what has come, in the records that it came in.
fn ready(connection: &mut Connection, buffer: &mut [u8]) -> io::Result<()> {
    let Connection { stream, tls, stuck } = connection;
    if !*stuck {
        match tls.read_tls(stream) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error),
            _ => {}
        }
        let state = tls.process_new_packets().map_err(io::Error::other)?;
        if state.plaintext_bytes_to_read() > 0 {
            let count = tls.reader().read(buffer)?;
            tls.writer().write_all(&buffer[..count])?;
        }
        if state.peer_has_closed() {
            return Err(ErrorKind::ConnectionAborted.into());
        }
    }
    while tls.wants_write() {
        match tls.write_tls(stream) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    *stuck = tls.wants_write();
    Ok(())
}
