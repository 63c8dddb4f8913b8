//! Events counted one by one by the kernel (`perf_event_open`) in a whole process tree: instructions, cache misses,
//! context switches, faults, system calls.
//!
//! The counters are opened on the server before it has a second thread or a child, and are inherited from then on, so
//! that no descendant is missed, be it alive or gone. What they count they also slow down: a system call that is counted
//! takes a detour, and so does every one of every other process; a context switch saves and loads counters; a fork
//! copies them. So they run before the window only, and are closed, not just stopped, when it begins: a closed counter
//! costs nothing.
//!
//! They run from the moment they are opened, and a count is the difference of two readings under the full load. To start
//! or stop one under load would interrupt the server's CPU once for every thread of the tree; to read it does not.
//!
//! Never counts while the window is measured.

use super::tree::read;
use bakeoff_reports::record::{Counted, Reading, WARMUP_SLICES};
use perf_event::events::{Hardware, Software, Tracepoint};
use perf_event::{Builder, Counter};
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

/// Added to a trial's warm-up to count in: two phases of nearly a fifth of the time before the window each, and after each
/// some time to close counters in, for which the kernel waits until no CPU can be in one (tens of milliseconds).
pub const COUNTING: Duration = Duration::from_millis(150);

/// When system calls are counted, in slices of the time before the window. They are the first, so that their detour is
/// not in what the second phase counts.
const CALLS: Range<usize> = 12..18;
/// When everything else is counted.
const EVENTS: Range<usize> = 22..28;
/// By how much the time between two readings may differ from the phase, for the count to be scaled to it.
const SLACK: f64 = 0.25;

/// Where the kernel shows its trace points, in the order to look.
const TRACEFS: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];

/// Counters that were just opened.
#[derive(Debug)]
pub struct Counters {
    calls: Result<Counter, String>,
    events: Vec<(Event, Result<Counter, String>)>,
    user_mode_only: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Instructions,
    Cycles,
    CacheMisses,
    ContextSwitches,
    Migrations,
    PageFaults,
}

impl Event {
    const ALL: [Self; 6] = [
        Self::Instructions,
        Self::Cycles,
        Self::CacheMisses,
        Self::ContextSwitches,
        Self::Migrations,
        Self::PageFaults,
    ];

    /// Whether the CPU counts it, rather than the kernel.
    fn by_cpu(self) -> bool {
        matches!(self, Self::Instructions | Self::Cycles | Self::CacheMisses)
    }

    fn builder(self) -> Builder<'static> {
        match self {
            Self::Instructions => Builder::new(Hardware::INSTRUCTIONS),
            Self::Cycles => Builder::new(Hardware::CPU_CYCLES),
            Self::CacheMisses => Builder::new(Hardware::CACHE_MISSES),
            Self::ContextSwitches => Builder::new(Software::CONTEXT_SWITCHES),
            Self::Migrations => Builder::new(Software::CPU_MIGRATIONS),
            Self::PageFaults => Builder::new(Software::PAGE_FAULTS),
        }
    }
}

impl Counters {
    /// Opens what can be opened on `server`, which must have one thread and no child yet.
    pub fn open(server: u32) -> Self {
        let mut user_mode_only = false;
        let mut open = |event: Event| {
            let whole = build(event.builder().include_kernel(), server);
            let counter = match whole {
                // An ordinary user may count what the CPU does for the program itself. Not so the kernel's events:
                // they happen in kernel mode, and would read as zero.
                Err(e) if event.by_cpu() && e.kind() == ErrorKind::PermissionDenied => {
                    build(&mut event.builder(), server).inspect(|_| user_mode_only = true)
                }
                whole => whole,
            };
            (event, counter.map_err(|e| refusal(&e)))
        };
        let events = Event::ALL.into_iter().map(&mut open).collect();
        Self { calls: open_calls(server, &TRACEFS), events, user_mode_only }
    }

