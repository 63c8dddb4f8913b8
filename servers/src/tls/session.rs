//! A session over TLS: ciphertext in, ciphertext out, and another session within that sees the plaintext.
//!
//! Without I/O like every session, and within the bounds that [`drive::protocol`](crate::drive::protocol) keeps. A driver comes
//! back only while input is left unconsumed. So as long as the inner session has not used the plaintext of the records that were
//! decrypted (its replies fill a batch, or it waits for a job), the last bytes of these records are held back: a byte is given up
//! at each call, and a record has more bytes than its plaintext has requests.

use crate::drive::buffers::{READ_SIZE, RETAINED, clear};
use crate::drive::protocol::BATCH;
use crate::{Advance, JobOutput, Next, Session};
use rustls::{AlertDescription, Error, ServerConnection};
use std::cell::Cell;
use std::io::{Read as _, Write as _};
use std::mem;

/// Length of the head of a record: its type, a version, the length of the rest (RFC 8446, 5.1).
const HEAD: usize = 5;
/// The most that may follow it: TLS 1.2 allows more than 1.3 (RFC 5246, 6.2.3).
const LONGEST: usize = 16 * 1024 + 2_048;
/// Types of record there are: from change_cipher_spec to application_data.
const TYPES: std::ops::RangeInclusive<u8> = 20..=23;
/// Plaintext that is encrypted before it is moved on, so that long replies are not held three times.
const PIECE: usize = READ_SIZE;

/// Buffers of a thread, empty between calls: an idle connection keeps none.
#[derive(Default)]
struct Scratch {
    plain: Vec<u8>,
    replies: Vec<u8>,
}

thread_local! {
    static SCRATCH: Cell<Scratch> = Cell::default();
}

/// One connection's TLS, and its session within.
pub(super) struct TlsSession {
    tls: ServerConnection,
    inner: Box<dyn Session>,
    /// Plaintext that the inner session has not used.
    unused: Vec<u8>,
    /// Bytes at the front of the input that are decrypted already and not consumed.
    held: usize,
    /// Whether the client has said that it sends no more.
    is_last: bool,
}

/// What the inner session did with the plaintext.
struct Turn {
    used: usize,
    completed: u32,
    next: Next,
    /// Whether it can do nothing with what is left before more comes.
    wants_more: bool,
}

impl TlsSession {
    pub(super) fn new(mut tls: ServerConnection, inner: Box<dyn Session>) -> Self {
        tls.set_buffer_limit(None); // what is encrypted at a time is bounded here
        Self { tls, inner, unused: Vec::new(), held: 0, is_last: false }
    }

    /// Decrypts whole records and adds their plaintext to `plain`.
    fn decrypt(&mut self, mut records: &[u8], plain: &mut Vec<u8>) -> Result<(), Error> {
        let failed = |_| Error::General("the records do not fit".into());
        while !records.is_empty() && !self.is_last {
            self.tls.read_tls(&mut records).map_err(failed)?;
            let state = self.tls.process_new_packets()?;
            let length = state.plaintext_bytes_to_read();
            if length > 0 {
                self.tls.reader().take(length as u64).read_to_end(plain).map_err(failed)?;
            }
            self.is_last = state.peer_has_closed();
        }
        Ok(())
    }

    /// Offers plaintext until the inner session wants something else than the rest of it, or its replies fill a batch.
    fn turn(&mut self, plain: &[u8], replies: &mut Vec<u8>) -> Turn {
        let mut turn = Turn { used: 0, completed: 0, next: Next::Read, wants_more: false };
        while turn.used < plain.len() && replies.len() < BATCH {
            let step = self.inner.advance(&plain[turn.used..], replies);
            turn.used += step.consumed;
            turn.completed += step.completed;
            match step.next {
                Next::Read if step.consumed > 0 => {}
                next => {
                    turn.wants_more = matches!(next, Next::Read);
                    turn.next = next;
                    break;
                }
            }
        }
        turn
    }

    /// Keeps the plaintext that is left, and gives the buffer back where nothing is.
    fn keep(&mut self, mut plain: Vec<u8>, used: usize) -> Vec<u8> {
        if used == plain.len() {
            clear(&mut plain, RETAINED);
            return plain;
        }
        plain.drain(..used);
        if plain.capacity() > 2 * plain.len() {
            plain.shrink_to_fit(); // a partial request in a thread's buffer
        }
        self.unused = plain;
        Vec::new()
    }

