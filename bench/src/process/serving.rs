//! Running one server: what `bakeoff serve` does, for a person or for the runner, and what the two say to each other.
//!
//! To the runner a server says two lines of JSON on standard output: that it is ready and where, and at its end what it
//! counted. To a person it says the same in words.

use super::first_reply::announced;
use super::launch;
use super::tax::taxed;
use crate::host::environment;
use crate::host::preflight;
use crate::print_to_stderr;
use crate::suggest;
use crate::sys;
use crate::workload::{audience, transport};
use bakeoff_reports::record::Transport;
use bakeoff_servers::limits::refuse_core_dumps;
use bakeoff_servers::listen::{ListenOptions, bind_all, bind_datagrams};
use bakeoff_servers::model::Tuning;
use bakeoff_servers::services::{Dotfiles, Hosts, ServiceConfig};
use bakeoff_servers::tls::{Fingerprint, Identity, TlsError, over_tls};
use bakeoff_servers::{
    CounterSnapshot, Counters, Datagrams, ServerConfig, ServerModel, Service, Serving, ServingDatagrams,
    Stop, models, services,
};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// What to serve, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct ServeOptions {
    /// Name of the service.
    pub service: String,
    /// What carries it.
    pub transport: Transport,
    /// Where to listen.
    pub address: SocketAddr,
    /// Listen backlog.
    pub backlog: u32,
    /// Congestion control; `None` leaves the system's.
    pub congestion_control: Option<String>,
    /// CPUs to stay on; empty for any.
    pub cpus: Vec<u32>,
    /// Whether it speaks TLS, with a certificate made at the start.
    pub tls: bool,
    /// Sizes.
    pub config: ServerConfig,
}

/// What a server says to the runner.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FromServer {
    /// It listens.
    Ready {
        /// Where.
        address: SocketAddr,
        /// Of its certificate, where it speaks TLS.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fingerprint: Option<Fingerprint>,
    },
    /// It has made its first reply.
    FirstReply {
        /// When, as CLOCK_MONOTONIC showed.
        at_ns: u64,
    },
    /// It has stopped; this is what it counted.
    Served {
        /// The counters.
        counters: CounterSnapshot,
    },
}

impl ServeOptions {
    /// The arguments of `bakeoff serve` that say the same of a model, for the runner.
    pub fn arguments(&self, model: &str) -> Vec<OsString> {
        let c = &self.config;
        let mut arguments: Vec<OsString> = vec!["serve".into(), "--for-runner".into()];
        let mut add = |name: &str, value: String| arguments.push(format!("--{name}={value}").into());
        add("model", model.into());
        add("service", self.service.clone());
        if !self.transport.is_tcp() {
            add("transport", self.transport.to_string());
        }
        add("addr", self.address.to_string());
        if self.transport.is_tcp() {
            add("backlog", self.backlog.to_string());
        }
        // Those that it reads alone: another build may not know the others. Of a model that only that build knows, those that
        // are not what it takes without being told.
        let default = ServerConfig::for_cpus(self.cpus.len());
        let reads = models::find(model).map(|model| transport::tunings(model, self.transport));
        let tells = |tuning: &Tuning| match reads {
            Some(reads) => reads.contains(tuning),
            None => tuning.of(c) != tuning.of(&default),
        };
        for tuning in Tuning::ALL.into_iter().filter(tells) {
            add(&tuning.name().replace('_', "-"), tuning.of(c).to_string());
        }
        if c.ballast_mib > 0 {
            add("ballast", c.ballast_mib.to_string());
        }
        if let Some(name) = self.congestion_control.as_ref().filter(|_| self.transport.is_tcp()) {
            add("congestion-control", name.clone());
        }
        if !self.cpus.is_empty() {
            add("cpus", self.cpus.iter().map(u32::to_string).collect::<Vec<_>>().join(","));
        }
        if self.tls {
            arguments.push("--tls".into());
        }
        arguments
    }
}

/// The argument of `bakeoff serve` that makes it wait, after it has said that it is ready and before it starts a thread
/// or a child, for a line on standard input.
pub const AWAIT_GO: &str = "--await-go";

/// The argument of `bakeoff serve` that makes it say when it has made its first reply.
pub const TELL_FIRST_REPLY: &str = "--tell-first-reply";

/// What a server is told besides what to serve.
#[derive(Clone, Copy, Debug, Default)]
pub struct Around<'a> {
    /// The folder of the service `static`, which has a site of its own otherwise.
    pub root: Option<&'a Path>,
    /// What becomes of names in it that begin with a dot.
    pub dotfiles: Dotfiles,
    /// The runner's process id when it speaks with the runner.
    pub parent: Option<u32>,
    /// Whether it waits, once it has told the runner that it is ready, for a line on standard input before it starts a thread
    /// or a child; when the input ends instead, so does it.
    pub await_go: bool,
    /// Busy time added to every request, to test who should notice.
    pub tax: Duration,
    /// Whether it tells the runner when it has made its first reply.
    pub tells_first_reply: bool,
}

