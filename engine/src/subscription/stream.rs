//! Receiving without a thread: a stream of deliveries, on any executor.
//!
//! The task is in the lists of all who may wake it only while it waits, so that however often it is polled, and however
//! much it receives, no list grows.

use super::delivery::Delivery;
use super::handle::Subscription;
use crate::error::RecvError;
use futures_core::Stream;
use ringmain_ring::{Notify, Sleeper, before_sleep};
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// Every message of a subscription, as it comes; see [`Subscription::stream`].
#[must_use = "a stream does nothing until it is polled"]
pub struct DeliveryStream {
    subscription: Subscription,
    /// The task that waits, in the lists of all who may wake it.
    asleep: Option<Arc<Sleeper>>,
}

impl DeliveryStream {
    pub(super) fn new(subscription: Subscription) -> Self {
        Self { subscription, asleep: None }
    }

    /// Puts the task into the lists of all who may wake it.
    fn lie_down(&mut self, waker: &Waker) {
        let sleeper = Sleeper::task(waker);
        for notify in notifies(&self.subscription) {
            notify.register(&sleeper).stay();
        }
        self.asleep = Some(sleeper);
    }

    /// Takes the task out of the lists again: who woke it has only done so in one.
    fn get_up(&mut self) {
        if let Some(sleeper) = self.asleep.take() {
            for notify in notifies(&self.subscription) {
                notify.unregister(&sleeper);
            }
        }
    }
}

/// What wakes a reader, room for what is staged included, which may be staged at any moment.
fn notifies(subscription: &Subscription) -> Vec<&Notify> {
    let inner = subscription.inner();
    let mut notifies = vec![&inner.changed];
    inner.add_notifies(true, &mut notifies);
    notifies
}

impl Stream for DeliveryStream {
    /// A gap is told like a message, and the stream goes on after it.
    type Item = Result<Delivery, RecvError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_up();
        match self.subscription.try_recv() {
            Ok(None) => {}
            other => return Poll::Ready(ended(other)),
        }
        self.lie_down(context.waker());
        before_sleep();
        // Once more: what came before the task was registered woke nobody.
        match self.subscription.try_recv() {
            Ok(None) => {
                let inner = self.subscription.inner();
                // Where nobody parks, nobody is told of what comes. Elsewhere, what is there and was not received was in
                // another call's hands for a moment: its credit, or the lock of a publisher's lane.
                if !inner.topic.config.wait.parks()
                    || (inner.has_credit() && inner.has_work(inner.has_staged()))
                {
                    context.waker().wake_by_ref();
                }
                Poll::Pending
            }
            other => {
                self.get_up();
                Poll::Ready(ended(other))
            }
        }
    }
}

impl Drop for DeliveryStream {
    fn drop(&mut self) {
        self.get_up();
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
