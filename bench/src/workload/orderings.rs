//! The workloads of the check of known orderings, embedded in the binary. Never judges: `reports::orderings` does.

use crate::workload::scenario::Scenario;
use bakeoff_reports::ask::orderings::EXPECTED;

macro_rules! workloads {
    ($($name:literal),* $(,)?) => {
        const WORKLOADS: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../../scenarios/orderings/", $name, ".toml")))),*];
    };
}

workloads![
    "churn",
    "fork-0-mib",
    "fork-64-mib",
    "fork-256-mib",
    "idle-0",
    "idle-1000",
    "idle-4000",
    "pool-waits",
    "inline-compute",
    "one-client",
    "thousand",
    "zerohttpd",
    "spread",
    "files",
];

/// The orderings that can be run, by number.
pub fn numbers() -> Vec<u8> {
    let mut numbers: Vec<u8> = EXPECTED.iter().map(|one| one.ordering).collect();
    numbers.dedup();
    numbers
}

/// Every claim with the number of its ordering.
pub fn claims() -> impl Iterator<Item = (u8, &'static str)> {
    EXPECTED.iter().map(|one| (one.ordering, one.claim))
}

/// The workloads that these orderings are about, in order.
pub fn scenarios(orderings: &[u8]) -> Vec<Scenario> {
    let about = |name: &str| {
        let asked = EXPECTED.iter().filter(|one| orderings.contains(&one.ordering));
        asked.flat_map(|one| [Some(one.of), one.by, one.above]).flatten().any(|side| side.workload == name)
    };
    let parse = |(name, toml): &(&str, &str)| Scenario::parse(toml, name).expect("checked by a test");
    WORKLOADS.iter().filter(|(name, _)| about(name)).map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_expectation_has_its_workload_and_every_workload_its_models() {
        let scenarios = scenarios(&numbers());
        assert_eq!(scenarios.len(), WORKLOADS.len(), "each is used");
        for (scenario, (name, _)) in scenarios.iter().zip(WORKLOADS) {
            assert_eq!(scenario.name, *name);
        }
        for one in EXPECTED {
            for side in [Some(one.of), one.by, one.above].into_iter().flatten() {
                let scenario = scenarios.iter().find(|scenario| scenario.name == side.workload);
                let models =
                    scenario.and_then(|scenario| scenario.models.clone()).expect("it names its models");
                assert!(models.iter().any(|model| model.name() == side.model), "{}: {side:?}", one.claim);
            }
        }
    }
}
