//! What the kernel counts of a network namespace as a whole: full listen queues and the buffers of sockets.
//!
//! These are not of the server alone: another program of the namespace that listens, or holds sockets, is in them.

use super::reading;
use super::tree::Proc;
use bakeoff_reports::record::Reading;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::{IpAddr, SocketAddr};

/// How often listeners had to turn connections away, since the namespace was made.
#[derive(Clone, Debug)]
pub struct ListenQueue {
    overflows: Result<u64, String>,
    drops: Result<u64, String>,
}

impl ListenQueue {
    /// The counts so far.
    pub fn take(proc: &Proc) -> Self {
        let text = proc.text("self/net/netstat");
        let count = |name| text.clone().and_then(|text| extended(&text, name));
        Self { overflows: count("ListenOverflows"), drops: count("ListenDrops") }
    }

    /// Overflows and drops from `self` to `later`.
    pub fn until(&self, later: &Self) -> (Reading<u64>, Reading<u64>) {
        let difference = |before: &Result<u64, String>, after: &Result<u64, String>| {
            reading(before.clone().and_then(|before| Ok(after.clone()?.saturating_sub(before))))
        };
        (difference(&self.overflows, &later.overflows), difference(&self.drops, &later.drops))
    }
}

/// A counter of the `TcpExt` group: a line of names, and a line of values in the same order.
fn extended(netstat: &str, name: &str) -> Result<u64, String> {
    let mut lines = netstat.lines().filter_map(|line| line.strip_prefix("TcpExt:"));
    let (names, values) = (lines.next(), lines.next());
    let mut pairs = names.into_iter().flat_map(str::split_whitespace).zip(
        // Without a second line there is nothing to pair with.
        values.into_iter().flat_map(str::split_whitespace),
    );
    let value = pairs.find(|(found, _)| *found == name).and_then(|(_, value)| value.parse().ok());
    value.ok_or_else(|| format!("/proc/net/netstat does not count {name}"))
}

/// Connections that the kernel has completed for the listeners at `address` and that their server has not accepted yet;
/// `None` where the kernel lists no such listener.
pub fn not_accepted(address: SocketAddr) -> Option<u64> {
    let table = if address.is_ipv4() { "/proc/self/net/tcp" } else { "/proc/self/net/tcp6" };
    let local = in_hex(address);
    // Listeners come first, so that the thousands of connections behind them are not read.
    let lines = BufReader::new(File::open(table).ok()?).lines();
    let mut queues = Vec::new();
    for line in lines.map_while(Result::ok).skip(1) {
        match accept_queue(&line) {
            Some((address, queue)) if address == local => queues.push(queue),
            Some(_) => {}
            None => break,
        }
    }
    (!queues.is_empty()).then(|| queues.iter().sum())
}

/// Address and length of the accept queue in a line of proc(5)'s `net/tcp`, if it is of a listener: what is the receive
/// queue of other sockets.
fn accept_queue(line: &str) -> Option<(&str, u64)> {
    const LISTENS: &str = "0A";
    let mut words = line.split_whitespace().skip(1);
    let (address, state, queues) = (words.next()?, words.nth(1)?, words.next()?);
    let queue = u64::from_str_radix(queues.split_once(':')?.1, 16).ok()?;
    (state == LISTENS).then_some((address, queue))
}

/// An address as `net/tcp` has it: words of 32 bits, as they lie in memory, read as numbers of this machine.
fn in_hex(address: SocketAddr) -> String {
    let word = |bytes: &[u8; 4]| format!("{:08X}", u32::from_ne_bytes(*bytes));
    let ip: String = match address.ip() {
        IpAddr::V4(ip) => word(&ip.octets()),
        IpAddr::V6(ip) => ip.octets().as_chunks::<4>().0.iter().map(word).collect(),
    };
    format!("{ip}:{:04X}", address.port())
}

