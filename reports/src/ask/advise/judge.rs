//! The rules that hold one model against one criterion. Each says *not known* rather than guess.
//!
//! * **Rate.** A closed loop or churn that the server could not answer faster shows its capacity: it satisfies with the
//!   lower end of the interval at [`HEADROOM`] times the rate or more, and fails with the upper end below the rate. With
//!   fewer clients than the question has, the clients may have been the limit, so nothing fails by it. An open loop shows
//!   that a rate was carried ([`CARRIED`] of it, with at most [`LOST`] of the requests unanswered): any rate up to it is
//!   satisfied, and more is not known; one that was not carried shows the capacity.
//! * **p99.** Satisfied with the whole interval under the objective, failed with the whole interval above it. Measured at
//!   a rate below yours by more than a quarter a good time proves nothing, and above it a bad one does not. Clients that
//!   waited for replies prove nothing for a rate of independent users.
//! * **Memory.** What the server holds without connections, plus what each takes, times yours. Not known beyond
//!   [`MOST_STRETCH`] times the connections measured.
//! * **Isolation.** See [`isolation`](super::isolation).
//! * **Starvation.** Fails where connections were never served, or where workers that hold their connection are fewer than
//!   the clients.

use super::answer::{Criterion, Finding, Stand};
use super::distance::Purpose;
use super::finding::{found, unknown};
use super::isolation::isolation;
use super::question::Question;
use super::site::{Site, estimate, nearest};
use super::{Source, memory};
use crate::cells::cell::Cell;
use crate::record::{Metric, Pacing, Run};
use crate::rules::workload::Workload;
use crate::show::units;
use crate::stats::estimate::Estimate;

/// A server that is busy all the time lets its queue grow without end: at 4/5 of its capacity waits are already several
/// times the service (for one server and Poisson arrivals, 1 / (1 - 0.8) = 5 service times).
pub const HEADROOM: f64 = 1.25;
/// The share of a scheduled rate that must be answered to call it carried: random arrivals scatter that much.
pub const CARRIED: f64 = 0.95;
/// The share of requests that may stay unanswered at a rate that is carried.
pub const LOST: f64 = 0.01;
/// Memory is foretold for at most so many times the connections that were measured.
pub const MOST_STRETCH: f64 = 16.0;

/// What a model does at most under a workload, or at least.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Carries {
    /// Replies per second.
    pub rate: Estimate,
    /// Whether more may be possible: it was not asked for more, or the generator could not ask faster.
    pub at_least: bool,
}

/// What a model carries under a workload.
///
/// # Errors
/// Too few rounds.
pub fn carries(workload: &Workload, cell: &Cell) -> Result<Carries, String> {
    let rate = estimate(cell, Metric::Throughput)?;
    Ok(match workload.scenario.rate_per_s() {
        Some(asked) if rate.median >= CARRIED * asked && lost(cell) <= LOST => {
            Carries { rate: Estimate { median: asked, low: asked, high: asked, ..rate }, at_least: true }
        }
        Some(_) => Carries { rate, at_least: false },
        None => Carries { rate, at_least: workload.bounds.at_ceiling(rate.median) },
    })
}

/// The share of requests that was never answered rightly.
fn lost(cell: &Cell) -> f64 {
    cell.merged.as_ref().map_or(0.0, |merged| merged.unanswered() as f64 / merged.response.sent.max(1) as f64)
}

/// The 99th percentile of response time.
///
/// # Errors
/// Too few rounds have enough requests for it.
pub fn p99(cell: &Cell) -> Result<Estimate, String> {
    estimate(cell, Metric::ResponseP99)
}

/// The share of connections that never got a reply, over all rounds.
pub fn starved(cell: &Cell) -> Option<f64> {
    let merged = cell.merged.as_ref()?;
    Some(merged.never_served as f64 / merged.connections.max(1) as f64)
}

/// A question with what was measured.
pub(super) struct Bench<'s, 'a> {
    pub question: &'s Question,
    pub sources: &'a [Source],
    pub sites: &'s [Site<'a>],
}

