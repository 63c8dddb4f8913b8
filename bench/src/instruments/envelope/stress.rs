//! The stresses: what each raises, in which steps, and when a level has failed.
//!
//! Each stress is a plan (limits and range) and one function of [`StressRun`]. What is asked depends on the plan and the
//! seed alone. A stress never raises beyond its range, and stops at the first level that fails.

use super::crowd::{ClientRequest, Clients};
use super::observe::{self, AtEnd};
use super::plan::{PAYLOAD_BYTES, StressPlan};
use super::{cage, nanoseconds};
use crate::host::usage::{ListenQueue, Proc};
use crate::process::launch::{Interrupt, LaunchError};
use crate::process::server::Server;
use bakeoff_reports::record::Reading;
use bakeoff_reports::record::envelope::{Caps, Level, Recovery, Rest, Saw, Stress};
use bakeoff_servers::Exchange;
use rustix::process::Resource;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Clients that stand by while another one's request kills.
const BYSTANDERS: u64 = 16;
/// How much address space a server may take beyond what it has at rest.
const ADDRESS_SPACE_BYTES: u64 = 32 * 1024 * 1024;
/// How long a fresh client tries after the load is gone.
const RECOVERY_LIMIT: Duration = Duration::from_secs(5);
/// How long one attempt of it may take: beyond the kernel's second try of a lost SYN, so that an attempt that meets a queue
/// about to be emptied may succeed.
const ATTEMPT_LIMIT: Duration = Duration::from_millis(1_500);
/// How often a burst of one size is tried.
const BURSTS: u32 = 3;
/// How long the clients of a burst that failed may go on to wait: the kernel sends a lost SYN again after 1 s, and after 2 s
/// more.
const STRAGGLERS: Duration = Duration::from_millis(3_500);
/// How long the clients of a server that ended may take to be told.
const CLOSES: Duration = Duration::from_millis(500);

/// What the clients' side of a trial has seen.
pub(super) struct StressResult {
    pub(super) levels: Vec<Level>,
    pub(super) saw: Saw,
    pub(super) at_end: AtEnd,
    /// Overflows and drops of listen queues in the last level.
    pub(super) listen: (Reading<u64>, Reading<u64>),
    pub(super) recovery: Recovery,
    pub(super) rest: Reading<Rest>,
    /// The limit of address space, where the stress sets one.
    pub(super) address_space_cap: Option<Reading<u64>>,
}

/// A level and what its clients saw.
type Step = (Level, Saw);

/// One stress on one server, from the clients' side.
pub(super) struct StressRun<'a> {
    plan: &'a StressPlan,
    caps: &'a Caps,
    exchange: &'a dyn Exchange,
    address: SocketAddr,
    seed: u64,
    server: &'a mut Server,
    interrupt: Interrupt,
    levels: Vec<Level>,
    saw: Saw,
    at_end: Option<AtEnd>,
    listen: Option<(Reading<u64>, Reading<u64>)>,
}

impl<'a> StressRun<'a> {
    pub(super) fn new(
        plan: &'a StressPlan,
        caps: &'a Caps,
        exchange: &'a dyn Exchange,
        address: SocketAddr,
        seed: u64,
        server: &'a mut Server,
        interrupt: Interrupt,
    ) -> Self {
        let (levels, saw) = (Vec::new(), Saw::default());
        Self {
            plan,
            caps,
            exchange,
            address,
            seed,
            server,
            interrupt,
            levels,
            saw,
            at_end: None,
            listen: None,
        }
    }

    /// Rest, stress, recovery, rest.
    ///
    /// # Errors
    /// When interrupted, or the server does not answer even one client before the stress.
    pub(super) fn run(mut self) -> Result<StressResult, LaunchError> {
        let mut first = self.crowd();
        first.open(1, WHOLE);
        first.settle(ATTEMPT_LIMIT)?;
        if first.saw().answered != 1 {
            let (name, reason) =
                ("server".into(), "it did not answer a single client before the stress".into());
            return Err(LaunchError::Failed { name, reason });
        }
        drop(first);
        let before = observe::at_rest(self.server.pid(), None);
        let address_space_cap = self.limit_address_space();
        match self.plan.stress {
            Stress::Connections | Stress::AddressSpace => self.connections()?,
            Stress::ConnectBurst => self.burst()?,
            Stress::SlowClients => self.slow_clients()?,
            Stress::Poison => self.poison()?,
        }
        let recovery = self.recover()?;
        let after = before.as_ref().map_err(String::clone).and_then(|before| {
            if self.server.has_ended() {
                return Err("the server had ended".into());
            }
            observe::at_rest(self.server.pid(), Some(before))
        });
        let rest = before.and_then(|before| Ok(Rest { before, after: after? }));
        let pid = self.server.pid();
        Ok(StressResult {
            levels: self.levels,
            saw: self.saw,
            at_end: self.at_end.unwrap_or_else(|| AtEnd::take(pid)),
            listen: self.listen.unwrap_or_else(not_taken),
            recovery,
            rest: rest.map_or_else(Reading::Absent, Reading::Value),
            address_space_cap,
        })
    }

