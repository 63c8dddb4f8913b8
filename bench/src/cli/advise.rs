//! `bakeoff advise`: which models satisfy a situation, from measured records; and the run that would settle it.
//!
//! It reads bundles and writes at most one scenario file. It never measures anything itself.

mod question;
mod records;

use super::output;
use crate::exit::Exit;
use bakeoff_reports::ask::advise::{self, Answer, Machine, Outcome};
use bakeoff_reports::show::text::advise as text;
use clap::Args;
use procfs::Current as _;
use question::QuestionArgs;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// What a proposed scenario is called unless --write says otherwise.
const PROPOSED: &str = "question.toml";

/// Say which models satisfy your situation, from measured records
#[derive(Debug, Args)]
#[command(
    after_help = "Exit status: 0 an answer, also that no model satisfies it; 3 undecided, or nothing near enough was \
    measured.\n\nWhat you leave out is unknown, and the answer says what it assumed.\n\nExamples:\n  \
    bakeoff advise --rate 5000 --clients 200 --payload \"1 KiB\" --p99 5ms\n  \
    bakeoff advise --example > my.toml; bakeoff advise --question my.toml\n  \
    bakeoff advise --clients 10000 --idle-share 0.99 --write question.toml"
)]
pub(super) struct AdviseArgs {
    #[command(flatten)]
    question: QuestionArgs,
    /// Print a question file that explains every key, and end
    #[arg(long)]
    example: bool,
    /// Bundles to answer from, or folders of results; may be given several times [default: the newest four under
    /// ./bakeoff-results, and sweeps among the rest]
    #[arg(long, value_name = "BUNDLE_OR_FOLDER", num_args = 1..)]
    from: Vec<PathBuf>,
    /// Write the proposed scenario to this file, which must not exist
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// Print the answer as one JSON document, for programs
    #[arg(long)]
    json: bool,
}

impl AdviseArgs {
    pub(super) fn run(self) -> Result<Exit, String> {
        if self.example {
            output::print(question::EXAMPLE)?;
            return Ok(Exit::Fine);
        }
        let question = self.question.read()?;
        let sources = records::sources(&self.from)?;
        let answer = advise::advise(&question, &sources, &this_machine());
        let file = self.write.as_deref().unwrap_or(Path::new(PROPOSED));
        if self.write.is_some() {
            write_new(file, &answer.proposal.toml)?;
        }
        output::print(&self.shown(&answer, file)?)?;
        Ok(match answer.outcome {
            Outcome::Recommended | Outcome::NoneSatisfies => Exit::Fine,
            Outcome::Undecided | Outcome::NothingNear => Exit::Invalid,
        })
    }

    fn shown(&self, answer: &Answer, file: &Path) -> Result<String, String> {
        if self.json {
            let json = serde_json::to_string_pretty(answer);
            return json
                .map(|text| text + "\n")
                .map_err(|e| format!("writing the answer as JSON failed: {e}"));
        }
        let width = crate::terminal_width();
        Ok(text::text(answer, width, &file.display().to_string(), self.write.is_some()))
    }
}

/// Never over a file that is there: it may be somebody's own.
fn write_new(path: &Path, text: &str) -> Result<(), String> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path).map_err(|e| {
        format!(
            "writing the proposed scenario {} failed: {e}; choose another file with --write",
            path.display()
        )
    })?;
    file.write_all(text.as_bytes())
        .map_err(|e| format!("writing the proposed scenario {} failed: {e}", path.display()))
}

fn this_machine() -> Machine {
    let cpu_model = procfs::CpuInfo::current().ok().and_then(|info| info.model_name(0).map(str::to_owned));
    Machine { cpu_model, cpus: Some(crate::host::environment::allowed_cpus().len()) }
}
