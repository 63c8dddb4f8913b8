//! The words of the failure envelope: what a stress raises, what a limit is called, what happened, what it teaches.

use crate::record::Reading;
use crate::record::envelope::{Envelope, Findings, Limit, Recovery, Saw, Stress};
use crate::show::units::{bytes, grouped, plural, time};
use crate::show::words::envelopes::held;

/// What a stress is called.
pub(crate) fn title(stress: Stress) -> &'static str {
    match stress {
        Stress::Connections => "Connections held",
        Stress::ConnectBurst => "Connects at once",
        Stress::SlowClients => "Slow clients",
        Stress::Poison => "Poison requests",
        Stress::AddressSpace => "Address space",
    }
}

/// What a stress raises, and when a level has failed.
pub(crate) fn raised(stress: Stress) -> &'static str {
    match stress {
        Stress::Connections => {
            "ever more clients that connect, are answered once and stay; a level fails when one of them is not answered"
        }
        Stress::ConnectBurst => {
            "ever more connects at the same moment against a small backlog, each asks once and hangs up; a level fails when \
             one is not answered in time, in two of three tries; it is a matter of microseconds, and differs from run to \
             run"
        }
        Stress::SlowClients => {
            "ever more clients that send half a request and stop; a level fails when a client from before them, or a new \
             one, is not answered"
        }
        Stress::Poison => {
            "clients stand by while requests of others kill the process that handles them; a level fails when a bystander \
             is not answered any more"
        }
        Stress::AddressSpace => {
            "as connections held, with a limit on the addresses that one process may map, a little above what it has at rest"
        }
    }
}

/// What a limit is called.
pub(crate) fn limit(limit: Limit) -> &'static str {
    match limit {
        Limit::Descriptors => "descriptors",
        Limit::Processes => "processes",
        Limit::Threads => "threads",
        Limit::AddressSpace => "address space",
        Limit::Memory => "memory",
        Limit::Backlog => "backlog",
        Limit::Workers => "workers",
        Limit::Crash => "crash",
        Limit::NoneInRange => "nothing",
        Limit::NotShown => "cause not shown",
    }
}

/// The limits that were set, each in words.
fn caps(envelope: &Envelope) -> Vec<String> {
    let caps = &envelope.caps;
    let mut parts = Vec::new();
    if let Reading::Value(count) = caps.descriptors {
        parts.push(format!("{} a process", plural(count, "descriptor")));
    }
    match (&caps.tasks, &caps.tasks_by) {
        // It binds the user, and so what else the user starts meanwhile.
        (Reading::Value(count), Some(by)) if by == "RLIMIT_NPROC" => {
            parts.push(format!("about {} ({by})", plural(*count, "task")));
        }
        (Reading::Value(count), Some(_)) => parts.push(plural(*count, "task")),
        (Reading::Absent(why), _) if envelope.stress == Stress::Connections => {
            parts.push(format!("no limit of tasks ({why})"));
        }
        _ => {}
    }
    if let Reading::Value(space) = caps.address_space_bytes {
        parts.push(format!("{} of address space", bytes(space as f64)));
    }
    parts.push(format!("backlog {}", grouped(caps.backlog)));
    if let Some(most) = caps.concurrency {
        parts.push(plural(most, "worker"));
    }
    parts.push(format!("clients wait {} at most", time(caps.patience_ns as f64)));
    parts
}

/// The limits that all of some envelopes have.
pub(crate) fn common_caps(all: &[&Envelope]) -> Vec<String> {
    let Some(one) = all.first() else { return Vec::new() };
    let shared = |part: &String| all.iter().all(|other| caps(other).contains(part));
    caps(one).into_iter().filter(shared).collect()
}

/// The limits of an envelope that are not among the common ones.
pub(crate) fn own_caps(envelope: &Envelope, common: &[String]) -> Vec<String> {
    caps(envelope).into_iter().filter(|part| !common.contains(part)).collect()
}

/// What happened, in sentences.
pub(crate) fn sentence(envelope: &Envelope) -> String {
    match &envelope.result {
        Reading::Absent(why) => format!("Not tried: {why}."),
        Reading::Value(findings) => {
            let parts = [broke(envelope.stress, findings), after(findings), left_over(findings)];
            parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
        }
    }
}

fn broke(stress: Stress, findings: &Findings) -> String {
    let count = held(stress, findings);
    let thing = |count| match stress {
        Stress::Connections | Stress::AddressSpace => plural(count, "connection"),
        Stress::ConnectBurst => format!("{} at once", plural(count, "connect")),
        Stress::SlowClients => plural(count, "slow client"),
        Stress::Poison => plural(count, "poison request"),
    };
    let Some(failed) = findings.failed().copied() else {
        return format!("Holds {}, the end of the range.", thing(count));
    };
    let cause = match findings.limit {
        Limit::NotShown => "the cause is not shown".to_owned(),
        known => limit(known).to_owned(),
    };
    let lead = if count == 0 {
        format!("Breaks at {}: {cause}.", thing(failed.asked))
    } else {
        format!("Holds {}, breaks at {}: {cause}.", thing(count), grouped(failed.asked))
    };
    let straggler = match failed.slowest_answer_ns {
        Some(ns) if stress == Stress::ConnectBurst && findings.saw.answered < findings.saw.clients => {
            format!(" The slowest answer came after {}.", time(ns as f64))
        }
        _ => String::new(),
    };
    format!("{lead} {}{straggler}", clients(stress, &findings.saw))
}

