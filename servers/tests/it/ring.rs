//! The ring of `sys::uring`, by itself.

use bakeoff_servers::drive::Key;
use bakeoff_servers::drive::readiness::Source;
use bakeoff_servers::sys::uring::{Descriptor, Event, Ring};
use libtest_mimic::Trial;
use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;
use slotmap::SlotMap;
use std::collections::HashSet;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

/// The tests, ignored where there is no ring.
pub(crate) fn trials() -> Vec<Trial> {
    let missing = Ring::check().is_err();
    let tests: [(&str, fn()); 4] = [
        ("out_of_buffers_nothing_is_lost", out_of_buffers_nothing_is_lost),
        ("full_queues_lose_no_completion", full_queues_lose_no_completion),
        ("a_dropped_ring_releases_its_descriptors", a_dropped_ring_releases_its_descriptors),
        ("a_cancelled_receive_is_reported", a_cancelled_receive_is_reported),
    ];
    let trial = |(name, test): (&str, fn())| {
        let test = move || {
            test();
            Ok(())
        };
        let reason = if missing { "io_uring is unavailable here" } else { "" };
        Trial::test(format!("ring::{name}"), test).with_kind(reason).with_ignored_flag(missing)
    };
    tests.into_iter().map(trial).collect()
}

fn ring() -> Ring {
    Ring::new().expect("a ring")
}

/// Keys as a loop has them, by number.
fn keys(count: usize) -> (SlotMap<Key, usize>, Vec<Key>) {
    let mut numbers = SlotMap::new();
    let keys = (0..count).map(|number| numbers.insert(number)).collect();
    (numbers, keys)
}

fn pair() -> (UnixStream, Descriptor) {
    let (client, server) = UnixStream::pair().expect("a pair of sockets");
    (client, Arc::new(OwnedFd::from(server)))
}

fn out_of_buffers_nothing_is_lost() {
    const EACH: usize = 100_000;
    const SOCKETS: usize = 40; // 4 MB, twice what the buffers hold
    let mut ring = ring();
    let pairs: Vec<_> = (0..SOCKETS).map(|_| pair()).collect();
    let (numbers, keys) = keys(SOCKETS);
    for (number, (client, server)) in pairs.iter().enumerate() {
        client.set_nonblocking(true).expect("a flag");
        let mut client = client;
        client.write_all(&vec![number as u8; EACH]).expect("the kernel keeps so much");
        ring.receive(server, keys[number]);
    }
    let (mut got, mut held, mut without, mut events) = ([0; SOCKETS], Vec::new(), 0, Vec::new());
    while got.iter().any(|&bytes| bytes < EACH) {
        ring.wait(false, &mut events).expect("a ring that works");
        for event in events.drain(..) {
            let Event::Received { key, input, more } = event else { panic!("{event:?}") };
            let number = numbers[key];
            match input {
                Ok(Some(filled)) => {
                    assert!(ring.bytes(&filled).iter().all(|&byte| byte == number as u8));
                    got[number] += ring.bytes(&filled).len();
                    held.push(filled);
                }
                Err(Errno::NOBUFS) => {
                    without += 1;
                    held.drain(..).for_each(|filled| ring.give_back(filled));
                }
                other => panic!("{other:?}"),
            }
            if !more {
                ring.receive(&pairs[number].1, key);
            }
        }
    }
    assert!(without > 0 && got == [EACH; SOCKETS], "{without} {got:?}");
}

fn full_queues_lose_no_completion() {
    let mut ring = Ring::with_queues(8, 16).expect("a ring");
    let ready = Arc::new(eventfd(1, EventfdFlags::CLOEXEC).expect("an eventfd"));
    let (numbers, keys) = keys(500);
    for &key in &keys {
        ring.watch(&ready, Source::Connection(key));
    }
    let (mut reported, mut events) = (HashSet::new(), Vec::new());
    while reported.len() < keys.len() {
        ring.wait(false, &mut events).expect("a ring that works");
        reported.extend(events.drain(..).map(|event| match event {
            Event::Readable { source: Source::Connection(key), .. } => numbers[key],
            other => panic!("{other:?}"),
        }));
    }
}

fn a_dropped_ring_releases_its_descriptors() {
    let mut ring = ring();
    let (_client, server) = pair();
    let (_other_client, other) = pair();
    let (_, keys) = keys(3);
    ring.receive(&server, keys[0]);
    ring.receive_once(&other, keys[1]);
    ring.watch(&server, Source::Waker);
    ring.send(&other, keys[2], vec![7; 8 << 20], 0); // more than the kernel keeps: it gets stuck with the rest
    let mut events = Vec::new();
    ring.wait(true, &mut events).expect("a ring that works");
    drop(ring);
    assert_eq!((Arc::strong_count(&server), Arc::strong_count(&other)), (1, 1));
}

fn a_cancelled_receive_is_reported() {
    let mut ring = ring();
    let (_client, server) = pair();
    let (_, keys) = keys(1);
    let operation = ring.receive(&server, keys[0]);
    let mut events = Vec::new();
    ring.wait(true, &mut events).expect("a ring that works");
    assert!(events.is_empty(), "{events:?}");
    ring.cancel(operation);
    while events.is_empty() {
        ring.wait(false, &mut events).expect("a ring that works");
    }
    let [Event::Received { key, input: Err(Errno::CANCELED), more: false }] = events[..] else {
        panic!("{events:?}")
    };
    assert_eq!((key, Arc::strong_count(&server)), (keys[0], 1));
}
