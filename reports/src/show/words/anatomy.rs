//! The anatomy of a request as people read it: rows in layers (client, kernel, server), shared by the terminal's table
//! and the page.
//!
//! Every figure comes from the record; what is computed from it (header bytes) is said to be.

use crate::record::{Anatomy, ConnectionWire, Outcome, Part, Phase, Reading, Segments, Step};
use crate::show::units;

/// Who does something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layer {
    /// The client's program.
    Client,
    /// The kernel, between the two.
    Kernel,
    /// The server's program.
    Server,
}

/// One line of a phase.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) layer: Layer,
    pub(crate) who: String,
    /// The call and what it was made on.
    pub(crate) what: String,
    pub(crate) result: String,
    /// What is special this time: "woken", what an error means.
    pub(crate) note: String,
    /// What it is for; the same for all rows with the same `what`.
    pub(crate) meaning: String,
}

impl Row {
    fn client(what: &str, result: String, note: &str) -> Self {
        let (what, note) = (what.to_owned(), note.to_owned());
        Self { layer: Layer::Client, who: "client".into(), what, result, note, meaning: String::new() }
    }

    fn kernel(what: String, result: String, note: String) -> Self {
        Self { layer: Layer::Kernel, who: "kernel".into(), what, result, note, meaning: String::new() }
    }

    fn server(step: &Step) -> Self {
        let what = match &step.on {
            Some(on) => format!("{} ({on})", step.call),
            None => step.call.clone(),
        };
        let woken = (step.woken && step.outcome != Outcome::Restarts).then_some("woken");
        let note: Vec<&str> = woken.into_iter().chain(super::explain::remark(step)).collect();
        Self {
            layer: Layer::Server,
            // A server may call a thread what the table calls its layers.
            who: match step.task.as_str() {
                name @ ("client" | "kernel") => format!("thread {name}"),
                name => name.to_owned(),
            },
            what,
            result: super::explain::result(step),
            note: note.join(", "),
            meaning: super::explain::explain(&step.call, step.on.as_deref()).unwrap_or_default().to_owned(),
        }
    }
}

/// What a part is called.
pub(crate) fn title(part: Part) -> &'static str {
    match part {
        Part::Request => "A typical request",
        Part::Connect => "The connection is made",
        Part::FirstRequest => "The first request, which differs",
        Part::Close => "The connection is closed",
    }
}

/// How often a part was followed, and how alike it was.
pub(crate) fn followed(phase: &Phase) -> String {
    match (phase.repeats, phase.alike) {
        (1, _) => "followed once".to_owned(),
        (repeats, alike) => format!("{alike} of {repeats} were like this one"),
    }
}

/// The parts worth showing, in order: the request first; the first one only where it differs.
pub(crate) fn parts(anatomy: &Anatomy) -> Vec<&Phase> {
    let phase = |part| anatomy.phase(part);
    let same = |a: &Phase, b: &Phase| {
        let key = |s: &Step| (s.task.clone(), s.call.clone(), s.on.clone(), super::explain::result(s));
        a.steps.iter().map(key).eq(b.steps.iter().map(key))
    };
    let first = phase(Part::FirstRequest)
        .filter(|first| phase(Part::Request).is_none_or(|request| !same(first, request)));
    [phase(Part::Request), phase(Part::Connect), first, phase(Part::Close)].into_iter().flatten().collect()
}

/// A mean count without needless digits: "1", "0.25".
fn mean(count: u64, of: u64) -> String {
    match (count as f64 / of.max(1) as f64, count % of.max(1)) {
        (mean, 0) => format!("{mean:.0}"),
        (mean, _) => units::quantity(mean),
    }
}

fn exact_bytes(bytes: u64) -> String {
    format!("{} B", units::grouped(bytes))
}

/// Rows of a phase that are shown; of a large message's many reads and writes the middle is left out.
const MOST_ROWS: usize = 40;

