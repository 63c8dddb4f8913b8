//! How many threads a model has; what happens at the limits of descriptors and processes, when processes die, and at
//! Ctrl-C.

use crate::client::{Client, exchange, request};
use crate::server::{Server, config, until};
use crate::{Case, Pair, case};
use bakeoff_servers::model::{Concurrency, PerClient};
use procfs::process::{FDTarget, Process};
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use std::time::Duration;

pub(crate) const ALL: &[Case] = &[
    case!(has_the_threads_it_states, echoes),
    case!(out_of_descriptors, echoes),
    Case {
        needs_root: true,
        ..case!(out_of_processes, |pair| has_workers_for_clients(pair) && echoes(pair))
    },
    Case {
        needs_root: true,
        ..case!(out_of_threads_for_jobs, |pair| {
            pair.model.meta().offloads() && matches!(pair.service.demand, Some("block" | "compute"))
        })
    },
    case!(ctrl_c_stops_in_order, echoes),
    case!(a_killed_server_leaves_no_child, |pair| pair.isolates() && echoes(pair)),
    case!(a_killed_child_harms_no_other, |pair| pair.isolates() && echoes(pair)),
    case!(a_worker_that_dies_is_replaced, |pair| pair.processes() > 0 && echoes(pair)),
];

/// What does not depend on the service is asked under the plainest one.
pub(crate) fn echoes(pair: &Pair) -> bool {
    pair.service.name == "echo"
}

/// Whether it takes a thread or process of its own to serve a connection, or a request.
fn has_workers_for_clients(pair: &Pair) -> bool {
    let meta = pair.model.meta();
    meta.per_client != PerClient::Nothing
        || !matches!(meta.concurrency, Concurrency::Unbounded | Concurrency::One)
}

/// How long a server stays at its limit: time enough to be seen spinning.
const AT_THE_LIMIT: Duration = Duration::from_millis(600);

/// Pauses of a server that backs off as it should, with a wide margin: one that spins counts thousands.
const MOST_BACKOFFS: u64 = 300;

/// Clients while threads are counted.
const FEW_CLIENTS: usize = 3;

/// While no job has been asked for. A thread more than a model needs costs it something with every system call.
fn has_the_threads_it_states(pair: &Pair) {
    let server = Server::start(pair);
    let exchange = exchange(pair);
    let count = pair.concurrency().min(FEW_CLIENTS);
    let mut clients: Vec<Client<'_>> = (0..count).map(|_| Client::connect(&server, &*exchange)).collect();
    for client in &mut clients {
        client.exchange(&request(1, 64));
    }
    let threads = || server.process().stat().expect("stat").num_threads as usize;
    let meta = pair.model.meta();
    let of_clients = if meta.per_client == PerClient::Thread { count } else { 0 };
    let stated = (meta.threads)(&config()) + of_clients;
    // Where workers accept, the first client may be served before the last worker has started.
    until("all threads have started", || threads() >= stated);
    for client in &mut clients {
        client.exchange(&request(2, 64));
    }
    assert_eq!(threads(), stated);
    drop(clients);
    server.stop_clean(count);
}

fn limit_descriptors(server: &Server, limit: u64) {
    let maximum = rustix::process::getrlimit(Resource::Nofile).maximum;
    for process in server.tree() {
        let limit = Rlimit { current: Some(limit), maximum };
        prlimit(Pid::from_raw(process.pid()), Resource::Nofile, limit).expect("change the server's limit");
    }
}

/// The sockets that a process has open.
fn sockets(process: &Process) -> usize {
    let open = process.fd().into_iter().flatten().flatten();
    open.filter(|fd| matches!(fd.target, FDTarget::Socket(_))).count()
}

/// A figure of a server that comes to rest: twice the same.
fn settled<T: PartialEq>(figure: impl Fn() -> T) -> T {
    let mut now = figure();
    until("it comes to rest", || {
        let before = std::mem::replace(&mut now, figure());
        before == now
    });
    now
}

/// The lowest descriptor that the server has not open.
fn lowest_free(server: &Server) -> u64 {
    let open: Vec<i32> = server.process().fd().expect("fds").filter_map(|fd| Some(fd.ok()?.fd)).collect();
    (0..).find(|fd| !open.contains(fd)).expect("some number is free") as u64
}

/// Takes a client whose answer has begun to come: which is first is for the model to say that has several listeners.
fn take_answered<'a>(clients: &mut Vec<Client<'a>>) -> Client<'a> {
    let mut ready = None;
    until("one of the clients is answered", || {
        ready = clients.iter().position(|client| client.has_input());
        ready.is_some()
    });
    clients.remove(ready.expect("one is"))
}

