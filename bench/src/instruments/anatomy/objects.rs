//! What a descriptor of the server stands for, in the words of the anatomy.

use crate::host::usage;
use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;

/// The sockets of a server that are no connections.
pub(super) struct Objects {
    /// Inodes of the listening sockets.
    listeners: BTreeSet<u64>,
    /// Inodes of all sockets that were there before the first traced connection.
    before: BTreeSet<u64>,
}

impl Objects {
    /// Of a server that listens on `address` and has no connection.
    ///
    /// # Errors
    /// When its descriptors cannot be listed.
    pub(super) fn of(server: u32, address: SocketAddr) -> Result<Self, String> {
        let mut before = BTreeSet::new();
        for process in usage::tree(server)? {
            let folder = format!("/proc/{process}/fd");
            let entries =
                fs::read_dir(&folder).map_err(|e| format!("{folder} of the server cannot be read: {e}"))?;
            let links = entries.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
            before.extend(links.filter_map(|link| socket_inode(&link.to_string_lossy())));
        }
        let entries = if address.is_ipv4() { procfs::net::tcp() } else { procfs::net::tcp6() };
        let is_it = |entry: &procfs::net::TcpNetEntry| {
            entry.local_address == address && entry.state == procfs::net::TcpState::Listen
        };
        // Where the table cannot be read, a listener is called a socket, which is true as well.
        let listeners = entries.into_iter().flatten().filter(is_it).map(|entry| entry.inode).collect();
        Ok(Self { listeners, before })
    }

    /// What descriptor `number` of a process stands for now; `None` when it has none such.
    pub(super) fn describe(&self, process: i32, number: u64) -> Option<String> {
        let number = number as u32 as i32; // descriptors are ints, whatever the upper half of the register holds
        let link = fs::read_link(format!("/proc/{process}/fd/{number}")).ok()?;
        let link = link.to_string_lossy();
        let name = match socket_inode(&link) {
            Some(inode) if self.listeners.contains(&inode) => "listener",
            Some(inode) if self.before.contains(&inode) => "socket",
            Some(_) => "connection",
            None if link.starts_with("pipe:") => "pipe",
            None => match link.strip_prefix("anon_inode:").map(|kind| kind.trim_matches(['[', ']'])) {
                Some("eventpoll") => "epoll",
                Some(kind) => kind,
                None => "file",
            },
        };
        Some(name.to_string())
    }
}

fn socket_inode(link: &str) -> Option<u64> {
    link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// Which argument of a call is the descriptor that says most about it; `None` for calls without one.
pub(super) fn takes_descriptor(call: &str) -> Option<usize> {
    match call {
        "read" | "write" | "readv" | "writev" | "recvfrom" | "sendto" | "recvmsg" | "sendmsg" | "close"
        | "accept" | "accept4" | "shutdown" | "setsockopt" | "getsockopt" | "getsockname" | "getpeername"
        | "epoll_wait" | "epoll_pwait" | "epoll_pwait2" | "ioctl" | "fcntl" | "dup" | "sendfile"
        | "splice" | "fstat" => Some(0),
        // The third: whose readiness is asked for, not the epoll instance.
        "epoll_ctl" => Some(2),
        _ => None,
    }
}

/// What a futex call with this second argument is about.
pub(super) fn futex_operation(argument: u64) -> Option<&'static str> {
    match argument as libc::c_int & !(libc::FUTEX_PRIVATE_FLAG | libc::FUTEX_CLOCK_REALTIME) {
        libc::FUTEX_WAIT | libc::FUTEX_WAIT_BITSET => Some("wait"),
        libc::FUTEX_WAKE | libc::FUTEX_WAKE_BITSET => Some("wake"),
        _ => None,
    }
}

/// What a clone with these flags makes.
pub(super) fn flags_of_clone(flags: u64) -> &'static str {
    if flags & libc::CLONE_THREAD as u64 == 0 { "process" } else { "thread" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsRawFd as _;

    #[test]
    fn descriptors_are_called_what_they_are() {
        let us = std::process::id();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let other = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let objects = Objects::of(us, address).expect("our own descriptors");
        let connection = TcpStream::connect(address).expect("it listens");
        let file = fs::File::open("/proc/self/exe").expect("ourselves");
        let (reader, _writer) = std::io::pipe().expect("a pipe");
        let name = |number: i32| objects.describe(us as i32, number as u64);
        assert_eq!(name(listener.as_raw_fd()).as_deref(), Some("listener"));
        assert_eq!(name(other.as_raw_fd()).as_deref(), Some("socket"));
        assert_eq!(name(connection.as_raw_fd()).as_deref(), Some("connection"));
        assert_eq!(name(file.as_raw_fd()).as_deref(), Some("file"));
        assert_eq!(name(reader.as_raw_fd()).as_deref(), Some("pipe"));
        assert_eq!(name(-1), None);
    }
}
