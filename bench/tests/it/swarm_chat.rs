//! A worker whose members hear each other, against a server of our own that passes messages on as it should, and against one that does
//! not: every delivery is called what it was. No assertion is about speed.

use crate::swarm;

use bakeoff::swarm::spec::WorkerSpec;
use bakeoff::swarm::worker::{SwarmError, prepare};
use bakeoff::workload::load::{Arrivals, Audience, AudienceKind};
use bakeoff_reports::record::{FanOut, Measured};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::spawn;
use std::time::Duration;
use swarm::{Echo, closed, open, run, spec};

/// What is done with the delivery of that number, of those to one member.
type Conduct = fn(ordinal: u64) -> Fate;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Delivered,
    Dropped,
    Doubled,
    Garbled,
    /// Kept until the next one, and sent behind it.
    Overtaken,
    /// The member is thrown out instead.
    CutOff,
}

/// One who is connected.
struct Member {
    stream: TcpStream,
    room: String,
    groups: Vec<String>,
    deliveries: u64,
    kept: Option<String>,
}

impl Member {
    fn hear(&mut self, message: String, conduct: Conduct) {
        let fate = conduct(self.deliveries);
        self.deliveries += 1;
        let lines = match fate {
            Fate::Delivered => message,
            Fate::Dropped => return,
            Fate::Doubled => message.repeat(2),
            Fate::Garbled => message.replace(|c: char| c.is_ascii_uppercase(), "?"),
            Fate::Overtaken => return self.kept = Some(message),
            Fate::CutOff => {
                let _ = self.stream.shutdown(std::net::Shutdown::Both);
                return;
            }
        };
        let _ = self.stream.write_all((lines + &self.kept.take().unwrap_or_default()).as_bytes());
    }
}

type Members = Arc<Mutex<BTreeMap<String, Member>>>;

/// A chat in a few lines; it ends with the test's process.
fn chat(conduct: Conduct) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let address = listener.local_addr().expect("bound");
    let members = Members::default();
    spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let members = Arc::clone(&members);
            spawn(move || serve(&stream, &members, conduct));
        }
    });
    address
}

fn serve(stream: &TcpStream, members: &Members, conduct: Conduct) {
    let mut name = String::new();
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        let mut members = members.lock().expect("no panic");
        let (command, rest) = line.split_once(' ').unwrap_or((&line, ""));
        match command {
            "/name" if members.contains_key(rest) => {
                let mut stream = stream.try_clone().expect("a descriptor");
                let _ = writeln!(stream, "! somebody is called {rest}");
            }
            "/name" => {
                name = rest.to_owned();
                let mut stream = stream.try_clone().expect("a descriptor");
                let _ = writeln!(stream, "* you are {name}");
                let room = "lobby".into();
                members.insert(
                    name.clone(),
                    Member { stream, room, groups: Vec::new(), deliveries: 0, kept: None },
                );
            }
            "/join" => {
                let member = members.get_mut(&name).expect("it has a name");
                member.room = rest.to_owned();
                let _ = writeln!(member.stream, "* you are in {rest}");
            }
            "/enter" => {
                let member = members.get_mut(&name).expect("it has a name");
                member.groups.push(rest.to_owned());
                let _ = writeln!(member.stream, "* you hear {rest}");
            }
            "/whisper" => {
                let (to, text) = rest.split_once(' ').expect("a text");
                let hearer = members.get_mut(to).expect("it is there");
                hearer.hear(format!("{name} (to you): {text}\n"), conduct);
            }
            "/to" => {
                let (to, text) = rest.split_once(' ').expect("a text");
                let in_group = |one: &&mut Member| one.groups.iter().any(|group| group == to);
                let others = members.iter_mut().filter(|(other, _)| **other != name).map(|(_, one)| one);
                others
                    .filter(in_group)
                    .for_each(|one| one.hear(format!("{name} (to {to}): {text}\n"), conduct));
            }
            _ => {
                let room = members[&name].room.clone();
                let others = members.iter_mut().filter(|(other, one)| **other != name && one.room == room);
                others.for_each(|(_, one)| one.hear(format!("{name}: {line}\n"), conduct));
            }
        }
    }
}

/// 150 messages of 12 members, evenly spaced.
fn among(address: SocketAddr, kind: AudienceKind, size: u32) -> WorkerSpec {
    let mut spec = WorkerSpec {
        service: "chat".into(),
        audience: Some(Audience { kind, size, slow: 0 }),
        ..spec(address, open(12, 500.0, Arrivals::Fixed))
    };
    spec.timing.warmup = Duration::ZERO;
    spec
}

/// The same in one room, that gives up soon.
fn hasty(conduct: Conduct) -> WorkerSpec {
    let mut spec = among(chat(conduct), AudienceKind::Room, 12);
    (spec.timing.timeout, spec.timing.drain) = (Duration::from_millis(300), Duration::from_millis(600));
    spec
}

fn heard(measured: &Measured) -> FanOut {
    let fan_out = measured.fan_out.clone().expect("members were to hear each other");
    assert!(fan_out.received + fan_out.late <= fan_out.expected, "{fan_out:?}");
    FanOut { first: None, ..fan_out }
}

#[test]
fn every_audience_hears_all_that_is_for_it() {
    for (kind, size) in
        [(AudienceKind::Room, 12), (AudienceKind::Room, 4), (AudienceKind::Group, 6), (AudienceKind::One, 2)]
    {
        let measured = run(&among(chat(|_| Fate::Delivered), kind, size));
        let sent = measured.counts.sent;
        assert!(sent > 100, "{measured:?}");
        let deliveries = sent * u64::from(size - 1);
        assert_eq!(
            heard(&measured),
            FanOut { expected: deliveries, received: deliveries, ..FanOut::default() }
        );
        assert_eq!(measured.counts.ok, sent, "{kind:?} {size}");
        let first =
            measured.fan_out.as_ref().and_then(|fan_out| fan_out.first.as_ref()).expect("they were heard");
        assert_eq!((first.count, measured.spread.connections), (sent, 12));
    }
}

