//! Both ends of the bare limit of a chat: a server that hands each line to everybody else, and members who speak as soon as
//! what was said before has been heard.

use super::{BUFFER, ClientPart, ClientSpec};
use bakeoff::host::clock::{monotonic_ns, thread_cpu_ns};
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use std::io::{self, Write as _};
use std::net::{TcpListener, TcpStream};

/// Name of the server among the controls.
pub(crate) const NAME: &str = "fan-out";

/// One thread, level-triggered epoll, one room for all, one write per hearer, as one would write it in C. It keeps nothing for
/// a slow member: it fails.
pub(super) fn serve(listener: TcpListener) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let poll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&poll, &listener, EventData::new_u64(u64::MAX), EventFlags::IN)?;
    let mut members: Vec<TcpStream> = Vec::new();
    let mut buffer = vec![0; BUFFER];
    let mut message = Vec::new();
    let mut events: Vec<epoll::Event> = Vec::with_capacity(1024);
    loop {
        events.clear();
        match epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in &events {
            if event.data.u64() == u64::MAX {
                while let Ok((stream, _)) = listener.accept() {
                    stream.set_nonblocking(true)?;
                    let number = EventData::new_u64(members.len() as u64);
                    epoll::add(&poll, &stream, number, EventFlags::IN)?;
                    members.push(stream);
                }
                continue;
            }
            let speaker = event.data.u64() as usize;
            let said = match recv(&members[speaker], &mut buffer[..], RecvFlags::DONTWAIT) {
                Ok((0, _)) => return Ok(()), // the members go all at once
                Ok((n, _)) => &buffer[..n],
                Err(Errno::AGAIN | Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            for line in said.split_inclusive(|&byte| byte == b'\n') {
                message.clear();
                write!(message, "guest-{}: ", speaker + 1)?;
                message.extend_from_slice(line);
                for (_, hearer) in members.iter().enumerate().filter(|(number, _)| *number != speaker) {
                    if send(hearer, &message, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)? < message.len() {
                        return Err(io::ErrorKind::WouldBlock.into());
                    }
                }
            }
        }
    }
}

/// Messages that are on their way at any time: the server never waits for the members.
const AT_ONCE: u64 = 4;
/// How long nothing is heard before it is taken that nothing is on its way.
const QUIET: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// The members of one room, who listen with one thread.
struct Members {
    poll: rustix::fd::OwnedFd,
    streams: Vec<TcpStream>,
    events: Vec<epoll::Event>,
    buffer: Vec<u8>,
    line: Vec<u8>,
    said: u64,
}

impl Members {
    fn connect(spec: &ClientSpec) -> io::Result<Self> {
        let poll = epoll::create(CreateFlags::CLOEXEC)?;
        let mut streams = Vec::new();
        for i in 0..spec.clients {
            let stream = TcpStream::connect(spec.target)?;
            stream.set_nodelay(true)?;
            rustix::net::sockopt::set_tcp_congestion(&stream, "cubic")?;
            stream.set_nonblocking(true)?;
            epoll::add(&poll, &stream, EventData::new_u64(i as u64), EventFlags::IN)?;
            streams.push(stream);
        }
        let mut line = vec![b'x'; spec.size - 1];
        line.push(b'\n');
        let (events, buffer) = (Vec::with_capacity(1024), vec![0; BUFFER]);
        Ok(Self { poll, streams, events, buffer, line, said: 0 })
    }

    /// The next member says its line.
    fn speak(&mut self) -> io::Result<()> {
        let speaker = self.said as usize % self.streams.len();
        self.said += 1;
        self.streams[speaker].write_all(&self.line)
    }

    /// Waits until somebody hears something or so long; calls `each` with a member and how many lines it has heard.
    fn hear(&mut self, limit: &Timespec, mut each: impl FnMut(usize, u64)) -> io::Result<()> {
        self.events.clear();
        epoll::wait(&self.poll, rustix::buffer::spare_capacity(&mut self.events), Some(limit))?;
        for event in &self.events {
            let member = event.data.u64() as usize;
            let (heard, _) = recv(&self.streams[member], &mut self.buffer[..], RecvFlags::DONTWAIT)?;
            if heard == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let lines = self.buffer[..heard].iter().filter(|&&byte| byte == b'\n').count();
            each(member, lines as u64);
        }
        Ok(())
    }

    /// Speaks until each has heard something, and so is in the room, and then until nothing is on its way.
    fn gather(&mut self) -> io::Result<()> {
        let mut present = vec![false; self.streams.len()];
        loop {
            if !present.iter().all(|present| *present) {
                self.speak()?;
            }
            loop {
                let mut lines = 0;
                self.hear(&QUIET, |member, heard| {
                    present[member] = true;
                    lines += heard;
                })?;
                if lines == 0 {
                    break;
                }
            }
            if present.iter().all(|present| *present) {
                return Ok(());
            }
        }
    }
}

/// Runs the members; what is completed is a delivery: a line that one member has heard.
pub(super) fn run(spec: &ClientSpec) -> io::Result<ClientPart> {
    let mut members = Members::connect(spec)?;
    members.gather()?;
    let hearers = spec.clients as u64 - 1;
    members.said = 0;
    let (mut heard, mut completed) = (0, 0);
    let begin = monotonic_ns() + spec.warmup_ns;
    let end = begin + spec.window_ns;
    let mut cpu_at_begin = None;
    loop {
        while members.said < heard / hearers + AT_ONCE {
            members.speak()?;
        }
        let mut lines = 0;
        members.hear(&QUIET, |_, heard| lines += heard)?;
        let now = monotonic_ns();
        if now >= end {
            let cpu_ns = thread_cpu_ns() - cpu_at_begin.unwrap_or_default();
            return Ok(ClientPart { completed, cpu_ns, times: None });
        }
        heard += lines;
        if now >= begin {
            cpu_at_begin.get_or_insert_with(thread_cpu_ns);
            completed += lines;
        }
    }
}
