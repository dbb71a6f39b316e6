//! `ring_bytes`: how many payload bytes a ring holds at most, read or not.
//!
//! A slot keeps its payload until it is used again. A message of at most `ring_bytes / (2 * ring_slots)` bytes, the
//! *threshold*, cannot exceed half of the bound together with all others of its kind, so it is not counted, and costs
//! nothing but the comparison. Larger ones are counted against the other half, the *budget*: before the claim on the way
//! in, and when the slot is used again on the way out. One that is larger than the budget goes alone.
//!
//! When the budget is used up, payloads that everybody has read are got at by using their slots again. Where the large
//! ones are is known, so a publisher sees how far it has to go. If no reader is in the way, it claims the slots up to
//! there, takes out what they held, and publishes them as padding, a chunk at a time. Otherwise it waits, as for room. (A
//! lossy reader is in nobody's way, however little it is behind: it loses what the oldest large payloads stand among, and
//! no more than has to go. To spare it would be to wait for it.)
//!
//! Padding takes room from those who need slots, so nobody rests before it: see [`padding`](super::padding).

use crate::config::TopicConfig;
use crate::record::Record;
use crate::topic::Shard;
use crossbeam_utils::CachePadded;
use ringmain_fanout::{ClaimError, Sequence};
use ringmain_ring::sync::{AtomicUsize, Ordering, broken};
use ringmain_ring::{TryLock, TryLockGuard, WakeLater};
use std::collections::VecDeque;

/// Slots that are claimed as padding at once, at most: what readers may have to wait for.
const CHUNK: u64 = 256;

/// Set in the count when somebody has found the budget used up, who may wait.
const REFUSED: usize = 1 << (usize::BITS - 1);

/// The account of one ring.
#[derive(Debug)]
pub(crate) struct Payloads {
    /// Bytes of large payloads on the ring, or about to be; and [`REFUSED`]. Relaxed: it counts, and orders nothing.
    counted: CachePadded<AtomicUsize>,
    threshold: usize,
    budget: usize,
    /// Where they are, in order, and how large. Those whose slots are used again go when somebody looks.
    places: TryLock<VecDeque<(Sequence, usize)>>,
    /// Held by whoever makes padding, until it is stamped: till then it counts as messages.
    padding: TryLock<()>,
}

/// Messages that are no larger are not counted.
pub(crate) fn threshold(config: &TopicConfig) -> usize {
    config.ring_bytes / 2 / config.ring_slots
}

impl Payloads {
    pub(crate) fn new(config: &TopicConfig) -> Self {
        Self {
            counted: CachePadded::new(AtomicUsize::new(0)),
            threshold: threshold(config),
            budget: config.ring_bytes / 2,
            places: TryLock::default(),
            padding: TryLock::default(),
        }
    }

    /// What of a message's `size` is counted: nothing or all.
    #[inline]
    pub(super) fn large(&self, size: usize) -> usize {
        if size > self.threshold { size } else { 0 }
    }

    /// The indices and sizes of the large ones among `records`, if there are any.
    #[inline]
    pub(super) fn places_of(&self, records: &[Record], any: bool) -> Vec<(u64, usize)> {
        if !any {
            return Vec::new();
        }
        let sizes = records.iter().map(Record::size);
        (0..).zip(sizes).filter(|(_, size)| *size > self.threshold).collect()
    }

    /// Whether messages of which `bytes` are counted can be on the ring together.
    pub(super) fn fits(&self, bytes: usize) -> bool {
        bytes <= self.budget
    }

    /// Counts `bytes`, if the budget allows it, or nothing else is counted.
    ///
    /// # Errors
    /// How many bytes are too many.
    fn try_count(&self, bytes: usize) -> Result<(), usize> {
        let mut word = self.counted.load(Ordering::Relaxed);
        loop {
            let counted = word & !REFUSED;
            let more = counted + bytes;
            let refused = counted != 0 && more > self.budget && !broken("payloads.unbounded");
            let next = if refused { word | REFUSED } else { word + bytes };
            // (That it was refused is marked in the count that it saw: whoever takes some of that back sees the mark.)
            if next != word
                && let Err(now) =
                    self.counted.compare_exchange_weak(word, next, Ordering::Relaxed, Ordering::Relaxed)
            {
                word = now;
                continue;
            }
            return if refused { Err((more - self.budget).min(counted)) } else { Ok(()) };
        }
    }

