//! The page of a history: alerts first, then every series, the pictures, the runs, and how to read it.

use super::element::{Field, Row, document, header, pairs, picture, section, table};
use crate::ask::history::{History, Sample, Series, divisive};
use crate::show::plot::{self, sparkline};
use crate::show::units::{self, moment};
use crate::show::words::history as words;
use maud::{Markup, Render as _, html};

/// With more series than this, only those with a change are drawn unless the reader chose them.
const MOST_PICTURES: usize = 24;

/// Blocks of a line in the table of series.
const BLOCKS: usize = 32;

/// A history as an HTML document. `chosen` says that its series were chosen by the reader, who wants them all drawn.
pub fn history(history: &History, chosen: bool) -> String {
    let facts = [
        units::plural(history.entries.len() as u64, "run"),
        units::plural(history.machines().len() as u64, "machine"),
        format!("{} series", units::grouped(history.series.len() as u64)),
        units::plural(history.alerts.len() as u64, "alert"),
    ];
    let body = html! {
        (header("the alerts", "bakeoff history", "What changed, and when?", &facts, &[]))
        main #main {
            (alerts(history))
            (all(history))
            (pictures(history, chosen))
            (runs(history))
            (method())
        }
    };
    let footer = html! { "Written by " code { "bakeoff history plot" } " from the runs of a history alone." };
    document("bakeoff, history", &body, &footer)
}

fn alerts(history: &History) -> Markup {
    let row = |(at, which): &(usize, usize)| {
        let series = &history.series[*at];
        let change = &series.changes[*which];
        let fields = vec![
            Field::text(words::series(history, series)),
            Field::figure(words::extent(series, change), change.worse),
            Field::figure(units::quantity(change.before), change.before),
            Field::figure(units::quantity(change.after), change.after),
            Field::figure(format!("{:.3}", change.p), change.p),
        ];
        (series.key.scenario.render(), fields)
    };
    let columns = ["workload", "figure", "change", "ratio before", "ratio after", "p of no change"];
    let body = html! {
        div.history {
            p.lede { (words::tested(history)) }
            @if history.alerts.is_empty() { p.verdict { "No change that matters." } }
            @for alert in &history.alerts {
                @let worse = words::is_worse(history, alert);
                p.verdict.open[worse] {
                    b { @if worse { "Worse" } @else { "Better" } } " " (words::range(history, alert)) ", first measured "
                    (moment(history.entries[alert.first_bad].started_unix_ms))
                }
                (table("Changes", &columns, &alert.changes.iter().map(row).collect::<Vec<_>>()))
            }
            p.note {
                "An alert is where to look, not a verdict: compare the two builds in one run before acting on it."
            }
        }
    };
    section("alerts", "Alerts by commit", &body)
}

/// Every series in a line.
fn all(history: &History) -> Markup {
    let rows: Vec<Row> = history.series.iter().map(|series| line(history, series)).collect();
    let columns = ["workload", "figure", "runs", "course", "newest", "ratio", "last change"];
    let body = html! {
        div.history {
            @if rows.is_empty() {
                p { "No run of the history has a figure." }
            } @else {
                p.lede {
                    "The newest runs at the right, the lowest ratio at the bottom; a bar is a change point. A figure without a \
                     reference is drawn as it is, and not tested."
                }
                (table("Series", &columns, &rows))
            }
        }
    };
    section("series", "Every figure over the runs", &body)
}

fn line(history: &History, series: &Series) -> Row {
    let values: Vec<Option<f64>> = match series.key.reference {
        Some(_) => series.samples.iter().map(Sample::comparable).collect(),
        None => series.samples.iter().map(|sample| Some(sample.value.median)).collect(),
    };
    let breaks: Vec<usize> = series.changes.iter().map(|change| change.at).collect();
    let newest = series.samples.last();
    let value = newest.map_or_else(
        || Field::text("none"),
        |sample| {
            let value = sample.value.median;
            Field::figure(series.key.figure.show(value), value)
        },
    );
    let ratio = newest.and_then(|sample| sample.ratio).map_or_else(
        || Field::absent("no reference was measured with it"),
        |ratio| Field::figure(units::factor(ratio.median), ratio.median),
    );
    let last = match (series.changes.last(), &series.untested) {
        (Some(change), _) => {
            let first = &history.entries[series.samples[change.at].entry];
            Field::text(format!("{} since {}", words::extent(series, change), words::run(first)))
        }
        (None, Some(why)) => Field::noted("not tested", why),
        (None, None) => Field::text("none"),
    };
    let fields = vec![
        Field::text(words::series(history, series)),
        Field::count(series.samples.len() as u64),
        Field::text(sparkline(&values, &breaks, BLOCKS)),
        value,
        ratio,
        last,
    ];
    (series.key.scenario.render(), fields)
}

