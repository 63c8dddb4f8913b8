//! `bakeoff load`: the swarm alone, against any server that speaks one of the services.

use super::Addresses;
use super::flags::{CpuFlags, RequestFlags, SeedFlag, TransportFlag};
use super::output;
use super::setup::{launcher, loopback};
use crate::exit::Exit;
use crate::host::connect::refuses;
use crate::host::preflight::require_loopback;
use crate::process::context::Context;
use crate::process::launch::LaunchError;
use crate::swarm::spec::{ClientTls, WorkerSpec};
use crate::trial::judge;
use crate::workload::audience::Asked;
use crate::workload::load::{Arrivals, Audience, AudienceKind, Background, Load, RateShape, Timing};
use crate::workload::units::{
    parse_count, parse_duration, parse_positive_duration, parse_rate, parse_share, show_duration,
};
use crate::workload::{audience, bounds, transport};
use bakeoff_reports::record::{HttpFault, Invalid, Measured, Usage, WrongReplies};
use bakeoff_reports::show::summary::Summary;
use bakeoff_servers::tls::Fingerprint;
use clap::{Args, value_parser};
use std::net::SocketAddr;
use std::time::Duration;

/// Load any server that speaks a service, in any language
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  bakeoff load --addr 127.0.0.1:5000 --service line --clients 64\n  \
    bakeoff load --addr 127.0.0.1:7 --rate 20000 --for 10s\n  \
    bakeoff load --addr 127.0.0.1:7 --rate 20000 --transport udp\n  \
    bakeoff load --addr 127.0.0.1:8080 --path /api/items --expect-same-body\n  \
    bakeoff load --addr 127.0.0.1:8080 --path /items --body x --expect-status 201\n  \
    bakeoff load --addr 127.0.0.1:8443 --path / --tls --churn 1")]
pub(super) struct LoadArgs {
    /// The server's address, or a name of one, and port
    #[arg(long, value_name = "ADDR", value_parser = super::parse_addresses)]
    addr: Addresses,
    #[command(flatten)]
    request: RequestFlags,
    #[command(flatten)]
    transport: TransportFlag,
    /// Lose this share of what comes back, such as 0.5%, as a network would: segments of TCP, which are sent again, or datagrams
    #[arg(long, value_name = "SHARE", default_value = "0%", value_parser = parse_share)]
    loss: f64,
    /// Have the clients of a chat speak to each other: to one other, or in a room or in groups of this size, such as room=100;
    /// with room=100,slow=1 one member of each never reads
    #[arg(long, value_name = "WHOM", requires = "rate", value_parser = parse_audience)]
    audience: Option<Audience>,
    /// Speak TLS. Without a fingerprint any certificate will do: it measures, it does not protect
    #[arg(long)]
    tls: bool,
    /// Accept the certificate with this SHA-256 fingerprint alone, such as `bakeoff serve --tls` prints
    #[arg(long, value_name = "SHA256", requires = "tls")]
    tls_fingerprint: Option<Fingerprint>,
    /// Make each handshake a full one, instead of resuming sessions where the server lets it
    #[arg(long, requires = "tls")]
    tls_full_handshakes: bool,
    /// Connections
    #[arg(long, short, value_name = "COUNT", default_value = "64", value_parser = parse_clients)]
    clients: u32,
    /// Open loop at this rate, in requests per second, whatever the server does; closed loop without it
    #[arg(long, value_name = "RATE", value_parser = parse_rate, allow_negative_numbers = true)]
    rate: Option<f64>,
    /// Open loop: evenly spaced instead of Poisson arrivals
    #[arg(long, requires = "rate")]
    fixed: bool,
    /// Closed loop: pause between a reply and the next request
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = parse_duration, conflicts_with_all = ["rate", "churn"])]
    think: Duration,
    /// Churn: so many requests on a connection, then close and connect again
    #[arg(long, value_name = "REQUESTS", value_parser = value_parser!(u32).range(1..=1_000_000), conflicts_with = "rate")]
    churn: Option<u32>,
    /// Measured window
    #[arg(long = "for", value_name = "TIME", default_value = "5s", value_parser = parse_positive_duration)]
    window: Duration,
    /// Load before it that is not measured
    #[arg(long, value_name = "TIME", default_value = "500ms", value_parser = parse_duration)]
    warmup: Duration,
    /// Give a request up after this time
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = parse_positive_duration)]
    timeout: Duration,
    #[command(flatten)]
    seed: SeedFlag,
    #[command(flatten)]
    cpus: CpuFlags,
    /// Load a server on another machine; make sure that it is yours
    #[arg(long)]
    allow_remote: bool,
    /// Print one JSON document instead of a table; times in nanoseconds, as reports/SCHEMA.md says
    #[arg(long)]
    json: bool,
}

