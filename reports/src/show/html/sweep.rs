//! The sections of sweeps: what the axis decides, capacities, curves with their knees and laws, which model is best where.
//!
//! It must not state a boundary or a capacity without its interval.

use super::matrix::matrix_cell;
use super::page::series_of;
use super::pictures::picture;
use super::{Field, escape, table};
use crate::analysis::Analysis;
use crate::record::Axis;
use crate::rules::sweep::capacity::Capacities;
use crate::rules::sweep::{self, Boundary, Fit, Sweep};
use crate::show::plot;
use crate::show::units;
use std::fmt::Write as _;

/// A section for each sweep, in one box; nothing for a run without one.
pub(super) fn sections(analysis: &Analysis) -> String {
    let all: String =
        analysis.sweeps.iter().enumerate().map(|(at, sweep)| section(analysis, sweep, at)).collect();
    if all.is_empty() { all } else { format!("<div id=\"sweeps\">\n{all}</div>\n") }
}

/// A fragment's name, by number, because names are free text.
pub(super) fn anchor(number: usize) -> String {
    format!("sweep-{}", number + 1)
}

fn section(analysis: &Analysis, sweep: &Sweep, number: usize) -> String {
    let id = anchor(number);
    let series = |model: &str| series_of(analysis, model);
    let scenario = sweep.points.first().map(|point| &point.scenario);
    let mut html = format!(
        "<section id=\"{id}\" class=\"workload sweep\">\n<h2>{}</h2>\n<p class=\"lede\">{}. {}</p>\n",
        escape(&sweep.title()),
        escape(scenario.map_or("", |scenario| scenario.about.as_str())),
        escape(&lede(sweep))
    );
    for (at, sentence) in sweep.answer().iter().enumerate() {
        let text = escape(sentence);
        let text = if at == 0 { format!("<b>{text}</b>") } else { text };
        let _ =
            writeln!(html, "<p class=\"verdict{}\">{text}</p>", if sweep.withheld { " open" } else { "" });
    }
    if let Some(capacities) = &sweep.capacity {
        html.push_str(&capacity_table(capacities, &series));
    }
    html.push_str(&legend(sweep, &series));
    html.push_str(&pictures(sweep, &series, &id));
    html.push_str(&curves(sweep, &series));
    html.push_str(&map(analysis, sweep));
    html.push_str(&boundaries(sweep));
    html.push_str("</section>\n");
    html
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

fn head(model: &str, series: &impl Fn(&str) -> usize) -> String {
    format!("{}{}", plot::swatch(series(model)), escape(model))
}

fn legend(sweep: &Sweep, series: &impl Fn(&str) -> usize) -> String {
    let items: String =
        sweep.models.iter().map(|model| format!("<li>{}</li>", head(model, series))).collect();
    format!("<ul class=\"legend\" aria-label=\"Legend\">{items}</ul>\n")
}

fn capacity_table(capacities: &Capacities, series: &impl Fn(&str) -> usize) -> String {
    let rows: Vec<(String, Vec<Field>)> = capacities
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
            let trials = Field::figure(trials.to_string(), trials as f64);
            (head(&one.model, series), vec![Field::figure(one.brief(), place), behind, trials])
        })
        .collect();
    let columns = ["model", "capacity (interval)", "behind the best", "trials"];
    format!(
        "<h3>Capacity: the highest rate with a {}</h3>\n{}<p class=\"note\">The rate at which half of the trials keep the \
         objective. Unanswered requests count as infinitely late. Intervals are bootstraps over the rounds and include the \
         distance between the rates that were tried.</p>\n",
        escape(&crate::show::text::sweeps::objective(&capacities.objective)),
        table("Capacity of each model", &columns, &rows)
    )
}

fn pictures(sweep: &Sweep, series: &impl Fn(&str) -> usize, id: &str) -> String {
    let mut drawn = Vec::new();
    if sweep.capacity.is_some() {
        drawn.push(("Capacity", plot::capacities(sweep, series, &format!("{id}-a"))));
    }
    if sweep.axis != Axis::Rate {
        drawn.push(("Throughput", plot::throughput_along(sweep, series, &format!("{id}-b"))));
    }
    drawn.push(("Response time", plot::response_along(sweep, series, &format!("{id}-c"))));
    if sweep.axis != Axis::Idle {
        let curve = plot::throughput_response(sweep, series, &format!("{id}-d"));
        drawn.push(("Throughput and response time", curve));
    }
    let pictures: String = drawn.into_iter().map(|(title, drawn)| picture(drawn, title)).collect();
    format!("<div class=\"plots\">\n{pictures}</div>\n")
}

