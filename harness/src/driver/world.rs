//! A topic for a soak: where handlers panic, leases expire, letters go dead, and subscriptions come and go.
//!
//! Lasting subscriptions are of three kinds in turn. *Panicky*: in place, with a handler that panics or nacks now and
//! then. *Forgetful*: leased, with deliveries that are nacked, or forgotten until their deadline passes. *Fatal*:
//! leased, with messages that fail until they become dead letters. What happens to a message follows from its number
//! alone, so that the books can be closed without a list of messages.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ringmain::{
    Close, Delivery, Dispatcher, Engine, InPlace, Publisher, RecvError, Subscription, SubscriptionConfig,
    Topic, TopicConfig, Verdict,
};

pub(crate) use ringmain::SubscriptionStats;

use super::{Setup, refused, topic_config};
use crate::clock::{Clock, TscClock};
use crate::fault::Fault;
use crate::mix::Patterns;
use crate::payload::{Header, Read};
use crate::publish::Sink;
use crate::scenario::soak::{Desk, Fate, Kind, Settled};

/// How long a forgotten lease lasts.
const FORGOTTEN: Duration = Duration::from_millis(2);
/// Failed deliveries before a letter is dead: the fewest that the engine takes.
const ATTEMPTS: u32 = 5;
/// Slots of the ring that dead letters go to.
const DEAD_SLOTS: usize = 64;
/// Deliveries pulled together, and the longest wait for the next.
const TURN: usize = 256;
const WAIT: Duration = Duration::from_millis(5);

/// What a handler panics with, which the panic hook passes over in silence.
#[derive(Debug)]
pub(crate) struct Staged;

/// See the module.
#[derive(Debug)]
pub(crate) struct World {
    engine: Engine,
    topic: Topic,
    lasting: Vec<Subscription>,
    graveyard: Subscription,
    patterns: Arc<Patterns>,
}

impl World {
    /// A topic with `subscriptions` lasting ones, and one for dead letters.
    pub(crate) fn open(setup: &Setup, patterns: Patterns) -> Result<Self, Fault> {
        let refused = |error| Fault::new(format!("the engine refused the configuration: {error}"));
        let engine = Engine::new();
        let topic = engine.create_topic("load", topic_config(setup)).map_err(refused)?;
        // A ring keeps what was read until its slots are used again: a large one would fill up with dead letters for
        // minutes, and look like a leak.
        let few = TopicConfig::default().ring_slots(DEAD_SLOTS);
        let dead = engine.create_topic("dead", few).map_err(refused)?;
        let graveyard =
            dead.create_subscription("graveyard", SubscriptionConfig::default()).map_err(refused)?;
        let lasting = |number: usize| {
            let config = match Kind::of(number) {
                Kind::Fatal => SubscriptionConfig::default().dead_letter(&dead, ATTEMPTS),
                Kind::Panicky | Kind::Forgetful => SubscriptionConfig::default(),
            };
            topic.create_subscription(&format!("load-{number}"), config).map_err(refused)
        };
        let lasting = (0..setup.subscriptions).map(lasting).collect::<Result<_, _>>()?;
        Ok(Self { engine, topic, lasting, graveyard, patterns: Arc::new(patterns) })
    }

    /// Closes the engine, so that every call that waits in it returns.
    pub(crate) fn abort(&self) {
        self.engine.close(Close::Now);
    }

    /// Messages published, by the engine's count.
    pub(crate) fn published(&self) -> u64 {
        self.topic.stats().published
    }

    /// The engine's counters of a lasting subscription.
    pub(crate) fn stats(&self, subscription: usize) -> SubscriptionStats {
        self.lasting[subscription].stats()
    }

    /// The engine's counters of the subscription of dead letters.
    pub(crate) fn graveyard(&self) -> SubscriptionStats {
        self.graveyard.stats()
    }

    /// Whether every lasting subscription is done with what was published.
    pub(crate) fn is_drained(&self) -> bool {
        let done = |stats: &SubscriptionStats| stats.unread == 0 && stats.held == 0 && stats.outstanding == 0;
        self.lasting.iter().all(|one| done(&one.stats())) && done(&self.graveyard.stats())
    }

    /// A publisher that keeps count.
    pub(crate) fn sender(&self) -> CountingSender {
        CountingSender {
            handle: self.topic.publisher(),
            patterns: Arc::clone(&self.patterns),
            sent: Settled::default(),
            fatal: Settled::default(),
        }
    }

    /// Serves a lasting subscription until `until`.
    pub(crate) fn serve(&self, subscription: usize, desk: Desk, until: u64) -> Result<Desk, Fault> {
        let (handle, kind) = (&self.lasting[subscription], Kind::of(subscription));
        match kind {
            Kind::Panicky => Ok(self.serve_in_place(handle, kind, desk, until)),
            Kind::Forgetful | Kind::Fatal => self.serve_leased(handle, kind, desk, until),
        }
    }

