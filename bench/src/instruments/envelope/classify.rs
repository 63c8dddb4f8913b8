//! Which limit broke, from the evidence alone: a pure function, and the only place that names a limit.
//!
//! It never guesses. A limit is named only when something that counts failures of that kind, or the exit status, shows
//! it; where two limits were met and their order is not known, or nothing was, it is "not shown".

use bakeoff_reports::record::Reading;
use bakeoff_reports::record::envelope::{Caps, Evidence, Level, Life, Limit, Saw, Stress};
use bakeoff_reports::show::units::{bytes, grouped};

/// What is known of a trial.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// What was raised.
    pub stress: Stress,
    /// The limits that held.
    pub caps: &'a Caps,
    /// The level that failed, if one did.
    pub failed: Option<Level>,
    /// What the clients of the last level saw.
    pub saw: Saw,
    /// What became of the server.
    pub life: &'a Life,
    /// Everything counted; its words are not read.
    pub evidence: &'a Evidence,
}

/// A process within this much of its limit has no room for another stack: 256 KiB and a guard page, and what the
/// allocator takes at once (128 KiB, `M_TOP_PAD`).
const STACK_ROOM_BYTES: u64 = 512 * 1024;

/// The limit that broke, and what shows it in a sentence.
pub fn classify(shown: &Shown<'_>) -> (Limit, String) {
    if let Some(found) = death(shown) {
        return found;
    }
    let Some(failed) = shown.failed else { return unbroken(shown) };
    let mut met: Vec<(Limit, String)> =
        [descriptors(shown), memory(shown), tasks(shown)].into_iter().flatten().collect();
    match met.len() {
        1 => return met.remove(0),
        0 => {}
        _ => {
            let both: Vec<&str> = met.iter().map(|(_, words)| words.as_str()).collect();
            return (
                Limit::NotShown,
                format!("more than one limit was met, and not in which order: {}", both.join("; ")),
            );
        }
    }
    if let Some(found) = workers(shown, failed).or_else(|| backlog(shown)) {
        return found;
    }
    let counted = match &shown.evidence.server {
        Reading::Value(_) => "the server counted no failed accept, spawn or fork".to_string(),
        Reading::Absent(why) => format!("the server's own counts are missing ({why})"),
    };
    (Limit::NotShown, format!("cause not shown: {counted}"))
}

/// A count of the server's own; 0 when it did not live to tell.
fn counted(shown: &Shown<'_>, name: &str) -> u64 {
    shown.evidence.server.value().and_then(|counts| counts.get(name)).copied().unwrap_or(0)
}

fn death(shown: &Shown<'_>) -> Option<(Limit, String)> {
    let end = shown.life.end.as_ref().filter(|_| !shown.life.lived)?;
    // What Rust's allocator says before it aborts (std::alloc::handle_alloc_error).
    if end.contains("memory allocation of") {
        let limit = if shown.caps.address_space_bytes.value().is_some() {
            Limit::AddressSpace
        } else {
            Limit::Memory
        };
        return Some((limit, format!("an allocation failed and took the server with it: {end}")));
    }
    Some((Limit::Crash, end.clone()))
}

fn unbroken(shown: &Shown<'_>) -> (Limit, String) {
    let crashed = counted(shown, "crashed");
    let words = match (shown.stress, crashed) {
        (Stress::Poison, 1..) => {
            format!("{} processes died, each with one client, by the server's own count", grouped(crashed))
        }
        _ => format!("every client was served up to the end of the range, {}", grouped(shown.caps.range)),
    };
    (Limit::NoneInRange, words)
}

fn descriptors(shown: &Shown<'_>) -> Option<(Limit, String)> {
    let failed = counted(shown, "accepts_out_of_descriptors");
    let words = format!(
        "accept failed {} for want of a descriptor (EMFILE, ENFILE), by the server's own count",
        times(failed)
    );
    (failed > 0).then_some((Limit::Descriptors, words))
}

