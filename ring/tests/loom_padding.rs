//! Readers moved past padding, every schedule.
#![cfg(all(ringmain_loom, ringmain_twins))]

mod models;

use loom::thread::spawn;
use models::{parking, spinning};
use ringmain_ring::{LossyRead, OnFull, Sequencer, SharedCursor};

/// Takes what one claim gives.
fn take<S: Sequencer>(cursor: &SharedCursor<u64, S>, limit: usize) -> Vec<u64> {
    let mut seen = Vec::new();
    if let Some(batch) = cursor.claim(limit) {
        batch.view().for_each(|_, value| seen.push(*value));
    }
    seen
}

model!(
    /// Padding, then a value: whoever moves the cursor past the padding, the value is taken once, while a producer laps.
    padding_passed_beside_a_consumer, broken by ["padding.values_too", "shared.advance.unchecked"], {
        let ring = spinning(2);
        let cursor = ring.shared_cursor();
        ring.try_claim(1).unwrap().pad_each(|_| ());
        ring.try_publish(1).unwrap();
        let (other, producing) = (cursor.clone(), ring.clone());
        let passer = spawn(move || other.pass_padding());
        let producer = spawn(move || producing.try_publish(2).is_ok());
        let mut seen = take(&cursor, 1);
        seen.extend(take(&cursor, 1));
        passer.join().unwrap();
        let published = producer.join().unwrap();
        seen.extend(take(&cursor, 2));
        let expected: &[u64] = if published { &[1, 2] } else { &[1] };
        assert_eq!(seen, expected);
    }
);

model!(
    /// A producer waits for a slot that holds padding for a reader that rests: it is woken when the reader is moved on.
    padding_passed_wakes_producers, broken by ["notify.no_fence", "sleep.no_fence", "room.not_notified"], {
        let ring = parking(1);
        let cursor = ring.shared_cursor();
        ring.try_claim(1).unwrap().pad_each(|_| ());
        let producing = ring.clone();
        let producer = spawn(move || producing.publish(1).unwrap());
        cursor.pass_padding();
        producer.join().unwrap();
        assert_eq!(take(&cursor, 1), [1]);
    }
);

model!(
    /// A lossy cursor is moved past padding while its reader reads, and a producer comes round.
    padding_passed_by_a_lossy_cursor, broken by ["padding.values_too", "lossy.padding_held"], {
        let ring = spinning(2);
        let cursor = std::sync::Arc::new(ring.lossy_cursor(OnFull::DropOldest));
        ring.try_claim(1).unwrap().pad_each(|_| ());
        ring.try_publish(1).unwrap();
        let other = std::sync::Arc::clone(&cursor);
        let passer = spawn(move || other.pass_padding());
        let mut seen = 0;
        for _ in 0..2 {
            match cursor.read(1, |_, value| assert_eq!(*value, 1)) {
                LossyRead::Read(count) => seen += count,
                other => panic!("{other:?}"),
            }
        }
        passer.join().unwrap();
        if let LossyRead::Read(count) = cursor.read(2, |_, value| assert_eq!(*value, 1)) {
            seen += count;
        }
        assert_eq!(seen, 1);
    }
);
