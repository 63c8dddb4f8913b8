//! One client connection: its socket and how far the request and the reply on it have come.
//!
//! Sends a request straight from the parts that describe it (short ones of several pieces are put together first), and
//! checks every byte of the reply against the parts that it must equal. Never allocates (but once a connection for a server that
//! words its replies otherwise than ours), never decides what is asked next.

use super::pieces::rest;
use super::tls::TlsStream;
use bakeoff_reports::record::ErrorKind;
use bakeoff_servers::exchange::{HttpExpected, HttpReply, Parts, Progress, Wrong};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, send, sendmsg};

/// What became of the reply when the socket was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// More bytes must come; what has come is right.
    Part,
    /// The whole reply has come, right to the last byte, and nothing behind it.
    Whole,
    /// The same, and the server closes the connection.
    Last,
    /// A whole reply has come, and a wrong one; the connection is fit for another.
    Wrong {
        /// Whether the server closes it.
        closes: bool,
    },
}

/// Messages up to so many bytes are copied together rather than sent as pieces: copying them costs less than what
/// `sendmsg` does with its list of pieces beyond `send`.
const COPY_BYTES: usize = 4096;

/// A connected non-blocking socket with at most one request outstanding.
///
/// Small, because there may be a million: lengths of messages fit 32 bits
/// ([`MAX_SIZE_BYTES`](crate::workload::bounds::MAX_SIZE_BYTES)).
#[derive(Debug)]
pub(super) struct Connection {
    socket: OwnedFd,
    sent: u32,
    received: u32,
    sent_whole: bool,
    /// What reads the replies of a server that words them otherwise than ours, from its first on.
    other_words: Option<Box<HttpReply>>,
    tls: Option<Box<TlsStream>>,
}

impl Connection {
    /// A connection over `socket`, which must be connected (or connecting) and non-blocking.
    pub(super) fn new(socket: OwnedFd) -> Self {
        Self { socket, sent: 0, sent_whole: false, received: 0, other_words: None, tls: None }
    }

    /// The same, over TLS: before the first request it takes a [handshake](Self::handshake).
    pub(super) fn over_tls(socket: OwnedFd, tls: Box<TlsStream>) -> Self {
        Self { tls: Some(tls), ..Self::new(socket) }
    }

    /// Its end of TLS.
    pub(super) fn tls(&self) -> Option<&TlsStream> {
        self.tls.as_deref()
    }

    /// Takes what has come while nothing was asked: whether it was something that the server should not have said, or the end.
    /// Without TLS all of it is, and is left unread.
    pub(super) fn is_unsolicited(&mut self, buffer: &mut [u8]) -> Result<bool, Errno> {
        let Some(tls) = &mut self.tls else { return Ok(true) };
        match tls.receive(&self.socket, buffer) {
            Ok((0, _)) => Err(Errno::CONNRESET),
            Ok(_) => Ok(true),
            Err(Errno::AGAIN) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Goes on with the handshake of TLS as far as the socket lets it; says whether all that comes before a request is done.
    pub(super) fn handshake(&mut self, buffer: &mut [u8]) -> Result<bool, Errno> {
        match &mut self.tls {
            None => Ok(true),
            Some(tls) => tls.handshake(&self.socket, buffer),
        }
    }

    /// Takes leave, where the protocol has a word for it. Closing is for the drop.
    pub(super) fn say_goodbye(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.say_goodbye(&self.socket);
        }
    }

    /// One read: how many bytes came (none: the end), and whether the socket is known to hold no more.
    fn read(&mut self, buffer: &mut [u8]) -> Result<(usize, bool), Errno> {
        match &mut self.tls {
            None => recv(&self.socket, &mut *buffer, RecvFlags::empty()).map(|(_, n)| (n, n < buffer.len())),
            Some(tls) => tls.receive(&self.socket, buffer),
        }
    }

    /// The socket.
    pub(super) fn socket(&self) -> &OwnedFd {
        &self.socket
    }

    /// Forgets the request before, so that the next can be sent.
    pub(super) fn reset(&mut self) {
        (self.sent, self.sent_whole, self.received) = (0, false, 0);
        if let Some(reply) = &mut self.other_words {
            reply.restart();
        }
    }

    /// Sends what the socket takes of the request, with `scratch` to put it together in. Says whether all of it is sent.
    pub(super) fn send(&mut self, request: &Parts<'_>, scratch: &mut [u8]) -> Result<bool, ErrorKind> {
        if let Some(tls) = &mut self.tls {
            self.sent_whole = tls.send(&self.socket, request, &mut self.sent).map_err(error_kind)?;
            return Ok(self.sent_whole);
        }
        let length = request.len() as u32;
        while self.sent < length {
            match send_from(&self.socket, request, self.sent as usize, scratch) {
                Ok(n) => self.sent += n as u32,
                Err(Errno::AGAIN) => return Ok(false),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error_kind(error)),
            }
        }
        self.sent_whole = true;
        Ok(true)
    }

