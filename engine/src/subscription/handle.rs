//! Receiving under lease: what users call.

use super::delivery::{AckId, Delivery};
use super::dispatcher::Dispatcher;
use super::in_place::Verdict;
use super::inner::{End, Owner, SubscriptionInner};
#[cfg(feature = "async")]
use super::stream::DeliveryStream;
use crate::error::{AckError, RecvError};
use crate::external::LetGoLater;
use crate::record::InPlace;
use crate::stats::SubscriptionStats;
use crate::topic::Topic;
use ringmain_ring::sync::{AtomicUsize, Ordering};
use ringmain_ring::{LeaseId, UniqueBuffer, now};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A subscription. Clones are handles on the same one, and compete for its messages.
///
/// Dropping the last handle does not end it: as with the service, it stays in its engine, receives on, and holds publishers up
/// when it is full, until it is [detached](Self::detach) or [deleted](crate::Engine::delete_subscription).
/// [`Engine::subscription`](crate::Engine::subscription) gives another handle.
#[derive(Clone)]
pub struct Subscription {
    inner: Arc<SubscriptionInner>,
    owners: Arc<Owners>,
}

/// What deliveries hold on to, in turn; see [`Owner`].
struct Owners {
    /// Messages received so far, about.
    received: AtomicUsize,
    owners: [Owner; 8],
}

impl Owners {
    /// The owner of the next `max` deliveries: another one every 64 messages.
    #[inline]
    fn next(&self, max: usize) -> &Owner {
        let received = self.received.fetch_add(max, Ordering::Relaxed);
        &self.owners[(received / 64) % self.owners.len()]
    }
}

impl Subscription {
    pub(crate) fn new(inner: Arc<SubscriptionInner>) -> Self {
        let owners = Owners {
            received: AtomicUsize::new(0),
            owners: std::array::from_fn(|_| UniqueBuffer::new(0, Arc::clone(&inner)).share()),
        };
        Self { inner, owners: Arc::new(owners) }
    }

    pub(crate) fn inner(&self) -> &Arc<SubscriptionInner> {
        &self.inner
    }

    /// The subscription's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The topic that it subscribes to.
    #[must_use]
    pub fn topic(&self) -> Topic {
        Topic::from_inner(&self.inner.topic)
    }

    /// The next message, waiting for it. (A thread that must be stopped by itself, before the subscription ends, waits by
    /// [`recv_timeout`](Self::recv_timeout) in a loop.)
    ///
    /// # Errors
    /// [`RecvError::Lagged`], [`RecvError::Detached`], or [`RecvError::Closed`] when nothing is left and nothing comes.
    pub fn recv(&self) -> Result<Delivery, RecvError> {
        self.recv_until(None)
    }

    /// The next message, waiting for it no longer than `timeout`, by the machine's clock.
    ///
    /// # Errors
    /// As [`recv`](Self::recv), and [`RecvError::Timeout`].
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Delivery, RecvError> {
        self.recv_until(now().checked_add(timeout))
    }

    /// The next message, if there is one now. Never waits.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    #[inline]
    pub fn try_recv(&self) -> Result<Option<Delivery>, RecvError> {
        let mut delivery = None;
        let count = self.inner.receive(self.owners.next(1), 1, |one| delivery = Some(one))?;
        if count == 0 && self.inner.is_finished() {
            return Err(self.inner.ended());
        }
        Ok(delivery)
    }

    /// At most `max` messages that are there now. Never waits. ([`Delivery::ack_all`] acks them together, for less.)
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub fn pull(&self, max: usize) -> Result<Vec<Delivery>, RecvError> {
        let mut deliveries = Vec::new();
        self.pull_into(max, &mut deliveries)?;
        Ok(deliveries)
    }

