//! A sysfs as a [`Topology`]. What is not there, as in many containers, is left at what does least harm: a core, a cache and a
//! node of its own for each CPU, all of one kind.

use super::list::parse_list;
use super::{Cpu, Topology, group};
use std::fs;
use std::path::{Path, PathBuf};

/// CPUs whose speed is at least this share of the fastest one's are of its kind: the favoured cores of one kind differ by a few
/// percent, kinds by a quarter and more.
const SAME_KIND: f64 = 0.85;
/// Where the kernel keeps CPUs, below the root.
const CPUS: &str = "sys/devices/system/cpu";

/// Reads the topology below `root`, for a process that may run on `allowed`.
pub(super) fn read(root: &Path, allowed: Vec<u32>) -> Topology {
    let list = |path: &str| text(&root.join(path)).and_then(|text| parse_list(&text).ok());
    let of_cpus = |name: &str| list(&format!("{CPUS}/{name}"));
    let online = of_cpus("online").filter(|cpus| !cpus.is_empty()).unwrap_or_else(|| allowed.clone());
    let present = of_cpus("present").unwrap_or_default();
    let files: Vec<Files> = online.iter().map(|id| Files { root, id: *id }).collect();
    let nodes = nodes(root);
    let kinds = kinds(root, &files);
    let cores: Vec<Option<u32>> = files.iter().map(Files::core).collect();
    let cpu = |(at, files): (usize, &Files)| Cpu {
        id: files.id,
        core: cores[at].unwrap_or(files.id),
        cache: files.cache().or(cores[at]).unwrap_or(files.id),
        node: nodes.iter().find(|(_, cpus)| cpus.contains(&files.id)).map_or(0, |(node, _)| *node),
        // The kernel says -1 where it does not know.
        package: files.number("topology/physical_package_id").map_or(0, |package| package.max(0) as u32),
        kind: kinds[at],
    };
    Topology {
        cpus: files.iter().enumerate().map(cpu).collect(),
        offline: present.into_iter().filter(|cpu| !online.contains(cpu)).collect(),
        isolated: of_cpus("isolated").unwrap_or_default(),
        cpuset: group::cpuset(root),
        quota: group::quota(root).ok(),
        cores_known: cores.iter().all(Option::is_some),
        allowed,
    }
}

fn text(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

/// The NUMA nodes, with their CPUs.
fn nodes(root: &Path) -> Vec<(u32, Vec<u32>)> {
    let Ok(entries) = fs::read_dir(root.join("sys/devices/system/node")) else { return Vec::new() };
    let node = |path: PathBuf| {
        let number = path.file_name()?.to_str()?.strip_prefix("node")?.parse().ok()?;
        Some((number, parse_list(&text(&path.join("cpulist"))?).ok()?))
    };
    let mut nodes: Vec<_> = entries.filter_map(|entry| node(entry.ok()?.path())).collect();
    nodes.sort_unstable();
    nodes
}

/// The files of one CPU.
struct Files<'a> {
    root: &'a Path,
    id: u32,
}

impl Files<'_> {
    fn text(&self, name: &str) -> Option<String> {
        text(&self.root.join(format!("{CPUS}/cpu{}/{name}", self.id)))
    }

    fn number(&self, name: &str) -> Option<i64> {
        self.text(name)?.parse().ok()
    }

    /// The lowest CPU of its core that is online.
    fn core(&self) -> Option<u32> {
        let names = ["topology/core_cpus_list", "topology/thread_siblings_list"];
        let list = names.iter().find_map(|name| self.text(name))?;
        parse_list(&list).ok()?.first().copied()
    }

    /// The lowest CPU of its last-level cache.
    fn cache(&self) -> Option<u32> {
        let level = |at: u32| {
            let folder = format!("cache/index{at}");
            let level = self.number(&format!("{folder}/level"))?;
            let shared = parse_list(&self.text(&format!("{folder}/shared_cpu_list"))?).ok()?;
            Some((level, *shared.first()?))
        };
        (0..8).filter_map(level).max_by_key(|(level, _)| *level).map(|(_, first)| first)
    }
}

/// The kind of core of each CPU, 0 for the fastest: by the lists of a hybrid x86, and within them by capacity, or by the highest
/// frequency where there is none.
fn kinds(root: &Path, files: &[Files<'_>]) -> Vec<u32> {
    let list = |name: &str| {
        let path = root.join(format!("sys/devices/{name}/cpus"));
        text(&path).and_then(|text| parse_list(&text).ok()).unwrap_or_default()
    };
    let (atoms, low_power) = (list("cpu_atom"), list("cpu_lowpower"));
    let speed_of = |name: &str| files.iter().map(|one| one.number(name)).collect::<Option<Vec<i64>>>();
    let speeds = speed_of("cpu_capacity").or_else(|| speed_of("cpufreq/cpuinfo_max_freq"));
    let class = |id: u32| u32::from(atoms.contains(&id)) + 2 * u32::from(low_power.contains(&id));
    let speed = |at: usize| speeds.as_ref().map_or(0, |speeds| speeds[at]);
    let mut order: Vec<(u32, i64)> = (0..files.len()).map(|at| (class(files[at].id), speed(at))).collect();
    order.sort_unstable_by_key(|(class, speed)| (*class, -speed));
    order.dedup();
    // The fastest of each kind, fastest kind first.
    let mut fastest: Vec<(u32, i64)> = Vec::new();
    for (class, speed) in order {
        let same = |(of, most): &(u32, i64)| *of == class && speed as f64 >= *most as f64 * SAME_KIND;
        if !fastest.iter().any(same) {
            fastest.push((class, speed));
        }
    }
    let kind = |at: usize| {
        let same = |(of, most): &(u32, i64)| {
            *of == class(files[at].id) && speed(at) as f64 >= *most as f64 * SAME_KIND
        };
        fastest.iter().position(same).unwrap_or(0) as u32
    };
    (0..files.len()).map(kind).collect()
}
