//! The right to move a lossy cursor, and to its predicate.
//!
//! Readers and producers *hold* the cursor's gate by a compare-and-swap of its holder word from nobody to the number of
//! their thread. Letting go stores nobody again, or, for good, that the cursor is detached. Whoever finds it held goes
//! away (a producer) or tries again (a reader): a hold is short.
//!
//! # Meeting one's own hold
//!
//! While a thread holds the gate it runs code of others: what a reader does with each value, and the predicate. That
//! code may come back to the same cursor. It would wait for its own thread, so the word says whose hold it is: a number
//! that only this thread writes, so if this thread reads it, it holds the gate now. Then a read finds nothing, and to
//! detach or drop the cursor leaves a mark in the word (which nobody else writes while it is held), that the hold's end
//! sees to.

use crate::gating::predicate::Predicate;
use crate::gating::{DETACHED, GONE, Gate, Kind, LEAVES, NOBODY, held_by};
use crate::guarded::guarded;
use crate::owner::this_thread;
use crate::ring::Core;
use crate::sequencer::Sequencer;
use crate::sync::{Ordering, broken, ordering, spin_hint, thread};
use std::marker::PhantomData;

/// Why a gate cannot be held.
#[derive(Debug)]
#[repr(usize)] // as wide as a pointer, lest a `Result<Hold, Denied>` is put together from single bytes
pub(super) enum Denied {
    /// It is detached.
    Detached,
    /// The calling thread holds it already, further up its stack.
    Mine,
    /// Another thread holds it just now.
    Busy,
}

/// A lossy gate that is held. Dropping this lets go of it, however that comes about.
pub(super) struct Hold<'a, T, S: Sequencer> {
    core: &'a Core<T, S>,
    index: usize,
    gate: &'a Gate,
    /// Neither Send nor Sync: the word has the number of the thread that made this.
    here: PhantomData<*const ()>,
}

impl<'a, T, S: Sequencer> Hold<'a, T, S> {
    /// Holds `gate`, the lossy gate `index` of `core`, if nobody does. Never waits. (Broken by `twin`, it does anyway.)
    #[inline]
    pub(super) fn take(
        core: &'a Core<T, S>,
        index: usize,
        gate: &'a Gate,
        twin: &str,
    ) -> Result<Self, Denied> {
        let me = held_by(this_thread());
        // Acquire: pairs with the release in `drop`, `end` and `Gates::attach`: where the last holder left the cursor is
        // where it is, and what it did with the predicate is done.
        let acquire = ordering("lossy.holder.acquire", Ordering::Acquire);
        match gate.holder.compare_exchange(NOBODY, me, acquire, Ordering::Relaxed) {
            Ok(_) => Ok(Self { core, index, gate, here: PhantomData }),
            Err(_) if broken(twin) => Ok(Self { core, index, gate, here: PhantomData }),
            Err(DETACHED) => Err(Denied::Detached),
            Err(word) if word & !(LEAVES | GONE) == me || broken("lossy.busy_is_mine") => Err(Denied::Mine),
            Err(_) => Err(Denied::Busy),
        }
    }

    /// As [`take`](Self::take), waiting while another thread holds it.
    #[inline]
    pub(super) fn wait(
        core: &'a Core<T, S>,
        index: usize,
        gate: &'a Gate,
        twin: &str,
    ) -> Result<Self, Denied> {
        loop {
            match Self::take(core, index, gate, twin) {
                // A producer that pushes the cursor on, or another consumer that clones: short, unless it was preempted.
                Err(Denied::Busy) => {
                    spin_hint();
                    if !crate::sync::MODELLED {
                        thread::yield_now();
                    }
                }
                other => return other,
            }
        }
    }

    pub(super) fn gate(&self) -> &'a Gate {
        self.gate
    }

    /// Lends the cursor's predicate to `look`, if it has one.
    pub(super) fn with_predicate<R>(&self, look: impl FnOnce(&Predicate<T>) -> R) -> Option<R> {
        // SAFETY: held and acquired by `take`, and not let go of before the drop, which our borrow comes before.
        unsafe { self.core.predicates.with(self.index, look) }
    }

    /// Lets go, and does as `marks` say: detaches the cursor, and takes its gate off the list.
    pub(super) fn leave(self, marks: u64) {
        mark(self.gate, marks); // and the drop sees to it
    }

    /// Detaches the cursor.
    #[cold]
    fn end(&self, marks: u64) {
        // SAFETY: held and acquired by `take`; being dropped, so nothing borrowed from us is left. (Nor from another hold:
        // there is one at a time.)
        let predicate = unsafe { self.core.predicates.exchange(self.index, None) };
        // Release: pairs with the acquires in `push_lossy`, which lets producers go on, and in `LossyCursor::drop`, which
        // hands the gate on.
        self.gate.holder.store(DETACHED, ordering("lossy.detach.release", Ordering::Release));
        if marks & GONE != 0 {
            self.core.gates.detach(Kind::Lossy { policy: 0 }, self.index);
        }
        self.core.notify_readers();
        self.notify_producers();
        // Last: its drop is somebody else's code.
        guarded((), || drop(predicate));
    }

    /// A producer may have found the cursor held and gone to sleep, so letting go wakes it, whatever the hold came to.
    #[inline]
    fn notify_producers(&self) {
        if !broken("lossy.not_notified") {
            self.core.notify_producers();
        }
    }
}

impl<T, S: Sequencer> Drop for Hold<'_, T, S> {
    #[inline]
    fn drop(&mut self) {
        // Relaxed: while it is held, nobody but this thread writes it.
        let marks = self.gate.holder.load(Ordering::Relaxed) & (LEAVES | GONE);
        if marks != 0 {
            return self.end(marks);
        }
        // Release: pairs with the acquire of the next holder.
        self.gate.holder.store(NOBODY, ordering("lossy.holder.release", Ordering::Release));
        self.notify_producers();
    }
}

/// Leaves word to the end of the hold on `gate`, which is this thread's.
pub(super) fn mark(gate: &Gate, marks: u64) {
    // Relaxed: read back by this thread.
    let held = gate.holder.load(Ordering::Relaxed);
    gate.holder.store(held | marks, Ordering::Relaxed);
}
