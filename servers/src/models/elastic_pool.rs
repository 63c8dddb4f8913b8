//! Elastic pool: one thread waits for whoever sends something, and a pool whose size follows the load, between a floor and a
//! ceiling, serves what was sent. The thread that waits is that of [`thread_pool_per_request`](super::thread_pool_per_request);
//! what differs is the pool, and that is all of this file.
//!
//! It cannot tell a request that waits for a thread from one that waits for a CPU: where the CPUs are what is short, it goes to its
//! ceiling, which helps nobody.
//!
//! # The rule
//! - *Grow on queueing delay*: when the oldest request has waited [`LONGEST_WAIT`] = 1 ms for a worker, one is started; where that
//!   does not end the wait within another millisecond 2 are, then 4, 8 ..., never more than there are requests waiting, and never
//!   beyond the ceiling.
//! - *Shrink when idle*: a worker above the floor that nobody has called for [`KEEP_ALIVE`] = 100 ms ends.
//! - *The last to become idle is called first*, so that those that are not needed stay idle and end. Called in turn, as in Java's
//!   `ThreadPoolExecutor`, all would be kept by a load for few.
//!
//! A pool that grows when its queue is long and shrinks when its threads are idle is SEDA's thread pool controller (Welsh, Culler,
//! Brewer, "SEDA: an architecture for well-conditioned, scalable Internet services", SOSP 2001). That a queue's delay tells more
//! than its length, which says nothing without the rate at which it empties, is CoDel's point (Nichols, Jacobson, "Controlling queue
//! delay", ACM Queue 10(5), 2012). Starting 1, 2, 4 ... while more are wanted is how the parent of Apache's httpd starts children.

use super::thread_pool_per_request::{Workers, serve_with};
use crate::drive::lock;
use crate::model::{Concurrency, Meta, PerClient, Role, ServerModel, Serving, Tuning};
use crate::sync::{Condvar, Mutex, thread};
use crate::{Counters, ServerConfig};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// How long a request may wait for a worker before the pool grows. Below it a worker that is about to be free is cheaper than a new
/// one, whose start takes some 50 us; above it a user of a service of milliseconds would notice.
const LONGEST_WAIT: Duration = Duration::from_millis(1);

/// How long a worker above the floor stays idle before it ends: longer than the pauses between bursts that come ten times a second,
/// so that a pool keeps what it will need again, and short against the seconds for which loads rise and fall.
const KEEP_ALIVE: Duration = Duration::from_millis(100);

/// The most workers that are started before the thread that starts them looks after its clients again: some 2 ms.
const MOST_AT_ONCE: usize = 32;

/// The server whose threads follow the load.
#[derive(Debug)]
pub(super) struct ElasticPool;

impl ServerModel for ElasticPool {
    fn meta(&self) -> &'static Meta {
        &Meta {
            name: "elastic-pool",
            summary: "one thread waits for all clients, a pool that grows and shrinks serves what they send; loads that come and go",
            concurrency: Concurrency::PerRequest(Tuning::PoolCeiling),
            per_client: PerClient::Nothing,
            threads: |config| 1 + floor(config),
            tunings: &[Tuning::PoolFloor, Tuning::PoolCeiling],
            role: Role::Extra,
        }
    }

    fn serve(&self, serving: Serving) -> io::Result<()> {
        let pool = Pool::new(floor(&serving.config), serving.config.pool_ceiling.max(1));
        serve_with(pool, serving)
    }
}

/// Never beyond the ceiling, which is what a record and the arithmetic of c workers go by.
fn floor(config: &ServerConfig) -> usize {
    config.pool_floor.min(config.pool_ceiling).max(1)
}

/// What a worker does; it must not panic.
type Task = Box<dyn FnOnce() + Send>;

/// Between `floor` and `ceiling` threads that take tasks in order.
struct Pool {
    floor: usize,
    ceiling: usize,
    state: Arc<Mutex<State>>,
    /// The workers by their numbers, until they are joined.
    threads: Mutex<BTreeMap<u64, thread::JoinHandle<()>>>,
}

#[derive(Default)]
struct State {
    /// Tasks and since when they wait, the oldest first.
    tasks: VecDeque<(Instant, Task)>,
    /// Idle workers, the one that has just become idle last.
    idle: Vec<Idle>,
    /// Workers that were called and have not woken: each has a task.
    called: usize,
    /// Workers that have not ended.
    workers: usize,
    /// Workers ever started.
    started: u64,
    /// Those that have ended and are not joined yet.
    ended: Vec<u64>,
    /// When the pool grew last because of a delay, and by how many at most.
    grown: Option<(Instant, usize)>,
    closed: bool,
}

