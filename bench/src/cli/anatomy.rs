//! `bakeoff anatomy`: one request followed through the layers.

use super::output;
use bakeoff::campaign::run::runner;
use bakeoff::host::environment::{CpuPlan, allowed_cpus};
use bakeoff::host::preflight::require_loopback;
use bakeoff::instruments::anatomy::{AnatomyOptions, Workbench, take};
use bakeoff::process::launch::{Interrupt, LaunchError, Launcher};
use bakeoff::suggest;
use bakeoff::workload::load::{DemandShape, RequestShape};
use bakeoff::workload::scenario::units::{parse_positive_duration, parse_size};
use bakeoff_reports::record::Reading;
use bakeoff_servers::{models, services};
use clap::{Args, value_parser};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

/// Follow one request through client, kernel and server: calls, switches, segments
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  bakeoff anatomy --model mio-event-loop\n  \
    bakeoff anatomy --model fork-per-client --service line\n  \
    bakeoff anatomy --model tokio --service wait --demand 2ms")]
pub(super) struct AnatomyArgs {
    /// The concurrency model (see `bakeoff list`)
    #[arg(long, short)]
    model: String,
    /// The service (see `bakeoff list`)
    #[arg(long, short, default_value = "echo")]
    service: String,
    /// Payload of a request
    #[arg(long, default_value = "64 B", value_parser = parse_size)]
    size: u32,
    /// What a request demands of the server, for services that do work [default: 1 ms]
    #[arg(long, value_name = "TIME", value_parser = parse_positive_duration)]
    demand: Option<Duration>,
    /// Requests to trace, to say what is typical
    #[arg(long, default_value_t = 10, value_parser = value_parser!(u32).range(1..=1000))]
    repeats: u32,
    /// How long to ask untraced, for times and switches
    #[arg(long = "for", value_name = "TIME", default_value = "2s", value_parser = parse_positive_duration)]
    span: Duration,
    /// Loopback address the server listens on; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:0", value_parser = super::parse_address)]
    addr: SocketAddr,
}

impl AnatomyArgs {
    pub(super) fn run(self) -> Result<ExitCode, String> {
        require_loopback(self.addr.ip(), "anatomy starts its own server on this machine")?;
        let options = self.options()?;
        let interrupt =
            Interrupt::on_signals().map_err(|e| format!("installing the signal handlers failed: {e}"))?;
        let launcher = Launcher::this_program(interrupt);
        let cpus = CpuPlan::split(allowed_cpus());
        let congestion_control = runner::choose_congestion_control();
        let bench = Workbench {
            launcher: &launcher,
            cpus: &cpus,
            congestion_control: congestion_control.value().map(String::as_str),
        };
        match take(&bench, &options) {
            Ok(anatomy) => {
                if let (Reading::Absent(why), Reading::Absent(_), Reading::Absent(_)) =
                    (&anatomy.phases, &anatomy.untraced, &anatomy.wire)
                {
                    return Err(format!("nothing of {} could be followed: {why}", self.model));
                }
                output::print(&bakeoff_reports::show::text::anatomy::table(
                    &anatomy,
                    bakeoff::terminal_width(),
                ))?;
                Ok(ExitCode::SUCCESS)
            }
            Err(LaunchError::Interrupted) => Ok(ExitCode::from(130)),
            Err(error) => Err(error.to_string()),
        }
    }

    fn options(&self) -> Result<AnatomyOptions, String> {
        let model = models::find(&self.model).ok_or_else(|| {
            suggest::unknown("model", &self.model, models::ALL.iter().map(|model| model.name()))
        })?;
        let service = services::find(&self.service).ok_or_else(|| {
            suggest::unknown("service", &self.service, services::ALL.iter().map(|s| s.name))
        })?;
        let demand = self.demand.map_or(DemandShape::None, |value| DemandShape::Fixed { value });
        RequestShape { size: self.size, demand }.check(service).map_err(|e| e.to_string())?;
        Ok(AnatomyOptions {
            model: model.name().into(),
            service,
            size: self.size,
            demand: self.demand.unwrap_or_default(),
            repeats: self.repeats,
            span: self.span,
            address: self.addr,
        })
    }
}
