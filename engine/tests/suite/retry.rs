//! Retry: how long a nacked or expired message waits, with a policy and without; on a clock that moves by hand.

#![expect(clippy::unwrap_used, reason = "the helpers of a test panic as the test does")]

use crate::common::failing::{DEADLINE, FAILURES, Failing, Failure, of};
use crate::common::{assert_balanced, for_a_while, manual, message, number, receive_all, subscribe, topic};
use ringmain::{
    Dispatcher, Engine, ManualClock, Publisher, RetryPolicy, Subscription, SubscriptionConfig, TopicConfig,
    Verdict, WaitStrategy,
};
use ringmain_ring::now;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

const NANO: Duration = Duration::from_nanos(1);

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn config() -> SubscriptionConfig {
    SubscriptionConfig::default()
}

/// One topic, one publisher, one subscription with these settings.
fn with(config: SubscriptionConfig) -> (Engine, ManualClock, Publisher, Subscription) {
    let (engine, clock) = manual();
    let topic = topic(&engine, 64);
    let subscription = topic.create_subscription("sub", config).unwrap();
    (engine, clock, topic.publisher(), subscription)
}

/// Lets one message fail again and again, and asserts that it waits so long in between, to the nanosecond.
fn assert_backoffs(config: SubscriptionConfig, failure: Failure, backoffs: impl IntoIterator<Item = u64>) {
    let (engine, clock, publisher, subscription) = with(config);
    let failing = Failing { engine: &engine, clock: &clock, subscription: &subscription };
    publisher.publish(message(7)).unwrap();
    for (attempt, backoff) in (1..).zip(backoffs) {
        assert_eq!(failing.fail(failure), Some((7, attempt)), "{failure:?}");
        let stats = subscription.stats();
        assert_eq!((stats.held, stats.outstanding, stats.parked), (1, 0, 0), "{failure:?}");
        if backoff > 0 {
            clock.advance(seconds(backoff) - NANO);
            engine.tick();
            assert_eq!(failing.fail(failure), None, "{failure:?}: too early after attempt {attempt}");
            assert_eq!(Dispatcher::new().add(&subscription, |_| Verdict::Ack).run_until_idle(), 0);
            clock.advance(NANO);
        }
    }
    subscription.recv().unwrap().ack().unwrap();
    assert_balanced(&subscription);
}

#[test]
fn backoff_doubles_up_to_the_maximum_whatever_way_a_delivery_fails() {
    for failure in FAILURES {
        assert_backoffs(config().retry(seconds(10), seconds(60)), failure, [10, 20, 40, 60, 60, 60]);
    }
}

#[test]
fn backoff_by_default_is_10_s_to_600_s_and_none_without_a_policy_or_a_minimum() {
    let mut default = config();
    default.retry = Some(RetryPolicy::default());
    assert_backoffs(default, Failure::Nack, [10, 20, 40, 80, 160, 320, 600, 600]);
    assert_backoffs(config().retry(seconds(600), seconds(600)), Failure::Drop, [600; 3]);
    for immediate in
        [config(), config().retry(seconds(0), seconds(0)), config().retry(seconds(0), seconds(9))]
    {
        for failure in FAILURES {
            assert_backoffs(immediate.clone(), failure, [0; 80]);
        }
    }
}

#[test]
fn what_waits_equally_long_comes_in_the_order_in_which_it_failed() {
    let (engine, clock, publisher, subscription) = with(config().retry(seconds(1), seconds(1)));
    (0..20).for_each(|n| _ = publisher.publish(message(n)).unwrap());
    for delivery in subscription.pull(20).unwrap() {
        delivery.nack().unwrap();
    }
    clock.advance(seconds(1));
    engine.tick();
    assert_eq!(receive_all(&subscription), (0..20).collect::<Vec<_>>());
}

