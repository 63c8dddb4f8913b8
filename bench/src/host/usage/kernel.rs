//! What the kernel keeps in its own caches for a server: sockets with their files, entries of epolls, tasks and their
//! mappings. The counts are the tree's, the sizes those that `/proc/slabinfo` states.
//!
//! Only the server's end of a connection is in it. Buffers, routes and what a network card holds are not.

use super::tree::{self, Proc, living};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// Sizes of the kernel's objects, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sizes {
    /// A TCP socket with its inode, file and directory entry.
    socket: u64,
    /// An entry of an epoll.
    watch: u64,
    /// A thread.
    task: u64,
    /// What the threads of a process share.
    process: u64,
    /// A mapping of memory.
    mapping: u64,
}

impl Sizes {
    /// Those that a text of slabinfo(5) states.
    fn parse(text: &str) -> Result<Self, String> {
        let object = |line: &str| {
            let mut words = line.split_whitespace();
            Some((words.next()?.to_owned(), words.nth(2)?.parse::<u64>().ok()?))
        };
        let sizes: BTreeMap<String, u64> = text.lines().filter_map(object).collect();
        let sum = |names: &[&str]| {
            let of = |name: &&str| {
                let size = sizes.get(*name).copied();
                size.ok_or_else(|| format!("/proc/slabinfo states no size of {name}"))
            };
            names.iter().map(of).sum::<Result<u64, String>>()
        };
        Ok(Self {
            socket: sum(&["TCP", "sock_inode_cache", "filp", "dentry"])?,
            watch: sum(&["eventpoll_epi"])?,
            task: sum(&["task_struct"])?,
            process: sum(&["mm_struct", "signal_cache", "sighand_cache", "files_cache"])?,
            mapping: sum(&["vm_area_struct"])?,
        })
    }
}

/// Bytes of the kernel's objects for the tree under `root`.
///
/// # Errors
/// The sizes may not be read (root alone may), or the tree cannot be.
pub(super) fn object_bytes(proc: &Proc, root: u32) -> Result<u64, String> {
    let sizes = Sizes::parse(&proc.text("slabinfo")?)?;
    let (threads, processes) = tree::count(proc, root)?;
    // A socket that forks share is there once.
    let mut sockets = BTreeSet::new();
    let (mut watches, mut mappings) = (0, 0);
    for pid in proc.tree(root)? {
        let folder = proc.path(&pid.to_string());
        let Some(descriptors) = living(pid, proc.process(pid).and_then(|process| process.fd()))? else {
            continue;
        };
        for descriptor in descriptors.flatten() {
            match &descriptor.target {
                procfs::process::FDTarget::Socket(inode) => {
                    sockets.insert(*inode);
                }
                procfs::process::FDTarget::AnonInode(kind) if kind.contains("eventpoll") => {
                    let info = fs::read_to_string(folder.join(format!("fdinfo/{}", descriptor.fd)));
                    watches +=
                        info.unwrap_or_default().lines().filter(|line| line.starts_with("tfd:")).count();
                }
                _ => {}
            }
        }
        // One that ended meanwhile has none.
        mappings += fs::read_to_string(folder.join("maps")).unwrap_or_default().lines().count();
    }
    let parts = [
        (sockets.len(), sizes.socket),
        (watches, sizes.watch),
        (mappings, sizes.mapping),
        (threads as usize, sizes.task),
        (processes as usize, sizes.process),
    ];
    Ok(parts.iter().fold(0, |sum, (count, size)| sum + *count as u64 * size))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    const SLABINFO: &str = "slabinfo - version: 2.1\n\
        # name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables <limit>\n\
        TCP                   78    143   2368   13    8 : tunables    0    0    0\n\
        eventpoll_epi        395    416    128   32    1 : tunables    0    0    0\n\
        sock_inode_cache     113    171    832   19    4 : tunables    0    0    0\n\
        filp                 859   1092    192   21    1 : tunables    0    0    0\n\
        dentry            222866 223461    192   21    1 : tunables    0    0    0\n\
        vm_area_struct      1784   4284    192   21    1 : tunables    0    0    0\n\
        files_cache          236    322    704   23    4 : tunables    0    0    0\n\
        signal_cache         150    210   1152   14    4 : tunables    0    0    0\n\
        sighand_cache        146    225   2112   15    8 : tunables    0    0    0\n\
        task_struct          133    154   4288    7    8 : tunables    0    0    0\n\
        mm_struct            140    160   1600   20    8 : tunables    0    0    0\n";

    #[test]
    fn sizes_are_those_that_the_kernel_states() {
        let sizes = Sizes::parse(SLABINFO).expect("as it is");
        let stated = Sizes { socket: 3_584, watch: 128, task: 4_288, process: 5_568, mapping: 192 };
        assert_eq!(sizes, stated);
        let without = SLABINFO.replace("filp ", "flip ");
        assert_eq!(Sizes::parse(&without), Err("/proc/slabinfo states no size of filp".into()));
    }

    #[test]
    fn a_socket_of_this_process_adds_what_the_kernel_keeps_for_it() {
        let proc = Proc::system();
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
        let bytes = || object_bytes(&proc, std::process::id());
        let Ok(before) = bytes() else {
            // Root alone may read the sizes; then the reason says so.
            assert!(bytes().expect_err("no sizes").contains("slabinfo"));
            return;
        };
        let address = listener.local_addr().expect("bound");
        let held: Vec<TcpStream> = (0..100).map(|_| TcpStream::connect(address).expect("loopback")).collect();
        let each = bytes().expect("as before").saturating_sub(before) / held.len() as u64;
        // Other tests of this process may open and close some of their own.
        assert!((3_000..6_000).contains(&each), "{each} bytes for a socket");
    }
}
