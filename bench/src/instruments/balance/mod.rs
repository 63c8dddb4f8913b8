//! A real balancer before several servers of a model, one of which may be killed under load and come back.
//!
//! ```text
//! swarm ──> haproxy | nginx | a command ──> server 1 .. n      balanced
//! swarm ──────────────────────────────────> server             direct: the same without a balancer, and without company
//! ```
//!
//! All are processes of their own on loopback, children in the foreground that end with the tool. Servers and balancer share the
//! server CPUs, so that balanced and direct have the same CPUs to work with, and a balancer has one thread. What is not ours to
//! choose alike (health checks, retries) stands in the record word for word: the whole configuration.

mod balancer;
mod configuration;
mod course;
mod seats;

pub use balancer::{Balancer, Installed, admit, find_program, version};
pub use course::take;

use bakeoff_reports::record::balance::Policy;

/// What stands before the servers in one trial.
#[derive(Clone, Copy, Debug)]
pub struct Front<'a> {
    /// The balancer.
    pub installed: &'a Installed,
    /// How it is told to choose; `None` for one that has a policy of its own, or that is none.
    pub policy: Option<Policy>,
}

/// The trials of every balancer with every policy that it is told.
pub fn fronts<'a>(installed: &'a [Installed], policies: &[Policy]) -> Vec<Front<'a>> {
    let of = |one: &'a Installed| -> Vec<Front<'a>> {
        match one.balancer {
            Balancer::Haproxy | Balancer::Nginx => {
                policies.iter().map(|policy| Front { installed: one, policy: Some(*policy) }).collect()
            }
            Balancer::Own { .. } | Balancer::Direct => vec![Front { installed: one, policy: None }],
        }
    };
    installed.iter().flat_map(of).collect()
}
