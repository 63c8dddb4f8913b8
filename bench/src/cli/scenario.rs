//! `bakeoff scenario`: the built-in scenarios as files, to read and to change.

use super::list::section;
use super::{names, output, workloads};
use crate::exit::Exit;
use crate::workload::contestant;
use crate::workload::load::Timing;
use crate::workload::scenario::{BUILT_IN, BuiltIn, REFERENCE, Scenario};
use crate::workload::units::show_duration;
use bakeoff_reports::record::Tuning;
use bakeoff_reports::show::words;
use bakeoff_servers::{services, tuning};
use clap::{Args, Subcommand};
use std::fs;
use std::path::PathBuf;

/// Show, copy or check scenario files
#[derive(Debug, Args)]
pub(super) struct ScenarioArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print a built-in scenario file; `reference` explains every key
    Show {
        /// Its name
        #[arg(value_parser = names::scenario_file(), hide_possible_values = true)]
        name: String,
    },
    /// Copy the built-in scenario files into a folder, to start your own from; existing files are left alone
    Init {
        /// The folder; made if it is not there
        #[arg(default_value = "scenarios")]
        folder: PathBuf,
    },
    /// Say in words what scenario files ask for, or what is wrong with them, with the line
    Check {
        /// The files
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
}

impl ScenarioArgs {
    pub(super) fn run(self) -> Result<Exit, String> {
        match self.action {
            Action::Show { name } => {
                let built_in = files().find(|b| b.name == name).expect("one of the names that are taken");
                output::print(built_in.toml)?;
            }
            Action::Init { folder } => init(&folder)?,
            Action::Check { files } => {
                for file in &files {
                    let scenario = workloads::read(file)?;
                    output::print(&in_words(&file.display().to_string(), &scenario))?;
                }
            }
        }
        Ok(Exit::Fine)
    }
}

/// What a scenario asks for, as a run of it would be recorded.
fn in_words(file: &str, scenario: &Scenario) -> String {
    let contestants = scenario.contestants_by_default();
    let models: Vec<String> = contestants.iter().map(|one| one.name().to_owned()).collect();
    let Timing { warmup, window, .. } = scenario.timing;
    let server = scenario.server.config(1);
    let mut record = scenario.record(models.clone(), &server);
    let mut decided = scenario.merit.label().to_owned();
    if let Some(objective) = scenario.objective {
        decided += &format!(", with an objective of {}", show_duration(objective));
    }
    if let (Some(share), Some(rate)) = (scenario.merit.percentile(), record.rate_per_s()) {
        let requests = rate * window.as_secs_f64();
        decided += &format!(", with {:.0} of {requests:.0} requests beyond it", requests * (1.0 - share));
        if scenario.merit != scenario.asked_merit {
            decided += &format!("; too few for the {}", scenario.asked_merit.label());
        }
    }
    let service = services::find(&scenario.service).map_or("", |service| service.summary);
    let mut rows = vec![
        ("about".to_owned(), scenario.about.clone()),
        ("service".into(), format!("{}: {service}", scenario.service)),
        ("load".into(), words::workload::load(&record.load)),
        ("decided by".into(), decided),
        ("models".into(), models.join(", ")),
        (
            "a trial".into(),
            format!("{} of warm-up, then a window of {}", show_duration(warmup), show_duration(window)),
        ),
    ];
    // What a scenario leaves to the number of CPUs is not known here.
    let given = &scenario.server;
    record.server.workers.retain(|size, _| match size {
        Tuning::ComputeWorkers => given.sizes.has(tuning::Tuning::ComputeWorkers),
        Tuning::RuntimeWorkers => given.sizes.has(tuning::Tuning::RuntimeWorkers),
        Tuning::PoolWorkers | Tuning::PoolFloor | Tuning::PoolCeiling | Tuning::BlockingWorkers => true,
    });
    rows.extend(
        words::workload::parameters(&record).into_iter().map(|(name, value)| (name.to_owned(), value)),
    );
    // One CPU where it does not say, as on the smallest machine that this can be told of.
    let cpus = scenario.server.cpus.unwrap_or(1);
    rows.extend(scenario.server.cpus.map(|cpus| ("server CPUs".to_owned(), cpus.to_string())));
    let contestants = contestant::each_once(contestants).unwrap_or_default();
    let known = scenario.known(contestants.iter(), cpus as usize);
    rows.extend(known.iter().map(|one| ("by arithmetic".to_owned(), words::theory::known(one))));
    let mut text = String::new();
    let head = format!("{file} is fine: {}", scenario.name);
    section(&mut text, &head, rows.iter().map(|(name, words)| (name.as_str(), words.as_str())));
    text
}

/// The files there are to show and to copy: the built-in scenarios, and one that explains every key.
fn files() -> impl Iterator<Item = &'static BuiltIn> {
    BUILT_IN.iter().chain([&REFERENCE])
}

fn init(folder: &PathBuf) -> Result<(), String> {
    fs::create_dir_all(folder).map_err(|e| format!("making the folder {} failed: {e}", folder.display()))?;
    for built_in in files() {
        let path = folder.join(format!("{}.toml", built_in.name));
        let made = fs::File::create_new(&path)
            .and_then(|mut f| std::io::Write::write_all(&mut f, built_in.toml.as_bytes()));
        match made {
            Ok(()) => output::print(&format!("wrote {}\n", path.display()))?,
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
                output::print(&format!("left {} as it is\n", path.display()))?;
            }
            Err(e) => return Err(format!("writing {} failed: {e}", path.display())),
        }
    }
    output::print(&format!("run one with: bakeoff run {}/NAME.toml\n", folder.display()))
}
