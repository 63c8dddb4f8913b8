//! `stages`: several kinds of work in one request, one after the other, as a real request computes, waits for a database and
//! computes again.
//!
//! Request: payload length (u32), number of stages (u32; 0 leaves them to the server), the stages, payload. A stage is a word (u64) with
//! its kind in the highest byte (1 computes, 2 waits, 3 blocks) and its nanoseconds in the others. Reply: length (u32), digest (u64).
//! All little-endian. The digest is that of `hash`: its chain goes on, in each stage that computes, from where the one before it ended,
//! so that none of these can be left out. Stages that wait or block leave no trace in it: a server that skips them is faster and wrong,
//! and not found out.

use super::hash::{compute, fold, jump, steps as steps_of_chain};
use super::payload::Block;
use super::{MAX_DEMAND, MAX_MESSAGE, STAGES, ServiceConfig, ServiceEntry};
use crate::{Advance, Exchange, Job, JobOutput, Next, Parts, Request, Service, Session};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The registry's line.
pub(super) static ENTRY: ServiceEntry = ServiceEntry {
    name: "stages",
    summary: "several kinds of work in one request, one after the other: computing, waiting, blocking",
    demand: Some(STAGES),
    build,
    exchange,
};

/// How a stage occupies whoever runs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StageKind {
    /// Uses a CPU all the time.
    Compute = 1,
    /// Occupies nobody.
    Wait = 2,
    /// Holds its thread without using the CPU.
    Block = 3,
}

impl StageKind {
    const ALL: [Self; 3] = [Self::Compute, Self::Wait, Self::Block];
}

/// A stage of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Its kind.
    pub kind: StageKind,
    /// What it demands in (nominal) nanoseconds, at most [`MAX_DEMAND`].
    pub demand_ns: u64,
}

/// Where the kind of a stage stands in its word.
const KIND_SHIFT: u32 = 56;

impl Stage {
    fn word(self) -> u64 {
        (self.kind as u64) << KIND_SHIFT | self.demand_ns
    }

    /// The stage of a word, or what is wrong with it.
    fn of(word: u64) -> Result<Self, &'static str> {
        let kind = StageKind::ALL.into_iter().find(|kind| *kind as u64 == word >> KIND_SHIFT);
        let kind = kind.ok_or("a stage of no known kind")?;
        let demand_ns = word & ((1 << KIND_SHIFT) - 1);
        if Duration::from_nanos(demand_ns) > MAX_DEMAND {
            return Err("a demand of more than 60 s");
        }
        Ok(Self { kind, demand_ns })
    }
}

/// The stages of a request, in order, as they travel: a word each, 0 where there is none.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Stages([u64; Stages::MOST]);

impl Stages {
    /// The most that a request can have: with them its head is still one of [`Parts`].
    pub const MOST: usize = 6;
    /// No stage at all.
    pub const NONE: Self = Self([0; Self::MOST]);

    /// These stages.
    ///
    /// # Panics
    /// Where there are more than [`Stages::MOST`], or one demands more than [`MAX_DEMAND`]: whoever asks checks that before.
    pub fn new(stages: impl IntoIterator<Item = Stage>) -> Self {
        let mut words = Self::NONE;
        for (at, stage) in stages.into_iter().enumerate() {
            assert!(Duration::from_nanos(stage.demand_ns) <= MAX_DEMAND, "{stage:?}");
            words.0[at] = stage.word();
        }
        words
    }

    /// What a single time is taken for: a third of it for each kind.
    fn thirds(demand_ns: u64) -> Self {
        let third = demand_ns / 3;
        let each = [third, third, demand_ns - 2 * third];
        Self::new(StageKind::ALL.into_iter().zip(each).map(|(kind, demand_ns)| Stage { kind, demand_ns }))
    }

    fn words(&self) -> impl Iterator<Item = u64> {
        self.0.into_iter().take_while(|word| *word != 0)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.words().count()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0[0] == 0
    }

    /// Them in order.
    pub fn iter(&self) -> impl Iterator<Item = Stage> {
        self.words().filter_map(|word| Stage::of(word).ok())
    }
}

impl fmt::Debug for Stages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

fn build(config: &ServiceConfig) -> Arc<dyn Service> {
    let default = default_stages(config);
    Arc::new(move || {
        Box::new(StagesSession { default, digest: 0, stages: default, at: 0 }) as Box<dyn Session>
    })
}

/// The stages of a request that states none.
fn default_stages(config: &ServiceConfig) -> Stages {
    match config.default_demand.min(MAX_DEMAND) {
        Duration::ZERO => Stages::NONE,
        demand => Stages::thirds(demand.as_nanos() as u64), // at most 60 s
    }
}

