//! The capacity search: which rates a scenario can be tried at, and the loop that tries each model at a rate of its own in
//! every round.
//!
//! A round is one trial of each model, in an order of its own; what it said decides the model's next rate. Otherwise it goes as
//! in a run: a fresh server for each trial, spoiled ones again at the end of their round, every trial on disk before the next.
//! It must not estimate anything: `bakeoff_reports::rules::sweep::capacity` does, from the records.

use super::search::{Said, Search};
use crate::campaign::run::plan::{Plan, Retries, Slot};
use crate::campaign::run::progress::Progress;
use crate::campaign::run::runner::{self, Ending, RunOptions};
use crate::host::clock;
use crate::host::environment::{self, CpuPlan};
use crate::host::preflight::{self, Limits};
use crate::instruments::probe::{self, Form, Prober};
use crate::process::launch::Launcher;
use crate::trial::judge;
use crate::trial::{Bench, Left};
use crate::workload::axis::four_digits;
use crate::workload::derive::{self, Times};
use crate::workload::scenario::Scenario;
use bakeoff_reports::cells::cell::SHOWN;
use bakeoff_reports::record::bundle::{BundleError, Writer};
use bakeoff_reports::record::{Axis, End, Invalid, Merit, Objective, Reading, Record, RoundRecord, Trial};
use bakeoff_reports::rules::probe::Bounds;
use bakeoff_reports::rules::sweep::capacity::met;
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
                text.split_once("<=").ok_or_else(|| format!("`{text}` is no objective; {form}"))?;
            let percentile = percentile.trim();
            let named = |share: &&f64| bakeoff_reports::show::units::percentile(**share) == percentile;
            let share = SHOWN.iter().find(named);
            let share =
                share.ok_or_else(|| format!("`{percentile}` is no percentile that is kept; {form}"))?;
            (*share, crate::workload::scenario::units::parse_positive_duration(limit)?)
        }
        (None, Some(limit)) if scenario.merit == Merit::ResponseP50 => (0.5, limit),
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
                crate::workload::scenario::units::show_duration(window),
                bakeoff_reports::show::units::percentile(objective.percentile),
            ));
        }
        let base = derive::open_loop(base, low)?;
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

/// A search under way.
struct Searching<'a> {
    goal: &'a Goal,
    /// One slot for each model in each round; which scenario a slot runs, its model's search says.
    order: &'a Plan,
    bench: Bench<'a>,
    bundle: Writer,
    progress: Progress,
    retries: Retries,
    searches: Vec<Search>,
    written: u32,
}

/// Searches with `chosen` models (none: those of the scenario), `options.rounds` trials of each, into a new bundle at `path`.
///
/// # Errors
/// When the bundle cannot be written, or a model is unknown (in words that a person can act on).
pub fn run(
    goal: &Goal,
    chosen: &[String],
    options: &RunOptions,
    launcher: &Launcher,
    path: &Path,
) -> Result<Ending, String> {
    let declared = Plan::new(goal.rungs.clone(), chosen, 1, options.seed)?;
    let order = Plan::new(goal.rungs[..1].to_vec(), chosen, options.rounds, options.seed)?;
    preflight::raise_descriptor_limit();
    let (cpus, limits) = (CpuPlan::split(environment::allowed_cpus()), Limits::of_this_system());
    let congestion_control = runner::choose_congestion_control();
    let progress = Progress::new(&order, options.progress);
    let name = congestion_control.value().map(String::as_str);
    let prober =
        Prober { launcher, cpus: &cpus, limits: &limits, congestion_control: name, form: Form::Short };
    let Ok(probed) = runner::probe_first(&declared, options, &prober, &progress) else {
        progress.end(true);
        return Ok(Ending::NotBegun);
    };
    let mut head = runner::head(&declared, options, &cpus, &congestion_control, probed);
    head.planned_trials = u32::try_from(order.slots.len()).unwrap_or(u32::MAX);
    let bench = Bench {
        launcher,
        cpus: &cpus,
        limits: &limits,
        congestion_control: name,
        seed: options.seed,
        address: options.address,
        costs: false,
        probe: head.probe.value(),
    };
    let top = goal.top(&Bounds::of(head.probe.value(), &goal.rungs[0].name));
    let searches = vec![Search::new(top, goal.start, STRIDE); order.models.len()];
    let begin = || -> Result<Ending, BundleError> {
        let mut bundle = Writer::create(path, &head)?;
        bundle.append(&Record::Objective(goal.objective.clone()))?;
        let retries = Retries::new(options.retries);
        Searching { goal, order: &order, bench, bundle, progress, retries, searches, written: 0 }.all()
    };
    begin().map_err(|e| e.to_string())
}

