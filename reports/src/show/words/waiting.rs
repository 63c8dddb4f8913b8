//! Where the requests of a workload wait: for a connection, for a CPU, or in a queue of the server. The costs of a request
//! cannot tell this, and where jobs are long it is what decides.
//!
//! The mean response time is taken apart: the wait for a free connection is measured by the swarm, the CPU time and the wait
//! for a CPU by the kernel, and what the workload itself asks for is known. The rest of the service time is what a request
//! spends in sockets and queues, behind others or on its way. It says where time went, not why.
//!
//! Nothing is said of a closed loop whose requests ask for no waiting: there the clients always stand in the queue, and how
//! long is their throughput under another name.

use crate::cells::cell::Cell;
use crate::record::{Metric, Pacing, Profile};
use crate::show::units;

/// A difference below this explains nothing, in nanoseconds.
const LEAST_NS: f64 = 5_000.0;

/// A wait that is longer by less than this factor explains nothing: the way to the client and back is part of it.
const TELLING: f64 = 2.0;

/// The share of the difference in mean response that a wait must make up to be named.
const MOST_OF_IT: f64 = 0.5;

/// The waits of a mean request, in nanoseconds.
struct Waits {
    connection: f64,
    cpu: f64,
    queue: f64,
    response: f64,
}

impl Waits {
    /// `None` where one of the parts was not measured.
    fn of(profile: &Profile, cell: &Cell) -> Option<Self> {
        let means = cell.merged.as_ref()?.means?;
        let (cpu_time, cpu) = (cell.value(Metric::CpuPerRequest)?, cell.value(Metric::RunDelayPerRequest)?);
        let asked = profile.wait_ns + profile.block_ns;
        Some(Self {
            connection: means.connection_ns,
            cpu,
            queue: (means.service_ns - cpu_time - cpu - asked).max(0.0),
            response: means.response_ns,
        })
    }
}

/// Where the requests of `next` wait longer than those of `best`, if that is most of the difference in mean response.
pub(crate) fn explain(profile: &Profile, best: &Cell, next: &Cell) -> Option<String> {
    if profile.pacing != Pacing::Open && profile.wait_ns + profile.block_ns == 0.0 {
        return None;
    }
    let (ours, theirs) = (Waits::of(profile, best)?, Waits::of(profile, next)?);
    let longer = theirs.response - ours.response;
    let places = [
        ("for a free connection", ours.connection, theirs.connection),
        ("for a CPU", ours.cpu, theirs.cpu),
        ("in sockets and queues of the server", ours.queue, theirs.queue),
    ];
    let most = |place: &(&str, f64, f64)| place.2 - place.1;
    let (place, ours, theirs) = places.into_iter().max_by(|a, b| most(a).total_cmp(&most(b)))?;
    let tells =
        theirs - ours >= LEAST_NS.max(MOST_OF_IT * longer) && theirs >= ours * TELLING && longer > 0.0;
    tells.then(|| {
        let (ours, theirs) = (units::time(ours), units::time(theirs));
        format!("A mean request waits {theirs} {place} with {}, {ours} with {}.", next.model, best.model)
    })
}
