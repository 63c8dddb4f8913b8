//! The sections of sweeps: what the axis decides, capacities, curves with their knees and laws, which model is best where.
//!
//! It must not state a boundary or a capacity without its interval.

use super::element::{Field, Row, any_table, picture, table};
use super::matrix::matrix_cell;
use super::model::{column, legend, named, series_of};
use crate::analysis::Analysis;
use crate::record::Axis;
use crate::rules::sweep::capacity::{Capacities, KEPT};
use crate::rules::sweep::{self, Boundary, Curve, Fit, Sweep};
use crate::rules::workload::Workload;
use crate::show::plot;
use crate::show::units;
use crate::show::words::sweep::{NO_CORES, objective};
use maud::{Markup, Render as _, html};

/// A section for each sweep, in one box; nothing for a run without one.
pub(super) fn sections(analysis: &Analysis) -> Markup {
    html! {
        @if !analysis.sweeps.is_empty() {
            div #sweeps {
                @for (number, sweep) in analysis.sweeps.iter().enumerate() { (section(analysis, sweep, number)) }
            }
        }
    }
}

/// A fragment's name, by number, because names are free text.
pub(super) fn anchor(number: usize) -> String {
    format!("sweep-{}", number + 1)
}

fn section(analysis: &Analysis, sweep: &Sweep, number: usize) -> Markup {
    let id = anchor(number);
    let series = |model: &str| series_of(analysis, model);
    let about = sweep.points.first().map_or("", |point| point.scenario.about.as_str());
    html! {
        section id=(id) class="workload sweep" {
            h2 { (sweep.title()) }
            p.lede { (about) ". " (lede(sweep)) }
            @for (at, sentence) in sweep.answer().iter().enumerate() {
                p.verdict.open[sweep.withheld] { @if at == 0 { b { (sentence) } } @else { (sentence) } }
            }
            @if let Some(capacities) = &sweep.capacity { (capacity_table(capacities, &series)) }
            (legend(sweep.models.iter().map(String::as_str), series))
            (pictures(sweep, &series, &id))
            (curves(sweep, &series))
            (map(sweep, &series))
            (boundaries(sweep))
        }
        "\n"
    }
}

fn lede(sweep: &Sweep) -> String {
    let Some(point) = sweep.points.first() else { return String::new() };
    let (first, last) = (sweep::value(point), sweep.points.last().map_or(0.0, sweep::value));
    let range = format!("{} to {}", sweep.axis.bare(first), sweep.axis.show(last));
    let points = units::plural(sweep.points.len() as u64, "point");
    if sweep.searched {
        format!(
            "A search over {points} from {range}: each model is asked at rates that its own earlier trials decide, around the \
             highest that keeps the objective."
        )
    } else {
        format!("The same workload at {points} from {range}. Decided by {}.", point.scenario.merit.label())
    }
}

fn capacity_table(capacities: &Capacities, series: &impl Fn(&str) -> usize) -> Markup {
    let rows: Vec<Row> = capacities
        .models
        .iter()
        .zip(0..)
        .map(|(one, place)| {
            let trials: usize = one.tried.iter().map(|(_, trials, _)| trials).sum();
            let place = f64::from(place);
            let behind = match one.behind() {
                text if text.is_empty() => Field::text(if one.wins { "best" } else { "" }),
                text if one.wins => Field::figure(format!("tied, {text}"), place),
                text => Field::figure(text, place),
            };
            let fields = vec![
                Field::figure(one.brief(capacities.axis), place),
                Field::text(one.kept_words(capacities.axis)),
                behind,
                Field::count(trials as u64),
            ];
            (named(series(&one.model), &one.model), fields)
        })
        .collect();
    let kept = format!("kept by {} of windows", units::share(KEPT));
    let columns = ["model", "capacity (interval)", &kept, "behind the best", "trials"];
    html! {
        h3 { "Capacity: " (capacities.axis.most()) " with a " (objective(&capacities.objective)) }
        (table("Capacity of each model", &columns, &rows))
        p.note {
            "At the capacity half of the trials keep the objective. What nearly all windows keep is the most that was tried and \
             kept by the share in the column's heading; in brackets, how many windows there kept it. Unanswered requests count as infinitely late. \
             Intervals are bootstraps over the rounds and include the distance between what was tried."
        }
    }
}

fn pictures(sweep: &Sweep, series: &impl Fn(&str) -> usize, id: &str) -> Markup {
    let drawn = [
        sweep.capacity.as_ref().map(|_| ("Capacity", plot::capacities(sweep, series, &format!("{id}-a")))),
        (!matches!(sweep.axis, Axis::Rate | Axis::Room))
            .then(|| ("Throughput", plot::throughput_along(sweep, series, &format!("{id}-b")))),
        Some(("Response time", plot::response_along(sweep, series, &format!("{id}-c")))),
        (sweep.axis == Axis::Cores)
            .then(|| ("CPU per request", plot::cpu_along(sweep, series, &format!("{id}-e")))),
        (!matches!(sweep.axis, Axis::Idle | Axis::Cores | Axis::Room)).then(|| {
            ("Throughput and response time", plot::throughput_response(sweep, series, &format!("{id}-d")))
        }),
    ];
    html! { div.plots { @for (title, drawn) in drawn.into_iter().flatten() { (picture(drawn, title)) } } }
}

