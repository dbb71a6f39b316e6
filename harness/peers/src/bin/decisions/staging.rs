//! The ring, the lanes and the publishers of `batcher`, whose ways of staging messages are explained there.
//!
//! Payloads are handles of buffers. A publisher fills its spare and swaps it into a slot or a lane's entry,
//! whose old buffer becomes the next spare; a drain swaps the lane's entry with the slot. So buffers go round
//! and none is allocated.
//!
//! The ways that claim for themselves stamp each slot; where only the role's holder writes the ring, `head`
//! is the published cursor and no stamp is needed.

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::*, fence};

use crossbeam_utils::CachePadded;

use crate::lanes::Lanes;
use crate::threads::{Gather, Patience};

pub(crate) const WORDS: usize = 128;
const CAPACITY: u64 = 4096;
const CHUNK: u64 = CAPACITY / 4;
const HINTS: u32 = 32;
/// Messages ready at once from which on the consumer says that it has a backlog.
const BACKLOG: u64 = 16;

#[repr(C, align(64))]
pub(crate) struct Payload(pub(crate) [u64; WORDS]);

struct Slot {
    stamp: AtomicU64,
    /// Swapping keeps every place filled.
    buffer: UnsafeCell<Box<Payload>>,
}

pub(crate) struct Ring {
    slots: Box<[Slot]>,
    head: CachePadded<AtomicU64>,
    tail: CachePadded<AtomicU64>,
    dry: CachePadded<AtomicBool>,
    lanes: Lanes<Box<Payload>>,
}

// SAFETY: a slot's place is touched by its claimer (or the role's holder) after `tail` passed its last lap,
// and by the consumer after its stamp or `head` said so; release/acquire on those orders the accesses.
unsafe impl Sync for Ring {}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Way {
    Direct,
    DirectGathering,
    Combining,
    LanesPolled,
    LanesGathering,
    LanesDry,
    OnBacklog,
}

/// What a publisher owns: the number of its lane, a spare buffer, and a cache of the gate or of how far its
/// lane was taken.
pub(crate) struct Publisher<'a> {
    ring: &'a Ring,
    lane: usize,
    spare: Box<Payload>,
    gate: u64,
    taken: u64,
}

fn buffer() -> Box<Payload> {
    Box::new(Payload([1; WORDS]))
}

impl Ring {
    pub(crate) fn new(publishers: usize) -> Self {
        let slot = |_| Slot { stamp: AtomicU64::new(0), buffer: UnsafeCell::new(buffer()) };
        Self {
            slots: (0..CAPACITY).map(slot).collect(),
            head: CachePadded::default(),
            tail: CachePadded::default(),
            dry: CachePadded::default(),
            lanes: Lanes::new(publishers, buffer),
        }
    }

