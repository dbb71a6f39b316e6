//! When each message is due.
//!
//! An open loop offers load at a rate, whatever the system does with it. [`Schedule`] says when message `n` is due,
//! as a function of `n` alone, so that the publisher and the reader agree on it without telling each other;
//! [`Pacer`] walks one publisher along it. A publisher that falls behind skips nothing: what became due while it
//! was stuck is sent at once, and each message keeps the due time it had. Its latency counts from then, which is
//! what keeps the figures free of coordinated omission.

use std::sync::Arc;

use crate::num;

/// When messages are due, as a function of their number alone.
pub(crate) trait Due {
    /// When message `n` is due.
    fn due(&self, n: u64) -> u64;
    /// How many messages are due by `now`.
    fn due_by(&self, now: u64) -> u64;
}

/// Fraction bits of the period. At 10 million messages a second the rounding adds up to 1 ms after 500 days. Below a message a
/// second the period would not fit with them, and whole nanoseconds do.
const FRACTION: u32 = 32;

/// Due times at a constant rate, in nanoseconds of the run's clock.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Schedule {
    start: u64,
    /// Nanoseconds between messages, with so many fraction bits: [`FRACTION`] or none.
    period: u64,
    fraction: u32,
    /// Messages per nanosecond, for the way back.
    per_nano: f64,
}

impl Schedule {
    /// Message 0 at `start`, then `rate` messages a second.
    pub(crate) fn new(start: u64, rate: f64) -> Self {
        let fraction = if rate < 1.0 { 0 } else { FRACTION };
        let period = num::whole(1e9 * num::float(1 << fraction) / rate);
        Self { start, period, fraction, per_nano: rate / 1e9 }
    }

    /// One of `sharers` schedules that together offer `rate`: their messages interleave evenly.
    pub(crate) fn share(start: u64, rate: f64, sharer: usize, sharers: usize) -> Self {
        let (sharer, sharers) = (num::float(num::count(sharer)), num::float(num::count(sharers)));
        Self::new(start + num::whole(1e9 * sharer / rate), rate / sharers)
    }
}

impl Due for Schedule {
    #[inline]
    fn due(&self, n: u64) -> u64 {
        self.start + num::low((u128::from(n) * u128::from(self.period)) >> self.fraction)
    }

    #[inline]
    fn due_by(&self, now: u64) -> u64 {
        if now < self.start {
            return 0;
        }
        let mut count = num::floor(num::float(now - self.start) * self.per_nano) + 1;
        // The float may be a message off on either side of a boundary; the schedule itself decides.
        while self.due(count) <= now {
            count += 1;
        }
        while count > 0 && self.due(count - 1) > now {
            count -= 1;
        }
        count
    }
}

/// Due times as they were recorded.
#[derive(Debug, Clone)]
pub(crate) struct Recorded {
    start: u64,
    /// Nanoseconds after the start, never falling.
    offsets: Arc<[u64]>,
}

impl Recorded {
    /// Message 0 at `start` plus the first offset, and so on.
    pub(crate) fn new(start: u64, offsets: Arc<[u64]>) -> Self {
        debug_assert!(offsets.is_sorted(), "recorded times never fall");
        Self { start, offsets }
    }
}

impl Due for Recorded {
    fn due(&self, n: u64) -> u64 {
        self.offsets.get(num::index(n)).map_or(u64::MAX, |offset| self.start + offset)
    }

    fn due_by(&self, now: u64) -> u64 {
        let Some(elapsed) = now.checked_sub(self.start) else { return 0 };
        num::count(self.offsets.partition_point(|&offset| offset <= elapsed))
    }
}

/// One publisher's walk along its schedule.
#[derive(Debug, Clone)]
pub(crate) struct Pacer<D = Schedule> {
    schedule: D,
    next: u64,
    next_due: u64,
    total: u64,
}

impl<D: Due> Pacer<D> {
    /// Starts before the first of `total` messages.
    pub(crate) fn new(schedule: D, total: u64) -> Self {
        Self { next: 0, next_due: schedule.due(0), total, schedule }
    }

    /// How many messages may be sent now, at most `limit`; 0 when the next is not due yet, or when all are sent.
    #[inline]
    pub(crate) fn ready(&self, now: u64, limit: u64) -> u64 {
        if now < self.next_due {
            return 0;
        }
        (self.schedule.due_by(now).min(self.total) - self.next.min(self.total)).min(limit)
    }

