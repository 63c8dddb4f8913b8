//! Jobs away from an event loop or task: the CPU pool that asynchronous models share the making of, and the two bounded
//! pools of a loop.
//!
//! The threads of a pool start with the first job for it: a server that never gets one has none. Where there is no
//! room for them, jobs wait and the pool is tried again after a pause: nothing here fails a job for want of a thread.

use super::accept::Backoff;
use crate::{Counters, Demand, Job, JobOutput, ServerConfig};
use crossbeam_channel::{Receiver, Sender, unbounded};
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Instant;

/// Runs a job; `None` when it panicked.
pub fn run_caught(job: Job) -> Option<JobOutput> {
    catch_unwind(AssertUnwindSafe(|| job.run())).ok()
}

fn join_all(threads: Vec<JoinHandle<()>>) {
    for thread in threads {
        let _ = thread.join(); // jobs are caught inside
    }
}

/// A pool of threads for computing jobs.
#[derive(Debug)]
pub struct ComputePool {
    pool: ThreadPool,
    threads: Vec<JoinHandle<()>>,
}

impl ComputePool {
    /// A pool of `compute_workers` threads, or of as many as there is room for now. Counts each thread refused.
    ///
    /// # Errors
    /// When there is no room for a single thread.
    pub fn new(config: &ServerConfig, counters: &Counters) -> io::Result<Self> {
        let mut workers = config.compute_workers.max(1);
        loop {
            let mut threads = Vec::with_capacity(workers);
            let built = ThreadPoolBuilder::new()
                .num_threads(workers)
                .spawn_handler(|thread| {
                    let name = format!("compute-{}", thread.index());
                    let spawned = thread::Builder::new().name(name).spawn(|| thread.run());
                    threads.push(spawned.inspect_err(|error| counters.spawn_failed(error))?);
                    Ok(())
                })
                .build();
            let error = match built {
                Ok(pool) => return Ok(Self { pool, threads }),
                Err(error) => io::Error::other(error),
            };
            workers = threads.len(); // fewer than were asked for
            join_all(threads); // the pool that failed has told them to end
            if workers == 0 {
                return Err(error);
            }
        }
    }

    /// Runs `work` after what was given before.
    pub fn spawn(&self, work: impl FnOnce() + Send + 'static) {
        self.pool.spawn_fifo(work);
    }

    /// Ends the threads and joins them. To be called when no job is running: one that is stuck is waited for.
    pub fn join(self) {
        drop(self.pool);
        join_all(self.threads);
    }
}

/// A finished job.
#[derive(Debug)]
pub struct Done {
    /// For whom it was.
    pub key: usize,
    /// The result; `None` when the job panicked.
    pub result: Option<JobOutput>,
    demand: Demand,
}

/// Where workers put finished jobs.
#[derive(Clone)]
struct Outlet {
    done: Sender<Done>,
    wake: Arc<dyn Fn() + Send + Sync>,
}

impl Outlet {
    fn run(&self, key: usize, job: Job) {
        let demand = job.demand();
        let result = run_caught(job);
        // The loop is gone at the end of a stop; then nobody waits for the result.
        if self.done.send(Done { key, result, demand }).is_ok() {
            (self.wake)();
        }
    }
}

/// The count of one pool: at most so many jobs handed over, the others parked with their askers, from whom nothing is
/// read meanwhile.
#[derive(Debug)]
struct Bound {
    handed_over: usize,
    limit: usize,
    parked: VecDeque<(usize, Job)>,
}

impl Bound {
    fn new(workers: usize, queue: usize) -> Self {
        Self { handed_over: 0, limit: workers.max(1) + queue, parked: VecDeque::new() }
    }

    /// Whether a job that comes now may be handed over at once: there is room, and none came before it.
    fn open(&self) -> bool {
        self.parked.is_empty() && self.handed_over < self.limit
    }

    /// Takes the job that was parked longest, if it may be handed over.
    fn next(&mut self) -> Option<(usize, Job)> {
        if self.handed_over < self.limit { self.parked.pop_front() } else { None }
    }

