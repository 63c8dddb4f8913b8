//! Where an event loop's jobs go: blocking and computing ones to a pool of threads each, waits to the loop's timers.
//!
//! What waits in a pool is bounded by the connections: each has at most one job, and is not read from meanwhile. The
//! threads of a pool start with the first job for it: a server that never gets one has none. Where there is no room for
//! them, jobs wait and another attempt is made after a pause: nothing here fails a job for want of a thread.

use super::accept::Backoff;
use super::pool::{Pool, run_caught};
use super::readiness::Wake;
use super::timers::{Due, Timers};
use super::{Key, lock};
use crate::sync::Mutex;
use crate::{Counters, Demand, Job, JobOutput, ServerConfig};
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// A finished job.
#[derive(Debug)]
pub struct Done {
    /// The connection it was for.
    pub key: Key,
    /// The result; `None` when the job panicked.
    pub result: Option<JobOutput>,
}

/// Where threads put finished jobs. Who finds it empty wakes the loop, so that many jobs cost one wake-up.
struct Outbox {
    finished: Mutex<Vec<Done>>,
    wake: Wake,
}

impl Outbox {
    fn put(&self, done: Done) {
        let mut finished = lock(&self.finished);
        finished.push(done);
        let first = finished.len() == 1;
        drop(finished);
        if first {
            (self.wake)();
        }
    }

    fn take(&self) -> Vec<Done> {
        std::mem::take(&mut *lock(&self.finished))
    }
}

/// The pools of a server, which its loops or runtimes share: however many these are, its jobs have the threads that they are
/// given.
pub struct Pools {
    config: ServerConfig,
    counters: &'static Counters,
    /// Each exists from the first job for it on.
    block: OnceLock<Pool>,
    compute: OnceLock<Pool>,
    /// Jobs that were handed in and are not done.
    running: Arc<AtomicUsize>,
}

impl Pools {
    /// No pools yet.
    pub fn new(config: &ServerConfig, counters: &'static Counters) -> Arc<Self> {
        let (block, compute, running) = (OnceLock::new(), OnceLock::new(), Arc::default());
        Arc::new(Self { config: config.clone(), counters, block, compute, running })
    }

    /// The pool for jobs that block, or for those that compute.
    pub fn of(&self, blocks: bool) -> &Pool {
        let Self { config, block, compute, .. } = self;
        if blocks {
            block.get_or_init(|| Pool::new("blocking", config.blocking_workers))
        } else {
            compute.get_or_init(|| Pool::new("compute", config.compute_workers))
        }
    }

    /// Queues a job; a thread of the pool gives its result to `done`, or `None` when it panicked.
    pub fn spawn(&self, pool: &Pool, job: Job, done: impl FnOnce(Option<JobOutput>) + Send + 'static) {
        let running = Arc::clone(&self.running);
        running.fetch_add(1, Relaxed);
        pool.spawn(move || {
            let result = run_caught(job);
            running.fetch_sub(1, Relaxed);
            done(result);
        });
    }

    /// Leaves the pools; the last to do so ends them. Their threads are joined, unless some are still in a job: for that nobody
    /// waits.
    pub fn leave(self: Arc<Self>) {
        if let Some(pools) = Arc::into_inner(self)
            && pools.running.load(Relaxed) == 0
        {
            [pools.block, pools.compute].into_iter().filter_map(OnceLock::into_inner).for_each(Pool::join);
        }
    }
}

/// Where the jobs of one event loop go. Results come back through [`Offload::take_finished`] after a wake-up, the end of
/// a wait through the loop's timers.
pub struct Offload {
    pools: Arc<Pools>,
    outbox: Arc<Outbox>,
    backoff: Backoff,
    /// After a thread was refused: no other attempt before.
    not_before: Instant,
}

impl Offload {
    /// To these pools, whose threads call `wake` when something of this loop is finished.
    pub fn new(pools: Arc<Pools>, wake: Wake) -> Self {
        Self {
            pools,
            outbox: Arc::new(Outbox { finished: Mutex::default(), wake }),
            backoff: Backoff::new(),
            not_before: Instant::now(),
        }
    }

    /// Starts a job where it belongs.
    pub fn start(&mut self, key: Key, job: Job, timers: &mut Timers) {
        let blocks = match job.demand() {
            Demand::Wait(delay) => return timers.add(Instant::now() + delay, Due::Waited(key)),
            Demand::Block => true,
            Demand::Compute => false,
        };
        let (pool, outbox) = (self.pools.of(blocks), Arc::clone(&self.outbox));
        self.pools.spawn(pool, job, move |result| outbox.put(Done { key, result }));
        if pool.is_short() {
            self.grow(timers);
        }
    }

