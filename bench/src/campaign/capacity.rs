//! The capacity search: which rates a scenario can be tried at, and the strategy that tries each model at a rate of its own
//! in every round.
//!
//! A round is one trial of each model, in an order of its own; what came of it decides the model's next rate.
//! It must not estimate anything: `bakeoff_reports::rules::sweep::capacity` does, from the records.

use super::plan::Plan;
use super::progress::Extent;
use super::search::{ObjectiveCheck, Search};
use super::strategy::{Block, Cell, Repeat, Strategy};
use super::{Campaign, Completion, Field, Options, blocks};
use crate::host::clock;
use crate::process::context::Context;
use crate::workload::axis::four_digits;
use crate::workload::derive::{self, Times};
use crate::workload::scenario::Scenario;
use crate::workload::units::{parse_positive_duration, show_duration};
use bakeoff_reports::ask::theory::arithmetic;
use bakeoff_reports::cells::cell::SHOWN;
use bakeoff_reports::record::bundle::BundleError;
use bakeoff_reports::record::{Axis, Invalid, Metric, Objective, Reading, Record, Run, Trial};
use bakeoff_reports::rules::probe::Bounds;
use bakeoff_reports::rules::sweep::capacity::met;
use bakeoff_reports::show::units::percentile as show_percentile;
use bakeoff_reports::stats::quantile;
use std::path::Path;
use std::time::Duration;

/// The ratio between neighbouring rates: an answer to a tenth, and 7 rungs to a doubling.
pub const RATIO: f64 = 1.1;
/// Rungs to a doubling, rounded down.
const STRIDE: usize = 7;
/// The highest rate unless told otherwise: above what one swarm process has been seen to ask for.
pub const HIGHEST_PER_S: f64 = 200_000.0;
/// The shortest window unless told otherwise.
const SHORTEST_WINDOW: Duration = Duration::from_secs(1);
/// Windows are so many times the objective unless told otherwise: a rate above what the server can do by a share of x lets the
/// queue grow to a wait of x times the window, so that an excess of 5 % is seen.
const WINDOW_OVER_LIMIT: u32 = 20;
/// Requests planned for a percentile beyond those it needs, because a Poisson schedule scatters: four standard deviations of
/// the fewest there can be, 381.
const SPARE: f64 = 1.25;

/// What is searched: the scenario at every rate of the ladder, and the objective.
#[derive(Debug)]
pub struct Goal {
    /// What must be met.
    pub objective: Objective,
    /// The scenario at each rate, ascending.
    pub rungs: Vec<Scenario>,
    /// Where to begin.
    pub start: usize,
}

/// The objective of a text such as "p99<=5ms", or the scenario's own when none is given.
///
/// # Errors
/// What is wrong with the text and how it should look, or that there is none.
pub fn objective(text: Option<&str>, scenario: &Scenario) -> Result<Objective, String> {
    let form = "write for example \"p99<=5ms\": p50, p90, p99 or p99.9, and the longest response time";
    let (percentile, limit) = match (text, scenario.objective) {
        (Some(text), _) => {
            let (percentile, limit) =
                text.split_once("<=").ok_or_else(|| format!("`{text}` is not an objective; {form}"))?;
            let percentile = percentile.trim();
            let share = SHOWN.iter().find(|share| show_percentile(**share) == percentile);
            let share =
                share.ok_or_else(|| format!("the percentile `{percentile}` is not supported; {form}"))?;
            (*share, parse_positive_duration(limit)?)
        }
        (None, Some(limit)) if scenario.merit == Metric::ResponseP50 => (0.5, limit),
        (None, Some(limit)) => (0.99, limit),
        (None, None) => {
            let name = &scenario.name;
            return Err(format!(
                "the scenario `{name}` states no objective; give one with --objective: {form}"
            ));
        }
    };
    let limit_ns = clock::nanoseconds(limit);
    Ok(Objective { of: scenario.name.clone(), percentile, limit_ns })
}

impl Goal {
    /// The ladder for a scenario, `rates` from the lowest to the highest; by default from the lowest that has requests enough
    /// for the percentile.
    ///
    /// # Errors
    /// Churn, which has no rate; a window too short for the percentile at the lowest rate; what its file would be refused for.
    pub fn new(
        base: &Scenario,
        objective: Objective,
        rates: Option<(f64, f64)>,
        mut times: Times,
    ) -> Result<Self, String> {
        let limit = Duration::from_nanos(objective.limit_ns);
        let window = times.window.unwrap_or((limit * WINDOW_OVER_LIMIT).max(SHORTEST_WINDOW));
        times.window = Some(window);
        let needed = quantile::needed(objective.percentile) as f64 * SPARE / window.as_secs_f64();
        let least = rounded_up(needed);
        let (low, high) = rates.unwrap_or((least, HIGHEST_PER_S.max(least * 2.0)));
        if low < needed {
            return Err(format!(
                "at {low} requests per second a window of {} holds too few requests for a {}; begin at {least} or give \
                 a longer --window",
                show_duration(window),
                show_percentile(objective.percentile),
            ));
        }
        let base = with_enough_clients(&derive::open_loop(base, low)?, high)?;
        let rates = ladder(low, high);
        let own = base.load.stated_rate().filter(|rate| *rate > low).unwrap_or(low * 4.0);
        let start = rates.iter().position(|rate| *rate >= own).unwrap_or(rates.len() - 1);
        let rungs = rates.iter().map(|rate| derive::point(&base, Axis::Rate, *rate, times));
        Ok(Self { objective, rungs: rungs.collect::<Result<_, _>>()?, start })
    }

