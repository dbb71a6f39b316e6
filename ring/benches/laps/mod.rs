//! Timing an operation that needs its surroundings put right every now and then.
//!
//! A ring fills up, a batch is read only once. Rather than time the clean-up along with the operation, or read the clock
//! around each single call (which takes longer than many of these calls do), the operation is timed in *laps*: as many
//! calls as the surroundings allow under one pair of clock readings, then the clean-up with the clock stopped. The
//! clock is Criterion's own.

use criterion::measurement::{Measurement, WallTime};
use std::time::Duration;

/// The time that `iters` calls of `operation` take, with `clean_up` after every `lap` of them, untimed.
pub(crate) fn timed<S>(
    iters: u64,
    lap: u64,
    state: &mut S,
    mut operation: impl FnMut(&mut S),
    mut clean_up: impl FnMut(&mut S),
) -> Duration {
    let mut total = WallTime.zero();
    let mut left = iters;
    while left > 0 {
        let calls = left.min(lap);
        let start = WallTime.start();
        for _ in 0..calls {
            operation(state);
        }
        total += WallTime.end(start);
        left -= calls;
        clean_up(state);
    }
    total
}
