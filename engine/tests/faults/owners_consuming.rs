//! Owners of payloads (`Bytes::from_owner`) that are dropped on a consumer's thread, and publish there to the topic that it
//! consumes: they would wait for their own thread, and are told.

#![expect(clippy::unwrap_used, reason = "the helpers of a test panic as the test does")]

use super::common::{manual, message, subscribe, topic};
use super::owned::owned;
use ringmain::{
    Dispatcher, Message, Overflow, PublishError, Publisher, Subscription, SubscriptionConfig, TopicConfig,
    Verdict,
};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

/// A message whose owner publishes another when it is dropped; and what came of that.
fn publishing(publisher: Publisher) -> (Message, Receiver<Result<(), PublishError<Message>>>) {
    let (tell, told) = channel();
    let dropped = move || {
        let published = publisher.publish(message(9)).map(drop);
        tell.send(published).expect("somebody listens");
    };
    (owned(1_000, dropped), told)
}

/// On another thread, which may never come back.
fn is_told(told: &Receiver<Result<(), PublishError<Message>>>, lets_go: impl FnOnce() + Send + 'static) {
    thread::spawn(lets_go);
    let told = told.recv_timeout(Duration::from_secs(60)).expect("it does not wait for its own thread");
    assert_eq!(told, Err(PublishError::WouldDeadlock(message(9))));
}

#[test]
fn the_last_handle_of_a_lossy_batch_goes_when_its_handler_is_done() {
    let (engine, _clock) = manual();
    let topic = topic(&engine, 4);
    let block = subscribe(&topic, "block");
    let config = SubscriptionConfig::default().overflow(Overflow::DropOldest);
    let lossy = topic.create_subscription("lossy", config).unwrap();
    let publisher = topic.publisher();
    let (message_of_owner, told) = publishing(topic.publisher());
    publisher.publish(message_of_owner).unwrap();
    is_told(&told, move || {
        let mut fill = Some(move || (0..4).for_each(|n| _ = publisher.try_publish(message(n)).unwrap()));
        let fills = move || fill.take().map_or((), |fill| fill());
        both(&block, &lossy, fills).poll();
    });
}

fn both(block: &Subscription, lossy: &Subscription, mut first: impl FnMut() + Send + 'static) -> Dispatcher {
    Dispatcher::new().add(block, |_| Verdict::Ack).add(lossy, move |_| {
        first();
        Verdict::Ack
    })
}

/// A lease of a message that may not fail once more ends when a consumer looks; its dead letter takes the slot of one.
fn a_dead_letter_takes_the_slot(consume: fn(&Subscription)) {
    let (engine, clock) = manual();
    let letters = engine.create_topic("letters", TopicConfig::default().ring_slots(1)).unwrap();
    let letter = subscribe(&letters, "letter");
    let topic = topic(&engine, 1);
    let config = SubscriptionConfig::default().dead_letter(&letters, 5);
    let subscription = topic.create_subscription("sub", config).unwrap();
    let (message_of_owner, told) = publishing(topic.publisher());
    letters.publisher().publish(message_of_owner).unwrap();
    letter.recv().unwrap().ack().unwrap();
    topic.publisher().publish(message(1)).unwrap();
    (0..4).for_each(|_| subscription.recv().unwrap().nack().unwrap());
    let fifth = subscription.recv().unwrap().into_ack_id();
    topic.publisher().publish(message(2)).unwrap(); // full
    clock.advance(Duration::from_secs(10));
    is_told(&told, move || consume(&subscription));
    assert!(engine.subscription("sub").unwrap().ack(fifth).is_err());
}

#[test]
fn a_dead_letter_takes_the_slot_of_one_while_a_dispatcher_polls() {
    a_dead_letter_takes_the_slot(|subscription| {
        Dispatcher::new().add(subscription, |_| Verdict::Ack).poll();
    });
}

#[test]
fn a_dead_letter_takes_the_slot_of_one_while_a_call_receives() {
    a_dead_letter_takes_the_slot(|subscription| drop(subscription.recv().unwrap()));
}

/// Of a dead letter whose topic nobody subscribes to, the handle that forwards it is the last.
fn a_dead_letter_is_kept_by_nobody(parked: bool) {
    let (engine, clock) = manual();
    let topic = topic(&engine, 1);
    let dead = engine.create_topic("letters", TopicConfig::default().ring_slots(1)).unwrap();
    let config = SubscriptionConfig::default().dead_letter(&dead, 5);
    let subscription = topic.create_subscription("sub", config).unwrap();
    let (message_of_owner, told) = publishing(topic.publisher());
    topic.publisher().publish(message_of_owner).unwrap();
    if parked {
        let _letters = subscribe(&dead, "letter");
        dead.publisher().publish(message(100)).unwrap(); // full
        (0..5).for_each(|_| subscription.recv().unwrap().nack().unwrap());
        topic.publisher().publish(message(1)).unwrap(); // uses its slot, and is full
        engine.delete_subscription("letter").unwrap();
    } else {
        (0..4).for_each(|_| subscription.recv().unwrap().nack().unwrap());
        let _fifth = subscription.recv().unwrap().into_ack_id();
        topic.publisher().publish(message(1)).unwrap();
        clock.advance(Duration::from_secs(10));
    }
    is_told(&told, move || drop(subscription.recv().unwrap()));
}

#[test]
fn a_dead_letter_that_nobody_keeps_goes_while_a_call_receives() {
    a_dead_letter_is_kept_by_nobody(false);
}

#[test]
fn a_parked_letter_that_nobody_keeps_any_more_goes_while_a_call_receives() {
    a_dead_letter_is_kept_by_nobody(true);
}
