//! The bare limit of datagrams: one thread, recvfrom and sendto on a blocking socket, as one would write it in C.

use super::BUFFER;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recvfrom, sendto};
use std::io;
use std::net::UdpSocket;

/// Its name.
pub(crate) const NAME: &str = "recvfrom-sendto";

pub(super) fn serve(socket: &UdpSocket) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        match recvfrom(socket, &mut buffer, RecvFlags::empty()) {
            Ok((_, length, Some(peer))) => {
                sendto(socket, &buffer[..length], SendFlags::empty(), &peer)?;
            }
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
