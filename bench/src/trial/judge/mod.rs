//! What disqualifies a trial, and what makes it doubtful: rules over what was measured, and nothing else.
//!
//! An *invalid* trial is kept and shown but compared with nothing. A *doubt* travels with the figure. The limits are
//! constants with their reason; each rule is a function of the record. What disturbed a trial from outside may be over a
//! moment later: such trials are worth another try, those that failed by themselves are not.

mod lag;

pub use bakeoff_reports::rules::probe::BUSY_SHARE;
pub(crate) use lag::depends_on_time;
pub use lag::{LAG_SHARE, Least, TAIL_SHARE};

use crate::host::quota::Throttling;
use crate::host::topology::CpuPlan;
use crate::workload::load::Load;
use bakeoff_reports::record::histogram::Recorder;
use bakeoff_reports::record::{
    Doubt, EncodedHistogram, ErrorKind, Invalid, Measured, Metric, Reading, Slice, Usage,
};
use bakeoff_reports::rules::probe::NEAR_SHARE;
use std::time::Duration;

pub use bakeoff_reports::record::{FOREIGN_SHARE, SCHEDULE_SHARE, STEAL_SHARE};

/// A server that uses less of its CPUs than this in closed loop could have done a third more, had the swarm been able to ask
/// for it. Between this and [`BUSY_SHARE`] two that wait for each other share the blame, and there is a doubt.
pub const IDLE_SHARE: f64 = 0.75;
/// A server that uses less of its CPUs than this in open loop is idle: whoever falls behind there, it is not for want of a
/// CPU to serve with.
pub const SLACK_SHARE: f64 = 0.50;
/// The throughput of the window's halves may differ by this factor.
pub const STEADY_RATIO: f64 = 1.25;
/// Fewer slices than this in each half do not tell how they scatter.
const SLICES_A_HALF: usize = 4;
/// Student's t beyond which halves that differ are no chance: two-sided 0.1 % for 6 degrees of freedom, the fewest there are;
/// with more it errs on the side of keeping the trial. (t table: 5.959.)
const UNSTEADY_T: f64 = 5.959;
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

/// Whether a trial was disturbed, and only by what passes: other processes, a late swarm, a machine that changed its speed.
/// A wrong reply, or a server that does not start or lets nobody in, would be the same again.
pub fn is_transient(invalid: &[Invalid]) -> bool {
    let passes = |reason: &Invalid| match reason {
        Invalid::GeneratorLate { .. }
        | Invalid::GeneratorTail { .. }
        | Invalid::BehindSchedule { .. }
        | Invalid::GeneratorBound { .. }
        | Invalid::GeneratorShort { .. }
        | Invalid::GeneratorOverflowed { .. }
        | Invalid::Unsteady { .. }
        | Invalid::ForeignLoad { .. }
        | Invalid::Slowed { .. }
        | Invalid::Stolen { .. } => true,
        Invalid::ServerDidNotStart { .. }
        | Invalid::ServerDied { .. }
        | Invalid::SwarmFailed { .. }
        | Invalid::NothingConnected { .. }
        | Invalid::Unanswered { .. }
        // The quota stays.
        | Invalid::Throttled { .. }
        | Invalid::WrongReply { .. }
        | Invalid::Unbalanced => false,
    };
    !invalid.is_empty() && invalid.iter().all(passes)
}

/// What a trial is judged by besides its own record: the same for all models of a workload.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// The figure that decides.
    pub merit: Metric,
    /// What the swarm was to do.
    pub load: &'a Load,
    /// Who ran where.
    pub cpus: &'a CpuPlan,
    /// What the null server did under the same load, in replies per second, if known.
    pub ceiling_per_s: Option<f64>,
    /// The yardstick of the swarm's own lateness.
    pub least: Least,
}

/// Judges a trial. What a server did badly (no answer, an early end) is a result and no reason to leave it out; a
/// disturbance by the load generator or by other processes is.
pub fn judge(measured: &Measured, usage: &Usage, terms: &Terms<'_>) -> Judgement {
    let mut judgement = Judgement { invalid: miscounted(measured), doubts: Vec::new() };
    if matches!(terms.load, Load::Open { .. }) {
        lag::judge(measured, terms, &mut judgement);
        let behind = behind_schedule(measured, usage, terms.cpus);
        judgement.invalid.extend(behind.filter(|_| depends_on_time(terms.merit)));
    }
    judgement.invalid.extend(generator_bound(measured, usage, terms));
    let steady = !terms.load.varies();
    judgement.invalid.extend(no_steady_state(measured).filter(|_| steady && disturbed(measured, usage)));
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
    judgement.doubts.extend(doubts(measured, usage, terms.load, terms.cpus));
    judgement.doubts.retain(|doubt| !settled(doubt, &judgement.invalid));
    judgement
}

