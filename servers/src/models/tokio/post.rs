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
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

/// A session, and what writes to its client where others have something to tell it.
type Opened = (Box<dyn Session>, Option<JoinHandle<()>>);

/// Opens a session of `service` for a client, with a post if sessions talk to each other. Whoever ends the session waits then for the
/// task that is returned: it ends when all is written.
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
        unwritten: AtomicUsize::new(0),
        is_shut_out: AtomicBool::new(false),
    });
    session.attach(Arc::new(Channel { sender, client: Arc::clone(&client) }));
    Ok((session, Some(tokio::spawn(write(stream, messages, client)))))
}

/// What both ends of a channel know of the client.
struct Client {
    fd: OwnedFd,
    meter: Meter,
    /// Bytes in the channel and in the hands of the task that writes.
    unwritten: AtomicUsize,
    is_shut_out: AtomicBool,
}

/// The senders' end. Bounded in bytes and not in messages, as the posts of the other models are.
struct Channel {
    sender: UnboundedSender<Arc<[u8]>>,
    client: Arc<Client>,
}

impl Post for Channel {
    fn deliver(&self, message: &Arc<[u8]>) {
        let client = &self.client;
        if client.unwritten.load(Ordering::Relaxed) <= MOST_UNREAD {
            client.unwritten.fetch_add(message.len(), Ordering::Relaxed);
            let _ = self.sender.send(Arc::clone(message)); // fails when the client is gone
        } else if !client.is_shut_out.swap(true, Ordering::Relaxed) {
            client.meter.shut_out();
            sys::shutdown_both(client.fd.as_raw_fd());
        }
    }
}

/// Waits until all is written that was sent to a client whose session is over.
pub(super) async fn written(writer: Option<JoinHandle<()>>) {
    if let Some(writer) = writer {
        let _ = writer.await; // fails only where it panicked, and then there is nothing to wait for
    }
}

/// Writes what comes, what has come together in one go, until nobody sends any more.
async fn write(mut stream: TcpStream, mut messages: UnboundedReceiver<Arc<[u8]>>, client: Arc<Client>) {
    let mut together = Vec::new();
    while let Some(message) = messages.recv().await {
        together.extend_from_slice(&message);
        while together.len() < READ_SIZE
            && let Ok(message) = messages.try_recv()
        {
            together.extend_from_slice(&message);
        }
        let mut left = together.as_slice();
        while !left.is_empty() {
            let Ok(written) = stream.write(left).await else {
                return; // whoever reads from it meets the error, too
            };
            client.meter.sent(written);
            client.unwritten.fetch_sub(written, Ordering::Relaxed);
            left = &left[written..];
        }
        clear(&mut together, RETAINED);
    }
}
