//! Messages of a chat: everybody hears what is said to the room, exactly once, and the server has sent exactly those bytes. And where a
//! pool has workers for a part of the members alone, the others neither hear nor are heard, to the last delivery. One that never reads is
//! sent what the others are, and no message waits for it.

use super::super::finding::Finding;
use super::super::rig::{Kind, OwnWork, Rig};
use crate::process::launch::LaunchError;
use crate::process::workers::PATIENCE;
use crate::swarm::spec::WorkerSpec;
use crate::workload::load::{Arrivals, Audience, AudienceKind, Load, RateShape, Timing};
use bakeoff_reports::record::{Counts, FanOut};
use bakeoff_servers::services::CHAT;
use std::time::Duration;

/// Members of the room.
const ROOM: u32 = 10;
/// Workers of a pool that is too small for them.
const HELD: u32 = 4;
const RATE_PER_S: f64 = 500.0;
/// When a message is given up: far above what a busy machine needs to hand one round.
const TIMEOUT: Duration = Duration::from_secs(1);
/// Bytes of a message, and of what the server says to a member that enters (`* you are mN`, `* you are in r0`).
const BYTES: u64 = 64;
const WELCOME: u64 = "* you are m0\n* you are in r0\n".len() as u64;
/// What stands before a message when it is heard.
const HEAD: u64 = "m0: ".len() as u64;

struct Seen {
    counts: Counts,
    fan_out: FanOut,
    bytes_out: u64,
}

/// Runs it.
pub(super) fn run(rig: &Rig<'_>) -> Result<Vec<Finding>, LaunchError> {
    let exact =
        |figure: &str, expected: u64, measured: u64| Finding::exact("fan-out", figure, expected, measured);
    let Seen { counts, fan_out, bytes_out } = trial(rig, Kind::Each, 0)?;
    let (sent, hearers) = (counts.sent, u64::from(ROOM - 1));
    let mut findings = vec![
        exact("messages heard by all", sent, counts.ok),
        exact("deliveries expected", sent * hearers, fan_out.expected),
        exact("deliveries", sent * hearers, fan_out.received),
        exact("wrong, twice or out of order", 0, fan_out.unasked + fan_out.duplicated + fan_out.reordered),
        exact("bytes that the server sent", sent_in_all(sent), bytes_out),
    ];
    let Seen { counts, fan_out, bytes_out } = trial(rig, Kind::Each, 1)?;
    findings.extend([
        exact("one slow: heard by all", counts.sent, counts.ok),
        exact("one slow: deliveries", counts.sent * (hearers - 1), fan_out.received),
        exact("one slow: cut off", 0, fan_out.gone + fan_out.slow_gone),
        exact("one slow: bytes sent", sent_in_all(counts.sent), bytes_out),
    ]);
    let Seen { counts, fan_out, .. } = trial(rig, Kind::Pool(HELD), 0)?;
    // Members speak in turn, and those who came first are served.
    let (rounds, rest) = (counts.sent / u64::from(ROOM), counts.sent % u64::from(ROOM));
    let said_by_the_held = rounds * u64::from(HELD) + rest.min(HELD.into());
    findings.extend([
        exact("in a pool too small: messages heard by all", 0, counts.ok),
        exact("in a pool too small: given up", counts.sent, counts.timeouts),
        exact("in a pool too small: deliveries", said_by_the_held * u64::from(HELD - 1), fan_out.received),
    ]);
    Ok(findings)
}

/// Bytes that a server sends when so many messages are said: to all others, read or not.
fn sent_in_all(messages: u64) -> u64 {
    messages * u64::from(ROOM - 1) * (HEAD + BYTES) + u64::from(ROOM) * WELCOME
}

/// An open loop without warm-up, so that every message is one of the window's.
fn trial(rig: &Rig<'_>, kind: Kind, slow: u32) -> Result<Seen, LaunchError> {
    let window = Duration::from_millis(rig.scale.pick(500, 2_000, 20_000));
    let server = rig.serve(kind, CHAT)?;
    let (clients, arrivals, shape) = (ROOM, Arrivals::Poisson, RateShape::Steady);
    let load = Load::Open { clients, rate_per_s: RATE_PER_S, arrivals, shape };
    let spec = WorkerSpec {
        audience: Some(Audience { kind: AudienceKind::Room, size: ROOM, slow }),
        timing: Timing { warmup: Duration::ZERO, window, timeout: TIMEOUT, drain: TIMEOUT * 2 },
        ..rig.spec(server.address, CHAT, load, window)
    };
    let outcome = rig.trial(&spec, 1, OwnWork::Server(server.pid()), |_| Ok(()))?;
    let counters = server.stop(PATIENCE).counters?;
    let fan_out = outcome.measured.fan_out;
    let fan_out = fan_out
        .ok_or_else(|| LaunchError::Refused("the swarm does not say who heard its messages".into()))?;
    Ok(Seen { counts: outcome.measured.counts, fan_out, bytes_out: counters.bytes_out })
}
