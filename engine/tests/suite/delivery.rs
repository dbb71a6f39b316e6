//! Delivery: where the payload is, in what order it comes, how long a handler may take, and who pays for whose policy.
#![expect(clippy::unwrap_used, reason = "the helpers of a test panic as the test does")]

use crate::common::{assert_balanced, manual, message, number, single, subscribe, topic};
use crate::tasks::block_on;
use ringmain::{
    Bytes, Close, Dispatcher, Invalid, Message, Overflow, PublishError, Publisher, RecvError, Subscription,
    SubscriptionConfig, TopicConfig, Verdict,
};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const POLICIES: [Overflow; 3] = [Overflow::Block, Overflow::DropOldest, Overflow::Detach];

fn with(overflow: Overflow) -> SubscriptionConfig {
    SubscriptionConfig::default().overflow(overflow)
}

#[test]
fn every_delivery_refers_to_the_publishers_own_bytes() {
    for overflow in POLICIES {
        let (_engine, _clock, publisher, first) = single(8);
        let topic = first.topic();
        let [leased, in_place] =
            ["leased", "in-place"].map(|name| topic.create_subscription(name, with(overflow)).unwrap());
        let data = Bytes::from(vec![7; 513]);
        let place = data.as_ptr();
        publisher.publish(Message::new(data.clone())).unwrap();
        let delivery = leased.try_recv().unwrap().unwrap();
        assert_eq!((delivery.data().as_ptr(), delivery.bytes().as_ptr()), (place, place), "{overflow:?}");
        delivery.nack().unwrap();
        let again = leased.try_recv().unwrap().unwrap();
        assert_eq!((again.data().as_ptr(), again.delivery_attempt()), (place, 2), "also when it comes again");
        let place = place.addr();
        let mut dispatcher = Dispatcher::new().add(&in_place, move |message| {
            let same = message.data().as_ptr().addr() == place
                && message.to_received().data().as_ptr().addr() == place;
            if same { Verdict::Ack } else { Verdict::Nack }
        });
        dispatcher.poll();
        assert_eq!((in_place.stats().acked, in_place.stats().nacked), (1, 0), "{overflow:?}");
    }
}

type Publish = fn(&Publisher, Message);

/// By every way of publishing, with something to read before it, so that what is enqueued is staged, and without.
#[test]
fn small_data_is_copied_and_let_go_of_when_the_call_returns() {
    let ways: [(&str, Publish); 5] = [
        ("publish", |publisher, message| _ = publisher.publish(message).unwrap()),
        ("publish_timeout", |publisher, message| {
            publisher.publish_timeout(message, Duration::from_secs(9)).unwrap();
        }),
        ("publish_async", |publisher, message| _ = block_on(publisher.publish_async(message)).unwrap()),
        ("publish_batch", |publisher, message| drop(publisher.publish_batch([message]).unwrap())),
        ("enqueue", |publisher, message| drop(publisher.enqueue(message).unwrap())),
    ];
    let lengths = [1, 512, 513, 4_096, 4_097, 10_000];
    for ((name, publish), backlog) in ways.into_iter().flat_map(|way| [(way, 0), (way, 2)]) {
        let (_engine, _clock, publisher, subscription) = single(64);
        (0..backlog).for_each(|number| _ = publisher.publish(message(number)).unwrap());
        for len in lengths {
            let data = Bytes::from(vec![7; len]);
            publish(&publisher, Message::new(data.clone()));
            assert_eq!(data.is_unique(), len <= 512, "{len} bytes by {name}");
            // And with no other handle.
            let data = Bytes::from(vec![8; len]);
            let place = data.as_ptr().addr();
            let message = Message::new(data);
            let labelled = |message: Message| message.attribute("k", "vé").attribute("l", "");
            let message = if backlog == 0 { message.ordering_key("ключ") } else { labelled(message) };
            publish(&publisher, message);
            publisher.flush().unwrap();
            let arrived = subscription.pull(64).unwrap();
            let last = arrived.last().unwrap();
            assert_eq!(last.data(), vec![8; len], "by {name}");
            assert_eq!(last.ordering_key(), (backlog == 0).then_some("ключ"), "by {name}");
            let attributes = [("k", "vé"), ("l", "")];
            assert_eq!(last.attributes(), attributes[..if backlog == 0 { 0 } else { 2 }], "by {name}");
            assert_eq!(last.data().as_ptr().addr() != place, len <= 4_096, "{len} bytes alone by {name}");
            arrived.into_iter().for_each(|delivery| delivery.ack().unwrap());
        }
        assert_balanced(&subscription);
    }
}

