//! What came back: nacked or expired messages, waiting to be delivered again.
//!
//! They go before anything further is taken from the ring, but in rounds: a round is what is held when it begins, each
//! message of it goes once, and the next begins only when the ring has had its turn, so that a handler that always
//! nacks starves nobody. A message here is rare, so a mutex will do; whether there is any is one load.

use crate::record::Held;
use ringmain_ring::sync::{AtomicBool, AtomicUsize, Mutex, Ordering, lock};
use std::collections::VecDeque;

#[derive(Debug)]
pub(crate) struct Redelivery {
    count: AtomicUsize,
    /// Whether the ring had its turn since the last round began.
    ring_had_turn: AtomicBool,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    held: VecDeque<Held>,
    /// How many may still go in this round.
    round: usize,
}

impl Default for Redelivery {
    fn default() -> Self {
        Self {
            count: AtomicUsize::new(0),
            ring_had_turn: AtomicBool::new(true),
            queue: Mutex::new(Queue::default()),
        }
    }
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

    /// The next of this round, or of a new one if the ring had its turn.
    #[inline]
    pub(crate) fn next_of_round(&self) -> Option<Held> {
        if self.len() == 0 { None } else { self.pop() }
    }

    /// The ring had its turn: a message was taken, or there was none.
    #[inline]
    pub(crate) fn ring_had_turn(&self) {
        if !self.ring_had_turn.load(Ordering::Relaxed) {
            self.ring_had_turn.store(true, Ordering::Relaxed);
        }
    }

    #[cold]
    fn pop(&self) -> Option<Held> {
        let mut queue = lock(&self.queue);
        if queue.round == 0 {
            if !self.ring_had_turn.swap(false, Ordering::Relaxed) {
                return None;
            }
            queue.round = queue.held.len();
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
            queue.round = 0;
            std::mem::take(&mut queue.held)
        };
        dropped.len()
    }
}