/// Bytes in the buffers of all TCP sockets of the namespace now, both ends of a loopback connection.
pub fn socket_buffer_bytes(proc: &Proc) -> Reading<u64> {
    let pages = proc.text("self/net/sockstat").and_then(|text| {
        let words = text.lines().find_map(|line| line.strip_prefix("TCP:")).unwrap_or_default();
        let mut words = words.split_whitespace();
        let pages = words.find(|word| *word == "mem").and_then(|_| words.next()?.parse::<u64>().ok());
        pages.ok_or_else(|| "/proc/net/sockstat has no TCP memory".to_string())
    });
    reading(pages.map(|pages| pages.saturating_mul(rustix::param::page_size() as u64)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bakeoff_servers::listen::{ListenOptions, bind_all};
    use std::fs;
    use std::net::{TcpListener, TcpStream};
    use std::time::{Duration, Instant};

    fn proc_with(netstat: &str, sockstat: &str) -> (tempfile::TempDir, Proc) {
        let folder = tempfile::tempdir().expect("a folder");
        let net = folder.path().join("self/net");
        fs::create_dir_all(&net).expect("room");
        fs::write(net.join("netstat"), netstat).expect("room");
        fs::write(net.join("sockstat"), sockstat).expect("room");
        let proc = Proc::at(folder.path());
        (folder, proc)
    }

    #[test]
    fn overflows_are_the_difference_of_two_readings() {
        let netstat = |overflows: u64, drops: u64| {
            format!(
                "TcpExt: SyncookiesSent ListenOverflows ListenDrops Other\nTcpExt: 7 {overflows} {drops} 9\n\
                 IpExt: ListenDrops\nIpExt: 1000\n"
            )
        };
        let (_a, before) = proc_with(&netstat(5, 6), "");
        let (_b, after) = proc_with(&netstat(8, 16), "");
        let (before, after) = (ListenQueue::take(&before), ListenQueue::take(&after));
        assert_eq!(before.until(&after), (Reading::Value(3), Reading::Value(10)));
        let (_c, other) = proc_with("TcpExt: SyncookiesSent\nTcpExt: 1\n", "");
        let (overflows, drops) = before.until(&ListenQueue::take(&other));
        assert!(matches!(overflows, Reading::Absent(why) if why.contains("does not count ListenOverflows")));
        assert!(matches!(drops, Reading::Absent(_)));
        let hidden = ListenQueue::take(&Proc::at("/nowhere"));
        assert!(matches!(hidden.until(&after).0, Reading::Absent(why) if why.contains("/nowhere")));
    }

    #[test]
    fn connections_that_nobody_has_accepted_are_counted() {
        for bound in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(bound) else {
                assert!(bound.starts_with('['), "there is a loopback of IPv4 everywhere");
                continue;
            };
            let address = listener.local_addr().expect("bound");
            assert_eq!(not_accepted(address), Some(0));
            let _clients = [0, 1, 2].map(|_| TcpStream::connect(address).expect("the kernel completes it"));
            // The client's end is open a moment before the server's.
            let begun = Instant::now();
            while not_accepted(address) != Some(3) {
                assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", not_accepted(address));
            }
            let _one = listener.accept().expect("it waits");
            assert_eq!(not_accepted(address), Some(2));
            drop(listener);
            assert_eq!(not_accepted(address), None);
        }
    }

    #[test]
    fn listeners_that_share_an_address_are_added_up() {
        let any = "127.0.0.1:0".parse().expect("an address");
        let (first, more) = bind_all(any, &ListenOptions::default(), 3).expect("room");
        let address = first.local_addr().expect("bound");
        let _clients = [(); 9].map(|()| TcpStream::connect(address).expect("the kernel completes it"));
        let begun = Instant::now();
        while not_accepted(address) != Some(9) {
            assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", not_accepted(address));
        }
        drop((first, more));
    }

    #[test]
    fn buffers_are_counted_in_pages() {
        let sockets = "sockets: used 18\nTCP: inuse 1 orphan 0 tw 9 alloc 1 mem 3\nUDP: inuse 0 mem 8\n";
        let (_folder, proc) = proc_with("", sockets);
        assert_eq!(socket_buffer_bytes(&proc), Reading::Value(3 * rustix::param::page_size() as u64));
        let (_folder, proc) = proc_with("", "UDP: inuse 0 mem 8\n");
        assert!(matches!(socket_buffer_bytes(&proc), Reading::Absent(_)));
        assert!(matches!(socket_buffer_bytes(&Proc::system()), Reading::Value(_)));
    }
}
