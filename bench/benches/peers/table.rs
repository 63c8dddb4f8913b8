//! The comparison as a table: for each peer, the ratio of each figure, and whether the two witnesses differ.
//!
//! It never says "agree": an interval that holds 1 only fails to tell them apart.

use crate::Duel;
use crate::run::{Run, Stage};
use bakeoff_reports::stats::estimate::Estimate;
use bakeoff_reports::stats::median;
use bakeoff_reports::stats::paired::{Better, factor};
use bakeoff_reports::stats::random::Random;

/// Client CPU per request, ours over wrk's, that the swarm is to stay below.
const CPU_TARGET: f64 = 0.97;

/// A figure of a run, with how it is written.
struct Figure {
    name: &'static str,
    of: fn(&Run) -> Option<f64>,
    decimals: usize,
}

const CPU: &str = "client CPU a request, us";

const FIGURES: [Figure; 5] = [
    Figure { name: "requests/s", of: |run| Some(run.claim.rate_per_s), decimals: 0 },
    Figure { name: "mean latency, us", of: |run| run.claim.mean_us, decimals: 0 },
    Figure { name: "p50 latency, us", of: |run| run.claim.p50_us, decimals: 0 },
    Figure { name: "p99 latency, us", of: |run| run.claim.p99_us, decimals: 0 },
    Figure { name: CPU, of: |run| Some(run.cpu.as_secs_f64() * 1e6 / run.served as f64), decimals: 2 },
];

/// Prints what a model's duels came to.
pub(crate) fn print(stage: &Stage<'_>, model: &str, duels: &[Duel]) {
    let (connections, window) = (stage.connections, stage.window.as_secs_f64());
    println!("\n{model}, GET of 64 B, {connections} connections, closed loop, {window} s a run");
    for duel in duels {
        let name = duel.peer.name;
        println!(
            "\n  {:<25} {:>6}  {:<16}{:>8} {:>8}",
            format!("swarm / {name}"),
            "median",
            "95 % interval",
            "swarm",
            name
        );
        for figure in &FIGURES {
            row(model, duel, figure);
        }
        let connections = f64::from(connections);
        let little = |run: &Run| Some(run.claim.rate_per_s * run.claim.mean_us? / 1e6 / connections);
        witness(duel, "X R / N, by Little 1", little);
        witness(duel, "replies it says / served", |run| Some(run.claim.answered as f64 / run.served as f64));
        let window_cpu = medians(duel, |run| run.claim.window_cpu_us).0;
        if let (Some(us), "wrk") = (window_cpu, name) {
            println!("  The swarm's own CPU within its window alone, start and end left out: {us:.2} us.");
        }
        for line in duel.peer.known.lines() {
            println!("  {}", line.trim());
        }
    }
    let rounds = duels.iter().map(|duel| duel.rounds.len()).max().unwrap_or(0);
    println!("\n  {rounds} round(s). Latency is from the write of a request to the end of its reply,");
    println!("  as all of them count it. `differ`: the interval of the ratio leaves 1 out.");
}

fn row(model: &str, duel: &Duel, figure: &Figure) {
    let (ours, theirs): (Vec<_>, Vec<_>) =
        duel.rounds.iter().map(|(ours, theirs)| ((figure.of)(ours), (figure.of)(theirs))).unzip();
    let mut random = Random::named(1, &[model, duel.peer.name, figure.name]);
    // How many times more the swarm has than the peer, whichever is better.
    let ratio = factor(&ours, &theirs, Better::More, &mut random);
    let (our_median, their_median) = medians(duel, figure.of);
    let show = |value: Option<f64>| value.map_or("-".into(), |value| format!("{value:.*}", figure.decimals));
    let (text, verdict) = match &ratio {
        None => (format!("{:>6}  {:<16}", "-", "not printed"), ""),
        Some(ratio) => {
            let interval = format!("[{:.3}, {:.3}]", ratio.low, ratio.high);
            (format!("{:>6.3}  {interval:<16}", ratio.median), verdict(ratio, duel, figure))
        }
    };
    let line =
        format!("  {:<25} {text}{:>8} {:>8}  {verdict}", figure.name, show(our_median), show(their_median));
    println!("{}", line.trim_end());
}

/// Whether the two differ; for the CPU against wrk, whether the target is met.
fn verdict(ratio: &Estimate, duel: &Duel, figure: &Figure) -> &'static str {
    if ratio.rounds < 2 {
        return "";
    }
    if figure.name == CPU && duel.peer.name == "wrk" {
        return match ratio {
            _ if ratio.high <= CPU_TARGET => "<= 0.97",
            _ if ratio.low > CPU_TARGET => "> 0.97",
            _ => "0.97 ?",
        };
    }
    if ratio.low > 1.0 || ratio.high < 1.0 { "differ" } else { "" }
}

/// A line of two figures that stand for themselves.
fn witness(duel: &Duel, name: &str, of: impl Fn(&Run) -> Option<f64>) {
    let (ours, theirs) = medians(duel, of);
    let show = |value: Option<f64>| value.map_or("-".into(), |value| format!("{value:.4}"));
    println!("  {name:<25} {:>6}  {:<16}{:>8} {:>8}", "", "", show(ours), show(theirs));
}

/// The medians of a figure over the rounds: ours, theirs.
fn medians(duel: &Duel, of: impl Fn(&Run) -> Option<f64>) -> (Option<f64>, Option<f64>) {
    let (ours, theirs): (Vec<_>, Vec<_>) =
        duel.rounds.iter().map(|(ours, theirs)| (of(ours), of(theirs))).unzip();
    let middle = |values: Vec<Option<f64>>| median(&values.into_iter().flatten().collect::<Vec<_>>());
    (middle(ours), middle(theirs))
}
