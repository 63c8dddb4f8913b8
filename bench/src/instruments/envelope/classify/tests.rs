use super::*;
use std::collections::BTreeMap;

fn absent<T>() -> Reading<T> {
    Reading::Absent("not taken".into())
}

fn caps() -> Caps {
    Caps {
        descriptors: absent(),
        tasks: absent(),
        tasks_by: None,
        address_space_bytes: absent(),
        backlog: 8,
        concurrency: None,
        patience_ns: 1,
        range: 1024,
    }
}

fn evidence(counts: &[(&str, u64)]) -> Evidence {
    let counts = counts.iter().map(|(name, count)| ((*name).to_string(), *count)).collect::<BTreeMap<_, _>>();
    Evidence {
        server: Reading::Value(counts),
        tasks_refused: absent(),
        listen_overflows: absent(),
        listen_drops: absent(),
        threads: absent(),
        processes: Reading::Value(1),
        descriptors: absent(),
        address_space_bytes: absent(),
        words: String::new(),
    }
}

/// A level of `asked` clients of which `served` were.
fn failed(asked: u64, served: u64) -> (Option<Level>, Saw) {
    let level = Level { asked, clients: asked, served, slowest_answer_ns: None, holds: false };
    (Some(level), Saw { clients: asked, answered: served, waiting: asked - served, ..Saw::default() })
}

fn alive() -> Life {
    Life { lived: true, end: None }
}

/// What is said of 256 connections of which 199 were served.
fn of(caps: &Caps, evidence: &Evidence) -> (Limit, String) {
    let (failed, saw) = failed(256, 199);
    classify(&Shown { stress: Stress::Connections, caps, failed, saw, life: &alive(), evidence })
}

