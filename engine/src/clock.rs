//! The engine's clock: monotonic, and injected.
//!
//! Everything that happens to messages in time (deadlines, backoffs, ages, publish times) asks this and nothing else, so that
//! a test moves time by hand, and a jump of the wall clock changes nothing. How long a call waits is another matter: that goes
//! by the machine's clock. The real clock is the CPU's time stamp counter, read by
//! `quanta`: about 10 ns, where the standard library's takes 24.

use ringmain_ring::sync::{AtomicU64, Ordering, broken};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Where an engine gets its time from.
#[derive(Debug, Clone)]
pub struct Clock {
    source: Source,
    /// What the wall clock said at the clock's zero, in nanoseconds since 1970.
    wall: u64,
}

#[derive(Debug, Clone)]
enum Source {
    Counter { clock: quanta::Clock, zero: u64 },
    Manual(Arc<AtomicU64>),
}

impl Clock {
    /// The machine's monotonic clock.
    #[must_use]
    pub fn monotonic() -> Self {
        let clock = quanta::Clock::new();
        let zero = clock.raw();
        Self { source: Source::Counter { clock, zero }, wall: wall() }
    }

    /// Nanoseconds since this clock's zero.
    #[inline]
    pub(crate) fn now(&self) -> u64 {
        match &self.source {
            Source::Counter { clock, zero } => clock.delta_as_nanos(*zero, clock.raw()),
            // Relaxed: a point in time, which orders nothing else.
            Source::Manual(now) if !broken("clock.by_the_wall") => now.load(Ordering::Relaxed),
            Source::Manual(_) => wall().wrapping_sub(self.wall),
        }
    }

    /// The wall time at `now` on this clock, in nanoseconds since 1970.
    #[inline]
    pub(crate) fn wall_at(&self, now: u64) -> u64 {
        self.wall.wrapping_add(now)
    }

    /// Whether time passes by itself.
    pub(crate) fn runs(&self) -> bool {
        matches!(self.source, Source::Counter { .. })
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::monotonic()
    }
}

#[expect(clippy::disallowed_methods, reason = "the anchor of publish times, read once a clock")]
fn wall() -> u64 {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    nanos(since_1970)
}

/// A duration in nanoseconds; 584 years at most.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The end of a manual clock's time: what is to be a deadline, days later at most, or a wall time, is a number still.
const LAST: u64 = u64::MAX / 2;

/// A clock that moves when told to, for testing what happens in time without waiting for it.
///
/// How long a *call* waits (`recv_timeout`, `publish_timeout`, `wait`, [`Close::Drain`](crate::Close::Drain)) goes by the
/// machine's clock all the same: a call that is given 5 s returns after 5 s.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use ringmain::{AckError, Engine, ManualClock, Message, SubscriptionConfig, TopicConfig};
/// use std::time::Duration;
///
/// let clock = ManualClock::new();
/// let engine = Engine::builder().clock(clock.clock()).build();
/// let topic = engine.create_topic("orders", TopicConfig::default())?;
/// let billing = topic.create_subscription("billing", SubscriptionConfig::default())?;
/// topic.publisher().publish(Message::new("paid"))?;
///
/// let late = billing.recv()?;
/// clock.advance(Duration::from_secs(10)); // the default ack deadline
/// assert_eq!(late.ack(), Err(AckError::Expired));
/// assert_eq!(billing.recv()?.delivery_attempt(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ManualClock {
    now: Arc<AtomicU64>,
    /// The wall clock at zero.
    wall: u64,
}

impl ManualClock {
    /// A clock at zero, which is now by the wall clock: publish times go on from there.
    #[must_use]
    pub fn new() -> Self {
        Self { now: Arc::new(AtomicU64::new(0)), wall: wall() }
    }

    /// Moves time forward. What is due by then happens at the next poll, or on [`Engine::tick`](crate::Engine::tick). It wakes
    /// nobody: a call or a stream that waits already goes on after a tick.
    /// After 292 years in all, time stands still.
    pub fn advance(&self, by: Duration) {
        let later = |now: u64| Some(now.saturating_add(nanos(by)).min(LAST));
        let _before = self.now.fetch_update(Ordering::Relaxed, Ordering::Relaxed, later);
    }

    /// The clock to give to an engine.
    #[must_use]
    pub fn clock(&self) -> Clock {
        Clock { source: Source::Manual(Arc::clone(&self.now)), wall: self.wall }
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}
