//! What a history keeps of a run, and the JSON lines it travels in: one entry a line.
//!
//! An entry holds figures, not histograms: a median over rounds with its interval for each model under each workload, and
//! the same figure of a reference measured in the same run. What it must not do is hide where they came from: tool, commit,
//! machine and the workload's own definition stand beside them.

use crate::record::Metric;
use crate::stats::estimate::Estimate;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// The version of an exported line. Raised whenever a reader of the old one would misread the new one.
pub const LINE_VERSION: u32 = 3;

/// What the definition of a workload begins with where it is of the workload's text alone, as versions up to 1 of a line and 2
/// of a store had it: warm-up and window may have differed. Such figures are kept and shown, apart from all others, and no
/// change is looked for in them.
pub const TEXT_ALONE: &str = "text-";

/// A run in the history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// [`LINE_VERSION`].
    pub line_version: u32,
    /// What the run is known by: see [`crate::ask::history::key`].
    pub key: String,
    /// When the run began, in milliseconds since the Unix epoch.
    pub started_unix_ms: u64,
    /// Version of the tool that measured it.
    pub tool_version: String,
    /// The commit that was measured, as hex digits; absent when nobody said.
    pub commit: Option<String>,
    /// When that commit was made, in milliseconds since the Unix epoch; absent when it is not known.
    pub committed_unix_ms: Option<u64>,
    /// What people call it: a branch, a release. Free text; escape it wherever it is shown.
    pub label: Option<String>,
    /// The machine.
    pub machine: Machine,
    /// Trials that the bundle held when it was read.
    pub trials: u32,
    /// The figures, each once for a workload, a model and a reference.
    pub points: Vec<Point>,
}

/// The machine of a run, as far as runs on it can be compared; see [`crate::ask::history::machine`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// Eight hex digits over the words.
    pub fingerprint: String,
    /// What the fingerprint is made of: "Linux 6.18, Some CPU, 2 CPUs, 24 GiB".
    pub words: String,
}

/// One figure of one model under one workload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Point {
    /// Name of the workload.
    pub scenario: String,
    /// CRC-32 of the workload's definition, which is its text with warm-up and window, eight hex digits: figures of two
    /// definitions are two series. Of older runs see [`TEXT_ALONE`].
    pub definition: String,
    /// Name of the model.
    pub model: String,
    /// The figure.
    pub figure: Metric,
    /// The median over the valid rounds that had the figure, in its own unit.
    pub value: Estimate,
    /// The same figure of the reference; absent where the run has none.
    pub reference: Option<Reference>,
}

/// What a figure is held against, measured in the same run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// What it is: "null server", the name of a model, or of a baseline.
    pub name: String,
    /// Its figure, in the figure's own unit.
    #[serde(with = "crate::record::number")]
    pub value: f64,
    /// The figure over the reference's.
    pub ratio: Estimate,
}

/// Entries as JSON lines, one a line.
///
/// # Errors
/// An entry cannot be put into JSON.
pub fn to_lines(entries: &[Entry]) -> Result<String, LinesError> {
    let mut text = String::new();
    for (at, entry) in entries.iter().enumerate() {
        let line = serde_json::to_string(entry);
        text.push_str(&line.map_err(|source| LinesError { line: at + 1, why: source.to_string() })?);
        text.push('\n');
    }
    Ok(text)
}

/// Entries from JSON lines; empty lines are passed over.
///
/// # Errors
/// A line is no entry, or one of another version; none is handed out then.
pub fn from_lines(text: &str) -> Result<Vec<Entry>, LinesError> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines.map(|(at, line)| entry(line).map_err(|why| LinesError { line: at + 1, why })).collect()
}

#[derive(Deserialize)]
struct Version {
    line_version: u64,
}

fn entry(line: &str) -> Result<Entry, String> {
    let version: Version =
        serde_json::from_str(line).map_err(|error| format!("it is no run of a history ({error})"))?;
    if !(1..=u64::from(LINE_VERSION)).contains(&version.line_version) {
        return Err(format!(
            "it is written in version {}, and this tool reads version {LINE_VERSION} and older; export it with the version \
             of bakeoff that reads it",
            version.line_version
        ));
    }
    let entry = serde_json::from_str(line).and_then(|mut entry| {
        up_to_date(&mut entry, version.line_version);
        serde_json::from_value(entry)
    });
    entry.map_err(|error| format!("it is no run of a history ({error})"))
}

/// Brings a line of an older version up to date: in version 1 definitions are of the text alone; before version 3 rounds stood
/// beside the figure. What does not fit is left for the reader to refuse.
fn up_to_date(entry: &mut Value, version: u64) {
    entry["line_version"] = LINE_VERSION.into();
    for point in entry["points"].as_array_mut().into_iter().flatten() {
        if let (1, Some(definition)) = (version, point["definition"].as_str()) {
            point["definition"] = format!("{TEXT_ALONE}{definition}").into();
        }
        let rounds = point.as_object_mut().filter(|_| version < 3).and_then(|point| point.remove("rounds"));
        for estimate in ["/value", "/reference/ratio"] {
            if let (Some(rounds), Some(Value::Object(found))) = (&rounds, point.pointer_mut(estimate)) {
                found.insert("rounds".to_owned(), rounds.clone());
            }
        }
    }
}

/// Why lines are no history.
#[derive(Debug, PartialEq, Eq)]
pub struct LinesError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub why: String,
}

impl fmt::Display for LinesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.why)
    }
}

impl std::error::Error for LinesError {}
