//! A message under lease.

use super::inner::{Owner, SubscriptionInner};
use crate::error::AckError;
use crate::external::LetGoLater;
use crate::message::Message;
use crate::record::Received;
use ringmain_ring::sync::MODELLED;
use ringmain_ring::{Handles, LeaseId};
use std::fmt;
use std::mem::take;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

/// Stands for one delivery of one message, for ever: the id of an earlier delivery of the same message has expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct AckId {
    /// Which subscription's: a lease of another one may have the same number.
    pub(super) subscription: u64,
    pub(super) lease: u64,
}

/// A message, owned, to be acked before its deadline. It may be sent to another thread, and acked there, in any order.
/// Dropped without either, it is nacked. Derefs to the message.
#[must_use = "a delivery that is dropped is nacked"]
pub struct Delivery {
    /// None when it was [acked with others](Self::ack_all), which is the end of it.
    subscription: Option<Owner>,
    message: Received,
    attempt: u32,
    lease: LeaseId,
    settled: bool,
}

// Deliveries are moved about by the dozen.
const _: () = assert!(MODELLED || size_of::<Delivery>() <= 40);

impl Delivery {
    #[inline]
    pub(crate) fn new(owner: Owner, message: Received, attempt: u32, lease: LeaseId) -> Self {
        Self { subscription: Some(owner), message, attempt, lease, settled: false }
    }

    /// The message is done with: it will not be delivered again.
    ///
    /// # Errors
    /// [`AckError::Expired`] when the deadline has passed: the message is or will be redelivered.
    #[inline]
    pub fn ack(mut self) -> Result<(), AckError> {
        self.settled = true;
        let leased = self.subscription().ack(self.lease)?;
        let record = take(&mut self.message.record);
        self.subscription().topic.reclaim_both(record, leased);
        Ok(())
    }

    /// Acks them all, for less than one by one: the clock is read once, and they are counted together. What is done with is
    /// taken out of the vector, whose memory may be used again.
    ///
    /// They may be of several subscriptions; those of one should be next to one another, as [`pull_into`] leaves them.
    ///
    /// # Errors
    /// [`AckError::Expired`] when deadlines had passed. All others are acked; those stay in the vector, in order, and are
    /// or will be redelivered.
    ///
    /// [`pull_into`]: crate::Subscription::pull_into
    pub fn ack_all(deliveries: &mut Vec<Self>) -> Result<(), AckError> {
        // The owners of payloads come back to a subscription that has counted.
        let _payloads = LetGoLater::begin();
        let mut owners = Handles::default();
        let (mut late, mut done) = (0, 0);
        while let Some(next) = deliveries.get(done) {
            let Some(subscription) = next.subscription.clone() else {
                done += 1;
                continue;
            };
            let mut acks = subscription.acks();
            while let Some(delivery) = deliveries.get_mut(done)
                && delivery.subscription.as_ref().is_some_and(|next| Arc::ptr_eq(next, &subscription))
            {
                if let Ok(leased) = acks.ack(delivery.lease) {
                    subscription.topic.reclaim_both(take(&mut delivery.message.record), leased);
                    // Those are let go of together as well.
                    drop(delivery.subscription.take().and_then(|owner| owners.join(owner)));
                } else {
                    deliveries.swap(late, done); // with one that is done with
                    late += 1;
                }
                done += 1;
            }
        }
        deliveries.truncate(late);
        if late == 0 { Ok(()) } else { Err(AckError::Expired) }
    }

    /// The message is to be delivered again.
    ///
    /// # Errors
    /// [`AckError::Expired`] when the deadline has passed: it is or will be anyway.
    pub fn nack(mut self) -> Result<(), AckError> {
        self.settled = true;
        self.subscription().nack(self.lease)
    }

    /// Moves the deadline to this long from now, at most 600 s; zero is a nack.
    ///
    /// # Errors
    /// [`AckError::Expired`] when the deadline has passed; [`AckError::DeadlineTooLong`] beyond 600 s.
    pub fn modify_ack_deadline(&self, from_now: Duration) -> Result<(), AckError> {
        self.subscription().modify_ack_deadline(self.lease, from_now)
    }

    #[inline]
    fn subscription(&self) -> &SubscriptionInner {
        self.subscription.as_deref().expect("a delivery that was acked with others is gone")
    }

    /// How often the message has been delivered on this subscription, this time included.
    #[must_use]
    pub fn delivery_attempt(&self) -> u32 {
        self.attempt
    }

    /// The id by which this delivery can be acked from anywhere; see [`Subscription::ack`](crate::Subscription::ack).
    #[must_use]
    pub fn ack_id(&self) -> AckId {
        AckId { subscription: self.subscription().serial, lease: self.lease.to_bits() }
    }

    /// The id, for acking later: the delivery goes without being nacked. With
    /// [`max_lease`](crate::SubscriptionConfig::max_lease), nothing keeps the lease alive any more: it ends after the
    /// subscription's ack deadline, from now.
    #[must_use]
    pub fn into_ack_id(mut self) -> AckId {
        self.settled = true;
        let subscription = self.subscription();
        if subscription.config.max_lease.is_some() {
            // Expired already: then so it stays.
            let _ = subscription.extend(self.lease, subscription.config.ack_deadline);
        }
        self.ack_id()
    }
}

impl Deref for Delivery {
    type Target = Received;

    fn deref(&self) -> &Received {
        &self.message
    }
}

/// The same message again, to be published elsewhere: the payload by reference, and a copy of the rest. The delivery is still to be
/// acked.
impl From<&Delivery> for Message {
    fn from(delivery: &Delivery) -> Self {
        Self::from(&delivery.message)
    }
}

impl Drop for Delivery {
    #[inline]
    fn drop(&mut self) {
        let Some(subscription) = &self.subscription else { return };
        if !self.settled {
            // Expired: it is redelivered all the same.
            let _ = subscription.nack(self.lease);
        }
        subscription.topic.reclaim(take(&mut self.message.record));
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("message", &self.message)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}
