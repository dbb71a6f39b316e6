//! Who is attached, by what name: for the question which reader holds everybody up.

use crate::overflow::Position;
use ringmain_ring::Sequence;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// The reader that is furthest behind.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Slowest {
    /// The name it was given, empty if none.
    pub name: String,
    /// How many slots it is behind the end of the ring.
    pub behind: u64,
}

#[derive(Debug)]
pub(crate) struct Registry<T: Send + Sync + 'static> {
    readers: Mutex<Vec<(String, Weak<Position<T>>)>>,
}

impl<T: Send + Sync + 'static> Registry<T> {
    pub(crate) fn new() -> Self {
        Self { readers: Mutex::new(Vec::new()) }
    }

    pub(crate) fn add(&self, name: String, position: &Arc<Position<T>>) {
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        // Sweep the gone ones out before the list grows, so that it stays as long as there are readers.
        if readers.len() == readers.capacity() {
            readers.retain(|(_, position)| position.strong_count() > 0);
        }
        readers.push((name, Arc::downgrade(position)));
    }

    /// The lossless reader furthest behind `tail`. Lossy ones hold nobody up.
    pub(crate) fn slowest(&self, tail: Sequence) -> Option<Slowest> {
        let live = self.live(|name| name.to_owned());
        live.iter()
            .filter(|(_, position)| position.is_lossless() && !position.is_detached())
            .map(|(name, position)| (name, position.sequence().until(tail)))
            .max_by_key(|(_, behind)| *behind)
            .map(|(name, behind)| Slowest { name: name.clone(), behind })
    }

    /// Moves every reader on past the padding that it stands at.
    pub(crate) fn pass_padding(&self) {
        self.each(|position| position.pass_padding());
    }

    /// Where the reader furthest behind `tail` stands; lossy ones count only if `lossy`.
    pub(crate) fn earliest(&self, tail: Sequence, lossy: bool) -> Sequence {
        let mut earliest = tail;
        self.each(|position| {
            if (lossy || position.is_lossless()) && !position.is_detached() {
                earliest = earliest.earlier(position.sequence());
            }
        });
        earliest
    }

    fn each(&self, mut visit: impl FnMut(&Position<T>)) {
        self.live(|_| ()).iter().for_each(|(_, position)| visit(position));
    }

    /// Those that are there, to be looked at without the lock: the last handle of a position may go with ours, which
    /// detaches it and wakes whoever waited for it, and they may come for the lock.
    fn live<N>(&self, name_of: impl Fn(&str) -> N) -> Vec<(N, Arc<Position<T>>)> {
        let readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        readers.iter().filter_map(|(name, position)| Some((name_of(name), position.upgrade()?))).collect()
    }
}
