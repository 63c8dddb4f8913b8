//! `bakeoff conform`: whether a server of somebody else's speaks a service as the contract says.

use super::flags::ListenFlag;
use super::setup::launcher;
use super::{names, output};
use crate::exit::Exit;
use crate::host::preflight::require_loopback;
use crate::host::topology::CpuPlan;
use crate::instruments::conform::{self, Outcome};
use crate::process::context::Context;
use crate::process::launch::LaunchError;
use crate::process::program::Program;
use crate::workload::command::Command;
use bakeoff_reports::show::text::wrapped;
use bakeoff_servers::services::ServiceEntry;
use clap::Args;

/// Find out whether a server of your own speaks a service
#[derive(Debug, Args)]
#[command(
    after_help = "Every case starts the server afresh, on a free port of loopback. servers/PROTOCOL.md is the contract; \
    servers/examples has servers in other languages.\n\nExamples:\n  \
    bakeoff conform './server {port}' --service wait\n  \
    bakeoff conform 'python3 server.py {port}' -s echo -s line"
)]
pub(super) struct ConformArgs {
    /// The command; {port} is where the port goes, {address} where host and port go, {service} where the service
    command: String,
    /// The service it must speak (see `bakeoff list`); may be given several times
    #[arg(long = "service", short, default_value = "echo", value_parser = names::service(), hide_possible_values = true)]
    services: Vec<&'static ServiceEntry>,
    #[command(flatten)]
    listen: ListenFlag,
}

/// What is asked of a server besides the cases: that it ends when it is asked to.
const STOPS: (&str, &str) = ("stops", "SIGTERM ends it within 2 s, and nothing of it is left");

/// What came of all cases so far.
#[derive(Default)]
struct Tally {
    passed: u64,
    /// Of those that a server must pass, and of the others.
    failed: u64,
    lacking: u64,
    asked_nothing: u64,
}

impl ConformArgs {
    pub(super) fn run(self) -> Result<Exit, String> {
        require_loopback(self.listen.addr.ip(), "conform starts the server on this machine")?;
        let command = Command::parse(&self.command)?;
        let context = Context::new(launcher()?, self.listen.addr, CpuPlan::of_this_machine());
        let program = Program::Command { launcher: &context.launcher, name: "under test", command: &command };
        let mut tally = Tally::default();
        for service in &self.services {
            output::print(&on_lines(&format!("{} by {}", service.name, self.command), ""))?;
            match cases(&context, program, service, &mut tally) {
                Ok(()) => {}
                Err(LaunchError::Interrupted) => return Ok(Exit::Interrupted),
                Err(error) => return Err(error.to_string()),
            }
        }
        output::print(&tally.line())?;
        Ok(if tally.failed == 0 { Exit::Fine } else { Exit::Invalid })
    }
}

/// Puts all cases to a server, with a line on each as it is known.
fn cases(
    context: &Context,
    program: Program<'_>,
    service: &'static ServiceEntry,
    tally: &mut Tally,
) -> Result<(), LaunchError> {
    for case in conform::cases_of(service) {
        let outcome = conform::put(context, program, service, case)?;
        tally.enter(case.name, case.about, case.needed, outcome).map_err(LaunchError::Refused)?;
    }
    let (name, about) = STOPS;
    let outcome = conform::stops(context, program, service)?;
    tally.enter(name, about, false, outcome).map_err(LaunchError::Refused)
}

/// Text for the terminal, wherever its lines ended before: the last words of a server may be in it.
fn on_lines(text: &str, indent: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    wrapped(&words.join(" "), crate::terminal_width().min(100), indent)
}

impl Tally {
    fn enter(&mut self, name: &str, about: &str, needed: bool, outcome: Outcome) -> Result<(), String> {
        let (word, why) = match &outcome {
            Outcome::Passed => ("yes", ""),
            Outcome::Failed(why) if needed => ("NO", why.as_str()),
            Outcome::Failed(why) => ("no", why.as_str()),
            Outcome::AsksNothing(why) => ("-", *why),
        };
        *match outcome {
            Outcome::Passed => &mut self.passed,
            Outcome::Failed(_) if needed => &mut self.failed,
            Outcome::Failed(_) => &mut self.lacking,
            Outcome::AsksNothing(_) => &mut self.asked_nothing,
        } += 1;
        let sentence = if why.is_empty() { about.to_owned() } else { format!("{about}: {why}") };
        output::print(&on_lines(&sentence, &format!("  {name:<18}{word:<5}")))
    }

    fn line(&self) -> String {
        let Self { passed, failed, lacking, asked_nothing } = self;
        let verdict = match (failed, lacking) {
            (0, 0) => "It conforms".to_owned(),
            (0, _) => "It conforms, and its figures will show what it lacks".to_owned(),
            (1, _) => "It does not conform: a required case failed".to_owned(),
            (failed, _) => format!("It does not conform: {failed} required cases failed"),
        };
        let nothing =
            if *asked_nothing > 0 { format!(", {asked_nothing} not applicable") } else { String::new() };
        format!("{verdict} ({passed} held, {} did not{nothing}).\n", failed + lacking)
    }
}
