//! What is measured along an axis: the engine through its public API, with its settings as they come but for one.
//!
//! A sample has a fresh engine, so its rings are gone round once before the clock starts: a lap of new buffers is
//! the allocator's and the kernel's, and would weigh the more the larger the ring. Each ring is gone round by the
//! thread that will publish on it, since the engine serves a ring's only publisher better than one of several. Whoever
//! has published last closes the engine, which lets the readers go once they have read to the end.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use bytes::Bytes;
use ringmain::{
    Close, Dispatcher, Engine, InPlace, Message, Publisher, Subscription, SubscriptionConfig, TopicConfig,
    Verdict, WaitStrategy,
};

use crate::payload::{KILOBYTE, Read, Tally, fill, read_bytes, total_of};
use crate::roles::{Done, Load, Place, Roles, Sink};

/// `Bytes` that are published again and again: so many. Divides 256.
const POOL: usize = 16;
/// Slots that are warmed at once.
const CHUNK: usize = 64;
/// Messages that a publisher draws at once: so few that the drawing costs nothing.
const DRAWN: u64 = 64;
/// With more receivers than this, the first lap is nothing beside the reading, and its warming would take long.
const WARMED: usize = 100;

/// Who runs the subscriptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Readers {
    /// One dispatcher on one thread.
    Multiplexed,
    /// A thread each, in `Subscription::process`.
    Threads,
}

/// How a message's bytes come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// Written into a buffer of the ring's.
    Written,
    /// As the caller's `Bytes`, made for it.
    Own,
    /// As `Bytes` that the caller has other handles to.
    Kept,
}

/// How many of the messages each publisher publishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shares {
    /// All the same: the sample lasts until the slowest is through.
    Equal,
    /// As many as it comes to, until all are published: one that gets no CPU publishes none.
    Drawn,
}

/// How an engine is set up, but for how many publish and subscribe.
#[derive(Clone, Copy, Debug)]
pub(super) struct Knobs {
    /// Bytes of a message: 1, or a multiple of 8 from 16 on.
    pub(super) payload: usize,
    pub(super) source: Source,
    pub(super) slots: usize,
    pub(super) shards: usize,
    pub(super) wait: WaitStrategy,
    pub(super) readers: Readers,
    pub(super) shares: Shares,
}

impl Default for Knobs {
    fn default() -> Self {
        let TopicConfig { ring_slots: slots, shards, wait, .. } = TopicConfig::default();
        let (readers, shares) = (Readers::Multiplexed, Shares::Equal);
        Self { payload: KILOBYTE, source: Source::Written, slots, shards, wait, readers, shares }
    }
}

impl Knobs {
    /// Messages that the rings hold at most: as many as there are slots, or fewer where `ring_bytes` says so. (Large
    /// messages are counted, against half of it.)
    pub(super) fn holds(self) -> usize {
        let budget = TopicConfig::default().ring_bytes / 2;
        let held = if self.payload <= budget / self.slots { self.slots } else { budget / self.payload };
        held.clamp(1, self.slots) * self.shards
    }

