//! What is read of one server in the course of one trial, and when: the order is what keeps reading from disturbing.
//!
//! | when | what |
//! |---|---|
//! | it listens, and has one thread | event counters are opened |
//! | it serves, nobody is connected | its memory at rest; listen queues |
//! | the clients are connected | how long a mark takes; context switches so far |
//! | load, before the window | event counters run and are closed ([`super::Counters`]) |
//! | just before the window | CPU time, waits |
//! | the window | nothing; where the load comes and goes, at the end of each slice the threads ([`super::threads`]) |
//! | just after it | CPU time, waits, context switches, threads, socket buffers, listen queues |
//! | load over, connections held | memory, descriptors |

use super::counting::Tally;
use super::mark::tree_cpu_time;
use super::network::socket_buffer_bytes;
use super::threads::ThreadReadings;
use super::{Between, Counters, Division, Footprint, ListenQueue, Mark, Population, Proc, SwitchMark, Waits};
use crate::host::environment;
use crate::host::quota::Throttling;
use bakeoff_reports::record::{Counted, Measured, Reading, Switches, Usage};
use std::time::{Duration, Instant};

/// How long a server may take to start its threads before its memory at rest is read.
const SETTLING: Duration = Duration::from_millis(300);
/// It has settled when so many looks in a row find the same,
const EQUAL_LOOKS: u32 = 8;
/// so far apart: together longer than a scheduler lets a thread wait that is ready to run, on all but a swamped machine.
const BETWEEN_LOOKS: Duration = Duration::from_millis(4);

/// Where a mark takes longer, the waits of single threads are left out of it: it could not end when the window begins.
const LONGEST_MARK: Duration = Duration::from_millis(10);

/// A mark further from its edge of the window than this share of it says nothing of the window.
const FURTHEST: f64 = 0.10;

/// Why the costs of a trial are absent where the person did not want them.
const NOT_WANTED: &str = "the run was made with --no-costs";

/// Why the events of a trial are absent where others of its run have them.
const NOT_COUNTED: &str =
    "events are counted in the first rounds only, and not where a request may kill the server";

/// How much is read of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// What every verdict needs.
    Verdict,
    /// What it costs, too.
    Costs,
    /// Its events, too, before the window.
    Events,
}

/// The watch over one server.
#[derive(Debug)]
pub struct Watch {
    server: u32,
    /// CPUs of server and swarm; and of the server alone, where it has any for itself.
    pinned: Vec<u32>,
    own: Option<Vec<u32>>,
    swarm_cpus: Vec<u32>,
    proc: Proc,
    counters: Option<Counters>,
    /// Whether more is read than what every verdict needs.
    costs: bool,
    /// CPU time of the server before it was told to begin.
    cpu_before: Result<Duration, String>,
    idle_own: Reading<u64>,
    queue: Option<ListenQueue>,
    /// How long a mark takes at rest.
    mark_takes: Duration,
    late: Duration,
    /// How long after the window the mark was taken that belongs there.
    late_after: Duration,
    /// Whether the waits of each thread are read.
    waits: bool,
    tally: Option<Tally>,
    before: Option<Edge>,
    after: Option<Edge>,
    /// The switches before the load, and at the end of the window.
    switches: [Option<SwitchMark>; 2],
    population: Option<Population>,
    socket_buffer_bytes: Reading<u64>,
    overflows: (Reading<u64>, Reading<u64>),
    held: Option<Footprint>,
    /// Slices of the window at whose ends the threads are read; 0 where they are not.
    slices: u32,
    threads: Option<ThreadReadings>,
}

/// Marks of one moment.
#[derive(Debug)]
struct Edge {
    mark: Mark,
    division: Option<Division>,
    waits: Option<Waits>,
    throttling: Throttling,
}

impl Watch {
    /// Begins to watch `server`, which listens but has no second thread and no child yet. `server_cpus` and `swarm_cpus`
    /// are where the two run.
    pub fn new(server: u32, server_cpus: &[u32], swarm_cpus: &[u32], depth: Depth) -> Self {
        let costs = depth != Depth::Verdict;
        let shared = server_cpus.iter().any(|cpu| swarm_cpus.contains(cpu));
        let absent = || Reading::Absent(NOT_WANTED.into());
        let mut pinned: Vec<u32> = server_cpus.iter().chain(swarm_cpus).copied().collect();
        pinned.sort_unstable();
        pinned.dedup(); // both sides may share a CPU, whose time is there once
        Self {
            server,
            pinned,
            own: (!shared).then(|| server_cpus.to_vec()),
            swarm_cpus: swarm_cpus.to_vec(),
            proc: Proc::system(),
            counters: (depth == Depth::Events).then(|| Counters::open(server)),
            costs,
            cpu_before: tree_cpu_time(server),
            idle_own: absent(),
            queue: None,
            mark_takes: Duration::ZERO,
            late: Duration::ZERO,
            late_after: Duration::ZERO,
            waits: costs,
            tally: None,
            before: None,
            after: None,
            switches: [None, None],
            population: None,
            socket_buffer_bytes: absent(),
            overflows: (absent(), absent()),
            held: None,
            slices: 0,
            threads: None,
        }
    }

