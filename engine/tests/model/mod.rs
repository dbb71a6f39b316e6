//! A naive model of what the engine must do: single-threaded, slow, and written to be read rather than run.
//!
//! The model does not choose. Where the engine is free (how shards interleave, in which order nacked messages come
//! back, how far a slow reader is pushed on), the model is told what the engine did and says whether that was allowed.
//! So every operation here takes what was observed and returns a [`Check`].
//!
//! * [`letter`]: what is published, and its place in a topic.
//! * [`topic`]: who gets a message, and whether there is room for it.
//! * [`subscription`]: what a subscription has, by where it is: not delivered yet, leased, come back, or done with.
//! * [`ring`]: what was not delivered yet, a queue a shard.
//! * [`round`]: which of the messages that came back must go before the ring, and which may not yet.
//! * [`receive`], [`finish`]: which deliveries a call may make, and which it must.
//! * [`lease`]: ack, nack, deadlines.
//! * [`failing`]: what becomes of a delivery that failed: backoff, or the dead-letter topic.
//! * [`filter`], [`stats`].
//! * [`drive`]: histories, and what applies them to the engine and the model.
//! * [`casting`]: histories from a seed, or from any bytes.
//!
//! # What is not known
//!
//! A message that was not delivered yet may have left the ring nevertheless: filtered out, or moved off behind another
//! of its key, or dropped as the oldest. How far the engine got with that is its choice within bounds, which matter for
//! what fits the ring; so a [`ring::Ring`] keeps those bounds, and narrows them by what it sees.

#![allow(dead_code, reason = "the model is shared by several test binaries, and not all use all of it")]

/// Fails the check when a condition does not hold.
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(format!($($message)+));
        }
    };
}

pub(crate) mod casting;
pub(crate) mod drive;
mod failing;
pub(crate) mod filter;
mod finish;
mod lease;
pub(crate) mod letter;
mod receive;
pub(crate) mod ring;
mod round;
pub(crate) mod stats;
pub(crate) mod subscription;
mod topic;

pub(crate) use failing::Arrived;
pub(crate) use lease::{LeaseNo, Outcome};
pub(crate) use receive::{Call, Seen, Way};
pub(crate) use topic::Fits;

use std::time::Duration;
use subscription::Sub;
use topic::Topic;

/// Whether what was observed is allowed; if not, why.
pub(crate) type Check<T = ()> = Result<T, String>;

/// Everything that an engine holds.
#[derive(Debug, Default)]
pub(crate) struct Model {
    /// Since the clock's zero.
    pub(crate) now: Duration,
    /// What happens in one step has no order but that of the ids.
    pub(crate) step: u64,
    pub(crate) topics: Vec<Topic>,
    pub(crate) subs: Vec<Sub>,
    /// What arrived in dead-letter topics in this step, and nobody is known to have given up.
    arrived: Vec<Arrived>,
    /// How many leases began.
    leases: u64,
}

impl Model {
    /// A new step.
    pub(crate) fn step(&mut self) {
        self.step += 1;
    }
}
