//! How far apart two CPUs are: the one-way time of a cache line between them.
//!
//! Two threads, pinned where the publisher and the consumer will run, hand a line back and forth. The median over
//! short blocks is the distance, half a round trip; it takes about a millisecond. On a virtual machine the
//! hypervisor may move either CPU at any time, which changes every figure by a factor: hence one probe before and
//! one after each sample.

use crate::clock::Clock;
use crate::num;
use crate::pin;
use crate::shared::Gauge;

const BLOCKS: u64 = 41;
const ROUNDS: u64 = 40;
/// Reads of the line after which a side stops waiting: the other CPU is taken away, and there is no distance to tell.
const PATIENCE: u64 = 20_000_000;

/// The one-way time between `first` and `second` in nanoseconds; `None` when it could not be measured.
pub(crate) fn distance(first: usize, second: usize, clock: &(impl Clock + Sync)) -> Option<f64> {
    let (there, back) = (Gauge::default(), Gauge::default());
    let total = BLOCKS * ROUNDS;
    std::thread::scope(|scope| {
        let echo = scope.spawn(|| {
            if !pin::pin(Some(second)) {
                return;
            }
            for round in 1..=total {
                if !wait_for(&there, round) {
                    return;
                }
                back.set(round);
            }
        });
        let call = scope.spawn(|| {
            if !pin::pin(Some(first)) {
                return None;
            }
            let mut blocks = Vec::with_capacity(num::index(BLOCKS));
            for block in 0..BLOCKS {
                let begin = clock.now();
                for round in 1..=ROUNDS {
                    there.set(block * ROUNDS + round);
                    if !wait_for(&back, block * ROUNDS + round) {
                        return None;
                    }
                }
                blocks.push(num::float(clock.now() - begin) / num::float(ROUNDS) / 2.0);
            }
            // The first block pays for the start of the other thread.
            num::median(&blocks[1..])
        });
        let measured = call.join().ok().flatten();
        echo.join().ok().and(measured)
    })
}

fn wait_for(line: &Gauge, value: u64) -> bool {
    // No pause hint: on some CPUs one takes longer than the way to be measured.
    (0..PATIENCE).any(|_| line.get() >= value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::TscClock;

    #[test]
    fn two_cpus_are_a_plausible_distance_apart() {
        let [first, second, ..] = pin::available()[..] else { return };
        let nanos = distance(first, second, &TscClock::new());
        assert!(nanos.is_none_or(|nanos| (1.0..1e7).contains(&nanos)), "{nanos:?} ns");
    }
}
