//! The client's side of HTTP: replies of servers of somebody else's.
//!
//! What is accepted as right is right by a second reading of the whole message, however it is cut; and replies made here of all the
//! choices that HTTP leaves are accepted.

use crate::conversation::cuts;
use bakeoff_servers::exchange::{Content, Digest, HttpExpected, HttpReply, Progress, Wrong};
use std::ops::RangeInclusive;
use std::sync::OnceLock;

/// What a right reply has as its content.
const PAYLOAD: &[u8] = b"sixteen bytes ok";

/// The statuses of right replies where any content will do.
const DECLARED: &[RangeInclusive<u16>] = &[200..=299, 304..=304, 404..=404];

/// Takes the input for a reply, and for the choices of which one is made.
///
/// # Panics
/// Where a wrong reply is accepted, a right one is not, or another cut makes a difference.
pub fn check(data: &[u8]) {
    if outcome(data, Some(PAYLOAD)).is_right() {
        assert_eq!(reading(data), Some((200, PAYLOAD.to_vec())), "a wrong reply is accepted");
    }
    let any = outcome(data, None);
    if any.is_right() {
        let (status, content) = reading(data).expect("what is no reply is accepted");
        assert!(DECLARED.iter().any(|right| right.contains(&status)), "status {status} is accepted");
        let taught = (status != 304).then(|| Digest::of(&content));
        assert_eq!(any.learned, taught, "something else is learnt");
    } else if any.wrong != Some(Wrong::Surplus) {
        // Of a surplus the reply before it was right.
        assert_eq!(any.learned, None, "a wrong reply teaches");
    }
    if let (Some(Wrong::Status(status)), Ok(Progress::Wrong { .. })) = (any.wrong, any.progress) {
        assert_eq!(reading(data).map(|(read, _)| read), Some(status), "another status is told");
    }
    let (message, closes) = made(data);
    let got = outcome(&message, Some(PAYLOAD));
    let text = String::from_utf8_lossy(&message);
    assert_eq!(
        (got.progress, got.wrong),
        (Ok(Progress::Whole { closes }), None),
        "a right reply is refused: {text}"
    );
}

#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    progress: Result<Progress, Wrong>,
    at_end: Option<Progress>,
    wrong: Option<Wrong>,
    learned: Option<Digest>,
}

impl Outcome {
    fn is_right(&self) -> bool {
        let whole = |progress| matches!(progress, Progress::Whole { .. });
        self.progress.is_ok_and(whole) || self.at_end.is_some_and(whole)
    }
}

/// What comes of a message, the same however it is cut: with this content expected, or with one that is learnt.
fn outcome(message: &[u8], content: Option<&[u8]>) -> Outcome {
    let of = |pieces: &[&[u8]]| {
        let known = OnceLock::new();
        let expected = match content {
            Some(content) => HttpExpected::ok(content),
            None => HttpExpected {
                statuses: DECLARED,
                is_head: false,
                length: None,
                headers: &[],
                content: Content::Learned(&known),
            },
        };
        let mut reply = HttpReply::default();
        let progress = pieces.iter().try_fold(Progress::Part, |_, piece| reply.on_data(piece, &expected));
        let at_end = progress.ok().and_then(|_| reply.on_end(&expected));
        let wrong = reply.wrong().map(alike);
        Outcome { progress: progress.map_err(alike), at_end, wrong, learned: known.into_inner() }
    };
    let whole = of(&[message]);
    for pieces in cuts(message) {
        assert_eq!(of(&pieces), whole, "a cut makes a difference");
    }
    whole
}

/// How much of a message had come when it was seen to be no HTTP depends on the cut.
fn alike(wrong: Wrong) -> Wrong {
    match wrong {
        Wrong::NotHttp(_) => Wrong::NotHttp([0; 16]),
        other => other,
    }
}

/// Status and content of a reply that is all of the message.
fn reading(mut message: &[u8]) -> Option<(u16, Vec<u8>)> {
    loop {
        let mut fields = [httparse::EMPTY_HEADER; 100];
        let mut reply = httparse::Response::new(&mut fields);
        let Ok(httparse::Status::Complete(head)) = reply.parse(message) else { return None };
        message = &message[head..];
        let status = reply.code?;
        match status {
            100..=199 => continue,
            204 | 304 => return message.is_empty().then(|| (status, Vec::new())),
            _ => {}
        }
        let is = |field: &&httparse::Header<'_>, name: &str| field.name.eq_ignore_ascii_case(name);
        let has = |name: &str| reply.headers.iter().rfind(|field| is(field, name)).map(|field| field.value);
        let content = if has("transfer-encoding").is_some() {
            chunks(message)
        } else {
            let is_all = match has("content-length") {
                None => true,
                Some(length) => std::str::from_utf8(length).ok()?.trim().parse() == Ok(message.len()),
            };
            is_all.then(|| message.to_vec())
        };
        return content.map(|content| (status, content));
    }
}

/// The content of a chunked body that is all of the message.
fn chunks(mut message: &[u8]) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    let line = |message: &mut &[u8]| {
        let end = message.iter().position(|byte| *byte == b'\n')?;
        let (line, rest) = message.split_at(end + 1);
        *message = rest;
        let end = line.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n')).map_or(0, |last| last + 1);
        Some(line[..end].to_vec())
    };
    loop {
        let stated = line(&mut message)?;
        let digits = stated.split(|byte| !byte.is_ascii_hexdigit()).next()?;
        let size = usize::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        if size == 0 {
            break;
        }
        content.extend_from_slice(message.get(..size)?);
        message = &message[size..];
        if !line(&mut message)?.is_empty() {
            return None;
        }
    }
    while !line(&mut message)?.is_empty() {}
    message.is_empty().then_some(content)
}

/// A right reply by these choices, and whether it says that the server closes.
fn made(choices: &[u8]) -> (Vec<u8>, bool) {
    let (first, rest) = choices.split_first().unwrap_or((&0, &[]));
    let chosen = |bit: u8| first >> bit & 1 == 1;
    let (is_1_0, is_chunked, says) = (chosen(0), chosen(1), chosen(2));
    let end = if chosen(3) { "\n" } else { "\r\n" };
    let mut text = String::new();
    if chosen(4) {
        text += &format!("HTTP/1.1 103 Early Hints{end}Link: </x>{end}{end}");
    }
    text += &format!("HTTP/1.{} 200 {}{end}", u8::from(!is_1_0), if chosen(5) { "" } else { "OK" });
    if says {
        text += &format!("cOnnection: {}{end}", if is_1_0 { "keep-alive" } else { "x, Close" });
    }
    let mut body = Vec::new();
    if is_chunked {
        text += &format!("Transfer-Encoding: gzip,  chunked{end}");
        let (mut sizes, mut left) = (rest.iter(), PAYLOAD);
        while !left.is_empty() {
            let size = sizes.next().map_or(left.len(), |size| 1 + usize::from(*size) % left.len());
            let extension = if chosen(6) { " ; a=\"b\"" } else { "" };
            body.extend_from_slice(format!("{size:X}{extension}{end}").as_bytes());
            body.extend_from_slice(&left[..size]);
            body.extend_from_slice(end.as_bytes());
            left = &left[size..];
        }
        let trailer = if chosen(7) { format!("Checksum: 1{end}") } else { String::new() };
        body.extend_from_slice(format!("000{end}{trailer}{end}").as_bytes());
    } else {
        text += &format!("Content-length: \t{}{end}", PAYLOAD.len());
        body.extend_from_slice(PAYLOAD);
    }
    text += end;
    ([text.as_bytes(), &body].concat(), is_1_0 != says)
}
