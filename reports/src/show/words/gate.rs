//! The verdicts of a comparison in words: one or two sentences each, the same for terminal and page.

use crate::metric::Unit;
use crate::record::{Contender, Metric, Origin, Side};
use crate::rules::gate::MOST_MORE;
use crate::rules::gate::{Fault, Faults, Gate, MIN_PAIRS, Outcome, Reason, Verdict};
use crate::rules::verdict::BAD;
use crate::show::units::{self, ratio, share};
use crate::stats::estimate::Estimate;
use crate::stats::paired::Better;
use crate::stats::rate;

/// What a comparison of two builds asks.
pub(crate) const QUESTION: &str = "Has the new build become slower?";

/// What code layout alone can make of two builds that do the same: an offset with a standard deviation of 5 % by layout made 23 % of
/// comparisons of equal code fail (simulated), and two of these are 10 %.
const LAYOUT: f64 = 1.10;

/// Digits of a commit that are shown.
const COMMIT: usize = 12;

/// Cells named in the first sentence; the rest is counted.
const MOST_NAMED: usize = 3;

/// A factor with its interval: "1.052 [1.041, 1.063]".
pub(crate) fn with_interval(of: Estimate) -> String {
    format!("{} [{}, {}]", ratio(of.median), ratio(of.low), ratio(of.high))
}

/// How many times worse, as the share that a reader finds from the two figures: a rate that fell from 185k to 146k is 21 %
/// worse, not 27 %.
pub(crate) fn worse_by(factor: f64, better: Better) -> f64 {
    match better {
        Better::More => 1.0 - 1.0 / factor,
        Better::Less => factor - 1.0,
    }
}

/// How far B is behind: "5.2 % worse", "2.10 times worse", "4.8 % better".
pub(crate) fn difference(figure: Metric, factor: f64) -> String {
    match factor {
        f if f.is_infinite() => "without an answer".to_owned(),
        f if f >= 2.0 => format!("{} times worse", units::factor(f).trim_end_matches('×')),
        f if f >= 1.0 => format!("{} worse", share(worse_by(f, figure.better()))),
        f if f > 0.5 => format!("{} better", share(-worse_by(f, figure.better()))),
        0.0 => "better by any measure".to_owned(),
        f => format!("{} times better", units::factor(1.0 / f).trim_end_matches('×')),
    }
}

/// What the bar of a verdict is.
fn bar(verdict: &Verdict) -> String {
    if verdict.floor > verdict.practical {
        format!("the {} noise floor of these rounds", share(verdict.floor))
    } else {
        format!("the {} that matter", share(verdict.practical))
    }
}

fn pairs(count: usize) -> String {
    units::plural(count as u64, "pair")
}

impl Verdict {
    /// What a pass does not rule out: it is about the typical process, and a few may be far slower.
    fn processes(&self) -> String {
        let (bad, of) = self.bad_pairs();
        let most = share(rate::at_most(bad as u64, of as u64));
        let bad = if bad == 0 { "none".to_owned() } else { bad.to_string() };
        format!(
            " B was {} slower in {bad} of {}: up to {most} of its processes may be.",
            units::factor(BAD),
            pairs(of)
        )
    }

    /// Why it came to its outcome, in a sentence or two, with what failed on either side.
    pub fn reason(&self) -> String {
        let (because, faults) = (&self.because.reason, self.because.faults.sentence());
        match because {
            Reason::Broken => faults.unwrap_or_default(),
            Reason::Lost { .. } => self.lost(faults.as_deref()),
            Reason::Short { .. } | Reason::Useless => self.outcome_words(),
            _ => [Some(self.outcome_words()), faults].into_iter().flatten().collect::<Vec<_>>().join(" "),
        }
    }

