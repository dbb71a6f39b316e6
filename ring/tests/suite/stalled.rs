//! A producer that is stopped between its claim and its publish: others go on as far as they can, and it can be seen.
#![cfg(not(any(ringmain_loom, ringmain_shuttle)))]

use ringmain_ring::{Builder, ClaimError, Ring, Sequence, TryPublishError};

/// Near the ends of both number ranges, and where rings start.
const STARTS: [u64; 4] = [0, (1 << 62) - 3, (1 << 63) - 3, (1 << 63) - 1];

fn ring(start: u64) -> Ring<u64> {
    Builder::new(4).start(Sequence::new(start)).multi(|| 0).expect("a power of two")
}

#[test]
fn nobody_who_tries_waits_for_it_and_it_is_named() {
    for start in STARTS {
        let ring = ring(start);
        let mut cursor = ring.cursor();
        for lap in 0..4 {
            assert_eq!(ring.unpublished(), None);
            ring.try_publish(lap).expect("room");
            let stopped = ring.try_claim(1).expect("room");
            ring.try_publish(lap).expect("room behind it");
            assert_eq!(ring.unpublished(), Some(stopped.start()));
            assert_eq!(cursor.poll(9, |_, _| ()), 1, "nothing is read past it");
            ring.try_publish(lap).expect("room");
            ring.try_publish(lap).expect("the last slot");
            assert!(matches!(ring.try_publish(lap), Err(TryPublishError::Full(_))));
            assert!(matches!(ring.try_claim(1), Err(ClaimError::Full)));
            assert_eq!(ring.unpublished(), Some(stopped.start()));
            drop(stopped);
            assert_eq!(ring.unpublished(), None, "padding is published");
            while cursor.poll(9, |_, _| ()) > 0 {}
        }
    }
}

#[test]
fn of_several_the_first_is_named_and_a_batch_is_one() {
    for start in STARTS {
        let ring = ring(start);
        let _cursor = ring.cursor();
        let first = ring.try_claim(1).expect("room");
        let mut second = ring.try_claim(2).expect("room");
        second.push(1).expect("claimed");
        assert_eq!(ring.unpublished(), Some(first.start()));
        first.publish();
        assert_eq!(ring.unpublished(), Some(second.start()), "its first slot is published last");
        second.publish();
        assert_eq!(ring.unpublished(), None);
    }
}

#[test]
fn without_readers_only_the_last_lap_is_looked_at() {
    for start in STARTS {
        let ring = ring(start);
        for value in 0..11 {
            ring.try_publish(value).expect("nobody is waited for");
            assert_eq!(ring.unpublished(), None);
        }
        let stopped = ring.try_claim(1).expect("room");
        assert_eq!(ring.unpublished(), Some(stopped.start()));
        (0..3).for_each(|value| _ = ring.try_publish(value).expect("up to the stopped one"));
        assert!(ring.try_publish(9).is_err(), "its slot is not written twice");
        assert_eq!(ring.unpublished(), Some(stopped.start()));
    }
}
