//! The threads that analyses are made on: as many as the system gives, and the caller's where it gives none.

use rayon::{ThreadBuilder, ThreadPoolBuilder};
use std::sync::{Arc, Mutex, Once, mpsc};

/// Makes the pool of this program, once. Its own way would panic for want of threads; so they are started before it is known for
/// what, and the pool is made of those that there are. A figure never depends on how many there are.
pub(crate) fn prepare() {
    static PREPARED: Once = Once::new();
    PREPARED.call_once(|| {
        let wanted = std::thread::available_parallelism().map_or(1, usize::from);
        let builder = ThreadPoolBuilder::new();
        // A pool that somebody else has made is as good.
        let _ = match started(wanted) {
            (0, _) => builder.num_threads(1).use_current_thread().build_global(),
            (count, work) => builder
                .num_threads(count)
                .spawn_handler(|thread| work.send(thread).map_err(|e| std::io::Error::other(e.to_string())))
                .build_global(),
        };
    });
}

/// Threads that wait for what a pool gives them: how many there are, of so many wanted.
fn started(wanted: usize) -> (usize, mpsc::Sender<ThreadBuilder>) {
    let (sender, receiver) = mpsc::channel::<ThreadBuilder>();
    let receiver = Arc::new(Mutex::new(receiver));
    let one = |_| {
        let receiver = Arc::clone(&receiver);
        // When there is nothing to be had any more, it ends.
        let work = move || {
            let thread = receiver.lock().expect("no holder panics").recv();
            thread.into_iter().for_each(ThreadBuilder::run);
        };
        std::thread::Builder::new().name("analysis".into()).spawn(work).is_ok()
    };
    ((0..wanted).map(one).take_while(|started| *started).count(), sender)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_of_what_there_is_works() {
        let (count, work) = started(2);
        let pool = ThreadPoolBuilder::new()
            .num_threads(count)
            .spawn_handler(|thread| work.send(thread).map_err(|e| std::io::Error::other(e.to_string())));
        assert_eq!(pool.build().expect("a pool").install(|| rayon::join(|| 1, || 2)), (1, 2));
        prepare();
        prepare();
        assert_eq!(rayon::join(|| 1, || 2), (1, 2));
    }
}
