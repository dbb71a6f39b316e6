//! What memory carries on this machine: the scale against which bytes per second mean something.
//!
//! A plain copy loop over buffers much larger than the cache, one thread for a publisher and one for a reader, both at once. A
//! copied byte is read and written, so memory moves two for each; a payload byte that is written and read again
//! moves as much.

use std::hint::black_box;
use std::sync::Barrier;

use crate::clock::{Clock, TscClock};
use crate::environment;
use crate::num;
use crate::pin;
use crate::result::metrics::MemoryBandwidth;

/// The buffers together span at least so much, and so many times the largest cache, but for the last limit.
const LEAST: usize = 256 << 20;
const CACHES: usize = 2;
/// They take no more than this part of the machine's memory.
const MEMORY: usize = 8;
const ROUNDS: usize = 5;

/// Measures it with a thread for a publisher and one for a reader, each on a CPU of its own if there are two.
pub(crate) fn measure(clock: &TscClock) -> MemoryBandwidth {
    let places: Vec<Option<usize>> = pin::available().iter().copied().map(Some).take(2).collect();
    let places = if places.is_empty() { vec![None] } else { places };
    let threads = places.len();
    let total = span(environment::largest_cache().unwrap_or(0), environment::memory().unwrap_or(usize::MAX));
    let each = total / (2 * threads);
    let barrier = Barrier::new(threads);
    let copied = std::thread::scope(|scope| {
        let measured: Vec<_> = places
            .into_iter()
            .map(|cpu| {
                let barrier = &barrier;
                scope.spawn(move || {
                    // Where the system refuses, it places the thread itself: less is measured, never more.
                    let _pinned = pin::pin(cpu);
                    fastest_copy(clock, each, barrier)
                })
            })
            .collect();
        measured.into_iter().filter_map(|thread| thread.join().ok()).sum::<f64>()
    });
    MemoryBandwidth {
        bytes_per_sec: 2.0 * copied,
        copied_bytes_per_sec: copied,
        threads,
        buffer: num::float(num::count(2 * each * threads)) / (1024.0 * 1024.0),
    }
}

/// The fastest of a few copies of `length` bytes, while the other threads copy, too; bytes a second.
fn fastest_copy(clock: &TscClock, length: usize, barrier: &Barrier) -> f64 {
    let source = vec![0x5a_u8; length];
    // Written once before: the first touch pays for the pages.
    let mut target = vec![0xa5_u8; length];
    let mut best = u64::MAX;
    for _ in 0..ROUNDS {
        barrier.wait();
        let begin = clock.now();
        black_box(&mut target).copy_from_slice(black_box(&source));
        best = best.min(clock.now() - begin);
    }
    num::float(num::count(length)) * 1e9 / num::float(best.max(1))
}

/// How many bytes all buffers span.
fn span(cache: usize, memory: usize) -> usize {
    LEAST.max(CACHES * cache).min(memory / MEMORY).max(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_larger_than_the_cache_and_leave_memory_free() {
        const GIB: usize = 1 << 30;
        assert_eq!(span(32 << 20, 64 * GIB), LEAST);
        assert_eq!(span(480 << 20, 64 * GIB), 960 << 20);
        assert_eq!(span(480 << 20, 2 * GIB), GIB / 4);
        assert_eq!(span(0, usize::MAX), LEAST);
    }

    #[test]
    fn a_copy_moves_two_bytes_for_each() {
        let rate = fastest_copy(&TscClock::new(), 1 << 20, &Barrier::new(1));
        assert!(rate > 1e6, "{rate}");
    }
}
