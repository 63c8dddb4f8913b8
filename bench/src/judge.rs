//! What disqualifies a trial, and what makes it doubtful: rules over what was measured, and nothing else.
//!
//! An *invalid* trial is kept and shown but compared with nothing. A *doubt* travels with the figure. The limits are
//! constants with their reason; each rule is a function of the record.

use crate::environment::CpuPlan;
use crate::load::Load;
use bakeoff_reports::histogram::Recorder;
use bakeoff_reports::record::{
    Doubt, EncodedHistogram, ErrorKind, Invalid, Measured, Merit, Reading, Slice, Usage,
};
use std::time::Duration;

/// In open loop the typical send must not be later than this share of the typical response, or the response time says
/// more of the generator than of the server. In the tail the same share is a doubt.
pub const LAG_SHARE: f64 = 0.10;
/// Where the 99th percentile decides, the generator's own must stay below this share of it.
pub const TAIL_SHARE: f64 = 0.50;
/// The hypervisor may take this share of the pinned CPUs in a window (of two CPUs and 300 ms: three clock ticks).
pub const STEAL_SHARE: f64 = 0.05;
/// Other programs may take this share of the pinned CPUs in a window (of two CPUs and 300 ms: six clock ticks).
pub const FOREIGN_SHARE: f64 = 0.10;
/// A closed-loop swarm that uses more of its CPUs than this, while the server leaves some of its own idle, is what
/// limits the figure.
pub const BUSY_SHARE: f64 = 0.95;
/// The throughput of the window's halves may differ by this factor.
pub const STEADY_RATIO: f64 = 1.25;
/// Little's law must hold within this share.
pub const LITTLE_SHARE: f64 = 0.02;

/// What is to be thought of a trial.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Judgement {
    /// Why it must not be compared; empty when it may.
    pub invalid: Vec<Invalid>,
    /// Reasons for caution.
    pub doubts: Vec<Doubt>,
}

/// Judges a trial. What a server did badly (no answer, an early end) is a result and no reason to leave it out; what
/// the generator or the neighbours did is.
pub fn judge(measured: &Measured, usage: &Usage, merit: Merit, load: &Load, cpus: &CpuPlan) -> Judgement {
    let mut judgement = Judgement::default();
    let corrupt = measured.counts.errors.get(&ErrorKind::Corrupt).copied().unwrap_or(0);
    if corrupt > 0 {
        judgement.invalid.push(Invalid::WrongReply { replies: corrupt });
    }
    if !measured.counts.balanced() {
        judgement.invalid.push(Invalid::Unbalanced);
    }
    if matches!(load, Load::Open { .. }) {
        judge_lag(measured, merit, &mut judgement);
    }
    if let Reading::Value(share) = usage.steal_share
        && share > STEAL_SHARE
    {
        judgement.invalid.push(Invalid::Stolen { share });
    }
    if let Reading::Value(share) = usage.foreign_share
        && share > FOREIGN_SHARE
    {
        judgement.invalid.push(Invalid::ForeignLoad { share });
    }
    judgement.doubts.extend(doubts(measured, usage, load, cpus));
    judgement
}

/// Whether the generator kept its schedule, at the median and in the tail.
fn judge_lag(measured: &Measured, merit: Merit, judgement: &mut Judgement) {
    let at = |share| Some((quantile(&measured.dispatch_lag, share)?, quantile(&measured.response, share)?));
    if let Some((lag_p50_ns, response_p50_ns)) = at(0.5)
        && lag_p50_ns as f64 > LAG_SHARE * response_p50_ns as f64
    {
        judgement.invalid.push(Invalid::GeneratorLate { lag_p50_ns, response_p50_ns });
    }
    if let Some((lag_p99_ns, response_p99_ns)) = at(0.99) {
        let share = lag_p99_ns as f64 / response_p99_ns.max(1) as f64;
        if merit == Merit::ResponseP99 && share > TAIL_SHARE {
            judgement.invalid.push(Invalid::GeneratorTail { lag_p99_ns, response_p99_ns });
        } else if share > LAG_SHARE {
            judgement.doubts.push(Doubt::GeneratorTail { lag_p99_ns, response_p99_ns });
        }
    }
}

/// Reasons for caution that need no figure of merit.
pub fn doubts(measured: &Measured, usage: &Usage, load: &Load, cpus: &CpuPlan) -> Vec<Doubt> {
    let mut found = Vec::new();
    if cpus.shared() {
        found.push(Doubt::SharedCpu);
    }
    found.extend(generator_busy(measured, usage, cpus));
    found.extend(unsteady(measured));
    if measured.spread.never_served > 0 {
        found.push(Doubt::Starved { connections: measured.spread.never_served });
    }
    if measured.counts.unanswered() > 0 {
        found.push(Doubt::Unanswered { requests: measured.counts.unanswered(), sent: measured.counts.sent });
    }
    found.extend(littles_law(measured, load));
    let saturated = measured.response.saturated;
    if saturated > 0 {
        found.push(Doubt::Saturated { values: saturated });
    }
    found
}

