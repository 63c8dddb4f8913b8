//! How the swarm's sockets are made: non-blocking, no delay, congestion control as asked, sources spread.
//!
//! A client that opens very many connections from one address makes the kernel search ever longer for a free port,
//! and closed ones linger in TIME_WAIT on the client's side (the client closes first). On the loopback network,
//! which has 16 million addresses, connections are therefore spread over several sources, each with a port that we
//! choose in turn: neither a search, nor the exclusive port that a bind to port 0 would take. IPv6 has one loopback address,
//! whose ports the workers share.
//!
//! A socket never becomes both ends of its connection: where that would happen nobody listens.

use super::loss::Loss;
use crate::host::clock;
use crate::host::connect::meets_itself;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, ipproto, sockopt};
use socket2::SockRef;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Ports used for spread sources: the kernel's default range for clients (net.ipv4.ip_local_port_range).
const FIRST_PORT: u16 = 32_768;
/// How many they are.
const PORTS: u64 = 28_232;
/// How far apart workers begin that share an address: a sixteenth, so that few of them walk the same ports.
const STRIDE: u64 = PORTS / 16;
/// Connections that one source address serves without a noticeable search.
const CONNECTIONS_PER_SOURCE: u32 = 4_000;
/// Sources of one worker under churn. With a TIME_WAIT of 60 s that the kernel does not reuse, they carry
/// 64 x 28,232 / 60 = 30,000 connections per second.
const CHURN_SOURCES: u32 = 64;
/// Segments of a narrow connection in bytes: the default of TCP (RFC 9293, 3.7.1).
const NARROW_SEGMENT: u32 = 536;
/// Ports tried for one connection before giving up: others may hold one, not this many in a row.
const TRIES: u32 = 32;

/// Makes the sockets of one worker.
#[derive(Debug)]
pub(super) struct Dialer {
    target: SocketAddr,
    congestion_control: Option<String>,
    loss: Option<Loss>,
    sources: Vec<IpAddr>,
    turn: u64,
}

impl Dialer {
    /// A dialer for `connections` at once to `target`; `churn` says that they are made again and again.
    pub(super) fn new(
        target: SocketAddr,
        congestion_control: Option<String>,
        shard: u32,
        connections: u32,
        churn: bool,
    ) -> Self {
        let sources = sources(target.ip(), shard, connections, churn);
        // Swarms of different processes against one server should not walk the same ports in step.
        let first = u64::from(std::process::id()).wrapping_mul(7_919) + u64::from(shard) * STRIDE;
        let turn = first % PORTS * sources.len().max(1) as u64;
        Self { target, congestion_control, loss: None, sources, turn }
    }

    /// The same where some of what comes back is lost.
    pub(super) fn with_loss(self, loss: Option<Loss>) -> Self {
        Self { loss, ..self }
    }

    /// Begins a connection. It is established, or has failed, when its socket becomes writable. Says, too, when the connecting
    /// began, in nanoseconds of the monotonic clock: behind the search for a port, which is no doing of the server's.
    pub(super) fn dial(&mut self) -> Result<(OwnedFd, u64), Errno> {
        self.dial_after(|_| Ok(()))
    }

    /// As [`dial`](Self::dial), of a connection that carries little at a time: the smallest receive buffer there is, and
    /// the segments of a slow line. On loopback segments are of 64 KiB, and a server's send buffer, which the kernel sizes
    /// by them, would hold megabytes before it is full.
    pub(super) fn dial_narrow(&mut self) -> Result<OwnedFd, Errno> {
        let (socket, _) = self.dial_after(|socket| {
            // The kernel raises it to the least it allows.
            sockopt::set_socket_recv_buffer_size(socket, 1)?;
            let sized = SockRef::from(socket).set_tcp_mss(NARROW_SEGMENT);
            sized.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::INVAL))
        })?;
        Ok(socket)
    }

    fn dial_after(
        &mut self,
        prepare: impl Fn(&OwnedFd) -> Result<(), Errno>,
    ) -> Result<(OwnedFd, u64), Errno> {
        let mut last = Errno::ADDRNOTAVAIL;
        for _ in 0..TRIES {
            let socket = self.socket()?;
            if let Some(loss) = self.loss {
                loss.of_segments(&socket)?;
            }
            prepare(&socket)?;
            if let Some(source) = self.next_source() {
                sockopt::set_socket_reuseaddr(&socket, true)?;
                match rustix::net::bind(&socket, &source) {
                    Ok(()) => {}
                    Err(taken @ (Errno::ADDRINUSE | Errno::ACCESS)) => {
                        last = taken;
                        continue;
                    }
                    Err(error) => return Err(error),
                }
            }
            let began_ns = clock::monotonic_ns();
            match rustix::net::connect(&socket, &self.target) {
                Ok(()) | Err(Errno::INPROGRESS | Errno::INTR) => {
                    // Only a port of the kernel's choice can be the server's: ours are bound, which a listener refuses.
                    if self.sources.is_empty() && meets_itself(&socket, self.target) {
                        return Err(Errno::CONNREFUSED);
                    }
                    return Ok((socket, began_ns));
                }
                Err(taken @ (Errno::ADDRNOTAVAIL | Errno::ADDRINUSE)) if !self.sources.is_empty() => {
                    last = taken;
                }
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    fn socket(&self) -> Result<OwnedFd, Errno> {
        let family = if self.target.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP))?;
        sockopt::set_tcp_nodelay(&socket, true)?;
        if let Some(name) = &self.congestion_control {
            // A kernel without it keeps its default; the worker's ready line tells which one is in use.
            let _ = sockopt::set_tcp_congestion(&socket, name);
        }
        Ok(socket)
    }

    /// The congestion control that sockets made here really have; `None` if the kernel does not tell.
    pub(super) fn congestion_control_in_use(&self) -> Option<String> {
        sockopt::tcp_congestion(self.socket().ok()?).ok()
    }

    /// The next address and port in turn, but for the server's own: it would meet itself there when the server is gone.
    fn next_source(&mut self) -> Option<SocketAddr> {
        let sources = self.sources.len() as u64;
        loop {
            let turn = self.turn;
            let address = *self.sources.get(turn.checked_rem(sources)? as usize)?;
            self.turn += 1;
            let source = SocketAddr::new(address, FIRST_PORT + (turn / sources % PORTS) as u16);
            if (source.ip(), source.port()) != (self.target.ip(), self.target.port()) {
                return Some(source);
            }
        }
    }
}

