//! The built-in scenarios, embedded in the binary. A scenario is one file in `bench/scenarios/` and one line here.
//!
//! # The default run
//! Eight workloads, one for each lesson that the others do not teach, of which two minutes on two cores can answer most; a block of
//! one, all its contestants once, takes about three seconds:
//! - `small-echo-closed`: what a request costs when nothing else matters;
//! - `churn`: what a connection costs;
//! - `churn-ten`: when that is earned back;
//! - `idle-mass`: what holding a connection takes;
//! - `compute-bimodal`: who is held up by whom, when requests use the CPU, with many threads to compute and with one;
//! - `block`: whether it matters who lends the threads, when requests are stuck in a library and every model has threads enough;
//! - `dynamic-page`: who computes, when a page is some ten microseconds of work: a loop that does it inline, or one that hands it on;
//! - `crash`: who dies with whom.
//!
//! The others refine these (another size, another distribution, another kind of trouble) and take their place beside them
//! under `bakeoff run --all`. Among them are `small-echo-open`, `wait` and `overload`, whose models lie within 1.2 of each
//! other on two cores, which takes dozens of blocks to tell; of the first a default run draws the curve over the rate.

/// A built-in scenario.
#[derive(Clone, Copy, Debug)]
pub struct BuiltIn {
    /// Its name, the file's stem.
    pub name: &'static str,
    /// What it is about.
    pub group: Group,
    /// Whether it belongs to the default run.
    pub default: bool,
    /// The file's text.
    pub toml: &'static str,
}

/// What a scenario is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// Bytes are moved and nothing is done with them.
    Bytes,
    /// Connections come and go, or are many.
    Connections,
    /// Requests ask for work.
    Work,
    /// Pages are asked for: files, and pages made for each request.
    Web,
    /// Clients hear each other.
    Chat,
    /// Something goes wrong.
    Trouble,
}

impl Group {
    /// All groups, in the order to show them.
    pub const ALL: [Self; 6] =
        [Self::Bytes, Self::Connections, Self::Work, Self::Web, Self::Chat, Self::Trouble];

    /// A heading for it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Bytes => "Moving bytes",
            Self::Connections => "Connections: short, many, idle",
            Self::Work => "Requests that compute, wait or block",
            Self::Web => "Web: the file server and the application server",
            Self::Chat => "Chat: one message, many hearers",
            Self::Trouble => "Trouble: bursts, slow peers, crashes, overload",
        }
    }
}

/// In the default run.
const DEFAULT: bool = true;
/// Only by name or with `--all`.
const NAMED: bool = false;

macro_rules! built_in {
    ($($group:ident: $($name:literal $default:ident),* $(,)?;)*) => {
        /// All built-in scenarios, in the order of a run.
        pub const BUILT_IN: &[BuiltIn] = &[
            $($(BuiltIn {
                name: $name,
                group: Group::$group,
                default: $default,
                toml: include_str!(concat!("../../../scenarios/", $name, ".toml")),
            },)*)*
        ];
    };
}

built_in! {
    Bytes: "small-echo-closed" DEFAULT, "small-echo-open" NAMED, "pipelined" NAMED, "large-echo" NAMED, "huge-echo" NAMED,
        "tcp-steady" NAMED, "udp-steady" NAMED, "tcp-loss" NAMED, "udp-loss" NAMED;
    Connections: "churn" DEFAULT, "churn-ten" DEFAULT, "churn-tls" NAMED,
        "churn-tls-resumed" NAMED, "idle-mass" DEFAULT;
    Work: "compute-fixed" NAMED, "compute-bimodal" DEFAULT, "heavy-tail" NAMED, "wait" NAMED, "compute-and-wait" NAMED, "block" DEFAULT;
    Web: "static-site" NAMED, "dynamic-page" DEFAULT;
    Chat: "chat-whisper" NAMED, "chat-groups" NAMED, "chat-room-10" NAMED, "chat-room-100" NAMED, "chat-room-1000" NAMED,
        "chat-slow-hearer" NAMED;
    Trouble: "bursts" NAMED, "block-surge" NAMED, "slow-readers" NAMED, "slow-senders" NAMED, "crash" DEFAULT, "overload" NAMED;
}