/// Serves with a model until asked to stop (SIGTERM, Ctrl-C), then says what was counted.
///
/// # Errors
/// Unknown services, a folder that cannot be served, a port that is taken, CPUs or limits that are unavailable.
pub fn serve(model: &dyn ServerModel, options: &ServeOptions, around: Around<'_>) -> Result<(), String> {
    let Around { root, dotfiles, parent, await_go, tax, tells_first_reply } = around;
    let entry = services::find(&options.service)
        .ok_or_else(|| suggest::unknown("service", &options.service, services::ALL.iter().map(|s| s.name)))?;
    if let Some(reason) = model.unavailable() {
        return Err(reason); // before anybody is told that it serves
    }
    transport::check_service(options.transport, entry.name).map_err(|e| e.to_string())?;
    let unfit = || audience::refusal(model, entry.name);
    if let Some(reason) = transport::refusal(model, options.transport).or_else(unfit) {
        return Err(reason);
    }
    if entry.talks() && options.tls {
        return Err(format!(
            "{} is served without TLS: others write to a client beside its own session",
            entry.name
        ));
    }
    if !options.transport.is_tcp() && options.tls {
        return Err("TLS goes over connections: leave out one of --tls and --transport udp".into());
    }
    if !options.transport.is_tcp() && tax > Duration::ZERO {
        return Err("busy time can be added to the requests of connections alone".into());
    }
    let hosts = if options.address.ip().is_loopback() { Hosts::Loopback } else { Hosts::Any };
    let config = ServiceConfig { hosts, ..ServiceConfig::default() };
    let service = match root {
        Some(root) => serve_folder(entry.name, root, dotfiles, &config)?,
        None => (entry.build)(&config),
    };
    let service = match tells_first_reply {
        true => announced(service, |at_ns| say(&FromServer::FirstReply { at_ns }))
            .map_err(|e| format!("making memory to note the first reply in failed: {e}"))?,
        false => service,
    };
    let (service, fingerprint) = match options.tls {
        true => encrypted(taxed(service, tax)).map_err(|e| e.to_string())?,
        false => (taxed(service, tax), None),
    };
    if let Some(parent) = parent {
        launch::die_with_parent(parent)?;
    }
    environment::pin(&options.cpus).map_err(|e| e.to_string())?;
    preflight::raise_descriptor_limit();
    sys::hold_memory(options.config.ballast_mib).map_err(|e| {
        format!("holding {} MiB of memory failed: {e}; give less --ballast", options.config.ballast_mib)
    })?;
    refuse_core_dumps();
    let door = Door::open(model, options)?;
    let address = door.address().map_err(|e| format!("asking for the port that was bound failed: {e}"))?;
    let stop = Stop::on_signals().map_err(|e| format!("installing the signal handlers failed: {e}"))?;
    let counters = Counters::shared().map_err(|e| format!("making memory for the counters failed: {e}"))?;
    if parent.is_some() {
        say(&FromServer::Ready { address, fingerprint });
        if await_go && !was_told_to_go()? {
            return Ok(());
        }
    } else {
        invite(model.name(), entry.name, options.transport, address, fingerprint);
    }
    let config = options.config.clone();
    let served = match door {
        Door::Connections(listener, more_listeners) => {
            model.serve(Serving { listener, more_listeners, service, config, stop, counters })
        }
        Door::Datagrams(datagrams, sockets) => {
            datagrams.serve(ServingDatagrams { sockets, config, stop, counters })
        }
    };
    served.map_err(|e| format!("{} could not serve: {e}", model.name()))?;
    let counters = counters.snapshot();
    if parent.is_some() {
        say(&FromServer::Served { counters });
    } else {
        for (name, count) in counters.rows() {
            print_to_stderr(&format!("{name:>18} {count}"));
        }
        if !counters.accepted_by_worker.is_empty() {
            let each = by_worker(&counters.accepted_by_worker);
            print_to_stderr(&format!("accepted_by_worker {each}"));
        }
    }
    Ok(())
}

/// What the workers of a server have accepted, a number each, or in short where they are many.
fn by_worker(accepted: &[u64]) -> String {
    const MOST_SHOWN: usize = 16;
    let of_none = accepted.iter().filter(|count| **count == 0).count();
    match accepted.iter().filter(|count| **count > 0).min().zip(accepted.iter().max()) {
        Some((least, most)) if accepted.len() > MOST_SHOWN => {
            format!("{least} to {most} by {} workers, nothing by {of_none}", accepted.len() - of_none)
        }
        _ => accepted.iter().map(u64::to_string).collect::<Vec<_>>().join(" "),
    }
}

