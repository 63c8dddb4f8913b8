//! `bakeoff ab --self-test`: the table of false alarms and of what was found.

use super::{AbArgs, output};
use crate::campaign::pairs::plan::PairPlan;
use crate::campaign::pairs::selftest::{self, Level, SelfTestReport};
use crate::campaign::pairs::side::{Preparation, PreparedSide, SideSpec};
use crate::campaign::{Ending, Options};
use crate::cli::results::new_folder;
use crate::exit::Exit;
use crate::process::context::Context;
use bakeoff_reports::record::Metric;
use bakeoff_reports::rules::gate::Outcome;
use bakeoff_reports::rules::gate::{Replay, replay};
use bakeoff_reports::show::text::wrapped;
use bakeoff_reports::show::units;
use bakeoff_reports::stats::{median, rate};
use bakeoff_servers::model::{Concurrency, PerClient};
use bakeoff_servers::models;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

/// What a cost on every request is a share of.
const THROUGHPUT: Metric = Metric::Throughput;

/// What a self-test is of without a choice: a server that works, and is what limits.
pub(super) const BUSY: &str = "dynamic-page";

/// The model of that without a choice: one thread for all clients and their jobs.
pub(super) fn busy_model() -> Option<String> {
    let one_thread = models::first(|meta| {
        meta.concurrency == Concurrency::Unbounded
            && meta.per_client == PerClient::Nothing
            && !meta.offloads()
    });
    one_thread.map(|model| model.name().to_owned())
}