/// `one`, `room=100` or `group=10,slow=1`.
fn parse_audience(text: &str) -> Result<Audience, String> {
    let (text, slow) = match text.split_once(',') {
        None => (text, 0),
        Some((text, rest)) => {
            let slow = rest.strip_prefix("slow=");
            let slow =
                slow.ok_or_else(|| format!("`{rest}` says nothing of an audience; give slow=COUNT"))?;
            (text, parse_clients(slow)?)
        }
    };
    let (name, size) = text.split_once('=').map_or((text, None), |(name, size)| (name, Some(size)));
    let kind = AudienceKind::ALL.into_iter().find(|kind| kind.name() == name);
    let kind = kind.ok_or_else(|| format!("`{name}` is no audience; give one, room=SIZE or group=SIZE"))?;
    let size = match (kind, size) {
        (AudienceKind::One, None) => 2,
        (AudienceKind::One, Some(_)) => return Err("a whisper is for one; leave the size out".into()),
        (_, None) => return Err(format!("how large is the {name}? give {name}=SIZE")),
        (_, Some(size)) => parse_clients(size)?,
    };
    Ok(Audience { kind, size, slow })
}

fn parse_clients(text: &str) -> Result<u32, String> {
    match parse_count(text)? {
        count @ ..=1_000_000 => Ok(count as u32),
        _ => Err(format!("`{text}` is too many; give 1 to 1M")),
    }
}

impl LoadArgs {
    pub(super) fn run(self) -> Result<Exit, String> {
        for address in &self.addr.0 {
            transport::check_address(self.transport.transport, address.ip()).map_err(|e| e.to_string())?;
        }
        for address in self.addr.0.iter().filter(|_| !self.allow_remote) {
            require_loopback(address.ip(), "say --allow-remote if the server there is yours to load")?;
        }
        let target = self.target();
        let spec = self.spec(target)?;
        let context = Context::new(launcher()?, loopback(), self.cpus.plan()?);
        let measured = match self.drive(&context, &spec) {
            Ok(measured) => measured,
            Err(LaunchError::Interrupted) => return Ok(Exit::Interrupted),
            Err(error) => return Err(error.to_string()),
        };
        let doubts =
            judge::doubts(&measured, &Usage::absent("another program's server"), &spec.load, &context.cpus);
        let invalid = judge::of_strangers_server(&measured, || spec.transport.is_tcp() && refuses(target));
        let summary = Summary::new(&measured, invalid, doubts).map_err(|e| e.to_string())?;
        let text = if self.json {
            serde_json::to_string_pretty(&summary).expect("our own type, finite numbers") + "\n"
        } else {
            summary.table()
        };
        output::print(&text)?;
        for reason in &summary.invalid {
            // Who answers with a status speaks HTTP.
            let spoke = |kinds: &[WrongReplies]| {
                kinds.iter().any(|kind| !matches!(kind.first, HttpFault::NotHttp { .. }))
            };
            let service = self.request.service().name;
            let asks = match reason {
                Invalid::WrongReply { kinds, .. } if !spoke(kinds) => {
                    format!("; does {target} speak {service}? (--service)")
                }
                // A server of lines waits for the end of one.
                Invalid::Unanswered { .. } => {
                    format!(
                        "; is {target} too slow for this load, or does it not speak {service}? (--service)"
                    )
                }
                _ => String::new(),
            };
            crate::print_to_stderr(&format!("bakeoff: the measurement is invalid: {reason}{asks}"));
        }
        Ok(if summary.invalid.is_empty() { Exit::Fine } else { Exit::Invalid })
    }

