//! The gate put to the test on this machine: the same build on both sides, and the same build with a known cost on every
//! request. How often does it cry wolf, how often does it miss one?
//!
//! Every gate is a whole comparison as anybody would run it, with its bundle. The levels take turns, so that a bad hour of the
//! machine meets all of them. The workload has to be one in which the server is what limits, or a cost would not show.
//!
//! A cost is busy time on every request, and a level says how much slower that makes the server, not how long the busy time
//! is. The two differ: in a closed loop a server that is slower by a little lets its clients sleep longer, and waking them out
//! of a deeper sleep is paid by who writes to them. On the virtual machine where this was found, 5 % of a request's time
//! came out as 8 %. So a first gate without a cost says what a request takes, a second with a tenth of that says what a
//! slowdown costs, and every later one with a cost says it better.
//!
//! The noise of the gates without a cost is then used again: thousands of gates are simulated from its pairs, with effects put
//! in, and say what whole runs are too few to show.

use crate::ab::plan::AbPlan;
use crate::ab::rehearsal::Unfit;
use crate::ab::runner::{self, AbError, AbOptions, Ending, Sides, Spent};
use crate::ab::side::Standing;
use crate::children::launch::Launcher;
use crate::tell;
use bakeoff_reports::bundle::{self, BundleError};
use bakeoff_reports::gate::{self, Gate, Outcome, Verdict};
use bakeoff_reports::record::{Figure, Merit, Side};
use bakeoff_reports::statistics::median;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The share of a request's time that is put on every request to learn what a slowdown costs.
const TRIED: f64 = 0.10;

/// What of it has to show for the workload to be one that the server limits.
const LEAST_SHOWN: f64 = 0.25;

/// What came of the gates of a level.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Level {
    /// How much slower the server was to be, as a share.
    pub slower: f64,
    /// Busy time added to a request, in nanoseconds, of every gate.
    pub taxes_ns: Vec<f64>,
    /// Gates run.
    pub gates: u64,
    /// Those of them that would have failed a change: in which any figure of any cell was called regressed.
    pub alarms: u64,
    /// How many times worse B came out in each cell, at the median.
    pub factors: Vec<f64>,
    /// How long the gates took.
    pub took: Vec<Duration>,
}

/// What a self-test found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// By level, the one without a cost first.
    pub levels: Vec<Level>,
    /// What a request takes, in nanoseconds, at the rate of the first gate.
    pub request_ns: f64,
    /// Whether the tool was asked to end before all gates were run.
    pub interrupted: bool,
    /// Logarithms of how many times worse B was in each pair of the gates without a cost, a list a cell.
    pub noise: Vec<Vec<f64>>,
    /// What a pair took, at the median of the gates.
    pub pair: Duration,
}

/// A self-test was not finished.
#[derive(Debug, thiserror::Error)]
pub enum SelfTestError {
    /// A comparison was not done.
    #[error(transparent)]
    Ab(#[from] AbError),
    /// A bundle cannot be read back.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The first gate measured nothing.
    #[error("nothing was measured without a cost, so there is nothing to add a share of: {0}")]
    NoBase(String),
    /// The cost does not show.
    #[error(
        "{tax_ns} ns more on a request that takes {request_ns:.0} made the server slower by {} instead of about {}: it is not what \
         limits this workload, so no cost of a known effect can be put on it; choose a closed loop that keeps the server busy, \
         such as dynamic-page",
        percent(*.shown),
        percent(TRIED)
    )]
    NotShown {
        /// The busy time, in nanoseconds.
        tax_ns: u64,
        /// What a request takes without it, in nanoseconds.
        request_ns: f64,
        /// What came of it, as a share.
        shown: f64,
    },
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// What busy time comes out as, learned from gates that had some.
#[derive(Debug, Default)]
struct Price {
    /// Of all gates, in nanoseconds.
    paid_ns: f64,
    /// How much slower that made the server, as shares.
    bought: f64,
}

