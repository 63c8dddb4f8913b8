//! `bakeoff anatomy`: one request followed through the layers.

use super::flags::{CpuFlags, ListenFlag, RequestFlags};
use super::setup::{launcher, tell_cpus};
use super::{names, output};
use crate::exit::Exit;
use crate::host::preflight::require_loopback;
use crate::instruments::anatomy::{AnatomyOptions, take};
use crate::process::context::Context;
use crate::process::launch::LaunchError;
use crate::workload::contestant::{Contestant, NamedCommand};
use crate::workload::units::parse_positive_duration;
use bakeoff_reports::record::Reading;
use bakeoff_servers::TunedModel;
use clap::{Args, value_parser};
use std::time::Duration;

/// Follow one request through client, kernel and server
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  bakeoff anatomy --model mio-event-loop\n  \
    bakeoff anatomy --model fork-per-client --service line\n  \
    bakeoff anatomy --model tokio --service wait --demand 2ms")]
pub(super) struct AnatomyArgs {
    /// The concurrency model (see `bakeoff list`)
    #[arg(long, short, value_parser = names::model(), hide_possible_values = true, required_unless_present = "contestant")]
    model: Option<TunedModel>,
    /// A server of your own instead: a name, and a command that listens on {port}
    #[arg(long, value_name = "NAME=COMMAND", conflicts_with = "model")]
    contestant: Option<NamedCommand>,
    #[command(flatten)]
    request: RequestFlags,
    /// Over TLS, with the handshake as a part of the connect; for models alone
    #[arg(long, conflicts_with = "contestant")]
    tls: bool,
    /// Requests to trace, to say what is typical
    #[arg(long, default_value_t = 10, value_parser = value_parser!(u32).range(1..=1000))]
    repeats: u32,
    /// How long to ask untraced, for times and switches
    #[arg(long = "for", value_name = "TIME", default_value = "2s", value_parser = parse_positive_duration)]
    span: Duration,
    #[command(flatten)]
    listen: ListenFlag,
    #[command(flatten)]
    cpus: CpuFlags,
}

impl AnatomyArgs {
    pub(super) fn run(self) -> Result<Exit, String> {
        require_loopback(self.listen.addr.ip(), "anatomy starts its own server on this machine")?;
        let options = self.options()?;
        let context = Context::new(launcher()?, self.listen.addr, self.cpus.plan()?);
        tell_cpus(&context.cpus);
        let own = self.contestant.clone().map(Contestant::Command);
        let subject =
            own.or_else(|| self.model.clone().map(Contestant::Model)).expect("one of them is required");
        match take(&context, context.program(&subject), &options) {
            Ok(anatomy) => {
                if let (Reading::Absent(why), Reading::Absent(_), Reading::Absent(_)) =
                    (&anatomy.phases, &anatomy.untraced, &anatomy.wire)
                {
                    return Err(format!("nothing of {} could be followed: {why}", subject.name()));
                }
                output::print(&bakeoff_reports::show::text::anatomy::table(
                    &anatomy,
                    crate::terminal_width(),
                ))?;
                Ok(Exit::Fine)
            }
            Err(LaunchError::Interrupted) => Ok(Exit::Interrupted),
            Err(error) => Err(error.to_string()),
        }
    }

    fn options(&self) -> Result<AnatomyOptions, String> {
        let shape = self.request.shape()?;
        Ok(AnatomyOptions {
            service: self.request.service(),
            tls: self.tls,
            request: shape,
            demand: self.request.demand.unwrap_or_default(),
            repeats: self.repeats,
            span: self.span,
        })
    }
}
