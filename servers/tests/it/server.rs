//! A server in a process of its own, seen from both sides: the child that serves, and the handle a test holds.

use crate::{Pair, faulty};
use bakeoff_servers::tls::{Fingerprint, Identity, over_tls};
use bakeoff_servers::{
    CounterSnapshot, Counters, ServerConfig, ServiceConfig, Serving, ServingDatagrams, Stop, limits, listen,
    models, services,
};
use procfs::process::Process;
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, prlimit, setrlimit};
use serde::{Deserialize, Serialize};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdout, Command, ExitCode, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// The variable that makes this executable a server.
const VARIABLE: &str = "BAKEOFF_CONFORMANCE_SERVER";

/// The variable that makes this executable change a server's limit of processes.
const CHANGE_LIMIT: &str = "BAKEOFF_CONFORMANCE_CHANGE_LIMIT";

/// How long anything may take before the test gives up: a guard, never a measurement.
pub(crate) const GUARD: Duration = Duration::from_secs(30);

/// What the child is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Options {
    pub(crate) model: String,
    pub(crate) service: String,
    pub(crate) config: ServerConfig,
    /// Whether it serves datagrams.
    pub(crate) datagrams: bool,
    /// Threads and processes that the server's user may have, the server running as a user of its own.
    pub(crate) max_processes: Option<u64>,
    /// The limit on descriptors it starts with, where not that of the test.
    pub(crate) max_descriptors: Option<u64>,
    /// Whether it serves over TLS.
    pub(crate) tls: bool,
}

/// What the child says when it listens.
#[derive(Serialize, Deserialize)]
struct Ready {
    port: u16,
    fingerprint: Option<Fingerprint>,
}

/// The configuration of every server here: small pools, so that tests fill them.
pub(crate) fn config() -> ServerConfig {
    ServerConfig {
        pool_workers: 8,
        pool_floor: 6,
        pool_ceiling: 8,
        blocking_workers: 4,
        compute_workers: 2,
        runtime_workers: 2,
        ballast_mib: 0,
        stop_deadline: Duration::from_secs(10),
    }
}

fn say(address: std::io::Result<SocketAddr>, fingerprint: Option<Fingerprint>) {
    let port = address.expect("address").port();
    println!("{}", serde_json::to_string(&Ready { port, fingerprint }).expect("a line"));
}

/// Serves and returns the exit code, if this process was started to be a server.
pub(crate) fn serve_if_asked() -> Option<ExitCode> {
    let options: Options = serde_json::from_str(&std::env::var(VARIABLE).ok()?).expect("options");
    let model = models::find(&options.model).expect("a model");
    let entry = services::find(&options.service).unwrap_or(&faulty::ENTRY);
    assert_eq!(entry.name, options.service, "a service");
    let stop = Stop::on_signals().expect("signal handlers");
    let counters = Counters::shared().expect("shared counters");
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    limits::refuse_core_dumps();
    if let Some(limit) = options.max_descriptors {
        let maximum = getrlimit(Resource::Nofile).maximum;
        setrlimit(Resource::Nofile, Rlimit { current: Some(limit), maximum }).expect("limit");
    }
    if let Some(limit) = options.max_processes {
        become_limited_user(limit);
    }
    // The test that started us may die; its server must not stay.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).expect("death signal");
    let config = options.config;
    if options.datagrams {
        let datagrams = model.datagrams().expect("it serves datagrams");
        let sockets = listen::bind_datagrams(address, (datagrams.sockets)(&config)).expect("bind");
        // As large on every host, whatever net.core.rmem_default is.
        let sized = |socket| rustix::net::sockopt::set_socket_recv_buffer_size(socket, 1 << 18);
        sockets.iter().for_each(|socket| sized(socket).expect("a size"));
        say(sockets[0].local_addr(), None);
        datagrams.serve(ServingDatagrams { sockets, config, stop, counters }).expect("serve");
    } else {
        let (listener, more_listeners) =
            listen::bind_all(address, &listen::ListenOptions::default(), model.listeners(&config))
                .expect("bind");
        let mut fingerprint = None;
        let mut service = (entry.build)(&ServiceConfig::default());
        if options.tls {
            let identity = Identity::self_signed().expect("a certificate");
            service = over_tls(service, &identity).expect("TLS");
            fingerprint = Some(identity.fingerprint());
        }
        say(listener.local_addr(), fingerprint);
        model.serve(Serving { listener, more_listeners, service, config, stop, counters }).expect("serve");
    }
    println!("{}", serde_json::to_string(&counters.snapshot()).expect("snapshot"));
    std::io::stdout().flush().expect("stdout");
    Some(ExitCode::SUCCESS)
}