    pub(crate) fn publisher(&self, lane: usize) -> Publisher<'_> {
        Publisher { ring: self, lane, spare: buffer(), gate: 0, taken: 0 }
    }

    fn slot(&self, sequence: u64) -> &Slot {
        &self.slots[(sequence % CAPACITY) as usize]
    }

    /// Swaps what the lanes hold into the ring, as far as there is room. Only with the role.
    fn drain(&self) -> bool {
        let start = self.head.load(Relaxed);
        let room = CAPACITY - (start - self.tail.load(Acquire));
        let mut next = start;
        let each = |entry: &mut Box<Payload>| {
            // SAFETY: freed, not published, and only the role's holder writes the ring in the ways that have
            // lanes.
            std::mem::swap(entry, unsafe { &mut *self.slot(next).buffer.get() });
            next += 1;
        };
        // SAFETY: all callers hold the role.
        unsafe { self.lanes.drain(room, each) };
        if next > start {
            self.head.store(next, Release);
        }
        next > start
    }

    /// The same beside producers that claim for themselves: one compare-and-swap for all, and a stamp each.
    fn drain_claiming(&self) -> bool {
        let staged = self.lanes.staged();
        let mut start = self.head.load(Relaxed);
        let count = loop {
            // Signed: a stale head may lie behind the gate.
            let used = start.wrapping_sub(self.tail.load(Acquire)) as i64;
            let count = staged.min(CAPACITY - used.clamp(0, CAPACITY as i64) as u64);
            match self.head.compare_exchange_weak(start, start + count, Relaxed, Relaxed) {
                Ok(_) => break count,
                Err(now) => start = now,
            }
        };
        let mut next = start;
        let each = |entry: &mut Box<Payload>| {
            let slot = self.slot(next);
            // SAFETY: claimed, and the gate has passed its last lap.
            std::mem::swap(entry, unsafe { &mut *slot.buffer.get() });
            slot.stamp.store(next + 1, Release);
            next += 1;
        };
        // SAFETY: all callers hold the role; only its holder takes, so at least `staged` are still there.
        unsafe { self.lanes.drain(count, each) };
        count > 0
    }

    /// Whether `many` messages from `next` on are readable.
    fn has(&self, way: Way, next: u64, many: u64) -> bool {
        match way {
            Way::Direct | Way::DirectGathering | Way::OnBacklog => {
                self.slot(next + many - 1).stamp.load(Acquire) >= next + many
            }
            _ => self.head.load(Acquire) >= next + many,
        }
    }

    /// The consumer ran dry.
    fn look_into_lanes(&self, way: Way, next: u64, gathering: &mut Gather) {
        if matches!(way, Way::Direct | Way::DirectGathering | Way::Combining) {
            return;
        }
        if self.lanes.staged() > 0 {
            if matches!(way, Way::LanesGathering | Way::OnBacklog) {
                gathering.pause(|ahead| self.lanes.staged() >= ahead);
            }
            self.lanes.once(|| if way == Way::OnBacklog { self.drain_claiming() } else { self.drain() });
        } else if matches!(way, Way::LanesDry | Way::OnBacklog)
            && !self.dry.load(Relaxed)
            && !self.has(way, next, 1)
        {
            // From here on publishers drain, or claim for themselves; those that pushed before they could see
            // it are found by the next look.
            self.dry.store(true, Relaxed);
            fence(SeqCst);
        }
    }

    pub(crate) fn consume(&self, way: Way, n: u64, mut read: impl FnMut(&Payload)) {
        let mut next = 0;
        let (mut patience, mut gathering) = (Patience::default(), Gather::default());
        while next < n {
            if !self.has(way, next, 1) {
                self.look_into_lanes(way, next, &mut gathering);
                if !self.has(way, next, 1) {
                    patience.step(HINTS);
                    continue;
                }
            }
            patience.reset();
            if way == Way::LanesDry && self.dry.load(Relaxed) {
                self.dry.store(false, Relaxed);
            }
            if matches!(way, Way::DirectGathering | Way::OnBacklog) {
                gathering.pause(|ahead| self.has(way, next, ahead));
            }
            if way == Way::OnBacklog && self.dry.load(Relaxed) && self.has(way, next, BACKLOG) {
                self.dry.store(false, Relaxed);
            }
            let start = next;
            while next < start + CHUNK && self.has(way, next, 1) {
                // SAFETY: published, and not freed until `tail` passes it.
                read(unsafe { &*self.slot(next).buffer.get() });
                next += 1;
            }
            self.tail.store(next, Release);
        }
    }
}

impl Publisher<'_> {
    pub(crate) fn send(&mut self, way: Way, mark: u64, number: u64) {
        let payload = &mut self.spare.0;
        payload.fill(number);
        payload[0] = mark;
        payload[WORDS - 1] = number;
        match way {
            Way::Direct | Way::DirectGathering => self.claim(),
            // Its own earlier messages must have left the lane, or this one would overtake them.
            Way::OnBacklog if self.ring.dry.load(Relaxed) && self.ring.lanes.taken_all(self.lane) => {
                self.claim()
            }
            _ => self.push(way),
        }
        match way {
            Way::Combining => self.combine(),
            Way::LanesDry => {
                fence(SeqCst);
                if self.ring.dry.load(Relaxed) {
                    self.combine();
                }
            }
            _ => {}
        }
    }

    fn claim(&mut self) {
        let ring = self.ring;
        let mut patience = Patience::default();
        let mut next = ring.head.load(Relaxed);
        loop {
            if next.wrapping_sub(self.gate) as i64 >= CAPACITY as i64 {
                self.gate = ring.tail.load(Acquire);
                if next.wrapping_sub(self.gate) as i64 >= CAPACITY as i64 {
                    patience.step(HINTS);
                    next = ring.head.load(Relaxed);
                    continue;
                }
            }
            match ring.head.compare_exchange_weak(next, next + 1, Relaxed, Relaxed) {
                Ok(_) => break,
                Err(now) => next = now,
            }
        }
        let slot = ring.slot(next);
        // SAFETY: claimed, and the gate has passed its last lap.
        std::mem::swap(unsafe { &mut *slot.buffer.get() }, &mut self.spare);
        slot.stamp.store(next + 1, Release);
    }

    fn combine(&self) {
        self.ring.lanes.combine(HINTS, || self.ring.drain());
    }

    fn push(&mut self, way: Way) {
        let (ring, spare) = (self.ring, &mut self.spare);
        let meanwhile = || {
            if matches!(way, Way::Combining | Way::LanesDry) {
                ring.lanes.combine(HINTS, || ring.drain());
            }
        };
        // SAFETY: a publisher is used by one thread, and it alone has this lane.
        unsafe {
            ring.lanes
                .push(self.lane, HINTS, &mut self.taken, meanwhile, |entry| std::mem::swap(entry, spare));
        }
    }
}