/// Length of a request's header before its stages, in bytes.
const HEADER: usize = 8;

/// A request cut out of the input.
struct Frame<'a> {
    /// `None` leaves them to the server.
    stages: Option<Stages>,
    payload: &'a [u8],
    length: usize,
}

/// The first frame of `input`, or `None` when it is not whole yet. What is wrong is refused as soon as it shows.
fn first_frame(input: &[u8]) -> Result<Option<Frame<'_>>, &'static str> {
    let Some((header, rest)) = input.split_first_chunk::<HEADER>() else { return Ok(None) };
    let number = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().expect("four bytes"));
    let (length, count) = (number(0), number(4) as usize);
    if length > MAX_MESSAGE {
        return Err("a payload of more than 4 MiB");
    }
    if count > Stages::MOST {
        return Err("more than 6 stages");
    }
    let (words, _) = rest.as_chunks::<8>();
    let mut stages = Stages::NONE;
    for (place, word) in stages.0.iter_mut().zip(words.iter().take(count)) {
        *place = Stage::of(u64::from_le_bytes(*word))?.word();
    }
    let Some(rest) = rest.get(count * 8..) else { return Ok(None) };
    let Some(payload) = rest.get(..length as usize) else { return Ok(None) };
    let length = HEADER + count * 8 + payload.len();
    Ok(Some(Frame { stages: (count > 0).then_some(stages), payload, length }))
}

struct StagesSession {
    default: Stages,
    /// Where the chain stands.
    digest: u64,
    /// The stages of the request that is under way, and how many of them have begun.
    stages: Stages,
    at: usize,
}

impl StagesSession {
    /// The next stage, or the reply behind the last one.
    fn go_on(&mut self, output: &mut Vec<u8>) -> Next {
        let Some(stage) = self.stages.iter().nth(self.at) else {
            output.extend_from_slice(&reply(self.digest));
            return Next::Read;
        };
        self.at += 1;
        let (seed, demand) = (self.digest, Duration::from_nanos(stage.demand_ns));
        Next::Run(match stage.kind {
            StageKind::Compute => Job::compute(move || compute(seed, stage.demand_ns)),
            StageKind::Wait => Job::wait(demand),
            StageKind::Block => super::block::job(demand),
        })
    }
}

impl Session for StagesSession {
    fn advance(&mut self, input: &[u8], output: &mut Vec<u8>) -> Advance {
        let frame = match first_frame(input) {
            Ok(Some(frame)) => frame,
            Ok(None) => return Advance { consumed: 0, completed: 0, next: Next::Read },
            Err(reason) => return Advance { consumed: 0, completed: 0, next: Next::Reject(reason) },
        };
        (self.stages, self.at) = (frame.stages.unwrap_or(self.default), 0);
        self.digest = fold(frame.payload);
        let next = self.go_on(output);
        Advance { consumed: frame.length, completed: u32::from(matches!(next, Next::Read)), next }
    }

    fn complete(&mut self, result: JobOutput, output: &mut Vec<u8>) -> Next {
        let done = self.at.checked_sub(1).and_then(|at| self.stages.iter().nth(at));
        if done.is_some_and(|stage| stage.kind == StageKind::Compute) {
            self.digest = result.number();
        }
        self.go_on(output)
    }
}

fn reply(digest: u64) -> [u8; 12] {
    let mut bytes = [0; 12];
    bytes[..4].copy_from_slice(&8_u32.to_le_bytes());
    bytes[4..].copy_from_slice(&digest.to_le_bytes());
    bytes
}

fn exchange(max_payload: u32) -> Box<dyn Exchange> {
    Box::new(StagesExchange(Block::new(max_payload, |byte| byte)))
}

struct StagesExchange(Block);

/// What goes over the wire for a request.
fn asked(request: &Request) -> Stages {
    match (request.stages, request.demand_ns) {
        (Stages::NONE, 0) => Stages::NONE,
        (Stages::NONE, demand_ns) => Stages::thirds(demand_ns),
        (stages, _) => stages,
    }
}

impl Exchange for StagesExchange {
    fn min_payload(&self) -> u32 {
        0
    }

