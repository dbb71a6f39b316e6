//! Overflow policies: exact gaps, a detach that is told, and no policy that costs another receiver a message.

use ringmain_fanout::{
    Channel, CursorSet, Dispatcher, Event, Overflow, ReceiveError, Receiver, TryPublishError,
};
use std::sync::{Arc, Mutex};
use std::thread;

const MESSAGES: u64 = if cfg!(miri) { 100 } else { 50_000 };

fn channel(capacity: usize) -> Channel<u64> {
    Channel::new(capacity, || 0).expect("a power of two")
}

/// What a receiver was told, until there is nothing more: values, and gaps as negative numbers.
fn story(receiver: &mut Receiver<u64>) -> Vec<i64> {
    let mut story = Vec::new();
    while receiver.has_work() {
        match receiver.poll(3, |_, value| story.push(i64::try_from(*value).expect("small"))) {
            Ok(_) => {}
            Err(ReceiveError::Lagged(lost)) => story.push(-i64::try_from(lost).expect("small")),
            Err(_) => return story,
        }
    }
    story
}

#[test]
fn drop_oldest_tells_the_exact_gap_before_what_follows_it() {
    let channel = channel(8);
    let mut receiver = channel.receiver_with("lossy", Overflow::DropOldest);
    for value in 1..=20 {
        channel.try_publish(value).unwrap();
    }
    let told = story(&mut receiver);
    assert!(told[0] < 0, "the gap comes first: {told:?}");
    let first = 1 - told[0];
    assert_eq!(told[1..], (first..=20).collect::<Vec<_>>());
    assert!((12..=13).contains(&-told[0]), "a ring of 8 loses 12 of 20, or a chunk of 1 more: {told:?}");
}

#[test]
fn a_gap_does_not_count_padding() {
    let channel = channel(8);
    let mut receiver = channel.receiver_with("lossy", Overflow::DropOldest);
    let (mut published, mut read, mut lost) = (0, 0, 0);
    for round in 0..40 {
        let mut claim = channel.claim(1 + round % 4).unwrap();
        for _ in 0..round % 3 {
            published += u64::from(claim.push(published).is_ok());
        }
        drop(claim);
        if round % 9 == 0 {
            match receiver.poll(2, |_, _| read += 1) {
                Err(ReceiveError::Lagged(gap)) => lost += gap,
                other => drop(other.unwrap()),
            }
        }
        assert_eq!(receiver.unread() + read + lost, published, "at rest, round {round}");
    }
    assert!(lost > 0);
}

#[test]
fn every_message_is_read_or_counted_as_lost_while_publishers_run() {
    let channel = channel(16);
    let mut lossy = channel.receiver_with("lossy", Overflow::DropOldest);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for value in 0..MESSAGES {
                    channel.publish(value).unwrap();
                }
            });
        }
        let (mut read, mut lost) = (0, 0);
        while read + lost < 2 * MESSAGES {
            assert!(lossy.wait(None));
            match lossy.poll(5, |_, _| read += 1) {
                Err(ReceiveError::Lagged(gap)) => lost += gap,
                other => drop(other.unwrap()),
            }
        }
        assert_eq!((read + lost, lossy.unread()), (2 * MESSAGES, 0));
    });
}

#[test]
fn a_competing_pair_of_lossy_receivers_shares_messages_and_gaps() {
    let channel = channel(8);
    let mut one = channel.receiver_with("lossy", Overflow::DropOldest);
    let mut two = one.clone();
    for value in 0..8 {
        channel.publish(value).unwrap();
    }
    let mut seen = Vec::new();
    one.poll(3, |_, value| seen.push(*value)).unwrap();
    two.poll(8, |_, value| seen.push(*value)).unwrap();
    assert_eq!(seen, (0..8).collect::<Vec<_>>());
}

#[test]
fn detach_is_told_and_holds_nobody_up() {
    let channel = channel(4);
    let mut receiver = channel.receiver_with("short-tempered", Overflow::Detach);
    for value in 0..4 {
        channel.try_publish(value).unwrap();
    }
    assert!(!receiver.is_detached());
    channel.try_publish(4).unwrap();
    assert!(receiver.is_detached());
    assert_eq!(receiver.poll(8, |_, _| ()), Err(ReceiveError::Detached));
    assert_eq!(receiver.poll(8, |_, _| ()), Err(ReceiveError::Detached));
}

