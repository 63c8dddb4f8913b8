//! Every integration test of the tool, in one program.

mod ab;
mod advise;
mod anatomy;
mod budget;
mod catalogue;
mod cli;
mod envelope;
mod exit;
mod export;
mod faults;
mod history;
mod http;
mod peers_output;
mod probe;
mod recognition;
mod rooms;
mod support;
mod swarm;
mod swarm_allocations;
mod swarm_background;
mod swarm_pipeline;
mod swarm_schedule;
mod swarm_worker;
mod sweep;
mod verify;
mod web;
