//! The gate put to the test on this machine: the same build on both sides, and the same build with a known cost on every
//! request. How often does it cry wolf, how often does it miss one?
//!
//! Every gate is a whole comparison as anybody would run it, with its bundle. The levels take turns, so that a bad hour of the
//! machine meets all of them. The cost of a level is a share of what a request takes without it, measured in the first gate,
//! which has none; the workload has to be one in which the server is what limits, or the share would mean nothing.
//!
//! The noise of the gates without a cost is then used again: thousands of gates are simulated from its pairs, with effects put
//! in, and say what whole runs are too few to show.

use crate::ab::plan::AbPlan;
use crate::ab::runner::{self, AbError, AbOptions, Ending, Sides, Spent};
use crate::ab::side::Standing;
use crate::children::launch::Launcher;
use crate::tell;
use bakeoff_reports::bundle::{self, BundleError};
use bakeoff_reports::gate::{self, Gate, Outcome};
use bakeoff_reports::record::{Figure, Merit, Side};
use bakeoff_reports::statistics::median;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The known costs, as shares of what a request takes: none first.
pub const LEVELS: [f64; 4] = [0.0, 0.03, 0.05, 0.10];

/// What came of the gates of a level.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Level {
    /// The cost, as a share.
    pub cost: f64,
    /// Busy time added to a request, in nanoseconds.
    pub tax_ns: u64,
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
    /// By level.
    pub levels: Vec<Level>,
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
    /// The tool was asked to end.
    #[error("interrupted")]
    Interrupted,
}

/// Runs `gates` gates of every level; each leaves its bundle in a folder of its own under `folder`. `make` makes this program
/// stand on a side.
///
/// # Errors
/// A comparison that cannot be done, or nothing measured.
pub fn run(
    plan: &AbPlan,
    gates: u32,
    options: &AbOptions,
    launcher: &Launcher,
    folder: &Path,
    make: impl Fn(Side) -> Standing,
) -> Result<Found, SelfTestError> {
    let mut found =
        Found { levels: LEVELS.map(|cost| Level { cost, ..Level::default() }).into(), ..Found::default() };
    let mut base_ns = None;
    let (mut measuring, mut pairs) = (Duration::ZERO, 0_u32);
    for number in 0..gates {
        for (at, cost) in LEVELS.into_iter().enumerate() {
            let tax_ns = base_ns.map_or(0, |base: f64| (base * cost).round() as u64);
            let (a, b) = (make(Side::A), make(Side::B).taxed(tax_ns));
            let name = format!("{:02}-percent-{:02}", (cost * 100.0).round() as u32, number + 1);
            let home = folder.join(&name);
            std::fs::create_dir_all(&home)
                .map_err(|source| BundleError::Create { path: home.clone(), source })?;
            let path: PathBuf = home.join("run.jsonl");
            // Every gate has schedules of its own.
            let plan = AbPlan {
                seed: plan.seed.wrapping_add(1_000 * u64::from(number) + at as u64),
                ..plan.clone()
            };
            let (ending, Spent { measuring: took, beside }) =
                runner::run(&plan, Sides { a: &a, b: &b }, options, launcher, &path)?;
            if ending == Ending::Interrupted {
                return Err(SelfTestError::Interrupted);
            }
            let bundle = bundle::load(&path)?;
            let gate = gate::judge(&bundle).ok_or_else(|| SelfTestError::NoBase("no comparison".into()))?;
            measuring += took;
            pairs += u32::try_from(bundle.trials.len() / 2).unwrap_or(u32::MAX);
            if at == 0 {
                found.noise.extend(rates(&gate).map(|cell| cell.pairs.iter().map(|pair| pair.log).collect()));
            }
            if base_ns.is_none() {
                base_ns = Some(base(&gate)?);
            }
            enter(&mut found.levels[at], &gate, tax_ns, took + beside);
            tell(&line(&name, &gate, took + beside));
        }
    }
    found.pair = measuring / pairs.max(1);
    Ok(found)
}

/// The verdicts on throughput, whose factor is told beside the cost.
fn rates(gate: &Gate) -> impl Iterator<Item = &gate::Verdict> {
    gate.cells.iter().filter(|cell| cell.figure == Figure::Merit(Merit::Throughput))
}

/// What a request takes the server where it is what limits: the time of one at its rate, in nanoseconds, the median of the cells.
fn base(gate: &Gate) -> Result<f64, SelfTestError> {
    let all: Vec<f64> = rates(gate).filter_map(|cell| cell.a).collect();
    let rate = median(&all).filter(|rate| *rate > 0.0);
    let why = || gate.cells.first().map_or_else(String::new, |cell| cell.reason.clone());
    rate.map(|rate| 1e9 / rate).ok_or_else(|| SelfTestError::NoBase(why()))
}

fn enter(level: &mut Level, gate: &Gate, tax_ns: u64, took: Duration) {
    level.tax_ns = tax_ns;
    level.gates += 1;
    level.alarms += u64::from(gate.outcome() == Outcome::Regressed);
    level.factors.extend(rates(gate).filter_map(|cell| cell.factor).map(|factor| factor.median));
    level.took.push(took);
}

fn line(name: &str, gate: &Gate, took: Duration) -> String {
    let cells: Vec<String> = rates(gate)
        .map(|cell| {
            let factor = cell.factor.map_or_else(String::new, |factor| format!(" {:.3}", factor.median));
            format!("{}{factor}", cell.outcome.word())
        })
        .collect();
    format!("{name}: {} after {:.0} s", cells.join(", "), took.as_secs_f64())
}
