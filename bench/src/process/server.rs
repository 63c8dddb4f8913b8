//! A server process as the runner sees it: started, told to go, asked to stop, and what it counted.

use super::launch::{Child, LaunchError, Launcher};
use super::orphans;
use super::serving::FromServer;
use super::workers::{PATIENCE, expect};
use crate::host::connect::connect;
use crate::host::listeners::{self, Listens};
use crate::host::usage;
use crate::print_to_stderr;
use crate::sys::Ended;
use bakeoff_reports::record::Reading;
use bakeoff_servers::CounterSnapshot;
use bakeoff_servers::tls::Fingerprint;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// What a server says to the runner once it serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// It listens already, and tells its counters at its end.
    Counters,
    /// Nothing: whether it listens must be found out, and at its end there is only the end.
    Nothing,
}

/// A server; its process group is killed when this is dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    name: String,
    speaks: Speaks,
    /// Where it listens, or will once it is told to go.
    pub address: SocketAddr,
    /// Of its certificate, where it speaks TLS.
    pub fingerprint: Option<Fingerprint>,
    first_reply_ns: Option<u64>,
}

/// What is known of a server once it is gone.
#[derive(Debug)]
pub struct Stopped {
    /// What it counted.
    pub counters: Result<CounterSnapshot, LaunchError>,
    /// How it ended, and what its life cost.
    pub ended: Option<Ended>,
    /// Whether it had to be killed.
    pub killed: bool,
    /// What it left behind outside of its process group, which was ended.
    pub left: Vec<String>,
    /// When it had made its first reply, as CLOCK_MONOTONIC showed, of one that was to say so and did.
    pub first_reply_ns: Option<u64>,
}

impl Server {
    /// Starts a child that says where it listens; `name` is for messages.
    ///
    /// # Errors
    /// It cannot be started, or ends at once, with its words.
    pub fn start(
        launcher: &Launcher,
        name: &str,
        arguments: impl IntoIterator<Item = OsString>,
        speaks: Speaks,
    ) -> Result<Self, LaunchError> {
        let child = launcher.start(name, arguments)?;
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut server = Self {
            child,
            name: name.into(),
            speaks,
            address: nowhere,
            fingerprint: None,
            first_reply_ns: None,
        };
        match expect(&mut server.child, name, PATIENCE)? {
            FromServer::Ready { address, fingerprint } => {
                (server.address, server.fingerprint) = (address, fingerprint);
            }
            other => return Err(LaunchError::Unexpected { name: name.into(), said: format!("{other:?}") }),
        }
        Ok(server)
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.has_ended()
    }

    /// Gives the word to go, and waits until it listens.
    ///
    /// # Errors
    /// It has ended, with its words, or does not listen in time.
    pub fn go(&mut self) -> Result<(), LaunchError> {
        self.child.send("go")?;
        match self.speaks {
            Speaks::Counters => Ok(()),
            Speaks::Nothing => self.await_listening(),
        }
    }

    fn await_listening(&mut self) -> Result<(), LaunchError> {
        const BETWEEN_LOOKS: Duration = Duration::from_millis(2);
        let begin = Instant::now();
        loop {
            let listens = connect(self.address, Duration::from_secs(1)).is_ok();
            let (name, address) = (self.name.clone(), self.address);
            if self.child.has_ended() {
                // Waiting for a line of the dead says how it ended, with its words.
                let line = self.child.line(Instant::now() + Duration::from_secs(1));
                return Err(line.map_or_else(|error| error, |said| LaunchError::Unexpected { name, said }));
            }
            if listens {
                return self.owns_its_port();
            }
            if begin.elapsed() > PATIENCE {
                let (waited, instead) = (begin.elapsed(), listeners::of(&self.tree()));
                return Err(LaunchError::NeverListened { name, address, waited, instead });
            }
            if !self.child.interrupt().sleep_until(Instant::now() + BETWEEN_LOOKS) {
                return Err(LaunchError::Interrupted);
            }
        }
    }

