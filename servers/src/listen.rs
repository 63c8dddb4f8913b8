//! The only place that binds and sets socket options, so that no model differs from another by them.
//!
//! std, mio and tokio all hard-code a backlog of their own; a benchmark must not compare those. Options set here on the
//! listener are inherited by accepted sockets on Linux (tcp(7) leaves it open, a test below holds it): `TCP_NODELAY`
//! and `TCP_CONGESTION` therefore cost no system call per connection.

use crate::sys;
use rustix::net::sockopt;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::AsFd;

/// What can be chosen about a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenOptions {
    /// Connections the kernel completes and keeps before they are accepted; the system caps it
    /// (`net.core.somaxconn`).
    pub backlog: i32,
    /// TCP congestion control of the accepted sockets; `None` leaves the system's.
    pub congestion_control: Option<String>,
}

impl Default for ListenOptions {
    /// Backlog 4,096 (Linux's default cap), the system's congestion control.
    fn default() -> Self {
        Self { backlog: 4096, congestion_control: None }
    }
}

/// Binds and listens. Port 0 lets the kernel choose one.
///
/// # Errors
/// When the address is taken or not ours, or the congestion control is not available; the message says which.
pub fn bind(addr: SocketAddr, options: &ListenOptions) -> io::Result<TcpListener> {
    listen(bind_to(unbound(addr, options)?, addr)?, options)
}

/// Binds `count` sockets (at least one) to one address and listens on all of them: the kernel gives each connection to one of
/// them, by a hash of its addresses and ports (`SO_REUSEPORT`, socket(7)). Returns the first and the others.
///
/// # Errors
/// As [`bind`]; also where another server shares its port: the first socket is bound as if it were the only one.
pub fn bind_all(
    addr: SocketAddr,
    options: &ListenOptions,
    count: usize,
) -> io::Result<(TcpListener, Vec<TcpListener>)> {
    let sockets = bind_sharing(addr, count, |addr| unbound(addr, options))?;
    let mut all = sockets.into_iter().map(|one| listen(one, options)).collect::<io::Result<Vec<_>>>()?;
    let first = all.remove(0);
    Ok((first, all))
}

/// Binds `count` sockets for datagrams (at least one) to one address: the kernel gives each datagram to one of them, by a hash of its
/// addresses and ports. Their receive buffers are those of the system (`net.core.rmem_default`).
///
/// # Errors
/// As [`bind_all`].
pub fn bind_datagrams(addr: SocketAddr, count: usize) -> io::Result<Vec<UdpSocket>> {
    let unbound = |addr| Socket::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP));
    Ok(bind_sharing(addr, count, unbound)?.into_iter().map(UdpSocket::from).collect())
}

/// Datagrams that the kernel has dropped at this socket, since it was made, for want of room in its receive buffer: what
/// `SO_RXQ_OVFL` tells with a datagram that comes later, asked for when none need come. A filter on the socket
/// (`SO_ATTACH_FILTER`) counts here, too.
///
/// # Errors
/// When the kernel does not tell.
pub fn dropped_on_receipt(socket: impl AsFd) -> io::Result<u32> {
    sys::receive_drops(socket.as_fd())
}

/// Binds the first as if it were the only one, so that no other server shares its port, then all others to the same address.
fn bind_sharing(
    addr: SocketAddr,
    count: usize,
    unbound: impl Fn(SocketAddr) -> io::Result<Socket>,
) -> io::Result<Vec<Socket>> {
    let mut all = vec![bind_to(unbound(addr)?, addr)?];
    if count > 1 {
        let addr = local_addr(&all[0])?;
        all[0].set_reuse_port(true)?;
        for _ in 1..count {
            let socket = unbound(addr)?;
            socket.set_reuse_port(true)?;
            all.push(bind_to(socket, addr)?);
        }
    }
    Ok(all)
}

fn local_addr(socket: &Socket) -> io::Result<SocketAddr> {
    socket
        .local_addr()?
        .as_socket()
        .ok_or_else(|| io::Error::other("a socket has an address of another kind"))
}

/// A socket with the options, for this kind of address.
fn unbound(addr: SocketAddr, options: &ListenOptions) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?; // a predecessor's connections in TIME_WAIT must not keep us out
    socket.set_tcp_nodelay(true)?;
    if let Some(name) = &options.congestion_control {
        sockopt::set_tcp_congestion(&socket, name).map_err(|error| {
            let known = "/proc/sys/net/ipv4/tcp_available_congestion_control lists what there is";
            io::Error::new(error.kind(), format!("cannot use congestion control {name:?}: {error}; {known}"))
        })?;
    }
    Ok(socket)
}

