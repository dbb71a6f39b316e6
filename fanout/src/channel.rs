//! The channel: where publishers and receivers meet.

use crate::overflow::{Overflow, Position};
use crate::receiver::Receiver;
use crate::registry::{Registry, Slowest};
use ringmain_ring::{
    BuildError, Builder, Claim, ClaimError, Closed, Multi, Notify, Ring, Sequence, TryPublishError,
    WaitStrategy,
};
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

/// A ring that any number of publishers write and any number of receivers read. Cheap to clone.
///
/// With no receiver attached, publishing succeeds and overwrites what nobody will read.
pub struct Channel<T: Send + Sync + 'static> {
    ring: Ring<T, Multi>,
    registry: Arc<Registry<T>>,
}

impl<T: Send + Sync + 'static> Channel<T> {
    /// A channel on a ring of `capacity` slots, each filled by `value` to begin with.
    ///
    /// # Errors
    /// [`BuildError`] when the capacity is not a power of two.
    pub fn new(capacity: usize, value: impl FnMut() -> T) -> Result<Self, BuildError> {
        ChannelBuilder::new(capacity).build(value)
    }

    /// Publishes `value`, waiting for room. It is readable when this returns; behind another publisher's open claim, once that one
    /// goes on. Not from a handler of the same channel, which on a full ring would wait for itself: see
    /// [`try_publish`](Self::try_publish).
    ///
    /// # Errors
    /// [`Closed`] with the value.
    #[inline(always)]
    pub fn publish(&self, value: T) -> Result<Sequence, Closed<T>> {
        self.ring.publish(value)
    }

    /// Publishes `value` if there is room now.
    ///
    /// # Errors
    /// [`TryPublishError`] with the value.
    #[inline(always)]
    pub fn try_publish(&self, value: T) -> Result<Sequence, TryPublishError<T>> {
        self.ring.try_publish(value)
    }

    /// As [`publish`](Self::publish), and gives back what the slot held a lap ago, for reuse.
    ///
    /// # Errors
    /// [`Closed`] with the value.
    #[inline(always)]
    pub fn exchange(&self, value: T) -> Result<(Sequence, T), Closed<T>> {
        self.ring.exchange(value)
    }

    /// As [`try_publish`](Self::try_publish), and gives back what the slot held a lap ago, for reuse.
    ///
    /// # Errors
    /// [`TryPublishError`] with the value.
    #[inline(always)]
    pub fn try_exchange(&self, value: T) -> Result<(Sequence, T), TryPublishError<T>> {
        self.ring.try_exchange(value)
    }

    /// As [`try_exchange`](Self::try_exchange), for a caller who will [wait for room](Self::wait_for_room) if there is
    /// none.
    ///
    /// # Errors
    /// [`TryPublishError`] with the value.
    #[inline(always)]
    pub fn exchange_or_wait(&self, value: T) -> Result<(Sequence, T), TryPublishError<T>> {
        self.ring.exchange_or_wait(value)
    }

    /// Claims `count` slots to be written in order and published together, waiting for room.
    ///
    /// # Errors
    /// [`ClaimError`] when the channel is closed, or has fewer slots than that.
    #[inline]
    pub fn claim(&self, count: u64) -> Result<Claim<T, &Ring<T, Multi>>, ClaimError> {
        self.ring.claim(count)
    }

    /// As [`claim`](Self::claim), without waiting.
    ///
    /// # Errors
    /// [`ClaimError`], also when the room is not there now.
    #[inline]
    pub fn try_claim(&self, count: u64) -> Result<Claim<T, &Ring<T, Multi>>, ClaimError> {
        self.ring.try_claim(count)
    }

    /// Waits until there may be room to claim `count` slots, or the channel is closed (`true`), or until `deadline`
    /// (`false`). Others may be faster: try, and wait again.
    #[must_use]
    pub fn wait_for_room(&self, count: u64, deadline: Option<Instant>) -> bool {
        self.ring.wait_for_room(count, deadline)
    }

    /// A receiver for which publishers wait ([`Overflow::Block`]). It sees every message whose publish starts after
    /// this returns, and none whose publish returned before.
    #[must_use]
    pub fn receiver(&self) -> Receiver<T> {
        self.named_receiver("")
    }

    /// As [`receiver`](Self::receiver), with a name for [`slowest`](Self::slowest).
    #[must_use]
    pub fn named_receiver(&self, name: impl Into<String>) -> Receiver<T> {
        self.register(name.into(), Position::lossless(&self.ring))
    }

    /// A receiver with the given policy. Messages are cloned for it, unless the policy is [`Overflow::Block`].
    #[must_use]
    pub fn receiver_with(&self, name: impl Into<String>, overflow: Overflow) -> Receiver<T>
    where
        T: Clone,
    {
        self.register(name.into(), Position::with_policy(&self.ring, overflow))
    }

    /// As [`receiver_with`](Self::receiver_with), for a receiver that leaves out what does not match `predicate`: a gap
    /// does not count that either, but [`take_skipped`](Receiver::take_skipped) does. What is received is not filtered:
    /// the receiver looks at that itself, under [`Overflow::Block`] at everything. Under [`Overflow::Detach`] nothing is
    /// dropped before the end.
    ///
    /// `predicate` is called by publishers that wait for room: it must be quick, and neither publish here nor wait for
    /// anything. If it panics, the message counts as lost. It is dropped when the receiver is detached, under
    /// [`Overflow::Block`] at once.
    #[must_use]
    pub fn receiver_where(
        &self,
        name: impl Into<String>,
        overflow: Overflow,
        predicate: impl Fn(&T) -> bool + Send + Sync + 'static,
    ) -> Receiver<T>
    where
        T: Clone,
    {
        self.register(name.into(), Position::with_predicate(&self.ring, overflow, predicate))
    }

    fn register(&self, name: String, position: Arc<Position<T>>) -> Receiver<T> {
        self.registry.add(name, &position);
        // Whoever made padding meanwhile has not met it. (Whoever does so from now on does: the registry has a lock.)
        position.pass_padding();
        Receiver::new(self.clone(), position)
    }

    /// Which receiver is furthest behind, among those that publishers wait for.
    #[must_use]
    pub fn slowest(&self) -> Option<Slowest> {
        self.registry.slowest(self.ring.tail())
    }

    /// Moves every receiver on past the padding that it stands at: what nobody needs to read keeps no room. For whoever
    /// claims slots for what they held. Never waits.
    pub fn pass_padding(&self) {
        self.registry.pass_padding();
    }

    /// Where the receiver furthest behind stands, leaving out [`Overflow::DropOldest`] and [`Overflow::Detach`] unless
    /// `lossy`; the [`tail`](Self::tail) if there is none. Costs a look at each receiver.
    #[must_use]
    pub fn earliest(&self, lossy: bool) -> Sequence {
        self.registry.earliest(self.tail(), lossy)
    }

    /// Refuses publishing from now on and wakes everybody who waits. What was accepted will be read: receivers end only
    /// after the last claim that succeeded.
    pub fn close(&self) {
        self.ring.close();
    }

    /// Whether [`close`](Self::close) was called. If so, [`tail`](Self::tail) is final.
    #[must_use]
    #[inline]
    pub fn is_closed(&self) -> bool {
        self.ring.is_closed()
    }

    /// How many slots there are.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.ring.capacity()
    }

    /// The end of what is claimed.
    #[must_use]
    pub fn tail(&self) -> Sequence {
        self.ring.tail()
    }

    /// The first sequence that is claimed and not yet published, if there is one; see [`Ring::unpublished`].
    #[must_use]
    pub fn unpublished(&self) -> Option<Sequence> {
        self.ring.unpublished()
    }

    /// Notified when there is something new to read (unless the strategy is [`WaitStrategy::Spin`]).
    #[must_use]
    pub fn data(&self) -> &Notify {
        self.ring.data()
    }

    /// Notified when a receiver has made room (unless the strategy is [`WaitStrategy::Spin`]).
    #[must_use]
    pub fn room(&self) -> &Notify {
        self.ring.room()
    }

    /// How waiting is done here.
    #[must_use]
    pub fn wait_strategy(&self) -> WaitStrategy {
        self.ring.wait_strategy()
    }

    pub(crate) fn ring(&self) -> &Ring<T, Multi> {
        &self.ring
    }

    /// Whether both are handles on the same channel.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.registry, &other.registry)
    }
}

