//! The gate put to the test on this machine: the same build on both sides, and the same build with a known cost on every
//! request. What are its false-positive and false-negative rates?
//!
//! Every gate is a whole comparison as anybody would run it, with its bundle. The levels take turns, so that a bad hour of the
//! machine meets all of them. The workload has to be one in which the server is what limits, or a cost would not show.
//!
//! A cost is busy time on every request, and a level says how much slower that makes the server, not how long the busy time
//! is. The two differ: in a closed loop a server that is slower by a little lets its clients sleep longer, and waking them out
//! of a deeper sleep is paid by who writes to them. On the virtual machine where this was found, 5 % of a request's time
//! came out as 8 %. So a first gate without a cost says what a request takes, a second with a tenth of that says what a
//! slowdown costs, and every later one with a cost says it better. One model under one workload is tested: what slows one server
//! by 5 % slows another by 10 %.
//!
//! The noise of the gates without a cost is then used again: thousands of gates are simulated from its pairs, with effects put
//! in, and say what whole runs are too few to show.

use super::plan::PairPlan;
use super::side::{PreparedSide, Sides};
use super::{PairsError, run as compare};
use crate::campaign::{Completion, Ending, Options};
use crate::print_to_stderr;
use crate::process::context::Context;
use bakeoff_reports::record::bundle::{self, BundleError};
use bakeoff_reports::record::{Metric, Side};
use bakeoff_reports::rules::gate::{self, Outcome};
use std::path::Path;
use std::time::Duration;

/// The share of a request's time that is put on every request to learn what a slowdown costs.
const TRIED: f64 = 0.10;

/// What of it has to show, as a share of it, for the workload to be one that the server limits.
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
    /// Those of them that would have failed a change: in which any figure was called regressed.
    pub alarms: u64,
    /// How many times worse B came out, at the median of the pairs of each gate that had any.
    pub factors: Vec<f64>,
    /// How long the gates took.
    pub took: Vec<Duration>,
}

/// What a self-test found.
#[derive(Clone, Debug, Default)]
pub struct SelfTestReport {
    /// By level, the one without a cost first.
    pub levels: Vec<Level>,
    /// What a request takes, in nanoseconds, at the rate of the first gate.
    pub request_ns: f64,
    /// Logarithms of how many times worse B was in each pair of the gates without a cost, a list a gate.
    pub noise: Vec<Vec<f64>>,
    /// What a pair took, on average.
    pub pair: Duration,
}

