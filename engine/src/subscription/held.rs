//! What is off the ring and not leased: nacked, expired, in backoff, behind its key, or parked as a dead letter.
//!
//! A message is *ready*, or *waiting* out its backoff, or *behind* another of its ordering key, or *parked* since its
//! dead-letter topic would not take it. What is ready goes before anything further is taken from the ring, but in
//! rounds: a round is what is ready when it begins, each message of it goes once, and the next begins only when the ring
//! has had its turn, so that a handler that always nacks starves nobody.
//!
//! With message ordering, a key has an entry while one of its messages is delivered, ready or waiting; those that follow
//! queue in that entry. So a key has one message under way at a time, in the order in which they were taken from the
//! ring, which then happens under this lock.
//!
//! A message here is rare, so a mutex will do; whether there is any is one load.

use crate::record::{Held, Received};
use ringmain_ring::WakeLater;
use ringmain_ring::sync::{AtomicBool, AtomicUsize, Mutex, MutexGuard, Ordering, broken, lock, ordering};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};

/// How many entries of keys are kept for use again, and how long their queues may be.
const SPARE: usize = 256;
const SHORT: usize = 16;

#[derive(Debug)]
pub(crate) struct HeldMessages {
    /// All of them.
    count: AtomicUsize,
    /// Calls that end leases and may bring messages here: what is no longer leased, and not here yet, is not nowhere.
    coming: AtomicUsize,
    /// Whether somebody tries again what is parked.
    pub(super) retrying: AtomicBool,
    bytes: AtomicUsize,
    ready: AtomicUsize,
    /// All but those that are parked.
    deliverable: AtomicUsize,
    parked: AtomicUsize,
    /// Raised whenever something has come here to be delivered. Tells whether something did between two looks.
    returned: AtomicUsize,
    /// Whether the ring had its turn since the last round began.
    ring_had_turn: AtomicBool,
    store: Mutex<Store>,
}

#[derive(Debug, Default)]
pub(crate) struct Store {
    ready: VecDeque<Held>,
    /// How many of those that are ready may still go in this round.
    round: usize,
    waiting: BinaryHeap<Reverse<Waiting>>,
    /// How many ever waited: ties go first come, first served.
    waited: u64,
    /// By the shard that is to take them, since one may be full and another not.
    pub(super) parked: Vec<VecDeque<Held>>,
    /// Of those that are parked, which are in the hands of who tries them again; none once everything is given up.
    pub(super) trying: usize,
    /// Given up: nothing is delivered from here any more.
    pub(super) cleared: bool,
    keys: HashMap<String, VecDeque<Held>, foldhash::fast::RandomState>,
    /// Entries of keys that have gone, for use again.
    spare: Vec<(String, VecDeque<Held>)>,
    /// How many queue behind others of their key.
    behind: usize,
    pub(super) bytes: usize,
}

/// A message in backoff.
#[derive(Debug)]
struct Waiting {
    due: u64,
    number: u64,
    held: Held,
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Waiting {}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.due, self.number).cmp(&(other.due, other.number))
    }
}

impl Default for HeldMessages {
    fn default() -> Self {
        Self {
            count: AtomicUsize::new(0),
            coming: AtomicUsize::new(0),
            retrying: AtomicBool::new(false),
            bytes: AtomicUsize::new(0),
            ready: AtomicUsize::new(0),
            deliverable: AtomicUsize::new(0),
            parked: AtomicUsize::new(0),
            returned: AtomicUsize::new(0),
            ring_had_turn: AtomicBool::new(true),
            store: Mutex::new(Store::default()),
        }
    }
}

impl Store {
    fn len(&self) -> usize {
        self.ready.len() + self.waiting.len() + self.parked_len() + self.behind
    }

    /// Whether `message` may be delivered now; if not, it queues behind others of its key.
    pub(crate) fn admit(&mut self, message: Received) -> Option<Received> {
        let Some(key) = message.ordering_key().filter(|_| !broken("keys.overtake")) else {
            return Some(message);
        };
        match self.keys.get_mut(key) {
            None => {
                let (mut entry, queue) = self.spare.pop().unwrap_or_default();
                entry.push_str(key);
                self.keys.insert(entry, queue);
                Some(message)
            }
            Some(queue) => {
                self.bytes += message.size();
                self.behind += 1;
                queue.push_back(Held { message, attempt: 1 });
                None
            }
        }
    }

