//! What the swarm is asked to do: the load, the requests and the times of a record, and what a worker must know besides.

pub use bakeoff_reports::record::{
    Arrivals, Background, DemandShape, EXPONENTIAL_CUT, Load, RateShape, RequestShape, Timing, Transport,
};

use bakeoff_servers::services::{self, ServiceEntry};

/// The kind of demand (and the name of the service) whose requests may abort their handler.
pub(crate) use bakeoff_servers::services::POISON;

/// Checks that a service can be asked this.
///
/// # Errors
/// Which part it cannot take, and why.
pub fn check_request(request: &RequestShape, service: &ServiceEntry) -> Result<(), RequestError> {
    let (size, name) = (request.size, service.name);
    let exchange = (service.exchange)(size);
    let (least, sizes) = (exchange.min_payload(), exchange.sizes());
    if size < least {
        return Err(RequestError::Size(format!(
            "`size` is {size} B; the service {name} needs at least {least} B"
        )));
    }
    if !sizes.is_empty() && !sizes.contains(&size) {
        return Err(RequestError::Size(format!(
            "`size` is {size} B; the replies of the service {name} are of these sizes, in bytes: {sizes:?}"
        )));
    }
    if request.demand == DemandShape::None {
        return Ok(());
    }
    let poisons = matches!(request.demand, DemandShape::Poison { .. });
    if poisons != (service.demand == Some(POISON)) {
        let reason = if poisons {
            format!(
                "a demand of kind \"poison\" is for the service {POISON}; {name} would take it for a time"
            )
        } else {
            format!("the service {name} takes a demand of kind \"poison\" alone, not a time")
        };
        return Err(RequestError::Demand(reason));
    }
    if service.demand.is_none() {
        let working: Vec<_> = services::ALL.iter().filter(|s| s.demand.is_some()).map(|s| s.name).collect();
        let working = working.join(", ");
        let reason =
            format!("the service {name} does no work, so `demand` has no meaning; these do: {working}");
        return Err(RequestError::Demand(reason));
    }
    let largest = request.demand.largest();
    if largest > services::MAX_DEMAND {
        let most = services::MAX_DEMAND;
        let reason = format!("a demand of {largest:?} can occur; the services take at most {most:?}");
        return Err(RequestError::Demand(reason));
    }
    Ok(())
}

/// A request that a service cannot be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Its size.
    #[error("{0}")]
    Size(String),
    /// Its demand.
    #[error("{0}")]
    Demand(String),
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// A service as the registry would list it.
    fn service(name: &'static str, demand: Option<&'static str>) -> ServiceEntry {
        let echo = services::find("echo").expect("it is built in");
        ServiceEntry { name, summary: "", demand, build: echo.build, exchange: echo.exchange }
    }

    #[test]
    fn poison_is_for_its_service_alone_which_takes_nothing_else() {
        let asks = |demand| RequestShape::new(64, demand);
        let poison = asks(DemandShape::Poison { share: 0.01 });
        let time = asks(DemandShape::Fixed { value: Duration::from_millis(1) });
        let (poisonous, waiting, idle) =
            (service(POISON, Some(POISON)), service("wait", Some("wait")), service("echo", None));
        assert_eq!(check_request(&poison, &poisonous), Ok(()));
        assert_eq!(check_request(&asks(DemandShape::None), &poisonous), Ok(()), "then nothing is poisoned");
        assert_eq!(check_request(&time, &waiting), Ok(()));
        for (request, service, word) in [
            (&poison, &waiting, "for the service poison"),
            (&poison, &idle, "for the service poison"),
            (&time, &poisonous, "not a time"),
            (&time, &idle, "does no work"),
        ] {
            let error = check_request(request, service).expect_err(word).to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
