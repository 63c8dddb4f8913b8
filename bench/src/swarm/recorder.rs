//! What a worker writes down: every request by what became of it, and the times of those answered.
//!
//! Knows no socket and reads no clock: it is told intended, send and completion times, in nanoseconds from the start.
//! Recording never allocates. In a closed loop without think time every request is sent the moment it is due, so that
//! its lag is zero and its response is its service: such values are written once or counted, and the histograms put
//! together at the end, exactly.

use super::defect::Defect;
use crate::host::clock::nanoseconds;
use crate::workload::load::Timing;
use bakeoff_reports::record::histogram::Recorder;
use bakeoff_reports::record::{
    Background, Counts, ErrorKind, Handshakes, HttpReplies, Measured, Reading, Slice, Spread, WARMUP_SLICES,
    Wire,
};

/// Kinds of error, in the order of their counters.
const KINDS: [ErrorKind; 8] = [
    ErrorKind::Refused,
    ErrorKind::Reset,
    ErrorKind::Closed,
    ErrorKind::Corrupt,
    ErrorKind::Connect,
    ErrorKind::Abandoned,
    ErrorKind::Shortage,
    ErrorKind::Other,
];

/// A reply as the books are told of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reply {
    pub(super) intended_ns: u64,
    pub(super) sent_ns: u64,
    pub(super) now_ns: u64,
}

/// The books of one worker.
#[derive(Debug)]
pub(super) struct Books {
    pub(super) begin_ns: u64,
    end_ns: u64,
    slice_ends: Vec<u64>,
    slice: usize,
    slices: Vec<Recorder>,
    /// Requests that were found in each slice to have failed, or given up in it.
    failed_by_slice: Vec<u64>,
    pub(super) sent: u64,
    pub(super) ok: u64,
    errors: [u64; KINDS.len()],
    timeouts: u64,
    warmup: u64,
    /// Requests from before the window that have no outcome yet.
    warmup_open: u64,
    /// Replies completed before the window, by slice of the time before it.
    warmup_completed: [u64; WARMUP_SLICES],
    pub(super) completed_in_window: u64,
    reply_bytes_in_window: u64,
    pub(super) response: Recorder,
    service: Recorder,
    /// Times that are response and service alike.
    both: Recorder,
    /// Requests written the moment they were due.
    punctual: u64,
    direct_lag: Recorder,
    late_lag: Recorder,
    late_dispatch: Recorder,
    connect: Recorder,
    /// Handshakes of TLS in the window, where connections take one.
    handshakes: Option<Handshakes>,
    replies: Vec<u64>,
    /// Of each slot: whether it was given a request, and whether it got a right reply, at any time.
    seen: Vec<(bool, bool)>,
    /// How to measure wrongly, for `bakeoff verify`.
    pub(super) defect: Option<Defect>,
}

impl Books {
    /// Empty books for `slots` connections (or sessions), over TLS or not, and a window cut into `slices`.
    pub(super) fn new(timing: &Timing, slices: u32, slots: usize, tls: bool) -> Self {
        let begin_ns = nanoseconds(timing.warmup);
        let window_ns = nanoseconds(timing.window);
        let slice_ends = (1..=u128::from(slices))
            .map(|i| begin_ns + (u128::from(window_ns) * i / u128::from(slices)) as u64)
            .collect();
        Self {
            begin_ns,
            end_ns: begin_ns + window_ns,
            slice_ends,
            slice: 0,
            slices: (0..slices).map(|_| Recorder::coarse()).collect(),
            failed_by_slice: vec![0; slices as usize],
            sent: 0,
            ok: 0,
            errors: [0; KINDS.len()],
            timeouts: 0,
            warmup: 0,
            warmup_open: 0,
            warmup_completed: [0; WARMUP_SLICES],
            completed_in_window: 0,
            reply_bytes_in_window: 0,
            response: Recorder::fine(),
            service: Recorder::fine(),
            both: Recorder::fine(),
            punctual: 0,
            direct_lag: Recorder::fine(),
            late_lag: Recorder::fine(),
            late_dispatch: Recorder::fine(),
            connect: Recorder::fine(),
            handshakes: tls.then(Handshakes::default),
            replies: vec![0; slots],
            seen: vec![(false, false); slots],
            defect: None,
        }
    }

