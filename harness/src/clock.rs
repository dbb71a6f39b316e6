//! Time: the one place in the harness that reads a clock or sleeps.
//!
//! Measurements come from the time stamp counter through `quanta`, as nanoseconds since the clock was made: a read
//! costs about 10 ns where `Instant::now` costs 24. Everything that measures takes a [`Clock`] as a parameter, so
//! that the pacer and the publisher's loop are tested against a clock that the test turns by hand.

use std::time::Duration;

/// A source of nanoseconds that never goes back.
pub(crate) trait Clock {
    /// Nanoseconds since the clock was made.
    fn now(&self) -> u64;
}

/// The time stamp counter, calibrated against the system's monotonic clock.
#[derive(Debug, Clone)]
pub(crate) struct TscClock {
    source: quanta::Clock,
    origin: u64,
}

impl TscClock {
    /// Calibrates (the first time in a process, up to 200 ms) and starts at zero.
    pub(crate) fn new() -> Self {
        let source = quanta::Clock::new();
        let origin = source.raw();
        Self { source, origin }
    }
}

impl Clock for TscClock {
    #[inline(always)]
    fn now(&self) -> u64 {
        self.source.delta_as_nanos(self.origin, self.source.raw())
    }
}

/// Reads the system's clock, to tell what that costs.
#[expect(clippy::disallowed_methods, reason = "the cost of this very call is what is measured")]
pub(crate) fn read_system() {
    std::hint::black_box(std::time::Instant::now());
}

/// Sleeps. For the coordinator only: a role thread that sleeps would measure its own wake-up.
#[expect(clippy::disallowed_methods, reason = "the coordinator has no engine call to wait in")]
pub(crate) fn sleep(duration: Duration) {
    std::thread::sleep(duration);
}

/// A clock that tests turn by hand.
#[cfg(test)]
#[derive(Debug, Default)]
pub(crate) struct ManualClock {
    now: std::cell::Cell<u64>,
    step: u64,
}

#[cfg(test)]
impl ManualClock {
    /// A clock at zero that moves on by `step` nanoseconds each time it is read, as a spinning reader would see it.
    pub(crate) fn stepping(step: u64) -> Self {
        Self { now: std::cell::Cell::new(0), step }
    }

    pub(crate) fn advance(&self, nanos: u64) {
        self.now.set(self.now.get() + nanos);
    }
}

#[cfg(test)]
impl Clock for ManualClock {
    fn now(&self) -> u64 {
        self.advance(self.step);
        self.now.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counter_agrees_with_a_sleep() {
        let clock = TscClock::new();
        let before = clock.now();
        sleep(Duration::from_millis(20));
        let elapsed = clock.now() - before;
        assert!((19_000_000..2_000_000_000).contains(&elapsed), "20 ms measured as {elapsed} ns");
    }
}
