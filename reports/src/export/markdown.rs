//! The summary of a run as Markdown for a job page or a pull request: the verdicts first, then what to be careful about,
//! the tables folded. No pictures: such pages do not show inline SVG.
//!
//! A page that takes no more than so many bytes shows nothing at all of a longer one, so every list here stops in time and
//! says how much is missing.

use super::text::{cut, markdown as safe};
use crate::analysis::{Analysis, Workload};
use crate::cell::Cell;
use crate::cost::Cost;
use crate::units;
use crate::verdict::{Place, Standing};
use std::fmt::Write as _;

/// A page is smaller than this, in bytes.
pub const LARGEST: usize = 60_000;

/// Kept free for what always stands there: a foot, the end of a fold, how much is missing.
const RESERVE: usize = 2_000;

/// The most characters of one name, and of one sentence.
const LONGEST_NAME: usize = 80;
const LONGEST_TEXT: usize = 600;

/// A page that never grows too large.
#[derive(Default)]
pub(super) struct Page {
    text: String,
}

impl Page {
    /// Adds what must be there; the caller keeps it short.
    pub(super) fn always(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Adds a head, the items that find room, how many did not, and the end. Nothing without an item.
    pub(super) fn section(&mut self, head: &str, items: impl Iterator<Item = String>, end: &str) {
        let mut items = items.peekable();
        let room = |text: &str, more: &str| text.len() + more.len() + RESERVE < LARGEST;
        let Some(first) = items.peek() else { return };
        if !room(&self.text, &(head.to_owned() + first + end)) {
            return;
        }
        self.text.push_str(head);
        let mut missing = 0_u64;
        for item in items {
            if missing == 0 && room(&self.text, &item) {
                self.text.push_str(&item);
            } else {
                missing += 1;
            }
        }
        if missing > 0 {
            let _ =
                write!(self.text, "\n{} more did not fit; the report has them.\n", units::grouped(missing));
        }
        self.text.push_str(end);
    }

    pub(super) fn finish(self) -> String {
        self.text
    }
}

/// A free text in bold.
pub(super) fn bold(text: &str) -> String {
    // Blanks inside the stars would keep them from being markup.
    format!("**{}**", safe(text.trim()))
}

fn name(text: &str) -> String {
    safe(&cut(text, LONGEST_NAME))
}

fn sentences(text: &str) -> String {
    safe(&cut(text.trim(), LONGEST_TEXT))
}

/// The summary of an ordinary run: below [`LARGEST`] bytes, whatever the run.
pub fn of_analysis(analysis: &Analysis) -> String {
    let mut page = Page::default();
    page.always("## bakeoff: which model fits which workload\n\n");
    page.section("", analysis.workloads.iter().map(answer), "");
    let points = analysis.sweeps.iter().map(|sweep| sweep.points.len()).sum::<usize>() as u64;
    if points > 0 {
        page.always(&format!("- {} of sweeps, in the tables below\n", units::plural(points, "point")));
    }
    let caveats = analysis.caveats();
    let quoted = caveats.iter().map(|caveat| format!("> {}\n>\n", sentences(caveat)));
    page.section("\n> **Read first**\n>\n", quoted, "");
    for workload in analysis.measured() {
        table(&mut page, workload);
    }
    let doubts = analysis.doubts().map(|(workload, model, doubt)| {
        format!("- {} / {}: {}\n", name(workload), name(model), sentences(doubt))
    });
    page.section("\n<details><summary>Doubts</summary>\n\n", doubts, "\n</details>\n");
    let discarded = analysis.excluded.iter().map(|trial| {
        let why = sentences(&trial.reasons.join("; "));
        let replaced = if trial.replaced { "; another try counts" } else { "" };
        format!(
            "- {} / {}, round {}: {why}{replaced}\n",
            name(&trial.scenario),
            name(&trial.model),
            u64::from(trial.round) + 1
        )
    });
    page.section("\n<details><summary>Discarded trials</summary>\n\n", discarded, "\n</details>\n");
    page.always(&foot(analysis));
    page.finish()
}

fn answer(workload: &Workload) -> String {
    let verdict = &workload.verdict;
    format!(
        "- {}: {}. {}\n",
        bold(&cut(&workload.scenario.name, LONGEST_NAME)),
        bold(&cut(&verdict.choice(), LONGEST_TEXT)),
        sentences(&verdict.lead())
    )
}

fn table(page: &mut Page, workload: &Workload) {
    let verdict = &workload.verdict;
    let head = format!(
        "\n<details><summary>{}: {}</summary>\n\n| model | place | {} | worse than the best (95 %) | response p50 | response p99 | CPU | switches | rounds |\n\
         |---|---|--:|--:|--:|--:|--:|--:|--:|\n",
        name(&workload.scenario.name),
        verdict.merit.label(),
        verdict.merit.label()
    );
    let rows = verdict
        .standings
        .iter()
        .filter_map(|standing| Some(row(workload, standing, workload.cell(&standing.model)?)));
    let end = match verdict.reason.trim() {
        "" => "\n</details>\n".to_owned(),
        reason => format!("\n{}\n\n</details>\n", sentences(reason)),
    };
    page.section(&head, rows, &end);
}

fn row(workload: &Workload, standing: &Standing, cell: &Cell) -> String {
    let verdict = &workload.verdict;
    let place = match standing.place {
        _ if verdict.crowns(standing) && matches!(standing.place, Place::Best) => "best".to_owned(),
        Place::Best => "least bad".to_owned(),
        Place::Equal(_) => "equal".to_owned(),
        Place::Unresolved { .. } => "not resolved".to_owned(),
        Place::Behind(_) => "behind".to_owned(),
        Place::Undecided { more } => {
            format!("undecided, {} more needed", units::plural(more as u64, "round"))
        }
        Place::Invalid => "invalid".to_owned(),
    };
    let behind = standing.place.factor().map_or_else(String::new, |factor| {
        format!("{} ({})", units::factor(factor.median), units::interval(factor.low, factor.high))
    });
    let time =
        |quantile: crate::statistics::quantile::Quantile| quantile.ns().map_or_else(String::new, units::time);
    let response =
        cell.merged.as_ref().map(|merged| (time(merged.response.p50()), time(merged.response.p99())));
    let (p50, p99) = response.unwrap_or_default();
    let cost = |cost: Cost| cell.costs.value(cost).map_or_else(String::new, |value| cost.show(value));
    let cells = [
        name(&standing.model),
        place,
        standing.figure.map_or_else(String::new, |figure| verdict.merit.show(figure)),
        behind,
        p50,
        p99,
        cost(Cost::Cpu),
        cost(Cost::Switches),
        standing.rounds.to_string(),
    ];
    format!("| {} |\n", cells.join(" | "))
}

fn foot(analysis: &Analysis) -> String {
    let run = &analysis.run;
    format!(
        "\n{} of {} trials valid, {}, seed {}, bakeoff {}, {}. Absent figures are empty; CPU and switches are per request.\n",
        units::grouped(u64::from(analysis.valid)),
        units::grouped(u64::from(analysis.recorded)),
        units::plural(u64::from(analysis.rounds_done()), "round"),
        run.seed,
        name(&run.tool_version),
        units::moment(run.started_unix_ms)
    )
}
