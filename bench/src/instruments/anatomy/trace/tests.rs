//! Tracing of a process that only sleeps: followed, let go, refused, given up, and never left in a stop.

use super::*;

#[test]
fn results_are_told_apart_as_the_kernel_means_them() {
    assert_eq!(outcome(64), Outcome::Returned(64));
    assert_eq!(outcome(0), Outcome::Returned(0));
    assert_eq!(outcome(-11), Outcome::Failed("EAGAIN".into()));
    assert_eq!(outcome(-512), Outcome::Restarts);
    assert_eq!(outcome(-4096), Outcome::Returned(-4096), "an address, not an error");
}

/// A process that sleeps, and is ended with the test.
struct Sleeper(std::process::Child);

impl Sleeper {
    fn new() -> Self {
        let sleeper = Self(std::process::Command::new("sleep").arg("60").spawn().expect("sleep"));
        sleeper.wait_until_it_sleeps();
        sleeper
    }

    fn id(&self) -> u32 {
        self.0.id()
    }

    fn wait_until_it_sleeps(&self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !sleeps(self.id() as i32) {
            assert!(Instant::now() < deadline, "it never sleeps");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn tracer(&self) -> i32 {
        let process = procfs::process::Process::new(self.id() as i32).expect("it lives");
        process.status().expect("readable").tracerpid
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn nowhere() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 1))
}

#[test]
fn what_is_let_go_goes_on_and_what_cannot_be_traced_is_refused_with_a_reason() {
    let sleeper = Sleeper::new();
    let mut tracer = Tracer::attach(sleeper.id(), nowhere()).expect("our own child");
    let limit = Duration::from_secs(20);
    tracer.until(&Interrupt::default(), limit, || Ok(true)).expect("it sleeps in a call");
    assert!(tracer.log.iter().any(|call| call.outcome == Outcome::Sleeps), "{:?}", tracer.log);
    assert_ne!(sleeper.tracer(), 0);
    // A process has one tracer at a time: the second is refused as it would be for want of permission.
    let second = || Tracer::attach(sleeper.id(), nowhere()).err();
    let why = std::thread::scope(|scope| scope.spawn(second).join().expect("no panic"));
    assert!(why.as_ref().is_some_and(|why| why.contains("refused (EPERM") && why.contains("SYS_PTRACE")));
    assert_ne!(sleeper.tracer(), 0, "the first one still has it");
    drop(tracer);
    assert_eq!(sleeper.tracer(), 0);
    sleeper.wait_until_it_sleeps();
}

#[test]
fn a_tracer_that_ends_without_letting_go_takes_what_it_traces_along() {
    let mut sleeper = Sleeper::new();
    let forget = || std::mem::forget(Tracer::attach(sleeper.id(), nowhere()).expect("our own child"));
    std::thread::scope(|scope| scope.spawn(forget).join().expect("no panic"));
    let deadline = Instant::now() + Duration::from_secs(20);
    let status = loop {
        if let Some(status) = sleeper.0.try_wait().expect("our child") {
            break status;
        }
        assert!(Instant::now() < deadline, "it was left in a stop, or untraced");
        std::thread::sleep(Duration::from_millis(1));
    };
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9));
}

#[test]
fn a_tracer_that_waits_in_vain_says_for_what() {
    let sleeper = Sleeper::new();
    let mut tracer = Tracer::attach(sleeper.id(), nowhere()).expect("our own child");
    let moment = Duration::from_millis(30);
    let error = tracer.until(&Interrupt::default(), moment, || Ok(false)).expect_err("it never answers");
    assert!(error.contains("did not answer within 30"), "{error}");
    let interrupt = Interrupt::default();
    interrupt.set();
    assert!(tracer.until(&interrupt, moment, || Ok(false)).is_err_and(|e| e == "interrupted"));
}

#[test]
fn a_server_that_never_rests_is_given_up() {
    use std::process::{Command, Stdio};
    let restless = Command::new("yes").stdout(Stdio::null()).spawn().expect("yes");
    let restless = Sleeper(restless);
    let mut tracer = Tracer::attach(restless.id(), nowhere()).expect("our own child");
    let never = tracer.until(&Interrupt::default(), Duration::from_millis(50), || Ok(true));
    let why = never.expect_err("it writes without end");
    assert!(why.contains("did not come to rest within 50"), "{why}");
    let call = tracer.log.first().cloned().expect("its writes were seen");
    tracer.log.resize(LONGEST_LOG + 1, call);
    let full = tracer.until(&Interrupt::default(), Duration::from_secs(20), || Ok(true));
    assert!(full.is_err_and(|why| why.contains("more than are kept")), "memory has an end");
}

#[test]
fn calls_have_the_names_of_the_kernel() {
    assert_eq!(name_of(libc::SYS_epoll_wait as u64), "epoll_wait");
    assert_eq!(name_of(libc::SYS_clone3 as u64), "clone3");
    assert_eq!(name_of(999_999), "syscall 999999");
}
