//! What became of datagrams, in words.

use crate::cells::cell::Cell;
use crate::record::Datagrams;
use crate::show::units::grouped;

/// All that happened to them but being answered in time: "52 lost (50 of these by the workload's loss), 3 late". Full receive buffers
/// are told apart, since they count over the whole trial; `server` is how many found the server's full, where it tells.
pub(crate) fn fates(datagrams: &Datagrams, server: Option<u64>) -> String {
    let Datagrams { lost, dropped, late, duplicated, reordered, strangers, unasked, overflowed } = datagrams;
    let mut text = format!("{} lost", grouped(*lost));
    if *dropped > 0 {
        text += &format!(" ({} of these by the workload's loss)", grouped(*dropped));
    }
    for (count, what) in [
        (late, "late"),
        (duplicated, "duplicated"),
        (reordered, "reordered"),
        (strangers, "from strangers, ignored"),
        (unasked, "that reply to nothing"),
    ] {
        if *count > 0 {
            text += &format!(", {} {what}", grouped(*count));
        }
    }
    let swarm = overflowed.value().copied().unwrap_or(0);
    let full = [(server.unwrap_or(0), "the server"), (swarm, "the load generator itself")];
    let full = full.into_iter().filter(|(count, _)| *count > 0);
    let full: Vec<String> = full.map(|(count, whose)| format!("{} at {whose}", grouped(count))).collect();
    if !full.is_empty() {
        text += &format!(", full receive buffers (warm-up included): {}", full.join(", "));
    }
    text
}

/// The same of all rounds of a model under a workload; `None` where its requests go over connections, or nothing was measured.
pub(crate) fn of(cell: &Cell) -> Option<String> {
    let merged = cell.merged.as_ref()?;
    Some(fates(merged.datagrams.as_ref()?, cell.counted.get("overflowed").copied()))
}

/// What the words mean.
pub(crate) const KEY: &str = "A datagram is lost when it is not back by the end of the trial, late when it comes back after the \
    timeout; both count as infinite. Duplicated are further copies of a reply, reordered are replies that come behind the reply to \
    a later datagram from the same socket (RFC 4737).";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Reading;

    #[test]
    fn every_fate_that_occurred_is_named_and_no_other() {
        assert_eq!(fates(&Datagrams::default(), None), "0 lost");
        let many = Datagrams {
            lost: 5_200,
            dropped: 50,
            late: 3,
            duplicated: 2,
            reordered: 4,
            strangers: 1,
            unasked: 6,
            overflowed: Reading::Value(9),
        };
        assert_eq!(
            fates(&many, Some(7)),
            "5,200 lost (50 of these by the workload's loss), 3 late, 2 duplicated, 4 reordered, 1 from strangers, ignored, 6 \
             that reply to nothing, full receive buffers (warm-up included): 7 at the server, 9 at the load generator itself"
        );
    }
}
