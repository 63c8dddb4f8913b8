//! A JUnit report: a suite for each workload, a test case for each model, or for each figure of a model when two builds are
//! compared.
//!
//! | two builds | one run | test case |
//! |---|---|---|
//! | regressed | | failure |
//! | invalid | no valid trial, or a run without verdicts | error |
//! | inconclusive | undecided, provisional, or not told apart | skipped |
//! | pass, improved | best, equal or behind | passed |
//!
//! Being slower than another model is no failure: it is what a bake-off finds out. The structure is that of the schema of
//! Ant's JUnit tasks, with all it requires; every suite names `localhost`, for a record does not hold a host's name.
//!
//! What a reader must know before any of it, such as that the figures are made up or the run was killed, is in every suite:
//! a property `caveat` each, and the first lines of its output. A run without a test case has a suite for it.

use super::text::xml;
use crate::analysis::Analysis;
use crate::record::ScenarioRecord;
use crate::rules::gate::{self, Gate};
use crate::rules::verdict::{Place, Standing, Status as Answer, Verdict};
use crate::rules::workload::Workload;
use crate::show::{units, words};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// The name of a property that says what to be careful about.
const CAVEAT: &str = "caveat";

/// What became of a test case.
enum Status {
    Passed,
    Skipped(String),
    Failed(String),
    Error(String),
}

struct Case {
    name: String,
    /// Time measured, in seconds.
    seconds: f64,
    status: Status,
    /// What a reader should know, in a line.
    line: String,
}

