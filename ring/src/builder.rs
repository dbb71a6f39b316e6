//! Making a ring.

use crate::error::BuildError;
use crate::ring::{Core, Ring};
use crate::sequence::Sequence;
use crate::sequencer::{Multi, Sequencer, Single, SingleProducer};
use crate::slots::Slots;
use crate::wait::WaitStrategy;
use std::sync::Arc;

/// See [`Builder::fetch_ahead`].
const AHEAD: usize = 512;

/// Settings of a ring to be made.
#[derive(Debug, Clone, Copy)]
#[must_use]
pub struct Builder {
    capacity: usize,
    start: Sequence,
    wait: WaitStrategy,
    ahead: usize,
}

impl Builder {
    /// A ring of `capacity` slots, a power of two from 1 to 2^30.
    pub fn new(capacity: usize) -> Self {
        Self { capacity, start: Sequence::new(0), wait: WaitStrategy::default(), ahead: AHEAD }
    }

    /// The first sequence, 0 unless set. For testing what happens near the end of the number range.
    pub fn start(mut self, start: Sequence) -> Self {
        self.start = start;
        self
    }

    /// How producers and readers wait.
    pub fn wait(mut self, wait: WaitStrategy) -> Self {
        self.wait = wait;
        self
    }

    /// How far ahead of what they write producers ask for the cache lines of the slots to come, in bytes: 512 unless set, at
    /// most an eighth of the ring. That suits messages which take a few nanoseconds each to make. For
    /// those that take ten times as long, or are written into memory of their own, 128 is better.
    pub fn fetch_ahead(mut self, bytes: usize) -> Self {
        self.ahead = bytes;
        self
    }

    /// Makes a ring for any number of producers; every slot begins with a `value()`.
    ///
    /// # Errors
    /// [`BuildError`] when the capacity is not a power of two.
    pub fn multi<T: Send + Sync + 'static>(
        self,
        value: impl FnMut() -> T,
    ) -> Result<Ring<T, Multi>, BuildError> {
        self.build(value, None)
    }

    /// As [`multi`](Self::multi), for values that refer to memory of their own, which producers write too. A reader that has
    /// caught up, and is the only one, takes over the cache lines of the slots that it has read, so that a producer need not ask
    /// for its copies to be given up; then it calls `take` with each value, to do the same for the line in which that memory
    /// begins: [`Buffer::take_line`](crate::Buffer::take_line). `take` is quick, and does not panic.
    ///
    /// # Errors
    /// [`BuildError`] when the capacity is not a power of two.
    pub fn multi_taking<T: Send + Sync + 'static>(
        self,
        value: impl FnMut() -> T,
        take: fn(&T),
    ) -> Result<Ring<T, Multi>, BuildError> {
        self.build(value, Some(take))
    }

    /// Makes a ring and its only producer; every slot begins with a `value()`.
    ///
    /// # Errors
    /// [`BuildError`] when the capacity is not a power of two.
    pub fn single<T: Send + Sync + 'static>(
        self,
        value: impl FnMut() -> T,
    ) -> Result<(SingleProducer<T>, Ring<T, Single>), BuildError> {
        let ring = self.build(value, None)?;
        Ok((SingleProducer::new(&ring), ring))
    }

    fn build<T, S: Sequencer>(
        self,
        value: impl FnMut() -> T,
        take: Option<fn(&T)>,
    ) -> Result<Ring<T, S>, BuildError> {
        if !self.capacity.is_power_of_two() || self.capacity > 1 << 30 {
            return Err(BuildError::Capacity { capacity: self.capacity });
        }
        // Also where nobody parks: a claim fences lightly, against a close.
        crate::sync::prepare_fences();
        let mask = self.capacity - 1;
        let begin = self.start.index(mask);
        let stamp = |index: usize| {
            let first = self.start.plus((index.wrapping_sub(begin) & mask) as u64);
            S::unpublished(first, self.capacity as u64)
        };
        let slots = Slots::new(self.capacity, self.ahead, value, stamp, take);
        let core = Core::new(slots, self.start, self.wait);
        Ok(Ring { core: Arc::new(core) })
    }
}
