//! The null server: the tightest echo we have, and nothing else. One thread, level-triggered epoll, one read and one write
//! per event, as one would write it in C.
//!
//! It is no model and stands in no comparison: it knows no service, no framing, no counters, no orderly stop (SIGTERM ends
//! it), so that what the swarm gets out of it is what the swarm can get out of any server.

use crate::host::environment;
use crate::host::preflight::raise_descriptor_limit;
use crate::process::launch::die_with_parent;
use crate::process::serving::FromServer;
use bakeoff_servers::listen::{ListenOptions, bind};
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;
use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd as _, OwnedFd};

/// Size of the read buffer, as the models have it.
const BUFFER: usize = 64 * 1024;
/// Events taken at once.
const EVENTS: usize = 1024;
/// What marks the listener among the events.
const LISTENER: u64 = u64::MAX;

/// How a null server is to listen.
#[derive(Clone, Debug)]
pub struct NullOptions {
    /// Where; port 0 for a free one.
    pub address: SocketAddr,
    /// Congestion control; `None` leaves the system's.
    pub congestion_control: Option<String>,
    /// The CPU to stay on; `None` for any.
    pub cpu: Option<u32>,
}

impl NullOptions {
    /// The arguments of the hidden subcommand that say the same.
    pub fn arguments(&self) -> Vec<OsString> {
        let mut arguments: Vec<OsString> =
            vec!["null-server".into(), format!("--addr={}", self.address).into()];
        if let Some(name) = &self.congestion_control {
            arguments.push(format!("--congestion-control={name}").into());
        }
        if let Some(cpu) = self.cpu {
            arguments.push(format!("--cpu={cpu}").into());
        }
        arguments
    }
}

/// Runs a null server until it is killed: for the runner, to which it says where it listens.
///
/// # Errors
/// When it cannot be pinned or bound, or epoll fails.
pub fn run(options: &NullOptions, parent: u32) -> Result<(), String> {
    die_with_parent(parent)?;
    let cpus: Vec<u32> = options.cpu.into_iter().collect();
    environment::pin(&cpus).map_err(|e| e.to_string())?;
    raise_descriptor_limit();
    let listen =
        ListenOptions { congestion_control: options.congestion_control.clone(), ..ListenOptions::default() };
    let listener = bind(options.address, &listen).map_err(|e| e.to_string())?;
    let address = listener.local_addr().map_err(|e| format!("asking for the bound port failed: {e}"))?;
    let ready =
        serde_json::to_string(&FromServer::Ready { address, fingerprint: None }).expect("our own type");
    writeln!(io::stdout(), "{ready}").map_err(|e| format!("telling the runner the address failed: {e}"))?;
    serve(listener).map_err(|e| format!("the null server's event loop failed: {e}"))
}

/// The connections, indexed by descriptor as a C program would keep them, and what a full socket has not taken yet.
struct Table {
    poll: OwnedFd,
    connections: Vec<Option<TcpStream>>,
    unsent: HashMap<usize, Vec<u8>>,
    buffer: Vec<u8>,
}

fn serve(listener: TcpListener) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let poll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&poll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    let mut table = Table { poll, connections: Vec::new(), unsent: HashMap::new(), buffer: vec![0; BUFFER] };
    let mut events: Vec<epoll::Event> = Vec::with_capacity(EVENTS);
    loop {
        events.clear();
        match epoll::wait(&table.poll, rustix::buffer::spare_capacity(&mut events), None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in &events {
            match event.data.u64() {
                LISTENER => table.accept(&listener)?,
                fd => table.exchange(fd as usize)?,
            }
        }
    }
}

impl Table {
    fn accept(&mut self, listener: &TcpListener) -> io::Result<()> {
        while let Ok((stream, _)) = listener.accept() {
            stream.set_nonblocking(true)?;
            let fd = stream.as_raw_fd() as usize;
            epoll::add(&self.poll, &stream, EventData::new_u64(fd as u64), EventFlags::IN)?;
            if self.connections.len() <= fd {
                self.connections.resize_with(fd + 1, || None);
            }
            self.connections[fd] = Some(stream);
        }
        Ok(())
    }

    fn exchange(&mut self, fd: usize) -> io::Result<()> {
        let Some(stream) = &self.connections[fd] else { return Ok(()) };
        if self.unsent.contains_key(&fd) {
            return self.flush(fd);
        }
        match rustix::io::read(stream, &mut self.buffer) {
            Ok(n @ 1..) => {
                let sent = rustix::io::write(stream, &self.buffer[..n]).unwrap_or(0);
                if sent < n {
                    self.unsent.insert(fd, self.buffer[sent..n].to_vec());
                    epoll::modify(&self.poll, stream, EventData::new_u64(fd as u64), EventFlags::OUT)?;
                }
            }
            Err(Errno::AGAIN | Errno::INTR) => {}
            Ok(0) | Err(_) => self.connections[fd] = None,
        }
        Ok(())
    }

    /// Goes on with what a socket did not take at once.
    fn flush(&mut self, fd: usize) -> io::Result<()> {
        let (Some(stream), Some(rest)) = (&self.connections[fd], self.unsent.get_mut(&fd)) else {
            return Ok(());
        };
        match rustix::io::write(stream, rest) {
            Ok(sent) => {
                rest.drain(..sent);
            }
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => {
                self.unsent.remove(&fd);
                self.connections[fd] = None;
                return Ok(());
            }
        }
        if rest.is_empty() {
            self.unsent.remove(&fd);
            epoll::modify(&self.poll, stream, EventData::new_u64(fd as u64), EventFlags::IN)?;
        }
        Ok(())
    }
}
