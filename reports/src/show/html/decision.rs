//! The decision card: what each model carries, how long it takes, what memory it needs and whether it isolates crashes, so
//! that a reader can hold own figures against it.
//!
//! Every figure and rule comes from [`advise`](crate::ask::advise). Without the script the tables say it all; the script marks
//! and sorts out the rows that satisfy four figures. It must not know a rule that is not handed to it.

use super::element::{Field, any_table, section as framed};
use super::model::{named, series_of};
use crate::analysis::Analysis;
use crate::ask::advise::isolation;
use crate::ask::advise::judge::{self, CARRIED, Carries, HEADROOM, MOST_STRETCH};
use crate::ask::advise::memory::{self, Law};
use crate::ask::advise::{Stand, is_ordinary};
use crate::cells::cell::Cell;
use crate::record::Pacing;
use crate::rules::workload::Workload;
use crate::show::{units, words};
use crate::stats::estimate::Estimate;
use maud::{Markup, Render as _, html};

/// The columns of a workload's table.
const COLUMNS: [&str; 6] = ["model", "carries", "p99", "memory for 1,000", "for 10,000", "isolates crashes"];

/// The section, one table for each workload.
pub(super) fn section(analysis: &Analysis) -> Markup {
    let shown: Vec<&Workload> = analysis.workloads.iter().filter(|one| is_ordinary(&one.scenario)).collect();
    let left = analysis.workloads.len() - shown.len();
    let body = html! {
        p.lede {
            "What each model carries and needs under each workload of this run. A model satisfies a rate that it carried in \
             open loop, or " (units::share(1.0 / HEADROOM)) " of its full speed; closer to it, waits grow without end. Look \
             at the workload most like yours; " code { "bakeoff advise" } " finds it for you, and says how far it is from \
             yours."
        }
        @if shown.is_empty() {
            p { "No workload of this run shows what its models carry, so there is nothing to decide by." }
        } @else {
            @if analysis.says_nothing() {
                p.caveat { "Too many trials of this run are invalid to decide by these figures." }
            }
            (form())
            @for (at, workload) in shown.iter().enumerate() { (table(analysis, workload, at == 0)) }
            @if left > 0 {
                p.note {
                    "Left out: " (units::plural(left as u64, "workload")) " with crashing requests, bursts, a surge or slow \
                     clients, which say little of ordinary requests."
                }
            }
            (notes())
        }
    };
    framed("decision", "Which model for your needs", &body)
}

/// Hidden until the script makes it work.
fn form() -> Markup {
    let fields = [
        ("rate", "Requests/s", "any"),
        ("p99", "p99 within (ms)", "any"),
        ("connections", "Connections", "1"),
        ("memory", "Memory (MiB)", "any"),
    ];
    html! {
        form #decide hidden data-headroom=(HEADROOM) data-stretch=(MOST_STRETCH) {
            @for (name, label, step) in fields {
                label { (label) " " input type="number" name=(name) min="0" step=(step) inputmode="decimal"; }
            }
            button type="reset" { "Clear" }
        }
        p #decided role="status" aria-live="polite" hidden {}
    }
}

fn table(analysis: &Analysis, workload: &Workload, open: bool) -> Markup {
    let name = &workload.scenario.name;
    let rows = html! { @for cell in &workload.cells { (row(analysis, workload, cell)) "\n" } };
    let heads = COLUMNS.map(|head| head.render()).into_iter();
    html! {
        details.decision open[open] data-name=(name) {
            summary { (name) " " span.quiet.fits {} }
            p.note { (workload.scenario.about) "; " (words::workload::load(&workload.scenario.load)) "." }
            (any_table(&format!("What each model carries under {name}"), Some("sortable"), heads, &rows))
        }
    }
}

