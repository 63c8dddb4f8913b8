//! Flags that several subcommands share, each written once; a subcommand flattens those it takes.

use super::names;
use super::setup::command_line;
use crate::campaign::Options;
use crate::workload::contestant::{Chosen, NamedCommand};
use crate::workload::derive::Times;
use crate::workload::load::{DemandShape, RequestShape, check_request};
use crate::workload::units::{parse_duration, parse_positive_duration, parse_size};
use bakeoff_servers::services::ServiceEntry;
use clap::{Args, value_parser};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

// No docstrings on these structs: one on a flattened struct would become the help of the subcommand.

#[derive(Clone, Debug, Args)]
pub(super) struct ModelFlags {
    /// Use only the models given this way, whatever the scenario says; may be given several times
    #[arg(long = "model", short, value_name = "MODEL", value_parser = names::model_name(), hide_possible_values = true)]
    pub(super) models: Vec<String>,
}

#[derive(Clone, Debug, Args)]
pub(super) struct ContestantFlag {
    /// A server of your own beside the models: a name, and a command that listens on {port}, such as go='./server {port}'; may
    /// be given several times. {service} is the workload's service, for one that speaks several (servers/PROTOCOL.md)
    #[arg(long = "contestant", value_name = "NAME=COMMAND")]
    pub(super) commands: Vec<NamedCommand>,
}

impl ModelFlags {
    /// Who is chosen by hand, with these commands.
    pub(super) fn with(&self, own: &ContestantFlag) -> Chosen {
        Chosen { models: self.models.clone(), commands: own.commands.clone() }
    }
}

#[derive(Clone, Debug, Args)]
pub(super) struct SeedFlag {
    /// Seed of all schedules, orders and payloads
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,
}

#[derive(Clone, Debug, Args)]
pub(super) struct DrawnSeedFlag {
    /// Seed of all schedules, orders and payloads, to repeat a run [default: random, and reported]
    #[arg(long)]
    seed: Option<u64>,
}

impl DrawnSeedFlag {
    /// The seed given, or the one that this process drew: a run again is then another sample, not the same schedules once more.
    pub(super) fn seed(&self) -> u64 {
        // Six digits are enough to tell runs apart, and can be typed.
        static DRAWN: LazyLock<u64> =
            LazyLock::new(|| RandomState::new().build_hasher().finish() % 1_000_000);
        self.seed.unwrap_or(*DRAWN)
    }

    /// The seed of one of several runs.
    pub(super) fn of_run(&self, at: u32) -> Self {
        Self { seed: Some(self.seed().wrapping_add(at.into())) }
    }
}

#[derive(Clone, Debug, Args)]
pub(super) struct ResultFlags {
    /// Folder for the bundle and the report; must not hold a bundle yet [default: bakeoff-results/<UTC time>]
    #[arg(long, short, value_name = "FOLDER", value_hint = clap::ValueHint::DirPath)]
    pub(super) out: Option<PathBuf>,
    /// No progress, no summary
    #[arg(long, short)]
    pub(super) quiet: bool,
}

#[derive(Clone, Debug, Args)]
pub(super) struct ListenFlag {
    /// Loopback address the servers listen on; port 0 takes a free one for each
    #[arg(long, default_value = "127.0.0.1:0", value_parser = super::parse_address)]
    pub(super) addr: SocketAddr,
}

#[derive(Clone, Debug, Args)]
pub(super) struct TimeFlags {
    /// Measured window of every trial, instead of the scenario's
    #[arg(long, value_name = "TIME", value_parser = parse_positive_duration)]
    window: Option<Duration>,
    /// Warm-up of every trial, instead of the scenario's
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    warmup: Option<Duration>,
}

impl TimeFlags {
    pub(super) fn times(&self) -> Times {
        Times { window: self.window, warmup: self.warmup }
    }
}

#[derive(Clone, Debug, Args)]
pub(super) struct CostFlag {
    /// Skip the cost figures of servers: event counters (150 ms before each window of the first round), context switches,
    /// waits, memory at rest. A workload that one of these decides stays undecided
    #[arg(long)]
    pub(super) no_costs: bool,
}

// What every campaign of trials takes.
#[derive(Clone, Debug, Args)]
pub(super) struct CampaignFlags {
    #[command(flatten)]
    pub(super) models: ModelFlags,
    #[command(flatten)]
    pub(super) seed: DrawnSeedFlag,
    #[command(flatten)]
    pub(super) times: TimeFlags,
    #[command(flatten)]
    pub(super) results: ResultFlags,
    #[command(flatten)]
    pub(super) listen: ListenFlag,
    /// Retries per trial disturbed by the load generator or by a machine that is slower for a while (in a capacity search or a pair
    /// of builds, also by other programs); all retries together add at most 25 % to the trials
    #[arg(long, default_value_t = 2, value_parser = value_parser!(u32).range(0..=5))]
    pub(super) retries: u32,
    /// Skip the measurement of the generator's own limits before the trials (about three seconds); nothing is then marked
    /// as lying at them
    #[arg(long)]
    pub(super) no_probe: bool,
}

// What a single request is, where no scenario says it.
#[derive(Clone, Debug, Args)]
pub(super) struct RequestFlags {
    /// What the server speaks (see `bakeoff list`)
    #[arg(long, short, default_value = "echo", value_parser = names::service(), hide_possible_values = true)]
    pub(super) service: &'static ServiceEntry,
    /// Payload of a request (http: of its reply)
    #[arg(long, default_value = "64 B", value_parser = parse_size)]
    pub(super) size: u32,
    /// What a request demands of the server, for services that do work [default: 1 ms]
    #[arg(long, value_name = "TIME", value_parser = parse_positive_duration)]
    pub(super) demand: Option<Duration>,
}

impl RequestFlags {
    /// The shape of a request, which the service must be able to serve.
    pub(super) fn shape(&self) -> Result<RequestShape, String> {
        let demand = self.demand.map_or(DemandShape::None, |value| DemandShape::Fixed { value });
        let shape = RequestShape { size: self.size, demand };
        check_request(&shape, self.service).map_err(|e| e.to_string())?;
        Ok(shape)
    }
}

impl CampaignFlags {
    /// The options of a campaign, without what only `run` does after its trials.
    pub(super) fn options(&self, costs: bool) -> Options {
        Options {
            command: command_line(),
            progress: !self.results.quiet,
            costs,
            retries: self.retries,
            probe: !self.no_probe,
            ..Options::default()
        }
    }
}
