//! What holds a leased payload while its slot moves on? The second half of `leases`.
//!
//! One thread publishes and receives: it fills a slot's 1 KB buffer and passes a handle to it to a second
//! thread, which reads both ends and drops the handle ("ack"). At most half the ring is under way, so a
//! slot's buffer is usually its own again a lap later:
//!
//! - *own count*: a buffer with its reference count beside it; the slot reuses it when the count is back to
//!   one;
//! - *`Arc<Vec<u8>>`*: the same through `Arc::get_mut`, with the payload one more hop away;
//! - *`Bytes` fresh*: a new `Bytes` for every message, cloned for the delivery; *reused*: got back by
//!   `try_into_mut` when unique.

use std::cell::UnsafeCell;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::*, fence};

use bytes::{Bytes, BytesMut};
use crossbeam_utils::CachePadded;

use crate::lab::{Case, Outcome};
use crate::threads::{Patience, race};

const BYTES: usize = 1024;
const CAPACITY: usize = 4096;
const BATCH: usize = 64;

/// A bounded single-producer single-consumer queue that moves batches, for both halves of the experiment.
pub(crate) struct Pipe<T> {
    entries: Box<[UnsafeCell<Option<T>>]>,
    head: CachePadded<AtomicU64>,
    tail: CachePadded<AtomicU64>,
}

// SAFETY: an entry belongs to the producer until `head` passes it and to the consumer until `tail` does
// (release/acquire).
unsafe impl<T: Send> Sync for Pipe<T> {}

impl<T> Pipe<T> {
    pub(crate) fn new(capacity: u64) -> Self {
        let entries = (0..capacity).map(|_| UnsafeCell::new(None)).collect();
        Self { entries, head: CachePadded::default(), tail: CachePadded::default() }
    }

    fn entry(&self, at: u64) -> *mut Option<T> {
        self.entries[at as usize % self.entries.len()].get()
    }

    /// The producer waits until `many` more fit at `head`; `tail` is its cache.
    pub(crate) fn wait_for_room(&self, head: u64, many: u64, tail: &mut u64) {
        let mut patience = Patience::default();
        while head + many - *tail > self.entries.len() as u64 {
            *tail = self.tail.load(Acquire);
            patience.step(1_000);
        }
    }

    /// The producer hands over `head..head + values.len()`.
    pub(crate) fn push(&self, head: u64, values: &[T])
    where
        T: Copy,
    {
        values.iter().zip(head..).for_each(|(value, at)| self.put(at, *value));
        self.publish(head + values.len() as u64);
    }

    fn put(&self, at: u64, value: T) {
        // SAFETY: the producer has waited for room and not published yet.
        unsafe { *self.entry(at) = Some(value) };
    }

    fn publish(&self, head: u64) {
        self.head.store(head, Release);
    }

    fn wait_for(&self, head: u64) {
        let mut patience = Patience::default();
        while self.head.load(Acquire) < head {
            patience.step(1_000);
        }
    }

    /// The consumer waits for `tail + values.len()` and takes them.
    pub(crate) fn pop(&self, tail: u64, values: &mut [T]) {
        self.wait_for(tail + values.len() as u64);
        values.iter_mut().zip(tail..).for_each(|(value, at)| *value = self.take(at));
    }

    fn take(&self, at: u64) -> T {
        // SAFETY: published and not freed yet.
        unsafe { (*self.entry(at)).take() }.expect("published")
    }

    pub(crate) fn free(&self, tail: u64) {
        self.tail.store(tail, Release);
    }
}

/// What a slot keeps and a delivery holds.
trait Handle: Clone + Send + 'static {
    /// A filled buffer, from what the slot held if nobody else still holds that.
    fn fill(last: Option<Self>, bytes: &[u8; BYTES]) -> Self;
    fn bytes(&self) -> &[u8];
}

#[repr(C, align(64))]
struct Counted {
    bytes: UnsafeCell<[u8; BYTES]>,
    count: AtomicUsize,
}

struct Own(NonNull<Counted>);

// SAFETY: the bytes are written only by the holder of the sole reference; the count is atomic, the last to go
// frees.
unsafe impl Send for Own {}

impl Own {
    fn counted(&self) -> &Counted {
        // SAFETY: a handle keeps its buffer alive.
        unsafe { self.0.as_ref() }
    }
}

