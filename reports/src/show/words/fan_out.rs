//! Who heard the messages of a chat, in words.

use crate::cells::cell::Cell;
use crate::record::FanOut;
use crate::record::histogram::Recorder;
use crate::show::units::{self, grouped};

/// How much was heard, how soon by the first, and what else happened: "heard 99.9 %, by the first after 80 µs, 2 too late".
pub(crate) fn deliveries(fan_out: &FanOut) -> String {
    let Some(reach) = fan_out.reach() else { return "nothing was said".to_owned() };
    let mut text = format!("heard {}", units::share(reach));
    let first = fan_out.first.as_ref().and_then(|first| Recorder::decode(first).ok());
    if let Some(first) = first.filter(|first| first.count() > 0) {
        let half = first.histogram().value_at_quantile(0.5);
        text += &format!(", by the first after {}", units::time(half as f64));
    }
    let FanOut { late, wrong, duplicated, reordered, unasked, gone, .. } = fan_out;
    for (count, what) in [
        (late, "too late"),
        (wrong, "wrong"),
        (duplicated, "twice"),
        (reordered, "out of order"),
        (unasked, "that nobody said"),
        (gone, "members cut off"),
    ] {
        if *count > 0 {
            text += &format!(", {} {what}", grouped(*count));
        }
    }
    if fan_out.slow > 0 {
        let gone = grouped(fan_out.slow_gone);
        text += &format!(", {gone} of {} cut off", units::plural(fan_out.slow, "slow member"));
    }
    if let Some(count) = fan_out.shut_out.filter(|count| *count > 0) {
        text += &format!(", {} shut out by the server's own count", grouped(count));
    }
    text
}

/// The same of all rounds of a model under a workload; `None` where nobody hears what others say, or nothing was measured.
pub(crate) fn of(cell: &Cell) -> Option<String> {
    Some(deliveries(cell.merged.as_ref()?.fan_out.as_ref()?))
}

/// What the words mean, where some members are slow or none is.
pub(crate) fn key(any_slow: bool) -> String {
    KEY.to_owned() + if any_slow { OF_SLOW } else { "" }
}

const KEY: &str = "A message is answered when the last member for whom it is has heard it, and is given up after the \
    timeout. Heard is the share of all deliveries, a message times its hearers, that came before that; by the first is the median \
    over messages of when the first member heard it, from when it was due.";

const OF_SLOW: &str = " A slow member never reads: no message waits for it, and what it leaves unread the server must keep, drop, or end its \
    connection for. It is cut off where it found an end when it read at last, after the trial; one that was not cut off has cost \
    the server memory until then. All that the others did not hear in time is told by heard, too late and the response times.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happened_is_said_and_nothing_else() {
        assert_eq!(deliveries(&FanOut::default()), "nothing was said");
        let all = FanOut { expected: 9_900, received: 9_900, ..FanOut::default() };
        assert_eq!(deliveries(&all), "heard 100 %");
        let mut first = Recorder::fine();
        first.record(80_000);
        let some = FanOut {
            received: 9_800,
            late: 60,
            reordered: 3,
            gone: 1,
            first: Some(first.encode()),
            ..all.clone()
        };
        let said = deliveries(&some);
        assert_eq!(
            said,
            "heard 99 %, by the first after 80.1 µs, 60 too late, 3 out of order, 1 members cut off"
        );
        let slow = FanOut { slow: 2, slow_gone: 1, shut_out: Some(1), ..all.clone() };
        let said = "heard 100 %, 1 of 2 slow members cut off, 1 shut out by the server's own count";
        assert_eq!(deliveries(&slow), said);
        assert_eq!(
            deliveries(&FanOut { slow: 1, shut_out: None, ..all }),
            "heard 100 %, 0 of 1 slow member cut off"
        );
        assert!(key(true).len() > key(false).len() && key(true).starts_with(&key(false)));
    }
}
