//! The server's side of HTTP: what every service of pages answers to whatever a client sends.
//!
//! Any cut of the input gives the same replies. Requests that are well formed beyond doubt, by a grammar stricter than RFC 9112 and
//! read here without the parser under test, are answered one by one, each by a reply that is whole and fits it.

use crate::conversation::{Conversation, End, converse, cuts};
use bakeoff_servers::Service;
use bakeoff_servers::services::{self, ServiceConfig};
use std::sync::{Arc, OnceLock};

/// Gives the input to the services of HTTP.
///
/// # Panics
/// Where a reply is not whole or does not fit its request, or another cut makes a difference.
pub fn check(data: &[u8]) {
    if data.is_empty() {
        return; // a driver never brings nothing
    }
    let requests = plain_requests(data);
    for (name, service) in pages() {
        let whole = converse(&**service, &[data]);
        fits(name, &requests, &whole);
        for pieces in cuts(data) {
            let cut = converse(&**service, &pieces);
            assert!(cut == whole, "{name}: a cut makes a difference: {}\nnot\n{}", told(&cut), told(&whole));
        }
    }
}

fn told(conversation: &Conversation) -> String {
    let Conversation { sent, answered, end } = conversation;
    format!("{answered} answered, {end:?}: {:.400}", String::from_utf8_lossy(sent))
}

type Named = (&'static str, Arc<dyn Service>);

fn pages() -> &'static [Named] {
    static PAGES: OnceLock<Vec<Named>> = OnceLock::new();
    PAGES.get_or_init(|| {
        let made = ["http", "static", "dynamic"].map(|name| {
            let entry = services::find(name).expect("a service");
            (name, (entry.build)(&ServiceConfig::default()))
        });
        made.into()
    })
}

/// What must be right about the reply to a request.
#[derive(Debug)]
struct Asked {
    is_head: bool,
    /// GET or HEAD.
    is_allowed: bool,
    closes: bool,
}

/// The requests at the front of an input that are well formed beyond doubt, and whether nothing is behind them.
struct Requests {
    asked: Vec<Asked>,
    are_all: bool,
}

fn plain_requests(mut input: &[u8]) -> Requests {
    let mut asked = Vec::new();
    while let Some((one, length, content)) = plain_request(input) {
        let ends = one.closes;
        asked.push(one);
        input = &input[length..];
        input = input.get(content..).unwrap_or_default();
        if ends {
            break;
        }
    }
    Requests { asked, are_all: input.is_empty() }
}

/// The first request, the length of its head and that of its content.
fn plain_request(input: &[u8]) -> Option<(Asked, usize, usize)> {
    let length = input.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&input[..length - 2]).ok()?;
    let mut lines = head.split_terminator("\r\n");
    let [method, target, version] = lines.next()?.split(' ').collect::<Vec<_>>()[..] else { return None };
    let is_1_0 = version == "HTTP/1.0";
    if !(is_token(method) && (is_1_0 || version == "HTTP/1.1") && length <= 8 * 1024) {
        return None;
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/?=&-._~%+:".contains(&byte);
    if target.is_empty() || !target.bytes().all(plain) {
        return None;
    }
    let (mut hosts, mut lengths, mut content, mut count) = (0, 0, 0, 0);
    let (mut close, mut keep_alive) = (false, false);
    for line in lines {
        let (name, value) = line.split_once(':')?;
        if !is_token(name) || !value.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return None;
        }
        count += 1;
        match name.to_ascii_lowercase().as_str() {
            "host" => hosts += 1,
            "connection" => {
                let options = || value.split(',').map(str::trim);
                close |= options().any(|option| option.eq_ignore_ascii_case("close"));
                keep_alive |= options().any(|option| option.eq_ignore_ascii_case("keep-alive"));
            }
            "content-length" => {
                lengths += 1;
                let digits = value.trim();
                let is_short = (1..=6).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
                content = is_short.then(|| digits.parse().ok()).flatten()?;
            }
            "transfer-encoding" | "expect" => return None,
            _ => {}
        }
    }
    let is_plain = (hosts == 1 || hosts == 0 && is_1_0) && lengths <= 1 && count <= 64;
    let asked = Asked {
        is_head: method == "HEAD",
        is_allowed: matches!(method, "GET" | "HEAD"),
        closes: close || is_1_0 && !keep_alive,
    };
    is_plain.then_some((asked, length, content))
}

fn is_token(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_letter)
}

/// Holds the replies against the requests.
fn fits(name: &str, requests: &Requests, conversation: &Conversation) {
    let told = || format!("{name}: {}", told(conversation));
    let mut rest = &conversation.sent[..];
    for asked in &requests.asked {
        let mut fields = [httparse::EMPTY_HEADER; 16];
        let mut reply = httparse::Response::new(&mut fields);
        let Ok(httparse::Status::Complete(head)) = reply.parse(rest) else {
            panic!("no whole reply to {asked:?}: {}", told());
        };
        let status = reply.code.expect("it is whole");
        let value = |name: &str| {
            let mut all = reply.headers.iter().filter(|field| field.name.eq_ignore_ascii_case(name));
            let value = all.next().map(|field| std::str::from_utf8(field.value).expect("text"));
            assert!(all.next().is_none(), "{name} twice: {}", told());
            value
        };
        assert_eq!(status == 405, !asked.is_allowed, "{status} to {asked:?}: {}", told());
        let says_close = value("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        let closes = asked.closes || status == 500;
        assert_eq!(says_close, closes, "{asked:?}: {}", told());
        let length = match value("content-length") {
            _ if asked.is_head || status == 304 => 0,
            length => length.and_then(|length| length.parse::<usize>().ok()).expect("a length"),
        };
        let content = rest.len() - head;
        assert!(length <= content, "{content} of {length} bytes of content to {asked:?}: {}", told());
        rest = &rest[head + length..];
        if closes {
            assert!(
                rest.is_empty() && conversation.end == End::Closed,
                "it goes on behind {asked:?}: {}",
                told()
            );
            return;
        }
    }
    if requests.are_all {
        let all = (conversation.answered as usize, &conversation.end) == (requests.asked.len(), &End::Open);
        assert!(all && rest.is_empty(), "{} were asked: {}", requests.asked.len(), told());
    }
}
