//! Where a publisher of a soak stands on its schedule, generation after generation.
//!
//! What it could not send in one generation keeps its due times in the next. When it leaves, for a generation or for good,
//! it first sends the rest of what was due until then, for a generation more at most: so what is unsent was too much for
//! the system, and not merely due in the last turn of a loop. Nothing is due to who is away: when it is back, its schedule goes
//! on where it was, so that rates of less than a message a generation are kept.

use crate::num;
use crate::pacer::{Due as _, Pacer, Schedule};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Timetable {
    /// When the message is due that comes next: before now, if it could not be sent in the generation before. Absent before
    /// the first, and after one has left.
    due: Option<u64>,
    /// How long after the beginning of a generation that is, where it is absent.
    wait: u64,
    /// When the generation ended, and the messages that were due then, and are not sent.
    ended: u64,
    owed: u64,
    /// Those that it left without having sent.
    pub(super) unsent: u64,
}

impl Timetable {
    /// One of several publishers of `rate` together, who take turns.
    pub(super) fn share(publisher: usize, rate: f64) -> Self {
        Self { wait: num::whole(1e9 * num::float(num::count(publisher)) / rate), ..Self::default() }
    }

    /// The next generation's pacer.
    pub(super) fn pacer(&self, now: u64, rate: f64) -> Pacer {
        Pacer::new(Schedule::new(self.due.unwrap_or(now + self.wait), rate), u64::MAX >> 1)
    }

    /// The generation ended at `now`.
    pub(super) fn note(&mut self, pacer: &Pacer, now: u64) {
        self.owed = pacer.ready(now, u64::MAX);
        self.due = Some(pacer.schedule().due(pacer.next()));
        self.ended = now;
    }

    /// What is owed still, and nothing beyond it.
    pub(super) fn rest(&self, now: u64, rate: f64) -> Pacer {
        Pacer::new(Schedule::new(self.due.unwrap_or(now), rate), self.owed)
    }

    /// The publisher leaves, having sent this much of the rest.
    pub(super) fn leave(&mut self, rest: &Pacer) {
        self.unsent += self.owed - rest.next();
        self.wait = rest.schedule().due(self.owed).saturating_sub(self.ended);
        (self.owed, self.due) = (0, None);
    }
}

#[cfg(test)]
mod tests {
    use super::super::cast::GENERATION;
    use super::*;

    const RATE: f64 = 1e6;
    const EACH: u64 = GENERATION / 1_000;

    /// A generation in which so many of a million a second can be sent; when the first of them was due.
    fn generation(timetable: &mut Timetable, now: u64, sent: u64) -> u64 {
        let mut pacer = timetable.pacer(now, RATE);
        let first = pacer.schedule().due(0);
        pacer.advance(sent);
        timetable.note(&pacer, now + GENERATION);
        first
    }

    /// The publisher leaves, and can send so many before; when the first of them was due.
    fn leave(timetable: &mut Timetable, sent: u64) -> u64 {
        let mut rest = timetable.rest(0, RATE);
        let first = rest.schedule().due(0);
        rest.advance(sent.min(timetable.owed));
        timetable.leave(&rest);
        first
    }

    #[test]
    fn what_could_not_be_sent_in_one_generation_is_due_still_in_the_next() {
        let mut timetable = Timetable::default();
        assert_eq!(generation(&mut timetable, 1_000, 10), 1_000);
        assert_eq!(timetable.owed, EACH + 1 - 10);
        // A stall of a whole generation: its messages count from when they were due.
        assert_eq!(generation(&mut timetable, 1_000 + GENERATION, 0), 11_000);
        assert_eq!(timetable.owed, 2 * EACH + 1 - 10);
        assert_eq!(generation(&mut timetable, 1_000 + 2 * GENERATION, 3 * EACH - 9), 11_000);
        assert_eq!((timetable.owed, timetable.unsent), (0, 0));
    }

    #[test]
    fn who_leaves_sends_first_what_was_due_and_nothing_is_due_to_one_who_is_away() {
        let mut timetable = Timetable::default();
        assert_eq!(generation(&mut timetable, 1_000, 10), 1_000);
        assert_eq!(leave(&mut timetable, u64::MAX), 11_000);
        assert_eq!(timetable.unsent, 0);
        // Back again: the schedule goes on, a microsecond later. What it cannot send in time is unsent, once.
        for times in 1..=2 {
            let now = 2 * times * GENERATION;
            assert_eq!(generation(&mut timetable, now, 1), now + 1_000);
            leave(&mut timetable, 100);
            assert_eq!(timetable.unsent, times * (EACH - 101));
        }
    }

    #[test]
    fn who_comes_and_goes_keeps_a_rate_of_less_than_a_message_a_generation() {
        let (mut timetable, mut sent) = (Timetable::default(), 0);
        for turn in 0..40 {
            let now = 2 * turn * GENERATION;
            let mut pacer = timetable.pacer(now, 1.0);
            let due = pacer.ready(now + GENERATION, u64::MAX);
            pacer.advance(due);
            sent += due;
            timetable.note(&pacer, now + GENERATION);
            let rest = timetable.rest(now + GENERATION, 1.0);
            timetable.leave(&rest);
        }
        assert!((10..=11).contains(&sent), "40 generations are ten seconds: {sent}");
    }
}
