//! Claims: every way to write their slots, what comes back, and what becomes readable when.
#![cfg(not(ringmain_loom))]

use ringmain_ring::{Builder, Claim, ClaimError, Cursor, Ring, Sequence, Sequencer, Single, SingleProducer};
use ringmain_ring::{Multi, TryPublishError};
use std::fmt::Debug;
use std::mem::ManuallyDrop;

/// Starts from which a claim crosses the end of the slots, and of the numbers.
const STARTS: [u64; 4] = [0, 3, (1 << 62) - 3, (1 << 63) - 2];

fn multi(start: u64) -> Ring<u64> {
    Builder::new(4).start(Sequence::new(start)).multi(|| 0).expect("a power of two")
}

fn single(start: u64) -> (SingleProducer<u64>, Ring<u64, Single>) {
    Builder::new(4).start(Sequence::new(start)).single(|| 0).expect("a power of two")
}

fn rest<S: Sequencer>(cursor: &mut Cursor<u64, S>) -> Vec<u64> {
    let mut seen = Vec::new();
    while cursor.poll(9, |_, value| seen.push(*value)) > 0 {}
    seen
}

#[test]
fn each_way_of_writing_goes_on_where_the_last_one_ended() {
    for start in STARTS {
        let ring = multi(start);
        let mut cursor = ring.cursor();
        for lap in 0..3 {
            let before: Vec<_> = if lap == 0 { vec![0; 4] } else { (10 * lap - 10..10 * lap - 6).collect() };
            let first = Sequence::new(start).plus(4 * lap);
            let mut claim = ring.try_claim(4).unwrap();
            assert_eq!((claim.start(), claim.remaining()), (first, 4));
            assert_eq!(claim.push(10 * lap), Ok(before[0]));
            assert_eq!(claim.remaining(), 3);
            let write = |slot: &mut u64| std::mem::replace(slot, 10 * lap + 1);
            assert_eq!(claim.write(write).unwrap(), before[1]);
            let mut values = [10 * lap + 2];
            claim.swap_all(&mut values);
            assert_eq!((values[0], claim.remaining()), (before[2], 1));
            let mut sequences = Vec::new();
            claim.write_each(|sequence, slot| {
                sequences.push((sequence, *slot));
                *slot = 10 * lap + 3;
            });
            assert_eq!(sequences, [(first.plus(3), before[3])]);
            // Full: nothing more is taken, and nothing more is called.
            assert_eq!((claim.remaining(), claim.push(99)), (0, Err(99)));
            assert_eq!(claim.write(|_| panic!("no slot is left")), Err::<(), _>(ClaimError::Full));
            claim.write_each(|_, _| panic!("no slot is left"));
            let mut more = [7, 8];
            claim.swap_all(&mut more);
            assert_eq!(more, [7, 8]);
            assert_eq!(cursor.poll(9, |_, _| ()), 0, "nothing is readable before it is published");
            assert_eq!(claim.publish(), 4);
            assert_eq!(rest(&mut cursor), (10 * lap..10 * lap + 4).collect::<Vec<_>>());
        }
    }
}

#[test]
fn what_is_swapped_in_lasts_or_the_slots_do() {
    let ring = multi(0);
    let mut cursor = ring.cursor();
    let mut claim = ring.try_claim(3).unwrap();
    claim.swap_all(&mut [1, 2]);
    assert_eq!(claim.remaining(), 1);
    let mut values = [3, 4];
    claim.swap_all(&mut values);
    assert_eq!((values, claim.remaining()), ([0, 4], 0));
    drop(claim);
    assert_eq!(rest(&mut cursor), [1, 2, 3]);
}

#[test]
fn publish_tells_how_many_were_written_and_the_others_are_no_messages() {
    for written in 0..=3 {
        for start in STARTS {
            let ring = multi(start);
            let mut cursor = ring.cursor();
            let mut claim = ring.try_claim(3).unwrap();
            (0..written).for_each(|value| _ = claim.push(value).unwrap());
            assert_eq!(claim.publish(), written);
            ring.try_publish(9).unwrap();
            assert_eq!(rest(&mut cursor), (0..written).chain([9]).collect::<Vec<_>>());
            let (mut producer, ring) = single(start);
            let mut cursor = ring.cursor();
            let mut claim: Claim<u64, &mut SingleProducer<u64>> = producer.try_claim(3).unwrap();
            (0..written).for_each(|value| _ = claim.push(value).unwrap());
            assert_eq!(claim.publish(), written);
            assert_eq!(producer.try_publish(9), Ok(Sequence::new(start).plus(written)), "the next slot");
            assert_eq!(rest(&mut cursor), (0..written).chain([9]).collect::<Vec<_>>());
        }
    }
}

