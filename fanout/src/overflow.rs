//! What happens to a reader that is a whole ring behind, and the cursor that goes with it.

use crate::batch::Batch;
use crate::channel::Channel;
use crate::error::ReceiveError;
use ringmain_ring::{LossyCursor, LossyRead, Multi, OnFull, Ring, Sequence, SharedCursor};
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

/// What happens when a receiver is a whole ring behind and a publisher needs the room. (Whoever
/// claims many slots at once needs room for all of them, and so sooner.)
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Overflow {
    /// The publisher waits, or is told that the ring is full. Nothing is lost.
    #[default]
    Block,
    /// The receiver loses the oldest messages and is told how many. The publisher does not wait.
    DropOldest,
    /// The receiver is detached and told so. The publisher does not wait.
    Detach,
}

/// A position on the ring, lossless or not. Shared by the receivers that compete for it.
pub(crate) enum Position<T: Send + Sync + 'static> {
    Lossless(SharedCursor<T, Multi>),
    Lossy { cursor: LossyCursor<T, Multi>, clone: fn(&T) -> T },
}

impl<T: Send + Sync + 'static> Position<T> {
    pub(crate) fn lossless(ring: &Ring<T, Multi>) -> Arc<Self> {
        Arc::new(Self::Lossless(ring.shared_cursor()))
    }

    pub(crate) fn with_policy(ring: &Ring<T, Multi>, overflow: Overflow) -> Arc<Self>
    where
        T: Clone,
    {
        Self::attach(ring, overflow, |on_full| ring.lossy_cursor(on_full))
    }

    /// As [`with_policy`](Self::with_policy); what is dropped and does not match `predicate` is not counted as lost. A
    /// lossless position drops nothing, and does without.
    pub(crate) fn with_predicate(
        ring: &Ring<T, Multi>,
        overflow: Overflow,
        predicate: impl Fn(&T) -> bool + Send + Sync + 'static,
    ) -> Arc<Self>
    where
        T: Clone,
    {
        Self::attach(ring, overflow, |on_full| ring.lossy_cursor_where(on_full, predicate))
    }

    fn attach(
        ring: &Ring<T, Multi>,
        overflow: Overflow,
        lossy: impl FnOnce(OnFull) -> LossyCursor<T, Multi>,
    ) -> Arc<Self>
    where
        T: Clone,
    {
        let on_full = match overflow {
            Overflow::Block => return Self::lossless(ring),
            Overflow::DropOldest => OnFull::DropOldest,
            Overflow::Detach => OnFull::Detach,
        };
        Arc::new(Self::Lossy { cursor: lossy(on_full), clone: T::clone })
    }

    /// The sequence that is read next.
    pub(crate) fn sequence(&self) -> Sequence {
        match self {
            Self::Lossless(cursor) => cursor.position(),
            Self::Lossy { cursor, .. } => cursor.position(),
        }
    }

    pub(crate) fn is_lossless(&self) -> bool {
        matches!(self, Self::Lossless(_))
    }

    pub(crate) fn detach(&self) {
        match self {
            Self::Lossless(cursor) => {
                cursor.detach();
            }
            Self::Lossy { cursor, .. } => cursor.detach(),
        }
    }

    /// As [`detach`](Self::detach); says how much it leaves behind.
    pub(crate) fn detach_counting(&self) -> u64 {
        match self {
            Self::Lossless(cursor) => cursor.detach_counting().unwrap_or(0),
            Self::Lossy { cursor, .. } => cursor.detach_counting(),
        }
    }

    pub(crate) fn is_detached(&self) -> bool {
        match self {
            Self::Lossless(cursor) => cursor.is_detached(),
            Self::Lossy { cursor, .. } => cursor.is_detached(),
        }
    }

    /// How many messages are unread, or lost and not yet told.
    pub(crate) fn unread(&self) -> u64 {
        match self {
            Self::Lossless(cursor) => cursor.unread(),
            Self::Lossy { cursor, .. } => cursor.unread() + cursor.lost(),
        }
    }

    /// Moves on past padding, if that is what comes next.
    pub(crate) fn pass_padding(&self) {
        match self {
            Self::Lossless(cursor) => cursor.pass_padding(),
            Self::Lossy { cursor, .. } => cursor.pass_padding(),
        }
    }

    /// How many messages were dropped that the predicate did not match, since this was last asked.
    pub(crate) fn take_skipped(&self) -> u64 {
        match self {
            Self::Lossless(_) => 0,
            Self::Lossy { cursor, .. } => cursor.take_skipped(),
        }
    }

    /// Shows the next unread message, if any, and leaves it unread.
    pub(crate) fn peek<R>(&self, show: impl FnOnce(Sequence, &T) -> R) -> Option<R> {
        match self {
            Self::Lossless(cursor) => cursor.peek(show),
            Self::Lossy { cursor, .. } => cursor.peek(show),
        }
    }

    /// Whether there is something to read, or to be told.
    pub(crate) fn has_work(&self) -> bool {
        match self {
            Self::Lossless(cursor) => cursor.is_detached() || !cursor.is_drained(),
            Self::Lossy { cursor, .. } => cursor.has_work(),
        }
    }

    /// Takes at most `limit` slots and shows each message in them to `take`, which clones what it needs and does nothing else:
    /// publishers may be waiting. Returns how many there were.
    #[inline]
    pub(crate) fn take(
        &self,
        limit: usize,
        mut take: impl FnMut(Sequence, &T),
    ) -> Result<usize, ReceiveError> {
        match self {
            Self::Lossless(cursor) => match cursor.claim(limit) {
                Some(batch) => Ok(batch.view().for_each(take)),
                None if cursor.is_detached() => Err(ReceiveError::Detached),
                None => Ok(0),
            },
            Self::Lossy { cursor, .. } => lossy(cursor.read(limit.min(LOSSY_BATCH), &mut take)),
        }
    }

    /// Takes at most `limit` slots and hands them to `read`: in place if lossless, as clones in `scratch` if not,
    /// since whoever reads must not stand in a slot that may be taken.
    #[inline]
    pub(crate) fn read(
        &self,
        limit: usize,
        scratch: &mut Vec<(Sequence, T)>,
        read: impl FnOnce(Batch<'_, T>),
    ) -> Result<usize, ReceiveError> {
        match self {
            Self::Lossless(cursor) => match cursor.claim(limit) {
                Some(batch) => {
                    let batch = Batch::in_place(batch.view());
                    let count = batch.len();
                    read(batch);
                    Ok(count)
                }
                None if cursor.is_detached() => Err(ReceiveError::Detached),
                None => Ok(0),
            },
            Self::Lossy { cursor, clone } => {
                // Empty from here on, also after a panic in `read`: clones keep what they share from others.
                let scratch = Emptied(scratch);
                let count = lossy(
                    cursor.read(limit.min(LOSSY_BATCH), |seq, value| scratch.0.push((seq, clone(value)))),
                )?;
                if count > 0 {
                    read(Batch::cloned(scratch.0));
                }
                Ok(count)
            }
        }
    }

    /// Waits for something to read or to be told (`true`), or until the ring is closed and read to its end, or until
    /// `deadline` (`false`).
    pub(crate) fn wait(&self, channel: &Channel<T>, deadline: Option<Instant>) -> bool {
        let ready = || self.has_work() || self.is_at_end(channel);
        loop {
            let in_time = ringmain_ring::spin_until(channel.wait_strategy(), deadline, ready)
                || channel.data().wait_until(deadline, ready);
            // In this order: at the end there may still be a loss to be told.
            let is_at_end = self.is_at_end(channel);
            if self.has_work() {
                return true;
            }
            // Else a clone was faster.
            if !in_time || is_at_end {
                return false;
            }
        }
    }

    /// Whether the channel is closed and everything that was claimed on it has been taken. (What is claimed and not yet
    /// published was accepted, so the end comes after it.)
    pub(crate) fn is_at_end(&self, channel: &Channel<T>) -> bool {
        channel.ring().is_at_end(self.sequence())
    }
}

/// A vector that is empty when this is dropped.
struct Emptied<'a, T>(&'a mut Vec<T>);

impl<T> Drop for Emptied<'_, T> {
    fn drop(&mut self) {
        self.0.clear();
    }
}

/// How many messages are cloned in one hold of a lossy cursor: what a publisher may have to wait for.
pub(crate) const LOSSY_BATCH: usize = 64;

fn lossy(read: LossyRead) -> Result<usize, ReceiveError> {
    match read {
        LossyRead::Read(count) => Ok(count),
        LossyRead::Lagged(lost) => Err(ReceiveError::Lagged(lost)),
        _ => Err(ReceiveError::Detached),
    }
}

impl<T: Send + Sync + 'static> fmt::Debug for Position<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lossless(cursor) => cursor.fmt(f),
            Self::Lossy { cursor, .. } => cursor.fmt(f),
        }
    }
}
