//! Gates: what keeps producers out of the slots that somebody still has to read.
//!
//! Producers may claim up to one ring ahead of the *gate*, the minimum over three kinds of entries:
//!
//! * **gates**, one a cursor: the position up to which it has read. A cursor that a [`Cover`](crate::Cover) serves is
//!   taken off the list, and the cover's own single position stands for all that it serves. A bitmap tells which are
//!   on, so 10,000 covered cursors cost a scan 157 words, not 10,000 cache lines.
//! * **pins**, one a reader in the act: competing consumers advance their common cursor *before* they read, and pin
//!   what they took while they read it.
//! * **lossy** gates, which hold a producer up only for as long as it takes to push them on.
//!
//! # The argument
//!
//! *Pins.* A consumer engages its pin at or before the cursor's position, and then advances the cursor with a release.
//! A scan reads the gates first, with acquire, and the pins after. If it sees the advanced cursor, it sees the pin.
//!
//! *Attaching.* The attacher puts the new gate on the list, raises `version`, fences, and then reads the producers'
//! tail and starts there. A scan reads `version`, the positions, fences, and reads `version` again; if it changed, it
//! starts over. One of the two fences comes first. The scan's: then the attacher sees every claim that the scan's
//! result rests on, and starts at or after it. The attacher's: then the scan sees the new version and looks again.
//! Either way no producer holds a gate beyond the new cursor's start, so nothing that it must read is overwritten.
//! The scan's fence is the light half and the attacher's the heavy one: scans are a producer's, whose stores of a whole
//! batch a full fence would wait for, each time that the ring is full.
//!
//! *Unpublished slots.* A cursor that reads vouches for what it passed: it was published. A cursor that was just
//! attached does not: it starts at the end of what is *claimed*, and a claim before it may not be written yet. Producers
//! that lapped it would write the same slot. So a scan does not go beyond what is published without a gap until it has
//! seen that everything before the latest start (`unproven`) is.
//!
//! *Handing over* to a cover, and back, raises `version` between putting the new holder on and taking the old one off,
//! so a scan that missed the first and noticed the second starts over.

mod gate;
mod pin;
pub(crate) mod predicate;
pub(crate) mod table;

use crate::sequence::{Sequence, TAG};
use crate::sync::{
    AtomicU64, AtomicUsize, Mutex, MutexGuard, Ordering, broken, heavy_fence, light_fence, lock, ordering,
};
use crossbeam_utils::CachePadded;
use gate::ATTACHING;
pub(crate) use gate::{DETACHED, DETACHES, FILTERS, GONE, Gate, LEAVES, NOBODY, held_by};
pub(crate) use pin::Pin;
use pin::hint;
use table::Table;

/// Gates that are on or off, found by a bitmap.
#[derive(Debug)]
pub(crate) struct GateList {
    gates: Table<CachePadded<Gate>>,
    /// A bit a gate: whether it is on.
    on: Table<AtomicU64>,
    /// How many gates there are, on or off.
    len: AtomicUsize,
    /// How many are on. Changed under the mutex.
    on_len: AtomicUsize,
}

impl GateList {
    fn new() -> Self {
        Self { gates: Table::new(), on: Table::new(), len: AtomicUsize::new(0), on_len: AtomicUsize::new(0) }
    }

    pub(crate) fn gate(&self, index: usize) -> &Gate {
        self.gates.at(index).expect("a gate's index comes from `attach`, which made it")
    }

    /// Visits every gate that is on, with its index.
    #[inline]
    pub(crate) fn for_each(&self, mut visit: impl FnMut(usize, &Gate)) {
        // Acquire: pairs with the release store in `attach`; the bitmap reaches so far.
        let words = self.len.load(ordering("gates.len.acquire", Ordering::Acquire)).div_ceil(64);
        self.on.for_each(words, |word, bits| {
            // Acquire: pairs with the release in `set` and `clear`.
            let mut bits = bits.load(ordering("gates.on.acquire", Ordering::Acquire));
            while bits != 0 {
                let index = word * 64 + bits.trailing_zeros() as usize;
                visit(index, self.gate(index));
                bits &= bits - 1;
            }
        });
    }

