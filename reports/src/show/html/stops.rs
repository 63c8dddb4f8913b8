//! What a run with a time budget stopped on the way, look by look. Nothing for a run of fixed rounds, whose head says so.

use super::escape;
use crate::analysis::Analysis;
use crate::show::units;
use crate::show::words::stops;
use std::fmt::Write as _;

/// The section on the looks; empty for a run of fixed rounds.
pub(super) fn section(analysis: &Analysis) -> String {
    let (Some(sequential), Some(brief)) = (&analysis.run.sequential, stops::brief(analysis)) else {
        return String::new();
    };
    let mut html = format!(
        "<section id=\"stops\">\n<h2>What was stopped on the way</h2>\n<p class=\"lede\">{}</p>\n",
        escape(&brief)
    );
    if !sequential.looks.is_empty() {
        let spent: Vec<String> = sequential
            .looks
            .iter()
            .map(|look| format!("{} of it after round {}", units::percent(look.weight), look.after_rounds))
            .collect();
        let _ = writeln!(
            html,
            "<p class=\"note\">Who looks often enough finds something. So the error rate was divided among the looks before the \
             run began: {}; the end has what the looks taken left. A model that is behind at a look runs no more under that \
             workload, and a workload runs no more once every other model is behind or equal to the best.</p>",
            escape(&units::all_of(&spent))
        );
    }
    if !analysis.looks.is_empty() {
        html.push_str(
            "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Looks\"><table><thead><tr>\
             <th scope=\"col\">after round</th><th scope=\"col\">stopped</th><th scope=\"col\">cells left</th></tr></thead><tbody>\n",
        );
        for look in &analysis.looks {
            let stopped = match stops::ended(look) {
                none if none.is_empty() => "nothing".to_owned(),
                some => some.iter().map(|text| escape(text)).collect::<Vec<_>>().join("<br>"),
            };
            let _ = writeln!(
                html,
                "<tr><th scope=\"row\">{}</th><td>{stopped}</td><td>{}</td></tr>",
                look.after_rounds, look.going_on
            );
        }
        html.push_str("</tbody></table></div>\n");
    }
    html.push_str("</section>\n");
    html
}