    /// Reads the threads, too, at the end of each of so many slices of the window, where costs are wanted.
    pub fn follow_threads(&mut self, slices: u32) {
        self.slices = slices;
    }

    /// Reads the server at rest. It serves, and nobody has connected yet.
    pub fn at_rest(&mut self) {
        if !self.costs {
            return;
        }
        self.idle_own = match self.settle() {
            true => Footprint::take(&self.proc, self.server).own_bytes(),
            false => Reading::Absent(format!(
                "{SETTLING:?} after it was told to begin, the server was not at rest yet: it had not run, or went on \
                 starting threads or processes"
            )),
        };
        self.queue = Some(ListenQueue::take(&self.proc));
    }

    /// Waits until the server has run since it was told to begin, and neither starts anything nor works any more; or, if
    /// it never sleeps, until it has started nothing for as long as that takes. Says whether it came to that.
    fn settle(&self) -> bool {
        let deadline = Instant::now() + SETTLING;
        let look = || {
            let Population { threads, processes } = Population::take(self.server);
            (tree_cpu_time(self.server), (threads, processes))
        };
        let mut last = look();
        let (mut idle, mut complete) = (0, 0);
        loop {
            std::thread::sleep(BETWEEN_LOOKS);
            let now = look();
            let begun = matches!((&self.cpu_before, &now.0), (Ok(before), Ok(now)) if now > before);
            complete = if begun && now.1 == last.1 { complete + 1 } else { 0 };
            idle = if begun && now == last { idle + 1 } else { 0 };
            last = now;
            if idle >= EQUAL_LOOKS {
                return true;
            }
            if Instant::now() >= deadline {
                return complete >= EQUAL_LOOKS;
            }
        }
    }

    /// Tries out how long a mark takes, so that the one before the window can end when the window begins. The clients
    /// are connected, and the load has not begun.
    pub fn rehearse(&mut self) {
        self.threads = (self.costs && self.slices > 0)
            .then(|| ThreadReadings::new(&self.proc, self.server, self.slices));
        self.switches[0] = self.costs.then(|| SwitchMark::take(&self.proc, self.server));
        self.mark_takes = self.try_mark();
        if self.mark_takes > LONGEST_MARK && self.waits {
            self.waits = false;
            self.mark_takes = self.try_mark();
        }
    }

    /// Everything from the connections being open to the window's end. The load runs for `warmup` before the window,
    /// which lies between `begin` and `end`; `sleep_until` waits and says whether to go on.
    ///
    /// # Errors
    /// The one of `sleep_until`.
    pub fn window<E>(
        &mut self,
        warmup: Duration,
        (begin, end): (Instant, Instant),
        sleep_until: impl Fn(Instant) -> Result<(), E>,
    ) -> Result<(), E> {
        // Off the server's CPUs: there this thread would disturb, and would wait behind all of the server's.
        let home = environment::allowed_cpus();
        let moved = self.own.is_some() && environment::pin(&self.swarm_cpus).is_ok();
        let done = self.marks(warmup, (begin, end), sleep_until);
        if moved {
            // What was allowed before is allowed still.
            let _ = environment::pin(&home);
        }
        done
    }

    fn marks<E>(
        &mut self,
        warmup: Duration,
        (begin, end): (Instant, Instant),
        sleep_until: impl Fn(Instant) -> Result<(), E>,
    ) -> Result<(), E> {
        if let Some(counters) = self.counters.take() {
            self.tally = Some(counters.count(begin, warmup, &sleep_until)?);
        }
        // Under load a mark takes about twice as long as it took at rest. One that would not end before the window is not
        // begun; without a warm-up there is no load before it.
        if warmup.is_zero() || self.mark_takes * 2 <= warmup {
            sleep_until(begin - self.mark_takes * 2)?;
            self.before = Some(self.edge());
            self.late = Instant::now().saturating_duration_since(begin);
        }
        if let Some(threads) = &mut self.threads {
            threads.follow((begin, end), &sleep_until)?;
        }
        sleep_until(end)?;
        self.after = Some(self.edge());
        self.late_after = Instant::now().saturating_duration_since(end);
        self.switches[1] = self.costs.then(|| SwitchMark::take(&self.proc, self.server));
        self.population = Some(Population::take(self.server));
        if let Some(queue) = &self.queue {
            self.socket_buffer_bytes = socket_buffer_bytes(&self.proc);
            self.overflows = queue.until(&ListenQueue::take(&self.proc));
        }
        Ok(())
    }