    /// The threads of a sample: publishers, and either one reader or one for each subscription.
    pub(super) fn roles(self, load: &Load) -> Roles {
        let engine = Engine::new();
        let config = TopicConfig::default().ring_slots(self.slots).shards(self.shards).wait(self.wait);
        let topic = engine.create_topic("topic", config).expect("the table's settings are within the limits");
        let subscribe =
            |index| topic.create_subscription(&format!("s-{index}"), SubscriptionConfig::default());
        let subscriptions: Result<Vec<_>, _> = (0..load.receivers).map(subscribe).collect();
        let subscriptions = subscriptions.expect("the names differ and the topic is there");
        let payload = Payload::new(self);
        let ending = Arc::new(Ending(engine));
        let mut roles = Roles { threads: Vec::new(), expected: payload.expected(load.messages) };
        let pool = Arc::new(AtomicU64::new(0));
        for index in 0..load.producers {
            // Dealt out to the shards in turn.
            let publisher = Arc::new(topic.publisher());
            let out = Out { publisher: publisher.clone(), payload: payload.clone(), _ending: ending.clone() };
            roles = match self.shares {
                Shares::Equal => roles.producer(load, out),
                Shares::Drawn => {
                    let (pool, messages) = (pool.clone(), load.messages);
                    roles.publisher(move || draw(out, &pool, messages))
                }
            };
            if index < self.shards as u64 && load.receivers <= WARMED {
                let (subscriptions, payload) = (subscriptions.clone(), payload.clone());
                roles = roles.after(move || self.warm_up(&publisher, &subscriptions, &payload));
            }
        }
        let groups: Vec<_> = match self.readers {
            Readers::Multiplexed => vec![subscriptions],
            Readers::Threads => subscriptions.into_iter().map(|one| vec![one]).collect(),
        };
        for (index, group) in groups.into_iter().enumerate() {
            let ticker = load.ticker.clone();
            let run = self.reader(&group);
            roles = roles.reader(Place::Consumer(index), move || {
                let tallies = run(group);
                Done { ended: Some(ticker.now()), tallies, latencies: None }
            });
        }
        roles
    }

    /// What serves these subscriptions to their end and says what each has read.
    fn reader(self, group: &[Subscription]) -> Box<dyn FnOnce(Vec<Subscription>) -> Vec<Tally> + Send> {
        let (outcome, outcomes) = mpsc::channel();
        let counting = move || Counting { tally: Tally::default(), outcome: outcome.clone() };
        if self.readers == Readers::Threads {
            let mut counting = counting();
            return Box::new(move |group| {
                if let Some(subscription) = group.first() {
                    subscription.process(move |message| counting.handle(&message));
                }
                outcomes.into_iter().collect()
            });
        }
        let mut dispatcher = Dispatcher::new();
        for subscription in group {
            let mut counting = counting();
            dispatcher = dispatcher.add(subscription, move |message| counting.handle(&message));
        }
        drop(counting);
        Box::new(move |_group| {
            dispatcher.run();
            drop(dispatcher);
            outcomes.into_iter().collect()
        })
    }

    /// A lap of one ring, which nobody counts.
    fn warm_up(self, publisher: &Publisher, subscriptions: &[Subscription], payload: &Payload) {
        let add = |dispatcher: Dispatcher, subscription| dispatcher.add(subscription, |_| Verdict::Ack);
        let mut dispatcher = subscriptions.iter().fold(Dispatcher::new(), add);
        let held = self.holds() / self.shards;
        let chunk = CHUNK.min(held);
        // Where bytes fill the ring, not slots, nobody sees a slot again for long: twice what fits is enough.
        for _ in (0..self.slots.min(2 * held)).step_by(chunk) {
            (0..chunk as u64).for_each(|seq| payload.publish(publisher, seq));
            dispatcher.run_until_idle();
        }
    }
}

/// Publishes, one by one, what others have not drawn from the pool, until that is empty.
fn draw(mut out: Out, pool: &AtomicU64, messages: u64) {
    loop {
        // The count is all that it says: what is read by it was there before the threads were.
        let first = pool.fetch_add(DRAWN, Relaxed);
        if first >= messages {
            return;
        }
        (first..messages.min(first + DRAWN)).for_each(|seq| out.send(seq));
    }
}

/// What is published, and what reading it gives.
#[derive(Clone)]
enum Payload {
    Written(usize),
    Own(usize),
    Kept(usize, Arc<[Bytes]>),
}

impl Payload {
    fn new(knobs: Knobs) -> Self {
        let len = knobs.payload;
        match knobs.source {
            Source::Written => Self::Written(len),
            Source::Own => Self::Own(len),
            Source::Kept => Self::Kept(len, (0..POOL as u64).map(|seq| own(len, seq)).collect()),
        }
    }

    #[inline]
    fn publish(&self, publisher: &Publisher, seq: u64) {
        let bytes = match self {
            Self::Written(len) => {
                let published = publisher.publish_with(*len, |buffer| write(buffer, seq));
                return assert!(published.is_ok(), "nobody has closed the engine yet");
            }
            Self::Own(len) => own(*len, seq),
            Self::Kept(_, pool) => pool[usize::from(seq.to_le_bytes()[0]) % POOL].clone(),
        };
        assert!(publisher.publish(Message::new(bytes)).is_ok(), "nobody has closed the engine yet");
    }

