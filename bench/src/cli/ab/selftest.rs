//! `bakeoff ab --self-test`: the table of false alarms and of what was found.

use super::{AbArgs, output};
use crate::cli::run::new_bundle_folder;
use bakeoff::ab::plan::AbPlan;
use bakeoff::ab::selftest::{self, Found, LEVELS, Level, SelfTestError};
use bakeoff::ab::side::{Asked, Making, Standing};
use bakeoff::children::launch::{Interrupt, Launcher};
use bakeoff_reports::gate::replay::{self, Replayed};
use bakeoff_reports::statistics::{median, rate};
use bakeoff_reports::terminal::wrapped;
use bakeoff_reports::units;
use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Duration;

impl AbArgs {
    pub(super) fn test_itself(&self, plan: &AbPlan, gates: u32, interrupt: Interrupt) -> Result<ExitCode, String> {
        let folder = new_bundle_folder(self.out.clone())?;
        if !self.quiet {
            let most = plan.budget.map_or(Duration::ZERO, |budget| budget * gates * LEVELS.len() as u32);
            let text = format!(
                "{} of {} levels, {} each; {:.0} min at most, records in {}",
                units::plural(u64::from(gates), "gate"),
                LEVELS.len(),
                units::plural(plan.cells.len() as u64, "cell"),
                most.as_secs_f64() / 60.0,
                folder.display()
            );
            bakeoff::tell(wrapped(&text, bakeoff::terminal_width(), "").trim_end());
        }
        let launcher = Launcher::this_program(interrupt.clone());
        let making = Making { builder: None, run: None, interrupt: &interrupt };
        let make = |side| Standing::make(side, &Asked::ThisProgram, &making).map_err(|e| e.to_string());
        // Made once to see that it can be.
        make(bakeoff_reports::record::Side::A)?;
        let options = bakeoff::ab::runner::AbOptions { progress: false, ..self.options() };
        let found = selftest::run(plan, gates, &options, &launcher, &folder, |side| {
            make(side).expect("this program stands on either side")
        });
        match found {
            Ok(found) => output::print(&table(&found, plan))?,
            Err(SelfTestError::Interrupted) => return Ok(ExitCode::from(130)),
            Err(error) => return Err(error.to_string()),
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// What was found, in at most 80 columns.
fn table(found: &Found, plan: &AbPlan) -> String {
    let mut out = String::from("Whole gates on this machine\n");
    let _ = writeln!(out, "  cost       gates  cells  regressed  rate, 95 % interval     ratio  took, median");
    for level in &found.levels {
        let _ = writeln!(out, "{}", row(level));
    }
    let pairs: usize = found.noise.iter().map(Vec::len).sum();
    let _ = writeln!(
        out,
        "\nSimulated gates of one cell: the {} pairs without a cost, drawn again, an\neffect put in; a pair takes {:.2} s",
        units::grouped(pairs as u64),
        found.pair.as_secs_f64()
    );
    let floor = plan.cells.first().and_then(|cell| cell.gated.first()).map_or(0.03, |gated| gated.floor);
    let _ = writeln!(out, "  rounds  budget   {}", LEVELS.map(|cost| format!("{:>16}", percent(cost))).join(""));
    for rounds in [20, 40, 80, 160, 320] {
        let _ = writeln!(out, "{}", simulated(found, rounds, floor, plan.seed));
    }
    out.push_str(
        "\nA rate is of cells called regressed, its interval exact (Clopper and Pearson). The\nbudget is what a search of so many rounds and as many fresh ones take for one cell.\n",
    );
    out
}

fn percent(share: f64) -> String {
    if share == 0.0 { "none".into() } else { format!("+{:.0} %", share * 100.0) }
}

fn row(level: &Level) -> String {
    let (low, high) = rate::interval(level.alarms, level.cells);
    let share = if level.cells == 0 { 0.0 } else { level.alarms as f64 / level.cells as f64 };
    let took: Vec<f64> = level.took.iter().map(Duration::as_secs_f64).collect();
    format!(
        "  {:9}  {:>5}  {:>5}  {:>9}  {:>5.1} % [{:>5.1}, {:>5.1}]  {:>7.3}  {:>7.0} s",
        percent(level.cost),
        level.gates,
        level.cells,
        level.alarms,
        share * 100.0,
        low * 100.0,
        high * 100.0,
        median(&level.factors).unwrap_or(f64::NAN),
        median(&took).unwrap_or(0.0)
    )
}

/// Gates simulated for each number.
const SIMULATED: u32 = 1_000;

fn simulated(found: &Found, rounds: u32, floor: f64, seed: u64) -> String {
    let budget = found.pair * rounds * 2;
    let cells = LEVELS.map(|cost| {
        let Replayed { regressed, gates, .. } =
            replay::replay(&found.noise, (1.0 + cost).ln(), floor, rounds, SIMULATED, seed);
        let (low, high) = rate::interval(regressed, gates);
        format!("{:>6.1} [{:>4.1},{:>5.1}]", regressed as f64 * 100.0 / gates.max(1) as f64, low * 100.0, high * 100.0)
    });
    format!("  {rounds:>6}  {:>4.0} s  {}", budget.as_secs_f64(), cells.join(""))
}
