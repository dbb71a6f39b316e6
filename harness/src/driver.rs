//! The only part of the harness that knows the engine.
//!
//! A [`Session`] is one topic with its subscriptions; a [`Sender`] is what a publisher thread publishes through, a
//! [`Receiver`] what a consumer thread polls. All three use the engine as any application would, through its public
//! face: the figures are those of the engine, not of a shortcut into it.
//!
//! In place, the engine's handlers must be free to move between threads, so they cannot borrow the consumer's
//! inbox, and a lock around it would cost more than everything else that a handler does. The inbox of a consumer
//! thread is therefore a thread-local: the dispatcher calls its handlers on the thread that polls it.

use std::cell::RefCell;
use std::time::Duration;

use ringmain::{
    Close, Delivery, Dispatcher, Engine, InPlace, Overflow, PublishError, Publisher, RecvError, Subscription,
    SubscriptionConfig, Topic, TopicConfig, Verdict, WaitStrategy,
};

use crate::cli::{Mode, OverflowPolicy, Wait};
use crate::consume::Source;
use crate::fault::Fault;
use crate::handicap;
use crate::inbox::{Content, Inbox};
use crate::num;
use crate::payload::Header;
use crate::pin::CursorRole;
use crate::publish::Sink;

/// The engine's version: that of the workspace, which all its packages share.
pub(crate) const ENGINE_VERSION: &str = env!("CARGO_PKG_VERSION");

/// Deliveries that a leased consumer takes from a subscription in one turn: as many as the engine's dispatcher does.
const TURN: usize = 256;

/// The longest that a consumer waits before it looks around.
const WAIT: Duration = Duration::from_millis(5);

/// What to build.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setup {
    pub(crate) ring: usize,
    pub(crate) shards: usize,
    pub(crate) wait: Wait,
    pub(crate) overflow: OverflowPolicy,
    pub(crate) subscriptions: usize,
    pub(crate) mode: Mode,
}

/// The engine's own counters of a subscription.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    pub(crate) delivered: u64,
    pub(crate) acked: u64,
    pub(crate) redelivered: u64,
    pub(crate) dropped: u64,
    /// Unread, leased or held.
    pub(crate) backlog: u64,
}

/// A topic with its subscriptions.
#[derive(Debug)]
pub(crate) struct Session {
    engine: Engine,
    topic: Topic,
    subscriptions: Vec<Subscription>,
    mode: Mode,
}

impl Session {
    /// Builds an engine for one run.
    pub(crate) fn open(setup: &Setup) -> Result<Self, Fault> {
        let refused = |error| Fault::new(format!("the engine refused the configuration: {error}"));
        let engine = Engine::new();
        let config =
            TopicConfig::default().ring_slots(setup.ring).shards(setup.shards).wait(match setup.wait {
                Wait::Spin => WaitStrategy::Spin,
                Wait::SpinThenPark => WaitStrategy::SpinThenPark,
                Wait::Park => WaitStrategy::Park,
            });
        let topic = engine.create_topic("load", config).map_err(refused)?;
        let overflow = match setup.overflow {
            OverflowPolicy::Block => Overflow::Block,
            OverflowPolicy::DropOldest => Overflow::DropOldest,
            OverflowPolicy::Detach => Overflow::Detach,
        };
        let subscriptions = (0..setup.subscriptions)
            .map(|number| {
                let config = SubscriptionConfig::default().overflow(overflow);
                topic.create_subscription(&format!("load-{number}"), config).map_err(refused)
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { engine, topic, subscriptions, mode: setup.mode })
    }

    /// Closes the engine, so that every call that waits in it returns.
    pub(crate) fn abort(&self) {
        self.engine.close(Close::Now);
    }

    /// Messages that the overflow policy took from a subscription so far.
    pub(crate) fn dropped(&self, subscription: usize) -> u64 {
        self.subscriptions[subscription].stats().dropped
    }

    /// Messages published so far, by the engine's count.
    pub(crate) fn published(&self) -> u64 {
        self.topic.stats().published
    }

    /// The engine's counters of a subscription.
    pub(crate) fn counters(&self, subscription: usize) -> Counters {
        let stats = self.subscriptions[subscription].stats();
        Counters {
            delivered: stats.delivered,
            acked: stats.acked,
            redelivered: stats.redelivered,
            dropped: stats.dropped,
            backlog: stats.unread + stats.outstanding + stats.held,
        }
    }
}

/// Publishes for the publishers of one thread.
#[derive(Debug)]
pub(crate) struct Sender<'a> {
    /// By number; `None` for those of other threads.
    publishers: Vec<Option<Publisher>>,
    content: &'a Content,
    batch: u64,
}