    fn expected(&self, messages: u64) -> Tally {
        let sum = match *self {
            Self::Written(len) | Self::Own(len) => total(len, messages),
            Self::Kept(len, _) => {
                let (laps, rest) = (messages / POOL as u64, messages % POOL as u64);
                laps.wrapping_mul(total(len, POOL as u64)).wrapping_add(total(len, rest))
            }
        };
        Tally { count: messages, sum }
    }
}

/// Message `seq`, in an allocation of its own.
fn own(len: usize, seq: u64) -> Bytes {
    let mut bytes = vec![0; len];
    write(&mut bytes, seq);
    Bytes::from(bytes)
}

/// Writes message `seq`; one of a byte is the lowest byte of its sequence number.
#[inline]
fn write(buffer: &mut [u8], seq: u64) {
    match buffer {
        [only] => *only = seq.to_le_bytes()[0],
        words => fill(words, seq),
    }
}

/// What a reader adds to its sum: the ends.
#[inline]
fn value(data: &[u8]) -> u64 {
    match data {
        [only] => u64::from(*only),
        words => read_bytes(words, Read::Ends),
    }
}

/// What reading messages `0..messages` adds up to.
fn total(len: usize, messages: u64) -> u64 {
    if len == 1 {
        let (laps, rest) = (messages / 256, messages % 256);
        laps * (255 * 256 / 2) + rest * rest.saturating_sub(1) / 2
    } else {
        total_of(len as u64 / 8, messages, Read::Ends)
    }
}

/// Closes the engine when the last publisher is through.
struct Ending(Engine);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.close(Close::Drain(Duration::from_secs(30)));
    }
}

/// One publisher's side.
struct Out {
    publisher: Arc<Publisher>,
    payload: Payload,
    _ending: Arc<Ending>,
}

impl Sink for Out {
    #[inline]
    fn send(&mut self, seq: u64) {
        self.payload.publish(&self.publisher, seq);
    }

    fn send_batch(&mut self, first: u64, count: usize) {
        let Payload::Written(len) = self.payload else {
            return (first..first + count as u64).for_each(|seq| self.send(seq));
        };
        let fill_one = |index: usize, buffer: &mut [u8]| write(buffer, first + index as u64);
        let published = self.publisher.publish_batch_with(count, len, fill_one);
        assert!(published.is_ok(), "nobody has closed the engine yet");
    }
}

/// What a handler has counted; given away when the handler is dropped.
struct Counting {
    tally: Tally,
    outcome: mpsc::Sender<Tally>,
}

impl Counting {
    #[inline]
    fn handle(&mut self, message: &InPlace<'_>) -> Verdict {
        self.tally.add(value(message.data()));
        Verdict::Ack
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        // Nobody listens once the sample has failed for another reason.
        self.outcome.send(self.tally).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_adds_up_to_what_is_expected() {
        for payload in [1, 16, 1_024] {
            for source in [Source::Written, Source::Own, Source::Kept] {
                let messages = 1_000;
                let mut tally = Tally::default();
                let mut buffer = vec![0; payload];
                for seq in 0..messages {
                    write(&mut buffer, if source == Source::Kept { seq % POOL as u64 } else { seq });
                    tally.add(value(&buffer));
                }
                let knobs = Knobs { payload, source, ..Knobs::default() };
                assert_eq!(tally, Payload::new(knobs).expected(messages), "{payload} {source:?}");
            }
        }
    }

    #[test]
    fn large_messages_fill_a_ring_before_its_slots_do() {
        let holds = |payload, slots| Knobs { payload, slots, ..Knobs::default() }.holds();
        assert_eq!((holds(1_024, 4_096), holds(8_192, 4_096)), (4_096, 4_096));
        assert_eq!((holds(1 << 20, 4_096), holds(1_024, 65_536)), (32, 32_768));
    }
}