    fn has_jobs(&self) -> bool {
        self.handed_over > 0 || !self.parked.is_empty()
    }
}

/// Threads for blocking jobs. They end when this is dropped.
struct BlockPool {
    queue: Sender<(usize, Job)>, // bounded by the count of jobs handed over
    jobs: Receiver<(usize, Job)>,
    threads: Vec<JoinHandle<()>>,
    wanted: usize,
}

impl BlockPool {
    fn new(wanted: usize) -> Self {
        let (queue, jobs) = unbounded();
        Self { queue, jobs, threads: Vec::new(), wanted }
    }

    /// Spawns what is missing, until there is no room.
    fn grow(&mut self, outlet: &Outlet, counters: &Counters) -> io::Result<()> {
        while self.threads.len() < self.wanted {
            let (jobs, outlet) = (self.jobs.clone(), outlet.clone());
            let name = format!("blocking-{}", self.threads.len());
            let spawned = thread::Builder::new().name(name).spawn(move || {
                for (key, job) in jobs {
                    outlet.run(key, job);
                }
            });
            let counted = |error: &io::Error| counters.spawn_failed(error);
            self.threads.push(spawned.inspect_err(counted)?);
        }
        Ok(())
    }

    fn join(self) {
        drop((self.queue, self.jobs));
        join_all(self.threads);
    }
}

/// The pools of one event loop, for jobs that block and jobs that compute. Results come back through
/// [`Pools::next_done`] after a wake-up.
pub struct Pools {
    config: ServerConfig,
    counters: &'static Counters,
    outlet: Outlet,
    finished: Receiver<Done>,
    block: Bound,
    compute: Bound,
    block_pool: BlockPool,
    compute_pool: Option<ComputePool>,
    backoff: Backoff,
    /// After a thread was refused: no other attempt before.
    not_before: Option<Instant>,
    /// The same, until the loop has been told.
    retry_at: Option<Instant>,
}

impl Pools {
    /// Pools without threads yet. `wake` is called by workers when something is finished, from their threads.
    pub fn new(
        config: &ServerConfig,
        counters: &'static Counters,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        let (done, finished) = unbounded(); // holds at most one entry per connection
        Self {
            config: config.clone(),
            counters,
            outlet: Outlet { done, wake: Arc::new(wake) },
            finished,
            block: Bound::new(config.blocking_workers, config.job_queue),
            compute: Bound::new(config.compute_workers, config.job_queue),
            block_pool: BlockPool::new(config.blocking_workers.max(1)),
            compute_pool: None,
            backoff: Backoff::new(),
            not_before: None,
            retry_at: None,
        }
    }

    /// Hands a job to the pool for its kind, or parks it while that is full or there is no thread to be had. To be
    /// followed by [`Pools::retry_at`].
    pub fn submit(&mut self, key: usize, job: Job) {
        let demand = job.demand();
        if self.bound(demand).open() && self.staffed(demand) {
            self.hand_over(key, job);
        } else {
            self.bound(demand).parked.push_back((key, job));
        }
    }

    /// The next finished job, without waiting. Its place in the pool goes to the one parked longest. To be followed by
    /// [`Pools::retry_at`].
    pub fn next_done(&mut self) -> Option<Done> {
        let done = self.finished.try_recv().ok()?;
        self.bound(done.demand).handed_over -= 1;
        self.fill(done.demand);
        Some(done)
    }

    /// When [`Pools::retry`] is to be called, if a thread was refused since this was last asked.
    pub fn retry_at(&mut self) -> Option<Instant> {
        self.retry_at.take()
    }

    /// Tries again to get the threads that were refused, where jobs wait for them. To be followed by
    /// [`Pools::retry_at`].
    pub fn retry(&mut self) {
        for demand in [Demand::Block, Demand::Compute] {
            if self.bound(demand).has_jobs() && self.staffed(demand) {
                self.fill(demand);
            }
        }
    }

    /// Ends the pools. Their threads are joined, unless some are still in a job: for that nobody waits.
    pub fn end(self) {
        if self.block.handed_over > 0 || self.compute.handed_over > 0 {
            return;
        }
        self.block_pool.join();
        if let Some(pool) = self.compute_pool {
            pool.join();
        }
    }

