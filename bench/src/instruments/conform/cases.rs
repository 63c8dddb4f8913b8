//! The conformance cases that need no inside knowledge of a server. Each asks a fresh one, over loopback, and says what was wrong.
//! `servers/PROTOCOL.md` is the contract; no case asks for more than it says, and none measures a speed.

use super::client::{After, Subject};
use bakeoff_servers::Request;
use bakeoff_servers::services::ServiceEntry;
use std::io::Write as _;
use std::time::{Duration, Instant};

/// A case.
#[derive(Debug)]
pub struct Case {
    /// Its name.
    pub name: &'static str,
    /// What must hold.
    pub about: &'static str,
    /// Whether a server that fails it cannot be measured; otherwise its figures will show what it lacks.
    pub needed: bool,
    /// Whether it asks something of a service.
    pub(super) applies: fn(&ServiceEntry) -> bool,
    pub(super) run: fn(&Subject) -> Result<Held, String>,
}

/// What a case that did not fail found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    /// It holds.
    Holds,
    /// It asks nothing of this server.
    AsksNothing(&'static str),
}

const fn always(_: &ServiceEntry) -> bool {
    true
}

/// Every case, in the order to run them.
pub(super) const ALL: &[Case] = &[
    Case {
        name: "replies",
        about: "requests of several sizes on one connection, each answered to the byte",
        needed: true,
        applies: always,
        run: replies,
    },
    Case {
        name: "in-pieces",
        about: "a request that arrives in pieces is answered like any other",
        needed: true,
        applies: always,
        run: in_pieces,
    },
    Case {
        name: "pipelined",
        about: "requests that arrive together are answered in their order",
        needed: true,
        applies: always,
        run: pipelined,
    },
    Case {
        name: "one-after-another",
        about: "two hundred connections, one after another",
        needed: true,
        applies: always,
        run: one_after_another,
    },
    Case {
        name: "late-reader",
        about: "a client that sends much before it reads loses nothing",
        needed: true,
        applies: always,
        run: late_reader,
    },
    Case {
        name: "reset",
        about: "a client that breaks its connection harms no other",
        needed: true,
        applies: always,
        run: reset,
    },
    Case {
        name: "no-request",
        about: "what is no request ends its own connection and harms no other",
        needed: true,
        applies: |service| service.demand.is_some() || service.name == "http",
        run: no_request,
    },
    Case {
        name: "exit",
        about: "the line `exit` closes the connection behind the replies before it",
        needed: true,
        applies: |service| service.name == "line",
        run: exit,
    },
    Case {
        name: "demand",
        about: "a reply comes no earlier than the request demands",
        needed: true,
        applies: |service| matches!(service.demand, Some("wait" | "block")),
        run: demand,
    },
    Case {
        name: "poison",
        about: "a poison request is not answered: its connection ends",
        needed: true,
        applies: |service| service.demand == Some(bakeoff_servers::services::POISON),
        run: poison,
    },
    Case {
        name: "many-clients",
        about: "32 clients are connected at once, and each is answered",
        needed: false,
        applies: always,
        run: many_clients,
    },
    Case {
        name: "half-close",
        about: "a client that will send no more is answered, then the server closes, too",
        needed: false,
        applies: always,
        run: half_close,
    },
];

fn replies(subject: &Subject) -> Result<Held, String> {
    const SIZES: [u32; 5] = [0, 1, 64, 1_000, 65_536];
    let mut requests: Vec<Request> =
        SIZES.iter().zip(1..).map(|(size, id)| subject.request(id, *size)).collect();
    // A demand of 0 leaves it to the server: a millisecond, by the contract.
    requests.extend(subject.service().works().then(|| Request { demand_ns: 0, ..subject.request(9, 64) }));
    subject.ask_all(&requests)?;
    Ok(Held::Holds)
}

fn in_pieces(subject: &Subject) -> Result<Held, String> {
    let request = subject.request(7, 100);
    let mut client = subject.connect()?;
    for piece in subject.bytes(&request).chunks(7) {
        client.send(piece)?;
        // So that each is a segment of its own.
        std::thread::sleep(Duration::from_millis(1));
    }
    client.expect(&request)?;
    Ok(Held::Holds)
}

fn pipelined(subject: &Subject) -> Result<Held, String> {
    let requests: Vec<Request> = (0..32).map(|id| subject.request(id, 64)).collect();
    let mut client = subject.connect()?;
    client.send(&requests.iter().flat_map(|request| subject.bytes(request)).collect::<Vec<u8>>())?;
    for (request, at) in requests.iter().zip(1..) {
        match client.expect(request).map_err(|why| format!("reply {at} of 32: {why}"))? {
            After::Stays => {}
            After::Closes => return Ok(Held::AsksNothing("it closes the connection behind a reply")),
        }
    }
    Ok(Held::Holds)
}

