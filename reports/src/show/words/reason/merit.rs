//! Why a model won where the figure of merit is no speed: what a request costs explains neither who survives a crash nor
//! what holding a connection takes. Other facts were measured beside those verdicts, and these are named.

use crate::cells::cell::Cell;
use crate::record::Metric;
use crate::show::units;

/// The reason that the costs of a request cannot give; `None` where they can.
pub(super) fn against(merit: Metric, best: &Cell, next: &Cell) -> Option<String> {
    match merit {
        Metric::Answered => survived(best, next),
        Metric::MemoryPerConnection => holders(best, next),
        _ => None,
    }
}

/// In how many rounds the servers lived to the end.
fn survived(best: &Cell, next: &Cell) -> Option<String> {
    let deaths = |cell: &Cell| cell.rounds.iter().filter(|round| round.server_died).count() as u64;
    let (ours, theirs) = (deaths(best), deaths(next));
    (theirs > ours).then(|| {
        format!(
            "The server of {} died in {} of {}, that of {} in {}.",
            next.model,
            units::grouped(theirs),
            units::plural(next.rounds.len() as u64, "round"),
            best.model,
            if ours == 0 { "none".to_owned() } else { units::grouped(ours) }
        )
    })
}

/// What the connections are held by.
fn holders(best: &Cell, next: &Cell) -> Option<String> {
    let counts = |cell: &Cell| {
        let of = |cost, one: &str, many: &str| {
            let count = cell.value(cost)?.round() as u64;
            Some(format!("{} {}", units::grouped(count), if count == 1 { one } else { many }))
        };
        let processes = of(Metric::Processes, "process", "processes")?;
        Some(format!("{processes} and {}", of(Metric::Threads, "thread", "threads")?))
    };
    Some(format!("{} held them in {}, {} in {}.", best.model, counts(best)?, next.model, counts(next)?))
}
