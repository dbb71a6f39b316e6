//! The consumer's side of a sample: taking turns until everything sent has arrived.
//!
//! A consumer thread polls its cursors. After each turn of the engine it reads the clock once, which is the time at
//! which the messages of that turn were done with. When there is nothing to deliver it waits in the engine, by the
//! topic's strategy; under `spin` it just polls on. Every few milliseconds it notes the backlog and publishes its
//! counts, so that the coordinator can show progress and consumers that compete can tell together when a
//! subscription is drained.

use crate::backlog::Backlog;
use crate::clock::Clock;
use crate::fault::Fault;
use crate::inbox::Inbox;
use crate::noise::Gaps;
use crate::pacer::{Due, Schedule};
use crate::pin::CursorRole;
use crate::shared::{Gauge, Signal};
use crate::threads;

/// Nanoseconds between two notes of the backlog.
const NOTE: u64 = 5_000_000;
/// How long nothing may arrive, once it is known that the last message was sent, before the rest is given up as lost.
const PATIENCE: u64 = 2_000_000_000;

/// Where deliveries come from: the engine, behind the inbox of this thread.
pub(crate) trait Source {
    /// One turn over all cursors; how many deliveries it made. Never waits.
    fn turn(&mut self) -> Result<usize, Fault>;
    /// Waits in the engine, by the topic's strategy, until there may be something to deliver; a few milliseconds at
    /// most.
    fn wait(&mut self);
    /// Works on the inbox between turns; `None` when this thread has none, which is a fault of the harness.
    fn with_inbox<R>(&mut self, work: impl FnOnce(&mut Inbox) -> R) -> Option<R>;
}

/// What the threads of a sample share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Threads that are ready to start.
    pub(crate) ready: Gauge,
    /// When the sample starts.
    pub(crate) start: Signal,
    /// Publisher threads that are done.
    pub(crate) finished: Gauge,
    /// What each publisher thread has sent, set when it is done.
    pub(crate) sent: Vec<Gauge>,
    /// What all have sent together, once all are done.
    pub(crate) total: Signal,
    /// What each cursor has received, in the order of [`Shared::roles`].
    pub(crate) received: Vec<Gauge>,
    /// Whose cursor that is.
    pub(crate) roles: Vec<CursorRole>,
    /// The cursors of each subscription, so that nobody looks through those of all.
    cursors: Vec<Vec<usize>>,
    /// A recent latency, for the progress line.
    pub(crate) latency: Gauge,
}

impl Shared {
    /// Nothing sent, nothing received.
    pub(crate) fn new(publisher_threads: usize, roles: Vec<CursorRole>) -> Self {
        let subscriptions = roles.iter().map(|role| role.subscription + 1).max().unwrap_or(0);
        let mut cursors = vec![Vec::new(); subscriptions];
        for (cursor, role) in roles.iter().enumerate() {
            cursors[role.subscription].push(cursor);
        }
        Self {
            ready: Gauge::default(),
            start: Signal::default(),
            finished: Gauge::default(),
            sent: (0..publisher_threads).map(|_| Gauge::default()).collect(),
            total: Signal::default(),
            received: roles.iter().map(|_| Gauge::default()).collect(),
            roles,
            cursors,
            latency: Gauge::default(),
        }
    }

    /// What the consumers of `subscription` have received together, as far as they have said.
    pub(crate) fn received(&self, subscription: usize) -> u64 {
        let cursors = self.cursors.get(subscription);
        cursors.into_iter().flatten().map(|&cursor| self.received[cursor].get()).sum()
    }

    /// A publisher thread is done; the last one tells how much was sent.
    pub(crate) fn publisher_done(&self, thread: usize, sent: u64) {
        self.sent[thread].set(sent);
        let before = self.finished.add_one();
        if before + 1 == crate::num::count(self.sent.len()) {
            self.total.raise(self.sent.iter().map(Gauge::get).sum());
        }
    }
}