fn one_after_another(subject: &Subject) -> Result<Held, String> {
    for id in 0..200 {
        let ask = || subject.connect()?.ask(&subject.request(id, 64));
        ask().map_err(|why: String| format!("connection {} of 200: {why}", id + 1))?;
    }
    Ok(Held::Holds)
}

fn late_reader(subject: &Subject) -> Result<Held, String> {
    /// Payloads of more than the kernel keeps of a direction in which nobody reads.
    const REQUESTS: u64 = 160;
    const SIZE: u32 = 16 * 1024;
    const LATE: Duration = Duration::from_millis(200);
    let requests: Vec<Request> = (0..REQUESTS).map(|id| subject.request(id, SIZE)).collect();
    let bytes: Vec<u8> = requests.iter().flat_map(|request| subject.bytes(request)).collect();
    let mut client = subject.connect()?;
    let mut sender = client.sender()?;
    std::thread::scope(|scope| {
        // What cannot be sent is told by the replies that do not come.
        scope.spawn(move || drop(sender.write_all(&bytes)));
        std::thread::sleep(LATE);
        for (request, at) in requests.iter().zip(1..) {
            match client.expect(request).map_err(|why| format!("reply {at} of {}: {why}", requests.len())) {
                Ok(After::Stays) => {}
                Ok(After::Closes) => return Ok(Held::AsksNothing("it closes the connection behind a reply")),
                Err(why) => {
                    client.reset();
                    return Err(why);
                }
            }
        }
        Ok(Held::Holds)
    })
}

fn reset(subject: &Subject) -> Result<Held, String> {
    for id in 0..8 {
        let bytes = subject.bytes(&subject.request(id, 1_000));
        let mut client = subject.connect()?;
        client.send(&bytes[..bytes.len() / 2])?;
        client.reset();
    }
    subject.ask_all(&[subject.request(9, 64)]).map_err(|why| format!("after a reset: {why}"))?;
    Ok(Held::Holds)
}

fn no_request(subject: &Subject) -> Result<Held, String> {
    // In a frame, bytes of the header that must be zero; in HTTP, a head without a request line.
    let broken: &[u8] = if subject.service().name == "http" { b"\x01\x02\r\n\r\n" } else { &[0xff; 64] };
    let mut client = subject.connect()?;
    client.send(broken)?;
    client.let_end().map_err(|why| format!("what is no request does not end its connection: {why}"))?;
    subject.ask_all(&[subject.request(1, 64)]).map_err(|why| format!("afterwards: {why}"))?;
    Ok(Held::Holds)
}

fn exit(subject: &Subject) -> Result<Held, String> {
    let request = subject.request(1, 64);
    for end in ["exit\n", "exit\r\n"] {
        let mut client = subject.connect()?;
        client.send(&[&subject.bytes(&request), end.as_bytes()].concat())?;
        client.expect(&request)?;
        client.expect_end().map_err(|why| format!("behind {end:?}: {why}"))?;
    }
    Ok(Held::Holds)
}

fn demand(subject: &Subject) -> Result<Held, String> {
    const DEMAND: Duration = Duration::from_millis(30);
    let request = Request { demand_ns: DEMAND.as_nanos() as u64, ..subject.request(1, 64) };
    let mut client = subject.connect()?;
    let begin = Instant::now();
    client.ask(&request)?;
    let took = begin.elapsed();
    match took < DEMAND {
        true => Err(format!("a request that demands {DEMAND:.0?} was answered after {took:.1?}")),
        false => Ok(Held::Holds),
    }
}

fn poison(subject: &Subject) -> Result<Held, String> {
    let request = Request { demand_ns: 1, ..subject.request(1, 64) };
    let mut client = subject.connect()?;
    client.send(&subject.bytes(&request))?;
    client.expect_end()?;
    Ok(Held::Holds)
}

fn many_clients(subject: &Subject) -> Result<Held, String> {
    let mut clients = (0..32).map(|_| subject.connect()).collect::<Result<Vec<_>, _>>()?;
    for (client, id) in clients.iter_mut().zip(0..) {
        let ask = client.ask(&subject.request(id, 64));
        ask.map_err(|why| format!("client {} of 32, all connected: {why}", id + 1))?;
    }
    Ok(Held::Holds)
}

fn half_close(subject: &Subject) -> Result<Held, String> {
    let request = subject.request(1, 64);
    let mut client = subject.connect()?;
    client.send(&subject.bytes(&request))?;
    client.end_requests()?;
    client.expect(&request)?;
    client.expect_end()?;
    Ok(Held::Holds)
}
