//! A connection over a blocking socket: iterative, fork, thread per client and thread pool all run this loop.
//!
//! One read and one write per small request, jobs inline on the calling thread. It never decides which thread that is.

use super::buffers::Buffers;
use super::protocol::{Action, Protocol};
use super::registry::{Meter, Tracked};
use crate::{Service, Session};
use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use std::net::TcpStream;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Serves a connection to its end. A session or job that panics ends its own connection only, and is counted.
pub fn serve(connection: &Tracked<TcpStream>, service: &dyn Service, buffers: &mut Buffers) {
    let meter = connection.meter();
    let attempt = AssertUnwindSafe(|| serve_session(&connection.stream, service.open(), meter, buffers));
    if catch_unwind(attempt).is_err() {
        meter.crashed();
        *buffers = Buffers::new();
    }
}

/// Serves a connection to its end and counts it, apart from its opening and closing.
pub fn serve_session(stream: &TcpStream, session: Box<dyn Session>, meter: &Meter, buffers: &mut Buffers) {
    let mut protocol = Protocol::new(session);
    let result = drive(stream, &mut protocol, meter, buffers);
    buffers.clear_output();
    meter.ended(result.is_err(), protocol.rejected().is_some());
}

fn drive(
    stream: &TcpStream,
    protocol: &mut Protocol,
    meter: &Meter,
    buffers: &mut Buffers,
) -> Result<(), Errno> {
    let mut action = Action::Read;
    loop {
        action = match action {
            Action::Read => match receive(stream, &mut buffers.input) {
                Ok(0) => protocol.on_end(),
                Ok(n) => {
                    meter.received(n);
                    protocol.on_data(&buffers.input, &mut buffers.output)
                }
                Err(Errno::INTR) => Action::Read,
                Err(error) => return Err(error),
            },
            Action::Write => {
                send_all(stream, &buffers.output, meter)?;
                buffers.clear_output();
                let (answered, next) = protocol.on_written(&mut buffers.output);
                meter.answered(answered);
                next
            }
            Action::Run(job) => protocol.on_result(job.run(), &mut buffers.output),
            Action::Close => return Ok(()),
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
