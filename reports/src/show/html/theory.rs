//! Theory beside measurement: the limits of each workload, how much of them was reached, and the queue that the same work
//! would make.
//!
//! The residual is named, not explained away: it is what the formula leaves out.

use super::element::{Field, Row, figure, section as framed, table};
use super::model::{anchor, legend, named, ordered, series_of};
use crate::analysis::Analysis;
use crate::ask::theory::limits::{Bound, Limit, Queue, common, least, of_model, queue};
use crate::cells::cell::Cell;
use crate::record::Metric;
use crate::rules::workload::Workload;
use crate::show::plot::{self, Dots};
use crate::show::units;
use crate::show::words::theory;
use maud::{Markup, Render as _, html};

/// At this share of its least limit a model is at it: what is left is within the limits' own accuracy.
const REACHED: f64 = 0.90;

/// From this share of the schedule on a model served what was asked: the rest is the scatter of Poisson arrivals.
const KEPT: f64 = 0.95;

/// The section.
pub(super) fn section(analysis: &Analysis) -> Markup {
    let body = html! {
        p.lede {
            "No closed loop is faster than its clients ask, N / (R + Z), and no server faster than its busiest part serves, \
             m / D: the asymptotic bounds (Denning and Buzen 1978; Lazowska and others 1984). R is the least response: what one \
             client of the null server sees, and the work asked for. Z, the time between reply and next request, is taken as 0, \
             which leaves it a bound. D is the CPU time measured for a request, m the server's CPUs, c / W a pool whose workers \
             are held for W."
        }
        (reached(analysis))
        @for (number, workload) in analysis.workloads.iter().enumerate() { (one(analysis, workload, number)) }
    };
    framed("theory", "What theory allows", &body)
}

/// The share of its least limit that a model reached, with that limit.
fn share(analysis: &Analysis, workload: &Workload, cell: &Cell) -> Option<(f64, Limit)> {
    let limits = of_model(&analysis.run, workload, cell);
    let least = least(&limits)?;
    Some((cell.value(Metric::Throughput)? / least.per_s, *least))
}

/// One picture over all workloads whose pace the server sets: an open loop is asked for less than it could do.
fn reached(analysis: &Analysis) -> Markup {
    let own_pace = analysis.workloads.iter().filter(|one| one.scenario.rate_per_s().is_none());
    let drawn: Vec<plot::Row<'_>> = own_pace
        .map(|workload| plot::Row { name: &workload.scenario.name, marks: marks(analysis, workload) })
        .filter(|row| !row.marks.is_empty())
        .collect();
    let most = drawn.iter().flat_map(|row| &row.marks).map(|(_, share)| *share).fold(1.0, f64::max);
    let what = Dots {
        title: "How much of its least limit each model reached",
        axis_label: "throughput over the least limit",
        up_to: Some((most * 1.05).min(2.0)),
        rule: Some(1.0),
    };
    let series = |model: &str| series_of(analysis, model);
    let Some(svg) = plot::dots(&drawn, &what, series, units::share, "theory-reached") else {
        return html! {
            p.note {
                "No workload of this run lets the server set the pace and has a known limit, so none is drawn."
            }
        };
    };
    let rows: Vec<Row> = drawn
        .iter()
        .flat_map(|row| row.marks.iter().map(|(model, share)| (row.name, *model, *share)))
        .map(|(name, model, share)| {
            (model.render(), vec![Field::text(name), Field::figure(units::share(share), share)])
        })
        .collect();
    let caption = "Workloads in which the server sets the pace. At the line the limit is reached; left of it something else \
                   holds the model back. A mark beyond the line says that a limit was measured too low.";
    let data = table(what.title, &["model", "workload", "share reached"], &rows);
    html! {
        (legend(analysis.run.models.iter().map(|model| model.name.as_str()), series))
        div.single { (figure(what.title, &caption.render(), &svg, &data)) }
    }
}

fn marks<'a>(analysis: &Analysis, workload: &'a Workload) -> Vec<(&'a str, f64)> {
    let mark = |cell: &'a Cell| Some((cell.model.as_str(), share(analysis, workload, cell)?.0));
    workload.cells.iter().filter_map(mark).collect()
}

fn one(analysis: &Analysis, workload: &Workload, number: usize) -> Markup {
    html! {
        details.more {
            summary { (workload.scenario.name) ": limits and residuals" }
            p.note { a href={ "#" (anchor(number)) } { "To the workload" } }
            (limits(analysis, workload))
            @match queue(&analysis.run, workload) {
                Ok(queue) => (queueing(analysis, workload, &queue)),
                Err(why) => p.note { "No mean wait is predicted (M/G/1): " (theory::no_queue(why)) "." },
            }
        }
    }
}

