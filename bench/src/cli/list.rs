//! `bakeoff list`: what there is to choose from.

use super::output;
use crate::exit::Exit;
use crate::instruments::balance::{Balancer, find_program};
use crate::workload::scenario::{BUILT_IN, BuiltIn, Group, Scenario};
use bakeoff_reports::record::balance::Policy;
use bakeoff_servers::{ServerModel, models, services};
use clap::Args;
use std::fmt::Write as _;

/// Show the models, services and built-in scenarios, a line on each
#[derive(Debug, Args)]
pub(super) struct ListArgs {}

impl ListArgs {
    pub(super) fn run(self) -> Result<Exit, String> {
        let mut text = String::new();
        let on_models: Vec<(&str, String)> = models::all().map(|m| (m.name(), line_on(m))).collect();
        section(&mut text, "MODELS (--model)", on_models.iter().map(|(name, line)| (*name, line.as_str())));
        let over_udp = models::all().filter_map(|m| Some((m.name(), m.datagrams()?.summary)));
        section(&mut text, "OVER UDP (--transport udp)", over_udp);
        section(
            &mut text,
            "SERVICES (--service; all but chat over TLS, too: --tls)",
            services::ALL.iter().map(|s| (s.name, s.summary)),
        );
        let balancers =
            Balancer::USUAL.map(|balancer| (balancer.name().to_owned(), line_on_balancer(&balancer)));
        let rows = balancers.iter().map(|(name, line)| (name.as_str(), line.as_str()));
        section(&mut text, "BALANCERS (bakeoff balance --balancer)", rows);
        let policies = Policy::ALL.iter().map(|policy| (policy.name(), policy.about()));
        section(&mut text, "POLICIES (bakeoff balance --policy)", policies);
        let _ = writeln!(text, "{SCENARIOS}\n");
        for group in Group::ALL {
            let rows: Vec<(String, String)> = BUILT_IN.iter().filter(|b| b.group == group).map(row).collect();
            section(
                &mut text,
                group.title(),
                rows.iter().map(|(name, about)| (name.as_str(), about.as_str())),
            );
        }
        output::print(&text)?;
        Ok(Exit::Fine)
    }
}

/// What holds for all scenarios.
const SCENARIOS: &str = "SCENARIOS (bakeoff run NAME; * is in the default run, --all runs all)";

/// A scenario's name, marked when it is in the default run, and what it is about.
fn row(built_in: &BuiltIn) -> (String, String) {
    let scenario = Scenario::built_in(built_in.name).expect("checked by a test");
    let mark = if built_in.default { "*" } else { "" };
    (format!("{}{mark}", scenario.name), scenario.about)
}

/// What a model is, and that it cannot run here where that is so.
fn line_on(model: &dyn ServerModel) -> String {
    match model.unavailable() {
        None => model.meta().summary.to_owned(),
        Some(reason) => format!("{}. {reason}", model.meta().summary),
    }
}

/// What a balancer is, and that it is not installed here where that is so.
fn line_on_balancer(balancer: &Balancer) -> String {
    let about = balancer.about();
    match balancer.program().is_some_and(|name| find_program(name).is_none()) {
        true => format!("{about}. It is not installed here"),
        false => about.to_owned(),
    }
}

/// A headed table of name and line, the line broken to the terminal's width under its own column.
pub(super) fn section<'a>(text: &mut String, head: &str, rows: impl Iterator<Item = (&'a str, &'a str)>) {
    const COLUMN: usize = 24;
    let width = crate::terminal_width().clamp(60, 110) - COLUMN - 2;
    let _ = writeln!(text, "{head}");
    for (name, line) in rows {
        let mut left = name;
        let mut row = String::new();
        for word in line.split_whitespace() {
            if !row.is_empty() && row.chars().count() + 1 + word.chars().count() > width {
                let _ = writeln!(text, "  {left:<COLUMN$}{row}");
                (left, row) = ("", String::new());
            }
            if !row.is_empty() {
                row.push(' ');
            }
            row.push_str(word);
        }
        let _ = writeln!(text, "  {left:<COLUMN$}{row}");
    }
    text.push('\n');
}