    /// The highest rung that the generator can ask for, as far as the probe told.
    fn top(&self, bounds: &Bounds) -> usize {
        let last = self.rungs.len() - 1;
        let Some(ceiling) = bounds.ceiling_per_s else { return last };
        let above = |rung: &Scenario| rung.load.stated_rate().is_some_and(|rate| rate > ceiling);
        self.rungs.iter().position(above).map_or(last, |first| first.saturating_sub(1))
    }
}

/// Most connections that a search raises the clients to.
const MOST_CLIENTS: u64 = 4_096;

/// The scenario with so many connections that they do not set the pace up to this rate (N/R): what they can ask for is no
/// capacity of a server. A pool that had a worker for each keeps one.
fn with_enough_clients(base: &Scenario, highest_per_s: f64) -> Result<Scenario, String> {
    let record = base.record(Vec::new(), &base.server.config(1));
    match arithmetic::clients_for(&record, highest_per_s) {
        None => Ok(base.clone()),
        Some(clients) if clients <= MOST_CLIENTS => derive::with_clients(base, clients as u32),
        Some(clients) => Err(format!(
            "a search up to {highest_per_s} requests per second in `{}` takes {clients} connections, or they are the limit \
             and not the server; {MOST_CLIENTS} are the most here. Give a lower end of --rates",
            base.name
        )),
    }
}

/// A rate that is no lower, to two digits.
fn rounded_up(rate: f64) -> f64 {
    let unit = 10_f64.powf(rate.log10().floor() - 1.0);
    if unit < 1.0 { rate.ceil() } else { (rate / unit).ceil() * unit.round() }
}

fn ladder(low: f64, high: f64) -> Vec<f64> {
    let rungs = std::iter::successors(Some(low), |rate| Some(four_digits(rate * RATIO)));
    let rates: Vec<f64> = rungs.take_while(|rate| *rate <= high).collect();
    if rates.is_empty() { vec![low] } else { rates }
}

/// Searches with the contestants of `ladder`, a plan of the goal's rungs, `steps` trials of each, into a new bundle at `path`.
///
/// # Errors
/// When the bundle cannot be written.
pub fn run(
    goal: &Goal,
    ladder: &Plan,
    steps: u32,
    options: &Options,
    context: &Context,
    path: &Path,
) -> Result<Completion, BundleError> {
    let order = ladder.of_first(steps);
    let field = Field { scenarios: &ladder.scenarios, entries: blocks::entries(ladder, context) };
    let planned_trials = order.planned_trials();
    let extent = Extent { trials: planned_trials as usize, rounds: steps, budget: None };
    let head = Run { rounds: steps, planned_trials, ..blocks::head_of(ladder, options, context) };
    let mut search = Capacity { goal, order: &order, searches: Vec::new() };
    let campaign = Campaign::new(context, options, field, extent);
    campaign.run(head, &mut search, path)
}

/// One trial of each model in every round, each at a rate of its own, which its last one moves.
#[derive(Debug)]
struct Capacity<'a> {
    goal: &'a Goal,
    /// The order of the models in each round; at which rung a model is tried, its search says.
    order: &'a Plan,
    searches: Vec<Search>,
}

impl Strategy for Capacity<'_> {
    fn begin(&mut self, head: &Run) -> Vec<Record> {
        let bounds = Bounds::of(head.probe.value(), &self.goal.rungs[0].name);
        let search = Search::new(self.goal.top(&bounds), self.goal.start, STRIDE);
        self.searches = vec![search; self.order.contestants.len()];
        vec![Record::Objective(self.goal.objective.clone())]
    }

    fn next_round(&mut self, round: u32, _: Duration) -> Option<Vec<Block>> {
        let at_its_rate = |cell: Cell| Cell { scenario: self.searches[cell.contestant].next(), ..cell };
        let cells = self.order.round(round, |_| true).into_iter().map(at_its_rate).collect();
        (round < self.order.rounds).then(|| vec![Block { number: round, cells, repeat: Repeat::AtTheEnd }])
    }

    fn observe(&mut self, cell: Cell, trial: &Trial, _: Duration, last: bool) {
        if last {
            self.searches[cell.contestant].enter(check(trial, &self.goal.objective));
        }
    }
}