/// A worker that waits to be called.
struct Idle {
    number: u64,
    called: Arc<Condvar>,
}

impl State {
    /// Tasks for which nobody was called.
    fn unclaimed(&self) -> usize {
        self.tasks.len().saturating_sub(self.called)
    }

    /// When the oldest task has waited too long, by what is known now, where there are more than workers were called for. After
    /// each growth the pool waits for what it does.
    fn delayed_at(&self) -> Option<Instant> {
        let (since, _) = self.tasks.front().filter(|_| self.unclaimed() > 0)?;
        let grown = self.grown.map_or(*since, |(at, _)| at.max(*since));
        Some(grown + LONGEST_WAIT)
    }

    /// How many workers the rule adds at `now`.
    fn missing(&mut self, floor: usize, ceiling: usize, now: Instant) -> usize {
        let to_floor = floor.saturating_sub(self.workers);
        if to_floor > 0 {
            return to_floor;
        }
        if self.delayed_at().is_none_or(|at| at > now) {
            return 0;
        }
        // A delay that the last growth did not end: of a request that waited before it.
        let oldest = self.tasks.front().map(|(since, _)| *since);
        let step = match self.grown {
            Some((at, step))
                if now.saturating_duration_since(at) <= 2 * LONGEST_WAIT && oldest <= Some(at) =>
            {
                step.saturating_mul(2).min(ceiling)
            }
            _ => 1,
        };
        self.grown = Some((now, step));
        step.min(self.unclaimed()).min(ceiling - self.workers).min(MOST_AT_ONCE)
    }
}

impl Pool {
    /// A pool without a worker yet.
    fn new(floor: usize, ceiling: usize) -> Self {
        Self { floor, ceiling, state: Arc::default(), threads: Mutex::default() }
    }

    /// Ends the workers when they have done what is queued.
    fn close(&self) {
        let mut state = lock(&self.state);
        state.closed = true;
        state.idle.iter().for_each(|worker| worker.called.notify_one());
    }

    fn start(&self, counters: &Counters) -> io::Result<()> {
        let number = {
            let mut state = lock(&self.state);
            state.workers += 1;
            state.started += 1;
            state.started
        };
        let (shared, floor) = (Arc::clone(&self.state), self.floor);
        let spawned = thread::Builder::new()
            .name(format!("worker-{number}"))
            .spawn(move || work(number, &shared, floor));
        match spawned {
            Ok(thread) => {
                lock(&self.threads).insert(number, thread);
                Ok(())
            }
            Err(error) => {
                lock(&self.state).workers -= 1;
                counters.spawn_failed(&error);
                Err(error)
            }
        }
    }
}

impl Workers for Pool {
    fn spawn_all(&self, tasks: impl Iterator<Item = impl FnOnce() + Send + 'static>) {
        for task in tasks {
            let mut state = lock(&self.state);
            state.tasks.push_back((Instant::now(), Box::new(task)));
            if let Some(worker) = state.idle.pop() {
                state.called += 1;
                worker.called.notify_one();
            }
        }
    }

    fn due(&self, now: Instant) -> Option<Instant> {
        let state = lock(&self.state);
        if state.workers < self.floor || !state.ended.is_empty() {
            return Some(now);
        }
        state.delayed_at().filter(|_| state.workers < self.ceiling)
    }

    fn tend(&self, counters: &Counters) -> io::Result<()> {
        let (ended, missing) = {
            let mut state = lock(&self.state);
            (std::mem::take(&mut state.ended), state.missing(self.floor, self.ceiling, Instant::now()))
        };
        for number in ended {
            let thread = lock(&self.threads).remove(&number);
            let _ = thread.map(thread::JoinHandle::join); // tasks do not panic
        }
        (0..missing).try_for_each(|_| self.start(counters))
    }