impl AbArgs {
    pub(super) fn test_itself(&self, plan: &PairPlan, gates: u32, context: &Context) -> Result<Exit, String> {
        let [cell] = plan.cells.as_slice() else {
            return Err(format!(
                "the self-test makes one server slower by a known share, and {} are asked for: name one workload, and one model \
                 with --model",
                units::plural(plan.cells.len() as u64, "cell")
            ));
        };
        if !cell.gated.iter().any(|one| one.figure == THROUGHPUT) {
            return Err(format!(
                "the self-test adds a share of what a request takes, which it reads off the throughput; {} under `{}` is not \
                 gated on that: choose a closed loop that keeps the server busy, such as {BUSY}, and --fail-on merit",
                cell.model, plan.scenarios[cell.scenario].name
            ));
        }
        let called: BTreeSet<String> = self.slower.iter().map(|slower| selftest::called(*slower)).collect();
        if called.len() < self.slower.len() {
            return Err("--slower names a slowdown twice".into());
        }
        let folder = new_folder(self.campaign.results.out.as_deref())?;
        if !self.campaign.results.quiet {
            let levels = self.slower.len() as u32 + 1;
            let most = plan.budget.map(|budget| {
                // And the gate that learns what a slowdown costs.
                format!("; {:.0} min at most", (budget * (gates * levels + 1)).as_secs_f64() / 60.0)
            });
            let text = format!(
                "{} of {levels} levels, {} under {}{}; records in {}",
                units::plural(u64::from(gates), "gate"),
                cell.model,
                plan.scenarios[cell.scenario].name,
                most.unwrap_or_default(),
                folder.display()
            );
            crate::print_to_stderr(wrapped(&text, crate::terminal_width(), "").trim_end());
        }
        let interrupt = &context.launcher.interrupt;
        let preparation = Preparation { builder: None, run: None, interrupt, layouts: 1 };
        let prepare = |side| {
            PreparedSide::prepare(side, &SideSpec::ThisProgram, &preparation).map_err(|e| e.to_string())
        };
        // Once to see that it can be.
        prepare(bakeoff_reports::record::Side::A)?;
        let options = Options { progress: false, ..self.campaign.options(!self.costs.no_costs) };
        let asked = (gates, self.slower.as_slice());
        let (found, ended) = selftest::run(plan, asked, &options, context, &folder, |side| {
            prepare(side).expect("this program was prepared before")
        });
        // Gates that were finished are told, whatever came then.
        if found.levels.iter().any(|level| level.gates > 0) {
            let floor = cell.gated.iter().find(|one| one.figure == THROUGHPUT).map_or(0.03, |one| one.floor);
            let figures = u32::try_from(cell.gated.len()).unwrap_or(u32::MAX);
            output::print(&table(&found, floor, figures, plan.seed, SIMULATED))?;
        } else {
            // Nothing was begun: a folder that was made for it is empty.
            let _ = std::fs::remove_dir(&folder);
        }
        match ended {
            Ok(Ending::Complete) => Ok(Exit::Fine),
            Ok(Ending::Interrupted | Ending::NotBegun) => Ok(Exit::Interrupted),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// What was found, in at most 80 columns.
fn table(found: &SelfTestReport, floor: f64, figures: u32, seed: u64, gates: u32) -> String {
    let mut out = String::from("Whole gates on this machine\n");
    let _ = writeln!(out, "  slower     gates  regressed  rate, 95 % interval    ratio  took, median");
    for level in &found.levels {
        let _ = writeln!(out, "{}", row(level));
    }
    let costs: Vec<String> = found.levels.iter().filter_map(cost).collect();
    if !costs.is_empty() {
        let text = format!(
            "A request takes {:.1} us. What made it slower: {}.",
            found.request_ns / 1e3,
            costs.join(", ")
        );
        out.push('\n');
        out.push_str(&wrapped(&text, 80, ""));
    }
    let noise = centred(&found.noise);
    let _ = writeln!(
        out,
        "\nSimulated gates of {}, of which one has an effect put in: the {} pairs\nwithout a cost drawn again; of {} gates each, the share regressed, in percent",
        units::plural(u64::from(figures), "figure"),
        units::grouped(noise.len() as u64),
        units::grouped(u64::from(gates))
    );
    let heads: String = EFFECTS.iter().map(|effect| format!("{:>19}", percent(*effect))).collect();
    let _ = writeln!(out, "  rounds  budget{heads}");
    let rows: Option<Vec<String>> = [20, 40, 80, 160]
        .into_iter()
        .map(|rounds| simulated(&noise, found.pair, rounds, (floor, figures), seed, gates))
        .collect();
    match rows {
        Some(rows) => rows.iter().for_each(|row| {
            let _ = writeln!(out, "{row}");
        }),
        None => out.push_str("  too few pairs were valid\n"),
    }
    out.push_str(
        "\nIntervals are exact (Clopper and Pearson), of 95 %. A budget is what a search\n\
         of so many rounds and as many fresh ones take for one cell; what is clear takes\n\
         less. What two sides differ by in a whole run is taken off before pairs are\n\
         drawn: the gates above are the test of that, these of noise from pair to pair.\n",
    );
    out
}

fn percent(share: f64) -> String {
    if share == 0.0 { "none".into() } else { format!("+{} %", (share * 1e4).round() / 1e2) }
}

fn row(level: &Level) -> String {
    let (low, high) = rate::interval(level.alarms, level.gates);
    if level.gates == 0 {
        return format!("  {:9}  {:>5}", percent(level.slower), 0);
    }
    let share = level.alarms as f64 / level.gates as f64;
    let took: Vec<f64> = level.took.iter().map(Duration::as_secs_f64).collect();
    format!(
        "  {:9}  {:>5}  {:>9}  {:>5.1} % [{:>5.1}, {:>5.1}]  {:>7}  {:>9}",
        percent(level.slower),
        level.gates,
        level.alarms,
        share * 100.0,
        low * 100.0,
        high * 100.0,
        median(&level.factors).map_or_else(|| "-".into(), |factor| format!("{factor:.3}")),
        median(&took).map_or_else(|| "-".into(), |took| format!("{took:.0} s"))
    )
}

/// What a level cost: busy time on every request, at the median of its gates.
fn cost(level: &Level) -> Option<String> {
    let tax = median(&level.taxes_ns).filter(|tax| *tax > 0.0)?;
    Some(format!("{} by {tax:.0} ns of busy time", percent(level.slower)))
}

/// Gates simulated for each number.
const SIMULATED: u32 = 1_000;

/// The effects simulated; one of just what matters would come out either way.
const EFFECTS: [f64; 3] = [0.0, 0.05, 0.10];

/// A row: how often a search of so many rounds, and as many fresh ones, calls each effect a regression.
fn simulated(
    noise: &[f64],
    pair: Duration,
    rounds: u32,
    rule: (f64, u32),
    seed: u64,
    gates: u32,
) -> Option<String> {
    let (floor, figures) = rule;
    let mut cells = String::new();
    for effect in EFFECTS {
        let asked =
            Replay { gates, search_rounds: rounds, confirm_rounds: rounds, floor, effect, figures, seed };
        let tally = replay(noise, &asked)?;
        let (alarms, gates) = (u64::from(tally.of(Outcome::Regressed)), u64::from(tally.gates()));
        let (low, high) = rate::interval(alarms, gates);
        let share = alarms as f64 * 100.0 / gates.max(1) as f64;
        let _ = write!(cells, "{share:>6.1} [{:>4.1}, {:>5.1}]", low * 100.0, high * 100.0);
    }
    let budget = pair * rounds * 2;
    Some(format!("  {rounds:>6}  {:>4.0} s  {cells}", budget.as_secs_f64()))
}

/// The noise of all gates, each about its own median: what a gate is off by as a whole is no noise of its pairs.
fn centred(gates: &[Vec<f64>]) -> Vec<f64> {
    let about_median = |gate: &Vec<f64>| {
        let middle = median(gate).filter(|middle| middle.is_finite()).unwrap_or(0.0);
        gate.iter().map(|log| log - middle).collect::<Vec<_>>()
    };
    gates.iter().flat_map(about_median).filter(|log| log.is_finite()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found() -> SelfTestReport {
        let level = |slower: f64, alarms| Level {
            slower,
            gates: 5,
            alarms,
            taxes_ns: vec![slower * 9_000.0; 5],
            factors: vec![1.0 + slower],
            took: vec![Duration::from_secs(40)],
        };
        let noise = (0..200).map(|at| f64::from(at % 21 - 10) / 400.0).collect();
        SelfTestReport {
            levels: vec![level(0.0, 0), level(0.05, 4), level(0.10, 5)],
            noise: vec![noise],
            request_ns: 15_000.0,
            pair: Duration::from_millis(1_100),
        }
    }

    #[test]
    fn what_was_not_measured_is_no_number() {
        let mut found = found();
        found.levels.push(Level { slower: 0.2, ..Level::default() });
        found.levels.push(Level { slower: 0.3, gates: 1, ..Level::default() });
        found.noise.clear();
        let text = table(&found, 0.03, 1, 1, 12);
        assert!(!text.contains("NaN") && text.contains("too few"), "{text}");
        assert!(text.contains("+5 % by 450 ns of busy time"), "{text}");
    }

    #[test]
    fn the_table_is_narrow_and_more_rounds_find_more() {
        let text = table(&found(), 0.03, 1, 1, 12);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        let column = |rounds: &str, nth: usize| -> f64 {
            let row = text.lines().find(|line| line.trim_start().starts_with(rounds)).expect(&text);
            let shares: Vec<&str> = row.split('[').collect();
            let share = shares[nth].rsplit(']').next().unwrap_or_default();
            share.split_whitespace().last().and_then(|number| number.parse().ok()).expect(row)
        };
        assert_eq!(column("80 ", 0), 0.0, "no alarm without an effect: {text}");
        assert!(column("160 ", 1) >= column("20 ", 1), "{text}");
        assert_eq!(column("160 ", 2), 100.0, "+10 % in noise of 1.5 %: {text}");
    }
}
