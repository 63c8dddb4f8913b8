//! Messages for a client of tokio: a channel, and a task that writes what comes out of it.

use super::runtime::Socket;
use crate::drive::buffers::{READ_SIZE, RETAINED, clear};
use crate::drive::outbox::MOST_UNREAD;
use crate::drive::registry::Meter;
use crate::service::Post;
use crate::{Service, Session, sys};
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

/// A session, and what writes to its client where others have something to tell it.
type Opened = (Box<dyn Session>, Option<Writer>);

/// Opens a session of `service` for a client, with a writer if sessions talk to each other.
///
/// # Errors
/// No descriptor for the post.
pub(super) fn open(service: &dyn Service, socket: &Socket) -> io::Result<Opened> {
    let mut session = service.open();
    if !service.talks() {
        return Ok((session, None));
    }
    let stream: std::net::TcpStream = socket.stream.as_fd().try_clone_to_owned()?.into();
    let stream = TcpStream::from_std(stream)?;
    let (sender, messages) = unbounded_channel();
    let client = Arc::new(Client {
        fd: socket.stream.as_fd().try_clone_to_owned()?,
        meter: socket.meter().clone(),
        said: AtomicUsize::new(0),
        answered: AtomicUsize::new(0),
        is_shut_out: AtomicBool::new(false),
        is_gone: AtomicBool::new(false),
        room: Notify::new(),
    });
    session.attach(Arc::new(Channel { sender, client: Arc::clone(&client) }));
    let task = tokio::spawn(write(stream, messages, Arc::clone(&client)));
    Ok((session, Some(Writer { task, client })))
}

/// The task that writes to a client, for the task that reads from it.
pub(super) struct Writer {
    task: JoinHandle<()>,
    client: Arc<Client>,
}

impl Writer {
    /// Comes back when an answer may have been written.
    pub(super) async fn room(&self) {
        self.client.room.notified().await;
    }

    /// Comes back when all is written that was sent to a client whose session is over, or its connection has ended.
    pub(super) async fn end(self) {
        let _ = self.task.await; // fails only where it panicked, and then there is nothing to wait for
    }
}

/// What both ends of a channel know of the client.
#[derive(Debug)]
struct Client {
    fd: OwnedFd,
    meter: Meter,
    /// Bytes of others' messages in the channel and in the hands of the task that writes.
    said: AtomicUsize,
    /// Bytes of its session's own answers there.
    answered: AtomicUsize,
    is_shut_out: AtomicBool,
    /// Nothing is written any more.
    is_gone: AtomicBool,
    /// Told when answers have been written, or none will be.
    room: Notify,
}

/// A message, and whether it is an answer of the client's own session.
type Message = (Arc<[u8]>, bool);

/// The senders' end. Bounded in bytes and not in messages, as the posts of the other models are.
#[derive(Debug)]
struct Channel {
    sender: UnboundedSender<Message>,
    client: Arc<Client>,
}

impl Post for Channel {
    fn deliver(&self, message: &Arc<[u8]>) {
        let client = &self.client;
        if client.said.load(Ordering::Relaxed) <= MOST_UNREAD {
            client.said.fetch_add(message.len(), Ordering::Relaxed);
            let _ = self.sender.send((Arc::clone(message), false)); // fails when the client is gone
        } else if !client.is_shut_out.swap(true, Ordering::Relaxed) {
            client.meter.shut_out();
            sys::shutdown_both(client.fd.as_raw_fd()); // its tasks meet the end, and so end
        }
    }

    fn answer(&self, message: &Arc<[u8]>) {
        self.client.answered.fetch_add(message.len(), Ordering::Relaxed);
        let _ = self.sender.send((Arc::clone(message), true));
    }

    /// The writer sends; as many answers as it sends in one go may wait for it, or each would cost a wait.
    fn flush(&self) -> bool {
        let client = &self.client;
        client.answered.load(Ordering::Acquire) <= READ_SIZE || client.is_gone.load(Ordering::Acquire)
    }
}

/// Writes what comes, what has come together in one go, until nobody sends any more or the connection ends.
async fn write(mut stream: TcpStream, mut messages: UnboundedReceiver<Message>, client: Arc<Client>) {
    let mut together = Vec::new();
    while let Some(message) = messages.recv().await {
        let (mut said, mut answered) = (0, 0);
        let mut take = |(message, is_answer): Message, together: &mut Vec<u8>| {
            *(if is_answer { &mut answered } else { &mut said }) += message.len();
            together.extend_from_slice(&message);
        };
        take(message, &mut together);
        while together.len() < READ_SIZE
            && let Ok(message) = messages.try_recv()
        {
            take(message, &mut together);
        }
        let mut left = together.as_slice();
        while !left.is_empty() {
            let Ok(written) = stream.write(left).await else {
                client.is_gone.store(true, Ordering::Release);
                client.room.notify_one();
                return; // whoever reads from it meets the error, too
            };
            client.meter.sent(written);
            left = &left[written..];
        }
        client.said.fetch_sub(said, Ordering::Relaxed);
        if answered > 0 {
            client.answered.fetch_sub(answered, Ordering::Release);
            client.room.notify_one();
        }
        clear(&mut together, RETAINED);
    }
}