    fn join(self) {
        self.close();
        for (_, thread) in std::mem::take(&mut *lock(&self.threads)) {
            let _ = thread.join(); // tasks do not panic
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.close();
    }
}

/// The life of a worker.
fn work(number: u64, shared: &Mutex<State>, floor: usize) {
    let called = Arc::new(Condvar::new());
    let mut state = lock(shared);
    loop {
        if let Some((_, task)) = state.tasks.pop_front() {
            drop(state);
            task();
            state = lock(shared);
            continue;
        }
        if state.closed {
            break;
        }
        // One of the floor stays, and need not wake to find that out.
        let patience = if state.workers > floor { KEEP_ALIVE } else { Duration::MAX };
        state.idle.push(Idle { number, called: Arc::clone(&called) });
        let waits =
            |state: &mut State| !state.closed && state.idle.iter().any(|worker| worker.number == number);
        (state, _) =
            called.wait_timeout_while(state, patience, waits).unwrap_or_else(PoisonError::into_inner);
        // Whom nobody has called is still on the list.
        if let Some(at) = state.idle.iter().position(|worker| worker.number == number) {
            state.idle.remove(at);
            if state.workers > floor {
                break;
            }
        } else {
            state.called -= 1;
        }
    }
    state.workers -= 1;
    state.ended.push(number);
}

#[cfg(all(test, not(bakeoff_loom)))]
mod tests {
    use super::*;
    use std::iter;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::mpsc;

    const MS: Duration = Duration::from_millis(1);

    /// A pool's state with so many workers and so many tasks that wait since `since`.
    fn state(workers: usize, tasks: usize, since: Instant) -> State {
        let task = |_| (since, Box::new(|| {}) as Task);
        State { workers, tasks: (0..tasks).map(task).collect(), ..State::default() }
    }

    #[test]
    fn delay_doubles_the_growth_up_to_tasks_and_ceiling() {
        let begin = Instant::now();
        let mut pool = state(2, 100, begin);
        let mut grow_at = |ms: u32| {
            let missing = pool.missing(2, 20, begin + ms * MS);
            pool.workers += missing;
            missing
        };
        assert_eq!([0, 1, 1, 2, 3, 4, 5].map(&mut grow_at), [0, 1, 0, 2, 4, 8, 3], "16 would be beyond 20");
        assert_eq!(grow_at(6), 0, "at the ceiling");
        let mut few = state(2, 1, begin);
        few.grown = Some((begin, 4));
        assert_eq!(few.missing(2, 20, begin + MS), 1, "no more than there are tasks");
        let mut called = State { called: 3, ..state(8, 3, begin) };
        assert_eq!(
            (called.delayed_at(), called.missing(2, 20, begin + 9 * MS)),
            (None, 0),
            "each has its worker"
        );
    }

    #[test]
    fn requests_that_each_wait_for_the_next_worker_double_nothing() {
        let begin = Instant::now();
        let mut pool = state(2, 0, begin);
        for ms in (0..200).step_by(2) {
            pool.tasks.clear();
            pool.tasks.push_back((begin + ms * MS, Box::new(|| {})));
            assert_eq!(pool.missing(2, 4_096, begin + (ms + 1) * MS), 1, "after {ms} ms");
            pool.workers += 1;
        }
        let mut many = state(2, 10_000, begin);
        many.grown = Some((begin, usize::MAX));
        assert_eq!(many.missing(2, 4_096, begin + MS), MOST_AT_ONCE);
        assert_eq!(many.grown, Some((begin + MS, 4_096)), "no step is beyond the ceiling");
    }

    #[test]
    fn a_floor_is_never_beyond_its_ceiling() {
        let of = |pool_floor, pool_ceiling| {
            floor(&ServerConfig { pool_floor, pool_ceiling, ..ServerConfig::for_cpus(1) })
        };
        assert_eq!([of(4, 64), of(8, 4), of(0, 0)], [4, 4, 1]);
    }

    #[test]
    fn the_times_are_those_of_the_prose() {
        let prose = include_str!("elastic_pool.rs");
        assert!(prose.contains(&format!("[`LONGEST_WAIT`] = {} ms", LONGEST_WAIT.as_millis())));
        assert!(prose.contains(&format!("[`KEEP_ALIVE`] = {} ms", KEEP_ALIVE.as_millis())));
    }

    #[test]
    fn growth_begins_again_with_one_and_fills_the_floor_at_once() {
        let begin = Instant::now();
        let mut pool = state(8, 50, begin);
        pool.grown = Some((begin, 4));
        assert_eq!(pool.missing(2, 20, begin + 3 * MS), 1, "its last growth had ended the delay");
        assert_eq!(state(3, 0, begin).missing(8, 20, begin), 5, "whatever waits");
        assert_eq!(state(8, 0, begin).missing(8, 20, begin + 9 * MS), 0, "nothing waits");
    }

