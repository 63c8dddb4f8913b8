//! What each stress asks for: its limits, its service and its range, which nothing goes beyond.

use super::{concurrency, nanoseconds};
use bakeoff_reports::record::Reading;
use bakeoff_reports::record::envelope::{Caps, Stress};
use bakeoff_servers::ServerConfig;
use std::time::Duration;

/// Payload of a request.
pub(super) const PAYLOAD_BYTES: u32 = 64;
/// A backlog that is not what breaks.
const LARGE_BACKLOG: u32 = 4096;
/// What a stress asks for.
#[derive(Clone, Debug)]
pub(super) struct StressPlan {
    pub(super) stress: Stress,
    pub(super) service: &'static str,
    pub(super) backlog: u32,
    pub(super) descriptors: Option<u64>,
    pub(super) tasks: Option<u64>,
    pub(super) first: u64,
    pub(super) range: u64,
    pub(super) patience: Duration,
}

impl StressPlan {
    /// The plan of a stress. The limits are so far apart that each model meets its own first: a pool its 64 threads, a
    /// thread or process for each client the 200 tasks, an event loop the 400 descriptors.
    pub(super) fn of(stress: Stress) -> Self {
        let held = Self {
            stress,
            service: "echo",
            backlog: LARGE_BACKLOG,
            descriptors: Some(400),
            tasks: Some(200),
            first: 8,
            range: 1024,
            patience: Duration::from_secs(1),
        };
        let loose = Self { descriptors: None, tasks: None, ..held.clone() };
        match stress {
            Stress::Connections => held,
            // Half of the one second after which a lost SYN is sent again.
            Stress::ConnectBurst => {
                Self { backlog: 8, range: 512, patience: Duration::from_millis(500), ..loose }
            }
            Stress::SlowClients => Self { service: "line", first: 1, ..held },
            Stress::Poison => Self { service: "poison", first: 1, range: 8, ..loose },
            Stress::AddressSpace => Self { range: 512, ..loose },
        }
    }

    /// The limits that are asked for, for the record.
    pub(super) fn caps(&self, model: &str, config: &ServerConfig) -> Caps {
        let not_set = || Reading::Absent("not limited for this stress".to_string());
        Caps {
            descriptors: self.descriptors.map_or_else(not_set, Reading::Value),
            tasks: self.tasks.map_or_else(not_set, Reading::Value),
            tasks_by: None,
            address_space_bytes: not_set(),
            backlog: self.backlog.into(),
            concurrency: concurrency(model, config),
            patience_ns: nanoseconds(self.patience),
            range: self.range,
        }
    }

    /// The levels: doubled from the first to the range.
    pub(super) fn levels(&self) -> impl Iterator<Item = u64> + use<> {
        let range = self.range;
        std::iter::successors(Some(self.first), move |level| (level * 2 <= range).then_some(level * 2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_double_to_the_range_and_limits_are_apart() {
        for &stress in Stress::ALL {
            let plan = StressPlan::of(stress);
            let levels: Vec<u64> = plan.levels().collect();
            assert_eq!(levels.first(), Some(&plan.first));
            assert_eq!(levels.last(), Some(&plan.range), "{}", stress.name());
            assert!(levels.windows(2).all(|pair| pair[1] == 2 * pair[0]));
        }
        let plan = StressPlan::of(Stress::Connections);
        let pool = ServerConfig::for_cpus(1).pool_workers as u64;
        assert!(plan.tasks > Some(2 * pool) && plan.descriptors >= plan.tasks.map(|tasks| 2 * tasks));
        assert!(plan.descriptors < Some(plan.range));
    }
}