impl Searching<'_> {
    fn all(mut self) -> Result<Ending, BundleError> {
        let mut ending = Ending::Complete;
        for round in 0..self.order.rounds() {
            match self.round(&self.order.round(round, |_| true)) {
                Ok(()) => {}
                Err(Left::Failed(error)) => return Err(error),
                Err(Left::Interrupted) => {
                    ending = Ending::Interrupted;
                    break;
                }
            }
        }
        let interrupted = ending == Ending::Interrupted;
        self.progress.end(interrupted);
        let end = End { finished_unix_ms: clock::unix_ms(), trials: self.written, interrupted };
        self.bundle.append(&Record::End(end))?;
        Ok(ending)
    }

    /// One trial of each model at its own rate; then the spoiled ones again. What the last try of a model said moves its search.
    fn round(&mut self, slots: &[Slot]) -> Result<(), Left> {
        let loop_before_ns = probe::speed(self.bench.cpus);
        self.retries.begin_round(slots.len());
        let mut waiting = slots.to_vec();
        while !waiting.is_empty() {
            let mut again = Vec::new();
            for slot in waiting {
                let trial = self.trial(slot)?;
                let spoiled = judge::may_pass(&trial.invalid);
                match spoiled.then(|| self.retries.again(slot)).flatten() {
                    Some(next) => again.push(next),
                    None => self.searches[slot.cell.model].tell(said(&trial, &self.goal.objective)),
                }
            }
            waiting = again;
        }
        let Some(first) = slots.first() else { return Ok(()) };
        let loop_after_ns = probe::speed(self.bench.cpus);
        let record = RoundRecord { round: first.round, loop_before_ns, loop_after_ns };
        Ok(self.bundle.append(&Record::Round(record))?)
    }

    fn trial(&mut self, slot: Slot) -> Result<Trial, Left> {
        let scenario = &self.goal.rungs[self.searches[slot.cell.model].next()];
        let model = self.order.models[slot.cell.model].name();
        self.progress.begin(&slot, scenario, model);
        let trial = self.bench.trial(self.written, slot, scenario, model)?;
        self.progress.finished(&trial);
        self.bundle.append(&Record::Trial(Box::new(trial.clone())))?;
        self.written += 1;
        Ok(trial)
    }
}

/// What a trial says to the search.
fn said(trial: &Trial, objective: &Objective) -> Said {
    let generator = |reason: &Invalid| {
        matches!(
            reason,
            Invalid::GeneratorLate { .. }
                | Invalid::GeneratorTail { .. }
                | Invalid::GeneratorBound { .. }
                | Invalid::BehindSchedule { .. }
        )
    };
    // A server that does not survive a rate does not carry it, although there is nothing to compare.
    let collapsed =
        |reason: &Invalid| matches!(reason, Invalid::ServerDied { .. } | Invalid::NothingConnected { .. });
    match &trial.measured {
        _ if trial.invalid.iter().any(collapsed) => Said::Missed,
        _ if !trial.invalid.is_empty() && trial.invalid.iter().all(generator) => Said::Limit,
        Reading::Value(measured) if trial.invalid.is_empty() => match met(measured, objective) {
            Ok(Some(true)) => Said::Met,
            Ok(Some(false)) => Said::Missed,
            Ok(None) | Err(_) => Said::Nothing,
        },
        _ => Said::Nothing,
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
            ("5ms", "no objective"),
            ("p99<5ms", "p99<=5ms"),
            ("p98<=5ms", "no percentile"),
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