fn bind_to(socket: Socket, addr: SocketAddr) -> io::Result<Socket> {
    socket.bind(&addr.into()).map_err(|error| {
        let next = match error.kind() {
            io::ErrorKind::AddrInUse => "; another server listens there: stop it or choose another port",
            io::ErrorKind::AddrNotAvailable => "; no interface of this machine has that address",
            io::ErrorKind::PermissionDenied => "; ports below 1024 need privileges: choose a higher one",
            _ => "",
        };
        io::Error::new(error.kind(), format!("cannot bind {addr}: {error}{next}"))
    })?;
    Ok(socket)
}

fn listen(socket: Socket, options: &ListenOptions) -> io::Result<TcpListener> {
    socket.listen(options.backlog).map_err(|error| {
        let addr = local_addr(&socket).map_or_else(|_| "its address".into(), |addr| addr.to_string());
        io::Error::new(error.kind(), format!("cannot listen on {addr}: {error}"))
    })?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::iter;
    use std::net::TcpStream;

    fn loopback() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 0))
    }

    #[test]
    fn accepted_sockets_inherit_the_options() {
        let options = ListenOptions { congestion_control: Some("reno".into()), ..ListenOptions::default() };
        let listener = bind(loopback(), &options).expect("reno is part of every kernel");
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        assert!(accepted.nodelay().unwrap(), "TCP_NODELAY is inherited");
        assert_eq!(sockopt::tcp_congestion(&accepted).unwrap(), "reno", "TCP_CONGESTION is inherited");
    }

    #[test]
    fn listeners_share_a_port_and_nobody_else_does() {
        const LISTENERS: usize = 3;
        let options = ListenOptions::default();
        let (first, more) = bind_all(loopback(), &options, LISTENERS).unwrap();
        let all: Vec<TcpListener> = iter::once(first).chain(more).collect();
        let addr = all[0].local_addr().unwrap();
        assert!(all.iter().all(|one| one.local_addr().unwrap() == addr && one.set_nonblocking(true).is_ok()));
        for refused in [bind(addr, &options).map(drop), bind_all(addr, &options, 2).map(drop)] {
            assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::AddrInUse);
        }
        // A connection is at one of them. That all 64 are at the same one has a chance of 3^-63.
        let clients: Vec<_> = (0..64).map(|_| TcpStream::connect(addr).unwrap()).collect();
        let each: Vec<usize> = all.iter().map(|one| iter::from_fn(|| one.accept().ok()).count()).collect();
        assert_eq!(each.iter().sum::<usize>(), clients.len(), "{each:?}");
        assert!(each.iter().filter(|count| **count > 0).count() > 1, "{each:?}");
    }

    #[test]
    fn sockets_for_datagrams_share_a_port_and_nobody_else_does() {
        const SOCKETS: usize = 3;
        let all = bind_datagrams(loopback(), SOCKETS).unwrap();
        let addr = all[0].local_addr().unwrap();
        assert!(all.iter().all(|one| one.local_addr().unwrap() == addr && one.set_nonblocking(true).is_ok()));
        for count in [1, 2] {
            assert_eq!(bind_datagrams(addr, count).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        }
        // As with listeners: 64 senders are not all at one of them.
        for _ in 0..64 {
            UdpSocket::bind(loopback()).unwrap().send_to(b"x", addr).unwrap();
        }
        let count = |one: &UdpSocket| iter::from_fn(|| one.recv_from(&mut [0; 8]).ok()).count();
        let each: Vec<usize> = all.iter().map(count).collect();
        assert_eq!(each.iter().sum::<usize>(), 64, "{each:?}");
        assert!(each.iter().filter(|count| **count > 0).count() > 1, "{each:?}");
    }

    #[test]
    fn what_finds_the_buffer_full_is_counted_to_the_datagram() {
        let socket = bind_datagrams(loopback(), 1).unwrap().remove(0);
        socket.set_nonblocking(true).unwrap();
        sockopt::set_socket_recv_buffer_size(&socket, 1 << 17).unwrap(); // whatever the host's default is
        let (addr, sender) = (socket.local_addr().unwrap(), UdpSocket::bind(loopback()).unwrap());
        assert_eq!(dropped_on_receipt(&socket).unwrap(), 0);
        const SENT: u32 = 2_000;
        for _ in 0..SENT {
            sender.send_to(&[0; 1_000], addr).unwrap();
        }
        let came = iter::from_fn(|| socket.recv_from(&mut [0; 1_000]).ok()).count() as u32;
        assert!(came < SENT, "2 MB do not fit");
        assert_eq!(came + dropped_on_receipt(&socket).unwrap(), SENT);
    }

    #[test]
    fn a_taken_port_and_a_foreign_algorithm_are_named() {
        let first = bind(loopback(), &ListenOptions::default()).unwrap();
        let addr = first.local_addr().unwrap();
        let error = bind(addr, &ListenOptions::default()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(error.to_string().contains(&addr.to_string()), "{error}");
        let options = ListenOptions { congestion_control: Some("nosuch".into()), ..ListenOptions::default() };
        assert!(bind(loopback(), &options).unwrap_err().to_string().contains("nosuch"));
    }
}