    fn outcome_words(&self) -> String {
        let matters = share(self.practical);
        let by = |factor: Option<Estimate>| {
            factor.map_or_else(String::new, |factor| difference(self.figure, factor.median))
        };
        let found = by(self.factor);
        let suspicion = format!("{found} in {}, beyond {}", pairs(self.rounds), bar(self));
        let fresh_rounds = self.confirmed.map_or(0, |factor| factor.rounds);
        match &self.because.reason {
            Reason::Broken | Reason::Lost { .. } => String::new(),
            Reason::Short { tried: 1 } => {
                format!("Too short: 1 round was tried, and nothing is said of fewer than {MIN_PAIRS}.")
            }
            Reason::Short { tried } => {
                format!(
                    "Too short: {tried} rounds were tried, and nothing is said of fewer than {MIN_PAIRS}."
                )
            }
            Reason::Useless => {
                format!("Neither side does the work: {} says nothing of either.", self.figure.label())
            }
            Reason::RuledOut => match self.factor {
                Some(factor) if factor.low > 1.0 => format!("B is {found}, below the {matters} that matter."),
                Some(factor) if factor.high > 1.0005 => {
                    let most = share(worse_by(factor.high, self.figure.better()));
                    format!(
                        "A slowdown of more than {matters} is ruled out: {most} at most.{}",
                        self.processes()
                    )
                }
                _ => format!("A slowdown of more than {matters} is ruled out.{}", self.processes()),
            },
            Reason::Improved => format!("B is {suspicion}."),
            Reason::Unconfirmed { fresh: 0, .. } => {
                format!("B looks {suspicion}, but no fresh rounds were run to confirm it.")
            }
            Reason::Unconfirmed { fresh, needed } => format!(
                "B looks {suspicion}, but there are only {} of fresh rounds to confirm it, and {needed} are needed.",
                pairs(*fresh)
            ),
            Reason::Confirmed => {
                format!("B is {suspicion}; {fresh_rounds} fresh ones confirm it: {}.", by(self.confirmed))
            }
            Reason::Refuted => format!(
                "B looked {suspicion}, but {fresh_rounds} fresh ones do not confirm it: {} ({}).",
                by(self.confirmed),
                self.confirmed.map_or_else(String::new, with_interval)
            ),
            Reason::Open => {
                let told = format!(
                    "{} do not show whether B is worse by more than the {matters} that matter",
                    pairs(self.rounds)
                );
                match self.more {
                    Some(more) if more < MOST_MORE => {
                        format!("{told}; about {} would.", units::plural(more as u64, "more round"))
                    }
                    Some(_) => format!(
                        "{told}; more than {} more rounds would be needed.",
                        units::grouped(MOST_MORE as u64)
                    ),
                    None => format!("{told}."),
                }
            }
        }
    }

    /// Too many rounds have no pair: how many, and why.
    fn lost(&self, faults: Option<&str>) -> String {
        let Reason::Lost { tried, lost, without, commonest } = &self.because.reason else {
            return String::new();
        };
        let head = format!("{lost} of {} have no pair to compare", units::plural(*tried as u64, "round"));
        match (faults, commonest) {
            (Some(faults), _) => format!("{head}. {faults}"),
            _ if 2 * without >= *lost => {
                format!("{head}, {without} of them rounds {}.", self.figure.why_none())
            }
            (None, Some(loss)) => format!("{head}, most often because {}.", loss.kind()),
            (None, None) => format!("{head}."),
        }
    }
}

impl Fault {
    /// What it did, as the end of a sentence.
    fn words(&self) -> String {
        let with = |what: &str, detail: &str| match detail.trim().trim_end_matches('.') {
            "" => what.to_owned(),
            detail => format!("{what} ({detail})"),
        };
        match self {
            Self::Wrong => "sent wrong replies".to_owned(),
            Self::Died(detail) => with("ended before it was asked to", detail),
            Self::NotStarted(detail) => with("did not start", detail),
            Self::Closed(detail) => with("accepted no connection", detail),
        }
    }
}

impl Faults {
    /// What happened, as a sentence; `None` when nothing did.
    pub fn sentence(&self) -> Option<String> {
        let rounds = units::plural(self.tried as u64, "round");
        let said = |side: Side| {
            let kinds = &self.kinds[side as usize];
            let told: Vec<String> =
                kinds.iter().map(|(fault, rounds)| format!("{} in {rounds}", fault.words())).collect();
            (!told.is_empty()).then(|| format!("{} {} of {rounds}", side.letter(), units::all_of(&told)))
        };
        match (said(Side::A), said(Side::B)) {
            (None, None) => None,
            (None, Some(b)) => Some(format!("{b}, A in none.")),
            (Some(a), None) => Some(format!("{a}, B in none.")),
            (Some(a), Some(b)) => Some(format!("{b}; {a}.")),
        }
    }
}

