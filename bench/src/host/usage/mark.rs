//! CPU time at the edges of the window: what the server's tree used of it, and what the hypervisor and others took.
//!
//! Reading takes a while in a large tree, so the marks are taken outside the window, close to its edges, and what lies
//! between them is scaled to its length.

use super::interrupts::{self, Interrupts};
use super::reading;
use super::tree::{GONE, Proc, living};
use crate::host::clock::{nanoseconds, thread_cpu_ns};
use crate::host::environment;
use crate::sys;
use bakeoff_reports::record::Reading;
use procfs::{CurrentSI as _, KernelStats};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// CPU figures at one instant; [`Mark::until`] says what was used between two.
#[derive(Clone, Debug)]
pub struct Mark {
    /// When the times of the tree were read.
    at: Instant,
    tree: Result<Duration, String>,
    /// When the ticks were: in a tree of thousands of processes a second may lie between the two.
    ticks_at: Instant,
    ticks: Result<BTreeMap<u32, Ticks>, String>,
    /// Whose time interrupts are on this kernel.
    interrupts: Interrupts,
    /// CPU nanoseconds of the thread that takes the marks, which works on these CPUs (reading a large tree lies between
    /// the ticks) and is no stranger; 0 where it is in the tree already, or may run elsewhere.
    reader_ns: u64,
}

/// Where nobody says whose time interrupts are, the most of the CPUs that they may have taken without mattering, 0 to 1.
const UNCLEAR_SHARE: f64 = 0.01;

/// Clock ticks of some CPUs since the system started.
#[derive(Clone, Copy, Debug, Default)]
struct Ticks {
    /// User and nice.
    user: u64,
    /// Given to processes: user, nice and system, without interrupts.
    worked: u64,
    /// Interrupts, the hard and the soft ones.
    interrupts: u64,
    /// Nothing to do, or waiting for a disk.
    idle: u64,
    /// Taken by the hypervisor.
    stolen: u64,
    total: u64,
}

impl Ticks {
    /// The ticks from `earlier` to `self`. The kernel lets some counters run backwards (idle and iowait, when a CPU
    /// sleeps without ticks; proc(5)), and then nothing can be said.
    fn since(&self, earlier: &Self) -> Result<Self, String> {
        let less = |now: u64, then: u64| {
            now.checked_sub(then)
                .ok_or_else(|| "the kernel's counters of CPU time in /proc/stat ran backwards".to_string())
        };
        Ok(Self {
            user: less(self.user, earlier.user)?,
            worked: less(self.worked, earlier.worked)?,
            interrupts: less(self.interrupts, earlier.interrupts)?,
            idle: less(self.idle, earlier.idle)?,
            stolen: less(self.stolen, earlier.stolen)?,
            total: less(self.total, earlier.total)?,
        })
    }
}

impl Ticks {
    fn plus(&self, other: &Self) -> Self {
        Self {
            user: self.user + other.user,
            worked: self.worked + other.worked,
            interrupts: self.interrupts + other.interrupts,
            idle: self.idle + other.idle,
            stolen: self.stolen + other.stolen,
            total: self.total + other.total,
        }
    }
}

/// What happened on the CPUs between two marks.
#[derive(Clone, Debug)]
pub struct Between {
    /// CPU nanoseconds of the tree, scaled to the length of the window.
    pub tree_cpu_ns: Reading<u64>,
    /// Share that the hypervisor took, 0 to 1.
    pub steal_share: Reading<f64>,
    /// Share that went to neither the tree nor the swarm: 0 to 1, but for the coarseness of ticks, by which it may come
    /// out a little below 0. Is not cut there, or what makes it too small would not be seen.
    pub foreign_share: Reading<f64>,
}

