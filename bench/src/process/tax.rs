//! A known extra cost on every request, to find out whether the gate notices it: busy time, before the reply goes out.
//!
//! Time and not work, so that the cost is what it says on every machine. A request that asks for a job pays when the job is
//! done; one that is answered at once pays at once. It is never on but where the gate itself is tested.

use bakeoff_servers::{Advance, JobOutput, Next, Post, Service, Session};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The service with so much busy time on every request; the service itself when there is none.
pub(super) fn taxed(service: Arc<dyn Service>, tax: Duration) -> Arc<dyn Service> {
    if tax.is_zero() { service } else { Arc::new(Taxed { service, tax }) }
}

struct Taxed {
    service: Arc<dyn Service>,
    tax: Duration,
}

impl Service for Taxed {
    fn open(&self) -> Box<dyn Session> {
        Box::new(TaxedSession { session: self.service.open(), tax: self.tax })
    }

    fn talks(&self) -> bool {
        self.service.talks()
    }
}

struct TaxedSession {
    session: Box<dyn Session>,
    tax: Duration,
}

impl TaxedSession {
    fn pay(&self, requests: u32) {
        if requests == 0 {
            return;
        }
        let begin = Instant::now();
        let due = self.tax * requests;
        // Without a pause in it: in a virtual machine that may hand the CPU to somebody else, and cost more than it says.
        while begin.elapsed() < due {}
    }
}

impl Session for TaxedSession {
    fn advance(&mut self, input: &[u8], output: &mut Vec<u8>) -> Advance {
        let advance = self.session.advance(input, output);
        self.pay(advance.completed);
        advance
    }

    fn complete(&mut self, result: JobOutput, output: &mut Vec<u8>) -> Next {
        let next = self.session.complete(result, output);
        // A reply in pieces is one request, and complete with the last.
        self.pay(u32::from(!matches!(next, Next::Run(_))));
        next
    }

    fn attach(&mut self, post: Arc<dyn Post>) {
        self.session.attach(post);
    }

    fn end(&mut self, output: &mut Vec<u8>) {
        self.session.end(output);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bakeoff_servers::services::{self, ServiceConfig};

    fn session(service: &str, tax: Duration) -> Box<dyn Session> {
        let entry = services::find(service).expect("a service");
        taxed((entry.build)(&ServiceConfig::default()), tax).open()
    }

    #[test]
    fn a_request_takes_the_tax_longer_and_the_reply_is_the_same() {
        let tax = Duration::from_millis(5);
        let (mut output, begin) = (Vec::new(), Instant::now());
        let advance = session("echo", tax).advance(b"hello", &mut output);
        assert!(begin.elapsed() >= tax);
        assert_eq!((output.as_slice(), advance.completed), (b"hello".as_slice(), 1));
    }

    #[test]
    fn who_talks_through_a_tax_is_reached_through_it() {
        let chat = services::find(services::CHAT).expect("a service");
        let talks = |entry: &services::ServiceEntry| {
            taxed((entry.build)(&ServiceConfig::default()), Duration::from_nanos(1)).talks()
        };
        assert!(talks(chat) && services::ALL.iter().all(|entry| talks(entry) == entry.talks()));
    }

    #[test]
    fn a_request_with_a_job_pays_when_it_is_complete() {
        let entry = services::find("hash").expect("a service");
        let exchange = (entry.exchange)(64);
        let request = bakeoff_servers::Request::new(1, 8, 1_000);
        let bytes = exchange.request(&request).to_vec();
        let tax = Duration::from_millis(5);
        let (mut session, mut output) = (session("hash", tax), Vec::new());
        let Next::Run(job) = session.advance(&bytes, &mut output).next else { panic!("hash computes") };
        let result = job.run();
        let begin = Instant::now();
        session.complete(result, &mut output);
        assert!(begin.elapsed() >= tax && !output.is_empty());
    }
}
