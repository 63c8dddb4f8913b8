//! What is right and what is wrong of a reply, and that no split of it changes that.

use super::*;
use std::ops::RangeInclusive;
use std::sync::OnceLock;

const PAYLOAD: &[u8] = b"sixteen bytes ok";
const KEPT: Result<Progress, Wrong> = Ok(Progress::Whole { closes: false });
const CLOSED: Result<Progress, Wrong> = Ok(Progress::Whole { closes: true });
const LENGTH: &str = "HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
const TWO_HUNDREDS: &[RangeInclusive<u16>] = &[200..=299];

/// What comes of a message, in two pieces cut anywhere and byte by byte: the same.
fn outcome(message: &[u8], expected: &HttpExpected<'_>) -> (Result<Progress, Wrong>, Option<Wrong>) {
    let of = |pieces: &[&[u8]]| {
        let mut reply = HttpReply::default();
        let progress = pieces.iter().try_fold(Progress::Part, |_, piece| reply.on_data(piece, expected));
        (progress, reply.wrong())
    };
    let whole = of(&[message]);
    for cut in 0..message.len() {
        let (first, second) = message.split_at(cut);
        assert_eq!(of(&[first, second]), whole, "cut at {cut} of {:?}", String::from_utf8_lossy(message));
    }
    assert_eq!(of(&message.chunks(1).collect::<Vec<_>>()), whole);
    whole
}

fn reply(head: &str, content: &[u8]) -> Vec<u8> {
    [head.as_bytes(), content].concat()
}

/// Any content, a status of 2xx.
fn declared() -> HttpExpected<'static> {
    HttpExpected { statuses: TWO_HUNDREDS, is_head: false, length: None, headers: &[], content: Content::Any }
}

#[test]
fn a_right_reply_is_right_in_any_words() {
    let right = HttpExpected::ok(PAYLOAD);
    for head in [
        "HTTP/1.1 200 OK\r\nServer: x\r\ncontent-length: 16\r\nDate: now\r\n\r\n",
        "HTTP/1.1 200 Fine\r\nCONTENT-LENGTH:16\r\nConnection: keep-alive\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 16\r\nContent-Length: 16\r\n\r\n",
        "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 16\r\n\r\n",
        "HTTP/1.1 200 OK\nContent-Length: 16\n\n",
    ] {
        assert_eq!(outcome(&reply(head, PAYLOAD), &right).0, KEPT, "{head}");
    }
    for head in [
        "HTTP/1.1 200 OK\r\nContent-Length: 16\r\nConnection: close\r\n\r\n",
        "HTTP/1.0 200 OK\r\nContent-Length: 16\r\n\r\n",
    ] {
        assert_eq!(outcome(&reply(head, PAYLOAD), &right).0, CLOSED, "{head}");
    }
    for body in [
        "10\r\nsixteen bytes ok\r\n0\r\n\r\n",
        "7;name=value\r\nsixteen\r\n09\r\n bytes ok\r\n000\r\nTrailer: x\r\n\r\n",
    ] {
        assert_eq!(outcome(&reply(CHUNKED, body.as_bytes()), &right).0, KEPT, "{body}");
    }
}

#[test]
fn a_reply_without_a_length_ends_with_its_connection() {
    let right = HttpExpected::ok(PAYLOAD);
    let mut whole = HttpReply::default();
    for byte in reply("HTTP/1.0 200 OK\r\nServer: x\r\n\r\n", b"sixteen bytes o") {
        assert_eq!(whole.on_data(&[byte], &right), Ok(Progress::Part));
    }
    assert_eq!(whole.on_data(b"k", &right), Ok(Progress::Part));
    assert_eq!(whole.on_end(&right), Some(Progress::Whole { closes: true }));
    whole.restart();
    assert_eq!(whole.on_end(&right), None, "nothing of the next has come");
    whole.on_data(b"HTTP/1.1 200 OK\r\n\r\nsixteen", &right).expect("a part");
    assert_eq!(whole.on_end(&right), Some(Progress::Wrong { closes: true }));
    assert_eq!(whole.wrong(), Some(Wrong::Length(7)));
    whole.restart();
    whole.on_data(reply(CHUNKED, b"10\r\nsixteen").as_slice(), &right).expect("a part");
    assert_eq!(whole.on_end(&right), None, "a chunk is cut off");
}