impl Price {
    fn learn(&mut self, tax_ns: u64, factors: &[f64]) {
        if let Some(factor) = median(factors).filter(|_| tax_ns > 0) {
            self.paid_ns += tax_ns as f64;
            self.bought += factor - 1.0;
        }
    }

    /// The busy time that makes the server slower by a share, in nanoseconds.
    fn of(&self, slower: f64) -> u64 {
        (slower * self.paid_ns / self.bought).round() as u64
    }
}

/// Runs `gates` gates without a cost and as many that make the server slower by each of the shares `slower`; each leaves its
/// bundle in a folder of its own under `folder`. `make` makes this program stand on a side. Interrupted, it says what came of
/// the gates that were finished.
///
/// # Errors
/// A comparison that cannot be done, nothing measured, or a server that is not what limits.
pub fn run(
    plan: &AbPlan,
    (gates, slower): (u32, &[f64]),
    options: &AbOptions,
    launcher: &Launcher,
    folder: &Path,
    make: impl Fn(Side) -> Standing,
) -> Result<Found, SelfTestError> {
    let test = SelfTest { plan, options, launcher, folder, make };
    let levels = [0.0].iter().chain(slower).map(|slower| Level { slower: *slower, ..Level::default() });
    let mut found = Found { levels: levels.collect(), ..Found::default() };
    let (mut price, mut pairs) = (Price::default(), Pairs::default());
    for number in 0..gates {
        for at in 0..found.levels.len() {
            if at > 0 && price.paid_ns == 0.0 && !test.learn(&mut price, found.request_ns)? {
                return Ok(Found { interrupted: true, ..found });
            }
            let tax_ns = if at == 0 { 0 } else { price.of(found.levels[at].slower) };
            let name = format!("{}-{:02}", called(found.levels[at].slower), number + 1);
            // Every gate has schedules of its own.
            let seed = plan.seed.wrapping_add(1_000 * u64::from(number) + at as u64);
            let Some(done) = test.gate(&name, tax_ns, seed)? else {
                return Ok(Found { interrupted: true, ..found });
            };
            if at == 0 {
                let logs = |cell: &Verdict| cell.pairs.iter().map(|pair| pair.log).collect();
                found.noise.extend(rates(&done.gate).map(logs));
                if number == 0 {
                    found.request_ns = request_ns(&done.gate)?;
                }
            }
            price.learn(tax_ns, &factors(&done.gate));
            found.pair = pairs.add(&done);
            enter(&mut found.levels[at], &done, tax_ns);
        }
    }
    Ok(found)
}

/// What all gates of a self-test have in common.
struct SelfTest<'a, M> {
    plan: &'a AbPlan,
    options: &'a AbOptions,
    launcher: &'a Launcher,
    folder: &'a Path,
    make: M,
}

/// A gate that was run.
struct Done {
    gate: Gate,
    pairs: u32,
    spent: Spent,
}

impl<M: Fn(Side) -> Standing> SelfTest<'_, M> {
    /// A gate with busy time on every request of B; `None` when interrupted.
    fn gate(&self, name: &str, tax_ns: u64, seed: u64) -> Result<Option<Done>, SelfTestError> {
        let (a, b) = ((self.make)(Side::A), (self.make)(Side::B).taxed(tax_ns));
        let home = self.folder.join(name);
        std::fs::create_dir_all(&home)
            .map_err(|source| BundleError::Create { path: home.clone(), source })?;
        let path: PathBuf = home.join("run.jsonl");
        let plan = AbPlan { seed, ..self.plan.clone() };
        let (ending, spent) =
            match runner::run(&plan, Sides { a: &a, b: &b }, self.options, self.launcher, &path) {
                Err(AbError::Unfit(Unfit::Interrupted)) => return Ok(None),
                done => done?,
            };
        if ending == Ending::Interrupted {
            return Ok(None);
        }
        let bundle = bundle::load(&path)?;
        let gate = gate::judge(&bundle).ok_or_else(|| SelfTestError::NoBase("no comparison".into()))?;
        let done = Done { gate, pairs: u32::try_from(bundle.trials.len() / 2).unwrap_or(u32::MAX), spent };
        tell(&line(name, &done));
        Ok(Some(done))
    }

    /// A gate with busy time that is a share of what a request takes, to learn what that comes out as; whether it was not
    /// interrupted.
    fn learn(&self, price: &mut Price, request_ns: f64) -> Result<bool, SelfTestError> {
        let tax_ns = (request_ns * TRIED).round() as u64;
        let Some(done) = self.gate("what-a-slowdown-costs", tax_ns, self.plan.seed.wrapping_sub(1))? else {
            return Ok(false);
        };
        price.learn(tax_ns, &factors(&done.gate));
        match price.bought {
            shown if shown < TRIED * LEAST_SHOWN => {
                Err(SelfTestError::NotShown { tax_ns, request_ns, shown })
            }
            _ => Ok(true),
        }
    }
}

