//! The decision card: what each model carries, how long it takes, what memory it needs and whether it keeps crashes apart,
//! so that a reader can hold own figures against it.
//!
//! Every figure and rule comes from [`advise`](crate::ask::advise). Without the script the tables say it all; the script marks
//! and sorts out the rows that satisfy four figures. It must not know a rule that is not handed to it.

use super::page::series_of;
use super::{Field, escape, quantile_text};
use crate::analysis::{Analysis, Workload};
use crate::ask::advise::isolation;
use crate::ask::advise::judge::{self, CARRIED, Carries, HEADROOM, MOST_STRETCH};
use crate::ask::advise::memory::{self, Law};
use crate::ask::advise::{Figure, Stand, peculiar};
use crate::cells::cell::Cell;
use crate::record::Pacing;
use crate::show::plot;
use crate::show::units;
use std::fmt::Write as _;

/// The section, one table for each workload.
pub(super) fn section(analysis: &Analysis) -> String {
    let mut html = format!(
        "<section id=\"decision\">\n<h2>Which model for your needs</h2>\n<p class=\"lede\">What each model carries and \
         needs under each workload of this run. A model satisfies a rate that it carried in open loop, or {} of what it \
         did at full speed; with less to spare waits grow without end. Look at the workload most like yours; \
         <code>bakeoff advise</code> finds it for you, and says how far it is from yours.</p>\n",
        units::share(1.0 / HEADROOM)
    );
    let shown: Vec<&Workload> = analysis.workloads.iter().filter(|one| tells(one)).collect();
    if shown.is_empty() {
        html.push_str(
            "<p>No workload of this run tells what its models carry, so there is nothing to decide by.</p>\n",
        );
        return html + "</section>\n";
    }
    if analysis.is_invalid() {
        html.push_str(
            "<p class=\"caveat\">Too many trials of this run are invalid to decide by these figures.</p>\n",
        );
    }
    html.push_str(&form());
    for (at, workload) in shown.iter().enumerate() {
        html.push_str(&table(analysis, workload, at == 0));
    }
    let left = analysis.workloads.len() - shown.len();
    if left > 0 {
        let _ = writeln!(
            html,
            "<p class=\"note\">Left out: {} with crashing requests, bursts, a surge or slow clients, which say little of \
             ordinary requests.</p>",
            units::plural(left as u64, "workload")
        );
    }
    html.push_str(&notes());
    html + "</section>\n"
}

/// Whether a workload says something about ordinary requests: those that `bakeoff advise` goes by.
fn tells(workload: &Workload) -> bool {
    peculiar(&workload.scenario).is_none()
}

/// Hidden until the script makes it work.
fn form() -> String {
    let field = |name: &str, label: &str, step: &str| {
        format!(
            "<label>{label} <input type=\"number\" name=\"{name}\" min=\"0\" step=\"{step}\" inputmode=\"decimal\"/></label>"
        )
    };
    format!(
        "<form id=\"decide\" hidden data-headroom=\"{HEADROOM}\" data-stretch=\"{MOST_STRETCH}\">\n{}{}{}{}\
         <button type=\"reset\">Clear</button>\n</form>\n<p id=\"decided\" role=\"status\" aria-live=\"polite\" hidden></p>\n",
        field("rate", "Requests/s", "any"),
        field("p99", "p99 within (ms)", "any"),
        field("connections", "Connections", "1"),
        field("memory", "Memory (MiB)", "any"),
    )
}

fn table(analysis: &Analysis, workload: &Workload, open: bool) -> String {
    let scenario = &workload.scenario;
    let name = escape(&scenario.name);
    let open = if open { " open" } else { "" };
    let mut html = format!(
        "<details class=\"decision\"{open}><summary>{name} <span class=\"quiet fits\"></span></summary>\n\
         <p class=\"note\">{}; {}.</p>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"What each model \
         carries under {name}\"><table class=\"sortable\" data-name=\"{name}\"><thead><tr>",
        escape(&scenario.about),
        escape(&scenario.load)
    );
    for head in ["model", "carries", "p99", "memory for 1,000", "for 10,000", "keeps crashes apart"] {
        let _ = write!(html, "<th scope=\"col\">{head}</th>");
    }
    html.push_str("</tr></thead><tbody>\n");
    for cell in &workload.cells {
        html.push_str(&row(analysis, workload, cell));
    }
    html.push_str("</tbody></table></div></details>\n");
    html
}

