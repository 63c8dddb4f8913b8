//! Simulated runs with known answers, through the same ledger and the same rule as a real one. Every rate is held against
//! a band that states its error; all seeds are fixed.

use super::{Ledger, LookRecord, Open, OpenCell, looks, trials_saved};
use crate::record::{Ended, Metric, ScenarioRecord};
use crate::rules::contest::Class;
use crate::sample;
use crate::stats::random::Random;
use std::collections::{BTreeMap, BTreeSet};

/// What is true of a run, and how noisy its machine is.
struct World {
    /// For each workload, how many times slower than 1 each model is.
    slower: Vec<Vec<f64>>,
    /// Spread of the noise of a trial.
    noise: f64,
    /// The machine's drift from trial to trial: its autocorrelation and its spread.
    drift: (f64, f64),
    /// Trials that the budget is good for.
    trials: usize,
    /// Whether it looks.
    stops: bool,
}

/// What came out of a run.
struct Ran {
    classes: Vec<Vec<Class>>,
    trials: usize,
    rounds: u32,
    looks: Vec<LookRecord>,
}

impl World {
    fn ledger(&self, seed: u64) -> Ledger {
        let cell =
            |at: usize| OpenCell { model: format!("model {at}"), figures: BTreeMap::new(), runs: true };
        let open = |(at, models): (usize, &Vec<f64>)| Open {
            scenario: ScenarioRecord {
                name: format!("workload {at}"),
                merit: Metric::Throughput,
                ..sample::workload()
            },
            cells: (0..models.len()).map(cell).collect(),
        };
        Ledger {
            seed,
            looks: if self.stops { looks(9) } else { Vec::new() },
            workloads: self.slower.iter().enumerate().map(open).collect(),
            asked: BTreeSet::new(),
            valid: BTreeSet::new(),
        }
    }

    /// A run: whole rounds in shuffled order for as long as the budget is good for another.
    fn run(&self, seed: u64) -> Ran {
        let mut random = Random::named(seed, &["a simulated run"]);
        let mut ledger = self.ledger(seed);
        let (mut trials, mut rounds, mut drift, mut taken) = (0, 0, 0.0, Vec::new());
        loop {
            let mut cells: Vec<(usize, usize)> = Vec::new();
            for (scenario, open) in ledger.workloads.iter().enumerate() {
                let running = (0..open.cells.len()).filter(|model| open.cells[*model].runs);
                cells.extend(running.map(|model| (scenario, model)));
            }
            if cells.is_empty() || trials + cells.len() > self.trials {
                break;
            }
            for last in (1..cells.len()).rev() {
                cells.swap(last, random.below(last + 1));
            }
            trials += cells.len();
            for (scenario, model) in cells {
                let (correlation, spread) = self.drift;
                drift =
                    correlation * drift + (1.0 - correlation * correlation).sqrt() * spread * random.normal();
                let log = drift + self.noise * random.normal();
                let figure = 10_000.0 / self.slower[scenario][model] * log.exp();
                ledger.enter(scenario, model, rounds, figure);
            }
            rounds += 1;
            taken.extend(ledger.look(rounds));
        }
        Ran { classes: ledger.classes(rounds), trials, rounds, looks: taken }
    }
}

fn is_behind(class: &Class) -> bool {
    matches!(class, Class::Behind(_))
}

/// In how many of so many runs anybody is called behind.
fn runs_with_an_alarm(world: &World, runs: u64) -> usize {
    let alarm = |seed: &u64| world.run(*seed).classes.iter().flatten().any(is_behind);
    (0..runs).filter(alarm).count()
}

/// Three models under two workloads that are all the same.
fn same(noise: f64, drift: (f64, f64)) -> World {
    World { slower: vec![vec![1.0; 3]; 2], noise, drift, trials: 6 * 20, stops: true }
}

#[test]
fn identical_models_are_seldom_told_apart_however_often_one_looks() {
    // The stated rate is 5 % of runs. In 200, 10 are expected at that rate; 20 or more have a probability of 0.2 %.
    let alarms = runs_with_an_alarm(&same(0.05, (0.0, 0.0)), 200);
    assert!(alarms < 20, "{alarms} of 200");
}

#[test]
fn a_drifting_machine_raises_no_more_alarms() {
    for correlation in [0.5, 0.9, 0.98] {
        // Drift three times the noise. The band as above.
        let alarms = runs_with_an_alarm(&same(0.03, (correlation, 0.09)), 100);
        // In 100, 5 are expected at the stated rate; 13 or more have a probability of 0.2 %.
        assert!(alarms < 13, "{alarms} of 100 with an autocorrelation of {correlation}");
    }
}

#[test]
fn a_difference_of_exactly_the_floor_is_seldom_called_more() {
    // The hardest null: one model truly slower by the floor, so that only the test stands between it and an alarm.
    let world = World { slower: vec![vec![1.0, 1.03]], trials: 2 * 40, ..same(0.03, (0.9, 0.05)) };
    let alarms = runs_with_an_alarm(&world, 300);
    // At most the stated rate itself, which is 15. The rule gives 6; looking after every round from the sixth on without
    // dividing by weights gives 22.
    assert!(alarms <= 15, "{alarms} of 300");
}

