//! A machine in a few lines, and the sysfs that a kernel would show of it.

use crate::host::topology::parse_list;
use bakeoff_reports::record::cpu_list;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// A machine: fields by name. What a field means is said where it is written to a file.
#[derive(Default)]
pub(super) struct Machine {
    fields: BTreeMap<String, String>,
}

impl Machine {
    /// A field and its value, as a line of the table has them.
    pub(super) fn set(&mut self, line: &str) {
        let (name, value) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
        self.fields.insert(name.to_owned(), value.trim().to_owned());
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }

    fn list(&self, name: &str) -> Vec<u32> {
        parse_list(self.field(name).unwrap_or_default()).expect("a list")
    }

    /// The hardware threads of each core: `0-3` are four cores, `0-3+4` four cores of CPU n and n + 4, `0-7*2` four of
    /// neighbours.
    fn cores(&self) -> Vec<Vec<u32>> {
        let mut cores = Vec::new();
        for part in self.field("cores").expect("a machine has cores").split_whitespace() {
            if let Some((list, offset)) = part.split_once('+') {
                let offset: u32 = offset.parse().expect("an offset");
                cores
                    .extend(parse_list(list).expect("a list").into_iter().map(|cpu| vec![cpu, cpu + offset]));
            } else if let Some((list, threads)) = part.split_once('*') {
                let threads: usize = threads.parse().expect("a number of threads");
                cores.extend(parse_list(list).expect("a list").chunks(threads).map(<[u32]>::to_vec));
            } else {
                cores.extend(parse_list(part).expect("a list").into_iter().map(|cpu| vec![cpu]));
            }
        }
        cores
    }

    fn present(&self) -> Vec<u32> {
        let mut cpus: Vec<u32> = self.cores().into_iter().flatten().collect();
        cpus.sort_unstable();
        cpus
    }

    fn online(&self) -> Vec<u32> {
        let offline = self.list("offline");
        self.present().into_iter().filter(|cpu| !offline.contains(cpu)).collect()
    }

    /// What `sched_getaffinity` would tell: what is said, else what is online, in the cpuset and not isolated.
    pub(super) fn allowed(&self) -> Vec<u32> {
        if self.field("allowed").is_some() {
            return self.list("allowed");
        }
        let (isolated, set) = (self.list("isolated"), self.list("cpuset"));
        let is_in = |cpu: &u32| !isolated.contains(cpu) && (set.is_empty() || set.contains(cpu));
        self.online().into_iter().filter(is_in).collect()
    }

    /// Writes what a kernel would show.
    pub(super) fn root(&self) -> tempfile::TempDir {
        // In memory where that can be had: a large machine is some thousand files.
        let folder =
            tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a temporary folder");
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().expect("in a folder")).expect("writable");
            fs::write(path, format!("{text}\n")).expect("writable");
        };
        let cpus = "sys/devices/system/cpu";
        write(&format!("{cpus}/online"), &cpu_list(&self.online()));
        write(&format!("{cpus}/present"), &cpu_list(&self.present()));
        write(&format!("{cpus}/isolated"), self.field("isolated").unwrap_or_default());
        for (name, device) in [("atom", "cpu_atom"), ("lowpower", "cpu_lowpower")] {
            if let Some(list) = self.field(name) {
                write(&format!("sys/devices/{device}/cpus"), list);
            }
        }
        self.control_group(&write);
        if self.field("silent").is_none() {
            self.online().iter().for_each(|cpu| self.of_cpu(*cpu, &write));
        }
        folder
    }

    fn control_group(&self, write: &impl Fn(&str, &str)) {
        write("proc/self/cgroup", "0::/app");
        if let Some(quota) = self.field("quota") {
            let quota: f64 = quota.parse().expect("CPUs");
            write("sys/fs/cgroup/app/cpu.max", &format!("{:.0} 100000", quota * 100_000.0));
        }
        if let Some(set) = self.field("cpuset") {
            write("sys/fs/cgroup/app/cpuset.cpus.effective", set);
        }
    }

    fn of_cpu(&self, cpu: u32, write: &impl Fn(&str, &str)) {
        let online = self.online();
        let folder = format!("sys/devices/system/cpu/cpu{cpu}");
        let core = self.cores().into_iter().find(|core| core.contains(&cpu)).expect("on a core");
        let siblings: Vec<u32> = core.into_iter().filter(|cpu| online.contains(cpu)).collect();
        write(&format!("{folder}/topology/thread_siblings_list"), &cpu_list(&siblings));
        // Which of the groups of a field the CPU is in: `0-3 4-7` are two.
        let group = |name: &str| {
            let groups: Vec<&str> = self.field(name)?.split_whitespace().collect();
            let at = groups.iter().position(|list| parse_list(list).expect("a list").contains(&cpu));
            Some(at.map(|at| (at, groups[at])).unwrap_or_else(|| panic!("CPU {cpu} is in no {name}")))
        };
        let package = group("packages").map_or(0, |(at, _)| at);
        write(&format!("{folder}/topology/physical_package_id"), &package.to_string());
        if let Some((at, list)) = group("nodes") {
            write(&format!("sys/devices/system/node/node{at}/cpulist"), list);
        }
        if let Some((_, list)) = group("l3") {
            write(&format!("{folder}/cache/index3/level"), "3");
            write(&format!("{folder}/cache/index3/shared_cpu_list"), list);
        }
        // `0-3=446 4-7=1024`: a value for each group.
        let value = |name: &str| {
            let mut groups =
                self.field(name)?.split_whitespace().map(|part| part.split_once('=').expect("list=value"));
            groups
                .find(|(list, _)| parse_list(list).expect("a list").contains(&cpu))
                .map(|(_, value)| value.to_owned())
        };
        for (name, file) in [("capacity", "cpu_capacity"), ("khz", "cpufreq/cpuinfo_max_freq")] {
            if let Some(value) = value(name) {
                write(&Path::new(&folder).join(file).to_string_lossy(), &value);
            }
        }
    }
}
