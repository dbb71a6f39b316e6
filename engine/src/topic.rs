//! A topic: its shards, its subscriptions, and whether anything is kept at all.
//!
//! The rings are allocated with the first subscription. Until then, and whenever no subscription is left, a publish
//! takes a number and keeps nothing.

mod active;
mod shard;

use self::active::Active;
pub(crate) use self::shard::Shard;
use crate::clock::Clock;
use crate::config::{PublisherConfig, SubscriptionConfig, TopicConfig};
use crate::engine::EngineInner;
use crate::error::{Error, PublishError, Resource};
use crate::filter::Filter;
use crate::name;
use crate::publish::{Publisher, Returned, threshold};
use crate::record::MessageId;
use crate::stats::TopicStats;
use crate::subscription::{Subscription, SubscriptionInner, dead_letter};
use foldhash::fast::FixedState;
use ringmain_fanout::{ClaimError, Sequence};
use ringmain_ring::Notify;
use ringmain_ring::sync::{AtomicBool, AtomicU64, AtomicUsize, Ordering, broken, light_fence, ordering};
use std::fmt;
use std::hash::BuildHasher;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Instant;

#[derive(Debug)]
pub(crate) struct TopicInner {
    pub(crate) name: String,
    pub(crate) config: TopicConfig,
    pub(crate) clock: Clock,
    pub(crate) engine: Weak<EngineInner>,
    /// Messages of at most so many bytes are not counted by the ring.
    pub(crate) threshold: usize,
    /// Notified when it is closed; there once a publisher has limits, and may wait for credit. (It has cache lines of its
    /// own, and a topic is to be cheap.)
    ended: OnceLock<Box<Notify>>,
    shards: OnceLock<Box<[Shard]>>,
    pub(crate) returned: Returned,
    /// Numbers given out before there was a ring; tagged in the top bit once there is one.
    before: AtomicU64,
    active: Active,
    next_shard: AtomicUsize,
    /// Whether a message was published with a payload of the caller's, or one that the ring counts.
    special: AtomicBool,
}

const RINGS_EXIST: u64 = 1 << 63;

impl TopicInner {
    fn new(name: &str, config: TopicConfig, engine: &Arc<EngineInner>) -> Self {
        Self {
            name: name.to_owned(),
            threshold: threshold(&config),
            ended: OnceLock::new(),
            config,
            clock: engine.clock.clone(),
            engine: Arc::downgrade(engine),
            shards: OnceLock::new(),
            returned: Returned::default(),
            before: AtomicU64::new(0),
            active: Active::default(),
            next_shard: AtomicUsize::new(0),
            special: AtomicBool::new(false),
        }
    }

    /// The rings, if a publish must be kept.
    #[inline]
    pub(crate) fn stored(&self) -> Option<&[Shard]> {
        if self.active.wants_new() { self.shards() } else { None }
    }

    /// The rings, if somebody subscribes, whether or not new messages are refused.
    pub(crate) fn subscribed(&self) -> Option<&[Shard]> {
        if self.active.count() > 0 { self.shards() } else { None }
    }

    /// The rings, if there are any.
    #[inline]
    pub(crate) fn shards(&self) -> Option<&[Shard]> {
        self.shards.get().map(|shards| &**shards)
    }

    /// One of the rings, by somebody who knows that they exist.
    #[inline]
    pub(crate) fn shard(&self, index: usize) -> &Shard {
        &self.shards().expect("whoever has a shard's index has seen the shards")[index]
    }

