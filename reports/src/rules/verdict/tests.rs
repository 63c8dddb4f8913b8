//! The rule against the vectors of its design, which another program computed, and in simulated runs of known truth.

use super::allocation::{Allocation, Means};
use super::interval::{Contest, Family, LOOKS, Pair, cut, quantile, share_at_most, weight};
use super::settle::Closeness;
use super::{
    BAD, CAPPED_SHARE, CLOSE, CPU_ALLOWANCE, CUT_FROM, LEAST_EXCLUDED, LEVEL, OF_THE_LEAD, PRIOR_BLOCKS,
    Status, TELLING, UNSERVED,
};
use crate::stats::censored::Censored;
use crate::stats::random::Random;
use crate::stats::rate;
use serde_json::Value;

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../../design/verdict-rule.json")).expect("the design's vectors")
}

fn number(value: &Value) -> f64 {
    match value.as_str() {
        Some("inf") => f64::INFINITY,
        Some("-inf") => f64::NEG_INFINITY,
        _ => value.as_f64().expect("a number"),
    }
}

fn near(found: f64, stated: f64) -> bool {
    found == stated || (found - stated).abs() <= 2e-6 * stated.abs().max(1.0)
}

/// A figure of the vectors: 1.05, "never:80" (at least), "perhaps:1.01" (perhaps infinite), "capped:0.99" (at most).
fn figure(value: &Value) -> Censored {
    let Some(text) = value.as_str() else { return Censored::known(number(value).ln()) };
    let (kind, of) = text.split_once(':').expect("a kind and a value");
    let bad = of.parse::<f64>().expect("a value").ln();
    match kind {
        "never" => Censored::never(bad),
        "perhaps" => Censored::perhaps_infinite(bad),
        "capped" => Censored::known(bad).capped(),
        other => panic!("{other}"),
    }
}

/// A contest of these figures, each contestant's by block; 0 where it has none.
fn contest(figures: &[&[f64]]) -> Contest {
    let of = |blocks: &&[f64]| {
        let all = blocks.iter().enumerate().filter(|(_, value)| **value > 0.0);
        all.map(|(at, value)| (at as u32, Censored::known(value.ln()))).collect()
    };
    Contest { floor: 0.03, figures: figures.iter().map(of).collect() }
}

#[test]
fn half_shown_to_be_behind_decides_and_who_was_not_compared_is_not_behind() {
    let family = Family { pairs: 3, contestants: 3 };
    // Two that share no block with each other, and hardly differ from the third.
    let apart = contest(&[
        &[1.02, 1.01, 1.03, 1.02, 1.01, 1.03],
        &[1.0, 1.01, 1.02, 0.0, 0.0, 0.0],
        &[0.0, 0.0, 0.0, 1.02, 1.01, 1.02],
    ]);
    let settled = apart.settle(family);
    assert_eq!(settled.front.len(), 2, "one was not compared with the leader: {settled:?}");
    assert!(!settled.is_chosen() && settled.ahead_of(2).next().is_none(), "{settled:?}");
    // a is ahead of c, nobody of a or b, and b is not told from c.
    let chain = contest(&[
        &[1.0, 1.01, 0.99, 1.0, 1.01, 1.0],
        &[1.2, 1.5, 1.0, 1.3, 1.1, 1.4],
        &[1.6, 1.62, 1.58, 1.6, 1.61, 1.59],
    ]);
    let settled = chain.settle(family);
    assert_eq!((settled.front.as_slice(), settled.top.len()), (&[0, 1][..], 3), "{settled:?}");
    assert_eq!(settled.status, Status::Decided);
}

#[test]
fn blocks_needed_ask_anybody_ahead_and_not_the_first_alone() {
    let blocks =
        |figures: [Censored; 4]| figures.map(|figure| (0..4).map(|at| (at, figure)).collect()).to_vec();
    // The first may be infinite, so nobody can be shown to be behind it; but b will be shown to be ahead of c and d.
    let figures =
        [Censored::perhaps_infinite(0.0), Censored::known(0.1), Censored::known(0.14), Censored::known(0.14)];
    let settled =
        Contest { floor: 0.03, figures: blocks(figures) }.settle(Family { pairs: 80, contestants: 40 });
    assert!(matches!(settled.status, Status::Undecided { more: Some(1..) }), "{settled:?}");
}

