//! A run in the formats that other tools read: one file per format, each giving relative paths and bytes.
//!
//! Nothing here writes to a disk; whoever does must write all files of an export or none, in their order: a reader may find
//! a file only when those before it are there. What a format cannot hold, such as an infinite time in JSON, is left out
//! and named in [`Export::left_out`]; it is never made up, and an absent figure is never zero.

mod bmf;
mod cells;
mod criterion;
mod csv;
mod estimate;
mod gate;
mod github;
mod hgrm;
mod hlog;
mod junit;
mod markdown;
mod measure;
mod openmetrics;
mod text;

use crate::analysis::Analysis;
use crate::record::Run;
use crate::record::bundle::Bundle;
use crate::rules::gate::Gate;
use strum::{EnumString, IntoStaticStr, VariantArray};

pub use self::gate::markdown as markdown_of_gate;
pub use junit::{of_analysis as junit_of_analysis, of_gate as junit_of_gate};
pub use markdown::{LARGEST as LARGEST_MARKDOWN, of_analysis as markdown_of_analysis};

/// A format; its name is that of the variant, as `github-action-benchmark`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum Format {
    /// The folder that criterion leaves behind, as critcmp reads it.
    Criterion,
    /// A percentile distribution for each cell, as the HdrHistogram plotter reads it.
    Hgrm,
    /// An interval log of HdrHistogram, an interval for each trial.
    Hlog,
    /// A JUnit report.
    Junit,
    /// The Bencher Metric Format.
    Bmf,
    /// The two files of github-action-benchmark.
    GithubActionBenchmark,
    /// An OpenMetrics exposition.
    Openmetrics,
    /// A table of all trials.
    Csv,
    /// A summary for a job page or a pull request.
    Markdown,
}

impl Format {
    /// All there are, in the order to show them.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// What it is called on the command line.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// What it is for, in a few words.
    pub fn about(self) -> &'static str {
        match self {
            Self::Criterion => "a folder as criterion leaves it, for critcmp",
            Self::Hgrm => {
                "response times by percentile, a file for each model and workload, for the HdrHistogram plotter"
            }
            Self::Hlog => "response times of each trial, an HdrHistogram interval log",
            Self::Junit => "a JUnit report, a test case for each model and workload",
            Self::Bmf => "the Bencher Metric Format",
            Self::GithubActionBenchmark => "two files for github-action-benchmark, one for each direction",
            Self::Openmetrics => "an OpenMetrics exposition with the time of each trial",
            Self::Csv => "a table with a row for each trial",
            Self::Markdown => "a summary for a job page or a pull request",
        }
    }

    /// Whether it is one file, which can go to standard output.
    pub fn is_one_file(self) -> bool {
        !matches!(self, Self::Criterion | Self::Hgrm | Self::GithubActionBenchmark)
    }
}

/// A file of an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Where it goes below the export's folder, with `/` between folders. No part is empty, `.` or `..`, and none is longer
    /// than 70 bytes.
    pub path: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

impl File {
    fn new(path: impl Into<String>, text: String) -> Self {
        Self { path: path.into(), bytes: text.into_bytes() }
    }
}

/// What an export is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// The files, in the order to put them in place.
    pub files: Vec<File>,
    /// What the format cannot hold, in sentences without a full stop.
    pub left_out: Vec<String>,
}

/// What an export is made from.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The records.
    pub bundle: &'a Bundle,
    /// What they say.
    pub analysis: &'a Analysis,
    /// The verdicts on a comparison of two builds, if the bundle is one.
    pub gate: Option<&'a Gate>,
}

/// An export could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    /// The name of the baseline has a meaning of its own to the readers of the folder.
    #[error(
        "`{name}` cannot name a baseline: criterion keeps {reserved} for itself; choose another name with --baseline"
    )]
    ReservedBaseline {
        /// The name that was given.
        name: String,
        /// The names that cannot be had.
        reserved: String,
    },
    /// A comparison has two baselines already.
    #[error("this bundle compares two builds, so its baselines are called after them; leave out --baseline")]
    TwoBaselines,
    /// The bundle compares two builds and nothing was decided about them.
    #[error("this bundle compares two builds, and {format} tells of the verdicts, which were not made")]
    NoVerdicts {
        /// The format asked for.
        format: &'static str,
    },
    /// No figure that the format could hold.
    #[error(
        "there is nothing to write as {format}: no model has a valid trial with a figure that it can hold; `bakeoff report` \
         says what became of the trials{}", reasons(.left_out)
    )]
    Nothing {
        /// The format asked for.
        format: &'static str,
        /// Why each figure was left out.
        left_out: Vec<String>,
    },
}

fn reasons(left_out: &[String]) -> String {
    left_out.first().map_or_else(String::new, |first| format!(" (the first: {first})"))
}

/// Makes an export. `baseline` is what criterion's folder calls this run; the others have no use for it.
///
/// # Errors
/// The baseline cannot be had, or there is nothing to write.
pub fn export(source: Source<'_>, format: Format, baseline: Option<&str>) -> Result<Export, ExportError> {
    let one =
        |text: String| Ok(Export { files: vec![File::new(file_name(format), text)], left_out: Vec::new() });
    let made = match format {
        Format::Criterion => criterion::folder(source, baseline)?,
        Format::Hgrm => hgrm::files(source),
        Format::Hlog => hlog::log(source),
        Format::Bmf => bmf::document(source),
        Format::GithubActionBenchmark => github::files(source),
        Format::Openmetrics => return one(openmetrics::exposition(source)),
        Format::Csv => return one(csv::table(source)),
        Format::Junit => {
            return one(match verdicts(source, format)? {
                Some(gate) => junit::of_gate(gate, source.analysis),
                None => junit::of_analysis(source.analysis),
            });
        }
        Format::Markdown => {
            return one(match verdicts(source, format)? {
                Some(gate) => gate::markdown(gate, source.analysis),
                None => markdown::of_analysis(source.analysis),
            });
        }
    };
    if made.files.is_empty() {
        return Err(ExportError::Nothing { format: format.name(), left_out: made.left_out });
    }
    Ok(made)
}

/// The verdicts on two builds, which must be there if the bundle compares any.
fn verdicts(source: Source<'_>, format: Format) -> Result<Option<&Gate>, ExportError> {
    let compares = |run: &Run| run.comparison.is_some();
    match source.gate {
        None if compares(&source.bundle.run) => Err(ExportError::NoVerdicts { format: format.name() }),
        gate => Ok(gate),
    }
}

/// What the file of a format of one file is called.
fn file_name(format: Format) -> &'static str {
    match format {
        Format::Hlog => "bakeoff.hlog",
        Format::Junit => "junit.xml",
        Format::Bmf => "bmf.json",
        Format::Openmetrics => "bakeoff.om.txt",
        Format::Csv => "trials.csv",
        Format::Markdown => "summary.md",
        Format::Criterion | Format::Hgrm | Format::GithubActionBenchmark => "",
    }
}