/// A row with what the script goes by. What is infinite or absent has no attribute: the script then knows nothing of it.
fn row(analysis: &Analysis, workload: &Workload, cell: &Cell) -> Markup {
    let profile = workload.scenario.profile();
    let carries = judge::carries(workload, cell);
    let p99 = judge::p99(cell);
    let law = memory::law(workload, &cell.model);
    let isolated = isolation::isolation(std::iter::once(analysis), &cell.model);
    let pool = judge::pool(&analysis.run, &cell.model, workload);
    let (rate, least) = match &carries {
        Ok(Carries { rate, at_least }) => (Some(rate), *at_least),
        Err(_) => (None, false),
    };
    let carried = rate.map(|rate| match profile.pacing {
        Pacing::Open if least => rate.median,
        _ => rate.low / HEADROOM,
    });
    let finite = |value: Option<f64>| value.filter(|value| value.is_finite());
    let (p99_figure, memory) = (p99.as_ref().ok(), law.as_ref().ok());
    let starved = judge::starved(cell).filter(|share| *share > 0.0 && pool.is_none());
    let pace = match profile.pacing {
        Pacing::Closed => "closed",
        Pacing::Open => "open",
        Pacing::Churn => "churn",
    };
    let isolates = match isolated.stand {
        Stand::Satisfies => "yes",
        Stand::Fails => "no",
        Stand::NotKnown => "not known",
    };
    html! {
        tr data-carries=[finite(carried)]
            data-breaks=[finite(rate.filter(|_| !least).map(|rate| rate.high))]
            data-low=[finite(p99_figure.map(|figure| figure.low))]
            data-high=[finite(p99_figure.map(|figure| figure.high))]
            data-never=[p99_figure.map(|figure| u8::from(figure.low.is_infinite()))]
            data-base=[finite(memory.map(|law| law.base_bytes))]
            data-each=[finite(memory.map(|law| law.per_connection_bytes))]
            data-held=[memory.map(|law| law.measured_at)]
            data-clients=(profile.active_connections)
            data-asked=[finite(profile.rate_per_s)]
            data-starved=[starved]
            data-workers=[pool.filter(|_| profile.pacing != Pacing::Churn)]
            data-pace=(pace)
            data-model=(cell.model) {
            th scope="row" { (named(series_of(analysis, &cell.model), &cell.model)) }
            (rate_field(carries, workload))
            (p99_field(p99))
            (memory_field(&law, 1_000))
            (memory_field(&law, 10_000))
            td { span title=(isolated.words) { (isolates) } }
        }
    }
}

fn rate_field(carries: Result<Carries, String>, workload: &Workload) -> Field {
    match carries {
        Err(why) => Field::absent(&why),
        Ok(Carries { rate, at_least }) => {
            let shown = units::rate(rate.median);
            let text = match (at_least, workload.scenario.profile().pacing) {
                (true, _) => format!("{shown} or more"),
                (false, Pacing::Open) => format!("only {shown}"),
                (false, _) => format!("up to {shown}"),
            };
            Field::figure(text, rate.median)
        }
    }
}

fn p99_field(p99: Result<Estimate, String>) -> Field {
    match p99 {
        Ok(figure) => {
            let [value, low, high] = [figure.median, figure.low, figure.high].map(units::time);
            let text = if low == high { value } else { format!("{value} ({low} to {high})") };
            Field::figure(text, figure.median)
        }
        Err(why) => Field::absent(&why),
    }
}

fn memory_field(law: &Result<Law, String>, connections: u64) -> Field {
    match law {
        Ok(law) => {
            let bytes = law.at(connections);
            let far = connections as f64 > MOST_STRETCH * law.measured_at as f64;
            // Further than the rule foretells: shown as a guess.
            let sign = if far { "≈ " } else { "" };
            Field::figure(format!("{sign}{}", units::bytes(bytes)), bytes)
        }
        Err(why) => Field::absent(why),
    }
}

fn notes() -> Markup {
    html! {
        p.note {
            em { "Or more" } ": nothing faster was asked of it, or the load generator could not ask faster. " em { "Only" }
            ": it answered less than " (units::share(CARRIED)) " of the rate asked, or left more than "
            (units::share(judge::LOST)) " of the requests unanswered. Response times of a closed loop leave out the waiting of \
             independent clients, so they decide nothing for a rate. Memory is a straight line through what was measured; ≈ \
             is more than " (MOST_STRETCH) " times the connections measured. Whether a model isolates crashes is measured \
             where this run has crashing requests, and follows from its construction otherwise: point at the word to see \
             which."
        }
    }
}
