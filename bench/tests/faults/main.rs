//! The fault matrix: every fault of a table under every command of a table. Whatever is refused, cut off or killed, the tool ends in
//! bounded time, with a status of its own table, without a panic, and leaves no process behind; where more must hold, the
//! fault's row says what.
//!
//! A quick part runs with all other tests; `scripts/check --faults` (`BAKEOFF_FAULTS=all`) runs the whole. A case that cannot run on
//! this machine is ignored with its reason.

#[allow(dead_code)] // another test uses the rest
#[path = "../it/support/mod.rs"]
mod support;

mod commands;
mod faults;
mod group;
mod kinds;
mod rig;

use commands::{COMMANDS, Command};
use faults::{FAULTS, Fault};
use libtest_mimic::{Arguments, Trial};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let whole = std::env::var_os("BAKEOFF_FAULTS").is_some_and(|value| value == "all");
    let of = |fault: &'static Fault| {
        let cannot = fault.how.cannot_run();
        COMMANDS.iter().map(move |command| trial(fault, command, whole, cannot.as_deref()))
    };
    let mut trials: Vec<Trial> = FAULTS.iter().flat_map(of).collect();
    trials.push(Trial::test("every_kind_of_fault_has_its_test", || kinds::hold().map_err(Into::into)));
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trial(fault: &'static Fault, command: &'static Command, whole: bool, cannot: Option<&str>) -> Trial {
    let name = format!("{}::{}", fault.name, command.name);
    let slow = "one of the whole matrix: scripts/check --faults";
    let told = fault.of(command).is_some() && command.quick;
    let reason = cannot.or((!whole && !told).then_some(slow)).unwrap_or_default();
    let test = move || rig::hold(fault, command).map_err(Into::into);
    Trial::test(name, test).with_kind(reason).with_ignored_flag(!reason.is_empty())
}