#[test]
fn every_vector_of_the_design_comes_out() {
    let vectors = vectors();
    let cases = vectors["cases"].as_array().expect("cases");
    assert!(cases.len() >= 17);
    for case in cases {
        let name = case["name"].as_str().expect("a name");
        let figures = case["figures"].as_object().expect("figures");
        let names: Vec<&str> = figures.keys().map(String::as_str).collect();
        let of = |blocks: &Value| {
            let all = blocks.as_array().expect("blocks").iter().enumerate();
            all.filter(|(_, value)| !value.is_null()).map(|(at, value)| (at as u32, figure(value))).collect()
        };
        let contest = Contest { floor: number(&case["floor"]), figures: figures.values().map(of).collect() };
        let count = |key: &str| case[key].as_u64().expect("a count") as usize;
        let family = Family { pairs: count("pairs_of_run"), contestants: count("contestants_of_run") };
        let (settled, expect) = (contest.settle(family), &case["expect"]);
        let status = match settled.status {
            Status::Decided => "decided",
            Status::Equal => "equal",
            Status::NoneFits => "none fits",
            Status::Undecided { .. } => "undecided",
            Status::Provisional => unreachable!("nothing was disturbed"),
        };
        assert_eq!(expect["status"], status, "{name}: {settled:#?}");
        if let Status::Undecided { more } = settled.status {
            assert_eq!(expect["more"].as_u64(), more.map(|more| more as u64), "{name}");
        }
        let named = |at: &[usize]| {
            let mut all: Vec<&str> = at.iter().map(|at| names[*at]).collect();
            all.sort_unstable();
            all
        };
        let stated = |key: &str| {
            let all = expect[key].as_array().map(Vec::as_slice).unwrap_or_default();
            let mut all: Vec<&str> = all.iter().filter_map(Value::as_str).collect();
            all.sort_unstable();
            all
        };
        if !settled.pairs.is_empty() {
            assert_eq!(named(&settled.front), stated("front"), "{name}");
            assert_eq!(named(&settled.top), stated("top"), "{name}");
        }
        let closeness = settled.closeness.map(|closeness| match closeness {
            Closeness::Equal => "equal",
            Closeness::Near => "near",
            Closeness::NotToldApart => "not told apart",
        });
        if let Some(note) = expect["note"].as_str() {
            assert_eq!(closeness, Some(note), "{name}");
        }
        for pair in expect["pairs"].as_array().expect("pairs") {
            let at = |key: &str| names.iter().position(|one| pair[key] == **one).expect("a contestant");
            let found = settled.pair(at("i"), at("j")).expect("compared");
            let kept = found.blocks - 2 * cut(found.blocks);
            let freedom = found.prior + kept - 1;
            assert_eq!(
                (Some(found.blocks as u64), Some(freedom as u64)),
                (pair["blocks"].as_u64(), pair["df"].as_u64())
            );
            let t = quantile(weight(found.blocks), family, freedom);
            for (key, value) in [
                ("centre", found.centre),
                ("s2", found.variance),
                ("low", found.low),
                ("high", found.high),
                ("t", t),
            ] {
                assert!(near(value, number(&pair[key])), "{name}, {pair}: {key} is {value}");
            }
            let bad: Vec<u64> =
                pair["bad"].as_array().expect("two").iter().filter_map(Value::as_u64).collect();
            let mut found = found.bad.map(|bad| bad as u64);
            found.sort_unstable();
            let mut stated = bad.clone();
            stated.sort_unstable();
            assert_eq!(found.to_vec(), stated, "{name}");
        }
    }
}

#[test]
fn the_scalars_of_the_design_come_out() {
    let scalars = &vectors()["scalars"];
    for (blocks, stated) in scalars["cut"].as_object().expect("cuts") {
        assert_eq!(Some(cut(blocks.parse().expect("blocks")) as u64), stated.as_u64(), "{blocks}");
    }
    for (blocks, stated) in scalars["weights"].as_object().expect("weights") {
        assert_eq!(Some(weight(blocks.parse().expect("blocks"))), stated.as_f64(), "{blocks}");
    }
    let family = Family { pairs: 80, contestants: 40 };
    for (bad, blocks, stated) in
        [(0, 8, 0.657_922), (0, 32, 0.261_039), (1, 32, 0.322_693), (3, 32, 0.418_397)]
    {
        let found = share_at_most(bad, blocks, weight(blocks), family);
        assert!(near(found, stated), "{bad} of {blocks}: {found}");
    }
    for (blocks, freedom, stated) in [(3, 6, 8.388_493), (12, 11, 6.757_721), (32, 23, 5.161_860)] {
        assert!(near(quantile(weight(blocks), family, freedom), stated), "{blocks} {freedom}");
    }
}