#[test]
fn a_receiver_with_the_detach_policy_that_keeps_up_stays() {
    let channel = channel(4);
    let mut receiver = channel.receiver_with("quick", Overflow::Detach);
    for value in 0..100 {
        channel.try_publish(value).unwrap();
        assert_eq!(receiver.poll(8, |_, read| assert_eq!(*read, value)), Ok(1));
    }
}

#[test]
fn one_receivers_policy_costs_no_other_a_message() {
    let channel = channel(8);
    let mut block = channel.receiver();
    let mut drops = channel.receiver_with("drops", Overflow::DropOldest);
    let detach = channel.receiver_with("detach", Overflow::Detach);
    for value in 1..=8 {
        channel.try_publish(value).unwrap();
    }
    // The lossless one is in the way as well: nobody loses anything yet.
    assert!(matches!(channel.try_publish(9), Err(TryPublishError::Full(9))));
    assert!(!detach.is_detached());
    assert_eq!(story(&mut drops), (1..=8).collect::<Vec<_>>());
    assert_eq!(story(&mut block), (1..=8).collect::<Vec<_>>());
    // Now only the impatient one is.
    for value in 9..=16 {
        channel.try_publish(value).unwrap();
    }
    assert!(detach.is_detached());
    assert_eq!(story(&mut block), (9..=16).collect::<Vec<_>>());
    assert_eq!(story(&mut drops), (9..=16).collect::<Vec<_>>());
}

#[test]
fn a_gap_does_not_count_what_the_predicate_leaves_out() {
    let channel = channel(8);
    let mut receiver = channel.receiver_where("filtered", Overflow::DropOldest, |value| value % 4 == 1);
    for value in 1..=40 {
        channel.try_publish(value).unwrap();
    }
    let told = story(&mut receiver);
    assert_eq!(told, [-8, 33, 34, 35, 36, 37, 38, 39, 40], "what is received is not filtered");
    assert_eq!((receiver.take_skipped(), receiver.take_skipped()), (24, 0));
    for value in [2, 3, 4, 6, 7, 8, 10, 11, 12, 14, 15, 16] {
        channel.try_publish(value).unwrap();
    }
    assert_eq!(receiver.unread() + receiver.take_skipped(), 12);
    assert_eq!(story(&mut receiver)[0], 7, "nothing was lost, and nothing is told");
}

#[test]
fn read_lost_skipped_and_unread_are_all_that_was_published() {
    let channel = channel(8);
    let receiver = channel.receiver_where("filtered", Overflow::DropOldest, |value| value % 3 == 0);
    let (mut published, mut read, mut lost, mut skipped) = (0, 0, 0, 0);
    for round in 0..60 {
        let mut claim = channel.claim(1 + round % 4).unwrap();
        for _ in 0..round % 3 {
            published += u64::from(claim.push(published).is_ok());
        }
        drop(claim);
        if round % 9 == 0 {
            match receiver.take(2, |_, _| read += 1) {
                Err(ReceiveError::Lagged(gap)) => lost += gap,
                other => drop(other.unwrap()),
            }
        }
        skipped += receiver.take_skipped();
        assert_eq!(receiver.unread() + read + lost + skipped, published, "at rest, round {round}");
    }
    assert!(lost > 0 && skipped > 0);
}

#[test]
fn a_blocking_receiver_has_no_use_for_a_predicate() {
    let channel = channel(4);
    let never = |_: &u64| -> bool { panic!("the receiver looks at everything itself") };
    let mut receiver = channel.receiver_where("filtered", Overflow::Block, never);
    for value in 0..4 {
        channel.try_publish(value).unwrap();
    }
    assert!(matches!(channel.try_publish(4), Err(TryPublishError::Full(4))));
    assert_eq!(story(&mut receiver), [0, 1, 2, 3]);
    assert_eq!(receiver.take_skipped(), 0);
    assert_eq!(channel.slowest().map(|slowest| slowest.name), Some("filtered".into()));
}