impl Mark {
    /// The figures now, of the tree under `root` and of `cpus`. Both marks of a pair are taken by the same thread: what
    /// it used in between is not the work of others.
    pub fn take(root: u32, cpus: &[u32]) -> Self {
        let mut cpus = cpus.to_vec();
        cpus.sort_unstable();
        cpus.dedup();
        // The CPU times last: what is read before them takes time, and the mark is of the moment of the times.
        let here = environment::allowed_cpus().iter().all(|cpu| cpus.contains(cpu));
        let apart = root != std::process::id();
        let reader_ns = if here && apart { thread_cpu_ns() } else { 0 };
        let (ticks_at, ticks) = (Instant::now(), ticks_of(&cpus));
        let tree = tree_cpu_time(root);
        Self {
            at: Instant::now(),
            tree,
            ticks_at,
            ticks,
            interrupts: interrupts::of_this_kernel(),
            reader_ns,
        }
    }

    /// The time from `self` to `later`.
    pub(super) fn span_until(&self, later: &Self) -> Duration {
        later.at.saturating_duration_since(self.at)
    }

    /// What was used from `self` to `later` on all CPUs together, where the swarm used `swarm_ns` in a window of length
    /// `window`. The marks are never exactly at its edges (a large tree takes a while to read), so times are scaled to its
    /// length.
    pub fn until(&self, later: &Self, window: Duration, swarm_ns: u64) -> Between {
        let tree = self.tree_until(later);
        let ours = tree.clone().map(|tree| tree + swarm_ns as f64 / 1e9 / window.as_secs_f64());
        let all = self.side(later, |_| true, &ours, self.reader_until(later));
        Self::between(window, &tree, [all, None])
    }

    /// The same where the tree has the CPUs `own` for itself and the swarm the others: the shares are those of the side on
    /// which they are more, so that what hits one side alone is not halved.
    pub fn until_by_side(&self, later: &Self, window: Duration, swarm_ns: u64, own: &[u32]) -> Between {
        let tree = self.tree_until(later);
        let swarm = Ok(swarm_ns as f64 / 1e9 / window.as_secs_f64());
        // Who takes the marks stays away from the server's CPUs.
        let sides = [
            self.side(later, |cpu| own.contains(&cpu), &tree, 0.0),
            self.side(later, |cpu| !own.contains(&cpu), &swarm, self.reader_until(later)),
        ];
        Self::between(window, &tree, sides)
    }

    fn between(window: Duration, tree: &Result<f64, String>, sides: [Option<Side>; 2]) -> Between {
        let none = || Err("no CPU was watched".to_string());
        let most = |share: fn(&Side) -> &Result<f64, String>| {
            let shares = sides.iter().flatten().map(|side| share(side).clone());
            reading(shares.reduce(|a, b| Ok(f64::max(a?, b?))).unwrap_or_else(none))
        };
        let scaled = |per_s: f64| nanoseconds(window.mul_f64(per_s));
        Between {
            tree_cpu_ns: reading(tree.clone().map(scaled)),
            steal_share: most(|side| &side.stolen),
            foreign_share: most(|side| &side.foreign),
        }
    }

    /// Seconds of CPU that the tree used in a second.
    fn tree_until(&self, later: &Self) -> Result<f64, String> {
        let used = both(&self.tree, &later.tree).map(|(before, after)| after.saturating_sub(before))?;
        Ok(used.as_secs_f64() / seconds(self.at, later.at))
    }

    /// CPU seconds of the thread that takes the marks. Where only one of them has its time, it may have run elsewhere.
    fn reader_until(&self, later: &Self) -> f64 {
        let known = self.reader_ns > 0 && later.reader_ns > 0;
        if known { later.reader_ns.saturating_sub(self.reader_ns) as f64 / 1e9 } else { 0.0 }
    }