/// What makes a trial invalid by its counts alone.
fn miscounted(measured: &Measured) -> Vec<Invalid> {
    let (counts, kinds) = (&measured.counts, &measured.http.wrong);
    let datagrams = measured.datagrams.as_ref();
    // A reply to nothing that was sent is as wrong as a wrong byte, and one that the swarm had no room for is its own want.
    let unasked = datagrams.map_or(0, |datagrams| datagrams.unasked)
        + measured.fan_out.as_ref().map_or(0, |fan_out| fan_out.unasked);
    let overflowed = datagrams.and_then(|datagrams| datagrams.overflowed.value()).copied().unwrap_or(0);
    let of = |kind, beside| {
        Some(counts.errors.get(&kind).copied().unwrap_or(0) + beside).filter(|count| *count > 0)
    };
    let wrong =
        of(ErrorKind::Corrupt, unasked).map(|replies| Invalid::WrongReply { replies, kinds: kinds.clone() });
    let short = of(ErrorKind::Shortage, 0).map(|requests| Invalid::GeneratorShort { requests });
    let full = (overflowed > 0).then_some(Invalid::GeneratorOverflowed { replies: overflowed });
    let unbalanced = (!counts.balanced()).then_some(Invalid::Unbalanced);
    wrong.into_iter().chain(short).chain(full).chain(unbalanced).collect()
}

/// Why no figure of a load on somebody else's server can be relied on. In a trial that a server ends, or answers little, is its
/// result, which others are held against; here there are no others, and the figures would be of a part of the window.
/// `refuses` is asked, where requests went unanswered, whether the server takes connections no longer.
pub fn of_strangers_server(measured: &Measured, refuses: impl FnOnce() -> bool) -> Vec<Invalid> {
    let (mut invalid, counts) = (miscounted(measured), &measured.counts);
    let (requests, sent) = (counts.unanswered(), counts.sent);
    if requests > 0 && refuses() {
        let detail = "it refuses connections now, and did not before the load".into();
        invalid.push(Invalid::ServerDied { detail });
    }
    // The reason for what is missing, where there is one, says more.
    if invalid.is_empty() && counts.ok <= requests {
        invalid.push(Invalid::Unanswered { requests, sent });
    }
    invalid
}

/// What a CPU quota that took this `share` of the pinned CPUs makes of a trial: as time that a hypervisor takes, it is no
/// server's doing.
pub fn throttled(took: &Throttling, share: f64) -> Judgement {
    let Throttling { periods, throttled, .. } = *took;
    let mut judgement = Judgement::default();
    if share > STEAL_SHARE {
        judgement.invalid.push(Invalid::Throttled { share, throttled, periods });
    } else if throttled > 0 {
        judgement.doubts.push(Doubt::Throttled { share, throttled, periods });
    }
    judgement
}

/// Whether a doubt says less than a reason that was found.
fn settled(doubt: &Doubt, invalid: &[Invalid]) -> bool {
    invalid.iter().any(|reason| {
        matches!(
            (doubt, reason),
            (Doubt::Unsteady { .. }, Invalid::Unsteady { .. })
                | (Doubt::GeneratorBusy { .. }, Invalid::GeneratorBound { .. })
        )
    })
}

