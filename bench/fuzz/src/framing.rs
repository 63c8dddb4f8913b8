//! Lines and frames, held against a plain reading of the whole input; any cut of the input gives the same.

use crate::conversation::{Conversation, End, converse, cuts};
use bakeoff_servers::services::{self, MAX_DEMAND, MAX_MESSAGE, ServiceConfig};

/// Takes the input for lines, and for frames.
///
/// # Panics
/// Where the services read it in another way than the plain readings here, or another cut makes a difference.
pub fn check(data: &[u8]) {
    agree("line", data, lines(data));
    agree("wait", data, frames(data));
}

fn agree(service: &str, data: &[u8], expected: Conversation) {
    let entry = services::find(service).expect("a service");
    let service = (entry.build)(&ServiceConfig::default());
    for pieces in cuts(data).into_iter().chain([vec![data]]) {
        assert_eq!(converse(&*service, &pieces), expected, "{}: pieces {pieces:?}", entry.name);
    }
}

/// Every line comes back until one is `exit`.
fn lines(input: &[u8]) -> Conversation {
    let (mut sent, mut answered) = (Vec::new(), 0);
    for line in input.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n")) {
        if line == b"exit\n" || line == b"exit\r\n" {
            return Conversation { sent, answered, end: End::Closed };
        }
        sent.extend_from_slice(line);
        answered += 1;
    }
    Conversation { sent, answered, end: End::Open }
}

/// The payload of every frame comes back, with its length before it, until one is not allowed.
fn frames(mut input: &[u8]) -> Conversation {
    let (mut sent, mut answered) = (Vec::new(), 0);
    let number = |bytes: &[u8]| bytes.iter().rev().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    while input.len() >= 16 {
        let (length, reserved, demand) = (number(&input[..4]), number(&input[4..8]), number(&input[8..16]));
        let refused = if length > u64::from(MAX_MESSAGE) {
            Some("a payload of more than 4 MiB")
        } else if reserved != 0 {
            Some("reserved bytes of the header that are not zero")
        } else if u128::from(demand) > MAX_DEMAND.as_nanos() {
            Some("a demand of more than 60 s")
        } else {
            None
        };
        if let Some(reason) = refused {
            return Conversation { sent, answered, end: End::Rejected(reason) };
        }
        let Some(payload) = input[16..].get(..length as usize) else { break };
        sent.extend_from_slice(&input[..4]);
        sent.extend_from_slice(payload);
        answered += 1;
        input = &input[16 + payload.len()..];
    }
    Conversation { sent, answered, end: End::Open }
}