    /// A port that was free a moment ago may be somebody else's by now, such as what an earlier server left behind.
    fn owns_its_port(&self) -> Result<(), LaunchError> {
        match listeners::at(self.address, &self.tree()) {
            Listens::Other(who) => {
                Err(LaunchError::Occupied { name: self.name.clone(), address: self.address, who })
            }
            // It may have closed its port again already: the first connection will tell.
            Listens::Tree | Listens::Nobody => Ok(()),
        }
    }

    fn tree(&self) -> Vec<u32> {
        usage::tree(self.pid()).unwrap_or_else(|_| vec![self.pid()])
    }

    /// Stops it after it could not be brought to serve: why, with what it left behind.
    pub fn explained(self, error: LaunchError) -> LaunchError {
        match (error, orphans::told(&self.stop(Duration::ZERO).left)) {
            (LaunchError::Ended { name, how, said }, Some(left)) => {
                let said = format!("{said}, and {left}; have it stay in the foreground");
                LaunchError::Ended { name, how, said }
            }
            (error, _) => error,
        }
    }

    /// Asks it to stop, takes its counters and reaps it; kills it some time after `patience`, in which it should have
    /// ended by itself.
    pub fn stop(mut self, patience: Duration) -> Stopped {
        let deadline = Instant::now() + patience + PATIENCE / 5;
        let lives = !self.has_ended();
        self.child.ask_to_stop();
        let counters = match self.speaks {
            // Of one that died, its words are asked for below.
            Speaks::Nothing if lives => Err(LaunchError::Refused("a command counts nothing for us".into())),
            _ => self.counters(deadline),
        };
        let (ended, killed) = self.child.reap(deadline);
        let left = orphans::end_all(Some(self.pid()));
        Stopped { counters, ended, killed, left, first_reply_ns: self.first_reply_ns }
    }

    fn counters(&mut self, deadline: Instant) -> Result<CounterSnapshot, LaunchError> {
        const NAME: &str = "server";
        loop {
            match expect(&mut self.child, NAME, deadline.saturating_duration_since(Instant::now()))? {
                FromServer::Served { counters } => return Ok(counters),
                FromServer::FirstReply { at_ns } => self.first_reply_ns = Some(at_ns),
                other => {
                    return Err(LaunchError::Unexpected { name: NAME.into(), said: format!("{other:?}") });
                }
            }
        }
    }

    /// What it has said on standard error, in one line; `None` for nothing.
    pub fn words(&self) -> Option<String> {
        self.child.words()
    }

    /// How it ended, with its words, if it does so within `patience` without being asked.
    pub fn early_end(&mut self, patience: Duration) -> Option<LaunchError> {
        match self.child.line(Instant::now() + patience) {
            Err(ended @ LaunchError::Ended { .. }) => Some(ended),
            _ => None,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.end();
        let left = orphans::end_all(Some(self.pid()));
        if let Some(told) = orphans::told(&left) {
            print_to_stderr(&format!("the {} {told}", self.name));
        }
    }
}

impl Stopped {
    /// What it counted, for the record.
    pub fn counts(&self) -> Reading<BTreeMap<String, u64>> {
        match &self.counters {
            Ok(counters) => Reading::Value(
                counters.rows().into_iter().map(|(name, count)| (name.to_string(), count)).collect(),
            ),
            Err(error) => Reading::Absent(error.to_string()),
        }
    }

    /// Of the connections that it accepted, those of each worker, where its workers accept and it lived to tell.
    pub fn accepted_by_worker(&self) -> Vec<u64> {
        self.counters.as_ref().map_or_else(|_| Vec::new(), |counters| counters.accepted_by_worker.clone())
    }

    /// How a server ended that was not asked to. One that took its leave in order, with its counters and status 0, ended
    /// too soon none the less.
    pub fn early_end(&self) -> String {
        let end = match (&self.counters, self.ended) {
            (Err(error), _) => error.to_string(),
            (Ok(_), Some(ended)) => format!("the server {} before it was asked to stop", ended.describe()),
            (Ok(_), None) => "the server was gone before it was asked to stop".into(),
        };
        match orphans::told(&self.left) {
            Some(told) => format!("{end}, and {told}; have it stay in the foreground"),
            None => end,
        }
    }
}
