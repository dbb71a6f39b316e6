//! A gate: the position of one reader, and for a lossy reader, who may move it and what that has cost.
//!
//! A lossless gate is moved by its reader alone. A lossy one is moved by whoever *holds* it, and `holder` says who that
//! is: nobody, whoever attaches it, a thread by its number, or nobody any more. While a thread holds it, the two low
//! bits are free for marks, which that thread leaves for itself (see `reader/hold.rs`).

use crate::sequence::{Sequence, TAG};
use crate::sync::{AtomicU32, AtomicU64, MODELLED, Ordering, broken, ordering};

/// Nobody holds a lossy gate.
pub(crate) const NOBODY: u64 = 0;
/// Nobody holds it, and nobody will until it is attached again.
pub(crate) const DETACHED: u64 = 1;
/// Whoever attaches a lossy gate holds it until it stands where it starts.
pub(super) const ATTACHING: u64 = 2;

/// A mark: the holder detaches the gate when it lets go of it.
pub(crate) const LEAVES: u64 = 1;
/// A mark: and takes it off the list as well, for its owner is gone.
pub(crate) const GONE: u64 = 2;

/// What the holder word is while the thread numbered `thread` (at least 2) holds a gate, but for its marks.
#[inline]
pub(crate) fn held_by(thread: u64) -> u64 {
    thread << 2
}

/// Of a lossy gate's policy: it is detached, rather than pushed on.
pub(crate) const DETACHES: u32 = 1;
/// Of a lossy gate's policy: it has a predicate.
pub(crate) const FILTERS: u32 = 2;

/// A position that holds producers back, in a cache line of its own: its reader writes it, producers read it.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    position: AtomicU64,
    /// Lossy gates only: who may move it.
    pub(crate) holder: AtomicU64,
    /// Lossy gates only: what a producer does that finds it in the way.
    pub(crate) policy: AtomicU32,
    /// Lossy gates only: how many messages it was pushed past, those that its predicate did not match left out.
    pub(crate) lost: AtomicU64,
    /// Lossy gates only: how many messages it was pushed past that its predicate did not match.
    pub(crate) skipped: AtomicU64,
}

// With its padding, a cursor is one pair of cache lines in a ring.
const _: () = assert!(MODELLED || size_of::<Gate>() <= 64);

impl Gate {
    /// Acquire: pairs with the release store or swap of whoever moves it, so that their reads happened before.
    #[inline]
    pub(crate) fn position(&self) -> Sequence {
        Sequence::from_raw(self.position.load(ordering("gate.position.acquire", Ordering::Acquire)))
    }

    /// Release: pairs with [`position`](Self::position); what this thread read lies before.
    #[inline]
    pub(crate) fn move_to(&self, position: Sequence) {
        self.position.store(position.raw(), ordering("gate.position.release", Ordering::Release));
    }

    /// The position, unless the gate was [retired](Self::retire). Acquire, as [`position`](Self::position).
    #[inline]
    pub(crate) fn live_position(&self) -> Option<Sequence> {
        let raw = self.position.load(ordering("gate.live.acquire", Ordering::Acquire));
        (raw & TAG == 0).then_some(Sequence::from_raw(raw))
    }

    /// Moves it if it still stands at `from` and is not retired. Release: pairs with [`position`](Self::position), and
    /// publishes the pin that was engaged before. Acquire: what others read under their pins lies before it too.
    #[inline]
    pub(crate) fn advance(&self, from: Sequence, to: Sequence) -> bool {
        let both = ordering("gate.advance", Ordering::AcqRel);
        if broken("shared.advance.unchecked") {
            self.move_to(to);
            return true;
        }
        self.position.compare_exchange(from.raw(), to.raw(), both, Ordering::Relaxed).is_ok()
    }

    /// Tags the position, so that nobody can [advance](Self::advance) it any more. Returns false if it was already.
    /// Acquire and release: whoever sees what the caller does next sees the pins of all who advanced it before.
    pub(crate) fn retire(&self) -> bool {
        if broken("shared.retire") {
            return true;
        }
        self.position.fetch_or(TAG, ordering("gate.retire", Ordering::AcqRel)) & TAG == 0
    }
}