fn at_most(limit: u64) -> Rlimit {
    Rlimit { current: Some(limit), maximum: getrlimit(Resource::Nproc).maximum }
}

/// Becomes a user nobody else is, with a limit on its threads and processes: the limit does not bind root.
fn become_limited_user(limit: u64) {
    setrlimit(Resource::Nproc, at_most(limit)).expect("limit");
    become_user_of(Pid::from_raw(std::process::id() as i32).expect("a pid"));
}

fn become_user_of(server: Pid) {
    let user = rustix::process::Uid::from_raw(100_000 + server.as_raw_nonzero().get() as u32);
    rustix::thread::set_thread_res_uid(user, user, user).expect("become another user");
}

/// Changes a limited server's limit and returns the exit code, if this process was started to. Only the user of a
/// process may do that, not even root without a special capability.
pub(crate) fn change_limit_if_asked() -> Option<ExitCode> {
    let (server, limit): (i32, u64) =
        serde_json::from_str(&std::env::var(CHANGE_LIMIT).ok()?).expect("pid, limit");
    let server = Pid::from_raw(server).expect("a pid");
    become_user_of(server);
    prlimit(Some(server), Resource::Nproc, at_most(limit)).expect("change the limit");
    Some(ExitCode::SUCCESS)
}

/// A running server. Dropping it kills it.
pub(crate) struct Server {
    child: Child,
    stdout: BufReader<ChildStdout>,
    pub(crate) addr: SocketAddr,
    /// Of its certificate, where it serves over TLS.
    pub(crate) fingerprint: Option<Fingerprint>,
    ended: bool,
}

impl Server {
    pub(crate) fn start(pair: &Pair) -> Self {
        Self::start_with(pair, |_| {})
    }

    /// A server of datagrams.
    pub(crate) fn start_datagrams(pair: &Pair) -> Self {
        Self::start_with(pair, |options| options.datagrams = true)
    }