    /// The end of the slots that hold the oldest `bytes` of large payloads. `None` when they are not there, or not yet.
    fn end_of_oldest(&self, bytes: usize, gone: impl Fn(Sequence) -> bool) -> Option<Sequence> {
        let mut places = self.places.lock();
        forget(&mut places, gone);
        let mut sum = 0;
        places.iter().find_map(|(place, size)| {
            sum += size;
            (sum >= bytes).then_some(place.plus(1))
        })
    }
}

/// Takes the places out that are gone; they are in order.
fn forget(places: &mut VecDeque<(Sequence, usize)>, gone: impl Fn(Sequence) -> bool) {
    while places.pop_front_if(|(place, _)| gone(*place)).is_some() {}
}

impl Shard {
    /// A message of so many bytes has left the ring.
    #[inline]
    pub(super) fn left(&self, size: usize) {
        if size > self.payloads.threshold {
            self.uncount(size);
        }
    }

    /// So many counted bytes are no longer on the ring, or will not be.
    #[cold]
    pub(super) fn uncount(&self, bytes: usize) {
        let before = self.payloads.counted.fetch_sub(bytes, Ordering::Relaxed);
        debug_assert!(before & !REFUSED >= bytes, "what left the ring was counted when it came");
        // As good as room, to whoever waits for either; also to readers who wait to fetch what is staged.
        self.channel.room().notify();
    }

    /// Counts so many bytes, which are about to be published in so many slots; makes room for them if need be, and if it
    /// can be had without waiting.
    #[cold]
    pub(super) fn count(&self, bytes: usize, slots: u64) -> Result<(), ClaimError> {
        let lap = self.channel.capacity() as u64;
        let mut padded = 0;
        let counted = loop {
            let Err(too_many) = self.payloads.try_count(bytes) else { break Ok(()) };
            if self.channel.is_closed() {
                break Err(ClaimError::Closed);
            }
            let tail = self.channel.tail();
            let Some(end) = self.payloads.end_of_oldest(too_many, self.gone(tail)) else {
                break Err(ClaimError::Full);
            };
            // Whatever it takes, or nothing: padding that does not get there would only take room from others. (A whole
            // lap is there, and comes again, when everything is read.)
            let distance = tail.until(end.plus(lap));
            self.channel.pass_padding();
            if padded > lap || self.room(false) < lap.min(distance + slots) {
                break Err(ClaimError::Full);
            }
            // Further than a lap, if it was published after we had looked at the tail: no more than a ring has can be claimed.
            let chunk = distance.min(lap).min(CHUNK);
            if let Err(error) = self.pad(|| chunk) {
                break Err(error);
            }
            padded += chunk;
        };
        if padded > 0 {
            self.lanes.padding.settle();
        }
        counted
    }

    /// Which slots are used again, as of this tail: what they held is gone, or is just going.
    fn gone(&self, tail: Sequence) -> impl Fn(Sequence) -> bool + use<> {
        let lap = self.channel.capacity() as u64;
        move |place| place.plus(lap).is_before(tail)
    }

    /// How many slots can be claimed now, about; with `spare_lossy`, those only that no reader still has to read.
    pub(super) fn room(&self, spare_lossy: bool) -> u64 {
        let taken = self.channel.earliest(spare_lossy).until(self.channel.tail());
        (self.channel.capacity() as u64).saturating_sub(taken)
    }

    /// So many counted bytes have been published in each of these slots.
    #[cold]
    pub(super) fn keep_places(&self, large: impl Iterator<Item = (Sequence, usize)>) {
        {
            let gone = self.gone(self.channel.tail());
            let mut places = self.payloads.places.lock();
            forget(&mut places, gone);
            for (place, size) in large {
                // Others, who claimed before, may come after; seldom far.
                let later = places.iter().rev().take_while(|(other, _)| place.is_before(*other)).count();
                let index = places.len() - later;
                places.insert(index, (place, size));
            }
        }
        // Whoever found them not yet there, and waits, can get at them now.
        self.channel.room().notify();
    }

