//! The threads of a soak: who publishes, who consumes, who comes and goes.
//!
//! Every lasting subscription has more consumers than there are CPUs. None of them lasts: each serves for a
//! generation, a fraction of a second, on a thread of its own, hands in its books and is followed by another.
//! Publishers make themselves a new handle each generation, and one of them is there only every other. Subscriptions
//! visit: they come, read a little, and go in the middle of it. When the time is up publishers stop, the lasting
//! subscriptions drain, and then everybody leaves. Whoever stops publishing, for a generation or for good, sends first what
//! was due until then, for a generation more at most; what is left after that is unsent.

use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::Duration;

use super::books::{Books, Desk, imbalance};
use super::timetable::Timetable;
use crate::clock::{self, Clock, TscClock};
use crate::driver::world::World;
use crate::fault::Fault;
use crate::interrupt;
use crate::num;
use crate::publish::{self, FreeLane, PacedLane, Until};
use crate::shared::{Gauge, Signal};

/// How long consumers, visitors and a publisher's handle last, in nanoseconds.
pub(super) const GENERATION: u64 = 250_000_000;
/// How long the coordinator sleeps between two looks, and in the end, when the next may see that everything is settled.
const LOOK: Duration = Duration::from_millis(20);
const LAST_LOOK: Duration = Duration::from_millis(2);
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
    /// How long a consumer serves, in nanoseconds.
    pub(super) generation: u64,
    pub(super) stacks: Stacks,
}

/// The stack of each kind of thread, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stacks {
    publisher: usize,
    consumer: usize,
    /// Of a consumer that serves for a generation.
    generation: usize,
    visitor: usize,
}