    /// Counts, in the time of length `before` that ends when the window begins at `window`. `sleep_until` waits and says
    /// whether to go on. All counters are closed when this returns, which is before the window unless the tree is huge.
    ///
    /// # Errors
    /// The one of `sleep_until`.
    pub fn count<E>(
        self,
        window: Instant,
        before: Duration,
        sleep_until: impl Fn(Instant) -> Result<(), E>,
    ) -> Result<Tally, E> {
        let slice = before / WARMUP_SLICES as u32;
        let at = |index: usize| window - slice * (WARMUP_SLICES - index) as u32;
        let phase = |mut counters: Vec<Result<Counter, String>>, slices: &Range<usize>| {
            let count = |counters: &mut Vec<_>| counters.iter_mut().map(Snapshot::take).collect::<Vec<_>>();
            if counters.iter().all(Result::is_err) {
                return Ok(finish(&count(&mut counters), &count(&mut counters), slice));
            }
            sleep_until(at(slices.start))?;
            let before_at = Instant::now();
            let before = count(&mut counters);
            sleep_until(at(slices.end))?;
            let after = count(&mut counters);
            let late = before_at.saturating_duration_since(at(slices.start));
            if late > (slice * slices.len() as u32).mul_f64(SLACK) {
                let why = format!("counting began {late:.1?} late: the machine is too busy");
                // A counter that was never opened keeps its own reason.
                let reason =
                    |one: Result<Snapshot, String>| Reading::Absent(one.err().unwrap_or(why.clone()));
                return Ok(before.into_iter().map(reason).collect());
            }
            Ok(finish(&before, &after, slice * slices.len() as u32))
        };
        let system_calls = phase(vec![self.calls], &CALLS)?.remove(0);
        let (names, counters): (Vec<_>, Vec<_>) = self.events.into_iter().unzip();
        let counts = names.into_iter().zip(phase(counters, &EVENTS)?).collect();
        Ok(Tally { system_calls, counts, user_mode_only: self.user_mode_only })
    }
}

/// A reading of one counter.
#[derive(Clone, Debug)]
struct Snapshot {
    at: Instant,
    count: u64,
    enabled_ns: u64,
    running_ns: u64,
}

impl Snapshot {
    fn take(counter: &mut Result<Counter, String>) -> Result<Self, String> {
        let counter = counter.as_mut().map_err(|why| why.clone())?;
        let read = counter.read_count_and_time();
        let read = read.map_err(|e| format!("reading a kernel counter failed: {e}"))?;
        Ok(Self {
            at: Instant::now(),
            count: read.count,
            enabled_ns: read.time_enabled,
            running_ns: read.time_running,
        })
    }

    /// What was counted from `self` to `later`, scaled to a phase of that length.
    fn until(&self, later: &Self, phase: Duration) -> Result<u64, String> {
        let scale = scale(later.at.saturating_duration_since(self.at), phase)?;
        // Where the CPU has fewer counters than were asked for, they take turns.
        let enabled = later.enabled_ns.saturating_sub(self.enabled_ns);
        let running = later.running_ns.saturating_sub(self.running_ns);
        let share = match (enabled, running) {
            (0, _) => 1.0,
            (_, 0) => return Err("another program holds the CPU's counters".to_string()),
            (enabled, running) => enabled as f64 / running as f64,
        };
        Ok((later.count.saturating_sub(self.count) as f64 * share * scale).round() as u64)
    }
}

type Snapshots = [Result<Snapshot, String>];

fn finish(before: &Snapshots, after: &Snapshots, phase: Duration) -> Vec<Reading<u64>> {
    let one = |(before, after): (&Result<Snapshot, String>, &Result<Snapshot, String>)| {
        super::reading(before.clone().and_then(|before| {
            after.as_ref().map_err(Clone::clone).and_then(|after| before.until(after, phase))
        }))
    };
    before.iter().zip(after).map(one).collect()
}

/// What was counted; the counters are closed.
#[derive(Debug)]
pub struct Tally {
    system_calls: Reading<u64>,
    counts: Vec<(Event, Reading<u64>)>,
    user_mode_only: bool,
}

