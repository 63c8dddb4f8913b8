//! io_uring: one thread, one ring, every connection a state machine that is told what has been done (the proactor).
//!
//! Where the reactor is told that it may read and then reads, this is told what was read: accepts and receives are
//! submitted once and complete again and again, sends are submitted together, and one system call a turn hands all of
//! it over and takes all that has come. Jobs go to the same pools as those of `mio-event-loop`.

mod connection;
mod proactor;

use crate::drive::live::Live;
use crate::model::{Concurrency, Meta, PerClient, Role, ServerModel, Serving, Tuning};
use crate::sys::uring::Ring;
use proactor::Proactor;
use std::io;

/// The server.
#[derive(Debug)]
pub(super) struct IoUring;

/// Says what it means that there is no ring.
fn explained(error: io::Error) -> io::Error {
    let hint = match error.kind() {
        io::ErrorKind::PermissionDenied => {
            " (see the sysctl kernel.io_uring_disabled and the seccomp profile of this container)"
        }
        io::ErrorKind::Unsupported => " (this kernel is built without it)",
        _ => "",
    };
    let message = format!("io_uring is not available here: {error}{hint}; choose another model");
    io::Error::new(error.kind(), message)
}

impl ServerModel for IoUring {
    fn meta(&self) -> &'static Meta {
        &Meta {
            name: "io-uring",
            summary: "one thread that is told what was read and sent (proactor); many active connections, one core",
            concurrency: Concurrency::Unbounded,
            per_client: PerClient::Nothing,
            threads: |_| 1,
            tunings: &[Tuning::BlockingWorkers, Tuning::ComputeWorkers],
            role: Role::Extra,
        }
    }

    fn unavailable(&self) -> Option<String> {
        Ring::check().err().map(|error| explained(error).to_string())
    }

    fn serve(&self, serving: Serving) -> io::Result<()> {
        let Serving { listener, service, config, stop, counters } = serving;
        let (config, stop) = (&config, &stop);
        let ring = Ring::new().map_err(explained)?;
        Proactor::new(ring, listener, service, config, Live::new(counters))?.run(stop, config.stop_deadline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::Errno;

    #[test]
    fn where_there_is_none_the_reason_and_the_way_out_are_told() {
        for (errno, hint) in [(Errno::NOSYS, "built without"), (Errno::PERM, "io_uring_disabled")] {
            let told = explained(errno.into()).to_string();
            assert!(told.starts_with("io_uring is not available here: ") && told.contains(hint), "{told}");
            assert!(told.ends_with("; choose another model"), "{told}");
        }
    }
}
