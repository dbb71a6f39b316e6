//! Buffers that came back from the ring, waiting to be filled again.
//!
//! A publisher takes a spare, fills it, and swaps it for the buffer that the slot held a lap ago, which becomes the next
//! spare. In a steady stream nothing is allocated and nothing freed, and what the publisher's core allocated it frees.

use crate::record::{Draft, Header, Record};

/// A buffer larger than this is freed rather than kept.
const LARGEST: usize = 64 << 10;
/// How many spares are kept at most.
const KEEP: usize = 128;
/// Buffers come in multiples of this, so that lengths which vary a little reuse each other's.
const GRANULE: usize = 64;

#[derive(Debug, Default)]
pub(crate) struct Spares(Vec<Draft>);

impl Spares {
    /// A buffer with room for `len` bytes; a spare if one is large enough.
    #[inline]
    pub(crate) fn take(&mut self, len: usize) -> Draft {
        match self.0.pop() {
            Some(spare) if spare.capacity() >= len => spare,
            spare => self.take_slowly(spare, len),
        }
    }

    #[cold]
    fn take_slowly(&mut self, too_small: Option<Draft>, len: usize) -> Draft {
        if let Some(position) = self.0.iter().position(|spare| spare.capacity() >= len) {
            self.0.extend(too_small);
            return self.0.swap_remove(position);
        }
        // The small one goes: the ring fills up with buffers as large as the stream needs.
        drop(too_small);
        Draft::new(len.next_multiple_of(GRANULE), Header::default())
    }

    /// Keeps the buffer of a record that left the ring, if nobody else holds it.
    #[inline]
    pub(crate) fn put(&mut self, record: Record) {
        let Some(mut draft) = record.recycle() else { return };
        if draft.external.is_some() || draft.extras.is_some() {
            *draft = Header::default();
        }
        if draft.capacity() <= LARGEST && self.0.len() < KEEP {
            self.0.push(draft);
        }
    }
}
