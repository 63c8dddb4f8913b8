//! Where the jobs of tasks go: `Wait` is `sleep`, `Block` is `spawn_blocking`, `Compute` goes to a pool of its own and
//! comes back by a oneshot channel.

use crate::drive::accept::Backoff;
use crate::drive::pool::{Pool, run_caught};
use crate::{Counters, Demand, Job, JobOutput, ServerConfig};
use std::panic::catch_unwind;
use tokio::sync::{OnceCell, oneshot};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

pub(super) struct Offload {
    compute_workers: usize,
    counters: &'static Counters,
    /// Made with the first computing job.
    compute: OnceCell<Pool>,
    /// Set when the runtime has a thread for blocking jobs, which then stays.
    blocking: OnceCell<()>,
}

impl Offload {
    pub(super) fn new(config: &ServerConfig, counters: &'static Counters) -> Self {
        let compute_workers = config.compute_workers;
        Self { compute_workers, counters, compute: OnceCell::new(), blocking: OnceCell::new() }
    }

    /// Does a job where it belongs; `None` when it panicked. Where there is no thread for it yet, it waits for one.
    pub(super) async fn run(&self, job: Job) -> Option<JobOutput> {
        match job.demand() {
            Demand::Wait(delay) => {
                sleep(delay).await;
                Some(JobOutput::NOTHING)
            }
            Demand::Block => {
                self.blocking.get_or_init(|| self.blocking_thread()).await;
                spawn_blocking(|| run_caught(job)).await.ok()?
            }
            Demand::Compute => {
                let pool = self.compute.get_or_init(|| self.compute_pool()).await;
                let (done, result) = oneshot::channel();
                pool.spawn(|| {
                    let _ = done.send(run_caught(job)); // the task may be gone: the stop has ended it
                });
                result.await.ok()?
            }
        }
    }

    /// Ends the threads of the computing pool, when no job is running.
    pub(super) fn end(self) {
        if let Some(pool) = self.compute.into_inner() {
            pool.join();
        }
    }

    /// A pool of as many threads as there is room for, one at least.
    async fn compute_pool(&self) -> Pool {
        let pool = Pool::new("compute", self.compute_workers);
        let mut backoff = Backoff::new();
        while pool.grow(self.counters).is_err() && !pool.has_threads() {
            sleep(backoff.pause(self.counters)).await;
        }
        pool
    }

    /// Waits until the runtime has a thread for blocking jobs. `spawn_blocking` panics when there is none and none can
    /// be spawned, and not when there is one: after this it can be called without a care.
    async fn blocking_thread(&self) {
        let mut backoff = Backoff::new();
        while catch_unwind(|| drop(spawn_blocking(|| ()))).is_err() {
            Counters::count(&self.counters.spawn_errors);
            sleep(backoff.pause(self.counters)).await;
        }
    }
}
