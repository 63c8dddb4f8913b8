//! What was said, and who has heard it. Knows no socket and no text: messages, members and times are numbers.

/// What a line is to whoever hears it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    /// One for which the message waited.
    InTime {
        /// Nobody has heard it before.
        is_first: bool,
        /// All have heard it now.
        is_last: bool,
        /// The member has heard nothing later of the same speaker.
        in_order: bool,
    },
    /// One whose bytes are wrong.
    Wrong {
        /// The message was waited for, and has failed.
        fails: bool,
    },
    /// The message had timed out.
    Late,
    /// The member has heard it before.
    Copy,
}

struct Message {
    intended_ns: u64,
    sent_ns: u64,
    /// Members that have not heard it.
    missing: u32,
    /// It is answered, has failed or was given up: nothing waits for it.
    settled: bool,
    /// It took too long.
    timed_out: bool,
}

/// All messages of a trial, by their numbers. All memory is taken at once.
pub(super) struct Messages {
    /// Members that hear a message.
    hearers: u32,
    timeout_ns: u64,
    said: Vec<Message>,
    /// A bit for each member of each message.
    heard: Vec<u64>,
    words: usize,
    /// Of each member and each place in its circle: one more than the last number heard from there.
    last: Vec<u32>,
    size: usize,
    /// Messages before this one are settled.
    oldest: usize,
}

impl Messages {
    /// Room for `count` messages among `members` in circles of `size`, each with so many hearers.
    pub(super) fn new(count: usize, members: u32, size: u32, hearers: u32, timeout_ns: u64) -> Self {
        let (members, size, words) = (members as usize, size as usize, size.div_ceil(64) as usize);
        Self {
            hearers,
            timeout_ns,
            said: Vec::with_capacity(count),
            heard: vec![0; count * words],
            words,
            last: vec![0; members * size],
            size,
            oldest: 0,
        }
    }

    /// The next message is said.
    pub(super) fn said(&mut self, intended_ns: u64, sent_ns: u64) {
        self.said.push(Message {
            intended_ns,
            sent_ns,
            missing: self.hearers,
            settled: false,
            timed_out: false,
        });
    }

    /// When a message was due.
    pub(super) fn intended_ns(&self, number: usize) -> u64 {
        self.said[number].intended_ns
    }

    /// When it was said.
    pub(super) fn sent_ns(&self, number: usize) -> u64 {
        self.said[number].sent_ns
    }

    /// A member hears a message, with all its bytes or not: the one at `place` in its circle, from the one at `speaker`.
    pub(super) fn heard(
        &mut self,
        number: usize,
        hearer: u32,
        place: u32,
        speaker: u32,
        is_whole: bool,
    ) -> Delivery {
        let word = &mut self.heard[number * self.words + (place / 64) as usize];
        let bit = 1 << (place % 64);
        if *word & bit != 0 {
            return Delivery::Copy;
        }
        *word |= bit;
        let last = &mut self.last[hearer as usize * self.size + speaker as usize];
        let in_order = (*last as usize) <= number;
        *last = (*last).max(number as u32 + 1);
        let message = &mut self.said[number];
        message.missing -= 1;
        if message.timed_out {
            return Delivery::Late;
        }
        if !is_whole {
            return Delivery::Wrong { fails: !std::mem::replace(&mut message.settled, true) };
        }
        // Of one that has failed nobody is the last: it is not answered.
        let is_last = message.missing == 0 && !message.settled;
        message.settled |= is_last;
        Delivery::InTime { is_first: message.missing + 1 == self.hearers, is_last, in_order }
    }

    /// Waits for a message no more.
    pub(super) fn give_up(&mut self, number: usize) {
        self.said[number].settled = true;
    }

    /// When the next one times out, if any is waited for.
    pub(super) fn next_deadline_ns(&mut self) -> Option<u64> {
        while self.said.get(self.oldest)?.settled {
            self.oldest += 1;
        }
        Some(self.said[self.oldest].sent_ns + self.timeout_ns)
    }

    /// Gives up the next one that has timed out at `now_ns`; returns when it was due.
    pub(super) fn expired(&mut self, now_ns: u64) -> Option<u64> {
        if self.next_deadline_ns()? > now_ns {
            return None;
        }
        let message = &mut self.said[self.oldest];
        (message.settled, message.timed_out) = (true, true);
        Some(message.intended_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_time(is_first: bool, is_last: bool, in_order: bool) -> Delivery {
        Delivery::InTime { is_first, is_last, in_order }
    }

    #[test]
    fn a_message_is_answered_when_the_last_has_heard_it() {
        let mut messages = Messages::new(3, 3, 3, 2, 100);
        messages.said(10, 12);
        assert_eq!(messages.heard(0, 1, 1, 0, true), in_time(true, false, true));
        assert_eq!(messages.heard(0, 1, 1, 0, true), Delivery::Copy);
        assert_eq!(messages.heard(0, 2, 2, 0, true), in_time(false, true, true));
        assert_eq!((messages.next_deadline_ns(), messages.expired(1_000)), (None, None));
        assert_eq!((messages.intended_ns(0), messages.sent_ns(0)), (10, 12));
    }

    #[test]
    fn order_is_that_of_each_speaker_at_each_hearer() {
        let mut messages = Messages::new(3, 3, 3, 2, 100);
        (0..3).for_each(|at| messages.said(at, at));
        // 0 and 2 are of one speaker, 1 of another.
        assert_eq!(messages.heard(2, 1, 1, 0, true), in_time(true, false, true));
        assert_eq!(messages.heard(1, 1, 1, 2, true), in_time(true, false, true), "of another speaker");
        assert_eq!(messages.heard(0, 1, 1, 0, true), in_time(true, false, false), "overtaken");
        assert_eq!(messages.heard(0, 2, 2, 0, true), in_time(false, true, true), "by nobody here");
    }

    #[test]
    fn a_wrong_word_fails_its_message_once_and_the_others_are_still_in_time() {
        let mut messages = Messages::new(2, 4, 4, 3, 100);
        messages.said(10, 12);
        assert_eq!(messages.heard(0, 1, 1, 0, true), in_time(true, false, true));
        assert_eq!(messages.heard(0, 2, 2, 0, false), Delivery::Wrong { fails: true });
        assert_eq!(messages.heard(0, 3, 3, 0, true), in_time(false, false, true), "never answered");
        messages.said(20, 22);
        for (hearer, is_whole, delivery) in [
            (1, true, in_time(true, false, true)),
            (2, true, in_time(false, false, true)),
            (3, false, Delivery::Wrong { fails: true }),
        ] {
            assert_eq!(messages.heard(1, hearer, hearer, 1, is_whole), delivery, "the last is wrong");
        }
        assert_eq!(messages.expired(1_000), None);
    }

    #[test]
    fn what_not_all_hear_in_time_is_given_up_and_what_comes_then_is_late() {
        let mut messages = Messages::new(2, 130, 130, 129, 100);
        messages.said(10, 20);
        messages.said(11, 21);
        for hearer in 1..129 {
            assert_eq!(messages.heard(0, hearer, hearer, 0, true), in_time(hearer == 1, false, true));
        }
        assert_eq!(messages.expired(119), None);
        assert_eq!((messages.expired(120), messages.expired(120)), (Some(10), None));
        assert_eq!(messages.heard(0, 129, 129, 0, true), Delivery::Late);
        assert_eq!(messages.heard(0, 129, 129, 0, true), Delivery::Copy);
        messages.give_up(1);
        assert_eq!(messages.expired(1_000), None);
    }
}
