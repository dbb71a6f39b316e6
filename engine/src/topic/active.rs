//! How many subscriptions a topic has, and whether it still takes what comes: in one word, so that a publish looks at both at
//! once.

use ringmain_ring::sync::{AtomicUsize, Ordering};

/// The topic takes no new messages and no new subscriptions.
const REFUSES: usize = 1 << (usize::BITS - 1);

/// It takes no dead letters either, which come from messages that were accepted before.
const CLOSED: usize = REFUSES >> 1;

/// The subscriptions that are not shut.
#[derive(Debug, Default)]
pub(crate) struct Active(AtomicUsize);

impl Active {
    fn now(&self) -> usize {
        // Relaxed: a publish that started after `create_subscription` returned has it in its past already.
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn one_more(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// One was detached or dropped.
    pub(crate) fn one_less(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn count(&self) -> usize {
        self.now() & !(REFUSES | CLOSED)
    }

    /// Whether a new message is to be kept: it is not refused, and somebody subscribes.
    #[inline]
    pub(super) fn wants_new(&self) -> bool {
        (1..CLOSED).contains(&self.now())
    }

    pub(super) fn refuse(&self) {
        self.0.fetch_or(REFUSES, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn refuses(&self) -> bool {
        self.now() & REFUSES != 0
    }

    pub(super) fn close(&self) {
        self.0.fetch_or(REFUSES | CLOSED, Ordering::Relaxed);
    }

    /// Whether dead letters are refused as well.
    pub(super) fn is_closed(&self) -> bool {
        self.now() & CLOSED != 0
    }
}
