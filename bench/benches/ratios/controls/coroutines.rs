//! An echo server of stackful coroutines by hand: one loop on mio, a coroutine for each connection.

use super::BUFFER;
use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, Yielder};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use std::io::{self, ErrorKind, Read as _, Write as _};

const LISTENER: Token = Token(usize::MAX);

/// Resumed with whether the peer has ended its side.
type Echo = Coroutine<bool, (), (), DefaultStack>;

pub(super) fn serve(listener: std::net::TcpListener, _: usize) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let mut listener = TcpListener::from_std(listener);
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut events = Events::with_capacity(1024);
    let mut coroutines: Vec<Option<Echo>> = Vec::new();
    let mut free: Vec<usize> = Vec::new();
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut stream, _)) = listener.accept() {
                    let slot = free.pop().unwrap_or_else(|| {
                        coroutines.push(None);
                        coroutines.len() - 1
                    });
                    let interest = Interest::READABLE | Interest::WRITABLE;
                    poll.registry().register(&mut stream, Token(slot), interest)?;
                    let stack = DefaultStack::new(256 * 1024)?;
                    let echo = move |yielder: &Yielder<bool, ()>, closing| echo(&stream, yielder, closing);
                    coroutines[slot] = Some(Coroutine::with_stack(stack, echo));
                }
                continue;
            }
            let slot = event.token().0;
            let Some(coroutine) = &mut coroutines[slot] else { continue };
            if coroutine.resume(event.is_read_closed()).as_return().is_some() {
                coroutines[slot] = None;
                free.push(slot);
            }
        }
    }
}

/// Echoes to the end of the connection.
fn echo(mut stream: &TcpStream, yielder: &Yielder<bool, ()>, mut closing: bool) {
    let mut buffer = vec![0; BUFFER];
    loop {
        let n = match stream.read(&mut buffer) {
            Ok(n @ 1..) => n,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                closing = yielder.suspend(());
                continue;
            }
            Ok(_) | Err(_) => return,
        };
        let mut unsent = &buffer[..n];
        while !unsent.is_empty() {
            match stream.write(unsent) {
                Ok(sent) => unsent = &unsent[sent..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => closing |= yielder.suspend(()),
                Err(_) => return,
            }
        }
        // A short read has emptied the socket: the next bytes make a new event.
        if n < BUFFER && !closing {
            closing = yielder.suspend(());
        }
    }
}
