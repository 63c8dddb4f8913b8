//! A service whose sessions and jobs panic when told to, and what may come of it under every model: the end of one
//! connection, counted once.
//!
//! It stands here and not in the registry: nobody should be able to serve it.

use crate::client::Client;
use crate::server::Server;
use crate::{Case, Pair, case};
use bakeoff_servers::{
    Advance, Exchange, Job, JobOutput, Next, Parts, Request, Service, ServiceConfig, ServiceEntry, Session,
};
use std::io::Read as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub(crate) const ALL: &[Case] = &[case!(a_panic_ends_one_connection)];

pub(crate) static ENTRY: ServiceEntry = ServiceEntry {
    name: "faulty",
    summary: "echoes one byte at a time, or panics as the byte says",
    demand: None,
    build: |_: &ServiceConfig| Arc::new(Faulty::default()),
    exchange: |_| Box::new(Byte),
};

const ADVANCE: u8 = b'a';
const BLOCK: u8 = b'b';
const COMPUTE: u8 = b'c';
const COMPLETE: u8 = b'd';
/// The session that is opened next panics in the making.
const OPEN: u8 = b'o';
const ECHO: u8 = b'e';

#[derive(Default)]
struct Faulty {
    next_open_panics: Arc<AtomicBool>,
}

impl Service for Faulty {
    fn open(&self) -> Box<dyn Session> {
        assert!(!self.next_open_panics.swap(false, Ordering::SeqCst), "a test's panic in open");
        Box::new(FaultySession { next_open_panics: Arc::clone(&self.next_open_panics) })
    }
}

struct FaultySession {
    next_open_panics: Arc<AtomicBool>,
}

impl Session for FaultySession {
    fn advance(&mut self, input: &[u8], output: &mut Vec<u8>) -> Advance {
        output.push(input[0]); // what a panic leaves there must reach nobody
        let job = match input[0] {
            ADVANCE => panic!("a test's panic in advance"),
            BLOCK => Job::block(|| -> u64 { panic!("a test's panic in a blocking job") }),
            COMPUTE => Job::compute(|| -> u64 { panic!("a test's panic in a computing job") }),
            COMPLETE => Job::compute(|| 1_u64),
            byte => {
                self.next_open_panics.fetch_or(byte == OPEN, Ordering::SeqCst);
                return Advance { consumed: 1, completed: 1, next: Next::Read };
            }
        };
        output.clear();
        Advance { consumed: 1, completed: 0, next: Next::Run(job) }
    }

    fn complete(&mut self, _: JobOutput, output: &mut Vec<u8>) -> Next {
        output.extend_from_slice(b"half a reply");
        panic!("a test's panic in complete")
    }
}

/// A request is the byte that its number says.
struct Byte;

impl Exchange for Byte {
    fn min_payload(&self) -> u32 {
        1
    }

    fn request(&self, request: &Request) -> Parts<'_> {
        Parts::new(&[request.id as u8], &[], &[])
    }

    fn reply(&self, request: &Request) -> Parts<'_> {
        self.request(request)
    }
}

fn byte(byte: u8) -> Request {
    Request::new(u64::from(byte), 1, 0)
}

/// The connection ends without a byte more, in order or by a reset (the server may have left something unread).
pub(crate) fn expect_cut(client: &mut Client<'_>) {
    match client.stream.read(&mut [0]) {
        Ok(0) => {}
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
        other => panic!("the end of the connection, not {other:?}"),
    }
}

fn a_panic_ends_one_connection(pair: &Pair) {
    let server = Server::start(pair);
    let alone = pair.concurrency() == 1;
    let mut witness = (!alone).then(|| Client::connect(&server, &Byte));
    let mut echoes = 0;
    let faults = [ADVANCE, BLOCK, COMPUTE, COMPLETE];
    for fault in faults {
        let mut client = Client::connect(&server, &Byte);
        client.exchange(&byte(ECHO));
        client.send(&byte(fault));
        expect_cut(&mut client);
        echoes += 1;
        if let Some(witness) = &mut witness {
            witness.exchange(&byte(ECHO));
            echoes += 1;
        }
    }
    let mut crashes = faults.len() as u64;
    let mut connections = crashes + u64::from(!alone);
    let mut bytes_in = echoes + crashes;
    if !pair.isolates() {
        // A process opens its sessions itself: there nobody can tell the next one to panic.
        let mut client = Client::connect(&server, &Byte);
        client.exchange(&byte(OPEN));
        drop(client);
        expect_cut(&mut Client::connect(&server, &Byte));
        (crashes, connections, bytes_in, echoes) = (crashes + 1, connections + 2, bytes_in + 1, echoes + 1);
    }
    Client::connect(&server, &Byte).exchange(&byte(ECHO));
    drop(witness);
    let counters = server.stop();
    assert_eq!((counters.crashed, counters.accepted), (crashes, connections + 1), "{counters:?}");
    assert_eq!((counters.requests, counters.bytes_out), (echoes + 1, echoes + 1), "{counters:?}");
    assert_eq!((counters.bytes_in, counters.cut_at_stop), (bytes_in + 1, 0), "{counters:?}");
}