    fn request(&self, request: &Request) -> Parts<'_> {
        let mut header = [0; HEADER + 8 * Stages::MOST];
        let stages = asked(request);
        header[..4].copy_from_slice(&request.size.to_le_bytes());
        header[4..8].copy_from_slice(&(stages.len() as u32).to_le_bytes());
        for (place, word) in header[HEADER..].chunks_mut(8).zip(stages.words()) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        let length = HEADER + 8 * stages.len();
        Parts::new(&header[..length], self.0.payload(request.id, request.size), &[])
    }

    fn reply(&self, request: &Request) -> Parts<'_> {
        let stages = match asked(request) {
            Stages::NONE => default_stages(&ServiceConfig::default()),
            stages => stages,
        };
        let computed = stages.iter().filter(|stage| stage.kind == StageKind::Compute);
        let chain: u64 = computed.map(|stage| steps_of_chain(stage.demand_ns)).sum();
        let digest = jump(fold(self.0.payload(request.id, request.size)), chain);
        Parts::new(&reply(digest), &[], &[])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Demand;

    fn stage(kind: StageKind, demand_ns: u64) -> Stage {
        Stage { kind, demand_ns }
    }

    /// The jobs that a session asks for, in order, and its reply.
    fn conversation(bytes: &[u8]) -> (Vec<Demand>, Vec<u8>) {
        let mut session = build(&ServiceConfig::default()).open();
        let (mut jobs, mut output) = (Vec::new(), Vec::new());
        let advance = session.advance(bytes, &mut output);
        assert_eq!(advance.consumed, bytes.len());
        let mut next = advance.next;
        while let Next::Run(job) = next {
            assert!(output.is_empty(), "no byte before the last stage is done");
            jobs.push(job.demand());
            let result = if matches!(job.demand(), Demand::Wait(_)) { JobOutput::NOTHING } else { job.run() };
            next = session.complete(result, &mut output);
        }
        assert!(matches!(next, Next::Read), "{next:?}");
        (jobs, output)
    }

    #[test]
    fn stages_are_done_in_order_and_the_chain_goes_on() {
        use StageKind::{Block, Compute, Wait};
        let stages = Stages::new([stage(Compute, 999), stage(Wait, 7), stage(Block, 3), stage(Compute, 501)]);
        let request = Request { stages, ..Request::new(5, 100, 0) };
        let exchange = exchange(100);
        let (jobs, reply) = conversation(&exchange.request(&request).to_vec());
        let wait = Demand::Wait(Duration::from_nanos(7));
        assert_eq!(jobs, [Demand::Compute, wait, Demand::Block, Demand::Compute]);
        assert_eq!(reply, exchange.reply(&request).to_vec());
        // 999 ns are 799 steps of the chain and 501 ns are 400: each rounded down for itself.
        let payload = exchange.request(&request).body.to_vec();
        assert_eq!(reply[4..], jump(fold(&payload), 1_199).to_le_bytes());
    }

    #[test]
    fn a_single_time_is_a_third_of_each_kind() {
        let stages = Stages::thirds(1_000);
        let of = |kind| stages.iter().find(|stage| stage.kind == kind).expect("it has all").demand_ns;
        assert_eq!(StageKind::ALL.map(of), [333, 333, 334]);
        let exchange = exchange(10);
        let spelled = Request { stages, ..Request::new(3, 10, 0) };
        let plain = Request::new(3, 10, 1_000);
        assert_eq!(exchange.request(&plain).to_vec(), exchange.request(&spelled).to_vec());
        assert_eq!((Stages::NONE.len(), stages.len()), (0, 3));
    }

    #[test]
    fn what_is_no_list_of_stages_is_refused_before_the_payload_comes() {
        let frame = |count: u32, words: &[u64]| {
            let words = words.iter().flat_map(|word| word.to_le_bytes());
            [1_u32.to_le_bytes(), count.to_le_bytes()].concat().into_iter().chain(words).collect::<Vec<u8>>()
        };
        let minute = MAX_DEMAND.as_nanos() as u64;
        for (bytes, reason) in [
            (frame(7, &[]), "more than 6 stages"),
            (frame(1, &[1_000]), "a stage of no known kind"),
            (frame(2, &[stage(StageKind::Wait, 1).word(), 9 << KIND_SHIFT]), "a stage of no known kind"),
            (frame(1, &[stage(StageKind::Block, minute + 1).word()]), "a demand of more than 60 s"),
        ] {
            let next = build(&ServiceConfig::default()).open().advance(&bytes, &mut Vec::new()).next;
            assert!(matches!(next, Next::Reject(why) if why == reason), "{next:?}, not {reason}");
        }
        let whole = frame(1, &[stage(StageKind::Block, minute).word()]);
        for cut in 0..whole.len() {
            assert!(first_frame(&whole[..cut]).is_ok_and(|frame| frame.is_none()), "{cut}");
        }
    }
}
