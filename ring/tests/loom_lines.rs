//! Readers that take lines over, every schedule: the stamp that they store again is never one that a producer has replaced,
//! and whoever acquires it acquires the value.
#![cfg(all(ringmain_loom, ringmain_twins))]

mod models;

use loom::thread::spawn;
use models::{rest, spinning};
use ringmain_ring::{LossyRead, OnFull};

model!(
    /// A producer comes round to the slot: what it stamps stays.
    lines_of_a_cursor_against_the_next_lap, broken by ["lines.taken_late"], {
        let ring = spinning(2);
        let mut cursor = ring.cursor();
        ring.try_publish(1).unwrap();
        let reader = spawn(move || (rest(&mut cursor), cursor));
        let published = 1 + (2..=3).filter(|value| ring.try_publish(*value).is_ok()).count();
        let (mut seen, mut cursor) = reader.join().unwrap();
        seen.extend(rest(&mut cursor));
        assert_eq!(seen.len(), published, "{seen:?}");
        assert!(seen.is_sorted());
    }
);

model!(
    /// The same for a cover, at the end of its turn.
    lines_of_a_cover_against_the_next_lap, broken by ["lines.taken_late", "cover.gate_first"], {
        let ring = spinning(2);
        let mut cover = ring.cover();
        let index = cover.add(ring.shared_cursor()).unwrap();
        ring.try_publish(1).unwrap();
        let producer = spawn(move || (2..=3).filter(|value| ring.try_publish(*value).is_ok()).count());
        let mut seen = Vec::new();
        let mut turn = || {
            let turn = cover.turn();
            turn.claim(index, 2).map(|view| view.for_each(|_, value| seen.push(*value)))
        };
        turn();
        let published = 1 + producer.join().unwrap();
        while turn().is_some() {}
        assert_eq!(seen.len(), published, "{seen:?}");
        assert!(seen.is_sorted());
    }
);

model!(
    /// Whoever reads the stamp that the reader stored sees the value that goes with it.
    lines_taken_over_and_then_read_by_another, broken by ["multi.taken.release"], {
        let ring = spinning(2);
        let mut cursor = ring.cursor();
        let lossy = ring.lossy_cursor(OnFull::DropOldest);
        let producer = spawn(move || _ = ring.try_publish(1).unwrap());
        let other = spawn(move || {
            let read = lossy.read(1, |_, value| assert_eq!(*value, 1));
            assert!(matches!(read, LossyRead::Read(0 | 1)));
        });
        let _read = rest(&mut cursor);
        producer.join().unwrap();
        other.join().unwrap();
    }
);
