//! One thread, many subscriptions, a handler each.
//!
//! Subscriptions are grouped by ring: one set of cursors a ring, whose lossless members stand behind one gate, so that
//! publishing costs the same with ten thousand of them as with one, and a message brought into cache once is handled
//! by all. Subscriptions with message ordering go by themselves: they take counted references, key by key.

use super::handle::Subscription;
use super::in_place::{Handler, Verdict};
use super::inner::SubscriptionInner;
use super::serving::Serving;
use super::stop_handle::StopHandle;
use super::turns::Turns;
use crate::error::RecvError;
use crate::external::caught;
use crate::record::{Held, InPlace, Received, Record};
use crate::stats::add;
use crate::topic::TopicInner;
use ringmain_fanout::{CursorSet, Event, WaitStrategy};
use ringmain_ring::sync::lock;
use ringmain_ring::{Notify, spin_until, wait_any};
use std::fmt;
use std::sync::Arc;

/// Slots that a subscription gets in one turn. Enough to make a turn's own cost vanish; few enough that what handlers
/// usually look at, a few lines a message, stays in a core's nearest cache from the first subscription of the turn to the
/// last.
const TURN: usize = 128;
/// And in one of a dispatcher that serves no other: nobody shares its cache, and a turn's own cost is a third of all where many
/// threads wait for the same two CPUs (measured: docs/decisions/0009).
const TURN_ALONE: usize = 512;

/// Looks at the rings for each poll, while there is nothing: a poll takes 50 ns, a look 3, and a message waits for the one
/// under way.
const LOOKS: u32 = 16;

/// Serves many subscriptions, of one topic or several, from one thread.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use ringmain::{Dispatcher, Engine, Message, Verdict};
/// let engine = Engine::new();
/// let orders = engine.create_topic("orders", Default::default())?;
/// let billing = orders.create_subscription("billing", Default::default())?;
/// let audit = orders.create_subscription("audit", Default::default())?;
/// let mut dispatcher = Dispatcher::new()
///     .add(&billing, |message| if message.data() == b"paid" { Verdict::Ack } else { Verdict::Nack })
///     .add(&audit, |_| Verdict::Ack);
/// orders.publisher().publish(Message::new("paid"))?;
/// assert_eq!(dispatcher.poll(), 2);
/// # Ok(())
/// # }
/// ```
pub struct Dispatcher {
    sets: Vec<Set>,
    served: Vec<Served>,
    topics: Vec<Arc<TopicInner>>,
    stop: StopHandle,
    turns: Arc<Turns>,
    limit: Option<usize>,
}

struct Set {
    cursors: CursorSet<Record>,
    shard: usize,
    members: Vec<Member>,
}

struct Member {
    /// Which of `served` it is.
    served: usize,
    subscription: Arc<SubscriptionInner>,
}

struct Served {
    subscription: Arc<SubscriptionInner>,
    handler: Box<dyn Handler>,
    lagged: Option<Box<dyn FnMut(u64) + Send>>,
    /// Messages being handled, with message ordering.
    taken: Vec<Received>,
}

impl Dispatcher {
    /// Serves nobody yet.
    #[must_use]
    pub fn new() -> Self {
        let stop = StopHandle::new();
        Self {
            sets: Vec::new(),
            served: Vec::new(),
            topics: Vec::new(),
            stop,
            turns: Arc::default(),
            limit: None,
        }
    }

    /// Slots that a subscription gets in one turn: unless set, 128, or 512 if it is the only one.
    #[must_use]
    pub fn turn_limit(mut self, slots: usize) -> Self {
        self.limit = Some(slots.max(1));
        self
    }

