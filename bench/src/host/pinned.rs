//! Work on a thread of its own that stays on some CPUs, so that its caller's stay what they are.

use super::environment::pin;
use super::shortage::advice;

/// Does `work` there and waits for it; on every CPU that there is when none are named.
///
/// # Errors
/// Those of the work; no thread can be had, it cannot be pinned, it panicked.
pub fn on_cpus<T: Send>(cpus: &[u32], work: impl FnOnce() -> Result<T, String> + Send) -> Result<T, String> {
    std::thread::scope(|scope| {
        let pinned = || {
            pin(cpus).map_err(|e| e.to_string())?;
            work()
        };
        let thread = std::thread::Builder::new()
            .spawn_scoped(scope, pinned)
            .map_err(|e| format!("no thread can be had to measure on ({e}){}", advice(&e)))?;
        thread.join().unwrap_or_else(|_| Err("the thread that measures panicked".into()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_errors_are_those_of_the_work_and_its_own() {
        assert_eq!(on_cpus(&[], || Ok(7)), Ok(7));
        assert_eq!(on_cpus::<()>(&[], || Err("no".into())), Err("no".into()));
        let error = on_cpus(&[1_000_000], || Ok(())).expect_err("no such CPU");
        assert!(error.contains("1000000"), "{error}");
    }
}