#[test]
fn a_wrong_reply_that_is_whole_leaves_its_connection() {
    let wrong = |head: &str, content: &str, closes, why| {
        let got = outcome(&reply(head, content.as_bytes()), &HttpExpected::ok(PAYLOAD));
        assert_eq!(got, (Ok(Progress::Wrong { closes }), Some(why)), "{head}{content}");
    };
    wrong(LENGTH, "sixteen bytes no", false, Wrong::Content(Some(14)));
    wrong("HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n", "sixteen bytes o", false, Wrong::Length(15));
    wrong("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "", false, Wrong::Length(0));
    wrong("HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n", "no", false, Wrong::Status(404));
    wrong("HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", "", false, Wrong::Status(302));
    wrong("HTTP/1.0 500 No\r\nContent-Length: 0\r\n\r\n", "", true, Wrong::Status(500));
    wrong("HTTP/1.1 204 No Content\r\n\r\n", "", false, Wrong::Status(204));
    wrong(CHUNKED, "7\r\nsixteen\r\n0\r\n\r\n", false, Wrong::Length(7));
    wrong(CHUNKED, "7\r\nsixteeN\r\n9\r\n bytes ok\r\n0\r\n\r\n", false, Wrong::Content(Some(6)));
    wrong(CHUNKED, "11\r\nsixteen bytes ok!\r\n0\r\n\r\n", false, Wrong::Length(17));
}

#[test]
fn where_nobody_can_tell_the_end_the_connection_is_lost() {
    for (head, content, why) in [
        (LENGTH, "sixteen bytes ok!", Wrong::Surplus),
        ("HTTP/1.1 200 OK\r\nContent-Length: 16\r\nContent-Length: 17\r\n\r\n", "", Wrong::ContentLength),
        ("HTTP/1.1 200 OK\r\nContent-Length: +16\r\n\r\n", "", Wrong::ContentLength),
        ("HTTP/1.1 200 OK\r\nContent-Length: 16777217\r\n\r\n", "", Wrong::TooLarge),
        ("HTTP/1.1 101 Switching\r\n\r\n", "", Wrong::Switches),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "", Wrong::TransferCoding),
        (CHUNKED, "g\r\n", Wrong::ChunkSize),
        (CHUNKED, "\r\n", Wrong::ChunkSize),
        (CHUNKED, "11111111111111111\r\n", Wrong::ChunkSize),
        (CHUNKED, "7\r\nsixteenX", Wrong::ChunkEnd),
        (CHUNKED, "10\r\nsixteen bytes ok\r\n0\r\n\r\nmore", Wrong::Surplus),
    ] {
        let got = outcome(&reply(head, content.as_bytes()), &HttpExpected::ok(PAYLOAD));
        assert_eq!(got, (Err(why), Some(why)), "{head}{content}");
    }
    for message in ["HTTP/2 200 OK\r\n\r\n", "ssh\n\n"] {
        let Err(Wrong::NotHttp(begins)) = HttpReply::default().on_data(message.as_bytes(), &declared())
        else {
            panic!("{message}")
        };
        assert!(
            message.as_bytes().starts_with(&begins[..5.min(message.len())]) || begins.starts_with(b"ssh\n\n")
        );
    }
}

#[test]
fn what_a_server_may_send_is_bounded() {
    let endless = |head: &str, again: &str| {
        let mut reply = HttpReply::default();
        let mut got = reply.on_data(head.as_bytes(), &declared());
        for _ in 0..4_000 {
            got = got.and_then(|_| reply.on_data(again.as_bytes(), &declared()));
        }
        got
    };
    assert_eq!(endless("HTTP/1.1 200 OK\r\n", "X: y\r\n"), Err(Wrong::HeadTooLarge));
    assert_eq!(endless("HTTP/1.1 200 ", "OK, I think "), Err(Wrong::HeadTooLarge));
    assert_eq!(endless("", "HTTP/1.1 102 Processing\r\n\r\n"), Err(Wrong::HeadTooLarge));
    assert_eq!(endless(CHUNKED, "00000"), Err(Wrong::ChunkSize));
    assert_eq!(endless(&format!("{CHUNKED}1"), ";x=y"), Err(Wrong::ChunkSize));
    assert_eq!(endless(&format!("{CHUNKED}0\r\n"), "Trailer: x\r\n"), Err(Wrong::ChunkSize));
    let chunk = format!("2000\r\n{}\r\n", "x".repeat(0x2000));
    assert_eq!(endless(CHUNKED, &chunk), Err(Wrong::TooLarge));
    let fields = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(MAX_FIELDS + 1));
    assert_eq!(HttpReply::default().on_data(fields.as_bytes(), &declared()), Err(Wrong::HeadTooLarge));
}

#[test]
fn what_is_declared_is_what_counts() {
    let json = [("Content-Type".to_owned(), "application/json".to_owned())];
    let with = |status: &str, fields: &str, content: &str, expected: &HttpExpected<'_>| {
        let head = format!("HTTP/1.1 {status}\r\n{fields}Content-Length: {}\r\n\r\n", content.len());
        outcome(&reply(&head, content.as_bytes()), expected)
    };
    let wrong = |why| (Ok(Progress::Wrong { closes: false }), Some(why));
    let right = (KEPT, None);
    let (any, typed) = (declared(), HttpExpected { headers: &json, ..declared() });
    assert_eq!(with("201 Created", "", "{}", &any), right);
    assert_eq!(with("500 No", "", "{}", &any), wrong(Wrong::Status(500)));
    let gone = HttpExpected { statuses: &[302..=302, 410..=410], ..declared() };
    assert_eq!(with("410 Gone", "", "", &gone), right);
    assert_eq!(with("200 OK", "", "", &gone), wrong(Wrong::Status(200)));
    assert_eq!(with("200 OK", "content-type:  application/json \r\n", "{}", &typed), right);
    assert_eq!(with("200 OK", "content-type: text/html\r\n", "{}", &typed), wrong(Wrong::Header(0)));
    assert_eq!(with("200 OK", "", "{}", &typed), wrong(Wrong::Header(0)));
    let sized = HttpExpected { length: Some(2), ..declared() };
    assert_eq!(with("200 OK", "", "{}", &sized), right);
    assert_eq!(with("200 OK", "", "{ }", &sized), wrong(Wrong::Length(3)));
}