#[test]
fn one_in_ten_is_found_in_nine_of_ten_runs() {
    // 10 % among five models and three workloads, at a noise of 3 % a trial.
    let mut slower = vec![vec![1.0; 4]; 3];
    slower.iter_mut().for_each(|models| models[3] = 1.10);
    let world = World { slower, trials: 12 * 16, ..same(0.03, (0.9, 0.06)) };
    let (mut found, mut alarms) = (0, 0);
    for seed in 0..60 {
        let ran = world.run(seed);
        found += ran.classes.iter().filter(|classes| is_behind(&classes[3])).count();
        alarms +=
            ran.classes.iter().flat_map(|classes| &classes[..3]).filter(|class| is_behind(class)).count();
    }
    // Nine of ten of 180 are 162.
    assert!(found >= 162, "{found} of 180");
    // Of all claims at most 5 % may be false: 9 are expected at that rate; 20 or more have a probability of 0.2 %.
    assert!(alarms < 20, "{alarms} beside {found}");
}

/// As in a bake-off: most models far behind, some equal, one close.
fn typical(stops: bool) -> World {
    let slower = vec![
        vec![1.0, 1.6, 1.5, 1.06, 1.0],
        vec![1.3, 1.0, 2.0, 8.0, 1.07],
        vec![1.0, 1.0, 3.0, 1.25, 1.4],
        vec![1.15, 1.8, 1.0, 1.04, 12.0],
    ];
    World { slower, noise: 0.03, drift: (0.9, 0.05), trials: 20 * 16, stops }
}

#[test]
fn on_a_typical_mix_the_stop_saves_time_and_finds_no_less() {
    let truly_behind = |world: &World, ran: &Ran| {
        let all = world.slower.iter().flatten().zip(ran.classes.iter().flatten());
        all.filter(|(slower, class)| **slower > 1.035 && is_behind(class)).count()
    };
    let (mut with, mut without, mut more_rounds, mut saved) = (0, 0, 0, 0);
    let runs = 20;
    for seed in 0..runs {
        let (stopping, fixed) = (typical(true), typical(false));
        let (stopped, whole) = (stopping.run(seed), fixed.run(seed));
        assert!(stopped.trials <= 320 && whole.trials == 320);
        let ended: u64 = trials_saved(&stopped.looks, stopped.rounds);
        assert_eq!(
            ended as usize + stopped.trials,
            20 * stopped.rounds as usize,
            "every trial is accounted for"
        );
        with += truly_behind(&stopping, &stopped);
        without += truly_behind(&fixed, &whole);
        more_rounds += u64::from(stopped.rounds) - u64::from(whole.rounds).min(u64::from(stopped.rounds));
        saved += ended;
    }
    // Ended cells leave at least a third of the budget to the others, which get at least half as many rounds again.
    assert!(saved >= runs * 320 / 3, "{saved} trials saved in {runs} runs of 320");
    assert!(more_rounds >= runs * 8, "{more_rounds} more rounds in {runs} runs of 16");
    // What the looks spend of the error rate costs less than what the time they free finds.
    assert!(with >= without, "{with} found with the stop, {without} without, of {}", 14 * runs);
}

#[test]
fn what_a_look_called_behind_is_behind_at_the_end_though_the_best_may_change() {
    // Three leaders that take turns, and two that are a little behind all of them.
    let world = World {
        slower: vec![vec![1.0, 1.01, 1.005, 1.12, 1.16]; 2],
        noise: 0.03,
        drift: (0.9, 0.05),
        trials: 10 * 20,
        stops: true,
    };
    let mut ended = 0;
    for seed in 0..20 {
        let ran = world.run(seed);
        let behind = ran.looks.iter().flat_map(|look| &look.ended).filter(|cell| cell.why == Ended::Behind);
        for cell in behind {
            let number =
                |name: &str| name.rsplit(' ').next().and_then(|n| n.parse::<usize>().ok()).expect("ours");
            let class = &ran.classes[number(&cell.scenario)][number(&cell.model)];
            assert!(is_behind(class), "{cell:?} of run {seed} is {class:?} at the end");
            ended += 1;
        }
    }
    assert!(ended > 40, "{ended} cells ended: too few to show anything");
}

#[test]
fn the_least_effect_that_is_printed_is_found_in_about_four_of_five_runs() {
    use crate::stats::power;
    let (noise, rounds) = (0.04, 16_usize);
    // The spread of a difference of two trials.
    let effect = 1.03 * power::detectable(noise * 2_f64.sqrt(), rounds).exp();
    let world =
        World { slower: vec![vec![1.0, effect]], noise, drift: (0.0, 0.0), trials: 2 * rounds, stops: false };
    let found = runs_with_an_alarm(&world, 200);
    // 80 % of 200 are 160, with a standard error of 6: the band is three of those to either side.
    assert!((142..=178).contains(&found), "{found} of 200");
}

#[test]
fn a_run_that_lost_too_many_trials_ends_nothing() {
    let world = World { slower: vec![vec![1.0, 3.0]], ..same(0.01, (0.0, 0.0)) };
    let mut ledger = world.ledger(1);
    for round in 0..8 {
        for model in 0..2 {
            ledger.enter(0, model, round, 10_000.0 / world.slower[0][model] + f64::from(round));
            ledger.asked.insert((0, model, round));
            ledger.valid.insert((0, model, round));
        }
    }
    let mut spoiled = ledger.clone();
    spoiled.valid.retain(|(_, model, round)| *model == 0 || *round > 2);
    let look = spoiled.look(8).expect("it is due");
    assert_eq!((look.ended.len(), look.going_on), (0, 2), "3 of 16 are lost");
    let look = ledger.look(8).expect("it is due");
    assert_eq!((look.ended.len(), look.going_on), (2, 0), "one is behind, and the workload decided");
    assert_eq!(ledger.look(9), None, "no look is due");
}