impl Outcome {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Improved => "improved",
            Self::Inconclusive => "inconclusive",
            Self::Invalid => "invalid",
            Self::Regressed => "regressed",
        }
    }
}

/// The verdict on the whole comparison, in a sentence or two.
pub(crate) fn sentence(gate: &Gate) -> String {
    let all = gate.cells.len();
    let count = |outcome| gate.count(outcome);
    let of = |some: usize| format!("{some} of {}", units::plural(all as u64, "figure"));
    let undecided = count(Outcome::Inconclusive) + count(Outcome::Invalid);
    match gate.outcome() {
        _ if all == 0 => "Nothing was compared.".to_owned(),
        Outcome::Regressed => {
            format!("Regressed: {}.", named(gate, Outcome::Regressed))
        }
        Outcome::Invalid if count(Outcome::Invalid) == all => {
            "Invalid: not one figure could be compared.".to_owned()
        }
        Outcome::Invalid => format!(
            "Invalid: {} could not be compared{}; nothing regressed in the others.",
            of(count(Outcome::Invalid)),
            match undecided - count(Outcome::Invalid) {
                0 => String::new(),
                more => format!(" and {more} stayed undecided"),
            }
        ),
        Outcome::Inconclusive => {
            format!("Inconclusive: {} stayed undecided; nothing regressed.", of(undecided))
        }
        Outcome::Improved => format!(
            "Improved: {}; a slowdown that matters is ruled out elsewhere.",
            named(gate, Outcome::Improved)
        ),
        Outcome::Pass if all == 1 => "Pass: a slowdown that matters is ruled out.".to_owned(),
        Outcome::Pass => format!("Pass: a slowdown that matters is ruled out in all {all} figures."),
    }
}

/// That one build of each side was compared, where a claim is so small that where the code came to lie may be all of it.
fn layout(gate: &Gate) -> Option<String> {
    let claims = |one: &&Verdict| matches!(one.outcome, Outcome::Regressed | Outcome::Improved);
    let timed = |one: &&Verdict| matches!(one.figure.unit(), Unit::Rate | Unit::Time);
    let small = |one: &Verdict| one.factor.is_some_and(|by| by.median.max(1.0 / by.median) < LAYOUT);
    let told = gate.comparison.layouts < 2 && gate.cells.iter().filter(claims).filter(timed).any(small);
    told.then(|| {
        format!(
            "One build of each side was compared, and moving code alone can make a difference of up to {}. For refs, --layouts 3 \
             builds each several times and takes that into the noise.",
            share(LAYOUT - 1.0)
        )
    })
}

/// The figures that came to this, cell by cell, with how far B is behind or ahead.
fn named(gate: &Gate, outcome: Outcome) -> String {
    let mut cells: Vec<((&str, &str), Vec<String>)> = Vec::new();
    for one in gate.cells.iter().filter(|one| one.outcome == outcome) {
        let cell = (one.model.as_str(), one.scenario.as_str());
        let what = match one.factor.filter(|_| !one.broken) {
            Some(factor) => format!("{} {}", one.figure.label(), difference(one.figure, factor.median)),
            None => "B fails".to_owned(),
        };
        match cells.last_mut().filter(|(name, _)| *name == cell) {
            Some((_, figures)) if figures.contains(&what) => {}
            Some((_, figures)) => figures.push(what),
            None => cells.push((cell, vec![what])),
        }
    }
    let more = cells.len().saturating_sub(MOST_NAMED);
    let mut told: Vec<String> = cells
        .iter()
        .take(MOST_NAMED)
        .map(|((model, scenario), figures)| format!("{model} under {scenario} ({})", figures.join(", ")))
        .collect();
    if more > 0 {
        told.push(format!("{more} more"));
    }
    units::all_of(&told)
}

