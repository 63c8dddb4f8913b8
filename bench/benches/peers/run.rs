//! One run: a fresh server on one CPU, a load generator on another, and what each of them counted.
//!
//! Nothing is left behind: a client that does not end by itself is killed with its process group, a server is stopped.

use crate::clients::{Client, Order};
use crate::output::Claim;
use bakeoff::host::environment::pin;
use bakeoff::host::topology::CpuPlan;
use bakeoff::process::launch::{Interrupt, Launcher};
use bakeoff::process::server::{Server, Speaks};
use bakeoff::process::serving::ServeOptions;
use bakeoff::process::workers::PATIENCE;
use bakeoff::sys::{Ended, try_reap};
use bakeoff_servers::ServerConfig;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::io::Read as _;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// What came of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    /// What the client says.
    pub(crate) claim: Claim,
    /// Requests that the server says it answered.
    pub(crate) served: u64,
    /// User and system CPU time of the client's processes, from their start to their end.
    pub(crate) cpu: Duration,
}

/// Where runs take place.
pub(crate) struct Stage<'a> {
    pub(crate) interrupt: Interrupt,
    pub(crate) cpus: CpuPlan,
    pub(crate) connections: u32,
    pub(crate) window: Duration,
    pub(crate) folder: &'a Path,
}

impl Stage<'_> {
    /// Runs `client` against a fresh server of `model`.
    pub(crate) fn run(&self, model: &'static str, client: &Client) -> Result<Run, String> {
        let server = self.serve(model)?;
        let done = self.load(client, server.address);
        let counted = server.stop(PATIENCE).counters;
        let (text, cpu) = done.map_err(|e| format!("{} against {model}: {e}", client.name))?;
        let claim = (client.read)(&text, self.folder).map_err(|e| format!("{}: {e}", client.name))?;
        if claim.failed > 0 {
            return Err(format!("{} against {model}: {} requests failed: {text}", client.name, claim.failed));
        }
        let counters = counted.map_err(|e| e.to_string())?;
        Ok(Run { claim, served: counters.requests, cpu })
    }

    fn serve(&self, model: &'static str) -> Result<Server, String> {
        let tool =
            Launcher { program: env!("CARGO_BIN_EXE_bakeoff").into(), interrupt: self.interrupt.clone() };
        let options = ServeOptions {
            service: "http".into(),
            transport: Default::default(),
            address: "127.0.0.1:0".parse().expect("an address"),
            backlog: 1024,
            congestion_control: None, // the clients of others cannot choose theirs
            cpus: self.cpus.server[..1].to_vec(),
            tls: false,
            config: ServerConfig::for_cpus(1),
        };
        Server::start(&tool, model, options.arguments(model), Speaks::Counters).map_err(|e| e.to_string())
    }

    /// The client's standard output, and the CPU time of its processes.
    fn load(&self, client: &Client, address: SocketAddr) -> Result<(String, Duration), String> {
        let (connections, window, folder) = (self.connections, self.window, self.folder);
        let order = Order { address, connections, window, folder };
        let program = client.program().ok_or("it is no longer installed")?;
        let mut command = Command::new(program);
        command.args((client.arguments)(&order));
        // Its answer may take the connections a while; the load itself stops after the window.
        let (text, ended) = watch(command, &self.cpus.swarm[..1], window + PATIENCE, &self.interrupt)?;
        if !ended.success() {
            return Err(format!("it {}, saying: {text}", ended.describe()));
        }
        Ok((text, ended.user + ended.system))
    }
}

/// Runs a program on some CPUs until it ends, at most `patience`; returns what it said and how it ended.
pub(crate) fn watch(
    mut command: Command,
    cpus: &[u32],
    patience: Duration,
    interrupt: &Interrupt,
) -> Result<(String, Ended), String> {
    const LOOK: Duration = Duration::from_millis(50);
    command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    // A child has the CPUs of the thread that starts it.
    let start = || pin(cpus).and_then(|()| command.spawn());
    let started = std::thread::scope(|scope| scope.spawn(start).join().expect("no panic"));
    let mut child = started.map_err(|e| format!("starting it failed: {e}"))?;
    let mut stdout = child.stdout.take().expect("piped");
    let (sender, output) = channel();
    let reader = std::thread::spawn(move || {
        let mut text = Vec::new();
        let read = stdout.read_to_end(&mut text);
        let _ = sender.send(read.map(|_| String::from_utf8_lossy(&text).into_owned()));
    });
    let deadline = Instant::now() + patience;
    let text = loop {
        match output.recv_timeout(LOOK) {
            Ok(text) => break text.map_err(|e| format!("reading its output failed: {e}")),
            Err(RecvTimeoutError::Disconnected) => break Err("its output was lost".into()),
            Err(RecvTimeoutError::Timeout) if interrupt.is_set() => break Err("interrupted".into()),
            Err(RecvTimeoutError::Timeout) if Instant::now() > deadline => {
                break Err(format!("it did not end within {patience:?} and was killed"));
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
    };
    let ended = end(child.id(), text.is_ok())?;
    let _ = reader.join();
    Ok((text?, ended))
}

/// Reaps a child: one that has closed its output (`wait`) may take a second to end, any other is ended by force. Whatever
/// is left of its group is killed before it is reaped, for it may hold the output open after its leader has ended, and
/// once the leader is reaped the group's number may be another's.
fn end(pid: u32, wait: bool) -> Result<Ended, String> {
    let deadline = Instant::now() + Duration::from_secs(u64::from(wait));
    let child = Pid::from_raw(pid as i32).expect("a process id is above zero");
    // Looks without reaping.
    let ended =
        || waitid(WaitId::Pid(child), WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT);
    while Instant::now() < deadline && ended().map_err(|e| format!("waiting for it failed: {e}"))?.is_none() {
        std::thread::sleep(Duration::from_micros(200));
    }
    let _ = kill_process_group(child, Signal::KILL);
    loop {
        if let Some(ended) = try_reap(pid).map_err(|e| format!("reaping it failed: {e}"))? {
            return Ok(ended);
        }
        std::thread::sleep(Duration::from_micros(200));
    }
}
