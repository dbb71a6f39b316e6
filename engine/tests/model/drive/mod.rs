//! Drives the engine and the model by the same history, and compares after every step.
//!
//! A [`History`] is a list of operations that name their objects by number, modulo how many there are, so that any part
//! of a history is a history, and a failing one shrinks. [`World`] holds the engine, the model and what a user would
//! hold. Nothing waits: what would is left out, by what the model knows of the room there is.
//!
//! A history comes from proptest, or is [decoded](super::casting) from a seed or any bytes. [`World::live`] lives through it,
//! and [`World::live_traced`] says what happened as well: that is all there is to know for who makes histories.
//!
//! Looking at a subscription's counters makes the engine fetch what publishers have enqueued. A *quiet* history looks
//! only when told to, so that enqueued messages stay where they are for a while.

mod asides;
mod checking;
mod dispatching;
mod history;
mod letters;
mod naming;
mod payloads;
mod publishers;
mod publishing;
mod receiving;
mod spying;
mod tasks;
mod trace;
mod world;

pub(crate) use history::*;
pub(crate) use letters::LetterShape;
#[allow(unused_imports, reason = "as in `casting`")]
pub(crate) use trace::Trace;
pub(crate) use world::World;