    /// Takes the payloads out of all slots that every reader has read, as far as there is room for padding. Returns how
    /// many bytes that were.
    pub(crate) fn trim(&self) -> usize {
        let lap = self.channel.capacity() as u64;
        let (mut padded, mut bytes) = (0, 0);
        loop {
            self.channel.pass_padding();
            // Sparing lossy readers, who would lose what they have not read; and while there is any such reader, leaving a
            // quarter of the ring to those who publish.
            let chunk = || self.room(true).saturating_sub(lap / 4).min(lap - padded).min(CHUNK);
            let Ok((chunk, taken)) = self.pad(chunk) else { break };
            padded += chunk;
            bytes += taken;
        }
        if padded > 0 {
            self.lanes.padding.settle();
        }
        bytes
    }

    /// Claims so many slots as padding, and takes out what they held. Returns how many slots and payload bytes that were. `count`
    /// is asked while nobody else makes padding.
    fn pad(&self, count: impl Fn() -> u64) -> Result<(u64, usize), ClaimError> {
        // Whoever is woken by what the claim does may come back to here.
        let wakers = WakeLater::begin();
        let padding = self.no_padding();
        let count = count();
        if count == 0 {
            return Err(ClaimError::Full);
        }
        let (first, old) = self.take_out(count)?;
        drop(padding);
        self.lanes.padding.uses_up(count);
        self.lanes.padding.made(first, count);
        // Their owners may publish when payloads go, and readers are not to rest before padding then. (Else once, in the end.)
        if !old.iter().all(Record::is_plain) {
            self.lanes.padding.settle();
        }
        drop(wakers);
        Ok((count, self.let_go_of(old)))
    }

    /// A reader has come, whom publishers may have taken for nobody: it is not to rest before what they have skipped.
    pub(crate) fn is_joined(&self) {
        self.lanes.padding.settle();
    }

    /// While this is kept nobody makes padding, and what is claimed is messages.
    pub(crate) fn no_padding(&self) -> TryLockGuard<'_, ()> {
        self.payloads.padding.lock()
    }

    /// Takes the next `count` numbers for messages that nobody is to read; returns the first. What their slots held goes.
    /// Their numbers count as published. `read` says whether somebody subscribes after all.
    pub(crate) fn skip(&self, count: u64, read: impl Fn() -> bool) -> Result<Sequence, ClaimError> {
        let wakers = WakeLater::begin();
        let (first, old) = self.take_out(count)?;
        self.lanes.padding.skipped(first, count, read);
        drop(wakers);
        self.let_go_of(old);
        Ok(first)
    }

    fn take_out(&self, count: u64) -> Result<(Sequence, Vec<Record>), ClaimError> {
        let mut old = Vec::with_capacity(usize::try_from(count).unwrap_or(0));
        let claim = self.channel.try_claim(count)?;
        let first = claim.start();
        claim.pad_each(|slot| old.push(std::mem::take(slot)));
        Ok((first, old))
    }

    /// Lets go of what came back, which may run code of its owner's: all of it is counted out by then. Returns how many payload
    /// bytes that were.
    fn let_go_of(&self, old: Vec<Record>) -> usize {
        let count_out = |record: &Record| {
            let size = record.size_if_any();
            self.left(size);
            size
        };
        old.iter().map(count_out).sum()
    }
}

/// Bytes that are counted and not yet on the ring; dropping it takes them back.
#[derive(Debug)]
pub(super) struct Counted<'a> {
    shard: &'a Shard,
    bytes: usize,
}

impl<'a> Counted<'a> {
    pub(super) fn new(shard: &'a Shard, bytes: usize) -> Self {
        Self { shard, bytes }
    }

