//! Pairs of operations that no other model has at the same time: reading, attaching, detaching and closing.
//!
//! What pairs there are, and which model has which, is a table in `docs/MEMORY_ORDERING.md`.
#![cfg(all(ringmain_loom, ringmain_twins))]

mod models;

use loom::thread::spawn;
use models::{parking, rest, spinning};
use ringmain_ring::{Cursor, Multi};

/// Reads to the end; how many values that were.
fn to_the_end(cursor: &mut Cursor<u64, Multi>) -> u64 {
    let mut seen = 0;
    while cursor.wait(None) {
        seen += cursor.poll(9, |_, _| ()) as u64;
    }
    seen
}

model!(
    /// One cursor moves on, which lets a producer go on, just when another is attached: that one misses nothing.
    attach_beside_a_reader, broken by ["multi.gate.ignored"], {
        let ring = spinning(1);
        let mut first = ring.cursor();
        ring.try_publish(1).unwrap();
        let producing = ring.clone();
        let producer = spawn(move || (2..=3).take_while(|value| producing.try_publish(*value).is_ok()).count() as u64);
        let reading = spawn(move || {
            rest(&mut first);
            first
        });
        let mut second = ring.cursor();
        let start = second.position().number();
        let mut seen = rest(&mut second).len() as u64;
        let last = 1 + producer.join().unwrap();
        drop(reading.join().unwrap());
        seen += rest(&mut second).len() as u64;
        assert_eq!(seen, last - start);
    }
);

model!(
    /// One cursor leaves while another comes, and a producer that waits for either goes on.
    attach_against_detach, broken by ["detach.not_notified"], {
        let ring = parking(1);
        let first = ring.cursor();
        ring.try_publish(1).unwrap();
        let producing = ring.clone();
        let producer = spawn(move || producing.publish(2).unwrap());
        let leaving = spawn(move || drop(first));
        let mut second = ring.cursor();
        let start = second.position().number();
        leaving.join().unwrap();
        producer.join().unwrap();
        assert_eq!(rest(&mut second).len() as u64, 2 - start);
    }
);

model!(
    /// A cursor is attached while the ring is closed behind a last value: it comes to the end, from wherever it starts.
    attach_against_close, broken by ["close.not_notified"], {
        let ring = parking(2);
        let closing = ring.clone();
        let closer = spawn(move || {
            closing.try_publish(1).unwrap();
            closing.close();
        });
        let mut cursor = ring.cursor();
        let start = cursor.position().number();
        assert_eq!(to_the_end(&mut cursor), 1 - start);
        closer.join().unwrap();
    }
);

model!(
    /// A producer waits for a cursor that is dropped while the ring is closed: its value is read, or comes back.
    detach_against_close, broken by ["close.end_unseen", "multi.seal.forgotten"], {
        let ring = parking(1);
        let (gone, mut stays) = (ring.cursor(), ring.cursor());
        let producing = ring.clone();
        let producer = spawn(move || (1..=2).take_while(|value| producing.publish(*value).is_ok()).count() as u64);
        let leaving = spawn(move || drop(gone));
        ring.close();
        let seen = to_the_end(&mut stays);
        assert_eq!(producer.join().unwrap(), seen);
        leaving.join().unwrap();
    }
);

model!(
    /// Two close at once, each revoking the bias of the one who publishes: what that one publishes is read, or comes back.
    close_against_close, broken by ["multi.seal.bias_kept", "multi.seal.forgotten"], {
        let ring = parking(4);
        let mut cursor = ring.cursor();
        ring.try_publish(1).unwrap();
        let closers = [ring.clone(), ring.clone()].map(|ring| {
            spawn(move || {
                ring.close();
                assert!(ring.try_publish(3).is_err(), "it is closed");
            })
        });
        let published = 1 + u64::from(ring.try_publish(2).is_ok());
        closers.into_iter().for_each(|closer| closer.join().unwrap());
        assert_eq!(to_the_end(&mut cursor), published);
    }
);

model!(
    /// Two detach the same cursor: one of them does it, and the producer that waited for it goes on.
    detach_against_detach, broken by ["shared.retire"], {
        let ring = parking(1);
        let cursor = ring.shared_cursor();
        ring.try_publish(1).unwrap();
        let other = cursor.clone();
        let detaches = spawn(move || other.detach());
        let producing = ring.clone();
        let producer = spawn(move || producing.publish(2).unwrap());
        let mine = cursor.detach();
        assert!(mine ^ detaches.join().unwrap(), "one of the two did it");
        producer.join().unwrap();
    }
);