    /// Whether the request is sent in full.
    pub(super) fn sent_whole(&self) -> bool {
        self.sent_whole
    }

    /// Bytes of the reply that have come.
    pub(super) fn received(&self) -> usize {
        self.received as usize
    }

    /// What reads the replies of a server that words them otherwise than ours.
    pub(super) fn other_words(&self) -> Option<&HttpReply> {
        self.other_words.as_deref()
    }

    /// Reads what has come and compares it with the reply it must be; where that fails, with what is `expected` of another
    /// server's words, if anything is.
    ///
    /// Reads until the socket is empty. A read that leaves room in `buffer` has emptied it, which spares the read that
    /// would say so, unless the peer is known to have hung up: then `to_the_end` makes sure that the end is seen.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] for a wrong byte, for bytes behind the reply, and for a reply to a request that is not
    /// yet sent in full; otherwise how the connection ended.
    pub(super) fn receive<'a>(
        &mut self,
        reply: &Parts<'_>,
        expected: impl Fn() -> Option<HttpExpected<'a>>,
        buffer: &mut [u8],
        to_the_end: bool,
    ) -> Result<Received, ErrorKind> {
        loop {
            match self.read(buffer) {
                Ok((0, _)) => {
                    // Whoever cuts a connection over TLS can cut a reply (RFC 9112, 9.8).
                    if self.tls.as_ref().is_some_and(|tls| tls.is_truncated()) {
                        return Err(ErrorKind::Closed);
                    }
                    let ends = self.other_words.as_mut().zip(expected());
                    return match ends.and_then(|(reader, expected)| reader.on_end(&expected)) {
                        Some(_) if !self.sent_whole => Err(self.early()),
                        Some(Progress::Whole { .. }) => Ok(Received::Last),
                        Some(Progress::Wrong { closes }) => Ok(Received::Wrong { closes }),
                        _ => Err(ErrorKind::Closed),
                    };
                }
                Ok((n, is_empty)) => {
                    let bytes = &buffer[..n];
                    let as_ours =
                        self.other_words.is_none() && reply.verify(self.received as usize, bytes) == Ok(n);
                    let progress = match as_ours {
                        true if self.received as usize + n == reply.len() => {
                            Progress::Whole { closes: false }
                        }
                        true => Progress::Part,
                        false => self.in_other_words(reply, expected().as_ref(), bytes)?,
                    };
                    self.received += n as u32;
                    match progress {
                        Progress::Whole { .. } | Progress::Wrong { .. } if !self.sent_whole => {
                            return Err(self.early());
                        }
                        Progress::Whole { closes: false } => return Ok(Received::Whole),
                        Progress::Whole { closes: true } => return Ok(Received::Last),
                        Progress::Wrong { closes } => return Ok(Received::Wrong { closes }),
                        Progress::Part => {}
                    }
                    if is_empty && !to_the_end {
                        return Ok(Received::Part);
                    }
                }
                Err(Errno::AGAIN) => return Ok(Received::Part),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error_kind(error)),
            }
        }
    }
}

impl Connection {
    /// A whole reply has come to a request that is not yet sent in full.
    #[cold]
    fn early(&mut self) -> ErrorKind {
        if let Some(reader) = &mut self.other_words {
            reader.is_early();
        }
        ErrorKind::Corrupt
    }