/// Whether a trial kept the objective.
fn check(trial: &Trial, objective: &Objective) -> ObjectiveCheck {
    let generator = |reason: &Invalid| {
        matches!(
            reason,
            Invalid::GeneratorLate { .. }
                | Invalid::GeneratorTail { .. }
                | Invalid::GeneratorBound { .. }
                | Invalid::BehindSchedule { .. }
                | Invalid::GeneratorShort { .. }
                | Invalid::GeneratorOverflowed { .. }
        )
    };
    // A server that does not survive a rate does not carry it, although there is nothing to compare.
    let collapsed =
        |reason: &Invalid| matches!(reason, Invalid::ServerDied { .. } | Invalid::NothingConnected { .. });
    match &trial.measured {
        _ if trial.invalid.iter().any(collapsed) => ObjectiveCheck::Missed,
        _ if !trial.invalid.is_empty() && trial.invalid.iter().all(generator) => {
            ObjectiveCheck::GeneratorLimit
        }
        Reading::Value(measured) if trial.invalid.is_empty() => match met(measured, objective) {
            Ok(Some(true)) => ObjectiveCheck::Met,
            Ok(Some(false)) => ObjectiveCheck::Missed,
            Ok(None) | Err(_) => ObjectiveCheck::Unknown,
        },
        _ => ObjectiveCheck::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built_in(name: &str) -> Scenario {
        Scenario::built_in(name).expect("built in")
    }

    #[test]
    fn objectives_are_read_as_people_write_them_or_refused() {
        let scenario = built_in("small-echo-open");
        let read = |text| objective(Some(text), &scenario).map(|goal| (goal.percentile, goal.limit_ns));
        assert_eq!(read("p99<=5ms"), Ok((0.99, 5_000_000)));
        assert_eq!(read("p99.9 <= 1.5ms"), Ok((0.999, 1_500_000)));
        for (text, words) in [
            ("5ms", "not an objective"),
            ("p99<5ms", "p99<=5ms"),
            ("p98<=5ms", "not supported"),
            ("p99<=5", "not a duration"),
            ("p99<=0ms", "zero"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.contains(words), "{text}: {error}");
        }
        let none = Scenario { objective: None, ..scenario.clone() };
        assert!(objective(None, &none).expect_err("none").contains("--objective"));
        let own = Scenario { objective: Some(Duration::from_millis(2)), ..scenario };
        assert_eq!(objective(None, &own).map(|goal| (goal.percentile, goal.limit_ns)), Ok((0.99, 2_000_000)));
    }

    #[test]
    fn the_ladder_rises_by_a_tenth_and_begins_where_a_percentile_can_be_told() {
        let scenario = built_in("small-echo-closed");
        let objective = objective(Some("p99<=5ms"), &scenario).expect("sound");
        let goal = Goal::new(&scenario, objective.clone(), None, Times::default()).expect("a ladder");
        let rates: Vec<f64> = goal.rungs.iter().filter_map(|rung| rung.load.stated_rate()).collect();
        assert_eq!(rates.len(), goal.rungs.len());
        assert!((480.0..500.0).contains(&rates[0]) && rates[rates.len() - 1] > 180_000.0, "{rates:?}");
        assert!(rates.windows(2).all(|pair| (pair[1] / pair[0] - RATIO).abs() < 0.002), "{rates:?}");
        assert!(goal.start > 0 && goal.rungs.iter().all(|rung| rung.timing.window == Duration::from_secs(1)));
        let long = Objective { limit_ns: 200_000_000, ..objective.clone() };
        let goal = Goal::new(&scenario, long, None, Times::default()).expect("a ladder");
        assert_eq!(goal.rungs[0].timing.window, Duration::from_secs(4), "20 times the objective");
        let error = Goal::new(&scenario, objective.clone(), Some((100.0, 1e4)), Times::default());
        assert!(error.expect_err("too few").contains("--window"));
        assert!(Goal::new(&built_in("churn"), objective, None, Times::default()).is_err());
    }

    #[test]
    fn a_search_raises_the_clients_that_would_be_its_limit_or_refuses() {
        let wait = built_in("wait");
        let objective = objective(Some("p99<=50ms"), &wait).expect("sound");
        let goal = |high| Goal::new(&wait, objective.clone(), Some((2_000.0, high)), Times::default());
        let clients = |high| goal(high).map(|goal| goal.rungs[0].load.clients());
        assert_eq!(clients(20_000.0), Ok(128), "128 / 5 ms = 25.6k/s");
        assert_eq!(clients(100_000.0), Ok(625));
        let raised = goal(100_000.0).expect("as above");
        assert_eq!(raised.rungs[0].server.config(1).pool_workers, 625, "the pool keeps one for each");
        assert!(clients(1e6).expect_err("too many").contains("--rates"));
    }

    #[test]
    fn the_probe_s_ceiling_ends_the_ladder() {
        let scenario = built_in("small-echo-open");
        let objective = objective(Some("p99<=5ms"), &scenario).expect("sound");
        let goal =
            Goal::new(&scenario, objective, Some((1_000.0, 10_000.0)), Times::default()).expect("a ladder");
        assert_eq!(goal.top(&Bounds::default()), goal.rungs.len() - 1);
        let bounds = Bounds { ceiling_per_s: Some(1_300.0), ..Bounds::default() };
        assert_eq!(goal.rungs[goal.top(&bounds)].load.stated_rate(), Some(1_210.0));
        assert_eq!(goal.top(&Bounds { ceiling_per_s: Some(10.0), ..bounds }), 0);
    }
}
