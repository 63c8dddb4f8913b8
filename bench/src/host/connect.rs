//! Connecting as a client that must not be taken for a server: both ends of a connection of ours differ.
//!
//! Where nobody listens on a port that the kernel also gives to clients, a client that is given that very port connects to
//! itself (the simultaneous open of RFC 9293, 3.5) and hears whatever it says, as from a perfect echo server.

use rustix::fd::AsFd;
use rustix::net::getsockname;
use socket2::SockRef;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Connects within `timeout`.
///
/// # Errors
/// The system's; and `ConnectionRefused` where the connection met itself, for then nobody listens.
pub(crate) fn connect(address: SocketAddr, timeout: Duration) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, timeout)?;
    if meets_itself(&stream, address) {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    Ok(stream)
}

/// Whether nobody listens at an address: a connection to it is refused, not only slow to come.
pub fn refuses(address: SocketAddr) -> bool {
    connect(address, Duration::from_secs(1)).is_err_and(|e| e.kind() == io::ErrorKind::ConnectionRefused)
}

/// Whether a socket that connects to `target`, or has connected, is both ends of that connection. If so, it is to be closed:
/// by a reset then, for a port in TIME_WAIT is one that the next server cannot have.
pub(crate) fn meets_itself(socket: impl AsFd, target: SocketAddr) -> bool {
    let Ok(Ok(local)) = getsockname(&socket).map(SocketAddr::try_from) else { return false };
    let itself = (local.ip(), local.port()) == (target.ip(), target.port());
    if itself {
        // It is closed in any case.
        let _ = SockRef::from(&socket).set_linger(Some(Duration::ZERO));
    }
    itself
}

#[cfg(test)]
mod tests {
    use super::*;
    use socket2::{Domain, Socket, Type};
    use std::net::TcpListener;

    #[test]
    fn a_connection_that_meets_itself_is_known_and_leaves_its_port() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let address: SocketAddr = address.parse().expect("an address");
            let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).expect("a socket");
            socket.bind(&address.into()).expect("a port");
            let own = socket.local_addr().expect("bound").as_socket().expect("of the internet");
            socket.connect(&own.into()).expect("it meets itself");
            assert!(meets_itself(&socket, own));
            drop(socket);
            let listener = TcpListener::bind(own).expect("its port is free at once");
            let stream = connect(own, Duration::from_secs(5)).expect("somebody listens");
            assert!(!meets_itself(&stream, own) && listener.accept().is_ok());
        }
    }
}
