//! The head of an HTTP request, read into what the services need to know of it, or why it must be refused.
//!
//! Shared by all services that speak HTTP. What a target means is theirs.
//! Follows RFC 9110 (semantics) and RFC 9112 (HTTP/1.1). It never keeps anything between calls, and never answers.

use crate::services::{Hosts, MAX_MESSAGE};
use httparse::{Header, Request};
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The longest request head in bytes, and the most fields in it. nginx and Apache take 8 KiB by default, too.
pub(in crate::services) const MAX_HEAD: usize = 8 * 1024;
const MAX_FIELDS: usize = 64;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::services) struct Head<'a> {
    pub(in crate::services) method: Method,
    /// The target from its path on, without scheme and authority of the absolute form.
    pub(in crate::services) target: &'a str,
    /// Bytes of content behind the head, which are skipped.
    pub(in crate::services) content: u32,
    pub(in crate::services) after: After,
    pub(in crate::services) conditions: Conditions<'a>,
}

/// The fields by which a client asks for less than the whole; their values as they stand there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::services) struct Conditions<'a> {
    pub(in crate::services) range: Option<&'a [u8]>,
    pub(in crate::services) if_range: Option<&'a [u8]>,
    pub(in crate::services) if_modified_since: Option<&'a [u8]>,
    pub(in crate::services) if_none_match: Option<&'a [u8]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::services) enum Method {
    Get,
    Head,
    Other,
}

/// What becomes of the connection after the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::services) enum After {
    /// It stays, as is usual.
    Keep,
    /// It stays, which an HTTP/1.0 client must be told.
    KeepAndSay,
    Close,
}

/// Why a request is refused and its connection closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::services) struct Refusal {
    /// Status code and phrase.
    pub(in crate::services) status: &'static str,
    pub(in crate::services) reason: &'static str,
}

const fn refuse<T>(status: &'static str, reason: &'static str) -> Result<T, Refusal> {
    Err(Refusal { status, reason })
}

const BAD: &str = "400 Bad Request";
const TOO_LARGE: &str = "431 Request Header Fields Too Large";

