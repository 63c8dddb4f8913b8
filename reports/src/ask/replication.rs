//! Whether runs agree: how often each verdict repeats over several runs of the same, which contradict each other, and what the
//! runs say together.
//!
//! # The rule
//! * A run claims of two contestants of a workload that one is *behind* the other, or that they are *near* (or equal), or nothing.
//! * Two runs *contradict* each other where one says that the first is behind and the other that the second is, or where one says
//!   near and the other behind by more than [`CLOSE`] at least. A run that says nothing contradicts nobody.
//! * Together: the run is the unit. The mean of the runs' logarithms, and Student's t over the runs, so that what changes from run
//!   to run (code layout, a slow image of a process, a phase of the machine) is in the interval. It takes two runs.

use crate::analysis::Analysis;
use crate::rules::verdict::{CLOSE, Status, Verdict};
use crate::rules::workload::Workload;
use statrs::distribution::{ContinuousCDF, StudentsT};
use std::collections::BTreeMap;

/// What several runs say of one workload.
#[derive(Clone, Debug, PartialEq)]
pub struct Replicated {
    /// Its name.
    pub workload: String,
    /// Runs that have it.
    pub runs: usize,
    /// In how many runs it has each status, by name.
    pub statuses: BTreeMap<&'static str, usize>,
    /// In how many runs each contestant wins, the most frequent first.
    pub winners: Vec<(String, usize)>,
    /// Every pair that any of its runs compared, the better one first.
    pub pairs: Vec<ReplicatedPair>,
}

/// What several runs say of two contestants.
#[derive(Clone, Debug, PartialEq)]
pub struct ReplicatedPair {
    /// The better one over all runs.
    pub ahead: String,
    /// The other.
    pub other: String,
    /// Runs that compared them.
    pub runs: usize,
    /// Runs that say that the other is behind.
    pub behind: usize,
    /// Runs that say that the better one is behind.
    pub reversed: usize,
    /// Runs that say that they are near or equal.
    pub near: usize,
    /// Runs that contradict another one.
    pub contradictions: usize,
    /// How many times behind the other is over all runs, and its 95 % interval with the spread between runs; the interval absent
    /// with one run, or where a run has no finite middle.
    pub together: (f64, Option<(f64, f64)>),
}

/// What several runs say together.
#[derive(Clone, Debug, PartialEq)]
pub struct Replication {
    /// Runs.
    pub runs: usize,
    /// The workloads, in the first run's order.
    pub workloads: Vec<Replicated>,
}

impl Replication {
    /// Pairs over all workloads on which two runs contradict each other.
    pub fn contradictions(&self) -> usize {
        let pairs = self.workloads.iter().flat_map(|one| &one.pairs);
        pairs.filter(|pair| pair.contradictions > 0).count()
    }
}

/// Why runs are no replication of each other.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unlike {
    /// There is nothing to compare with.
    #[error("a replication takes two runs at least")]
    Alone,
    /// They come from different machines.
    #[error("run {run} is from another machine than the first: {what}")]
    Machine {
        /// Its number, from 1.
        run: usize,
        /// What differs.
        what: String,
    },
    /// A workload of one name is not the same.
    #[error(
        "the workload {workload} of run {run} is not that of the first run: its load, request or times differ"
    )]
    Workload {
        /// The run's number, from 1.
        run: usize,
        /// The workload.
        workload: String,
    },
    /// It compares builds.
    #[error("run {run} compares two builds, and not models")]
    Builds {
        /// Its number, from 1.
        run: usize,
    },
}

/// What runs of the same say together.
///
/// # Errors
/// When they are not of the same, or fewer than two.
pub fn replication(analyses: &[Analysis]) -> Result<Replication, Unlike> {
    let [first, others @ ..] = analyses else { return Err(Unlike::Alone) };
    if others.is_empty() {
        return Err(Unlike::Alone);
    }
    for (at, analysis) in analyses.iter().enumerate() {
        alike(first, analysis, at + 1)?;
    }
    let of = |workload: &Workload| {
        let name = &workload.scenario.name;
        let same =
            |analysis: &'_ Analysis| analysis.workloads.iter().position(|one| one.scenario.name == *name);
        let all: Vec<&Workload> =
            analyses.iter().filter_map(|analysis| Some(&analysis.workloads[same(analysis)?])).collect();
        replicated(name, &all)
    };
    Ok(Replication { runs: analyses.len(), workloads: first.workloads.iter().map(of).collect() })
}

