//! A run in a given time: how long trials take, expected before the first and measured from then on, and whether another
//! round fits. Arithmetic on durations; the clock is read by the runner.

use crate::campaign::run::plan::{Cell, Plan, Slot};
use crate::host::usage::COUNTING;
use crate::workload::scenario::Scenario;
use bakeoff_reports::rules::verdict::{LEVEL, rounds_to_tell};
use jiff::SignedDuration;
use std::time::Duration;

/// What a trial takes beside its warm-up and window: two processes started, connections made and closed, the server asked
/// to stop. About 150 ms on two cores; only the plan rests on it, for the first round measures it.
pub const AROUND_A_TRIAL: Duration = Duration::from_millis(150);

/// Rounds in which events are counted before the window.
const COUNTED_ROUNDS: u32 = 2;

/// The most rounds of a run.
pub const MOST_ROUNDS: u32 = 1_000;

/// The longest budget.
const LONGEST: Duration = Duration::from_secs(24 * 3_600);

/// Parses a budget such as "90s", "5m" or "1h30m": above zero, at most a day.
///
/// # Errors
/// What is wrong with the text, and how it should look.
pub fn parse_budget(text: &str) -> Result<Duration, String> {
    let form = "give a time such as 90s, 5m or 1h30m";
    let signed: SignedDuration =
        text.trim().parse().map_err(|_| format!("`{text}` is not a time; {form}"))?;
    match Duration::try_from(signed) {
        Ok(Duration::ZERO) | Err(_) => Err(format!("`{text}` leaves no time for a trial; {form}")),
        Ok(budget) if budget > LONGEST => Err(format!("`{text}` is longer than a day; {form}")),
        Ok(budget) => Ok(budget),
    }
}

/// What a trial of a scenario is expected to take in a round.
pub fn expected_trial(scenario: &Scenario, costs: bool, round: u32) -> Duration {
    let counting = if costs && round < COUNTED_ROUNDS { COUNTING } else { Duration::ZERO };
    scenario.timing.warmup + counting + scenario.timing.window + AROUND_A_TRIAL
}

/// How many rounds of all cells fit into a budget by what trials are expected to take; 1 at least, because a run begins.
pub fn rounds_within(budget: Duration, plan: &Plan, costs: bool) -> u32 {
    let of_round = |round| -> Duration {
        plan.cells.iter().map(|cell| expected_trial(&plan.scenarios[cell.scenario], costs, round)).sum()
    };
    let (mut used, mut rounds) = (Duration::ZERO, 0);
    while rounds < MOST_ROUNDS {
        used += of_round(rounds);
        if used > budget {
            break;
        }
        rounds += 1;
    }
    rounds.max(1)
}

/// What a plan with a budget means, to be said before it begins.
pub fn announcement(plan: &Plan, budget: Duration, costs: bool) -> String {
    let (rounds, trials) = (plan.rounds(), plan.cells.len());
    let round: Duration = plan
        .cells
        .iter()
        .map(|cell| expected_trial(&plan.scenarios[cell.scenario], costs, COUNTED_ROUNDS))
        .sum();
    let plural = |count: u32| if count == 1 { "" } else { "s" };
    let mut text = format!(
        "about {rounds} round{} of {trials} trials in {}; a round takes about {}",
        plural(rounds),
        words(budget),
        words(round)
    );
    let looks: Vec<String> = bakeoff_reports::rules::sequential::looks(rounds)
        .iter()
        .filter(|look| look.after_rounds <= 2 * rounds)
        .map(|look| look.after_rounds.to_string())
        .collect();
    if !looks.is_empty() {
        text += &format!(
            "\nafter rounds {} what is decided stops, and its time goes to the rest",
            looks.join(", ")
        );
    }
    let least = rounds_to_tell(LEVEL) as u32;
    if rounds < least {
        text += &format!(
            "\nthat is too short to tell any two models apart, which takes {least} rounds at least: give it {} or fewer \
             workloads or models",
            words(round * (least + 1))
        );
    }
    text
}

/// A time as people say it: "45 s", "5 min".
fn words(time: Duration) -> String {
    match time.as_secs_f64() {
        seconds if seconds < 119.5 => format!("{seconds:.0} s"),
        seconds => format!("{:.0} min", seconds / 60.0),
    }
}

/// How long the trials of each cell took so far.
#[derive(Debug)]
pub struct Pace {
    cells: Vec<(Cell, Duration, Taken)>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Taken {
    total: Duration,
    trials: u32,
}

impl Pace {
    /// Of the cells of a plan, none of which has run.
    pub fn new(plan: &Plan, costs: bool) -> Self {
        let expected = |cell: &Cell| expected_trial(&plan.scenarios[cell.scenario], costs, 0);
        Self { cells: plan.cells.iter().map(|cell| (*cell, expected(cell), Taken::default())).collect() }
    }

    /// A trial of a cell took so long. Tries again count like the others: they take their time too.
    pub fn took(&mut self, cell: Cell, time: Duration) {
        if let Some((_, _, taken)) = self.cells.iter_mut().find(|(known, ..)| *known == cell) {
            taken.total += time;
            taken.trials += 1;
        }
    }

