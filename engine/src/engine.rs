//! The engine: a directory of topics and subscriptions, a clock, and one thread for what nobody polls.

mod closing;

pub use self::closing::{Close, CloseReport};
use crate::clock::Clock;
use crate::config::TopicConfig;
use crate::error::{Error, Resource};
use crate::name;
#[cfg(feature = "metrics")]
use crate::observe::Recorded;
use crate::observe::event;
use crate::subscription::{End, Housekeeper, Subscription, SubscriptionInner};
use crate::topic::Topic;
use foldhash::SharedSeed;
use foldhash::fast::SeedableRandomState;
use ringmain_ring::WakeLater;
use ringmain_ring::sync::{AtomicBool, Mutex, Ordering, lock};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// By name. In what order it is gone through, for a tick or a close, is random, unless the engine has a
/// [seed](EngineBuilder::seed).
pub(crate) type Directory<T> = HashMap<String, T, SeedableRandomState>;

pub(crate) struct EngineInner {
    pub(crate) clock: Clock,
    topics: Mutex<Directory<Topic>>,
    subscriptions: Mutex<Directory<Arc<SubscriptionInner>>>,
    housekeeper: Arc<Housekeeper>,
    closed: AtomicBool,
    #[cfg(feature = "metrics")]
    recorded: Recorded,
}

impl EngineInner {
    pub(crate) fn add_subscription(
        &self,
        name: &str,
        make: impl FnOnce(&Directory<Arc<SubscriptionInner>>) -> Result<Arc<SubscriptionInner>, Error>,
    ) -> Result<Subscription, Error> {
        // To attach is to notify, and whoever is woken may come for the directory.
        let later = WakeLater::begin();
        let mut subscriptions = lock(&self.subscriptions);
        if self.closed.load(Ordering::Relaxed) {
            return Err(Error::Closed);
        }
        if subscriptions.contains_key(name) {
            return Err(Error::AlreadyExists(Resource::Subscription(name.to_owned())));
        }
        let subscription = make(&subscriptions)?;
        self.housekeeper.watch(&subscription);
        subscriptions.insert(name.to_owned(), Arc::clone(&subscription));
        drop(subscriptions);
        drop(later); // before the listener's code, which may wait for whoever is woken
        event!(info, "subscription created", subscription = name, topic = subscription.topic.name);
        Ok(Subscription::new(subscription))
    }

    /// Whether `topic` is one of this engine's, and not deleted.
    pub(crate) fn check_exists(&self, topic: &Topic) -> Result<(), Error> {
        let topics = lock(&self.topics);
        let here = topics.get(topic.name()).is_some_and(|other| Arc::ptr_eq(other.inner(), topic.inner()));
        if here { Ok(()) } else { Err(Error::NotFound(Resource::Topic(topic.name().to_owned()))) }
    }

    /// The names of the subscriptions that `of` says.
    pub(crate) fn subscription_names(&self, of: impl Fn(&SubscriptionInner) -> bool) -> Vec<String> {
        let subscriptions = lock(&self.subscriptions);
        let mut names: Vec<_> =
            subscriptions.iter().filter(|(_, one)| of(one)).map(|(name, _)| name.clone()).collect();
        names.sort_unstable();
        names
    }

    fn tick(&self) {
        let subscriptions: Vec<_> = lock(&self.subscriptions).values().cloned().collect();
        for subscription in subscriptions {
            subscription.expire_due();
        }
    }
}

/// Topics, subscriptions and what they share. Cheap to clone; the last clone dropped closes it ([`Close::Now`]).
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let engine = ringmain::Engine::new();
/// engine.create_topic("orders", Default::default())?;
/// assert!(engine.create_topic("orders", Default::default()).is_err());
/// assert!(engine.topic("orders").is_some());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Engine {
    handle: Arc<Handle>,
}

/// Counts the clones of an [`Engine`], so that the last one closes it whoever else holds the inside.
struct Handle(Arc<EngineInner>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.close(Close::Now);
    }
}

impl Engine {
    /// An engine with the machine's monotonic clock.
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// An engine with other settings.
    pub fn builder() -> EngineBuilder {
        EngineBuilder { clock: None, housekeeping: true, seed: None }
    }

    #[cfg(feature = "metrics")]
    pub(crate) fn recorded(&self) -> &Recorded {
        &self.handle.0.recorded
    }

