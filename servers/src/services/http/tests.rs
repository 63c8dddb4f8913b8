//! What the service answers, byte by byte, and that no split of the input changes it.

use super::super::tests::converse;
use super::*;
use crate::drive::protocol::{Action, Protocol};
use proptest::prelude::*;

fn service() -> Arc<dyn Service> {
    build(&ServiceConfig::default())
}

/// All the output, the requests answered, and whether the connection was ended.
fn answer(input: &str) -> (String, u32, bool) {
    let (output, answered, ended) = converse(&*service(), &[input.as_bytes()]);
    (String::from_utf8(output).expect("text"), answered, ended)
}

/// Why the peer is rejected, with the reply's status line and whether the reply says that it closes.
fn refused(input: &[u8]) -> (Option<&'static str>, String, bool) {
    let mut protocol = Protocol::new(service().open());
    let mut output = Vec::new();
    assert!(matches!(protocol.on_data(input, &mut output), Action::Write));
    let text = String::from_utf8(std::mem::take(&mut output)).expect("text");
    assert!(matches!(protocol.on_written(&mut output), (0, Action::Close)), "{text}");
    let line = text.lines().next().unwrap_or_default().to_string();
    (protocol.rejected(), line, text.contains("\r\nConnection: close\r\n"))
}

const PAGE_HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 64";

fn page(fields: &str) -> String {
    format!("{PAGE_HEAD}{fields}\r\n\r\n{}", std::str::from_utf8(PAGE).expect("text"))
}

