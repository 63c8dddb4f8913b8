//! An answer for people at a terminal: the choice first, then what it rests on, then the run that would settle it.
//!
//! No line is wider than the width given, except a single word or a line of the proposed file that is longer itself.

use super::grid::{Column, Grid};
use super::style::Style;
use crate::ask::advise::answer::{Answer, Criterion, Finding, Level, Outcome, Stand};
use crate::show::layout::{clean, cut, left, push, right, width};
use crate::show::units;
use crate::show::units::any_of;
use std::fmt::Write as _;
use strum::VariantArray as _;

/// Differences told of one workload; the largest come first.
const MOST_DIFFERENCES: usize = 4;

/// The answer in at most `width` columns (40 at least). `file` is what the proposed scenario is, or is to be, saved as;
/// `written` says which.
pub fn text(answer: &Answer, width: usize, file: &str, written: bool) -> String {
    let mut out = Out { text: String::new(), width: width.max(40) };
    out.plain(&format!("Question: {}.", answer.question.in_words()));
    if !answer.assumptions.is_empty() {
        out.plain(&format!(
            "Assumed: {}.",
            answer.assumptions.iter().map(|one| one.words()).collect::<Vec<_>>().join("; ")
        ));
    }
    out.line("");
    out.plain(&headline(answer));
    if answer.confidence.level > Level::None && !answer.confidence.because.is_empty() {
        out.plain(&format!(
            "Confidence {}: {}.",
            answer.confidence.level,
            answer.confidence.because.join("; ")
        ));
    }
    answer.reasons.iter().for_each(|reason| out.item(reason));
    if answer.outcome != Outcome::NothingNear {
        table(&mut out, answer);
    }
    out.list(
        "Measured workloads it rests on, nearest first",
        &answer.cells.iter().map(cell).collect::<Vec<_>>(),
    );
    out.list("What it does not know", &answer.unknown);
    out.list("Careful", &answer.warnings);
    proposal(&mut out, answer, file, written);
    out.text
}

struct Out {
    text: String,
    width: usize,
}

impl Out {
    fn line(&mut self, line: &str) {
        let _ = writeln!(self.text, "{}", line.trim_end());
    }

    fn plain(&mut self, words: &str) {
        push(&mut self.text, words, self.width, "");
    }

    fn item(&mut self, words: &str) {
        push(&mut self.text, words, self.width, "- ");
    }

    fn list(&mut self, title: &str, items: &[String]) {
        if !items.is_empty() {
            self.line("");
            self.line(title);
            items.iter().for_each(|item| self.item(item));
        }
    }
}

fn headline(answer: &Answer) -> String {
    match answer.outcome {
        Outcome::Recommended => {
            format!("Choose {} (confidence: {}).", any_of(&answer.recommended), answer.confidence.level)
        }
        Outcome::NoneSatisfies => "None of the models measured satisfies this.".to_owned(),
        Outcome::Undecided => {
            "Undecided: the records do not show a model that satisfies this. The run proposed below \
                               would."
                .to_owned()
        }
        Outcome::NothingNear => {
            "Nothing that can be used was measured near enough to this question, so there is no \
                                 answer yet. The run proposed below would give one."
                .to_owned()
        }
    }
}

fn table(out: &mut Out, answer: &Answer) {
    out.line("");
    let name = answer.models.iter().map(|one| width(&clean(&one.model))).max().unwrap_or(0).max(5);
    // Five columns and their gaps must fit beside the names.
    let lead = name.min(out.width.saturating_sub(Criterion::VARIANTS.len() * 11));
    let column = |(at, criterion): (usize, &Criterion)| {
        let cells = answer.models.iter().map(|one| (mark(&one.findings[at]), false)).collect();
        Column::new(vec![right(criterion.as_ref(), 10)], cells)
    };
    let grid = Grid {
        names: answer.models.iter().map(|one| left(&cut(&clean(&one.model), lead), lead)).collect(),
        lead,
        corner: "model".to_owned(),
        columns: Criterion::VARIANTS.iter().enumerate().map(column).collect(),
    };
    grid.push(&mut out.text, Style { width: out.width, colour: false });
    out.plain(
        "yes, no: satisfies what was asked or not; ?: not known; -: not asked. Behind it how many times better than \
         needed; under starvation, yes means that every client is served.",
    );
}

fn mark(finding: &Finding) -> String {
    if !finding.asked {
        return "-".to_owned();
    }
    let word = match finding.stand {
        Stand::Satisfies => "yes",
        Stand::Fails => "no",
        Stand::NotKnown => "?",
    };
    match finding.headroom {
        Some(factor) => format!(
            "{word} {}",
            units::factor(factor).trim_start_matches("under ").trim_start_matches("over ")
        ),
        None => word.to_owned(),
    }
}

fn cell(cell: &crate::ask::advise::answer::CellUsed) -> String {
    let uses: Vec<&str> = cell.used_for.iter().map(|criterion| criterion.as_ref()).collect();
    let told =
        cell.differences.iter().take(MOST_DIFFERENCES).map(|one| one.words()).collect::<Vec<_>>().join("; ");
    let how = if told.is_empty() { "as you ask".to_owned() } else { told };
    format!(
        "{} ({}), for {}: {how}; distance {:.1}",
        cell.workload,
        cell.source,
        uses.join(", "),
        cell.distance
    )
}

fn proposal(out: &mut Out, answer: &Answer, file: &str, written: bool) {
    let proposal = &answer.proposal;
    out.line("");
    out.plain(&format!("The run that would settle it takes about {}:", units::time(proposal.seconds * 1e9)));
    out.line("");
    push(&mut out.text, &proposal.command(file), out.width, "  ");
    out.line("");
    if written {
        out.plain(&format!("{file} was written."));
    } else {
        out.plain(&format!("with this as {file} (--write {file} writes it):"));
        out.line("");
        proposal.toml.lines().for_each(|line| out.line(&format!("  {line}")));
    }
    if !proposal.notes.is_empty() {
        out.line("");
        proposal.notes.iter().for_each(|note| out.item(note));
    }
}