/// What is true of a simulated run: for each workload how bad each contestant is, as logarithms, and how noisy each is.
struct World {
    bad: Vec<Vec<f64>>,
    noise: Vec<Vec<f64>>,
    trials: usize,
}

struct Ran {
    allocation: Allocation,
    trials: usize,
    in_a_row: usize,
}

impl World {
    fn of(bad: &[f64], workloads: usize, noise: impl Fn(usize, usize) -> f64, trials: usize) -> Self {
        let row = |of: usize| (0..bad.len()).map(|at| noise(of, at)).collect();
        Self { bad: vec![bad.to_vec(); workloads], noise: (0..workloads).map(row).collect(), trials }
    }

    /// Three blocks of each workload, then block by block where the rule wants them; a trial takes a second. Every block is a
    /// phase of the machine of its own.
    fn run(&self, seed: u64) -> Ran {
        let mut random = Random::named(seed, &["a simulated run"]);
        let mut allocation = Allocation::new(self.bad.iter().map(|of| (0.03, of.len(), false)));
        let (mut trials, mut blocks, mut last, mut in_a_row) = (0, vec![0_u32; self.bad.len()], None, 0);
        let first: Vec<usize> = (0..3).flat_map(|_| 0..self.bad.len()).collect();
        let mut first = first.into_iter();
        loop {
            let seconds = |_: usize, running: &[usize]| running.len() as f64;
            let left = self.trials.saturating_sub(trials) as f64;
            let next = first.next().or_else(|| allocation.next(&Means { seconds: &seconds, left, last }));
            let Some(workload) = next else { break };
            in_a_row += usize::from(last == Some(workload) && self.bad.len() > 1);
            let phase = 0.3 * random.normal();
            let figure = |at: usize, random: &mut Random| {
                let noise = self.noise[workload][at] * random.normal();
                Censored::known(self.bad[workload][at] + phase + noise)
            };
            let running = allocation.running(workload);
            let figures: Vec<_> = running.into_iter().map(|at| (at, figure(at, &mut random))).collect();
            trials += figures.len();
            allocation.enter(workload, blocks[workload], figures);
            blocks[workload] += 1;
            last = Some(workload);
        }
        Ran { allocation, trials, in_a_row }
    }

    /// The true logarithm of how far the second of a pair is behind.
    fn truth(&self, workload: usize, pair: &Pair) -> f64 {
        self.bad[workload][pair.second] - self.bad[workload][pair.first]
    }
}

#[test]
fn a_run_of_equals_says_something_false_at_most_as_often_as_it_promises() {
    // 8 workloads of 5 equal contestants, one of them thrice as noisy in each, which is about what recorded runs show. 300 runs of
    // 150 trials. The design found 2.4 % [1.5, 3.6]; the promise is 5 %. With 5 % the chance of 28 or more of 300 is below 0.001.
    let spreads = [0.02, 0.04, 0.05, 0.07, 0.07, 0.1, 0.15, 0.25];
    let world = World::of(&[0.0; 5], 8, |of, at| spreads[of] * if at == 0 { 3.0 } else { 1.0 }, 150);
    let is_false = |seed: &u64| {
        let ran = world.run(*seed);
        assert!(ran.trials <= 150 && ran.in_a_row == 0, "{} trials, {} in a row", ran.trials, ran.in_a_row);
        (0..8).any(|of| {
            let settled = ran.allocation.settled(of);
            settled.pairs.iter().any(|pair| pair.low > 0.03_f64.ln_1p() || pair.high < -(0.03_f64.ln_1p()))
        })
    };
    let hits = (0..300).filter(is_false).count();
    assert!(
        hits < 28,
        "{hits} of 300 runs claim something false; at least {}",
        rate::at_least(hits as u64, 300)
    );
}

