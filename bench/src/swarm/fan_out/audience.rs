//! Who hears whom, and what that looks like in the chat's protocol: a pure function of a message's number.

use bakeoff_reports::record::{Audience, AudienceKind};
use bakeoff_servers::services::payload::Block;
use std::io::Write as _;

/// Bytes of a message's number in its text, in hexadecimal.
const NUMBER: usize = 8;

/// Members in circles of one size: member `m` is in circle `m / size`, at place `m % size`. The last places are those of the slow.
pub(super) struct Circles {
    audience: Audience,
    members: u32,
    /// Bytes of what is said, the line feed included.
    bytes: u32,
    block: Block,
}

impl Circles {
    pub(super) fn new(audience: Audience, members: u32, bytes: u32) -> Self {
        Self { audience, members, bytes, block: Block::printable(bytes) }
    }

    /// Members of a circle.
    pub(super) fn size(&self) -> u32 {
        self.audience.size
    }

    /// Members that a message waits for.
    pub(super) fn hearers(&self) -> u32 {
        self.audience.hearers()
    }

    /// Who says the message of that number: all members that read in turn, and those who follow each other in different circles.
    pub(super) fn speaker(&self, number: usize) -> u32 {
        let circles = self.members / self.size();
        let speakers = circles * self.audience.readers();
        let turn = (number as u64 % u64::from(speakers)) as u32;
        (turn % circles) * self.size() + turn / circles
    }

    /// A member's place in its circle.
    pub(super) fn place(&self, member: u32) -> u32 {
        member % self.size()
    }

    /// Whether a member never reads.
    pub(super) fn is_slow(&self, member: u32) -> bool {
        self.place(member) >= self.audience.readers()
    }

    /// What a member says at first.
    pub(super) fn introduction(&self, member: u32) -> Vec<u8> {
        let circle = member / self.size();
        let place = match self.audience.kind {
            AudienceKind::Room => format!("/join r{circle}\n"),
            AudienceKind::Group => format!("/enter g{circle}\n"),
            AudienceKind::One => String::new(),
        };
        format!("/name m{member}\n{place}").into()
    }

    /// All that it is answered until it is in.
    pub(super) fn welcome(&self, member: u32) -> Vec<u8> {
        let circle = member / self.size();
        let place = match self.audience.kind {
            AudienceKind::Room => format!("* you are in r{circle}\n"),
            AudienceKind::Group => format!("* you hear g{circle}\n"),
            AudienceKind::One => String::new(),
        };
        format!("* you are m{member}\n{place}").into()
    }

    /// Whether a line is one of those.
    pub(super) fn greets(&self, member: u32, line: &[u8]) -> bool {
        self.welcome(member).split_inclusive(|&byte| byte == b'\n').any(|one| one == line)
    }

    /// Appends what the speaker of a message sends.
    pub(super) fn write(&self, number: usize, to: &mut Vec<u8>) {
        let speaker = self.speaker(number);
        let circle = speaker / self.size();
        let _ = match self.audience.kind {
            AudienceKind::Room => Ok(()),
            AudienceKind::Group => write!(to, "/to g{circle} "),
            AudienceKind::One => write!(to, "/whisper m{} ", speaker ^ 1),
        };
        let _ = write!(to, "{number:0NUMBER$x}");
        to.extend_from_slice(self.block.payload(number as u64, self.rest()));
        to.push(b'\n');
    }

    /// Bytes of the text behind its number.
    fn rest(&self) -> u32 {
        self.bytes - NUMBER as u32 - 1
    }

    /// The number of the message in a line that `hearer` hears, of those before `said`, if it is one that it should hear; and
    /// whether every byte of it is right.
    pub(super) fn read(&self, hearer: u32, line: &[u8], said: usize) -> Option<(usize, bool)> {
        let text = line.len().checked_sub(self.bytes as usize)?;
        let (head, text) = line.split_at(text);
        let number = std::str::from_utf8(&text[..NUMBER]).ok()?;
        let number = usize::from_str_radix(number, 16).ok().filter(|number| *number < said)?;
        let speaker = self.speaker(number);
        let circle = speaker / self.size();
        if speaker == hearer || circle != hearer / self.size() {
            return None;
        }
        let expected = match self.audience.kind {
            AudienceKind::Room => format!("m{speaker}: "),
            AudienceKind::Group => format!("m{speaker} (to g{circle}): "),
            AudienceKind::One => format!("m{speaker} (to you): "),
        };
        let payload = &text[NUMBER..text.len() - 1];
        let is_whole = head == expected.as_bytes()
            && payload == self.block.payload(number as u64, self.rest())
            && text.ends_with(b"\n");
        Some((number, is_whole))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circles(kind: AudienceKind, size: u32) -> Circles {
        Circles::new(Audience { kind, size, slow: 0 }, 12, 32)
    }

    #[test]
    fn everybody_speaks_in_turn() {
        for (kind, size) in [(AudienceKind::Room, 12), (AudienceKind::Group, 4), (AudienceKind::One, 2)] {
            let circles = circles(kind, size);
            let mut speakers: Vec<u32> = (0..12).map(|number| circles.speaker(number)).collect();
            assert_eq!(circles.speaker(12), speakers[0]);
            speakers.sort_unstable();
            assert_eq!(speakers, (0..12).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_slow_are_the_last_of_each_circle_and_say_nothing() {
        let circles = Circles::new(Audience { kind: AudienceKind::Room, size: 4, slow: 1 }, 12, 32);
        let slow: Vec<u32> = (0..12).filter(|member| circles.is_slow(*member)).collect();
        assert_eq!((slow.as_slice(), circles.hearers()), ([3, 7, 11].as_slice(), 2));
        let mut speakers: Vec<u32> = (0..9).map(|number| circles.speaker(number)).collect();
        assert_eq!(circles.speaker(9), speakers[0]);
        speakers.sort_unstable();
        assert_eq!(speakers, [0, 1, 2, 4, 5, 6, 8, 9, 10]);
    }

    #[test]
    fn a_line_is_known_by_those_who_should_hear_it() {
        for (kind, size, head) in [
            (AudienceKind::Room, 12, "m1: "),
            (AudienceKind::Group, 4, "m4 (to g1): "),
            (AudienceKind::One, 2, "m2 (to you): "),
        ] {
            let circles = circles(kind, size);
            let mut sent = Vec::new();
            circles.write(1, &mut sent);
            let text = &sent[sent.len() - 32..];
            let line = [head.as_bytes(), text].concat();
            let speaker = circles.speaker(1);
            for hearer in 0..12 {
                let is_for_it = hearer != speaker && hearer / size == speaker / size;
                assert_eq!(
                    circles.read(hearer, &line, 2),
                    is_for_it.then_some((1, true)),
                    "{kind:?} {hearer}"
                );
            }
            let hearer = speaker ^ 1;
            assert_eq!(circles.read(hearer, &line, 1), None, "it was not said");
            let mut wrong = line.clone();
            wrong[line.len() - 3] ^= 1;
            assert_eq!(circles.read(hearer, &wrong, 2), Some((1, false)));
            assert_eq!(circles.read(hearer, b"* you are m1\n", 2), None);
        }
    }
}
