//! Jobs away from an event loop or task: the CPU pool that asynchronous models share the making of, and the two bounded
//! pools of a loop.
//!
//! The threads of a pool start with the first job for it: a server that never gets one has none.

use crate::{Demand, Job, ServerConfig};
use crossbeam_channel::{Receiver, Sender, unbounded};
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

/// Runs a job; `None` when it panicked.
pub fn run_caught(job: Job) -> Option<u64> {
    catch_unwind(AssertUnwindSafe(|| job.run())).ok()
}

/// A pool of `compute_workers` threads for computing jobs.
///
/// # Errors
/// When the threads cannot be spawned.
pub fn compute_pool(config: &ServerConfig) -> io::Result<ThreadPool> {
    ThreadPoolBuilder::new()
        .num_threads(config.compute_workers.max(1))
        .thread_name(|index| format!("compute-{index}"))
        .build()
        .map_err(io::Error::other)
}

/// A finished job.
#[derive(Debug)]
pub struct Done {
    /// For whom it was.
    pub key: usize,
    /// The result; `None` when the job panicked.
    pub result: Option<u64>,
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

    /// Takes the job over if there is room, else parks it.
    fn admit(&mut self, key: usize, job: Job) -> Option<Job> {
        if self.handed_over < self.limit {
            self.handed_over += 1;
            return Some(job);
        }
        self.parked.push_back((key, job));
        None
    }

    /// One is finished: the next that was parked may go, in the order they came.
    fn release(&mut self) -> Option<(usize, Job)> {
        let next = self.parked.pop_front();
        self.handed_over -= usize::from(next.is_none());
        next
    }
}

/// The pools of one event loop, for jobs that block and jobs that compute. Results come back through
/// [`Pools::next_done`] after a wake-up.
pub struct Pools {
    config: ServerConfig,
    outlet: Outlet,
    finished: Receiver<Done>,
    block: Bound,
    compute: Bound,
    block_queue: Option<Sender<(usize, Job)>>,
    compute_pool: Option<ThreadPool>,
}

impl Pools {
    /// Pools without threads yet. `wake` is called by workers when something is finished, from their threads.
    pub fn new(config: &ServerConfig, wake: impl Fn() + Send + Sync + 'static) -> Self {
        let (done, finished) = unbounded(); // holds at most one entry per connection
        Self {
            config: config.clone(),
            outlet: Outlet { done, wake: Arc::new(wake) },
            finished,
            block: Bound::new(config.blocking_workers, config.job_queue),
            compute: Bound::new(config.compute_workers, config.job_queue),
            block_queue: None,
            compute_pool: None,
        }
    }

    /// Hands a job to the pool for its kind, or parks it while that is full.
    ///
    /// # Errors
    /// When the pool has no thread yet and none can be spawned now; the job is lost.
    pub fn submit(&mut self, key: usize, job: Job) -> io::Result<()> {
        let demand = job.demand();
        let Some(job) = self.bound(demand).admit(key, job) else { return Ok(()) };
        let handed_over = self.hand_over(key, job);
        if handed_over.is_err() {
            self.bound(demand).handed_over -= 1;
        }
        handed_over
    }

    /// The next finished job, without waiting. Its place in the pool goes to the one parked longest.
    ///
    /// # Errors
    /// When that one cannot be handed over, which takes a pool whose threads are gone.
    pub fn next_done(&mut self) -> io::Result<Option<Done>> {
        let Ok(done) = self.finished.try_recv() else { return Ok(None) };
        if let Some((key, job)) = self.bound(done.demand).release() {
            self.hand_over(key, job)?;
        }
        Ok(Some(done))
    }

    fn bound(&mut self, demand: Demand) -> &mut Bound {
        if demand == Demand::Compute { &mut self.compute } else { &mut self.block }
    }

    fn hand_over(&mut self, key: usize, job: Job) -> io::Result<()> {
        let outlet = self.outlet.clone();
        if job.demand() == Demand::Compute {
            let pool = match &mut self.compute_pool {
                Some(pool) => pool,
                none => none.insert(compute_pool(&self.config)?),
            };
            pool.spawn_fifo(move || outlet.run(key, job));
            return Ok(());
        }
        let queue = match &mut self.block_queue {
            Some(queue) => queue,
            none => none.insert(spawn_blocking_workers(self.config.blocking_workers.max(1), &outlet)?),
        };
        queue.send((key, job)).map_err(|_| io::Error::other("the blocking workers are gone"))
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

/// Spawns workers that end when the queue is dropped. Fewer than asked is enough, none is an error.
fn spawn_blocking_workers(workers: usize, outlet: &Outlet) -> io::Result<Sender<(usize, Job)>> {
    let (sender, receiver) = unbounded::<(usize, Job)>(); // bounded by the count of jobs handed over
    for index in 0..workers {
        let (receiver, outlet) = (receiver.clone(), outlet.clone());
        let spawned = thread::Builder::new().name(format!("blocking-{index}")).spawn(move || {
            for (key, job) in receiver {
                outlet.run(key, job);
            }
        });
        match spawned {
            Ok(_) => {}
            Err(error) if index == 0 => return Err(error),
            Err(_) => break,
        }
    }
    Ok(sender)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_jobs_than_the_bound_are_all_done_once() {
        let config = ServerConfig {
            blocking_workers: 2,
            compute_workers: 1,
            job_queue: 3,
            ..ServerConfig::for_cpus(1)
        };
        let (sender, woken) = unbounded();
        let mut pools = Pools::new(&config, move || sender.send(()).unwrap_or_default());
        for key in 0..40 {
            let job = if key % 2 == 0 { Job::block(move || key) } else { Job::compute(move || key) };
            pools.submit(key as usize, job).unwrap();
            assert!(pools.block.handed_over <= 5 && pools.compute.handed_over <= 4);
        }
        let mut seen = [0; 40];
        while seen.iter().sum::<u32>() < 40 {
            woken.recv_timeout(std::time::Duration::from_secs(20)).expect("every job is reported");
            while let Some(done) = pools.next_done().unwrap() {
                assert_eq!(done.result, Some(done.key as u64));
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
        let mut pools = Pools::new(&config, move || sender.send(()).unwrap_or_default());
        pools.submit(1, Job::block(|| panic!("a test's panic"))).unwrap();
        pools.submit(2, Job::block(|| 5)).unwrap();
        let mut results = Vec::new();
        while results.len() < 2 {
            woken.recv_timeout(std::time::Duration::from_secs(20)).expect("both are reported");
            while let Some(done) = pools.next_done().unwrap() {
                results.push((done.key, done.result));
            }
        }
        assert_eq!(results, [(1, None), (2, Some(5))]);
    }
}
