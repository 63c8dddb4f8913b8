//! What a server's process may leave behind when it dies. Nothing here limits what a server may do while it lives.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Lets this process and the children it forks die without a core dump: an aborted server is a result here, and writing
/// out its memory would load the machine while others are still measured.
///
/// The limit is one byte, not zero: smaller than any dump, so that none is written to a file; and the one value that
/// Linux also obeys where dumps are piped to a program (fs/coredump.c; zero does not hold there, core(5)). Where even
/// this is refused nothing is lost but tidiness.
pub fn refuse_core_dumps() {
    let maximum = getrlimit(Resource::Core).maximum;
    let current = Some(maximum.map_or(1, |most| most.min(1)));
    let _ = setrlimit(Resource::Core, Rlimit { current, maximum });
}
