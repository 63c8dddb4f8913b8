//! From a bundle to the verdicts on it: the rule of [`gate`](super), its cases in order.

use super::book::{Book, Entry, Pairs};
use super::plan::MOST_MORE;
use super::plan::{CONFIRM_PAIRS, MIN_PAIRS};
use super::reason::{Because, Reason};
use super::rule::{self, Class, Found, Series};
use super::spending::Spending;
use super::verdict::{Gate, Outcome, Paired, Verdict};
use crate::record::bundle::Bundle;
use crate::record::{ConfirmRecord, Gated};
use crate::rules::MOST_LEFT_OUT;
use crate::stats::{median, power};

/// The verdict on a bundle; `None` when it compares no builds.
pub fn judge(bundle: &Bundle) -> Option<Gate> {
    let comparison = bundle.run.comparison.as_ref()?;
    let book = Book::of(bundle, comparison);
    let run = bundle.trials.iter().map(|trial| trial.round.saturating_add(1)).max().unwrap_or(0);
    let search_rounds = bundle.confirm.as_ref().map_or(run, |confirm| confirm.from_round.min(run));
    let bench = Bench { seed: bundle.run.seed, search_rounds, confirm: bundle.confirm.as_ref() };
    let all: Vec<(&Entry, usize)> =
        book.cells.iter().flat_map(|entry| (0..entry.cell.gated.len()).map(move |at| (entry, at))).collect();
    let series: Vec<Series<'_>> = all.iter().map(|(entry, at)| entry.series(*at, search_rounds)).collect();
    let found =
        rule::apply(&series, Spending { looks: &comparison.looks, rounds: search_rounds }, bench.seed);
    let verdicts = all.iter().zip(&series).zip(found);
    let cells =
        verdicts.map(|(((entry, at), series), found)| bench.verdict(entry, *at, series, found)).collect();
    Some(Gate { comparison: comparison.clone(), search_rounds, confirm: bundle.confirm.clone(), cells })
}

/// What is the same for every verdict of a run.
struct Bench<'a> {
    seed: u64,
    search_rounds: u32,
    confirm: Option<&'a ConfirmRecord>,
}

