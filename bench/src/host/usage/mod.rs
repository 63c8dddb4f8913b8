//! What a server's process tree uses, read from outside: CPU time, memory, threads, waiting, counters of the kernel.
//!
//! Nothing is read, and nothing counts, while the window is measured, but how many threads a server has whose load comes and
//! goes: marks are taken just outside its edges, memory after it, and event counters (which cost a few per cent) are closed
//! before it begins. Reading never stops the tree.
//! What cannot be read is absent with the reason.

mod counting;
mod delay;
mod interrupts;
mod kernel;
mod mark;
mod memory;
mod network;
mod switches;
mod threads;
mod tree;
mod watch;

pub use counting::{COUNTING, Counters};
pub use delay::Waits;
pub use mark::{Between, Division, Mark};
pub(crate) use mark::{FEWEST_TICKS, tree_cpu_time};
pub use memory::Footprint;
pub use network::{ListenQueue, not_accepted, socket_buffer_bytes};
pub use switches::SwitchMark;
pub use tree::{Population, Proc};
pub use watch::{Depth, Watch};

use bakeoff_reports::record::Reading;

/// The living processes of the tree under `root`, itself first.
///
/// # Errors
/// When a process that is there cannot be read, or `root` is not there.
pub fn tree(root: u32) -> Result<Vec<u32>, String> {
    Proc::system().tree(root)
}

/// Proportional set size of a tree now, in bytes. Takes a fraction of a millisecond for each process, and the lock of
/// its memory map.
pub fn pss_bytes(root: u32) -> Reading<u64> {
    Footprint::take(&Proc::system(), root).pss_bytes
}

fn reading<T>(result: Result<T, String>) -> Reading<T> {
    result.map_or_else(Reading::Absent, Reading::Value)
}
