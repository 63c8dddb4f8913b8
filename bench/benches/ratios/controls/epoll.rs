//! The bare limit: one thread, level-triggered epoll, one read and one write per event, as one would write it in C.

use super::BUFFER;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;
use std::collections::HashMap;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd as _;

pub(super) fn serve(listener: TcpListener, _: usize) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let poll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&poll, &listener, EventData::new_u64(u64::MAX), EventFlags::IN)?;
    // Indexed by descriptor, as a C program would keep them.
    let mut connections: Vec<Option<TcpStream>> = Vec::new();
    let mut unsent: HashMap<usize, Vec<u8>> = HashMap::new();
    let mut buffer = vec![0; BUFFER];
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
                    let fd = stream.as_raw_fd() as usize;
                    epoll::add(&poll, &stream, EventData::new_u64(fd as u64), EventFlags::IN)?;
                    if connections.len() <= fd {
                        connections.resize_with(fd + 1, || None);
                    }
                    connections[fd] = Some(stream);
                }
                continue;
            }
            let fd = event.data.u64() as usize;
            let Some(stream) = &connections[fd] else { continue };
            if let Some(rest) = unsent.get_mut(&fd) {
                let sent = rustix::io::write(stream, rest).unwrap_or(0);
                rest.drain(..sent);
                if rest.is_empty() {
                    unsent.remove(&fd);
                    epoll::modify(&poll, stream, EventData::new_u64(fd as u64), EventFlags::IN)?;
                }
                continue;
            }
            match rustix::io::read(stream, &mut buffer) {
                Ok(n @ 1..) => {
                    let sent = rustix::io::write(stream, &buffer[..n]).unwrap_or(0);
                    if sent < n {
                        unsent.insert(fd, buffer[sent..n].to_vec());
                        epoll::modify(&poll, stream, EventData::new_u64(fd as u64), EventFlags::OUT)?;
                    }
                }
                Err(Errno::AGAIN | Errno::INTR) => {}
                Ok(0) | Err(_) => {
                    unsent.remove(&fd);
                    connections[fd] = None;
                }
            }
        }
    }
}