impl Bench<'_> {
    fn verdict(&self, entry: &Entry, at: usize, series: &Series<'_>, found: Found) -> Verdict {
        let pairs = entry.pairs(at, 0..self.search_rounds);
        let fresh = self.fresh(entry, at);
        let mut verdict = self.figures(entry, at, series, &pairs, &fresh);
        verdict.q = (series.trusted(u32::MAX) && series.search.len() >= MIN_PAIRS).then_some(found.q);
        (verdict.outcome, verdict.because.reason) = self.outcome(entry, &pairs, &fresh, found, &mut verdict);
        verdict
    }

    /// The fresh pairs of a figure; none where nothing of its cell is run again.
    fn fresh(&self, entry: &Entry, at: usize) -> Vec<(u32, f64)> {
        let names = (&entry.cell.scenario, &entry.cell.model);
        let again = |confirm: &&ConfirmRecord| confirm.cells.iter().any(|(s, m)| (s, m) == names);
        let from = self.confirm.filter(again).map(|confirm| confirm.from_round);
        from.map_or_else(Vec::new, |from| entry.pairs(at, from..u32::MAX).logs)
    }

    /// Everything but what came of it.
    fn figures(
        &self,
        entry: &Entry,
        at: usize,
        series: &Series<'_>,
        pairs: &Pairs,
        fresh: &[(u32, f64)],
    ) -> Verdict {
        let Gated { figure, floor: practical } = entry.cell.gated[at];
        let logs = logs_of(&pairs.logs);
        let noise_floor = series.noise(&logs, self.seed);
        let floor = noise_floor.map_or(practical, |noise| noise.max(practical));
        let spread = power::spread(&logs).filter(|_| logs.len() >= MIN_PAIRS);
        let paired =
            |fresh: bool| move |(round, log): &(u32, f64)| Paired { round: *round, log: *log, fresh };
        Verdict {
            scenario: entry.cell.scenario.clone(),
            model: entry.cell.model.clone(),
            figure,
            outcome: Outcome::Inconclusive,
            broken: false,
            rounds: logs.len(),
            a: median(&pairs.figures[0]),
            b: median(&pairs.figures[1]),
            factor: series.factor(&logs, "interval", self.seed),
            confirmed: series.factor(&logs_of(fresh), "fresh", self.seed),
            q: None,
            practical,
            floor,
            noise_floor,
            detectable: spread.map(|spread| (1.0 + floor) * power::detectable(spread, logs.len()).exp()),
            more: None,
            because: Because { reason: Reason::Open, faults: entry.faults() },
            pairs: pairs.logs.iter().map(paired(false)).chain(fresh.iter().map(paired(true))).collect(),
        }
    }

    fn outcome(
        &self,
        entry: &Entry,
        pairs: &Pairs,
        fresh: &[(u32, f64)],
        found: Found,
        verdict: &mut Verdict,
    ) -> (Outcome, Reason) {
        if verdict.because.faults.broken() {
            verdict.broken = true;
            return (Outcome::Regressed, Reason::Broken);
        }
        if entry.hopeless() || (pairs.tried >= MIN_PAIRS && !pairs.enough()) {
            let reason = Reason::Lost {
                tried: pairs.tried,
                lost: pairs.tried.saturating_sub(pairs.logs.len()),
                without: pairs.valid.saturating_sub(pairs.logs.len()),
                commonest: entry.commonest_loss(0..self.search_rounds),
            };
            return (Outcome::Invalid, reason);
        }
        if pairs.logs.len() < MIN_PAIRS {
            return (Outcome::Inconclusive, Reason::Short { tried: pairs.tried });
        }
        let useless = |value: Option<f64>| value.is_some_and(|value| verdict.figure.useless(value));
        if verdict.factor.is_none() || (useless(verdict.a) && useless(verdict.b)) {
            return (Outcome::Invalid, Reason::Useless);
        }
        match found.class {
            Class::Pass => (Outcome::Pass, Reason::RuledOut),
            Class::Improved => (Outcome::Improved, Reason::Improved),
            Class::Suspected => self.confirmed(verdict, fresh),
            Class::Open => {
                verdict.more = Some(more(&logs_of(&pairs.logs), verdict.practical));
                (Outcome::Inconclusive, Reason::Open)
            }
        }
    }

    /// What the fresh rounds make of a suspicion.
    fn confirmed(&self, verdict: &Verdict, fresh: &[(u32, f64)]) -> (Outcome, Reason) {
        let planned = self.confirm.map_or(0, |confirm| confirm.rounds as usize);
        let needed = (planned.min(CONFIRM_PAIRS) as f64 * (1.0 - MOST_LEFT_OUT)).ceil() as usize;
        let needed = needed.max(MIN_PAIRS);
        let logs = logs_of(fresh);
        if verdict.confirmed.is_none() || logs.len() < needed {
            return (Outcome::Inconclusive, Reason::Unconfirmed { fresh: logs.len(), needed });
        }
        match rule::confirms(&logs, verdict.practical) {
            true => (Outcome::Regressed, Reason::Confirmed),
            false => (Outcome::Inconclusive, Reason::Refuted),
        }
    }
}

fn logs_of(pairs: &[(u32, f64)]) -> Vec<f64> {
    pairs.iter().map(|(_, log)| *log).collect()
}

/// About how many more rounds would settle which side of the practical floor a difference lies on.
fn more(logs: &[f64], practical: f64) -> usize {
    let floor = (1.0 + practical).ln();
    let rounds = match (power::spread(logs), median(logs)) {
        (Some(spread), Some(median)) => power::rounds_for(spread, median - floor, MOST_MORE),
        // No spread to go by: as many again.
        _ => 2 * logs.len(),
    };
    if rounds >= MOST_MORE { MOST_MORE } else { rounds.saturating_sub(logs.len()).max(1) }
}
