//! `bakeoff ab`: two builds of a server against each other, in one run.

mod selftest;

use super::flags::{CampaignFlags, CostFlag};
use super::results::Results;
use super::setup::{check_datagram_port, check_scenario};
use super::{names, output, report, workloads};
use crate::campaign::budget;
use crate::campaign::pairs;
use crate::campaign::pairs::build::{BuildError, Builder};
use crate::campaign::pairs::floors::Floors;
use crate::campaign::pairs::plan::{LEAST_ROUNDS, Length, MOST_ROUNDS, PairCell, PairPlan};
use crate::campaign::pairs::side::{Preparation, PreparedSide, SideSpec, Sides};
use crate::campaign::plan::Plan;
use crate::campaign::{Completion, Ending};
use crate::exit::Exit;
use crate::host::preflight::require_loopback;
use crate::process::launch::Interrupt;
use crate::workload::command::Command;
use crate::workload::contestant::Chosen;
use crate::workload::scenario::{Counting, Scenario};
use crate::workload::units::parse_share;
use bakeoff_reports::record::bundle;
use bakeoff_reports::record::{Gated, Metric, Side};
use bakeoff_reports::rules::gate::{self, Gate};
use bakeoff_reports::show::text::wrapped;
use bakeoff_reports::show::units;
use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Args, value_parser};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Compare two builds of a server in one run: did it become slower?
///
/// A side is a git ref (built in a worktree, kept for the next time), a program file, `this` for the program that runs, or a
/// command with {port} in it that serves in any language. Both sides run in pairs, in shuffled rounds, under the load of the
/// program that runs; what looks slower is run again on fresh rounds before it is called a regression.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit status: 0 nothing became slower, 1 something regressed, 2 a mistake or a side that does not build or \
    serve, 3 nothing could be compared, or with --strict anything invalid or undecided, 130 interrupted.\n\nExamples:\n  \
    bakeoff ab --a main --b HEAD\n  \
    bakeoff ab --a ./old-bakeoff --model tokio churn --budget 2m\n  \
    bakeoff ab --a './old --port {port}' --b './new --port {port}' churn\n  \
    bakeoff ab --a main --b HEAD --build 'make' --serve './server --port {port}'"
)]
pub(super) struct AbArgs {
    /// Names of built-in scenarios, or scenario files (*.toml) [default: small-echo-closed; dynamic-page for a self-test]
    #[arg(value_parser = names::scenario(), hide_possible_values = true)]
    scenarios: Vec<String>,
    /// The baseline: a git ref, a program, or a command with {port}
    #[arg(long, value_name = "SIDE", value_parser = SideSpec::parse, required_unless_present = "self_test")]
    a: Option<SideSpec>,
    /// The candidate [default: this program]
    #[arg(long, value_name = "SIDE", value_parser = SideSpec::parse)]
    b: Option<SideSpec>,
    /// The command that builds a git ref of another program, in its worktree
    #[arg(long, value_name = "COMMAND", requires = "serve")]
    build: Option<String>,
    /// The command that serves, in the worktree of a git ref of another program, with {port} in it
    #[arg(long, value_name = "COMMAND", value_parser = Command::parse)]
    serve: Option<Command>,
    /// Build each side, a git ref, this many times with its functions in different orders, and alternate the builds: the effect of
    /// code layout is then part of the noise. A build of another program finds the layout's number in BAKEOFF_LAYOUT (1, 2 ...)
    #[arg(long, value_name = "BUILDS", default_value_t = 1, value_parser = value_parser!(u32).range(1..=20))]
    layouts: u32,
    /// Where builds of git refs are kept [default: target/bakeoff-builds in the checkout]
    #[arg(long, value_name = "FOLDER")]
    cache: Option<PathBuf>,
    /// Time for the comparison: three quarters to find what is slower, one to confirm it. What is decided stops early, so
    /// it usually takes less; confirming many cells at once may take longer
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = budget::parse_budget)]
    budget: Duration,
    /// Rounds instead of a budget, and as many fresh ones for what looks slower
    #[arg(long, short, conflicts_with = "budget", value_parser = value_parser!(u32).range(6..=i64::from(MOST_ROUNDS)))]
    rounds: Option<u32>,
    /// Measure the gate's false-positive and false-negative rates on this machine: this program against itself, and against
    /// itself made slower by a known share (see --slower); so many gates of each, each within --budget. Of one workload and
    /// model [default: mio-event-loop-inline]
    #[arg(long, value_name = "GATES", num_args = 0..=1, default_missing_value = "5", conflicts_with_all = ["a", "b", "build", "serve", "cache", "layouts"], value_parser = value_parser!(u32).range(1..=1_000))]
    self_test: Option<u32>,
    /// The slowdowns that a self-test puts in, beside none
    #[arg(long, value_name = "SHARES", value_delimiter = ',', default_value = "3%,5%,10%", requires = "self_test", value_parser = parse_slower)]
    slower: Vec<f64>,
    /// The metrics that may fail it: merit (that of the scenario, CPU per request, the share answered), or any that can decide
    #[arg(long, value_name = "METRICS", value_delimiter = ',', default_value = MERIT, value_parser = metrics())]
    fail_on: Vec<String>,
    /// The smallest slowdown that matters: 5%, or of a metric, scenario or model: answered=2%, churn=10%, churn/tokio/throughput=5%
    #[arg(long = "floor", value_name = "FLOOR")]
    floors: Vec<String>,
    /// Exit with 3 when something is invalid or undecided
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    costs: CostFlag,
    #[command(flatten)]
    campaign: CampaignFlags,
}