    fn drive(&self, context: &Context, spec: &WorkerSpec) -> Result<Measured, LaunchError> {
        let mut workers = context.spawn_workers(spec)?;
        let window = show_duration(self.window);
        let clients = match self.churn {
            Some(_) => format!("{} sessions at once", self.clients),
            None if spec.audience.is_some() => {
                format!("{} of {} members", workers.connected(), self.clients)
            }
            None if !spec.transport.is_tcp() => format!("{} sockets", workers.connected()),
            None => format!("{} connections", workers.connected()),
        };
        let over = match spec.tls {
            None => "",
            Some(ClientTls { fingerprint: Some(_), .. }) => " over TLS",
            Some(ClientTls { fingerprint: None, .. }) => {
                " over TLS with whatever certificate it has, unchecked"
            }
        };
        crate::print_to_stderr(&format!("{clients} to {}{over}, measuring for {window}", spec.target));
        let window = workers.start()?;
        workers.sleep_until(window.end)?;
        let measured = workers.collect();
        workers.shutdown();
        measured
    }

    /// Where to: of a name with several addresses the first at which somebody listens; over UDP nobody can be asked.
    fn target(&self) -> SocketAddr {
        let all = &self.addr.0;
        let asks = all.len() > 1 && self.transport.transport.is_tcp();
        let listens = |address: &&SocketAddr| !asks || !refuses(**address);
        *all.iter().find(listens).unwrap_or(&all[0])
    }

    fn spec(&self, target: SocketAddr) -> Result<WorkerSpec, String> {
        let request = self.request.shape()?;
        let clients = self.clients;
        let load = match (self.rate, self.churn) {
            (Some(rate_per_s), _) => {
                let arrivals = if self.fixed { Arrivals::Fixed } else { Arrivals::Poisson };
                Load::Open { clients, rate_per_s, arrivals, shape: RateShape::Steady }
            }
            (None, Some(requests_per_connection)) => Load::Churn { clients, requests_per_connection },
            (None, None) => Load::Closed { clients, think: self.think },
        };
        let timing =
            Timing { warmup: self.warmup, window: self.window, timeout: self.timeout, drain: self.timeout };
        bounds::check(&load, &request, &timing, 0, 1).map_err(|e| e.to_string())?;
        let (transport, loss) = (self.transport.transport, self.loss);
        let service = self.request.service().name;
        transport::check_service(transport, service)
            .and_then(|()| {
                transport::check(transport, loss, &load, &request, &Background::default(), &timing)
            })
            .map_err(|e| e.to_string())?;
        let background = Background::default();
        let asked = Asked {
            service,
            load: &load,
            request: &request,
            background: &background,
            timing: &timing,
            is_plain: transport.is_tcp() && !self.tls && loss == 0.0,
        };
        audience::check(self.audience, &asked).map_err(|e| e.to_string())?;
        bounds::check_tls(self.tls, transport, &load, &Background::default()).map_err(|e| e.to_string())?;
        let seed = self.seed.seed;
        let resume = !self.tls_full_handshakes;
        let tls = self.tls.then_some(ClientTls { resume, fingerprint: self.tls_fingerprint });
        Ok(WorkerSpec {
            seed,
            transport,
            loss,
            audience: self.audience,
            tls,
            ..WorkerSpec::new(target, service, load, request, timing)
        })
    }
}
