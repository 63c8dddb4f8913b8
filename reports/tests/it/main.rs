//! Every integration test of the crate, in one program.

mod advise;
mod advise_distance;
mod browser;
mod bundle;
mod datagrams;
mod envelope;
mod exports;
mod gate;
mod history;
mod history_places;
mod merits;
mod reasons;
mod reports;
mod rooms;
mod schema3;
mod structure;
mod support;
mod sweeps;
mod ties;
mod validity;
mod verdict;