    /// Starts the threads that are missing, if jobs may be waiting for them; arranges for another attempt when one is
    /// refused.
    pub fn grow(&mut self, timers: &mut Timers) {
        let Pools { counters, block, compute, running, .. } = &*self.pools;
        if running.load(Relaxed) == 0 || Instant::now() < self.not_before {
            return;
        }
        if [block, compute].into_iter().filter_map(OnceLock::get).all(|pool| pool.grow(counters).is_ok()) {
            self.backoff.reset();
        } else {
            self.not_before = Instant::now() + self.backoff.pause(counters);
            timers.add(self.not_before, Due::Grow);
        }
    }

    /// Takes what has finished.
    pub fn take_finished(&mut self) -> Vec<Done> {
        self.outbox.take()
    }

    /// Leaves the pools (see [`Pools::leave`]).
    pub fn end(self) {
        self.pools.leave();
    }
}

impl fmt::Debug for Pools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pools").field("running", &self.running).finish_non_exhaustive()
    }
}

impl fmt::Debug for Offload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Offload").field("pools", &self.pools).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(bakeoff_loom)))]
mod tests {
    use super::*;
    use slotmap::SlotMap;
    use std::sync::mpsc;
    use std::time::Duration;

    /// What became of `jobs`, by the number of the job.
    fn results(jobs: Vec<Job>) -> Vec<Option<JobOutput>> {
        let config = ServerConfig { blocking_workers: 2, compute_workers: 1, ..ServerConfig::for_cpus(1) };
        let (sender, woken) = mpsc::channel();
        let wake = Box::new(move || sender.send(()).unwrap_or_default());
        let mut offload = Offload::new(Pools::new(&config, Counters::shared().unwrap()), wake);
        let (mut timers, mut keys) = (Timers::new().unwrap(), SlotMap::new());
        let mut results = vec![None; jobs.len()];
        for (number, job) in jobs.into_iter().enumerate() {
            offload.start(keys.insert(number), job, &mut timers);
        }
        while !keys.is_empty() {
            woken.recv_timeout(Duration::from_secs(20)).expect("every job is reported");
            for done in offload.take_finished() {
                results[keys.remove(done.key).expect("each job is reported once")] = done.result;
            }
        }
        assert_eq!(offload.pools.running.load(Relaxed), 0);
        offload.end();
        results
    }

    #[test]
    fn every_job_is_reported_once() {
        let job = |n: u64| if n.is_multiple_of(2) { Job::block(move || n) } else { Job::compute(move || n) };
        let expected: Vec<_> = (0..40).map(|n| Some(JobOutput::Number(n))).collect();
        assert_eq!(results((0..40).map(job).collect()), expected);
    }

    #[test]
    fn a_worker_survives_a_job_that_panics() {
        let panic = |n: u64| Job::compute(move || -> u64 { panic!("a test's panic {n}") });
        let jobs = vec![panic(1), panic(2), Job::compute(|| b"five".to_vec())];
        assert_eq!(results(jobs), [None, None, Some(JobOutput::Bytes(b"five".to_vec()))]);
    }
}

#[cfg(all(test, bakeoff_loom))]
mod loom {
    use super::*;
    use crate::sync::{Condvar, thread};

    /// Whether a wake-up is due, as an eventfd keeps it.
    #[derive(Default)]
    struct Event(Mutex<bool>, Condvar);

    #[test]
    fn every_finished_job_is_taken_after_some_wake_up() {
        ::loom::model(|| {
            let event = Arc::new(Event::default());
            let to_wake = Arc::clone(&event);
            let wake = Box::new(move || {
                *lock(&to_wake.0) = true;
                to_wake.1.notify_one();
            });
            let outbox = Arc::new(Outbox { finished: Mutex::default(), wake });
            let putting = [(); 2].map(|()| {
                let outbox = Arc::clone(&outbox);
                thread::spawn(move || outbox.put(Done { key: Key::default(), result: None }))
            });
            let mut taken = 0;
            while taken < 2 {
                *event.1.wait_while(lock(&event.0), |due| !*due).expect("nobody panics") = false;
                taken += outbox.take().len();
            }
            assert_eq!(taken, 2);
            putting.into_iter().for_each(|thread| thread.join().expect("it does not panic"));
        });
    }
}
