//! What expires, and how it is found without a look at every lease.
//!
//! Every block of entries has a *minimum*: no lease in it ends before. Whoever begins a lease, or moves its deadline,
//! lowers it, which is seldom more than a look, since deadlines rise. Leases that end leave it as it is: it may be too
//! early, and a scan that has looked at a block sets it right.
//!
//! # Why no deadline is forgotten
//!
//! A scan takes a block's minimum away, fences, and looks at the entries; then it lowers the minimum to what it found.
//! Whoever begins a lease writes the entry, fences, and looks at the minimum. One fence comes first: either the scan sees
//! the lease, or whoever begins it sees that the minimum is gone, and lowers it. The scan pays for both (see
//! [`light_fence`]), once for up to [`GROUP`] blocks.

use super::{DEADLINE, DEADLINE_SHIFT, LIVE, LeaseId, STATE, Slab, TICK_SHIFT, generation, is_due, ticks};
use crate::gating::table::Table;
use crate::sync::{AtomicU64, Ordering, broken, heavy_fence, light_fence, ordering};

/// Entries with a minimum in common.
const BLOCK: usize = if crate::sync::MODELLED { 2 } else { 64 };
/// Blocks that a scan looks at behind one fence.
const GROUP: usize = 64;
/// The minimum where no lease is live.
const NEVER: u64 = u64::MAX;

/// In ticks, which do not wrap here.
struct Minimum(AtomicU64);

impl Default for Minimum {
    fn default() -> Self {
        Self(AtomicU64::new(NEVER))
    }
}

/// No lease of a block ends before its minimum.
pub(super) struct Minima(Table<Minimum>);

impl Minima {
    pub(super) fn new() -> Self {
        Self(Table::new())
    }

    /// Reaches to the entry at `index`.
    pub(super) fn grow_to(&self, index: usize) {
        self.0.grow_to(index / BLOCK);
    }

    /// The minimum of a block, if there is one, in ticks.
    #[cfg(all(test, not(ringmain_loom)))]
    pub(super) fn block(&self, block: usize) -> Option<u64> {
        self.0.at(block).map(|Minimum(minimum)| minimum.load(Ordering::Relaxed))
    }

    /// The lease at `index`, whose word was just written, ends at `deadline`.
    #[inline]
    pub(super) fn lower(&self, index: usize, deadline: u64) {
        let Some(Minimum(minimum)) = self.0.at(index / BLOCK) else { return };
        // Pairs with the heavy fence in `choose`.
        light_fence("slab.lower.no_fence");
        let deadline = deadline >> TICK_SHIFT;
        if deadline < minimum.load(Ordering::Relaxed) {
            minimum.fetch_min(deadline, Ordering::Relaxed);
        }
    }

    /// Takes away the minima that are to be looked at, of a group of blocks from `first` up to `blocks`.
    fn choose(&self, first: usize, blocks: usize, which: impl Fn(u64) -> bool) -> Chosen<'_> {
        let mut chosen = Chosen { minima: self, first, left: 0 };
        for (position, block) in (first..blocks).take(GROUP).enumerate() {
            let Some(Minimum(minimum)) = self.0.at(block) else { break };
            if which(minimum.load(Ordering::Relaxed)) {
                minimum.store(NEVER, Ordering::Relaxed);
                chosen.left |= 1 << position;
            }
        }
        if chosen.left != 0 {
            // Pairs with the light fence in `lower`.
            heavy_fence("slab.scan.no_fence");
        }
        chosen
    }
}

/// Blocks whose minima were taken away, and are to be set again. Those that are not, since somebody else's code panicked,
/// will be looked at by the next scan.
struct Chosen<'a> {
    minima: &'a Minima,
    first: usize,
    /// A bit a block.
    left: u64,
}

