//! Dead letters that their topic would not take: held until it does, in a queue for each of its shards, since one may be full
//! and another not.

use super::held::{HeldMessages, Store};
use crate::record::Held;
use ringmain_ring::sync::{AtomicBool, Ordering, broken, ordering};
use std::collections::VecDeque;

impl Store {
    pub(super) fn parked_len(&self) -> usize {
        self.trying + self.parked.iter().map(VecDeque::len).sum::<usize>()
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

    /// The dead letter that was parked first for this shard, to be tried again. It counts as parked until it is
    /// [forwarded](Self::forwarded): whoever drains would take it for gone, and close the topic that it is to go to.
    pub(crate) fn unpark(&self, shard: usize) -> Option<Held> {
        self.locked(|store| {
            if store.cleared {
                return None;
            }
            let held = store.parked_at(shard).pop_front()?;
            if broken("parked.nowhere") {
                store.bytes -= held.message.size();
            } else {
                store.trying += 1;
            }
            Some(held)
        })
    }

    /// One of so many bytes, which was tried again, is where it is to go.
    pub(crate) fn forwarded(&self, bytes: usize) {
        self.locked(|store| {
            if store.trying > 0 {
                store.trying -= 1;
                store.bytes -= bytes;
            }
        });
    }

    /// It would still not be taken.
    pub(crate) fn park_again(&self, shard: usize, held: Held) {
        self.locked(|store| {
            if store.trying > 0 {
                store.trying -= 1;
            } else {
                store.bytes += held.message.size();
            }
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
