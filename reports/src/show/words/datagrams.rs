//! What became of datagrams, in words.

use crate::cells::cell::Cell;
use crate::record::{Datagrams, Reading};
use crate::show::units::grouped;

/// All that happened to them but being answered in time: "52 lost (50 of these by the workload's loss), 3 late". `server` is how many
/// found the server's receive buffer full, where it tells.
pub(crate) fn fates(datagrams: &Datagrams, server: Option<u64>) -> String {
    let Datagrams { lost, dropped, late, duplicated, reordered, strangers, unasked, overflowed } = datagrams;
    let mut reasons = Vec::new();
    if *dropped > 0 {
        reasons.push(format!("{} of these by the workload's loss", grouped(*dropped)));
    }
    if let Some(server) = server.filter(|count| *count > 0) {
        reasons.push(format!("{} dropped by the server's full receive buffer", grouped(server)));
    }
    let overflow = match overflowed {
        Reading::Value(count) => *count,
        Reading::Absent(_) => 0,
    };
    if overflow > 0 {
        reasons
            .push(format!("{} dropped by the load generator's own full receive buffers", grouped(overflow)));
    }
    let why = if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join(", ")) };
    let mut text = format!("{} lost{why}", grouped(*lost));
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
            "5,200 lost (50 of these by the workload's loss, 7 dropped by the server's full receive buffer, 9 dropped by \
             the load generator's own full receive buffers), 3 late, 2 duplicated, 4 reordered, 1 from strangers, ignored, 6 \
             that reply to nothing"
        );
    }
}
