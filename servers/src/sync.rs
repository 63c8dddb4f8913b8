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

/// Loom's condition variable with the methods of std's. Time does not pass: who waits in vain is found as a deadlock.
#[cfg(bakeoff_loom)]
mod without_time {
    use loom::sync::MutexGuard;
    use std::sync::LockResult;
    use std::time::Duration;

    #[derive(Debug, Default)]
    pub(crate) struct Condvar(loom::sync::Condvar);

    impl Condvar {
        pub(crate) fn new() -> Self {
            Self::default()
        }

        pub(crate) fn notify_one(&self) {
            self.0.notify_one();
        }

        pub(crate) fn notify_all(&self) {
            self.0.notify_all();
        }

        pub(crate) fn wait_while<'a, T>(
            &self,
            mut guard: MutexGuard<'a, T>,
            mut condition: impl FnMut(&mut T) -> bool,
        ) -> LockResult<MutexGuard<'a, T>> {
            while condition(&mut guard) {
                guard = self.0.wait(guard)?;
            }
            Ok(guard)
        }

        pub(crate) fn wait_timeout_while<'a, T>(
            &self,
            guard: MutexGuard<'a, T>,
            _: Duration,
            condition: impl FnMut(&mut T) -> bool,
        ) -> LockResult<(MutexGuard<'a, T>, ())> {
            Ok((self.wait_while(guard, condition).unwrap_or_else(std::sync::PoisonError::into_inner), ()))
        }
    }
}
