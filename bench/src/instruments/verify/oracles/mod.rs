//! The known answers, one file for each kind. An oracle runs its trials and says what must have come out of them; it
//! never looks at a figure to decide what to expect of that same figure.

mod bias;
mod closed;
mod fan_out;
mod faults;
mod loss;
mod poisson;
mod queues;
mod stall;

use super::finding::Finding;
use super::rig::Rig;
use crate::process::launch::LaunchError;

/// A known answer.
#[derive(Debug)]
pub struct Oracle {
    /// Its name.
    pub name: &'static str,
    /// What it checks, in a line.
    pub about: &'static str,
    /// How many of its figures can be off by chance alone.
    pub statistical: u32,
    /// Runs it.
    pub run: fn(&Rig<'_>) -> Result<Vec<Finding>, LaunchError>,
}

/// All of them, in the order to run and to show them.
pub static ALL: &[Oracle] = &[
    Oracle {
        name: "stall",
        about: "a server stopped for a moment, against the analytic quantiles",
        statistical: 0,
        run: stall::run,
    },
    Oracle {
        name: "mm1",
        about: "Poisson arrivals, exponential work, one server",
        statistical: 3,
        run: queues::mm1,
    },
    Oracle {
        name: "md1",
        about: "Poisson arrivals, constant work, one server",
        statistical: 1,
        run: queues::md1,
    },
    Oracle {
        name: "mmc",
        about: "Poisson arrivals, exponential waits, a pool of four (Erlang C)",
        statistical: 1,
        run: queues::mmc,
    },
    Oracle {
        name: "closed",
        about: "N clients on a pool of c with waits of W: min(N, c) / W",
        statistical: 0,
        run: closed::pool,
    },
    Oracle {
        name: "little",
        about: "Little's law, with one worker and with the merged parts of three",
        statistical: 0,
        run: closed::little,
    },
    Oracle {
        name: "poisson",
        about: "gaps of the schedule, and of what a server receives, are exponential",
        statistical: 1,
        run: poisson::run,
    },
    Oracle {
        name: "faults",
        about: "a server that fails by plan: every request is counted as what it was",
        statistical: 0,
        run: faults::run,
    },
    Oracle {
        name: "loss",
        about: "a relay that loses, doubles, holds back and delays datagrams by plan: each is called what it was",
        statistical: 0,
        run: loss::run,
    },
    Oracle {
        name: "fan-out",
        about: "a chat: all hear what is said exactly once; in a pool too small, only who is held; who never reads delays nobody",
        statistical: 0,
        run: fan_out::run,
    },
    Oracle {
        name: "bias",
        about: "the swarm's median against a bare blocking ping-pong, in pairs",
        statistical: 0,
        run: bias::run,
    },
];

/// The oracle of that name.
pub fn find(name: &str) -> Option<&'static Oracle> {
    ALL.iter().find(|oracle| oracle.name == name)
}