/// Whether its curves have knees: where more is asked of the same server, and every model at every point.
fn has_knee(sweep: &Sweep) -> bool {
    !sweep.searched && sweep.axis != Axis::Cores
}

/// Knee and law of every model.
fn curves(sweep: &Sweep, series: &impl Fn(&str) -> usize) -> Markup {
    if matches!(sweep.axis, Axis::Idle | Axis::Room) || sweep.withheld {
        return html! {};
    }
    let rows: Vec<Row> = sweep
        .curves
        .iter()
        .map(|curve| {
            let knee = has_knee(sweep).then(|| Field::text(curve.knee.brief(sweep.axis)));
            let fields = knee.into_iter().chain([Field::text(curve.fit.sentence(sweep.axis))]).collect();
            (named(series(&curve.model), &curve.model), fields)
        })
        .collect();
    let told = |curve: &Curve| (curve.knee.brief(sweep.axis), curve.fit.sentence(sweep.axis));
    if sweep.curves.len() > 1 && sweep.curves.windows(2).all(|pair| told(&pair[0]) == told(&pair[1])) {
        // What holds for all of them is told once: of a coarse curve that there are too few blocks.
        let (knee, fit) = told(&sweep.curves[0]);
        return html! { p.note { "Of every model: " @if has_knee(sweep) { "knee " (knee) "; " } (fit) "." } };
    }
    let knee = format!("knee, {}", sweep.axis.label());
    let (title, columns) = match has_knee(sweep) {
        false => ("Laws", vec!["model", "law"]),
        true => ("Knees and laws", vec!["model", &knee, "law"]),
    };
    let misfit = sweep.curves.iter().any(|curve| match &curve.fit {
        Fit::Usl(usl) => !usl.holds(),
        Fit::Queue(queue) => !queue.holds(),
        Fit::None(_) => false,
    });
    html! {
        h3 { (title) }
        div.laws { (table(&format!("{title} of the models"), &columns, &rows)) }
        p.note {
            @if has_knee(sweep) {
                "The knee is where throughput over response time (Kleinrock's power) is largest, with its interval over rounds. "
            }
            @match sweep.axis {
                Axis::Clients => {
                    "Fitted: Gunther's Universal Scalability Law, λN / (1 + σ(N−1) + κN(N−1)); σ is waiting for something \
                     shared, κ what clients cost each other. " (NO_CORES) " "
                }
                Axis::Cores => {
                    "Fitted: Gunther's Universal Scalability Law, λN / (1 + σ(N−1) + κN(N−1)), where N counts the server's CPUs; σ is \
                     the share of the work that only one CPU at a time can do, κ what CPUs cost each other to stay coherent. "
                }
                Axis::Rate | Axis::Idle | Axis::Room => {
                    "Fitted: one queue before one server (M/M/1 or M/D/1, whichever is nearer), from the rates at which nearly all \
                     came back. "
                }
            }
            "The residual is the relative distance between law and medians."
            @if misfit { " Where the fit does not hold, its parameters mean nothing." }
        }
    }
}

/// Which model is best at which point.
fn map(sweep: &Sweep, series: &impl Fn(&str) -> usize) -> Markup {
    if sweep.searched {
        return html! {
            p.note {
                "A search tries each model at rates of its own, so there is no map of which model is best at which rate."
            }
        };
    }
    let heads: Vec<Markup> = std::iter::once(sweep.axis.label().render())
        .chain(sweep.models.iter().map(|model| column(series(model), model)))
        .collect();
    let row = |point: &Workload| {
        html! {
            tr {
                th scope="row" {
                    (sweep.axis.bare(sweep::value(point)))
                    @if sweep.beyond(point) { small { "no model keeps up" } }
                }
                @for model in &sweep.models { (matrix_cell(point, model)) }
            }
            "\n"
        }
    };
    let rows = html! { @for point in &sweep.points { (row(point)) } };
    html! {
        h3 { "Which model is best where" }
        (any_table("Best model at each point", Some("matrix"), heads.into_iter(), &rows))
        @let places = sweep.places(false);
        @if !places.is_empty() { ul { @for place in places { li { (place) } } } }
    }
}

/// Every pair that changes places.
fn boundaries(sweep: &Sweep) -> Markup {
    if sweep.searched || sweep.withheld {
        return html! {};
    }
    if sweep.crossovers.is_empty() {
        return html! { p.note { "No two models change places along the axis." } };
    }
    html! {
        details {
            summary { (units::plural(sweep.crossovers.len() as u64, "pair")) " of models that change places" }
            ul {
                @for one in &sweep.crossovers {
                    li {
                        (one.sentence(sweep.axis))
                        @if let Boundary::Shown { share, .. } = one.boundary {
                            " In " (units::share(share)) " of the resamples."
                        }
                    }
                }
            }
            p.note {
                "A boundary is stated where the whole interval of the difference lies beyond the floor on both sides; its interval \
                 is a bootstrap over rounds of where the interpolated difference is zero. Below the floor, or within the \
                 uncertainty, none is."
            }
        }
    }
}