    fn bound(&mut self, demand: Demand) -> &mut Bound {
        if demand == Demand::Compute { &mut self.compute } else { &mut self.block }
    }

    fn fill(&mut self, demand: Demand) {
        while self.staffed(demand)
            && let Some((key, job)) = self.bound(demand).next()
        {
            self.hand_over(key, job);
        }
    }

    /// Whether the pool has a thread, having tried to get what is missing if that is due.
    fn staffed(&mut self, demand: Demand) -> bool {
        let compute = demand == Demand::Compute;
        let short = if compute {
            self.compute_pool.is_none()
        } else {
            self.block_pool.threads.len() < self.block_pool.wanted
        };
        if short && self.not_before.is_none_or(|time| Instant::now() >= time) {
            let grown = if compute {
                ComputePool::new(&self.config, self.counters).map(|pool| self.compute_pool = Some(pool))
            } else {
                self.block_pool.grow(&self.outlet, self.counters)
            };
            self.not_before = match grown {
                Ok(()) => {
                    self.backoff.reset();
                    None
                }
                Err(_) => Some(Instant::now() + self.backoff.pause(self.counters)),
            };
            self.retry_at = self.not_before;
        }
        if compute { self.compute_pool.is_some() } else { !self.block_pool.threads.is_empty() }
    }

    /// To a pool that has a thread.
    fn hand_over(&mut self, key: usize, job: Job) {
        self.bound(job.demand()).handed_over += 1;
        match &self.compute_pool {
            Some(pool) if job.demand() == Demand::Compute => {
                let outlet = self.outlet.clone();
                pool.spawn(move || outlet.run(key, job));
            }
            _ => self.block_pool.queue.send((key, job)).expect("the pool itself holds a receiver"),
        }
    }
}

impl fmt::Debug for Pools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pools")
            .field("block", &self.block)
            .field("compute", &self.compute)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters() -> &'static Counters {
        Counters::shared().unwrap()
    }

    #[test]
    fn more_jobs_than_the_bound_are_all_done_once() {
        let config = ServerConfig {
            blocking_workers: 2,
            compute_workers: 1,
            job_queue: 3,
            ..ServerConfig::for_cpus(1)
        };
        let (sender, woken) = unbounded();
        let mut pools = Pools::new(&config, counters(), move || sender.send(()).unwrap_or_default());
        for key in 0..40 {
            let job = if key % 2 == 0 { Job::block(move || key) } else { Job::compute(move || key) };
            pools.submit(key as usize, job);
            assert!(pools.block.handed_over <= 5 && pools.compute.handed_over <= 4);
        }
        let mut seen = [0; 40];
        while seen.iter().sum::<u32>() < 40 {
            woken.recv_timeout(std::time::Duration::from_secs(20)).expect("every job is reported");
            while let Some(done) = pools.next_done() {
                assert_eq!(done.result, Some(JobOutput::Number(done.key as u64)));
                seen[done.key] += 1;
            }
        }
        assert!(seen.iter().all(|&times| times == 1));
        assert_eq!((pools.block.handed_over, pools.compute.handed_over), (0, 0));
    }

    #[test]
    fn a_job_that_panics_is_reported_and_its_worker_lives() {
        let config = ServerConfig { blocking_workers: 1, ..ServerConfig::for_cpus(1) };
        let (sender, woken) = unbounded();
        let mut pools = Pools::new(&config, counters(), move || sender.send(()).unwrap_or_default());
        pools.submit(1, Job::block(|| -> u64 { panic!("a test's panic") }));
        pools.submit(2, Job::block(|| b"five".to_vec()));
        let mut results = Vec::new();
        while results.len() < 2 {
            woken.recv_timeout(std::time::Duration::from_secs(20)).expect("both are reported");
            while let Some(done) = pools.next_done() {
                results.push((done.key, done.result));
            }
        }
        assert_eq!(results, [(1, None), (2, Some(JobOutput::Bytes(b"five".to_vec())))]);
    }
}