/// The addresses to connect from; none leaves it to the kernel.
fn sources(target: IpAddr, shard: u32, connections: u32, churn: bool) -> Vec<IpAddr> {
    if !target.is_loopback() || !(churn || connections > CONNECTIONS_PER_SOURCE) {
        return Vec::new();
    }
    if target.is_ipv6() {
        return vec![target]; // there is no other
    }
    let count = if churn { CHURN_SOURCES } else { connections.div_ceil(CONNECTIONS_PER_SOURCE).min(250) };
    // Each worker has a /24 of its own: 127.1.0.x for shard 0, 127.2.0.x for shard 1, ...
    let (second, third) = ((1 + shard % 250) as u8, (shard / 250 % 250) as u8);
    (1..=count).map(|last| Ipv4Addr::new(127, second, third, last as u8).into()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::net::TcpListener;

    #[test]
    fn few_connections_and_other_networks_are_left_to_the_kernel() {
        assert!(sources(Ipv4Addr::LOCALHOST.into(), 0, 64, false).is_empty());
        assert!(sources("10.0.0.1".parse().expect("an address"), 0, 100_000, true).is_empty());
        assert!(sources("::1".parse().expect("an address"), 0, 64, false).is_empty());
    }

    #[test]
    fn sources_and_ports_do_not_repeat_before_all_were_used() {
        let target = SocketAddr::from(([127, 0, 0, 1], 9));
        let mut dialer = Dialer::new(target, None, 3, 64, true);
        let all = PORTS as usize * CHURN_SOURCES as usize;
        let seen: HashSet<_> = (0..all).filter_map(|_| dialer.next_source()).collect();
        assert_eq!(seen.len(), all);
        assert!(seen.iter().all(|a| matches!(a.ip(), IpAddr::V4(ip) if ip.octets()[..3] == [127, 4, 0])
            && (32_768..61_000).contains(&a.port())));
    }

    #[test]
    fn shards_do_not_share_sources() {
        let of = |shard| sources(Ipv4Addr::LOCALHOST.into(), shard, 20_000, false);
        assert_eq!(of(0).len(), 5);
        assert!(of(0).iter().all(|a| !of(1).contains(a) && !of(250).contains(a)));
    }

    #[test]
    fn the_one_address_of_ipv6_is_used_port_by_port_but_for_the_servers() {
        let target: SocketAddr = "[::1]:40000".parse().expect("an address");
        let mut dialer = Dialer::new(target, None, 0, 64, true);
        let seen: HashSet<_> = (0..PORTS - 1).filter_map(|_| dialer.next_source()).collect();
        assert_eq!(seen.len() as u64, PORTS - 1);
        assert!(!seen.contains(&target) && seen.iter().all(|source| source.ip() == target.ip()));
    }

    #[test]
    fn no_dial_meets_itself() {
        // The kernel gives clients the even ports of its range one after the other: all of them come in turn.
        let listener =
            (FIRST_PORT..61_000).step_by(2).find_map(|port| TcpListener::bind(("127.0.0.1", port)).ok());
        let target = listener.expect("a free port").local_addr().expect("bound");
        let mut dialer = Dialer::new(target, None, 0, 1, false);
        for _ in 0..PORTS / 2 + 1_000 {
            if let Ok((socket, _)) = dialer.dial() {
                let local = rustix::net::getsockname(&socket).map(SocketAddr::try_from);
                assert_ne!(
                    local.expect("a socket").expect("of the internet"),
                    target,
                    "it would hear itself"
                );
            }
        }
        TcpListener::bind(target).expect("and the port is left free");
    }
}
