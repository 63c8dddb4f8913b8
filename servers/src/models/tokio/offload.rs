//! Where the jobs of tasks go: `Wait` is `sleep`, `Block` is `spawn_blocking`, `Compute` goes to a pool and comes back by a oneshot
//! channel. Where several runtimes make up a server, `Block` goes to a pool as well: what `spawn_blocking` has belongs to one
//! runtime.

use crate::drive::accept::Backoff;
use crate::drive::offload::Pools;
use crate::drive::pool::{Pool, run_caught};
use crate::{Counters, Demand, Job, JobOutput};
use std::panic::catch_unwind;
use std::sync::Arc;
use tokio::sync::{OnceCell, oneshot};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

/// Where the blocking jobs of a runtime go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blocking {
    /// To threads of its own.
    Runtime,
    /// To the pool that it shares with other runtimes.
    Pool,
}

pub(super) struct Offload {
    pools: Arc<Pools>,
    counters: &'static Counters,
    blocking: Blocking,
    /// Each set when there is a thread for such jobs, which then stays.
    can_block: OnceCell<()>,
    can_compute: OnceCell<()>,
}

impl Offload {
    pub(super) fn new(pools: Arc<Pools>, counters: &'static Counters, blocking: Blocking) -> Self {
        Self { pools, counters, blocking, can_block: OnceCell::new(), can_compute: OnceCell::new() }
    }

    /// Does a job where it belongs; `None` when it panicked. Where there is no thread for it yet, it waits for one.
    pub(super) async fn run(&self, job: Job) -> Option<JobOutput> {
        let (blocks, can) = match job.demand() {
            Demand::Wait(delay) => {
                sleep(delay).await;
                return Some(JobOutput::NOTHING);
            }
            Demand::Block if self.blocking == Blocking::Runtime => {
                self.can_block.get_or_init(|| self.blocking_thread()).await;
                return spawn_blocking(|| run_caught(job)).await.ok()?;
            }
            Demand::Block => (true, &self.can_block),
            Demand::Compute => (false, &self.can_compute),
        };
        let pool = self.pools.of(blocks);
        can.get_or_init(|| self.grow(pool)).await;
        let (done, result) = oneshot::channel();
        self.pools.spawn(pool, job, |output| {
            let _ = done.send(output); // the task may be gone: the stop has ended it
        });
        result.await.ok()?
    }

    /// Leaves the pools, when no job of this runtime is running (see [`Pools::leave`]).
    pub(super) fn end(self) {
        self.pools.leave();
    }

    /// Starts as many threads as there is room for, one at least.
    async fn grow(&self, pool: &Pool) {
        let mut backoff = Backoff::new();
        while pool.grow(self.counters).is_err() && !pool.has_threads() {
            sleep(backoff.pause(self.counters)).await;
        }
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