impl Chosen<'_> {
    /// The next block to look at.
    fn next(&self) -> Option<usize> {
        (self.left != 0).then(|| self.first + self.left.trailing_zeros() as usize)
    }

    /// Nothing in that block ends before `deadline`, in ticks.
    fn found(&mut self, deadline: u64) {
        if let Some(Minimum(minimum)) = self.next().and_then(|block| self.minima.0.at(block)) {
            minimum.fetch_min(deadline, Ordering::Relaxed);
        }
        self.left &= self.left.wrapping_sub(1);
    }
}

impl Drop for Chosen<'_> {
    fn drop(&mut self) {
        while self.left != 0 {
            self.found(0);
        }
    }
}

impl<T: Send> Slab<T> {
    /// Ends every lease whose deadline has come at `now` (all of them for `None`), giving each value to `expired`. Returns the
    /// earliest deadline among those that live on, in nanoseconds, rounded down to a tick; what begins or is extended meanwhile
    /// may be left out. Of two at a time, be it one within the other, one may leave to the other what is due, and its answer may
    /// then be too late, or `None`. A lease whose deadline is more than 26 days from `now`, as [`take`](Self::take) says, may live on.
    pub fn expire(&self, now: Option<u64>, mut expired: impl FnMut(LeaseId, T)) -> Option<u64> {
        let Some(nanos) = now else {
            self.scan(None, |_| true, &mut expired);
            return None;
        };
        let due = nanos >> TICK_SHIFT;
        let earliest = self.scan(now, |minimum| minimum <= due, &mut expired);
        // Where leases have ended, a minimum may be too early: those that would come before the earliest are set right.
        let earliest = earliest.min(self.scan(now, |minimum| minimum < earliest, &mut expired));
        (earliest != NEVER).then_some(earliest << TICK_SHIFT)
    }

    /// Looks at the blocks with `which` minima. Returns the earliest deadline found there that has not come, in ticks.
    fn scan(
        &self,
        now: Option<u64>,
        which: impl Fn(u64) -> bool,
        expired: &mut impl FnMut(LeaseId, T),
    ) -> u64 {
        let len = self.len.load(ordering("slab.scan.len.acquire", Ordering::Acquire));
        let blocks = len.div_ceil(BLOCK);
        let mut earliest = NEVER;
        for first in (0..blocks).step_by(GROUP) {
            let mut chosen = self.minima.choose(first, blocks, &which);
            while let Some(block) = chosen.next() {
                let range = block * BLOCK..((block + 1) * BLOCK).min(len);
                let found = range.filter_map(|index| self.expire_at(index, now, expired)).min();
                chosen.found(found.unwrap_or(NEVER));
                earliest = earliest.min(found.unwrap_or(NEVER));
            }
        }
        earliest
    }

    /// Ends the lease at `index` if it is due; else returns its deadline, in ticks that do not wrap.
    fn expire_at(&self, index: usize, now: Option<u64>, expired: &mut impl FnMut(LeaseId, T)) -> Option<u64> {
        let entry = self.entries.at(index)?;
        let mut seen = entry.word.load(Ordering::Relaxed);
        while seen & STATE == LIVE && now.is_none_or(|now| is_due(seen, ticks(now))) {
            // (Counted here, before somebody else's code looks.)
            let taken = self.ending().take_at(entry, seen);
            match taken {
                Ok(value) => {
                    #[expect(
                        clippy::cast_possible_truncation,
                        reason = "24 bits, and a table of 2^28 entries"
                    )]
                    let id = LeaseId { index: index as u32, generation: generation(seen) as u32 };
                    expired(id, value);
                    return None;
                }
                Err(_) if broken("slab.expire.forgets_extended") => return None,
                // Ended this moment, or extended: then its new deadline counts.
                Err(now) => seen = now,
            }
        }
        let now = now.filter(|_| seen & STATE == LIVE)?;
        // How far ahead it is, which does not wrap, from now.
        let ahead = ((seen >> DEADLINE_SHIFT) & DEADLINE).wrapping_sub(ticks(now)) & DEADLINE;
        Some((now >> TICK_SHIFT) + ahead)
    }
}