#[test]
fn each_message_waits_for_itself_and_the_ring_goes_on_meanwhile() {
    let (_engine, clock, publisher, subscription) = with(config().retry(seconds(10), seconds(600)));
    for number in 0..3 {
        publisher.publish(message(number)).unwrap();
    }
    subscription.recv().unwrap().nack().unwrap(); // 0 is due at 10
    clock.advance(seconds(10));
    subscription.recv().unwrap().nack().unwrap(); // 0 is due at 30
    clock.advance(seconds(5));
    subscription.recv().unwrap().nack().unwrap(); // 1 is due at 25
    subscription.recv().unwrap().nack().unwrap(); // and 2, after it
    publisher.publish(message(3)).unwrap();
    assert_eq!(of(&subscription.recv().unwrap()), (3, 1)); // dropped: due at 25 as well
    let mut due = Vec::new();
    for _ in 0..20 {
        clock.advance(seconds(1));
        let all = subscription.pull(10).unwrap();
        due.extend(all.into_iter().map(|delivery| {
            let told = of(&delivery);
            delivery.ack().unwrap();
            told
        }));
    }
    assert_eq!(due, [(1, 2), (2, 2), (3, 2), (0, 3)]);
    assert_balanced(&subscription);
}

/// What a backoff that ends does for somebody who sleeps.
fn wakes(receive: impl Fn(&Subscription) -> (u64, u32) + Sync) {
    for expires in [false, true] {
        let (engine, clock) = manual();
        let topic = engine.create_topic("topic", TopicConfig::default().wait(WaitStrategy::Park)).unwrap();
        let config = config().retry(seconds(10), seconds(10));
        let subscription = topic.create_subscription("sub", config).unwrap();
        topic.publisher().publish(message(1)).unwrap();
        let first = subscription.recv().unwrap().into_ack_id();
        if expires {
            clock.advance(DEADLINE);
            engine.tick();
        } else {
            subscription.nack(first).unwrap();
        }
        thread::scope(|scope| {
            let again = scope.spawn(|| receive(&subscription));
            engine.tick();
            assert!(for_a_while(|| !again.is_finished()), "in backoff");
            clock.advance(seconds(10));
            engine.tick();
            assert_eq!(again.join().unwrap(), (1, 2));
        });
        assert!(subscription.ack(first).is_err());
        assert_eq!(subscription.stats().acked, 1);
        assert_balanced(&subscription);
    }
}

#[test]
fn a_tick_that_ends_a_backoff_wakes_a_consumer() {
    wakes(|subscription| {
        let delivery = subscription.recv().unwrap();
        let told = of(&delivery);
        delivery.ack().unwrap();
        told
    });
}

#[test]
fn a_tick_that_ends_a_backoff_wakes_a_dispatcher() {
    wakes(|subscription| {
        let (told, tells) = mpsc::channel();
        let mut dispatcher = Dispatcher::new();
        let stop = dispatcher.stop_handle();
        dispatcher = dispatcher.add(subscription, move |message| {
            told.send((number(message.data()), message.delivery_attempt())).unwrap();
            stop.stop();
            Verdict::Ack
        });
        dispatcher.run();
        tells.recv().unwrap()
    });
}

/// The real thread and the real clock.
#[test]
fn housekeeping_ends_a_backoff_and_wakes_a_consumer() {
    let engine = Engine::new();
    let topic = engine.create_topic("topic", TopicConfig::default().wait(WaitStrategy::Park)).unwrap();
    let backoff = Duration::from_millis(10);
    let subscription = topic.create_subscription("sub", config().retry(backoff, backoff)).unwrap();
    topic.publisher().publish(message(1)).unwrap();
    let mut began = None;
    for attempt in 1..4 {
        let delivery = subscription.recv().unwrap();
        assert_eq!(of(&delivery), (1, attempt));
        // Two clocks: almost the same.
        assert!(began.is_none_or(|began| now() - began > backoff * 9 / 10));
        began = Some(now());
        delivery.nack().unwrap();
    }
}

#[test]
fn without_a_policy_what_expired_goes_before_anything_further_from_the_ring() {
    let (_engine, clock, publisher, subscription) = with(config());
    for number in 0..8 {
        publisher.publish(message(number)).unwrap();
    }
    let claimed = subscription.pull(3).unwrap();
    clock.advance(seconds(5));
    let later = subscription.pull(2).unwrap();
    clock.advance(seconds(5));
    // What is leased to others is not recalled; of the rest, what came back is first.
    let received: Vec<_> = (0..6).map(|_| subscription.recv().unwrap()).collect();
    let story: Vec<_> = received.iter().map(of).collect();
    assert_eq!(story, [(0, 2), (1, 2), (2, 2), (5, 1), (6, 1), (7, 1)]);
    assert!(subscription.try_recv().unwrap().is_none());
    assert!(claimed.into_iter().all(|delivery| delivery.ack().is_err()));
    assert!(later.into_iter().chain(received).all(|delivery| delivery.ack().is_ok()));
    assert_balanced(&subscription);
}

