//! `bakeoff probe`: what this machine and this load generator can show; and the null server it is found out with.

use super::flags::CpuFlags;
use super::output;
use super::setup::{launcher, loopback, tell_cpus};
use crate::exit::Exit;
use crate::instruments::probe::null_server::{self, NullOptions};
use crate::instruments::probe::{Form, Point, Prober};
use crate::process::context::Context;
use bakeoff_reports::rules::probe;
use clap::Args;
use std::net::SocketAddr;

/// Measure what this machine and the load generator can show
#[derive(Debug, Args)]
#[command(after_help = "Exit status: 0 fit to measure on, 3 not fit (the output says why).\n\
    Example: bakeoff probe --long")]
pub(super) struct ProbeArgs {
    /// More samples: about thirteen seconds instead of two
    #[arg(long)]
    long: bool,
    /// One JSON document, as a run stamps it on its bundle, instead of text
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    cpus: CpuFlags,
}

/// Payload in bytes and clients of the ceilings that are measured when there is no run to measure them for.
const CEILINGS: [(u32, u32); 4] = [(64, 1), (64, 64), (64, 1_000), (65_536, 16)];

impl ProbeArgs {
    pub(super) fn run(self) -> Result<Exit, String> {
        let context = Context::new(launcher()?, loopback(), self.cpus.plan()?);
        tell_cpus(&context.cpus);
        let form = if self.long { Form::Long } else { Form::Short };
        let points = CEILINGS.map(|(payload, clients)| Point::closed(payload, clients));
        let Ok(found) = Prober { context: &context, form }.probe(&points) else {
            return Ok(Exit::Interrupted);
        };
        let text = if self.json {
            serde_json::to_string_pretty(&found).expect("our own types have finite numbers") + "\n"
        } else {
            bakeoff_reports::show::text::probe::table(&found, crate::terminal_width())
        };
        output::print(&text)?;
        Ok(if probe::unfit(&found).is_empty() { Exit::Fine } else { Exit::Invalid })
    }
}

#[derive(Debug, Args)]
pub(super) struct NullServerArgs {
    /// Where to listen
    #[arg(long, value_parser = super::parse_address)]
    addr: SocketAddr,
    /// TCP congestion control of its sockets
    #[arg(long)]
    congestion_control: Option<String>,
    /// The CPU to stay on
    #[arg(long)]
    cpu: Option<u32>,
    /// Process id of the runner; the server ends with it
    #[arg(long)]
    parent: u32,
}

impl NullServerArgs {
    pub(super) fn run(self) -> Result<Exit, String> {
        crate::host::preflight::require_loopback(self.addr.ip(), "the null server is for this machine only")?;
        let options =
            NullOptions { address: self.addr, congestion_control: self.congestion_control, cpu: self.cpu };
        null_server::run(&options, self.parent)?;
        Ok(Exit::Fine)
    }
}
