//! The framing of the services that do work, both halves.
//!
//! Request: payload length (u32), zero (u32), demand in nanoseconds (u64; 0 leaves it to the server), payload.
//! Reply: length (u32), payload. All little-endian.

use super::payload::Block;
use super::{MAX_DEMAND, MAX_MESSAGE, ServiceConfig};
use crate::{Advance, Exchange, Job, JobOutput, Next, Parts, Request, Service, Session};
use std::time::Duration;

/// Length of a request's header in bytes.
pub(super) const HEADER: usize = 16;

/// What a framed service does with a request.
#[derive(Clone, Copy)]
pub(super) struct Work {
    /// The job of a request whose demand is not zero.
    pub(super) job: fn(payload: &[u8], demand: Duration) -> Job,
    /// What the job would give for no demand at all; answered at once.
    pub(super) without_demand: fn(payload: &[u8]) -> u64,
    /// Whether the reply is the job's result (8 bytes) instead of the payload.
    pub(super) replies_result: bool,
}

/// A framed service.
pub(super) struct Framed {
    work: Work,
    default_demand: Duration,
}

impl Framed {
    pub(super) fn new(work: Work, config: &ServiceConfig) -> Self {
        Self { work, default_demand: config.default_demand.min(MAX_DEMAND) }
    }
}

impl Service for Framed {
    fn open(&self) -> Box<dyn Session> {
        Box::new(FramedSession {
            work: self.work,
            default_demand: self.default_demand,
            held_payload: Vec::new(),
        })
    }
}

/// A request cut out of the input.
#[derive(Debug, PartialEq, Eq)]
struct Frame<'a> {
    demand_ns: u64,
    payload: &'a [u8],
}

/// The first frame of `input`, or `None` when it is not whole yet. What is wrong is refused as soon as it shows.
fn first_frame(input: &[u8]) -> Result<Option<Frame<'_>>, &'static str> {
    let Some((header, rest)) = input.split_first_chunk::<HEADER>() else { return Ok(None) };
    let length = u32::from_le_bytes(header[..4].try_into().expect("four bytes"));
    let demand_ns = u64::from_le_bytes(header[8..].try_into().expect("eight bytes"));
    if length > MAX_MESSAGE {
        return Err("a payload of more than 4 MiB");
    }
    if header[4..8] != [0; 4] {
        return Err("reserved bytes of the header that are not zero");
    }
    if Duration::from_nanos(demand_ns) > MAX_DEMAND {
        return Err("a demand of more than 60 s");
    }
    Ok(rest.get(..length as usize).map(|payload| Frame { demand_ns, payload }))
}

struct FramedSession {
    work: Work,
    default_demand: Duration,
    /// The payload to send back when the job is done.
    held_payload: Vec<u8>,
}

impl FramedSession {
    fn reply(&self, result: u64, payload: &[u8], output: &mut Vec<u8>) {
        let result = result.to_le_bytes();
        let body = if self.work.replies_result { &result } else { payload };
        output.extend_from_slice(&(body.len() as u32).to_le_bytes());
        output.extend_from_slice(body);
    }
}

impl Session for FramedSession {
    fn advance(&mut self, input: &[u8], output: &mut Vec<u8>) -> Advance {
        let frame = match first_frame(input) {
            Ok(Some(frame)) => frame,
            Ok(None) => return Advance { consumed: 0, completed: 0, next: Next::Read },
            Err(reason) => return Advance { consumed: 0, completed: 0, next: Next::Reject(reason) },
        };
        let consumed = HEADER + frame.payload.len();
        let demand = match frame.demand_ns {
            0 => self.default_demand,
            stated => Duration::from_nanos(stated),
        };
        if demand.is_zero() {
            self.reply((self.work.without_demand)(frame.payload), frame.payload, output);
            return Advance { consumed, completed: 1, next: Next::Read };
        }
        if !self.work.replies_result {
            self.held_payload.extend_from_slice(frame.payload);
        }
        Advance { consumed, completed: 0, next: Next::Run((self.work.job)(frame.payload, demand)) }
    }

    fn complete(&mut self, result: JobOutput, output: &mut Vec<u8>) -> Next {
        self.reply(result.number(), &self.held_payload, output);
        crate::drive::buffers::clear(&mut self.held_payload, crate::drive::buffers::RETAINED);
        Next::Read
    }
}

/// The client's half of a framed service: payloads from a random block, replies made by `reply`.
pub(super) struct FramedExchange {
    block: Block,
    /// The result a right reply holds instead of the payload, if it does.
    result: Option<fn(payload: &[u8], demand_ns: u64) -> u64>,
}

impl FramedExchange {
    pub(super) fn new(max_payload: u32, result: Option<fn(&[u8], u64) -> u64>) -> Self {
        Self { block: Block::new(max_payload, |byte| byte), result }
    }
}

impl Exchange for FramedExchange {
    fn min_payload(&self) -> u32 {
        0
    }

    fn request(&self, request: &Request) -> Parts<'_> {
        let mut header = [0; HEADER];
        header[..4].copy_from_slice(&request.size.to_le_bytes());
        header[8..].copy_from_slice(&request.demand_ns.to_le_bytes());
        Parts::new(&header, self.block.payload(request.id, request.size), &[])
    }

    fn reply(&self, request: &Request) -> Parts<'_> {
        let payload = self.block.payload(request.id, request.size);
        let Some(result) = self.result else {
            return Parts::new(&request.size.to_le_bytes(), payload, &[]);
        };
        let mut head = [0; 12];
        head[..4].copy_from_slice(&8_u32.to_le_bytes());
        head[4..].copy_from_slice(&result(payload, request.demand_ns).to_le_bytes());
        Parts::new(&head, &[], &[])
    }
}
