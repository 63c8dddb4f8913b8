//! Controls: echo servers and a client written by hand, without the project's traits, as limits to compare with.
//!
//! They share the listener's options with the models (backlog, TCP_NODELAY), the size of the read buffer (64 KiB) and
//! nothing else. A control is this bench program run again with `--control NAME`; it speaks the ready line of
//! `bakeoff serve` and ends by SIGTERM's default.

mod client;
mod clock;
mod coroutines;
pub(crate) mod datagrams;
mod epoll;
mod mio;
mod ping;
mod requests;
pub(crate) mod room;
mod rustls;
mod threads;
mod tokio;

pub(crate) use client::{ClientPart, ClientSpec, Kind, run_client};

use bakeoff::host::environment::{allowed_cpus, pin};
use bakeoff::process::launch::die_with_parent;
use bakeoff::process::serving::FromServer;
use bakeoff_servers::listen::{ListenOptions, bind, bind_datagrams};
use bakeoff_servers::tls::Identity;
use socket2::{Domain, SockRef, Socket, Type};
use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::thread;

/// Size of every control's read buffer, as the models have it.
const BUFFER: usize = 64 * 1024;

/// Serves on the listener; the number is how many connections there will be, which a pool must know.
type Serve = fn(TcpListener, usize) -> io::Result<()>;

/// Serves on a listener for each CPU, of which each has a thread. All of them share the address.
fn on_each_cpu(listener: TcpListener, serve: Serve) -> io::Result<()> {
    let address = listener.local_addr()?;
    SockRef::from(&listener).set_reuse_port(true)?;
    for _ in 1..allowed_cpus().len() {
        let another = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        another.set_tcp_nodelay(true)?;
        another.set_reuse_address(true)?;
        another.set_reuse_port(true)?;
        another.bind(&address.into())?;
        another.listen(1024)?;
        thread::Builder::new().spawn(move || serve(another.into(), 0))?;
    }
    serve(listener, 0)
}

/// The control servers by name. Each but the first is the hand-written twin of the model of the same name.
pub(crate) const SERVERS: &[(&str, Serve)] = &[
    ("epoll", epoll::serve),
    ("mio-event-loop", mio::serve),
    ("tokio-current-thread", tokio::serve_current_thread),
    ("tokio", tokio::serve_multi_thread),
    ("thread-per-client", threads::serve_thread_per_client),
    ("thread-pool", threads::serve_pool),
    ("prethread", threads::serve_prethread),
    ("thread-pool-per-request", requests::serve),
    ("fork-per-client", threads::serve_fork_per_client),
    ("prefork", threads::serve_prefork),
    ("coroutines", coroutines::serve),
    ("multi-reactor", |listener, _| on_each_cpu(listener, mio::serve)),
    ("tokio-per-core", |listener, _| on_each_cpu(listener, tokio::serve_current_thread)),
];

/// The control server over TLS: the limit of the models there.
pub(crate) const OVER_TLS: &str = "epoll-rustls";

/// Runs a control server until it is ended.
pub(crate) fn run_server(name: &str, connections: usize, cpus: &[u32], parent: u32) -> Result<(), String> {
    die_with_parent(parent)?;
    pin(cpus).map_err(|e| e.to_string())?;
    bakeoff::host::preflight::raise_descriptor_limit();
    let identity = match name {
        OVER_TLS => Some(Identity::self_signed().map_err(|e| e.to_string())?),
        _ => None,
    };
    let fingerprint = identity.as_ref().map(Identity::fingerprint);
    let any = "127.0.0.1:0".parse().expect("an address");
    let ready = |address: io::Result<SocketAddr>| {
        let address = address.map_err(|e| e.to_string())?;
        let ready = serde_json::to_string(&FromServer::Ready { address, fingerprint }).expect("our own type");
        writeln!(io::stdout(), "{ready}").map_err(|e| e.to_string())
    };
    if name == datagrams::NAME {
        let socket = bind_datagrams(any, 1).map_err(|e| e.to_string())?.remove(0);
        ready(socket.local_addr())?;
        return datagrams::serve(&socket).map_err(|e| e.to_string());
    }
    let options = ListenOptions { backlog: 1024, congestion_control: Some("cubic".into()) };
    let listener = bind(any, &options).map_err(|e| e.to_string())?;
    ready(listener.local_addr())?;
    if name == room::NAME {
        return room::serve(listener).map_err(|e| e.to_string());
    }
    let served = match (identity, SERVERS.iter().find(|(n, _)| *n == name)) {
        (Some(identity), _) => rustls::serve(listener, &identity),
        (None, Some((_, serve))) => serve(listener, connections),
        (None, None) => return Err(format!("no control `{name}`")),
    };
    served.map_err(|e| e.to_string())
}