    fn serve_in_place(&self, handle: &Subscription, kind: Kind, desk: Desk, until: u64) -> Desk {
        let clock = desk.clock.clone();
        // The dispatcher owns its handler until it is dropped; the desk comes back through this.
        let desk = Arc::new(Mutex::new(desk));
        let (patterns, at_desk) = (Arc::clone(&self.patterns), Arc::clone(&desk));
        let mut dispatcher = Dispatcher::new().add(handle, move |message: InPlace<'_>| {
            let fate = {
                let mut desk = at_desk.lock().unwrap_or_else(PoisonError::into_inner);
                let header = patterns.open(message.data(), Read::Ends);
                desk.judge(header, kind, message.delivery_attempt())
            };
            match fate {
                Fate::Ack => Verdict::Ack,
                Fate::Panic => std::panic::panic_any(Staged),
                Fate::Nack | Fate::Forget => Verdict::Nack,
            }
        });
        while clock.now() < until {
            if dispatcher.poll() == 0 {
                let _ready = handle.wait(WAIT);
            }
        }
        drop(dispatcher);
        let fresh = Desk::new(&clock);
        std::mem::replace(&mut desk.lock().unwrap_or_else(PoisonError::into_inner), fresh)
    }

    fn serve_leased(
        &self,
        handle: &Subscription,
        kind: Kind,
        mut desk: Desk,
        until: u64,
    ) -> Result<Desk, Fault> {
        let mut deliveries = Vec::with_capacity(TURN);
        while desk.clock.now() < until {
            pull(handle, &mut deliveries)?;
            if deliveries.is_empty() {
                let _ready = handle.wait(WAIT);
            }
            for delivery in deliveries.drain(..) {
                let header = self.patterns.open(delivery.data(), Read::Ends);
                match desk.judge(header, kind, delivery.delivery_attempt()) {
                    Fate::Ack => {
                        if delivery.ack().is_err() {
                            desk.take_back(header); // too late: it is delivered again, and acked then
                        }
                    }
                    Fate::Nack | Fate::Panic => delivery.nack().unwrap_or(()),
                    Fate::Forget => {
                        delivery.modify_ack_deadline(FORGOTTEN).unwrap_or(());
                        let _forgotten = delivery.into_ack_id();
                    }
                }
            }
        }
        Ok(desk)
    }

    /// Reads dead letters until `until`.
    pub(crate) fn bury(&self, mut desk: Desk, until: u64) -> Result<Desk, Fault> {
        let mut deliveries = Vec::with_capacity(TURN);
        while desk.clock.now() < until {
            pull(&self.graveyard, &mut deliveries)?;
            if deliveries.is_empty() {
                let _ready = self.graveyard.wait(WAIT);
            }
            deliveries.iter().for_each(|letter| desk.bury(self.patterns.open(letter.data(), Read::Ends)));
            if Delivery::ack_all(&mut deliveries).is_err() {
                return Err(Fault::new("a dead letter's lease ended within its turn"));
            }
        }
        Ok(desk)
    }

    /// A subscription that comes, reads a little, and goes with leases out and a backlog. Returns its last counters.
    pub(crate) fn visit(
        &self,
        number: u64,
        clock: &TscClock,
        until: u64,
    ) -> Result<SubscriptionStats, Fault> {
        let name = format!("visitor-{number}");
        let visitor = self.topic.create_subscription(&name, SubscriptionConfig::default());
        let visitor = visitor.map_err(|error| Fault::new(format!("{name} was refused: {error}")))?;
        let (mut deliveries, mut kept) = (Vec::with_capacity(TURN), None);
        while clock.now() < until {
            pull(&visitor, &mut deliveries)?;
            if deliveries.is_empty() {
                let _ready = visitor.wait(WAIT);
            }
            for delivery in deliveries.drain(..) {
                if kept.is_none() {
                    kept = Some(delivery);
                } else if delivery.ack().is_err() {
                    return Err(Fault::new(format!("{name}: a lease ended within its turn")));
                }
            }
        }
        visitor.detach();
        drop(kept);
        let stats = visitor.stats();
        self.engine
            .delete_subscription(&name)
            .map_err(|error| Fault::new(format!("{name} could not be deleted: {error}")))?;
        Ok(stats)
    }
}

fn pull(subscription: &Subscription, deliveries: &mut Vec<Delivery>) -> Result<(), Fault> {
    match subscription.pull_into(TURN, deliveries) {
        Ok(_) | Err(RecvError::Lagged(_)) => Ok(()),
        Err(error) => Err(Fault::new(format!("the engine refused to deliver: {error}"))),
    }
}

/// Publishes, and counts what it published.
#[derive(Debug)]
pub(crate) struct CountingSender {
    handle: Publisher,
    patterns: Arc<Patterns>,
    /// All, and those of them that will be dead letters where letters die.
    pub(crate) sent: Settled,
    pub(crate) fatal: Settled,
}

impl Sink for CountingSender {
    fn send(
        &mut self,
        publisher: usize,
        first: u64,
        count: u64,
        time: impl Fn(u64) -> u64,
    ) -> Result<(), Fault> {
        for i in 0..count {
            let header = Header { publisher, sequence: first + i, time: time(i) };
            let pattern = self.patterns.of(first + i);
            self.handle
                .publish_with(pattern.length(), |buffer| pattern.fill(buffer, header))
                .map_err(refused)?;
            self.sent.enter(header);
            if Kind::Fatal.kills(header) {
                self.fatal.enter(header);
            }
        }
        Ok(())
    }
}
