//! The load of a chat: members of rooms or groups who speak when it is due, and what each of the others hears of it.
//!
//! A request is a message, and its reply is that everybody for whom it is has it: its response time ends with the last of them. What
//! is said comes from the members in turn. Every line that comes is compared with what was said, byte by byte; order is kept
//! where each member hears what one other says in the order in which it was said. A slow member reads its welcome and nothing else
//! until the trial is over: no message waits for it, and then it is seen whether the server has ended its connection.
//!
//! One worker drives the whole load, since a message that one worker sent would have to be known to all that may hear it.

mod audience;
mod member;
mod messages;

use super::clockwork::{Clockwork, SPIN_NS};
use super::connection::error_kind;
use super::recorder::Books;
use super::schedule::Schedule;
use super::setup::setup_limit;
use super::spec::WorkerSpec;
use crate::host::clock::nanoseconds;
use crate::workload::audience::MAX_MESSAGE;
use audience::Circles;
use bakeoff_reports::record::histogram::Recorder;
use bakeoff_reports::record::{Audience, ErrorKind, FanOut, Measured, Reading};
pub(super) use member::Member;
use messages::{Delivery, Messages};
use rustix::event::epoll::EventFlags;
use std::io;
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Bytes read in one go.
const READ_BYTES: usize = 64 << 10;
/// More than any line that was said, with what the server puts before it.
const LONGEST_LINE: usize = (MAX_MESSAGE + 256) as usize;
/// Reads at one member before it is looked whether anything is due.
const READS_AT_ONCE: usize = 4;
/// How soon a member that could not send all tries again.
const AGAIN_NS: u64 = 200_000;

/// Everything that the worker holds.
pub(super) struct FanOutEngine {
    circles: Circles,
    schedule: Schedule,
    members: Vec<Member>,
    messages: Messages,
    books: Books,
    seen: FanOut,
    first: Recorder,
    clock: Clockwork,
    received: Box<[u8]>,
    /// Messages before this one have been said.
    noticed: usize,
    /// Members that have something to send still.
    behind: Vec<u32>,
}

impl FanOutEngine {
    /// An engine for a checked `spec` with its members connected, of which it returns how many were let in.
    ///
    /// # Errors
    /// Somebody could not connect, the system has no descriptor left, or ([`io::ErrorKind::AlreadyExists`]) others have the names.
    pub(super) fn enter(
        spec: &WorkerSpec,
        schedule: Schedule,
        audience: Audience,
    ) -> io::Result<(Self, u32)> {
        let count = schedule.connections();
        let circles = Circles::new(audience, count, spec.request.size);
        let clock = Clockwork::new(&spec.timing)?;
        let until = Instant::now() + setup_limit(count);
        let mut books = Books::new(&spec.timing, spec.slices, count as usize, false);
        let mut members = Vec::with_capacity(count as usize);
        for index in 0..count {
            let before = Instant::now();
            let stream = TcpStream::connect_timeout(&spec.target, until.saturating_duration_since(before))?;
            books.connected_in_setup(nanoseconds(before.elapsed()));
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            let mut member = Member {
                socket: stream.into(),
                line: Vec::new(),
                unsent: circles.introduction(index),
                sent: 0,
                gone: false,
            };
            let _ = member.flush(); // what fails shows when its welcome is waited for
            members.push(member);
        }
        let messages = Messages::new(
            schedule.offsets_ns().len(),
            count,
            circles.size(),
            circles.hearers(),
            nanoseconds(spec.timing.timeout),
        );
        let mut engine = Self {
            circles,
            schedule,
            members,
            messages,
            books,
            seen: FanOut::default(),
            first: Recorder::fine(),
            clock,
            received: vec![0; READ_BYTES].into_boxed_slice(),
            noticed: 0,
            behind: Vec::new(),
        };
        let entered = engine.await_welcome(until)?;
        for (index, member) in engine.members.iter().enumerate() {
            let is_slow = engine.circles.is_slow(index as u32);
            engine.seen.slow += u64::from(is_slow);
            if member.gone {
                *(if is_slow { &mut engine.seen.slow_gone } else { &mut engine.seen.gone }) += 1;
            } else if !is_slow {
                engine.clock.watch(&member.socket, index as u64, EventFlags::IN)?;
            }
        }
        Ok((engine, entered))
    }

