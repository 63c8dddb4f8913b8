//! What the control group of this process grants: a quota of CPU time, a set of CPUs.

use super::list::parse_list;
use procfs::{FromRead as _, ProcessCGroups};
use std::fs;
use std::path::{Path, PathBuf};

/// CPUs' worth of time that the groups of this process grant: the smallest of its own and those above it.
///
/// # Errors
/// Why there is none.
pub fn quota(root: &Path) -> Result<f64, String> {
    let quotas = folders(root, "cpu")?.into_iter().filter_map(|folder| quota_in(&folder));
    quotas.reduce(f64::min).ok_or_else(|| "the control group sets no limit".to_owned())
}

/// The CPUs that the nearest group with a set has.
pub(super) fn cpuset(root: &Path) -> Option<Vec<u32>> {
    let names = ["cpuset.cpus.effective", "cpuset.effective_cpus", "cpuset.cpus"];
    let list = |folder: &PathBuf| names.iter().find_map(|name| fs::read_to_string(folder.join(name)).ok());
    let lists = folders(root, "cpuset").ok()?;
    lists.iter().filter_map(list).find_map(|text| parse_list(&text).ok().filter(|cpus| !cpus.is_empty()))
}

/// The folders of this process's groups under a controller, each with those above it, nearest first.
fn folders(root: &Path, controller: &str) -> Result<Vec<PathBuf>, String> {
    let groups = ProcessCGroups::from_file(root.join("proc/self/cgroup"))
        .map_err(|error| format!("/proc/self/cgroup: {error}"))?;
    let mut found = Vec::new();
    for group in groups {
        let mount = match group.controllers.as_slice() {
            [] => root.join("sys/fs/cgroup"),
            list if list.iter().any(|name| name == controller) => root.join("sys/fs/cgroup").join(controller),
            _ => continue,
        };
        // In a container the path may be the host's: then its own group is at the mount itself.
        let path = group.pathname.trim_start_matches('/');
        found.extend(Path::new(path).ancestors().map(|above| mount.join(above)));
    }
    Ok(found)
}

/// Version 2 says "max" or quota and period in one file, version 1 in two, where -1 is no limit.
fn quota_in(folder: &Path) -> Option<f64> {
    let file = |name: &str| fs::read_to_string(folder.join(name)).ok();
    let number = |text: &str| text.trim().parse::<f64>().ok().filter(|number| *number > 0.0);
    let (quota, period) = match file("cpu.max") {
        Some(text) => {
            let (quota, period) = text.trim().split_once(' ')?;
            (number(quota)?, number(period)?)
        }
        None => (number(&file("cpu.cfs_quota_us")?)?, number(&file("cpu.cfs_period_us")?)?),
    };
    Some(quota / period)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (path, text) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().expect("in a folder")).expect("writable");
            fs::write(path, text).expect("writable");
        }
        folder
    }

    #[test]
    fn the_smallest_quota_of_both_versions_counts() {
        let of = |groups: &str| {
            let folder = root(&[
                ("proc/self/cgroup", groups),
                ("sys/fs/cgroup/cpu.max", "max 100000\n"),
                ("sys/fs/cgroup/a/cpu.max", "150000 100000\n"),
                ("sys/fs/cgroup/a/b/cpu.max", "200000 100000\n"),
                ("sys/fs/cgroup/cpu/c/cpu.cfs_quota_us", "50000\n"),
                ("sys/fs/cgroup/cpu/c/cpu.cfs_period_us", "100000\n"),
                ("sys/fs/cgroup/cpu/d/cpu.cfs_quota_us", "-1\n"),
                ("sys/fs/cgroup/cpu/d/cpu.cfs_period_us", "100000\n"),
            ]);
            quota(folder.path())
        };
        assert_eq!(of("0::/a/b\n"), Ok(1.5));
        assert_eq!(of("3:cpu,cpuacct:/c\n0::/a\n"), Ok(0.5));
        assert!(of("3:cpu,cpuacct:/d\n").is_err_and(|why| why.contains("no limit")));
        assert!(of("3:pids:/c\n").is_err_and(|why| why.contains("no limit")));
        let nothing = root(&[]);
        assert!(quota(nothing.path()).is_err_and(|why| why.contains("/proc/self/cgroup")));
    }

    #[test]
    fn the_nearest_set_that_is_not_empty_counts() {
        let folder = root(&[
            ("proc/self/cgroup", "5:cpuset:/in/it\n0::/\n"),
            ("sys/fs/cgroup/cpuset/in/it/cpuset.cpus", "\n"),
            ("sys/fs/cgroup/cpuset/in/cpuset.effective_cpus", "2-3\n"),
            ("sys/fs/cgroup/cpuset.cpus.effective", "0-7\n"),
        ]);
        assert_eq!(cpuset(folder.path()), Some(vec![2, 3]));
    }
}
