//! The only place that binds and sets socket options, so that no model differs from another by them.
//!
//! std, mio and tokio all hard-code a backlog of their own; a benchmark must not compare those. Options set here on the
//! listener are inherited by accepted sockets on Linux (tcp(7) leaves it open, a test below holds it): `TCP_NODELAY`
//! and `TCP_CONGESTION` therefore cost no system call per connection.

use rustix::net::sockopt;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{SocketAddr, TcpListener};

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
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?; // a predecessor's connections in TIME_WAIT must not keep us out
    socket.set_tcp_nodelay(true)?;
    if let Some(name) = &options.congestion_control {
        sockopt::set_tcp_congestion(&socket, name).map_err(|error| {
            let known = "/proc/sys/net/ipv4/tcp_available_congestion_control lists what there is";
            io::Error::new(error.kind(), format!("cannot use congestion control {name:?}: {error}; {known}"))
        })?;
    }
    socket.bind(&addr.into()).map_err(|error| {
        let next = match error.kind() {
            io::ErrorKind::AddrInUse => "; another server listens there: stop it or choose another port",
            io::ErrorKind::AddrNotAvailable => "; no interface of this machine has that address",
            io::ErrorKind::PermissionDenied => "; ports below 1024 need privileges: choose a higher one",
            _ => "",
        };
        io::Error::new(error.kind(), format!("cannot bind {addr}: {error}{next}"))
    })?;
    socket
        .listen(options.backlog)
        .map_err(|error| io::Error::new(error.kind(), format!("cannot listen on {addr}: {error}")))?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;
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
