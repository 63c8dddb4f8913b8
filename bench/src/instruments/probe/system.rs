//! What the system allows and how it is set up, read from /proc and /sys. What is not there, as in many containers, is
//! absent with the reason.

use crate::host::{environment, topology};
use bakeoff_reports::record::{Reading, System};
use rustix::process::{Resource, getrlimit};
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The system as far as it tells, for a tool that may use `cpus` CPUs.
pub(super) fn read(cpus: usize) -> System {
    let files = Files { root: "/".into() };
    let limit =
        |limit: Option<u64>| limit.map_or_else(|| Reading::Absent("no limit is set".into()), Reading::Value);
    System {
        cpus: cpus as u64,
        quota_cpus: topology::quota(Path::new("/")).map_or_else(Reading::Absent, Reading::Value),
        running_tasks: files.running_tasks(),
        governor: files.governor(),
        turbo: files.turbo(),
        smt: files.number::<u8>("sys/devices/system/cpu/smt/active").map(|active| active == 1),
        descriptors: limit(environment::descriptor_limit()),
        processes: limit(environment::process_limit().map(|(left, _)| left)),
        mappings: files.number("proc/sys/vm/max_map_count"),
        locked_bytes: limit(getrlimit(Resource::Memlock).current),
        local_ports: files.local_ports(),
        somaxconn: files.number("proc/sys/net/core/somaxconn"),
        syn_backlog: files.number("proc/sys/net/ipv4/tcp_max_syn_backlog"),
        congestion_control: files.text("proc/sys/net/ipv4/tcp_congestion_control"),
        perf_event_paranoid: files.number("proc/sys/kernel/perf_event_paranoid"),
        tracefs: files.tracefs(),
    }
}

/// The files below a root, which is another one in tests.
struct Files {
    root: PathBuf,
}

/// What [`Reading`] lacks: going on with a value.
trait Map<T> {
    fn map<U>(self, with: impl FnOnce(T) -> U) -> Reading<U>;
}

impl<T> Map<T> for Reading<T> {
    fn map<U>(self, with: impl FnOnce(T) -> U) -> Reading<U> {
        match self {
            Self::Value(value) => Reading::Value(with(value)),
            Self::Absent(why) => Reading::Absent(why),
        }
    }
}

impl Files {
    fn text(&self, path: &str) -> Reading<String> {
        match fs::read_to_string(self.root.join(path)) {
            Ok(text) => Reading::Value(text.trim().to_string()),
            Err(error) => Reading::Absent(format!("/{path}: {error}")),
        }
    }

    fn number<T: FromStr>(&self, path: &str) -> Reading<T> {
        match self.text(path) {
            Reading::Value(text) => match text.parse() {
                Ok(number) => Reading::Value(number),
                Err(_) => Reading::Absent(format!("/{path} holds no number")),
            },
            Reading::Absent(why) => Reading::Absent(why),
        }
    }

    fn governor(&self) -> Reading<String> {
        match self.text("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor") {
            Reading::Absent(_) => Reading::Absent("the kernel shows no frequency driver".into()),
            governor => governor,
        }
    }

    /// Intel's driver says that turbo is off, the others that it is on.
    fn turbo(&self) -> Reading<bool> {
        let off = self.number::<u8>("sys/devices/system/cpu/intel_pstate/no_turbo").map(|off| off == 0);
        let on = self.number::<u8>("sys/devices/system/cpu/cpufreq/boost").map(|on| on == 1);
        match (off, on) {
            (known @ Reading::Value(_), _) | (_, known @ Reading::Value(_)) => known,
            _ => Reading::Absent("the kernel shows no frequency driver".into()),
        }
    }

    /// "0.20 0.18 0.12 1/80 11206": the fourth field is running/existing.
    fn running_tasks(&self) -> Reading<u64> {
        let running = |text: String| text.split_whitespace().nth(3)?.split_once('/')?.0.parse().ok();
        match self.text("proc/loadavg").map(running) {
            Reading::Value(Some(running)) => Reading::Value(running),
            Reading::Value(None) => Reading::Absent("/proc/loadavg is not as expected".into()),
            Reading::Absent(why) => Reading::Absent(why),
        }
    }

    fn local_ports(&self) -> Reading<u64> {
        let path = "proc/sys/net/ipv4/ip_local_port_range";
        let count = |text: String| {
            let (low, high) = text.split_once(char::is_whitespace)?;
            let (low, high): (u64, u64) = (low.trim().parse().ok()?, high.trim().parse().ok()?);
            high.checked_sub(low).map(|between| between + 1)
        };
        match self.text(path).map(count) {
            Reading::Value(Some(ports)) => Reading::Value(ports),
            Reading::Value(None) => Reading::Absent(format!("/{path} is not as expected")),
            Reading::Absent(why) => Reading::Absent(why),
        }
    }

    /// Readable only to those who may use it.
    fn tracefs(&self) -> Reading<String> {
        let folders = ["sys/kernel/tracing", "sys/kernel/debug/tracing"];
        let usable =
            |folder: &&&str| self.root.join(folder).join("events/raw_syscalls/sys_enter/id").exists();
        match folders.iter().find(usable) {
            Some(folder) => Reading::Value(format!("/{folder}")),
            None => Reading::Absent("not mounted, or not for this user".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(all: &[(&str, &str)]) -> (tempfile::TempDir, Files) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (path, text) in all {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().expect("in a folder")).expect("writable");
            fs::write(path, text).expect("writable");
        }
        let root = folder.path().to_path_buf();
        (folder, Files { root })
    }

    #[test]
    fn an_empty_proc_gives_reasons_only() {
        let (_folder, files) = files(&[]);
        assert!(matches!(files.governor(), Reading::Absent(why) if why.contains("driver")));
        assert!(matches!(files.turbo(), Reading::Absent(_)));
        assert!(matches!(files.running_tasks(), Reading::Absent(why) if why.contains("/proc/loadavg")));
        assert!(matches!(files.local_ports(), Reading::Absent(why) if why.contains("port_range")));
        assert!(matches!(files.tracefs(), Reading::Absent(_)));
    }

    #[test]
    fn files_are_read_as_the_kernel_writes_them() {
        let (_folder, files) = files(&[
            ("proc/loadavg", "0.20 0.18 0.12 3/80 11206\n"),
            ("proc/sys/net/ipv4/ip_local_port_range", "32768\t60999\n"),
            ("sys/devices/system/cpu/intel_pstate/no_turbo", "1\n"),
            ("sys/kernel/tracing/events/raw_syscalls/sys_enter/id", "348\n"),
            ("proc/sys/kernel/perf_event_paranoid", "-1\n"),
            ("proc/sys/vm/max_map_count", "many\n"),
        ]);
        assert_eq!(files.running_tasks(), Reading::Value(3));
        assert_eq!(files.local_ports(), Reading::Value(28_232));
        assert_eq!(files.turbo(), Reading::Value(false));
        assert_eq!(files.tracefs(), Reading::Value("/sys/kernel/tracing".into()));
        assert_eq!(files.number("proc/sys/kernel/perf_event_paranoid"), Reading::Value(-1));
        assert_eq!(
            files.number::<u64>("proc/sys/vm/max_map_count"),
            Reading::Absent("/proc/sys/vm/max_map_count holds no number".into())
        );
    }
}