impl Tally {
    /// The counts beside the replies that the swarm completed meanwhile: `completed` has them by slice.
    pub fn with_replies(&self, completed: &[u64]) -> Counted {
        let replies = |slices: Range<usize>| match completed.get(slices) {
            Some(slices) => Reading::Value(slices.iter().sum()),
            None => Reading::Absent("the swarm did not tell its replies before the window".into()),
        };
        let count = |wanted| {
            let found = self.counts.iter().find(|(event, _)| *event == wanted);
            found.map_or_else(|| Reading::Absent("not opened".into()), |(_, count)| count.clone())
        };
        Counted {
            replies: replies(EVENTS),
            instructions: count(Event::Instructions),
            cycles: count(Event::Cycles),
            cache_misses: count(Event::CacheMisses),
            user_mode_only: self.user_mode_only,
            context_switches: count(Event::ContextSwitches),
            migrations: count(Event::Migrations),
            page_faults: count(Event::PageFaults),
            system_call_replies: replies(CALLS),
            system_calls: self.system_calls.clone(),
        }
    }
}

/// By what to multiply a count to have that of the phase, when counting took `took`.
fn scale(took: Duration, phase: Duration) -> Result<f64, String> {
    let scale = phase.as_secs_f64() / took.as_secs_f64().max(1e-9);
    if (scale - 1.0).abs() > SLACK {
        return Err(format!(
            "the counters ran for {took:.1?} instead of {phase:.1?}: the machine is too busy or the tree too large"
        ));
    }
    Ok(scale)
}

fn build(builder: &mut Builder<'_>, server: u32) -> io::Result<Counter> {
    let pid = i32::try_from(server).map_err(io::Error::other)?;
    builder.observe_pid(pid).any_cpu().inherit(true).enabled(true).build()
}

fn open_calls(server: u32, tracefs: &[&str]) -> Result<Counter, String> {
    let id = trace_point("raw_syscalls/sys_enter", tracefs)?;
    build(Builder::new(Tracepoint::with_id(id)).include_kernel(), server).map_err(|e| refusal(&e))
}

/// The number of a trace point.
fn trace_point(name: &str, tracefs: &[&str]) -> Result<u64, String> {
    let mut why = String::new();
    for root in tracefs {
        match read(&Path::new(root).join("events").join(name).join("id")) {
            Ok(text) => return text.trim().parse().map_err(|_| format!("{root} gives {name} no number")),
            Err(error) if why.is_empty() => why = error,
            Err(_) => {}
        }
    }
    Err(format!("{why} (trace points need root and a mounted tracefs)"))
}

