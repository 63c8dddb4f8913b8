//! The raw data: where the bundle is, and a row for each round as a file that the page itself holds.
//!
//! Nothing is fetched: the file is part of the page, and the bundle is named by its name beside it.

use super::element::section as framed;
use crate::analysis::Analysis;
use crate::cells::cell::{RoundFigures, SHOWN};
use crate::metric::cost;
use crate::show::units;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{Markup, html};
use std::fmt::Write as _;

/// The largest file that the page holds, in bytes: a page stays below two million with it.
const LARGEST: usize = 300_000;

/// The section; `bundle` is the file name of the bundle, if it lies beside the page.
pub(super) fn section(analysis: &Analysis, bundle: Option<&str>) -> Markup {
    let csv = csv(analysis);
    let rows = units::grouped(csv.lines().count().saturating_sub(1) as u64);
    let body = html! {
        ul {
            li {
                @match bundle {
                    Some(name) => {
                        a href={ "./" (percent(name)) } { (name) } ": the bundle, every trial with its histograms, a line of \
                         JSON for each. It lies beside this page; " code { "bakeoff report" } " makes the page from it again, \
                         byte for byte."
                    }
                    None => "The bundle this page was made from lies elsewhere.",
                }
            }
            li {
                @if csv.len() > LARGEST {
                    "A table of the " (rows) " rounds would take " (units::bytes(csv.len() as f64)) ", too much for this page; \
                     the bundle has it all."
                } @else {
                    a download="bakeoff-rounds.csv"
                        href={ "data:text/csv;charset=utf-8;base64," (STANDARD.encode(&csv)) } { "bakeoff-rounds.csv" }
                    ": a row for each round of each model under each workload and for each discarded trial, " (rows) " in \
                     all; times in nanoseconds, memory in bytes, costs per request as in the tables above. Empty means not \
                     measured."
                }
            }
        }
    };
    framed("data", "The data", &body)
}

/// A file name as a reference: everything but letters, digits and a few signs as %XX.
fn percent(name: &str) -> String {
    name.bytes().fold(String::new(), |mut text, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => text.push(byte as char),
            other => {
                let _ = write!(text, "%{other:02X}");
            }
        }
        text
    })
}

/// A row for each valid round and for each trial left out.
fn csv(analysis: &Analysis) -> String {
    let mut text = String::from("workload,model,round,left_out,sent,answered,throughput_per_s");
    for share in SHOWN {
        let _ = write!(text, ",response_{}_ns", units::percentile(share).replace('.', "_"));
    }
    for cost in cost::ALL {
        let _ = write!(text, ",{}", cost.label().replace(" / ", "_over_").replace(' ', "_"));
    }
    text.push('\n');
    for workload in &analysis.workloads {
        for cell in &workload.cells {
            for round in &cell.rounds {
                let _ = write!(text, "{},{},", quoted(&workload.scenario.name), quoted(&cell.model));
                figures(&mut text, round);
            }
        }
    }
    for trial in &analysis.excluded {
        let (workload, model) = (quoted(&trial.scenario), quoted(&trial.model));
        let empty = ",".repeat(3 + SHOWN.len() + cost::ALL.len() - 1);
        let reason = quoted(&trial.reasons.join("; "));
        let _ = writeln!(text, "{workload},{model},{},{reason},{empty}", u64::from(trial.round) + 1);
    }
    text
}

fn figures(text: &mut String, round: &RoundFigures) {
    let response = &round.response;
    let _ = write!(text, "{},,{},{}", u64::from(round.round) + 1, response.sent, response.answered);
    let shown = response.shown.map(|quantile| quantile.ns());
    let costs = cost::ALL.map(|cost| round.costs.value(cost));
    for value in [Some(round.throughput_per_s)].into_iter().chain(shown).chain(costs) {
        text.push(',');
        text.push_str(&value.map_or_else(String::new, number));
    }
    text.push('\n');
}

/// Digits enough for a spreadsheet, and none that the measurement does not have.
fn number(value: f64) -> String {
    match value {
        v if v.is_infinite() => "inf".to_owned(),
        v if v.fract() == 0.0 && v.abs() < 1e15 => format!("{v:.0}"),
        v if v.abs() >= 1_000.0 => format!("{v:.1}"),
        v => format!("{v:.5}"),
    }
}

/// Text as a field, quoted where needed; a spreadsheet must not take it for a formula.
fn quoted(text: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let formula = text.starts_with(['=', '+', '-', '@']);
    let text = if formula { format!("'{text}") } else { text };
    if text.contains([',', '"']) || formula { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::analyse;
    use crate::sample::{self, Spec};

    #[test]
    fn every_row_has_every_column_and_every_trial_a_row() {
        let spec = Spec { scenarios: 2, models: 3, rounds: 4, requests: 500, slices: 2, ..Spec::default() };
        let bundle = sample::bundle(&spec);
        let text = csv(&analyse(&bundle));
        assert_eq!(text.lines().count(), 1 + bundle.trials.len());
        let columns = |line: &str| line.matches(',').count();
        let head = columns(text.lines().next().unwrap_or_default());
        for line in text.lines() {
            // The one reason of the sample holds no comma.
            assert_eq!(columns(line), head, "{line}");
        }
        assert!(text.contains("inf"), "the model that starves its clients:\n{text}");
    }

    #[test]
    fn text_from_a_bundle_is_neither_a_formula_nor_two_fields() {
        assert_eq!(quoted("=1+1"), "\"'=1+1\"");
        assert_eq!(quoted("a,\"b\"\n"), "\"a,\"\"b\"\" \"");
        assert_eq!(quoted("echo"), "echo");
        assert_eq!(percent("javascript:a b"), "javascript%3Aa%20b");
    }
}
