//! What a chat owes its members, under every model whose clients can reach each other. The first four are the demands that a course
//! makes of a chat.

use crate::cases::resident_bytes;
use crate::client::{Client, exchange, request};
use crate::server::{GUARD, Server, config, until};
use crate::{Case, Pair, case};
use bakeoff_servers::model::PerClient;
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

pub(crate) const ALL: &[Case] = &[
    case!(everybody_hears_what_is_said_and_nobody_himself, |pair| pair.concurrency() >= CROWD),
    case!(what_was_said_before_an_end_is_heard, |pair| pair.concurrency() >= CROWD),
    case!(a_client_joins_a_room_and_leaves_it, |pair| pair.concurrency() >= CROWD),
    case!(the_server_stays_when_clients_go, |pair| pair.concurrency() >= CROWD),
    case!(a_client_comes_back, |pair| pair.concurrency() >= CROWD),
    case!(whispers_and_groups_reach_whom_they_are_for, |pair| pair.concurrency() >= CROWD),
    case!(what_cannot_be_done_is_refused, |pair| pair.concurrency() >= CROWD),
    case!(a_member_that_stops_reading_is_shut_out_and_holds_up_nobody, |pair| pair.concurrency() >= CROWD),
    case!(a_member_that_leaves_in_the_middle_of_a_message_has_said_nothing, |pair| pair.concurrency()
        >= CROWD),
    case!(a_member_that_does_not_read_its_answers_is_read_no_further, |pair| pair.concurrency() >= CROWD),
    case!(a_member_that_is_read_no_further_is_shut_out_for_what_others_say, |pair| pair.concurrency()
        >= CROWD),
    case!(a_member_that_floods_and_does_not_read_is_heard_in_order_by_all, |pair| pair.concurrency()
        >= CROWD),
    case!(floods_from_all_sides_reach_all_in_one_order, |pair| pair.concurrency() >= CROWD),
    Case { needs_root: true, ..case!(without_a_thread_for_slow_members_nobody_enters, has_a_postman) },
];

/// The most clients at once in one of the cases.
const CROWD: usize = 4;

/// A client at a terminal.
struct Talker {
    heard: BufReader<TcpStream>,
}

impl Talker {
    /// In the lobby, by that name.
    fn called(server: &Server, name: &str) -> Self {
        let stream = TcpStream::connect_timeout(&server.addr, GUARD).expect("connect");
        stream.set_nodelay(true).expect("nodelay");
        stream.set_read_timeout(Some(GUARD)).expect("timeout");
        stream.set_write_timeout(Some(GUARD)).expect("timeout");
        let mut talker = Self { heard: BufReader::new(stream) };
        talker.asks(&format!("/name {name}"), &format!("* you are {name}"));
        talker
    }

    fn says(&mut self, line: &str) {
        writeln!(self.heard.get_mut(), "{line}").expect("send");
    }

    fn hears(&mut self, line: &str) {
        let mut heard = String::new();
        self.heard.read_line(&mut heard).expect("a line");
        assert_eq!(heard.trim_end_matches('\n'), line);
    }

    fn asks(&mut self, line: &str, answer: &str) {
        self.says(line);
        self.hears(answer);
    }

    /// Nothing has come before the answer to this.
    fn has_heard_all(&mut self) {
        self.asks("/echo that is all", "that is all");
    }
}

fn everybody_hears_what_is_said_and_nobody_himself(pair: &Pair) {
    let server = Server::start(pair);
    let [mut ann, mut bob, mut eve] = ["ann", "bob", "eve"].map(|name| Talker::called(&server, name));
    ann.says("hello");
    bob.hears("ann: hello");
    eve.hears("ann: hello");
    bob.says("hello yourself");
    ann.hears("bob: hello yourself");
    eve.hears("bob: hello yourself");
    [&mut ann, &mut bob, &mut eve].into_iter().for_each(Talker::has_heard_all);
    drop((ann, bob, eve));
    let counters = server.stop_clean(3);
    assert_eq!((counters.requests, counters.shut_out), (8, 0), "{counters:?}");
}

