//! The threads of a soak: who publishes, who consumes, who comes and goes.
//!
//! Every lasting subscription has more consumers than there are CPUs. None of them lasts: each serves for a
//! generation, a fraction of a second, on a thread of its own, hands in its books and is followed by another.
//! Publishers make themselves a new handle each generation, and one of them is there only every other. Subscriptions
//! visit: they come, read a little, and go in the middle of it. When the time is up publishers stop, the lasting
//! subscriptions drain, and then everybody leaves.

use std::thread;
use std::time::Duration;

use super::books::{Books, Desk, imbalance};
use crate::clock::{self, Clock, TscClock};
use crate::driver::world::World;
use crate::fault::Fault;
use crate::interrupt;
use crate::num;
use crate::pacer::{Due as _, Pacer, Schedule};
use crate::publish::{self, FreeLane, PacedLane, Until};
use crate::shared::{Gauge, Signal};

/// How long consumers, visitors and a publisher's handle last, in nanoseconds.
const GENERATION: u64 = 250_000_000;
/// How long the coordinator sleeps between two looks.
const LOOK: Duration = Duration::from_millis(20);
/// How long draining may take.
const PATIENCE: u64 = 20_000_000_000;

/// What the threads share.
#[derive(Debug)]
pub(super) struct Cast<'a> {
    pub(super) world: &'a World,
    pub(super) books: &'a Books,
    pub(super) clock: &'a TscClock,
    pub(super) subscriptions: usize,
    /// Consumers of each lasting subscription.
    pub(super) consumers: usize,
    /// The next number of each publisher; the last one is there every other generation.
    pub(super) next: &'a [Gauge],
    /// How many subscriptions have visited.
    pub(super) visits: &'a Gauge,
}

/// Where a publisher stands on its schedule, generation after generation.
#[derive(Debug, Default)]
struct Timetable {
    /// Is there every other generation, and nothing is due while it is away.
    comes_and_goes: bool,
    /// When the message is due that comes next: before now, if it could not be sent in the generation before.
    due: Option<u64>,
    /// Messages that were due and are not sent.
    unsent: u64,
}

impl Timetable {
    /// The next generation's pacer.
    fn pacer(&self, now: u64, rate: f64) -> Pacer {
        Pacer::new(Schedule::new(self.due.unwrap_or(now), rate), u64::MAX >> 1)
    }

    /// The generation is over.
    fn note(&mut self, pacer: &Pacer, end: u64) {
        let unsent = pacer.ready(end, u64::MAX);
        if self.comes_and_goes {
            self.unsent += unsent;
        } else {
            self.due = Some(pacer.schedule().due(pacer.next()));
            self.unsent = unsent;
        }
    }
}

/// What a phase took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Phase {
    pub(super) published: u64,
    /// From the start until everything was settled, in nanoseconds.
    pub(super) nanos: u64,
}

impl Phase {
    /// Settled messages a second.
    pub(super) fn rate(&self) -> f64 {
        num::float(self.published) * 1e9 / num::float(self.nanos.max(1))
    }
}