    /// Serves `subscription` by `handler`. Under [`Overflow::Block`](crate::Overflow::Block) the message is read in the
    /// ring, and publishers wait for the handler; under the other policies the handler gets a counted reference, and
    /// nobody waits. A panic counts as a nack, is counted, and stops nothing. A gap of
    /// [`Overflow::DropOldest`](crate::Overflow::DropOldest) is counted in [`dropped`](crate::SubscriptionStats::dropped) and told to nobody:
    /// for that there is [`add_lossy`](Self::add_lossy).
    #[must_use]
    pub fn add(
        self,
        subscription: &Subscription,
        handler: impl FnMut(InPlace<'_>) -> Verdict + Send + 'static,
    ) -> Self {
        self.serve(subscription, Box::new(handler), None)
    }

    /// As [`add`](Self::add), and tells `lagged` how many messages the overflow policy dropped, exactly, between the
    /// messages that it dropped them from. A panic in `lagged` is counted as one of the handler, and stops nothing.
    #[must_use]
    pub fn add_lossy(
        self,
        subscription: &Subscription,
        handler: impl FnMut(InPlace<'_>) -> Verdict + Send + 'static,
        lagged: impl FnMut(u64) + Send + 'static,
    ) -> Self {
        self.serve(subscription, Box::new(handler), Some(Box::new(lagged)))
    }

    fn serve(
        mut self,
        subscription: &Subscription,
        handler: Box<dyn Handler>,
        lagged: Option<Box<dyn FnMut(u64) + Send>>,
    ) -> Self {
        let subscription = Arc::clone(subscription.inner());
        let index = self.served.len();
        subscription.is_served_by(&self.turns);
        let ordered = subscription.config.message_ordering;
        for (shard, receiver) in subscription.receivers.iter().enumerate().filter(|_| !ordered) {
            let known = self.sets.iter().position(|set| set.cursors.channel().is_same(receiver.channel()));
            let known = known.unwrap_or_else(|| {
                let cursors = CursorSet::new(receiver.channel());
                self.sets.push(Set { cursors, shard, members: Vec::new() });
                self.sets.len() - 1
            });
            let set = &mut self.sets[known];
            let added = set.cursors.add(receiver.clone());
            debug_assert!(added.is_ok(), "the set was chosen by the receiver's channel");
            set.members.push(Member { served: index, subscription: Arc::clone(&subscription) });
        }
        if !self.topics.iter().any(|topic| Arc::ptr_eq(topic, &subscription.topic)) {
            self.topics.push(Arc::clone(&subscription.topic));
        }
        self.served.push(Served { subscription, handler, lagged, taken: Vec::new() });
        self
    }

    /// One turn over all subscriptions: what came back first, then what is on the rings. Returns how many slots and
    /// redeliveries were handled. Never waits.
    #[inline]
    pub fn poll(&mut self) -> usize {
        let Self { sets, served, topics, limit, turns, .. } = self;
        let limit = limit.unwrap_or(if served.len() == 1 { TURN_ALONE } else { TURN });
        let _turn = turns.begin();
        let _serving = Serving::enter_all(topics);
        let mut count = 0;
        for served in served.iter_mut() {
            count += served.again();
            if served.subscription.config.message_ordering {
                count += served.in_order(limit);
            }
        }
        for set in sets.iter_mut() {
            let Set { cursors, shard, members } = set;
            let mut turn = || {
                cursors.turn_by(
                    |member| members[member].subscription.room_to_hold().min(limit),
                    |member, event| served[members[member].served].handle(*shard, event),
                )
            };
            let mut handled = turn();
            if let Some(first) = members.first() {
                let topic = &first.subscription.topic;
                let shard = topic.shard(*shard);
                if handled == 0 && shard.lanes.run_dry(shard, topic) {
                    handled = turn(); // what publishers had staged
                    members.iter().for_each(|member| member.subscription.notice_detached());
                }
                if handled > 0 {
                    shard.lanes.run_busy();
                }
            }
            count += handled;
        }
        let nothing = count == 0;
        for served in served {
            served.subscription.held.ring_had_turn();
            // It was the ring's turn, and there was nothing on it.
            if nothing && served.subscription.held.ready() > 0 {
                count += served.again();
                served.subscription.held.ring_had_turn();
            }
        }
        count
    }

    /// Polls until every subscription is at its end (the topic closed and everything handled, or the subscription
    /// detached), or until [stopped](StopHandle::stop). Waits by the topics' strategy.
    pub fn run(&mut self) {
        while !self.stop.is_stopped() {
            if self.poll() > 0 {
                continue;
            }
            if self.is_finished() {
                return;
            }
            // What spins is a look at the rings, and now and then the poll itself, for all else that may have come. The end is
            // looked for when there is time.
            let strategy = self.strategy();
            let mut looks = 0u32;
            let more = spin_until(strategy, None, || {
                looks = looks.wrapping_add(1);
                if !looks.is_multiple_of(LOOKS) && !self.has_news() {
                    return false;
                }
                self.poll() > 0 || self.stop.is_stopped() || (looks.is_multiple_of(64) && self.is_finished())
            });
            if !more {
                self.wait();
            }
        }
    }

    /// Whether something new is on a ring, as far as one can tell without taking a turn.
    #[inline]
    fn has_news(&self) -> bool {
        self.sets.iter().any(|set| set.cursors.has_news())
    }

    fn is_finished(&self) -> bool {
        self.served.iter().all(|served| served.subscription.is_finished())
    }

    fn strategy(&self) -> WaitStrategy {
        let mut strategies = self.served.iter().map(|served| served.subscription.topic.config.wait);
        let first = strategies.next().unwrap_or_default();
        // A topic that spins notifies nobody: one such among several, and all are spun for.
        strategies.find(|strategy| !strategy.parks()).unwrap_or(first)
    }

    /// Polls until there is nothing to handle now. Returns how much was handled. Never waits. (What a handler nacks, or panics at, is
    /// there again at once, unless the subscription has a [retry policy](crate::SubscriptionConfig::retry): one that nacks for ever
    /// keeps it for ever.)
    pub fn run_until_idle(&mut self) -> usize {
        let mut total = 0;
        loop {
            let count = self.poll();
            total += count;
            let more = || self.served.iter().any(|served| served.subscription.has_unhandled(true));
            if count == 0 && !more() {
                return total;
            }
        }
    }

    /// Sleeps until there is something to do.
    fn wait(&self) {
        let Self { sets, served, stop, .. } = self;
        let stuck = served.iter().any(|served| served.subscription.has_staged());
        let mut ready = || {
            stop.is_stopped()
                || served.iter().any(|served| served.subscription.has_unhandled(stuck))
                || served.iter().all(|served| served.subscription.is_finished())
        };
        let mut notifies: Vec<&Notify> = vec![stop.notify()];
        for set in sets {
            notifies.push(set.cursors.channel().data());
            if stuck {
                notifies.push(set.cursors.channel().room());
            }
        }
        for served in served {
            notifies.push(&served.subscription.changed);
            if served.subscription.config.message_ordering {
                served.subscription.add_notifies(stuck, &mut notifies);
            }
        }
        wait_any(&notifies, None, &mut ready);
    }

    /// Something to end [`run`](Self::run) with, from any thread or handler.
    #[must_use]
    pub fn stop_handle(&self) -> StopHandle {
        self.stop.clone()
    }
}

impl Served {
    /// Hands over what came back, each at most once. Returns how many there were.
    #[inline]
    fn again(&mut self) -> usize {
        self.subscription.expire_due();
        self.subscription.notice_detached();
        if let Some(lost) = self.subscription.take_lagged() {
            self.tell_lagged(lost);
        }
        let most = self.subscription.held.ready();
        let mut count = 0;
        while count < most
            && let Some(held) = self.subscription.held.next_of_round()
        {
            self.subscription.needs_no_credit();
            self.handler.again(&self.subscription, held);
            count += 1;
        }
        count
    }

    /// With message ordering: takes what may be delivered now and handles it. Returns how many there were.
    fn in_order(&mut self, limit: usize) -> usize {
        let Self { subscription, handler, taken, .. } = self;
        let most = subscription.room_to_hold().min(limit);
        match subscription.take(most, false, true, |message| taken.push(message.received())) {
            Ok(_) => {}
            Err(RecvError::Lagged(lost)) => {
                self.tell_lagged(lost);
                return 1;
            }
            Err(_) => return 0, // detached, and shut by now
        }
        let count = taken.len();
        for message in taken.drain(..) {
            handler.again(subscription, Held { message, attempt: 1 });
        }
        count
    }

    fn tell_lagged(&mut self, lost: u64) {
        if let Some(lagged) = &mut self.lagged {
            caught(|| lagged(lost)).unwrap_or_else(|| add(&self.subscription.counters.panics, 1));
        }
    }

    #[inline]
    fn handle(&mut self, shard: usize, event: Event<'_, Record>) {
        match event {
            Event::Batch(batch) => self.handler.batch(&self.subscription, shard, &batch),
            // What was lost and not told when the subscription was detached went with the backlog. We were faster than whoever
            // counts that.
            Event::Lagged(lost) if self.subscription.is_shut() => self.subscription.gives_up(lost),
            Event::Lagged(lost) => {
                add(&self.subscription.counters.dropped, lost);
                self.tell_lagged(lost);
            }
            _ => self.subscription.shut_by_policy(),
        }
    }
}

impl SubscriptionInner {
    /// Whether there is something for an in-place reader.
    fn has_unhandled(&self, stuck: bool) -> bool {
        !self.is_shut() && self.has_work(stuck)
    }

    /// Ends the subscription if its overflow policy has, and there is no room to hold more, so that no turn would tell.
    fn notice_detached(&self) {
        if self.holds_enough() && self.is_detached() {
            self.shut_by_policy();
        }
    }

    /// A dispatcher whose turns these are handles messages of this.
    fn is_served_by(&self, turns: &Arc<Turns>) {
        let mut dispatchers = lock(&self.dispatchers);
        dispatchers.retain(|other| other.strong_count() > 0);
        dispatchers.push(Arc::downgrade(turns));
    }
}

impl Default for Dispatcher {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatcher").field("subscriptions", &self.served.len()).finish_non_exhaustive()
    }
}