/// The rows of a phase: what the client did, what went over the wire, what the server did.
pub(crate) fn rows(anatomy: &Anatomy, phase: &Phase) -> Vec<Row> {
    let mut rows = all_rows(anatomy, phase);
    let (head, tail) = (MOST_ROWS * 3 / 4, MOST_ROWS / 4);
    if rows.len() > MOST_ROWS {
        let left_out = rows.len() - head - tail;
        let more = Row {
            layer: Layer::Server,
            who: "...".into(),
            what: "...".into(),
            result: String::new(),
            note: format!("{} more steps", units::grouped(left_out as u64)),
            meaning: String::new(),
        };
        rows.splice(head..head + left_out, [more]);
    }
    rows
}

/// What stands between client and service, to go behind the service's name.
pub fn over(anatomy: &Anatomy) -> &'static str {
    if anatomy.tls { " over TLS" } else { "" }
}

fn all_rows(anatomy: &Anatomy, phase: &Phase) -> Vec<Row> {
    let server: Vec<Row> = phase.steps.iter().map(Row::server).collect();
    match phase.part {
        Part::Request | Part::FirstRequest => request_rows(anatomy, phase, server),
        Part::Connect => {
            let mut rows = vec![Row::client("connect", "done".into(), "ask the kernel for a connection")];
            if let Reading::Value(wire) = &anatomy.wire {
                let Segments { out, r#in, .. } = wire.connect;
                let bytes = wire.ip_bytes(&wire.connect, 2);
                let what = units::plural(wire.connect.all(), "segment");
                let why = if (out, r#in) == (2, 1) { "SYN, SYN-ACK, ACK: no program takes part" } else { "" };
                rows.push(Row::kernel(what, exact_bytes(bytes), why.into()));
            }
            if anatomy.tls {
                let why = "two flights each way; the server signs in its first";
                rows.push(Row::client("handshake", "done".into(), why));
            }
            rows.extend(server);
            rows
        }
        Part::Close => {
            let exit = anatomy.service == "line";
            let mut rows = vec![match exit {
                true => Row::client("write", "5 B".into(), "the line `exit`: the server shall close"),
                false if anatomy.tls => Row::client(
                    "write",
                    "done".into(),
                    "close_notify of TLS, then a shutdown: no request will follow",
                ),
                false => Row::client("shutdown", "done".into(), "say that no request will follow"),
            }];
            rows.extend(server);
            if let Some(Reading::Value(close)) = anatomy.wire.value().map(|wire| &wire.close) {
                let wire = anatomy.wire.value().expect("just seen");
                rows.push(Row::kernel(
                    units::plural(close.all(), "segment"),
                    exact_bytes(wire.ip_bytes(close, 0)),
                    "until the server's FIN had reached the client".into(),
                ));
            }
            rows
        }
    }
}

fn request_rows(anatomy: &Anatomy, phase: &Phase, server: Vec<Row>) -> Vec<Row> {
    let (hand, take) = match anatomy.tls {
        true => (
            "encrypt the request and hand it to its kernel",
            "the whole reply, decrypted, byte for byte as due",
        ),
        false => ("hand the request to its kernel", "the whole reply, byte for byte as due"),
    };
    let mut rows = vec![Row::client("write", exact_bytes(anatomy.request_bytes), hand)];
    let wire = anatomy.wire.value().filter(|_| phase.part == Part::Request);
    rows.extend(wire.and_then(|wire| one_way(wire, Way::Out)));
    let reply = wire.and_then(|wire| one_way(wire, Way::In));
    let last_send = phase.steps.iter().rposition(super::explain::sends);
    for (at, row) in server.into_iter().enumerate() {
        rows.push(row);
        if Some(at) == last_send {
            rows.extend(reply.clone());
        }
    }
    rows.push(Row::client("read", exact_bytes(anatomy.reply_bytes), take));
    rows
}

#[derive(Clone, Copy)]
enum Way {
    Out,
    In,
}

/// The segments with payload of one direction, per request.
fn one_way(wire: &ConnectionWire, way: Way) -> Option<Row> {
    let (data, payload) = match way {
        Way::Out => (wire.request.data_out, wire.request.payload_out_bytes),
        Way::In => (wire.request.data_in, wire.request.payload_in_bytes),
    };
    if data == 0 {
        return None;
    }
    let requests = wire.requests.max(1);
    let bytes = (payload + data * wire.header_bytes()) / requests;
    let noun = if data == requests { "data segment" } else { "data segments" };
    let arrow = match way {
        Way::Out => "to server",
        Way::In => "to client",
    };
    Some(Row::kernel(
        format!("{} {noun}", mean(data, requests)),
        exact_bytes(bytes),
        format!(
            "{arrow}: {} payload, {} headers",
            units::grouped(payload / requests),
            units::grouped(bytes - payload / requests)
        ),
    ))
}

/// The system calls of a phase, on average over its repeats, by name: "3 calls: read 1, write 1, epoll_wait 1".
pub(crate) fn calls_sum(phase: &Phase) -> String {
    let repeats = u64::from(phase.repeats);
    let total: u64 = phase.calls.values().sum();
    let names: Vec<String> =
        phase.calls.iter().map(|(name, count)| format!("{name} {}", mean(*count, repeats))).collect();
    let noun = if total == repeats { "call" } else { "calls" };
    format!("{} {noun}: {}", mean(total, repeats), names.join(", "))
}

/// The sum of the wire in one sentence, per request; `None` where nothing was counted.
pub(crate) fn wire_sum(anatomy: &Anatomy) -> Option<String> {
    let wire = anatomy.wire.value().filter(|wire| wire.requests > 0)?;
    let (all, requests) = (&wire.request, wire.requests);
    let bytes = wire.ip_bytes(all, 0);
    if bytes == 0 {
        return None;
    }
    Some(format!(
        "{} asked, {} answered: {} data segments and {} pure ACKs a request, {} on the wire, {} of them headers",
        exact_bytes(anatomy.request_bytes),
        exact_bytes(anatomy.reply_bytes),
        mean(all.data(), requests),
        mean(all.all().saturating_sub(all.data()), requests),
        exact_bytes(bytes / requests),
        units::share(1.0 - all.payload_bytes() as f64 / bytes as f64),
    ))
}

/// What was measured and what was computed, for under a table.
pub(crate) fn provenance(wire: &ConnectionWire) -> String {
    format!(
        "Segments and payload are counted by the client's socket (TCP_INFO), untraced; a large one is counted by its \
         MSS of {} bytes. Sent again from the client's side: {}. Header bytes are computed: {} a segment (IP {}, TCP {}{}). Loopback has no link \
         layer.",
        units::grouped(wire.mss_bytes),
        units::plural(wire.retransmits, "segment"),
        wire.header_bytes(),
        wire.ip_header_bytes,
        wire.header_bytes() - wire.ip_header_bytes,
        if wire.timestamps { " with timestamps" } else { "" },
    )
}

/// What untraced requests cost, as name, figure and remark.
pub(crate) fn costs(anatomy: &Anatomy) -> Vec<(&'static str, String, &'static str)> {
    let Reading::Value(untraced) = &anatomy.untraced else { return Vec::new() };
    let show = |reading: &Reading<f64>, show: fn(f64) -> String| match reading {
        Reading::Value(value) => show(*value),
        Reading::Absent(why) => format!("absent: {why}"),
    };
    let in_kernel = match (&untraced.cpu_ns_per_request, &untraced.kernel_share) {
        (Reading::Value(ns), Reading::Value(part)) => {
            format!("{} ({})", units::time(ns * part), units::share(*part))
        }
        (_, share) => show(share, units::share),
    };
    vec![
        (
            "round trip, median",
            units::time(untraced.round_trip_p50_ns as f64),
            "client's write to the last reply byte",
        ),
        ("server CPU", show(&untraced.cpu_ns_per_request, units::time), "all threads and processes together"),
        ("of it in the kernel", in_kernel, "share sampled at clock ticks"),
        (
            "sleeps",
            show(&untraced.voluntary_per_request, units::quantity),
            "voluntary switches; as many wake-ups",
        ),
        (
            "forced switches",
            show(&untraced.involuntary_per_request, units::quantity),
            "its CPU was given to another thread",
        ),
    ]
}