/// The workload without a choice: what a server spends on a request when all are busy.
const DEFAULT_SCENARIO: &str = "small-echo-closed";

/// A slowdown to put in, as a share.
fn parse_slower(text: &str) -> Result<f64, String> {
    parse_share(text)
        .ok()
        .filter(|share| *share > 0.0 && *share < 1.0)
        .ok_or_else(|| "give shares above 0 and below 100 %, such as 3%,5%".into())
}

/// What decides a workload, with what is gated beside it.
const MERIT: &str = "merit";

/// What a command is called in a report.
const COMMANDED: &str = "server";

impl AbArgs {
    pub(super) fn run(self) -> Result<Exit, String> {
        let flags = &self.campaign;
        require_loopback(flags.listen.addr.ip(), "two builds are compared on this machine only")?;
        let plan = self.plan()?;
        let context = flags.context()?;
        check_datagram_port(&plan.scenarios, &context)?;
        if let Some(gates) = self.self_test {
            return self.test_itself(&plan, gates, &context);
        }
        let Some((a, b)) = self.prepare_sides(&context.launcher.interrupt)? else {
            return Ok(Exit::Interrupted);
        };
        let trials = u64::from(plan.rounds_of_all()) * 2 * plan.cells.len() as u64;
        let stood = flags.results.out.as_ref().is_some_and(|out| out.exists());
        let results = Results::new(flags.results.out.as_deref(), trials)?;
        self.announce(&plan, &a, &b);
        let options = flags.options(!self.costs.no_costs);
        let sides = Sides { a: &a, b: &b };
        let done = pairs::run(&plan, sides, (&options, self.strict), &context, &results.bundle);
        let begun = done.as_ref().is_ok_and(|completion| completion.ending != Ending::NotBegun);
        if !begun && !stood {
            // A comparison that never began leaves nothing. A folder with records in it stays: it is not empty.
            let _ = std::fs::remove_dir(&results.folder);
        }
        let completion = done.map_err(|error| error.to_string())?;
        if completion.ending == Ending::NotBegun {
            return Ok(Exit::Interrupted);
        }
        let gate = conclude(&results, completion, !flags.results.quiet)?;
        Ok(match completion.ending {
            Ending::Complete => Exit::of_code(gate.exit_code()).expect("a gate ends as the tool does"),
            Ending::Interrupted | Ending::NotBegun => Exit::Interrupted,
        })
    }