/// What the clients of the level that failed saw.
fn clients(stress: Stress, saw: &Saw) -> String {
    let who = match stress {
        Stress::SlowClients => "active client",
        Stress::Poison => "bystander",
        Stress::Connections | Stress::ConnectBurst | Stress::AddressSpace => "client",
    };
    let outcomes = [
        (saw.waiting, "connected and waiting"),
        (saw.connecting, "not even connected"),
        (saw.refused, "refused"),
        (saw.reset, "reset"),
        (saw.closed, "hung up on"),
        (saw.wrong, "answered wrongly"),
        (saw.other, "failed otherwise"),
    ];
    if saw.clients == 0 {
        return "There was no room for a bystander.".to_owned();
    }
    let told: Vec<String> = outcomes
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{} {what}", grouped(*count)))
        .collect();
    let mut text = format!("Of {}, {} answered", plural(saw.clients, who), grouped(saw.answered));
    if !told.is_empty() {
        text.push_str(", ");
        text.push_str(&told.join(", "));
    }
    text.push('.');
    text
}

fn after(findings: &Findings) -> String {
    match (&findings.recovery, findings.failed()) {
        (Recovery::Gone, _) => "The server is gone; nothing here starts it again.".to_owned(),
        // Where nothing broke there is nothing to come back from.
        (Recovery::Answered { .. }, None) => String::new(),
        (Recovery::Answered { after_ns, .. }, Some(_)) => {
            format!("A new client is answered {} after the load is gone.", time(*after_ns as f64))
        }
        (Recovery::Censored { waited_ns }, _) => {
            format!("No new client was answered in the {} after the load was gone.", time(*waited_ns as f64))
        }
    }
}

fn left_over(findings: &Findings) -> String {
    let Reading::Value(rest) = &findings.rest else { return String::new() };
    let more = rest.left_over();
    let parts: Vec<String> =
        [(more.descriptors, "descriptor"), (more.threads, "thread"), (more.processes, "process")]
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| match what {
                "process" if count > 1 => format!("{} processes", grouped(count)),
                _ => plural(count, what),
            })
            .collect();
    if parts.is_empty() {
        String::new()
    } else {
        format!("More than before it still has: {}.", parts.join(", "))
    }
}

/// What to learn from a limit that broke under a stress.
pub(crate) fn lesson(stress: Stress, broke: Limit) -> &'static str {
    match (stress, broke) {
        (Stress::SlowClients, Limit::Workers) => {
            "A client that says nothing holds a worker as long as it likes. Clients inside go on being served; new ones \
             starve. A pool needs a read timeout, or must hand over requests instead of connections."
        }
        (Stress::Poison, Limit::NoneInRange) => {
            "A process for each client that is served is a wall: what one request breaks dies alone."
        }
        (Stress::Poison, Limit::Crash) => {
            "Threads, loops and tasks share one address space and one fate: a crash takes everybody's connection along, and \
             somebody outside must start the server again."
        }
        (Stress::ConnectBurst, Limit::NoneInRange) => {
            "It accepts faster than one client machine connects, so even a short queue does not fill for long."
        }
        (_, Limit::Descriptors) => {
            "Each connection is a descriptor in the one process that holds them all. When accept fails (EMFILE) the client \
             is already connected by the kernel: it waits in the backlog and is told nothing. The server must pause, or it \
             spins on a listener that stays ready."
        }
        (_, Limit::Processes) => {
            "Each client is a process. When fork fails (EAGAIN) the connection is accepted already: the server keeps it and \
             tries again, and everybody behind waits."
        }
        (_, Limit::Threads) => {
            "Each client is a thread, and threads count against the limit of tasks. When the start of one fails (EAGAIN) \
             the connection is accepted already: the server keeps it and tries again, and everybody behind waits."
        }
        (_, Limit::AddressSpace) => {
            "Each thread maps a stack, whether it uses it or not. What runs out is room to map more, long before memory \
             does. The start of a thread that fails (EAGAIN) can be tried again; an allocation that fails ends the program, \
             and everybody's connection with it."
        }
        (_, Limit::Memory) => "What a client costs in memory, times the clients, met the limit.",
        (_, Limit::Workers) => {
            "A worker holds its connection, idle or not. The clients beyond the workers are connected and starve without an \
             error: only their own timeout tells them."
        }
        (_, Limit::Backlog) => {
            "The kernel keeps only so many connections for accept. When the queue is full it drops the next SYN, and the \
             client's kernel tries again after 1 s: an unlucky client pays a second, no error is seen."
        }
        (_, Limit::Crash) => {
            "The server died of it. Its exit status says how; nothing else was left to tell."
        }
        (_, Limit::NoneInRange) => "Nothing broke in the range that was tried, under these limits.",
        (_, Limit::NotShown) => {
            "Something broke and nothing that was counted says what. To guess would be worse than not to know."
        }
    }
}
