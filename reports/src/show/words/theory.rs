//! The limits of theory in words, and why a formula is not asked.

use crate::ask::theory::arithmetic::Known;
use crate::ask::theory::limits::{Bound, Limit, NoQueue};
use crate::show::units::{grouped, plural, rate, share as share_of, time};

/// The formula of a limit.
pub(crate) fn formula(bound: Bound) -> &'static str {
    match bound {
        Bound::Clients { .. } => "N / (R + Z)",
        Bound::Work { .. } => "m / S",
        Bound::Cpu { .. } => "m / D",
        Bound::Workers { .. } => "c / W",
    }
}

/// What sets a limit, as the end of "limited by ...".
pub(crate) fn set_by(bound: Bound) -> &'static str {
    match bound {
        Bound::Clients { .. } => "how many clients ask",
        Bound::Work { .. } => "the computing asked for",
        Bound::Cpu { .. } => "the server's CPU",
        Bound::Workers { .. } => "the workers that requests hold",
    }
}

/// The figures a limit is made of.
pub(crate) fn made_of(bound: Bound) -> String {
    match bound {
        Bound::Clients { requests, least_ns } => {
            format!("N = {} requests at once, R = {} at least", grouped(requests), time(least_ns))
        }
        Bound::Work { cpu_ns, cpus } => {
            format!("S = {} of CPU asked for, m = {}", time(cpu_ns), plural(cpus as u64, "CPU"))
        }
        Bound::Cpu { cpu_ns, cpus } => {
            format!("D = {} of CPU used for each, m = {}", time(cpu_ns), plural(cpus as u64, "CPU"))
        }
        Bound::Workers { workers, held_ns } => {
            format!("c = {}, W = {} held by each request", plural(workers, "worker"), time(held_ns))
        }
    }
}

/// What arithmetic says before a run, in a sentence.
pub fn known(known: &Known) -> String {
    let made = |limit: &Limit| match limit.bound {
        Bound::Clients { requests, least_ns } => {
            format!("{} at once / {} = {}", plural(requests, "request"), time(least_ns), rate(limit.per_s))
        }
        Bound::Work { cpu_ns, cpus } | Bound::Cpu { cpu_ns, cpus } => {
            format!("{} / {} of CPU = {}", plural(cpus as u64, "CPU"), time(cpu_ns), rate(limit.per_s))
        }
        Bound::Workers { workers, held_ns } => {
            format!("{} / {} = {}", plural(workers, "worker"), time(held_ns), rate(limit.per_s))
        }
    };
    match known {
        Known::Clients(limit) => format!("{} is the clients' own limit, whatever the server", made(limit)),
        Known::Reached { limit, contestant, asked_per_s } => {
            let who = contestant.as_ref().map_or_else(String::new, |name| format!("{name}: "));
            let share = *asked_per_s / limit.per_s;
            format!(
                "{who}{} at most, and {} are asked ({})",
                made(limit),
                rate(*asked_per_s),
                share_of(share)
            )
        }
        Known::Starves { contestant, workers, connections } => format!(
            "{contestant}: {} hold a connection each, so {} of {} wait for one",
            plural(*workers, "worker"),
            grouped(connections - workers),
            plural(*connections, "connection")
        ),
    }
}

/// Why no mean wait is predicted, as the end of "No mean wait is predicted: ...".
pub(crate) fn no_queue(why: NoQueue) -> String {
    match why {
        NoQueue::OwnPace => "the server sets the pace, so requests have no rate of their own".to_owned(),
        NoQueue::EvenlySpaced => {
            "its arrivals are evenly spaced, and the formula is of Poisson arrivals".to_owned()
        }
        NoQueue::Bursts => "its arrivals come in bursts, and the formula is of a steady rate".to_owned(),
        NoQueue::Surge => "its rate surges, and the formula is of a steady rate".to_owned(),
        NoQueue::NoComputing => "it asks for no computing of known length".to_owned(),
        NoQueue::ComputesAgain(times) => format!("a request comes to the CPU {times} times"),
        NoQueue::Blocks => "a request blocks a thread, too".to_owned(),
        NoQueue::NotPinned => "the server was not pinned".to_owned(),
        NoQueue::ManyCpus(cpus) => format!("the server had {cpus} CPUs, and the formula is of one"),
    }
}
