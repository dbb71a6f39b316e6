//! A receiver: a position of its own, or a share in one.

use crate::batch::Batch;
use crate::channel::Channel;
use crate::error::ReceiveError;
use crate::overflow::Position;
use ringmain_ring::Sequence;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

/// Reads a [`Channel`]. Clones *compete*: each message goes to one of them. The last one dropped detaches the position
/// and wakes publishers that wait for it.
pub struct Receiver<T: Send + Sync + 'static> {
    channel: Channel<T>,
    position: Arc<Position<T>>,
    /// Clones being read, under a policy that does not read in place.
    scratch: Vec<(Sequence, T)>,
}

impl<T: Send + Sync + 'static> Receiver<T> {
    pub(crate) fn new(channel: Channel<T>, position: Arc<Position<T>>) -> Self {
        Self { channel, position, scratch: Vec::new() }
    }

    /// Reads at most `limit` slots, in place where the policy allows; returns how many messages there were, which is 0
    /// also when there was only padding. Waits for no message; but under a lossy policy for a clone that reads just then.
    ///
    /// Publishers wait for an in-place reader to return. If `read` panics, the rest of the batch counts as read.
    ///
    /// # Errors
    /// [`ReceiveError`] when messages were lost, or the receiver was detached.
    #[inline]
    pub fn poll(&mut self, limit: usize, mut read: impl FnMut(Sequence, &T)) -> Result<usize, ReceiveError> {
        let mut count = 0;
        self.read(limit, |batch| count = batch.for_each(&mut read))?;
        Ok(count)
    }

    /// As [`poll`](Self::poll), a batch at a time. Returns how many slots it spanned; under a lossy policy, how many messages there
    /// were.
    ///
    /// # Errors
    /// As [`poll`](Self::poll).
    #[inline]
    pub fn read(&mut self, limit: usize, read: impl FnOnce(Batch<'_, T>)) -> Result<usize, ReceiveError> {
        self.position.read(limit, &mut self.scratch, read)
    }

    /// Takes at most `limit` slots, showing each message in them to `take`, which should clone what it needs and do no work: the
    /// publishers may be waiting, whatever the policy. Needs no `&mut`, so many threads may share one receiver. Under a
    /// lossy policy, a call from within `take` takes nothing.
    ///
    /// # Errors
    /// As [`poll`](Self::poll).
    #[inline]
    pub fn take(&self, limit: usize, take: impl FnMut(Sequence, &T)) -> Result<usize, ReceiveError> {
        self.position.take(limit, take)
    }

    /// Shows the next unread message to `show`, if there is one, and leaves it unread. `show` should be quick: publishers
    /// may be waiting, whatever the policy. Under a lossy policy, a loss that is still to be told is passed over.
    ///
    /// Never waits: under a lossy policy, `None` also while others read or publish just here.
    pub fn peek<R>(&self, show: impl FnOnce(Sequence, &T) -> R) -> Option<R> {
        self.position.peek(show)
    }

    /// Waits until there is something to read or to be told (`true`), or until the channel is closed and read to its
    /// end, or until `deadline` (`false`).
    #[must_use]
    pub fn wait(&self, deadline: Option<Instant>) -> bool {
        self.position.wait(&self.channel, deadline)
    }

    /// Whether there is something to read, or to be told.
    #[must_use]
    pub fn has_work(&self) -> bool {
        self.position.has_work()
    }

    /// The sequence that is read next.
    #[must_use]
    pub fn position(&self) -> Sequence {
        self.position.sequence()
    }

    /// How many slots are claimed and not yet read; padding and what is not yet published among them.
    #[must_use]
    pub fn backlog(&self) -> u64 {
        self.position().until(self.channel.tail())
    }

    /// How many messages are published and not yet read, or lost and not yet told: exact while nobody publishes or
    /// reads. Costs a look at each.
    #[must_use]
    pub fn unread(&self) -> u64 {
        self.position.unread()
    }

    /// How many messages the overflow policy dropped, since this was last called, that the receiver's
    /// [predicate](Channel::receiver_where) did not match: they are in no [`Lagged`](ReceiveError::Lagged). At rest,
    /// published = read + lost + skipped + [`unread`](Self::unread).
    #[must_use = "what is taken is not counted again"]
    pub fn take_skipped(&self) -> u64 {
        self.position.take_skipped()
    }

    /// Whether the position was given up.
    #[must_use]
    pub fn is_detached(&self) -> bool {
        self.position.is_detached()
    }

    /// Gives up the position, for all clones: they get [`ReceiveError::Detached`], and no publisher waits for them.
    pub fn detach(&self) {
        self.position.detach();
    }

    /// As [`detach`](Self::detach). Returns how many messages were claimed, and neither read nor lost; if a publisher has detached
    /// the position before, by the overflow policy, that includes what was claimed since. Costs a look at each.
    #[expect(clippy::must_use_candidate, reason = "the effect is the point")]
    pub fn detach_counting(&self) -> u64 {
        self.position.detach_counting()
    }

    /// The channel that this reads.
    #[must_use]
    pub fn channel(&self) -> &Channel<T> {
        &self.channel
    }

    pub(crate) fn shared_position(&self) -> &Arc<Position<T>> {
        &self.position
    }
}

impl<T: Send + Sync + 'static> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        Self::new(self.channel.clone(), Arc::clone(&self.position))
    }
}

impl<T: Send + Sync + 'static> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("position", &self.position).finish_non_exhaustive()
    }
}