/// Reasons for caution that need no figure of merit.
pub fn doubts(measured: &Measured, usage: &Usage, load: &Load, cpus: &CpuPlan) -> Vec<Doubt> {
    let mut found = cpus.doubts.clone();
    found.extend(generator_busy(measured, usage, cpus));
    // A load that changes by itself makes halves that differ.
    found.extend(unsteady(measured).filter(|_| !load.varies()));
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

/// Shares of their CPUs that swarm and server used in the window, 0 to 1; the server's absent when it was not watched.
fn shares(measured: &Measured, usage: &Usage, cpus: &CpuPlan) -> (f64, Option<f64>) {
    let of = |cpu_ns: u64, cpus: usize| cpu_ns as f64 / (measured.window_ns as f64 * cpus.max(1) as f64);
    let swarm = of(measured.swarm_cpu_ns, cpus.swarm.len().min(measured.swarm_workers as usize));
    (swarm, usage.window_cpu_ns.value().map(|cpu_ns| of(*cpu_ns, cpus.server.len())))
}

/// Two that keep each other busy are a fair match: only a busy swarm before an idle server is a doubt, or one before a
/// server that could not be watched.
fn generator_busy(measured: &Measured, usage: &Usage, cpus: &CpuPlan) -> Option<Doubt> {
    let (share, server) = shares(measured, usage, cpus);
    let busy = !measured.swarm_spins && share > BUSY_SHARE && server.unwrap_or(0.0) < BUSY_SHARE;
    busy.then_some(Doubt::GeneratorBusy { share })
}

/// A busy swarm before a server that is clearly idle, at a rate far below what the same swarm got out of the null server:
/// each request cost the swarm more CPU than it need, so something slowed the swarm down. Near the ceiling the swarm is at
/// its best and the figure stands, with its mark. Not where they share CPUs, for then either is idle while the other works.
fn generator_bound(measured: &Measured, usage: &Usage, terms: &Terms<'_>) -> Option<Invalid> {
    let (swarm_share, server_share) = shares(measured, usage, terms.cpus);
    let (server_share, ceiling_per_s) = (server_share?, terms.ceiling_per_s?);
    let rate_per_s = measured.completed_in_window as f64 * 1e9 / measured.window_ns.max(1) as f64;
    let bound = !measured.swarm_spins
        && !terms.cpus.shared()
        && swarm_share > BUSY_SHARE
        && server_share < IDLE_SHARE
        && rate_per_s < ceiling_per_s * (1.0 - NEAR_SHARE);
    bound.then_some(Invalid::GeneratorBound { swarm_share, server_share, rate_per_s, ceiling_per_s })
}

/// Too few of the scheduled requests were answered in the window, the server had time for them, and it was the swarm that
/// held them back. A swarm that manages a share of the rate falls behind by the missing share of the window until its end,
/// and its lag p99 is close to that; so a lag of less than half of it does not explain what is missing.
fn behind_schedule(measured: &Measured, usage: &Usage, cpus: &CpuPlan) -> Option<Invalid> {
    let achieved_share = measured.completed_in_window as f64 / measured.counts.sent.max(1) as f64;
    let lag_p99_ns = quantile(&measured.dispatch_lag, 0.99)?;
    let missing_ns = (1.0 - achieved_share) * measured.window_ns as f64;
    let idle = shares(measured, usage, cpus).1.is_some_and(|share| share < SLACK_SHARE);
    let behind = achieved_share < SCHEDULE_SHARE && idle && lag_p99_ns as f64 > missing_ns / 2.0;
    behind.then_some(Invalid::BehindSchedule { achieved_share, lag_p99_ns })
}

/// Replies in the slices of the window's first and second half; a slice in the middle belongs to neither.
fn halves(measured: &Measured) -> (Vec<f64>, Vec<f64>) {
    let half = measured.slices.len() / 2;
    let completed = |slices: &[Slice]| slices.iter().map(|s| s.completed as f64).collect();
    (completed(&measured.slices[..half]), completed(&measured.slices[measured.slices.len() - half..]))
}

/// Compares the throughput of the window's halves, where each has enough replies that chance alone stays below the
/// limit (with n replies a half, the ratio scatters by about sqrt(2/n): 5 % at 800).
fn ratio_of_halves(measured: &Measured) -> Option<f64> {
    let (first, second) = halves(measured);
    let (first, second): (f64, f64) = (first.iter().sum(), second.iter().sum());
    if first.max(second) < 800.0 {
        return None;
    }
    let ratio = second / first.max(1.0);
    (!(1.0 / STEADY_RATIO..=STEADY_RATIO).contains(&ratio)).then_some(ratio)
}

/// Whether a change of speed may be laid at the door of others: every request was answered, and in this very trial the
/// hypervisor or other programs took half of what disqualifies by itself. Without such evidence it is what the server did - it
/// crashed, hung, filled up, slowed down - and leaving it out would hide just that.
fn disturbed(measured: &Measured, usage: &Usage) -> bool {
    let above = |share: &Reading<f64>, limit: f64| share.value().is_some_and(|share| *share > limit / 2.0);
    let disturbed = above(&usage.steal_share, STEAL_SHARE) || above(&usage.foreign_share, FOREIGN_SHARE);
    disturbed && measured.counts.unanswered() == 0
}

/// Halves that differ are a doubt,
fn unsteady(measured: &Measured) -> Option<Doubt> {
    ratio_of_halves(measured).map(|ratio| Doubt::Unsteady { ratio })
}

/// and with evidence of a disturbance a reason, when they differ by more than the scatter of their own slices explains: a
/// window that changed its speed once has no one figure, while one that stutters throughout has.
fn no_steady_state(measured: &Measured) -> Option<Invalid> {
    let ratio = ratio_of_halves(measured)?;
    let (first, second) = halves(measured);
    if first.len() < SLICES_A_HALF {
        return None;
    }
    let n = first.len() as f64;
    let mean = |half: &[f64]| half.iter().sum::<f64>() / n;
    let squares = |half: &[f64]| half.iter().map(|x| (x - mean(half)).powi(2)).sum::<f64>();
    let error = ((squares(&first) + squares(&second)) / (2.0 * n - 2.0) * 2.0 / n).sqrt();
    let apart = (mean(&first) - mean(&second)).abs();
    (apart > UNSTEADY_T * error).then_some(Invalid::Unsteady { ratio })
}

/// N = X (R + Z) for the connections that were served; a breach means that times or counts are wrong.
fn littles_law(measured: &Measured, load: &Load) -> Option<Doubt> {
    let (clients, each, think) = match *load {
        Load::Closed { clients, think } => (clients, 1, think),
        Load::Pipelined { clients, depth } => (clients, u64::from(depth), Duration::ZERO),
        Load::Open { .. } | Load::Churn { .. } => return None,
    };
    let served = u64::from(clients).checked_sub(measured.spread.never_served).filter(|n| *n > 0)? * each;
    // What a client has under way is cut off by each edge of the window: with few replies for each that is noise.
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
mod tests;
