//! What a chat can be asked: whom messages are for, in which loads, and which models serve it.

use super::load::{Audience, AudienceKind, Background, Load, RequestShape, Timing};
use bakeoff_servers::{ServerModel, models, services};
use std::time::Duration;

/// Least bytes of a message: its number, a byte and the line feed.
pub const MIN_MESSAGE: u32 = 16;
/// Most bytes of one: some must fit into what a server keeps for a slow member.
pub const MAX_MESSAGE: u32 = 64 << 10;
/// The largest circle.
pub const MAX_CIRCLE: u32 = 10_000;
/// Most members times their circle's size, which is what the swarm keeps in mind of who heard what from whom last.
const MAX_PAIRS: u64 = 100_000_000;
/// Most messages of a trial times their hearers.
const MAX_DELIVERIES: f64 = 500_000_000.0;

/// What cannot be asked of a chat, in words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct AudienceError(String);

/// A workload, as far as it bears on whom its messages can be for.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Name of the service.
    pub service: &'a str,
    /// The load.
    pub load: &'a Load,
    /// The requests.
    pub request: &'a RequestShape,
    /// What is connected beside it.
    pub background: &'a Background,
    /// The times.
    pub timing: &'a Timing,
    /// Whether it goes over TCP, without TLS and without loss.
    pub is_plain: bool,
}

/// Checks that messages can be for such an audience.
///
/// # Errors
/// What does not fit, with what would.
pub fn check(audience: Option<Audience>, asked: &Asked<'_>) -> Result<(), AudienceError> {
    let Some(audience @ Audience { kind, size, slow }) = audience else { return Ok(()) };
    let refuse = |why: String| Err(AudienceError(why));
    let (clients, bytes) = (asked.load.clients(), asked.request.size);
    if !services::find(asked.service).is_some_and(|service| service.talks()) {
        return refuse(format!(
            "an audience is for the service {}: clients of {} do not hear each other",
            services::CHAT,
            asked.service
        ));
    }
    let Load::Open { rate_per_s, .. } = *asked.load else {
        return refuse("an audience needs a load of kind \"open\": members speak when it is due".into());
    };
    if !asked.is_plain || asked.background.total() > 0 {
        return refuse(
            "members of a chat are connected over TCP, without TLS, loss or background connections".into(),
        );
    }
    if kind == AudienceKind::One && size != 2 {
        return refuse(format!("a whisper is for one: {size} members make no pair; leave `size` out"));
    }
    if !(2..=MAX_CIRCLE).contains(&size) || !clients.is_multiple_of(size) {
        return refuse(format!(
            "{clients} clients in circles of {size}: give a size of 2 to {MAX_CIRCLE} of which the clients are a multiple"
        ));
    }
    if slow > 0 && audience.hearers() == 0 {
        return refuse(format!(
            "{slow} slow of {size} members leave none that hears another: give {} at most",
            size - 2
        ));
    }
    if u64::from(clients) * u64::from(size) > MAX_PAIRS {
        return refuse(format!(
            "{clients} clients in circles of {size} are too many: give fewer of one of them"
        ));
    }
    if !(MIN_MESSAGE..=MAX_MESSAGE).contains(&bytes) {
        return refuse(format!("a message of {bytes} bytes: give {MIN_MESSAGE} to {MAX_MESSAGE}"));
    }
    let lasting: Duration = asked.timing.warmup + asked.timing.window;
    if rate_per_s * lasting.as_secs_f64() * f64::from(size) > MAX_DELIVERIES {
        return refuse(
            "more than 500 million deliveries: give a lower rate, a shorter window or a smaller size".into(),
        );
    }
    Ok(())
}

/// Why a model does not serve this service, if so.
pub fn refusal(model: &dyn ServerModel, service: &str) -> Option<String> {
    let talks = services::find(service).is_some_and(|service| service.talks());
    if !talks || model.meta().joins_clients() {
        return None;
    }
    let able = models::all().filter(|model| model.meta().joins_clients());
    let able: Vec<&str> = able.map(|model| model.name()).collect();
    Some(format!(
        "{} has each client in a process of its own, which knows no other client; to pass messages on, a parent would have to relay \
         them, and that would be another server. These serve {service}: {}",
        model.name(),
        able.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::load::{Arrivals, DemandShape, RateShape};
    use crate::workload::scenario::DEFAULT_TIMING;

    fn open(clients: u32) -> Load {
        Load::Open { clients, rate_per_s: 100.0, arrivals: Arrivals::Poisson, shape: RateShape::Steady }
    }

    fn told(
        kind: AudienceKind,
        size: u32,
        load: &Load,
        adjust: impl FnOnce(Asked<'_>) -> Asked<'_>,
    ) -> String {
        told_of(64, Audience { kind, size, slow: 0 }, load, adjust)
    }

    fn told_of(
        bytes: u32,
        audience: Audience,
        load: &Load,
        adjust: impl FnOnce(Asked<'_>) -> Asked<'_>,
    ) -> String {
        let request = RequestShape::new(bytes, DemandShape::None);
        let background = Background::default();
        let asked = adjust(Asked {
            service: "chat",
            load,
            request: &request,
            background: &background,
            timing: &DEFAULT_TIMING,
            is_plain: true,
        });
        check(Some(audience), &asked).map_or_else(|error| error.to_string(), |()| String::new())
    }

    #[test]
    fn circles_must_come_out_even_and_everything_else_is_refused_with_its_reason() {
        use AudienceKind::{Group, One, Room};
        for (kind, size) in [(Room, 100), (Room, 2), (Group, 10), (One, 2)] {
            assert_eq!(told(kind, size, &open(100), |asked| asked), "");
        }
        let room = |slow| Audience { kind: Room, size: 100, slow };
        assert_eq!(told_of(64, room(98), &open(100), |asked| asked), "");
        let closed = Load::Closed { clients: 100, think: Duration::ZERO };
        for (said, word) in [
            (told(Room, 30, &open(100), |asked| asked), "multiple"),
            (told(Room, 1, &open(100), |asked| asked), "2 to 10000"),
            (told(One, 4, &open(100), |asked| asked), "no pair"),
            (told(Room, 100, &closed, |asked| asked), "open"),
            (told(Room, 100, &open(100), |asked| Asked { service: "line", ..asked }), "for the service chat"),
            (told(Room, 100, &open(100), |asked| Asked { is_plain: false, ..asked }), "without TLS"),
            (told_of(15, room(0), &open(100), |asked| asked), "give 16 to 65536"),
            (told_of(64, room(99), &open(100), |asked| asked), "give 98 at most"),
            (told_of(64, room(200), &open(100), |asked| asked), "give 98 at most"),
        ] {
            assert!(said.contains(word), "{said}");
        }
    }

    #[test]
    fn a_model_of_processes_says_why_it_serves_no_chat() {
        let find = |name: &str| models::find(name).expect("built in");
        let why = refusal(find("fork-per-client"), "chat").expect("it cannot");
        assert!(why.contains("process of its own") && why.contains("thread-per-client"), "{why}");
        assert_eq!(refusal(find("fork-per-client"), "echo"), None);
        assert_eq!(refusal(find("tokio"), "chat"), None);
    }
}
