//! `bakeoff history`: runs over time, from a store in one file.

mod filter;
mod import;
mod plot;

use super::output;
use crate::exit::Exit;
use crate::history::{DEFAULT_STORE, Pruned, Store};
use bakeoff_reports::ask::history::{self, History};
use bakeoff_reports::show::text::history as text;
use bakeoff_reports::show::units;
use clap::{Args, Subcommand};
use filter::FilterArgs;
use std::path::PathBuf;

/// Keep runs by commit and machine, and see where a figure changed
#[derive(Debug, Args)]
#[command(
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "What is watched is the ratio to a reference of the same run: the null server, thread-per-client where \
    that has no such figure, or side A of a comparison. It says where to look; to decide, compare two builds in one run.\
    \n\nExamples:\n  \
    bakeoff history import bakeoff-results/2026-11-21T03-12-27Z\n  \
    bakeoff history plot --scenario small-echo-closed --out history.html\n  \
    bakeoff history export > all.jsonl\n  bakeoff history import --jsonl all.jsonl --store other.sqlite"
)]
pub(super) struct HistoryArgs {
    #[command(subcommand)]
    action: Action,
    /// The store's file
    #[arg(long, global = true, value_name = "FILE", default_value = DEFAULT_STORE)]
    store: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Action {
    Import(import::ImportArgs),
    /// Show the runs, the newest first
    List,
    Plot(plot::PlotArgs),
    /// Show where figures changed, by commit; always ends with 0, for it is no gate
    Alerts(FilterArgs),
    /// Print all runs as JSON lines
    Export,
    Prune(PruneArgs),
}

/// Remove old runs for good
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("what").required(true))]
struct PruneArgs {
    /// Keep so many of the newest runs of each machine
    #[arg(long, value_name = "RUNS", group = "what")]
    keep: Option<u32>,
    /// Remove the runs that began before this day (UTC) or moment, such as 2026-01-31 or 2026-01-31T12:00:00Z
    #[arg(long, value_name = "DATE", group = "what", value_parser = parse_moment)]
    before: Option<u64>,
}

/// A day or a moment, in milliseconds since the Unix epoch.
fn parse_moment(text: &str) -> Result<u64, String> {
    let day = || {
        let date: jiff::civil::Date = text.parse().ok()?;
        Some(date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
    };
    let moment = text.parse::<jiff::Timestamp>().ok().or_else(day);
    let unix_ms = moment.and_then(|moment| u64::try_from(moment.as_millisecond()).ok());
    unix_ms
        .ok_or_else(|| "give a day or a moment since 1970, such as 2026-01-31 or 2026-01-31T12:00:00Z".into())
}

/// The moment, unless it is yet to come: every run there is began before it, and who gives it means another year.
fn past(unix_ms: u64, now_unix_ms: u64) -> Result<u64, String> {
    if unix_ms <= now_unix_ms {
        return Ok(unix_ms);
    }
    Err(format!(
        "--before {} is in the future, and every run would be removed: nothing was; to remove them all give --keep 0",
        units::moment(unix_ms)
    ))
}

impl HistoryArgs {
    pub(super) fn run(self) -> Result<Exit, String> {
        let store = &self.store;
        let open = || Store::open(store).map_err(|e| e.to_string());
        let entries = || open()?.entries().map_err(|e| e.to_string());
        let columns = crate::terminal_width();
        match self.action {
            Action::Import(args) => return args.run(store),
            Action::List => output::print(&text::runs(&History::of(entries()?), columns))?,
            Action::Plot(args) => args.run(entries()?)?,
            Action::Alerts(filter) => {
                let history = History::of(filter.apply(entries()?)?);
                output::print(&text::alerts(&history, columns))?;
            }
            Action::Export => output::print(&history::to_lines(&entries()?).map_err(|e| e.to_string())?)?,
            Action::Prune(args) => {
                let before =
                    args.before.map(|before| past(before, crate::host::clock::unix_ms())).transpose()?;
                // The group takes just one of them.
                let what = before.map_or(Pruned::Keep(args.keep.unwrap_or(u32::MAX)), Pruned::Before);
                let removed = open()?.prune(what).map_err(|e| e.to_string())?;
                output::print(&format!("removed {}\n", units::plural(removed as u64, "run")))?;
            }
        }
        Ok(Exit::Fine)
    }
}

#[cfg(test)]
mod tests {
    use super::{parse_moment, past};

    #[test]
    fn a_moment_yet_to_come_removes_nothing() {
        assert_eq!([past(5, 6), past(6, 6)], [Ok(5), Ok(6)]);
        let error = past(4_102_444_800_000, 1_800_000_000_000).expect_err("in the year 2100");
        assert!(error.contains("2100-01-01 00:00:00 UTC is in the future"), "{error}");
    }

    #[test]
    fn days_and_moments_are_read_in_utc() {
        assert_eq!(parse_moment("1970-01-02"), Ok(86_400_000));
        assert_eq!(parse_moment("1970-01-01T00:00:01Z"), Ok(1_000));
        for bad in ["yesterday", "1969-12-31", "2026-13-01", ""] {
            assert!(parse_moment(bad).expect_err(bad).contains("such as"), "{bad}");
        }
    }
}