    /// Takes bytes that are not what our own server would send.
    #[cold]
    fn in_other_words(
        &mut self,
        reply: &Parts<'_>,
        expected: Option<&HttpExpected<'_>>,
        bytes: &[u8],
    ) -> Result<Progress, ErrorKind> {
        let expected = expected.ok_or(ErrorKind::Corrupt)?;
        let corrupt = |_: Wrong| ErrorKind::Corrupt;
        if self.other_words.is_none() {
            // What came before was what ours would send, to the byte.
            let before = &reply.to_vec()[..self.received as usize];
            let reader = self.other_words.insert(Box::default());
            reader.on_data(before, expected).map_err(corrupt)?;
        }
        let reader = self.other_words.as_mut().expect("made above");
        reader.on_data(bytes, expected).map_err(corrupt)
    }
}

/// One system call that sends from `offset` on. A message in one piece, or short enough to be copied into one, takes
/// the cheaper call.
pub(super) fn send_from(
    socket: &OwnedFd,
    message: &Parts<'_>,
    offset: usize,
    scratch: &mut [u8],
) -> Result<usize, Errno> {
    // A closed peer must be an error of this connection, not a signal to the process.
    let flags = SendFlags::NOSIGNAL;
    let [head, body, tail] = message.pieces();
    if head.is_empty() && tail.is_empty() {
        return send(socket, &body[offset..], flags);
    }
    let length = message.len();
    if length <= COPY_BYTES.min(scratch.len()) {
        let (first, rest) = scratch[..length].split_at_mut(head.len());
        let (second, third) = rest.split_at_mut(body.len());
        first.copy_from_slice(head);
        second.copy_from_slice(body);
        third.copy_from_slice(tail);
        return send(socket, &scratch[offset..length], flags);
    }
    let (slices, pieces) = rest(message, offset);
    sendmsg(socket, &slices[..pieces], &mut SendAncillaryBuffer::default(), flags)
}

/// How an error of a connected socket is counted.
pub(super) fn error_kind(error: Errno) -> ErrorKind {
    match error {
        Errno::CONNREFUSED => ErrorKind::Refused,
        Errno::CONNRESET | Errno::PIPE | Errno::CONNABORTED => ErrorKind::Reset,
        // No socket says that: what came was no TLS, or damaged.
        Errno::BADMSG => ErrorKind::Corrupt,
        _ => ErrorKind::Other,
    }
}

/// Whether an error says that this side had nothing left to connect with.
fn is_shortage(error: Errno) -> bool {
    matches!(
        error,
        Errno::ADDRNOTAVAIL
            | Errno::ADDRINUSE
            | Errno::AGAIN
            | Errno::MFILE
            | Errno::NFILE
            | Errno::NOBUFS
            | Errno::NOMEM
            | Errno::NOSPC
    )
}