    /// Whether all that its rings have held until now is buffers of their own, none of them counted: they can be taken
    /// back at leisure. To be asked by whoever has taken a record out of a slot, or reads it there, about that record.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        // Relaxed: whoever has a record from a slot has all in its past that was done before it was put there.
        !self.special.load(Ordering::Relaxed)
    }

    /// Something else comes, for good.
    #[inline]
    pub(crate) fn is_no_longer_plain(&self) {
        // (A load in nearly every case, so that publishers share the line.)
        if self.is_plain() {
            self.special.store(true, Ordering::Relaxed);
        }
    }

    pub(crate) fn shard_of_key(&self, key: &str) -> usize {
        if self.config.shards == 1 {
            return 0;
        }
        let hash = FixedState::default().hash_one(key);
        #[expect(clippy::cast_possible_truncation, reason = "less than the number of shards")]
        let shard = (hash % self.config.shards as u64) as usize;
        shard
    }

    pub(crate) fn next_shard(&self) -> usize {
        self.next_shard.fetch_add(1, Ordering::Relaxed) % self.config.shards
    }

    /// What a batch may claim at once.
    pub(crate) fn largest_batch(&self) -> usize {
        self.config.batch_messages.min((self.config.ring_slots / 2).max(1))
    }

    /// The wall time to write on a message that is published now.
    #[inline]
    pub(crate) fn publish_time(&self) -> u64 {
        self.clock.wall_at(self.clock.now())
    }

    /// Takes `count` numbers and keeps nothing, since nobody subscribes; returns the first. `None` when a subscription
    /// came meanwhile, and the ring is full already.
    #[cold]
    pub(crate) fn publish_unstored(
        &self,
        shard: usize,
        count: u64,
    ) -> Result<Option<MessageId>, PublishError<()>> {
        let Some(shards) = self.shards() else {
            let number = self.before.fetch_add(count, Ordering::Relaxed);
            if number & RINGS_EXIST == 0 {
                return Ok(Some(MessageId::new(Sequence::new(number), shard, self.config.shards)));
            }
            // The rings are being made just now, and the numbers are not taken after all.
            self.before.fetch_sub(count, Ordering::Relaxed);
            let shards = self.shards.wait();
            return self.skip(&shards[shard], shard, count);
        };
        self.skip(&shards[shard], shard, count)
    }

    /// Takes the next numbers of a ring, as padding. What their slots held goes.
    fn skip(&self, shard: &Shard, index: usize, count: u64) -> Result<Option<MessageId>, PublishError<()>> {
        match shard.skip(count, || self.stored().is_some()) {
            Ok(first) => Ok(Some(MessageId::new(first, index, self.config.shards))),
            Err(ClaimError::Closed) => Err(PublishError::Closed(())),
            Err(_) => Ok(None),
        }
    }

    fn make_shards(&self) -> Result<&[Shard], Error> {
        if let Some(shards) = self.shards() {
            return Ok(shards);
        }
        let given =
            self.before.fetch_or(RINGS_EXIST, ordering("topic.before", Ordering::AcqRel)) & !RINGS_EXIST;
        let count = self.config.shards;
        // A ring's first number is beyond every one given out so far.
        let start = given;
        let shards = (0..count).map(|_| Shard::new(&self.config, start));
        let shards = shards.collect::<Result<Box<[Shard]>, Error>>()?;
        Ok(self.shards.get_or_init(|| shards))
    }

    /// Whether new subscriptions and new messages are refused.
    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.active.refuses()
    }

    /// Whether it takes dead letters still: of a topic that is closed while its engine drains, some may come.
    pub(crate) fn takes_dead_letters(&self) -> bool {
        !self.active.is_closed()
    }

    /// Refuses new subscriptions and new messages. What is staged goes on being published.
    pub(crate) fn refuse(&self) {
        self.active.refuse();
    }

    /// Closes the rings, having [refused](Self::refuse). Subscriptions drain what they hold.
    pub(crate) fn close(&self) {
        for shard in self.shards().unwrap_or(&[]) {
            // What is staged was accepted: it goes first, if there is room for it.
            shard.lanes.drain_staged(self);
            shard.channel.close();
            if !broken("close.staged_forgotten") {
                shard.lanes.give_up(shard);
            }
        }
        self.active.close();
        // Pairs with the heavy fence of whoever is about to sleep: either it sees the close, or this sees whom to wake.
        light_fence("topic.close.no_fence");
        if let Some(ended) = self.ended.get() {
            ended.notify();
        }
    }

    /// What is notified when the topic is closed, for a publisher that may wait for credit.
    pub(crate) fn ended(&self) -> &Notify {
        self.ended.get_or_init(Box::default)
    }

    /// Publishes what is staged, waiting for room no longer than to `deadline`. Says whether nothing is staged then.
    pub(crate) fn flush(&self, deadline: Option<Instant>) -> bool {
        let shards = self.shards().unwrap_or(&[]);
        shards.iter().for_each(|shard| shard.lanes.flush(self, deadline));
        !shards.iter().any(|shard| shard.lanes.has_staged())
    }

    /// A subscription was detached or dropped.
    pub(crate) fn release(&self) {
        self.active.one_less();
    }
}

/// A topic. It works as long as a handle of its engine lives. Cheap to clone.
#[derive(Clone)]
pub struct Topic {
    inner: Arc<TopicInner>,
}

impl Topic {
    pub(crate) fn new(name: &str, config: TopicConfig, engine: &Arc<EngineInner>) -> Self {
        Self { inner: Arc::new(TopicInner::new(name, config, engine)) }
    }

    pub(crate) fn from_inner(inner: &Arc<TopicInner>) -> Self {
        Self { inner: Arc::clone(inner) }
    }

    pub(crate) fn inner(&self) -> &Arc<TopicInner> {
        &self.inner
    }

