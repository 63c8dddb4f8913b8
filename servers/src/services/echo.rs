//! `echo`: every byte comes back (RFC 862). No framing, no work: what is measured is the model alone.

use super::payload::Block;
use super::{ServiceConfig, ServiceEntry};
use crate::{Advance, Exchange, Next, Parts, Request, Service, Session};
use std::sync::Arc;

/// The registry's line.
pub(super) static ENTRY: ServiceEntry =
    ServiceEntry { name: "echo", summary: "every byte comes back (RFC 862)", demand: None, build, exchange };

fn build(_: &ServiceConfig) -> Arc<dyn Service> {
    Arc::new(|| Box::new(Echo) as Box<dyn Session>)
}

fn exchange(max_payload: u32) -> Box<dyn Exchange> {
    Box::new(EchoExchange(Block::new(max_payload, |byte| byte)))
}

struct Echo;

impl Session for Echo {
    fn advance(&mut self, input: &[u8], output: &mut Vec<u8>) -> Advance {
        output.extend_from_slice(input);
        // Without framing, whatever came in one piece is one request.
        Advance { consumed: input.len(), completed: u32::from(!input.is_empty()), next: Next::Read }
    }
}

struct EchoExchange(Block);

impl Exchange for EchoExchange {
    fn min_payload(&self) -> u32 {
        1
    }

    fn request(&self, request: &Request) -> Parts<'_> {
        Parts::new(&[], self.0.payload(request.id, request.size), &[])
    }

    fn reply(&self, request: &Request) -> Parts<'_> {
        self.request(request)
    }
}