/// What stands on the two sides, and how long they were run: A, B, rounds.
pub(crate) fn sides(gate: &Gate) -> [String; 3] {
    let search = units::plural(u64::from(gate.search_rounds), "round");
    let layouts = match gate.comparison.layouts {
        1 => String::new(),
        several => format!("; {several} builds of each side in turn, their functions in other orders"),
    };
    let rounds = match &gate.confirm {
        None => format!("{search} of each cell at most{layouts}"),
        Some(confirm) => format!(
            "{search} of each cell at most{layouts}, then {} fresh ones of {}",
            confirm.rounds,
            units::plural(confirm.cells.len() as u64, "cell")
        ),
    };
    let rounds = [Some(rounds), layout(gate)].into_iter().flatten().collect::<Vec<_>>().join(". ");
    [of_contender(&gate.comparison.a), of_contender(&gate.comparison.b), rounds]
}

/// A side in words: "main, commit 1a2b3c4d5e6f".
pub(crate) fn of_contender(contender: &Contender) -> String {
    let label = &contender.label;
    match &contender.origin {
        Origin::Commit { reference, commit } => {
            let short: String = commit.chars().take(COMMIT).collect();
            let name = if label == reference || label.is_empty() { reference } else { label };
            format!("{name}, commit {short}")
        }
        Origin::Binary { path } if path == label || label.is_empty() => path.clone(),
        Origin::Binary { path } => format!("{label}, {path}"),
        Origin::Command { words } if words == label || label.is_empty() => words.clone(),
        Origin::Command { words } => format!("{label}, {words}"),
    }
}

/// The columns of a row but the first.
pub(crate) fn columns(one: &Verdict) -> [String; 6] {
    let figure = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| one.figure.show(value));
    [
        one.outcome.word().to_owned(),
        one.factor.map_or_else(|| "-".to_owned(), with_interval),
        figure(one.a),
        figure(one.b),
        one.noise_floor.map_or_else(|| "-".to_owned(), share),
        one.detectable.map_or_else(|| "-".to_owned(), |factor| share(worse_by(factor, one.figure.better()))),
    ]
}

/// The figures of one cell that have the same reason, told once: a build that fails has one for all of them.
pub(crate) fn grouped<'a>(verdicts: &[&'a Verdict]) -> Vec<(Vec<&'a Verdict>, String)> {
    let mut groups: Vec<(Vec<&Verdict>, String)> = Vec::new();
    for one in verdicts {
        let why = one.reason();
        let same = |(figures, reason): &&mut (Vec<&Verdict>, String)| {
            let first = figures[0];
            (&first.scenario, &first.model, first.outcome) == (&one.scenario, &one.model, one.outcome)
                && *reason == why
        };
        match groups.iter_mut().find(same) {
            Some((figures, _)) => figures.push(one),
            None => groups.push((vec![one], why)),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_those_a_reader_would_compute() {
        let cpu = |factor| difference(Metric::CpuPerRequest, factor);
        let shown = [1.0523, 2.1, f64::INFINITY, 0.952, 0.25, 0.0].map(cpu);
        let expected = [
            "5.2 % worse",
            "2.10 times worse",
            "without an answer",
            "4.8 % better",
            "4.00 times better",
            "better by any measure",
        ];
        assert_eq!(shown, expected);
        let rate = |new: f64| difference(Metric::Throughput, 185.0 / new);
        assert_eq!([146.0, 200.0].map(rate), ["21.1 % worse", "8.1 % better"]);
    }

    #[test]
    fn the_words_say_who_did_what() {
        let faults = |kinds: &[(Fault, usize)], tried| Faults {
            tried,
            kinds: [Vec::new(), kinds.to_vec()],
            ..Faults::default()
        };
        assert_eq!(faults(&[], 9).sentence(), None);
        let several = [(Fault::Wrong, 1), (Fault::Died("signal 9".to_owned()), 1)];
        assert_eq!(
            faults(&several, 2).sentence().as_deref(),
            Some(
                "B sent wrong replies in 1 and ended before it was asked to (signal 9) in 1 of 2 rounds, A in none."
            )
        );
        assert_eq!(Fault::NotStarted("no port.\n".to_owned()).words(), "did not start (no port)");
    }
}
