//! What a chat owes its members where one of them does not read: it is shut out for what others say, read no further for what it is
//! answered, and the others hear everything.

use super::{CROWD, Talker};
use crate::Pair;
use crate::cases::resident_bytes;
use crate::client::{Client, exchange, request};
use crate::server::{GUARD, Server, config, until};
use bakeoff_servers::model::PerClient;
use std::io::{BufRead as _, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// More than the kernel and a post keep for one client: a post keeps 1 MiB, and buffers on loopback grow to some MiB.
const TOO_MUCH: usize = 64 << 20;

/// What one member says to another, who hears it before the next: whoever is shut out meanwhile was slower than that.
struct Lockstep {
    line: String,
    said: usize,
}

impl Lockstep {
    fn new() -> Self {
        Self { line: "x".repeat(16 * 1024), said: 0 }
    }

    /// One more line; it must not be too much.
    fn step(&mut self, speaker: &mut Talker, hearer: &mut Talker) {
        speaker.says(&self.line);
        hearer.hears(&format!("ann: {}", self.line));
        self.said += self.line.len();
        assert!(self.said < TOO_MUCH, "nobody was shut out");
    }
}

/// The descriptors of the server: a connection has one or more.
fn descriptors(server: &Server) -> usize {
    server.process().fd().expect("descriptors").count()
}

pub(super) fn a_member_that_stops_reading_is_shut_out_and_holds_up_nobody(pair: &Pair) {
    let server = Server::start(pair);
    let [mut ann, mut bob] = ["ann", "bob"].map(|name| Talker::called(&server, name));
    let of_two = descriptors(&server);
    let mut eve = Talker::called(&server, "eve");
    let mut talk = Lockstep::new();
    let mut who = String::new();
    while who != "* in lobby: ann bob\n" {
        (0..16).for_each(|_| talk.step(&mut ann, &mut bob));
        ann.says("/who");
        who.clear();
        ann.heard.read_line(&mut who).expect("who is there");
    }
    // Nothing of her is left there, though she has not read a byte and never may.
    until("her connection has ended", || descriptors(&server) == of_two);
    // What she was sent before is there, and whole lines but for the last, and then an end.
    let mut rest = Vec::new();
    match eve.heard.read_to_end(&mut rest) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
    assert!(rest.len() < talk.said, "{} of {}", rest.len(), talk.said);
    let whole = format!("ann: {}\n", talk.line).into_bytes();
    assert!(rest.chunks(whole.len()).all(|line| whole.starts_with(line)));
    [&mut ann, &mut bob].into_iter().for_each(Talker::has_heard_all);
    drop((ann, bob, eve));
    let counters = server.stop_clean(3);
    assert_eq!(counters.shut_out, 1, "{counters:?}");
}

/// The most that a server may grow by for one member that does not read.
const FOR_ONE: u64 = 8 << 20;

/// Requests of 64 KiB that fill whatever is kept of their answers.
const MANY: u64 = 512;

pub(super) fn a_member_that_does_not_read_its_answers_is_read_no_further(pair: &Pair) {
    let server = Server::start(pair);
    let exchange = exchange(pair);
    let [mut ann, mut bob] = ["ann", "bob"].map(|name| Talker::called(&server, name));
    ann.asks("/join den", "* you are in den");
    bob.asks("/join den", "* you are in den");
    let mut greedy = Client::connect_narrow(&server, &*exchange);
    greedy.exchange(&request(u64::MAX, 64));
    let before = resident_bytes(&server);
    let (whole, missing) = greedy.send_until_stuck(&server, |id| request(id, 64 * 1024), MANY);
    assert!(whole < MANY, "the server must stop reading from a client that does not read");
    let grown = resident_bytes(&server).saturating_sub(before);
    assert!(grown < FOR_ONE, "the server grew by {grown} bytes for one client that does not read");
    ann.says("what a silence");
    bob.hears("ann: what a silence");
    // It reads again, and has lost nothing.
    let mut writer = greedy.stream.try_clone().expect("clone");
    thread::scope(|scope| {
        scope.spawn(|| writer.write_all(&missing).expect("send the rest"));
        (0..=whole).for_each(|id| greedy.expect(&request(id, 64 * 1024)));
    });
    greedy.exchange(&request(u64::MAX, 64));
    [&mut ann, &mut bob].into_iter().for_each(Talker::has_heard_all);
    drop((greedy, writer, ann, bob));
    let counters = server.stop_clean(3);
    assert_eq!((counters.requests, counters.shut_out), (whole + 3 + 7, 0), "{counters:?}");
}

pub(super) fn a_member_that_is_read_no_further_is_shut_out_for_what_others_say(pair: &Pair) {
    let server = Server::start(pair);
    let exchange = exchange(pair);
    let [mut ann, mut bob] = ["ann", "bob"].map(|name| Talker::called(&server, name));
    let of_two = descriptors(&server);
    let before = resident_bytes(&server);
    let mut greedy = Client::connect_narrow(&server, &*exchange);
    let (whole, _) = greedy.send_until_stuck(&server, |id| request(id, 64 * 1024), MANY);
    assert!(whole < MANY, "the server must stop reading from a client that does not read");
    let mut talk = Lockstep::new();
    while descriptors(&server) > of_two {
        talk.step(&mut ann, &mut bob);
    }
    let grown = resident_bytes(&server).saturating_sub(before);
    assert!(grown < FOR_ONE, "the server grew by {grown} bytes for one client that does not read");
    ann.asks("/who", "* in lobby: ann bob");
    [&mut ann, &mut bob].into_iter().for_each(Talker::has_heard_all);
    drop((greedy, ann, bob));
    let counters = server.stop_clean(3);
    assert_eq!(counters.shut_out, 1, "{counters:?}");
}

/// Somebody who hears the flood, its lines in their order, and other things between them.
struct Listener {
    talker: Talker,
    /// Lines of the flood that it has heard.
    heard: usize,
    line: String,
}

impl Listener {
    fn new(talker: Talker) -> Self {
        Self { talker, heard: 0, line: String::new() }
    }

    /// Hears a line; whether it is the flood's next.
    fn is_flooded(&mut self, text: &str) -> bool {
        self.line.clear();
        self.talker.heard.read_line(&mut self.line).expect("a line");
        let is_next = self.line == format!("zoe: {} {text}\n", self.heard);
        self.heard += usize::from(is_next);
        is_next
    }

    /// The next line that is none of the flood's.
    fn hears_but_flood(&mut self, text: &str) -> &str {
        while self.is_flooded(text) {}
        &self.line
    }

    /// Hears as many lines of the flood as somebody else has.
    fn catch_up(&mut self, heard: usize, text: &str) {
        while self.heard < heard {
            assert!(self.is_flooded(text), "not the next: {:.40}", self.line);
        }
    }
}

/// Lines of a flood under way: too few for anybody who reads to be shut out.
const AHEAD: usize = 32;

/// Floods the room as fast as it is `heard`, until it cannot or `over` is set.
fn flood(zoe: &Talker, text: &str, heard: &AtomicUsize, over: &AtomicBool) {
    let mut stream = zoe.heard.get_ref();
    for at in 0.. {
        while at >= heard.load(Ordering::Relaxed) + AHEAD {
            if over.load(Ordering::Relaxed) {
                return;
            }
            thread::yield_now();
        }
        if stream.write_all(format!("{at} {text}\n").as_bytes()).is_err() {
            return;
        }
    }
}

/// One floods the room as fast as the slower of two others hears it, and reads nothing of what these say to each other. Both hear all
/// that it said, in its order, until it is shut out.
pub(super) fn a_member_that_floods_and_does_not_read_is_heard_in_order_by_all(pair: &Pair) {
    let server = Server::start(pair);
    let [mut ann, mut bob] = ["ann", "bob"].map(|name| Listener::new(Talker::called(&server, name)));
    let zoe = Talker::called(&server, "zoe");
    let before = resident_bytes(&server);
    let (heard, over, text) = (AtomicUsize::new(0), AtomicBool::new(false), "z".repeat(16 * 1024));
    thread::scope(|scope| {
        scope.spawn(|| flood(&zoe, &text, &heard, &over));
        for said in 0.. {
            assert!(said * text.len() < TOO_MUCH, "nobody was shut out");
            ann.talker.says(&format!("{said} {text}"));
            assert_eq!(bob.hears_but_flood(&text), format!("ann: {said} {text}\n"));
            ann.talker.says("/who");
            let is_gone = ann.hears_but_flood(&text) == "* in lobby: ann bob\n";
            ann.catch_up(bob.heard, &text);
            heard.store(bob.heard, Ordering::Relaxed);
            let grown = resident_bytes(&server).saturating_sub(before);
            assert!(grown < 2 * FOR_ONE, "the server grew by {grown} bytes");
            if is_gone {
                break;
            }
        }
        over.store(true, Ordering::Relaxed);
    });
    // What was under way when she was shut out both have heard, or neither.
    ann.talker.says("is she gone?");
    assert_eq!(bob.hears_but_flood(&text), "ann: is she gone?\n");
    ann.catch_up(bob.heard, &text);
    assert_eq!(ann.heard, bob.heard);
    assert!(bob.heard > AHEAD, "she was heard: {} lines", bob.heard);
    [&mut ann, &mut bob].into_iter().for_each(|listener| listener.talker.has_heard_all());
    drop((ann, bob, zoe));
    let counters = server.stop_clean(3);
    assert_eq!(counters.shut_out, 1, "{counters:?}");
}

/// Whether a thread beside those that the model states sends what slow members leave.
pub(super) fn has_a_postman(pair: &Pair) -> bool {
    pair.model.meta().per_client == PerClient::Nothing
        && pair.concurrency() >= CROWD
        && !pair.model.name().starts_with("tokio") // which has a task for each client
}

/// A server that has room for its own threads alone: nobody enters whose messages might be lost later; who comes when there is room is
/// served.
pub(super) fn without_a_thread_for_slow_members_nobody_enters(pair: &Pair) {
    let threads = (pair.model.meta().threads)(&config()) as u64;
    let server = Server::start_with(pair, |options| options.max_processes = Some(threads));
    let started = || server.process().stat().expect("stat").num_threads as u64;
    until("its own threads have started", || started() == threads);
    let mut refused = TcpStream::connect_timeout(&server.addr, GUARD).expect("connect");
    refused.set_read_timeout(Some(GUARD)).expect("timeout");
    let end = refused.read(&mut [0]).map_err(|error| error.kind());
    assert!(matches!(end, Ok(0) | Err(ErrorKind::ConnectionReset)), "{end:?}");
    server.limit_processes(threads + 1);
    let mut ann = Talker::called(&server, "ann");
    ann.has_heard_all();
    assert_eq!(started(), threads + 1);
    drop(ann);
    let counters = server.stop();
    assert_eq!(
        (counters.accepted, counters.connection_errors + counters.spawn_errors),
        (2, 1),
        "{counters:?}"
    );
}