#[test]
fn large_differences_are_decided_with_the_first_blocks_and_every_interval_holds() {
    let ln = |factors: [f64; 5]| factors.map(f64::ln).to_vec();
    let world = World {
        bad: vec![ln([1.0, 1.0, 2.0, 10.0, 300.0]), ln([1.0, 1.3, 1.3, 1.5, 4.0]), ln([1.0; 5])],
        noise: vec![vec![0.05; 5]; 3],
        trials: 150,
    };
    let (mut decided, mut claims, mut missed) = ([0; 3], 0, 0);
    for seed in 0..100 {
        let ran = world.run(seed);
        for (of, decided) in decided.iter_mut().enumerate() {
            let settled = ran.allocation.settled(of);
            *decided += usize::from(!matches!(settled.status, Status::Undecided { .. }));
            for pair in &settled.pairs {
                let truth = world.truth(of, pair);
                claims += usize::from(pair.low > 0.0 || pair.high < 0.0);
                missed += usize::from(truth < pair.low || truth > pair.high);
            }
        }
    }
    assert_eq!(decided[0], 100, "tenfold is seen at once");
    assert!(decided[1] >= 95 && decided[2] >= 85, "{decided:?}: 1.3x is found, and equals are near");
    assert!(claims > 1_000 && missed <= 3, "{missed} of the intervals behind {claims} claims miss");
}

#[test]
fn what_is_behind_all_of_the_front_runs_no_more_and_what_is_decided_gets_nothing() {
    let world = World::of(&[0.0, 0.0, 3.0], 2, |_, _| 0.02, 1_000);
    let ran = world.run(1);
    for of in 0..2 {
        assert_eq!(ran.allocation.running(of), [0, 1], "the third is behind both");
        assert_ne!(ran.allocation.settled(of).closeness, Some(Closeness::NotToldApart));
    }
    assert!(ran.trials < 200, "{} trials: it stops when nothing is open", ran.trials);
}

#[test]
fn a_block_of_another_workload_goes_between() {
    let mut allocation = Allocation::new([(0.03, 2, false), (0.03, 2, false)]);
    let mut enter = |workload, block, bad: f64| {
        let figures = [(0, Censored::known(0.0)), (1, Censored::known(bad))];
        allocation.enter(workload, block, figures);
    };
    // The first is decided, the second open: 4 % at a spread of some percent.
    (0..3).for_each(|block| enter(0, block, 2.0 + 0.01 * f64::from(block)));
    (0..3).for_each(|block| enter(1, block, 0.04 + 0.05 * f64::from(block)));
    let next =
        |left, last| allocation.next(&Means { seconds: &|_, running| running.len() as f64, left, last });
    assert_eq!(next(1_000.0, Some(0)), Some(1));
    assert_eq!(
        next(1_000.0, Some(1)),
        Some(1),
        "the other has one contestant left, which compares with nothing"
    );
    assert_eq!(next(1.0, Some(0)), None, "no look fits any more");
    let looks: Vec<usize> = LOOKS.iter().map(|(blocks, _)| *blocks).collect();
    assert!(looks.windows(2).all(|two| two[0] < two[1]));
}

#[test]
fn the_constants_are_those_of_the_prose() {
    let prose = include_str!("mod.rs");
    let prose: Vec<&str> = prose.lines().filter_map(|line| line.strip_prefix("//!")).map(str::trim).collect();
    let prose = prose.join(" ");
    for stated in [
        format!("[`LEVEL`] = {LEVEL}"),
        format!("[`UNSERVED`] = {UNSERVED} times"),
        format!("[`CAPPED_SHARE`] = {:.0} %", CAPPED_SHARE * 100.0),
        format!("[`CUT_FROM`] = {CUT_FROM} on"),
        format!("[`PRIOR_BLOCKS`] = {PRIOR_BLOCKS} further"),
        format!("[`CLOSE`] = {CLOSE} to"),
        format!("[`BAD`] = {BAD} times"),
        format!("[`LEAST_EXCLUDED`] = 1/{:.0} is", 1.0 / LEAST_EXCLUDED),
        format!("[`CPU_ALLOWANCE`] = {CPU_ALLOWANCE:.2}"),
        format!("[`TELLING`] = {TELLING}"),
        format!("[`OF_THE_LEAD`] = {OF_THE_LEAD}"),
    ] {
        assert!(prose.contains(&stated), "the prose does not say {stated:?}");
    }
    let spent: f64 = LOOKS.iter().map(|(_, weight)| weight).sum();
    assert!((spent - 1.0).abs() < 1e-12, "the looks spend {spent}");
}
