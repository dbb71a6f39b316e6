//! Adaptive gathering: a reader that is close behind a busy writer lets it get ahead.
//!
//! A reader on the writer's heels takes each cache line while it is being written, and both pay for the fight. When
//! fewer than [`NEAR`] messages are ready, and the ring was not idle a moment ago, the reader pauses once, for about
//! [`PAUSE`], and looks again. A pause pays when it brought a message for every [`WORTH`] of it; when it does not, the
//! writer is not flat out, pausing is nothing but delay, and gathering rests for a while, each time twice as long. An
//! idle ring never pauses anybody. (Chosen by measurement: docs/decisions/0010.)

use crate::sync;
use crate::wait::now;
use std::sync::OnceLock;
use std::time::Duration;

/// A batch of this size or more is worth reading at once.
const NEAR: u64 = 64;
/// How long to let the writer get ahead.
const PAUSE: Duration = Duration::from_nanos(2_500);
/// How many messages a pause must bring: one every 80 ns.
const WORTH: u64 = 32;
/// Looks without a pause after one that did not pay: at first, and at most.
const REST: u32 = 64;
const LONGEST_REST: u32 = 4_096;
/// Looks in vain, one after another, that make a ring idle.
const IDLE: u32 = 16;

/// A reader's memory of whether pausing pays.
#[derive(Debug)]
pub(crate) struct Gather {
    /// Looks still to go without a pause, and how many it will be next time.
    rest: u32,
    next_rest: u32,
    /// Looks in vain since something was found.
    vain: u32,
}

impl Default for Gather {
    fn default() -> Self {
        Self { rest: 0, next_rest: REST, vain: IDLE }
    }
}

impl Gather {
    /// Given that `ready` messages were found, maybe pauses and calls `look` again. Returns what is ready then.
    #[inline]
    pub(crate) fn after(&mut self, ready: u64, look: impl FnOnce() -> u64) -> u64 {
        if ready == 0 {
            self.vain = self.vain.saturating_add(1);
            return 0;
        }
        let idle = self.vain >= IDLE;
        self.vain = 0;
        if ready >= NEAR || idle || cfg!(any(ringmain_loom, miri)) {
            return ready;
        }
        if self.rest > 0 {
            self.rest -= 1;
            return ready;
        }
        self.pause(ready, look)
    }

    #[cold]
    fn pause(&mut self, ready: u64, look: impl FnOnce() -> u64) -> u64 {
        for _ in 0..pause_hints() {
            sync::spin_hint();
        }
        let now = look();
        if now - ready >= WORTH {
            self.next_rest = REST;
        } else {
            self.rest = self.next_rest;
            self.next_rest = (self.next_rest * 2).min(LONGEST_REST);
        }
        now
    }
}

/// How many spin hints make a [`PAUSE`]: they take from 3 to 45 ns, by CPU, so it is measured once.
fn pause_hints() -> u32 {
    static HINTS: OnceLock<u32> = OnceLock::new();
    *HINTS.get_or_init(|| {
        const SAMPLE: u32 = 2_000;
        // The fastest of a few: an interruption only ever makes one slower.
        let fastest = (0..5)
            .map(|_| {
                let start = now();
                for _ in 0..SAMPLE {
                    sync::spin_hint();
                }
                now().duration_since(start)
            })
            .min()
            .unwrap_or(PAUSE);
        let hints = PAUSE.as_nanos() * u128::from(SAMPLE) / fastest.as_nanos().max(1);
        u32::try_from(hints).unwrap_or(SAMPLE).clamp(16, SAMPLE)
    })
}

#[cfg(all(test, not(ringmain_loom), not(miri)))]
mod tests {
    use super::*;

    #[test]
    fn an_idle_ring_and_a_long_batch_are_read_at_once() {
        let mut gather = Gather::default();
        assert_eq!(gather.after(1, || panic!("the ring was idle")), 1);
        assert_eq!(gather.after(NEAR, || panic!("the batch is long enough")), NEAR);
    }

    #[test]
    fn a_pause_that_does_not_pay_is_followed_by_a_longer_and_longer_rest() {
        let mut gather = Gather::default();
        gather.after(1, || 1);
        for rest in [REST, REST * 2] {
            assert_eq!(gather.after(2, || 3), 3, "pauses, in vain");
            for _ in 0..rest {
                assert_eq!(gather.after(2, || panic!("rests")), 2);
            }
        }
        assert_eq!(gather.after(2, || 2 + WORTH), 2 + WORTH, "pauses, and it pays");
        assert_eq!(gather.after(2, || 3), 3, "so it pauses again");
    }
}