/// What is refused comes back itself, and of a batch in full.
#[test]
fn small_data_that_is_refused_comes_back() {
    let (engine, _clock, publisher, _subscription) = single(2);
    (0..2).for_each(|number| _ = publisher.publish(message(number)).unwrap());
    let data = Bytes::from(vec![7; 100]);
    let again = |error: PublishError<Message>| error.into_message().data().as_ptr() == data.as_ptr();
    assert!(again(publisher.try_publish(Message::new(data.clone())).unwrap_err()));
    let short = Duration::from_millis(1);
    assert!(again(publisher.publish_timeout(Message::new(data.clone()), short).unwrap_err()));
    assert!(data.is_unique());
    engine.close(Close::Now);
    let all = [1, 100, 512].map(|len| Message::new(vec![7; len]).ordering_key("key").attribute("k", "v"));
    let refused = publisher.publish_batch(all.clone()).unwrap_err();
    let [first, rest @ ..] = all;
    assert_eq!((refused.error, refused.rest), (PublishError::Closed(first), rest.to_vec()));
}

/// What is received outlives the ring that it was on.
#[test]
fn what_was_received_stays_as_it_was() {
    let (engine, _clock, publisher, subscription) = single(2);
    publisher.publish_slice(b"first").unwrap();
    let first = subscription.try_recv().unwrap().unwrap();
    let kept = first.bytes();
    for _ in 0..20 {
        publisher.publish_slice(b"other").unwrap(); // into buffers that came back, of which this is none
        subscription.try_recv().unwrap().unwrap().ack().unwrap();
    }
    assert_eq!(first.data(), b"first");
    first.ack().unwrap();
    drop((publisher, subscription, engine));
    assert_eq!(&kept[..], b"first");
}

#[test]
fn unkeyed_messages_come_first_in_first_out_on_each_shard() {
    for shards in [1, 3] {
        let (engine, _clock) = manual();
        let topic =
            engine.create_topic("topic", TopicConfig::default().ring_slots(64).shards(shards)).unwrap();
        let (leased, in_place) = (subscribe(&topic, "leased"), subscribe(&topic, "in-place"));
        let handled = Arc::new(Mutex::new(Vec::new()));
        let write = Arc::clone(&handled);
        let mut dispatcher = Dispatcher::new().turn_limit(5).add(&in_place, move |message| {
            write.lock().unwrap().push(message.id().get());
            Verdict::Ack
        });
        let publishers: Vec<_> = (0..3).map(|_| topic.publisher()).collect();
        let (mut published, mut received) = (Vec::new(), Vec::new());
        let mut random = crate::common::Random(3);
        for round in 0..300 {
            let publisher = &publishers[usize::try_from(random.below(3)).unwrap()];
            published.push(publisher.publish(message(round)).unwrap().get());
            if random.below(3) == 0 {
                for delivery in leased.pull(usize::try_from(random.below(7)).unwrap()).unwrap() {
                    received.push(delivery.id().get());
                    delivery.ack().unwrap();
                }
                dispatcher.poll();
            }
            if leased.stats().unread > 30 {
                while let Some(delivery) = leased.try_recv().unwrap() {
                    received.push(delivery.id().get());
                    delivery.ack().unwrap();
                }
            }
        }
        dispatcher.run_until_idle();
        while let Some(delivery) = leased.try_recv().unwrap() {
            received.push(delivery.id().get());
            delivery.ack().unwrap();
        }
        let by_shard = |ids: &[u64]| {
            let mut shard_of: HashMap<u64, Vec<u64>> = HashMap::new();
            ids.iter().for_each(|id| shard_of.entry(id % shards as u64).or_default().push(*id));
            shard_of
        };
        assert_eq!(by_shard(&published).len(), shards);
        assert!(by_shard(&published).values().all(|ids| ids.is_sorted()), "ids rise in publish order");
        assert_eq!(by_shard(&received), by_shard(&published), "leased, of {shards} shards");
        assert_eq!(by_shard(&handled.lock().unwrap()), by_shard(&published), "in place, of {shards} shards");
    }
}