/// Knee and law of every model.
fn curves(sweep: &Sweep, series: &impl Fn(&str) -> usize) -> String {
    if sweep.axis == Axis::Idle || sweep.withheld {
        return String::new();
    }
    let rows: Vec<(String, Vec<Field>)> = sweep
        .curves
        .iter()
        .map(|curve| {
            let mut fields =
                vec![Field::text(curve.knee.brief(sweep.axis)), Field::text(curve.fit.sentence())];
            if sweep.searched {
                fields.remove(0);
            }
            (head(&curve.model, series), fields)
        })
        .collect();
    let note = match sweep.axis {
        Axis::Clients => format!(
            "Fitted: Gunther's Universal Scalability Law, λN / (1 + σ(N−1) + κN(N−1)); σ is waiting for something shared, κ \
             what clients cost each other. {} ",
            crate::show::text::sweeps::NO_CORES
        ),
        Axis::Rate | Axis::Idle => {
            "Fitted: one queue before one server (M/M/1 or M/D/1, whichever is nearer), from the \
                                    rates at which nearly all came back. "
                .to_owned()
        }
    };
    let bad = sweep.curves.iter().any(|curve| match &curve.fit {
        Fit::Usl(usl) => !usl.holds(),
        Fit::Queue(queue) => !queue.holds(),
        Fit::None(_) => false,
    });
    let bad = if bad { " Where the fit does not hold, its parameters mean nothing." } else { "" };
    let knee = format!("knee, {}", sweep.axis.label());
    let (title, columns, told) = if sweep.searched {
        ("Laws", vec!["model", "law"], "")
    } else {
        let told = "The knee is where throughput over response time (Kleinrock's power) is largest, with its interval over \
                    rounds. ";
        ("Knees and laws", vec!["model", &knee, "law"], told)
    };
    format!(
        "<h3>{title}</h3>\n<div class=\"laws\">{}</div>\n<p class=\"note\">{told}{note}The residual is the relative distance \
         between law and medians.{bad}</p>\n",
        table(&format!("{title} of the models"), &columns, &rows)
    )
}

/// Which model is best at which point.
fn map(analysis: &Analysis, sweep: &Sweep) -> String {
    if sweep.searched {
        return "<p class=\"note\">A search tries each model at rates of its own, so there is no map of which model is best at \
                which rate.</p>\n"
            .to_owned();
    }
    let mut html = format!(
        "<h3>Which model is best where</h3>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" \
         aria-label=\"Best model at each point\"><table class=\"matrix\"><thead><tr><th scope=\"col\">{}</th>",
        sweep.axis.label()
    );
    for model in &sweep.models {
        let name = escape(model).replace('-', "-<wbr>");
        let _ = write!(html, "<th scope=\"col\">{}<br>{name}</th>", plot::swatch(series_of(analysis, model)));
    }
    html.push_str("</tr></thead><tbody>\n");
    for point in &sweep.points {
        let beyond = if sweep.beyond(point) { "<small>no model keeps up</small>" } else { "" };
        let value = escape(&sweep.axis.bare(sweep::value(point)));
        let _ = write!(html, "<tr><th scope=\"row\">{value}{beyond}</th>");
        sweep.models.iter().for_each(|model| html.push_str(&matrix_cell(point, model)));
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody></table></div>\n");
    html
}

/// Every pair that changes places.
fn boundaries(sweep: &Sweep) -> String {
    if sweep.searched || sweep.withheld {
        return String::new();
    }
    if sweep.crossovers.is_empty() {
        return "<p class=\"note\">No two models change places along the axis.</p>\n".to_owned();
    }
    let mut html = format!(
        "<details><summary>{} of models that change places</summary>\n<ul>\n",
        units::plural(sweep.crossovers.len() as u64, "pair")
    );
    for one in &sweep.crossovers {
        let share = match one.boundary {
            Boundary::Shown { share, .. } => format!(" In {} of the resamples.", units::share(share)),
            Boundary::Unshown { .. } => String::new(),
        };
        let _ = writeln!(html, "<li>{}{share}</li>", escape(&one.sentence(sweep.axis)));
    }
    html.push_str(
        "</ul>\n<p class=\"note\">A boundary is stated where the whole interval of the difference lies beyond the floor on both \
         sides; its interval is a bootstrap over rounds of where the interpolated difference is zero. Below the floor, or \
         within the uncertainty, none is.</p></details>\n",
    );
    html
}
