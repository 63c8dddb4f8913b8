//! `bakeoff envelope`: raise one stressor until the model fails, for each model.

use super::flags::{ContestantFlag, CpuFlags, ListenFlag, ModelFlags, ResultFlags, SeedFlag};
use super::names::NameParser;
use super::results::Results;
use super::setup::{command_line, context, tell_cpus};
use super::{output, report};
use crate::campaign::head::head;
use crate::exit::Exit;
use crate::host::clock;
use crate::host::preflight::require_loopback;
use crate::instruments::envelope::take_all;
use crate::workload::contestant::{self, Contestant};
use bakeoff_reports::record::bundle::{self, Writer};
use bakeoff_reports::record::envelope::Stress;
use bakeoff_reports::record::{End, Reading, Record, Run};
use bakeoff_servers::models;
use clap::Args;
use clap::builder::TypedValueParser;

/// Find out what breaks each model, one stressor at a time
#[derive(Debug, Args)]
#[command(after_help = "Stresses: connections, connect-burst, slow-clients, poison, address-space.\n\
    Limits are set low, on the server alone, so that each takes seconds and endangers nothing.\n\n\
    Examples:\n  bakeoff envelope\n  \
    bakeoff envelope --model fork-per-client --model tokio --stress poison\n  \
    bakeoff run --envelope")]
pub(super) struct EnvelopeArgs {
    #[command(flatten)]
    models: ModelFlags,
    #[command(flatten)]
    contestants: ContestantFlag,
    /// Raise this, and only those given so; may be given several times [default: all]
    #[arg(long = "stress", short = 'x', value_name = "NAME", value_parser = stress())]
    stresses: Vec<Stress>,
    #[command(flatten)]
    seed: SeedFlag,
    #[command(flatten)]
    results: ResultFlags,
    #[command(flatten)]
    listen: ListenFlag,
    #[command(flatten)]
    cpus: CpuFlags,
}

fn stress() -> impl TypedValueParser<Value = Stress> {
    let find = |name: String| Stress::ALL.iter().copied().find(|stress| stress.name() == name);
    NameParser::of("stress", Stress::ALL.iter().map(|stress| stress.name()))
        .map(move |name| find(name).expect("one of these names"))
}

impl EnvelopeArgs {
    pub(super) fn run(self) -> Result<Exit, String> {
        require_loopback(self.listen.addr.ip(), "envelope starts its own servers on this machine")?;
        let models = self.contestants()?;
        let mut stresses = self.stresses.clone();
        stresses.sort_unstable();
        stresses.dedup();
        if stresses.is_empty() {
            stresses = Stress::ALL.to_vec();
        }
        let context = context(self.listen.addr, self.cpus.plan()?)?;
        if !self.results.quiet {
            tell_cpus(&context.cpus);
        }
        crate::instruments::envelope::require_descriptors(&stresses)?;
        let results = Results::new(self.results.out.as_deref(), 0)?;
        let head = Run {
            models: models.iter().map(Contestant::record).collect(),
            probe: Reading::Absent("an envelope alone measures no speed".into()),
            ..head(&context, &command_line(), self.seed.seed)
        };
        let mut bundle = Writer::create(&results.bundle, &head).map_err(|e| e.to_string())?;
        let programs: Vec<_> = models.iter().map(|one| context.program(one)).collect();
        let begin = |model: &str, stress: Stress| {
            // A line a model: each stress takes a second or two.
            if !self.results.quiet && stress == stresses[0] {
                let at = models.iter().position(|one| one.name() == model).map_or(0, |at| at + 1);
                crate::print_to_stderr(&format!("what breaks {model}? ({at} of {})", models.len()));
            }
        };
        let complete = take_all(&context, self.seed.seed, &programs, &stresses, &mut bundle, begin)
            .map_err(|e| e.to_string())?;
        let end = End {
            finished_unix_ms: clock::unix_ms(),
            trials: 0,
            interrupted: !complete,
            compute_ns_per_nominal_us: None,
        };
        bundle.append(&Record::End(end)).map_err(|e| e.to_string())?;
        let page = results.page();
        report::write(&results.bundle, &page, false)?;
        if !self.results.quiet {
            let loaded = bundle::load(&results.bundle).map_err(|e| e.to_string())?;
            output::print(&bakeoff_reports::show::text::envelope::table(
                &loaded.envelopes,
                crate::terminal_width(),
            ))?;
            output::print(&format!("\nReport: {}\n", page.display()))?;
        }
        Ok(if complete { Exit::Fine } else { Exit::Interrupted })
    }

    /// Who was asked for, each once.
    fn contestants(&self) -> Result<Vec<Contestant>, String> {
        let standard = models::standard().map(|model| Contestant::Model(model.into())).collect();
        self.models.with(&self.contestants).or(standard).and_then(contestant::each_once)
    }
}
