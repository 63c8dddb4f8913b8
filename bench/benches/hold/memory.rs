//! What connections cost in memory: the processes' own pages and the kernel's.
//!
//! Of the kernel's part there is no account by process. Slab and page tables are sums over the machine, and so is what
//! is available: other programs move them too, and the bench prints all of them so that one may check another.

use bakeoff::host::usage::pss_bytes;
use bakeoff_reports::record::Reading;
use procfs::{Current as _, Meminfo};

/// Memory at one moment, in bytes.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    servers: Result<u64, String>,
    /// This process and all below it.
    family: Result<u64, String>,
    slab: u64,
    page_tables: Result<u64, String>,
    /// Bytes in buffers of TCP sockets.
    buffers: Result<u64, String>,
    available: Result<u64, String>,
}

impl Memory {
    /// What is used now; `servers` are the server processes.
    pub(crate) fn read(servers: &[u32]) -> Result<Self, String> {
        let info = Meminfo::current().map_err(|e| format!("reading /proc/meminfo failed: {e}"))?;
        let missing = |what: &str| format!("/proc/meminfo has no {what}");
        Ok(Self {
            servers: servers.iter().map(|&pid| pss(pid)).sum(),
            family: pss(std::process::id()),
            slab: info.slab,
            page_tables: info.page_tables.ok_or_else(|| missing("PageTables")),
            buffers: tcp_buffers(),
            available: info.mem_available.ok_or_else(|| missing("MemAvailable")),
        })
    }

    /// Refuses to begin where so many bytes are not to be had.
    pub(crate) fn require(&self, bytes: u64) -> Result<(), String> {
        match self.available {
            Ok(available) if available < bytes => Err(format!(
                "{} MiB of memory are available and up to {} MiB may be needed: hold fewer connections",
                available >> 20,
                bytes >> 20
            )),
            _ => Ok(()),
        }
    }
}

fn pss(root: u32) -> Result<u64, String> {
    match pss_bytes(root) {
        Reading::Value(bytes) => Ok(bytes),
        Reading::Absent(reason) => Err(reason),
    }
}

/// The `mem` of TCP in /proc/net/sockstat, which counts pages.
fn tcp_buffers() -> Result<u64, String> {
    let path = "/proc/net/sockstat";
    let text = std::fs::read_to_string(path).map_err(|e| format!("reading {path} failed: {e}"))?;
    let tcp = text.lines().find(|line| line.starts_with("TCP:")).unwrap_or_default();
    let pages = tcp.split_whitespace().skip_while(|word| *word != "mem").nth(1);
    let pages: u64 = pages.and_then(|n| n.parse().ok()).ok_or(format!("{path} has no TCP mem"))?;
    Ok(pages * procfs::page_size())
}

type Metric = Result<i64, String>;

/// By how much something grew.
fn growth(now: &Result<u64, String>, before: &Result<u64, String>) -> Metric {
    Ok(now.clone()?.cast_signed() - before.clone()?.cast_signed())
}

/// The rows of the table: what grew from `before` to `now`, in bytes.
fn rows(before: &Memory, now: &Memory) -> [(&'static str, Metric); 7] {
    let family = growth(&now.family, &before.family);
    let servers = now.servers.clone().map(u64::cast_signed);
    let swarm = family.clone().and_then(|family| Ok(family - servers.clone()?));
    let slab = now.slab.cast_signed() - before.slab.cast_signed();
    let tables = growth(&now.page_tables, &before.page_tables);
    let buffers = growth(&now.buffers, &before.buffers);
    let sum = || Ok(family.clone()? + slab + tables.clone()? + buffers.clone()?);
    let available = growth(&before.available, &now.available);
    [
        ("swarm (proportional set size)", swarm),
        ("servers (proportional set size)", servers),
        ("kernel: slab", Ok(slab)),
        ("kernel: page tables", tables.clone()),
        ("kernel: socket buffers", buffers.clone()),
        ("together", sum()),
        ("less memory available, by all programs", available),
    ]
}

/// Prints the growth since `before` by connection, silent and after the echoes.
pub(crate) fn print(before: &Memory, silent: &Memory, after: &Memory, connections: u64) {
    println!("  {:<44} {:>9} {:>9}", "memory, KiB for a connection and its peer", "silent", "echoed");
    let rows = rows(before, silent).into_iter().zip(rows(before, after));
    let mut absent = Vec::new();
    for ((name, silent), (_, after)) in rows {
        let mut cell = |figure: Metric| match figure {
            // Plus zero, so that a little less than nothing is not printed as -0.00.
            Ok(bytes) => format!("{:.2}", (bytes as f64 / 10.24 / connections as f64).round() / 100.0 + 0.0),
            Err(reason) => {
                absent.push(format!("{name}: {reason}"));
                "absent".into()
            }
        };
        println!("    {name:<42} {:>9} {:>9}", cell(silent), cell(after));
    }
    println!("    {:<42} {:>9}", "bare C on the reference machine, together", "9.80");
    absent.sort();
    absent.dedup();
    absent.iter().for_each(|reason| println!("  absent: {reason}"));
}