#[test]
fn what_was_counted_names_the_limit() {
    let refused = |processes| {
        let group = Reading::Value(3);
        Evidence {
            processes: Reading::Value(processes),
            tasks_refused: group,
            ..evidence(&[("spawns_refused", 3)])
        }
    };
    for (evidence, limit, words) in [
        (evidence(&[("accepts_out_of_descriptors", 1)]), Limit::Descriptors, "failed once"),
        (evidence(&[("accepts_out_of_memory", 2)]), Limit::Memory, "2 times"),
        (evidence(&[("spawns_out_of_memory", 2)]), Limit::Memory, "ENOMEM"),
        (refused(1), Limit::Threads, "the control group refused 3"),
        (refused(200), Limit::Processes, "EAGAIN"),
    ] {
        let (found, said) = of(&caps(), &evidence);
        assert_eq!(found, limit, "{said}");
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn a_refused_spawn_alone_does_not_tell_tasks_from_addresses() {
    let mib = |n: u64| n << 20;
    let spawn = evidence(&[("spawns_refused", 5)]);
    assert_eq!(of(&caps(), &spawn).0, Limit::NotShown);
    let capped = Caps { address_space_bytes: Reading::Value(mib(100)), ..caps() };
    let taken = |bytes| Evidence { address_space_bytes: Reading::Value(bytes), ..spawn.clone() };
    assert_eq!(of(&capped, &taken(mib(100) - 4096)).0, Limit::AddressSpace);
    assert_eq!(of(&capped, &taken(mib(90))).0, Limit::NotShown, "there was room for another stack");
    assert_eq!(of(&caps(), &taken(mib(100))).0, Limit::NotShown, "no limit of address space was set");
    let by_user = Caps { tasks_by: Some("RLIMIT_NPROC".into()), ..caps() };
    assert_eq!(of(&by_user, &spawn).0, Limit::Threads);
    let blind = Evidence { processes: absent(), ..spawn.clone() };
    assert_eq!(of(&by_user, &blind).0, Limit::NotShown, "threads or processes?");
    // The group counts, and refused nothing.
    let idle = Evidence { tasks_refused: Reading::Value(0), ..spawn };
    assert_eq!(of(&caps(), &idle).0, Limit::NotShown);
}

#[test]
fn two_limits_at_once_and_none_at_all_are_not_shown() {
    let both = evidence(&[("accepts_out_of_descriptors", 1), ("accepts_out_of_memory", 1)]);
    let (limit, words) = of(&caps(), &both);
    assert_eq!(limit, Limit::NotShown);
    assert!(words.contains("not in which order"), "{words}");
    assert_eq!(of(&caps(), &evidence(&[("accepted", 199)])).0, Limit::NotShown);
    let killed = Evidence { server: Reading::Absent("it was killed".into()), ..evidence(&[]) };
    let (limit, words) = of(&caps(), &killed);
    assert_eq!(limit, Limit::NotShown);
    assert!(words.contains("it was killed"), "{words}");
}

#[test]
fn workers_are_the_limit_only_when_exactly_as_many_are_served_and_nobody_was_turned_away() {
    let pool = Caps { concurrency: Some(64), ..caps() };
    let nothing = evidence(&[]);
    let said = |stress, (failed, saw): (Option<Level>, Saw)| {
        classify(&Shown { stress, caps: &pool, failed, saw, life: &alive(), evidence: &nothing }).0
    };
    assert_eq!(said(Stress::Connections, failed(128, 64)), Limit::Workers);
    assert_eq!(said(Stress::Connections, failed(128, 63)), Limit::NotShown);
    assert_eq!(said(Stress::Connections, failed(128, 65)), Limit::NotShown);
    let (level, mut saw) = failed(128, 64);
    (saw.waiting, saw.reset) = (63, 1);
    assert_eq!(said(Stress::Connections, (level, saw)), Limit::NotShown, "one was reset");
    // Of two active clients, one has a worker of the 64 that slow clients hold.
    let slow = |asked| {
        let (level, saw) = failed(2, 1);
        (level.map(|level| Level { asked, ..level }), saw)
    };
    assert_eq!(said(Stress::SlowClients, slow(64)), Limit::Workers);
    assert_eq!(said(Stress::SlowClients, slow(32)), Limit::NotShown, "half of the workers were free");
}

#[test]
fn a_backlog_overflows_only_when_it_was_counted_and_a_client_waited() {
    let counted = |overflows| Evidence { listen_overflows: Reading::Value(overflows), ..evidence(&[]) };
    let (failed, saw) = failed(64, 60);
    let said = |stress, saw, evidence: &Evidence| {
        classify(&Shown { stress, caps: &caps(), failed, saw, life: &alive(), evidence }).0
    };
    assert_eq!(said(Stress::ConnectBurst, saw, &counted(4)), Limit::Backlog);
    assert_eq!(said(Stress::ConnectBurst, saw, &counted(0)), Limit::NotShown);
    assert_eq!(said(Stress::ConnectBurst, saw, &evidence(&[])), Limit::NotShown);
    // Somebody else's queue may have overflowed meanwhile.
    assert_eq!(said(Stress::Connections, saw, &counted(4)), Limit::NotShown);
    let reset = Saw { waiting: 0, reset: 4, ..saw };
    assert_eq!(said(Stress::ConnectBurst, reset, &counted(4)), Limit::NotShown);
}

#[test]
fn a_server_that_died_is_a_crash_unless_its_last_words_say_what_it_wanted() {
    let said = |end: &str, caps: &Caps| {
        let life = Life { lived: false, end: Some(end.into()) };
        let lost = Evidence { server: absent(), ..evidence(&[]) };
        let (failed, saw) = failed(1, 0);
        classify(&Shown { stress: Stress::Poison, caps, failed, saw, life: &life, evidence: &lost })
    };
    let (limit, words) = said("the server tokio was ended by signal 6", &caps());
    assert_eq!(limit, Limit::Crash);
    assert!(words.contains("signal 6"), "{words}");
    let wanted = "the server was ended by signal 6, saying: memory allocation of 65536 bytes failed";
    assert_eq!(said(wanted, &caps()).0, Limit::Memory);
    let capped = Caps { address_space_bytes: Reading::Value(1), ..caps() };
    assert_eq!(said(wanted, &capped).0, Limit::AddressSpace);
}

#[test]
fn nothing_broke_says_how_far_it_went_and_who_died_alone() {
    let said = |stress, evidence: &Evidence| {
        let saw = Saw { clients: 16, answered: 16, ..Saw::default() };
        classify(&Shown { stress, caps: &caps(), failed: None, saw, life: &alive(), evidence })
    };
    let (limit, words) = said(Stress::Connections, &evidence(&[]));
    assert_eq!(limit, Limit::NoneInRange);
    assert!(words.contains("1,024"), "{words}");
    let (limit, words) = said(Stress::Poison, &evidence(&[("crashed", 8)]));
    assert_eq!(limit, Limit::NoneInRange);
    assert!(words.contains("8 processes died"), "{words}");
}
