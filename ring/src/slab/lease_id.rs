//! What stands for a lease, and why one could not be ended.

/// Which lease: the entry, and which of its uses. Stands for one delivery for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LeaseId {
    pub(super) index: u32,
    pub(super) generation: u32,
}

impl LeaseId {
    /// As one number, for carrying it elsewhere.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        ((self.generation as u64) << 32) | self.index as u64
    }

    /// Back from [`to_bits`](Self::to_bits). Any number is safe: one that never was an id is stale.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "the two halves of one number")]
    pub const fn from_bits(bits: u64) -> Self {
        Self { index: bits as u32, generation: (bits >> 32) as u32 }
    }
}

/// Why a lease could not be ended or extended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StaleLease {
    /// Somebody else ended it: it was acked, nacked or expired.
    #[error("the lease has ended")]
    Ended,
    /// Its deadline has passed, though nobody has collected it yet.
    #[error("the lease's deadline has passed")]
    Late,
}
