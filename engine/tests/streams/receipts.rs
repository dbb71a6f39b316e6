//! Receipts, polled by hand: who wakes them, and what they say.

use crate::common::{message, receive_all, single};
use crate::{ByHand, stuck};
use ringmain::{Dispatcher, PublishError, Receipt, Verdict};
use std::sync::{Arc, Mutex};
use std::task::Poll;

/// It was woken, and resolves to this id.
#[track_caller]
fn assert_resolves(receipt: &mut ByHand<Receipt>, id: u64) {
    assert!(receipt.count.take() > 0, "it was not woken");
    assert_eq!(receipt.poll_once().map(|id| id.map(ringmain::MessageId::get)), Poll::Ready(Ok(id)));
}

#[test]
fn room_wakes_them_and_they_fetch_themselves() {
    let (_engine, _clock, publisher, quick) = single(8);
    let slow = stuck(&quick);
    let mut receipts = [8, 9].map(|number| ByHand::of(publisher.enqueue(message(number)).unwrap()));
    assert!(receipts.iter_mut().all(|receipt| receipt.poll_once().is_pending()));
    slow.recv().unwrap().ack().unwrap();
    for receipt in &mut receipts {
        assert!(receipt.count.take() > 0, "it was not woken");
        assert!(receipt.poll_once().is_pending(), "there is room for one, and two are staged");
    }
    quick.recv().unwrap().ack().unwrap();
    slow.recv().unwrap().ack().unwrap();
    assert_resolves(&mut receipts[0], 8);
    assert_resolves(&mut receipts[1], 9);
    assert_eq!(receive_all(&quick), (2..10).collect::<Vec<_>>());
}

#[test]
fn whoever_fetches_it_wakes_them() {
    let (_engine, _clock, publisher, quick) = single(8);
    let slow = stuck(&quick);
    let mut receipt = ByHand::of(publisher.enqueue(message(8)).unwrap());
    drop(publisher.enqueue(message(9)).unwrap());
    assert!(receipt.poll_once().is_pending());
    slow.recv().unwrap().ack().unwrap();
    slow.recv().unwrap().ack().unwrap();
    receipt.count.take(); // room woke it, and it does not look
    assert_eq!(receive_all(&quick), (1..10).collect::<Vec<_>>());
    assert_resolves(&mut receipt, 8);
}

#[test]
fn a_topic_that_is_deleted_wakes_them_and_its_messages_are_refused() {
    let (engine, _clock, publisher, quick) = single(8);
    let _slow = stuck(&quick);
    let mut receipt = ByHand::of(publisher.enqueue(message(8)).unwrap());
    assert!(receipt.poll_once().is_pending());
    engine.delete_topic("topic").unwrap();
    assert!(receipt.count.take() > 0, "it was not woken");
    assert_eq!(receipt.poll_once(), Poll::Ready(Err(PublishError::Closed(()))));
}

#[test]
fn a_dropped_receipt_loses_nothing() {
    let (_engine, _clock, publisher, quick) = single(8);
    let slow = stuck(&quick);
    let mut receipt = ByHand::of(publisher.enqueue(message(8)).unwrap());
    assert!(receipt.poll_once().is_pending());
    drop(receipt);
    slow.recv().unwrap().ack().unwrap();
    assert_eq!(receive_all(&quick), (1..9).collect::<Vec<_>>());
}

#[test]
fn awaited_inside_a_handler_that_would_have_to_make_the_room_it_says_so() {
    let (_engine, _clock, publisher, subscription) = single(4);
    (0..4).for_each(|number| _ = publisher.publish(message(number)).unwrap());
    let told = Arc::new(Mutex::new(None));
    let inside = (publisher, Arc::clone(&told));
    let mut dispatcher = Dispatcher::new().turn_limit(1).add(&subscription, move |first| {
        if first.id().get() == 0 {
            let mut receipt = ByHand::of(inside.0.enqueue(message(4)).unwrap());
            *inside.1.lock().unwrap() = Some(receipt.poll_once());
        }
        Verdict::Ack
    });
    dispatcher.poll();
    assert_eq!(told.lock().unwrap().take(), Some(Poll::Ready(Err(PublishError::WouldDeadlock(())))));
    drop(dispatcher);
    assert_eq!(receive_all(&subscription), [1, 2, 3, 4], "it was staged all the same");
}