impl Bench<'_, '_> {
    /// A model against all criteria, in order.
    pub(super) fn findings(&self, model: &str) -> Vec<Finding> {
        let rate = self.over(Criterion::Rate, Purpose::Capacity, model, |site| self.rate(site, model));
        let p99 = self.over(Criterion::P99, Purpose::Latency, model, |site| self.p99(site, model));
        let memory = self.over(Criterion::Memory, Purpose::Memory, model, |site| self.memory(site, model));
        let starvation =
            self.over(Criterion::Starvation, Purpose::Latency, model, |site| self.starvation(site, model));
        vec![
            rate,
            p99,
            memory,
            isolation(self.sources.iter().map(|source| &source.analysis), model)
                .asked(self.question.isolation),
            starvation,
        ]
    }

    /// The nearest finding that decides, otherwise the nearest of all: a farther record never wins over a nearer one.
    fn over(
        &self,
        criterion: Criterion,
        purpose: Purpose,
        model: &str,
        at: impl Fn(&Site<'_>) -> Finding,
    ) -> Finding {
        let asked = match criterion {
            Criterion::Rate => self.question.rate_per_s.is_some(),
            Criterion::P99 => self.question.p99_ns.is_some(),
            Criterion::Memory => self.question.memory_bytes.is_some(),
            Criterion::Isolation => self.question.isolation,
            Criterion::Starvation => true,
        };
        let near = nearest(self.sites, self.question, purpose, model);
        let found: Vec<Finding> = near
            .iter()
            .map(|(position, site, _)| Finding { cell: Some(*position), ..at(site).asked(asked) })
            .collect();
        let decided = found.iter().find(|finding| finding.stand != Stand::NotKnown);
        let chosen = decided.or_else(|| found.first()).cloned();
        chosen.unwrap_or_else(|| {
            unknown(criterion, "no workload near enough was measured".to_owned()).asked(asked)
        })
    }

    fn rate(&self, site: &Site<'_>, model: &str) -> Finding {
        // Between two points more may be possible as soon as it is at either.
        let at_least = std::cell::Cell::new(false);
        let capacity = site.figure(model, |workload, cell| {
            let carries = carries(workload, cell)?;
            at_least.set(at_least.get() || carries.at_least);
            Ok(carries.rate)
        });
        let bounded = at_least.get();
        let figure = match capacity {
            Ok(figure) => figure,
            Err(why) => return unknown(Criterion::Rate, why),
        };
        let open = site.profile.pacing == Pacing::Open;
        let shown = show(figure, units::rate);
        let words = match (open, bounded) {
            (true, true) => format!("carried {}; more was not asked of it", units::rate(figure.median)),
            (true, false) => format!("could not carry what was asked of it; it did {shown}"),
            (false, true) => format!("did {shown}, at the generator's limit"),
            (false, false) => format!("did {shown}"),
        };
        let Some(rate) = self.question.rate_per_s else {
            return found(Criterion::Rate, Stand::NotKnown, words, figure, None);
        };
        let enough = if open && bounded { figure.median >= rate } else { figure.low >= HEADROOM * rate };
        let fewer = !open && self.question.active().is_some_and(|n| n > site.profile.active_connections);
        let (stand, more) = match () {
            () if enough => (Stand::Satisfies, ""),
            () if bounded => (Stand::NotKnown, ""),
            () if figure.high < rate && fewer => (Stand::NotKnown, ", with fewer clients than yours"),
            () if figure.high < rate => (Stand::Fails, ""),
            () if figure.median < rate => (Stand::NotKnown, ", too near to tell"),
            () => (Stand::NotKnown, ", less than a quarter to spare"),
        };
        found(Criterion::Rate, stand, format!("{words}{more}"), figure, Some(figure.median / rate))
    }

    fn p99(&self, site: &Site<'_>, model: &str) -> Finding {
        let figure = match site.figure(model, |_, cell| p99(cell)) {
            Ok(figure) => figure,
            Err(why) => return unknown(Criterion::P99, why),
        };
        let words = match figure.median.is_infinite() {
            true => "so many requests were never answered that it is infinite".to_owned(),
            false => show(figure, units::time),
        };
        let Some(objective) = self.question.p99_ns else {
            return found(Criterion::P99, Stand::NotKnown, words, figure, None);
        };
        let plain = match () {
            () if figure.high <= objective => Stand::Satisfies,
            () if figure.low > objective => Stand::Fails,
            () => Stand::NotKnown,
        };
        let (stand, more) = self.transfer(site, plain);
        found(Criterion::P99, stand, words + more, figure, Some(objective / figure.median))
    }

    /// What of a response time holds at the rate of the question.
    fn transfer(&self, site: &Site<'_>, stand: Stand) -> (Stand, &'static str) {
        let Some(rate) = self.question.rate_per_s else { return (stand, "") };
        match (site.profile.rate_per_s, stand) {
            (_, Stand::NotKnown) => (stand, ", which straddles the objective"),
            (None, _) if site.profile.pacing == Pacing::Closed => {
                (Stand::NotKnown, ", with clients that waited for replies")
            }
            (Some(measured), Stand::Satisfies) if rate > measured => {
                (Stand::NotKnown, ", at a lower rate than yours")
            }
            (Some(measured), Stand::Fails) if rate * HEADROOM < measured => {
                (Stand::NotKnown, ", at a higher rate than yours")
            }
            _ => (stand, ""),
        }
    }

    fn memory(&self, site: &Site<'_>, model: &str) -> Finding {
        let Some(connections) = self.question.connections else {
            return unknown(Criterion::Memory, "the number of connections was not given".to_owned());
        };
        let law = match memory::law(site.workload, model) {
            Ok(law) => law,
            Err(why) => return unknown(Criterion::Memory, why),
        };
        let bytes = law.at(connections);
        let value = Estimate { median: bytes, low: bytes, high: bytes, rounds: law.rounds };
        let words = format!(
            "about {}: {} and {} for each connection",
            units::bytes(bytes),
            units::bytes(law.base_bytes),
            units::bytes(law.per_connection_bytes)
        );
        let Some(limit) = self.question.memory_bytes else {
            return found(Criterion::Memory, Stand::NotKnown, words, value, None);
        };
        let fits = if bytes <= limit as f64 { Stand::Satisfies } else { Stand::Fails };
        let stretched = connections as f64 > MOST_STRETCH * law.measured_at as f64;
        let (stand, more) = match stretched {
            true => {
                (Stand::NotKnown, format!(", but measured with {} only", units::grouped(law.measured_at)))
            }
            false => (fits, String::new()),
        };
        let mut finding = found(Criterion::Memory, stand, words + &more, value, Some(limit as f64 / bytes));
        // A law, not a sample: there is no interval to show.
        finding.interval = None;
        finding
    }

    fn starvation(&self, site: &Site<'_>, model: &str) -> Finding {
        let Some(cell) = site.workload.cell(model) else {
            return unknown(Criterion::Starvation, "it was not run".to_owned());
        };
        let rounds = cell.rounds.len();
        let pool = pool(&self.sources[site.source].analysis.run, model, site.workload);
        let of = |stand, share: f64, words: String| {
            let figure = Estimate { median: share, low: share, high: share, rounds };
            Finding { interval: None, ..found(Criterion::Starvation, stand, words, figure, None) }
        };
        if let (Some(workers), Some(clients), None) =
            (pool, self.question.connections, self.question.requests_per_connection)
            && clients > workers
        {
            let words = format!(
                "its {} hold their connection, so {} of your {} wait",
                units::plural(workers, "worker"),
                units::grouped(clients - workers),
                units::grouped(clients)
            );
            return of(Stand::Fails, 1.0 - workers as f64 / clients as f64, words);
        }
        let measured = site.profile.active_connections + site.profile.idle_connections;
        match starved(cell) {
            None => unknown(Criterion::Starvation, "it has no valid round".to_owned()),
            // More connections than the pool of the measured run had workers say nothing of a question with fewer.
            Some(share) if share > 0.0 && pool.is_none() => of(
                Stand::Fails,
                share,
                format!("{} of the connections never got a reply", units::share(share)),
            ),
            Some(_)
                if self.question.connections.is_some_and(|n| n as f64 > MOST_STRETCH * measured as f64) =>
            {
                let words = format!("measured with {} only", units::plural(measured, "connection"));
                of(Stand::NotKnown, 0.0, words)
            }
            Some(share) => of(Stand::Satisfies, share, "every connection was served".to_owned()),
        }
    }
}

/// Workers of a model whose workers each hold a connection, as the workload set them.
pub(crate) fn pool(run: &Run, model: &str, workload: &Workload) -> Option<u64> {
    let record = run.model(model)?;
    record.facts.as_ref()?.most_served(&record.setup(&workload.scenario.server))
}

fn show(figure: Estimate, unit: fn(f64) -> String) -> String {
    let (value, low, high) = (unit(figure.median), unit(figure.low), unit(figure.high));
    if low == high { value } else { format!("{value} ({low} to {high})") }
}

impl Finding {
    fn asked(self, asked: bool) -> Self {
        Self { asked, ..self }
    }
}