/// Why a counter cannot be had, and what would help.
fn refusal(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::ENOENT | libc::EOPNOTSUPP | libc::ENODEV) => {
            "this CPU, or the virtual machine around it, has no such counter".to_string()
        }
        Some(libc::EACCES | libc::EPERM) => {
            let level = read(Path::new("/proc/sys/kernel/perf_event_paranoid"));
            let level = level.map_or_else(|_| "hidden".to_string(), |text| text.trim().to_string());
            format!("not permitted: kernel.perf_event_paranoid is {level}; 1 or less, or root, is needed")
        }
        Some(libc::ENOSYS) => "this kernel has no perf events, or a sandbox forbids them".to_string(),
        Some(libc::ESRCH) => super::tree::GONE.to_string(),
        _ => format!("opening a kernel counter failed: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::process::{Child, Command, Stdio};

    /// A shell that does its work when it is told to, says so, and waits for the word to end.
    fn shell(work: &str) -> Child {
        let script = format!("read go; {work}; echo done; read stop; test -z \"$a\" || kill $a $b");
        let mut shell = Command::new("sh");
        shell.args(["-c", &script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("sh")
    }

    fn tell(shell: &mut Child) {
        shell.stdin.as_mut().expect("piped").write_all(b"\n").expect("it reads");
    }

    /// What is counted of a shell while it does this work; `None` where the kernel lets nobody count.
    fn counted(work: &str, open: impl Fn(u32) -> io::Result<Counter>) -> Option<u64> {
        let mut shell = shell(work);
        let mut counter = open(shell.id()).map_err(|e| assert!(!refusal(&e).is_empty())).ok();
        if let Some(counter) = &mut counter {
            counter.enable().expect("it is open");
        }
        tell(&mut shell);
        let said = &mut [0; 5];
        shell.stdout.as_mut().expect("piped").read_exact(said).expect("it is done");
        let count = counter.map(|mut counter| counter.read().expect("it is open"));
        tell(&mut shell);
        shell.wait().expect("our child");
        count
    }

    #[test]
    fn descendants_are_counted_be_they_alive_or_gone() {
        let gone = "for i in 1 2 3 4 5 6 7 8 9 10; do /bin/true; done";
        let alive = "sleep 30 & a=$!; sleep 30 & b=$!; sleep 0.3";
        let tree = |pid| build(Event::PageFaults.builder().include_kernel(), pid);
        let alone = |pid: u32| {
            let mut builder = Event::PageFaults.builder();
            builder.include_kernel().observe_pid(i32::try_from(pid).expect("a pid")).any_cpu().build()
        };
        // A process takes some tens of faults to start. Both counts hold the shell's own, which vary by a few.
        for (work, least) in [(gone, 100), (alive, 20)] {
            if let (Some(tree), Some(alone)) = (counted(work, tree), counted(work, alone)) {
                assert!(tree >= alone + least, "{tree} in the tree, {alone} in the shell alone: {work}");
            }
        }
        // A program that does nothing still makes more than ten system calls.
        let calls = |pid| open_calls(pid, &TRACEFS).map_err(io::Error::other);
        if let Some(calls) = counted(gone, calls) {
            assert!(calls > 100, "{calls}");
        }
    }

    #[test]
    fn counting_follows_its_phases_and_can_be_stopped() {
        let mut shell = shell(":");
        let asked = std::cell::RefCell::new(Vec::new());
        let counters = Counters::open(shell.id());
        let before = Duration::from_millis(64);
        let window = Instant::now() + before;
        let waits = |at: Instant| {
            asked.borrow_mut().push(at);
            std::thread::sleep(at.saturating_duration_since(Instant::now()));
            Ok::<(), ()>(())
        };
        let tally = counters.count(window, before, waits).expect("nobody stops it");
        let counted = tally.with_replies(&(0..WARMUP_SLICES as u64).collect::<Vec<_>>());
        assert_eq!(counted.system_call_replies, Reading::Value((12..18).sum()));
        assert_eq!(counted.replies, Reading::Value((22..28).sum()));
        assert!(asked.borrow().iter().all(|at| *at < window), "all counting is before the window");
        assert!(matches!(tally.with_replies(&[1, 2]).replies, Reading::Absent(_)), "no slices, no figure");
        let counters = Counters::open(shell.id());
        // With nothing to count there is nothing to wait for either.
        let any = counters.calls.is_ok() || counters.events.iter().any(|(_, counter)| counter.is_ok());
        assert_eq!(counters.count(window + before, before, |_| Err("stop")).is_err(), any);
        shell.kill().expect("our child");
        shell.wait().expect("our child");
    }

    #[test]
    fn a_count_is_scaled_to_its_phase_or_dropped() {
        let phase = Duration::from_millis(100);
        assert_eq!(scale(Duration::from_millis(80), phase), Ok(1.25));
        assert!(scale(Duration::from_millis(8), phase).is_err());
        assert!(scale(Duration::from_millis(140), phase).expect_err("too long").contains("140"));
    }

    #[test]
    fn every_refusal_says_what_would_help() {
        let said = |number| refusal(&io::Error::from_raw_os_error(number));
        assert!(said(libc::ENOENT).contains("virtual machine"));
        assert!(said(libc::EACCES).contains("perf_event_paranoid"));
        assert!(said(libc::ENOSYS).contains("sandbox"));
        assert!(said(libc::EMFILE).contains("opening a kernel counter failed"));
        let nowhere = trace_point("raw_syscalls/sys_enter", &["/nowhere"]).expect_err("no such folder");
        assert!(nowhere.contains("/nowhere") && nowhere.contains("tracefs"), "{nowhere}");
        let folder = tempfile::tempdir().expect("a folder");
        let point = folder.path().join("events/raw_syscalls/sys_enter");
        std::fs::create_dir_all(&point).expect("room");
        std::fs::write(point.join("id"), "443\n").expect("room");
        let root = folder.path().to_str().expect("a plain name");
        assert_eq!(trace_point("raw_syscalls/sys_enter", &["/nowhere", root]), Ok(443));
        // There is no such process.
        let gone = Counters::open(u32::MAX);
        assert!(gone.calls.is_err() && gone.events.iter().all(|(_, counter)| counter.is_err()));
    }
}
