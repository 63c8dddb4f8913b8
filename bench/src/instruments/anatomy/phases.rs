//! From the calls that were seen to the phases of a record: what the most frequent course of events was.
//!
//! Pure: no process is touched here.

use super::trace::{Call, Tracer};
use bakeoff_reports::record::{Outcome, Part, Phase, Step};
use std::collections::BTreeMap;

/// The steps of one repeat.
pub(super) fn steps(calls: Vec<(Call, bool)>, tracer: &Tracer) -> Vec<Step> {
    calls
        .into_iter()
        .map(|(call, woken)| Step {
            task: tracer.name(call.task).to_string(),
            call: call.name,
            on: call.on,
            woken,
            outcome: call.outcome,
        })
        .collect()
}

/// What the repeats of a part have in common.
pub(super) fn phase(part: Part, repeats: &[Vec<Step>]) -> Phase {
    let mut calls: BTreeMap<String, u64> = BTreeMap::new();
    for step in repeats.iter().flatten() {
        if matches!(step.outcome, Outcome::Returned(_) | Outcome::Failed(_) | Outcome::Ends) {
            *calls.entry(step.call.clone()).or_default() += 1;
        }
    }
    let courses: Vec<Vec<String>> = repeats.iter().map(|steps| course(steps)).collect();
    let alike = |at: &usize| courses.iter().filter(|other| **other == courses[*at]).count();
    // The first of the most frequent ones.
    let typical = (0..repeats.len()).rev().max_by_key(alike);
    Phase {
        part,
        repeats: repeats.len() as u32,
        alike: typical.map_or(0, |at| alike(&at)) as u32,
        steps: typical.map_or_else(Vec::new, |at| repeats[at].clone()),
        calls,
    }
}

/// What each thread did, a text for each. Threads of a pool differ in the number behind their name only, and any of them
/// may take a request; in which order threads that run at the same time are seen is chance. Neither counts.
fn course(steps: &[Step]) -> Vec<String> {
    let mut threads: BTreeMap<&str, String> = BTreeMap::new();
    for Step { task, call, on, woken, outcome } in steps {
        let pool = task.trim_end_matches(|c: char| c.is_ascii_digit());
        let course = threads.entry(task).or_insert_with(|| pool.trim_end().to_string());
        course.push_str(&format!(" | {call} {on:?} {woken} {outcome:?}"));
    }
    let mut courses: Vec<String> = threads.into_values().collect();
    courses.sort_unstable();
    courses
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(call: &str, outcome: Outcome) -> Step {
        Step { task: "main".into(), call: call.into(), on: None, woken: false, outcome }
    }

    #[test]
    fn the_most_frequent_course_is_typical_and_calls_add_up_over_all() {
        let usual = vec![step("read", Outcome::Returned(64)), step("read", Outcome::Sleeps)];
        let rare = vec![step("read", Outcome::Failed("EAGAIN".into())), step("SIGCHLD", Outcome::Signal)];
        let phase = phase(Part::Request, &[rare, usual.clone(), usual.clone()]);
        assert_eq!((phase.repeats, phase.alike, phase.steps == usual), (3, 2, true));
        assert_eq!(
            phase.calls,
            BTreeMap::from([("read".to_string(), 3)]),
            "sleeping and signals are no calls"
        );
        assert!((phase.calls_per_repeat("read") - 1.0).abs() < 1e-12);
    }

    #[test]
    fn any_thread_of_a_pool_may_take_a_request_and_order_between_threads_is_chance() {
        let by = |task: &str, call: &str| Step { task: task.into(), ..step(call, Outcome::Returned(0)) };
        let one = vec![by("main", "futex"), by("blocking-1", "write"), by("main", "read")];
        let other = vec![by("blocking-12", "write"), by("main", "futex"), by("main", "read")];
        assert_eq!(phase(Part::Request, &[one.clone(), other]).alike, 2);
        let swapped = vec![by("main", "read"), by("blocking-1", "write"), by("main", "futex")];
        assert_eq!(phase(Part::Request, &[one, swapped]).alike, 1, "order within a thread counts");
    }

    #[test]
    fn of_equally_frequent_courses_the_first_is_shown() {
        let [a, b] = [vec![step("read", Outcome::Returned(1))], vec![step("write", Outcome::Returned(1))]];
        assert_eq!(phase(Part::Request, &[a.clone(), b]).steps, a);
        assert_eq!(phase(Part::Request, &[]).alike, 0);
    }
}