    /// What happened on some of the CPUs, on which `ours` seconds of CPU in a second are known, and `reader_s` in all;
    /// `None` where there are none of these.
    fn side(
        &self,
        later: &Self,
        of: impl Fn(u32) -> bool,
        ours: &Result<f64, String>,
        reader_s: f64,
    ) -> Option<Side> {
        let (before, after) = match both(&self.ticks, &later.ticks) {
            Ok(both) => both,
            Err(why) => return Some(Side { stolen: Err(why.clone()), foreign: Err(why) }),
        };
        let cpus: Vec<u32> = after.keys().copied().filter(|cpu| of(*cpu)).collect();
        if cpus.is_empty() {
            return None;
        }
        let sum = cpus.iter().try_fold(Ticks::default(), |sum, cpu| {
            let (before, after) = (before.get(cpu).ok_or("another CPU was watched")?, after[cpu]);
            Ok::<_, String>(sum.plus(&after.since(before)?))
        });
        let ticks = sum.and_then(|ticks| match ticks {
            Ticks { total: 0, .. } => Err("the window is shorter than a clock tick".to_string()),
            ticks => Ok(ticks),
        });
        // Over the time that the ticks were read over, which is another where one mark took long.
        let span = seconds(self.ticks_at, later.ticks_at);
        let foreign = both(&ticks, ours).and_then(|(ticks, ours)| {
            let busy_s = self.busy_s(&ticks, span * cpus.len() as f64)?;
            Ok(((busy_s - reader_s) / span - ours) / cpus.len() as f64)
        });
        Some(Side { stolen: ticks.map(|ticks| ticks.stolen as f64 / ticks.total as f64), foreign })
    }

    /// CPU seconds, of so many that passed, in which the CPUs did work that the CPU clocks of tasks hold as well. It is what
    /// is left of the time that passed: where CPUs sleep without ticks the kernel times idleness by its clock, and cuts it
    /// to ticks only when it is read; work it samples by ticks, which were wrong by up to a sixth in windows of 300 ms.
    /// Interrupts are in it where they are charged to the tasks they interrupt. Those that interrupt nobody then count as
    /// work of others, which they are.
    fn busy_s(&self, ticks: &Ticks, passed_s: f64) -> Result<f64, String> {
        let hz = procfs::ticks_per_second() as f64;
        let busy_s = passed_s - (ticks.idle + ticks.stolen) as f64 / hz;
        match self.interrupts {
            Interrupts::InTasks => Ok(busy_s),
            Interrupts::Apart => Ok(busy_s - ticks.interrupts as f64 / hz),
            Interrupts::Unknown if ticks.interrupts as f64 <= UNCLEAR_SHARE * ticks.total as f64 => Ok(busy_s),
            Interrupts::Unknown => Err("interrupts took more than 1 % of the CPUs, and this kernel does not tell \
                                        whether the CPU time of tasks holds them (CONFIG_IRQ_TIME_ACCOUNTING; \
                                        readable in /proc/config.gz or /boot)"
                .to_string()),
        }
    }
}

/// Shares of the time of some CPUs.
struct Side {
    stolen: Result<f64, String>,
    foreign: Result<f64, String>,
}

fn seconds(from: Instant, to: Instant) -> f64 {
    to.saturating_duration_since(from).as_secs_f64().max(1e-9)
}

fn both<A: Clone, B: Clone>(a: &Result<A, String>, b: &Result<B, String>) -> Result<(A, B), String> {
    Ok((a.clone()?, b.clone()?))
}

/// CPU time of the tree: living processes to the nanosecond, reaped descendants of the root to the clock tick (10 ms),
/// because the kernel tells it no finer.
pub(crate) fn tree_cpu_time(root: u32) -> Result<Duration, String> {
    // The reaped ones first: a child that is reaped in between is then missed for a tick, not counted twice.
    let proc = Proc::system();
    let stat = living(root, proc.process(root).and_then(|p| p.stat()))?.ok_or(GONE)?;
    let reaped_ticks = u64::try_from(stat.cutime + stat.cstime).unwrap_or_default();
    let mut sum = Duration::from_nanos(reaped_ticks * (1_000_000_000 / procfs::ticks_per_second()));
    for pid in proc.tree(root)? {
        match sys::process_cpu_time(pid) {
            Ok(time) => sum += time,
            Err(_) if pid != root => {} // ended since it was listed
            Err(e) => return Err(format!("the CPU clock of the server cannot be read: {e}")),
        }
    }
    Ok(sum)
}