/// Reads the head at the front of `input`: its length and what it says, or `None` while it is not all there. A request to a
/// host that is not one of `hosts` is refused.
pub(in crate::services) fn read(input: &[u8], hosts: Hosts) -> Result<Option<(usize, Head<'_>)>, Refusal> {
    // The request and its fields are not written before the parser does: 2 KiB less to clear per request.
    let mut fields = [const { MaybeUninit::<Header<'_>>::uninit() }; MAX_FIELDS];
    let mut request = Request::new(&mut []);
    let length = match request.parse_with_uninit_headers(input, &mut fields) {
        Ok(httparse::Status::Complete(length)) if length <= MAX_HEAD => length,
        Ok(httparse::Status::Partial) if input.len() <= MAX_HEAD => return Ok(None),
        Ok(_) => return too_large(input), // more than so many bytes are there
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
    let (authority, target) = split_target(request.path.unwrap_or_default());
    // RFC 9112, 3.2.2: the authority of an absolute target counts, not the Host field beside it.
    let host = authority.map(str::as_bytes).or(fields.host);
    if hosts == Hosts::Loopback && host.is_some_and(|host| !is_loopback(host)) {
        return refuse("421 Misdirected Request", "a host that is not this machine: ask for localhost");
    }
    let Fields { content, conditions, .. } = fields;
    Ok(Some((length, Head { method, target, content, after, conditions })))
}

/// Whether it is the line or the fields behind it that take too much (RFC 9112, 3).
fn too_large<T>(input: &[u8]) -> Result<T, Refusal> {
    let begun = input[..MAX_HEAD].trim_ascii_start(); // empty lines may come before
    if begun.contains(&b' ') && !begun.contains(&b'\n') {
        return refuse("414 URI Too Long", "a request line of more than 8 KiB");
    }
    refuse(TOO_LARGE, "a request head of more than 8 KiB")
}

/// What the fields of a head say about its connection and its content.
#[derive(Default)]
struct Fields<'a> {
    host: Option<&'a [u8]>,
    content: u32,
    close: bool,
    keep_alive: bool,
    conditions: Conditions<'a>,
}

impl<'a> Fields<'a> {
    fn read(headers: &[Header<'a>], is_1_0: bool) -> Result<Self, Refusal> {
        let mut fields = Self::default();
        let (mut hosts, mut length, mut coded, mut waits) = (0, None, false, false);
        for Header { name, value } in headers {
            let is = |wanted: &str| name.eq_ignore_ascii_case(wanted);
            // By length first: most fields are none of these.
            match name.len() {
                4 if is("host") => {
                    hosts += 1;
                    fields.host = Some(value);
                }
                5 if is("range") => fields.conditions.range = Some(value),
                6 if is("expect") => waits = true,
                8 if is("if-range") => fields.conditions.if_range = Some(value),
                10 if is("connection") => {
                    for option in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
                        fields.close |= option.eq_ignore_ascii_case(b"close");
                        fields.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                    }
                }
                13 if is("if-none-match") => fields.conditions.if_none_match = Some(value),
                14 if is("content-length") => {
                    let stated = number(value);
                    if stated.is_none() || length.is_some_and(|before| Some(before) != stated) {
                        return refuse(BAD, "a Content-Length that is no number, or two that differ");
                    }
                    length = stated;
                }
                17 if is("transfer-encoding") => coded = true,
                17 if is("if-modified-since") => fields.conditions.if_modified_since = Some(value),
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

/// The authority of a request target in absolute form, and the target from its path on.
fn split_target(text: &str) -> (Option<&str>, &str) {
    match text.strip_prefix("http://") {
        Some(rest) => {
            let end = rest.find(['/', '?']).unwrap_or(rest.len());
            let target = if rest[end..].starts_with('/') { &rest[end..] } else { "/" };
            (Some(&rest[..end]), target)
        }
        None => (None, text),
    }
}

/// Whether a host, with or without a port, is this machine by its loopback interface: `localhost`, a name below it
/// (RFC 6761, 6.3), 127.0.0.0/8 or `[::1]`.
fn is_loopback(host: &[u8]) -> bool {
    let Ok(host) = std::str::from_utf8(host.trim_ascii()) else { return false };
    let (name, port) = match host.rfind(':') {
        Some(at) if !host.ends_with(']') => (&host[..at], &host[at + 1..]),
        _ => (host, ""),
    };
    if !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    if let Some(address) = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return address.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback());
    }
    if let Ok(address) = name.parse::<Ipv4Addr>() {
        return address.is_loopback();
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    let top = name.rsplit('.').next().unwrap_or_default();
    top.eq_ignore_ascii_case("localhost")
}

/// A number in digits alone: no sign, no space, nothing beyond 64 bits.
pub(in crate::services) fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, digit| {
        let value = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(target: &str, fields: &str, hosts: Hosts) -> Option<&'static str> {
        let input = format!("GET {target} HTTP/1.1\r\n{fields}\r\n");
        read(input.as_bytes(), hosts).err().map(|refusal| &refusal.status[..3])
    }

    #[test]
    fn on_loopback_only_this_machines_own_names_are_answered() {
        for host in [
            "localhost",
            "LOCALHOST:8000",
            "localhost.",
            "app.localhost:80",
            "127.0.0.1",
            "127.9.8.7:5000",
            "[::1]",
            "[::1]:80",
            "[0:0::1]",
            "127.0.0.1:",
        ] {
            assert_eq!(status("/", &format!("Host: {host}\r\n"), Hosts::Loopback), None, "{host}");
        }
        for host in [
            "rebound.example",
            "rebound.example:8000",
            "localhost.example",
            "notlocalhost",
            "10.0.0.1",
            "[2001:db8::1]",
            "127.0.0.1.example",
            "127.0.0.1@example",
            "localhost:x",
            "\u{e9}",
            "",
            "[::1",
            "[::1]x",
            "::1",
        ] {
            let fields = format!("Host: {host}\r\n");
            assert_eq!(status("/", &fields, Hosts::Loopback), Some("421"), "{host}");
            assert_eq!(status("/", &fields, Hosts::Any), None, "{host}");
        }
    }

    #[test]
    fn the_authority_of_an_absolute_target_counts() {
        let fields = "Host: localhost\r\n";
        assert_eq!(status("http://rebound.example/x", fields, Hosts::Loopback), Some("421"));
        assert_eq!(status("http://rebound.example?http://localhost/", fields, Hosts::Loopback), Some("421"));
        assert_eq!(status("http://localhost:1/x", "Host: rebound.example\r\n", Hosts::Loopback), None);
    }
}
