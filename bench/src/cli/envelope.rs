//! `bakeoff envelope`: raise something until something breaks, for each model.

use super::{output, report, run};
use bakeoff::campaign::run::runner::choose_congestion_control;
use bakeoff::host::clock;
use bakeoff::host::environment::{self, CpuPlan, allowed_cpus};
use bakeoff::host::preflight::{self, require_loopback, require_room};
use bakeoff::instruments::anatomy::Workbench;
use bakeoff::instruments::envelope::{EnvelopeOptions, take_all};
use bakeoff::process::launch::{Interrupt, Launcher};
use bakeoff::suggest;
use bakeoff_reports::record::bundle::{self, Writer};
use bakeoff_reports::record::envelope::Stress;
use bakeoff_reports::record::{End, ModelRecord, Reading, Record, Run, SCHEMA_VERSION};
use bakeoff_servers::{ServerModel, models};
use clap::Args;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

/// Find out what breaks each model: raise something until it does
#[derive(Debug, Args)]
#[command(after_help = "Stresses: connections, connect-burst, slow-clients, poison, address-space.\n\
    Limits are set low, on the server alone, so that each takes seconds and endangers nothing.\n\n\
    Examples:\n  bakeoff envelope\n  \
    bakeoff envelope --model fork-per-client --model thread-per-client --stress poison\n  \
    bakeoff run --envelope")]
pub(super) struct EnvelopeArgs {
    /// Try this model, and only those given so; may be given several times [default: the five of a run]
    #[arg(long = "model", short)]
    models: Vec<String>,
    /// Raise this, and only those given so; may be given several times [default: all]
    #[arg(long = "stress", short = 'x', value_name = "NAME", value_parser = parse_stress)]
    stresses: Vec<Stress>,
    /// Selects the payloads of the requests
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Folder for the bundle and the report; must not hold a bundle yet [default: bakeoff-results/<UTC time>]
    #[arg(long, short, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Loopback address the servers listen on; port 0 takes a free one for each
    #[arg(long, default_value = "127.0.0.1:0", value_parser = super::parse_address)]
    addr: SocketAddr,
    /// No progress, no table
    #[arg(long, short)]
    quiet: bool,
}

fn parse_stress(text: &str) -> Result<Stress, String> {
    let found = Stress::ALL.into_iter().find(|stress| stress.name() == text);
    found.ok_or_else(|| suggest::unknown("stress", text, Stress::ALL.into_iter().map(Stress::name)))
}

impl EnvelopeArgs {
    pub(super) fn run(self) -> Result<ExitCode, String> {
        require_loopback(self.addr.ip(), "envelope starts its own servers on this machine")?;
        let models = self.models()?;
        let mut stresses = self.stresses.clone();
        stresses.sort_unstable();
        stresses.dedup();
        if stresses.is_empty() {
            stresses = Stress::ALL.to_vec();
        }
        let interrupt =
            Interrupt::on_signals().map_err(|e| format!("installing the signal handlers failed: {e}"))?;
        run::check_port(self.addr)?;
        preflight::raise_descriptor_limit();
        bakeoff::instruments::envelope::require_descriptors(&stresses)?;
        let (folder, path) = self.place()?;
        let launcher = Launcher::this_program(interrupt);
        let cpus = CpuPlan::split(allowed_cpus());
        let congestion_control = choose_congestion_control();
        let bench = Workbench {
            launcher: &launcher,
            cpus: &cpus,
            congestion_control: congestion_control.value().map(String::as_str),
        };
        let head = self.head(&models, environment::read(&cpus, congestion_control.clone()));
        let mut bundle = Writer::create(&path, &head).map_err(|e| e.to_string())?;
        let options = EnvelopeOptions { seed: self.seed, address: self.addr };
        let names: Vec<&str> = models.iter().map(|model| model.name()).collect();
        let tell = |model: &str, stress: Stress| {
            // A line a model: each stress takes a second or two.
            if !self.quiet && stress == stresses[0] {
                let at = names.iter().position(|name| *name == model).map_or(0, |at| at + 1);
                bakeoff::tell(&format!("what breaks {model}? ({at} of {})", names.len()));
            }
        };
        let complete =
            take_all(&bench, options, &names, &stresses, &mut bundle, tell).map_err(|e| e.to_string())?;
        let end = End { finished_unix_ms: clock::unix_ms(), trials: 0, interrupted: !complete };
        bundle.append(&Record::End(end)).map_err(|e| e.to_string())?;
        let page = folder.join(report::REPORT_NAME);
        report::write(&path, &page, false)?;
        if !self.quiet {
            let loaded = bundle::load(&path).map_err(|e| e.to_string())?;
            output::print(&bakeoff_reports::show::text::envelope::table(
                &loaded.envelopes,
                bakeoff::terminal_width(),
            ))?;
            output::print(&format!("\nReport: {}\n", page.display()))?;
        }
        Ok(if complete { ExitCode::SUCCESS } else { ExitCode::from(130) })
    }

    fn models(&self) -> Result<Vec<&'static dyn ServerModel>, String> {
        if self.models.is_empty() {
            return Ok(models::standard().collect());
        }
        let mut found: Vec<&'static dyn ServerModel> = Vec::new();
        for name in &self.models {
            let model = models::find(name)
                .ok_or_else(|| suggest::unknown("model", name, models::ALL.iter().map(|m| m.name())))?;
            if found.iter().all(|other| other.name() != model.name()) {
                found.push(model);
            }
        }
        Ok(found)
    }

    /// The folder of the results, made, and the bundle in it, not there yet.
    fn place(&self) -> Result<(PathBuf, PathBuf), String> {
        let folder = self.out.clone().unwrap_or_else(run::default_folder);
        std::fs::create_dir_all(&folder).map_err(|e| {
            format!(
                "making the folder {} for the results failed: {e}; choose another with --out",
                folder.display()
            )
        })?;
        require_room(&folder, 0)?;
        let path = folder.join(report::BUNDLE_NAME);
        if path.exists() {
            return Err(format!(
                "{} holds the records of a run already, and they are not overwritten; choose another folder with --out",
                path.display()
            ));
        }
        Ok((folder, path))
    }

    fn head(
        &self,
        models: &[&'static dyn ServerModel],
        environment: bakeoff_reports::record::Environment,
    ) -> Run {
        let record =
            |m: &&dyn ServerModel| ModelRecord { name: m.name().into(), summary: m.meta().summary.into() };
        Run {
            sequential: None,
            comparison: None,
            schema_version: SCHEMA_VERSION,
            tool_version: env!("CARGO_PKG_VERSION").into(),
            command: std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect(),
            started_unix_ms: clock::unix_ms(),
            seed: self.seed,
            rounds: 0,
            planned_trials: 0,
            scenarios: Vec::new(),
            models: models.iter().map(record).collect(),
            environment,
            probe: Reading::Absent("an envelope alone measures no speed".into()),
        }
    }
}
