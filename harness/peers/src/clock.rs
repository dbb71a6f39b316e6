//! The one clock of this package: the time stamp counter where it can be trusted, else the system's monotonic
//! clock.
//!
//! All threads of a sample read the same scale, so one thread's start and another's end can be subtracted.

use quanta::Clock;

/// A cheap handle on the scale; each thread clones its own.
#[derive(Clone, Debug)]
pub(crate) struct Ticker(Clock);

impl Ticker {
    /// Calibrates the counter the first time it is called in a process.
    pub(crate) fn new() -> Self {
        Self(Clock::new())
    }

    /// Now, as a number that only means something next to another one.
    #[inline]
    pub(crate) fn now(&self) -> u64 {
        self.0.raw()
    }

    /// Nanoseconds between two readings; 0 when they are out of order.
    #[inline]
    pub(crate) fn nanos(&self, from: u64, to: u64) -> u64 {
        self.0.delta_as_nanos(from, to)
    }

    /// How far apart two readings are that lie this many nanoseconds apart.
    pub(crate) fn ticks(&self, nanos: u64) -> f64 {
        const SPAN: u64 = 1 << 40;
        nanos as f64 * SPAN as f64 / self.nanos(0, SPAN) as f64
    }
}
