//! Pre-allocated ring buffers with claims, cursors and gates: a disruptor for any `T`.
//!
//! A [`Ring`] owns a power of two of slots, allocated once. Producers *claim* slots, write them and publish them;
//! readers stand on the ring as *cursors*, read the values in place, and hold producers back until they have. Nothing
//! is copied and nothing is allocated per message.
//!
//! ```text
//!            gate: the reader furthest behind         tail: the end of what is claimed
//!              |                                        |
//!   ... | free | read by some | published, unread | claimed | free ...
//! ```
//!
//! * One producer ([`Ring::single`]) or many ([`Ring::multi`]): [`Single`] and [`Multi`] sequencers.
//! * Four kinds of reader: [`Cursor`], [`SharedCursor`] (competing consumers), [`Cover`] (one thread, many cursors)
//!   and [`LossyCursor`] (never holds producers back).
//! * [`Claim`]: several slots at once, written in place or by value; padding for what is not written.
//! * [`WaitStrategy`] and [`Notify`]: spin, spin then park, or park; a publisher pays one load when nobody sleeps.
//! * [`Buffer`] and [`UniqueBuffer`], byte buffers that slots hand back for reuse; [`Slab`], a generation-checked table
//!   for leases; [`TryLock`], state that one thread uses nearly always.
//!
//! "Lock-free" is said here of single operations: a `try_publish` or a `poll` never waits for another thread. (But,
//! wherever that is said, for the list of sleepers while somebody goes to sleep or is woken; and once a ring its second
//! producer waits until the first, which was alone until then, has noticed; and on a ring that is full, whose readers are
//! under a [`Cover`], for whoever is attaching one, or looking after them in its stead; and a lossy reader for whoever holds
//! its cursor.) It is not said of
//! visibility: readers go in order, so a value published behind a claim whose owner was preempted is seen when that owner
//! goes on.
//!
//! All of Ringmain's `unsafe` is in this crate, and every atomic comes from [`sync`].

pub mod sync;

mod buffer;
mod builder;
mod claim;
mod cpus;
mod error;
mod gating;
mod guarded;
#[cfg(all(target_os = "linux", not(any(miri, ringmain_loom, ringmain_shuttle, ringmain_sanitize))))]
mod membarrier;
mod owner;
mod prefetch;
mod reader;
mod ring;
mod sequence;
mod sequencer;
mod slab;
mod slots;
mod try_lock;
mod wait;

pub use buffer::{Buffer, Handles, Labels, Shelf, UniqueBuffer};
pub use builder::Builder;
pub use claim::Claim;
pub use error::{BuildError, ClaimError, Closed, TryPublishError};
pub use owner::{OwnerCell, OwnerGuard};
pub use reader::{
    Batch, Cover, Cursor, LossyCursor, LossyRead, OnFull, PinnedBatch, SharedCursor, Turn, View,
};
pub use ring::Ring;
pub use sequence::Sequence;
pub use sequencer::{Multi, Sequencer, Single, SingleProducer};
pub use slab::{Ending, LeaseId, Slab, StaleLease};
pub use try_lock::{TryLock, TryLockGuard};
pub use wait::{
    Notify, Registration, Sleeper, WaitStrategy, WakeLater, before_sleep, now, spin_until, wait_any,
};