    /// The message of `key` that was under way is done with here: the next one is ready. Returns whether there is one.
    fn settle(&mut self, key: &str) -> bool {
        let Some(queue) = self.keys.get_mut(key) else { return false };
        match queue.pop_front() {
            Some(next) => {
                self.behind -= 1;
                self.ready.push_back(next);
                true
            }
            None => {
                if let Some((mut entry, queue)) = self.keys.remove_entry(key)
                    && self.spare.len() < SPARE
                    && queue.capacity() <= SHORT
                {
                    entry.clear();
                    self.spare.push((entry, queue));
                }
                false
            }
        }
    }
}

impl HeldMessages {
    /// How many are held.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Whether some are to be delivered yet, now or later.
    pub(crate) fn awaits_delivery(&self) -> bool {
        // Acquire: pairs with the release in `count`: who has taken the last of them is seen to receive.
        self.deliverable.load(ordering("held.deliverable.acquire", Ordering::Acquire)) > 0
    }

    /// Whether leases are being ended just now, which may bring something here.
    pub(crate) fn is_coming(&self) -> bool {
        // Acquire: pairs with the release in the drop of `Coming`: what came has been counted by `returned`.
        self.coming.load(ordering("held.coming.acquire", Ordering::Acquire)) > 0
    }

    /// Leases are about to be ended, and what was leased may come here. To be called before the first one ends, and
    /// dropped when all have come; whoever looked for the end meanwhile is to look again then.
    pub(crate) fn coming(&self) -> Coming<'_> {
        // Relaxed: a lease ends with release, after this. Whoever sees it ended sees this.
        self.coming.fetch_add(1, Ordering::Relaxed);
        Coming(&self.coming)
    }

    /// Whether nothing is on its way to here, nor between being parked and being forwarded.
    pub(crate) fn is_quiet(&self) -> bool {
        // Acquire: pairs with the release in the drop of `Retrying`: what was tried again is held, or forwarded.
        !self.is_coming() && !self.retrying.load(ordering("held.quiet.acquire", Ordering::Acquire))
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// How many may be delivered now.
    #[inline]
    pub(crate) fn ready(&self) -> usize {
        self.ready.load(Ordering::Relaxed)
    }

    /// How many are dead letters that their topic would not take.
    #[inline]
    pub(crate) fn parked(&self) -> usize {
        self.parked.load(Ordering::Relaxed)
    }

    /// Whether all that is held is parked and that is `enough`, both at one moment.
    pub(crate) fn is_all_parked(&self, enough: impl FnOnce() -> bool) -> bool {
        self.locked(|store| store.len() == store.parked_len() && enough())
    }

    /// Another number whenever something has come here to be delivered.
    pub(crate) fn returned(&self) -> usize {
        // Acquire: pairs with the release in `has_returned`: what has come is counted.
        self.returned.load(ordering("held.returned.acquire", Ordering::Acquire))
    }

    pub(super) fn locked<R>(&self, change: impl FnOnce(&mut Store) -> R) -> R {
        let mut store = lock(&self.store);
        let result = change(&mut store);
        self.count(&store);
        result
    }

    /// Something has come here to be delivered, and is counted.
    fn has_returned(&self) {
        // Release: pairs with the acquire load in `returned`.
        self.returned.fetch_add(1, ordering("held.returned.release", Ordering::Release));
    }

    fn count(&self, store: &Store) {
        self.count.store(store.len(), Ordering::Relaxed);
        self.bytes.store(store.bytes, Ordering::Relaxed);
        self.ready.store(store.ready.len(), Ordering::Relaxed);
        let parked = store.parked_len();
        // Release: pairs with the acquire in `awaits_delivery`. Whoever takes one has said before that he receives.
        let release = ordering("held.deliverable.release", Ordering::Release);
        self.deliverable.store(store.len() - parked, release);
        self.parked.store(parked, Ordering::Relaxed);
    }

    /// Takes messages from the ring while nobody else does, for their keys' sake.
    pub(crate) fn in_order<R>(&self, take: impl FnOnce(&mut Store) -> R) -> R {
        // What is taken makes room, and whoever is woken by that may come to receive.
        let _later = WakeLater::begin();
        let (result, queued) = self.locked(|store| {
            let before = store.behind;
            let result = take(store);
            (result, store.behind > before)
        });
        if queued {
            self.has_returned();
        }
        result
    }

    /// A delivery failed: the message is ready again, or when `due` has come.
    pub(crate) fn push(&self, held: Held, due: Option<u64>) {
        self.locked(|store| {
            store.bytes += held.message.size();
            match due {
                None => store.ready.push_back(held),
                Some(due) => {
                    store.waited += 1;
                    store.waiting.push(Reverse(Waiting { due, number: store.waited, held }));
                }
            }
        });
        self.has_returned();
    }

    /// These were taken and could not be delivered: they are the next ones. Says which is the first of all that are ready
    /// then, before anybody else puts one back.
    pub(crate) fn put_back(&self, messages: Vec<Held>, first: impl FnOnce(&Held)) {
        if messages.is_empty() {
            return;
        }
        self.locked(|store| {
            for held in messages.into_iter().rev() {
                store.bytes += held.message.size();
                store.ready.push_front(held);
            }
            if let Some(held) = store.ready.front() {
                first(held);
            }
        });
        self.has_returned();
    }

    /// The message of `key` that was under way is acked or forwarded. Returns whether another one is ready now.
    pub(crate) fn settle(&self, key: &str) -> bool {
        self.locked(|store| store.settle(key))
    }

    /// The next of this round, or of a new one if the ring had its turn.
    #[inline]
    pub(crate) fn next_of_round(&self) -> Option<Held> {
        self.next_of_round_if(|_| true).flatten()
    }

    /// The same, if it is to be had: `Some(None)` if not. It stays where it is then, and never was in anybody's hands.
    #[inline]
    pub(crate) fn next_of_round_if(&self, is_to_be_had: impl FnOnce(&Held) -> bool) -> Option<Option<Held>> {
        if self.ready() == 0 { None } else { self.pop(is_to_be_had) }
    }

    /// The ring had its turn: a message was taken, or there was none.
    #[inline]
    pub(crate) fn ring_had_turn(&self) {
        if !self.ring_had_turn.load(Ordering::Relaxed) {
            self.ring_had_turn.store(true, Ordering::Relaxed);
        }
    }

    #[cold]
    fn pop(&self, is_to_be_had: impl FnOnce(&Held) -> bool) -> Option<Option<Held>> {
        self.locked(|store| {
            if store.cleared {
                return None;
            }
            if store.round == 0 {
                if !self.ring_had_turn.swap(false, Ordering::Relaxed) && !broken("held.starves_the_ring") {
                    return None;
                }
                store.round = store.ready.len();
            }
            if !is_to_be_had(store.ready.front()?) {
                return Some(None);
            }
            let held = store.ready.pop_front()?;
            store.round = store.round.saturating_sub(1);
            store.bytes -= held.message.size();
            Some(Some(held))
        })
    }

    /// Moves what is due at `now` to what is ready. Returns whether there was any, and when the next one is due.
    pub(crate) fn release_due(&self, now: u64) -> (bool, Option<u64>) {
        if self.len() == 0 {
            return (false, None);
        }
        self.locked(|store| {
            let mut any = false;
            while let Some(Reverse(first)) = store.waiting.peek() {
                if first.due > now && !broken("backoff.none") {
                    return (any, Some(first.due));
                }
                if let Some(Reverse(first)) = store.waiting.pop() {
                    store.ready.push_back(first.held);
                    any = true;
                }
            }
            (any, None)
        })
    }

    /// When the oldest was published.
    pub(crate) fn oldest(&self) -> Option<u64> {
        let store: MutexGuard<'_, Store> = lock(&self.store);
        let waiting = store.waiting.iter().map(|Reverse(waiting)| &waiting.held);
        let behind = store.keys.values().flatten();
        let parked = store.parked.iter().flatten();
        let all = store.ready.iter().chain(parked).chain(waiting).chain(behind);
        all.map(|held| held.message.published_at()).min()
    }

    /// Gives everything up, for good; has `count` told how many that were before anybody else finds nothing here.
    pub(crate) fn clear(&self, count: impl FnOnce(u64)) {
        let _dropped = {
            let mut store = lock(&self.store);
            let dropped = std::mem::replace(&mut *store, Store { cleared: true, ..Store::default() });
            self.count(&store);
            // (What is being tried again is forwarded yet, or comes back and is given up then.)
            count((dropped.len() - dropped.trying) as u64);
            dropped
        };
    }
}

/// Leases are being ended; see [`HeldMessages::coming`].
pub(crate) struct Coming<'a>(&'a AtomicUsize);

impl Drop for Coming<'_> {
    fn drop(&mut self) {
        // Release: pairs with the acquire load in `is_coming`.
        self.0.fetch_sub(1, ordering("held.coming.release", Ordering::Release));
    }
}
