//! Flags that several subcommands share, each written once; a subcommand flattens those it takes.

use super::names;
use super::setup::{command_line, context, tell_cpus};
use crate::campaign::Options;
use crate::host::topology::{CpuPlan, CpuWish, Topology, Wishes};
use crate::process::context::Context;
use crate::workload::bounds::MAX_SIZE_BYTES;
use crate::workload::contestant::{Chosen, NamedCommand};
use crate::workload::derive::Times;
use crate::workload::http::{self, Header};
use crate::workload::load::{DemandShape, RequestShape, check_request, of_each_kind};
use crate::workload::units::{parse_duration, parse_positive_duration, parse_size};
use bakeoff_reports::record::{HttpExpectation, HttpRequest, Transport};
use bakeoff_servers::services::{self, STAGES, ServiceEntry};
use clap::{Args, value_parser};
use std::fs;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::{self, Read as _};
use std::net::SocketAddr;
use std::ops::RangeInclusive;
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

#[derive(Clone, Copy, Debug, Args)]
pub(super) struct TransportFlag {
    /// What carries the requests: tcp, or udp, a datagram each (echo alone)
    #[arg(long, value_name = "TRANSPORT", default_value = "tcp", value_parser = names::transport())]
    pub(super) transport: Transport,
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

#[derive(Clone, Debug, Default, Args)]
pub(super) struct CpuFlags {
    /// CPUs of servers: how many, such as 4, or which, such as 0-3,6 (`4,` is CPU 4 alone) [default: half of the cores]
    #[arg(long, value_name = "CPUS")]
    server_cpus: Option<CpuWish>,
    /// CPUs of the load generator, in the same way; it has a worker on each
    #[arg(long, value_name = "CPUS")]
    swarm_cpus: Option<CpuWish>,
}

impl CpuFlags {
    /// The CPUs of this machine as these flags divide them.
    pub(super) fn plan(&self) -> Result<CpuPlan, String> {
        let (server, swarm) = (self.server_cpus.clone(), self.swarm_cpus.clone());
        CpuPlan::new(&Topology::of_this_machine(), &Wishes { server, swarm, share: false })
    }

    /// The same for servers on different numbers of CPUs, up to so many. At the end they may share some with the swarm, whose CPUs
    /// stay the same.
    pub(super) fn plan_up_to(&self, most: u32) -> Result<CpuPlan, String> {
        if self.server_cpus.is_some() {
            return Err(
                "--over cores and --server-cpus both say how many CPUs servers get; leave one of them out"
                    .into(),
            );
        }
        let server = Some(CpuWish::Count(most));
        CpuPlan::new(
            &Topology::of_this_machine(),
            &Wishes { server, swarm: self.swarm_cpus.clone(), share: true },
        )
    }
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
    #[command(flatten)]
    pub(super) cpus: CpuFlags,
    /// Retries per trial disturbed by the load generator or by a machine that is slower for a while (in a capacity search or a pair
    /// of builds, also by other programs); the retries of either kind add at most 15 % to the trials
    #[arg(long, default_value_t = 2, value_parser = value_parser!(u32).range(0..=5))]
    pub(super) retries: u32,
    /// Skip the measurement of the generator's own limits before the trials (about three seconds); nothing is then marked
    /// as lying at them
    #[arg(long)]
    pub(super) no_probe: bool,
    #[command(flatten)]
    pub(super) http: HttpFlags,
}

// A request of HTTP spelled out, for a server that is nobody's of ours.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Requests of HTTP")]
pub(super) struct HttpFlags {
    /// Path of a request of HTTP, with its query; may be given several times, and each request then asks for one of them by
    /// the seed [default: /]
    #[arg(long = "path", value_name = "PATH", value_parser = http::path)]
    paths: Vec<String>,
    /// Its method [default: GET, or POST with a body]
    #[arg(long, value_name = "METHOD", value_parser = http::method)]
    method: Option<String>,
    /// A header of it, such as 'content-type: application/json'; may be given several times
    #[arg(long = "header", short = 'H', value_name = "HEADER", value_parser = request_header)]
    headers: Vec<Header>,
    /// Its body: a text, or @FILE with a text in UTF-8, up to 4 MiB
    #[arg(long, value_name = "TEXT")]
    body: Option<String>,
    /// The statuses of right replies: 200, 2xx, 200-204, or several with commas [default: 2xx]
    #[arg(long, value_name = "STATUSES", value_parser = statuses)]
    expect_status: Option<Statuses>,
    /// The length of their content
    #[arg(long, value_name = "BYTES", value_parser = http::length)]
    expect_length: Option<u64>,
    /// A header that they have, with exactly this value; may be given several times
    #[arg(long = "expect-header", value_name = "HEADER", value_parser = http::header)]
    expect_headers: Vec<Header>,
    /// Their content is that of the first right reply for the same path; each worker of the swarm learns it anew in each trial,
    /// so this tells that a server changes its mind, not that two contestants answer alike
    #[arg(long)]
    expect_same_body: bool,
}

/// Ranges of statuses; a type of its own, so that clap takes the list for one value.
#[derive(Clone, Debug)]
struct Statuses(Vec<RangeInclusive<u16>>);

fn statuses(text: &str) -> Result<Statuses, String> {
    http::statuses(text).map(Statuses)
}

fn request_header(text: &str) -> Result<Header, String> {
    http::header(text).and_then(http::request_field)
}

impl HttpFlags {
    fn are_given(&self) -> bool {
        let Self { paths, method, headers, body, expect_status, expect_length, expect_headers, .. } = self;
        let lists = !paths.is_empty() || !headers.is_empty() || !expect_headers.is_empty();
        let others = method.is_some() || body.is_some() || expect_status.is_some() || expect_length.is_some();
        lists || others || self.expect_same_body
    }