impl<'a> Sender<'a> {
    /// A handle for each of `publishers`. More than one message a call is claimed together when `batch` allows it.
    pub(crate) fn new(session: &Session, publishers: &[usize], content: &'a Content, batch: u64) -> Self {
        let count = publishers.iter().max().map_or(0, |last| last + 1);
        let mut handles: Vec<Option<Publisher>> = (0..count).map(|_| None).collect();
        for &publisher in publishers {
            handles[publisher] = Some(session.topic.publisher());
        }
        Self { publishers: handles, content, batch }
    }
}

impl Sink for Sender<'_> {
    #[inline]
    fn send(
        &mut self,
        publisher: usize,
        first: u64,
        count: u64,
        time: impl Fn(u64) -> u64,
    ) -> Result<(), Fault> {
        let Some(handle) = &self.publishers[publisher] else {
            return Err(Fault::new(format!("publisher {publisher} belongs to another thread")));
        };
        (0..count).for_each(|_| handicap::waste());
        match self.content {
            Content::Generated(pattern) => {
                let header = |i: u64| Header { publisher, sequence: first + i, time: time(i) };
                let mut sent = 0;
                while sent < count {
                    let together = (count - sent).min(self.batch);
                    if together == 1 {
                        handle
                            .publish_with(pattern.length(), |buffer| pattern.fill(buffer, header(sent)))
                            .map_err(refused)?;
                    } else {
                        handle
                            .publish_batch_with(num::index(together), pattern.length(), |i, buffer| {
                                pattern.fill(buffer, header(sent + num::count(i)));
                            })
                            .map_err(refused)?;
                    }
                    sent += together;
                }
            }
            Content::Lines(lines, stamps) => {
                for i in 0..count {
                    stamps.put(first + i, time(i));
                    handle.publish_slice(lines.payload(first + i)).map_err(refused)?;
                }
            }
        }
        Ok(())
    }
}

#[cold]
fn refused(error: PublishError<()>) -> Fault {
    Fault::new(format!("the engine refused a message: {error}"))
}

thread_local! {
    /// The inbox of this consumer thread; see the module.
    static INBOX: RefCell<Option<Inbox>> = const { RefCell::new(None) };
}

/// Enters a delivery in this thread's inbox.
#[inline]
fn take(cursor: usize, payload: &[u8]) {
    INBOX.with_borrow_mut(|inbox| {
        if let Some(inbox) = inbox {
            inbox.take(cursor, payload);
        }
    });
}

/// The cursors of one consumer thread.
#[derive(Debug)]
pub(crate) struct Receiver {
    subscriptions: Vec<Subscription>,
    way: Way,
}

/// How messages are received.
#[derive(Debug)]
enum Way {
    /// Read in the ring, by the engine's dispatcher.
    InPlace(Dispatcher),
    /// Taken under a lease and acknowledged one by one; the vector is reused from turn to turn.
    Leased(Vec<Delivery>),
}

impl Receiver {
    /// Serves `roles` on the calling thread, which must also be the one that polls.
    pub(crate) fn new(session: &Session, roles: &[CursorRole], inbox: Inbox) -> Self {
        INBOX.set(Some(inbox));
        let subscriptions: Vec<Subscription> =
            roles.iter().map(|role| session.subscriptions[role.subscription].clone()).collect();
        let way = match session.mode {
            Mode::InPlace => {
                let serve = |dispatcher: Dispatcher, (cursor, subscription): (usize, &Subscription)| {
                    dispatcher.add(subscription, move |message: InPlace<'_>| {
                        take(cursor, message.data());
                        Verdict::Ack
                    })
                };
                Way::InPlace(subscriptions.iter().enumerate().fold(Dispatcher::new(), serve))
            }
            Mode::Leased => Way::Leased(Vec::with_capacity(TURN)),
        };
        Self { subscriptions, way }
    }
}

impl Source for Receiver {
    #[inline]
    fn turn(&mut self) -> Result<usize, Fault> {
        let deliveries = match &mut self.way {
            Way::InPlace(dispatcher) => return Ok(dispatcher.poll()),
            Way::Leased(deliveries) => deliveries,
        };
        let mut count = 0;
        for (cursor, subscription) in self.subscriptions.iter().enumerate() {
            match subscription.pull_into(TURN, deliveries) {
                // What a gap swallowed is in the engine's count of dropped messages.
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(error) => return Err(Fault::new(format!("the engine refused to deliver: {error}"))),
            }
            count += deliveries.len();
            for delivery in deliveries.drain(..) {
                take(cursor, delivery.data());
                delivery.ack().map_err(|error| Fault::new(format!("the engine refused an ack: {error}")))?;
            }
        }
        Ok(count)
    }

    fn wait(&mut self) {
        // What is published goes to every subscription, so that the first one stands for all.
        if let Some(subscription) = self.subscriptions.first() {
            // Whether there is something to deliver shows at the next turn.
            let _ready = subscription.wait(WAIT);
        }
    }

    fn with_inbox<R>(&mut self, work: impl FnOnce(&mut Inbox) -> R) -> Option<R> {
        INBOX.with_borrow_mut(|inbox| inbox.as_mut().map(work))
    }
}