    /// Both sides, built; `None` when interrupted.
    fn prepare_sides(&self, interrupt: &Interrupt) -> Result<Option<(PreparedSide, PreparedSide)>, String> {
        let this = SideSpec::ThisProgram;
        let (a, b) = (self.a.as_ref().unwrap_or(&this), self.b.as_ref().unwrap_or(&this));
        let refs = [a, b].into_iter().filter(|asked| matches!(asked, SideSpec::Reference(_))).count();
        if self.layouts > 1 && refs < 2 {
            return Err("--layouts builds both sides several times, so both have to be git refs".into());
        }
        let reference = [a, b].into_iter().find_map(|asked| match asked {
            SideSpec::Reference(reference) => Some(reference),
            _ => None,
        });
        let builder = match reference {
            None => None,
            Some(reference) => {
                let report: fn(&str) =
                    if self.campaign.results.quiet { |_| () } else { crate::print_to_stderr };
                let here = Path::new(".");
                let made =
                    Builder::new(here, self.cache.clone(), self.build.clone(), interrupt.clone(), report);
                Some(made.map_err(|why| {
                    format!(
                        "`{reference}` is neither a file nor a command with {{port}}, so it is taken for a git ref; but there \
                         is no checkout here to build it from: {why}"
                    )
                })?)
            }
        };
        let preparation = Preparation {
            builder: builder.as_ref(),
            run: self.serve.as_ref(),
            interrupt,
            layouts: self.layouts,
        };
        let prepare = |side, spec| PreparedSide::prepare(side, spec, &preparation).map_err(Box::new);
        match prepare(Side::A, a).and_then(|a| Ok((a, prepare(Side::B, b)?))) {
            Ok(sides) => Ok(Some(sides)),
            Err(error) if matches!(*error, BuildError::Interrupted) => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    /// What a side serves: models, or itself.
    fn commanded(&self) -> Result<bool, String> {
        let this = SideSpec::ThisProgram;
        let command = |asked: &Option<SideSpec>| match asked.as_ref().unwrap_or(&this) {
            SideSpec::Command(_) => true,
            SideSpec::Reference(_) => self.serve.is_some(),
            SideSpec::ThisProgram | SideSpec::Binary(_) => false,
        };
        let (a, b) = (command(&self.a), command(&self.b));
        if a != b {
            let (commands, builds) = if a { ("A", "B") } else { ("B", "A") };
            return Err(format!(
                "side {commands} is a command, side {builds} a build of bakeoff: give two of a kind. A model of a build is a \
                 command, too: --{} 'bakeoff serve --model tokio --service echo --addr 127.0.0.1:{{port}}'",
                builds.to_lowercase()
            ));
        }
        if a && !self.campaign.models.models.is_empty() {
            return Err("a command serves what it serves: --model is for builds of bakeoff".into());
        }
        Ok(a)
    }

    fn plan(&self) -> Result<PairPlan, String> {
        let commanded = self.commanded()?;
        let (workload, models) = match self.self_test {
            Some(_) => (selftest::BUSY, selftest::busy_model().into_iter().collect()),
            None => (DEFAULT_SCENARIO, Vec::new()),
        };
        let default = [workload.to_owned()];
        let names = if self.scenarios.is_empty() { default.as_slice() } else { &self.scenarios };
        let flags = &self.campaign;
        let models = if flags.models.models.is_empty() { &models } else { &flags.models.models };
        let mut scenarios = workloads::read_all(names, flags)?;
        let floors = Floors::parse(&self.floors)?;
        let mut cells = Vec::new();
        for (at, scenario) in scenarios.iter().enumerate() {
            let models = match commanded {
                true => vec![COMMANDED.to_owned()],
                // As a run would choose and check them.
                false => {
                    let plan =
                        Plan::new(vec![scenario.clone()], &Chosen::models(models), 1, flags.seed.seed())?;
                    // A command in a scenario is no model that two builds could have.
                    plan.contestants_of(0).filter_map(|one| Some(one.tuned()?.name().into())).collect()
                }
            };
            check_scenario(scenario, if commanded { &[] } else { &models })?;
            for model in models {
                let gated = self.gated(scenario, &model, &floors);
                cells.push(PairCell { scenario: at, model, gated });
            }
        }
        for cell in cells.iter().filter(|cell| cell.gated.iter().any(|one| one.figure.is_counted())) {
            scenarios[cell.scenario].counting = Counting::EveryRound;
        }
        let figures: Vec<Metric> = cells.iter().flat_map(|cell| &cell.gated).map(|one| one.figure).collect();
        let known =
            scenarios.iter().map(|s| s.name.as_str()).chain(cells.iter().map(|cell| cell.model.as_str()));
        let mut known: Vec<&str> = known.chain(figures.iter().map(|figure| figure.key())).collect();
        known.dedup();
        floors.check(&known)?;
        let length = self.rounds.map_or(Length::Budget(self.budget), Length::Rounds);
        PairPlan::new(scenarios, cells, length, !self.costs.no_costs, flags.seed.seed())
    }

    /// What may fail a cell.
    fn gated(&self, scenario: &Scenario, model: &str, floors: &Floors) -> Vec<Gated> {
        let mut gated: Vec<Gated> = Vec::new();
        for name in &self.fail_on {
            let figures = match name.as_str() {
                MERIT => gate::defaults(scenario.merit),
                name => Metric::of_key(name).into_iter().collect(),
            };
            for figure in figures {
                if !gated.iter().any(|one| one.figure == figure) {
                    gated.push(Gated { figure, floor: floors.of(&scenario.name, model, figure) });
                }
            }
        }
        gated
    }

    fn announce(&self, plan: &PairPlan, a: &PreparedSide, b: &PreparedSide) {
        if self.campaign.results.quiet {
            return;
        }
        let cells = units::plural(plan.cells.len() as u64, "cell");
        let mut lines = vec![
            format!("A: {}", a.contender.label),
            format!("B: {}", b.contender.label),
            match plan.budget {
                Some(budget) => format!(
                    "{cells}, about {} s or less: {} rounds if nothing is decided before, and fresh rounds for what looks slower",
                    budget.as_secs(),
                    plan.rounds_of_all()
                ),
                None => {
                    format!("{cells}, {} rounds, and fresh rounds for what looks slower", plan.search_rounds)
                }
            },
        ];
        if plan.search_rounds < LEAST_ROUNDS {
            lines.push(format!(
                "{} rounds find large slowdowns only; a gate takes {LEAST_ROUNDS}",
                plan.search_rounds
            ));
        }
        for line in lines {
            crate::print_to_stderr(wrapped(&line, crate::terminal_width(), "   ").trim_end());
        }
    }
}

/// What can fail a comparison, by name.
fn metrics() -> PossibleValuesParser {
    let merit =
        PossibleValue::new(MERIT).help("what decides the workload, CPU per request and the share answered");
    let all = Metric::deciding().map(|metric| {
        let value = PossibleValue::new(metric.key()).help(metric.about());
        match metric {
            Metric::CpuPerRequest => value.alias("cpu"),
            Metric::SwitchesPerRequest => value.alias("switches"),
            _ => value,
        }
    });
    PossibleValuesParser::new(std::iter::once(merit).chain(all))
}

/// Writes the page, prints the verdicts and where the time went.
fn conclude(results: &Results, completion: Completion, summary: bool) -> Result<Gate, String> {
    report::write(&results.bundle, &results.page(), summary)?;
    let loaded = bundle::load(&results.bundle).map_err(|e| e.to_string())?;
    if summary {
        output::print(&format!(
            "{:.1} s measuring, {:.1} s overhead\n",
            completion.measuring.as_secs_f64(),
            completion.took.saturating_sub(completion.measuring).as_secs_f64()
        ))?;
    }
    gate::judge(&loaded).ok_or_else(|| format!("{} compares no builds", results.bundle.display()))
}
