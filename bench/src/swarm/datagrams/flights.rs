//! Which datagrams are under way, and what a reply is: the first in time, late, or a copy.
//!
//! Datagrams of a worker are numbered in the order they are sent, in steps of the number of workers. Those that time out are kept
//! apart until the end: what has not come back by then is lost. Memory goes with what is unanswered, and not with what was sent.

use std::collections::{BTreeMap, HashMap};

/// A datagram that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flight {
    pub(super) intended_ns: u64,
    pub(super) sent_ns: u64,
    /// The socket it left from.
    pub(super) flow: u32,
}

impl Flight {
    pub(super) fn new(intended_ns: u64, sent_ns: u64, flow: u32) -> Self {
        Self { intended_ns, sent_ns, flow }
    }

    /// Whether a reply that came to this socket with this stamp is to it.
    fn is_of(&self, flow: u32, sent_ns: u64) -> bool {
        (self.flow, self.sent_ns) == (flow, sent_ns)
    }
}

/// What a reply with a number and a stamp is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// The first, in time.
    InTime(Flight),
    /// The first, and this datagram had been given up.
    Late(Flight),
    /// A copy of one that came before, if its payload says so, too.
    Copy,
    /// Nothing was ever sent from this socket that this is a reply to.
    Unasked,
}

/// The datagrams of one worker.
#[derive(Debug)]
pub(super) struct Flights {
    shard: u64,
    shards: u64,
    timeout_ns: u64,
    /// How many were begun.
    begun: u64,
    /// Those that have no reply and have time, by the order they were sent in.
    under_way: BTreeMap<u64, Flight>,
    /// Those that timed out and have not come back, by the same.
    missing: HashMap<u64, Flight>,
}

impl Flights {
    pub(super) fn new(shard: u32, shards: u32, timeout_ns: u64) -> Self {
        Self {
            shard: shard.into(),
            shards: shards.into(),
            timeout_ns,
            begun: 0,
            under_way: BTreeMap::new(),
            missing: HashMap::with_capacity(1024),
        }
    }

    /// The number of the next datagram.
    pub(super) fn next_number(&self) -> u64 {
        self.number(self.begun)
    }

    fn number(&self, ordinal: u64) -> u64 {
        self.shard + ordinal * self.shards
    }

    /// The next datagram leaves.
    pub(super) fn push(&mut self, flight: Flight) {
        self.under_way.insert(self.begun, flight);
        self.begun += 1;
    }

    /// The last datagram could not be sent after all.
    pub(super) fn withdraw(&mut self) {
        self.under_way.pop_last();
    }

    /// A reply with this number, stamped with this send time, has come to the socket of `flow`; those that had timed out by then were
    /// taken before.
    pub(super) fn arrived(&mut self, number: u64, sent_ns: u64, flow: u32) -> Arrival {
        let offset = number.wrapping_sub(self.shard);
        let ordinal = offset / self.shards;
        if !offset.is_multiple_of(self.shards) || number < self.shard || ordinal >= self.begun {
            return Arrival::Unasked;
        }
        if let Some(flight) = self.under_way.get(&ordinal).copied() {
            if !flight.is_of(flow, sent_ns) {
                return Arrival::Unasked;
            }
            self.under_way.remove(&ordinal);
            return Arrival::InTime(flight);
        }
        match self.missing.get(&ordinal).copied() {
            Some(flight) if flight.is_of(flow, sent_ns) => {
                self.missing.remove(&ordinal);
                Arrival::Late(flight)
            }
            Some(_) => Arrival::Unasked,
            None => Arrival::Copy,
        }
    }

    /// When the next one times out, if any is under way.
    pub(super) fn next_deadline_ns(&self) -> Option<u64> {
        let (_, first) = self.under_way.first_key_value()?;
        Some(first.sent_ns + self.timeout_ns)
    }

    /// Takes the next one that has timed out at `now_ns`.
    pub(super) fn expired(&mut self, now_ns: u64) -> Option<Flight> {
        if self.next_deadline_ns()? > now_ns {
            return None;
        }
        let (ordinal, flight) = self.under_way.pop_first()?;
        self.missing.insert(ordinal, flight);
        Some(flight)
    }

