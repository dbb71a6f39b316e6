//! [`Buffer`]: freed once, written only by its one owner. The header is a cell that the model checker watches.
#![cfg(all(ringmain_loom, ringmain_twins))]

mod models;

use loom::thread::spawn;
use ringmain_ring::sync::{AtomicUsize, Ordering, UnsafeCell};
use ringmain_ring::{Buffer, UniqueBuffer};
use std::sync::Arc;

/// Reads are recorded through shared handles, writes through the unique one and by the drop.
struct Header {
    cell: UnsafeCell<u64>,
    drops: Arc<AtomicUsize>,
}

// SAFETY: the cell is written through `&mut` and by the drop only; that the two exclude the readers is what is checked.
unsafe impl Send for Header {}
// SAFETY: as for Send.
unsafe impl Sync for Header {}

impl Header {
    fn read(&self) -> u64 {
        // SAFETY: the model checker fails before a race is one.
        self.cell.with(|value| unsafe { *value })
    }

    fn write(&mut self, value: u64) {
        // SAFETY: as above.
        self.cell.with_mut(|cell| unsafe { *cell = value });
    }
}

impl Drop for Header {
    fn drop(&mut self) {
        self.write(0);
        self.drops.fetch_add(1, Ordering::Relaxed);
    }
}

fn buffer() -> (Buffer<Header>, Arc<AtomicUsize>) {
    let drops = Arc::new(AtomicUsize::new(0));
    let header = Header { cell: UnsafeCell::new(7), drops: Arc::clone(&drops) };
    (UniqueBuffer::new(1, header).share(), drops)
}

model!(
    /// Whoever drops it last frees it, after everybody's reads.
    buffer_freed_once, broken by ["buffer.drop.release", "buffer.drop.acquire", "buffer.clone.uncounted"], {
        let (buffer, drops) = buffer();
        let others = [0, 1].map(|_| {
            let clone = buffer.clone();
            spawn(move || assert_eq!(clone.read(), 7))
        });
        assert_eq!(buffer.read(), 7);
        drop(buffer);
        for other in others {
            other.join().unwrap();
        }
        assert_eq!(drops.load(Ordering::Relaxed), 1);
    }
);

model!(
    /// Taken back for writing only when no reader is left, and after what they read.
    buffer_reused, broken by ["buffer.drop.release", "buffer.unique.acquire", "buffer.unique.unchecked"], {
        let (buffer, drops) = buffer();
        let clone = buffer.clone();
        let reader = spawn(move || assert_eq!(clone.read(), 7));
        match buffer.into_unique() {
            Ok(mut unique) => unique.write(8),
            Err(shared) => assert_eq!(shared.read(), 7),
        }
        reader.join().unwrap();
        assert_eq!(drops.load(Ordering::Relaxed), 1);
    }
);

model!(
    /// A clone made while another handle is dropped.
    buffer_clone_against_drop, broken by ["buffer.drop.release", "buffer.drop.acquire"], {
        let (buffer, drops) = buffer();
        let shared = buffer.clone();
        let cloner = spawn(move || {
            let again = shared.clone();
            drop(shared);
            assert_eq!(again.read(), 7);
        });
        drop(buffer);
        cloner.join().unwrap();
        assert_eq!(drops.load(Ordering::Relaxed), 1);
    }
);

model!(
    /// Handles counted at once, of which one is let go of by itself, while the others are at once.
    buffer_handles, broken by ["buffer.drop.release", "buffer.drop.acquire", "buffer.handles.kept"], {
        let (buffer, drops) = buffer();
        let mut handles = buffer.handles(3);
        drop(buffer);
        let one = handles.take().unwrap();
        let two = handles.take().unwrap();
        let reader = spawn(move || assert_eq!(one.read(), 7));
        assert_eq!(two.read(), 7);
        assert!(handles.join(two).is_none());
        drop(handles);
        reader.join().unwrap();
        assert_eq!(drops.load(Ordering::Relaxed), 1);
    }
);

model!(
    /// Two handles let go of at once, while the third is: whoever is last has it to write, or frees it, after the other's reads.
    buffer_reunited, broken by [
        "buffer.drop.release", "buffer.drop.acquire", "buffer.reunite.unchecked", "buffer.clone.uncounted",
    ], {
        let (buffer, drops) = buffer();
        let (one, two) = buffer.clone_twice();
        let again = buffer.clone();
        drop(buffer);
        let reader = spawn(move || assert_eq!(again.read(), 7));
        assert_eq!(one.read(), 7);
        if let Some(mut unique) = one.reunite(two) {
            unique.write(8);
        }
        reader.join().unwrap();
        assert_eq!(drops.load(Ordering::Relaxed), 1);
    }
);