fn alike(first: &Analysis, other: &Analysis, run: usize) -> Result<(), Unlike> {
    if other.gate.is_some() {
        return Err(Unlike::Builds { run });
    }
    let machine = |one: &Analysis| {
        let environment = &one.run.environment;
        (environment.cpu_model.clone(), environment.server_cpus.clone(), environment.swarm_cpus.clone())
    };
    if machine(first) != machine(other) {
        let what = format!("{:?} against {:?}", machine(other), machine(first));
        return Err(Unlike::Machine { run, what });
    }
    for workload in &first.workloads {
        let ours = &workload.scenario;
        let theirs = other.workloads.iter().map(|one| &one.scenario).find(|one| one.name == ours.name);
        let same = |theirs: &crate::record::ScenarioRecord| {
            (&theirs.load, &theirs.request, &theirs.timing, theirs.merit, &theirs.server)
                == (&ours.load, &ours.request, &ours.timing, ours.merit, &ours.server)
        };
        if theirs.is_some_and(|theirs| !same(theirs)) {
            return Err(Unlike::Workload { run, workload: ours.name.clone() });
        }
    }
    Ok(())
}

fn replicated(name: &str, all: &[&Workload]) -> Replicated {
    let (mut statuses, mut winners) = (BTreeMap::new(), BTreeMap::<&str, usize>::new());
    for verdict in all.iter().map(|one| &one.verdict) {
        *statuses.entry(verdict.status.name()).or_default() += 1;
        verdict.winners.iter().for_each(|winner| *winners.entry(winner).or_default() += 1);
    }
    let mut winners: Vec<(String, usize)> =
        winners.into_iter().map(|(name, n)| (name.to_owned(), n)).collect();
    winners.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    let models = &all[0].scenario.models;
    let mut pairs = Vec::new();
    for (at, one) in models.iter().enumerate() {
        pairs.extend(models[at + 1..].iter().filter_map(|other| pair(all, one, other)));
    }
    Replicated { workload: name.to_owned(), runs: all.len(), statuses, winners, pairs }
}

/// What a run claims of two: that the second is behind, that the first is, that they are near.
#[derive(Clone, Copy, PartialEq)]
enum Claim {
    Behind(f64),
    Ahead(f64),
    Near,
    Nothing,
}

fn pair(all: &[&Workload], one: &str, other: &str) -> Option<ReplicatedPair> {
    let mut runs: Vec<(f64, Claim)> = all.iter().filter_map(|workload| claim(workload, one, other)).collect();
    let mean = runs.iter().map(|(centre, _)| centre).sum::<f64>() / runs.len().max(1) as f64;
    let (ahead, other) = if mean < 0.0 { (other, one) } else { (one, other) };
    if mean < 0.0 {
        for (centre, claim) in &mut runs {
            *centre = -*centre;
            *claim = match *claim {
                Claim::Behind(low) => Claim::Ahead(low),
                Claim::Ahead(low) => Claim::Behind(low),
                same => same,
            };
        }
    }
    let count = |is: fn(&Claim) -> bool| runs.iter().filter(|(_, claim)| is(claim)).count();
    let contradict = |a: &Claim, b: &Claim| {
        matches!((a, b), (Claim::Behind(_), Claim::Ahead(_)) | (Claim::Ahead(_), Claim::Behind(_)))
            || matches!((a, b), (Claim::Near, Claim::Behind(low) | Claim::Ahead(low)) if *low > CLOSE.ln())
            || matches!((a, b), (Claim::Behind(low) | Claim::Ahead(low), Claim::Near) if *low > CLOSE.ln())
    };
    let contradicts = |(_, claim): &&(f64, Claim)| runs.iter().any(|(_, other)| contradict(claim, other));
    (!runs.is_empty()).then(|| ReplicatedPair {
        ahead: ahead.to_owned(),
        other: other.to_owned(),
        runs: runs.len(),
        behind: count(|claim| matches!(claim, Claim::Behind(_))),
        reversed: count(|claim| matches!(claim, Claim::Ahead(_))),
        near: count(|claim| matches!(claim, Claim::Near)),
        contradictions: runs.iter().filter(contradicts).count(),
        together: together(&runs.iter().map(|(centre, _)| *centre).collect::<Vec<_>>()),
    })
}