impl<T: Send + Sync + 'static> Clone for Channel<T> {
    fn clone(&self) -> Self {
        Self { ring: self.ring.clone(), registry: Arc::clone(&self.registry) }
    }
}

impl<T: Send + Sync + 'static> fmt::Debug for Channel<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Channel").field(&self.ring).finish()
    }
}

/// Settings of a channel to be made.
#[derive(Debug, Clone, Copy)]
#[must_use]
pub struct ChannelBuilder(Builder);

impl ChannelBuilder {
    /// A channel on a ring of `capacity` slots, a power of two.
    pub fn new(capacity: usize) -> Self {
        Self(Builder::new(capacity))
    }

    /// The first sequence, 0 unless set. For testing what happens near the end of the number range.
    pub fn start(self, start: Sequence) -> Self {
        Self(self.0.start(start))
    }

    /// How publishers and receivers wait.
    pub fn wait(self, wait: WaitStrategy) -> Self {
        Self(self.0.wait(wait))
    }

    /// How far ahead publishers ask for the cache lines of the slots to come, in bytes; see [`Builder::fetch_ahead`].
    pub fn fetch_ahead(self, bytes: usize) -> Self {
        Self(self.0.fetch_ahead(bytes))
    }

    /// Makes the channel; every slot begins with a `value()`.
    ///
    /// # Errors
    /// [`BuildError`] when the capacity is not a power of two.
    pub fn build<T: Send + Sync + 'static>(self, value: impl FnMut() -> T) -> Result<Channel<T>, BuildError> {
        Ok(Channel { ring: self.0.multi(value)?, registry: Arc::new(Registry::new()) })
    }

    /// As [`build`](Self::build); `take` takes over the memory that a value refers to: see [`Builder::multi_taking`].
    ///
    /// # Errors
    /// [`BuildError`] when the capacity is not a power of two.
    pub fn build_taking<T: Send + Sync + 'static>(
        self,
        value: impl FnMut() -> T,
        take: fn(&T),
    ) -> Result<Channel<T>, BuildError> {
        Ok(Channel { ring: self.0.multi_taking(value, take)?, registry: Arc::new(Registry::new()) })
    }
}
