//! The swarm's end of TLS: the handshake of a connection, and requests and replies through it.
//!
//! A connection without TLS pays one branch for this. With it, a handshake and each record allocate, as they do in any client
//! of rustls: what a load over TLS measures has the client's cryptography in it, and the generator's limits say so.

use super::pieces::rest;
use crate::swarm::spec::ClientTls;
use bakeoff_servers::exchange::Parts;
use bakeoff_servers::tls::{TlsError, client_config};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, send, sendmsg};
use rustls::pki_types::ServerName;
use rustls::{ALL_VERSIONS, ClientConfig, ClientConnection, HandshakeKind};
use std::io::{self, IoSlice, Read as _, Write};
use std::net::SocketAddr;
use std::sync::Arc;

/// What of a worker's buffer takes ciphertext. The rest takes its plaintext, with that of a record that had come in part.
const CIPHERTEXT: usize = 20 << 10;

/// Makes the connections of one worker clients of TLS.
#[derive(Debug)]
pub(super) struct TlsClient {
    config: Arc<ClientConfig>,
    server: ServerName<'static>,
}

impl TlsClient {
    /// For so many connections at once to `target`.
    pub(super) fn new(tls: ClientTls, target: SocketAddr, connections: usize) -> Result<Self, TlsError> {
        // A server sends two tickets as a rule, and some more; a connection takes one.
        let tickets = if tls.resume { 2 * connections + 8 } else { 0 };
        let config = client_config(tls.fingerprint, tickets, ALL_VERSIONS)?;
        Ok(Self { config, server: target.ip().into() })
    }

    /// The client's end of a new connection.
    pub(super) fn open(&self) -> Result<Box<TlsStream>, Errno> {
        let tls = ClientConnection::new(Arc::clone(&self.config), self.server.clone());
        Ok(Box::new(TlsStream { tls: tls.map_err(|_| Errno::INVAL)?, is_truncated: false }))
    }
}

/// The client's end of one connection.
#[derive(Debug)]
pub(super) struct TlsStream {
    tls: ClientConnection,
    is_truncated: bool,
}

impl TlsStream {
    /// Whether the connection has ended without the server's word that it does.
    pub(super) fn is_truncated(&self) -> bool {
        self.is_truncated
    }

    /// Whether its handshake resumed an earlier session; `None` before it is over.
    pub(super) fn is_resumed(&self) -> Option<bool> {
        self.tls.handshake_kind().map(|kind| kind == HandshakeKind::Resumed)
    }

    /// Goes on with the handshake as far as the socket lets it; says whether it is over. What the server should not have said
    /// meanwhile is an error.
    pub(super) fn handshake(&mut self, socket: &OwnedFd, buffer: &mut [u8]) -> Result<bool, Errno> {
        loop {
            if !self.flush(socket)? {
                return Ok(false);
            }
            if !self.tls.is_handshaking() {
                return Ok(true);
            }
            match self.read(socket, buffer) {
                Ok(Some((0, _))) => {}
                Ok(_) => return Err(Errno::PROTO),
                Err(Errno::AGAIN) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads until there is plaintext: how much (none: the end), and whether the socket is known to hold no more.
    pub(super) fn receive(&mut self, socket: &OwnedFd, buffer: &mut [u8]) -> Result<(usize, bool), Errno> {
        loop {
            match self.read(socket, buffer)? {
                Some((0, _)) => {} // a ticket, or a part of a record
                Some(read) => return Ok(read),
                None => return Ok((0, true)),
            }
        }
    }

    /// One read: the plaintext that it completes, at the front of `buffer`, and whether the socket is known to hold no more;
    /// `None` at the end.
    fn read(&mut self, socket: &OwnedFd, buffer: &mut [u8]) -> Result<Option<(usize, bool)>, Errno> {
        if self.has_ended() {
            return Ok(None); // it may keep the socket open and send nothing more
        }
        let middle = buffer.len() - CIPHERTEXT;
        let (plaintext, ciphertext) = buffer.split_at_mut(middle);
        let (_, count) = match recv(socket, &mut *ciphertext, RecvFlags::empty()) {
            Err(Errno::INTR) => return Ok(Some((0, false))),
            received => received?,
        };
        if count == 0 {
            self.is_truncated = !self.has_ended();
            return Ok(None);
        }
        let decrypted = self.decrypt(&ciphertext[..count], plaintext);
        let Ok(length) = decrypted else {
            let _ = self.flush(socket); // the alert that says why
            return Err(Errno::BADMSG);
        };
        if length == 0 && self.has_ended() {
            return Ok(None);
        }
        Ok(Some((length, count < CIPHERTEXT && !self.has_ended())))
    }

    /// Whether the server has said that it sends no more.
    fn has_ended(&mut self) -> bool {
        self.tls.process_new_packets().is_ok_and(|state| state.peer_has_closed())
    }

    fn decrypt(&mut self, mut ciphertext: &[u8], plaintext: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while !ciphertext.is_empty() {
            if self.tls.read_tls(&mut ciphertext)? == 0 {
                break; // behind the server's farewell
            }
            let state = self.tls.process_new_packets().map_err(io::Error::other)?;
            let end = filled + state.plaintext_bytes_to_read();
            self.tls.reader().read_exact(&mut plaintext[filled..end])?;
            filled = end;
        }
        Ok(filled)
    }

    /// Sends what the socket takes of a request of which `sent` bytes are encrypted; says whether all of it is on its way.
    pub(super) fn send(
        &mut self,
        socket: &OwnedFd,
        request: &Parts<'_>,
        sent: &mut u32,
    ) -> Result<bool, Errno> {
        while self.flush(socket)? {
            if *sent as usize == request.len() {
                return Ok(true);
            }
            let (slices, pieces) = rest(request, *sent as usize);
            let encrypted = self.tls.writer().write_vectored(&slices[..pieces]);
            *sent += encrypted.map_err(|_| Errno::NOBUFS)? as u32;
        }
        Ok(false)
    }

    /// Tells the server that nothing more comes, if the socket takes it.
    pub(super) fn say_goodbye(&mut self, socket: &OwnedFd) {
        if !self.tls.is_handshaking() {
            self.tls.send_close_notify();
            let _ = self.flush(socket);
        }
    }

    /// Sends what is encrypted; says whether all of it is.
    fn flush(&mut self, socket: &OwnedFd) -> Result<bool, Errno> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut Sender(socket)) {
                Ok(_) => {}
                Err(error) => match Errno::from_io_error(&error) {
                    Some(Errno::AGAIN) => return Ok(false),
                    Some(Errno::INTR) => {}
                    other => return Err(other.unwrap_or(Errno::IO)),
                },
            }
        }
        Ok(true)
    }
}

/// A socket to write ciphertext to: a record is one piece, which takes the cheaper call.
struct Sender<'a>(&'a OwnedFd);

impl Write for Sender<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(send(self.0, bytes, SendFlags::NOSIGNAL)?)
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        match pieces {
            [piece] => self.write(piece),
            _ => Ok(sendmsg(self.0, pieces, &mut SendAncillaryBuffer::default(), SendFlags::NOSIGNAL)?),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