/// What a pair takes, over all gates.
#[derive(Default)]
struct Pairs {
    took: Duration,
    count: u32,
}

impl Pairs {
    fn add(&mut self, done: &Done) -> Duration {
        self.took += done.spent.measuring;
        self.count += done.pairs;
        self.took / self.count.max(1)
    }
}

/// What a level is called in the name of a folder.
fn called(slower: f64) -> String {
    if slower == 0.0 {
        "none".into()
    } else {
        format!("{:.3}", slower * 100.0).trim_end_matches('0').trim_end_matches('.').to_owned() + "-percent"
    }
}

/// The verdicts on throughput, whose factor is told beside the cost.
fn rates(gate: &Gate) -> impl Iterator<Item = &Verdict> {
    gate.cells.iter().filter(|cell| cell.figure == Figure::Merit(Merit::Throughput))
}

/// How many times worse B came out in each cell, at the median of its pairs.
fn factors(gate: &Gate) -> Vec<f64> {
    rates(gate).filter_map(|cell| cell.factor).map(|factor| factor.median).collect()
}

/// What a request takes the server where it is what limits: the time of one at its rate, in nanoseconds, the median of the cells.
fn request_ns(gate: &Gate) -> Result<f64, SelfTestError> {
    let all: Vec<f64> = rates(gate).filter_map(|cell| cell.a).collect();
    let rate = median(&all).filter(|rate| *rate > 0.0);
    let why = || gate.cells.first().map_or_else(String::new, |cell| cell.reason.clone());
    rate.map(|rate| 1e9 / rate).ok_or_else(|| SelfTestError::NoBase(why()))
}

fn enter(level: &mut Level, done: &Done, tax_ns: u64) {
    level.taxes_ns.push(tax_ns as f64);
    level.gates += 1;
    level.alarms += u64::from(done.gate.outcome() == Outcome::Regressed);
    level.factors.extend(factors(&done.gate));
    level.took.push(done.spent.measuring + done.spent.beside);
}

fn line(name: &str, done: &Done) -> String {
    let cells: Vec<String> = rates(&done.gate)
        .map(|cell| {
            let factor = cell.factor.map_or_else(String::new, |factor| format!(" {:.3}", factor.median));
            format!("{}{factor}", cell.outcome.word())
        })
        .collect();
    format!(
        "{name}: {} after {:.0} s",
        cells.join(", "),
        (done.spent.measuring + done.spent.beside).as_secs_f64()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_is_what_was_paid_for_what_was_bought() {
        let mut price = Price::default();
        // Dearer than it looks: a tenth of 10 us came out as 16 %.
        price.learn(1_000, &[1.16, 1.15, 1.17]);
        assert_eq!(price.of(0.08), 500);
        price.learn(500, &[1.04]);
        assert_eq!(price.of(0.05), 375);
        // Gates without a cost, or that measured nothing, say nothing of it.
        price.learn(0, &[1.3]);
        price.learn(700, &[]);
        assert_eq!(price.of(0.05), 375);
    }

    #[test]
    fn folders_are_called_after_their_levels() {
        assert_eq!([0.0, 0.03, 0.1, 0.025].map(called), ["none", "3-percent", "10-percent", "2.5-percent"]);
    }
}
