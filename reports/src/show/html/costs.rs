//! The tables of what a workload cost the servers, and of what they counted themselves.
//!
//! A cost that could not be measured is shown as absent with the reason, never as zero. One that is absent for every
//! model has no column; it is named below the table with the reason.

use super::element::{Field, Row, table};
use super::model::{named, ordered};
use crate::cells::cell::{Accepts, Cell};
use crate::metric;
use crate::record::{Metric, Reading};
use crate::rules::workload::Workload;
use crate::show::units;
use maud::{Markup, html};
use std::collections::BTreeMap;

/// One table: its heading, the metrics in it, and what its reader must know.
struct Group {
    heading: &'static str,
    group: metric::Group,
    note: &'static str,
}

impl Group {
    /// Those that a workload can have.
    fn metrics(&self, workload: &Workload) -> impl Iterator<Item = Metric> {
        let varies = workload.scenario.load.varies();
        let own = Metric::ALL.into_iter().filter(|metric| metric.group() == self.group);
        own.filter(move |metric| varies || *metric != Metric::ThreadSeconds)
    }
}

const GROUPS: [Group; 4] = [
    Group {
        heading: "What a request costs",
        group: metric::Group::Request,
        note: "Medians of the rounds, per request, of the server's whole process tree. CPU time and run delay (ready to \
               run, waiting for a CPU, summed over threads) are of the window; user and system divide the CPU time as \
               the kernel's ticks found the server's CPUs. System calls, page faults, instructions, cycles and cache misses are counted under the same load before \
               the window, because counting slows down what it counts. Switches (voluntary: it waited; \
               involuntary: it was preempted) are counted from before the load begins until the end of the window.",
    },
    Group {
        heading: "What a connection costs",
        group: metric::Group::Connection,
        note: "Memory is the proportional set size of the tree after the window with the clients still connected (churn: \
               at its end); page tables and kernel stacks come on top. Memory per connection is what the tree's own \
               memory (without the pages of files), page tables and kernel stacks grew by since it was at rest, over the connections held. The sockets themselves, a few KiB of kernel \
               memory at each end, are in none of these; socket buffers are those of all TCP sockets of the machine at \
               the window's end, both ends of each connection.",
    },
    Group {
        heading: "The wire and who was served",
        group: metric::Group::Wire,
        note: "Segments are of both directions, acknowledgements and set-up included, as the kernel counted them at the \
               swarm's end of each connection; retransmits are those from the client's side only. Listen overflows and drops are of all listeners of the \
               machine while the trial ran. Fairness is Jain's index over connections: 1 when all got the same. \
               Least / median is the fewest replies of a connection over what half of them got at most. Never served is \
               the share of connections without any reply.",
    },
    Group {
        heading: "Handshakes of TLS",
        group: metric::Group::Tls,
        note: "Completed in the window, per second; those of connections that are kept came before it. A full handshake costs \
               the server a signature, one that resumes a session does not. Their times are in the connect times above; what \
               encryption costs a request is in its CPU time.",
    },
];

/// What the servers used, per request, per connection and as a whole.
pub(super) fn costs(workload: &Workload, series: &impl Fn(&str) -> usize) -> Markup {
    let encrypted = workload.scenario.tls.is_some();
    let shown = GROUPS.iter().filter(|group| encrypted || group.group != metric::Group::Tls);
    html! { @for group in shown { (one(workload, group, series)) } }
}

fn one(workload: &Workload, group: &Group, series: &impl Fn(&str) -> usize) -> Markup {
    let measured = |cost: &Metric| workload.cells.iter().any(|cell| cell.value(*cost).is_some());
    let shown: Vec<Metric> = group.metrics(workload).filter(measured).collect();
    let served = group.group == metric::Group::Wire;
    let row = |cell: &Cell| {
        let field = |cost: &Metric| match cell.get(*cost) {
            Reading::Value(value) => Field::figure(cost.show(*value), *value),
            Reading::Absent(why) => Field::absent(why),
        };
        let mut fields: Vec<Field> = shown.iter().map(field).collect();
        if served {
            fields.push(match &cell.merged {
                Some(merged) => Field::quantile(merged.connect.p50()),
                None => Field::absent("no valid trial"),
            });
        }
        (named(series(&cell.model), &cell.model), fields)
    };
    let rows: Vec<Row> = ordered(workload).map(row).collect();
    let labels = shown.iter().map(|cost| cost.head());
    let mut columns: Vec<&str> = std::iter::once("model").chain(labels).collect();
    if served {
        columns.push("connect p50");
    }
    let by_cpu = shown.iter().any(|cost| {
        matches!(
            cost,
            Metric::InstructionsPerRequest | Metric::CyclesPerRequest | Metric::CacheMissesPerRequest
        )
    });
    let user_mode = by_cpu && workload.cells.iter().any(|cell| cell.user_mode_only);
    let absent = absent(workload, group);
    html! {
        h4 { (group.heading) }
        (table(&format!("{} of {}", group.heading, workload.scenario.name), &columns, &rows))
        p.note {
            (group.note)
            @if user_mode {
                " Instructions, cycles and cache misses are of user mode alone: the kernel's need privilege."
            }
            @if !absent.is_empty() { " Absent: " (absent.join("; ")) "." }
        }
    }
}

/// Which costs are absent and why: by reason, each with the costs it concerns.
fn absent(workload: &Workload, group: &Group) -> Vec<String> {
    let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for cost in group.metrics(workload) {
        for cell in &workload.cells {
            if let Reading::Absent(why) = cell.get(cost) {
                let names = reasons.entry(why).or_default();
                if !names.contains(&cost.head()) {
                    names.push(cost.head());
                }
            }
        }
    }
    reasons.iter().map(|(why, names)| format!("{} ({why})", names.join(", "))).collect()
}

/// What the servers counted themselves, to hold against what the swarm saw. A counter that is zero everywhere has no
/// column.
pub(super) fn counted(workload: &Workload, series: &impl Fn(&str) -> usize) -> Markup {
    let mut names: Vec<&str> = Vec::new();
    for (name, count) in workload.cells.iter().flat_map(|cell| &cell.counted) {
        if *count > 0 && !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    if names.is_empty() {
        return html! { p.note { "No server reported its counters." } };
    }
    let some_accept = workload.cells.iter().any(|cell| cell.accepts.is_some());
    let row = |cell: &Cell| {
        let fields = names.iter().map(|name| match cell.counted.get(*name) {
            Some(count) => Field::count(*count),
            None => Field::absent("no server lived to report it"),
        });
        let accepts = some_accept.then(|| match cell.accepts {
            Some(Accepts { workers, fewest, most }) => Field::noted(
                format!("{} to {}", units::grouped(fewest), units::grouped(most)),
                format!("{} that accept", units::plural(workers, "worker")),
            ),
            None => Field::text("-"),
        });
        (named(series(&cell.model), &cell.model), fields.chain(accepts).collect())
    };
    let rows: Vec<Row> = ordered(workload).map(row).collect();
    let heads = names.iter().map(|name| name.replace('_', " "));
    let by_worker = some_accept.then(|| "accepted by a worker".to_owned());
    let columns: Vec<String> = std::iter::once("model".to_owned()).chain(heads).chain(by_worker).collect();
    html! {
        details {
            summary { "What the servers counted" }
            (table(&format!("Counters of the servers of {}", workload.scenario.name), &columns, &rows))
            p.note {
                "Over a server's whole life, warm-up included, summed over the rounds; the peak of open connections is the \
                 largest."
                @if some_accept { " What one worker accepted is of one round, from the fewest to the most." }
            }
        }
    }
}
