//! The client's half of a service as a workload asks it: what the service makes of a payload, or a request of HTTP that the
//! workload spells out, with what is right of its replies.

use super::draw::{Purpose, Stream};
use crate::workload::load::RequestShape;
use bakeoff_reports::record::{HttpExpectation, HttpRequest};
use bakeoff_servers::exchange::{Content, Digest, Exchange, HttpExpected, Parts, Request};
use bakeoff_servers::services::ServiceEntry;
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// What asks a service these requests. Of requests with several paths, `seed` decides which asks for which.
pub fn exchange(service: &ServiceEntry, request: &RequestShape, seed: u64) -> Box<dyn Exchange> {
    match &request.http {
        Some(http) => Box::new(HttpRequests::new(http.clone(), seed)),
        None => (service.exchange)(request.size),
    }
}

/// Numbers of requests that ask for each path twice; of many paths, for the first drawn, so that it is `most` requests at most.
pub fn twice_each(request: &HttpRequest, seed: u64, most: usize) -> Vec<u64> {
    let (paths, draws) = (request.paths.len(), Stream::new(seed, Purpose::Path, 0));
    let wanted = paths.min(most / 2);
    let (mut times, mut numbers) = (BTreeMap::<usize, u8>::new(), Vec::new());
    // Of so many draws none misses a path for good: the chance is below 1e-23.
    for number in 1..=64 * paths as u64 {
        let path = drawn(draws, paths, number);
        let is_new = !times.contains_key(&path);
        if is_new && times.len() == wanted || times.get(&path) == Some(&2) {
            continue;
        }
        *times.entry(path).or_default() += 1;
        numbers.push(number);
        if numbers.len() == 2 * wanted {
            break;
        }
    }
    numbers
}

/// Which of so many paths the request of a number asks for.
fn drawn(draws: Stream, paths: usize, number: u64) -> usize {
    // The bias of a modulo over a few thousand paths is below 1e-15.
    (draws.bits(number) % paths as u64) as usize
}

/// Requests of HTTP as they are spelled out.
struct HttpRequests {
    /// Each path's head, and by what the content of its first right reply is known once that has come.
    paths: Vec<(Vec<u8>, OnceLock<Digest>)>,
    body: String,
    is_head: bool,
    expect: HttpExpectation,
    draws: Stream,
}

impl HttpRequests {
    fn new(request: HttpRequest, seed: u64) -> Self {
        let heads = request.paths.iter().map(|path| (head(&request, path), OnceLock::new()));
        Self {
            paths: heads.collect(),
            is_head: request.method == "HEAD",
            body: request.body,
            expect: request.expect,
            draws: Stream::new(seed, Purpose::Path, 0),
        }
    }

    fn path(&self, request: &Request) -> &(Vec<u8>, OnceLock<Digest>) {
        match self.paths.as_slice() {
            [only] => only,
            paths => &paths[drawn(self.draws, paths.len(), request.id)],
        }
    }
}

/// The head of a request for a path, with its last line end.
fn head(request: &HttpRequest, path: &str) -> Vec<u8> {
    let mut text = format!("{} {path} HTTP/1.1\r\n", request.method);
    if !request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        text += "Host: localhost\r\n";
    }
    for (name, value) in &request.headers {
        text += &format!("{name}: {value}\r\n");
    }
    // Of a method that means to send content a server may want to know that there is none (RFC 9110, 8.6).
    if !request.body.is_empty() || matches!(request.method.as_str(), "POST" | "PUT" | "PATCH") {
        text += &format!("Content-Length: {}\r\n", request.body.len());
    }
    (text + "\r\n").into_bytes()
}

impl Exchange for HttpRequests {
    fn min_payload(&self) -> u32 {
        0
    }