impl Stacks {
    /// As the standard library has it.
    pub(super) const USUAL: Self =
        Self { publisher: 2 << 20, consumer: 2 << 20, generation: 2 << 20, visitor: 2 << 20 };
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
        let left = Gauge::default();
        let ended = thread::scope(|scope| {
            // One that cannot be started is a fault like any other: the watch sees it, and calls the others off.
            self.told(|| self.start(scope, rate, [&stop, &done], &left));
            let ended = self.watch(begun, length, (&stop, &left), look);
            done.raise(0);
            ended
        })?;
        if let Some(fault) = self.books.open().faults.first() {
            return Err(Fault::new(fault.clone()));
        }
        Ok(Phase { published: self.world.published() - before, nanos: ended - begun })
    }

    /// Starts everybody.
    fn start<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        rate: Option<f64>,
        [stop, done]: [&'scope Signal; 2],
        left: &'scope Gauge,
    ) -> Result<(), Fault> {
        for publisher in 0..self.next.len() {
            let publish = move || {
                self.told(|| self.publish(publisher, rate, stop));
                left.add_one();
            };
            drop(self.spawn(scope, self.stacks.publisher, publish)?);
        }
        for subscription in (0..self.subscriptions).map(Some).chain([None]) {
            for _ in 0..if subscription.is_some() { self.consumers } else { 1 } {
                let consume = move || self.told(|| self.consume(subscription, done));
                drop(self.spawn(scope, self.stacks.consumer, consume)?);
            }
        }
        self.spawn(scope, self.stacks.visitor, move || self.told(|| self.visit(stop))).map(drop)
    }

    /// Starts one thread.
    fn spawn<'scope, T: Send + 'scope>(
        &self,
        scope: &'scope Scope<'scope, '_>,
        stack: usize,
        role: impl FnOnce() -> T + Send + 'scope,
    ) -> Result<ScopedJoinHandle<'scope, T>, Fault> {
        thread::Builder::new().stack_size(stack).spawn_scoped(scope, role).map_err(|error| {
            let lasting = self.threads();
            let most = lasting + self.subscriptions * self.consumers + 1;
            Fault::new(format!(
                "a soak with these --publishers and --subscriptions takes up to {most} threads, and the system gives no \
                 more ({error}); raise its limit (ulimit -u, or that of the container), or give fewer of them"
            ))
        })
    }

    /// Waits until the time is up and everything has drained. Returns when that was: consumers serve out their generation,
    /// which is no time of the load.
    fn watch(
        &self,
        begun: u64,
        length: Duration,
        (stop, left): (&Signal, &Gauge),
        look: &mut dyn FnMut(u64),
    ) -> Result<u64, Fault> {
        let end = begun + num::nanos(length);
        let mut give_up = None;
        loop {
            clock::sleep(if give_up.is_none() { LOOK } else { LAST_LOOK });
            let now = self.clock.now();
            if !self.books.open().faults.is_empty() {
                // Whoever waits for a thread that is gone must not wait for ever.
                stop.raise(0);
                self.world.abort();
                return Ok(now);
            }
            match give_up {
                None => {
                    look(now - begun);
                    if now >= end || interrupt::requested() {
                        stop.raise(0);
                        give_up = Some(now + PATIENCE);
                    }
                }
                // Publishers leave within two generations; until then nothing says that it was all.
                Some(_) if self.quiet(left) && self.world.is_drained() => return Ok(now),
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

    /// Whether every publisher has left, and told what it published.
    fn quiet(&self, left: &Gauge) -> bool {
        left.get() == num::count(self.next.len())
            && self.books.open().published.count == self.world.published()
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
        let mut timetable = rate.map_or_else(Timetable::default, |rate| Timetable::share(publisher, rate));
        let mut over = is_over(stop);
        while !over {
            generation += 1;
            let start = self.clock.now();
            let end = start + GENERATION;
            if comes_and_goes && generation.is_multiple_of(2) {
                clock::sleep(Duration::from_nanos(GENERATION));
                over = is_over(stop);
                continue;
            }
            let mut sender = self.world.sender();
            let base = self.next[publisher].get();
            let sent = match rate {
                Some(rate) => {
                    let share = rate / num::float(num::count(self.next.len()));
                    // Who is there half the time publishes twice as much.
                    let share = if comes_and_goes { 2.0 * share } else { share };
                    let pacer = timetable.pacer(start, share);
                    let mut lanes = [PacedLane { publisher, base, pacer }];
                    publish::paced(self.clock, &mut lanes, end, true, &mut sender)?;
                    let sent = lanes[0].pacer.next();
                    // Ctrl-C ends a generation early.
                    timetable.note(&lanes[0].pacer, end.min(self.clock.now()));
                    over = is_over(stop);
                    if comes_and_goes || over {
                        let pacer = timetable.rest(end, share);
                        let mut lanes = [PacedLane { publisher, base: base + sent, pacer }];
                        publish::paced(self.clock, &mut lanes, end + GENERATION, true, &mut sender)?;
                        timetable.leave(&lanes[0].pacer);
                        sent + lanes[0].pacer.next()
                    } else {
                        sent
                    }
                }
                None => {
                    let mut lanes = [FreeLane { publisher, base, sent: 0 }];
                    let until = Until { time: end, at_least: 0, stamp_every: 1 };
                    publish::free(self.clock, &mut lanes, until, &mut sender, &mut None)?;
                    over = is_over(stop);
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
            let until = self.clock.now() + self.generation;
            let serve = || match subscription {
                Some(subscription) => self.world.serve(subscription, Desk::new(self.clock), until),
                None => self.world.bury(Desk::new(self.clock), until),
            };
            let served = thread::scope(|scope| {
                self.spawn(scope, self.stacks.generation, serve).map(ScopedJoinHandle::join)
            })?;
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

/// Whether publishers are to leave. After Ctrl-C they do not wait to be told, or they would come and go many times before.
fn is_over(stop: &Signal) -> bool {
    stop.raised().is_some() || interrupt::requested()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Arguments, settings};
    use crate::mix::Patterns;
    use clap::Parser;

    /// What a short soak comes to where threads have these stacks.
    fn played(stacks: Stacks, rate: Option<f64>, generation: u64) -> (Result<Phase, Fault>, u64) {
        let words = ["harness", "--scenario", "soak", "--publishers", "2"];
        let settings = settings::plan(&Arguments::try_parse_from(words).unwrap()).unwrap().runs.remove(0);
        let world = World::open(&super::super::setup(&settings), Patterns::single(64)).unwrap();
        let books = Books::new(settings.subscriptions);
        let next = [Gauge::default(), Gauge::default()];
        let cast = Cast {
            world: &world,
            books: &books,
            clock: &TscClock::new(),
            subscriptions: settings.subscriptions,
            consumers: 1,
            next: &next,
            visits: &Gauge::default(),
            generation,
            stacks,
        };
        let phase = cast.play(rate, Duration::from_millis(300), &mut |_| {});
        let unsent = books.open().unsent;
        (phase, unsent)
    }

    #[test]
    fn a_system_that_gives_no_more_threads_ends_the_soak_with_a_remedy() {
        let (usual, none) = (Stacks::USUAL, 1 << 50);
        for stacks in [
            Stacks { publisher: none, ..usual },
            Stacks { consumer: none, ..usual },
            Stacks { generation: none, ..usual },
            Stacks { visitor: none, ..usual },
        ] {
            let fault = played(stacks, None, GENERATION).0.unwrap_err().to_string();
            assert!(fault.contains("takes up to 11 threads") && fault.contains("ulimit -u"), "{fault}");
        }
    }

    #[test]
    fn the_rate_ends_when_everything_is_settled_and_not_when_consumers_have_served_out_their_generation() {
        let clock = TscClock::new();
        let begun = clock.now();
        let phase = played(Stacks::USUAL, Some(2_000.0), 12 * GENERATION).0.unwrap();
        assert!(phase.nanos + 2 * GENERATION < clock.now() - begun, "{phase:?}");
    }

    #[test]
    fn a_soak_that_keeps_up_leaves_nothing_unsent() {
        let (phase, unsent) = played(Stacks::USUAL, Some(2_000.0), GENERATION);
        assert!(phase.unwrap().published >= 600, "what was due in the end was sent");
        assert_eq!(unsent, 0);
    }

    #[test]
    fn a_soak_of_a_low_rate_sends_no_more_than_is_due() {
        let (phase, unsent) = played(Stacks::USUAL, Some(0.5), GENERATION);
        assert_eq!(
            (phase.unwrap().published, unsent),
            (1, 0),
            "the other publisher's turn is after two seconds"
        );
    }
}