#[test]
fn replies_without_content_end_with_their_head() {
    let head = HttpExpected { is_head: true, length: Some(5), ..declared() };
    assert_eq!(outcome(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", &head), (KEPT, None));
    let got = outcome(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n", &head);
    assert_eq!(got, (Ok(Progress::Wrong { closes: false }), Some(Wrong::Length(6))));
    assert_eq!(outcome(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n", &declared()), (CLOSED, None));
    let unchanged = HttpExpected { statuses: &[304..=304], ..declared() };
    assert_eq!(outcome(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", &unchanged), (KEPT, None));
    let early = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n";
    assert_eq!(outcome(early, &declared()), (KEPT, None));
}

#[test]
fn the_first_right_reply_teaches_the_content() {
    let known = OnceLock::new();
    let expected = HttpExpected { content: Content::Learned(&known), ..declared() };
    let ask = |message: &[u8]| {
        let mut reply = HttpReply::default();
        (reply.on_data(message, &expected), reply.wrong())
    };
    let wrong = |why| (Ok(Progress::Wrong { closes: false }), Some(why));
    assert_eq!(ask(b"HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno"), wrong(Wrong::Status(500)));
    assert_eq!(known.get(), None, "a wrong reply teaches nothing");
    // Two at once: the one that is whole first teaches, the other is held against it.
    let mut late = HttpReply::default();
    assert_eq!(late.on_data(reply(LENGTH, b"sixteen ").as_slice(), &expected), Ok(Progress::Part));
    assert_eq!(ask(&reply(LENGTH, PAYLOAD)), (KEPT, None));
    assert_eq!(late.on_data(b"bytes no", &expected), Ok(Progress::Wrong { closes: false }));
    assert_eq!(late.wrong(), Some(Wrong::Content(None)));
    assert_eq!(ask(&reply(CHUNKED, b"10\r\nsixteen bytes ok\r\n0\r\n\r\n")), (KEPT, None));
    assert_eq!(ask(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nsix"), wrong(Wrong::Length(3)));
    assert_eq!(ask(&reply(LENGTH, b"sixtees bytes ok")), wrong(Wrong::Content(None)));
}

#[test]
fn a_reply_without_content_teaches_none() {
    let known = OnceLock::new();
    let statuses = &[200..=299, 304..=304];
    let expected = HttpExpected { statuses, content: Content::Learned(&known), ..declared() };
    let head = HttpExpected { is_head: true, ..expected };
    let unchanged = b"HTTP/1.1 304 Not Modified\r\n\r\n";
    assert_eq!(outcome(unchanged, &expected), (KEPT, None));
    assert_eq!(outcome(LENGTH.as_bytes(), &head), (KEPT, None));
    assert_eq!(known.get(), None);
    // However it is cut, and whatever the reader has read before.
    assert_eq!(outcome(&reply(LENGTH, PAYLOAD), &expected), (KEPT, None));
    assert_eq!(known.get(), Some(&Digest::of(PAYLOAD)));
    let mut again = HttpReply::default();
    for _ in 0..3 {
        assert_eq!(again.on_data(&reply(CHUNKED, b"10\r\nsixteen bytes ok\r\n0\r\n\r\n"), &expected), KEPT);
        again.restart();
        assert_eq!(again.on_data(unchanged, &expected), KEPT);
        again.restart();
        assert_eq!(
            again.on_data(&reply(LENGTH, b"sixteen bytes no"), &expected),
            Ok(Progress::Wrong { closes: false })
        );
        again.restart();
    }
}

#[test]
fn fields_that_come_twice_are_one_list() {
    let right = HttpExpected::ok(PAYLOAD);
    for (fields, content, got) in [
        (
            "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked",
            "10\r\nsixteen bytes ok\r\n0\r\n\r\n",
            KEPT,
        ),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip", "", Err(Wrong::TransferCoding)),
        ("Connection: close\r\nConnection: keep-alive\r\nContent-Length: 16", "sixteen bytes ok", CLOSED),
        ("Connection: keep-alive, close\r\nContent-Length: 16", "sixteen bytes ok", CLOSED),
    ] {
        let head = format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n");
        assert_eq!(outcome(&reply(&head, content.as_bytes()), &right).0, got, "{fields}");
    }
}
