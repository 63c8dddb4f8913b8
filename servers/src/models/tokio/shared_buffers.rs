//! tokio with shared buffers: a task per client whose idle connection owns no buffer.
//!
//! What an idle connection costs is mostly its buffers. Here a thread has one pair for all the tasks that it polls; but a
//! buffer that is shared must not be held across an `await`, so a read, the reply and its write happen within one poll,
//! and only what the socket did not take becomes the connection's own.

use super::offload::Offload;
use super::post::{self, Writer};
use super::runtime::{Shared, Socket, run, write_all};
use crate::drive::buffers::{Buffers, RETAINED_SHARED, clear};
use crate::drive::protocol::{Action, Protocol};
use crate::model::{Concurrency, Meta, PerClient, Role, ServerModel, Serving, Tuning};
use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead as _, ReadBuf};
use tokio::runtime::Builder;

/// Tasks on work-stealing threads, with a pair of buffers for each thread.
#[derive(Debug)]
pub(in crate::models) struct SharedBuffers;

impl ServerModel for SharedBuffers {
    fn meta(&self) -> &'static Meta {
        &Meta {
            name: "tokio-shared-buffers",
            summary: "tokio whose idle connections own no buffer; very many of them, at the price of polling by hand",
            concurrency: Concurrency::Unbounded,
            per_client: PerClient::Nothing,
            threads: |config| 1 + config.runtime_workers.max(1),
            tunings: &[Tuning::BlockingWorkers, Tuning::ComputeWorkers, Tuning::RuntimeWorkers],
            role: Role::Extra,
        }
    }

    fn serve(&self, serving: Serving) -> io::Result<()> {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(serving.config.runtime_workers.max(1));
        run(serving, builder, connection)
    }
}

thread_local! {
    /// The buffers of whatever task this thread polls. Never borrowed across a suspension.
    static BUFFERS: RefCell<Buffers> = RefCell::default();
}

struct Connection {
    protocol: Protocol,
    /// Replies that the socket did not take at once.
    unsent: Vec<u8>,
    socket: Socket,
}

/// Serves one client to its end.
async fn connection(socket: Socket, shared: Arc<Shared>) {
    let (session, writer) = match post::open(&*shared.service, &socket) {
        Ok(opened) => opened,
        Err(error) => return socket.meter().refused(&error),
    };
    let mut connection = Connection { protocol: Protocol::new(session), unsent: Vec::new(), socket };
    let result = connection.serve(&shared.offload, writer.as_ref()).await;
    connection.socket.meter().ended(result.is_err(), connection.protocol.rejected().is_some());
    let Connection { protocol, socket, .. } = connection;
    drop(protocol);
    if let Some(writer) = writer {
        writer.end().await;
    }
    drop(socket);
}

impl Connection {
    async fn serve(&mut self, offload: &Offload, writer: Option<&Writer>) -> io::Result<()> {
        let mut action = Action::Read;
        loop {
            action = match action {
                Action::Read => poll_fn(|cx| self.poll_exchange(cx)).await?,
                Action::Write => {
                    let unsent = std::mem::take(&mut self.unsent);
                    write_all(&mut self.socket, &unsent).await?;
                    self.on_written()
                }
                Action::AwaitRoom => {
                    if let Some(writer) = writer {
                        writer.room().await;
                    }
                    self.on_written()
                }
                Action::Run(job) => match offload.run(job).await {
                    Some(result) => self.protocol.on_result(result, &mut self.unsent),
                    None => {
                        self.socket.meter().crashed();
                        return Ok(());
                    }
                },
                Action::Close => return Ok(()),
            }
        }
    }

    /// Reads, and writes the replies as far as the socket takes them at once. `poll_read` and not `try_read`: after a read
    /// that did not fill the buffer, tokio knows that the socket is empty and saves the read that would only say so.
    fn poll_exchange(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Action>> {
        BUFFERS.with_borrow_mut(|Buffers { input, output, .. }| {
            let mut buffer = ReadBuf::uninit(input.spare_capacity_mut());
            ready!(Pin::new(&mut self.socket.stream).poll_read(cx, &mut buffer))?;
            let received = buffer.filled();
            output.clear(); // a session that panicked may have left something
            let action = if received.is_empty() {
                self.protocol.on_end(output)
            } else {
                self.socket.meter().received(received.len());
                self.protocol.on_data(received, output)
            };
            if !matches!(action, Action::Write) {
                return Poll::Ready(Ok(action));
            }
            let sent = match self.socket.stream.try_write(output) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                written => written?,
            };
            self.socket.meter().sent(sent);
            if sent < output.len() {
                self.unsent.extend_from_slice(&output[sent..]);
                return Poll::Ready(Ok(Action::Write));
            }
            clear(output, RETAINED_SHARED);
            Poll::Ready(Ok(self.on_written()))
        })
    }

    fn on_written(&mut self) -> Action {
        let (answered, next) = self.protocol.on_written(&mut self.unsent);
        self.socket.meter().answered(answered);
        next
    }
}