    /// Waits until the server has let everybody in, or until then. Returns how many it has.
    fn await_welcome(&mut self, until: Instant) -> io::Result<u32> {
        const PATIENCE: Duration = Duration::from_millis(500);
        let mut last = Instant::now();
        let mut entered = vec![false; self.members.len()];
        loop {
            for (index, member) in self.members.iter_mut().enumerate().filter(|(_, member)| !member.gone) {
                member.gone = member.flush().is_err();
                match member.read(&mut self.received) {
                    Ok(Some(0)) | Err(_) => member.gone = true,
                    Ok(Some(n)) => {
                        member.line.extend_from_slice(&self.received[..n]);
                        last = Instant::now();
                    }
                    Ok(None) => {}
                }
                if member.line.starts_with(b"!") {
                    return Err(io::Error::from(io::ErrorKind::AlreadyExists));
                }
                if !entered[index] && member.line == self.circles.welcome(index as u32) {
                    entered[index] = true;
                    member.line.clear();
                }
            }
            let count = entered.iter().filter(|entered| **entered).count();
            // A model that holds few clients lets no more in however long one waits.
            let in_vain = count > 0 && last.elapsed() > PATIENCE;
            if count == entered.len() || in_vain || Instant::now() > until {
                return Ok(count as u32);
            }
            std::thread::sleep(Duration::from_micros(500));
        }
    }

    /// Has the slow members read at last, to the ends of their connections or until nothing more comes.
    fn read_at_last(&mut self) {
        const STANDSTILL: Duration = Duration::from_millis(200);
        const MOST: Duration = Duration::from_secs(5); // for a server that goes on sending
        let begin = Instant::now();
        let mut last = begin;
        loop {
            let (mut open, before) = (0, last);
            for index in (0..self.members.len()).filter(|index| self.circles.is_slow(*index as u32)) {
                let member = &mut self.members[index];
                if member.gone {
                    continue;
                }
                open += 1;
                match member.read(&mut self.received) {
                    Ok(Some(0)) | Err(_) => {
                        member.gone = true;
                        self.seen.slow_gone += 1;
                    }
                    Ok(Some(_)) => last = Instant::now(),
                    Ok(None) => {}
                }
            }
            if open == 0 || last.elapsed() > STANDSTILL || begin.elapsed() > MOST {
                return;
            }
            if last == before {
                std::thread::sleep(Duration::from_micros(500));
            }
        }
    }

    /// The books, to spoil them.
    pub(super) fn books(&mut self) -> &mut Books {
        &mut self.books
    }

    /// Runs the trial that starts when CLOCK_MONOTONIC shows `start_ns`, to its end.
    pub(super) fn run(&mut self, start_ns: u64) -> io::Result<()> {
        self.clock.start(start_ns);
        loop {
            let now = self.clock.now();
            self.clock.note_cpu(now);
            self.expire(now);
            self.speak();
            self.catch_up();
            let now = self.clock.now();
            self.clock.note_cpu(now);
            let all_said = self.noticed == self.schedule.offsets_ns().len();
            if self.clock.finished(now, all_said && self.books.outstanding() == 0) {
                return Ok(());
            }
            let sleep_ns = self.sleep_ns(now);
            let count = self.clock.rest(now, sleep_ns, true)?;
            for at in 0..count {
                if let Some((member, _)) = self.clock.event(at) {
                    self.hear(member as u32);
                    self.speak();
                }
            }
        }
    }

    /// Says what is due.
    fn speak(&mut self) {
        let until = self.clock.now();
        while let Some(&intended_ns) = self.schedule.offsets_ns().get(self.noticed) {
            if intended_ns > until {
                break;
            }
            let number = self.noticed;
            self.noticed += 1;
            self.books.due(intended_ns);
            let speaker = self.circles.speaker(number);
            let now = self.clock.now();
            self.books.given(speaker as usize);
            self.books.written(intended_ns, now, false);
            self.messages.said(intended_ns, now);
            self.seen.expected += self.counted(intended_ns, u64::from(self.circles.hearers()));
            let member = &mut self.members[speaker as usize];
            if member.gone {
                self.messages.give_up(number);
                self.books.failed(intended_ns, now, ErrorKind::Closed);
                continue;
            }
            let was_behind = member.is_behind();
            self.circles.write(number, &mut member.unsent);
            if was_behind {
                continue;
            }
            if let Err(error) = member.flush() {
                self.lose(speaker);
                self.messages.give_up(number);
                self.books.failed(intended_ns, now, error_kind(error));
            } else if member.is_behind() {
                self.behind.push(speaker);
            }
        }
    }

    /// Sends more of what the kernel did not take.
    fn catch_up(&mut self) {
        let mut behind = std::mem::take(&mut self.behind);
        behind.retain(|&index| {
            let member = &mut self.members[index as usize];
            if !member.gone && member.flush().is_err() {
                self.lose(index);
                return false;
            }
            !member.gone && member.is_behind()
        });
        self.behind = behind;
    }

