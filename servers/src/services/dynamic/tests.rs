//! What the service answers, target by target.

use super::super::tests::converse;
use super::*;
use crate::drive::protocol::{Action, Protocol};

/// Head and content of the reply to a request line's method and target.
fn answer(method: &str, target: &str) -> (String, String) {
    let input = format!("{method} {target} HTTP/1.1\r\nHost: x\r\n\r\n");
    let (reply, answered, ended) = converse(&*build(&ServiceConfig::default()), &[input.as_bytes()]);
    assert_eq!((answered, ended), (1, false), "{target}");
    let reply = String::from_utf8(reply).expect("text");
    let (head, content) = reply.split_once("\r\n\r\n").expect("a head");
    (head.to_string(), content.to_string())
}

#[test]
fn targets_and_their_status() {
    for (target, status, contains) in [
        ("/", "200 OK", "/search?q=golden+lamp"),
        ("/item/1", "200 OK", "<h1>brass anvil 1</h1>"),
        ("/item/10000", "200 OK", "<ul>\n</ul>"),
        ("/item/%31", "200 OK", "<h1>brass anvil 1</h1>"),
        ("/item/1.json", "200 OK", "{\"id\":1,\"name\":\"brass anvil 1\","),
        ("/search?q=golden+lamp", "200 OK", "\"name\":\"golden lamp "),
        ("/search?x=1&q=golden%20lamp", "200 OK", "\"name\":\"golden lamp "),
        ("/search?q=nothing", "200 OK", "[]"),
        ("/search?q=%27%20OR%201=1--", "200 OK", "[]"),
        ("/item/0", "404 Not Found", "There are"),
        ("/item/10001", "404 Not Found", "There are"),
        ("/item/99999999999999999999", "404 Not Found", "There are"),
        ("/item/-1", "404 Not Found", "There are"),
        ("/item/1.xml", "404 Not Found", "There are"),
        ("/item/", "404 Not Found", "There are"),
        ("/nothing", "404 Not Found", "There are"),
        ("/search", "400 Bad Request", "q=WORDS"),
        ("/search?q=%ff", "400 Bad Request", "q=WORDS"),
        ("/search?q=%f", "400 Bad Request", "q=WORDS"),
        ("/search?q=a&q=b", "400 Bad Request", "q=WORDS"),
        ("/../item/1", "400 Bad Request", ".."),
    ] {
        let (head, content) = answer("GET", target);
        assert!(head.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{target}: {head}");
        assert!(content.contains(contains), "{target}: {content}");
        assert!(head.contains(&format!("Content-Length: {}", content.len())), "{target}: {head}");
        let (of_head, none) = answer("HEAD", target);
        assert_eq!((of_head, none), (head, String::new()), "HEAD is GET without its content");
    }
}

#[test]
fn pages_say_what_they_are() {
    for (target, content_type) in [
        ("/item/1", "text/html; charset=utf-8"),
        ("/item/1.json", "application/json"),
        ("/search?q=a", "application/json"),
        ("/x", "text/html; charset=utf-8"),
    ] {
        let (head, _) = answer("GET", target);
        assert!(head.contains(&format!("\r\nContent-Type: {content_type}\r\n")), "{target}: {head}");
    }
}

#[test]
fn only_a_good_request_takes_a_computing_job() {
    let service = build(&ServiceConfig::default());
    let action = |input: &[u8]| Protocol::new(service.open()).on_data(input, &mut Vec::new());
    let Action::Run(job) = action(b"GET /item/1 HTTP/1.1\r\nHost: x\r\n\r\n") else { panic!("a job") };
    assert_eq!(job.demand(), crate::Demand::Compute);
    assert!(matches!(action(b"PUT /item/1 HTTP/1.1\r\nHost: x\r\n\r\n"), Action::Write));
}

#[test]
fn prices_follow_the_rules() {
    let with = |cents, stock| Item { cents, stock, ..Item::of(1) };
    for (cents, stock, price) in [(100, 0, "EUR 1.19"), (101, 30, "EUR 1.21"), (1_000, 31, "EUR 10.71")] {
        assert!(with(cents, stock).html(&[]).contains(price), "{cents} {stock}");
    }
    assert!(with(100, 0).html(&[]).contains("Sold out") && with(100, 5).html(&[]).contains("Few left"));
}

#[test]
fn the_client_asks_for_pages_of_about_the_size() {
    let exchange = exchange(SEARCH_PAGE);
    for (size, least, most) in [(ITEM_PAGE, 700, 1_400), (SEARCH_PAGE, 6_500, 9_500)] {
        for id in 0..u64::from(ASKED_ITEMS) {
            let request = Request::new(id, size, 0);
            let reply = exchange.reply(&request).len();
            assert!((least..most).contains(&reply), "{reply} B for {id}");
            assert_eq!(exchange.request(&request).head().len(), exchange.request(&request).len());
        }
    }
}