/// A self-test was not finished.
#[derive(Debug, thiserror::Error)]
pub enum SelfTestError {
    /// A comparison was not done.
    #[error(transparent)]
    Comparison(#[from] PairsError),
    /// A bundle cannot be read back.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The first gate measured nothing.
    #[error("nothing was measured without a cost, so there is nothing to add a share of: {0}")]
    NoBase(String),
    /// The gate with the first cost measured nothing.
    #[error("nothing was measured with a cost, so what a slowdown costs is not known: {0}")]
    NoPrice(String),
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
    /// A cost of less than a nanosecond.
    #[error("a slowdown of {} is less than a nanosecond of a request here; the least is about {}", percent(*.slower), percent(*.least))]
    TooSmall {
        /// The slowdown, as a share.
        slower: f64,
        /// The least, as a share.
        least: f64,
    },
}

/// "5 %", "0.0065 %": to two digits.
fn percent(share: f64) -> String {
    let percent = share * 100.0;
    let digits = if percent.abs() >= 0.1 { 1 } else { 4 };
    format!("{percent:.digits$} %")
}

/// Runs `gates` gates without a cost and as many that make the server slower by each of the shares `slower`, of the one cell
/// that the plan has; each leaves its bundle in a folder of its own under `folder`. `prepare` prepares this program as a side.
/// What came of the gates that were finished is returned in any case.
///
/// # Errors
/// A comparison that cannot be done, nothing measured, or a server that is not what limits.
pub fn run(
    plan: &PairPlan,
    (gates, slower): (u32, &[f64]),
    options: &Options,
    context: &Context,
    folder: &Path,
    prepare: impl Fn(Side) -> PreparedSide,
) -> (SelfTestReport, Result<Ending, SelfTestError>) {
    let test = SelfTest { plan, options, context, folder, prepare };
    levels(gates, slower, |ask| test.gate(&ask))
}

/// A gate to run.
#[derive(Clone, Debug, PartialEq)]
struct GateSpec {
    name: String,
    /// Busy time on every request of B, in nanoseconds.
    tax_ns: u64,
    /// Which gate it is: every gate has schedules of its own.
    number: u64,
}

/// A gate that was run.
#[derive(Clone, Debug, Default)]
struct GateResult {
    /// Whether any figure of it regressed.
    regressed: bool,
    /// Requests per second of A, at the median of the pairs.
    rate: Option<f64>,
    /// How many times worse B's were, at the median of the pairs.
    factor: Option<f64>,
    /// The logarithms of that, pair by pair.
    logs: Vec<f64>,
    /// Why the verdict on them is what it is.
    reason: String,
    /// Pairs that were run, the disturbed ones included.
    pairs: u32,
    measuring: Duration,
    took: Duration,
}

/// The levels in turn, by gates that `gate` runs; `None` from it is an interruption.
fn levels(
    gates: u32,
    slower: &[f64],
    mut gate: impl FnMut(GateSpec) -> Result<Option<GateResult>, SelfTestError>,
) -> (SelfTestReport, Result<Ending, SelfTestError>) {
    let levels = [0.0].iter().chain(slower).map(|slower| Level { slower: *slower, ..Level::default() });
    let mut found = SelfTestReport { levels: levels.collect(), ..SelfTestReport::default() };
    let ended = all(gates, &mut found, &mut gate);
    (found, ended)
}

fn all(
    gates: u32,
    found: &mut SelfTestReport,
    gate: &mut impl FnMut(GateSpec) -> Result<Option<GateResult>, SelfTestError>,
) -> Result<Ending, SelfTestError> {
    let mut price: Option<Price> = None;
    let (mut measuring, mut pairs) = (Duration::ZERO, 0);
    for number in 0..gates {
        for at in 0..found.levels.len() {
            let slower = found.levels[at].slower;
            let tax_ns = match (at, &price) {
                (0, _) => 0,
                (_, Some(price)) => price.of(slower)?,
                (_, None) => {
                    let Some(first) = Price::first(found.request_ns, gate)? else {
                        return Ok(Ending::Interrupted);
                    };
                    price.insert(first).of(slower)?
                }
            };
            let name = format!("{}-{:02}", called(slower), number + 1);
            let ask = GateSpec { name, tax_ns, number: 1_000 * u64::from(number) + at as u64 };
            let Some(done) = gate(ask)? else { return Ok(Ending::Interrupted) };
            if at == 0 {
                found.noise.push(done.logs.clone());
            }
            if found.request_ns == 0.0 {
                let rate = done.rate.filter(|rate| *rate > 0.0);
                found.request_ns = 1e9 / rate.ok_or_else(|| SelfTestError::NoBase(done.reason.clone()))?;
            }
            if let (Some(price), Some(factor)) = (&mut price, done.factor) {
                price.learn(tax_ns, factor);
            }
            measuring += done.measuring;
            pairs += done.pairs;
            found.pair = measuring / pairs.max(1);
            found.levels[at].enter(&done, tax_ns);
        }
    }
    Ok(Ending::Complete)
}

/// What busy time comes out as, learned from gates that had some.
#[derive(Clone, Debug, PartialEq)]
struct Price {
    /// What a request takes without, in nanoseconds.
    request_ns: f64,
    /// Busy time of all gates, in nanoseconds.
    paid_ns: f64,
    /// How much slower that made the server, as shares.
    bought: f64,
}

impl Price {
    /// The price by one gate whose busy time is a share of what a request takes; `None` when interrupted.
    fn first(
        request_ns: f64,
        gate: &mut impl FnMut(GateSpec) -> Result<Option<GateResult>, SelfTestError>,
    ) -> Result<Option<Self>, SelfTestError> {
        let tax_ns = (request_ns * TRIED).round() as u64;
        let ask = GateSpec { name: "what-a-slowdown-costs".into(), tax_ns, number: u64::MAX };
        let Some(done) = gate(ask)? else { return Ok(None) };
        let factor = done.factor.filter(|factor| factor.is_finite());
        let factor = factor.ok_or_else(|| SelfTestError::NoPrice(done.reason.clone()))?;
        let mut price = Self { request_ns, paid_ns: 0.0, bought: 0.0 };
        price.learn(tax_ns, factor);
        if price.paid_ns == 0.0 {
            return Err(SelfTestError::NotShown { tax_ns, request_ns, shown: factor - 1.0 });
        }
        Ok(Some(price))
    }