    /// A new topic.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`], [`Error::AlreadyExists`], [`Error::Closed`].
    pub fn create_topic(&self, name: &str, config: TopicConfig) -> Result<Topic, Error> {
        name::check(name)?;
        config.check()?;
        let mut topics = lock(&self.handle.0.topics);
        if self.handle.0.closed.load(Ordering::Relaxed) {
            return Err(Error::Closed);
        }
        if topics.contains_key(name) {
            return Err(Error::AlreadyExists(Resource::Topic(name.to_owned())));
        }
        let topic = Topic::new(name, config, &self.handle.0);
        topics.insert(name.to_owned(), topic.clone());
        drop(topics);
        event!(info, "topic created", topic = name);
        Ok(topic)
    }

    /// The topic of this name.
    #[must_use]
    pub fn topic(&self, name: &str) -> Option<Topic> {
        lock(&self.handle.0.topics).get(name).cloned()
    }

    /// The names of all topics, in order.
    #[must_use]
    pub fn topics(&self) -> Vec<String> {
        let mut names: Vec<_> = lock(&self.handle.0.topics).keys().cloned().collect();
        names.sort_unstable();
        names
    }

    /// The names of all subscriptions, in order; also of those that are detached, and not yet deleted.
    #[must_use]
    pub fn subscriptions(&self) -> Vec<String> {
        self.handle.0.subscription_names(|_| true)
    }

    /// The subscription of this name.
    #[must_use]
    pub fn subscription(&self, name: &str) -> Option<Subscription> {
        lock(&self.handle.0.subscriptions).get(name).cloned().map(Subscription::new)
    }

    /// Deletes a topic. Its subscriptions live on, drain what they hold and get nothing new.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn delete_topic(&self, name: &str) -> Result<(), Error> {
        let topic = lock(&self.handle.0.topics).remove(name);
        let topic = topic.ok_or_else(|| Error::NotFound(Resource::Topic(name.to_owned())))?;
        self.handle.0.close_topic(&topic);
        event!(info, "topic deleted", topic = name);
        Ok(())
    }

    /// Deletes a subscription: it is detached, its backlog is dropped, and its name is free again.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn delete_subscription(&self, name: &str) -> Result<(), Error> {
        let subscription = lock(&self.handle.0.subscriptions).remove(name);
        subscription
            .ok_or_else(|| Error::NotFound(Resource::Subscription(name.to_owned())))?
            .shut(End::Detached);
        Ok(())
    }

    /// Does what is due: leases whose deadline has come expire, backoffs end, dead letters that found their topic full are
    /// tried again. The engine does so by itself when somebody polls, and from a thread of its own when nobody does; with a
    /// manual clock there is no such thread, and this is it.
    pub fn tick(&self) {
        self.handle.0.tick();
    }

    /// Closes the engine for all its handles: publishing is refused, and every call that waits returns.
    #[expect(clippy::must_use_candidate, reason = "the effect is the point")]
    pub fn close(&self, how: Close) -> CloseReport {
        self.handle.0.close(how)
    }
}

impl Default for Engine {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("topics", &lock(&self.handle.0.topics).len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for EngineInner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineInner").finish_non_exhaustive()
    }
}

/// Settings of an engine to be made.
#[derive(Debug)]
#[must_use]
pub struct EngineBuilder {
    clock: Option<Clock>,
    housekeeping: bool,
    seed: Option<u64>,
}

impl EngineBuilder {
    /// Sets where time comes from; see [`ManualClock`](crate::ManualClock).
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Whether a thread does what is due (leases expire, backoffs end, dead letters are tried again) when nobody polls. On,
    /// unless the clock is manual; without it, call [`Engine::tick`].
    pub fn housekeeping(mut self, on: bool) -> Self {
        self.housekeeping = on;
        self
    }

    /// Has everything that the engine leaves to chance, which is the order in which it comes to its subscriptions on a
    /// tick and at a close, follow from this number. For tests: with a manual clock and one thread, the same calls then
    /// do the same again.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Makes the engine.
    #[must_use]
    pub fn build(self) -> Engine {
        let order = || match self.seed {
            Some(seed) => SeedableRandomState::with_seed(seed, SharedSeed::global_fixed()),
            None => SeedableRandomState::random(),
        };
        let (topics, subscriptions) = (Directory::with_hasher(order()), Directory::with_hasher(order()));
        let clock = self.clock.unwrap_or_default();
        let housekeeper = Housekeeper::new(clock.clone(), self.housekeeping && clock.runs());
        let inner = EngineInner {
            clock,
            topics: Mutex::new(topics),
            subscriptions: Mutex::new(subscriptions),
            housekeeper,
            closed: AtomicBool::new(false),
            #[cfg(feature = "metrics")]
            recorded: Recorded::default(),
        };
        Engine { handle: Arc::new(Handle(Arc::new(inner))) }
    }
}