    /// They are on the ring now.
    pub(super) fn published(mut self, large: impl Iterator<Item = (Sequence, usize)>) {
        self.bytes = 0;
        self.shard.keep_places(large);
    }

    /// Takes them back, since there is no slot for the one message that they are of. Only who was refused for want of bytes
    /// meanwhile needs to be told: there may be slots by now, and who made those has told him too early. (Who waits for a
    /// slot will be told of that, and would only tell himself, again and again.)
    pub(super) fn take_back(mut self) {
        let counted = &self.shard.payloads.counted;
        let before = counted.fetch_sub(std::mem::take(&mut self.bytes), Ordering::Relaxed);
        if before & REFUSED != 0 && !broken("payloads.taken_back_in_silence") {
            // First, lest who is refused from here on relies on us.
            counted.fetch_and(!REFUSED, Ordering::Relaxed);
            self.shard.channel.room().notify();
        }
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.shard.uncount(self.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topic::Topic;
    use crate::{Engine, Overflow, Subscription, SubscriptionConfig};
    use ringmain_ring::sync::thread;
    use ringmain_ring::{Sleeper, before_sleep};
    use std::task::Waker;

    /// A ring of four slots that counts payloads of more than 1,000 bytes, up to 4,000.
    fn small() -> (Engine, Topic, Subscription) {
        let engine = Engine::new();
        let config = TopicConfig::default().ring_slots(4).ring_bytes(8 * 1_000);
        let topic = engine.create_topic("topic", config).unwrap();
        let subscription = topic.create_subscription("subscription", SubscriptionConfig::default()).unwrap();
        (engine, topic, subscription)
    }

    /// The slots may have become free while the bytes were still counted: that woke whoever waits for the bytes in vain.
    #[test]
    fn bytes_that_are_taken_back_wake_who_found_too_few_and_nobody_else() {
        let (_engine, topic, _subscription) = small();
        let shard = topic.inner().shard(0);
        for is_refused in [false, true, false] {
            assert_eq!(shard.count(3_000, 1), Ok(()));
            let counted = Counted::new(shard, 3_000);
            let sleeper = Sleeper::task(Waker::noop());
            let _place = shard.channel.room().register(&sleeper);
            before_sleep();
            if is_refused {
                assert_eq!(shard.count(3_000, 1), Err(ClaimError::Full));
            }
            counted.take_back();
            assert_eq!(sleeper.is_woken(), is_refused);
        }
        assert_eq!(shard.count(4_000, 1), Ok(()), "all of it was taken back");
    }

    /// A claim of more than the ring has is refused as too large, which nobody waits for.
    #[test]
    fn what_was_published_after_the_tail_was_looked_at_is_waited_for() {
        let (_engine, topic, _subscription) = small();
        let shard = topic.inner().shard(0);
        assert_eq!(shard.count(4_000, 1), Ok(()));
        // As it looks to whoever has the tail of before.
        shard.keep_places(std::iter::once((shard.channel.tail(), 4_000)));
        assert_eq!(shard.count(4_000, 1), Err(ClaimError::Full));
    }

    /// What is published while it waits for its turn is not among what it found free.
    #[test]
    fn a_trim_looks_for_room_when_it_is_its_turn() {
        let engine = Engine::new();
        let topic = engine.create_topic("topic", TopicConfig::default().ring_slots(16)).unwrap();
        let lossy = SubscriptionConfig::default().overflow(Overflow::DropOldest);
        let subscription = topic.create_subscription("subscription", lossy).unwrap();
        let publisher = topic.publisher();
        let others = topic.inner().shard(0).no_padding();
        std::thread::scope(|scope| {
            let trims = scope.spawn(|| topic.trim());
            for number in 0..1_000 {
                thread::yield_now();
                if number % 200 == 0 {
                    publisher.publish_slice(b"unread").unwrap();
                }
            }
            assert!(!trims.is_finished());
            drop(others);
        });
        let stats = subscription.stats();
        assert_eq!((stats.unread, stats.dropped), (5, 0), "{stats:?}");
        assert!(subscription.try_recv().is_ok(), "nothing was lost");
    }
}
