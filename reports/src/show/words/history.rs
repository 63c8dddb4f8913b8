//! A history in words, shared by terminal and page: runs, changes and alerts by name. It decides nothing.

use crate::ask::history::series::{Alert, Change, History, Series};
use crate::ask::history::{Entry, TEXT_ALONE, divisive};
use crate::show::units;
use crate::show::words::gate::difference;
use crate::stats::paired::Better;

/// Digits of a commit that people read.
const SHORT: usize = 10;

/// A commit, shortened; or that it is unknown.
pub(crate) fn commit(entry: &Entry) -> String {
    entry.commit.as_deref().map_or_else(|| "unknown".to_owned(), short)
}

fn short(commit: &str) -> String {
    commit.chars().take(SHORT).collect()
}

/// What a run is known by, shortened: the end of its key, the CRC-32 of its head.
pub(crate) fn id(entry: &Entry) -> &str {
    entry.key.rsplit('-').next().unwrap_or(&entry.key)
}

/// A run in a sentence: its commit and label, or when it began.
pub(crate) fn run(entry: &Entry) -> String {
    let label = entry.label.as_ref().map_or_else(String::new, |label| format!(" ({label})"));
    match &entry.commit {
        Some(commit) => format!("{}{label}", short(commit)),
        None => format!("the run of {}{label}", units::moment(entry.started_unix_ms)),
    }
}

/// Where to look for what an alert tells: "between A and B".
pub(crate) fn range(history: &History, alert: &Alert) -> String {
    let (last, first) = (&history.entries[alert.last_good], &history.entries[alert.first_bad]);
    match (&last.commit, &first.commit) {
        (Some(a), Some(b)) if a == b => format!("within {}: the same commit before and after", run(first)),
        (Some(_), Some(_)) => format!("after {}, up to {}", run(last), run(first)),
        _ => format!("between {} and {}", run(last), run(first)),
    }
}

/// Whether any of an alert's changes is for the worse.
pub(crate) fn is_worse(history: &History, alert: &Alert) -> bool {
    alert.changes.iter().any(|(series, change)| history.series[*series].changes[*change].worse > 1.0)
}

/// What a change of a level is: "12 % worse".
pub(crate) fn extent(series: &Series, change: &Change) -> String {
    difference(series.key.figure, change.worse)
}

/// What a series is of, without its workload: "tokio, throughput / null server".
pub(crate) fn series(history: &History, series: &Series) -> String {
    let key = &series.key;
    let apart = history.apart(key);
    let apart = if apart.is_empty() { apart } else { format!(" ({apart})") };
    format!("{}, {}{}{apart}", key.model, key.figure.label(), over(series))
}

/// " / null server"; nothing without a reference.
fn over(series: &Series) -> String {
    series.key.reference.as_deref().map_or_else(String::new, |name| format!(" / {}", reference(name)))
}

/// A reference as people read it: a build's commit is shortened.
pub(crate) fn reference(name: &str) -> String {
    match name.strip_prefix("build ") {
        Some(build) if build.len() >= 40 && build.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            format!("build {}", short(build))
        }
        _ => name.to_owned(),
    }
}

/// The newest figure of a series with its ratio.
pub(crate) fn newest(series: &Series) -> String {
    let Some(sample) = series.samples.last() else { return "no run".to_owned() };
    let value = series.key.figure.show(sample.value.median);
    match sample.ratio {
        Some(ratio) => format!("{value}, {}", units::factor(ratio.median)),
        None => value,
    }
}

/// Which way is better: "more is better".
pub(crate) fn direction(series: &Series) -> &'static str {
    match series.key.figure.better() {
        Better::More => "more is better",
        Better::Less => "less is better",
    }
}

/// How many series were tested, and how many false alarms that allows.
pub(crate) fn tested(history: &History) -> String {
    let tested = history.tested();
    let untested = history.series.len() - tested;
    let rest = match untested {
        0 => String::new(),
        n => format!(
            " {} had no reference, fewer than {} runs or no known window and {} not tested.",
            n,
            divisive::ENOUGH,
            if n == 1 { "was" } else { "were" }
        ),
    };
    let older = history.series.iter().any(|series| series.key.definition.starts_with(TEXT_ALONE));
    let again = if older {
        " Runs that an older version recorded do not say for how long they were measured: import their bundles again."
    } else {
        ""
    };
    if tested == 0 {
        return format!(
            "No change point was looked for: a series needs a reference and {} runs.{again}",
            divisive::ENOUGH
        );
    }
    let chance = tested as f64 * divisive::LEVEL;
    format!(
        "A change point was looked for in {} at a level of {}: without any change, chance alone raises {} false \
         alarms.{rest}{again}",
        format_args!("{} series", units::grouped(tested as u64)),
        units::share(divisive::LEVEL),
        if chance < 0.1 { "under 0.1".to_owned() } else { format!("about {chance:.1}") },
    )
}