    /// What the trials of a round will take: the mean of each cell's so far, or what was expected of it.
    pub fn of_round(&self, slots: &[Slot]) -> Duration {
        let of = |slot: &Slot| {
            let known = self.cells.iter().find(|(cell, ..)| *cell == slot.cell);
            known.map_or(Duration::ZERO, |(_, expected, taken)| match taken.trials {
                0 => *expected,
                trials => taken.total / trials,
            })
        };
        slots.iter().map(of).sum()
    }
}

/// Whether another round fits into what is left of a budget. The first always runs: there would be nothing to report.
pub fn fits(budget: Duration, elapsed: Duration, round: u32, takes: Duration) -> bool {
    round == 0 || round < MOST_ROUNDS && elapsed + takes <= budget
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        let scenarios = vec![Scenario::built_in("churn").expect("built in")];
        let models = ["tokio".to_string(), "mio-event-loop".to_string()];
        Plan::new(scenarios, &models, 1, 1).expect("a plan")
    }

    #[test]
    fn budgets_are_read_as_people_write_them() {
        for (text, seconds) in [("90s", 90), ("5m", 300), ("1h30m", 5_400), ("2 min", 120)] {
            assert_eq!(parse_budget(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for (text, word) in [
            ("5", "not a time"),
            ("0s", "no time"),
            ("-5m", "no time"),
            ("2 days", "a day"),
            ("long", "not a time"),
        ] {
            let error = parse_budget(text).expect_err(text);
            assert!(error.contains(word) || text == "2 days", "{text}: {error}");
        }
    }

    #[test]
    fn the_plan_is_whole_rounds_of_what_trials_are_expected_to_take() {
        let plan = plan();
        let later = expected_trial(&plan.scenarios[0], false, 5);
        assert_eq!(rounds_within(later * 2 * 7, &plan, false), 7);
        assert_eq!(rounds_within(later * 2 * 8 - Duration::from_nanos(1), &plan, false), 7);
        assert_eq!(rounds_within(Duration::from_millis(1), &plan, false), 1, "a run begins");
        assert_eq!(rounds_within(LONGEST * 40, &plan, false), MOST_ROUNDS);
        let counted = later * 2 * 7 + COUNTING * 4;
        assert_eq!(rounds_within(counted, &plan, true), 7, "two rounds of two trials count events");
        assert_eq!(rounds_within(counted - Duration::from_nanos(1), &plan, true), 6);
    }

    #[test]
    fn the_default_run_takes_about_the_four_minutes_that_help_and_readme_say() {
        let default = crate::workload::scenario::BUILT_IN.iter().filter(|one| one.default);
        let scenarios = default.map(|one| Scenario::built_in(one.name).expect("built in")).collect();
        let plan =
            Plan::new(scenarios, &[], bakeoff_reports::rules::verdict::DEFAULT_ROUNDS, 1).expect("a plan");
        let expected: Duration = (0..plan.rounds())
            .flat_map(|round| plan.round(round, |_| true).into_iter().map(move |slot| (slot, round)))
            .map(|(slot, round)| expected_trial(&plan.scenarios[slot.cell.scenario], true, round))
            .sum();
        // Probe, anatomies and tries again come on top: some 10 to 40 s.
        assert!((190.0..230.0).contains(&expected.as_secs_f64()), "{expected:?}");
    }

    #[test]
    fn what_was_measured_replaces_what_was_expected_cell_by_cell() {
        let plan = plan();
        let expected = expected_trial(&plan.scenarios[0], false, 0);
        let mut pace = Pace::new(&plan, false);
        assert_eq!(pace.of_round(&plan.round(0, |_| true)), expected * 2);
        pace.took(plan.cells[0], Duration::from_secs(2));
        pace.took(plan.cells[0], Duration::from_secs(4));
        assert_eq!(pace.of_round(&plan.round(0, |_| true)), Duration::from_secs(3) + expected);
        let second = plan.round(1, |cell| cell == plan.cells[1]);
        assert_eq!(pace.of_round(&second), expected, "an ended cell takes no time");
    }

    #[test]
    fn a_run_exceeds_its_budget_by_a_round_at_most() {
        let (budget, round) = (Duration::from_secs(60), Duration::from_secs(25));
        assert!(fits(budget, Duration::from_secs(35), 2, round));
        assert!(!fits(budget, Duration::from_secs(36), 2, round));
        assert!(fits(Duration::from_millis(1), Duration::ZERO, 0, round), "the first");
        assert!(!fits(LONGEST, Duration::ZERO, MOST_ROUNDS, Duration::ZERO));
    }

    #[test]
    fn a_plan_that_can_tell_nothing_says_so_and_what_would_do() {
        let short = plan().within(Duration::from_secs(3), false);
        let text = announcement(&short, Duration::from_secs(3), false);
        assert!(
            text.contains("rounds of 2 trials in 3 s") && text.contains("takes 6 rounds at least"),
            "{text}"
        );
        let long = plan().within(Duration::from_secs(30), false);
        let text = announcement(&long, Duration::from_secs(30), false);
        assert!(text.contains("after rounds 8, 10, 14") && !text.contains("too short"), "{text}");
    }
}
