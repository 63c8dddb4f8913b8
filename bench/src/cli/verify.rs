//! `bakeoff verify`: known answers through the harness, and the harness broken on purpose.

use super::flags::{CpuFlags, SeedFlag};
use super::setup::{check_plan, command_line, launcher, loopback, tell_cpus};
use super::{output, report};
use crate::campaign::plan::Plan;
use crate::campaign::{Ending, Options, blocks};
use crate::exit::Exit;
use crate::instruments::verify::oracles::{self, Oracle};
use crate::instruments::verify::rig::{Rig, Scale};
use crate::instruments::verify::{self, mutants, table};
use crate::process::context::Context;
use crate::process::launch::LaunchError;
use crate::suggest;
use crate::swarm::defect::Defect;
use crate::workload::contestant::Chosen;
use crate::workload::orderings;
use bakeoff_reports::analysis::analyse;
use bakeoff_reports::record::bundle;
use bakeoff_reports::show::text::wrapped;
use clap::{Args, ValueEnum as _, value_parser};
use std::fs;
use std::path::PathBuf;

/// Check the harness on this machine against known answers
///
/// Stalls, queues with analytic solutions, Little's law, arrivals, a server and a network that fail by plan, and the generator's own
/// bias: expected, measured, and how far apart the two may be. Takes under a minute on a quiet machine; exits with 0 when every figure is
/// right and with 3 when one is not.
#[derive(Debug, Args)]
#[command(after_help = "Break the harness on purpose and see which oracle catches it:\n  \
    bakeoff verify --break actual-time --only stall    (coordinated omission)\n  bakeoff verify --mutants")]
pub(super) struct VerifyArgs {
    /// Take some minutes, for narrower bands
    #[arg(long, conflicts_with = "mutants")]
    long: bool,
    /// Only these oracles, or orderings by their number; --list names them
    #[arg(long, value_name = "NAME", value_delimiter = ',', conflicts_with = "mutants")]
    only: Vec<String>,
    /// Break the harness in this way; --list names them
    #[arg(
        long = "break",
        value_name = "NAME",
        conflicts_with = "mutants",
        value_enum,
        hide_possible_values = true
    )]
    broken: Option<Defect>,
    /// Break it in every way and show which oracle catches which (some minutes)
    #[arg(long)]
    mutants: bool,
    /// Check known orderings of the models instead: from the literature and from queueing laws (about four minutes)
    #[arg(long, conflicts_with_all = ["long", "broken", "mutants"])]
    orderings: bool,
    /// Rounds of the orderings
    #[arg(long, default_value_t = 8, requires = "orderings", value_parser = value_parser!(u32).range(4..=1000))]
    rounds: u32,
    /// Folder that keeps the records of the orderings [default: none is kept]
    #[arg(long, requires = "orderings", value_name = "FOLDER")]
    out: Option<PathBuf>,
    #[command(flatten)]
    seed: SeedFlag,
    #[command(flatten)]
    cpus: CpuFlags,
    /// Name the oracles and the ways to break the harness, and do nothing
    #[arg(long, exclusive = true)]
    list: bool,
}

