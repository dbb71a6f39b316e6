//! Receiving without a thread: a stream of deliveries, on any executor.

use super::delivery::Delivery;
use super::handle::Subscription;
use crate::error::RecvError;
use futures_core::Stream;
use ringmain_ring::{Sleeper, before_sleep};
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Every message of a subscription, as it comes; see [`Subscription::stream`].
#[must_use = "a stream does nothing until it is polled"]
pub struct DeliveryStream {
    subscription: Subscription,
}

impl DeliveryStream {
    pub(super) fn new(subscription: Subscription) -> Self {
        Self { subscription }
    }
}

impl Stream for DeliveryStream {
    /// A gap is told like a message, and the stream goes on after it.
    type Item = Result<Delivery, RecvError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.subscription.try_recv() {
            Ok(None) => {}
            other => return Poll::Ready(ended(other)),
        }
        let inner = self.subscription.inner();
        let stuck = inner.has_staged();
        let mut notifies = vec![&inner.changed];
        inner.add_notifies(stuck, &mut notifies);
        let sleeper = Sleeper::task(context.waker());
        let registrations: Vec<_> = notifies.into_iter().map(|notify| notify.register(&sleeper)).collect();
        before_sleep();
        // Once more: what came before the registration notified nobody.
        match self.subscription.try_recv() {
            Ok(None) => {
                registrations.into_iter().for_each(|registration| registration.stay());
                Poll::Pending
            }
            other => Poll::Ready(ended(other)),
        }
    }
}

fn ended(outcome: Result<Option<Delivery>, RecvError>) -> Option<Result<Delivery, RecvError>> {
    match outcome {
        Ok(delivery) => delivery.map(Ok),
        Err(RecvError::Closed | RecvError::Detached) => None,
        Err(error) => Some(Err(error)),
    }
}

impl fmt::Debug for DeliveryStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DeliveryStream").field(&self.subscription).finish()
    }
}