    #[test]
    fn the_pool_grows_to_its_ceiling_and_shrinks_to_its_floor() {
        let (pool, counters) = (Pool::new(1, 3), Counters::default());
        let (running, is_running) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let released = Arc::new(Mutex::new(released));
        for _ in 0..5 {
            let (running, released) = (running.clone(), Arc::clone(&released));
            pool.spawn_all(iter::once(move || {
                running.send(()).expect("the test listens");
                let _ = lock(&released).recv();
            }));
        }
        let tend = || {
            let due = pool.due(Instant::now()).expect("it is not at rest");
            thread::sleep(due.saturating_duration_since(Instant::now()));
            pool.tend(&counters).expect("room for three threads");
        };
        (0..3).for_each(|_| tend());
        (0..3).for_each(|_| is_running.recv().expect("three workers"));
        let sizes = || {
            let state = lock(&pool.state);
            (state.workers, state.tasks.len())
        };
        assert_eq!(sizes(), (3, 2));
        assert_eq!(pool.due(Instant::now()), None, "two wait, and it may not grow");
        drop(release);
        (0..2).for_each(|_| is_running.recv().expect("the others"));
        // Two have nothing to do any more; the time that takes is not asked.
        while lock(&pool.state).ended.len() < 2 {
            thread::sleep(MS);
        }
        tend();
        assert_eq!((sizes(), lock(&pool.threads).len()), ((1, 0), 1));
        assert_eq!(pool.due(Instant::now()), None, "at rest");
        pool.join();
    }

    #[test]
    fn every_task_is_done_before_a_pool_has_ended() {
        let (pool, done) = (Pool::new(3, 3), Arc::new(AtomicU32::new(0)));
        for _ in 0..100 {
            let done = Arc::clone(&done);
            pool.spawn_all(iter::once(move || {
                done.fetch_add(1, Ordering::SeqCst);
            }));
        }
        pool.tend(&Counters::default()).expect("room for three threads");
        pool.join();
        assert_eq!(done.load(Ordering::SeqCst), 100);
    }
}

#[cfg(all(test, bakeoff_loom))]
mod loom {
    use super::*;
    use std::iter;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// Loom ends a model when all its threads have ended, and tells a deadlock when one cannot: a call that no worker hears.
    #[test]
    fn every_task_is_done_and_every_worker_ends() {
        let counters = Counters::shared().expect("room");
        ::loom::model(|| {
            let (pool, done) = (Pool::new(2, 2), Arc::new(AtomicU32::new(0)));
            let task = || {
                let done = Arc::clone(&done);
                move || {
                    done.fetch_add(1, Ordering::SeqCst);
                }
            };
            pool.spawn_all(iter::once(task()));
            pool.tend(counters).expect("room for two threads");
            pool.spawn_all(iter::once(task()));
            pool.join();
            assert_eq!(done.load(Ordering::SeqCst), 2);
        });
    }

    /// A worker beyond the floor whose time runs out while a task is handed over: either it takes the task or another does, before
    /// anything else is asked of the pool, and one of the floor stays.
    #[test]
    fn no_task_is_lost_to_a_worker_that_leaves() {
        let counters = Counters::shared().expect("room");
        let mut orders = ::loom::model::Builder::new();
        // Twelve seconds of CPU; with a fourth several minutes.
        orders.preemption_bound = orders.preemption_bound.map(|most| most.min(3));
        orders.check(|| {
            let pool = Pool::new(1, 2);
            (0..2).for_each(|_| pool.start(counters).expect("room for two threads"));
            let done = Arc::new((Mutex::new(0), Condvar::new()));
            for expected in 1..=2 {
                lock(&pool.state).idle.iter().for_each(|worker| worker.called.time_out());
                let hears = Arc::clone(&done);
                pool.spawn_all(iter::once(move || {
                    *lock(&hears.0) += 1;
                    hears.1.notify_one();
                }));
                let waits = |count: &mut i32| *count < expected;
                drop(done.1.wait_while(lock(&done.0), waits).expect("no panic"));
            }
            pool.tend(counters).expect("nothing to start");
            let state = lock(&pool.state);
            assert!((1..=2).contains(&state.workers), "{} workers", state.workers);
            drop(state);
            pool.join();
        });
    }
}
