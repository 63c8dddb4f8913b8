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
    // The first of the most frequent ones.
    let alike = |steps: &Vec<Step>| repeats.iter().filter(|other| other.iter().eq(steps.iter())).count();
    let typical = repeats.iter().rev().max_by_key(|steps| alike(steps));
    Phase {
        part,
        repeats: repeats.len() as u32,
        alike: typical.map_or(0, alike) as u32,
        steps: typical.cloned().unwrap_or_default(),
        calls,
    }
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
        assert_eq!(phase.calls, BTreeMap::from([("read".to_string(), 3)]), "sleeping and signals are no calls");
        assert!((phase.calls_per_repeat("read") - 1.0).abs() < 1e-12);
    }

    #[test]
    fn of_equally_frequent_courses_the_first_is_shown() {
        let [a, b] = [vec![step("read", Outcome::Returned(1))], vec![step("write", Outcome::Returned(1))]];
        assert_eq!(phase(Part::Request, &[a.clone(), b]).steps, a);
        assert_eq!(phase(Part::Request, &[]).alike, 0);
    }
}