/// A quantile of what was recorded, in nanoseconds; `None` when there is nothing.
fn quantile(encoded: &EncodedHistogram, share: f64) -> Option<u64> {
    let recorder = Recorder::decode(encoded).ok()?;
    (recorder.count() > 0).then(|| recorder.histogram().value_at_quantile(share))
}

/// Two that keep each other busy are a fair match: only a busy swarm before an idle server is a doubt, or one before a
/// server that could not be watched.
fn generator_busy(measured: &Measured, usage: &Usage, cpus: &CpuPlan) -> Option<Doubt> {
    if measured.swarm_spins {
        return None;
    }
    let share_of =
        |cpu_ns: u64, cpus: usize| cpu_ns as f64 / (measured.window_ns as f64 * cpus.max(1) as f64);
    let share = share_of(measured.swarm_cpu_ns, cpus.swarm.len().min(measured.swarm_workers as usize));
    let server = usage.window_cpu_ns.value().map_or(0.0, |cpu_ns| share_of(*cpu_ns, cpus.server.len()));
    (share > BUSY_SHARE && server < BUSY_SHARE).then_some(Doubt::GeneratorBusy { share })
}

/// Compares the throughput of the window's halves, where each has enough replies that chance alone stays below the
/// limit (with n replies a half, the ratio scatters by about sqrt(2/n): 5 % at 800).
fn unsteady(measured: &Measured) -> Option<Doubt> {
    let half = measured.slices.len() / 2;
    let completed = |slices: &[Slice]| slices.iter().map(|s| s.completed).sum::<u64>();
    let first = completed(&measured.slices[..half]);
    let second = completed(&measured.slices[measured.slices.len() - half..]);
    if first.max(second) < 800 {
        return None;
    }
    let ratio = second as f64 / first.max(1) as f64;
    (!(1.0 / STEADY_RATIO..=STEADY_RATIO).contains(&ratio)).then_some(Doubt::Unsteady { ratio })
}