fn pictures(history: &History, chosen: bool) -> Markup {
    let every = chosen || history.series.len() <= MOST_PICTURES;
    let drawn: Vec<(usize, &Series)> =
        history.series.iter().enumerate().filter(|(_, series)| every || !series.changes.is_empty()).collect();
    if drawn.is_empty() {
        return html! {};
    }
    let draw = |at: usize, series: &Series| {
        let title = format!("{}, {}", series.key.model, series.key.figure.label());
        picture(plot::history(history, series, &format!("h{at}")), &title)
    };
    let body = html! {
        p.lede {
            @if !every {
                "Those with a change point; " code { "bakeoff history plot" } " with --scenario or --model draws others. "
            }
            "Each mark is a run, with its 95 % interval as an upright line; the dotted lines are the levels between change \
             points."
        }
        @for group in drawn.chunk_by(|a, b| a.1.key.scenario == b.1.key.scenario) {
            h3 { (group[0].1.key.scenario) }
            div.plots { @for (at, series) in group { (draw(*at, series)) } }
        }
    };
    section("pictures", "In pictures", &body)
}

fn runs(history: &History) -> Markup {
    let rows: Vec<Row> = history
        .entries
        .iter()
        .rev()
        .map(|entry| {
            let fields = vec![
                Field::text(words::commit(entry)),
                Field::text(entry.label.as_deref().unwrap_or("none")),
                Field::text(&entry.machine.fingerprint),
                Field::count(entry.points.len() as u64),
                Field::text(&entry.tool_version),
            ];
            (moment(entry.started_unix_ms).render(), fields)
        })
        .collect();
    let machines = history.machines();
    let machines =
        machines.iter().map(|machine| (format!("machine {}", machine.fingerprint), machine.words.clone()));
    let columns = ["began", "commit", "label", "machine", "figures", "bakeoff"];
    let body = html! {
        (pairs(machines))
        details {
            summary { (units::plural(history.entries.len() as u64, "run")) }
            (table("Runs", &columns, &rows))
        }
    };
    section("runs", "The runs", &body)
}

fn method() -> Markup {
    let body = html! {
        p {
            "A figure moves from day to day with the machine by more than most commits move it. So what is watched is its ratio \
             to a reference of the same run, in which that cancels: the null server, the tightest echo there is, as the probe \
             before the run found it; where that has no such figure, the model thread-per-client under the same workload, round \
             by round; in a comparison of two builds, side A. A figure without a reference is shown and not tested."
        }
        p {
            "Runs are in one series when machine, workload with its text and window, model, figure and reference are the same. \
             The machine counts by kernel (major and minor version), processor model, CPUs and memory in coarse steps. A series \
             is in the order of its commits where the time of each is known, else in the order of its runs."
        }
        p {
            "Change points are found by E-divisive (Matteson and James, 2014) on the logarithms of the ratios: the place where \
             the energy distance between both sides is largest, kept when at most " (units::share(divisive::LEVEL)) " of "
            (divisive::PERMUTATIONS) " shuffles do as well, and so on within the parts. A series needs " (divisive::ENOUGH)
            " runs, and a level lasts " (divisive::SHORTEST) " at least: a single slow run is an outlier. An alert is a change \
             larger than what matters for its figure, 3 to 10 %, and says between which two runs it began. The place can be off \
             by a run or two where the step is small against the noise."
        }
        p { "Runs that a machine's slow drift ties to each other raise the rate of false alarms above the stated one." }
    };
    section("method", "How to read this", &body)
}
