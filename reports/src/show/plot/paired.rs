//! The pairs of a comparison of two builds, round by round, with what was made of them: median, interval, floor.

use super::axis::Axis;
use super::canvas::Canvas;
use super::picture::{Drawn, Plot};
use crate::rules::gate::{Paired, Verdict};
use crate::show::units::ratio;
use crate::show::words::gate::with_interval;
use crate::stats::estimate::Estimate;
use crate::stats::{median, power};

/// The series of the rounds of the search: triangles. Above the number of any model, so that no legend lights them up.
const SEARCH: usize = 50;
/// That of the fresh rounds: squares.
const FRESH: usize = 49;

/// Marks further from the median than so many spreads are held at the edge, or they would press the others together.
const MOST_SPREADS: f64 = 7.0;

/// How many times worse B was than A in each round, for one figure.
pub(crate) fn pairs_by_round(verdict: &Verdict, id: &str) -> Drawn {
    if verdict.pairs.is_empty() {
        return Err("No round has a pair of the figure.".to_owned());
    }
    let floor = 1.0 + verdict.practical;
    let y = axis(verdict, floor);
    let last = verdict.pairs.iter().map(|pair| pair.round).max().unwrap_or(0);
    let x = Axis::exactly(0.0, f64::from(last) + 2.0);
    let whole = |at: &f64| at.fract() == 0.0 && *at >= 1.0;
    let x_ticks: Vec<_> = x.ticks(5).into_iter().filter(whole).map(|at| (at, format!("{at:.0}"))).collect();
    let y_ticks: Vec<_> = y.ticks(5).into_iter().map(|at| (at, tick(at))).collect();
    let mut canvas = Canvas::new((x, &x_ticks, "round"), (y, &y_ticks, "times worse than A"));
    canvas.band("floor", (0.0, f64::from(last) + 2.0), (1.0 / floor, floor));
    let of = |fresh: bool| verdict.pairs.iter().filter(move |pair| pair.fresh == fresh);
    for (series, fresh, factor) in [(SEARCH, false, verdict.factor), (FRESH, true, verdict.confirmed)] {
        let points: Vec<(f64, f64)> =
            of(fresh).map(|pair| (f64::from(pair.round) + 1.0, pair.log.exp())).collect();
        if let (Some(factor), Some(first), Some(end)) = (factor, points.first(), points.last()) {
            let across = (first.0 - 0.5, end.0 + 0.5);
            canvas.interval(series, across, (factor.low, factor.high), factor.median);
        }
        if !points.is_empty() {
            canvas.points(series, &points);
        }
    }
    if verdict.pairs.iter().any(|pair| pair.log == f64::INFINITY) {
        canvas.label_never();
    }
    let title = format!("{}, {} under {}", verdict.figure.label(), verdict.model, verdict.scenario);
    Ok(Plot {
        svg: canvas.finish(id, &format!("Pairs round by round: {title}"), &description(verdict)),
        title,
        caption: caption(verdict),
        key: &[("floor", "less than matters")],
        columns: ["round", "of", "times worse"].map(str::to_owned).to_vec(),
        rows: verdict.pairs.iter().map(row).collect(),
    })
}

fn row(pair: &Paired) -> Vec<String> {
    let part = if pair.fresh { "fresh" } else { "search" };
    vec![(u64::from(pair.round) + 1).to_string(), part.to_owned(), ratio(pair.log.exp())]
}

/// A linear axis around 1 that holds the floor to both sides and all marks that are not far out; a logarithmic one where
/// they differ by a factor.
fn axis(verdict: &Verdict, floor: f64) -> Axis {
    let logs: Vec<f64> = verdict.pairs.iter().map(|pair| pair.log).filter(|log| log.is_finite()).collect();
    let around = match (median(&logs), power::spread(&logs)) {
        (Some(middle), Some(spread)) if spread > 0.0 => Some((middle, MOST_SPREADS * spread)),
        _ => None,
    };
    let near = |log: &f64| around.is_none_or(|(middle, most)| (log - middle).abs() <= most);
    let ends =
        [verdict.factor, verdict.confirmed].into_iter().flatten().flat_map(|f: Estimate| [f.low, f.high]);
    let shown = logs.iter().copied().filter(near).map(f64::exp).chain(ends.filter(|end| end.is_finite()));
    let (low, high) =
        shown.fold((1.0 / floor, floor), |(low, high), value| (low.min(value), high.max(value)));
    if high > 3.0 * low {
        return Axis::logarithmic([low, high]).unwrap_or(Axis::exactly(0.0, high));
    }
    let room = 0.06 * (high - low);
    Axis::exactly(low - room, high + room)
}

fn tick(at: f64) -> String {
    let text = format!("{at:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text.is_empty() { "0".to_owned() } else { text.to_owned() }
}

fn caption(verdict: &Verdict) -> String {
    let told = |factor: Option<Estimate>| factor.map_or_else(|| "none".to_owned(), with_interval);
    let fresh = match verdict.confirmed {
        None => String::new(),
        Some(factor) => format!(" Squares: fresh rounds; {}.", with_interval(factor)),
    };
    format!(
        "Triangles: rounds of the search, with their median and its interval; {}.{fresh} Above 1 B is worse. A mark at the \
         upper or lower edge may lie beyond it.",
        told(verdict.factor)
    )
}

fn description(verdict: &Verdict) -> String {
    format!(
        "How many times worse B was than A in each of {} rounds. {}: {}",
        verdict.pairs.len(),
        verdict.outcome.word(),
        verdict.reason()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_near_one_keep_their_digits() {
        assert_eq!([1.0, 1.025, 0.95, 10.0, 0.0].map(tick), ["1", "1.025", "0.95", "10", "0"]);
    }
}
