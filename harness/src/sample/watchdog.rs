//! When a sample is given up, so that nobody waits for ever for somebody who is gone.
//!
//! A sample may take much longer than it was asked to: it sends four rings' worth however long that takes, and all of
//! that has to arrive. So one that is past its time is given up only when nothing arrives any more.

use std::time::Duration;

use super::OVERTIME;
use crate::num;

/// What a sample may take beyond its time, and for how long nothing may arrive then.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// See the module. Times are nanoseconds since the sample began.
#[derive(Debug)]
pub(super) struct Watchdog {
    until: u64,
    received: u64,
    /// When something had last arrived.
    moved: u64,
}

impl Watchdog {
    /// Watches a sample of this length.
    pub(super) fn new(length: Duration) -> Self {
        Self { until: num::nanos(length) * OVERTIME + num::nanos(PATIENCE), received: 0, moved: 0 }
    }

    /// Whether to give up now, when so much has been received.
    pub(super) fn gives_up(&mut self, now: u64, received: u64) -> bool {
        if received > self.received {
            (self.received, self.moved) = (received, now);
        }
        now > self.until && now - self.moved > num::nanos(PATIENCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_sample_is_given_up_only_past_its_time_and_when_nothing_arrives() {
        let mut dog = Watchdog::new(Duration::from_secs(2));
        // Four rings of large messages take their time.
        assert!((1..=60).all(|second| !dog.gives_up(second * SECOND, second * 100)));
        assert!(!dog.gives_up(80 * SECOND, 6_000));
        assert!(dog.gives_up(81 * SECOND, 6_000));
        let mut dog = Watchdog::new(Duration::from_secs(2));
        assert!(!dog.gives_up(24 * SECOND, 0), "it may take twice its length, and a while");
        assert!(dog.gives_up(25 * SECOND, 0));
    }
}