/// Why a claim was refused. (One that was not is not dropped: it would be published, all of it.)
fn refused<C: Debug>(claim: Result<C, ClaimError>) -> ClaimError {
    claim.map(ManuallyDrop::new).expect_err("more than the ring has is refused")
}

/// Beyond what the distance of two sequences can say; also by a lone producer, who looks at less.
#[test]
fn a_claim_far_too_large_is_told_so_and_claims_nothing() {
    for start in STARTS {
        let (mut producer, _ring) = single(start);
        let ring = multi(start);
        let before = [producer.try_publish(1).unwrap(), ring.try_publish(1).unwrap()];
        for count in [1 << 62, (1 << 63) - 1, 1 << 63, (1 << 63) + 1, u64::MAX - 3, u64::MAX] {
            let too_large = ClaimError::TooLarge { count, capacity: 4 };
            assert_eq!(refused(producer.try_claim(count)), too_large);
            assert_eq!(refused(producer.claim(count)), too_large);
            assert_eq!(refused(ring.try_claim(count)), too_large);
            assert_eq!(refused(ring.claim(count)), too_large);
        }
        let after = [producer.try_publish(2).unwrap(), ring.try_publish(2).unwrap()];
        assert_eq!(after, before.map(|sequence| sequence.plus(1)));
    }
}

#[test]
fn a_claim_of_one_producer_that_is_too_large_or_finds_no_room_is_told_so() {
    for start in STARTS {
        let (mut producer, ring) = single(start);
        let mut cursor = ring.cursor();
        assert_eq!(producer.try_claim(5).unwrap_err(), ClaimError::TooLarge { count: 5, capacity: 4 });
        assert_eq!(producer.claim(5).unwrap_err(), ClaimError::TooLarge { count: 5, capacity: 4 });
        producer.try_claim(3).unwrap().swap_all(&mut [1, 2, 3]);
        assert_eq!(producer.try_claim(2).unwrap_err(), ClaimError::Full);
        assert_eq!(producer.try_claim(1).unwrap().push(4), Ok(0));
        assert!(matches!(producer.try_publish(5), Err(TryPublishError::Full(5))));
        assert_eq!(cursor.poll(1, |_, _| ()), 1);
        producer.try_publish(5).unwrap();
        ring.close();
        assert_eq!(producer.try_claim(1).unwrap_err(), ClaimError::Closed);
        assert!(matches!(producer.try_publish(6), Err(TryPublishError::Closed(6))));
        assert_eq!(rest(&mut cursor), [2, 3, 4, 5]);
    }
}

#[test]
fn a_claim_that_the_one_producer_forgot_is_taken_back_by_its_next() {
    #![expect(clippy::mem_forget, reason = "as a careless user might")]
    for start in STARTS {
        let (mut producer, ring) = single(start);
        let mut cursor = ring.cursor();
        let mut forgotten = producer.try_claim(3).unwrap();
        forgotten.push(7).unwrap();
        std::mem::forget(forgotten);
        assert_eq!(producer.try_publish(1), Ok(Sequence::new(start)), "the same slot again");
        std::mem::forget(producer.try_claim(3).unwrap());
        producer.claim(2).unwrap().swap_all(&mut [2, 3]);
        std::mem::forget(producer.try_claim(1).unwrap());
        assert_eq!(producer.try_claim(2).unwrap_err(), ClaimError::Full);
        assert_eq!(rest(&mut cursor), [1, 2, 3]);
        std::mem::forget(producer.try_claim(4).unwrap());
        ring.close();
        assert!(!ring.is_at_end(cursor.position()), "who claimed it may still publish it");
        assert!(matches!(producer.try_publish(4), Err(TryPublishError::Closed(4))));
        assert!(ring.is_at_end(cursor.position()), "nothing more will come");
    }
}

#[test]
fn a_value_comes_out_of_its_error() {
    let ring: Ring<u64, Multi> = multi(0);
    let _cursor = ring.cursor();
    (0..4).for_each(|value| _ = ring.try_publish(value).unwrap());
    assert_eq!(ring.try_publish(7).unwrap_err().into_inner(), 7);
    ring.close();
    assert_eq!(ring.try_publish(8).unwrap_err().into_inner(), 8);
}
