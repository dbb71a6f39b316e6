//! A build that is slower on purpose, to try out whether comparisons notice.
//!
//! `HARNESS_HANDICAP=30 cargo build --release --target-dir target/slow -p ringmain-harness` makes a harness that does
//! seventy percent of the work in the same time: its publishers and its consumers alike rest for three minutes after every
//! seven, a few microseconds at a time, whatever the machine or the placement of the CPUs makes of those seven. The number
//! is compiled in; without it nothing of this is left in the code. A result of such a build says so.

use crate::clock::{Clock, TscClock};

/// The percentage of the throughput that is given away.
const PERCENT: Option<u64> = parsed(option_env!("HARNESS_HANDICAP"));
/// Messages between two rests, of a thread that has so many.
const OFTEN: u64 = 64;
/// The longest rest, in nanoseconds: what lies before a sample, or between two, is no work to rest from.
const LONGEST: u64 = 1_000_000;

/// So many messages more were published, or received, by the thread that rests by `handicap`.
#[inline(always)]
pub(crate) fn worked(handicap: &mut Option<Handicap>, messages: u64) {
    if PERCENT.is_some()
        && let Some(handicap) = handicap
    {
        handicap.worked(messages);
    }
}

/// What is compiled in, if anything is.
pub(crate) fn percent() -> Option<u64> {
    PERCENT
}

/// The rests of one thread.
#[derive(Debug)]
pub(crate) struct Handicap<C = TscClock> {
    percent: u64,
    clock: C,
    /// When the last rest ended.
    last: u64,
    messages: u64,
}

impl Handicap {
    /// None, unless it is compiled in.
    pub(crate) fn new() -> Option<Self> {
        PERCENT.map(|percent| Self::by(percent, TscClock::new()))
    }
}

impl<C: Clock> Handicap<C> {
    fn by(percent: u64, clock: C) -> Self {
        Self { percent, last: clock.now(), clock, messages: 0 }
    }

    /// Rests, if it is time to.
    fn worked(&mut self, messages: u64) {
        self.messages += messages;
        if self.messages < OFTEN {
            return;
        }
        self.messages = 0;
        let now = self.clock.now();
        let rest = (now - self.last) * self.percent / (100 - self.percent);
        self.last = now + rest.min(LONGEST);
        while self.clock.now() < self.last {
            std::hint::spin_loop();
        }
    }
}

const fn parsed(text: Option<&str>) -> Option<u64> {
    let Some(text) = text else { return None };
    match u64::from_str_radix(text, 10) {
        Ok(0) => None,
        Ok(percent) if percent < 100 => Some(percent),
        _ => panic!("HARNESS_HANDICAP must be a percentage, such as 30"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    #[test]
    fn nothing_is_wasted_unless_asked_for() {
        assert_eq!((parsed(None), parsed(Some("0")), parsed(Some("40"))), (None, None, Some(40)));
    }

    #[test]
    fn of_a_hundred_nanoseconds_thirty_are_rest() {
        let mut handicap = Handicap::by(30, ManualClock::stepping(1));
        for _ in 0..100 {
            handicap.clock.advance(7_000);
            handicap.worked(OFTEN);
        }
        let (all, work) = (handicap.clock.now(), 100 * 7_000);
        assert!((all * 69 / 100..all * 71 / 100).contains(&work), "{work} of {all}");
        // A long pause is not worked off at once.
        handicap.clock.advance(u64::MAX / 200);
        let before = handicap.clock.now();
        handicap.worked(OFTEN);
        assert!(handicap.clock.now() - before < LONGEST + 10);
    }

    #[test]
    fn between_two_rests_messages_are_counted_only() {
        let mut handicap = Handicap::by(50, ManualClock::default());
        handicap.clock.advance(1_000);
        handicap.worked(OFTEN - 1);
        assert_eq!((handicap.messages, handicap.last), (OFTEN - 1, 0));
    }
}