    /// As [`pull`](Self::pull), appending to a vector that may be used again. Returns how many there were.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub fn pull_into(&self, max: usize, deliveries: &mut Vec<Delivery>) -> Result<usize, RecvError> {
        let count = self.inner.receive(self.owners.next(max), max, |one| deliveries.push(one))?;
        if count == 0 && self.inner.is_finished() {
            return Err(self.inner.ended());
        }
        Ok(count)
    }

    /// Waits until there may be something to receive (`true`), or for `timeout` (`false`), by the machine's clock.
    #[must_use]
    pub fn wait(&self, timeout: Duration) -> bool {
        self.inner.wait(now().checked_add(timeout))
    }

    /// Every message, waiting for each; ends when nothing is left and nothing comes. It also ends when the subscription is
    /// detached, be it by its overflow policy: what [`try_recv`](Self::try_recv) then says tells which.
    pub fn iter(&self) -> Deliveries<'_> {
        Deliveries { subscription: self }
    }

    /// Every message, as it comes, for any executor. Cancel-safe: a message is delivered when the stream yields it, and
    /// not before. Ends as [`iter`](Self::iter) does.
    ///
    /// On a topic whose [`WaitStrategy`](crate::WaitStrategy) never parks, a stream that waits has itself polled all the
    /// time.
    #[cfg(feature = "async")]
    pub fn stream(&self) -> DeliveryStream {
        DeliveryStream::new(self.clone())
    }

    fn recv_until(&self, deadline: Option<Instant>) -> Result<Delivery, RecvError> {
        loop {
            if let Some(delivery) = self.try_recv()? {
                return Ok(delivery);
            }
            if deadline.is_some_and(|deadline| now() >= deadline) {
                return Err(RecvError::Timeout);
            }
            self.inner.wait(deadline);
        }
    }

    /// Handles messages in place, on this thread, until the topic is closed and everything handled, or the subscription is
    /// detached: a [`Dispatcher`] with this one subscription ([`Dispatcher::add`] tells how). Several threads may do so and compete.
    /// (To end it by itself, run such a dispatcher and keep its [stop handle](Dispatcher::stop_handle).)
    pub fn process(&self, handler: impl FnMut(InPlace<'_>) -> Verdict + Send + 'static) {
        Dispatcher::new().add(self, handler).run();
    }

    /// The lease that an ack id stands for, if it is one of this subscription's.
    fn lease(&self, id: AckId) -> Result<LeaseId, AckError> {
        if id.subscription == self.inner.serial {
            Ok(LeaseId::from_bits(id.lease))
        } else {
            Err(AckError::Expired)
        }
    }

    /// Acks by id.
    ///
    /// # Errors
    /// [`AckError::Expired`] when that delivery is over.
    pub fn ack(&self, id: AckId) -> Result<(), AckError> {
        self.inner.ack(self.lease(id)?).map(|record| self.inner.topic.reclaim(record))
    }

    /// Acks by id, all of them, as [`Delivery::ack_all`] does.
    ///
    /// # Errors
    /// [`AckError::Expired`] when some of those deliveries were over. All others are acked; the ids of those stay in the
    /// vector, in order.
    pub fn ack_all(&self, ids: &mut Vec<AckId>) -> Result<(), AckError> {
        let _payloads = LetGoLater::begin();
        let mut acks = self.inner.acks();
        ids.retain(|id| match self.lease(*id).and_then(|lease| acks.ack(lease)) {
            Ok(record) => {
                self.inner.topic.reclaim(record);
                false
            }
            Err(_) => true,
        });
        drop(acks);
        if ids.is_empty() { Ok(()) } else { Err(AckError::Expired) }
    }

    /// Nacks by id.
    ///
    /// # Errors
    /// [`AckError::Expired`] when that delivery is over.
    pub fn nack(&self, id: AckId) -> Result<(), AckError> {
        self.inner.nack(self.lease(id)?)
    }

    /// Moves the deadline of a delivery to this long from now, at most 600 s; zero is a nack.
    ///
    /// # Errors
    /// [`AckError::Expired`] when that delivery is over; [`AckError::DeadlineTooLong`] beyond 600 s.
    pub fn modify_ack_deadline(&self, id: AckId, from_now: Duration) -> Result<(), AckError> {
        self.inner.modify_ack_deadline(self.lease(id)?, from_now)
    }

    /// Whether the topic was deleted, or the engine closed, in whichever way: nothing new comes. What is there is still
    /// delivered, unless the engine was closed: that has ended the subscription, at the latest when the drain was over.
    /// ([`Topic::is_deleted`] tells a deleted topic only.)
    #[must_use]
    pub fn is_topic_closed(&self) -> bool {
        self.inner.topic.is_closed()
    }

    /// What the subscription has done so far. Costs a look at every unread slot.
    #[must_use]
    pub fn stats(&self) -> SubscriptionStats {
        self.inner.stats()
    }

    /// Gives the subscription up: its backlog is dropped, nothing new comes, and every later receive says so. Its name stays
    /// taken until [`Engine::delete_subscription`](crate::Engine::delete_subscription), which does both.
    pub fn detach(&self) {
        self.inner.shut(End::Detached);
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("name", &self.inner.name).finish_non_exhaustive()
    }
}

/// Every message of a subscription; see [`Subscription::iter`].
#[derive(Debug)]
#[must_use = "an iterator does nothing until it is used"]
pub struct Deliveries<'a> {
    subscription: &'a Subscription,
}

impl Iterator for Deliveries<'_> {
    /// A gap is told like a message, and the iteration goes on after it.
    type Item = Result<Delivery, RecvError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.subscription.recv() {
            Err(RecvError::Closed | RecvError::Detached) => None,
            other => Some(other),
        }
    }
}