/// A line and `exit` in one packet, and more than the kernel takes at once before the end: all is said, heard and counted.
fn what_was_said_before_an_end_is_heard(pair: &Pair) {
    let server = Server::start(pair);
    let [mut ann, mut bob, mut eve] = ["ann", "bob", "eve"].map(|name| Talker::called(&server, name));
    ann.heard.get_mut().write_all(b"bye\nexit\n").expect("send");
    bob.hears("ann: bye");
    assert_eq!(ann.heard.read_to_end(&mut Vec::new()).expect("an end"), 0);
    let long = "x".repeat(3 << 20);
    writeln!(eve.heard.get_mut(), "/echo {long}").expect("send");
    eve.heard.get_mut().shutdown(std::net::Shutdown::Write).expect("half-close");
    eve.hears("ann: bye");
    eve.hears(&long);
    assert_eq!(eve.heard.read_to_end(&mut Vec::new()).expect("an end"), 0);
    bob.has_heard_all();
    drop((ann, bob, eve));
    let counters = server.stop_clean(3);
    assert_eq!((counters.requests, counters.shut_out), (6, 0), "{counters:?}");
}

fn a_client_joins_a_room_and_leaves_it(pair: &Pair) {
    let server = Server::start(pair);
    let [mut ann, mut bob, mut eve] = ["ann", "bob", "eve"].map(|name| Talker::called(&server, name));
    ann.asks("/join den", "* you are in den");
    bob.asks("/join den", "* you are in den");
    bob.asks("/who", "* in den: ann bob");
    ann.says("only for us");
    bob.hears("ann: only for us");
    eve.says("anybody?");
    eve.has_heard_all(); // so it was said
    ann.asks("/leave", "* you are in lobby");
    eve.says("there you are");
    ann.hears("eve: there you are");
    bob.says("alone");
    [&mut ann, &mut bob, &mut eve].into_iter().for_each(Talker::has_heard_all);
    drop((ann, bob, eve));
    server.stop_clean(3);
}

fn the_server_stays_when_clients_go(pair: &Pair) {
    let server = Server::start(pair);
    let [mut ann, mut bob, mut eve] = ["ann", "bob", "eve"].map(|name| Talker::called(&server, name));
    ann.says("exit");
    assert_eq!(ann.heard.read_to_end(&mut Vec::new()).expect("an end"), 0);
    drop(eve.heard.get_mut().shutdown(std::net::Shutdown::Both));
    drop((ann, eve));
    until("bob is alone", || {
        bob.says("/who");
        let mut who = String::new();
        bob.heard.read_line(&mut who).expect("a line");
        who == "* in lobby: bob\n"
    });
    let mut zoe = Talker::called(&server, "zoe");
    zoe.says("anybody left?");
    bob.hears("zoe: anybody left?");
    drop((bob, zoe));
    server.stop_clean(4);
}

fn a_client_comes_back(pair: &Pair) {
    let server = Server::start(pair);
    let mut bob = Talker::called(&server, "bob");
    for _ in 0..3 {
        let mut ann = Talker::called(&server, "ann");
        ann.says("here I am again");
        bob.hears("ann: here I am again");
        bob.says("welcome");
        ann.hears("bob: welcome");
        ann.says("exit");
        assert_eq!(ann.heard.read_to_end(&mut Vec::new()).expect("an end"), 0);
        until("the name is free", || {
            bob.says("/whisper ann still there?");
            bob.says("/echo asked");
            let mut answer = String::new();
            bob.heard.read_line(&mut answer).expect("a line");
            let is_free = answer == "! nobody is called ann\n";
            if is_free {
                bob.hears("asked");
            }
            is_free
        });
    }
    drop(bob);
    server.stop_clean(4);
}

fn whispers_and_groups_reach_whom_they_are_for(pair: &Pair) {
    let server = Server::start(pair);
    let [mut ann, mut bob, mut eve] = ["ann", "bob", "eve"].map(|name| Talker::called(&server, name));
    eve.asks("/join elsewhere", "* you are in elsewhere");
    ann.says("/whisper eve psst");
    eve.hears("ann (to you): psst");
    bob.asks("/enter chess", "* you hear chess");
    eve.asks("/enter chess", "* you hear chess");
    ann.says("/to chess e4");
    bob.hears("ann (to chess): e4");
    eve.hears("ann (to chess): e4");
    bob.says("/to chess e5");
    eve.hears("bob (to chess): e5");
    eve.asks("/quit chess", "* you hear chess no more");
    ann.says("/to chess Nf3");
    bob.hears("ann (to chess): Nf3");
    [&mut ann, &mut bob, &mut eve].into_iter().for_each(Talker::has_heard_all);
    drop((ann, bob, eve));
    server.stop_clean(3);
}

