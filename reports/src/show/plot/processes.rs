//! One dot for each fresh process: the figure of merit of every block, model by model, so that a bad process can be seen.

use super::axis::Axis;
use super::picture::{Drawn, Plot};
use super::rows::Rows;
use crate::rules::workload::Workload;
use crate::show::units;

/// The picture; an error says why there is none.
pub(crate) fn processes(workload: &Workload, series: impl Fn(&str) -> usize, id: &str) -> Drawn {
    let merit = workload.verdict.merit;
    let of = |model: &str| -> Vec<(u32, f64)> {
        let rounds = workload.cell(model).map_or(&[][..], |cell| &cell.rounds);
        rounds.iter().filter_map(|round| Some((round.round, round.value(merit)?))).collect()
    };
    let models: Vec<&str> = workload.verdict.standings.iter().map(|one| one.model.as_str()).collect();
    let figures: Vec<Vec<(u32, f64)>> = models.iter().map(|model| of(model)).collect();
    let finite = || figures.iter().flatten().map(|(_, value)| *value).filter(|value| value.is_finite());
    let axis = Axis::logarithmic(finite()).ok_or("no process has a figure that can be drawn")?;
    let ticks: Vec<(f64, String)> = axis.ticks(4).into_iter().map(|at| (at, merit.show(at))).collect();
    let mut drawn = Rows::new(&models, 72, axis, &ticks, merit.label());
    let mut rows = Vec::new();
    for (at, (model, figures)) in models.iter().zip(&figures).enumerate() {
        let standing = workload.verdict.standing(model);
        for (_, value) in figures.iter().filter(|(_, value)| value.is_finite()) {
            drawn.dot(at, series(model), *value);
        }
        rows.push(vec![
            (*model).to_owned(),
            figures.iter().map(|(_, value)| merit.show(*value)).collect::<Vec<_>>().join(", "),
            standing.map_or_else(String::new, |one| units::plural(one.bad_blocks as u64, "bad block")),
        ]);
    }
    let title = format!("{} of every process", crate::show::words::capital(merit.label()));
    let caption = format!(
        "A dot for each fresh server process, in the order of the answer. One that lies more than {} off its usual place against \
         the first is a bad one.",
        units::factor(crate::rules::verdict::BAD)
    );
    let svg = drawn.finish(id, &title, &caption);
    let columns = ["model", "figures, block by block", "bad"].map(str::to_owned).to_vec();
    Ok(Plot { svg, title, caption, key: &[], columns, rows })
}