/// N = X (R + Z) for the connections that were served; a breach means that times or counts are wrong.
fn littles_law(measured: &Measured, load: &Load) -> Option<Doubt> {
    let Load::Closed { clients, think } = *load else { return None };
    let served = u64::from(clients).checked_sub(measured.spread.never_served).filter(|n| *n > 0)?;
    // Each client has at most one reply cut off by each edge of the window: with few replies per client that is noise.
    if measured.completed_in_window < 100 * served || measured.counts.unanswered() > 0 {
        return None;
    }
    let mean_ns = measured.response.sum_ns as f64 / measured.response.count.max(1) as f64;
    let rate_per_ns = measured.completed_in_window as f64 / measured.window_ns as f64;
    let law = rate_per_ns * (mean_ns + Duration::as_nanos(&think) as f64);
    let off = (served as f64 - law).abs() / served as f64;
    (off > LITTLE_SHARE).then_some(Doubt::LittlesLaw { off })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bakeoff_reports::record::{Counts, Spread};

    /// 1,000 replies of 1 ms each over one second from one client: Little's law holds exactly.
    fn measured() -> Measured {
        let mut response = Recorder::fine();
        let mut lag = Recorder::fine();
        for _ in 0..1000 {
            response.record(1_000_000);
            lag.record(2_000);
        }
        let slice = |i: u64| Slice {
            start_ns: i * 500_000_000,
            length_ns: 500_000_000,
            completed: 500,
            response: Recorder::coarse().encode(),
        };
        Measured {
            window_ns: 1_000_000_000,
            counts: Counts { sent: 1000, ok: 1000, ..Counts::default() },
            completed_in_window: 1000,
            reply_bytes_in_window: 64_000,
            warmup_sent: 10,
            warmup_completed: Vec::new(),
            response: response.encode(),
            service: response.encode(),
            send_lag: lag.encode(),
            dispatch_lag: lag.encode(),
            connect: Recorder::fine().encode(),
            slices: vec![slice(0), slice(1)],
            spread: Spread { connections: 1, replies: 1000, ..Spread::default() },
            wire: Reading::Absent("not measured in this test".into()),
            swarm_cpu_ns: 500_000_000,
            swarm_workers: 1,
            swarm_spins: false,
        }
    }

    fn usage(steal: f64) -> Usage {
        Usage { steal_share: Reading::Value(steal), ..Usage::absent("not measured in this test") }
    }

    fn invalid(measured: &Measured, usage: &Usage, load: &Load) -> Vec<Invalid> {
        judge(measured, usage, Merit::ResponseP99, load, &two_cpus()).invalid
    }

    fn two_cpus() -> CpuPlan {
        CpuPlan::split(vec![0, 1])
    }

    const CLOSED: Load = Load::Closed { clients: 1, think: Duration::ZERO };
    const OPEN: Load =
        Load::Open { clients: 1, rate_per_s: 1000.0, arrivals: crate::load::Arrivals::Poisson };

    #[test]
    fn a_good_trial_has_neither_reasons_nor_doubts() {
        assert_eq!(invalid(&measured(), &usage(0.0), &CLOSED), []);
        assert_eq!(invalid(&measured(), &usage(0.0), &OPEN), []);
        assert_eq!(doubts(&measured(), &usage(0.0), &CLOSED, &two_cpus()), []);
    }

    #[test]
    fn one_wrong_byte_disqualifies() {
        let mut m = measured();
        m.counts.errors.insert(ErrorKind::Corrupt, 1);
        m.counts.sent += 1;
        assert_eq!(invalid(&m, &usage(0.0), &CLOSED), [Invalid::WrongReply { replies: 1 }]);
    }

    #[test]
    fn a_request_that_is_not_accounted_for_disqualifies() {
        let mut m = measured();
        m.counts.sent += 1;
        assert_eq!(invalid(&m, &usage(0.0), &CLOSED), [Invalid::Unbalanced]);
    }

    #[test]
    fn late_sends_disqualify_in_open_loop_only() {
        let mut m = measured();
        let mut lag = Recorder::fine();
        (0..1000).for_each(|_| lag.record(200_000));
        m.dispatch_lag = lag.encode();
        assert!(matches!(invalid(&m, &usage(0.0), &OPEN)[..], [Invalid::GeneratorLate { .. }]));
        assert_eq!(invalid(&m, &usage(0.0), &CLOSED), []);
    }

    #[test]
    fn a_late_tail_is_a_doubt_and_disqualifies_where_the_tail_decides() {
        let mut m = measured();
        let mut lag = Recorder::fine();
        (0..1000).for_each(|i| lag.record(if i < 980 { 2_000 } else { 800_000 }));
        m.dispatch_lag = lag.encode();
        assert!(matches!(invalid(&m, &usage(0.0), &OPEN)[..], [Invalid::GeneratorTail { .. }]));
        let by_throughput = judge(&m, &usage(0.0), Merit::Throughput, &OPEN, &two_cpus());
        assert_eq!(by_throughput.invalid, []);
        assert!(matches!(by_throughput.doubts[..], [Doubt::GeneratorTail { .. }]));
    }

    #[test]
    fn a_server_that_answers_nothing_is_a_result() {
        let mut m = measured();
        m.counts = Counts { sent: 1000, in_flight_at_end: 1000, ..Counts::default() };
        m.response = Recorder::fine().encode();
        assert_eq!(invalid(&m, &usage(0.0), &OPEN), []);
    }

    #[test]
    fn the_work_of_others_disqualifies() {
        let disturbed = Usage { foreign_share: Reading::Value(0.2), ..usage(0.0) };
        assert_eq!(invalid(&measured(), &disturbed, &CLOSED), [Invalid::ForeignLoad { share: 0.2 }]);
    }

    #[test]
    fn stolen_time_disqualifies() {
        assert_eq!(invalid(&measured(), &usage(0.06), &CLOSED), [Invalid::Stolen { share: 0.06 }]);
    }

    #[test]
    fn a_busy_generator_is_a_doubt_unless_it_spins_by_design() {
        let mut m = measured();
        m.swarm_cpu_ns = 990_000_000;
        let both = Usage { window_cpu_ns: Reading::Value(980_000_000), ..usage(0.0) };
        assert_eq!(doubts(&m, &both, &CLOSED, &two_cpus()), [], "both at their limit");
        assert_eq!(doubts(&m, &usage(0.0), &CLOSED, &two_cpus()), [Doubt::GeneratorBusy { share: 0.99 }]);
        m.swarm_spins = true;
        assert_eq!(doubts(&m, &usage(0.0), &CLOSED, &two_cpus()), []);
    }

    #[test]
    fn littles_law_catches_a_time_that_is_not_true() {
        let mut m = measured();
        m.response.sum_ns /= 2;
        assert!(
            matches!(doubts(&m, &usage(0.0), &CLOSED, &two_cpus())[..], [Doubt::LittlesLaw { off }] if (off - 0.5).abs() < 1e-9)
        );
    }

    #[test]
    fn halves_that_differ_are_a_doubt() {
        let mut m = measured();
        (m.slices[0].completed, m.slices[1].completed) = (1200, 800);
        assert!(matches!(doubts(&m, &usage(0.0), &CLOSED, &two_cpus())[..], [Doubt::Unsteady { .. }]));
    }

    #[test]
    fn starvation_and_silence_are_doubts() {
        let mut m = measured();
        m.spread.never_served = 3;
        m.counts.sent += 5;
        m.counts.in_flight_at_end = 5;
        let found = doubts(&m, &usage(0.0), &OPEN, &CpuPlan::split(vec![0]));
        let starved = Doubt::Starved { connections: 3 };
        assert_eq!(found, [Doubt::SharedCpu, starved, Doubt::Unanswered { requests: 5, sent: 1005 }]);
    }
}