/// A scenario that shows every key with its range.
pub const REFERENCE: BuiltIn = BuiltIn {
    name: "reference",
    group: Group::Work,
    default: false,
    toml: include_str!("../../../scenarios/reference.toml"),
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::derive::{Times, with_times};
    use crate::workload::scenario::Scenario;
    use bakeoff_reports::record::{Metric, Work};
    use std::time::Duration;

    #[test]
    fn the_reference_is_a_valid_scenario_that_names_every_key() {
        let scenario = Scenario::parse(REFERENCE.toml, REFERENCE.name).expect("valid");
        assert_eq!(scenario.name, REFERENCE.name);
        // What an unknown key is answered with lists all that are known.
        for section in ["", "[load]\n", "[background]\n", "[request]\n", "[server]\n", "[trial]\n"] {
            let text = if section.is_empty() {
                format!("nonsense = 1\n{}", REFERENCE.toml)
            } else {
                REFERENCE.toml.replace(&section[..section.len() - 1], &format!("{section}nonsense = 1\n#"))
            };
            let error = Scenario::parse(&text, "test").expect_err("an unknown key").reason;
            let known =
                error.split("`nonsense`, expected").nth(1).unwrap_or_else(|| panic!("{section}: {error}"));
            for key in known.split('`').skip(1).step_by(2) {
                assert!(REFERENCE.toml.contains(key), "{key} is not explained");
            }
        }
        for service in bakeoff_servers::services::ALL {
            let named = REFERENCE.toml.lines().any(|line| line.contains(service.name) && line.contains('#'));
            assert!(named, "the service {} is not explained", service.name);
        }
    }

    #[test]
    fn every_built_in_scenario_is_valid_and_named_as_its_file() {
        for built_in in BUILT_IN {
            let scenario = Scenario::parse(built_in.toml, built_in.name).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(scenario.name, built_in.name);
            let comment: Vec<&str> =
                built_in.toml.lines().take_while(|line| line.starts_with("# ")).collect();
            for word in ["# Separates: ", "# In real life: "] {
                let says = comment.iter().any(|line| line.starts_with(word));
                assert!(says, "{} begins by saying: {word}", built_in.name);
            }
            let about = scenario.about.chars().count();
            assert!((20..=110).contains(&about), "{}: a line about it of {about} characters", built_in.name);
        }
    }

    /// A verdict about models is none about how many threads each was given, nor about what arithmetic knows before.
    #[test]
    fn contestants_have_equal_budgets_that_fit_the_work() {
        for built_in in BUILT_IN {
            let scenario = Scenario::built_in(built_in.name).expect("built in");
            let (config, clients) = (scenario.server.config(1), scenario.load.clients() as usize);
            let all_served = config.pool_workers >= clients;
            match scenario.work() {
                Some(Work::Compute | Work::Stages) => {
                    assert!(all_served && config.compute_workers == config.pool_workers, "{}", built_in.name);
                }
                Some(Work::Block) => {
                    let equal = [config.blocking_workers, config.pool_ceiling] == [config.pool_workers; 2];
                    assert!(all_served && equal, "{}", built_in.name);
                }
                Some(Work::Wait) => assert!(all_served, "{}", built_in.name),
                Some(Work::Poison) | None => {}
            }
        }
    }

    #[test]
    fn a_loss_moves_what_its_workload_is_decided_by() {
        const LEAST_RETRANSMISSION: Duration = Duration::from_millis(200); // TCP_RTO_MIN
        let lossy = BUILT_IN
            .iter()
            .filter_map(|built_in| Scenario::built_in(built_in.name))
            .filter(|one| one.loss > 0.0);
        let lossy: Vec<Scenario> = lossy.collect();
        assert_eq!(lossy.len(), 2);
        for Scenario { name, merit, objective, load, server, .. } in &lossy {
            // Half a percent moves no p99, and all of what is answered in time.
            assert!(
                *merit == Metric::Goodput && objective.is_some_and(|time| time < LEAST_RETRANSMISSION),
                "{name}"
            );
            assert!(
                server.config(1).pool_workers >= load.clients() as usize,
                "{name}: no client waits for a thread"
            );
        }
    }

    #[test]
    fn a_percentile_that_decides_has_a_hundred_requests_beyond_it() {
        for built_in in BUILT_IN {
            let scenario = Scenario::built_in(built_in.name).expect("built in");
            if scenario.asked_merit.percentile().is_some() {
                let median = scenario.asked_merit == Metric::ResponseP50;
                let decides = median || [Metric::ResponseP95, Metric::ResponseP99].contains(&scenario.merit);
                assert!(decides, "{}: {:?}", built_in.name, scenario.merit);
            }
            let ten_times = Times { window: Some(scenario.timing.window * 10), warmup: None };
            let longer = with_times(&scenario, ten_times).expect(built_in.name);
            assert_eq!(longer.merit, scenario.asked_merit, "{}", built_in.name);
        }
    }

    #[test]
    fn the_default_run_is_what_the_prose_says_and_groups_stand_together() {
        let prose: Vec<&str> =
            include_str!("builtin.rs").lines().take_while(|line| line.starts_with("//!")).collect();
        let listed = |name: &str| prose.iter().any(|line| line.starts_with(&format!("//! - `{name}`:")));
        for built_in in BUILT_IN {
            assert_eq!(built_in.default, listed(built_in.name), "{}", built_in.name);
        }
        assert!(prose.iter().any(|line| line.contains("Eight workloads")));
        assert_eq!(BUILT_IN.iter().filter(|built_in| built_in.default).count(), 8);
        assert!(BUILT_IN.is_sorted_by_key(|built_in| built_in.group));
    }

    #[test]
    fn every_scenario_file_is_built_in() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios");
        for entry in std::fs::read_dir(folder).expect("the folder of scenarios") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                continue; // those of the orderings, which `verify` runs
            }
            let name = path.file_stem().and_then(|stem| stem.to_str()).expect("a name").to_owned();
            let known = BUILT_IN.iter().chain([&REFERENCE]).any(|built_in| built_in.name == name);
            assert!(known, "{} has no line in builtin.rs", path.display());
        }
    }
}
