//! What the swarm is asked to do: the load, the requests and the times of a record, and what a worker must know besides.

pub use bakeoff_reports::record::{
    Arrivals, Audience, AudienceKind, Background, DemandShape, EXPONENTIAL_CUT, Load, RateShape,
    RequestShape, Stage, Timing, Tls, Transport, Work,
};

use bakeoff_servers::services::{self, STAGES, ServiceConfig, ServiceEntry};
use std::time::Duration;

/// The kind of demand (and the name of the service) whose requests may abort their handler.
pub(crate) use bakeoff_servers::services::POISON;

/// The request of a service that does several kinds of work where one time is stated, or none: a third of it for each kind.
pub(crate) fn of_each_kind(size: u32, demand: Option<Duration>) -> RequestShape {
    let value = demand.unwrap_or(ServiceConfig::default().default_demand) / 3;
    let stage = |work| Stage { work, demand: DemandShape::Fixed { value } };
    RequestShape::of_stages(size, [Work::Compute, Work::Wait, Work::Block].map(stage).to_vec())
}

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
    if service.demand == Some(STAGES) || !request.stages.is_empty() {
        return check_stages(request, service);
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
    check_largest(&request.demand)
}

fn check_largest(demand: &DemandShape) -> Result<(), RequestError> {
    let (largest, most) = (demand.largest(), services::MAX_DEMAND);
    if largest > most {
        let reason = format!("a demand of {largest:?} can occur; the services take at most {most:?}");
        return Err(RequestError::Demand(reason));
    }
    Ok(())
}

/// Stages are for the service that does several kinds of work, and it for nothing else.
fn check_stages(request: &RequestShape, service: &ServiceEntry) -> Result<(), RequestError> {
    let refuse = |reason: String| Err(RequestError::Demand(reason));
    let name = service.name;
    if service.demand != Some(STAGES) {
        return refuse(format!(
            "a list of demands is for the service {STAGES}; {name} does one kind of work or none"
        ));
    }
    let form = "such as demand = [{ compute = \"2ms\" }, { wait = \"10ms\" }]";
    match (request.demand, request.stages.len()) {
        (DemandShape::None, 0) => {
            refuse(format!("the service {name} needs `demand`, a list of one stage or more, {form}"))
        }
        (DemandShape::None, _) => {
            request.stages.iter().try_for_each(|stage| match (stage.work, stage.demand) {
                (Work::Poison | Work::Stages, _) | (_, DemandShape::None | DemandShape::Poison { .. }) => {
                    refuse(format!("a stage computes, waits or blocks for a time, {form}"))
                }
                (Work::Compute | Work::Wait | Work::Block, demand) => check_largest(&demand),
            })
        }
        (_, _) => refuse(format!("the service {name} takes a list of demands, {form}")),
    }
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

    /// A service as the registry would list it.
    fn service(name: &'static str, demand: Option<&'static str>) -> ServiceEntry {
        let echo = services::find("echo").expect("it is built in");
        ServiceEntry { name, summary: "", demand, build: echo.build, exchange: echo.exchange }
    }

    #[test]
    fn a_single_time_is_a_third_of_each_kind_for_stages() {
        let stages = services::find(STAGES).expect("a service");
        let request = of_each_kind(64, Some(Duration::from_millis(3)));
        let each = DemandShape::Fixed { value: Duration::from_millis(1) };
        let kinds = [Work::Compute, Work::Wait, Work::Block];
        assert_eq!(request.stages, kinds.map(|work| Stage { work, demand: each }));
        assert_eq!(check_request(&request, stages), Ok(()));
        assert_eq!(check_request(&of_each_kind(64, None), stages), Ok(()));
        let wait = services::find("wait").expect("a service");
        for (request, service) in [
            (request.clone(), wait),
            (RequestShape::new(64, each), stages),
            (RequestShape::new(64, DemandShape::None), stages),
            (RequestShape::of_stages(64, vec![Stage { work: Work::Poison, demand: each }]), stages),
        ] {
            let refused = check_request(&request, service);
            assert!(matches!(refused, Err(RequestError::Demand(_))), "{request:?}: {refused:?}");
        }
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
