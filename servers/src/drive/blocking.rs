//! The conversation over a blocking socket: iterative, fork, thread per client and thread pool all run this loop.
//!
//! One read and one write per small request, jobs inline on the calling thread. It never decides who that is.

use super::buffers::Buffers;
use super::conversation::{Conversation, Need};
use super::live::{Held, Meter};
use crate::{Service, Session};
use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use std::net::TcpStream;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Serves a connection to its end. A session or job that panics ends its own connection only, and is counted.
pub fn serve(held: &Held<TcpStream>, service: &dyn Service, buffers: &mut Buffers) {
    let meter = held.ticket.meter();
    let attempt = AssertUnwindSafe(|| converse(&held.stream, service.open(), meter, buffers));
    if catch_unwind(attempt).is_err() {
        meter.crashed();
        *buffers = Buffers::new();
    }
}

/// Serves a connection to its end and counts it, apart from its opening and closing.
pub fn converse(stream: &TcpStream, session: Box<dyn Session>, meter: &Meter, buffers: &mut Buffers) {
    let mut conversation = Conversation::new(session);
    let result = drive(stream, &mut conversation, meter, buffers);
    buffers.clear_output();
    meter.ended(result.is_err(), conversation.rejected().is_some());
}

fn drive(
    stream: &TcpStream,
    conversation: &mut Conversation,
    meter: &Meter,
    buffers: &mut Buffers,
) -> Result<(), Errno> {
    let mut need = Need::Read;
    loop {
        need = match need {
            Need::Read => match receive(stream, &mut buffers.input) {
                Ok(0) => conversation.end_of_input(),
                Ok(n) => {
                    meter.received(n);
                    conversation.take_in(&buffers.input, &mut buffers.output)
                }
                Err(Errno::INTR) => Need::Read,
                Err(error) => return Err(error),
            },
            Need::Flush => {
                send_all(stream, &buffers.output, meter)?;
                buffers.clear_output();
                let (answered, next) = conversation.flushed(&mut buffers.output);
                meter.answered(answered);
                next
            }
            Need::Run(job) => conversation.complete(job.run(), &mut buffers.output),
            Need::Close => return Ok(()),
        }
    }
}

fn receive(stream: &TcpStream, input: &mut Vec<u8>) -> Result<usize, Errno> {
    input.clear();
    recv(stream, spare_capacity(input), RecvFlags::empty()).map(|(n, _)| n)
}

fn send_all(stream: &TcpStream, mut bytes: &[u8], meter: &Meter) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match send(stream, bytes, SendFlags::NOSIGNAL) {
            Ok(n) => {
                meter.sent(n);
                bytes = &bytes[n..];
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
