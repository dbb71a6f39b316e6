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
