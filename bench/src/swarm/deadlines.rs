//! Which slot times out next: a list threaded through the slots, oldest first.
//!
//! Every request has the same timeout, so deadlines come in the order of their sends and a plain list is a priority
//! queue: adding, removing and looking at the oldest cost a few writes and never allocate.

/// No slot.
const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Link {
    previous: u32,
    next: u32,
    deadline_ns: u64,
    listed: bool,
}

/// Deadlines of slots, in ascending order.
#[derive(Debug)]
pub(super) struct Deadlines {
    links: Vec<Link>,
    oldest: u32,
    newest: u32,
}

impl Deadlines {
    /// A list for slots 0 to `slots` - 1, none of which has a deadline yet.
    pub(super) fn new(slots: usize) -> Self {
        let link = Link { previous: NONE, next: NONE, deadline_ns: 0, listed: false };
        Self { links: vec![link; slots], oldest: NONE, newest: NONE }
    }

    /// Gives `slot` a deadline that is not before any other. Replaces the one it had.
    pub(super) fn set(&mut self, slot: u32, deadline_ns: u64) {
        self.clear(slot);
        let previous = self.newest;
        debug_assert!(previous == NONE || self.links[previous as usize].deadline_ns <= deadline_ns);
        self.links[slot as usize] = Link { previous, next: NONE, deadline_ns, listed: true };
        match previous {
            NONE => self.oldest = slot,
            _ => self.links[previous as usize].next = slot,
        }
        self.newest = slot;
    }

    /// Takes the deadline of `slot` away, if it has one.
    pub(super) fn clear(&mut self, slot: u32) {
        let link = self.links[slot as usize];
        if !link.listed {
            return;
        }
        self.links[slot as usize].listed = false;
        match link.previous {
            NONE => self.oldest = link.next,
            previous => self.links[previous as usize].next = link.next,
        }
        match link.next {
            NONE => self.newest = link.previous,
            next => self.links[next as usize].previous = link.previous,
        }
    }

    /// The slot whose deadline comes first, and when.
    pub(super) fn oldest(&self) -> Option<(u32, u64)> {
        (self.oldest != NONE).then(|| (self.oldest, self.links[self.oldest as usize].deadline_ns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_behaves_as_an_ordered_list(steps in proptest::collection::vec((0_u32..8, any::<bool>()), 0..200)) {
            let mut list = Deadlines::new(8);
            let mut model: Vec<(u32, u64)> = Vec::new();
            for (time, (slot, set)) in (0_u64..).zip(steps) {
                model.retain(|&(other, _)| other != slot);
                if set {
                    list.set(slot, time);
                    model.push((slot, time));
                } else {
                    list.clear(slot);
                }
                prop_assert_eq!(list.oldest(), model.first().copied());
            }
            for expected in model {
                prop_assert_eq!(list.oldest(), Some(expected));
                list.clear(expected.0);
            }
            prop_assert_eq!(list.oldest(), None);
        }
    }
}