    fn request(&self, request: &Request) -> Parts<'_> {
        Parts::new(&[], &self.path(request).0, self.body.as_bytes())
    }

    fn reply(&self, _: &Request) -> Parts<'_> {
        Parts::new(&[], &[], &[])
    }

    fn expected(&self, request: &Request) -> Option<HttpExpected<'_>> {
        let HttpExpectation { statuses, length, headers, same_body } = &self.expect;
        let content = if *same_body { Content::Learned(&self.path(request).1) } else { Content::Any };
        Some(HttpExpected { statuses, is_head: self.is_head, length: *length, headers, content })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bakeoff_servers::exchange::HttpReply;
    use bakeoff_servers::services;

    fn asked(http: HttpRequest, id: u64) -> String {
        let http_service = services::find("http").expect("a service");
        let exchange = exchange(http_service, &RequestShape::http(http), 7);
        let request = exchange.request(&Request::new(id, 0, 0)).to_vec();
        String::from_utf8(request).expect("text")
    }

    fn get(paths: &[&str]) -> HttpRequest {
        HttpRequest {
            method: "GET".into(),
            paths: paths.iter().map(ToString::to_string).collect(),
            headers: Vec::new(),
            body: String::new(),
            expect: HttpExpectation::default(),
        }
    }

    #[test]
    fn a_request_is_what_is_spelled_out() {
        assert_eq!(asked(get(&["/a?b=1"]), 0), "GET /a?b=1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let headers =
            vec![("host".into(), "shop".into()), ("content-type".into(), "application/json".into())];
        let post = HttpRequest { method: "POST".into(), headers, body: "{\"ä\":1}".into(), ..get(&["/"]) };
        assert_eq!(
            asked(post.clone(), 0),
            "POST / HTTP/1.1\r\nhost: shop\r\ncontent-type: application/json\r\nContent-Length: 8\r\n\r\n{\"ä\":1}"
        );
        let empty = HttpRequest { body: String::new(), headers: Vec::new(), ..post };
        assert!(asked(empty, 0).contains("\r\nContent-Length: 0\r\n"));
    }

    #[test]
    fn content_that_must_be_alike_is_not_kept() {
        let expect = HttpExpectation { same_body: true, ..HttpExpectation::default() };
        let exchange = HttpRequests::new(HttpRequest { expect, ..get(&["/"]) }, 7);
        let expected = exchange.expected(&Request::new(0, 0, 0)).expect("of HTTP");
        let (length, piece) = (4 << 20, [b'x'; 64 << 10]);
        let used = allocation_counter::measure(|| {
            // Two at once, before either teaches.
            let mut replies = [HttpReply::default(), HttpReply::default()];
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
            for bytes in std::iter::once(head.as_bytes()).chain((0..length / piece.len()).map(|_| &piece[..]))
            {
                for reply in &mut replies {
                    reply.on_data(bytes, &expected).expect("it goes on");
                }
            }
            assert!(replies.iter().all(|reply| reply.wrong().is_none()));
        });
        assert!(used.bytes_max < 8 << 10, "{used:?}");
    }

    #[test]
    fn each_path_is_asked_for_twice_and_of_many_only_some() {
        for (paths, distinct) in [(1, 1), (3, 3), (50, 50), (2_000, 50)] {
            let names: Vec<String> = (0..paths).map(|at| format!("/{at}")).collect();
            let request = get(&names.iter().map(String::as_str).collect::<Vec<_>>());
            let exchange = HttpRequests::new(request.clone(), 7);
            let mut times = BTreeMap::new();
            for id in twice_each(&request, 7, 100) {
                let head = &exchange.path(&Request::new(id, 0, 0)).0;
                *times.entry(head.clone()).or_insert(0) += 1;
            }
            assert_eq!(times.len(), distinct, "of {paths}");
            assert!(times.values().all(|times| *times == 2), "{times:?}");
        }
    }

    #[test]
    fn paths_are_drawn_evenly_and_the_same_each_time() {
        let three = get(&["/a", "/b", "/c"]);
        let path = |id| asked(three.clone(), id)[4..6].to_owned();
        let first: Vec<String> = (0..3_000).map(path).collect();
        assert_eq!(first, (0..3_000).map(path).collect::<Vec<_>>());
        for path in ["/a", "/b", "/c"] {
            let count = first.iter().filter(|drawn| *drawn == path).count();
            // Five standard deviations of a binomial: 129.
            assert!(count.abs_diff(1_000) < 129, "{path}: {count}");
        }
    }
}
