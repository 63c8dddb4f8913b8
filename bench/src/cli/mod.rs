//! The command line: one file per subcommand, and the table of them.

mod ab;
mod advise;
mod anatomy;
mod become_command;
mod build_command;
mod capacity;
mod compare;
mod envelope;
mod export;
mod flags;
mod help;
mod history;
mod internal;
mod list;
mod load;
mod manual;
mod names;
mod output;
mod probe;
mod report;
mod results;
mod run;
mod scenario;
mod serve;
mod setup;
mod sweep;
mod verify;
mod worker;
mod workloads;

pub(crate) use internal::Internal;

use bakeoff::exit::Exit;
use clap::{FromArgMatches as _, Parser, Subcommand};
use std::net::SocketAddr;

/// Which server concurrency model fits which workload? Measured, with its uncertainty.
///
/// Without a subcommand it does the default run: five models (two more where they teach something) under eight
/// workloads, in about four minutes, and a report.
#[derive(Debug, Parser)]
#[command(name = "bakeoff", version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::RunArgs),
    Sweep(sweep::SweepArgs),
    Capacity(capacity::CapacityArgs),
    Serve(serve::ServeArgs),
    Load(load::LoadArgs),
    Anatomy(anatomy::AnatomyArgs),
    Envelope(envelope::EnvelopeArgs),
    Ab(Box<ab::AbArgs>),
    Compare(compare::CompareArgs),
    Probe(probe::ProbeArgs),
    Report(report::ReportArgs),
    Export(export::ExportArgs),
    Advise(advise::AdviseArgs),
    History(history::HistoryArgs),
    List(list::ListArgs),
    Scenario(scenario::ScenarioArgs),
    Verify(verify::VerifyArgs),
    Completions(manual::CompletionsArgs),
    Man(manual::ManArgs),
}

/// Reads an address and a port; `localhost` is 127.0.0.1.
fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let numeric = match text.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => text.to_string(),
    };
    numeric.parse().map_err(|_| "give an address and a port, such as 127.0.0.1:5000 or [::1]:5000".into())
}

impl Cli {
    /// Reads the command line; a mistake in it ends the tool.
    pub(crate) fn read() -> Self {
        Self::from_arg_matches(&help::definition().get_matches()).unwrap_or_else(|error| error.exit())
    }

    /// Does what was asked.
    pub(crate) fn dispatch(self) -> Result<Exit, String> {
        match self.command {
            None => Self::parse_from(["bakeoff", "run"]).dispatch(),
            Some(Command::Run(args)) => args.run(),
            Some(Command::Sweep(args)) => args.run(),
            Some(Command::Capacity(args)) => args.run(),
            Some(Command::Serve(args)) => args.run(),
            Some(Command::Load(args)) => args.run(),
            Some(Command::Anatomy(args)) => args.run(),
            Some(Command::Envelope(args)) => args.run(),
            Some(Command::Ab(args)) => args.run(),
            Some(Command::Compare(args)) => args.run(),
            Some(Command::Probe(args)) => args.run(),
            Some(Command::Report(args)) => args.run(),
            Some(Command::Export(args)) => args.run(),
            Some(Command::Advise(args)) => args.run(),
            Some(Command::History(args)) => args.run(),
            Some(Command::List(args)) => args.run(),
            Some(Command::Scenario(args)) => args.run(),
            Some(Command::Verify(args)) => args.run(),
            Some(Command::Completions(args)) => args.run(),
            Some(Command::Man(args)) => args.run(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_people_write_them() {
        let local: SocketAddr = "127.0.0.1:5000".parse().expect("an address");
        assert_eq!(parse_address("localhost:5000"), Ok(local));
        assert_eq!(parse_address("127.0.0.1:5000"), Ok(local));
        for bad in ["127.0.0.1", "5000", "localhost", "example.org:80"] {
            assert!(parse_address(bad).expect_err(bad).contains("such as"), "{bad}");
        }
    }
}