fn out_of_descriptors(pair: &Pair) {
    const CLIENTS: usize = 30;
    let server = Server::start(pair);
    let exchange = exchange(pair);
    until("the workers have started", || server.children().len() == pair.processes());
    let own_sockets: usize = settled(|| server.tree().iter().map(sockets).sum());
    Client::connect(&server, &*exchange).exchange(&request(0, 16));
    until("the first client is gone", || server.children().len() == pair.processes());
    // Iterative servers, and processes that serve, hold at most one accepted descriptor: to run out, they must have no room at
    // all.
    let holds_many = pair.concurrency() > 1 && !pair.isolates();
    // Those two have what they had before once the first client is gone. The others may keep sockets of their runtime, and have
    // room for one more or less.
    let is_closed = || server.tree().iter().map(sockets).sum::<usize>() == own_sockets;
    until("the first client's socket is closed", || holds_many || is_closed());
    let free = settled(|| lowest_free(&server));
    let limit = free + if holds_many { 5 } else { 0 };
    let (server, before) = if pair.model.name() == "io-uring" {
        // An accept that is submitted keeps the limit of that time: another server, which starts with it.
        server.stop_clean(1);
        (Server::start_with(pair, |options| options.max_descriptors = Some(limit)), 0)
    } else {
        limit_descriptors(&server, limit);
        (server, 1)
    };
    let mut clients: Vec<Client<'_>> = (0..CLIENTS).map(|_| Client::connect(&server, &*exchange)).collect();
    for client in &mut clients {
        client.send(&request(1, 64));
    }
    // A blocked accept(2) has reserved its descriptor already: the first client gets in below any limit. A parent that hands its
    // clients over never waits in accept(2), and holds none.
    if pair.model.name() != "prefork-fd-passing" {
        take_answered(&mut clients).expect(&request(1, 64));
    }
    let ticks = || {
        let stat = server.process().stat().expect("stat");
        stat.utime + stat.stime
    };
    let ticks_before = ticks();
    std::thread::sleep(AT_THE_LIMIT);
    let used = ticks() - ticks_before;
    assert!(
        used * 2 < procfs::ticks_per_second() * 600 / 1000,
        "{used} clock ticks of CPU while it cannot accept"
    );
    if holds_many {
        for _ in 0..CLIENTS / 2 {
            take_answered(&mut clients).expect(&request(1, 64)); // its end makes room for another
        }
    }
    limit_descriptors(&server, 1000);
    for mut client in clients {
        client.expect(&request(1, 64)); // without any new event from the network
    }
    let counters = server.stop();
    assert_eq!(counters.accepted, CLIENTS as u64 + before, "{counters:?}");
    assert!(counters.accept_errors > 0, "{counters:?}");
    assert!((1..MOST_BACKOFFS).contains(&counters.backoffs), "{counters:?}");
    assert_eq!((counters.spawn_errors, counters.crashed, counters.cut_at_stop), (0, 0, 0), "{counters:?}");
}

fn out_of_processes(pair: &Pair) {
    const CLIENTS: usize = 12;
    /// What the limit leaves beside the server's first thread.
    const ROOM: usize = 4;
    let server = Server::start_with(pair, |options| options.max_processes = Some(1 + ROOM as u64));
    let exchange = exchange(pair);
    let mut clients: Vec<Client<'_>> = (0..CLIENTS).map(|_| Client::connect(&server, &*exchange)).collect();
    for client in &mut clients {
        client.send(&request(1, 64));
    }
    std::thread::sleep(AT_THE_LIMIT);
    let mut rest = clients.split_off(ROOM);
    for mut client in clients {
        client.expect(&request(1, 64)); // its end makes room for another
    }
    server.limit_processes(1000);
    for client in &mut rest {
        client.expect(&request(1, 64)); // each while those before it stay
    }
    drop(rest);
    let counters = server.stop();
    assert_eq!((counters.accepted, counters.requests), (CLIENTS as u64, CLIENTS as u64), "{counters:?}");
    assert!(counters.spawn_errors > 0, "{counters:?}");
    assert!((1..MOST_BACKOFFS).contains(&counters.backoffs), "{counters:?}");
    assert_eq!((counters.accept_errors, counters.crashed, counters.cut_at_stop), (0, 0, 0), "{counters:?}");
}

