//! What role threads and the coordinator tell each other while a sample runs.
//!
//! The harness has no algorithm of its own on atomics: these are flags that are raised once, and counters with one
//! writer that others read for progress. Each sits on cache lines of its own, so that reading one never slows the
//! writer of another. This is the only file of the harness that names an atomic.

use ringmain_ring::sync::{AtomicU64, Ordering};

/// A counter with one writer. On its own pair of cache lines, since prefetchers fetch in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Gauge(AtomicU64);

impl Gauge {
    /// Publishes the writer's value. Release: what the writer did before is visible to who sees the value.
    #[inline]
    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Release);
    }

    /// The value last set; pairs with [`Gauge::set`].
    #[inline]
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    /// Adds one and tells how many came before. For counting threads in and out, never per message.
    pub(crate) fn add_one(&self) -> u64 {
        self.0.fetch_add(1, Ordering::AcqRel)
    }
}

/// A value that is written once, by one thread, for the others to wait on.
#[derive(Debug, Default)]
pub(crate) struct Signal(Gauge);

impl Signal {
    /// Raises the signal. `value` must not be `u64::MAX`.
    pub(crate) fn raise(&self, value: u64) {
        self.0.set(value + 1);
    }

    /// The value, once raised.
    #[inline]
    pub(crate) fn raised(&self) -> Option<u64> {
        self.0.get().checked_sub(1)
    }
}

/// A table of times indexed by message number, for payloads that cannot carry one.
///
/// Slots are reused in turn, so there must be more of them than messages can be between the publisher and the
/// readers. Plain relaxed accesses do: the ring's own publish and read order them.
#[derive(Debug)]
pub(crate) struct Stamps {
    slots: Box<[AtomicU64]>,
    mask: usize,
}

impl Stamps {
    /// Room for at least `in_flight` messages.
    pub(crate) fn new(in_flight: usize) -> Self {
        let length = in_flight.max(1).next_power_of_two();
        Self { slots: (0..length).map(|_| AtomicU64::new(0)).collect(), mask: length - 1 }
    }

    #[inline]
    pub(crate) fn put(&self, message: u64, time: u64) {
        self.slots[crate::num::index(message) & self.mask].store(time, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn get(&self, message: u64) -> u64 {
        self.slots[crate::num::index(message) & self.mask].load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_tells_zero_from_not_raised() {
        let signal = Signal::default();
        assert_eq!(signal.raised(), None);
        signal.raise(0);
        assert_eq!(signal.raised(), Some(0));
    }

    #[test]
    fn stamps_are_reused_after_their_capacity() {
        let stamps = Stamps::new(5);
        stamps.put(3, 30);
        stamps.put(10, 100);
        assert_eq!((stamps.get(3), stamps.get(10)), (30, 100));
        stamps.put(11, 110);
        assert_eq!(stamps.get(3), 110);
    }
}
