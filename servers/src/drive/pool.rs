//! A pool of threads for jobs that an event loop or a task must not run itself.
//!
//! The queue is a `VecDeque` under a mutex and a condition variable. Idle threads of rayon and of crossbeam-channel spin
//! and yield before they sleep, which is right where work is dense and wrong on a CPU that has other things to do: jobs
//! of 100 us, one at a time, for 64 threads on one CPU cost 65 and 6.4 context switches each (459 and 176 us of CPU),
//! and 2.0 here (138 us); one thread is the same with all three.

use super::lock;
use crate::sync::{Condvar, Mutex, thread};
use crate::{Counters, Job, JobOutput};
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::iter;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};

/// Runs a job; `None` when it panicked.
pub fn run_caught(job: Job) -> Option<JobOutput> {
    catch_unwind(AssertUnwindSafe(|| job.run())).ok()
}

/// What a thread of a pool does; it must not panic.
type Task = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Queue {
    tasks: VecDeque<Task>,
    closed: bool,
}

/// A fixed number of threads that take tasks in order, whoever hands them in. They end when it is dropped and the queue is
/// empty.
pub struct Pool {
    name: &'static str,
    size: usize,
    queue: Arc<(Mutex<Queue>, Condvar)>,
    threads: Mutex<Vec<thread::JoinHandle<()>>>,
}

impl Pool {
    /// A pool of `size` threads (at least one), none of which has started.
    pub fn new(name: &'static str, size: usize) -> Self {
        Self { name, size: size.max(1), queue: Arc::default(), threads: Mutex::default() }
    }

    /// Whether threads are missing.
    pub fn is_short(&self) -> bool {
        lock(&self.threads).len() < self.size
    }

    /// Whether there is any thread.
    pub fn has_threads(&self) -> bool {
        !lock(&self.threads).is_empty()
    }

    /// Starts the threads that are missing.
    ///
    /// # Errors
    /// At the first for which there is no room, and counts that.
    pub fn grow(&self, counters: &Counters) -> io::Result<()> {
        let mut threads = lock(&self.threads);
        while threads.len() < self.size {
            let queue = Arc::clone(&self.queue);
            let name = format!("{}-{}", self.name, threads.len());
            let spawned = thread::Builder::new().name(name).spawn(move || work(&queue));
            threads.push(spawned.inspect_err(|error| counters.spawn_failed(error))?);
        }
        Ok(())
    }

    /// Queues a task, which must not panic.
    pub fn spawn(&self, task: impl FnOnce() + Send + 'static) {
        self.spawn_all(iter::once(task));
    }

    /// Queues tasks, which must not panic, and calls a thread for the first alone, which calls the next if it leaves any.
    pub fn spawn_all(&self, tasks: impl Iterator<Item = impl FnOnce() + Send + 'static>) {
        let (queue, filled) = &*self.queue;
        let tasks: Vec<Task> = tasks.map(|task| Box::new(task) as Task).collect(); // no memory is taken under the lock
        lock(queue).tasks.extend(tasks);
        filled.notify_one();
    }

    /// Ends the threads and joins them, when they have done what is queued.
    pub fn join(self) {
        self.close();
        for thread in std::mem::take(&mut *lock(&self.threads)) {
            let _ = thread.join(); // tasks do not panic
        }
    }

    fn close(&self) {
        lock(&self.queue.0).closed = true;
        self.queue.1.notify_all();
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.close();
    }
}

/// The life of a thread. One that was called and leaves tasks behind calls the next, so that tasks that block get a thread
/// each, while many that are done at once cost no thread each that finds nothing to do (as the workers of Go and tokio are
/// woken).
fn work((queue, filled): &(Mutex<Queue>, Condvar)) {
    let is_idle = |queue: &mut Queue| queue.tasks.is_empty() && !queue.closed;
    loop {
        let mut queue = lock(queue);
        let was_idle = is_idle(&mut queue);
        queue = filled.wait_while(queue, is_idle).unwrap_or_else(PoisonError::into_inner);
        let Some(task) = queue.tasks.pop_front() else { return };
        let calls = was_idle && !queue.tasks.is_empty();
        drop(queue);
        if calls {
            filled.notify_one();
        }
        task();
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("size", &self.size)
            .field("threads", &self.threads)
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(bakeoff_loom)))]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn every_task_is_done_before_a_pool_has_ended() {
        let pool = Pool::new("test", 3);
        let done = Arc::new(AtomicU32::new(0));
        for _ in 0..100 {
            let done = Arc::clone(&done);
            pool.spawn(move || {
                done.fetch_add(1, Ordering::SeqCst);
            });
        }
        pool.grow(&Counters::default()).expect("room for three threads");
        assert!(pool.has_threads() && !pool.is_short());
        pool.join();
        assert_eq!(done.load(Ordering::SeqCst), 100);
    }
}

#[cfg(all(test, not(bakeoff_loom)))]
mod batches {
    use super::*;
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::time::Duration;

    #[test]
    fn tasks_of_a_batch_that_block_have_a_thread_each() {
        let pool = Pool::new("test", 2);
        pool.grow(&Counters::default()).expect("room for two threads");
        for _ in 0..20 {
            thread::sleep(Duration::from_millis(2)); // both threads are idle, most times
            let (one, two) = (channel(), channel());
            let (done, both) = channel();
            let meets = |tell: Sender<()>, hear: Receiver<()>| {
                let done = done.clone();
                move || {
                    let _ = tell.send(());
                    let _ = done.send(hear.recv_timeout(Duration::from_secs(30)));
                }
            };
            pool.spawn_all([meets(one.0, two.1), meets(two.0, one.1)].into_iter());
            assert_eq!([both.recv(), both.recv()], [Ok(Ok(())), Ok(Ok(()))], "each waits for the other");
        }
        pool.join();
    }
}

#[cfg(all(test, bakeoff_loom))]
mod loom {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// A pool of two threads that has got two tasks, one before it had any thread.
    fn busy(done: &Arc<AtomicU32>, counters: &Counters) -> Pool {
        let task = || {
            let done = Arc::clone(done);
            move || {
                done.fetch_add(1, Ordering::SeqCst);
            }
        };
        let pool = Pool::new("loom", 2);
        pool.spawn(task());
        pool.grow(counters).expect("room for two threads");
        pool.spawn(task());
        pool
    }

    #[test]
    fn every_task_is_done_before_a_pool_has_ended() {
        let counters = Counters::shared().expect("room");
        ::loom::model(|| {
            let done = Arc::default();
            busy(&done, counters).join();
            assert_eq!(done.load(Ordering::SeqCst), 2);
        });
    }

    /// Loom ends a model when all its threads have ended, and tells a deadlock when one cannot.
    #[test]
    fn the_threads_of_a_dropped_pool_end() {
        let counters = Counters::shared().expect("room");
        ::loom::model(|| drop(busy(&Arc::default(), counters)));
    }
}
