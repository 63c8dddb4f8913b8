//! The page of a history: alerts first, then every series, the pictures, the runs, and how to read it.

use super::page::document;
use super::pictures::picture;
use super::{Field, escape, table};
use crate::ask::history::{History, Series, divisive, label, show};
use crate::show::plot;
use crate::show::text::spark::sparkline;
use crate::show::units;
use crate::show::words::history as words;
use std::fmt::Write as _;

/// With more series than this, only those with a change are drawn unless the reader chose them.
const MOST_PICTURES: usize = 24;

/// Blocks of a line in the table of series.
const BLOCKS: usize = 32;

/// A history as an HTML document. `chosen` says that its series were chosen by the reader, who wants them all drawn.
pub fn history(history: &History, chosen: bool) -> String {
    let mut body = header(history);
    body.push_str("<main id=\"main\">\n");
    body.push_str(&alerts(history));
    body.push_str(&all(history));
    body.push_str(&pictures(history, chosen));
    body.push_str(&runs(history));
    body.push_str(&method());
    body.push_str("</main>\n");
    document(
        "bakeoff, history",
        &body,
        "Written by <code>bakeoff history plot</code> from the runs of a history alone.",
    )
}

fn header(history: &History) -> String {
    let facts = [
        units::plural(history.entries.len() as u64, "run"),
        units::plural(history.machines().len() as u64, "machine"),
        format!("{} series", units::grouped(history.series.len() as u64)),
        units::plural(history.alerts.len() as u64, "alert"),
    ];
    let mut html = String::from(
        "<a class=\"skip\" href=\"#main\">Skip to the alerts</a>\n<header>\n<p class=\"eyebrow\">bakeoff history</p>\n\
         <h1>What changed, and when?</h1>\n<ul class=\"facts\">",
    );
    for fact in facts {
        let _ = write!(html, "<li>{}</li>", escape(&fact));
    }
    html.push_str("</ul>\n</header>\n");
    html
}

fn alerts(history: &History) -> String {
    let mut html = String::from("<section id=\"alerts\" class=\"history\">\n<h2>Alerts by commit</h2>\n");
    let _ = writeln!(html, "<p class=\"lede\">{}</p>", escape(&words::tested(history)));
    if history.alerts.is_empty() {
        html.push_str("<p class=\"verdict\">No change that matters.</p>\n");
    }
    for alert in &history.alerts {
        let worse = words::is_worse(history, alert);
        let rows: Vec<(String, Vec<Field>)> = alert
            .changes
            .iter()
            .map(|(at, which)| {
                let series = &history.series[*at];
                let change = &series.changes[*which];
                let fields = vec![
                    Field::text(words::series(history, series)),
                    Field::figure(words::extent(change), change.worse),
                    Field::figure(units::quantity(change.before), change.before),
                    Field::figure(units::quantity(change.after), change.after),
                    Field::figure(format!("{:.3}", change.p), change.p),
                ];
                (escape(&series.key.scenario), fields)
            })
            .collect();
        let _ = write!(
            html,
            "<p class=\"verdict{}\"><b>{}</b> {}, first measured {}</p>\n{}",
            if worse { " open" } else { "" },
            if worse { "Worse" } else { "Better" },
            escape(&words::range(history, alert)),
            escape(&units::moment(history.entries[alert.first_bad].started_unix_ms)),
            table("Changes", &["workload", "figure", "change", "ratio before", "ratio after", "p"], &rows)
        );
    }
    html.push_str(
        "<p class=\"note\">An alert is where to look, not a verdict: compare the two builds in one run before acting on \
         it.</p>\n</section>\n",
    );
    html
}

/// Every series in a line.
fn all(history: &History) -> String {
    let rows: Vec<(String, Vec<Field>)> = history.series.iter().map(|series| line(history, series)).collect();
    let mut html =
        String::from("<section id=\"series\" class=\"history\">\n<h2>Every figure over the runs</h2>\n");
    if rows.is_empty() {
        html.push_str("<p>No run of the history has a figure.</p>\n");
    } else {
        html.push_str(
            "<p class=\"lede\">The newest runs at the right, the lowest ratio at the bottom; a bar is a change point. A \
             figure without a reference is drawn as it is, and not tested.</p>\n",
        );
        let columns = ["workload", "figure", "runs", "course", "newest", "ratio", "last change"];
        html.push_str(&table("Series", &columns, &rows));
    }
    html.push_str("</section>\n");
    html
}

