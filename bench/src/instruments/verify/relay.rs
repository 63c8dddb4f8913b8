//! A relay for datagrams that does wrong by plan: between swarm and server it loses, doubles, holds back and delays, by the number
//! that each carries, and counts what it did.
//!
//! One thread of this process over a socket for the swarm and one towards the server for each client. Never does anything that its own
//! count does not show; what its own buffers had no room for is told, for then the count is not the whole truth.

use crate::host::environment;
use bakeoff_reports::stats::random::Random;
use bakeoff_servers::listen::dropped_on_receipt;
use socket2::SockRef;
use std::collections::{BTreeMap, HashMap};
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

/// How long the thread sleeps when nothing has come.
const NAP: Duration = Duration::from_micros(50);
/// Receive buffer asked for, in bytes.
const BUFFER: usize = 4 << 20;

/// What becomes of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It reaches the server, and its reply the client.
    Passed,
    /// It is lost on the way to the server.
    LostThere,
    /// Its reply is lost.
    LostBack,
    /// Its reply comes twice.
    Doubled,
    /// Its reply is held back until a later one of the same client has passed.
    Held,
    /// Its reply comes when nobody waits for it any more.
    Delayed,
    /// Its reply passes, and then something comes from an address that nobody knows.
    Shadowed,
}

/// Which datagrams have which fate: each of `faults` one in `one_in`, all others pass.
#[derive(Clone, Copy, Debug)]
pub struct RelayPlan {
    /// Seed of the draws.
    pub seed: u64,
    /// The fates beside [`Fate::Passed`].
    pub faults: &'static [Fate],
    /// One datagram in so many has each.
    pub one_in: usize,
    /// How long a delayed reply takes.
    pub delay: Duration,
}

impl RelayPlan {
    fn fate(&self, number: u64) -> Fate {
        let draw = Random::named(self.seed ^ number, &["relay"]).below(self.one_in.max(1));
        self.faults.get(draw).copied().unwrap_or(Fate::Passed)
    }
}

/// What a relay did.
#[derive(Clone, Debug, Default)]
pub struct Relayed {
    /// The numbers of all datagrams that came from the swarm, each once, but for those that only ask whether anybody answers.
    pub numbers: Vec<u64>,
    /// What was handed to the server, with those.
    pub forwarded: u64,
    /// Datagrams lost, on either way.
    pub lost: u64,
    /// Replies sent twice.
    pub doubled: u64,
    /// First replies sent behind that to a later datagram of the same client.
    pub reordered: u64,
    /// Replies sent too late.
    pub late: u64,
    /// Datagrams sent from another address.
    pub strange: u64,
    /// What its own sockets had no room for.
    pub overflowed: u64,
}

/// The running relay; ends when dropped.
#[derive(Debug)]
pub struct Relay {
    /// Where the swarm sends.
    pub address: SocketAddr,
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<io::Result<Relayed>>>,
}

impl Relay {
    /// Starts one before `server`, on these CPUs.
    ///
    /// # Errors
    /// The system's, when it has no socket.
    pub fn start(plan: RelayPlan, server: SocketAddr, cpus: &[u32]) -> io::Result<Self> {
        let (front, stranger) = (socket()?, socket()?);
        let address = front.local_addr()?;
        let stopping = Arc::new(AtomicBool::new(false));
        let mut state = State {
            plan,
            server,
            front,
            stranger,
            clients: Vec::new(),
            by_address: HashMap::new(),
            delayed: Vec::new(),
            did: Relayed::default(),
        };
        let (stop, cpus) = (Arc::clone(&stopping), cpus.to_vec());
        let thread = spawn(move || {
            // Where refused it runs anywhere; what it counts stays right.
            let _ = environment::pin(&cpus);
            while !stop.load(Ordering::SeqCst) {
                if !state.step()? {
                    sleep(NAP);
                }
            }
            state.end()
        });
        Ok(Self { address, stopping, thread: Some(thread) })
    }

    /// Ends it; what it did.
    ///
    /// # Errors
    /// A call to the system that failed meanwhile.
    pub fn end(mut self) -> io::Result<Relayed> {
        self.stopping.store(true, Ordering::SeqCst);
        let thread = self.thread.take().expect("it ends once");
        thread.join().unwrap_or_else(|_| Err(io::Error::other("the relay panicked")))
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
    }
}

/// A client of the swarm.
struct Client {
    address: SocketAddr,
    /// The socket towards the server, which the server knows the client by.
    back: UdpSocket,
    newest: Option<u64>,
    /// Replies that wait for a later one, by number.
    held: BTreeMap<u64, Vec<u8>>,
}