    pub(crate) fn start_with(pair: &Pair, adjust: impl FnOnce(&mut Options)) -> Self {
        let mut options = Options {
            model: pair.model.name().into(),
            service: pair.service.name.into(),
            config: config(),
            datagrams: false,
            max_processes: None,
            max_descriptors: None,
            tls: false,
        };
        adjust(&mut options);
        let mut child = Command::new(std::env::current_exe().expect("own path"))
            .env(VARIABLE, serde_json::to_string(&options).expect("options"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .process_group(0) // as a shell starts it: Ctrl-C reaches the server and its children
            .spawn()
            .expect("start a server");
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("the ready line");
        let Ready { port, fingerprint } = serde_json::from_str(&line).expect("where it listens");
        let addr = SocketAddr::from(([127, 0, 0, 1], port));
        Self { child, stdout, addr, fingerprint, ended: false }
    }

    /// Changes the limit of a server that was started with `max_processes`.
    pub(crate) fn limit_processes(&self, limit: u64) {
        let words = serde_json::to_string(&(self.pid().as_raw_nonzero().get(), limit)).expect("words");
        let mut changing = Command::new(std::env::current_exe().expect("own path"));
        assert!(changing.env(CHANGE_LIMIT, words).status().expect("start it").success());
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub(crate) fn process(&self) -> Process {
        Process::new(self.pid().as_raw_nonzero().get()).expect("the server's process")
    }

    /// Processes the server has forked and not reaped, zombies included.
    pub(crate) fn children(&self) -> Vec<i32> {
        let tasks = self.process().tasks().expect("threads").filter_map(Result::ok);
        tasks.flat_map(|task| task.children().unwrap_or_default()).map(|pid| pid as i32).collect()
    }

    /// The server's process and its children.
    pub(crate) fn tree(&self) -> Vec<Process> {
        let children = self.children().into_iter().filter_map(|pid| Process::new(pid).ok());
        children.chain([self.process()]).collect()
    }

    /// Every thread's id and how often it has been switched, if all of them sleep. Twice the same answer says that
    /// none has run in between nor wanted to: a thread that waits for a CPU does not sleep.
    pub(crate) fn asleep(&self) -> Option<Vec<(i32, u64)>> {
        let mut switches = Vec::new();
        for process in self.tree() {
            for task in process.tasks().ok()?.filter_map(Result::ok) {
                let (stat, status) = (task.stat().ok()?, task.status().ok()?);
                if stat.state != 'S' {
                    return None;
                }
                let count = status.voluntary_ctxt_switches? + status.nonvoluntary_ctxt_switches?;
                switches.push((task.tid, count));
            }
        }
        Some(switches)
    }

    pub(crate) fn terminate(&self) {
        kill_process(self.pid(), Signal::TERM).expect("SIGTERM");
    }

    /// Sends a signal to the server's process group.
    pub(crate) fn signal_group(&self, signal: Signal) {
        rustix::process::kill_process_group(self.pid(), signal).expect("signal the group");
    }

    /// Waits for the end and reads the counters.
    pub(crate) fn wait(mut self) -> (ExitStatus, CounterSnapshot) {
        let pid = self.pid();
        until("the server ends", || self.child.try_wait().expect("wait").is_some());
        self.ended = true;
        let status = self.child.wait().expect("wait");
        assert!(Process::new(pid.as_raw_nonzero().get()).is_err(), "the process is gone");
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).expect("the counters");
        (status, serde_json::from_str(rest.trim()).unwrap_or_else(|error| panic!("{error}: {rest:?}")))
    }

    /// Waits for a server that dies without having been asked to end.
    pub(crate) fn wait_for_death(mut self) -> ExitStatus {
        until("the server dies", || self.child.try_wait().expect("wait").is_some());
        self.ended = true;
        self.child.wait().expect("wait")
    }

    /// Stops the server, which must end well with every account settled, and returns the counters.
    pub(crate) fn stop(self) -> CounterSnapshot {
        self.terminate();
        let (status, counters) = self.wait();
        assert!(status.success(), "{status}");
        assert_eq!(counters.active, 0, "{counters:?}");
        assert_eq!(counters.accepted, counters.closed, "{counters:?}");
        if !counters.accepted_by_worker.is_empty() {
            assert_eq!(counters.accepted_by_worker.iter().sum::<u64>(), counters.accepted, "{counters:?}");
        }
        counters
    }

    /// [`stop`](Self::stop) after nothing went wrong for `accepted` clients.
    pub(crate) fn stop_clean(self, accepted: usize) -> CounterSnapshot {
        let counters = self.stop();
        let CounterSnapshot { accept_errors, spawn_errors, backoffs, .. } = counters;
        assert_eq!(counters.accepted, accepted as u64, "{counters:?}");
        assert_eq!((accept_errors, spawn_errors, backoffs), (0, 0, 0), "{counters:?}");
        assert_eq!(
            (counters.crashed, counters.cut_at_stop, counters.protocol_errors),
            (0, 0, 0),
            "{counters:?}"
        );
        counters
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !self.ended {
            let _ = self.child.kill(); // and its children by their death signal
            let _ = self.child.wait();
        }
    }
}

/// Waits until something holds.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + GUARD;
    while !holds() {
        assert!(Instant::now() < end, "waited {GUARD:?} until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
