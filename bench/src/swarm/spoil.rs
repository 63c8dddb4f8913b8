//! The books of a worker with a [`Defect`]: what is written down wrongly, and how.

use super::defect::Defect;
use super::recorder::{Books, Reply};
use bakeoff_reports::record::ErrorKind;

/// A send this much after its intended time counts as late for [`Defect::SkipLate`], in nanoseconds.
const LATE_NS: u64 = 1_000_000;
/// [`Defect::DoubleCount`] counts every so many-th reply twice.
const DOUBLED: u64 = 50;

impl Books {
    /// From now on measures wrongly.
    pub(super) fn spoil(&mut self, defect: Defect) {
        self.defect = Some(defect);
    }

    /// The response time to enter for a reply; `None` if the request is to vanish.
    #[cold]
    pub(super) fn spoilt_response(&mut self, defect: Defect, reply: Reply) -> Option<u64> {
        let true_ns = reply.now_ns.saturating_sub(reply.intended_ns);
        let counts = self.counts(reply.intended_ns);
        match defect {
            Defect::ActualTime => return Some(reply.now_ns.saturating_sub(reply.sent_ns)),
            Defect::SkipLate if counts && reply.sent_ns.saturating_sub(reply.intended_ns) > LATE_NS => {
                self.sent -= 1;
                return None;
            }
            Defect::DoubleCount if counts && (self.ok + 1).is_multiple_of(DOUBLED) => {
                self.sent += 1;
                self.ok += 1;
                self.response.record(true_ns);
            }
            Defect::WarmupCounted if reply.now_ns < self.begin_ns => self.completed_in_window += 1,
            _ => {}
        }
        Some(true_ns)
    }

    /// As what kind to enter a failure; `None` if it was entered as a right reply.
    #[cold]
    pub(super) fn spoilt_failure(&mut self, defect: Defect, kind: ErrorKind) -> Option<ErrorKind> {
        match (defect, kind) {
            (Defect::Unverified, ErrorKind::Corrupt) => {
                self.ok += 1;
                self.response.record(self.response.max_ns());
                None
            }
            (Defect::MisfiledReset, ErrorKind::Reset) => Some(ErrorKind::Closed),
            _ => Some(kind),
        }
    }
}
