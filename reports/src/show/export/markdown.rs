//! The summary of a run as Markdown for a job page or a pull request: what to be careful about, the verdicts, then the
//! tables, folded. No pictures: such pages do not show inline SVG.
//!
//! A page that takes no more than so many bytes shows nothing at all of a longer one, so every list here stops in time and
//! says how much is missing.

use super::text::{cut, html, markdown as safe};
use crate::analysis::Analysis;
use crate::cells::cell::Cell;
use crate::record::Metric;
use crate::rules::verdict::Standing;
use crate::rules::workload::Workload;
use crate::show::units;
use crate::show::words::joined;
use std::fmt::Write as _;

/// A page is smaller than this, in bytes.
pub const LARGEST: usize = 60_000;

/// Kept free for what always stands there: how much of the last section is missing, and a foot, whose version may be 80
/// signs of 9 bytes each.
const RESERVE: usize = 2_000;

/// The most caveats that are told, so that there is room for a verdict below; the rest is counted.
const MOST_CAVEATS: usize = 8;

/// The most characters of one name, and of one sentence.
const LONGEST_NAME: usize = 80;
const LONGEST_TEXT: usize = 600;

/// A page that never grows too large.
#[derive(Default)]
pub(super) struct Page {
    text: String,
    /// Sections that found no room at all.
    skipped: u64,
}