impl Cast<'_> {
    /// How many threads there are, without those who serve for a generation.
    pub(super) fn threads(&self) -> usize {
        self.next.len() + self.subscriptions * self.consumers + 2
    }

    /// Publishes `rate` messages a second, or as many as go, for `length`; `look` is called now and then.
    pub(super) fn play(
        &self,
        rate: Option<f64>,
        length: Duration,
        look: &mut dyn FnMut(u64),
    ) -> Result<Phase, Fault> {
        let (stop, done) = (Signal::default(), Signal::default());
        let before = self.world.published();
        let begun = self.clock.now();
        thread::scope(|scope| {
            for publisher in 0..self.next.len() {
                let stop = &stop;
                scope.spawn(move || self.told(|| self.publish(publisher, rate, stop)));
            }
            for subscription in (0..self.subscriptions).map(Some).chain([None]) {
                for _ in 0..if subscription.is_some() { self.consumers } else { 1 } {
                    let done = &done;
                    scope.spawn(move || self.told(|| self.consume(subscription, done)));
                }
            }
            scope.spawn(|| self.told(|| self.visit(&stop)));
            let ended = self.watch(begun, length, &stop, look);
            done.raise(0);
            ended
        })?;
        let nanos = self.clock.now() - begun;
        if let Some(fault) = self.books.open().faults.first() {
            return Err(Fault::new(fault.clone()));
        }
        Ok(Phase { published: self.world.published() - before, nanos })
    }

    /// Waits until the time is up and everything has drained.
    fn watch(
        &self,
        begun: u64,
        length: Duration,
        stop: &Signal,
        look: &mut dyn FnMut(u64),
    ) -> Result<(), Fault> {
        let end = begun + num::nanos(length);
        let mut give_up = None;
        loop {
            clock::sleep(LOOK);
            let now = self.clock.now();
            if !self.books.open().faults.is_empty() {
                // Whoever waits for a thread that is gone must not wait for ever.
                stop.raise(0);
                self.world.abort();
                return Ok(());
            }
            match give_up {
                None => {
                    look(now - begun);
                    if now >= end || interrupt::requested() {
                        stop.raise(0);
                        give_up = Some(now + PATIENCE);
                    }
                }
                // Publishers stop within a generation; until then nothing says that it was all.
                Some(_) if self.quiet() && self.world.is_drained() => return Ok(()),
                Some(moment) if now > moment => {
                    self.world.abort();
                    return Err(Fault::new(format!(
                        "the subscriptions did not drain within {}",
                        num::seconds(PATIENCE)
                    )));
                }
                Some(_) => {}
            }
        }
    }

    /// Whether every publisher has told what it published.
    fn quiet(&self) -> bool {
        self.books.open().published.count == self.world.published()
    }

    /// Runs a role; what it fails at is told.
    fn told(&self, role: impl FnOnce() -> Result<(), Fault>) {
        if let Err(fault) = role() {
            self.books.open().faults.push(fault.to_string());
        }
    }

    fn publish(&self, publisher: usize, rate: Option<f64>, stop: &Signal) -> Result<(), Fault> {
        let comes_and_goes = publisher + 1 == self.next.len() && publisher > 0;
        let mut generation = 0_u64;
        let mut timetable = Timetable { comes_and_goes, ..Timetable::default() };
        while stop.raised().is_none() {
            generation += 1;
            let start = self.clock.now();
            let end = start + GENERATION;
            if comes_and_goes && generation.is_multiple_of(2) {
                clock::sleep(Duration::from_nanos(GENERATION));
                continue;
            }
            let mut sender = self.world.sender();
            let base = self.next[publisher].get();
            let sent = match rate {
                Some(rate) => {
                    let share = rate / num::float(num::count(self.next.len()));
                    // Who is there half the time publishes twice as much.
                    let share = if comes_and_goes { 2.0 * share } else { share };
                    let pacer = timetable.pacer(start, share.max(1.0));
                    let mut lanes = [PacedLane { publisher, base, pacer }];
                    publish::paced(self.clock, &mut lanes, end, true, &mut sender)?;
                    timetable.note(&lanes[0].pacer, end);
                    lanes[0].pacer.next()
                }
                None => {
                    let mut lanes = [FreeLane { publisher, base, sent: 0 }];
                    let until = Until { time: end, at_least: 0, stamp_every: 1 };
                    publish::free(self.clock, &mut lanes, until, &mut sender, &mut None)?;
                    lanes[0].sent
                }
            };
            self.next[publisher].set(base + sent);
            let mut told = self.books.open();
            told.published = told.published.and(sender.sent);
            told.fatal = told.fatal.and(sender.fatal);
            told.publishers += 1;
        }
        self.books.open().unsent += timetable.unsent;
        Ok(())
    }

    /// Serves a lasting subscription, or the dead letters, one generation after the other.
    fn consume(&self, subscription: Option<usize>, done: &Signal) -> Result<(), Fault> {
        while done.raised().is_none() {
            let until = self.clock.now() + GENERATION;
            let serve = || match subscription {
                Some(subscription) => self.world.serve(subscription, Desk::new(self.clock), until),
                None => self.world.bury(Desk::new(self.clock), until),
            };
            let served = thread::scope(|scope| scope.spawn(serve).join());
            let desk = served.unwrap_or_else(|_| Err(Fault::new("a consumer of the soak panicked")))?;
            self.books.enter(subscription, &desk);
        }
        Ok(())
    }

    /// Has subscriptions come and go.
    fn visit(&self, stop: &Signal) -> Result<(), Fault> {
        while stop.raised().is_none() {
            let number = self.visits.add_one();
            let stats = self.world.visit(number, self.clock, self.clock.now() + GENERATION / 2)?;
            let mut told = self.books.open();
            told.subscriptions += 1;
            told.faults.extend(imbalance(&format!("visitor {number}"), &stats));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A generation in which so many of a million a second can be sent.
    fn generation(timetable: &mut Timetable, now: u64, sent: u64) -> u64 {
        let mut pacer = timetable.pacer(now, 1e6);
        let first = pacer.schedule().due(0);
        pacer.advance(sent);
        timetable.note(&pacer, now + GENERATION);
        first
    }

    #[test]
    fn what_could_not_be_sent_in_one_generation_is_due_still_in_the_next() {
        let mut timetable = Timetable::default();
        let each = GENERATION / 1_000;
        assert_eq!(generation(&mut timetable, 1_000, 10), 1_000);
        assert_eq!(timetable.unsent, each + 1 - 10);
        // A stall of a whole generation: its messages count from when they were due.
        assert_eq!(generation(&mut timetable, 1_000 + GENERATION, 0), 11_000);
        assert_eq!(timetable.unsent, 2 * each + 1 - 10);
        assert_eq!(generation(&mut timetable, 1_000 + 2 * GENERATION, 3 * each - 9), 11_000);
        assert_eq!(timetable.unsent, 0);
    }

    #[test]
    fn nothing_is_due_to_one_who_is_away() {
        let mut timetable = Timetable { comes_and_goes: true, ..Timetable::default() };
        for (times, now) in [(1, 0), (2, 2 * GENERATION)] {
            assert_eq!(generation(&mut timetable, now, 1), now);
            assert_eq!(timetable.unsent, times * (GENERATION / 1_000));
        }
    }
}
