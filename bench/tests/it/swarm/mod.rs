//! Tiny servers of known conduct, the client's half of echo, and specifications of short trials, for the tests of the
//! swarm. A thread per connection, blocking; nothing of the product.

use bakeoff::host::clock::monotonic_ns;
use bakeoff::swarm::spec::WorkerSpec;
use bakeoff::swarm::worker::prepare;
use bakeoff::workload::load::{Arrivals, Background, DemandShape, Load, RateShape, RequestShape, Timing};
use bakeoff_reports::record::Measured;
use bakeoff_servers::exchange::{Exchange, Parts, Request};
use rustix::net::{AddressFamily, SocketType, bind, listen, socket, sockopt};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::Duration;

/// The payload block that requests borrow from.
static BLOCK: LazyLock<Vec<u8>> = LazyLock::new(|| {
    (0..(2 << 20) + 4096_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
});

/// The client's half of echo: a window of a fixed block, chosen by the request's number.
pub(crate) struct Echo;

impl Exchange for Echo {
    fn min_payload(&self) -> u32 {
        1
    }

    fn request(&self, request: &Request) -> Parts<'_> {
        let start = (request.id % 4093) as usize;
        Parts::new(&[], &BLOCK[start..start + request.size as usize], &[])
    }

    fn reply(&self, request: &Request) -> Parts<'_> {
        self.request(request)
    }
}

/// What a server does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    /// Echoes.
    None,
    /// Echoes each read after a delay.
    Delay(Duration),
    /// Echoes with one byte wrong.
    CorruptByte,
    /// Echoes twice in one write.
    ReplyTwice,
    /// Echoes half of what came and closes.
    CloseMidReply,
    /// Resets once something came.
    Reset,
    /// Greets before it is asked.
    Babble,
    /// Reads and says nothing.
    NeverAnswer,
    /// Listens and never accepts.
    NeverAccept,
    /// As before, with a backlog of one.
    TinyBacklog,
}

/// A running server; stops when dropped.
pub(crate) struct Server {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    acceptor: Option<JoinHandle<()>>,
    /// Kept open by servers that never accept.
    _idle: Option<TcpListener>,
}

#[derive(Default)]
struct State {
    stopping: AtomicBool,
    accepted: AtomicU64,
    open: Mutex<Vec<TcpStream>>,
}

impl Server {
    /// Starts a server of that conduct.
    pub(crate) fn start(fault: Fault) -> Self {
        let listener = listener(if fault == Fault::TinyBacklog { 1 } else { 1024 });
        let address = listener.local_addr().expect("bound");
        let state = Arc::new(State::default());
        if matches!(fault, Fault::NeverAccept | Fault::TinyBacklog) {
            return Self { address, state, acceptor: None, _idle: Some(listener) };
        }
        let shared = Arc::clone(&state);
        let acceptor = spawn(move || {
            for stream in listener.incoming() {
                if shared.stopping.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                shared.accepted.fetch_add(1, Ordering::SeqCst);
                // A second handle would keep the socket open, and its close would be no reset.
                if let (true, Ok(copy)) = (fault != Fault::Reset, stream.try_clone()) {
                    let mut open = shared.open.lock().expect("no panic");
                    open.retain(|other| other.peer_addr().is_ok());
                    open.push(copy);
                }
                spawn(move || serve(stream, fault));
            }
        });
        Self { address, state, acceptor: Some(acceptor), _idle: None }
    }

    /// Connections accepted so far.
    pub(crate) fn accepted(&self) -> u64 {
        self.state.accepted.load(Ordering::SeqCst)
    }

    /// Stops accepting and cuts every connection.
    pub(crate) fn stop(self) {
        drop(self);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.state.stopping.store(true, Ordering::SeqCst);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = TcpStream::connect(self.address);
            acceptor.join().expect("the acceptor does not panic");
        }
        for stream in self.state.open.lock().expect("no panic").drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn listener(backlog: i32) -> TcpListener {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    bind(&socket, &SocketAddr::from(([127, 0, 0, 1], 0))).expect("a port");
    listen(&socket, backlog).expect("a listener");
    TcpListener::from(socket)
}

fn serve(mut stream: TcpStream, fault: Fault) {
    let mut buffer = vec![0; 64 << 10];
    if fault == Fault::Babble && stream.write_all(b"hello").is_err() {
        return;
    }
    while let Ok(n) = stream.read(&mut buffer) {
        if n == 0 {
            return;
        }
        let done = match fault {
            Fault::None => stream.write_all(&buffer[..n]),
            Fault::Delay(delay) => {
                sleep(delay);
                stream.write_all(&buffer[..n])
            }
            Fault::CorruptByte => {
                buffer[n / 2] ^= 1;
                stream.write_all(&buffer[..n])
            }
            Fault::ReplyTwice => stream.write_all(&[&buffer[..n], &buffer[..n]].concat()),
            Fault::CloseMidReply => {
                let _ = stream.write_all(&buffer[..n / 2]);
                let _ = stream.shutdown(Shutdown::Both);
                return;
            }
            Fault::Reset => {
                // A linger of zero makes the close a reset.
                let _ = sockopt::set_socket_linger(&stream, Some(Duration::ZERO));
                return;
            }
            Fault::Babble | Fault::NeverAnswer | Fault::NeverAccept | Fault::TinyBacklog => Ok(()),
        };
        if done.is_err() {
            return;
        }
    }
}

/// A closed loop without think time.
pub(crate) fn closed(clients: u32) -> Load {
    Load::Closed { clients, think: Duration::ZERO }
}

/// An open loop.
pub(crate) fn open(clients: u32, rate_per_s: f64, arrivals: Arrivals) -> Load {
    Load::Open { clients, rate_per_s, arrivals, shape: RateShape::Steady }
}

/// Churn.
pub(crate) fn churn(clients: u32, requests_per_connection: u32) -> Load {
    Load::Churn { clients, requests_per_connection }
}

/// A trial of 100 ms warm-up and 300 ms window against `target`, 64-byte echoes, one worker. It waits for replies as
/// long as a busy machine may need; a trial ends as soon as all have come.
pub(crate) fn spec(target: SocketAddr, load: Load) -> WorkerSpec {
    WorkerSpec {
        target,
        service: "echo".into(),
        transport: Default::default(),
        loss: 0.0,
        audience: None,
        load,
        request: RequestShape::new(64, DemandShape::None),
        timing: Timing {
            warmup: Duration::from_millis(100),
            window: Duration::from_millis(300),
            timeout: Duration::from_secs(20),
            drain: Duration::from_secs(20),
        },
        slices: 5,
        seed: 11,
        shard: 0,
        shards: 1,
        background: Background::default(),
        cpus: Vec::new(),
        congestion_control: None,
        tls: None,
        defect: None,
    }
}

/// The same, with little patience: for servers that do not answer.
pub(crate) fn hasty(spec: WorkerSpec) -> WorkerSpec {
    let (timeout, drain) = (Duration::from_millis(100), Duration::from_millis(500));
    WorkerSpec { timing: Timing { timeout, drain, ..spec.timing }, ..spec }
}

/// Runs one worker on a thread of its own, as it would in a process of its own.
pub(crate) fn run(spec: &WorkerSpec) -> Measured {
    let spec = spec.clone();
    let worker = spawn(move || {
        let worker = prepare(&spec, &Echo).expect("the server is there");
        worker.run(monotonic_ns() + 1_000_000).expect("the worker ends")
    });
    let part = worker.join().expect("no panic").measured;
    assert!(part.counts.balanced(), "{:?}", part.counts);
    part
}
