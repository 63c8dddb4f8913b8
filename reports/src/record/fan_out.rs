//! Whom a message of a chat is for, and who heard it.

use super::EncodedHistogram;
use super::histogram::{HistogramError, Recorder};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Whom a message is for: the members of a chat form circles of one size, and who speaks in one is heard by all others in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Audience {
    /// How it is reached.
    pub kind: AudienceKind,
    /// Members of a circle, the speaker included; 2 or more.
    pub size: u32,
    /// Those of a circle that never read; nobody waits for them, and they say nothing. At least two others do read.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub slow: u32,
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// How an audience is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AudienceKind {
    /// Unicast: a whisper to one member.
    One,
    /// Multicast: to a group of members that may be in any room.
    Group,
    /// Broadcast: to a whole room.
    Room,
}

impl AudienceKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::One, Self::Group, Self::Room];

    /// Its name, as in scenario files.
    pub fn name(self) -> &'static str {
        match self {
            Self::One => "one",
            Self::Group => "group",
            Self::Room => "room",
        }
    }
}

impl Audience {
    /// Members of a circle that read, and speak in turn.
    pub fn readers(self) -> u32 {
        self.size.saturating_sub(self.slow)
    }

    /// Members for whom a message waits: the others that read.
    pub fn hearers(self) -> u32 {
        self.readers().saturating_sub(1)
    }
}

impl fmt::Display for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            AudienceKind::One => f.write_str("unicast: a whisper to one member"),
            AudienceKind::Group => write!(f, "multicast: groups of {}", self.size),
            AudienceKind::Room => write!(f, "broadcast: rooms of {}", self.size),
        }?;
        if self.slow > 0 { write!(f, ", of which {} never read", self.slow) } else { Ok(()) }
    }
}

/// What became of the deliveries of a window's messages: one for each member that should hear a message.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FanOut {
    /// Messages times hearers; a slow member is none.
    pub expected: u64,
    /// Heard, rightly, before the message was given up.
    pub received: u64,
    /// Heard after that.
    pub late: u64,
    /// Heard with wrong bytes; the message has failed, and is waited for no more.
    pub wrong: u64,
    /// Heard once more.
    pub duplicated: u64,
    /// Heard by a member that had heard something later of the same speaker.
    pub reordered: u64,
    /// Lines that nobody said, or that were for somebody else; of the whole trial.
    pub unasked: u64,
    /// Members that read and whose connection the server has ended, of the whole trial.
    pub gone: u64,
    /// Members that never read, of the whole trial.
    #[serde(default)]
    pub slow: u64,
    /// Of those, the ones that found an end when they read at last, after the trial.
    #[serde(default)]
    pub slow_gone: u64,
    /// Members that the server has shut out by its own count, of the whole trial; absent where it does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shut_out: Option<u64>,
    /// From when a message was due until the first member heard it; absent where nobody heard any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<EncodedHistogram>,
}

impl FanOut {
    /// The share of the deliveries that were made in time, 0 to 1; `None` where none was expected.
    pub fn reach(&self) -> Option<f64> {
        (self.expected > 0).then(|| self.received as f64 / self.expected as f64)
    }

    /// Each count by its name, in a fixed order; `None` where it is not known.
    pub fn rows(&self) -> [(&'static str, Option<u64>); 11] {
        [
            ("expected", Some(self.expected)),
            ("received", Some(self.received)),
            ("late", Some(self.late)),
            ("wrong", Some(self.wrong)),
            ("duplicated", Some(self.duplicated)),
            ("reordered", Some(self.reordered)),
            ("unasked", Some(self.unasked)),
            ("gone", Some(self.gone)),
            ("slow", Some(self.slow)),
            ("slow_gone", Some(self.slow_gone)),
            ("shut_out", self.shut_out),
        ]
    }

    /// The counts and times of both.
    ///
    /// # Errors
    /// A histogram that cannot be read.
    pub fn plus(&self, other: &Self) -> Result<Self, HistogramError> {
        let first = match (&self.first, &other.first) {
            (Some(one), Some(other)) => {
                let mut both = Recorder::decode(one)?;
                both.merge(&Recorder::decode(other)?);
                Some(both.encode())
            }
            (one, other) => one.as_ref().or(other.as_ref()).cloned(),
        };
        Ok(Self {
            expected: self.expected.saturating_add(other.expected),
            received: self.received.saturating_add(other.received),
            late: self.late.saturating_add(other.late),
            wrong: self.wrong.saturating_add(other.wrong),
            duplicated: self.duplicated.saturating_add(other.duplicated),
            reordered: self.reordered.saturating_add(other.reordered),
            unasked: self.unasked.saturating_add(other.unasked),
            gone: self.gone.saturating_add(other.gone),
            slow: self.slow.saturating_add(other.slow),
            slow_gone: self.slow_gone.saturating_add(other.slow_gone),
            shut_out: self.shut_out.zip(other.shut_out).map(|(one, other)| one.saturating_add(other)),
            first,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reach_is_what_was_heard_of_what_should_have_been() {
        let mut first = Recorder::fine();
        first.record(7);
        let first = Some(first.encode());
        let one =
            FanOut { expected: 400, received: 300, late: 2, shut_out: Some(1), first, ..FanOut::default() };
        let other = FanOut { expected: 100, received: 100, gone: 1, shut_out: Some(2), ..FanOut::default() };
        let sum = one.plus(&other).expect("sound histograms");
        assert_eq!((sum.reach(), sum.late, sum.gone, sum.shut_out), (Some(0.8), 2, 1, Some(3)));
        assert_eq!(
            FanOut::default().plus(&one).expect("sound histograms").shut_out,
            None,
            "one does not tell"
        );
        assert_eq!(sum.first, one.first);
        assert_eq!(sum.plus(&one).expect("sound histograms").first.map(|first| first.count), Some(2));
        assert_eq!(FanOut::default().reach(), None);
    }
}