    fn try_mark(&self) -> Duration {
        let begin = Instant::now();
        self.edge();
        begin.elapsed()
    }

    fn edge(&self) -> Edge {
        let waits = self.waits.then(|| Waits::take(&self.proc, self.server));
        let division = self.own.as_ref().filter(|_| self.costs).map(|cpus| Division::take(cpus));
        Edge { waits, division, throttling: Throttling::now(), mark: Mark::take(self.server, &self.pinned) }
    }

    /// How far into the window reading went that belongs before it.
    pub fn late(&self) -> Duration {
        self.late
    }

    /// The switches of the server before the load; `None` where costs are not wanted.
    pub fn switches_before(&self) -> Option<SwitchMark> {
        self.switches[0].clone()
    }

    /// How long after the window reading began to end.
    pub fn late_after(&self) -> Duration {
        self.late_after
    }

    /// What a CPU quota took between the marks, and the share of the pinned CPUs' time that it was; `None` where nothing is
    /// pinned, because nobody knows then of how much time it would be a share.
    pub fn throttled(&self) -> Option<(Throttling, f64)> {
        if self.pinned.is_empty() {
            return None;
        }
        let (before, after) = (self.before.as_ref()?, self.after.as_ref()?);
        let took = after.throttling.since(&before.throttling);
        Some((took, took.share(before.mark.span_until(&after.mark), self.pinned.len())))
    }

    /// Why the marks say nothing of the window between them; `None` where they lie close enough to its edges. One that comes
    /// late into the window leaves too little of it, one that comes late behind it holds time without load. A mark takes a
    /// while itself, under load about twice as long as at rest.
    fn off(&self, window: Duration) -> Option<String> {
        let most = window.mul_f64(FURTHEST) + self.mark_takes * 2;
        let told = |late: Duration, what: &str| {
            format!(
                "the mark {what} was taken {late:.0?} late, and {most:.0?} are allowed: this program was held up"
            )
        };
        if self.before.is_none() && self.after.is_some() {
            return Some(format!(
                "reading it takes {:.0?} at rest, and the warm-up was too short to do so before the window",
                self.mark_takes
            ));
        }
        if self.late > most {
            return Some(told(self.late, "before the window"));
        }
        (self.late_after > most).then(|| told(self.late_after, "after the window"))
    }

    /// Reads what the server holds for the connections it has now.
    pub fn holding(&mut self) {
        self.held = Some(match self.costs {
            true => Footprint::take(&self.proc, self.server),
            false => Footprint::absent(NOT_WANTED),
        });
    }

    /// Enters what lies between the marks, scaled to a window of that length in which the swarm used `swarm_ns` of CPU time.
    /// Returns why not all threads of the server were seen, where they were not.
    fn enter_window(&self, usage: &mut Usage, window: Duration, swarm_ns: u64) -> Option<String> {
        let mut unseen = None;
        if let Some(why) = self.off(window) {
            (usage.window_cpu_ns, usage.run_delay_ns) =
                (Reading::Absent(why.clone()), Reading::Absent(why.clone()));
            usage.steal_share = Reading::Absent(why.clone());
            usage.foreign_share = Reading::Absent(why.clone());
            usage.window_user_share = Reading::Absent(why);
        } else if let (Some(before), Some(after)) = (&self.before, &self.after) {
            let Between { tree_cpu_ns, steal_share, foreign_share } = match &self.own {
                Some(own) => before.mark.until_by_side(&after.mark, window, swarm_ns, own),
                None => before.mark.until(&after.mark, window, swarm_ns),
            };
            usage.run_delay_ns = match (&before.waits, &after.waits) {
                (Some(before), Some(after)) => {
                    unseen = before.unseen(after, window, &tree_cpu_ns);
                    before.until(after, window, &tree_cpu_ns)
                }
                _ if self.costs => {
                    Reading::Absent("it has too many threads to read them all so close to the window".into())
                }
                _ => Reading::Absent(NOT_WANTED.into()),
            };
            usage.window_user_share = match (&before.division, &after.division) {
                (Some(before), Some(after)) => before.user_share_until(after),
                _ if self.costs => Reading::Absent("server and swarm share a CPU".into()),
                _ => Reading::Absent(NOT_WANTED.into()),
            };
            (usage.window_cpu_ns, usage.steal_share) = (tree_cpu_ns, steal_share);
            usage.foreign_share = foreign_share;
        }
        unseen
    }

