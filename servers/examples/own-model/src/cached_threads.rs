//! Cached threads: a thread for each client, but one whose client has left waits for the next instead of ending.
//!
//! Everything else is what this project's models share: accepting with back-off, serving a blocking connection, the registry that
//! counts connections and ends them. What is here is the model alone.

use bakeoff_servers::drive::accept::{accept_until_stop, retry_spawn};
use bakeoff_servers::drive::blocking::serve;
use bakeoff_servers::drive::buffers::Buffers;
use bakeoff_servers::drive::registry::{Registry, Tracked};
use bakeoff_servers::model::{Concurrency, Meta, PerClient, Role};
use bakeoff_servers::{ServerModel, Service, Serving};
use std::io;
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

/// The model.
#[derive(Debug)]
pub(crate) struct CachedThreads;

/// A client, handed to the thread that serves it.
type Client = Tracked<TcpStream>;

/// The ways to the threads that wait for a client; the one that was busy last is on top, and its memory still warm.
type Idle = Mutex<Vec<SyncSender<Client>>>;

impl ServerModel for CachedThreads {
    fn meta(&self) -> &'static Meta {
        &Meta {
            name: "cached-threads",
            summary: "a thread for each client, kept for the next one; starts no thread where clients come and go",
            concurrency: Concurrency::Unbounded,
            per_client: PerClient::Thread,
            threads: |_| 1,
            tunings: &[],
            role: Role::Standard,
        }
    }

    fn serve(&self, Serving { listener, service, config, stop, counters, .. }: Serving) -> io::Result<()> {
        let registry = Registry::new(counters);
        let idle = Arc::new(Idle::default());
        accept_until_stop(&listener, &stop, counters, |stream| {
            let mut client = registry.track(stream);
            while let Some(waiting) = pop(&idle) {
                match waiting.send(client) {
                    Ok(()) => return,
                    Err(back) => client = back.0, // that thread has ended
                }
            }
            let (hand, next) = sync_channel(1);
            // The new thread finds its first client waiting, also where it took several tries to start one.
            let _ = hand.send(client);
            let next = Arc::new(Mutex::new(next));
            retry_spawn(&stop, counters, || {
                let (idle, service) = (Arc::clone(&idle), Arc::clone(&service));
                let (hand, next) = (hand.clone(), Arc::clone(&next));
                thread::Builder::new().spawn(move || run(&hand, &next, &idle, &*service)).map(drop)
            });
        })?;
        drop(listener);
        registry.shutdown(Instant::now() + config.stop_deadline);
        Ok(())
    }
}

/// A thread: its clients, one after another.
fn run(hand: &SyncSender<Client>, next: &Mutex<Receiver<Client>>, idle: &Idle, service: &dyn Service) {
    let mut buffers = Buffers::new();
    let next = next.lock().unwrap_or_else(PoisonError::into_inner);
    while let Ok(client) = next.recv() {
        serve(&client, service, &mut buffers);
        drop(client);
        idle.lock().unwrap_or_else(PoisonError::into_inner).push(hand.clone());
    }
}

fn pop(idle: &Idle) -> Option<SyncSender<Client>> {
    idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
}