impl Clone for Own {
    fn clone(&self) -> Self {
        self.counted().count.fetch_add(1, Relaxed);
        Self(self.0)
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        if self.counted().count.fetch_sub(1, Release) == 1 {
            fence(Acquire);
            // SAFETY: allocated by `Box`, and this was the last handle; the fence pairs with the others'
            // decrements.
            drop(unsafe { Box::from_raw(self.0.as_ptr()) });
        }
    }
}

impl Handle for Own {
    fn fill(last: Option<Self>, bytes: &[u8; BYTES]) -> Self {
        match last {
            Some(own) if own.counted().count.load(Acquire) == 1 => {
                // SAFETY: the sole reference, and the load above saw the others' last reads.
                unsafe { *own.counted().bytes.get() = *bytes };
                own
            }
            _ => {
                let counted = Counted { bytes: UnsafeCell::new(*bytes), count: AtomicUsize::new(1) };
                Self(NonNull::from(Box::leak(Box::new(counted))))
            }
        }
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: shared, so nobody writes.
        unsafe { &*self.counted().bytes.get() }
    }
}

impl Handle for Arc<Vec<u8>> {
    fn fill(last: Option<Self>, bytes: &[u8; BYTES]) -> Self {
        let mut arc = last.unwrap_or_default();
        if let Some(buffer) = Arc::get_mut(&mut arc) {
            buffer.clear();
            buffer.extend_from_slice(bytes);
            return arc;
        }
        Arc::new(bytes.to_vec())
    }

    fn bytes(&self) -> &[u8] {
        self
    }
}

impl Handle for Bytes {
    fn fill(last: Option<Self>, bytes: &[u8; BYTES]) -> Self {
        drop(last);
        Self::copy_from_slice(bytes)
    }

    fn bytes(&self) -> &[u8] {
        self
    }
}

#[derive(Clone)]
struct Reused(Bytes);

impl Handle for Reused {
    fn fill(last: Option<Self>, bytes: &[u8; BYTES]) -> Self {
        let mut buffer = last
            .and_then(|last| last.0.try_into_mut().ok())
            .unwrap_or_else(|| BytesMut::with_capacity(BYTES));
        buffer.clear();
        buffer.extend_from_slice(bytes);
        Self(buffer.freeze())
    }

    fn bytes(&self) -> &[u8] {
        &self.0
    }
}

fn ends(bytes: &[u8]) -> u64 {
    let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
    word(0).wrapping_add(word(BYTES - 8))
}

fn flat_out<H: Handle>(n: u64) -> Outcome {
    let n = n.next_multiple_of(BATCH as u64);
    let pipe = Pipe::<H>::new(CAPACITY as u64 / 2);
    let deliver = || {
        let mut slots: Vec<Option<H>> = (0..CAPACITY).map(|_| None).collect();
        let (mut bytes, mut tail) = ([7; BYTES], 0);
        for number in 0..n {
            if number.is_multiple_of(BATCH as u64) {
                pipe.publish(number);
                pipe.wait_for_room(number, BATCH as u64, &mut tail);
            }
            bytes[..8].copy_from_slice(&number.to_le_bytes());
            bytes[BYTES - 8..].copy_from_slice(&number.to_le_bytes());
            let slot = &mut slots[number as usize % CAPACITY];
            let filled = H::fill(slot.take(), &bytes);
            pipe.put(number, filled.clone());
            *slot = Some(filled);
        }
        pipe.publish(n);
        pipe.wait_for_room(n, CAPACITY as u64 / 2, &mut tail);
        0
    };
    let acknowledge = || {
        let (mut next, mut sum) = (0, 0_u64);
        while next < n {
            pipe.wait_for(next + BATCH as u64);
            for at in next..next + BATCH as u64 {
                sum = sum.wrapping_add(ends(pipe.take(at).bytes()));
            }
            next += BATCH as u64;
            pipe.free(next);
        }
        sum
    };
    let (seconds, sums) = race(vec![(0, Box::new(deliver)), (1, Box::new(acknowledge))]);
    assert_eq!(sums[1], n * (n - 1), "deliveries lost, doubled or overwritten");
    Outcome::rate(n, seconds)
}

pub(crate) fn cases() -> Vec<Case> {
    let setting = "1 KB payload handle, dropped on the other thread";
    vec![
        Case::new(setting, "own count beside the buffer", flat_out::<Own>),
        Case::new(setting, "Arc<Vec<u8>>", flat_out::<Arc<Vec<u8>>>),
        Case::new(setting, "Bytes, fresh each", flat_out::<Bytes>),
        Case::new(setting, "Bytes, reused if unique", flat_out::<Reused>),
    ]
}
