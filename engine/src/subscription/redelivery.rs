//! What came back: nacked or expired messages, waiting to be delivered again.
//!
//! They go before anything further is taken from the ring, but in rounds: each at most once before the ring has its
//! turn again, so that a handler that always nacks starves nobody. A message here is rare, so a mutex will do; whether
//! there is any is one load.

use crate::record::Held;
use ringmain_ring::sync::{AtomicUsize, Mutex, Ordering, lock};
use std::collections::VecDeque;

#[derive(Debug, Default)]
pub(crate) struct Redelivery {
    count: AtomicUsize,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    held: VecDeque<Held>,
    /// How many may still go in this round.
    round: usize,
}

impl Redelivery {
    /// How many are held.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    pub(crate) fn push(&self, held: Held) {
        let mut queue = lock(&self.queue);
        queue.held.push_back(held);
        self.count.store(queue.held.len(), Ordering::Relaxed);
    }

    /// The next of this round.
    #[inline]
    pub(crate) fn next_of_round(&self) -> Option<Held> {
        if self.len() == 0 { None } else { self.pop(|queue| queue.round > 0) }
    }

    /// Begins a new round, in which everything held now may go: the ring had its turn.
    #[inline]
    pub(crate) fn new_round(&self) {
        if self.len() > 0 {
            let mut queue = lock(&self.queue);
            queue.round = queue.held.len();
        }
    }

    fn pop(&self, may: impl FnOnce(&Queue) -> bool) -> Option<Held> {
        let mut queue = lock(&self.queue);
        if !may(&queue) {
            return None;
        }
        let held = queue.held.pop_front();
        queue.round = queue.round.saturating_sub(1);
        self.count.store(queue.held.len(), Ordering::Relaxed);
        held
    }

    /// Gives everything up; returns how many that were.
    pub(crate) fn clear(&self) -> usize {
        let dropped = {
            let mut queue = lock(&self.queue);
            self.count.store(0, Ordering::Relaxed);
            std::mem::take(&mut queue.held)
        };
        dropped.len()
    }
}