#[test]
fn every_form_of_the_target_gets_the_page() {
    for target in ["/", "/?x=1", "http://localhost:5000/", "http://localhost:5000"] {
        let asked = format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_eq!(answer(&asked), (page(""), 1, false), "{target}");
    }
    let head = answer("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(head, (format!("{PAGE_HEAD}\r\n\r\n"), 1, false));
    let head = answer("\r\nHEAD /bytes/4194304?id=9 HTTP/1.1\nHost: x\n\n");
    assert_eq!(head, ("HTTP/1.1 200 OK\r\nContent-Length: 4194304\r\n\r\n".into(), 1, false));
}

#[test]
fn a_connection_lasts_as_the_versions_say() {
    let ask = |version, fields| answer(&format!("GET / HTTP/{version}\r\nHost: x\r\n{fields}\r\n"));
    let closing = (page("\r\nConnection: close"), 1, true);
    assert_eq!(ask("1.1", ""), (page(""), 1, false));
    assert_eq!(ask("1.1", "Connection: keep-alive\r\n"), (page(""), 1, false));
    assert_eq!(ask("1.1", "Connection: Upgrade , CLOSE\r\n"), closing);
    assert_eq!(ask("1.0", ""), closing);
    assert_eq!(ask("1.0", "connection: close, keep-alive\r\n"), closing);
    let kept = (page("\r\nConnection: keep-alive"), 1, false);
    assert_eq!(ask("1.0", "Connection: Keep-Alive\r\n"), kept);
    assert_eq!(answer("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"), kept, "1.0 needs no Host");
    let two = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n";
    assert_eq!(answer(two), closing, "what comes behind is not answered");
}

#[test]
fn not_found_and_not_allowed_keep_the_connection() {
    let nowhere =
        ["/x", "/bytes", "/bytes/", "/bytes/-1", "/bytes/4194305", "/bytes/9?id=", "/bytes/9?x=1", "*"];
    for target in nowhere {
        let (reply, answered, ended) = answer(&format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n"));
        assert!(reply.starts_with("HTTP/1.1 404 Not Found\r\n"), "{target}: {reply}");
        let (head, content) = reply.split_once("\r\n\r\n").expect("a head");
        assert!(head.ends_with(&format!("Content-Length: {}", content.len())), "{reply}");
        assert_eq!((answered, ended), (1, false));
    }
    let (reply, ..) = answer("HEAD /x HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(reply.starts_with("HTTP/1.1 404 ") && reply.ends_with("\r\n\r\n"), "{reply}");
    let asked =
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nGET / HTTGET / HTTP/1.1\r\nHost: x\r\n\r\n";
    let (reply, answered, ended) = answer(asked);
    assert!(reply.starts_with("HTTP/1.1 405 Method Not Allowed\r\nAllow: GET, HEAD\r\n"), "{reply}");
    assert!(reply.ends_with(&page("")), "the content is skipped, the next request answered: {reply}");
    assert_eq!((answered, ended), (2, false));
}

#[test]
fn a_request_that_expects_100_is_answered_and_closed() {
    let asked = "PUT / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n";
    let (reply, answered, ended) = answer(asked);
    assert!(reply.starts_with("HTTP/1.1 405 ") && reply.contains("\r\nConnection: close\r\n"), "{reply}");
    assert_eq!((answered, ended), (1, true));
}

#[test]
fn unreadable_requests_are_refused_with_their_status() {
    let long = format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "y".repeat(head::MAX_HEAD));
    let endless = "A".repeat(head::MAX_HEAD + 1);
    let fields = format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "a: b\r\n".repeat(64));
    let with = |fields: &str| format!("POST / HTTP/1.1\r\nHost: x\r\n{fields}\r\n");
    let cases = [
        ("\x01\x02 hello\r\n\r\n".into(), 400, "not HTTP"),
        ("hello\n".into(), 400, "not HTTP"),
        ("GET / HTTP/2.0\r\n\r\n".into(), 505, "version"),
        ("GET / HTTP/1.1\r\n\r\n".into(), 400, "Host"),
        ("GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n".into(), 400, "Host"),
        (with("Content-Length: 1\r\nContent-Length: 2\r\n"), 400, "Content-Length"),
        (with("Content-Length: +1\r\n"), 400, "Content-Length"),
        (with("Content-Length: 99999999999999999999\r\n"), 400, "Content-Length"),
        (with("Content-Length: 4194305\r\n"), 413, "4 MiB"),
        (with("Transfer-Encoding: chunked\r\n"), 501, "transfer coding"),
        (with("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n"), 400, "Transfer-Encoding"),
        (long, 431, "8 KiB"),
        (endless, 431, "8 KiB"),
        (fields, 431, "64 fields"),
    ];
    for (input, status, reason) in cases {
        let (why, line, closes) = refused(input.as_bytes());
        assert!(line.starts_with(&format!("HTTP/1.1 {status} ")), "{line} for {input:.60}");
        assert!(why.is_some_and(|why| why.contains(reason)) && closes, "{why:?} for {input:.60}");
    }
}

#[test]
fn many_large_replies_are_made_in_batches() {
    const REQUESTS: usize = 40;
    let input = b"GET /bytes/100000?id=3 HTTP/1.1\r\nHost: x\r\n\r\n".repeat(REQUESTS);
    let mut protocol = Protocol::new(service().open());
    let mut output = Vec::new();
    let mut action = protocol.on_data(&input, &mut output);
    let (mut flushes, mut sent, mut answered) = (0, 0, 0);
    while let Action::Write = action {
        assert!(output.len() < 400_000, "a batch, not {} bytes", output.len());
        (flushes, sent) = (flushes + 1, sent + output.len());
        output.clear();
        let (requests, next) = protocol.on_written(&mut output);
        (answered, action) = (answered + requests as usize, next);
    }
    assert!(matches!(action, Action::Read));
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n".len();
    assert_eq!(
        (flushes, sent, answered),
        (14, REQUESTS * (head + 100_000), REQUESTS),
        "three replies a batch"
    );
}

#[test]
fn the_exchange_is_plain_http() {
    let exchange = exchange(4 << 20);
    let largest = Request::new(65_520, 4 << 20, 0);
    let asked = exchange.request(&largest);
    assert_eq!(asked.head(), b"GET /bytes/4194304?id=65520 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(asked.len(), asked.head().len(), "one piece, one plain send");
    let small = exchange.reply(&Request::new(65_521, 5, 0));
    assert_eq!(small.head(), b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    assert_eq!(small.body, Block::repeating(5).payload(0, 5), "numbers are told apart up to 65,521");
}

/// Requests of all kinds, valid or not.
fn some_request() -> impl Strategy<Value = Vec<u8>> {
    let text = prop_oneof![
        6 => (0_u32..3_000, 0_u64..99).prop_map(|(n, id)| format!("GET /bytes/{n}?id={id} HTTP/1.1\r\nHost: x\r\n\r\n")),
        1 => Just("GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_string()),
        1 => Just("HEAD /nowhere HTTP/1.1\r\nHost: x\r\n\r\n".to_string()),
        1 => (0_usize..200).prop_map(|n| {
            format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {n}\r\n\r\n{}", "\r\nGET".repeat(50)[..n].to_owned())
        }),
        1 => Just("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n".to_string()),
        1 => Just("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".to_string()),
    ];
    prop_oneof![20 => text.prop_map(String::into_bytes), 1 => prop::collection::vec(any::<u8>(), 1..40)]
}

proptest! {
    #[test]
    fn any_split_of_any_input_gives_the_same_output(
        requests in prop::collection::vec(some_request(), 1..10),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let input = requests.concat();
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(input.len() + 1)).collect();
        at.extend([0, input.len()]);
        at.sort_unstable();
        let pieces: Vec<&[u8]> = at.windows(2).map(|pair| &input[pair[0]..pair[1]]).collect();
        let whole = converse(&*service(), &[&input]);
        prop_assert_eq!(converse(&*service(), &pieces), whole);
    }
}
