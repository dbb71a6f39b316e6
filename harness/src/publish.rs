//! The publisher's side of a sample: sending when due, or as fast as it goes.
//!
//! One thread drives one or more publishers (*lanes*). In an open loop it spins on the clock until a message of any
//! lane is due and sends all that are; when it has fallen behind it sends without looking at the clock for up to
//! [`RUN`] messages, or a batch where that is larger, so that catching up is not slowed down by measuring. Nothing is skipped and each message
//! carries the time it was due. In a closed loop it sends as fast as the engine takes, and each message carries the
//! time of its publish call.
//!
//! Both loops are generic over clock and sink, so that tests run them against a clock turned by hand.

use ringmain_ring::sync::broken;

use crate::clock::Clock;
use crate::fault::Fault;
use crate::interrupt;
use crate::latency::Recorder;
use crate::noise::Gaps;
use crate::pacer::{Due, Pacer, Schedule};
use crate::threads;

/// Messages sent between two looks at the clock, when that many are due.
pub(crate) const RUN: u64 = 64;

/// Where messages go.
pub(crate) trait Sink {
    /// Publishes `count` messages of `publisher`, the first numbered `first`; message `i` of them carries
    /// `time(i)`. Waits for room.
    fn send(
        &mut self,
        publisher: usize,
        first: u64,
        count: u64,
        time: impl Fn(u64) -> u64,
    ) -> Result<(), Fault>;

    /// The most messages that it publishes together.
    fn batch(&self) -> u64 {
        1
    }
}

/// One publisher in an open loop. Its numbers go on from `base`, where the last sample left off.
#[derive(Debug, Clone)]
pub(crate) struct PacedLane<D = Schedule> {
    pub(crate) publisher: usize,
    pub(crate) base: u64,
    pub(crate) pacer: Pacer<D>,
}

/// One publisher in a closed loop.
#[derive(Debug, Clone)]
pub(crate) struct FreeLane {
    pub(crate) publisher: usize,
    pub(crate) base: u64,
    pub(crate) sent: u64,
}

/// Sends what is due when it is due, until everything is sent or `stop_at` is reached. Returns the clock gaps seen
/// while waiting.
pub(crate) fn paced<S: Sink, D: Due>(
    clock: &impl Clock,
    lanes: &mut [PacedLane<D>],
    stop_at: u64,
    polite: bool,
    sink: &mut S,
) -> Result<Gaps, Fault> {
    let most = RUN.max(sink.batch());
    let mut gaps = Gaps::default();
    let mut waited_since = None;
    loop {
        let now = clock.now();
        if let Some(before) = waited_since {
            gaps.note(before, now);
        }
        if now >= stop_at || interrupt::requested() {
            return Ok(gaps);
        }
        let mut idle = true;
        let mut finished = true;
        for lane in &mut *lanes {
            let count = lane.pacer.ready(now, most);
            if count > 0 {
                let (first, schedule) = (lane.pacer.next(), lane.pacer.schedule());
                let due = |i| if broken("pacer.from_sending") { now } else { schedule.due(first + i) };
                sink.send(lane.publisher, lane.base + first, count, due)?;
                lane.pacer.advance(count);
                idle = false;
            }
            finished &= lane.pacer.finished();
        }
        if finished {
            return Ok(gaps);
        }
        waited_since = idle.then_some(now);
        if idle {
            threads::spun();
            if polite {
                threads::yielded();
                std::thread::yield_now();
            }
        }
    }
}

/// How long a closed loop runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Until {
    /// Not before this moment.
    pub(crate) time: u64,
    /// And not before each lane has sent this many.
    pub(crate) at_least: u64,
    /// Messages between two looks at the clock: 1 stamps every message.
    pub(crate) stamp_every: u64,
}

