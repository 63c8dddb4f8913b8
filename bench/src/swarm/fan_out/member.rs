//! A client of a chat, as the swarm holds it: its socket, what has come of a line, and what is still to be sent. Never waits.

use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

/// A client of the chat.
#[derive(Debug)]
pub(in crate::swarm) struct Member {
    pub(super) socket: OwnedFd,
    /// The part of a line that has come.
    pub(super) line: Vec<u8>,
    /// What the kernel has not taken of what it says, from `sent` on.
    pub(super) unsent: Vec<u8>,
    pub(super) sent: usize,
    pub(super) gone: bool,
}

impl Member {
    pub(super) fn is_behind(&self) -> bool {
        self.sent < self.unsent.len()
    }

    /// Sends what the kernel takes.
    pub(super) fn flush(&mut self) -> Result<(), Errno> {
        while self.is_behind() {
            let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
            match send(&self.socket, &self.unsent[self.sent..], flags) {
                Ok(n) => self.sent += n,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        self.unsent.clear();
        self.sent = 0;
        Ok(())
    }

    /// Reads what there is: `None` when there is nothing, 0 bytes at the end.
    pub(super) fn read(&self, into: &mut [u8]) -> Result<Option<usize>, Errno> {
        loop {
            match recv(&self.socket, &mut *into, RecvFlags::DONTWAIT) {
                Ok((n, _)) => return Ok(Some(n)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }
}