/// What a consumer thread has to do.
#[derive(Debug)]
pub(crate) struct Duty<'a> {
    pub(crate) shared: &'a Shared,
    /// Positions of this thread's cursors in [`Shared::roles`], in the order of its inbox's books.
    pub(crate) cursors: &'a [usize],
    /// The whole load, when it is an open loop, and the moment at which its last message is due.
    pub(crate) offered: Option<(Schedule, u64)>,
    /// Whether to wait in the engine when there is nothing to deliver, rather than to poll on.
    pub(crate) waits: bool,
    pub(crate) polite: bool,
}

impl Duty<'_> {
    /// The subscriptions of this thread's cursors, each once.
    fn subscriptions(&self) -> Vec<usize> {
        let mut all: Vec<usize> =
            self.cursors.iter().map(|&cursor| self.shared.roles[cursor].subscription).collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// What a consumer thread did.
#[derive(Debug)]
pub(crate) struct Consumed {
    /// When the last delivery was done with.
    pub(crate) ended: u64,
    pub(crate) gaps: Gaps,
    pub(crate) backlog: Backlog,
    /// Whether everything sent had arrived, or was dropped by policy, at the end.
    pub(crate) drained: bool,
}

/// Takes turns until everything sent has arrived. `dropped` tells how many messages the overflow policy of a
/// subscription has taken in this sample.
pub(crate) fn consume(
    clock: &impl Clock,
    source: &mut impl Source,
    duty: &Duty<'_>,
    dropped: impl Fn(usize) -> u64,
) -> Result<Consumed, Fault> {
    let subscriptions = duty.subscriptions();
    let start = clock.now();
    let window = duty.offered.map_or(0, |(_, end)| end.saturating_sub(start));
    let mut backlog = Backlog::with_capacity(crate::num::index(window / NOTE) + 16);
    let mut gaps = Gaps::default();
    let (mut ended, mut next_note, mut idle_since) = (start, start + NOTE, None);
    let mut sent_by = None;
    loop {
        // Before the turn: what was published after a look that found nothing is not told by that look.
        let total = duty.shared.total.raised();
        let delivered = source.turn()?;
        let now = clock.now();
        if delivered > 0 {
            let latency = source.with_inbox(|inbox| inbox.settle(now)).unwrap_or_default();
            ended = now;
            idle_since = None;
            if now < next_note {
                continue;
            }
            duty.shared.latency.set(latency);
        } else if let Some(before) = idle_since.replace(now) {
            gaps.note(before, now);
        }
        if now >= next_note || total.is_some() {
            tell(source, duty);
        }
        if now >= next_note {
            note(duty, &subscriptions, now, &mut backlog);
            // From the end of the work: with many cursors it must not fall due again at once.
            next_note = clock.now() + NOTE;
        }
        if delivered == 0 {
            if let Some(total) = total {
                let drained = finished(duty, &subscriptions, total, &dropped);
                let since = ended.max(*sent_by.get_or_insert(now));
                if drained || now.saturating_sub(since) > PATIENCE {
                    return Ok(Consumed { ended, gaps, backlog, drained });
                }
            }
            threads::spun();
            if duty.waits {
                threads::waited();
                source.wait();
                // A jump of the clock would be the wait's doing.
                idle_since = None;
            } else if duty.polite {
                threads::yielded();
                std::thread::yield_now();
            }
        }
    }
}

/// Publishes what each cursor of this thread has received.
fn tell(source: &mut impl Source, duty: &Duty<'_>) {
    source.with_inbox(|inbox| {
        for (book, &cursor) in inbox.books.iter().zip(duty.cursors) {
            duty.shared.received[cursor].set(book.received());
        }
    });
}

/// Notes the largest backlog among the `subscriptions` of this thread, while messages are still falling due.
fn note(duty: &Duty<'_>, subscriptions: &[usize], now: u64, backlog: &mut Backlog) {
    let Some((schedule, end)) = duty.offered else { return };
    if now > end {
        return;
    }
    let due = schedule.due_by(now);
    let behind = |&subscription: &usize| due.saturating_sub(duty.shared.received(subscription));
    if let Some(worst) = subscriptions.iter().map(behind).max() {
        backlog.note(now.saturating_sub(schedule.due(0)), worst);
    }
}

/// Whether every one of the `subscriptions` of this thread has all of the `total` messages.
fn finished(duty: &Duty<'_>, subscriptions: &[usize], total: u64, dropped: &impl Fn(usize) -> u64) -> bool {
    subscriptions.iter().all(|&subscription| {
        let received = duty.shared.received(subscription);
        received >= total || received + dropped(subscription) >= total
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::inbox::{Book, Content};
    use crate::keys::Keying;
    use crate::mix::Patterns;
    use crate::payload::{Header, Pattern, Read};
    use std::sync::Arc;

    /// Delivers `turns[i]` messages in turn `i`, skipping the numbers in `lost`, then nothing.
    struct Scripted {
        inbox: Inbox,
        pattern: Arc<Pattern>,
        turns: Vec<u64>,
        lost: Vec<u64>,
        next: u64,
    }

    impl Scripted {
        fn new(turns: Vec<u64>, lost: Vec<u64>) -> Self {
            let pattern = Arc::new(Pattern::new(64));
            let books = vec![Book::new(0, true, &[0], &Keying::Unkeyed)];
            let inbox = Inbox::new(books, Content::Generated(Arc::new(Patterns::single(64))), Read::Ends);
            Self { inbox, pattern, turns, lost, next: 0 }
        }
    }

    impl Source for Scripted {
        fn turn(&mut self) -> Result<usize, Fault> {
            if self.turns.is_empty() {
                return Ok(0);
            }
            let count = self.turns.remove(0);
            let mut buffer = [0; 64];
            for sequence in self.next..self.next + count {
                if !self.lost.contains(&sequence) {
                    self.pattern.fill(&mut buffer, Header { publisher: 0, sequence, time: 1 });
                    self.inbox.take(0, &buffer, || None);
                }
            }
            self.next += count;
            Ok(crate::num::index(count))
        }

        fn wait(&mut self) {}

        fn with_inbox<R>(&mut self, work: impl FnOnce(&mut Inbox) -> R) -> Option<R> {
            Some(work(&mut self.inbox))
        }
    }

    fn shared(total: u64) -> Shared {
        let shared = Shared::new(1, vec![CursorRole { subscription: 0 }]);
        shared.publisher_done(0, total);
        shared
    }

    fn run(source: &mut Scripted, shared: &Shared, step: u64) -> Consumed {
        let duty = Duty { shared, cursors: &[0], offered: None, waits: false, polite: false };
        consume(&ManualClock::stepping(step), source, &duty, |_| 0).unwrap()
    }

    #[test]
    fn it_ends_when_everything_has_arrived() {
        let mut source = Scripted::new(vec![3, 0, 64, 0, 0, 33], vec![]);
        let consumed = run(&mut source, &shared(100), 50);
        assert!(consumed.drained);
        assert_eq!(source.inbox.latency.count(), 100);
        assert_eq!(consumed.ended, 50 * 7, "the clock is read at the start and once per turn");
    }

    #[test]
    fn it_gives_up_on_what_never_arrives() {
        let consumed = run(&mut Scripted::new(vec![100], vec![50]), &shared(100), 1_000_000);
        assert!(!consumed.drained);
    }

    #[test]
    fn what_policy_dropped_is_not_waited_for() {
        let mut source = Scripted::new(vec![100], vec![7, 8]);
        let shared = shared(100);
        let duty = Duty { shared: &shared, cursors: &[0], offered: None, waits: false, polite: false };
        assert!(consume(&ManualClock::stepping(1), &mut source, &duty, |_| 2).unwrap().drained);
    }

    #[test]
    fn a_reader_that_falls_behind_notes_a_growing_backlog() {
        // 1 M/s is due; a turn of 100 every 0.2 ms is half of that.
        let mut source = Scripted::new(vec![100; 5_000], vec![]);
        let shared = shared(500_000);
        let offered = Some((Schedule::new(0, 1e6), 1_000_000_000));
        let duty = Duty { shared: &shared, cursors: &[0], offered, waits: false, polite: false };
        let consumed = consume(&ManualClock::stepping(200_000), &mut source, &duty, |_| 0).unwrap();
        let slope = consumed.backlog.slope().unwrap();
        assert!((450_000.0..550_000.0).contains(&slope), "{slope}");
    }

    /// Delivers nothing for so many turns, while each look at its inbox takes 20 ms.
    struct Laden<'a> {
        clock: &'a ManualClock,
        shared: &'a Shared,
        turns: u64,
        looks: u64,
    }

    impl Source for Laden<'_> {
        fn turn(&mut self) -> Result<usize, Fault> {
            self.turns = self.turns.saturating_sub(1);
            if self.turns == 0 {
                self.shared.publisher_done(0, 0);
            }
            Ok(0)
        }

        fn wait(&mut self) {}

        fn with_inbox<R>(&mut self, _work: impl FnOnce(&mut Inbox) -> R) -> Option<R> {
            self.clock.advance(20_000_000);
            self.looks += 1;
            None
        }
    }

    #[test]
    fn counting_that_takes_long_is_not_done_every_turn() {
        let (clock, shared) = (ManualClock::stepping(1_000_000), Shared::new(1, vec![]));
        let mut source = Laden { clock: &clock, shared: &shared, turns: 100, looks: 0 };
        let duty = Duty { shared: &shared, cursors: &[], offered: None, waits: false, polite: false };
        consume(&clock, &mut source, &duty, |_| 0).unwrap();
        assert!((10..=25).contains(&source.looks), "{}", source.looks);
    }

    #[test]
    fn a_subscription_has_what_all_its_cursors_have() {
        let role = |subscription| CursorRole { subscription };
        let shared = Shared::new(1, vec![role(1), role(0), role(1)]);
        (10..).zip(&shared.received).for_each(|(count, gauge)| gauge.set(count));
        assert_eq!([0, 1, 2].map(|subscription| shared.received(subscription)), [11, 22, 0]);
        let duty = Duty { shared: &shared, cursors: &[2, 1, 0], offered: None, waits: false, polite: false };
        assert_eq!(duty.subscriptions(), [0, 1]);
    }

    /// Nothing comes for a while; right behind the last of those looks the one message is published, and the publisher is done.
    struct Late<'a>(Scripted, &'a Shared);

    impl Source for Late<'_> {
        fn turn(&mut self) -> Result<usize, Fault> {
            let seen = self.0.turn();
            if self.0.turns.len() == 1 {
                self.1.publisher_done(0, 1);
            }
            seen
        }

        fn wait(&mut self) {}

        fn with_inbox<R>(&mut self, work: impl FnOnce(&mut Inbox) -> R) -> Option<R> {
            self.0.with_inbox(work)
        }
    }

    #[test]
    fn a_message_behind_the_last_look_is_waited_for() {
        let shared = Shared::new(1, vec![CursorRole { subscription: 0 }]);
        let turns = [vec![0; 30], vec![1]].concat();
        let mut source = Late(Scripted::new(turns, vec![]), &shared);
        let duty = Duty { shared: &shared, cursors: &[0], offered: None, waits: false, polite: false };
        // 100 ms a look: nothing was due for three seconds.
        assert!(consume(&ManualClock::stepping(100_000_000), &mut source, &duty, |_| 0).unwrap().drained);
    }
}