    /// The request that they spell out, if they do.
    pub(super) fn request(&self) -> Result<Option<HttpRequest>, String> {
        if !self.are_given() {
            return Ok(None);
        }
        let body = match self.body.as_deref().unwrap_or_default() {
            text if !text.starts_with('@') => text.to_owned(),
            file => text_of(&file[1..])
                .map_err(|e| format!("reading the body from the file {} failed: {e}", &file[1..]))?,
        };
        let usual = HttpExpectation::default();
        let expect = HttpExpectation {
            statuses: self.expect_status.as_ref().map_or(usual.statuses, |statuses| statuses.0.clone()),
            length: self.expect_length,
            headers: self.expect_headers.clone(),
            same_body: self.expect_same_body,
        };
        http::request(self.method.clone(), self.paths.clone(), self.headers.clone(), body, expect).map(Some)
    }
}

/// The text in a file; of one that is longer than any body no more than shows that it is.
fn text_of(file: &str) -> io::Result<String> {
    let mut text = Vec::new();
    fs::File::open(file)?.take(u64::from(MAX_SIZE_BYTES) + 1).read_to_end(&mut text)?;
    if text.len() > MAX_SIZE_BYTES as usize {
        let why = format!("it is longer than {MAX_SIZE_BYTES} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
    }
    String::from_utf8(text).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is no text in UTF-8"))
}

/// The payload of a request in bytes, unless another is asked for.
const USUAL_SIZE: u32 = 64;

// What a single request is, where no scenario says it.
#[derive(Clone, Debug, Args)]
pub(super) struct RequestFlags {
    /// What the server speaks (see `bakeoff list`) [default: echo; http where a request is spelled out]
    #[arg(long, short, value_parser = names::service(), hide_possible_values = true)]
    service: Option<&'static ServiceEntry>,
    /// Payload of a request (http: of its reply) [default: 64 B]
    #[arg(long, value_parser = parse_size)]
    size: Option<u32>,
    /// What a request demands of the server, for services that do work [default: 1 ms]
    #[arg(long, value_name = "TIME", value_parser = parse_positive_duration)]
    pub(super) demand: Option<Duration>,
    #[command(flatten)]
    http: HttpFlags,
}

impl RequestFlags {
    /// What the server speaks.
    pub(super) fn service(&self) -> &'static ServiceEntry {
        let usual = if self.http.are_given() { "http" } else { "echo" };
        self.service.unwrap_or_else(|| services::find(usual).expect("it is built in"))
    }

    /// The shape of a request, which the service must be able to serve.
    pub(super) fn shape(&self) -> Result<RequestShape, String> {
        if let Some(http) = self.http.request()? {
            return match (self.service().name, self.size, self.demand) {
                ("http", None, None) => Ok(RequestShape::http(http)),
                ("http", ..) => Err("a request that is spelled out has neither --size nor --demand".into()),
                (other, ..) => {
                    Err(format!("--path and its like spell out a request of http, not of {other}"))
                }
            };
        }
        let demand = self.demand.map_or(DemandShape::None, |value| DemandShape::Fixed { value });
        let size = self.size.unwrap_or(USUAL_SIZE);
        let shape = match self.service().demand {
            Some(STAGES) => of_each_kind(size, self.demand),
            _ => RequestShape::new(size, demand),
        };
        check_request(&shape, self.service()).map_err(|e| e.to_string())?;
        Ok(shape)
    }
}

impl CampaignFlags {
    /// Where its servers run, which is told unless the campaign is to be quiet.
    pub(super) fn context(&self) -> Result<Context, String> {
        let cpus = self.cpus.plan()?;
        if !self.results.quiet {
            tell_cpus(&cpus);
        }
        context(self.listen.addr, cpus)
    }

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
