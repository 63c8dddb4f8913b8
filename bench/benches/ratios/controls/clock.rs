//! The bare limit of a schedule: a loop that does nothing but look at the clock, and how late it is at the times of a
//! Poisson schedule. What it is late, the machine is: another program had the CPU, or the hypervisor.

use super::{ClientPart, ClientSpec};
use bakeoff::host::clock::{monotonic_ns, thread_cpu_ns};
use bakeoff::swarm::schedule::Schedule;
use bakeoff::workload::load::{Arrivals, DemandShape, Load, RateShape, RequestShape, Timing};
use bakeoff_reports::record::histogram::Recorder;
use std::io;
use std::time::Duration;

/// Looks at the clock until the window is over; there is no warm-up.
pub(super) fn run(spec: &ClientSpec, rate_per_s: f64) -> io::Result<ClientPart> {
    let load = Load::Open { clients: 1, rate_per_s, arrivals: Arrivals::Poisson, shape: RateShape::Steady };
    let request = RequestShape::new(1, DemandShape::None);
    let (warmup, drain) = (Duration::ZERO, Duration::ZERO);
    let window = Duration::from_nanos(spec.window_ns);
    let timing = Timing { warmup, window, timeout: window, drain };
    let schedule = Schedule::new(1, &load, &request, &timing, 0, 1).map_err(io::Error::other)?;
    let mut late = Recorder::fine();
    let cpu_at_begin = thread_cpu_ns();
    let begin = monotonic_ns();
    for &due in schedule.offsets_ns() {
        let mut now = monotonic_ns() - begin;
        while now < due {
            now = monotonic_ns() - begin;
        }
        late.record(now - due);
    }
    let cpu_ns = thread_cpu_ns() - cpu_at_begin;
    Ok(ClientPart { completed: late.count(), cpu_ns, times: Some(late.encode()) })
}