/// Sends as fast as the engine takes, and, if asked to, records how long each call took.
pub(crate) fn free<S: Sink>(
    clock: &impl Clock,
    lanes: &mut [FreeLane],
    until: Until,
    sink: &mut S,
    calls: &mut Option<Recorder>,
) -> Result<(), Fault> {
    while !interrupt::requested() {
        let mut done = true;
        for lane in &mut *lanes {
            let now = clock.now();
            if now >= until.time && lane.sent >= until.at_least {
                continue;
            }
            done = false;
            let rest = until.at_least.saturating_sub(lane.sent);
            // Past the time only what is owed is left, so that a count given in messages is exact.
            let count = if now >= until.time { until.stamp_every.min(rest) } else { until.stamp_every };
            sink.send(lane.publisher, lane.base + lane.sent, count, |_| now)?;
            lane.sent += count;
            if let Some(calls) = calls {
                calls.record(clock.now() - now);
            }
        }
        if done {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::num;

    /// A system that takes 100 ns per message, and once stalls.
    struct Served<'a> {
        clock: &'a ManualClock,
        stall: (u64, u64),
        sent: Vec<u64>,
        /// The most messages in one call.
        longest: u64,
        batch: u64,
        latency: Recorder,
    }

    impl<'a> Served<'a> {
        fn new(clock: &'a ManualClock, stall: (u64, u64)) -> Self {
            Self { clock, stall, sent: Vec::new(), longest: 0, batch: 1, latency: Recorder::new() }
        }
    }

    impl Sink for Served<'_> {
        fn send(
            &mut self,
            _publisher: usize,
            first: u64,
            count: u64,
            time: impl Fn(u64) -> u64,
        ) -> Result<(), Fault> {
            self.longest = self.longest.max(count);
            for i in 0..count {
                self.clock.advance(100 + if first + i == self.stall.0 { self.stall.1 } else { 0 });
                self.latency.record(self.clock.now() - time(i));
                self.sent.push(first + i);
            }
            Ok(())
        }

        fn batch(&self) -> u64 {
            self.batch
        }
    }

    fn lane(rate: f64, total: u64) -> PacedLane {
        PacedLane { publisher: 0, base: 0, pacer: Pacer::new(Schedule::new(1_000, rate), total) }
    }

    #[test]
    fn a_stall_of_100_ms_shows_in_the_tail() {
        // 2 s at 1 M/s. A publisher that counted from when it got round to sending would report one slow message.
        let clock = ManualClock::stepping(10);
        let mut sink = Served::new(&clock, (500_000, 100_000_000));
        let mut lanes = [lane(1e6, 2_000_000)];
        paced(&clock, &mut lanes, u64::MAX, false, &mut sink).unwrap();
        assert!(sink.sent.iter().copied().eq(0..2_000_000), "each message once, in order");
        let p999 = sink.latency.quantile(0.999).unwrap();
        assert!(p999 > 95e6, "p99.9 is {}", num::time(p999));
        assert!(sink.latency.quantile(0.5).unwrap() < 1_000.0);
    }

    #[test]
    fn nothing_is_sent_before_it_is_due() {
        let clock = ManualClock::stepping(7);
        let mut sink = Served::new(&clock, (u64::MAX, 0));
        paced(&clock, &mut [lane(1e5, 1_000)], u64::MAX, false, &mut sink).unwrap();
        // 100 ns of service and two reads of the clock; sent early, the subtraction would have failed.
        assert!(sink.latency.quantile(0.5).unwrap() < 130.0);
    }

    #[test]
    fn an_overloaded_publisher_stops_when_told() {
        let clock = ManualClock::stepping(10);
        let mut sink = Served::new(&clock, (u64::MAX, 0));
        let mut lanes = [lane(1e9, 1_000_000_000)];
        paced(&clock, &mut lanes, 1_000_000, false, &mut sink).unwrap();
        assert!(clock.now() < 1_100_000 && !lanes[0].pacer.finished());
        assert_eq!(lanes[0].pacer.next(), num::count(sink.sent.len()));
    }

    #[test]
    fn what_is_due_together_is_sent_together_up_to_a_whole_batch() {
        let clock = ManualClock::stepping(10);
        let mut sink = Served { batch: 256, ..Served::new(&clock, (500, 1_000_000)) };
        paced(&clock, &mut [lane(1e6, 5_000)], u64::MAX, false, &mut sink).unwrap();
        assert_eq!((sink.sent.len(), sink.longest), (5_000, 256));
    }

    #[test]
    fn a_pause_between_two_reads_is_a_gap() {
        let clock = ManualClock::stepping(21_000);
        let mut sink = Served::new(&clock, (u64::MAX, 0));
        let gaps = paced(&clock, &mut [lane(1e3, 3)], u64::MAX, false, &mut sink).unwrap();
        assert!(gaps.count > 50 && gaps.longest == 21_000, "{gaps:?}");
    }

    #[test]
    fn a_closed_loop_runs_its_time_and_its_messages() {
        let clock = ManualClock::stepping(1);
        let mut sink = Served::new(&clock, (u64::MAX, 0));
        let mut lanes = [FreeLane { publisher: 0, base: 50, sent: 0 }];
        let until = Until { time: 10_000, at_least: 1, stamp_every: 1 };
        let mut calls = Some(Recorder::new());
        free(&clock, &mut lanes, until, &mut sink, &mut calls).unwrap();
        assert_eq!(calls.unwrap().count(), lanes[0].sent, "every call is timed");
        assert!((90..=100).contains(&lanes[0].sent), "{}", lanes[0].sent);
        assert_eq!(sink.sent[0], 50);
        let mut lanes = [FreeLane { publisher: 0, base: 0, sent: 0 }];
        let until = Until { time: 0, at_least: 1_001, stamp_every: 64 };
        free(&clock, &mut lanes, until, &mut sink, &mut None).unwrap();
        assert_eq!(lanes[0].sent, 1_001);
    }
}