fn limits(analysis: &Analysis, workload: &Workload) -> Markup {
    let shared: Vec<Limit> = common(&analysis.run, workload);
    let row = |cell: &Cell| {
        let limits = of_model(&analysis.run, workload, cell);
        let rate = cell.value(Metric::Throughput)?;
        let least = least(&limits)?;
        let own: Vec<String> = limits.iter().filter(|limit| !shared.contains(limit)).map(words).collect();
        let share = rate / least.per_s;
        let fields = vec![
            Field::figure(units::rate(rate), rate),
            Field::figure(
                format!("{} ({})", units::rate(least.per_s), theory::formula(least.bound)),
                least.per_s,
            ),
            Field::figure(units::share(share), share),
            Field::text(residual(workload, rate, share, least)),
            Field::text(own.join("; ")),
        ];
        Some((named(series_of(analysis, &cell.model), &cell.model), fields))
    };
    let rows: Vec<Row> = ordered(workload).filter_map(row).collect();
    let columns = ["model", "throughput", "least limit", "reached", "what is left", "limits of its own"];
    html! {
        @if rows.is_empty() {
            p {
                "No limit of throughput is known: no CPU time was measured, and nothing the workload asks for bounds it."
            }
        } @else {
            @if !shared.is_empty() {
                p { "For every model: " (shared.iter().map(words).collect::<Vec<_>>().join("; ")) "." }
            }
            div.words { (table(&format!("Limits of {}", workload.scenario.name), &columns, &rows)) }
        }
    }
}

/// A limit with what it is made of.
fn words(limit: &Limit) -> String {
    format!(
        "{} = {} ({})",
        theory::formula(limit.bound),
        units::rate(limit.per_s),
        theory::made_of(limit.bound)
    )
}

/// The residual in words: what the distance from the limit means by its own law, never a guess at its cause.
fn residual(workload: &Workload, rate: f64, share: f64, least: &Limit) -> String {
    let kept = |scheduled: &f64| rate >= KEPT * scheduled;
    if workload.scenario.rate_per_s().as_ref().is_some_and(kept) {
        return "all that was asked for was served".to_owned();
    }
    let near =
        if workload.bounds.at_ceiling(rate) { "; the load generator is near its own limit" } else { "" };
    match share {
        share if share > 1.1 => {
            format!("above the limit, so {} was measured too low", theory::set_by(least.bound))
        }
        share if share >= REACHED => format!("at the limit of {}{near}", theory::set_by(least.bound)),
        share => {
            let (used, idle) = (units::share(share), units::share(1.0 - share));
            match least.bound {
                Bound::Cpu { .. } => format!("the server used {used} of its CPU time{near}"),
                Bound::Workers { .. } => format!("its workers were held for {used} of the time{near}"),
                Bound::Clients { .. } => {
                    format!("a response took {} its least, by Little's law{near}", units::factor(1.0 / share))
                }
                Bound::Work { .. } => {
                    format!("{idle} of the limit of {} is left{near}", theory::set_by(least.bound))
                }
            }
        }
    }
}

fn queueing(analysis: &Analysis, workload: &Workload, queue: &Queue) -> Markup {
    let row = |cell: &Cell| {
        let mean = cell.merged.as_ref()?.response.mean_ns?;
        let against = |theory: f64| match theory.is_finite() {
            true => Field::figure(units::factor(mean / theory), mean / theory),
            false => Field::absent("theory has no mean here: more work arrives than one CPU can do"),
        };
        let fields =
            vec![Field::figure(units::time(mean), mean), against(queue.in_turn_ns), against(queue.shared_ns)];
        Some((named(series_of(analysis, &cell.model), &cell.model), fields))
    };
    let rows: Vec<Row> = ordered(workload).filter_map(row).collect();
    let columns = ["model", "mean response", "over in turn", "over shared"];
    html! {
        p {
            "The computing asked for, " (units::time(queue.work_ns)) " on average, keeps one CPU busy for "
            (units::share(queue.utilisation)) " of the time. Poisson arrivals to one CPU (M/G/1) then have a mean response of "
            b { (units::time(queue.in_turn_ns)) } " when each request is served to its end in turn (Pollaczek and Khinchine), \
             and of " b { (units::time(queue.shared_ns)) } " when all present share the CPU (processor sharing). An event loop is \
             near the first, a thread for each client near the second. The residual is what the formulas leave out: moving the \
             bytes, hand-offs, the wire, and a sample that ends. Means are of the answered requests only."
        }
        (table(&format!("Mean response and theory of {}", workload.scenario.name), &columns, &rows))
    }
}