fn line(history: &History, series: &Series) -> (String, Vec<Field>) {
    let values: Vec<Option<f64>> = match series.key.reference {
        Some(_) => series.samples.iter().map(crate::ask::history::Sample::comparable).collect(),
        None => series.samples.iter().map(|sample| Some(sample.value.median)).collect(),
    };
    let breaks: Vec<usize> = series.changes.iter().map(|change| change.at).collect();
    let newest = series.samples.last();
    let value = newest.map_or_else(
        || Field::text("none"),
        |sample| {
            let value = sample.value.median;
            Field::figure(show(series.key.figure, value), value)
        },
    );
    let ratio = newest.and_then(|sample| sample.ratio).map_or_else(
        || Field::absent("no reference was measured with it"),
        |ratio| Field::figure(units::factor(ratio.median), ratio.median),
    );
    let last = match (series.changes.last(), &series.untested) {
        (Some(change), _) => {
            let first = &history.entries[series.samples[change.at].entry];
            Field::text(format!("{} since {}", words::extent(change), words::run(first)))
        }
        (None, Some(why)) => {
            Field { text: "not tested".to_owned(), key: None, note: Some(why.clone()), mark: None }
        }
        (None, None) => Field::text("none"),
    };
    let fields = vec![
        Field::text(words::series(history, series)),
        Field::figure(series.samples.len().to_string(), series.samples.len() as f64),
        Field::text(sparkline(&values, &breaks, BLOCKS)),
        value,
        ratio,
        last,
    ];
    (escape(&series.key.scenario), fields)
}

fn pictures(history: &History, chosen: bool) -> String {
    let every = chosen || history.series.len() <= MOST_PICTURES;
    let drawn: Vec<(usize, &Series)> =
        history.series.iter().enumerate().filter(|(_, series)| every || !series.changes.is_empty()).collect();
    if drawn.is_empty() {
        return String::new();
    }
    let mut html = String::from("<section id=\"pictures\">\n<h2>In pictures</h2>\n<p class=\"lede\">");
    if !every {
        html.push_str(
            "Those with a change point; <code>bakeoff history plot</code> with --scenario or --model draws others. ",
        );
    }
    html.push_str(
        "Each mark is a run, with its 95 % interval as an upright line; the dotted lines are the levels between change \
         points.</p>\n",
    );
    let mut workload = None;
    for (at, series) in drawn {
        if workload != Some(&series.key.scenario) {
            let close = if workload.is_some() { "</div>\n" } else { "" };
            let _ = write!(html, "{close}<h3>{}</h3>\n<div class=\"plots\">\n", escape(&series.key.scenario));
            workload = Some(&series.key.scenario);
        }
        let title = escape(&format!("{}, {}", series.key.model, label(series.key.figure)));
        html.push_str(&picture(plot::history(history, series, &format!("h{at}")), &title));
    }
    html.push_str("</div>\n</section>\n");
    html
}

fn runs(history: &History) -> String {
    let rows: Vec<(String, Vec<Field>)> = history
        .entries
        .iter()
        .rev()
        .map(|entry| {
            let fields = vec![
                Field::text(words::commit(entry)),
                Field::text(entry.label.as_deref().unwrap_or("none")),
                Field::text(&entry.machine.fingerprint),
                Field::figure(entry.points.len().to_string(), entry.points.len() as f64),
                Field::text(&entry.tool_version),
            ];
            (escape(&units::moment(entry.started_unix_ms)), fields)
        })
        .collect();
    let mut html = String::from("<section id=\"runs\">\n<h2>The runs</h2>\n");
    html.push_str("<dl class=\"pairs\">");
    for machine in history.machines() {
        let (fingerprint, words) = (escape(&machine.fingerprint), escape(&machine.words));
        let _ = write!(html, "<dt>machine {fingerprint}</dt><dd>{words}</dd>");
    }
    let count = units::plural(history.entries.len() as u64, "run");
    let _ = write!(html, "</dl>\n<details><summary>{count}</summary>\n");
    html.push_str(&table("Runs", &["began", "commit", "label", "machine", "figures", "bakeoff"], &rows));
    html.push_str("</details>\n</section>\n");
    html
}

fn method() -> String {
    format!(
        "<section id=\"method\">\n<h2>How to read this</h2>\n\
         <p>A figure moves from day to day with the machine by more than most commits move it. So what is watched is its \
         ratio to a reference of the same run, in which that cancels: the null server, the tightest echo there is, as \
         the probe before the run found it; where that has no such figure, the model thread-per-client under the same \
         workload, round by round; in a comparison of two builds, side A. A figure without a reference is shown and not \
         tested.</p>\n\
         <p>Runs are in one series when machine, workload with its text and window, model, figure and reference are the same. \
         The machine counts by kernel (major and minor version), processor model, CPUs and memory in coarse steps. A \
         series is in the order of its commits where the time of each is known, else in the order of its runs.</p>\n\
         <p>Change points are found by E-divisive (Matteson and James, 2014) on the logarithms of the ratios: the place \
         where the energy distance between both sides is largest, kept when at most {} of {} shuffles do as well, and so \
         on within the parts. A series needs {} runs, and a level lasts {} at least: a single slow run is an outlier. An \
         alert is a change larger than what matters for its figure, 3 to 10 %, and says between which two runs it began. \
         The place can be off by a run or two where the step is small against the noise.</p>\n\
         <p>Runs that a machine's slow drift ties to each other raise the rate of false alarms above the stated one.</p>\n\
         </section>\n",
        units::percent(divisive::LEVEL),
        divisive::PERMUTATIONS,
        divisive::ENOUGH,
        divisive::SHORTEST
    )
}
