//! Closing: who sleeps is woken, and what is accepted during it is read before the end.
#![cfg(all(ringmain_loom, ringmain_twins))]

mod models;

use loom::thread::spawn;
use models::{parking, parking_single, spinning};
use ringmain_ring::{Cursor, Sequencer};

/// Reads to the end; how many values that were.
fn to_the_end<S: Sequencer>(cursor: &mut Cursor<u64, S>) -> usize {
    let mut seen = 0;
    while cursor.wait(None) {
        seen += cursor.poll(9, |_, _| ());
    }
    seen
}

model!(close_wakes_a_reader, broken by ["close.not_notified", "notify.no_fence", "sleep.no_fence"], {
    let ring = parking(1);
    let mut cursor = ring.cursor();
    let reader = spawn(move || assert!(!cursor.wait(None)));
    ring.close();
    reader.join().unwrap();
});

model!(close_wakes_a_producer_and_gives_the_value_back, broken by ["close.not_notified", "notify.no_fence", "sleep.no_fence"], {
    let ring = parking(1);
    let cursor = ring.cursor();
    ring.try_publish(1).unwrap();
    let other = ring.clone();
    let producer = spawn(move || assert_eq!(other.publish(2).unwrap_err().0, 2));
    ring.close();
    producer.join().unwrap();
    drop(cursor);
});

model!(
    /// Closed during a publish: the value is published and readable, or it comes back.
    close_against_publish, broken by ["close.not_notified"], {
        let ring = parking(2);
        let mut cursor = ring.cursor();
        let other = ring.clone();
        let producer = spawn(move || other.publish(1).is_ok());
        let closer = spawn(move || ring.close());
        let mut seen = 0;
        while cursor.wait(None) {
            seen += cursor.poll(9, |_, _| ());
        }
        let published = producer.join().unwrap();
        closer.join().unwrap();
        seen += cursor.poll(9, |_, _| ());
        assert_eq!(seen, usize::from(published));
    }
);

model!(
    /// The thread that has published alone so far goes on, with plain stores, while another closes: what it publishes is
    /// read, or comes back. So does a claim that is given up.
    close_against_a_lone_producer,
    broken by ["multi.seal.bias_kept", "multi.seal.forgotten", "close.end_unseen", "close.not_notified"], {
        let ring = parking(4);
        let mut cursor = ring.cursor();
        let other = ring.clone();
        ring.try_publish(0).unwrap();
        let reader = spawn(move || to_the_end(&mut cursor));
        let closer = spawn(move || other.close());
        drop(ring.try_claim(1));
        let published = 1 + usize::from(ring.publish(1).is_ok());
        assert_eq!(reader.join().unwrap(), published);
        closer.join().unwrap();
    }
);

model!(
    /// Two producers swap for their claims while another closes.
    close_against_two_producers, broken by ["multi.seal.forgotten", "close.end_unseen"], {
        let ring = parking(4);
        let mut cursor = ring.cursor();
        let producers = [1, 2].map(|value| {
            let ring = ring.clone();
            spawn(move || ring.try_publish(value).is_ok())
        });
        ring.close();
        let seen = to_the_end(&mut cursor);
        let published = producers.map(|producer| usize::from(producer.join().unwrap()));
        assert_eq!(seen, published[0] + published[1]);
    }
);

model!(
    /// Nobody sleeps or notifies: whoever sees the close sees where the claims end.
    close_is_seen_with_the_end, broken by ["closed.release", "closed.acquire"], {
        let ring = spinning(4);
        let (second, other) = (ring.clone(), ring.clone());
        // No lone producer from here on: revoking its bias would fence.
        ring.try_publish(0).unwrap();
        spawn(move || second.try_publish(1).unwrap()).join().unwrap();
        let start = ring.tail();
        let reader = spawn(move || assert!(!other.is_at_end(start), "there is a value to be read"));
        ring.try_publish(2).unwrap();
        ring.close();
        reader.join().unwrap();
    }
);

model!(
    /// The only producer of a ring goes on while another closes, and gives a claim up half-way.
    close_against_the_single_producer,
    broken by ["single.seal.no_fence", "single.claim.no_fence", "single.claim.unannounced", "single.claim.not_taken_back", "close.end_unseen"], {
        let (mut producer, ring) = parking_single(2);
        let mut cursor = ring.cursor();
        let reader = spawn(move || to_the_end(&mut cursor));
        let closer = spawn(move || ring.close());
        let mut published = usize::from(producer.try_publish(1).is_ok());
        if let Ok(mut claim) = producer.try_claim(2) {
            claim.push(2).unwrap();
            published += 1;
        }
        assert_eq!(reader.join().unwrap(), published);
        closer.join().unwrap();
    }
);
