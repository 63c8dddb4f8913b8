//! An echo server by hand whose threads hold a request each: epoll tells once of whoever has sent something, a thread of the pool
//! echoes it and has the connection watched again.

use super::BUFFER;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use std::collections::VecDeque;
use std::io::{self, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

const ONCE: EventFlags = EventFlags::IN.union(EventFlags::ONESHOT);

/// Ready connections by their descriptors, and all that are open.
#[derive(Default)]
struct Ready {
    queue: Mutex<VecDeque<usize>>,
    filled: Condvar,
    open: Mutex<Vec<Option<Arc<TcpStream>>>>,
}

pub(super) fn serve(listener: TcpListener, threads: usize) -> io::Result<()> {
    let poll = Arc::new(epoll::create(CreateFlags::CLOEXEC)?);
    epoll::add(&*poll, &listener, EventData::new_u64(u64::MAX), EventFlags::IN)?;
    let ready = Arc::new(Ready::default());
    for _ in 0..threads {
        let (poll, ready) = (Arc::clone(&poll), Arc::clone(&ready));
        thread::Builder::new().stack_size(256 * 1024).spawn(move || work(&poll, &ready))?;
    }
    let mut events: Vec<epoll::Event> = Vec::with_capacity(1024);
    loop {
        events.clear();
        match epoll::wait(&*poll, rustix::buffer::spare_capacity(&mut events), None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in &events {
            if event.data.u64() == u64::MAX {
                let (stream, _) = listener.accept()?;
                let fd = stream.as_raw_fd() as usize;
                let mut open = ready.open.lock().unwrap_or_else(PoisonError::into_inner);
                if open.len() <= fd {
                    open.resize(fd + 1, None);
                }
                epoll::add(&*poll, &stream, EventData::new_u64(fd as u64), ONCE)?;
                open[fd] = Some(Arc::new(stream));
            } else {
                let mut queue = ready.queue.lock().unwrap_or_else(PoisonError::into_inner);
                queue.push_back(event.data.u64() as usize);
                ready.filled.notify_one();
            }
        }
    }
}

fn work(poll: &OwnedFd, ready: &Ready) {
    let mut buffer = vec![0; BUFFER];
    loop {
        let queue = ready.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = ready.filled.wait_while(queue, |queue| queue.is_empty());
        let Some(fd) = waited.unwrap_or_else(PoisonError::into_inner).pop_front() else { continue };
        let open = || ready.open.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(stream) = open()[fd].clone() else { continue };
        let echoed = match recv(&stream, &mut buffer[..], RecvFlags::DONTWAIT) {
            Ok((n @ 1.., _)) => (&*stream).write_all(&buffer[..n]).is_ok(),
            Err(Errno::AGAIN | Errno::INTR) => true,
            Ok(_) | Err(_) => false,
        };
        let watched = echoed && epoll::modify(poll, &stream, EventData::new_u64(fd as u64), ONCE).is_ok();
        if !watched {
            open()[fd] = None;
        }
    }
}