    /// What was seen, with what the swarm measured meanwhile in a window of that length. What only the end of the
    /// server can tell is absent.
    pub fn usage(mut self, window: Duration, measured: &Measured) -> Usage {
        let mut usage = Usage::absent("the server was not seen to end");
        let unseen = self.enter_window(&mut usage, window, measured.swarm_cpu_ns);
        if let Some(population) = self.population {
            (usage.threads, usage.processes) = (population.threads, population.processes);
        }
        usage.threads_by_slice = match self.threads.take() {
            Some(threads) => Some(threads.reading(&self.proc, self.server)),
            None => (self.slices > 0).then(|| Reading::Absent(NOT_WANTED.into())),
        };
        if let Some(held) = self.held {
            usage.held_own_bytes = held.own_bytes();
            usage.pss_bytes = held.pss_bytes;
            usage.page_table_bytes = held.page_table_bytes;
            usage.kernel_stack_bytes = held.kernel_stack_bytes;
            usage.kernel_object_bytes = held.kernel_object_bytes;
            usage.descriptors = held.descriptors;
        }
        usage.idle_own_bytes = self.idle_own;
        usage.socket_buffer_bytes = self.socket_buffer_bytes;
        (usage.listen_overflows, usage.listen_drops) = self.overflows;
        usage.switches = match &self.switches {
            // A thread that began and ended between the readings is in neither.
            [Some(_), Some(_)] if unseen.is_some() => Switches::absent(&unseen.unwrap_or_default()),
            [Some(before), Some(after)] => {
                let replies = measured.warmup_completed.iter().sum::<u64>() + measured.completed_in_window;
                before.until(after, replies)
            }
            _ => Switches::absent(NOT_WANTED),
        };
        usage.counted = match &self.tally {
            Some(tally) => tally.with_replies(&measured.warmup_completed),
            None => Counted::absent(if self.costs { NOT_COUNTED } else { NOT_WANTED }),
        };
        usage
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::os::unix::process::CommandExt as _;
    use std::process::{Command, Stdio};

    #[test]
    fn a_mark_that_is_late_at_either_end_makes_no_figure() {
        let mut server = Command::new("sleep").arg("60").spawn().expect("sleep");
        let window = Duration::from_millis(100);
        // Held up for ten windows before the first mark, before the last one, and not at all.
        for (held_up, stays) in [(Some(0), false), (Some(1), false), (None, true)] {
            let mut watch = Watch::new(server.id(), &[0], &[0], Depth::Costs);
            let begin = Instant::now() + Duration::from_millis(50);
            let calls = std::cell::Cell::new(0);
            let sleep_until = |at: Instant| {
                let until = if held_up == Some(calls.get()) { at + window * 10 } else { at };
                calls.set(calls.get() + 1);
                // A mark of this machine's pace is on time.
                std::thread::sleep(until.saturating_duration_since(Instant::now()));
                Ok::<(), ()>(())
            };
            watch.marks(Duration::from_millis(20), (begin, begin + window), sleep_until).expect("it goes on");
            watch.mark_takes += if stays { Duration::from_secs(60) } else { Duration::ZERO };
            let mut usage = Usage::absent("not seen");
            watch.enter_window(&mut usage, window, 0);
            for (name, figure) in [("CPU", &usage.window_cpu_ns), ("run delay", &usage.run_delay_ns)] {
                let late = matches!(figure, Reading::Absent(why) if why.contains("late"));
                assert_eq!(late, !stays, "{name}, held up {held_up:?}: {figure:?}");
            }
            let share = &usage.foreign_share;
            assert_eq!(matches!(share, Reading::Absent(why) if why.contains("late")), !stays, "{share:?}");
        }
        server.kill().and_then(|()| server.wait()).expect("our child");
    }

    #[test]
    fn a_server_is_at_rest_only_after_it_has_begun() {
        let script = "read go; sleep 60 & echo $!; wait";
        let mut server = Command::new("sh")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("sh");
        // It is up, and waits for its word.
        let begin = Instant::now();
        let waits = |pid| std::fs::read_to_string(format!("/proc/{pid}/wchan")).unwrap_or_default();
        while !waits(server.id()).contains("pipe") && begin.elapsed() < Duration::from_secs(1) {
            std::thread::sleep(Duration::from_millis(10));
        }
        let watch = Watch::new(server.id(), &[0], &[0], Depth::Costs);
        assert!(!watch.settle(), "it waits, and has not run since");
        server.stdin.as_mut().expect("piped").write_all(b"go\n").expect("it reads");
        let begin = Instant::now();
        while !watch.settle() {
            assert!(begin.elapsed() < Duration::from_secs(20), "it never comes to rest");
        }
        let group = rustix::process::Pid::from_child(&server);
        rustix::process::kill_process_group(group, rustix::process::Signal::KILL).expect("ours");
        server.wait().expect("our child");
    }
}
