//! A connection in straight-line code, as one writes it over a blocking socket: all models whose threads, processes or coroutines
//! serve a client, or a request, run this loop.
//!
//! One read and one write per small request, jobs inline on the calling thread unless it is a coroutine that waits elsewhere. It
//! never decides which thread that is.

use super::buffers::Buffers;
use super::outbox;
use super::protocol::{Action, Protocol};
use super::registry::{Meter, Tracked};
use crate::{Job, JobOutput, Service, Session};
use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// How whoever serves waits.
pub(crate) trait Waits {
    /// Comes back when a read may find something; false when it is for somebody else to wait for that.
    fn readable(&mut self) -> bool;

    /// Comes back when a write may find room.
    fn writable(&mut self) {}

    /// Comes back when there may be room in a socket for which somebody else has found none.
    fn await_room(&mut self, stream: BorrowedFd<'_>) {
        let _ = poll(&mut [PollFd::from_borrowed_fd(stream, PollFlags::OUT)], None); // interrupted, it is asked again
    }

    /// A read has brought so many bytes, or found nothing.
    fn on_read(&mut self, _: Result<usize, Errno>) {}

    /// A write found no room.
    fn on_full(&mut self) {}

    /// Does a job, wherever.
    fn run(&mut self, job: Job) -> JobOutput {
        job.run()
    }
}

/// On a thread, in the kernel: a read or write comes back when it has something or room.
struct Blocked;

impl Waits for Blocked {
    fn readable(&mut self) -> bool {
        true
    }
}

/// On a thread, for nothing but the client to read: what one read brings without waiting is served.
struct OneRead {
    done: bool,
}

impl Waits for OneRead {
    fn readable(&mut self) -> bool {
        !self.done
    }

    fn on_read(&mut self, _: Result<usize, Errno>) {
        self.done = true;
    }
}

/// Serves a connection to its end. A session or job that panics ends its own connection only, and is counted.
pub fn serve(connection: &Tracked<TcpStream>, service: &dyn Service, buffers: &mut Buffers) {
    let meter = connection.meter();
    let attempt = AssertUnwindSafe(|| match outbox::open(service, &connection.stream, meter) {
        Ok(session) => serve_session(&connection.stream, session, meter, buffers),
        Err(error) => meter.refused(&error),
    });
    if catch_unwind(attempt).is_err() {
        meter.crashed();
        *buffers = Buffers::new();
        outbox::send_pending();
    }
}

/// Serves a connection to its end and counts it, apart from its opening and closing.
pub fn serve_session(stream: &TcpStream, session: Box<dyn Session>, meter: &Meter, buffers: &mut Buffers) {
    serve_requests(stream, &mut Protocol::new(session), meter, buffers, RecvFlags::empty(), &mut Blocked);
}

/// Serves what a connection has sent: one read and what comes of it, jobs included. Returns whether it goes on; then whoever
/// waits for input is told at once of more that has come. As for [`serve`], a panic ends the connection.
pub fn serve_turn(connection: &Tracked<TcpStream>, protocol: &mut Protocol, buffers: &mut Buffers) -> bool {
    let (stream, meter, mut once) = (&connection.stream, connection.meter(), OneRead { done: false });
    let attempt =
        AssertUnwindSafe(|| serve_requests(stream, protocol, meter, buffers, RecvFlags::DONTWAIT, &mut once));
    catch_unwind(attempt).unwrap_or_else(|_| {
        meter.crashed();
        *buffers = Buffers::new();
        outbox::send_pending();
        false
    })
}

/// Serves requests as long as there is something to read for `waits`; returns whether the connection goes on, and counts its end.
pub(crate) fn serve_requests(
    stream: &impl AsFd,
    protocol: &mut Protocol,
    meter: &Meter,
    buffers: &mut Buffers,
    flags: RecvFlags,
    waits: &mut impl Waits,
) -> bool {
    let result = drive(stream, protocol, meter, buffers, flags, waits);
    buffers.clear_output();
    if result != Ok(true) {
        meter.ended(result.is_err(), protocol.rejected().is_some());
    }
    result == Ok(true)
}

fn drive(
    stream: &impl AsFd,
    protocol: &mut Protocol,
    meter: &Meter,
    buffers: &mut Buffers,
    flags: RecvFlags,
    waits: &mut impl Waits,
) -> Result<bool, Errno> {
    let mut action = Action::Read;
    loop {
        outbox::send_pending();
        action = match action {
            Action::Read if !waits.readable() => return Ok(true),
            Action::Read => {
                let received = receive(stream, &mut buffers.input, flags);
                waits.on_read(received);
                match received {
                    Ok(0) => protocol.on_end(&mut buffers.output),
                    Ok(n) => {
                        meter.received(n);
                        protocol.on_data(&buffers.input, &mut buffers.output)
                    }
                    Err(Errno::INTR | Errno::AGAIN) => Action::Read,
                    Err(error) => return Err(error),
                }
            }
            Action::Write => {
                send_all(stream, &buffers.output, meter, waits)?;
                buffers.clear_output();
                let (answered, next) = protocol.on_written(&mut buffers.output);
                meter.answered(answered);
                next
            }
            Action::AwaitRoom => {
                waits.await_room(stream.as_fd());
                Action::Write
            }
            Action::Run(job) => protocol.on_result(waits.run(job), &mut buffers.output),
            Action::Close => return Ok(false),
        }
    }
}

fn receive(stream: &impl AsFd, input: &mut Vec<u8>, flags: RecvFlags) -> Result<usize, Errno> {
    input.clear();
    recv(stream, spare_capacity(input), flags).map(|(n, _)| n)
}

fn send_all(
    stream: &impl AsFd,
    mut bytes: &[u8],
    meter: &Meter,
    waits: &mut impl Waits,
) -> Result<(), Errno> {
    while !bytes.is_empty() {
        waits.writable();
        match send(stream, bytes, SendFlags::NOSIGNAL) {
            Ok(n) => {
                meter.sent(n);
                bytes = &bytes[n..];
            }
            Err(Errno::AGAIN) => waits.on_full(),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
