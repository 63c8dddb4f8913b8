//! Blocking echo servers by hand: a thread per client, a pool, threads that all accept; a forked process per client, and
//! processes that all accept.

use super::BUFFER;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

fn echo(mut stream: &TcpStream) {
    let mut buffer = vec![0; BUFFER];
    while let Ok(n @ 1..) = stream.read(&mut buffer) {
        if stream.write_all(&buffer[..n]).is_err() {
            break;
        }
    }
}

pub(super) fn serve_thread_per_client(listener: TcpListener, _: usize) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept()?;
        thread::Builder::new().stack_size(256 * 1024).spawn(move || echo(&stream))?;
    }
}

pub(super) fn serve_pool(listener: TcpListener, connections: usize) -> io::Result<()> {
    let (queue, accepted) = crossbeam_channel::bounded::<TcpStream>(1024);
    // A worker holds its connection, so there must be one for each.
    for _ in 0..connections {
        let accepted = accepted.clone();
        thread::Builder::new().stack_size(256 * 1024).spawn(move || {
            for stream in accepted {
                echo(&stream);
            }
        })?;
    }
    loop {
        let (stream, _) = listener.accept()?;
        queue.send(stream).map_err(io::Error::other)?;
    }
}

pub(super) fn serve_prethread(listener: TcpListener, connections: usize) -> io::Result<()> {
    let listener = Arc::new(listener);
    for _ in 0..connections {
        let listener = Arc::clone(&listener);
        thread::Builder::new().stack_size(256 * 1024).spawn(move || accept_and_echo(&listener))?;
    }
    loop {
        thread::park();
    }
}

pub(super) fn serve_prefork(listener: TcpListener, connections: usize) -> io::Result<()> {
    for _ in 0..connections {
        if crate::sys::fork_child()? {
            accept_and_echo(&listener);
            std::process::exit(0);
        }
    }
    loop {
        thread::park();
    }
}

fn accept_and_echo(listener: &TcpListener) {
    while let Ok((stream, _)) = listener.accept() {
        echo(&stream);
    }
}

pub(super) fn serve_fork_per_client(listener: TcpListener, _: usize) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept()?;
        if crate::sys::fork_child()? {
            drop(listener);
            echo(&stream);
            std::process::exit(0);
        }
    }
}
