//! Peeking, every schedule: nobody writes what is being shown, and nobody sleeps on for it.
#![cfg(all(ringmain_loom, ringmain_twins))]

mod models;

use loom::thread::spawn;
use models::{parking, spinning};
use ringmain_ring::{LossyRead, OnFull, Sequence};

fn value(_: Sequence, value: &u64) -> u64 {
    *value
}

model!(
    /// Another consumer takes what is being shown, and a producer laps. (The pins are there already: making one orders
    /// more than engaging it.)
    shared_peek_against_a_lap, broken by ["shared.peek.unswapped", "pin.release", "gate.advance.release"], {
        let ring = spinning(1);
        let cursor = ring.shared_cursor();
        ring.try_publish(1).unwrap();
        cursor.peek(|_, _| drop(cursor.claim(1)));
        ring.try_publish(2).unwrap();
        let other = cursor.clone();
        let consumer = spawn(move || assert!(other.claim(1).is_some()));
        let producing = ring.clone();
        let producer = spawn(move || producing.try_publish(3).is_ok());
        let shown = cursor.peek(value);
        assert!(matches!(shown, None | Some(2 | 3)), "{shown:?}");
        consumer.join().unwrap();
        producer.join().unwrap();
    }
);

model!(
    /// Detached while the next value is shown, and a producer laps.
    shared_peek_against_detach, broken by ["shared.peek.unswapped", "gate.retire.acquire"], {
        let ring = spinning(1);
        let cursor = ring.shared_cursor();
        ring.try_publish(1).unwrap();
        assert_eq!(cursor.peek(value), Some(1)); // from now on there is a pin
        let other = cursor.clone();
        let detacher = spawn(move || assert!(other.detach()));
        let producing = ring.clone();
        let producer = spawn(move || producing.try_publish(2).is_ok());
        let shown = cursor.peek(value);
        assert!(matches!(shown, None | Some(1)), "{shown:?}");
        detacher.join().unwrap();
        producer.join().unwrap();
    }
);

model!(
    /// A cover takes what is being shown, and its gate is all that a producer sees of the cursor.
    shared_peek_beside_a_cover, broken by ["shared.peek.unswapped", "pin.release"], {
        let ring = spinning(1);
        let mut cover = ring.cover();
        let cursor = ring.shared_cursor();
        cover.add(cursor.clone()).unwrap();
        ring.try_publish(1).unwrap();
        assert_eq!(cursor.peek(value), Some(1)); // from now on there is a pin
        let producing = ring.clone();
        let producer = spawn(move || producing.try_publish(2).is_ok());
        let peeks = spawn(move || assert!(matches!(cursor.peek(value), None | Some(1 | 2))));
        let read = cover.turn().claim(0, 1).map_or(0, |view| view.len());
        producer.join().unwrap();
        peeks.join().unwrap();
        assert_eq!(read, 1);
    }
);

model!(
    /// The cursor has moved on from what is shown; a producer finds only the peek in its way, and goes to sleep.
    shared_peek_wakes_a_producer, broken by ["pin.not_notified"], {
        let ring = parking(1);
        let cursor = ring.shared_cursor();
        ring.try_publish(1).unwrap();
        let producing = ring.clone();
        let producer = spawn(move || producing.publish(2).unwrap());
        cursor.peek(|_, shown| {
            assert_eq!(*shown, 1);
            drop(cursor.claim(1));
        });
        producer.join().unwrap();
    }
);

model!(
    /// Another consumer is faster, so the pin moves on, and what it stands at then is shown for long: the producer that
    /// slept for where it stood before is woken.
    shared_peek_moves_and_is_held, broken by ["pin.move.not_notified"], {
        let ring = parking(2);
        let cursor = ring.shared_cursor();
        ring.try_publish(1).unwrap();
        ring.try_publish(2).unwrap();
        let other = cursor.clone();
        let consumer = spawn(move || assert!(other.claim(1).is_some()));
        let producing = ring.clone();
        let mut producer = Some(spawn(move || producing.publish(3).unwrap()));
        cursor.peek(|_, shown| {
            if let Some(producer) = producer.take_if(|_| *shown == 2) {
                producer.join().unwrap();
            }
        });
        consumer.join().unwrap();
        producer.map(|producer| producer.join().unwrap());
    }
);

model!(
    /// A producer that finds the cursor held by a peek does not push it.
    lossy_peek_against_push, broken by ["lossy.peek_held", "lossy.push_held"], {
        let ring = spinning(1);
        let cursor = ring.lossy_cursor(OnFull::DropOldest);
        ring.try_publish(1).unwrap();
        let other = ring.clone();
        let producer = spawn(move || other.try_publish(2).is_ok());
        let shown = cursor.peek(value);
        assert!(matches!(shown, None | Some(1 | 2)), "{shown:?}");
        let published = producer.join().unwrap();
        let expected = if published { LossyRead::Lagged(1) } else { LossyRead::Read(1) };
        assert_eq!(cursor.read(1, |_, _| ()), expected, "a peek reads nothing");
    }
);

model!(
    /// A producer finds the cursor held by a peek, and goes to sleep: letting go wakes it.
    lossy_peek_wakes_a_producer, broken by ["lossy.not_notified"], {
        let ring = parking(1);
        let cursor = ring.lossy_cursor(OnFull::DropOldest);
        ring.try_publish(1).unwrap();
        let other = ring.clone();
        let producer = spawn(move || other.publish(2).unwrap());
        let _shown = cursor.peek(value);
        producer.join().unwrap();
    }
);
