//! Becomes a command to which the kernel refuses some system calls, for the tests of faults: a seccomp filter, which all that the
//! command starts inherits.
//!
//!     refuse-calls CALL=ERRNO [CALL=ERRNO ...] -- COMMAND [ARGUMENT ...]

use seccompiler::{SeccompAction, SeccompFilter};
use std::collections::BTreeMap;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

const USAGE: &str = "usage: refuse-calls CALL=ERRNO [CALL=ERRNO ...] -- COMMAND [ARGUMENT ...]";

fn main() -> ExitCode {
    let error = become_command(&std::env::args().skip(1).collect::<Vec<_>>());
    eprintln!("refuse-calls: {error}");
    ExitCode::from(2)
}

/// Returns only when it fails, with the reason.
fn become_command(words: &[String]) -> String {
    let parts: Vec<&[String]> = words.splitn(2, |word| word == "--").collect();
    let [refused, [program, arguments @ ..]] = parts[..] else { return USAGE.into() };
    match refused.iter().try_for_each(|pair| refuse(pair)) {
        Ok(()) => format!("{program}: {}", Command::new(program).args(arguments).exec()),
        Err(why) => why,
    }
}

/// Puts a filter on this process that answers a call with an error.
fn refuse(pair: &str) -> Result<(), String> {
    let (name, errno) = pair.split_once('=').ok_or(USAGE)?;
    let call: syscalls::Sysno = name.parse().map_err(|()| format!("{name} is no system call here"))?;
    let errno: u32 = errno.parse().map_err(|_| format!("{errno} is no error number"))?;
    let architecture = std::env::consts::ARCH.try_into().map_err(|e| format!("{e}"))?;
    let rules = BTreeMap::from([(i64::from(call.id()), Vec::new())]);
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Errno(errno), architecture);
    let program: seccompiler::BpfProgram = filter.and_then(TryInto::try_into).map_err(|e| e.to_string())?;
    seccompiler::apply_filter(&program).map_err(|e| format!("the kernel takes no filter: {e}"))
}
