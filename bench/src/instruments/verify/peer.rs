//! A server that does wrong by plan: every request it reads has a fate drawn from the seed, and every fate is counted.
//!
//! A thread per connection inside this process, blocking. It speaks echo with messages of one known length. Never does
//! anything that its own count does not show.

use crate::host::clock;
use crate::host::environment;
use bakeoff_reports::stats::random::Random;
use rustix::net::sockopt::set_socket_linger;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::Duration;

/// Length of a message in bytes.
pub const MESSAGE: usize = 64;
/// How often a reading thread looks whether it should end.
const LOOK: Duration = Duration::from_millis(50);

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is answered.
    Whole,
    /// The reply comes in two pieces with a pause between them.
    Cut,
    /// The reply comes late, but in time.
    Delayed,
    /// One byte of the reply is wrong.
    Corrupted,
    /// The reply comes twice.
    Doubled,
    /// The connection is reset instead of an answer.
    Reset,
    /// The connection is closed instead of an answer.
    Closed,
    /// The connection is closed in the middle of the answer.
    ClosedMidway,
    /// No answer ever.
    Silence,
}

impl Fate {
    /// All of them; the position is the index of its count.
    pub const ALL: [Self; 9] = [
        Self::Whole,
        Self::Cut,
        Self::Delayed,
        Self::Corrupted,
        Self::Doubled,
        Self::Reset,
        Self::Closed,
        Self::ClosedMidway,
        Self::Silence,
    ];

    fn index(self) -> usize {
        Self::ALL.iter().position(|fate| *fate == self).unwrap_or(0)
    }
}

/// Which fates requests have: each of `faults` to one request in `one_in`, all others are answered.
#[derive(Clone, Copy, Debug)]
pub struct FaultPlan {
    /// Seed of the draws.
    pub seed: u64,
    /// The fates beside [`Fate::Whole`].
    pub faults: &'static [Fate],
    /// One request in so many has each fault.
    pub one_in: usize,
}

impl FaultPlan {
    /// The fate of the request that is read as number `ordinal`.
    fn fate(&self, ordinal: u64) -> Fate {
        let draw = Random::named(self.seed ^ ordinal, &["fate"]).below(self.one_in.max(1));
        self.faults.get(draw).copied().unwrap_or(Fate::Whole)
    }
}

#[derive(Debug)]
struct Shared {
    plan: FaultPlan,
    stopping: AtomicBool,
    read: AtomicU64,
    counts: [AtomicU64; Fate::ALL.len()],
    stamps: Mutex<Vec<u64>>,
}

/// The running server; ends when dropped.
#[derive(Debug)]
pub struct Peer {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

impl Peer {
    /// Starts one on these CPUs.
    ///
    /// # Errors
    /// The system's, when it cannot listen.
    pub fn start(plan: FaultPlan, cpus: &[u32]) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            plan,
            stopping: AtomicBool::new(false),
            read: AtomicU64::new(0),
            counts: Default::default(),
            stamps: Mutex::new(Vec::with_capacity(1 << 16)),
        });
        let (state, cpus) = (Arc::clone(&shared), cpus.to_vec());
        let acceptor = spawn(move || {
            // Where refused it runs anywhere; what it counts stays right.
            let _ = environment::pin(&cpus);
            for stream in listener.incoming().flatten() {
                if state.stopping.load(Ordering::SeqCst) {
                    return;
                }
                let state = Arc::clone(&state);
                spawn(move || {
                    // An error of a connection ends it; that is what the swarm is there to see.
                    let _ = converse(stream, &state);
                });
            }
        });
        Ok(Self { address, shared, acceptor: Some(acceptor) })
    }

    /// Requests read.
    pub fn read(&self) -> u64 {
        self.shared.read.load(Ordering::SeqCst)
    }

    /// Requests that had one of these fates.
    pub fn count(&self, fates: &[Fate]) -> u64 {
        fates.iter().map(|fate| self.shared.counts[fate.index()].load(Ordering::SeqCst)).sum()
    }

    /// When requests were read, in nanoseconds of CLOCK_MONOTONIC, ascending.
    pub fn stamps(&self) -> Vec<u64> {
        let mut stamps = self.shared.stamps.lock().expect("no holder panics").clone();
        stamps.sort_unstable();
        stamps
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        // Wakes the acceptor.
        let _ = TcpStream::connect(self.address);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

fn converse(mut stream: TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(LOOK))?;
    let mut message = [0; MESSAGE];
    while read_message(&mut stream, &mut message, shared)? {
        let now = clock::monotonic_ns();
        shared.stamps.lock().expect("no holder panics").push(now);
        let fate = shared.plan.fate(shared.read.fetch_add(1, Ordering::SeqCst));
        shared.counts[fate.index()].fetch_add(1, Ordering::SeqCst);
        if !answer(&mut stream, &mut message, fate)? {
            return Ok(());
        }
    }
    Ok(())
}

/// Reads one message; false when the peer hung up or the server is to end.
fn read_message(stream: &mut TcpStream, message: &mut [u8], shared: &Shared) -> io::Result<bool> {
    let mut got = 0;
    while got < message.len() {
        match stream.read(&mut message[got..]) {
            Ok(0) => return Ok(false),
            Ok(n) => got += n,
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                if shared.stopping.load(Ordering::SeqCst) {
                    return Ok(false);
                }
            }
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(true)
}

/// Does to a request what its fate is; says whether the connection goes on.
fn answer(stream: &mut TcpStream, message: &mut [u8; MESSAGE], fate: Fate) -> io::Result<bool> {
    match fate {
        Fate::Whole => stream.write_all(message)?,
        Fate::Cut => {
            stream.write_all(&message[..MESSAGE / 3])?;
            sleep(Duration::from_millis(2));
            stream.write_all(&message[MESSAGE / 3..])?;
        }
        Fate::Delayed => {
            sleep(Duration::from_millis(10));
            stream.write_all(message)?;
        }
        Fate::Corrupted => {
            message[MESSAGE / 2] ^= 1;
            stream.write_all(message)?;
        }
        // In one write, so that the second is there when the first is read.
        Fate::Doubled => stream.write_all(&[*message, *message].concat())?,
        Fate::Reset => {
            // A linger of zero makes the close a reset.
            set_socket_linger(&*stream, Some(Duration::ZERO))?;
            return Ok(false);
        }
        Fate::Closed => return Ok(false),
        Fate::ClosedMidway => {
            stream.write_all(&message[..MESSAGE / 2])?;
            stream.shutdown(Shutdown::Both)?;
            return Ok(false);
        }
        Fate::Silence => {}
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_the_same_again_and_gives_each_fault_its_share() {
        let plan = FaultPlan { seed: 4, faults: &[Fate::Reset, Fate::Silence], one_in: 10 };
        let fates: Vec<Fate> = (0..10_000).map(|ordinal| plan.fate(ordinal)).collect();
        assert!((0..10_000).zip(&fates).all(|(ordinal, fate)| plan.fate(ordinal) == *fate));
        let count = |wanted| fates.iter().filter(|fate| **fate == wanted).count();
        // Five standard deviations of a binomial(10,000, 1/10): 150; the seed is fixed.
        assert!([Fate::Reset, Fate::Silence].map(count).iter().all(|n| n.abs_diff(1_000) < 150));
        assert_eq!(count(Fate::Whole) + count(Fate::Reset) + count(Fate::Silence), 10_000);
    }
}
