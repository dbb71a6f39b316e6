//! Dead letters that their topic would not take: held until it does, in a queue for each of its shards, since one may be full
//! and another not.

use super::held::{HeldMessages, Store};
use crate::record::Held;
use ringmain_ring::sync::{AtomicBool, Ordering, ordering};
use std::collections::VecDeque;

impl Store {
    pub(super) fn parked_len(&self) -> usize {
        self.parked.iter().map(VecDeque::len).sum()
    }

    fn parked_at(&mut self, shard: usize) -> &mut VecDeque<Held> {
        if self.parked.len() <= shard {
            self.parked.resize_with(shard + 1, VecDeque::new);
        }
        &mut self.parked[shard]
    }
}

impl HeldMessages {
    /// What is parked is about to be tried again; `None` while somebody else does.
    pub(crate) fn retry(&self) -> Option<Retrying<'_>> {
        // Acquire: pairs with the release in the drop of `Retrying`.
        let acquire = ordering("held.retry.acquire", Ordering::Acquire);
        let begun = self.retrying.compare_exchange(false, true, acquire, Ordering::Relaxed);
        begun.is_ok().then(|| Retrying(&self.retrying))
    }

    /// A dead letter that this shard of its topic would not take.
    pub(crate) fn park(&self, shard: usize, held: Held) {
        self.locked(|store| {
            store.bytes += held.message.size();
            store.parked_at(shard).push_back(held);
        });
    }

    /// The dead letter that was parked first for this shard.
    pub(crate) fn unpark(&self, shard: usize) -> Option<Held> {
        self.locked(|store| {
            if store.cleared {
                return None;
            }
            let held = store.parked_at(shard).pop_front()?;
            store.bytes -= held.message.size();
            Some(held)
        })
    }

    /// It would still not be taken.
    pub(crate) fn park_again(&self, shard: usize, held: Held) {
        self.locked(|store| {
            store.bytes += held.message.size();
            store.parked_at(shard).push_front(held);
        });
    }
}

/// What is parked is being tried again; see [`HeldMessages::retry`].
pub(crate) struct Retrying<'a>(&'a AtomicBool);

impl Drop for Retrying<'_> {
    fn drop(&mut self) {
        // Release: pairs with the acquire in `retry` and `is_quiet`.
        self.0.store(false, ordering("held.retry.release", Ordering::Release));
    }
}