impl VerifyArgs {
    pub(super) fn run(self) -> Result<Exit, String> {
        if self.list {
            return list();
        }
        if self.orderings {
            return self.show_orderings();
        }
        let oracles = self.oracles()?;
        let context = Context::new(launcher()?, loopback(), self.cpus.plan()?);
        let rig = Rig {
            context: &context,
            seed: self.seed.seed,
            scale: if self.long { Scale::Long } else { Scale::Short },
            defect: self.broken,
            alpha: verify::alpha(),
        };
        let right = if self.mutants { show_mutants(&rig) } else { show_oracles(&rig, &oracles) };
        match right {
            Ok(true) => Ok(Exit::Fine),
            Ok(false) => Ok(Exit::Invalid),
            Err(LaunchError::Interrupted) => Ok(Exit::Interrupted),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Runs the workloads of the orderings as any run is run, and holds what came out against what is known.
    fn show_orderings(&self) -> Result<Exit, String> {
        let plan = Plan::new(
            orderings::scenarios(&self.numbers()?),
            &Chosen::default(),
            self.rounds,
            self.seed.seed,
        )?;
        check_plan(&plan)?;
        let context = Context::new(launcher()?, loopback(), self.cpus.plan()?);
        let scratch = tempfile::tempdir().map_err(|e| format!("making a temporary folder failed: {e}"))?;
        let folder = self.out.as_deref().unwrap_or(scratch.path());
        fs::create_dir_all(folder).map_err(|e| {
            format!("making the folder {} failed: {e}; choose another with --out", folder.display())
        })?;
        let bundle = folder.join(report::BUNDLE_NAME);
        let command = command_line();
        let options = Options { command, progress: true, costs: true, retries: 2, ..Options::default() };
        let completion = blocks::run(&plan, &options, &context, &bundle).map_err(|e| e.to_string())?;
        if completion.ending != Ending::Complete {
            crate::print_to_stderr(&match &self.out {
                Some(folder) => format!("`bakeoff report {}` shows what there is", folder.display()),
                None => "the records went with their temporary folder; --out would keep them".into(),
            });
            return Ok(Exit::Interrupted);
        }
        let analysis = analyse(&bundle::load(&bundle).map_err(|e| e.to_string())?);
        let findings = bakeoff_reports::ask::orderings::judge(&analysis);
        for caveat in analysis.caveats() {
            output::print(&wrapped(&caveat.to_string(), 80, "! "))?;
        }
        output::print(&format!("{}\n", bakeoff_reports::show::text::orderings::table(&findings)))?;
        let right = bakeoff_reports::ask::orderings::all_as_expected(&findings);
        Ok(if right { Exit::Fine } else { Exit::Invalid })
    }

    /// The orderings asked for; all when none is named.
    fn numbers(&self) -> Result<Vec<u8>, String> {
        let known = orderings::numbers();
        if self.only.is_empty() {
            return Ok(known);
        }
        let find = |text: &String| {
            let number = text.parse().ok().filter(|number| known.contains(number));
            number.ok_or_else(|| format!("there is no ordering `{text}` to run; these can be: {known:?}"))
        };
        self.only.iter().map(find).collect()
    }

    fn oracles(&self) -> Result<Vec<&'static Oracle>, String> {
        if self.only.is_empty() {
            return Ok(oracles::ALL.iter().collect());
        }
        let find = |name: &String| {
            oracles::find(name)
                .ok_or_else(|| suggest::unknown("oracle", name, oracles::ALL.iter().map(|o| o.name)))
        };
        self.only.iter().map(find).collect()
    }
}

/// Prints what cannot be returned as an error from where it happens; a closed pipe is none.
fn print(text: &str) -> Result<(), LaunchError> {
    output::print(&format!("{text}\n")).map_err(LaunchError::Refused)
}

fn show_oracles(rig: &Rig<'_>, oracles: &[&Oracle]) -> Result<bool, LaunchError> {
    if let Some(defect) = rig.defect {
        crate::print_to_stderr(&format!("the harness is broken on purpose: {}", defect.about()));
    }
    tell_cpus(&rig.context.cpus);
    print(&table::head())?;
    let mut printed = Ok(());
    let findings = verify::run(rig, oracles, |finding| {
        if printed.is_ok() {
            printed = print(&table::line(finding));
        }
    })?;
    printed?;
    print(table::foot(&findings, rig).trim_end())?;
    Ok(verify::passed(&findings))
}

fn show_mutants(rig: &Rig<'_>) -> Result<bool, LaunchError> {
    crate::print_to_stderr("every way to break the harness against every oracle; this takes some minutes");
    print(&mutants::head())?;
    let mut printed = Ok(());
    let all = mutants::run(rig, |mutant| {
        if printed.is_ok() {
            printed = print(&mutants::line(mutant));
        }
    })?;
    printed?;
    let right = all.iter().all(mutants::Mutant::as_it_should_be);
    print(if right {
        "\nEvery broken harness was caught, and the sound one passed."
    } else {
        "\nNot as it should be: a broken harness passed, or the sound one did not.\n\
         ? is a figure that is off in a trial which other programs disturbed."
    })?;
    Ok(right)
}

fn list() -> Result<Exit, String> {
    let width = crate::terminal_width().min(100);
    let line = |name: &str, about: &str| wrapped(about, width, &format!("  {name:<22}"));
    let mut text = String::from("ORACLES (--only)\n");
    oracles::ALL.iter().for_each(|oracle| text.push_str(&line(oracle.name, oracle.about)));
    text.push_str("\nORDERINGS (--orderings --only)\n");
    for (number, claim) in orderings::claims() {
        text.push_str(&format!("  {number}  {claim}\n"));
    }
    text.push_str("\nWAYS TO BREAK THE HARNESS (--break)\n");
    let defects = Defect::value_variants().iter();
    defects.for_each(|defect| text.push_str(&line(&defect.name(), &defect.about())));
    output::print(&text)?;
    Ok(Exit::Fine)
}