    /// The server has ended a member's connection: it says and hears nothing more.
    fn lose(&mut self, index: u32) {
        let member = &mut self.members[index as usize];
        if !std::mem::replace(&mut member.gone, true) {
            self.seen.gone += 1;
            self.clock.forget(&member.socket); // or it would be ready for ever
        }
    }

    /// Takes what a member hears, a turn's worth.
    fn hear(&mut self, index: u32) {
        for _ in 0..READS_AT_ONCE {
            let member = &mut self.members[index as usize];
            if member.gone {
                return;
            }
            let received = match member.read(&mut self.received) {
                Ok(Some(0)) | Err(_) => return self.lose(index),
                Ok(None) => return,
                Ok(Some(n)) => n,
            };
            let now = self.clock.now();
            self.expire(now); // so that what comes too late is that
            let bytes = std::mem::take(&mut self.received);
            self.take_lines(index, &bytes[..received], now);
            self.received = bytes;
            if received < READ_BYTES {
                return;
            }
        }
    }

    fn take_lines(&mut self, index: u32, mut bytes: &[u8], now: u64) {
        while let Some(at) = memchr(bytes) {
            let (end, rest) = bytes.split_at(at + 1);
            bytes = rest;
            let mut begun = std::mem::take(&mut self.members[index as usize].line);
            if begun.is_empty() {
                self.take_line(index, end, now);
            } else {
                begun.extend_from_slice(end);
                self.take_line(index, &begun, now);
                begun.clear();
            }
            self.members[index as usize].line = begun;
        }
        let begun = &mut self.members[index as usize].line;
        if begun.len() + bytes.len() > LONGEST_LINE {
            begun.clear(); // nobody said so much
            self.seen.unasked += 1;
        } else {
            begun.extend_from_slice(bytes);
        }
    }

    /// A member hears a line.
    fn take_line(&mut self, hearer: u32, line: &[u8], now: u64) {
        let Some((number, is_whole)) = self.circles.read(hearer, line, self.noticed) else {
            // A member that is let in late is still greeted.
            self.seen.unasked += u64::from(!self.circles.greets(hearer, line));
            return;
        };
        let intended_ns = self.messages.intended_ns(number);
        let place = self.circles.place(hearer);
        let speaker = self.circles.place(self.circles.speaker(number));
        let delivery = self.messages.heard(number, hearer, place, speaker, is_whole);
        let one = self.counted(intended_ns, 1);
        match delivery {
            Delivery::Copy => self.seen.duplicated += one,
            Delivery::Late => self.seen.late += one,
            Delivery::Wrong { fails } => {
                self.seen.wrong += one;
                if fails {
                    self.books.failed(intended_ns, now, ErrorKind::Corrupt);
                }
            }
            Delivery::InTime { is_first, is_last, in_order } => {
                self.seen.received += one;
                self.seen.reordered += u64::from(!in_order) * one;
                if is_first && one > 0 {
                    self.first.record(now.saturating_sub(intended_ns));
                }
                if is_last {
                    let speaker = self.circles.speaker(number) as usize;
                    let bytes = line.len() * self.circles.hearers() as usize;
                    self.books.answered(speaker, bytes, intended_ns, self.messages.sent_ns(number), now);
                }
            }
        }
    }

    /// `n` if a message that was due then counts.
    fn counted(&self, intended_ns: u64, n: u64) -> u64 {
        if self.books.counts(intended_ns) { n } else { 0 }
    }

    /// Gives up what has waited too long at `now`.
    fn expire(&mut self, now: u64) {
        while let Some(intended_ns) = self.messages.expired(now) {
            self.books.timed_out(intended_ns, now);
        }
    }

    fn sleep_ns(&mut self, now: u64) -> u64 {
        let due = self.schedule.offsets_ns().get(self.noticed).map(|at| at.saturating_sub(SPIN_NS));
        let again = (!self.behind.is_empty()).then_some(now + AGAIN_NS);
        let next = [due, again, self.messages.next_deadline_ns(), self.clock.next_mark(now)];
        next.into_iter().flatten().min().map_or(0, |next| next.saturating_sub(now))
    }

    /// What was measured, and the members, who stay connected.
    pub(super) fn close(mut self) -> (Measured, Vec<Member>) {
        self.read_at_last();
        self.seen.first = (self.first.count() > 0).then(|| self.first.encode());
        let wire = Reading::Absent("the kernel's counts of a chat's connections are not read".into());
        let cpu_ns = self.clock.window_cpu_ns();
        let mut measured = self.books.close(0, cpu_ns, true, wire);
        measured.fan_out = Some(self.seen);
        (measured, self.members)
    }
}

/// Where the first line feed is.
fn memchr(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|&byte| byte == b'\n')
}
