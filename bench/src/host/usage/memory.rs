//! The memory of a process tree, the kernel's share for it included: pages, page tables, kernel stacks, and the objects of
//! the kernel's caches.

use super::kernel;
use super::reading;
use super::tree::{self, GONE, Proc, living};
use bakeoff_reports::record::Reading;
use procfs::{FromRead as _, LoadAverage};

/// What a tree holds at one instant. Reading it takes a fraction of a millisecond for each process, and the lock of its
/// memory map.
#[derive(Clone, Debug, PartialEq)]
pub struct Footprint {
    /// Proportional set size: shared pages count by their share.
    pub pss_bytes: Reading<u64>,
    /// The part of it that is no file's: heap, stacks, shared memory. The pages of the program's own file are shared
    /// with the runner and the swarm, so their share changes with how many of these there are.
    pub anonymous_bytes: Reading<u64>,
    /// Page tables.
    pub page_table_bytes: Reading<u64>,
    /// Kernel stacks of the threads.
    pub kernel_stack_bytes: Reading<u64>,
    /// Sockets, entries of epolls, tasks and their mappings in the kernel's caches.
    pub kernel_object_bytes: Reading<u64>,
    /// Open descriptors.
    pub descriptors: Reading<u64>,
}

impl Footprint {
    /// What the tree under `root` holds now.
    pub fn take(proc: &Proc, root: u32) -> Self {
        let stacks = tree::count(proc, root)
            .and_then(|(threads, _)| stack_bytes(proc).map(|bytes| threads.saturating_mul(bytes)));
        Self {
            pss_bytes: reading(pss(proc, root, &["Pss"])),
            anonymous_bytes: reading(pss(proc, root, &["Pss_Anon", "Pss_Shmem"])),
            page_table_bytes: reading(sum(proc, root, page_tables)),
            kernel_stack_bytes: reading(stacks),
            kernel_object_bytes: reading(kernel::object_bytes(proc, root)),
            descriptors: reading(sum(proc, root, descriptors)),
        }
    }

    /// Nothing read, for this reason.
    pub fn absent(why: &str) -> Self {
        let absent = || Reading::Absent(why.to_string());
        Self {
            pss_bytes: absent(),
            anonymous_bytes: absent(),
            page_table_bytes: absent(),
            kernel_stack_bytes: absent(),
            kernel_object_bytes: absent(),
            descriptors: absent(),
        }
    }

    /// What is its own: memory that is no file's, page tables and kernel stacks, and the kernel's objects where their sizes
    /// may be read. Absent when one of the first three is.
    pub fn own_bytes(&self) -> Reading<u64> {
        let mut sum = 0_u64;
        for part in [&self.anonymous_bytes, &self.page_table_bytes, &self.kernel_stack_bytes] {
            match part {
                Reading::Value(bytes) => sum = sum.saturating_add(*bytes),
                Reading::Absent(why) => return Reading::Absent(why.clone()),
            }
        }
        Reading::Value(sum.saturating_add(self.kernel_object_bytes.value().copied().unwrap_or_default()))
    }
}

/// A figure summed over the living processes of a tree.
fn sum(
    proc: &Proc,
    root: u32,
    figure: impl Fn(&Proc, u32) -> Result<Option<u64>, String>,
) -> Result<u64, String> {
    let (mut sum, mut seen) = (0_u64, false);
    for pid in proc.tree(root)? {
        if let Some(one) = figure(proc, pid)? {
            sum = sum.saturating_add(one);
            seen = true;
        }
    }
    // A process that is ending is still listed but has no memory left.
    if seen { Ok(sum) } else { Err(GONE.to_string()) }
}

/// The sum of some lines of the memory map, over the tree.
fn pss(proc: &Proc, root: u32, lines: &[&str]) -> Result<u64, String> {
    sum(proc, root, |proc, pid| {
        let Some(rollup) = living(pid, proc.process(pid).and_then(|p| p.smaps_rollup()))? else {
            return Ok(None);
        };
        let map = rollup.memory_map_rollup.0.into_iter().next().map(|map| map.extension.map);
        let mut sum = 0_u64;
        for line in lines {
            let bytes = map.as_ref().and_then(|map| map.get(*line));
            let bytes = bytes.ok_or_else(|| format!("/proc/{pid}/smaps_rollup has no {line} line"))?;
            sum = sum.saturating_add(*bytes);
        }
        Ok(Some(sum))
    })
}

