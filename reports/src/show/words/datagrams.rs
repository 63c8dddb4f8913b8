//! What became of datagrams, in words.

use crate::cells::cell::Cell;
use crate::record::{Datagrams, Reading};
use crate::show::units::grouped;
use std::collections::BTreeMap;

/// All that happened to them but being answered in time: "52 lost (up to 50 of these by the workload's loss), 3 late". What counts over
/// the whole trial and not over the window is a sentence of its own; `server` is how many found the server's receive buffer full, of a server that is
/// asked.
pub(crate) fn fates(datagrams: &Datagrams, server: Option<&Reading<u64>>) -> String {
    let Datagrams { lost, dropped, late, duplicated, reordered, strangers, unasked, overflowed } = datagrams;
    let mut text = format!("{} lost", grouped(*lost));
    if *dropped > 0 {
        text += &format!(" (up to {} of these by the workload's loss)", grouped(*dropped));
    }
    for (count, what) in [(late, "late"), (duplicated, "duplicated"), (reordered, "reordered")] {
        if *count > 0 {
            text += &format!(", {} {what}", grouped(*count));
        }
    }
    let mut whole = Vec::new();
    for (count, what) in [(*strangers, "from strangers, ignored"), (*unasked, "that reply to nothing")] {
        if count > 0 {
            whole.push(format!("{} {what}", grouped(count)));
        }
    }
    for (full, whose) in [(server, "the server"), (Some(overflowed), "the load generator itself")] {
        match full {
            None | Some(Reading::Value(0)) => {}
            Some(Reading::Value(count)) => {
                whole.push(format!("{} at a full receive buffer of {whose}", grouped(*count)));
            }
            Some(Reading::Absent(why)) => {
                whole.push(format!("full receive buffers of {whose} unknown ({why})"));
            }
        }
    }
    if !whole.is_empty() {
        text += &format!(". Over the whole trial, warm-up included: {}", whole.join(", "));
    }
    text
}

/// The same of all rounds of a model under a workload; `None` where its requests go over connections, or nothing was measured.
pub(crate) fn of(cell: &Cell) -> Option<String> {
    let merged = cell.merged.as_ref()?;
    Some(fates(merged.datagrams.as_ref()?, full_at_server(&cell.counted).as_ref()))
}

/// How many found the server's receive buffers full, as it counted in all rounds; `None` of one that counts nothing.
fn full_at_server(counted: &BTreeMap<String, u64>) -> Option<Reading<u64>> {
    if counted.get("overflows_untold").is_some_and(|sockets| *sockets > 0) {
        return Some(Reading::Absent("its kernel does not tell: SO_MEMINFO, since Linux 4.12".into()));
    }
    counted.get("overflowed").map(|count| Reading::Value(*count))
}

/// What the words mean.
pub(crate) const KEY: &str = "A datagram is lost when it is not back by the end of the trial, late when it comes back after the \
    timeout; both count as infinite. Those lost by the workload's loss are at most as many as said: the server may have lost one of them first. \
    Duplicated are further copies of a reply, reordered are replies that come behind the reply to a later datagram from the same \
    socket (RFC 4737); one that is late may be reordered, too.";

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
            fates(&many, Some(&Reading::Value(7))),
            "5,200 lost (up to 50 of these by the workload's loss), 3 late, 2 duplicated, 4 reordered. Over the whole trial, warm-up \
             included: 1 from strangers, ignored, 6 that reply to nothing, 7 at a full receive buffer of the server, 9 at a full \
             receive buffer of the load generator itself"
        );
        let untold = Datagrams { overflowed: Reading::Absent("why".into()), ..Datagrams::default() };
        assert!(
            fates(&untold, None).ends_with("full receive buffers of the load generator itself unknown (why)")
        );
    }

    #[test]
    fn what_a_server_cannot_tell_is_said_and_not_taken_for_none() {
        let counted =
            |rows: &[(&str, u64)]| rows.iter().map(|(name, count)| (String::from(*name), *count)).collect();
        assert_eq!(full_at_server(&counted(&[("requests", 3)])), None);
        assert_eq!(
            full_at_server(&counted(&[("overflowed", 3), ("overflows_untold", 0)])),
            Some(Reading::Value(3))
        );
        let untold = full_at_server(&counted(&[("overflowed", 3), ("overflows_untold", 1)]));
        assert!(
            fates(&Datagrams::default(), untold.as_ref())
                .contains("buffers of the server unknown (its kernel")
        );
    }
}