/// Clock ticks below which a share of them says nothing, not even that it is 0: with 20 its standard error is 11 points or
/// less.
pub(crate) const FEWEST_TICKS: u64 = 20;

/// How the time of some CPUs is divided between user and kernel: the shares over whatever ran there, interrupts
/// included, for a CPU's loopback traffic is received in them.
#[derive(Clone, Debug)]
pub struct Division(Result<Ticks, String>);

impl Division {
    /// The division so far.
    pub fn take(cpus: &[u32]) -> Self {
        Self(ticks(cpus))
    }

    /// The share of user mode from `self` to `later`, 0 to 1.
    pub fn user_share_until(&self, later: &Self) -> Reading<f64> {
        let share = both(&self.0, &later.0).and_then(|(before, after)| {
            let ticks = after.since(&before)?;
            let busy = ticks.worked + ticks.interrupts;
            if busy < FEWEST_TICKS {
                return Err(format!(
                    "the server's CPUs worked for {busy} clock ticks in the window, and a division needs \
                     {FEWEST_TICKS}"
                ));
            }
            Ok(ticks.user as f64 / busy as f64)
        });
        reading(share)
    }
}

fn ticks(cpus: &[u32]) -> Result<Ticks, String> {
    Ok(ticks_of(cpus)?.values().fold(Ticks::default(), |sum, one| sum.plus(one)))
}

