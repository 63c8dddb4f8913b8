//! A run in a given time: how long trials take, expected before the first and measured from then on, and whether another
//! round fits. Arithmetic on durations; the clock is read by the campaign's loop.

use super::strategy::Cell;
use crate::host::usage::COUNTING;
use crate::trial::counts_events;
use crate::workload::scenario::Scenario;
use bakeoff_reports::rules::verdict::MIN_BLOCKS;
use jiff::SignedDuration;
use std::time::Duration;

/// What a trial takes beside its warm-up and window: two processes started, connections made and closed, the server asked
/// to stop. About 150 ms on two cores; only the plan rests on it, for the first round measures it.
pub const AROUND_A_TRIAL: Duration = Duration::from_millis(150);

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
    let counting = if costs && counts_events(scenario, round) { COUNTING } else { Duration::ZERO };
    scenario.timing.warmup + counting + scenario.timing.window + AROUND_A_TRIAL
}

/// How many rounds fit into a budget, each taking what `of_round` expects of it; 1 at least, because a run begins.
pub fn rounds_within(budget: Duration, of_round: impl Fn(u32) -> Duration) -> u32 {
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

/// The time of a run unless told otherwise, probe included; what follows the trials comes on top.
pub const DEFAULT: Duration = Duration::from_secs(117);

/// That a budget does not hold one block of each workload, and what would; `None` where it does.
pub fn too_short(budget: Duration, blocks: Duration) -> Option<String> {
    (blocks > budget).then(|| {
        format!(
            "a budget of {} is too short: one block of each workload takes about {}. Give it {} for a first answer, or fewer \
             workloads or models",
            words(budget),
            words(blocks),
            words(blocks * (MIN_BLOCKS as u32 + 1))
        )
    })
}

/// A time as people say it: "45 s", "5 min".
pub(super) fn words(time: Duration) -> String {
    match time.as_secs_f64() {
        seconds if seconds < 119.5 => format!("{seconds:.0} s"),
        seconds => format!("{:.0} min", seconds / 60.0),
    }
}

/// How long the trials of each cell took so far.
#[derive(Clone, Debug)]
pub struct Pace {
    cells: Vec<(Cell, CellPace)>,
}

#[derive(Clone, Copy, Debug)]
struct CellPace {
    /// Of a trial, until one was made.
    expected: Duration,
    total: Duration,
    trials: u32,
}

impl Pace {
    /// Of cells of which none has run, each with what a trial of it is expected to take.
    pub fn new(cells: impl IntoIterator<Item = (Cell, Duration)>) -> Self {
        let unknown = |expected| CellPace { expected, total: Duration::ZERO, trials: 0 };
        Self { cells: cells.into_iter().map(|(cell, expected)| (cell, unknown(expected))).collect() }
    }

    /// A trial of a cell took so long. The time of a repetition counts for the trial that it repeats.
    pub fn add(&mut self, cell: Cell, time: Duration, attempt: u32) {
        if let Some((_, pace)) = self.cells.iter_mut().find(|(known, _)| *known == cell) {
            pace.total += time;
            pace.trials += u32::from(attempt == 0);
        }
    }

    /// What a trial of each of these cells will take, together: the mean of each so far, or what was expected of it.
    pub fn of<'a>(&self, cells: impl IntoIterator<Item = &'a Cell>) -> Duration {
        let of = |cell: &Cell| {
            let known = self.cells.iter().find(|(known, _)| known == cell);
            known.map_or(Duration::ZERO, |(_, pace)| match pace.trials {
                0 => pace.expected,
                trials => pace.total / trials,
            })
        };
        cells.into_iter().map(of).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::plan::Plan;
    use crate::trial::COUNTED_ROUNDS;
    use crate::workload::contestant::Chosen;

    fn plan() -> Plan {
        let scenarios = vec![Scenario::built_in("churn").expect("built in")];
        Plan::new(scenarios, &Chosen::models(["tokio", "mio-event-loop"]), 1, 1).expect("a plan")
    }

    #[test]
    fn events_that_decide_are_counted_in_every_round() {
        let plain = Scenario::built_in("small-echo-closed").expect("built in");
        let text = plain.toml.replace("merit = \"throughput\"", "merit = \"system-calls-per-request\"");
        let counted = Scenario::parse(&text, "counted.toml").expect("a metric that can decide");
        for (round, more) in [(0, Duration::ZERO), (COUNTED_ROUNDS, COUNTING)] {
            let [plain, counted] = [&plain, &counted].map(|scenario| expected_trial(scenario, true, round));
            assert_eq!(counted - plain, more, "round {round}");
        }
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
        let within = |budget, costs| rounds_within(budget, |round| plan.expected_round(costs, round));
        let later = expected_trial(&plan.scenarios[0], false, 5);
        assert_eq!(within(later * 2 * 7, false), 7);
        assert_eq!(within(later * 2 * 8 - Duration::from_nanos(1), false), 7);
        assert_eq!(within(Duration::from_millis(1), false), 1, "a run begins");
        assert_eq!(within(LONGEST * 40, false), MOST_ROUNDS);
        let counted = later * 2 * 7 + COUNTING * 2;
        assert_eq!(within(counted, true), 7, "one round of two trials counts events");
        assert_eq!(within(counted - Duration::from_nanos(1), true), 6);
    }

    #[test]
    fn the_default_run_has_time_for_three_blocks_of_each_workload() {
        let default = crate::workload::scenario::BUILT_IN.iter().filter(|one| one.default);
        let scenarios = default.map(|one| Scenario::built_in(one.name).expect("built in")).collect();
        let plan = Plan::new(scenarios, &Chosen::default(), 1, 1).expect("a plan");
        let three = plan.expected_round(true, 0) * 3;
        assert!(three < DEFAULT, "{three:?}");
    }

    #[test]
    fn what_was_measured_replaces_what_was_expected_cell_by_cell() {
        let plan = plan();
        let expected = expected_trial(&plan.scenarios[0], false, 0);
        let mut pace = Pace::new(plan.cells.iter().map(|cell| (*cell, expected)));
        assert_eq!(pace.of(&plan.cells), expected * 2);
        pace.add(plan.cells[0], Duration::from_secs(2), 0);
        pace.add(plan.cells[0], Duration::from_secs(4), 0);
        assert_eq!(pace.of(&plan.cells), Duration::from_secs(3) + expected);
        pace.add(plan.cells[0], Duration::from_secs(2), 1);
        assert_eq!(pace.of(&plan.cells[..1]), Duration::from_secs(4), "a repetition is no trial of its own");
        let second = plan.round(1, |cell| cell == plan.cells[1]);
        assert_eq!(pace.of(&second), expected, "an ended cell takes no time");
    }

    #[test]
    fn a_budget_that_holds_no_block_of_each_is_refused_with_what_would_do() {
        let (short, blocks) = (Duration::from_secs(5), Duration::from_secs(28));
        let refused = too_short(short, blocks).expect("too short");
        assert!(refused.contains("about 28 s") && refused.contains("Give it 112 s"), "{refused}");
        assert_eq!(too_short(blocks, blocks), None);
    }
}