/// How an error while connecting is counted.
pub(super) fn connect_error_kind(error: Errno) -> ErrorKind {
    if is_shortage(error) {
        return ErrorKind::Shortage;
    }
    match error_kind(error) {
        ErrorKind::Other | ErrorKind::Corrupt => ErrorKind::Connect,
        kind => kind,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    fn pair() -> (Connection, UnixStream) {
        let (ours, theirs) = UnixStream::pair().expect("a socket pair");
        ours.set_nonblocking(true).expect("a flag");
        (Connection::new(ours.into()), theirs)
    }

    fn parts() -> Parts<'static> {
        Parts::new(b"head", b"the body", b"\n")
    }

    #[test]
    fn a_request_arrives_whole_even_when_the_socket_takes_it_in_bits() {
        let (mut connection, mut peer) = pair();
        let body: Vec<u8> = (0..3_000_000_u32).map(|i| i as u8).collect();
        let request = Parts::new(b"0123456789", &body, b"end");
        assert_eq!(connection.send(&request, &mut []), Ok(false), "the socket cannot take 3 MB at once");
        let reader = std::thread::spawn(move || {
            let mut got = vec![0; 3_000_013];
            peer.read_exact(&mut got).map(|()| got)
        });
        while !connection.send(&request, &mut []).expect("the peer reads") {
            std::thread::yield_now();
        }
        assert!(reader.join().expect("no panic").expect("all bytes") == request.to_vec());
    }

    #[test]
    fn short_messages_are_put_together_and_go_on_where_they_stopped() {
        let whole = parts().to_vec();
        for scratch in [0, 64] {
            for from in 0..whole.len() {
                let (mut connection, mut peer) = pair();
                connection.sent = from as u32;
                assert_eq!(connection.send(&parts(), &mut vec![0; scratch]), Ok(true));
                let mut got = [0; 64];
                let n = peer.read(&mut got).expect("bytes");
                assert_eq!(got[..n], whole[from..], "from {from} with {scratch} bytes of scratch");
            }
        }
    }

    #[test]
    fn a_reply_is_right_in_whatever_bits_it_comes_and_through_the_smallest_buffer() {
        let whole = parts().to_vec();
        for cut in 0..=whole.len() {
            for size in [1, 3, 64] {
                let (mut connection, mut peer) = pair();
                assert_eq!(connection.send(&parts(), &mut [0; 64]), Ok(true));
                let mut buffer = vec![0; size];
                peer.write_all(&whole[..cut]).expect("room");
                let first = connection.receive(&parts(), || None, &mut buffer, false);
                let done = if cut == whole.len() { Received::Whole } else { Received::Part };
                assert_eq!(first, Ok(done), "cut at {cut}, buffer of {size}");
                if done == Received::Part {
                    peer.write_all(&whole[cut..]).expect("room");
                    assert_eq!(
                        connection.receive(&parts(), || None, &mut buffer, false),
                        Ok(Received::Whole)
                    );
                }
            }
        }
    }

    #[test]
    fn every_wrong_byte_and_every_extra_byte_is_corrupt() {
        for at in 0..=parts().len() {
            let (mut connection, mut peer) = pair();
            connection.send(&parts(), &mut [0; 64]).expect("room");
            let mut wrong = parts().to_vec();
            match wrong.get_mut(at) {
                Some(byte) => *byte ^= 1,
                None => wrong.push(0),
            }
            peer.write_all(&wrong).expect("room");
            assert_eq!(connection.receive(&parts(), || None, &mut [0; 64], false), Err(ErrorKind::Corrupt));
        }
    }

    #[test]
    fn a_reply_before_the_request_is_sent_is_corrupt() {
        let (mut connection, mut peer) = pair();
        peer.write_all(&parts().to_vec()).expect("room");
        assert_eq!(connection.receive(&parts(), || None, &mut [0; 64], false), Err(ErrorKind::Corrupt));
    }

    #[test]
    fn a_reply_of_http_before_the_request_is_sent_is_told_with_its_status() {
        let expected = || Some(HttpExpected::ok(b""));
        let body = vec![0; 3_000_000];
        for reply in [
            "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 413 Content Too Large\r\n\r\ntoo large",
        ] {
            let (mut connection, mut peer) = pair();
            assert_eq!(connection.send(&Parts::new(b"POST", &body, b""), &mut []), Ok(false));
            peer.write_all(reply.as_bytes()).expect("room");
            // Only the end tells that the second is whole.
            peer.shutdown(std::net::Shutdown::Write).expect("it is open");
            let got = connection.receive(&Parts::new(b"", b"", b""), expected, &mut [0; 128], true);
            assert_eq!(got, Err(ErrorKind::Corrupt), "{reply}");
            assert_eq!(connection.other_words().and_then(HttpReply::wrong), Some(Wrong::Early(413)));
        }
    }

    #[test]
    fn what_the_generator_lacks_is_not_the_servers_failure() {
        for error in
            [Errno::ADDRNOTAVAIL, Errno::ADDRINUSE, Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::NOBUFS]
        {
            assert_eq!(connect_error_kind(error), ErrorKind::Shortage, "{error}");
        }
        for (error, kind) in [
            (Errno::CONNREFUSED, ErrorKind::Refused),
            (Errno::CONNRESET, ErrorKind::Reset),
            (Errno::TIMEDOUT, ErrorKind::Connect),
            (Errno::HOSTUNREACH, ErrorKind::Connect),
        ] {
            assert_eq!(connect_error_kind(error), kind, "{error}");
        }
    }

    #[test]
    fn a_close_in_the_middle_is_seen() {
        let (mut connection, mut peer) = pair();
        connection.send(&parts(), &mut [0; 64]).expect("room");
        peer.write_all(b"head").expect("room");
        drop(peer);
        // Bytes were left unread by the peer, so the kernel may say reset instead of end.
        let got = connection.receive(&parts(), || None, &mut [0; 64], true);
        assert!(matches!(got, Err(ErrorKind::Closed | ErrorKind::Reset)), "{got:?}");
        assert!(matches!(connection.send(&Parts::new(b"", &[0; 99], b""), &mut []), Err(ErrorKind::Reset)));
    }
}