/// The ticks of each CPU.
fn ticks_of(cpus: &[u32]) -> Result<BTreeMap<u32, Ticks>, String> {
    let stats = KernelStats::current().map_err(|e| format!("/proc/stat cannot be read: {e}"))?;
    let of = |cpu: &u32| {
        let time =
            stats.cpu_time.get(*cpu as usize).ok_or_else(|| format!("/proc/stat does not list CPU {cpu}"))?;
        let stolen = time.steal.ok_or("this kernel does not report steal")?;
        let interrupts = [time.irq, time.softirq].into_iter().flatten().sum::<u64>();
        let idle = time.idle + time.iowait.unwrap_or_default();
        let worked = time.user + time.nice + time.system;
        let total = worked + interrupts + idle + stolen;
        Ok((*cpu, Ticks { user: time.user + time.nice, worked, interrupts, idle, stolen, total }))
    };
    cpus.iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn what_is_gone_is_absent_not_zero() {
        let mut child = Command::new("true").spawn().expect("true");
        let pid = child.id();
        child.wait().expect("our child");
        let (before, after) = (Mark::take(pid, &[0]), Mark::take(pid, &[100_000]));
        let between = before.until(&after, Duration::from_millis(1), 0);
        assert!(matches!(between.tree_cpu_ns, Reading::Absent(_)), "{between:?}");
        assert!(matches!(between.steal_share, Reading::Absent(_)), "{between:?}");
        assert!(matches!(between.foreign_share, Reading::Absent(_)), "{between:?}");
    }

    #[test]
    fn the_reader_is_known_only_where_it_must_be_on_the_cpus() {
        let mut child = Command::new("sleep").arg("30").spawn().expect("sleep");
        let everywhere = environment::allowed_cpus();
        assert!(Mark::take(child.id(), &everywhere).reader_ns > 0);
        assert_eq!(Mark::take(child.id(), &[]).reader_ns, 0, "it is never on none");
        assert_eq!(Mark::take(std::process::id(), &everywhere).reader_ns, 0, "it is in the tree");
        child.kill().and_then(|()| child.wait()).expect("our child");
    }

    #[test]
    fn counters_that_run_backwards_make_no_share() {
        let mark = |total| Mark {
            at: Instant::now(),
            ticks_at: Instant::now(),
            tree: Ok(Duration::ZERO),
            ticks: Ok(BTreeMap::from([(0, Ticks { total, ..Ticks::default() })])),
            interrupts: Interrupts::InTasks,
            reader_ns: 0,
        };
        let between = mark(100).until(&mark(99), Duration::from_millis(1), 0);
        assert!(
            matches!(&between.steal_share, Reading::Absent(why) if why.contains("backwards")),
            "{between:?}"
        );
        assert!(matches!(between.foreign_share, Reading::Absent(_)), "{between:?}");
    }

    #[test]
    fn time_is_divided_between_user_and_kernel() {
        let division =
            |user, worked, interrupts| Division(Ok(Ticks { user, worked, interrupts, ..Ticks::default() }));
        let share = division(10, 20, 5).user_share_until(&division(30, 90, 15));
        assert_eq!(share, Reading::Value(0.25), "20 of 70 + 10");
        let idle = division(1, 2, 3).user_share_until(&division(1, 20, 4));
        assert!(matches!(idle, Reading::Absent(_)), "18 + 1 are too few: {idle:?}");
        let enough = division(1, 2, 3).user_share_until(&division(1, 20, 5));
        assert_eq!(enough, Reading::Value(0.0), "18 + 2 are not");
        let missing = Division::take(&[100_000]).user_share_until(&Division::take(&[0]));
        assert!(matches!(missing, Reading::Absent(_)), "{missing:?}");
    }

    /// Hundredths of a second.
    fn ticks(worked: u64, idle: u64, interrupts: u64) -> Ticks {
        let hz = procfs::ticks_per_second();
        let of = |hundredths: u64| hundredths * hz / 100;
        let (worked, idle, interrupts) = (of(worked), of(idle), of(interrupts));
        Ticks { worked, idle, interrupts, total: worked + idle + interrupts, ..Ticks::default() }
    }

    #[test]
    fn work_of_others_is_that_of_the_side_that_has_more() {
        // Two CPUs, one second: the tree used 0.3 s of CPU 0, which worked for 0.5, the swarm 0.4 of CPU 1, which did for 0.4.
        let begin = Instant::now();
        let second = Duration::from_secs(1);
        let mark = |at, tree_ms, worked: [u64; 2], passed: u64| Mark {
            at,
            ticks_at: at,
            tree: Ok(Duration::from_millis(tree_ms)),
            ticks: Ok((0..).zip(worked.map(|worked| ticks(worked, passed - worked, 0))).collect()),
            interrupts: Interrupts::InTasks,
            reader_ns: 0,
        };
        let (before, after) = (mark(begin, 0, [0, 0], 0), mark(begin + second, 300, [50, 40], 100));
        let share = |between: Between| between.foreign_share.value().copied().expect("known");
        let together = share(before.until(&after, second, 400_000_000));
        let apart = share(before.until_by_side(&after, second, 400_000_000, &[0]));
        assert!((together - 0.1).abs() < 1e-6 && (apart - 0.2).abs() < 1e-6, "{together} {apart}");
        let other = share(before.until_by_side(&after, second, 400_000_000, &[1]));
        assert!((other - 0.1).abs() < 1e-6, "0.5 - 0.4 on one, 0.4 - 0.3 on the other: {other}");
    }

    #[test]
    fn work_of_others_on_the_cpus_is_seen_and_our_own_is_not() {
        // One CPU, one second: 100 ticks, of which 60 worked; the tree used 0.3 s and the swarm 0.1 s.
        let mark = |at, tree_ms, worked, total: u64| Mark {
            at,
            ticks_at: at,
            tree: Ok(Duration::from_millis(tree_ms)),
            ticks: Ok(BTreeMap::from([(0, ticks(worked, total - worked, 0))])),
            interrupts: Interrupts::InTasks,
            reader_ns: 0,
        };
        let begin = Instant::now();
        let second = Duration::from_secs(1);
        let (before, after) = (mark(begin, 1000, 0, 0), mark(begin + second, 1300, 60, 100));
        let between = before.until(&after, second, 100_000_000);
        assert_eq!(between.tree_cpu_ns, Reading::Value(300_000_000));
        let Reading::Value(foreign) = between.foreign_share else { panic!("{between:?}") };
        assert!((foreign - 0.2).abs() < 1e-9, "{foreign}");
        // Reading the tree took the thread that reads 0.15 s of them.
        let read = |mark: &Mark, reader_ns| Mark { reader_ns, ..mark.clone() };
        let share = |before: &Mark, after: &Mark| before.until(after, second, 100_000_000).foreign_share;
        let less = share(&read(&before, 50_000_000), &read(&after, 200_000_000));
        assert!(matches!(less, Reading::Value(share) if (share - 0.05).abs() < 1e-9), "{less:?}");
        let elsewhere = share(&before, &read(&after, 200_000_000));
        assert_eq!(elsewhere, between.foreign_share, "it may have been on other CPUs");
        // Marks that lie twice as far apart as the window is long: half of what lies between is the window's.
        let wide = before.until(&after, second / 2, 50_000_000);
        assert_eq!(wide.tree_cpu_ns, Reading::Value(150_000_000));
        assert!(
            matches!(wide.foreign_share, Reading::Value(share) if (share - 0.2).abs() < 1e-9),
            "{wide:?}"
        );
        // A tree so large that its first reading took 0.8 s: its own times are of 0.2 s, the ticks of a whole second.
        let slow = Mark { at: begin + second * 4 / 5, ..before.clone() };
        let brief = Mark { tree: Ok(Duration::from_millis(1060)), ..after.clone() };
        let late = slow.until(&brief, second / 5, 20_000_000);
        assert_eq!(late.tree_cpu_ns, Reading::Value(60_000_000));
        assert!(
            matches!(late.foreign_share, Reading::Value(share) if (share - 0.2).abs() < 1e-9),
            "0.6 of the CPU worked, 0.3 of it for the tree and 0.1 for the swarm: {late:?}"
        );
    }

    #[test]
    fn interrupts_count_as_work_where_the_clocks_of_tasks_hold_them() {
        // One CPU, one second, of which the tree used 0.8 s by its CPU clock; ticks found 50 in tasks, 30 in interrupts.
        let foreign = |interrupts, in_interrupts, tree_ms| {
            let begin = Instant::now();
            let second = Duration::from_secs(1);
            let mark = |at, tree_ms, worked, in_interrupts, idle| Mark {
                at,
                ticks_at: at,
                tree: Ok(Duration::from_millis(tree_ms)),
                ticks: Ok(BTreeMap::from([(0, ticks(worked, idle, in_interrupts))])),
                interrupts,
                reader_ns: 0,
            };
            let after = mark(begin + second, tree_ms, 50, in_interrupts, 50 - in_interrupts);
            mark(begin, 0, 0, 0, 0).until(&after, second, 0).foreign_share
        };
        let close =
            |share: &Reading<f64>, to: f64| matches!(share, Reading::Value(s) if (s - to).abs() < 1e-9);
        assert!(close(&foreign(Interrupts::InTasks, 30, 800), 0.0), "all of it is the tree's");
        assert!(close(&foreign(Interrupts::InTasks, 30, 600), 0.2), "a fifth is somebody else's");
        assert!(
            close(&foreign(Interrupts::Apart, 30, 500), 0.0),
            "the clock of the tree lacks its interrupts"
        );
        assert!(close(&foreign(Interrupts::Apart, 30, 600), -0.1), "what cannot be is shown, not cut");
        assert!(matches!(foreign(Interrupts::Unknown, 30, 800), Reading::Absent(_)));
        assert!(close(&foreign(Interrupts::Unknown, 1, 500), 0.01), "too little to matter");
    }
}
