//! What several runs of the same say together, as text. Never computes a figure.

use crate::ask::replication::{Replicated, ReplicatedPair, Replication};
use crate::show::layout::{clean, push, push_wrapped};
use crate::show::units;
use std::fmt::Write as _;

/// The verdicts of each workload with how often they repeat, and the pairs that differ most.
pub fn text(replication: &Replication, width: usize) -> String {
    let mut out = String::new();
    let width = width.max(40);
    let contradictions = replication.contradictions();
    let head = format!(
        "{} of the same; {}.",
        units::plural(replication.runs as u64, "run"),
        match contradictions {
            0 => "no two contradict each other".to_owned(),
            some => format!("{} on which two contradict each other", units::plural(some as u64, "pair")),
        }
    );
    push(&mut out, &head, width, "");
    for workload in &replication.workloads {
        let _ = writeln!(out, "\n{}", clean(&workload.workload));
        push(&mut out, &verdicts(workload), width, "  ");
        for pair in &workload.pairs {
            push_wrapped(&mut out, &of_pair(pair), width, "    ", str::to_owned);
        }
    }
    push(
        &mut out,
        "The interval of a factor is of the runs as units, 95 % for each by itself: what changes from run to run is in it.",
        width,
        "",
    );
    out
}

fn verdicts(workload: &Replicated) -> String {
    let of = |count: usize| format!("{count} of {}", workload.runs);
    let statuses: Vec<String> =
        workload.statuses.iter().map(|(status, count)| format!("{status} in {}", of(*count))).collect();
    let winners: Vec<String> =
        workload.winners.iter().map(|(model, count)| format!("{model} in {}", of(*count))).collect();
    let winners = if winners.is_empty() { "nobody".to_owned() } else { winners.join(", ") };
    format!("{}. Winners: {winners}.", statuses.join(", "))
}

fn of_pair(pair: &ReplicatedPair) -> String {
    let (factor, interval) = pair.together;
    let interval =
        interval.map_or_else(String::new, |(low, high)| format!(" ({})", units::interval(low, high)));
    let mut claims = vec![format!("behind in {} of {}", pair.behind, pair.runs)];
    if pair.near > 0 {
        claims.push(format!("near in {}", pair.near));
    }
    if pair.reversed > 0 {
        claims.push(format!("ahead in {}", pair.reversed));
    }
    if pair.contradictions > 0 {
        claims.push(format!("{} CONTRADICT", units::plural(pair.contradictions as u64, "run")));
    }
    format!("{} to {}: {}{interval}, {}", pair.other, pair.ahead, units::factor(factor), claims.join(", "))
}
