//! Who listens at an address: the processes of a tree, or somebody else, whose figures would be taken for theirs.

use procfs::ProcResult;
use procfs::net::{TcpNetEntry, TcpState};
use procfs::process::{FDTarget, Process};
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

/// Who takes connections to an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listens {
    /// Processes of the tree alone, or nobody can tell.
    Tree,
    /// Somebody else, by name where it can be told.
    Other(String),
    /// Nobody does.
    Nobody,
}

/// Who takes connections to `address`, of the processes of `tree`.
pub fn at(address: SocketAddr, tree: &[u32]) -> Listens {
    let Ok(all) = listeners() else { return Listens::Tree };
    let takes = |entry: &&TcpNetEntry| takes(entry.local_address, address);
    let inodes: Vec<u64> = all.iter().filter(takes).map(|entry| entry.inode).collect();
    if inodes.is_empty() {
        return Listens::Nobody;
    }
    let Ok(own) = sockets_of(tree) else { return Listens::Tree };
    match inodes.iter().find(|inode| !own.contains(inode)) {
        None => Listens::Tree,
        Some(inode) => Listens::Other(name_of_holder(*inode)),
    }
}

/// Where the processes of `tree` listen.
pub fn of(tree: &[u32]) -> Vec<SocketAddr> {
    let (Ok(all), Ok(own)) = (listeners(), sockets_of(tree)) else { return Vec::new() };
    let mut addresses: Vec<SocketAddr> =
        all.iter().filter(|entry| own.contains(&entry.inode)).map(|entry| entry.local_address).collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

fn listeners() -> ProcResult<Vec<TcpNetEntry>> {
    let mut all = procfs::net::tcp()?;
    all.extend(procfs::net::tcp6().unwrap_or_default());
    all.retain(|entry| entry.state == TcpState::Listen);
    Ok(all)
}

/// Whether who listens at `local` takes connections to `address`.
fn takes(local: SocketAddr, address: SocketAddr) -> bool {
    // What listens on all addresses of version 6 takes those of version 4, too, unless it says otherwise.
    let ip = match (local.ip(), address.ip()) {
        (IpAddr::V6(local), IpAddr::V4(_)) if local.to_ipv4_mapped().is_some() => {
            local.to_ipv4_mapped().map(IpAddr::V4) == Some(address.ip())
        }
        (own, _) if own.is_unspecified() => own.is_ipv6() || address.is_ipv4(),
        (own, asked) => own == asked,
    };
    ip && local.port() == address.port()
}

/// The sockets that processes hold.
///
/// # Errors
/// One of them cannot be looked into, and nobody can say what it holds.
fn sockets_of(tree: &[u32]) -> ProcResult<BTreeSet<u64>> {
    let mut inodes = BTreeSet::new();
    for pid in tree {
        let process = match Process::new(*pid as i32) {
            Err(procfs::ProcError::NotFound(_)) => continue, // it has ended meanwhile
            process => process?,
        };
        for fd in process.fd()?.flatten() {
            if let FDTarget::Socket(inode) = fd.target {
                inodes.insert(inode);
            }
        }
    }
    Ok(inodes)
}

fn name_of_holder(inode: u64) -> String {
    let holds = |process: &Process| {
        let Ok(fds) = process.fd() else { return false };
        fds.flatten().any(|fd| matches!(fd.target, FDTarget::Socket(own) if own == inode))
    };
    let all = procfs::process::all_processes().into_iter().flatten().flatten();
    let name = all.filter(holds).find_map(|process| Some((process.stat().ok()?.comm, process.pid)));
    name.map_or_else(|| "another program".into(), |(comm, pid)| format!("{comm} ({pid})"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn a_listener_of_ours_is_told_from_nobody_and_from_another() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let own = std::process::id();
        assert_eq!(at(address, &[own]), Listens::Tree);
        assert!(of(&[own]).contains(&address));
        let Listens::Other(name) = at(address, &[]) else { panic!("it is not of an empty tree") };
        assert!(name.contains(&format!("({own})")), "{name}");
        drop(listener);
        assert_eq!(at(address, &[own]), Listens::Nobody);
    }

    #[test]
    fn who_listens_everywhere_takes_what_goes_anywhere() {
        let address = |text: &str| text.parse::<SocketAddr>().expect("an address");
        for (local, asked, takes_it) in [
            ("127.0.0.1:80", "127.0.0.1:80", true),
            ("0.0.0.0:80", "127.0.0.1:80", true),
            ("[::]:80", "127.0.0.1:80", true),
            ("[::ffff:127.0.0.1]:80", "127.0.0.1:80", true),
            ("[::]:80", "[::1]:80", true),
            ("0.0.0.0:80", "[::1]:80", false),
            ("127.0.0.2:80", "127.0.0.1:80", false),
            ("0.0.0.0:81", "127.0.0.1:80", false),
        ] {
            assert_eq!(takes(address(local), address(asked)), takes_it, "{local} {asked}");
        }
    }
}
