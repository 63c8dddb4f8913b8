//! Children that speak, die, stay deaf and leave others behind: none outlives the test.

use super::*;

fn shell(script: &str) -> Child {
    let launcher = Launcher { program: "/bin/sh".into(), interrupt: Interrupt::default() };
    launcher.start("shell", ["-c".into(), script.into()]).expect("sh")
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

#[test]
fn lines_go_both_ways_and_the_end_is_reaped() {
    let mut child = shell("read x; echo got $x");
    child.send("this").expect("it reads");
    assert_eq!(child.line(soon()).expect("an answer"), "got this");
    let (ended, killed) = child.reap(soon());
    assert!(ended.expect("ended").success() && !killed);
}

#[test]
fn last_words_are_part_of_the_error() {
    let mut child = shell("echo no such thing >&2; exit 2");
    let error = child.line(soon()).expect_err("it says nothing").to_string();
    assert_eq!(error, "the shell exited with status 2, saying: no such thing");
}

#[test]
fn a_panic_is_told_in_one_line_without_its_frames() {
    let said = "\nthread 'one' panicked at src/a.rs:1:2:\nno such thing\nstack backtrace:\n   0: a\n             at /b.rs:3\n   1: c\n\
                note: Some details are omitted\nthe last word\n";
    let told = one_line(said);
    assert_eq!(told.as_deref(), Some("thread 'one' panicked at src/a.rs:1:2:; no such thing; the last word"));
    assert_eq!(one_line(" \n"), None);
    assert_eq!(one_line(&"ä".repeat(5_000)).map(|told| told.chars().count()), Some(601));
}

#[test]
fn a_child_that_does_not_stop_is_killed_with_its_group() {
    let mut child = shell("trap '' TERM; sleep 60 & echo $!; wait; wait");
    let sleeper: i32 = child.line(soon()).expect("a pid").parse().expect("a number");
    child.ask_to_stop();
    let (ended, killed) = child.reap(Instant::now() + Duration::from_millis(100));
    assert!(killed);
    assert_eq!(ended.expect("reaped").describe(), "was ended by signal 9");
    let gone = |pid| match procfs::process::Process::new(pid).and_then(|p| p.stat()) {
        Ok(stat) => stat.state == 'Z',
        Err(_) => true,
    };
    // Its pipe closes a moment before it is gone.
    let deadline = soon();
    while !gone(sleeper) {
        assert!(Instant::now() < deadline, "the group's other process is killed too");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn what_a_child_leaves_of_its_group_is_killed_when_it_ends() {
    let mut child = shell("sleep 60 >/dev/null 2>&1 & echo $!");
    let sleeper: i32 = child.line(soon()).expect("a pid").parse().expect("a number");
    let (ended, killed) = child.reap(soon());
    assert!(ended.expect("ended").success() && !killed);
    let deadline = soon();
    while procfs::process::Process::new(sleeper).and_then(|p| p.stat()).is_ok_and(|stat| stat.state != 'Z') {
        assert!(Instant::now() < deadline, "it is left behind");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_child_that_says_more_than_is_read_is_held_up_and_ends_all_the_same() {
    let mut child = shell("while :; do echo more; done");
    assert_eq!(child.line(soon()).expect("the first"), "more");
    child.ask_to_stop();
    let (ended, _) = child.reap(soon());
    assert!(!ended.expect("reaped").success());
    assert!(matches!(child.line(soon()), Err(LaunchError::Ended { .. })), "nothing is left to be read");
}

#[test]
fn a_line_without_end_is_an_error_and_one_that_is_cut_off_is_a_line() {
    let mut endless = BufReader::new(io::repeat(b'x'));
    let error = next_line(&mut endless).expect("something").expect_err("too long");
    assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    let mut two = &b"one\ntwo"[..];
    let words = [next_line(&mut two), next_line(&mut two)].map(|line| line.expect("a line").expect("text"));
    assert_eq!(words, ["one", "two"]);
    assert!(next_line(&mut two).is_none());
}

#[test]
fn a_pipe_held_by_a_process_that_left_the_group_does_not_hold_up_the_tool() {
    // In a session of its own it is out of reach; it ends by itself.
    let mut child = shell("setsid sleep 5 & sleep 0.1; echo gone");
    assert_eq!(child.line(soon()).expect("a line"), "gone");
    let (ended, killed) = child.reap(soon());
    assert!(ended.expect("ended").success() && !killed);
    assert!(child.threads.is_empty());
}

#[test]
fn interruption_ends_waiting() {
    let mut child = shell("sleep 60");
    child.interrupt.set();
    assert!(matches!(child.line(soon()), Err(LaunchError::Interrupted)));
}