    /// Encrypts replies, and adds what TLS has to say besides.
    fn encrypt(&mut self, replies: &[u8], output: &mut Vec<u8>) {
        for piece in replies.chunks(PIECE) {
            self.tls.writer().write_all(piece).expect("its buffer has no limit");
            self.flush(output);
        }
        self.flush(output);
    }

    fn flush(&mut self, output: &mut Vec<u8>) {
        while self.tls.wants_write() {
            self.tls.write_tls(output).expect("memory takes all");
        }
    }

    /// What the driver is told when the inner session wants `next`; an end is said to the client, too.
    fn conclude(&mut self, next: Next, is_through: bool, output: &mut Vec<u8>) -> Next {
        let next = if self.is_last && is_through && matches!(next, Next::Read) { Next::Close } else { next };
        if matches!(next, Next::Close | Next::Reject(_)) {
            self.tls.send_close_notify();
            self.flush(output);
        }
        next
    }
}

impl Session for TlsSession {
    fn advance(&mut self, input: &[u8], output: &mut Vec<u8>) -> Advance {
        let is_new = self.held == 0;
        if is_new {
            self.held = whole_records(input);
            if self.held == 0 {
                return Advance { consumed: 0, completed: 0, next: Next::Read };
            }
        }
        let mut scratch = SCRATCH.take();
        let mut plain = mem::take(&mut self.unused);
        if plain.capacity() == 0 {
            mem::swap(&mut plain, &mut scratch.plain);
        }
        if is_new && let Err(error) = self.decrypt(&input[..self.held], &mut plain) {
            self.flush(output); // an alert that says so
            return Advance { consumed: input.len(), completed: 0, next: Next::Reject(reason(&error)) };
        }
        let Turn { used, completed, next, wants_more } = self.turn(&plain, &mut scratch.replies);
        let is_through = wants_more || used == plain.len();
        scratch.plain = self.keep(plain, used);
        self.encrypt(&scratch.replies, output);
        clear(&mut scratch.replies, RETAINED);
        SCRATCH.set(scratch);
        let consumed = if is_through { self.held } else { self.held.min(1) };
        self.held -= consumed;
        Advance { consumed, completed, next: self.conclude(next, is_through, output) }
    }

    fn complete(&mut self, result: JobOutput, output: &mut Vec<u8>) -> Next {
        let mut scratch = SCRATCH.take();
        let next = self.inner.complete(result, &mut scratch.replies);
        self.encrypt(&scratch.replies, output);
        clear(&mut scratch.replies, RETAINED);
        SCRATCH.set(scratch);
        self.conclude(next, self.held == 0, output)
    }

    fn end(&mut self, output: &mut Vec<u8>) {
        if !self.tls.is_handshaking() {
            let mut parting = Vec::new();
            self.inner.end(&mut parting);
            self.encrypt(&parting, output);
            self.conclude(Next::Close, true, output);
        }
    }
}

/// The length of the whole records at the front of the input, about a read's worth at most. What is no record counts whole: TLS
/// says what is wrong with it.
fn whole_records(input: &[u8]) -> usize {
    let mut end = 0;
    while let Some(&[kind, major, _, high, low]) = input.get(end..end + HEAD) {
        let length = usize::from(u16::from_be_bytes([high, low]));
        if !TYPES.contains(&kind) || major != 3 || length > LONGEST {
            return input.len();
        }
        let next = end + HEAD + length;
        if next > input.len() || end > 0 && next > READ_SIZE {
            break;
        }
        end = next;
    }
    end
}

/// Why a client is rejected.
fn reason(error: &Error) -> &'static str {
    match error {
        Error::InvalidMessage(_) => "what came is not TLS",
        Error::PeerIncompatible(_) => "no version or cipher suite of TLS in common",
        Error::AlertReceived(
            AlertDescription::BadCertificate
            | AlertDescription::UnknownCA
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateExpired,
        ) => "the client does not trust the certificate",
        Error::AlertReceived(_) => "the client broke TLS off with an alert",
        Error::DecryptError => "a record of TLS was tampered with",
        _ => "the client broke the protocol of TLS",
    }
}
