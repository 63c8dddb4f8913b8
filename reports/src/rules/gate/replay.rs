//! Gates replayed on recorded noise: how often the rule raises an alarm where there is nothing, and how often it finds a
//! slowdown of known size.
//!
//! The noise is that of paired rounds of one build against itself, on the machine that is to be judged. It is drawn again
//! in blocks of neighbouring rounds, so that a slow minute stays a slow minute, with a random sign for each block, because A
//! and B were the same. Its own median is taken off first: what one run of an A/A comparison is off by chance is
//! no property of the machine, and what it is off by more is for the verdict on that very run to say. Then each pair is
//! made worse by the effect, and the whole gate is run: looks, end of the search, confirmation.

use super::plan::looks;
use super::rule::{self, Class, Series};
use super::spending::Spending;
use super::verdict::Outcome;
use crate::record::PlannedLook;
use crate::stats::median;
use crate::stats::random::Random;
use crate::stats::threads;
use rayon::prelude::*;

/// The gates to simulate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Replay {
    /// How many.
    pub gates: u32,
    /// Rounds of the search at most.
    pub search_rounds: u32,
    /// Fresh rounds for what looks worse.
    pub confirm_rounds: u32,
    /// The smallest slowdown that matters, as a share.
    pub floor: f64,
    /// How much worse B is made, as a share: 0.05 is 5 %; 0 is the same build.
    pub effect: f64,
    /// Figures that the run gates, at least 1, each with noise of its own; the first has the effect.
    pub figures: u32,
    /// The seed.
    pub seed: u64,
}

/// What the gates came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    outcomes: [u32; Outcome::ALL.len()],
    /// Rounds that the figure with the effect was run for, over all gates.
    pub rounds: u64,
}

impl Tally {
    /// Gates whose gravest outcome was this.
    pub fn of(&self, outcome: Outcome) -> u32 {
        self.outcomes[outcome as usize]
    }

    /// All of them.
    pub fn gates(&self) -> u32 {
        self.outcomes.iter().sum()
    }

    fn add(mut self, other: Self) -> Self {
        self.outcomes.iter_mut().zip(other.outcomes).for_each(|(sum, one)| *sum += one);
        self.rounds += other.rounds;
        self
    }
}

/// The fewest recorded pairs that noise is drawn from.
pub const FEWEST_RECORDED: usize = 20;

/// Replays gates on recorded noise, given as the logarithms of how many times worse B was than A, in order of rounds.
/// `None` when fewer than [`FEWEST_RECORDED`] of them are finite.
pub fn replay(noise: &[f64], replay: &Replay) -> Option<Tally> {
    let finite: Vec<f64> = noise.iter().copied().filter(|log| log.is_finite()).collect();
    let middle = median(&finite).filter(|_| finite.len() >= FEWEST_RECORDED)?;
    let centred: Vec<f64> = finite.iter().map(|log| log - middle).collect();
    Some(simulate(replay, |random, count| blocks(&centred, random, count)))
}

/// So much of the noise, in blocks of as many neighbours as the cube root of their number, the end joined to the beginning.
/// (Künsch, The jackknife and the bootstrap for general stationary observations, 1989; circular after Politis and Romano.)
fn blocks(noise: &[f64], random: &mut Random, count: usize) -> Vec<f64> {
    let length = (noise.len() as f64).cbrt().ceil() as usize;
    let mut drawn = Vec::with_capacity(count + length);
    while drawn.len() < count {
        let from = random.below(noise.len());
        let sign = if random.unit() < 0.5 { -1.0 } else { 1.0 };
        drawn.extend((from..from + length).map(|at| sign * noise[at % noise.len()]));
    }
    drawn.truncate(count);
    drawn
}

/// Runs the gates, each figure with as much noise as `draw` is asked for.
pub(crate) fn simulate(replay: &Replay, draw: impl Fn(&mut Random, usize) -> Vec<f64> + Sync) -> Tally {
    let looks = looks(replay.search_rounds);
    let rounds = (replay.search_rounds + replay.confirm_rounds) as usize;
    let one = |number: u32| {
        let figures: Vec<Vec<f64>> = (0..replay.figures.max(1))
            .map(|figure| {
                let names = [number.to_string(), figure.to_string()];
                let mut random = Random::named(replay.seed, &names.each_ref().map(String::as_str));
                let mut logs = draw(&mut random, rounds);
                let effect = if figure == 0 { replay.effect.ln_1p() } else { 0.0 };
                logs.iter_mut().for_each(|log| *log += effect);
                logs
            })
            .collect();
        gate(replay, &figures, &looks, number)
    };
    threads::prepare();
    (0..replay.gates).into_par_iter().map(one).reduce(Tally::default, Tally::add)
}

/// One gate on figures whose rounds are all known beforehand; each is a cell of its own.
fn gate(replay: &Replay, figures: &[Vec<f64>], looks: &[PlannedLook], number: u32) -> Tally {
    let seed = replay.seed.wrapping_add(u64::from(number));
    let search = replay.search_rounds;
    let names: Vec<String> = (0..figures.len()).map(|at| at.to_string()).collect();
    let mut ended: Vec<u32> = vec![search; figures.len()];
    let classes = |ended: &[u32], rounds: u32| -> Vec<Class> {
        let series: Vec<Series<'_>> = figures
            .iter()
            .zip(ended.iter().zip(&names))
            .map(|(logs, (ended, name))| Series {
                names: ["replay", name, ""],
                floor: replay.floor,
                search: (0..rounds.min(*ended)).zip(logs.iter().copied()).collect(),
                lost: Vec::new(),
            })
            .collect();
        let found = rule::apply(&series, Spending { looks, rounds }, seed);
        found.into_iter().map(|found| found.class).collect()
    };
    let mut done = search;
    for look in looks {
        let now = classes(&ended, look.after_rounds);
        for (ended, class) in ended.iter_mut().zip(now) {
            if *ended == search && class != Class::Open {
                *ended = look.after_rounds;
            }
        }
        if ended.iter().all(|ended| *ended < search) {
            done = look.after_rounds;
            break;
        }
    }
    let mut tally = Tally::default();
    let found = classes(&ended, done);
    let outcome = |(class, logs): (Class, &Vec<f64>)| match class {
        Class::Pass => Outcome::Pass,
        Class::Improved => Outcome::Improved,
        Class::Open => Outcome::Inconclusive,
        Class::Suspected => {
            let fresh = &logs[done as usize..(done + replay.confirm_rounds) as usize];
            if rule::confirms(fresh, replay.floor) { Outcome::Regressed } else { Outcome::Inconclusive }
        }
    };
    tally.rounds = u64::from(ended[0].min(done));
    if found[0] == Class::Suspected {
        tally.rounds += u64::from(replay.confirm_rounds);
    }
    let gravest = found.into_iter().zip(figures).map(outcome).max().unwrap_or(Outcome::Pass);
    tally.outcomes[gravest as usize] = 1;
    tally
}