/// Where a server is asked: what is bound before anybody is told of it.
enum Door {
    Connections(TcpListener, Vec<TcpListener>),
    Datagrams(&'static Datagrams, Vec<UdpSocket>),
}

impl Door {
    fn open(model: &dyn ServerModel, options: &ServeOptions) -> Result<Self, String> {
        if let (Transport::Udp, Some(datagrams)) = (options.transport, model.datagrams()) {
            let sockets = bind_datagrams(options.address, (datagrams.sockets)(&options.config));
            return Ok(Self::Datagrams(datagrams, sockets.map_err(|e| e.to_string())?));
        }
        let listen = ListenOptions {
            backlog: i32::try_from(options.backlog).unwrap_or(i32::MAX),
            congestion_control: options.congestion_control.clone(),
        };
        let bound = bind_all(options.address, &listen, model.listeners(&options.config));
        let (listener, more) = bound.map_err(|e| e.to_string())?;
        Ok(Self::Connections(listener, more))
    }

    fn address(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Connections(listener, _) => listener.local_addr(),
            Self::Datagrams(_, sockets) => sockets[0].local_addr(),
        }
    }
}

/// The service that serves a folder.
fn serve_folder(
    service: &str,
    root: &Path,
    dotfiles: Dotfiles,
    config: &ServiceConfig,
) -> Result<Arc<dyn Service>, String> {
    if service != "static" {
        return Err(format!("--root is for the service static; {service} serves no folder"));
    }
    services::folder(root, dotfiles, config).map_err(|error| {
        let reason = if error.kind() == io::ErrorKind::Unsupported {
            "the kernel has no openat2 (Linux 5.6), which keeps requests inside it".into()
        } else {
            error.to_string()
        };
        format!("the folder {} cannot be served: {reason}", root.display())
    })
}

/// The service over TLS, and the fingerprint of the certificate that it was given.
fn encrypted(service: Arc<dyn Service>) -> Result<(Arc<dyn Service>, Option<Fingerprint>), TlsError> {
    let identity = Identity::self_signed()?;
    Ok((over_tls(service, &identity)?, Some(identity.fingerprint())))
}

/// Tells a person what is there and how to try it.
fn invite(
    model: &str,
    service: &str,
    transport: Transport,
    address: SocketAddr,
    fingerprint: Option<Fingerprint>,
) {
    let (over, scheme, curl) = match fingerprint {
        Some(_) => (" over TLS", "https", "curl -kv"),
        None if transport.is_tcp() => ("", "http", "curl -v"),
        None => (" over UDP", "", ""),
    };
    print_to_stderr(&format!("{model} serves {service}{over} on {address}; Ctrl-C stops it"));
    if let Some(fingerprint) = fingerprint {
        let what = "its certificate is self-signed and new with each start, so clients warn; SHA-256";
        print_to_stderr(&format!("{what} {fingerprint}"));
    }
    let (ip, port) = (address.ip(), address.port());
    match service {
        "http" => print_to_stderr(&format!("try: {curl} {scheme}://{address}/")),
        "static" | "dynamic" if ip.is_unspecified() => {
            print_to_stderr(&format!("open {scheme}://localhost:{port}/"));
        }
        "static" | "dynamic" if fingerprint.is_some() => {
            print_to_stderr(&format!("open {scheme}://{address}/ or try: {curl} {scheme}://{address}/"));
        }
        "static" | "dynamic" => print_to_stderr(&format!("open {scheme}://{address}/")),
        "echo" | "line" if fingerprint.is_some() => {
            print_to_stderr(&format!("try: openssl s_client -quiet -connect {address}"));
        }
        _ if !transport.is_tcp() => print_to_stderr(&format!("try: nc -u {ip} {port}")),
        "line" => print_to_stderr(&format!("try: nc {ip} {port}   (a line `exit` closes the connection)")),
        _ => {}
    }
}

/// Waits for a line; false when there will be none.
///
/// # Errors
/// Standard input cannot be read.
pub fn was_told_to_go() -> Result<bool, String> {
    let read = io::stdin().read_line(&mut String::new());
    read.map(|bytes| bytes > 0).map_err(|e| format!("waiting for the runner's word to serve failed: {e}"))
}

/// Says it to the runner, on standard output.
pub fn say(words: &FromServer) {
    say_line(words);
}

/// Says a line of JSON to the runner.
pub(super) fn say_line(words: &impl Serialize) {
    let line = serde_json::to_string(words).expect("our own types");
    let mut out = io::stdout().lock();
    // Nobody listens any more: then the runner is gone, and the kernel ends us.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::by_worker;

    #[test]
    fn what_many_workers_accepted_is_told_in_a_line() {
        assert_eq!(by_worker(&[3, 0, 1]), "3 0 1");
        assert_eq!(by_worker(&[0; 20]), ["0"; 20].join(" "), "nobody accepted anything");
        let many: Vec<u64> = (0..100).map(|number| u64::from(number < 40) * (1 + number % 3)).collect();
        assert_eq!(by_worker(&many), "1 to 3 by 40 workers, nothing by 60");
    }
}
