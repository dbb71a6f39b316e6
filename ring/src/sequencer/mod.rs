//! Sequencers: how sequences are claimed and made readable.
//!
//! Two algorithms behind one trait. [`Single`] has one producer and one published cursor, a release store a publish.
//! [`Multi`] has any number of producers, one claim cursor that they compare-and-swap, and a stamp in every slot, so
//! that nobody waits for a slower producer before publishing its own slots.

mod multi;
mod single;

pub use multi::Multi;
pub use single::{Single, SingleProducer};

use crate::sequence::Sequence;
use crate::slots::Slots;
use std::fmt::Debug;

pub(crate) mod sealed {
    /// Closes [`Sequencer`](super::Sequencer): readers trust what a sequencer says to be readable.
    pub trait Sealed {}
}

/// How a ring claims and publishes: [`Single`] or [`Multi`]. Sealed.
pub trait Sequencer: sealed::Sealed + Debug + Send + Sync + Sized + 'static {
    /// Whether there is one producer, and so one who scans the gates in order to publish.
    #[doc(hidden)]
    const ALONE: bool;

    /// What stands beside each value.
    #[doc(hidden)]
    type Stamp: Debug + Send + Sync;

    #[doc(hidden)]
    fn new(start: Sequence) -> Self;

    /// The stamp of the slot that `first` will be the first sequence to use.
    #[doc(hidden)]
    fn unpublished(first: Sequence, capacity: u64) -> Self::Stamp;

    /// Where a cursor attached now begins: nothing returned as published lies at or after it, and everything whose
    /// publish starts later does.
    #[doc(hidden)]
    fn tail(&self) -> Sequence;

    /// Refuses every claim from the return on. Those that succeeded lie before `end_of_claims` to whoever learns of it.
    #[doc(hidden)]
    fn seal(&self);

    /// Once sealed: where the last claim ends. Everything before it is published, or will be; nothing else will.
    #[doc(hidden)]
    fn end_of_claims(&self) -> Sequence;

    /// The end of the run of published slots that begins at `from`, looked for no further than `limit` slots. What
    /// lies before the answer happened before the return. If there is padding in it, `padded` becomes the sequence after
    /// the last of it.
    #[doc(hidden)]
    fn look<T>(
        &self,
        slots: &SlotsOf<T, Self>,
        from: Sequence,
        limit: u64,
        padded: &mut Sequence,
    ) -> Sequence;

    /// As [`look`](Self::look), without regard to padding.
    #[doc(hidden)]
    #[inline]
    fn published<T>(&self, slots: &SlotsOf<T, Self>, from: Sequence, limit: u64) -> Sequence {
        let mut padded = from;
        self.look(slots, from, limit, &mut padded)
    }

    /// How many values, padding not included, are published from `from` on. Reads no value, so it needs no gate; exact
    /// while nobody publishes or lets slots go.
    #[doc(hidden)]
    fn count_values<T>(&self, slots: &SlotsOf<T, Self>, from: Sequence) -> u64;

    /// As [`count_values`](Self::count_values), with what is claimed and not yet published: that may become padding yet.
    #[doc(hidden)]
    fn count_claimed<T>(&self, slots: &SlotsOf<T, Self>, from: Sequence) -> u64;

    /// Writes into each line of the slots `from..to`, which changes nothing but whose line it is. The caller has seen them
    /// published, and holds producers back from them.
    #[doc(hidden)]
    fn take_lines<T>(&self, _slots: &SlotsOf<T, Self>, _from: Sequence, _to: Sequence) {}

    /// Whether the published slot with this stamp holds padding: a claim whose holder wrote nothing.
    #[doc(hidden)]
    fn is_padding(stamp: &Self::Stamp) -> bool;
}

/// The slots of a ring with sequencer `S`; opaque outside this crate.
#[doc(hidden)]
#[derive(Debug)]
pub struct SlotsOf<T, S: Sequencer>(pub(crate) Slots<T, S::Stamp>);
