//! The command line: one file per subcommand, and the table of them.

mod ab;
mod advise;
mod anatomy;
mod balance;
mod become_command;
mod build_command;
mod capacity;
mod compare;
mod conform;
mod envelope;
mod export;
mod flags;
mod go_on;
mod help;
mod history;
mod internal;
mod list;
mod load;
mod manual;
mod names;
mod output;
mod probe;
mod replicate;
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

use crate::exit::Exit;
use bakeoff_servers::{ServerModel, models};
use clap::error::ErrorKind;
use clap::{FromArgMatches as _, Parser, Subcommand};
use internal::Internal;
use std::ffi::OsString;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::process::ExitCode;
use std::sync::Arc;

/// The whole tool, with models of your own beside its own: what a `main` function calls and returns. It starts the program it is in
/// again as servers and workers, so `main` must do nothing else before.
///
/// ```no_run
/// # use std::process::ExitCode;
/// fn main() -> ExitCode {
///     bakeoff::main_with(&[]) // &[&MyModel, &MyOtherModel]
/// }
/// ```
///
/// Ends with the statuses of [`exit`](crate::exit); with 2 also where a model of `own` has a name that cannot be one, or that
/// another has.
pub fn main_with(own: &[&'static dyn ServerModel]) -> ExitCode {
    if let Err(error) = crate::sys::keep_ends_of_children() {
        crate::print_to_stderr(&format!(
            "bakeoff: SIGCHLD stays ignored, so how children end will be unknown: {error}"
        ));
    }
    // Beyond a limit on the size of files a write then fails and is told, instead of ending the program without a word. A handler,
    // not "ignored", which what is started here would inherit.
    if let Err(error) = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::default()) {
        crate::print_to_stderr(&format!("bakeoff: handling SIGXFSZ failed: {error}"));
    }
    let done =
        models::add(own).map_err(|error| error.to_string()).and_then(|()| match Internal::is_meant() {
            true => Internal::parse().run(),
            false => Cli::read().dispatch(),
        });
    let exit = done.unwrap_or_else(|error| {
        crate::print_to_stderr(&format!("bakeoff: {error}"));
        Exit::Failed
    });
    exit.into()
}

/// Which server concurrency model fits which workload? Measured, with its uncertainty.
///
/// Without a subcommand, does the default run: five models (two more where instructive) under eight workloads, in two
/// minutes, with a report.
#[derive(Debug, Parser)]
#[command(name = "bakeoff", version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(Box<run::RunArgs>),
    Continue(go_on::ContinueArgs),
    Replicate(Box<replicate::ReplicateArgs>),
    Sweep(sweep::SweepArgs),
    Capacity(capacity::CapacityArgs),
    Serve(serve::ServeArgs),
    Load(load::LoadArgs),
    Anatomy(anatomy::AnatomyArgs),
    Envelope(envelope::EnvelopeArgs),
    Balance(balance::BalanceArgs),
    Ab(Box<ab::AbArgs>),
    Compare(compare::CompareArgs),
    Conform(conform::ConformArgs),
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

/// Reads an address, or a name of one, and a port. Of a name with several addresses, one of version 4 before one of version 6.
fn parse_address(text: &str) -> Result<SocketAddr, String> {
    parse_addresses(text).map(|all| all.0[0])
}

/// The addresses of one name, at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Addresses(Vec<SocketAddr>);

/// As [`parse_address`], with all addresses of a name.
fn parse_addresses(text: &str) -> Result<Addresses, String> {
    let form =
        || "give an address and a port, such as 127.0.0.1:5000, [::1]:5000 or localhost:5000".to_owned();
    if let Ok(address) = text.parse() {
        return Ok(Addresses(vec![address]));
    }
    let (name, port) = text.rsplit_once(':').ok_or_else(form)?;
    let port: u16 = port.parse().map_err(|_| form())?;
    if name.is_empty() || name.contains(':') || name.contains(char::is_whitespace) {
        return Err(form());
    }
    let unknown = |why: String| format!("the name `{name}` has no address here ({why}); {}", form());
    let mut found: Vec<SocketAddr> =
        (name, port).to_socket_addrs().map_err(|e| unknown(e.to_string()))?.collect();
    found.sort_by_key(SocketAddr::is_ipv6);
    found.dedup();
    if found.is_empty() { Err(unknown("nothing was found".into())) } else { Ok(Addresses(found)) }
}

impl Cli {
    /// Reads the command line; a mistake in it ends the tool.
    pub(crate) fn read() -> Self {
        let matches = help::definition().try_get_matches();
        matches.and_then(|matches| Self::from_arg_matches(&matches)).unwrap_or_else(|error| {
            if error.kind() == ErrorKind::InvalidUtf8 {
                crate::print_to_stderr(&format!("bakeoff: {}", not_utf_8(std::env::args_os())));
            } else {
                // That nobody reads it is no reason to say more.
                let _ = error.print();
            }
            std::process::exit(error.exit_code());
        })
    }

    /// Does what was asked.
    pub(crate) fn dispatch(self) -> Result<Exit, String> {
        match self.command {
            None => Self::parse_from(["bakeoff", "run"]).dispatch(),
            Some(Command::Run(args)) => args.run(),
            Some(Command::Continue(args)) => args.run(),
            Some(Command::Replicate(args)) => args.run(),
            Some(Command::Sweep(args)) => args.run(),
            Some(Command::Capacity(args)) => args.run(),
            Some(Command::Serve(args)) => args.run(),
            Some(Command::Load(args)) => args.run(),
            Some(Command::Anatomy(args)) => args.run(),
            Some(Command::Envelope(args)) => args.run(),
            Some(Command::Balance(args)) => args.run(),
            Some(Command::Ab(args)) => args.run(),
            Some(Command::Compare(args)) => args.run(),
            Some(Command::Conform(args)) => args.run(),
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

/// What to say of words that clap cannot read, and does not name.
fn not_utf_8(words: impl IntoIterator<Item = OsString>) -> String {
    let odd = words.into_iter().filter(|word| word.to_str().is_none());
    let named: Vec<String> =
        odd.map(|word| format!("`{}`", word.as_encoded_bytes().escape_ascii())).collect();
    format!(
        "{} is not UTF-8, as names of scenarios, models and values must be; rename the file, or name it by a link",
        named.join(" or ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_people_write_them() {
        let local: SocketAddr = "127.0.0.1:5000".parse().expect("an address");
        assert_eq!(parse_address("localhost:5000"), Ok(local), "as the system resolves it");
        assert_eq!(parse_address("127.0.0.1:5000"), Ok(local));
        assert!(parse_address("[::1]:5000").is_ok_and(|address| address.is_ipv6()));
        for bad in ["127.0.0.1", "5000", "localhost", ":80", "localhost:http", "a b:80", "::1:80:x"] {
            assert!(parse_address(bad).expect_err(bad).contains("such as"), "{bad}");
        }
    }

    #[test]
    fn what_is_no_utf_8_is_named_as_far_as_it_can_be() {
        use std::os::unix::ffi::OsStringExt as _;
        let words = ["bakeoff".into(), OsString::from_vec(b"\xff.toml".to_vec()), "churn".into()];
        let told = not_utf_8(words);
        assert!(told.contains("`\\xff.toml`") && told.contains("rename"), "{told}");
    }
}
