//! What finding out the costs costs: the same trial with sampling on and off, one right after the other.
//!
//! Two figures are held to 0.995: the throughput of the window, and the server's CPU time a reply in it, which drifts
//! less. A third has no target and says why counters of events may not run in the window: the throughput while they run
//! before it, over the throughput beside them, within one trial.

use bakeoff::process::context::Context;
use bakeoff::process::launch::{Interrupt, Launcher};
use bakeoff::trial::{Conditions, TrialId};
use bakeoff::workload::scenario::Scenario;
use bakeoff_reports::record::{Reading, Trial, WARMUP_SLICES};
use bakeoff_reports::stats::median;
use bakeoff_reports::stats::paired::{Better, factor};
use bakeoff_reports::stats::random::Random;
use std::ops::Range;
use std::time::Duration;

/// What `cargo bench --bench ratios -- NAME` runs alone.
pub(crate) const NAME: &str = "sampling";

/// Sampling may cost half a per cent.
const TARGET: f64 = 0.995;

const MODELS: [&str; 4] = ["mio-event-loop", "tokio", "thread-per-client", "fork-per-client"];

/// What one trial says of interest here.
struct Figures {
    rate: f64,
    cpu_ns: Option<f64>,
    /// Rate while system calls are counted, and while other events are, over the rate beside them.
    counting: [Option<f64>; 2],
}

/// Runs `rounds` of every pair and prints them.
pub(crate) fn run(interrupt: Interrupt, rounds: u32, window: Duration) -> Result<(), String> {
    let launcher = Launcher { program: env!("CARGO_BIN_EXE_bakeoff").into(), interrupt };
    let context = Context::on_loopback(launcher);
    println!("\nsampling on over off, 0.995 asked");
    println!("  {:<40} {:>8}  {:<15}", "workload, model, figure", "median", "95 % interval");
    for workload in ["small-echo-closed", "churn"] {
        let mut scenario = Scenario::built_in(workload).ok_or("there is no such built-in scenario")?;
        scenario.timing.window = window;
        let trial = |model: &str, round: u32, costs: bool| {
            let conditions = Conditions { context: &context, seed: 1, costs, probe: None };
            // A run counts events in its first two rounds only; here it is asked of all.
            let id = TrialId { round: round % 2, ..TrialId::default() };
            let trial = conditions.trial(id, &scenario, model, context.model(model));
            let trial = trial.map_err(|_| "interrupted".to_string())?;
            figures(&trial)
        };
        for model in MODELS {
            let mut random = Random::named(1, &[workload, model]);
            let mut pairs = Vec::new();
            for round in 0..rounds {
                let (on, off);
                if random.below(2) == 0 {
                    on = trial(model, round, true)?;
                    off = trial(model, round, false)?;
                } else {
                    off = trial(model, round, false)?;
                    on = trial(model, round, true)?;
                }
                pairs.push((on, off));
            }
            print(&format!("{workload}, {model}"), &pairs);
        }
    }
    Ok(())
}

fn figures(trial: &Trial) -> Result<Figures, String> {
    let measured = match &trial.measured {
        Reading::Value(measured) => measured,
        Reading::Absent(why) => return Err(format!("{}: {why}: {:?}", trial.model, trial.invalid)),
    };
    let completed = measured.completed_in_window as f64;
    let slices = &measured.warmup_completed;
    let rate = |range: Range<usize>| -> f64 {
        slices.get(range.clone()).map_or(0.0, |s| s.iter().sum::<u64>() as f64 / range.len() as f64)
    };
    // The phases of counting, without their first slice, and the slices beside them.
    let beside = [rate(8..12), rate(20..22)];
    let counting = [rate(13..18) / beside[0], rate(23..28) / beside[1]].map(|r| r.is_finite().then_some(r));
    assert_eq!(slices.len(), WARMUP_SLICES);
    Ok(Figures {
        rate: completed * 1e9 / measured.window_ns as f64,
        cpu_ns: trial.usage.window_cpu_ns.value().map(|ns| *ns as f64 / completed.max(1.0)),
        counting,
    })
}

fn print(name: &str, pairs: &[(Figures, Figures)]) {
    println!("  {name}");
    let side = |figure: &dyn Fn(&Figures) -> Option<f64>| -> (Vec<_>, Vec<_>) {
        pairs.iter().map(|(on, off)| (figure(on), figure(off))).unzip()
    };
    let figures: [(&str, Better, (Vec<_>, Vec<_>)); 2] = [
        ("throughput", Better::More, side(&|f| Some(f.rate))),
        ("replies per server CPU time", Better::Less, side(&|f| f.cpu_ns)),
    ];
    for (figure, better, (on, off)) in figures {
        let mut random = Random::named(1, &[name, figure]);
        let Some(ratio) = factor(&on, &off, better, &mut random) else { continue };
        let verdict = match TARGET {
            target if ratio.low >= target => "met",
            target if ratio.high < target => "missed",
            target if ratio.median >= target => "met by the median",
            _ => "missed by the median",
        };
        println!("    {figure:<38} {:>8.3}  [{:.3}, {:.3}]  {verdict}", ratio.median, ratio.low, ratio.high);
    }
    for (at, what) in ["while system calls are counted", "while other events are counted"].iter().enumerate()
    {
        let rates: Vec<f64> = pairs.iter().filter_map(|(on, _)| on.counting[at]).collect();
        if let Some(rate) = median(&rates) {
            println!("    {:<38} {rate:>8.3}", format!("throughput {what}"));
        }
    }
}