    /// Whether the gate at `index` is on: a hint. Relaxed, since whoever takes a gate off the list notifies producers after it.
    pub(crate) fn is_on(&self, index: usize) -> bool {
        self.on.at(index / 64).is_some_and(|bits| bits.load(Ordering::Relaxed) >> (index % 64) & 1 == 1)
    }

    /// Whether any gate was ever attached.
    pub(crate) fn is_empty(&self) -> bool {
        self.len.load(ordering("gates.empty.acquire", Ordering::Acquire)) == 0
    }

    /// Whether exactly one is on: a hint.
    #[inline]
    pub(crate) fn is_one(&self) -> bool {
        self.on_len.load(Ordering::Relaxed) == 1
    }

    fn set(&self, index: usize) {
        let bit = 1 << (index % 64);
        let before =
            self.on.grow_to(index / 64).fetch_or(bit, ordering("gates.set.release", Ordering::Release));
        if before & bit == 0 {
            self.on_len.store(self.on_len.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        }
    }

    fn clear(&self, index: usize) {
        let bit = 1 << (index % 64);
        // Release: pairs with the acquire in `for_each`; what the owner read through this gate lies before.
        let release = ordering("gates.clear.release", Ordering::Release);
        if self.on.grow_to(index / 64).fetch_and(!bit, release) & bit != 0 {
            self.on_len.store(self.on_len.load(Ordering::Relaxed) - 1, Ordering::Relaxed);
        }
    }
}

/// What attaching and detaching share under the mutex: indexes to use again.
#[derive(Debug, Default)]
pub(crate) struct Free {
    gates: Vec<usize>,
    lossy: Vec<usize>,
}

/// Which list a gate is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Lossless,
    Lossy { policy: u32 },
}

#[derive(Debug)]
pub(crate) struct Gates {
    gates: GateList,
    pub(crate) lossy: GateList,
    pins: Table<CachePadded<AtomicU64>>,
    pins_len: AtomicUsize,
    /// Raised by every attach and every hand-over.
    version: AtomicU64,
    /// Where the latest cursor started, tagged while it is not known that everything before it is published.
    unproven: AtomicU64,
    free: Mutex<Free>,
}

impl Gates {
    pub(crate) fn new() -> Self {
        Self {
            gates: GateList::new(),
            lossy: GateList::new(),
            pins: Table::new(),
            pins_len: AtomicUsize::new(0),
            version: AtomicU64::new(0),
            unproven: AtomicU64::new(0),
            free: Mutex::default(),
        }
    }

    pub(crate) fn list(&self, kind: Kind) -> &GateList {
        match kind {
            Kind::Lossless => &self.gates,
            Kind::Lossy { .. } => &self.lossy,
        }
    }

    /// The earliest position of a lossless gate or an engaged pin, or the end of what is `published` without a gap when
    /// there is none.
    pub(crate) fn scan(&self, published: impl Fn() -> Sequence) -> Sequence {
        loop {
            // Acquire: pairs with the release in `attach` and `announce`; the new gate is on the list.
            let version = self.version.load(ordering("scan.version.acquire", Ordering::Acquire));
            let pins_first =
                broken("pins.before_gates").then(|| self.pins_len.load(ordering("twin", Ordering::Acquire)));
            let mut earliest = None;
            let mut visit = |position: Sequence| {
                earliest = Some(earliest.map_or(position, |e: Sequence| e.earlier(position)));
            };
            self.gates.for_each(|_, gate| visit(gate.position()));
            // After the gates: see "Pins" above.
            self.pins.for_each(
                pins_first
                    .unwrap_or_else(|| self.pins_len.load(ordering("pins.len.acquire", Ordering::Acquire))),
                |_, pin| {
                    // Acquire: pairs with the release store in `Pin::drop`.
                    let pin = pin.load(ordering("pin.scan.acquire", Ordering::Acquire));
                    if pin & TAG != 0 {
                        visit(Sequence::from_raw(pin));
                    }
                },
            );
            let earliest = self.proven(earliest, &published);
            light_fence("scan.no_fence"); // pairs with the heavy fence in `attach_with`
            // Relaxed: ordered by the fence.
            if self.version.load(Ordering::Relaxed) == version {
                return earliest;
            }
        }
    }