fn page_tables(proc: &Proc, pid: u32) -> Result<Option<u64>, String> {
    let Some(status) = living(pid, proc.process(pid).and_then(|p| p.status()))? else { return Ok(None) };
    // A zombie has no memory, and so no such line.
    Ok(status.vmpte.map(|kibibytes| kibibytes.saturating_mul(1024)))
}

fn descriptors(proc: &Proc, pid: u32) -> Result<Option<u64>, String> {
    let count = living(pid, proc.process(pid).and_then(|p| p.fd_count()))?;
    Ok(count.map(|count| count as u64))
}

/// The size of a kernel stack: what all of them take over how many threads there are. It is a power of two pages, and
/// the kernel keeps a few stacks in store, hence the rounding.
fn stack_bytes(proc: &Proc) -> Result<u64, String> {
    let memory = proc.text("meminfo")?;
    let line = memory.lines().find_map(|line| line.strip_prefix("KernelStack:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    let all = kibibytes.ok_or("/proc/meminfo has no KernelStack line")?.saturating_mul(1024);
    let load = LoadAverage::from_read(proc.text("loadavg")?.as_bytes());
    let threads = u64::from(load.map_err(|e| format!("/proc/loadavg cannot be understood: {e}"))?.max);
    let mean = all as f64 / threads.max(1) as f64;
    // From one page to 64 KiB: anything else is not the size of a stack but of something else's count.
    let size = [4_096_u64, 8_192, 16_384, 32_768, 65_536]
        .into_iter()
        .min_by(|a, b| (*a as f64 / mean).ln().abs().total_cmp(&(*b as f64 / mean).ln().abs()))
        .filter(|size| (0.5..2.0).contains(&(*size as f64 / mean)));
    size.ok_or_else(|| format!("{all} bytes of kernel stacks for {threads} threads make no stack size"))
}

#[cfg(test)]
mod tests {
    use super::super::tree::tests::{end, family};
    use super::*;
    use std::fs;
    use std::process::Command;

    #[test]
    fn a_family_has_pages_tables_stacks_and_descriptors() {
        let family = family();
        let footprint = Footprint::take(&Proc::system(), family.id());
        end(family);
        let all = [&footprint.anonymous_bytes, &footprint.page_table_bytes, &footprint.kernel_stack_bytes];
        assert!(all.iter().all(|bytes| bytes.value().is_some_and(|b| *b > 10_000)), "{footprint:?}");
        assert!(footprint.pss_bytes.value() > footprint.anonymous_bytes.value(), "{footprint:?}");
        let with_objects = all.into_iter().chain([&footprint.kernel_object_bytes]);
        let sum = with_objects.filter_map(|bytes| bytes.value()).sum();
        assert_eq!(footprint.own_bytes(), Reading::Value(sum));
        assert!(footprint.descriptors.value().is_some_and(|n| *n >= 9), "{footprint:?}");
    }

    #[test]
    fn what_is_gone_is_absent_not_zero() {
        let mut child = Command::new("true").spawn().expect("true");
        let pid = child.id();
        child.wait().expect("our child");
        let footprint = Footprint::take(&Proc::system(), pid);
        let gone = Reading::Absent(GONE.to_string());
        assert_eq!(footprint.own_bytes(), gone);
        assert_eq!(footprint.descriptors, gone);
    }

    #[test]
    fn the_size_of_a_stack_is_what_the_kernel_says_it_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let proc = Proc::at(folder.path());
        let say = |stacks: &str| {
            fs::write(folder.path().join("meminfo"), format!("MemTotal: 1 kB\n{stacks}")).expect("room");
            stack_bytes(&proc)
        };
        assert!(say("").expect_err("no loadavg, no stacks").contains("KernelStack"));
        assert!(say("KernelStack: 1936 kB\n").expect_err("no loadavg").contains("loadavg"));
        fs::write(folder.path().join("loadavg"), "0.10 0.20 0.30 3/118 13322\n").expect("room");
        assert_eq!(say("KernelStack: 1936 kB\n"), Ok(16_384));
        assert!(say("KernelStack: 9 kB\n").expect_err("76 bytes each").contains("make no stack size"));
    }
}