impl Page {
    /// Adds what must be there; the caller keeps it short.
    pub(super) fn always(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Adds a head, the items that find room, how many did not, and the end. Nothing without an item; where not even the
    /// first finds room, the foot counts the section.
    pub(super) fn section(&mut self, head: &str, items: impl Iterator<Item = String>, end: &str) {
        let mut items = items.peekable();
        let room = |text: &str, more: usize| text.len() + more + end.len() + RESERVE < LARGEST;
        let Some(first) = items.peek() else { return };
        if !room(&self.text, head.len() + first.len()) {
            self.skipped += 1;
            return;
        }
        self.text.push_str(head);
        let mut missing = 0_u64;
        for item in items {
            if missing == 0 && room(&self.text, item.len()) {
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

    /// Adds what a reader must see before any figure.
    pub(super) fn caveats(&mut self, analysis: &Analysis) {
        let caveats = analysis.caveats();
        let more = caveats.len().saturating_sub(MOST_CAVEATS) as u64;
        let told = caveats.iter().take(MOST_CAVEATS).map(|caveat| sentences(&caveat.to_string()));
        let rest = (more > 0).then(|| format!("{} more in the report.", units::grouped(more)));
        let quoted = told.chain(rest).map(|caveat| format!("> {caveat}\n>\n"));
        self.section("> **Read first**\n>\n", quoted, "\n");
    }

    /// The page with its foot.
    pub(super) fn finish(mut self, foot: &str) -> String {
        if self.skipped > 0 {
            let sections = units::plural(self.skipped, "section");
            let _ = write!(self.text, "\n{sections} did not fit at all; the report has everything.\n");
        }
        self.text + foot
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
    page.caveats(analysis);
    page.section("", analysis.workloads.iter().map(answer), "");
    let points = analysis.sweeps.iter().map(|sweep| sweep.own_points().count()).sum::<usize>() as u64;
    if points > 0 {
        page.always(&format!("- {} of sweeps, in the tables below\n", units::plural(points, "point")));
    }
    for workload in analysis.measured() {
        table(&mut page, workload);
    }
    let doubts = analysis.doubts().map(|(workload, model, doubt)| {
        format!("- {} / {}: {}\n", name(workload), name(model), sentences(&doubt.to_string()))
    });
    page.section("\n<details><summary>Doubts</summary>\n\n", doubts, "\n</details>\n");
    let discarded = analysis.excluded.iter().map(|trial| {
        let why = sentences(&joined(&trial.reasons));
        let replaced = if trial.replaced { "; replaced by a retry" } else { "" };
        format!(
            "- {} / {}, round {}: {why}{replaced}\n",
            name(&trial.scenario),
            name(&trial.model),
            u64::from(trial.round) + 1
        )
    });
    page.section("\n<details><summary>Discarded trials</summary>\n\n", discarded, "\n</details>\n");
    page.finish(&foot(analysis))
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
    let more: Vec<&str> = beside(verdict.merit).map(Metric::head).collect();
    let head = format!(
        "\n<details><summary>{}: {}</summary>\n\n| model | place | {} | behind the first (all 95 %) | {} | blocks |\n\
         |---|---|--:|--:|{}--:|\n",
        html(&cut(&workload.scenario.name, LONGEST_NAME)),
        verdict.merit.label(),
        verdict.merit.label(),
        more.join(" | "),
        "--:|".repeat(more.len())
    );
    let rows = verdict
        .standings
        .iter()
        .filter_map(|standing| Some(row(workload, standing, workload.cell(&standing.model)?)));
    let end = match workload.reason().trim() {
        "" => "\n</details>\n".to_owned(),
        reason => format!("\n{}\n\n</details>\n", sentences(reason)),
    };
    page.section(&head, rows, &end);
}

/// What stands beside the figure of merit: no metric twice.
fn beside(merit: Metric) -> impl Iterator<Item = Metric> {
    let shown = [Metric::ResponseP50, Metric::ResponseP99, Metric::CpuPerRequest, Metric::SwitchesPerRequest];
    shown.into_iter().filter(move |metric| *metric != merit)
}

fn row(workload: &Workload, standing: &Standing, cell: &Cell) -> String {
    let verdict = &workload.verdict;
    let place = crate::show::words::verdict::place(verdict, standing);
    let behind = standing.place.factor().map_or_else(String::new, |factor| {
        format!("{} ({})", units::factor(factor.median), units::interval(factor.low, factor.high))
    });
    let cost = |cost: Metric| cell.value(cost).map_or_else(String::new, |value| cost.show(value));
    let mut cells = vec![
        name(&standing.model),
        place,
        standing.figure.map_or_else(String::new, |figure| verdict.merit.show(figure)),
        behind,
    ];
    cells.extend(beside(verdict.merit).map(cost));
    cells.push(standing.blocks.to_string());
    format!("| {} |\n", cells.join(" | "))
}

fn foot(analysis: &Analysis) -> String {
    let run = &analysis.run;
    format!(
        "\n{} of {} trials valid, {}, seed {}, bakeoff {}, {}. Absent figures are empty; CPU and switches are per request.\n",
        units::grouped(u64::from(analysis.valid)),
        units::grouped(u64::from(analysis.recorded)),
        analysis.length(),
        run.seed,
        name(&run.tool_version),
        units::moment(run.started_unix_ms)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// What the callers add at most: an end of [`LONGEST_TEXT`] signs of 9 bytes, a foot with such a version.
        #[test]
        fn a_page_of_any_sections_keeps_its_promise(
            sections in prop::collection::vec((0..400_usize, 1..7_000_usize, 1..30_usize, 0..5_500_usize), 0..40),
            version in "#{80}|界{80}|[a-z]{5}",
        ) {
            let (mut page, mut begun) = (Page::default(), 0);
            for (at, (head, item, count, end)) in sections.iter().enumerate() {
                let (head, end) = (format!("<{at}>{}", "h".repeat(*head)), format!("{}</{at}>", "e".repeat(*end)));
                page.section(&head, std::iter::repeat_n("i".repeat(*item), *count), &end);
                begun += usize::from(page.text.contains(&head));
                prop_assert_eq!(page.text.contains(&head), page.text.ends_with(&end), "what begins ends");
            }
            let foot = format!("{}{}", "f".repeat(300), name(&version));
            let text = page.finish(&foot);
            prop_assert!(text.len() < LARGEST && text.ends_with(&foot), "{} bytes", text.len());
            let told = match sections.len() - begun {
                0 => None,
                1 => Some("\n1 section did not fit at all".to_owned()),
                more => Some(format!("\n{more} sections did not fit at all")),
            };
            prop_assert!(told.as_ref().is_none_or(|told| text.contains(told)), "{:?} is not told", told);
            prop_assert!(told.is_some() || !text.contains("did not fit at all"));
        }
    }
}
