//! What can go over a transport: which services, loads and requests, and which models serve it.

use super::load::{Background, Load, RequestShape, Timing, Transport};
use super::server::Key;
use super::units::show_duration;
use bakeoff_servers::datagrams::LONGEST;
use bakeoff_servers::tuning::{Sizes, Tuning, TuningError};
use bakeoff_servers::{ServerModel, models};
use std::net::IpAddr;

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
    timing: &Timing,
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
        _ if timing.drain < timing.timeout => refuse(format!(
            "a drain of {} is shorter than the timeout of {}, and over UDP a datagram is not known to be lost before its timeout: \
             raise `drain` or lower `timeout`",
            show_duration(timing.drain),
            show_duration(timing.timeout)
        )),
        _ if clients > MAX_FLOWS => {
            refuse(format!("{clients} clients over UDP: {MAX_FLOWS} are the most, for each has a port"))
        }
        _ if !(MIN_DATAGRAM..=LONGEST).contains(&size) => refuse(format!(
            "a datagram of {size} bytes: give {MIN_DATAGRAM} (its number and its stamp) to {LONGEST} (what IP carries)"
        )),
        _ => Ok(()),
    }
}

/// Checks that what is at an address can be loaded over a transport.
///
/// # Errors
/// Over UDP an address that stands for all of a machine's: replies would come from another than was asked.
pub fn check_address(transport: Transport, address: IpAddr) -> Result<(), TransportError> {
    if transport.is_tcp() || !address.is_unspecified() {
        return Ok(());
    }
    let why = format!(
        "{address} stands for all addresses of a machine, and over UDP a reply may come from another than was asked: give the \
         address itself"
    );
    Err(TransportError(why))
}

/// The sizes that a model reads when it serves over a transport.
pub fn tunings(model: &dyn ServerModel, transport: Transport) -> &'static [Tuning] {
    match transport {
        Transport::Tcp => model.meta().tunings,
        Transport::Udp => model.datagrams().map_or(&[], |datagrams| datagrams.tunings),
    }
}

/// Checks that what is set on the servers of a workload does something over its transport, for some model at least.
///
/// # Errors
/// Over UDP what is of connections, and a size that nobody reads there.
pub fn check_key(transport: Transport, key: Key) -> Result<(), TransportError> {
    let name = key.name();
    let why = match key {
        _ if transport.is_tcp() => return Ok(()),
        Key::Backlog => format!("`{name}` is of connections, and over UDP there are none: leave it out"),
        Key::Size(size) if models::all().all(|model| !tunings(model, transport).contains(&size)) => {
            format!("`{name}` is read by no model over UDP: leave it out")
        }
        Key::Cpus | Key::Ballast | Key::Size(_) => return Ok(()),
    };
    Err(TransportError(why))
}

/// Checks that a model reads the sizes over a transport that it is told by name.
///
/// # Errors
/// The first that it does not read, with those that it does.
pub fn check_sizes(
    model: &dyn ServerModel,
    sizes: &Sizes,
    transport: Transport,
) -> Result<(), TransportError> {
    let reads = tunings(model, transport);
    let unread = sizes.iter().find(|(size, _)| !reads.contains(size));
    unread.map_or(Ok(()), |(size, _)| {
        let (model, name) = (model.name(), size.name().into());
        let error = TuningError::NotRead { model, name, reads };
        Err(TransportError(format!("over {} {error}", transport.to_string().to_uppercase())))
    })
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
    use bakeoff_servers::TunedModel;
    use std::time::Duration;

    #[test]
    fn what_udp_does_not_have_is_refused_with_what_it_has() {
        let (closed, none) = (Load::Closed { clients: 4, think: Duration::ZERO }, Background::default());
        let second = Duration::from_secs(1);
        let timing = Timing { warmup: second, window: second, timeout: second, drain: second };
        let request = |size| RequestShape::new(size, DemandShape::None);
        let over_udp = |loss, load: &Load, size, beside: &Background| {
            check(Transport::Udp, loss, load, &request(size), beside, &timing)
        };
        let hasty = Timing { drain: second / 2, ..timing };
        let drained = |transport| check(transport, 0.0, &closed, &request(64), &none, &hasty);
        assert_eq!(drained(Transport::Tcp), Ok(()));
        let open =
            Load::Open { clients: 4, rate_per_s: 1.0, arrivals: Arrivals::Fixed, shape: RateShape::Steady };
        for (load, size) in [(&closed, 16), (&open, 1_472), (&closed, 65_507)] {
            assert_eq!(over_udp(0.005, load, size, &none), Ok(()));
        }
        let crowd = Load::Closed { clients: MAX_FLOWS + 1, think: Duration::ZERO };
        let beside = Background { idle: 1, ..none };
        for (refused, word) in [
            (drained(Transport::Udp), "raise `drain`"),
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
    fn a_size_that_nobody_reads_over_udp_is_refused_with_those_that_are_read() {
        let all = Key::all();
        let unfit: Vec<&str> =
            all.filter(|key| check_key(Transport::Udp, *key).is_err()).map(Key::name).collect();
        assert!(unfit.contains(&"backlog") && unfit.contains(&"compute_workers"), "{unfit:?}");
        assert!(
            ["cpus", "ballast_mib", "pool_workers", "runtime_workers"].iter().all(|key| !unfit.contains(key))
        );
        assert!(Key::all().all(|key| check_key(Transport::Tcp, key).is_ok()));
        let check = |name, transport| {
            let tuned = TunedModel::parse(name).expect(name);
            check_sizes(tuned.model(), tuned.sizes(), transport).map_err(|error| error.to_string())
        };
        assert_eq!(check("prethread[pool_workers=4]", Transport::Udp), Ok(()));
        assert_eq!(check("tokio[compute_workers=4]", Transport::Tcp), Ok(()));
        let why = check("tokio[compute_workers=4]", Transport::Udp).expect_err("echo computes nothing");
        assert!(
            why.contains("over UDP the model tokio has no tuning `compute_workers`; it has: runtime_workers"),
            "{why}"
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