    /// Learns from a gate, unless that would make the price absurd: a machine that stood still says nothing of it.
    fn learn(&mut self, tax_ns: u64, factor: f64) {
        let (paid_ns, bought) = (self.paid_ns + tax_ns as f64, self.bought + factor - 1.0);
        if tax_ns > 0 && factor.is_finite() && bought >= LEAST_SHOWN * paid_ns / self.request_ns {
            (self.paid_ns, self.bought) = (paid_ns, bought);
        }
    }

    /// The busy time that makes the server slower by a share, in nanoseconds.
    fn of(&self, slower: f64) -> Result<u64, SelfTestError> {
        let one = self.paid_ns / self.bought;
        match (slower * one).round() as u64 {
            0 => Err(SelfTestError::TooSmall { slower, least: 0.5 / one }),
            tax_ns => Ok(tax_ns),
        }
    }
}

impl Level {
    fn enter(&mut self, done: &GateResult, tax_ns: u64) {
        self.taxes_ns.push(tax_ns as f64);
        self.gates += 1;
        self.alarms += u64::from(done.regressed);
        self.factors.extend(done.factor);
        self.took.push(done.took);
    }
}

/// What a level is called in the name of a folder.
pub fn called(slower: f64) -> String {
    let percent = format!("{:.3}", slower * 100.0);
    match percent.trim_end_matches('0').trim_end_matches('.') {
        "0" if slower == 0.0 => "none".into(),
        percent => format!("{percent}-percent"),
    }
}

/// What all gates of a self-test have in common.
struct SelfTest<'a, M> {
    plan: &'a PairPlan,
    options: &'a Options,
    context: &'a Context,
    folder: &'a Path,
    prepare: M,
}

impl<M: Fn(Side) -> PreparedSide> SelfTest<'_, M> {
    /// Runs a gate; `None` when interrupted.
    fn gate(&self, ask: &GateSpec) -> Result<Option<GateResult>, SelfTestError> {
        let (a, b) = ((self.prepare)(Side::A), (self.prepare)(Side::B).taxed(ask.tax_ns));
        let home = self.folder.join(&ask.name);
        std::fs::create_dir_all(&home)
            .map_err(|source| BundleError::Create { path: home.clone(), source })?;
        let path = home.join("run.jsonl");
        let plan = PairPlan { seed: self.plan.seed.wrapping_add(ask.number), ..self.plan.clone() };
        let run = compare(&plan, Sides { a: &a, b: &b }, (self.options, false), self.context, &path);
        if matches!(&run, Err(_) | Ok(Completion { ending: Ending::NotBegun, .. })) {
            // Of a gate that never began nothing is left; a folder that holds records is not empty and stays.
            let _ = std::fs::remove_dir(&home);
        }
        let completion = run?;
        if completion.ending != Ending::Complete {
            return Ok(None);
        }
        let bundle = bundle::load(&path)?;
        let gate = gate::judge(&bundle).ok_or_else(|| SelfTestError::NoBase("no comparison".into()))?;
        let rate = gate.cells.iter().find(|one| one.figure == Metric::Throughput);
        let done = GateResult {
            regressed: gate.outcome() == Outcome::Regressed,
            rate: rate.and_then(|rate| rate.a),
            factor: rate.and_then(|rate| rate.factor).map(|factor| factor.median),
            logs: rate.map_or_else(Vec::new, |rate| rate.pairs.iter().map(|pair| pair.log).collect()),
            reason: rate.map_or_else(String::new, |rate| rate.reason()),
            pairs: u32::try_from(bundle.trials.len() / 2).unwrap_or(u32::MAX),
            measuring: completion.measuring,
            took: completion.took,
        };
        let factor = done.factor.map_or_else(String::new, |factor| format!(" {factor:.3}"));
        print_to_stderr(&format!(
            "{}: {}{factor} after {:.0} s",
            ask.name,
            gate.outcome().word(),
            done.took.as_secs_f64()
        ));
        Ok(Some(done))
    }
}

#[cfg(test)]
mod tests;
