//! A server's word to the runner that it has made its first reply, with the time: how long a server that comes back is left alone.
//! It is said once for all processes of a server, and costs a request after it one look at a flag of its session.

use crate::host::clock::monotonic_ns;
use bakeoff_servers::{Advance, Counters, JobOutput, Next, Post, Service, Session};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The service that says so: `tell` is given the time of the monotonic clock in nanoseconds.
///
/// # Errors
/// The system has no memory that forked children share.
pub(super) fn announced(service: Arc<dyn Service>, tell: fn(u64)) -> io::Result<Arc<dyn Service>> {
    Ok(Arc::new(Announced { service, replies: Counters::shared()?, tell }))
}

struct Announced {
    service: Arc<dyn Service>,
    /// Of these counters only the requests, and of each session only the first.
    replies: &'static Counters,
    tell: fn(u64),
}

impl Service for Announced {
    fn open(&self) -> Box<dyn Session> {
        let Self { service, replies, tell } = self;
        Box::new(AnnouncedSession { session: service.open(), replies, tell: *tell, is_told: false })
    }

    fn talks(&self) -> bool {
        self.service.talks()
    }
}

struct AnnouncedSession {
    session: Box<dyn Session>,
    replies: &'static Counters,
    tell: fn(u64),
    is_told: bool,
}

impl AnnouncedSession {
    fn note(&mut self, is_complete: bool) {
        if self.is_told || !is_complete {
            return;
        }
        self.is_told = true;
        if self.replies.requests.fetch_add(1, Ordering::Relaxed) == 0 {
            (self.tell)(monotonic_ns());
        }
    }
}

impl Session for AnnouncedSession {
    fn advance(&mut self, input: &[u8], output: &mut Vec<u8>) -> Advance {
        let advance = self.session.advance(input, output);
        self.note(advance.completed > 0);
        advance
    }

    fn complete(&mut self, result: JobOutput, output: &mut Vec<u8>) -> Next {
        let next = self.session.complete(result, output);
        self.note(!matches!(next, Next::Run(_)));
        next
    }

    fn attach(&mut self, post: Arc<dyn Post>) {
        self.session.attach(post);
    }

    fn end(&mut self, output: &mut Vec<u8>) {
        self.session.end(output);
    }
}