    fn crowd(&self) -> Clients<'a> {
        let interrupt = self.interrupt.clone();
        Clients::new(self.exchange, self.address, PAYLOAD_BYTES, self.seed, interrupt)
    }

    /// For the stress on address space: a limit a little above what the server has taken so far.
    fn limit_address_space(&self) -> Option<Reading<u64>> {
        if self.plan.stress != Stress::AddressSpace {
            return None;
        }
        Some(match observe::address_space(self.server.pid()) {
            Reading::Value(taken) => {
                let bytes = taken + ADDRESS_SPACE_BYTES;
                match cage::limit(self.server.pid(), Resource::As, bytes) {
                    Ok(()) => Reading::Value(bytes),
                    Err(why) => Reading::Absent(why),
                }
            }
            absent => absent,
        })
    }

    /// Keeps a level; what the server held is read while the level's clients are still there. Says whether to go on.
    fn level(&mut self, (level, saw): Step, queue: &ListenQueue) -> bool {
        self.levels.push(level);
        self.saw = saw;
        self.listen = Some(queue.until(&ListenQueue::take(&Proc::system())));
        self.at_end = Some(AtEnd::take(self.server.pid()));
        level.holds
    }

    /// Connections: ever more clients that connect, are answered once, and stay. What every server must give each of them
    /// is a descriptor; a thread or process for each client, or a worker, is what the model adds. The first of these that
    /// runs out breaks, and the clients beyond it see what the model does about it.
    fn connections(&mut self) -> Result<(), LaunchError> {
        let mut crowd = self.crowd();
        for asked in self.plan.levels() {
            let queue = ListenQueue::take(&Proc::system());
            crowd.open(asked - crowd.len(), WHOLE);
            crowd.settle(self.plan.patience)?;
            crowd.look();
            let step = step(asked, &crowd, crowd.saw());
            if !self.level(step, &queue) {
                break;
            }
        }
        Ok(())
    }

    /// Burst: ever more connects at once, each of which asks once and hangs up, against a backlog of a few. The kernel
    /// completes connections on its own and keeps them until they are accepted; when that queue is full it drops the next
    /// SYN, and the client's kernel sends it again after one second. Who accepts slowly (a fork for each client) overflows
    /// first. Whether a queue of a few fills is a matter of microseconds, in which a neighbour may take the server's CPU:
    /// a level fails when it does so in two of three tries.
    fn burst(&mut self) -> Result<(), LaunchError> {
        for asked in self.plan.levels() {
            let (mut last, mut failed) = (None, 0);
            for _ in 0..BURSTS {
                let mut crowd = self.crowd().hanging_up();
                let queue = ListenQueue::take(&Proc::system());
                crowd.open(asked, WHOLE);
                crowd.settle(self.plan.patience)?;
                let step = step(asked, &crowd, crowd.saw());
                if step.0.holds {
                    last = Some((step, queue));
                    continue;
                }
                failed += 1;
                if 2 * failed < BURSTS {
                    // What is left of this one shall not be in the next: its connects end with the crowd.
                    continue;
                }
                self.level(step, &queue);
                // Those whose SYN was lost are still there: how long does it take them?
                crowd.settle(STRAGGLERS)?;
                if let Some(level) = self.levels.last_mut() {
                    level.slowest_answer_ns = crowd.slowest().map(nanoseconds);
                }
                return Ok(());
            }
            if let Some((step, queue)) = last {
                self.level(step, &queue);
            }
        }
        Ok(())
    }

    /// Slow clients: ever more clients that send half a request and stop (slowloris). They cost a server what any
    /// connection does, and give it nothing to do. One client that was there before them and one that comes anew ask whole
    /// requests: are both served? When not, all slow ones but those of the level before leave, and come back one by one,
    /// so that it is known exactly how many it takes.
    fn slow_clients(&mut self) -> Result<(), LaunchError> {
        let (mut active, mut slow) = (self.crowd(), self.crowd());
        active.open(1, WHOLE);
        active.settle(self.plan.patience)?;
        let mut held = 0;
        let mut failed = None;
        for asked in self.plan.levels() {
            let queue = ListenQueue::take(&Proc::system());
            let step = self.slow_level(&mut active, &mut slow, asked)?;
            if !self.level(step, &queue) {
                failed = Some(asked);
                break;
            }
            held = asked;
        }
        drop(slow);
        // Where there is nothing in between, it is known already.
        let Some(failed) = failed.filter(|failed| failed - held > 1) else { return Ok(()) };
        if active.saw().answered == 0 || matches!(self.recover()?, Recovery::Gone | Recovery::Censored { .. })
        {
            return Ok(()); // the level before is all that can be told
        }
        // Those that left are noticed before the others come.
        let _ = observe::at_rest(self.server.pid(), None);
        let (mut slow, mut last) = (self.crowd(), None);
        for asked in held..failed {
            let queue = ListenQueue::take(&Proc::system());
            let step = self.slow_level(&mut active, &mut slow, asked)?;
            if step.0.holds {
                last = Some((step, queue));
                continue;
            }
            if let Some((step, queue)) = last.filter(|((level, _), _)| level.asked > held) {
                self.level(step, &queue);
            }
            self.level(step, &queue);
            return Ok(());
        }
        if let Some((step, queue)) = last {
            self.level(step, &queue);
        }
        Ok(())
    }

    /// So many slow clients, and what the two active ones see.
    fn slow_level(
        &self,
        active: &mut Clients<'_>,
        slow: &mut Clients<'_>,
        asked: u64,
    ) -> Result<Step, LaunchError> {
        slow.open(asked - slow.len(), ClientRequest::Half);
        slow.settle(self.plan.patience)?;
        active.ask_again();
        let mut fresh = self.crowd();
        fresh.open(1, WHOLE);
        active.settle(self.plan.patience)?;
        fresh.settle(self.plan.patience)?;
        let saw = sum(active.saw(), fresh.saw());
        let slowest_answer_ns = active.slowest().max(fresh.slowest()).map(nanoseconds);
        let (clients, served) = (saw.clients, saw.answered);
        Ok((Level { asked, clients, served, slowest_answer_ns, holds: served == clients }, saw))
    }

    /// Poison: some clients stand by, connected and answered; another one's request kills the process that handles it, as
    /// a crash of a library would. Then they ask again. What dies with the handler is what shares its process.
    fn poison(&mut self) -> Result<(), LaunchError> {
        // A model that serves one client at a time has no room for anybody beside the poisoner.
        let room = self.caps.concurrency.map_or(BYSTANDERS, |most| most.saturating_sub(1).min(BYSTANDERS));
        let mut bystanders = self.crowd();
        bystanders.open(room, WHOLE);
        bystanders.settle(self.plan.patience)?;
        for asked in self.plan.levels() {
            let queue = ListenQueue::take(&Proc::system());
            // As many as are missing to the level, one after the other.
            for _ in 0..asked - self.levels.last().map_or(0, |level| level.asked) {
                let mut poisoner = self.crowd();
                poisoner.open(1, ClientRequest::Whole { demand_ns: 1 });
                poisoner.settle(self.plan.patience)?;
            }
            bystanders.ask_again();
            bystanders.settle(self.plan.patience)?;
            let (mut level, saw) = step(asked, &bystanders, bystanders.saw());
            level.holds &= !self.ended_soon(level.holds);
            if !self.level((level, saw), &queue) {
                break;
            }
        }
        Ok(())
    }

    /// Whether the server has ended. Where the clients saw nothing of it, it is asked at once; where they did, its end is
    /// given a moment to be seen.
    fn ended_soon(&mut self, unseen: bool) -> bool {
        let deadline = Instant::now() + if unseen { Duration::ZERO } else { CLOSES };
        while !self.server.has_ended() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
        self.server.has_ended()
    }

    /// The load is gone from here on. A fresh client asks, again and again with a connection each, until it is answered.
    fn recover(&mut self) -> Result<Recovery, LaunchError> {
        let begin = Instant::now();
        let mut attempt = 0;
        while begin.elapsed() < RECOVERY_LIMIT {
            if self.server.has_ended() {
                return Ok(Recovery::Gone);
            }
            attempt += 1;
            let mut fresh = self.crowd();
            fresh.open(1, WHOLE);
            fresh.settle(ATTEMPT_LIMIT)?;
            if fresh.saw().answered == 1 {
                return Ok(Recovery::Answered { after_ns: nanoseconds(begin.elapsed()), attempt });
            }
            // A refusal comes at once: not as fast as the loop goes round.
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(Recovery::Censored { waited_ns: nanoseconds(begin.elapsed()) })
    }
}

const WHOLE: ClientRequest = ClientRequest::Whole { demand_ns: 0 };

fn not_taken() -> (Reading<u64>, Reading<u64>) {
    let absent = || Reading::Absent("no level was begun".to_string());
    (absent(), absent())
}

/// A level at which everybody of a crowd should have been served.
fn step(asked: u64, crowd: &Clients<'_>, saw: Saw) -> Step {
    let slowest_answer_ns = crowd.slowest().map(nanoseconds);
    let (clients, served) = (saw.clients, saw.answered);
    (Level { asked, clients, served, slowest_answer_ns, holds: served == clients }, saw)
}

fn sum(a: Saw, b: Saw) -> Saw {
    Saw {
        clients: a.clients + b.clients,
        answered: a.answered + b.answered,
        refused: a.refused + b.refused,
        reset: a.reset + b.reset,
        closed: a.closed + b.closed,
        wrong: a.wrong + b.wrong,
        other: a.other + b.other,
        connecting: a.connecting + b.connecting,
        waiting: a.waiting + b.waiting,
    }
}
