//! What can go over a transport: which services, loads and requests, and which models serve it.

use super::load::{Background, Load, RequestShape, Transport};
use bakeoff_servers::datagrams::LONGEST;
use bakeoff_servers::{ServerModel, models};

/// Least payload of a datagram of the swarm in bytes: its number and its stamp.
pub const MIN_DATAGRAM: u32 = 16;
/// Most clients over UDP: each has a port of its own, of the 28,000 that the system gives out.
pub const MAX_FLOWS: u32 = 20_000;
/// The service whose requests and replies are a datagram each, with nothing to remember between them.
pub const BY_DATAGRAMS: &str = "echo";

/// What cannot go over a transport, in words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TransportError(String);

/// Checks that a service can be spoken over a transport.
///
/// # Errors
/// It cannot, and which can.
pub fn check_service(transport: Transport, service: &str) -> Result<(), TransportError> {
    if transport.is_tcp() || service == BY_DATAGRAMS {
        return Ok(());
    }
    let why = format!(
        "the service {service} needs connections; over UDP there is {BY_DATAGRAMS}, a datagram for a datagram"
    );
    Err(TransportError(why))
}

/// Checks that a load can go over a transport that loses this share of what comes back.
///
/// # Errors
/// What the transport does not have, or the bound that is broken.
pub fn check(
    transport: Transport,
    loss: f64,
    load: &Load,
    request: &RequestShape,
    background: &Background,
) -> Result<(), TransportError> {
    let refuse = |why: String| Err(TransportError(why));
    if !(0.0..1.0).contains(&loss) {
        return refuse(format!("a loss of {loss}: give a share of at least 0 and less than 1"));
    }
    if transport.is_tcp() {
        return Ok(());
    }
    let (size, clients) = (request.size, load.clients());
    match load {
        Load::Churn { .. } => {
            refuse("over UDP nobody connects, so there is no churn: give a closed or an open loop".into())
        }
        Load::Pipelined { .. } => refuse(
            "over UDP nothing is pipelined: give a closed loop, or an open one, in which nothing waits"
                .into(),
        ),
        _ if background.total() > 0 => {
            refuse("over UDP there are no background connections: leave them out".into())
        }
        _ if clients > MAX_FLOWS => {
            refuse(format!("{clients} clients over UDP: {MAX_FLOWS} are the most, for each has a port"))
        }
        _ if !(MIN_DATAGRAM..=LONGEST).contains(&size) => refuse(format!(
            "a datagram of {size} bytes: give {MIN_DATAGRAM} (its number and its stamp) to {LONGEST} (what IP carries)"
        )),
        _ => Ok(()),
    }
}

/// Why a model does not serve over this transport, if so.
pub fn refusal(model: &dyn ServerModel, transport: Transport) -> Option<String> {
    if transport.is_tcp() || model.datagrams().is_some() {
        return None;
    }
    let name = model.name();
    Some(format!("{name} is about connections and serves no datagrams; these do: {}", who_serves_datagrams()))
}

/// The models that serve datagrams.
pub fn who_serves_datagrams() -> String {
    let able = models::all().filter(|model| model.datagrams().is_some());
    able.map(|model| model.name()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::load::{Arrivals, DemandShape, RateShape};
    use std::time::Duration;

    #[test]
    fn what_udp_does_not_have_is_refused_with_what_it_has() {
        let (closed, none) = (Load::Closed { clients: 4, think: Duration::ZERO }, Background::default());
        let over_udp = |loss, load: &Load, size, beside: &Background| {
            check(Transport::Udp, loss, load, &RequestShape::new(size, DemandShape::None), beside)
        };
        let open =
            Load::Open { clients: 4, rate_per_s: 1.0, arrivals: Arrivals::Fixed, shape: RateShape::Steady };
        for (load, size) in [(&closed, 16), (&open, 1_472), (&closed, 65_507)] {
            assert_eq!(over_udp(0.005, load, size, &none), Ok(()));
        }
        let crowd = Load::Closed { clients: MAX_FLOWS + 1, think: Duration::ZERO };
        let beside = Background { idle: 1, ..none };
        for (refused, word) in [
            (over_udp(1.0, &closed, 64, &none), "less than 1"),
            (over_udp(-0.1, &closed, 64, &none), "at least 0"),
            (over_udp(f64::NAN, &closed, 64, &none), "NaN"),
            (
                over_udp(0.0, &Load::Churn { clients: 1, requests_per_connection: 1 }, 64, &none),
                "nobody connects",
            ),
            (over_udp(0.0, &Load::Pipelined { clients: 1, depth: 2 }, 64, &none), "pipelined"),
            (over_udp(0.0, &closed, 64, &beside), "background"),
            (over_udp(0.0, &crowd, 64, &none), "20000 are the most"),
            (over_udp(0.0, &closed, 0, &none), "give 16"),
            (over_udp(0.0, &closed, 65_508, &none), "to 65507"),
        ] {
            let why = refused.expect_err(word).to_string();
            assert!(why.contains(word), "{why}");
        }
        assert!(
            check_service(Transport::Udp, "line").is_err() && check_service(Transport::Tcp, "line").is_ok()
        );
    }

    #[test]
    fn a_model_without_datagrams_names_those_that_have_them() {
        let find = |name: &str| models::find(name).expect("built in");
        let why = refusal(find("thread-per-client"), Transport::Udp).expect("it is about connections");
        assert!(why.contains("mio-event-loop, multi-reactor, tokio"), "{why}");
        assert_eq!(refusal(find("thread-per-client"), Transport::Tcp), None);
        assert_eq!(refusal(find("tokio"), Transport::Udp), None);
    }
}
