//! The contract of a model that serves datagrams: echo over UDP (RFC 862), where nobody connects and nothing is sent again.
//!
//! A datagram is one request, and its reply is one datagram of the same bytes, an empty one too. There is no session to keep: a
//! model decides who waits at which socket. What the kernel had no room for is counted, and apart from what it did not take.

use crate::listen::dropped_on_receipt;
use crate::tuning::Tuning;
use crate::{Counters, ServerConfig, Stop};
use std::net::UdpSocket;
use std::sync::atomic::Ordering;
use std::{fmt, io};

/// The longest payload of a datagram over IPv4 in bytes: 65,535 less the heads of IP and UDP. Over IPv6 20 bytes more would fit.
pub const LONGEST: u32 = 65_507;

/// How a model serves datagrams.
pub struct Datagrams {
    /// One line on who waits where.
    pub summary: &'static str,
    /// Sockets that share the address (`SO_REUSEPORT`); the kernel chooses one for each sender.
    pub sockets: fn(&ServerConfig) -> usize,
    /// The sizes that it reads.
    pub tunings: &'static [Tuning],
    /// Answers until asked to stop, and then what has arrived.
    pub answer: fn(ServingDatagrams) -> io::Result<()>,
}

impl fmt::Debug for Datagrams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Datagrams").field("summary", &self.summary).finish_non_exhaustive()
    }
}

/// All that a model is handed to serve datagrams with.
#[derive(Debug)]
pub struct ServingDatagrams {
    /// Where datagrams come in, bound; at least one.
    pub sockets: Vec<UdpSocket>,
    /// Sizes and limits.
    pub config: ServerConfig,
    /// The request to stop.
    pub stop: Stop,
    /// Where to count.
    pub counters: &'static Counters,
}

impl ServingDatagrams {
    /// The first socket, for a model that has one.
    pub(crate) fn only_socket(&mut self) -> UdpSocket {
        self.sockets.swap_remove(0)
    }
}

impl Datagrams {
    /// Serves until asked to stop, and counts what the kernel dropped because a receive buffer was full, where it tells.
    ///
    /// # Errors
    /// Only what makes serving impossible: a runtime, a thread or a poll instance that cannot be made.
    pub fn serve(&self, serving: ServingDatagrams) -> io::Result<()> {
        let sockets = serving.sockets.iter().map(UdpSocket::try_clone).collect::<io::Result<Vec<_>>>()?;
        let counters = serving.counters;
        (self.answer)(serving)?;
        for dropped in sockets.iter().map(dropped_on_receipt) {
            match dropped {
                Ok(dropped) => drop(counters.overflowed.fetch_add(dropped.into(), Ordering::Relaxed)),
                Err(_) => Counters::count(&counters.overflows_untold),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::OwnedFd;

    #[test]
    fn what_the_kernel_does_not_tell_of_a_buffer_is_no_zero() {
        let (pipe, _writer) = io::pipe().expect("a pipe"); // no socket, so that there is nothing to tell
        let datagrams = Datagrams { summary: "", sockets: |_| 1, tunings: &[], answer: |_| Ok(()) };
        let serving = ServingDatagrams {
            sockets: vec![UdpSocket::from(OwnedFd::from(pipe))],
            config: ServerConfig::for_cpus(1),
            stop: Stop::on_signals().expect("handlers"),
            counters: Counters::shared().expect("memory"),
        };
        let counters = serving.counters;
        datagrams.serve(serving).expect("it served");
        let snapshot = counters.snapshot();
        assert_eq!((snapshot.overflowed, snapshot.overflows_untold), (0, 1));
        assert!(snapshot.rows().iter().all(|(name, _)| *name != "overflowed"), "{:?}", snapshot.rows());
    }
}
