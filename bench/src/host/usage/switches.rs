//! Context switches of a tree between two moments under load, so that starting up and shutting down are in no figure of a
//! request.
//!
//! The kernel tells them of threads that live, and of a whole tree only when it has ended. Where connections stay, so do the
//! threads, and two readings tell. Where they come and go, the end of the server tells, less what was before the load; what a
//! server without connections does to shut down is then in it.

use super::reading;
use super::tree::{GONE, Proc, living};
use bakeoff_reports::record::{Reading, Switches};
use std::collections::HashMap;

/// Voluntary and involuntary switches.
type Kinds = (u64, u64);

/// The switches so far of the threads that live, by thread.
#[derive(Clone, Debug)]
pub struct SwitchMark(Result<HashMap<i32, Kinds>, String>);

impl SwitchMark {
    /// The switches so far, of the tree under `root`. Takes about 20 us for each thread.
    pub fn take(proc: &Proc, root: u32) -> Self {
        Self(threads(proc, root))
    }

    /// Those from `self` to `later`, in which the swarm completed so many replies.
    pub fn until(&self, later: &Self, replies: u64) -> Switches {
        switches(self.between(later), replies)
    }

    /// Those from `self` to the end of the server, which had so many in its whole life, and in which the swarm completed so
    /// many replies.
    pub fn until_end(&self, life: Result<Kinds, String>, replies: u64) -> Switches {
        let rest = |before: &HashMap<i32, Kinds>| {
            let (voluntary, involuntary) = before.values().fold((0, 0), |sum, one| plus(sum, *one));
            life.map(|life| (life.0.saturating_sub(voluntary), life.1.saturating_sub(involuntary)))
        };
        switches(self.0.as_ref().map_err(Clone::clone).and_then(rest), replies)
    }

    fn between(&self, later: &Self) -> Result<Kinds, String> {
        let before = self.0.as_ref().map_err(Clone::clone)?;
        let after = later.0.as_ref().map_err(Clone::clone)?;
        if before.keys().any(|thread| !after.contains_key(thread)) {
            return Err("threads ended under load, and took their counts with them".into());
        }
        Ok(after.iter().fold((0, 0), |sum, (thread, now)| {
            let then = before.get(thread).copied().unwrap_or_default();
            plus(sum, (now.0.saturating_sub(then.0), now.1.saturating_sub(then.1)))
        }))
    }
}

fn plus(a: Kinds, b: Kinds) -> Kinds {
    (a.0 + b.0, a.1 + b.1)
}

fn switches(kinds: Result<Kinds, String>, replies: u64) -> Switches {
    Switches {
        voluntary: reading(kinds.clone().map(|kinds| kinds.0)),
        involuntary: reading(kinds.map(|kinds| kinds.1)),
        replies: Reading::Value(replies),
    }
}

fn threads(proc: &Proc, root: u32) -> Result<HashMap<i32, Kinds>, String> {
    let mut found = HashMap::new();
    for pid in proc.tree(root)? {
        let Some(tasks) = living(pid, proc.process(pid).and_then(|p| p.tasks()))? else { continue };
        for task in tasks.flatten() {
            let Some(status) = living(pid, task.status())? else { continue };
            let kinds = status.voluntary_ctxt_switches.zip(status.nonvoluntary_ctxt_switches);
            let kinds = kinds.ok_or("this kernel tells no context switches in /proc/PID/status")?;
            found.insert(task.tid, kinds);
        }
    }
    if found.is_empty() { Err(GONE.into()) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use super::super::tree::tests::{end, family};
    use super::*;

    fn mark(threads: &[(i32, u64, u64)]) -> SwitchMark {
        SwitchMark(Ok(threads.iter().map(|(tid, waited, preempted)| (*tid, (*waited, *preempted))).collect()))
    }

    fn values(switches: &Switches) -> (Option<u64>, Option<u64>) {
        (switches.voluntary.value().copied(), switches.involuntary.value().copied())
    }

    #[test]
    fn starting_up_is_in_no_request() {
        // 64 workers of a pool that started before the load, each with ten switches; one more came under load.
        let pool: Vec<(i32, u64, u64)> = (1..=64).map(|tid| (tid, 10, 1)).collect();
        let mut busy: Vec<(i32, u64, u64)> = pool.iter().map(|(tid, ..)| (*tid, 12, 1)).collect();
        busy.push((65, 3, 2));
        let under_load = mark(&pool).until(&mark(&busy), 131);
        assert_eq!(values(&under_load), (Some(131), Some(2)));
        assert_eq!(under_load.replies, Reading::Value(131));
        // Of a server whose threads come and go only its end tells the whole.
        let churned = mark(&pool).until_end(Ok((640 + 500, 64 + 5)), 250);
        assert_eq!(values(&churned), (Some(500), Some(5)));
        let killed = mark(&pool).until_end(Err("killed".into()), 250);
        assert_eq!(killed.voluntary, Reading::Absent("killed".into()));
    }

    #[test]
    fn threads_that_ended_make_the_count_absent_not_small() {
        let lost = mark(&[(1, 5, 5), (2, 9, 9)]).until(&mark(&[(1, 6, 6)]), 10);
        assert!(
            matches!(&lost.voluntary, Reading::Absent(why) if why.contains("ended under load")),
            "{lost:?}"
        );
    }

    #[test]
    fn a_living_family_has_switches_and_a_missing_one_has_not() {
        let family = family();
        let seen = SwitchMark::take(&Proc::system(), family.id());
        end(family);
        assert_eq!(seen.0.expect("it lives").len(), 3);
        assert_eq!(SwitchMark::take(&Proc::at("/nowhere"), 1).0, Err(GONE.into()));
    }
}
