//! The engine's tests, a module for each thing: one program, since forty take several times as long to build. `cargo test
//! -p ringmain --test suite leases::` runs one of them. What needs a process, features or a build of its own is beside this
//! folder.

#[path = "../common/mod.rs"]
mod common;
#[path = "../tasks/mod.rs"]
mod tasks;

mod ack_all;
mod batcher;
mod batches;
mod closed;
mod closing;
mod competing;
mod core;
mod counters;
mod credit_histories;
mod credit_waits;
mod dead_letter;
mod deadlines;
mod defaults;
mod delivery;
mod draining;
mod ending;
mod filters;
mod flow_control;
mod gaps;
mod in_place;
mod leases;
mod ledger;
mod max_lease;
mod ordered;
mod ordered_in_place;
mod ordered_threads;
mod overflow;
mod parked;
mod predecessor;
mod publishing;
mod publishing_async;
mod publishing_keys;
mod publishing_limits;
mod refusals;
mod retry;
mod ring_bytes;
mod ring_bytes_copied;
mod semantics;
mod stress;
