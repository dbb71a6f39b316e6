//! What can go wrong, with the rejected value inside.

use std::fmt;

/// Why a ring could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The capacity is not a power of two from 1 to 2^30.
    #[error("a ring has a power of two slots, from 1 to 1073741824, not {capacity}; {} would do", suggestion(*.capacity))]
    Capacity {
        /// What was asked for.
        capacity: usize,
    },
}

fn suggestion(capacity: usize) -> usize {
    capacity.clamp(1, 1 << 30).next_power_of_two()
}

/// Why a value was not published, without waiting. The value comes back.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TryPublishError<T> {
    /// The slowest reader has not yet left the slot: try again when it has, or use the waiting form.
    #[error("the ring is full: its slowest reader is a whole ring behind")]
    Full(T),
    /// The ring was closed; nothing is published any more.
    #[error("the ring is closed")]
    Closed(T),
}

impl<T> TryPublishError<T> {
    /// The value that was not published.
    pub fn into_inner(self) -> T {
        match self {
            Self::Full(value) | Self::Closed(value) => value,
        }
    }
}

// Not derived: the value need not be printable for its error to be.
impl<T> fmt::Debug for TryPublishError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "Full(..)",
            Self::Closed(_) => "Closed(..)",
        })
    }
}

/// The ring was closed while, or before, the caller waited for room. The value comes back.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("the ring is closed")]
pub struct Closed<T>(pub T);

impl<T> fmt::Debug for Closed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Closed(..)")
    }
}

/// Why a range of slots could not be claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClaimError {
    /// There is no room for all of it now.
    #[error("the ring is full: its slowest reader leaves no room for the claim")]
    Full,
    /// The ring was closed.
    #[error("the ring is closed")]
    Closed,
    /// More slots than the ring has: no wait would help.
    #[error("a claim of {count} slots does not fit a ring of {capacity}; claim at most {capacity} at a time")]
    TooLarge {
        /// What was asked for.
        count: u64,
        /// What the ring has.
        capacity: u64,
    },
}