fn what_cannot_be_done_is_refused(pair: &Pair) {
    let server = Server::start(pair);
    let [mut ann, mut bob] = ["ann", "bob"].map(|name| Talker::called(&server, name));
    let rule = "! a name has 1 to 32 letters, digits, - and _";
    let too_long = format!("/join {}", "x".repeat(33));
    for (line, answer) in [
        ("/name bob", "! somebody is called bob"),
        ("/name ann", "* you are ann"),
        ("/name", rule),
        ("/name two words", rule),
        ("/join ..", rule),
        (too_long.as_str(), rule),
        ("/whisper nobody hello", "! nobody is called nobody"),
        ("/to chess e4", "! nobody hears chess"),
        ("/quit chess", "! you do not hear chess"),
        ("/dance", "! there is no such command; /help lists those there are"),
        ("/who", "* in lobby: ann bob"),
    ] {
        ann.asks(line, answer);
    }
    bob.has_heard_all();
    drop((ann, bob));
    server.stop_clean(2);
}

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

fn a_member_that_stops_reading_is_shut_out_and_holds_up_nobody(pair: &Pair) {
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

fn a_member_that_does_not_read_its_answers_is_read_no_further(pair: &Pair) {
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

fn a_member_that_is_read_no_further_is_shut_out_for_what_others_say(pair: &Pair) {
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

/// One floods the room as fast as the slower of two others hears it, and reads nothing of what these say to each other. Both hear all
/// that it said, in its order, until it is shut out.
fn a_member_that_floods_and_does_not_read_is_heard_in_order_by_all(pair: &Pair) {
    /// Lines under way: too few for anybody who reads to be shut out.
    const AHEAD: usize = 32;
    let server = Server::start(pair);
    let [mut ann, mut bob, zoe] = ["ann", "bob", "zoe"].map(|name| Talker::called(&server, name));
    let before = resident_bytes(&server);
    let (heard, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let text = "z".repeat(16 * 1024);
    let flooding = || {
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
    };
    let flood_of_zoe = |line: &str, next: &mut usize| {
        let is_next = line == format!("zoe: {next} {text}\n");
        *next += usize::from(is_next);
        is_next
    };
    let by_bob = thread::scope(|scope| {
        scope.spawn(flooding);
        let (mut by_ann, mut by_bob, mut line) = (0, 0, String::new());
        for said in 0.. {
            assert!(said * text.len() < TOO_MUCH, "nobody was shut out");
            ann.says(&format!("{said} {text}"));
            let of_ann = format!("ann: {said} {text}\n");
            while line != of_ann {
                line.clear();
                bob.heard.read_line(&mut line).expect("a line");
                assert!(flood_of_zoe(&line, &mut by_bob) || line == of_ann, "not the next: {line:.40}");
            }
            let asks = said % 16 == 0;
            if asks {
                ann.says("/who");
            }
            // She hears as much of the flood as he has; and the answer to her question, wherever in it.
            let mut who = None;
            while by_ann < by_bob || (asks && who.is_none()) {
                line.clear();
                ann.heard.read_line(&mut line).expect("a line");
                if !flood_of_zoe(&line, &mut by_ann) {
                    assert!(line.starts_with("* in lobby: "), "not the next: {line:.40}");
                    who = Some(line.clone());
                }
            }
            heard.store(by_ann.min(by_bob), Ordering::Relaxed);
            let grown = resident_bytes(&server).saturating_sub(before);
            assert!(grown < 2 * FOR_ONE, "the server grew by {grown} bytes");
            if who.is_some_and(|who| who == "* in lobby: ann bob\n") {
                break;
            }
        }
        over.store(true, Ordering::Relaxed);
        // What was under way when she was shut out both have heard, or neither.
        ann.says("is she gone?");
        while line != "ann: is she gone?\n" {
            line.clear();
            bob.heard.read_line(&mut line).expect("a line");
            assert!(
                flood_of_zoe(&line, &mut by_bob) || line.starts_with("ann: is"),
                "not the next: {line:.40}"
            );
        }
        while by_ann < by_bob {
            line.clear();
            ann.heard.read_line(&mut line).expect("a line");
            assert!(flood_of_zoe(&line, &mut by_ann), "not the next: {line:.40}");
        }
        assert_eq!(by_ann, by_bob);
        by_bob
    });
    assert!(by_bob > AHEAD, "she was heard: {by_bob} lines");
    [&mut ann, &mut bob].into_iter().for_each(Talker::has_heard_all);
    drop((ann, bob, zoe));
    let counters = server.stop_clean(3);
    assert_eq!(counters.shut_out, 1, "{counters:?}");
}

/// Whether a thread beside those that the model states sends what slow members leave.
fn has_a_postman(pair: &Pair) -> bool {
    pair.model.meta().per_client == PerClient::Nothing
        && pair.concurrency() >= CROWD
        && !pair.model.name().starts_with("tokio") // which has a task for each client
}

/// A server that has room for its own threads alone: nobody enters whose messages might be lost later; who comes when there is room is
/// served.
fn without_a_thread_for_slow_members_nobody_enters(pair: &Pair) {
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

fn a_member_that_leaves_in_the_middle_of_a_message_has_said_nothing(pair: &Pair) {
    let server = Server::start(pair);
    let [mut ann, mut bob, mut eve] = ["ann", "bob", "eve"].map(|name| Talker::called(&server, name));
    ann.says("one");
    ann.heard.get_mut().write_all(b"half a li").expect("send");
    drop(ann);
    until("ann is gone", || {
        eve.says("/who");
        let mut who = String::new();
        while !who.starts_with('*') {
            who.clear();
            eve.heard.read_line(&mut who).expect("a line");
        }
        who == "* in lobby: bob eve\n"
    });
    eve.says("two");
    bob.hears("ann: one");
    bob.hears("eve: two");
    [&mut bob, &mut eve].into_iter().for_each(Talker::has_heard_all);
    drop((bob, eve));
    server.stop_clean(3);
}

/// All speak at once; each hears all that the others said, every speaker's lines in order; and two that only listen hear the same.
fn floods_from_all_sides_reach_all_in_one_order(pair: &Pair) {
    const LINES: usize = 2_000;
    let server = Server::start(pair);
    let [ann, bob] = ["ann", "bob"].map(|name| Talker::called(&server, name));
    let [mut eve, mut zoe] = ["eve", "zoe"].map(|name| Talker::called(&server, name));
    let flood = |mut talker: Talker, other: &'static str| {
        let mut writer = talker.heard.get_mut().try_clone().expect("clone");
        thread::spawn(move || {
            let said = thread::spawn(move || {
                (0..LINES).for_each(|at| writeln!(writer, "line {at}").expect("send"));
            });
            (0..LINES).for_each(|at| talker.hears(&format!("{other}: line {at}")));
            said.join().expect("all is said");
            talker
        })
    };
    let speaking = [flood(ann, "bob"), flood(bob, "ann")];
    let listens = |talker: &mut Talker| -> Vec<String> {
        let lines = talker.heard.by_ref().lines().take(2 * LINES);
        lines.map(|line| line.expect("a line")).collect()
    };
    let (first, second) = (listens(&mut eve), listens(&mut zoe));
    assert_eq!(first, second, "the same order for everybody");
    for name in ["ann", "bob"] {
        let of_one: Vec<&String> = first.iter().filter(|line| line.starts_with(name)).collect();
        let said: Vec<String> = (0..LINES).map(|at| format!("{name}: line {at}")).collect();
        assert_eq!(of_one, said.iter().collect::<Vec<_>>());
    }
    let talkers = speaking.map(|thread| thread.join().expect("it hears the other"));
    [&mut eve, &mut zoe].into_iter().for_each(Talker::has_heard_all);
    drop((talkers, eve, zoe));
    server.stop_clean(4);
}