#[test]
fn a_receiver_that_is_detached_when_full_is_so_whatever_its_predicate() {
    let channel = channel(4);
    let mut receiver = channel.receiver_where("short-tempered", Overflow::Detach, |_| false);
    for value in 0..5 {
        channel.try_publish(value).unwrap();
    }
    assert_eq!(receiver.poll(8, |_, _| ()), Err(ReceiveError::Detached));
    assert_eq!((receiver.take_skipped(), receiver.unread(), receiver.backlog()), (0, 0, 5));
}

#[test]
fn taking_from_within_a_take_takes_nothing_under_a_lossy_policy() {
    let channel = channel(4);
    let receiver = channel.receiver_with("lossy", Overflow::DropOldest);
    channel.try_publish(1).unwrap();
    let within = |_: &u64| receiver.take(1, |_, _| panic!("there is nothing to take"));
    assert_eq!(receiver.take(1, |_, value| assert_eq!(within(value), Ok(0))), Ok(1));
}

#[test]
fn a_dispatcher_serves_all_policies_and_tells_gaps_and_detaches() {
    let channel = channel(8);
    let told = Arc::new(Mutex::new(Vec::new()));
    let mut dispatcher = Dispatcher::new(&channel);
    for overflow in [Overflow::DropOldest, Overflow::Detach] {
        let told = Arc::clone(&told);
        let add = dispatcher.add(channel.receiver_with("", overflow), move |event: Event<'_, u64>| {
            let mut told = told.lock().unwrap();
            match event {
                Event::Batch(batch) => {
                    assert!(!batch.is_in_place());
                    told.push(format!("{overflow:?} {}", batch.len()));
                }
                Event::Lagged(lost) => told.push(format!("{overflow:?} lost {lost}")),
                _ => told.push(format!("{overflow:?} detached")),
            }
        });
        add.unwrap();
    }
    for value in 0..16 {
        channel.try_publish(value).unwrap();
    }
    while dispatcher.poll() > 0 {}
    while dispatcher.poll() > 0 {}
    assert_eq!(*told.lock().unwrap(), ["DropOldest lost 8", "DropOldest 8", "Detach detached"]);
}

/// The publisher keeps the pace of a lossless member beside it: what that one gets in a turn, the other can read as well.
#[test]
fn a_lossy_member_that_fell_behind_reads_as_much_a_turn_as_a_lossless_one() {
    const TURN: usize = 128;
    let channel = Channel::new(8 * TURN, || 0u64).unwrap();
    let mut set = CursorSet::new(&channel);
    set.add(channel.receiver()).unwrap();
    set.add(channel.receiver_with("lossy", Overflow::DropOldest)).unwrap();
    let (mut read, mut lost) = ([0, 0], 0);
    let mut turn = |count: usize| {
        (0..count as u64).for_each(|number| _ = channel.publish(number).unwrap());
        set.turn(TURN, |member, event| match event {
            Event::Batch(batch) => read[member] += batch.len(),
            Event::Lagged(count) => lost += usize::try_from(count).unwrap(),
            _ => panic!("nobody is detached"),
        });
    };
    let turns = 50;
    (0..turns).for_each(|_| turn(TURN));
    assert_eq!((read, lost), ([turns * TURN; 2], 0));
}

/// As many as a lossy receiver's turn takes in one hold, or fewer.
#[test]
fn messages_behind_padding_are_read_in_the_same_turn() {
    for overflow in [Overflow::Block, Overflow::DropOldest, Overflow::Detach] {
        for padding in [1, 63, 64, 65, 200] {
            let channel = Channel::new(256, || 0u64).unwrap();
            let mut set = CursorSet::new(&channel);
            set.add(channel.receiver_with("", overflow)).unwrap();
            drop(channel.claim(padding).unwrap());
            channel.publish(7).unwrap();
            let mut read = 0;
            let count = set.turn(256, |_, event| {
                if let Event::Batch(batch) = event {
                    batch.for_each(|_, _| read += 1);
                }
            });
            assert_eq!(read, 1, "{overflow:?} behind {padding}");
            assert!(count > 0);
            drop(channel.claim(padding).unwrap());
            assert!(set.turn(256, |_, _| ()) > 0, "{overflow:?}: it has moved on");
            assert_eq!(set.turn(256, |_, _| ()), 0);
        }
    }
}
