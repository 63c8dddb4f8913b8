//! What a chat owes its members, under every model whose clients can reach each other. The first four are the demands that a course
//! makes of a chat.

mod slow;

use crate::server::{GUARD, Server, until};
use crate::{Case, Pair, case};
use slow::{
    a_member_that_does_not_read_its_answers_is_read_no_further,
    a_member_that_floods_and_does_not_read_is_heard_in_order_by_all,
    a_member_that_is_read_no_further_is_shut_out_for_what_others_say,
    a_member_that_stops_reading_is_shut_out_and_holds_up_nobody, has_a_postman,
    without_a_thread_for_slow_members_nobody_enters,
};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::thread;

pub(crate) const ALL: &[Case] = &[
    case!(everybody_hears_what_is_said_and_nobody_himself, holds_a_crowd),
    case!(what_was_said_before_an_end_is_heard, holds_a_crowd),
    case!(a_client_joins_a_room_and_leaves_it, holds_a_crowd),
    case!(the_server_stays_when_clients_go, holds_a_crowd),
    case!(a_client_comes_back, holds_a_crowd),
    case!(whispers_and_groups_reach_whom_they_are_for, holds_a_crowd),
    case!(what_cannot_be_done_is_refused, holds_a_crowd),
    case!(a_member_that_stops_reading_is_shut_out_and_holds_up_nobody, holds_a_crowd),
    case!(a_member_that_leaves_in_the_middle_of_a_message_has_said_nothing, holds_a_crowd),
    case!(a_member_that_does_not_read_its_answers_is_read_no_further, holds_a_crowd),
    case!(a_member_that_is_read_no_further_is_shut_out_for_what_others_say, holds_a_crowd),
    case!(a_member_that_floods_and_does_not_read_is_heard_in_order_by_all, holds_a_crowd),
    case!(floods_from_all_sides_reach_all_in_one_order, holds_a_crowd),
    Case { needs_root: true, ..case!(without_a_thread_for_slow_members_nobody_enters, has_a_postman) },
];

/// The most clients at once in one of the cases.
const CROWD: usize = 4;

/// Whether the model serves them all at once.
fn holds_a_crowd(pair: &Pair) -> bool {
    pair.concurrency() >= CROWD
}

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
