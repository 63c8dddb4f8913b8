//! The ports of servers, held for them while they are dead.
//!
//! A port that nobody holds may be given to any outgoing connection: to one that connects to the dead server itself, and so to its
//! own socket (a simultaneous open), or to one that keeps the server from coming back. So a socket that never listens stays bound
//! to each: the system then gives the port to nobody who does not name it, and refuses connections to it.

use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, SocketAddr};

/// A port of a server.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) address: SocketAddr,
    _held: Socket,
}

impl Seat {
    /// A free port of this address.
    pub(super) fn reserve(ip: IpAddr) -> io::Result<Self> {
        let any = SocketAddr::new(ip, 0);
        let socket = Socket::new(Domain::for_address(any), Type::STREAM, Some(Protocol::TCP))?;
        // As servers do: two sockets may then share a port as long as one alone listens.
        socket.set_reuse_address(true)?;
        socket.bind(&any.into())?;
        let address = socket.local_addr()?.as_socket();
        let address = address.ok_or_else(|| io::Error::other("a socket has an address of another kind"))?;
        Ok(Self { address, _held: socket })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bakeoff_servers::listen::{ListenOptions, bind_all};
    use std::net::{Ipv4Addr, TcpStream};

    #[test]
    fn a_server_takes_its_seat_and_takes_it_again() {
        let seat = Seat::reserve(Ipv4Addr::LOCALHOST.into()).expect("a port");
        let refused = TcpStream::connect(seat.address).expect_err("nobody listens");
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        for listeners in [1, 3] {
            let bound =
                bind_all(seat.address, &ListenOptions::default(), listeners).expect("it is held for us");
            TcpStream::connect(seat.address).expect("somebody listens");
            drop(bound);
        }
    }
}