fn memory(shown: &Shown<'_>) -> Option<(Limit, String)> {
    let failed = counted(shown, "accepts_out_of_memory") + counted(shown, "spawns_out_of_memory");
    let words = format!(
        "accept, spawn or fork failed {} for want of memory (ENOMEM, ENOBUFS), by the server's own count",
        times(failed)
    );
    (failed > 0).then_some((Limit::Memory, words))
}

/// A refused spawn says EAGAIN to a limit of tasks and to a lack of address space alike: something else must tell which.
fn tasks(shown: &Shown<'_>) -> Option<(Limit, String)> {
    let failed = counted(shown, "spawns_refused");
    if failed == 0 {
        return None;
    }
    let evidence = shown.evidence;
    let refused =
        format!("a spawn or fork was refused {} (EAGAIN), by the server's own count", times(failed));
    let kind = match &evidence.processes {
        Reading::Value(2..) => Limit::Processes,
        Reading::Value(_) => Limit::Threads,
        Reading::Absent(why) => {
            let which = format!("{refused}; whether of threads or of processes is not known ({why})");
            return Some((Limit::NotShown, which));
        }
    };
    if let Some(by_group @ 1..) = evidence.tasks_refused.value() {
        let group = format!("the control group refused {}", grouped(*by_group));
        return Some((kind, format!("{refused}; {group}")));
    }
    let space = (evidence.address_space_bytes.value(), shown.caps.address_space_bytes.value());
    if let (Some(taken), Some(cap)) = space
        && taken + STACK_ROOM_BYTES > *cap
    {
        let full = format!("{} of {} of address space were taken", bytes(*taken as f64), bytes(*cap as f64));
        return Some((Limit::AddressSpace, format!("{refused}; {full}")));
    }
    if shown.caps.tasks_by.as_deref() == Some("RLIMIT_NPROC") {
        return Some((kind, format!("{refused}; RLIMIT_NPROC was set")));
    }
    Some((
        Limit::NotShown,
        format!("{refused}; neither a limit of tasks nor one of address space is shown to have been met"),
    ))
}

/// A model whose workers each hold a connection, and as many served as it has workers.
fn workers(shown: &Shown<'_>, failed: Level) -> Option<(Limit, String)> {
    let workers = shown.caps.concurrency?;
    // Every client beyond them waits, and nobody was turned away.
    let silent = shown.saw.waiting + shown.saw.answered == shown.saw.clients;
    let holds = match shown.stress {
        Stress::Connections | Stress::AddressSpace => failed.asked > workers && failed.served == workers,
        // The one that was there before holds a worker too.
        Stress::SlowClients => failed.asked + 1 >= workers && shown.saw.waiting > 0,
        Stress::ConnectBurst | Stress::Poison => false,
    };
    let words = format!(
        "{} {} a connection, and the others wait without an error",
        if workers == 1 {
            "the only worker".to_string()
        } else {
            format!("all {} workers", grouped(workers))
        },
        if workers == 1 { "holds" } else { "hold" },
    );
    (holds && silent).then_some((Limit::Workers, words))
}

fn backlog(shown: &Shown<'_>) -> Option<(Limit, String)> {
    let overflows = shown.evidence.listen_overflows.value().copied().filter(|count| *count > 0)?;
    let words = format!(
        "listen queues were found full {} during this level (ListenOverflows, of the whole network namespace), and {} \
         had no connection or answer in time",
        times(overflows),
        grouped(shown.saw.connecting + shown.saw.waiting)
    );
    (shown.stress == Stress::ConnectBurst && shown.saw.connecting + shown.saw.waiting > 0)
        .then_some((Limit::Backlog, words))
}

fn times(count: u64) -> String {
    if count == 1 { "once".into() } else { format!("{} times", grouped(count)) }
}

#[cfg(test)]
mod tests;