    /// The topic's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The topic's settings.
    pub fn config(&self) -> &TopicConfig {
        &self.inner.config
    }

    /// A publisher to this topic, without limits.
    #[must_use]
    pub fn publisher(&self) -> Publisher {
        Publisher::new(&self.inner, &PublisherConfig::default())
    }

    /// A publisher to this topic, with settings.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use ringmain::{Engine, LimitExceeded, Message, PublisherConfig};
    /// let engine = Engine::new();
    /// let orders = engine.create_topic("orders", Default::default())?;
    /// let limits = PublisherConfig::default().max_outstanding_messages(100).limit_exceeded(LimitExceeded::Block);
    /// let publisher = orders.publisher_with(limits)?;
    /// publisher.publish(Message::new("paid"))?;
    /// assert_eq!(publisher.stats().outstanding_messages, 0);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidArgument`].
    pub fn publisher_with(&self, config: PublisherConfig) -> Result<Publisher, Error> {
        config.check()?;
        Ok(Publisher::new(&self.inner, &config))
    }

    /// A new subscription. It sees every message whose publish starts after this returns, and none whose publish
    /// returned before.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`], [`Error::AlreadyExists`] when the engine has one of that name, [`Error::NotFound`] when
    /// this topic was deleted or the dead-letter topic does not exist, [`Error::Closed`].
    pub fn create_subscription(&self, name: &str, config: SubscriptionConfig) -> Result<Subscription, Error> {
        name::check(name)?;
        config.check(!self.inner.clock.runs())?;
        let filter = config.filter.as_deref().map(Filter::parse).transpose()?;
        let engine = self.inner.engine.upgrade().ok_or(Error::Closed)?;
        // If this is refused, and somebody deletes that topic meanwhile, the last handle of it is not dropped under a lock.
        let _dead_letters = config.dead_letter.clone();
        if let Some(policy) = &config.dead_letter {
            engine.check_exists(&policy.topic)?;
        }
        engine.add_subscription(name, |others| {
            if self.inner.is_closed() {
                return Err(Error::NotFound(Resource::Topic(self.inner.name.clone())));
            }
            if let Some(policy) = &config.dead_letter {
                dead_letter::check(&self.inner, &policy.topic, others)?;
            }
            // Counted first: whoever sees the count finds the rings, or waits for them.
            let shards = self.inner.make_shards()?;
            self.inner.active.one_more();
            Ok(SubscriptionInner::new(name, config, filter, &self.inner, shards))
        })
    }

    /// The names of its live subscriptions, in order: those that are not detached.
    #[must_use]
    pub fn subscriptions(&self) -> Vec<String> {
        let mine = |subscription: &SubscriptionInner| {
            Arc::ptr_eq(&subscription.topic, &self.inner) && !subscription.is_over()
        };
        self.inner.engine.upgrade().map_or_else(Vec::new, |engine| engine.subscription_names(mine))
    }

    /// Whether the topic was deleted from its engine, which then refuses publishing; its subscriptions live on, and drain
    /// what they hold. (When the engine itself is gone, nobody knows any more, and the answer is no.)
    #[must_use]
    pub fn is_deleted(&self) -> bool {
        self.inner.engine.upgrade().is_some_and(|engine| engine.check_exists(self).is_err())
    }

    /// Drops the payloads that every subscription has read, and that are on the rings only because their slots were not
    /// used again. Returns how many bytes of data and attributes that were. (What a delivery still holds stays in memory
    /// as long as it does.) Spare buffers that deliveries have given back go as well. Never waits.
    ///
    /// The slots are used up, as if by messages that nobody gets to see; subscriptions without anything to read are moved
    /// past them. While one of them has something to read, a quarter of the ring is left for publishing; the payloads
    /// that are then still there go at the next call, or when their slots are used. A topic that is closed keeps its
    /// payloads until it is dropped.
    pub fn trim(&self) -> usize {
        self.inner.returned.clear();
        self.inner.shards().unwrap_or(&[]).iter().map(Shard::trim).sum()
    }

    /// What the topic has done so far.
    #[must_use]
    pub fn stats(&self) -> TopicStats {
        let shards = self.inner.shards().unwrap_or(&[]);
        let before = self.inner.before.load(Ordering::Relaxed) & !RINGS_EXIST;
        let published: u64 = if shards.is_empty() {
            before
        } else {
            before + shards.iter().map(Shard::published).sum::<u64>()
        };
        TopicStats {
            published,
            subscriptions: self.inner.active.count(),
            slowest: shards
                .iter()
                .filter_map(|shard| shard.channel.slowest())
                .max_by_key(|slowest| slowest.behind),
        }
    }
}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Topic").field("name", &self.inner.name).finish_non_exhaustive()
    }
}
