//! What cannot be true, and is refused before anybody reads it.
//!
//! A rate whose payload bytes exceed what the CPUs can copy was not measured on written payloads; an operation
//! below one CPU cycle was optimised away; a NaN is a bug of the harness. Such a figure fails the run. A debug
//! build is refused before it runs at all: its figures would be true and useless.

use crate::clock::Clock;
use crate::environment;
use crate::num;

/// How far above the copy rate measured here a rate may be: that measurement is itself subject to noise.
const SLACK: f64 = 1.5;
/// A clock rate that no CPU reaches, for systems that do not tell theirs.
const FASTEST_HZ: f64 = 8e9;

/// Whether figures of this build mean anything; if not, one line that says so.
pub(crate) fn build() -> Result<(), String> {
    if cfg!(debug_assertions) {
        return Err("this is a debug build, whose figures mean nothing; run it with cargo run --release -p \
                    ringmain-harness, or cargo install --path harness"
            .to_owned());
    }
    Ok(())
}

/// The limits of this machine for one kind of load.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Limits {
    /// Messages a second that the publishers could write if they did nothing else.
    pub(crate) writes: f64,
    /// Operations a second at one per cycle and thread.
    cycles: f64,
}

impl Limits {
    /// Measures how fast one thread copies payloads of `length` bytes into as much memory as a ring of `ring` slots
    /// spans.
    pub(crate) fn measure(clock: &impl Clock, length: usize, ring: usize, threads: usize) -> Self {
        let length = length.max(1);
        let slots = ring.min((64 << 20) / length).max(1);
        let source = vec![0x5a_u8; length];
        let mut target = vec![0_u8; slots * length];
        let mut best = f64::INFINITY;
        let mut copy = |rounds: usize| {
            let begin = clock.now();
            for _ in 0..rounds {
                for slot in target.chunks_exact_mut(length) {
                    slot.copy_from_slice(std::hint::black_box(&source));
                }
                std::hint::black_box(&mut target);
            }
            let nanos = num::float((clock.now() - begin).max(1));
            best = best.min(nanos / num::float(num::count(rounds * slots)));
        };
        // The first touch pays for the pages; the fastest of the rest is the machine's limit.
        let rounds = ((8 << 20) / (slots * length)).max(1);
        (0..8).for_each(|_| copy(rounds));
        let threads = num::float(num::count(threads));
        Self { writes: threads * 1e9 / best, cycles: threads * environment::cpu_hz().unwrap_or(FASTEST_HZ) }
    }

    /// Why `rate` messages a second cannot be, with payloads that were `written` or not; `None` when they can.
    pub(crate) fn refuse(&self, rate: f64, written: bool) -> Option<String> {
        if !rate.is_finite() || rate < 0.0 {
            return Some(format!("the rate came out as {rate}, which is no number: a fault of the harness"));
        }
        if rate == 0.0 {
            return Some("nothing was delivered".to_owned());
        }
        if rate > self.cycles {
            return Some(format!(
                "{}/s is less than a CPU cycle per message: nothing was measured",
                num::signed(rate)
            ));
        }
        if written && rate > self.writes * SLACK {
            return Some(format!(
                "{}/s is above the {}/s that this machine can copy: the payloads were not written",
                num::signed(rate),
                num::signed(self.writes)
            ));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::TscClock;

    const LIMITS: Limits = Limits { writes: 5e7, cycles: 3e9 };

    #[test]
    fn what_is_possible_passes() {
        assert_eq!(LIMITS.refuse(4.9e7, true), None);
        assert_eq!(LIMITS.refuse(7e7, true), None);
        assert_eq!(LIMITS.refuse(1e9, false), None, "what is not written is not copied");
    }

    #[test]
    fn the_impossible_is_named() {
        assert!(LIMITS.refuse(1e8, true).unwrap().contains("were not written"));
        assert!(LIMITS.refuse(1e10, true).unwrap().contains("less than a CPU cycle"));
        assert!(LIMITS.refuse(0.0, true).unwrap().contains("nothing was delivered"));
        assert!(LIMITS.refuse(f64::NAN, true).unwrap().contains("no number"));
        assert!(LIMITS.refuse(f64::INFINITY, true).unwrap().contains("no number"));
    }

    #[test]
    fn the_machine_copies_at_a_finite_rate() {
        let limits = Limits::measure(&TscClock::new(), 1_024, 4_096, 1);
        assert!(limits.writes > 1e4 && limits.writes < 1e9, "{limits:?}");
    }
}