#[test]
fn what_one_member_never_hears_makes_the_message_unanswered() {
    // Each of the members misses the tenth of what it should hear, and they hear in step, but for their own words.
    let measured = run(&hasty(|ordinal| if ordinal == 9 { Fate::Dropped } else { Fate::Delivered }));
    let fan_out = heard(&measured);
    assert_eq!(fan_out.expected - fan_out.received, 12);
    let missed = measured.counts.timeouts;
    assert!(
        (1..=12).contains(&missed) && measured.counts.ok + missed == measured.counts.sent,
        "{measured:?}"
    );
}

#[test]
fn copies_and_changes_of_order_are_told_apart() {
    let measured = run(&among(
        chat(|ordinal| if ordinal % 20 == 7 { Fate::Doubled } else { Fate::Delivered }),
        AudienceKind::One,
        2,
    ));
    let fan_out = heard(&measured);
    assert_eq!((fan_out.received, measured.counts.ok), (measured.counts.sent, measured.counts.sent));
    // Each member hears a twelfth.
    let each = |hears: u64| (0..hears).filter(|ordinal| ordinal % 20 == 7).count() as u64;
    let (all, rest) = (measured.counts.sent / 12, measured.counts.sent % 12);
    assert_eq!(fan_out.duplicated, each(all) * (12 - rest) + each(all + 1) * rest);

    // Of two that whisper to each other every other word is overtaken by the next.
    let mut spec = among(
        chat(|ordinal| if ordinal.is_multiple_of(2) { Fate::Overtaken } else { Fate::Delivered }),
        AudienceKind::One,
        2,
    );
    (spec.timing.timeout, spec.timing.drain) = (Duration::from_secs(1), Duration::from_secs(2));
    let measured = run(&spec);
    let fan_out = heard(&measured);
    assert_eq!(fan_out.reordered, fan_out.received / 2, "{fan_out:?}");
    assert_eq!(
        fan_out.expected - fan_out.received,
        measured.counts.timeouts,
        "the last words are kept for ever"
    );
}

#[test]
fn a_changed_word_is_a_wrong_reply_and_an_end_is_the_end_of_a_member() {
    let measured = run(&hasty(|ordinal| if ordinal == 3 { Fate::Garbled } else { Fate::Delivered }));
    let wrong: u64 = measured.counts.errors.values().sum();
    assert!((1..=12).contains(&wrong) && wrong + measured.counts.ok == measured.counts.sent, "{measured:?}");
    let fan_out = heard(&measured);
    assert_eq!(
        (fan_out.wrong, fan_out.late, fan_out.expected - fan_out.received),
        (12, 0, 12),
        "one for each member"
    );
    let measured = run(&hasty(|ordinal| if ordinal == 3 { Fate::CutOff } else { Fate::Delivered }));
    // Three words are heard by all, the fourth ends eight members, and the next of who is left three: the last is ended if that was
    // under way already.
    assert!(matches!((heard(&measured).gone, measured.counts.ok), (11 | 12, 3)), "{measured:?}");
}

/// Twelve members of which two never read: a message waits for the nine others that do. All that is said comes to a slow one, which
/// says nothing, and so it hears more of it than any other.
#[test]
fn a_message_waits_for_no_slow_member_and_it_is_seen_who_was_cut_off() {
    for (conduct, cut_off) in [
        ((|_| Fate::Delivered) as Conduct, 0),
        (|ordinal| if ordinal == 148 { Fate::CutOff } else { Fate::Delivered }, 2),
    ] {
        let mut spec = among(chat(conduct), AudienceKind::Room, 12);
        spec.audience = Some(Audience { kind: AudienceKind::Room, size: 12, slow: 2 });
        let measured = run(&spec);
        let sent = measured.counts.sent;
        assert_eq!((sent, measured.counts.ok), (150, 150), "{measured:?}");
        let heard = heard(&measured);
        let deliveries = sent * 9;
        let of_slow = FanOut { slow: 2, slow_gone: cut_off, ..FanOut::default() };
        assert_eq!(heard, FanOut { expected: deliveries, received: deliveries, ..of_slow });
        assert_eq!(measured.spread.connections, 10, "the slow say nothing");
    }
}

#[test]
fn who_serves_no_chat_is_told_apart() {
    let nobody = TcpListener::bind("127.0.0.1:0").expect("loopback").local_addr().expect("bound");
    let refused = |spec: &WorkerSpec| prepare(spec, &Echo).expect_err("it cannot");
    let none = refused(&among(nobody, AudienceKind::Room, 12));
    assert!(matches!(none, SwarmError::NothingConnected { .. }), "{none}");
    let address = chat(|_| Fate::Delivered);
    let named = TcpStream::connect(address).expect("it listens");
    writeln!(&named, "/name m3").expect("send");
    BufReader::new(&named).read_line(&mut String::new()).expect("its name");
    let taken = refused(&among(address, AudienceKind::Room, 12));
    assert!(matches!(taken, SwarmError::NamesTaken(_)), "{taken}");
    let parted = WorkerSpec { shards: 2, ..among(address, AudienceKind::Room, 12) };
    assert!(matches!(refused(&parted), SwarmError::Parted(2)));
    let uneven = among(address, AudienceKind::Room, 5);
    assert!(refused(&uneven).to_string().contains("multiple"));
    let paced = WorkerSpec { load: closed(12), ..among(address, AudienceKind::Room, 12) };
    assert!(refused(&paced).to_string().contains("open"));
}