/// No thread to be had for jobs, then one, then as many as wanted.
fn out_of_threads_for_jobs(pair: &Pair) {
    const CLIENTS: usize = 12;
    let own = (pair.model.meta().threads)(&config()) as u64;
    let server = Server::start_with(pair, |options| options.max_processes = Some(own));
    let exchange = exchange(pair);
    let mut clients: Vec<Client<'_>> = (0..CLIENTS).map(|_| Client::connect(&server, &*exchange)).collect();
    for client in &mut clients {
        client.send(&request(1, 64));
    }
    std::thread::sleep(AT_THE_LIMIT);
    for (room, client) in clients.iter_mut().enumerate() {
        if room == 0 || room == CLIENTS / 2 {
            server.limit_processes(own + if room == 0 { 2 } else { 1000 }); // one for the process that changes it
        }
        client.expect(&request(1, 64));
    }
    for client in &mut clients {
        client.exchange(&request(2, 64));
    }
    drop(clients);
    let counters = server.stop();
    assert_eq!((counters.accepted, counters.requests), (CLIENTS as u64, 2 * CLIENTS as u64), "{counters:?}");
    assert!(counters.spawn_errors > 0, "{counters:?}");
    assert!((1..MOST_BACKOFFS).contains(&counters.backoffs), "{counters:?}");
    assert_eq!(
        (counters.crashed, counters.connection_errors, counters.cut_at_stop),
        (0, 0, 0),
        "{counters:?}"
    );
}

fn a_killed_child_harms_no_other(pair: &Pair) {
    let server = Server::start(pair);
    let exchange = exchange(pair);
    let mut victim = Client::connect(&server, &*exchange);
    victim.exchange(&request(0, 16));
    let serves = |pid: &i32| Process::new(*pid).map_or(0, |process| sockets(&process));
    let child = server.children().into_iter().max_by_key(serves).expect("it serves the client");
    let mut others: Vec<Client<'_>> = (0..4).map(|_| Client::connect(&server, &*exchange)).collect();
    for client in &mut others {
        client.exchange(&request(1, 16));
    }
    kill_process(Pid::from_raw(child).expect("a pid"), Signal::KILL).expect("SIGKILL");
    victim.expect_end();
    until("the child is reaped", || !server.children().contains(&child));
    for client in &mut others {
        client.exchange(&request(2, 16));
    }
    Client::connect(&server, &*exchange).exchange(&request(3, 16));
    drop(others);
    let counters = server.stop();
    assert_eq!((counters.accepted, counters.crashed, counters.cut_at_stop), (6, 1, 0), "{counters:?}");
}

/// At once where a client was its end; where it has had none, after a pause, so that workers which cannot live do not keep the
/// server busy with forking.
fn a_worker_that_dies_is_replaced(pair: &Pair) {
    const KILLED: usize = 3;
    let server = Server::start(pair);
    let all_there = || server.children().len() == pair.processes();
    until("the workers have started", all_there);
    for _ in 0..KILLED {
        let idle = server.children()[0];
        kill_process(Pid::from_raw(idle).expect("a pid"), Signal::KILL).expect("SIGKILL");
        until("another is in its place", || all_there() && !server.children().contains(&idle));
    }
    let exchange = exchange(pair);
    let mut clients: Vec<Client<'_>> =
        (0..pair.processes()).map(|_| Client::connect(&server, &*exchange)).collect();
    for client in &mut clients {
        client.exchange(&request(1, 16)); // every worker has one
    }
    drop(clients);
    let counters = server.stop();
    let killed = KILLED as u64;
    assert_eq!((counters.crashed, counters.backoffs), (killed, killed), "{counters:?}");
    assert_eq!(counters.accepted, pair.processes() as u64, "{counters:?}");
}

/// Ctrl-C signals the whole foreground group: forked children must leave the ending to their parent.
fn ctrl_c_stops_in_order(pair: &Pair) {
    let server = Server::start(pair);
    let exchange = exchange(pair);
    let mut client = Client::connect(&server, &*exchange);
    client.exchange(&request(0, 16));
    client.send(&request(1, 16));
    server.signal_group(Signal::INT);
    client.expect(&request(1, 16));
    client.expect_end();
    let (status, counters) = server.wait();
    assert!(status.success(), "{status}");
    assert_eq!((counters.closed, counters.crashed, counters.cut_at_stop), (1, 0, 0), "{counters:?}");
}

fn a_killed_server_leaves_no_child(pair: &Pair) {
    let server = Server::start(pair);
    let exchange = exchange(pair);
    let mut clients: Vec<Client<'_>> = (0..3).map(|_| Client::connect(&server, &*exchange)).collect();
    for client in &mut clients {
        client.exchange(&request(0, 16));
    }
    // A worker may serve before the last of them is started.
    until("the workers have started", || server.children().len() == pair.processes().max(3));
    kill_process(server.pid(), Signal::KILL).expect("SIGKILL");
    for client in &mut clients {
        client.expect_end(); // its child is gone, and nobody else holds the socket
    }
}
