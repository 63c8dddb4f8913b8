//! The limits of one server: resource limits, and a control group for its tasks where one may be made.
//!
//! Limits are put on the server from outside, after it has said that it is ready and before it starts a thread or a
//! child, so they hold for its whole tree and end with it. Nothing here touches another process. A limit that cannot be
//! had is absent with the reason.

use super::plan::StressPlan;
use bakeoff_reports::record::Reading;
use bakeoff_reports::record::envelope::Caps;
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a group may take to be empty after its last process was reaped.
const EMPTIES: Duration = Duration::from_secs(1);
/// What our groups are called, before the tool's process id.
const PREFIX: &str = "bakeoff-envelope-";

/// The limits around one server. The control group goes when this is dropped.
pub(super) struct Cage {
    group: Option<PathBuf>,
    no_group: String,
}

impl Cage {
    /// Sets the limits of `plan` on the process `pid`, and says in `caps` which of them hold.
    pub(super) fn around(pid: u32, plan: &StressPlan, caps: &mut Caps) -> Self {
        if let Reading::Value(descriptors) = caps.descriptors
            && let Err(why) = limit(pid, Resource::Nofile, descriptors)
        {
            caps.descriptors = Reading::Absent(why);
        }
        let mut cage = Self { group: None, no_group: "no limit of tasks was asked for".into() };
        let Some(tasks) = plan.tasks else { return cage };
        match group(pid, tasks) {
            Ok(group) => {
                caps.tasks_by = Some("a control group (pids.max)".into());
                cage.group = Some(group);
            }
            Err(why) => {
                caps.tasks = by_user(pid, tasks, &why);
                caps.tasks_by = caps.tasks.value().map(|_| "RLIMIT_NPROC".into());
                cage.no_group = why;
            }
        }
        cage
    }

    /// Forks and thread starts that the group refused.
    pub(super) fn refused(&self) -> Reading<u64> {
        let Some(group) = &self.group else { return Reading::Absent(self.no_group.clone()) };
        let text = match fs::read_to_string(group.join("pids.events")) {
            Ok(text) => text,
            Err(error) => return Reading::Absent(format!("pids.events cannot be read: {error}")),
        };
        let count = text.lines().find_map(|line| line.strip_prefix("max ")?.trim().parse().ok());
        count.map_or_else(|| Reading::Absent("pids.events has no line `max`".into()), Reading::Value)
    }
}

impl Drop for Cage {
    fn drop(&mut self) {
        let Some(group) = &self.group else { return };
        let deadline = Instant::now() + EMPTIES;
        // Its processes are reaped, but the kernel takes them out of their group a moment later.
        while fs::remove_dir(group).is_err() && group.exists() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// Sets both the soft and the hard limit of a process.
pub(super) fn limit(pid: u32, resource: Resource, value: u64) -> Result<(), String> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let both = Rlimit { current: Some(value), maximum: Some(value) };
    prlimit(pid, resource, both)
        .map(drop)
        .map_err(|error| format!("the limit {resource:?} of the server cannot be set: {error}"))
}

/// Puts a process into a new control group of at most `tasks` tasks.
fn group(pid: u32, tasks: u64) -> Result<PathBuf, String> {
    let parent = pids_controller()?;
    sweep(&parent);
    let group = parent.join(format!("{PREFIX}{}-{pid}", std::process::id()));
    let refused = |what: &str| {
        let (what, group) = (what.to_owned(), group.display().to_string());
        move |error: std::io::Error| format!("{what} the control group {group} failed: {error}")
    };
    fs::create_dir(&group).map_err(refused("making"))?;
    let filled = fs::write(group.join("pids.max"), tasks.to_string())
        .map_err(refused("limiting"))
        .and_then(|()| fs::write(group.join("cgroup.procs"), pid.to_string()).map_err(refused("entering")));
    if let Err(why) = filled {
        let _ = fs::remove_dir(&group);
        return Err(why);
    }
    Ok(group)
}

/// The folder of our own group under the controller that counts tasks, in either version.
fn pids_controller() -> Result<PathBuf, String> {
    let groups = procfs::process::Process::myself().and_then(|own| own.cgroups());
    let groups =
        groups.map_err(|error| format!("the control group of this process cannot be read: {error}"))?;
    let folder = groups.into_iter().find_map(|group| {
        let mount = match group.controllers.as_slice() {
            list if list.iter().any(|name| name == "pids") => "/sys/fs/cgroup/pids",
            [] => "/sys/fs/cgroup",
            _ => return None,
        };
        let folder = PathBuf::from(format!("{mount}{}", group.pathname.trim_end_matches('/')));
        let has = mount != "/sys/fs/cgroup" || names_pids(&folder.join("cgroup.subtree_control"));
        (has && folder.is_dir()).then_some(folder)
    });
    folder.ok_or_else(|| "no control group that counts tasks is available here".into())
}

fn names_pids(file: &Path) -> bool {
    fs::read_to_string(file).is_ok_and(|text| text.split_whitespace().any(|name| name == "pids"))
}

/// Removes groups whose tool was killed before it could. A group with a process in it cannot be removed.
fn sweep(parent: &Path) {
    let Ok(folders) = fs::read_dir(parent) else { return };
    for folder in folders.flatten() {
        let name = folder.file_name();
        let owner =
            name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split('-').next()?.parse::<u32>().ok());
        if owner.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            let _ = fs::remove_dir(folder.path());
        }
    }
}

