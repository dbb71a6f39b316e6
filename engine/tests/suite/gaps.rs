//! Gaps of subscriptions that lose what they do not read in time, behind messages that come back.

#![expect(clippy::unwrap_used, reason = "the helpers of a test panic as the test does")]

use crate::common::{manual, message, topic};
use ringmain::{Engine, ManualClock, Overflow, Publisher, RecvError, Subscription, SubscriptionConfig};
use std::time::Duration;

/// A ring of four slots, and a subscription that loses what it does not read in time.
fn lossy(config: SubscriptionConfig) -> (Engine, ManualClock, Publisher, Subscription) {
    let (engine, clock) = manual();
    let topic = topic(&engine, 4);
    let subscription = topic.create_subscription("sub", config.overflow(Overflow::DropOldest)).unwrap();
    (engine, clock, topic.publisher(), subscription)
}

/// Each batch begins with a message that fails again.
#[test]
fn one_that_always_fails_keeps_neither_the_gap_nor_the_ring_from_anybody() {
    let (_engine, _clock, publisher, subscription) = lossy(SubscriptionConfig::default());
    publisher.publish(message(0)).unwrap();
    subscription.recv().unwrap().nack().unwrap();
    (1..=20).for_each(|n| _ = publisher.publish(message(n)).unwrap());
    let (mut lost, mut read) = (0, 0);
    for _ in 0..10 {
        match subscription.pull(10) {
            Ok(deliveries) => {
                for delivery in deliveries {
                    if delivery.delivery_attempt() > 1 {
                        delivery.nack().unwrap();
                    } else {
                        delivery.ack().unwrap();
                        read += 1;
                    }
                }
            }
            Err(RecvError::Lagged(gap)) => lost += gap,
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!((lost, read), (16, 4));
}

/// As much is held as may be, in backoff, and a gap is still to be told.
fn a_gap_is_pending() -> (Engine, ManualClock, Publisher, Subscription) {
    let second = Duration::from_secs(1);
    let config = SubscriptionConfig::default().max_held_messages(1).retry(second, second);
    let (engine, clock, publisher, subscription) = lossy(config);
    publisher.publish(message(0)).unwrap();
    subscription.recv().unwrap().nack().unwrap();
    clock.advance(second);
    (1..=20).for_each(|n| _ = publisher.publish(message(n)).unwrap());
    let again = subscription.pull(10).unwrap().remove(0);
    again.nack().unwrap();
    (engine, clock, publisher, subscription)
}

#[cfg(feature = "async")]
mod streams {
    use super::a_gap_is_pending;
    use futures_core::Stream;
    use ringmain::RecvError;
    use ringmain_ring::sync::{AtomicUsize, Ordering::Relaxed};
    use std::pin::Pin;
    use std::sync::Arc;
    use std::task::{Context, Poll, Wake, Waker};

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    #[test]
    fn a_gap_is_told_by_a_stream_though_too_much_is_held_and_then_it_rests() {
        let (_engine, _clock, _publisher, subscription) = a_gap_is_pending();
        let mut stream = subscription.stream();
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        let mut poll = || {
            Pin::new(&mut stream)
                .poll_next(&mut Context::from_waker(&waker))
                .map(|item| item.map(|it| it.map(drop)))
        };
        assert_eq!(poll(), Poll::Ready(Some(Err(RecvError::Lagged(16)))));
        assert_eq!(poll(), Poll::Pending);
        assert_eq!(count.0.load(Relaxed), 0, "it does not wake itself");
    }
}

#[test]
fn a_gap_is_told_by_a_call_though_too_much_is_held_and_then_it_waits() {
    let (_engine, _clock, _publisher, subscription) = a_gap_is_pending();
    let receive = || subscription.recv_timeout(Duration::from_millis(10)).map(drop);
    assert_eq!([receive(), receive()], [Err(RecvError::Lagged(16)), Err(RecvError::Timeout)]);
    assert!(!subscription.wait(Duration::from_millis(10)), "nothing is there for it");
}
