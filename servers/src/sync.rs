//! The locks, atomics and threads of what a server's threads share: those of std, or, in a build with `--cfg bakeoff_loom`, those
//! of loom, under which the tests called `loom` try every order of the threads (`scripts/check --loom`).
//!
//! Never for what is shared with the kernel or with forked children: loom knows of threads alone.

#[cfg(bakeoff_loom)]
pub(crate) use loom::{
    sync::atomic::{AtomicBool, AtomicI32, AtomicU64, AtomicUsize, Ordering, fence},
    sync::{Mutex, MutexGuard},
    thread,
};
#[cfg(not(bakeoff_loom))]
pub(crate) use std::{
    sync::atomic::{AtomicBool, AtomicI32, AtomicU64, AtomicUsize, Ordering, fence},
    sync::{Condvar, Mutex, MutexGuard},
    thread,
};
#[cfg(bakeoff_loom)]
pub(crate) use without_time::Condvar;

/// Locks a value that no panic can leave half changed.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Loom's condition variable with the methods of std's. Time passes where a test says so: who waits in vain is found as a deadlock.
#[cfg(bakeoff_loom)]
mod without_time {
    use loom::sync::MutexGuard;
    use std::sync::LockResult;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    #[derive(Debug, Default)]
    pub(crate) struct Condvar {
        inner: loom::sync::Condvar,
        /// Whether the time of whoever waits is over. Not loom's: it is asked and said by whoever holds the mutex.
        is_over: AtomicBool,
    }

    impl Condvar {
        pub(crate) fn new() -> Self {
            Self::default()
        }

        pub(crate) fn notify_one(&self) {
            self.inner.notify_one();
        }

        pub(crate) fn notify_all(&self) {
            self.inner.notify_all();
        }

        pub(crate) fn wait_while<'a, T>(
            &self,
            mut guard: MutexGuard<'a, T>,
            mut condition: impl FnMut(&mut T) -> bool,
        ) -> LockResult<MutexGuard<'a, T>> {
            while condition(&mut guard) {
                guard = self.inner.wait(guard)?;
            }
            Ok(guard)
        }

        pub(crate) fn wait_timeout_while<'a, T>(
            &self,
            guard: MutexGuard<'a, T>,
            _: Duration,
            mut condition: impl FnMut(&mut T) -> bool,
        ) -> LockResult<(MutexGuard<'a, T>, ())> {
            self.is_over.store(false, Ordering::Relaxed);
            let goes_on = |value: &mut T| condition(value) && !self.is_over.load(Ordering::Relaxed);
            Ok((self.wait_while(guard, goes_on).unwrap_or_else(std::sync::PoisonError::into_inner), ()))
        }

        /// Lets the time of whoever waits here run out; to be called with the mutex held.
        pub(crate) fn time_out(&self) {
            self.is_over.store(true, Ordering::Relaxed);
            self.inner.notify_one();
        }
    }
}