fn row(analysis: &Analysis, workload: &Workload, cell: &Cell) -> String {
    let seed = analysis.run.seed;
    let carries = judge::carries(workload, cell, seed);
    let p99 = judge::p99(workload, cell, seed);
    let law = memory::law(workload, &cell.model);
    let isolated = isolation::isolation(std::iter::once(analysis), &cell.model);
    let mut html = String::from("<tr");
    let mut data = |name: &str, value: f64| {
        // What is infinite or absent has no attribute: the script then knows nothing of it.
        if value.is_finite() {
            let _ = write!(html, " data-{name}=\"{value}\"");
        }
    };
    let profile = &workload.scenario.profile;
    if let Ok(Carries { rate, at_least }) = &carries {
        let open = profile.pacing == Pacing::Open;
        data("carries", if open && *at_least { rate.value } else { rate.low / HEADROOM });
        if !at_least {
            data("breaks", rate.high);
        }
    }
    if let Ok(figure) = &p99 {
        data("low", figure.low);
        data("high", figure.high);
        data("never", f64::from(u8::from(figure.low.is_infinite())));
    }
    if let Ok(law) = &law {
        data("base", law.base_bytes);
        data("each", law.per_connection_bytes);
        data("held", law.measured_at as f64);
    }
    data("clients", profile.active_connections as f64);
    data("asked", profile.rate_per_s.unwrap_or(f64::NAN));
    let pool = judge::pool(&cell.model, workload);
    if let Some(share) = judge::starved(cell).filter(|share| *share > 0.0 && pool.is_none()) {
        data("starved", share);
    }
    if let Some(workers) = pool.filter(|_| profile.pacing != Pacing::Churn) {
        data("workers", workers as f64);
    }
    let pace = match profile.pacing {
        Pacing::Closed => "closed",
        Pacing::Open => "open",
        Pacing::Churn => "churn",
    };
    let swatch = plot::swatch(series_of(analysis, &cell.model));
    let _ = write!(
        html,
        " data-pace=\"{pace}\" data-model=\"{name}\"><th scope=\"row\">{swatch}{name}</th>",
        name = escape(&cell.model)
    );
    let fields = [
        rate_field(carries, workload),
        p99_field(p99, cell),
        memory_field(&law, 1_000),
        memory_field(&law, 10_000),
    ];
    fields.iter().for_each(|field| html.push_str(&field.html()));
    let word = match isolated.stand {
        Stand::Satisfies => "yes",
        Stand::Fails => "no",
        Stand::NotKnown => "not known",
    };
    let _ = writeln!(html, "<td><span title=\"{}\">{word}</span></td></tr>", escape(&isolated.words));
    html
}

fn rate_field(carries: Result<Carries, String>, workload: &Workload) -> Field {
    match carries {
        Err(why) => Field::absent(&why),
        Ok(Carries { rate, at_least }) => {
            let shown = units::rate(rate.value);
            let text = match (at_least, workload.scenario.profile.pacing) {
                (true, _) => format!("{shown} or more"),
                (false, Pacing::Open) => format!("only {shown}"),
                (false, _) => format!("up to {shown}"),
            };
            Field::figure(text, rate.value)
        }
    }
}

/// The figure over rounds; with too few of them the percentile of all requests together, which has no interval.
fn p99_field(p99: Result<Figure, String>, cell: &Cell) -> Field {
    match (p99, &cell.merged) {
        (Ok(figure), _) => {
            let (value, low, high) =
                (units::time(figure.value), units::time(figure.low), units::time(figure.high));
            let text = if low == high { value } else { format!("{value} ({low} to {high})") };
            Field::figure(text, figure.value)
        }
        (Err(why), None) => Field::absent(&why),
        (Err(why), Some(merged)) => Field::absent(&format!(
            "{why}; over all rounds together {}",
            quantile_text(merged.response.p99())
        )),
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

fn notes() -> String {
    format!(
        "<p class=\"note\"><em>Or more</em>: nothing faster was asked of it, or the load generator could not ask faster. \
         <em>Only</em>: it answered less than {} of the rate asked, or left more than {} of the requests unanswered. Response \
         times of a closed loop leave out the waiting of an independent public, so they decide nothing for a rate. Memory is \
         a straight line through what was measured; ≈ is more than {MOST_STRETCH} times the connections measured. Whether a \
         crash stays with its client is measured where this run has crashing requests, and follows from the model's \
         construction otherwise: point at the word to see which.</p>\n",
        units::share(CARRIED),
        units::share(judge::LOST)
    )
}