    /// `earliest`, but not past a slot that may still be unpublished.
    fn proven(&self, earliest: Option<Sequence>, published: impl Fn() -> Sequence) -> Sequence {
        let Some(earliest) = earliest else { return published() };
        // It was stored before the gate that it is about, whose position was acquired. Acquire: pairs with the release
        // below; another scan's proof counts for us only with what it acquired, the writes before the stamps.
        let unproven = self.unproven.load(ordering("unproven.acquire", Ordering::Acquire));
        if unproven & TAG == 0 || broken("attach.unproven") {
            return earliest;
        }
        let published = published();
        if !published.is_before(Sequence::from_raw(unproven)) {
            // Fails only when another scan was as fast, or a new cursor came; it is proven, or not, then as well.
            let release = ordering("unproven.release", Ordering::Release);
            let _ = self.unproven.compare_exchange(unproven, 0, release, Ordering::Relaxed);
            return earliest;
        }
        earliest.earlier(published)
    }

    /// Puts a new gate on the list, at the tail that `tail` reads when it is called. Until it stands there it may hold
    /// up producers for whom there is room, so the caller must notify them.
    pub(crate) fn attach(&self, kind: Kind, tail: impl Fn() -> Sequence) -> (usize, Sequence) {
        self.attach_with(kind, tail, |_| ())
    }

    /// As [`attach`](Self::attach), and calls `prepare` with the gate's index while nobody else can hold it.
    pub(crate) fn attach_with(
        &self,
        kind: Kind,
        tail: impl Fn() -> Sequence,
        prepare: impl FnOnce(usize),
    ) -> (usize, Sequence) {
        let mut free = lock(&self.free);
        let list = self.list(kind);
        let index = free.of(kind).pop().unwrap_or_else(|| list.len.load(Ordering::Relaxed));
        let gate = list.gates.grow_to(index);
        // Too early rather than too late, until the tail is read again below.
        let provisional = tail();
        self.unproven.swap(provisional.tagged(), Ordering::Relaxed);
        gate.lost.store(0, Ordering::Relaxed);
        gate.skipped.store(0, Ordering::Relaxed);
        if let Kind::Lossy { policy } = kind {
            gate.policy.store(policy, Ordering::Relaxed);
        }
        // Held, lest a producer pushes it on, and is then overruled by the move to where it starts. Relaxed: it is not
        // on the list yet, and a producer that still looks at it for its last owner's sake finds it detached or held.
        let holder = if broken("attach.lossy_not_held") { NOBODY } else { ATTACHING };
        gate.holder.store(holder, Ordering::Relaxed);
        prepare(index);
        gate.move_to(provisional);
        list.set(index);
        if index >= list.len.load(Ordering::Relaxed) {
            list.len.store(index + 1, ordering("gates.len.release", Ordering::Release));
        }
        if !broken("attach.no_version") {
            self.version.fetch_add(1, ordering("attach.version.release", Ordering::Release));
        }
        heavy_fence("attach.no_fence"); // pairs with the light fence in `scan`
        let start = tail();
        // A swap, which comes after the swap of a scan that proved the provisional tail; a plain store would too, but the
        // model checker cannot tell.
        self.unproven.swap(start.tagged(), Ordering::Relaxed);
        gate.move_to(start);
        // Release: whoever holds it next finds it where it starts, and with this policy.
        gate.holder.store(NOBODY, ordering("attach.holder.release", Ordering::Release));
        (index, start)
    }

    /// Takes a gate off the list for good. Producers that wait for it must be notified by the caller.
    pub(crate) fn detach(&self, kind: Kind, index: usize) {
        let mut free = lock(&self.free);
        if broken("detach.stays") {
            return;
        }
        self.list(kind).clear(index);
        free.of(kind).push(index);
    }