#[test]
fn without_a_policy_a_nacked_message_is_handled_once_a_turn_and_the_ring_goes_on() {
    for ordered in [false, true] {
        let settings = if ordered { config().message_ordering() } else { config() };
        let (_engine, _clock, publisher, subscription) = with(settings);
        let (told, tells) = mpsc::channel();
        let mut dispatcher = Dispatcher::new().turn_limit(1).add(&subscription, move |message| {
            told.send(number(message.data())).unwrap();
            Verdict::Nack
        });
        for number in 0..10 {
            publisher.publish(message(number)).unwrap();
        }
        for turn in 0..10 {
            dispatcher.poll();
            let handled: Vec<_> = tells.try_iter().collect();
            // All that came back, then one more from the ring.
            assert_eq!(handled, (0..=turn).collect::<Vec<_>>(), "ordered: {ordered}");
        }
        assert_eq!(subscription.stats().held, 10);
        assert_balanced(&subscription);
    }
}

#[test]
fn what_is_claimed_already_is_not_recalled_when_something_comes_back() {
    let (_engine, _clock, publisher, subscription) = with(config());
    for number in 0..4 {
        publisher.publish(message(number)).unwrap();
    }
    let mut claimed = subscription.pull(3).unwrap();
    claimed.remove(0).nack().unwrap();
    assert_eq!(claimed.iter().map(of).collect::<Vec<_>>(), [(1, 1), (2, 1)]);
    assert_eq!(subscription.pull(9).unwrap().iter().map(of).collect::<Vec<_>>(), [(0, 2), (3, 1)]);
    claimed.into_iter().for_each(|delivery| delivery.ack().unwrap());
}

#[test]
fn what_waits_out_its_backoff_is_held_and_at_the_limit_a_consumer_sleeps() {
    let (engine, clock, publisher, subscription) =
        with(config().retry(seconds(10), seconds(10)).max_held_messages(2));
    for number in 0..4 {
        publisher.publish(message(number)).unwrap();
    }
    for _ in 0..2 {
        subscription.recv().unwrap().nack().unwrap();
    }
    let stats = subscription.stats();
    assert_eq!((stats.held, stats.unread, stats.backlog()), (2, 2, 4));
    assert!(subscription.try_recv().unwrap().is_none(), "so much is held that the ring is left alone");
    assert!(!subscription.wait(Duration::from_millis(1)), "and nobody need look again until a backoff ends");
    clock.advance(seconds(10));
    engine.tick();
    assert_eq!(receive_all(&subscription), [0, 1, 2, 3]);
    assert_balanced(&subscription);
}

#[test]
fn settings_out_of_their_limits_are_refused_by_rule_and_value() {
    let (engine, _clock) = manual();
    let topic = topic(&engine, 8);
    let over = seconds(600) + NANO;
    for (retry, names) in [
        (config().retry(over, over), ["minimum_backoff", "0 to 600 s", "600.000000001s"]),
        (config().retry(seconds(1), over), ["maximum_backoff", "at most 600 s", "600.000000001s"]),
        (
            config().retry(seconds(10), seconds(10) - NANO),
            ["maximum_backoff", "the minimum_backoff", "9.999999999s"],
        ),
        (config().retry(Duration::MAX, Duration::MAX), ["minimum_backoff", "0 to 600 s", "s"]),
    ] {
        let error = topic.create_subscription("sub", retry).unwrap_err();
        assert!(matches!(error, ringmain::Error::InvalidArgument(_)), "{error:?}");
        let error = error.to_string();
        assert!(names.iter().all(|name| error.contains(name)), "{error}");
    }
    for retry in [config().retry(seconds(0), seconds(0)), config().retry(seconds(600), seconds(600))] {
        topic.create_subscription("sub", retry).unwrap();
        engine.delete_subscription("sub").unwrap();
    }
    subscribe(&topic, "sub");
}