#[test]
fn in_place_there_is_no_deadline() {
    let (engine, clock, publisher, subscription) = single(8);
    let mut dispatcher = Dispatcher::new().add(&subscription, move |message| {
        clock.advance(Duration::from_secs(3_600));
        engine.tick();
        if message.delivery_attempt() == 1 { Verdict::Nack } else { Verdict::Ack }
    });
    publisher.publish(message(1)).unwrap();
    dispatcher.run_until_idle();
    let stats = subscription.stats();
    assert_eq!((stats.acked, stats.nacked, stats.expired, stats.delivered), (1, 1, 0, 2));
    assert_balanced(&subscription);
}

/// Under a policy that lets publishers go on, they do, also while a handler is at it; and what it looks at stays.
#[test]
fn a_handler_of_a_lossy_subscription_stands_in_nobodys_slot() {
    for overflow in [Overflow::DropOldest, Overflow::Detach] {
        let (engine, _clock) = manual();
        let topic = topic(&engine, 8);
        let subscription = topic.create_subscription("lossy", with(overflow)).unwrap();
        let inside = topic.publisher();
        let mut dispatcher = Dispatcher::new().add(&subscription, move |message| {
            let before = message.data().to_vec();
            for _ in 0..20 {
                inside.try_publish_slice(b"overwritten").unwrap();
            }
            assert_eq!(message.data(), before);
            Verdict::Ack
        });
        (0..4).for_each(|number| _ = topic.publisher().publish_slice(&[number]).unwrap());
        dispatcher.poll();
        assert_eq!((subscription.stats().acked, subscription.stats().panics), (4, 0), "{overflow:?}");
        assert_balanced(&subscription);
    }
}

fn drain(subscription: &Subscription) -> Result<Vec<u64>, RecvError> {
    let mut numbers = Vec::new();
    while let Some(delivery) = subscription.try_recv()? {
        numbers.push(number(delivery.data()));
        delivery.ack().unwrap();
    }
    Ok(numbers)
}

#[test]
fn one_subscriptions_policy_costs_no_other_a_message() {
    let (engine, _clock) = manual();
    let topic = topic(&engine, 8);
    let steady = subscribe(&topic, "steady");
    let [lossy, impatient] = [("lossy", Overflow::DropOldest), ("impatient", Overflow::Detach)]
        .map(|(name, overflow)| topic.create_subscription(name, with(overflow)).unwrap());
    let lucky = topic.create_subscription("lucky", with(Overflow::DropOldest)).unwrap();
    let publisher = topic.publisher();
    let mut seen = [Vec::new(), Vec::new()];
    for number in 0..100 {
        publisher.try_publish(message(number)).unwrap();
        if number % 7 == 6 {
            seen[0].extend(drain(&steady).unwrap());
            seen[1].extend(drain(&lucky).unwrap());
        }
    }
    for (seen, subscription) in seen.iter_mut().zip([&steady, &lucky]) {
        seen.extend(drain(subscription).unwrap());
        assert_eq!(*seen, (0..100).collect::<Vec<_>>(), "{}", subscription.name());
        assert_eq!((subscription.stats().dropped, subscription.stats().acked), (0, 100));
    }
    assert!(matches!(drain(&lossy), Err(RecvError::Lagged(lost)) if lost >= 92));
    assert_eq!(drain(&impatient), Err(RecvError::Detached));
    // And one that blocks costs the others nothing but time.
    (0..8).for_each(|number| _ = publisher.try_publish(message(number)).unwrap());
    assert!(matches!(publisher.try_publish(message(8)), Err(PublishError::Full(_))));
    assert_eq!(drain(&lucky).unwrap(), (0..8).collect::<Vec<_>>());
    [&steady, &lossy, &impatient, &lucky].into_iter().for_each(assert_balanced);
}

