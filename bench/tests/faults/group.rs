//! A control group for one case, in whichever version the machine has.

use crate::faults::Limit;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The group; it goes when this is dropped.
pub(crate) struct Group(PathBuf);

impl Group {
    /// A group with this limit.
    ///
    /// # Errors
    /// Why there cannot be one here.
    pub(crate) fn new(limit: Limit, name: &str) -> Result<Self, String> {
        let (controller, old, new) = match limit {
            Limit::Tasks(count) => ("pids", ("pids.max", count.to_string()), ("pids.max", count.to_string())),
            Limit::Memory(mib) => {
                let bytes = (u64::from(mib) << 20).to_string();
                ("memory", ("memory.limit_in_bytes", bytes.clone()), ("memory.max", bytes))
            }
            Limit::Cpu(percent) => {
                let quota = percent * 1_000; // of a period of 100 ms, in microseconds
                let both = format!("{quota} 100000");
                ("cpu", ("cpu.cfs_quota_us", quota.to_string()), ("cpu.max", both))
            }
        };
        let (parent, is_old) = parent(controller)?;
        let group = Self(parent.join(format!("bakeoff-fault-{}-{name}", std::process::id())));
        fs::create_dir(&group.0)
            .map_err(|e| format!("no control group can be made in {}: {e}", parent.display()))?;
        let (file, value) = if is_old { old } else { new };
        fs::write(group.0.join(file), value)
            .map_err(|e| format!("{file} of a control group cannot be set: {e}"))?;
        Ok(group)
    }

    /// Where who enters writes its number.
    pub(crate) fn entrance(&self) -> PathBuf {
        self.0.join("cgroup.procs")
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // The kernel takes a process out of its group a moment after it was reaped.
        let deadline = Instant::now() + Duration::from_secs(2);
        while fs::remove_dir(&self.0).is_err() && self.0.exists() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Our own group under this controller, and whether it is of the first version.
fn parent(controller: &str) -> Result<(PathBuf, bool), String> {
    let groups = fs::read_to_string("/proc/self/cgroup").map_err(|e| format!("/proc/self/cgroup: {e}"))?;
    for line in groups.lines() {
        let [_, controllers, path] = line.splitn(3, ':').collect::<Vec<_>>()[..] else { continue };
        let under = |mount: &str| Path::new(mount).join(path.trim_start_matches('/'));
        if controllers.split(',').any(|one| one == controller) {
            return Ok((under(&format!("/sys/fs/cgroup/{controller}")), true));
        }
        let own = under("/sys/fs/cgroup");
        let given = fs::read_to_string(own.join("cgroup.subtree_control")).unwrap_or_default();
        if controllers.is_empty() && given.split_whitespace().any(|one| one == controller) {
            return Ok((own, false));
        }
    }
    Err(format!("no control group with the controller `{controller}` is given to this process"))
}