/// The middle of a pair in a run, and what the run claims of it. The second is behind where the middle is above 0.
fn claim(workload: &Workload, one: &str, other: &str) -> Option<(f64, Claim)> {
    let verdict: &Verdict = &workload.verdict;
    let at = |name: &str| workload.scenario.models.iter().position(|model| model == name);
    let pair = verdict.pair(at(one)?, at(other)?)?;
    let floor = verdict.floor.ln_1p();
    let claim = if pair.is_behind(floor) {
        Claim::Behind(pair.low)
    } else if pair.turned().is_behind(floor) {
        Claim::Ahead(-pair.high)
    } else if pair.is_within(CLOSE.ln()) && pair.is_steady() && verdict.status != Status::Provisional {
        Claim::Near
    } else {
        Claim::Nothing
    };
    Some((pair.centre, claim))
}

/// The factor over runs and its interval, from their logarithms.
fn together(logs: &[f64]) -> (f64, Option<(f64, f64)>) {
    let runs = logs.len() as f64;
    let mean = logs.iter().sum::<f64>() / runs;
    if logs.len() < 2 {
        return (mean.exp(), None);
    }
    let variance = logs.iter().map(|log| (log - mean).powi(2)).sum::<f64>() / (runs - 1.0);
    let half = StudentsT::new(0.0, 1.0, runs - 1.0).map(|t| t.inverse_cdf(0.975) * (variance / runs).sqrt());
    (mean.exp(), half.ok().map(|half| ((mean - half).exp(), (mean + half).exp())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::analyse;
    use crate::record::{Metric, Reading};
    use crate::sample::{self, Spec};

    /// A run of two models over six blocks, the second so many times as fast, off by some thousandths from block to block.
    fn run(factor: f64) -> Analysis {
        let spec = Spec { scenarios: 1, models: 2, rounds: 6, requests: 400, slices: 1, ..Spec::default() };
        let mut bundle = sample::bundle(&spec);
        bundle.run.scenarios[0].merit = Metric::Throughput;
        let first = bundle.run.models[0].name.clone();
        for trial in &mut bundle.trials {
            trial.invalid.clear();
            let Reading::Value(measured) = &mut trial.measured else { panic!("the sample measures") };
            let rate = if trial.model == first { 1.0 } else { factor };
            measured.completed_in_window = (10_000.0 * rate) as u64 + u64::from(trial.round);
        }
        analyse(&bundle)
    }

    #[test]
    fn runs_that_say_the_same_repeat_and_the_spread_between_them_is_in_the_interval() {
        let found = replication(&[run(2.0), run(2.1), run(1.9)]).expect("alike");
        let [workload] = &found.workloads[..] else { panic!("one") };
        assert_eq!(workload.statuses, BTreeMap::from([("decided", 3)]));
        assert_eq!(workload.winners, [("fork-per-client".to_owned(), 3)]);
        let [pair] = &workload.pairs[..] else { panic!("one pair") };
        assert_eq!(
            (pair.ahead.as_str(), pair.behind, pair.reversed, pair.contradictions),
            ("fork-per-client", 3, 0, 0)
        );
        let (factor, Some((low, high))) = pair.together else { panic!("three runs") };
        // The mean of ln 2, 2.1, 1.9 is ln 1.998; their spread is 0.0501, t of two degrees of freedom 4.303.
        assert!((factor - 1.998).abs() < 2e-3, "{factor}");
        assert!((low - 1.765).abs() < 5e-3 && (high - 2.263).abs() < 5e-3, "{low} {high}");
        assert_eq!(found.contradictions(), 0);
    }

    #[test]
    fn runs_that_turn_an_order_round_contradict_each_other_and_one_that_says_nothing_nobody() {
        let found = replication(&[run(1.5), run(1.0 / 1.5), run(1.02)]).expect("alike");
        let pair = &found.workloads[0].pairs[0];
        assert_eq!((pair.behind + pair.reversed, pair.near), (2, 1));
        assert_eq!((pair.contradictions, found.contradictions()), (3, 1), "near contradicts 1.5x, too");
        let pair = replication(&[run(1.1), run(1.02)]).expect("alike").workloads[0].pairs[0].clone();
        assert_eq!((pair.behind, pair.near, pair.contradictions), (1, 1, 0), "1.1x is near as well");
    }

    #[test]
    fn what_is_not_the_same_is_refused_with_the_reason() {
        assert_eq!(replication(&[run(2.0)]), Err(Unlike::Alone));
        let mut elsewhere = run(2.0);
        elsewhere.run.environment.server_cpus = vec![7];
        assert!(matches!(replication(&[run(2.0), elsewhere]), Err(Unlike::Machine { run: 2, .. })));
        let mut longer = run(2.0);
        longer.workloads[0].scenario.timing.window *= 2;
        assert!(matches!(replication(&[run(2.0), longer]), Err(Unlike::Workload { run: 2, .. })));
    }
}
