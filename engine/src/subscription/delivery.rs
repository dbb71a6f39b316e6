//! A message under lease.

use super::inner::{Owner, SubscriptionInner};
use crate::clock::nanos;
use crate::error::AckError;
use crate::record::Received;
use crate::stats::add;
use ringmain_ring::{LeaseId, StaleLease};
use std::fmt;
use std::ops::Deref;
use std::time::Duration;

/// Stands for one delivery of one message, for ever: the id of an earlier delivery of the same message has expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AckId(pub(crate) u64);

/// A message, owned, to be acked before its deadline. It may be sent to another thread, and acked there, in any order.
/// Dropped without either, it is nacked. Derefs to the message.
#[must_use = "a delivery that is dropped is nacked"]
pub struct Delivery {
    subscription: Owner,
    message: Received,
    attempt: u32,
    lease: LeaseId,
    settled: bool,
}

impl Delivery {
    #[inline]
    pub(crate) fn new(subscription: Owner, message: Received, attempt: u32, lease: LeaseId) -> Self {
        Self { subscription, message, attempt, lease, settled: false }
    }

    /// The message is done with: it will not be delivered again.
    ///
    /// # Errors
    /// [`AckError::Expired`] when the deadline has passed: the message is or will be redelivered.
    #[inline]
    pub fn ack(mut self) -> Result<(), AckError> {
        self.settled = true;
        self.subscription.ack(self.lease)
    }

    /// The message is to be delivered again.
    ///
    /// # Errors
    /// [`AckError::Expired`] when the deadline has passed: it is or will be anyway.
    pub fn nack(mut self) -> Result<(), AckError> {
        self.settled = true;
        self.subscription.nack(self.lease)
    }

    /// Moves the deadline to this long from now, at most 600 s; zero is a nack.
    ///
    /// # Errors
    /// [`AckError::Expired`] when the deadline has passed.
    pub fn modify_ack_deadline(&self, from_now: Duration) -> Result<(), AckError> {
        self.subscription.modify_ack_deadline(self.lease, from_now)
    }

    /// How often the message has been delivered on this subscription, this time included.
    #[must_use]
    pub fn delivery_attempt(&self) -> u32 {
        self.attempt
    }

    /// The id by which this delivery can be acked from anywhere; see [`Subscription::ack`](crate::Subscription::ack).
    #[must_use]
    pub fn ack_id(&self) -> AckId {
        AckId(self.lease.to_bits())
    }

    /// The id, for acking later: the delivery goes without being nacked.
    #[must_use]
    pub fn into_ack_id(mut self) -> AckId {
        self.settled = true;
        self.ack_id()
    }
}

impl Deref for Delivery {
    type Target = Received;

    fn deref(&self) -> &Received {
        &self.message
    }
}

impl Drop for Delivery {
    #[inline]
    fn drop(&mut self) {
        if !self.settled {
            // Expired: it is redelivered all the same.
            let _ = self.subscription.nack(self.lease);
        }
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("id", &self.message.id())
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}

impl SubscriptionInner {
    #[inline]
    pub(crate) fn ack(&self, lease: LeaseId) -> Result<(), AckError> {
        self.leases.take(lease, Some(self.topic.clock.now())).map_err(expired)?;
        add(&self.counters.acked, 1);
        self.changed.notify();
        Ok(())
    }

    pub(crate) fn nack(&self, lease: LeaseId) -> Result<(), AckError> {
        let lease = self.leases.take(lease, Some(self.topic.clock.now())).map_err(expired)?;
        add(&self.counters.nacked, 1);
        self.hold(lease.message, lease.attempt);
        Ok(())
    }

    pub(crate) fn modify_ack_deadline(&self, lease: LeaseId, from_now: Duration) -> Result<(), AckError> {
        if from_now.is_zero() {
            return self.nack(lease);
        }
        let now = self.topic.clock.now();
        let deadline = now + nanos(from_now.min(Duration::from_secs(600)));
        self.leases.extend(lease, now, deadline).map_err(expired)?;
        self.is_due_at(deadline);
        Ok(())
    }
}

fn expired(_: StaleLease) -> AckError {
    AckError::Expired
}