struct State {
    plan: RelayPlan,
    server: SocketAddr,
    front: UdpSocket,
    stranger: UdpSocket,
    clients: Vec<Client>,
    by_address: HashMap<SocketAddr, usize>,
    /// Replies for later, with their client.
    delayed: Vec<(Instant, usize, u64, Vec<u8>)>,
    did: Relayed,
}

fn socket() -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.set_nonblocking(true)?;
    SockRef::from(&socket).set_recv_buffer_size(BUFFER)?;
    Ok(socket)
}

/// What has come, if anything has.
fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<Option<(usize, SocketAddr)>> {
    match socket.recv_from(buffer) {
        Ok(came) => Ok(Some(came)),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The number of a datagram of the load; none of one that only asks whether anybody answers.
fn number(bytes: &[u8]) -> Option<u64> {
    let (number, _) = bytes.split_first_chunk()?;
    Some(u64::from_be_bytes(*number)).filter(|number| *number != u64::MAX)
}

impl State {
    /// Moves what there is; says whether there was anything.
    fn step(&mut self) -> io::Result<bool> {
        let mut buffer = [0; 1 << 16];
        let mut moved = false;
        while let Some((length, from)) = receive(&self.front, &mut buffer)? {
            moved = true;
            self.towards(&buffer[..length], from)?;
        }
        for client in 0..self.clients.len() {
            while let Some((length, _)) = receive(&self.clients[client].back, &mut buffer)? {
                moved = true;
                self.backwards(client, &buffer[..length])?;
            }
        }
        let now = Instant::now();
        while let Some(at) = self.delayed.iter().position(|(due, ..)| *due <= now) {
            let (_, client, number, bytes) = self.delayed.swap_remove(at);
            self.did.late += 1;
            self.pass(client, number, &bytes)?;
        }
        Ok(moved)
    }

    fn towards(&mut self, bytes: &[u8], from: SocketAddr) -> io::Result<()> {
        let client = match self.by_address.get(&from) {
            Some(client) => *client,
            None => {
                let (back, newest, held) = (socket()?, None, BTreeMap::new());
                self.clients.push(Client { address: from, back, newest, held });
                self.by_address.insert(from, self.clients.len() - 1);
                self.clients.len() - 1
            }
        };
        if let Some(number) = number(bytes) {
            self.did.numbers.push(number);
            if self.plan.fate(number) == Fate::LostThere {
                self.did.lost += 1;
                return Ok(());
            }
        }
        self.did.forwarded += 1;
        self.clients[client].back.send_to(bytes, self.server).map(drop)
    }

    fn backwards(&mut self, client: usize, bytes: &[u8]) -> io::Result<()> {
        let Some(number) = number(bytes) else {
            return self.front.send_to(bytes, self.clients[client].address).map(drop);
        };
        match self.plan.fate(number) {
            Fate::LostThere | Fate::LostBack => {
                self.did.lost += 1;
                Ok(())
            }
            Fate::Held => {
                self.clients[client].held.insert(number, bytes.to_vec());
                Ok(())
            }
            Fate::Delayed => {
                let due = Instant::now() + self.plan.delay;
                self.delayed.push((due, client, number, bytes.to_vec()));
                Ok(())
            }
            fate => {
                self.pass(client, number, bytes)?;
                let address = self.clients[client].address;
                if fate == Fate::Doubled {
                    self.did.doubled += 1;
                    self.front.send_to(bytes, address)?;
                }
                if fate == Fate::Shadowed {
                    self.did.strange += 1;
                    self.stranger.send_to(bytes, address)?;
                }
                while let Some((number, bytes)) = self.clients[client].held.pop_first() {
                    self.pass(client, number, &bytes)?;
                }
                Ok(())
            }
        }
    }

    /// Sends a first reply to its client.
    fn pass(&mut self, client: usize, number: u64, bytes: &[u8]) -> io::Result<()> {
        let Client { address, newest, .. } = &mut self.clients[client];
        self.did.reordered += u64::from(newest.is_some_and(|newest| number < newest));
        *newest = (*newest).max(Some(number));
        self.front.send_to(bytes, *address).map(drop)
    }

    /// What was done. What is still held has reached nobody: it is lost.
    fn end(mut self) -> io::Result<Relayed> {
        self.did.lost += self.clients.iter().map(|client| client.held.len() as u64).sum::<u64>();
        let backs = self.clients.iter().map(|client| &client.back);
        for socket in backs.chain([&self.front]) {
            self.did.overflowed += u64::from(dropped_on_receipt(socket)?);
        }
        Ok(self.did)
    }
}