    /// Whether a request with this intended time counts (requests are never begun after the window).
    pub(super) fn counts(&self, intended_ns: u64) -> bool {
        intended_ns >= self.begin_ns
    }

    /// Requests of the window that have no outcome yet.
    pub(super) fn outstanding(&self) -> u64 {
        self.sent - self.ok - self.timeouts - self.errors.iter().sum::<u64>()
    }

    /// A request became due.
    #[inline]
    pub(super) fn due(&mut self, intended_ns: u64) {
        if self.counts(intended_ns) {
            self.sent += 1;
        } else {
            self.warmup += 1;
            self.warmup_open += 1;
        }
    }

    /// A due request could not go out at once: it was queued for want of a connection, or began with a connect.
    pub(super) fn held_up(&mut self, intended_ns: u64, now_ns: u64) {
        if self.counts(intended_ns) {
            self.late_dispatch.record(now_ns.saturating_sub(intended_ns));
        }
    }

    /// A request is given to the connection in `slot`.
    #[inline]
    pub(super) fn given(&mut self, slot: usize) {
        self.seen[slot].0 = true;
    }

    /// A request is about to be written. `held_up`: it was reported so before.
    #[inline]
    pub(super) fn written(&mut self, intended_ns: u64, now_ns: u64, held_up: bool) {
        if self.counts(intended_ns) {
            let lag = now_ns.saturating_sub(intended_ns);
            match (held_up, lag) {
                (true, _) => self.late_lag.record(lag),
                (false, 0) => self.punctual += 1,
                (false, _) => self.direct_lag.record(lag),
            }
        }
    }

    /// The right reply, of `bytes`, came to the connection in `slot`.
    #[inline]
    pub(super) fn answered(
        &mut self,
        slot: usize,
        bytes: usize,
        intended_ns: u64,
        sent_ns: u64,
        now_ns: u64,
    ) {
        let mut response = now_ns.saturating_sub(intended_ns);
        if let Some(defect) = self.defect {
            let reply = Reply { intended_ns, sent_ns, now_ns };
            let Some(spoilt) = self.spoilt_response(defect, reply) else { return };
            response = spoilt;
        }
        self.seen[slot].1 = true;
        if self.counts(intended_ns) {
            self.ok += 1;
            if sent_ns == intended_ns {
                self.both.record(response);
            } else {
                self.response.record(response);
                self.service.record(now_ns.saturating_sub(sent_ns));
            }
        } else {
            self.warmup_open -= 1;
        }
        if now_ns >= self.begin_ns && now_ns < self.end_ns {
            self.completed_in_window += 1;
            self.reply_bytes_in_window += bytes as u64;
            self.replies[slot] += 1;
            while now_ns >= self.slice_ends[self.slice] {
                self.slice += 1;
            }
            self.slices[self.slice].record(response);
        } else if now_ns < self.begin_ns {
            let slice = u128::from(now_ns) * WARMUP_SLICES as u128 / u128::from(self.begin_ns);
            self.warmup_completed[slice as usize] += 1;
        }
    }

    /// A request was found to have failed at `now_ns`.
    pub(super) fn failed(&mut self, intended_ns: u64, now_ns: u64, mut kind: ErrorKind) {
        if self.counts(intended_ns) {
            if let Some(defect) = self.defect {
                let Some(spoilt) = self.spoilt_failure(defect, kind) else { return };
                kind = spoilt;
            }
            let position = KINDS.iter().position(|&other| other == kind).expect("every kind is listed");
            self.errors[position] += 1;
            self.enter_failure(now_ns);
        } else {
            self.warmup_open -= 1;
        }
    }

    /// A request was given up at `now_ns`.
    pub(super) fn timed_out(&mut self, intended_ns: u64, now_ns: u64) {
        if self.counts(intended_ns) {
            self.timeouts += 1;
            self.enter_failure(now_ns);
        } else {
            self.warmup_open -= 1;
        }
    }

    /// By when it was found out, as replies are by when they came: what was due may have waited long for a connection. What is found
    /// out after the window is in its last slice.
    #[cold]
    fn enter_failure(&mut self, now_ns: u64) {
        let slice = self.slice_ends.partition_point(|end| *end <= now_ns);
        let last = self.failed_by_slice.len() - 1;
        self.failed_by_slice[slice.min(last)] += 1;
    }

