//! All workloads at a glance: a row for each, a mark with its interval for each model, across how many times worse than the first
//! it is. What wins is filled, what was only bounded ends in an open interval at the edge.

use super::axis::Axis;
use super::picture::{Drawn, Plot};
use super::rows::Rows;
use crate::rules::verdict::{Place, Standing};
use crate::rules::workload::Workload;
use crate::show::units;
use crate::show::words::verdict::place;

/// Beyond this factor marks stand at the edge: what is a hundred times worse needs no closer look.
const EDGE: f64 = 100.0;

/// Where the axis begins: an interval that goes on is open to the left.
const BEGIN: f64 = 0.5;

/// Height of the rows together as long as they are few, and of one: in a low row the marks lie on each other.
const ROWS: i32 = 640;
const ROW: (i32, i32) = (66, 130);

/// The picture; an error says why there is none.
pub(crate) fn overview(workloads: &[Workload], series: impl Fn(&str) -> usize, id: &str) -> Drawn {
    let marks: Vec<Vec<Mark<'_>>> =
        workloads.iter().map(|one| one.verdict.standings.iter().filter_map(mark).collect()).collect();
    let all = || marks.iter().flatten().flat_map(|mark| [mark.low, mark.factor, mark.high]);
    let shown = all().map(|factor| factor.clamp(BEGIN, EDGE)).chain([0.9, 2.0]);
    let axis = Axis::logarithmic(shown).ok_or("no model was compared")?;
    if marks.iter().all(Vec::is_empty) {
        return Err("no model was compared".to_owned());
    }
    let ticks: Vec<(f64, String)> = axis.ticks(6).into_iter().map(|at| (at, units::factor(at))).collect();
    let names: Vec<&str> = workloads.iter().map(|one| one.scenario.name.as_str()).collect();
    let height = (ROWS / names.len().max(1) as i32).clamp(ROW.0, ROW.1);
    let mut drawn = Rows::new(&names, height, axis, &ticks, "times worse than the first of the row");
    drawn.rule(1.0);
    let mut rows = Vec::new();
    for (at, (workload, marks)) in workloads.iter().zip(&marks).enumerate() {
        for mark in marks {
            let series = series(&mark.standing.model);
            drawn.interval(at, series, mark.low.max(BEGIN), mark.high.min(EDGE));
            let wins = workload.verdict.wins(&mark.standing.model);
            drawn.standing(at, series, mark.factor.clamp(BEGIN, EDGE), wins);
            let merit = workload.verdict.merit;
            rows.push(vec![
                workload.scenario.name.clone(),
                mark.standing.model.clone(),
                place(&workload.verdict, mark.standing),
                mark.standing.figure.map_or_else(|| "no figure".to_owned(), |figure| merit.show(figure)),
                units::factor(mark.factor),
                units::interval(mark.low, mark.high),
            ]);
        }
    }
    let title = "Every model under every workload".to_owned();
    let caption = "Left is better. A filled mark wins its row, a hollow one does not; the line is the interval, and all of them hold \
                   together. At the right edge a model is a hundred times worse or more, or does not do the work.";
    let svg = drawn.finish(id, &title, caption);
    let columns =
        ["workload", "model", "place", "figure", "times worse", "interval"].map(str::to_owned).to_vec();
    Ok(Plot { svg, title, caption: caption.to_owned(), key: &[], columns, rows })
}

struct Mark<'a> {
    standing: &'a Standing,
    factor: f64,
    low: f64,
    high: f64,
}

fn mark(standing: &Standing) -> Option<Mark<'_>> {
    let (factor, low, high) = match standing.place {
        Place::Leader => (1.0, 1.0, 1.0),
        other => other.factor().map(|factor| (factor.median, factor.low, factor.high))?,
    };
    Some(Mark { standing, factor, low, high })
}