    /// Marks the next `count` messages as sent.
    #[inline]
    pub(crate) fn advance(&mut self, count: u64) {
        self.next += count;
        self.next_due = if self.next < self.total { self.schedule.due(self.next) } else { u64::MAX };
    }

    /// The number of the next message.
    #[inline]
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Where the due times come from.
    #[inline]
    pub(crate) fn schedule(&self) -> &D {
        &self.schedule
    }

    /// Whether everything was sent.
    #[inline]
    pub(crate) fn finished(&self) -> bool {
        self.next >= self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_a_second_is_due_every_microsecond() {
        let schedule = Schedule::new(500, 1e6);
        assert_eq!(schedule.due(0), 500);
        assert_eq!(schedule.due(3), 3_500);
        assert_eq!(schedule.due_by(499), 0);
        assert_eq!(schedule.due_by(500), 1);
        assert_eq!(schedule.due_by(3_499), 3);
        assert_eq!(schedule.due_by(3_500), 4);
    }

    #[test]
    fn due_and_due_by_agree_at_awkward_rates() {
        for rate in [0.05, 0.9, 1.0, 3.0, 7_777.0, 9_123_457.0, 33_333_333.3] {
            let schedule = Schedule::new(1_000, rate);
            for n in (0..1_000_000).step_by(997) {
                let due = schedule.due(n);
                let by = schedule.due_by(due);
                assert!(
                    by > n && schedule.due(by - 1) <= due && schedule.due(by) > due,
                    "rate {rate}, message {n}"
                );
            }
        }
    }

    #[test]
    fn an_hour_at_ten_million_a_second_does_not_drift() {
        let schedule = Schedule::new(0, 1e7);
        assert_eq!(schedule.due(36_000_000_000), 3_600_000_000_000);
    }

    #[test]
    fn sharers_interleave_evenly() {
        let dues: Vec<u64> = (0..4).map(|sharer| Schedule::share(0, 1e6, sharer, 4).due(0)).collect();
        assert_eq!(dues, [0, 1_000, 2_000, 3_000]);
        assert_eq!(Schedule::share(0, 1e6, 0, 4).due(1), 4_000);
    }

    #[test]
    fn recorded_times_are_kept_however_they_bunch() {
        let recorded = Recorded::new(1_000, vec![0, 500, 500, 2_000].into());
        let mut pacer = Pacer::new(recorded, 4);
        assert_eq!((pacer.ready(999, 64), pacer.ready(1_000, 64)), (0, 1));
        pacer.advance(1);
        assert_eq!((pacer.ready(1_499, 64), pacer.ready(1_500, 64)), (0, 2));
        pacer.advance(2);
        assert_eq!((pacer.ready(2_999, 64), pacer.ready(u64::MAX, 64)), (0, 1));
        pacer.advance(1);
        assert!(pacer.finished() && pacer.ready(u64::MAX - 1, 64) == 0);
    }

    #[test]
    fn a_pacer_behind_schedule_skips_nothing() {
        let mut pacer = Pacer::new(Schedule::new(0, 1e6), 200_000);
        assert_eq!(pacer.ready(0, 64), 1);
        pacer.advance(1);
        assert_eq!(pacer.ready(0, 64), 0);
        // A stall of 100 ms: 100,000 messages became due, and all of them are still to be sent.
        let mut sent = 0;
        while pacer.ready(100_000_000, 64) > 0 {
            let ready = pacer.ready(100_000_000, 64);
            pacer.advance(ready);
            sent += ready;
        }
        assert_eq!(sent, 100_000);
        assert_eq!(pacer.next(), 100_001);
    }

    #[test]
    fn a_pacer_ends_at_its_total() {
        let mut pacer = Pacer::new(Schedule::new(0, 1e6), 10);
        assert_eq!(pacer.ready(u64::MAX / 4, 64), 10);
        pacer.advance(10);
        assert!(pacer.finished());
        assert_eq!(pacer.ready(u64::MAX / 4, 64), 0);
    }

    #[test]
    fn a_share_below_one_a_second_keeps_its_rate() {
        let schedule = Schedule::share(0, 50.0, 0, 1_024);
        assert_eq!(schedule.due(1), 20_480_000_000);
        assert_eq!((schedule.due_by(20_479_999_999), schedule.due_by(20_480_000_000)), (1, 2));
    }
}