    /// A connection was made before the start.
    pub(super) fn connected_in_setup(&mut self, took_ns: u64) {
        self.connect.record(took_ns);
    }

    /// A connection was made during the run. `resumed`: of one over TLS, whether its handshake resumed a session.
    pub(super) fn connected(&mut self, took_ns: u64, now_ns: u64, resumed: Option<bool>) {
        if now_ns >= self.begin_ns && now_ns < self.end_ns {
            self.connect.record(took_ns);
            if let (Some(handshakes), Some(resumed)) = (&mut self.handshakes, resumed) {
                let kind = if resumed { &mut handshakes.resumed } else { &mut handshakes.full };
                *kind += 1;
            }
        }
    }

    /// Closes the books. `never_written` of the requests without an outcome were still queued.
    ///
    /// A request from before the window that has no outcome even now was in flight throughout the window: it counts
    /// among the window's, or a connection that is starved from its first request on would leave no trace.
    pub(super) fn close(
        mut self,
        never_written: u64,
        swarm_cpu_ns: u64,
        spins: bool,
        wire: Reading<Wire>,
    ) -> Measured {
        let in_flight_at_end = self.outstanding() + self.warmup_open;
        let errors = KINDS.into_iter().zip(self.errors).filter(|&(_, count)| count > 0).collect();
        let mut counts = Counts {
            sent: self.sent + self.warmup_open,
            ok: self.ok,
            errors,
            timeouts: self.timeouts,
            in_flight_at_end,
            never_written,
        };
        self.response.merge(&self.both);
        self.service.merge(&self.both);
        self.direct_lag.record_n(0, self.punctual);
        if let Some(defect) = self.defect {
            counts = defect.counts(counts);
        }
        let (mut send_lag, mut dispatch_lag) = (self.direct_lag.clone(), self.direct_lag);
        send_lag.merge(&self.late_lag);
        dispatch_lag.merge(&self.late_dispatch);
        let mut start_ns = 0;
        let ends = self.slice_ends.iter().map(|end| end - self.begin_ns);
        let counted = self.slices.iter().zip(&self.failed_by_slice);
        let slices = ends.zip(counted).map(|(end, (recorder, failed))| {
            let slice = Slice {
                start_ns,
                length_ns: end - start_ns,
                completed: recorder.count(),
                response: recorder.encode(),
                failed: *failed,
            };
            start_ns = end;
            slice
        });
        Measured {
            window_ns: self.end_ns - self.begin_ns,
            counts,
            completed_in_window: self.completed_in_window,
            reply_bytes_in_window: self.reply_bytes_in_window,
            warmup_sent: self.warmup - self.warmup_open,
            warmup_completed: self.warmup_completed.to_vec(),
            response: self.response.encode(),
            service: self.service.encode(),
            send_lag: send_lag.encode(),
            dispatch_lag: dispatch_lag.encode(),
            connect: self.connect.encode(),
            handshakes: self.handshakes,
            slices: slices.collect(),
            spread: spread(&self.replies, &self.seen),
            wire,
            background: Background::default(),
            http: HttpReplies::default(),
            datagrams: None,
            fan_out: None,
            swarm_cpu_ns,
            swarm_workers: 1,
            swarm_spins: spins,
        }
    }
}

/// The spread over the slots that were given a request: nobody can say that the others were treated badly.
fn spread(replies: &[u64], seen: &[(bool, bool)]) -> Spread {
    let mut spread = Spread { fewest: u64::MAX, ..Spread::default() };
    let mut each = Recorder::coarse();
    for (&replies, &(_, served)) in replies.iter().zip(seen).filter(|(_, (given, _))| *given) {
        spread.connections += 1;
        spread.never_served += u64::from(!served);
        spread.replies += replies;
        spread.replies_squared += replies * replies;
        spread.fewest = spread.fewest.min(replies);
        spread.most = spread.most.max(replies);
        each.record(replies);
    }
    if spread.connections == 0 {
        return Spread::default();
    }
    Spread { hdr_v2: each.encode().hdr_v2, ..spread }
}