    /// The mutex under which gates are handed over.
    pub(crate) fn control(&self) -> Control<'_> {
        Control { gates: self, _free: lock(&self.free) }
    }

    /// A pin that holds producers back from `position` on.
    pub(crate) fn pin(&self, position: Sequence) -> Pin<'_> {
        let hint = hint();
        // Acquire: what was read under this pin before happened before it is moved or let go again. (Whoever scans sees
        // it through the cursor's release; see "Pins" above.)
        let engage = ordering("pin.engage.acquire", Ordering::Acquire);
        let len = self.pins_len.load(ordering("pins.len.owner.acquire", Ordering::Acquire));
        for step in 0..len {
            let pin = self.pins.at((hint + step) % len).expect("below the length");
            if pin.load(Ordering::Relaxed) & TAG == 0
                && pin.compare_exchange(0, position.tagged(), engage, Ordering::Relaxed).is_ok()
            {
                return Pin::new(pin);
            }
        }
        self.new_pin(position)
    }

    #[cold]
    fn new_pin(&self, position: Sequence) -> Pin<'_> {
        let _free = lock(&self.free);
        let index = self.pins_len.load(Ordering::Relaxed);
        let pin = self.pins.grow_to(index);
        pin.store(position.tagged(), Ordering::Relaxed);
        // Release: pairs with the acquire load in `scan`. (And the cursor's swap comes later still.)
        self.pins_len.store(index + 1, ordering("pins.len.release", Ordering::Release));
        Pin::new(pin)
    }
}

/// The right to hand gates over, one holder at a time.
pub(crate) struct Control<'a> {
    gates: &'a Gates,
    _free: MutexGuard<'a, Free>,
}

impl Control<'_> {
    /// Puts a lossless gate on the list.
    pub(crate) fn switch_on(&self, index: usize) {
        self.gates.gates.set(index);
        self.announce();
    }

    /// Takes a lossless gate off the list; its owner keeps it.
    pub(crate) fn switch_off(&self, index: usize) {
        self.gates.gates.clear(index);
    }

    /// Tells every scan under way to start over. A gate that takes over from another must be in place before this, and
    /// the other must go after: a scan that misses the first and notices the second then sees the new version.
    pub(crate) fn announce(&self) {
        if !broken("handover.no_version") {
            self.gates.version.fetch_add(1, ordering("handover.version.release", Ordering::Release));
        }
    }
}

impl Free {
    fn of(&mut self, kind: Kind) -> &mut Vec<usize> {
        match kind {
            Kind::Lossless => &mut self.gates,
            Kind::Lossy { .. } => &mut self.lossy,
        }
    }
}

#[cfg(all(test, not(any(ringmain_loom, ringmain_shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn one_gate_is_one_however_it_came_about() {
        let gates = Gates::new();
        let attach = || gates.attach(Kind::Lossless, || Sequence::new(0)).0;
        let is_one = || gates.list(Kind::Lossless).is_one();
        assert!(!is_one(), "none");
        let first = attach();
        assert!(is_one());
        let second = attach();
        assert!(!is_one(), "two");
        gates.control().switch_off(second);
        assert!(is_one(), "the other is covered");
        gates.detach(Kind::Lossless, second);
        assert!(is_one(), "it was off already");
        gates.control().switch_off(first);
        assert!(!is_one(), "none");
        gates.control().switch_on(first);
        gates.control().switch_on(first);
        assert!(is_one());
        gates.attach(Kind::Lossy { policy: 0 }, || Sequence::new(0));
        assert!(is_one(), "a lossy one holds nobody up");
    }

    #[test]
    fn a_pin_that_is_free_is_taken_again_and_engaged() {
        let gates = Gates::new();
        let from = |number| Sequence::new(number);
        for number in 1..100 {
            let pin = gates.pin(from(number));
            assert_eq!(gates.scan(|| from(1_000)), from(number), "engaged");
            let other = gates.pin(from(number - 1));
            assert_eq!(gates.scan(|| from(1_000)), from(number - 1), "another one, so both hold");
            other.move_to(from(number + 1));
            assert_eq!(gates.scan(|| from(1_000)), from(number), "moved on");
            drop((pin, other));
            assert_eq!(gates.scan(|| from(1_000)), from(1_000), "free");
        }
        assert_eq!(gates.pins_len.load(Ordering::Relaxed), 2, "as many as there were at a time");
    }
}
