//! What a message is told from others by.

use ringmain_ring::Sequence;
use std::fmt;

/// A message's number, unique in its topic; within a shard it rises in publish order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct MessageId(pub(crate) u64);

impl MessageId {
    #[inline]
    pub(crate) fn new(sequence: Sequence, shard: usize, shards: usize) -> Self {
        Self(sequence.number().wrapping_mul(shards as u64).wrapping_add(shard as u64))
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
