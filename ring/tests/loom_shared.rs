//! Shared cursors and their pins, every schedule.
#![cfg(all(ringmain_loom, ringmain_twins))]

mod models;

use loom::thread::spawn;
use models::{parking, spinning};
use ringmain_ring::{Sequencer, SharedCursor};

/// Takes what one claim gives.
fn take<S: Sequencer>(cursor: &SharedCursor<u64, S>, limit: usize) -> Vec<u64> {
    let mut seen = Vec::new();
    if let Some(batch) = cursor.claim(limit) {
        batch.view().for_each(|_, value| seen.push(*value));
    }
    seen
}

model!(shared_each_message_goes_to_one, broken by ["shared.advance.unchecked"], {
    let ring = spinning(2);
    let cursor = ring.shared_cursor();
    ring.try_publish(1).unwrap();
    ring.try_publish(2).unwrap();
    let other = cursor.clone();
    let consumer = spawn(move || take(&other, 1));
    let mut seen = take(&cursor, 1);
    seen.extend(consumer.join().unwrap());
    seen.sort_unstable();
    assert_eq!(seen, [1, 2]);
});

model!(
    /// The cursor has moved on and is being read under a pin, while a producer laps.
    shared_pin_holds_producers,
    broken by ["shared.no_pin", "pin.release", "gate.advance.release", "pins.before_gates"], {
        let ring = spinning(1);
        let cursor = ring.shared_cursor();
        ring.try_publish(1).unwrap();
        let producer = spawn(move || ring.try_publish(2).is_ok());
        let seen = take(&cursor, 1);
        assert_eq!(seen, [1]);
        producer.join().unwrap();
    }
);

model!(
    /// The same when the pin is not the first, and already there: the scan must not go by an old number of pins.
    shared_pin_used_again, broken by ["shared.no_pin", "pin.release", "gate.advance.release"], {
        let ring = spinning(1);
        let cursor = ring.shared_cursor();
        ring.try_publish(1).unwrap();
        assert_eq!(take(&cursor, 1), [1]);
        ring.try_publish(2).unwrap();
        let producer = spawn(move || ring.try_publish(3).is_ok());
        assert_eq!(take(&cursor, 1), [2]);
        producer.join().unwrap();
    }
);

model!(
    /// Two consumers, two messages, and a producer that laps: each consumer gets one, though it finds its slot used again.
    shared_claim_against_a_lap,
    broken by ["shared.lapped", "pins.len.release", "pins.len.owner.acquire"], {
        let ring = spinning(2);
        let cursor = ring.shared_cursor();
        ring.try_publish(1).unwrap();
        ring.try_publish(2).unwrap();
        let other = cursor.clone();
        let consumer = spawn(move || take(&other, 1));
        let producing = ring.clone();
        let producer = spawn(move || producing.try_publish(3).is_ok());
        let mut seen = take(&cursor, 1);
        seen.extend(consumer.join().unwrap());
        seen.sort_unstable();
        assert_eq!(seen, [1, 2]);
        producer.join().unwrap();
    }
);

model!(
    /// Two consumers want the one message. A producer sees the pin of the one that gets nothing, and goes to sleep.
    shared_pin_that_came_to_nothing, broken by ["pin.not_notified"], {
        let ring = parking(1);
        let cursor = ring.shared_cursor();
        ring.try_publish(1).unwrap();
        let other = cursor.clone();
        let consumer = spawn(move || take(&other, 1).len());
        let producing = ring.clone();
        let producer = spawn(move || producing.publish(2).unwrap());
        let taken = take(&cursor, 1).len() + consumer.join().unwrap();
        producer.join().unwrap();
        assert!(taken == 1 || taken == 2, "{taken}");
    }
);

model!(
    /// The pin moves on, and then its batch is held: the producer that slept for where it stood before is woken.
    shared_pin_moves_and_is_held, broken by ["pin.move.not_notified"], {
        let ring = parking(2);
        let cursor = ring.shared_cursor();
        ring.try_publish(1).unwrap();
        ring.try_publish(2).unwrap();
        let other = cursor.clone();
        let consumer = spawn(move || take(&other, 1).len());
        let producing = ring.clone();
        let producer = spawn(move || producing.publish(3).unwrap());
        let held = cursor.claim(1).unwrap();
        assert_eq!(consumer.join().unwrap(), 1);
        if held.view().start().number() == 1 {
            producer.join().unwrap();
            drop(held);
        } else {
            drop(held);
            producer.join().unwrap();
        }
    }
);

model!(
    /// Detached while another consumer takes: what was taken stays readable, and producers go on.
    shared_detach_against_claim, broken by ["pin.not_notified", "shared.retire"], {
        let ring = parking(1);
        let cursor = ring.shared_cursor();
        ring.try_publish(1).unwrap();
        let other = cursor.clone();
        let consumer = spawn(move || take(&other, 1).len());
        let producing = ring.clone();
        let producer = spawn(move || producing.publish(2).unwrap());
        assert!(cursor.detach());
        assert!(cursor.claim(1).is_none());
        assert!(consumer.join().unwrap() <= 1);
        producer.join().unwrap();
    }
);

model!(
    /// As above, on a ring where nothing but the retirement orders the consumer's pin.
    shared_detach_and_the_pin, broken by ["gate.retire.acquire"], {
        let ring = spinning(1);
        let cursor = ring.shared_cursor();
        // From now on there is a pin, and making it orders nothing any more.
        ring.try_publish(1).unwrap();
        assert_eq!(take(&cursor, 1), [1]);
        ring.try_publish(2).unwrap();
        let other = cursor.clone();
        let consumer = spawn(move || take(&other, 1).len());
        let producing = ring.clone();
        let producer = spawn(move || producing.try_publish(3).is_ok());
        cursor.detach();
        assert!(consumer.join().unwrap() <= 1);
        producer.join().unwrap();
    }
);

model!(
    /// A pin is a word that many use, one after another. The one that moves it without having read anything must not
    /// hide what the one before it read.
    shared_pin_hides_no_reader, broken by ["pin.move.release"], {
        let ring = spinning(1);
        let cursor = ring.shared_cursor();
        ring.try_publish(1).unwrap();
        let consumers = [0, 1].map(|_| {
            let cursor = cursor.clone();
            spawn(move || take(&cursor, 1).len())
        });
        let producer = spawn(move || ring.try_publish(2).is_ok());
        let taken: usize = consumers.map(|consumer| consumer.join().unwrap()).iter().sum();
        let published = producer.join().unwrap();
        assert!(taken == 1 || taken == 2 && published);
    }
);
