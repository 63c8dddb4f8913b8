//! The head of an HTTP request, read into what the service needs to know of it, or why it must be refused.
//!
//! Follows RFC 9110 (semantics) and RFC 9112 (HTTP/1.1). It never keeps anything between calls, and never answers.

use crate::services::MAX_MESSAGE;
use httparse::{Header, Request};
use std::mem::MaybeUninit;

/// The longest request head in bytes, and the most fields in it. nginx and Apache take 8 KiB by default, too.
pub(super) const MAX_HEAD: usize = 8 * 1024;
const MAX_FIELDS: usize = 64;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) method: Method,
    pub(super) target: Target,
    /// Bytes of content behind the head, which are skipped.
    pub(super) content: u32,
    pub(super) after: After,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Head,
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// `/`
    Page,
    /// `/bytes/N?id=K`
    Bytes {
        size: u32,
        id: u64,
    },
    Unknown,
}

/// What becomes of the connection after the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// It stays, as is usual.
    Keep,
    /// It stays, which an HTTP/1.0 client must be told.
    KeepAndSay,
    Close,
}

/// Why a request is refused and its connection closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// Status code and phrase.
    pub(super) status: &'static str,
    pub(super) reason: &'static str,
}

const fn refuse<T>(status: &'static str, reason: &'static str) -> Result<T, Refusal> {
    Err(Refusal { status, reason })
}

const BAD: &str = "400 Bad Request";
const TOO_LARGE: &str = "431 Request Header Fields Too Large";

/// Reads the head at the front of `input`: its length and what it says, or `None` while it is not all there.
pub(super) fn read(input: &[u8]) -> Result<Option<(usize, Head)>, Refusal> {
    // The request and its fields are not written before the parser does: 2 KiB less to clear per request.
    let mut fields = [const { MaybeUninit::<Header<'_>>::uninit() }; MAX_FIELDS];
    let mut request = Request::new(&mut []);
    let length = match request.parse_with_uninit_headers(input, &mut fields) {
        Ok(httparse::Status::Complete(length)) if length <= MAX_HEAD => length,
        Ok(httparse::Status::Partial) if input.len() <= MAX_HEAD => return Ok(None),
        Ok(_) => return refuse(TOO_LARGE, "a request head of more than 8 KiB"),
        Err(httparse::Error::TooManyHeaders) => {
            return refuse(TOO_LARGE, "a request head of more than 64 fields");
        }
        Err(httparse::Error::Version) => {
            return refuse("505 HTTP Version Not Supported", "a version of HTTP other than 1.0 and 1.1");
        }
        Err(_) => return refuse(BAD, "a request head that is not HTTP/1.1"),
    };
    let is_1_0 = request.version == Some(0);
    let fields = Fields::read(request.headers, is_1_0)?;
    let method = match request.method {
        Some("GET") => Method::Get,
        Some("HEAD") => Method::Head,
        _ => Method::Other,
    };
    let after = match (is_1_0, fields.close, fields.keep_alive) {
        (_, true, _) | (true, false, false) => After::Close,
        (true, false, true) => After::KeepAndSay,
        (false, false, _) => After::Keep,
    };
    let target = target(request.path.unwrap_or_default());
    Ok(Some((length, Head { method, target, content: fields.content, after })))
}

/// What the fields of a head say about its connection and its content.
#[derive(Default)]
struct Fields {
    content: u32,
    close: bool,
    keep_alive: bool,
}

impl Fields {
    fn read(headers: &[Header<'_>], is_1_0: bool) -> Result<Self, Refusal> {
        let mut fields = Self::default();
        let (mut hosts, mut length, mut coded, mut waits) = (0, None, false, false);
        for Header { name, value } in headers {
            let is = |wanted: &str| name.eq_ignore_ascii_case(wanted);
            // By length first: most fields are none of these.
            match name.len() {
                4 if is("host") => hosts += 1,
                6 if is("expect") => waits = true,
                10 if is("connection") => {
                    for option in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
                        fields.close |= option.eq_ignore_ascii_case(b"close");
                        fields.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                    }
                }
                14 if is("content-length") => {
                    let stated = number(value);
                    if stated.is_none() || length.is_some_and(|before| Some(before) != stated) {
                        return refuse(BAD, "a Content-Length that is no number, or two that differ");
                    }
                    length = stated;
                }
                17 if is("transfer-encoding") => coded = true,
                _ => {}
            }
        }
        // RFC 9112, 3.2: a server must answer 400 to an HTTP/1.1 request without, and to any with several.
        if hosts > 1 || (hosts == 0 && !is_1_0) {
            return refuse(BAD, "a request without a Host field, or with several");
        }
        // RFC 9112, 6.1: a length beside a transfer coding is how requests are smuggled.
        if coded && (length.is_some() || is_1_0) {
            return refuse(BAD, "a Transfer-Encoding where there must be none");
        }
        if coded {
            return refuse("501 Not Implemented", "a transfer coding");
        }
        let length = length.unwrap_or(0);
        if length > u64::from(MAX_MESSAGE) {
            return refuse("413 Content Too Large", "a request with more than 4 MiB of content");
        }
        fields.content = length as u32;
        // It waits to be told whether to send its content. A final reply says no; whether the content comes all the
        // same is then not to be known, so what follows cannot be read (RFC 9110, 10.1.1).
        fields.close |= waits && length > 0;
        Ok(fields)
    }
}

/// What a request target means; the scheme and authority of the absolute form are not looked at.
fn target(text: &str) -> Target {
    let text = match text.strip_prefix("http://") {
        Some(rest) => rest.find('/').map_or("/", |at| &rest[at..]),
        None => text,
    };
    let (path, query) = text.split_once('?').map_or((text, None), |(path, query)| (path, Some(query)));
    if path == "/" {
        return Target::Page;
    }
    let size = path.strip_prefix("/bytes/").and_then(|digits| number(digits.as_bytes()));
    let id = match query {
        None => Some(0),
        Some(query) => query.strip_prefix("id=").and_then(|digits| number(digits.as_bytes())),
    };
    match (size, id) {
        (Some(size), Some(id)) if size <= u64::from(MAX_MESSAGE) => Target::Bytes { size: size as u32, id },
        _ => Target::Unknown,
    }
}

/// A number in digits alone: no sign, no space, nothing beyond 64 bits.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, digit| {
        let value = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(value)
    })
}