    /// Whether any timed out and has not come back.
    pub(super) fn any_missing(&self) -> bool {
        !self.missing.is_empty()
    }

    /// The numbers of all that have had no reply.
    pub(super) fn unanswered(&self) -> impl Iterator<Item = u64> {
        let under_way = self.under_way.keys().map(|ordinal| self.number(*ordinal));
        under_way.chain(self.lost().map(|(number, _)| number))
    }

    /// The numbers of those that timed out and never came back, with what is known of each.
    pub(super) fn lost(&self) -> impl Iterator<Item = (u64, &Flight)> {
        self.missing.iter().map(|(ordinal, flight)| (self.number(*ordinal), flight))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT_NS: u64 = 100;

    /// The second of three workers, with datagrams sent at 10, 20 and 30.
    fn flights() -> Flights {
        let mut flights = Flights::new(1, 3, TIMEOUT_NS);
        for (at, number) in [(10, 1), (20, 4), (30, 7)] {
            assert_eq!(flights.next_number(), number);
            flights.push(Flight::new(at, at, 0));
        }
        flights
    }

    #[test]
    fn a_reply_is_the_first_late_a_copy_or_unasked() {
        let mut flights = flights();
        assert!(matches!(flights.arrived(4, 20, 0), Arrival::InTime(flight) if flight.intended_ns == 20));
        assert_eq!(flights.arrived(4, 20, 0), Arrival::Copy);
        assert_eq!(flights.expired(109), None);
        assert_eq!(flights.expired(110).map(|flight| flight.sent_ns), Some(10));
        assert_eq!(flights.expired(110), None, "the second has its reply, the third has time");
        assert!(matches!(flights.arrived(1, 10, 0), Arrival::Late(flight) if flight.sent_ns == 10));
        assert_eq!(flights.arrived(1, 10, 0), Arrival::Copy, "late and once more");
        assert_eq!(flights.arrived(4, 20, 0), Arrival::Copy, "long gone");
        for (number, sent_ns) in [(7, 31), (10, 30), (0, 10), (2, 10), (u64::MAX, 0)] {
            assert_eq!(flights.arrived(number, sent_ns, 0), Arrival::Unasked, "{number}");
        }
        assert_eq!((flights.lost().count(), flights.unanswered().collect::<Vec<_>>()), (0, vec![7]));
    }

    #[test]
    fn a_reply_to_another_socket_is_unasked_and_settles_nothing() {
        let mut flights = flights();
        assert_eq!(flights.arrived(4, 20, 1), Arrival::Unasked);
        assert!(matches!(flights.arrived(4, 20, 0), Arrival::InTime(_)));
        assert!(flights.expired(110).is_some());
        assert_eq!(flights.arrived(1, 10, 1), Arrival::Unasked, "given up, and still nobody else's");
        assert!(matches!(flights.arrived(1, 10, 0), Arrival::Late(_)));
    }

    #[test]
    fn one_that_is_missing_holds_no_memory_of_those_behind_it() {
        let mut flights = Flights::new(0, 1, TIMEOUT_NS);
        for number in 0..1_000 {
            flights.push(Flight::new(number, number, 0));
            assert!(number == 0 || matches!(flights.arrived(number, number, 0), Arrival::InTime(_)));
        }
        assert_eq!((flights.under_way.len(), flights.unanswered().collect::<Vec<_>>()), (1, vec![0]));
    }

    #[test]
    fn what_never_comes_is_lost_by_its_number() {
        let mut flights = flights();
        flights.push(Flight::new(40, 40, 0));
        flights.withdraw();
        flights.arrived(4, 20, 0);
        while flights.expired(1_000).is_some() {}
        let mut lost: Vec<u64> = flights.lost().map(|(number, _)| number).collect();
        lost.sort_unstable();
        assert_eq!(lost, [1, 7]);
        assert_eq!(flights.unanswered().count(), 2);
        assert_eq!((flights.next_deadline_ns(), flights.next_number()), (None, 13));
    }
}
