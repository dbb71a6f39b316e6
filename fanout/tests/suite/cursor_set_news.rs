//! What a set of cursors says without taking a turn.

use ringmain_fanout::{Channel, CursorSet, Event, Overflow};

#[test]
fn news_is_what_was_published_since_the_last_turn() {
    let channel = Channel::new(8, || 0u32).unwrap();
    let mut set = CursorSet::new(&channel);
    set.add(channel.receiver()).unwrap();
    assert!(!set.has_news());
    for lap in 0..40 {
        channel.publish(lap).unwrap();
        assert!(set.has_news(), "{lap}");
        let mut read = 0;
        set.turn(8, |_, event| {
            if let Event::Batch(batch) = event {
                batch.for_each(|_, _| read += 1);
            }
        });
        assert_eq!((read, set.has_news()), (1, false), "{lap}");
    }
}

#[test]
fn of_members_that_may_lose_messages_it_tells_nothing() {
    let channel = Channel::new(8, || 0u32).unwrap();
    let mut set = CursorSet::new(&channel);
    set.add(channel.receiver_with("lossy", Overflow::DropOldest)).unwrap();
    assert!(set.has_news());
}

#[test]
fn a_member_that_was_detached_is_told_though_another_is_always_busy() {
    let channel = Channel::new(8, || 0u32).unwrap();
    let mut set = CursorSet::new(&channel);
    let [busy, detached] = [(); 2].map(|()| channel.receiver());
    set.add(busy).unwrap();
    set.add(detached.clone()).unwrap();
    detached.detach();
    let (mut read, mut told) = (0, Vec::new());
    for value in 0..1_000 {
        channel.publish(value).unwrap();
        set.turn(8, |member, event| match event {
            Event::Batch(batch) => {
                batch.for_each(|_, _| read += 1);
            }
            _ => told.push(member),
        });
    }
    assert_eq!((read, told), (1_000, vec![1]));
}