struct Suite {
    name: String,
    cases: Vec<Case>,
    properties: Vec<(&'static str, String)>,
}

/// The report of an ordinary run.
pub fn of_analysis(analysis: &Analysis) -> String {
    let suites: Vec<Suite> = analysis.measured().map(suite_of_workload).collect();
    document(suites, analysis)
}

fn suite_of_workload(workload: &Workload) -> Suite {
    let verdict = &workload.verdict;
    let case = |standing: &Standing| {
        let figure =
            standing.figure.map_or_else(|| "no figure".to_owned(), |figure| verdict.merit.show(figure));
        let line = format!(
            "{}: {} {figure}, {}",
            standing.model,
            verdict.merit.label(),
            units::plural(standing.blocks as u64, "block")
        );
        let windows = standing.blocks + standing.without_figure;
        Case {
            name: standing.model.clone(),
            seconds: windows as f64 * workload.scenario.window_ns() as f64 / 1e9,
            status: status(verdict, standing),
            line,
        }
    };
    let properties = vec![
        ("merit", verdict.merit.key().to_owned()),
        ("choice", verdict.choice()),
        ("lead", verdict.lead()),
        ("load", words::workload::load(&workload.scenario.load)),
    ];
    Suite {
        name: workload.scenario.name.clone(),
        cases: verdict.standings.iter().map(case).collect(),
        properties,
    }
}

fn status(verdict: &Verdict, standing: &Standing) -> Status {
    let skipped = |what: &str| Status::Skipped(format!("{what}. {}", verdict.lead()));
    match (verdict.status, standing.place) {
        (_, Place::Invalid) => Status::Error(format!(
            "no valid trial in {}",
            units::plural(u64::from(standing.excluded), "block")
        )),
        (_, Place::TooFew { more }) => {
            Status::Skipped(format!("{} more needed at least", units::plural(more as u64, "block")))
        }
        (Answer::Undecided { .. } | Answer::Provisional, _) => skipped(&verdict.status.words()),
        (_, Place::Open(factor) | Place::Between(factor)) => Status::Skipped(format!(
            "not told apart from all of the front: {} the first ({})",
            units::factor(factor.median),
            units::interval(factor.low, factor.high),
        )),
        (_, Place::Leader | Place::Equal(_) | Place::Near(_) | Place::Behind(_)) => Status::Passed,
    }
}

/// The report of a comparison of two builds, whose run is given for its workloads, its time and its caveats.
pub fn of_gate(gate: &Gate, analysis: &Analysis) -> String {
    let (mut suites, mut timed) = (Vec::<Suite>::new(), BTreeSet::new());
    for verdict in &gate.cells {
        let at = suites.iter().position(|suite| suite.name == verdict.scenario).unwrap_or_else(|| {
            let properties =
                vec![("a", gate.comparison.a.label.clone()), ("b", gate.comparison.b.label.clone())];
            suites.push(Suite { name: verdict.scenario.clone(), cases: Vec::new(), properties });
            suites.len() - 1
        });
        // All figures of a cell come of the same rounds: the first takes their time.
        let first = timed.insert((&verdict.scenario, &verdict.model));
        let seconds = if first { seconds_of_cell(gate, verdict, analysis) } else { 0.0 };
        suites[at].cases.push(case_of_gate(verdict, seconds));
    }
    if suites.is_empty() {
        // Green would look like a comparison that found nothing.
        let line = "nothing was compared".to_owned();
        let case =
            Case { name: "comparison".to_owned(), seconds: 0.0, status: Status::Error(line.clone()), line };
        suites.push(Suite { name: "bakeoff".to_owned(), cases: vec![case], properties: Vec::new() });
    }
    document(suites, analysis)
}

/// How long the cell of a verdict was measured, by the figure of it that most rounds have.
fn seconds_of_cell(gate: &Gate, of: &gate::Verdict, analysis: &Analysis) -> f64 {
    let of_workload = |scenario: &&ScenarioRecord| scenario.name == of.scenario;
    let window_ns =
        analysis.run.scenarios.iter().find(of_workload).map_or(0, |scenario| scenario.window_ns());
    let figures = gate.cells.iter().filter(|one| (&one.scenario, &one.model) == (&of.scenario, &of.model));
    let rounds = figures.map(|one| one.rounds + one.confirmed.map_or(0, |factor| factor.rounds)).max();
    // Both sides ran.
    2.0 * rounds.unwrap_or(0) as f64 * window_ns as f64 / 1e9
}

fn case_of_gate(verdict: &gate::Verdict, seconds: f64) -> Case {
    let line = super::gate::sentence(verdict);
    let told = || line.clone();
    Case {
        name: format!("{}: {}", verdict.model, verdict.figure.label()),
        seconds,
        status: match verdict.outcome {
            gate::Outcome::Pass | gate::Outcome::Improved => Status::Passed,
            gate::Outcome::Inconclusive => Status::Skipped(told()),
            gate::Outcome::Invalid => Status::Error(told()),
            gate::Outcome::Regressed => Status::Failed(told()),
        },
        line,
    }
}

fn document(mut suites: Vec<Suite>, analysis: &Analysis) -> String {
    let (run, caveats) = (&analysis.run, analysis.caveats());
    if suites.is_empty() {
        suites.push(Suite { name: "bakeoff".to_owned(), cases: Vec::new(), properties: Vec::new() });
    }
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    let started =
        i64::try_from(run.started_unix_ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    let moment = started.unwrap_or_default().strftime("%Y-%m-%dT%H:%M:%S").to_string();
    let of_run = [("tool_version", run.tool_version.clone()), ("seed", run.seed.to_string())];
    let of_run: Vec<_> =
        of_run.into_iter().chain(caveats.into_iter().map(|one| (CAVEAT, one.to_string()))).collect();
    for (id, suite) in suites.iter().enumerate() {
        push_suite(&mut text, id, suite, &moment, &of_run);
    }
    text.push_str("</testsuites>\n");
    text
}

fn push_suite(text: &mut String, id: usize, suite: &Suite, moment: &str, of_run: &[(&'static str, String)]) {
    let count = |wanted: fn(&Status) -> bool| suite.cases.iter().filter(|case| wanted(&case.status)).count();
    let seconds: f64 = suite.cases.iter().map(|case| case.seconds).sum();
    let name = xml(named(&suite.name));
    let _ = writeln!(
        text,
        "  <testsuite id=\"{id}\" name=\"{name}\" package=\"bakeoff\" timestamp=\"{moment}\" hostname=\"localhost\" \
         tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{seconds:.3}\">",
        suite.cases.len(),
        count(|status| matches!(status, Status::Failed(_))),
        count(|status| matches!(status, Status::Error(_))),
        count(|status| matches!(status, Status::Skipped(_)))
    );
    text.push_str("    <properties>\n");
    for (name, value) in of_run.iter().chain(&suite.properties) {
        let _ = writeln!(text, "      <property name=\"{name}\" value=\"{}\"/>", xml(value));
    }
    text.push_str("    </properties>\n");
    for case in &suite.cases {
        push_case(text, case, &name);
    }
    let caveats = of_run.iter().filter(|(name, _)| *name == CAVEAT).map(|(_, text)| text.as_str());
    let lines: Vec<&str> = caveats.chain(suite.cases.iter().map(|case| case.line.as_str())).collect();
    let _ = writeln!(text, "    <system-out>{}</system-out>", xml(&lines.join("\n")));
    text.push_str("    <system-err></system-err>\n  </testsuite>\n");
}

fn push_case(text: &mut String, case: &Case, suite: &str) {
    let head = format!(
        "    <testcase name=\"{}\" classname=\"{suite}\" time=\"{:.3}\"",
        xml(named(&case.name)),
        case.seconds
    );
    let (element, kind, message) = match &case.status {
        Status::Passed => {
            let _ = writeln!(text, "{head}/>");
            return;
        }
        Status::Skipped(why) => {
            let _ = writeln!(text, "{head}>\n      <skipped message=\"{}\"/>\n    </testcase>", xml(why));
            return;
        }
        Status::Failed(why) => ("failure", "regressed", why),
        Status::Error(why) => ("error", "invalid", why),
    };
    let message = xml(message);
    let _ = writeln!(
        text,
        "{head}>\n      <{element} type=\"{kind}\" message=\"{message}\">{message}</{element}>\n    </testcase>"
    );
}

/// A name that the schema takes: it must not be empty.
fn named(name: &str) -> &str {
    if name.trim().is_empty() { "(no name)" } else { name }
}