#[test]
fn a_refusal_tells_what_was_given_and_comes_before_everything_else() {
    let (_engine, _clock, publisher, subscription) = single(2);
    (0..2).for_each(|number| _ = publisher.publish(message(number)).unwrap()); // full: nothing more is claimed
    let long = |length: usize| "x".repeat(length);
    let many = (0..130).fold(Message::new("d"), |message, index| message.attribute(format!("k{index}"), ""));
    for (bad, limit, actual) in [
        (Message::new(vec![0; (10 << 20) + 7]), 10 << 20, (10 << 20) + 7),
        (Message::new(vec![0; 10 << 20]).attribute("ab", "cde"), 10 << 20, (10 << 20) + 5),
        (many, 100, 130),
        (Message::new("d").attribute(long(300), "v"), 256, 300),
        (Message::new("d").attribute("k", long(1_030)), 1_024, 1_030),
        (Message::new("d").ordering_key(long(1_026)), 1_024, 1_026),
    ] {
        // Of all ways none waits.
        let refusals = [
            publisher.publish(bad.clone()).unwrap_err(),
            publisher.try_publish(bad.clone()).unwrap_err(),
            publisher.publish_timeout(bad.clone(), Duration::MAX).unwrap_err(),
            publisher.enqueue(bad.clone()).map(drop).unwrap_err(),
            publisher.publish_batch([bad.clone()]).unwrap_err().error,
        ];
        for refusal in refusals {
            let told = refusal.to_string();
            assert!(told.contains(&limit.to_string()) && told.contains(&actual.to_string()), "{told}");
            let PublishError::Invalid { message, reason } = refusal else { panic!("{told}") };
            assert!(
                matches!(reason, Invalid::TooMuch { limit: l, actual: a, .. } if (l, a) == (limit, actual))
            );
            assert_eq!(message, bad);
        }
    }
    assert_eq!((subscription.topic().stats().published, subscription.stats().accepted), (2, 2));
    crate::common::receive_all(&subscription);
    // The largest that there may be.
    let attributes = (0..100).fold(Message::new(vec![1; 10]), |all, index| {
        all.attribute(format!("{index:0>256}"), long(1_024)).ordering_key(long(1_024))
    });
    for good in [Message::new(vec![1; 10 << 20]), attributes, Message::new("").attribute("k", "")] {
        publisher.publish(good.clone()).unwrap();
        let delivery = subscription.try_recv().unwrap().unwrap();
        assert!(delivery.data() == good.data() && delivery.attributes() == good.attributes());
        delivery.ack().unwrap();
    }
}

/// Whatever turn it is, the ring's or that of what came back.
#[test]
fn a_poll_handles_what_is_there() {
    for nacks in 0..4 {
        let (_engine, _clock, publisher, subscription) = single(8);
        publisher.publish(message(1)).unwrap();
        (0..nacks).for_each(|_| subscription.try_recv().unwrap().unwrap().nack().unwrap());
        let mut dispatcher = Dispatcher::new().add(&subscription, |_| Verdict::Ack);
        assert_eq!((dispatcher.poll(), subscription.stats().held), (1, 0), "after {nacks} nacks");
    }
}

#[test]
fn a_delivery_is_published_again_as_it_was_and_tells_what_it_is() {
    let (_engine, _clock, publisher, subscription) = single(4);
    let message = Message::new(vec![7; 5_000]).attribute("b", "1").attribute("a", "2").ordering_key("k");
    publisher.publish(message.clone()).unwrap();
    let delivery = subscription.recv().unwrap();
    let again = Message::from(&delivery);
    assert_eq!(again, message);
    assert_eq!(again.data().as_ptr(), delivery.data().as_ptr(), "its payload is the same");
    for told in [format!("{delivery:?}"), format!("{:?}", &*delivery)] {
        for part in ["MessageId(0)", "bytes: 5000", r#""k""#, r#"{"b": "1", "a": "2"}"#] {
            assert!(told.contains(part), "{part} is not in {told}");
        }
    }
    delivery.ack().unwrap();
}
