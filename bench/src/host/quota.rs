//! What a CPU quota took: the throttling that control groups of either version count.
//!
//! A quota stops whole groups of threads, server and swarm alike, for the rest of a period of some 100 ms; a window in which
//! that happened is not the server's.

use procfs::process::Process;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Throttling so far, of the group of this process and all groups above it: each may have a quota of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Throttling {
    /// Periods with a quota.
    pub periods: u64,
    /// Those in which it was used up.
    pub throttled: u64,
    /// For how long, summed over CPUs.
    pub lost: Duration,
}

impl Throttling {
    /// As counted up to now; nothing where there is no quota, or no control group to be read.
    pub fn now() -> Self {
        Self::of(&groups())
    }

    fn of(groups: &[PathBuf]) -> Self {
        let read = groups.iter().filter_map(|group| fs::read_to_string(group.join("cpu.stat")).ok());
        read.fold(Self::default(), |sum, text| {
            let one = Self::parse(&text);
            Self {
                periods: sum.periods + one.periods,
                throttled: sum.throttled + one.throttled,
                lost: sum.lost + one.lost,
            }
        })
    }

    /// Reads a `cpu.stat`: times are microseconds in version 2 of control groups, nanoseconds in version 1.
    fn parse(text: &str) -> Self {
        let mut seen = Self::default();
        for (name, number) in text.lines().filter_map(|line| line.split_once(' ')) {
            let number = number.trim().parse().unwrap_or(0);
            match name {
                "nr_periods" => seen.periods = number,
                "nr_throttled" => seen.throttled = number,
                "throttled_usec" => seen.lost = Duration::from_micros(number),
                "throttled_time" => seen.lost = Duration::from_nanos(number),
                _ => {}
            }
        }
        seen
    }

    /// What came since `earlier`.
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            periods: self.periods.saturating_sub(earlier.periods),
            throttled: self.throttled.saturating_sub(earlier.throttled),
            lost: self.lost.saturating_sub(earlier.lost),
        }
    }

    /// The share of the time of so many CPUs that was lost in `span`, 0 to 1.
    pub fn share(&self, span: Duration, cpus: usize) -> f64 {
        (self.lost.as_secs_f64() / (span.as_secs_f64().max(1e-9) * cpus.max(1) as f64)).min(1.0)
    }
}

/// The folders of this process's group under the CPU controller and of those above it, as far as they can be seen here.
fn groups() -> Vec<PathBuf> {
    let Ok(own) = Process::myself() else { return Vec::new() };
    let (Ok(groups), Ok(mounts)) = (own.cgroups(), own.mountinfo()) else { return Vec::new() };
    let mut found = Vec::new();
    for mount in mounts {
        let group = match mount.fs_type.as_str() {
            "cgroup2" => groups.0.iter().find(|group| group.hierarchy == 0),
            "cgroup" if mount.super_options.contains_key("cpu") => {
                groups.0.iter().find(|group| group.controllers.iter().any(|name| name == "cpu"))
            }
            _ => continue,
        };
        let Some(group) = group else { continue };
        // A container may see its own group as the root of the mount.
        let below = Path::new(&group.pathname).strip_prefix(&mount.root).unwrap_or(Path::new(""));
        let below = below.strip_prefix("/").unwrap_or(below);
        let all = below.ancestors().map(|path| mount.mount_point.join(path));
        found.extend(all.filter(|folder| !found.contains(folder)).collect::<Vec<_>>());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_are_read_and_groups_above_count_too() {
        let folder = tempfile::tempdir().expect("a folder");
        let (above, own) = (folder.path().to_owned(), folder.path().join("own"));
        fs::create_dir(&own).expect("room");
        let v2 = "usage_usec 9\nuser_usec 5\nnr_periods 88\nnr_throttled 84\nthrottled_usec 2500000\nnr_bursts 0\n";
        fs::write(own.join("cpu.stat"), v2).expect("room");
        fs::write(above.join("cpu.stat"), "nr_periods 2\nnr_throttled 1\nthrottled_time 500000000\n")
            .expect("room");
        let seen = Throttling::of(&[own, above, folder.path().join("none")]);
        assert_eq!(seen, Throttling { periods: 90, throttled: 85, lost: Duration::from_secs(3) });
        let since = seen.since(&Throttling { periods: 80, throttled: 80, lost: Duration::from_secs(1) });
        assert_eq!(since, Throttling { periods: 10, throttled: 5, lost: Duration::from_secs(2) });
        assert_eq!(since.share(Duration::from_secs(4), 2), 0.25);
    }

    #[test]
    fn a_group_without_a_quota_took_nothing() {
        assert_eq!(Throttling::parse("usage_usec 9\nuser_usec 5\n"), Throttling::default());
        let groups = groups();
        assert!(groups.iter().all(|group| group.is_dir()), "{groups:?}");
    }
}