/// Limits the tasks of the user instead, which binds everybody but root: as many more than are there now.
fn by_user(pid: u32, tasks: u64, no_group: &str) -> Reading<u64> {
    let user = rustix::process::geteuid();
    if user.is_root() {
        return Reading::Absent(format!("{no_group}; and RLIMIT_NPROC does not bind root"));
    }
    let Ok(all) = procfs::process::all_processes() else {
        return Reading::Absent(format!("{no_group}; and /proc cannot be listed"));
    };
    let own = all.flatten().filter(|process| process.uid().is_ok_and(|uid| uid == user.as_raw()));
    let running: u64 =
        own.filter_map(|process| process.stat().ok()).map(|stat| stat.num_threads.max(0) as u64).sum();
    match limit(pid, Resource::Nproc, running + tasks - 1) {
        Ok(()) => Reading::Value(tasks),
        Err(why) => Reading::Absent(format!("{no_group}; and {why}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bakeoff_reports::record::envelope::Stress;
    use bakeoff_servers::ServerConfig;
    use procfs::process::LimitValue;

    #[test]
    fn groups_of_tools_that_are_gone_are_removed_and_no_others() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut gone = std::process::Command::new("true").spawn().expect("true");
        gone.wait().expect("our child");
        let names = [
            format!("{PREFIX}{}-1", gone.id()),
            format!("{PREFIX}{}-1", std::process::id()),
            format!("{PREFIX}x"),
            "else".to_string(),
        ];
        for name in &names {
            fs::create_dir(folder.path().join(name)).expect("room");
        }
        sweep(folder.path());
        let left: Vec<bool> = names.iter().map(|name| folder.path().join(name).exists()).collect();
        assert_eq!(left, [false, true, true, true]);
    }

    #[test]
    fn what_a_server_itself_set_against_core_dumps_stays() {
        let mut sleeper = std::process::Command::new("sleep").arg("30").spawn().expect("sleep");
        // One, not zero, which would let a dump through where dumps are piped to a program (servers/src/limits.rs).
        let set = limit(sleeper.id(), Resource::Core, 1);
        let plan = StressPlan::of(Stress::Poison);
        let mut caps = plan.caps("iterative", &ServerConfig::for_cpus(1));
        drop(Cage::around(sleeper.id(), &plan, &mut caps));
        let limits = procfs::process::Process::new(sleeper.id() as i32).and_then(|process| process.limits());
        sleeper.kill().and_then(|()| sleeper.wait()).expect("our child");
        assert_eq!(set, Ok(()));
        let core = limits.expect("it is ours").max_core_file_size.soft_limit;
        assert!(matches!(core, LimitValue::Value(1)), "{core:?}");
    }

    #[test]
    fn a_group_counts_what_it_refuses_and_goes_with_the_cage() {
        let mut sleeper = std::process::Command::new("sleep").arg("30").spawn().expect("sleep");
        let made = group(sleeper.id(), 1);
        let cage = Cage { group: made.as_ref().ok().cloned(), no_group: "refused here".into() };
        let refused = cage.refused();
        sleeper.kill().and_then(|()| sleeper.wait()).expect("our child");
        drop(cage);
        match made {
            Ok(folder) => {
                assert_eq!(refused, Reading::Value(0));
                assert!(!folder.exists(), "{}", folder.display());
            }
            // Without the rights there is a reason instead.
            Err(why) => assert!(!why.is_empty() && refused.absence().is_some()),
        }
    }
}
