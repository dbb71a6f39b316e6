//! Byte buffers with a header, counted by a reference count of our own that stands beside them.
//!
//! One allocation holds the count, the header and the bytes, so that following a slot's pointer brings all three. A
//! [`UniqueBuffer`] has one owner and can be written; [`share`](UniqueBuffer::share) freezes it into a [`Buffer`],
//! which clones by counting. A slot of a ring holds a `Buffer`; when its lap is over, the publisher gets it back and, if
//! no reader kept a clone, [`into_unique`](Buffer::into_unique) makes it writable again: nothing is allocated, nothing
//! freed, and no other thread's allocator is involved.
//!
//! Bytes that stay with somebody else are referred to by a *guest*, a value of any type, which then lives where the
//! buffer's own bytes would.
//!
//! `Arc<[u8]>` cannot be recycled without a second indirection, and a clone and drop of `Bytes` across threads costs more
//! (measured: docs/decisions/0004).

mod block;
mod shelf;

use crate::sync::{Ordering, before_fence, broken, fence, ordering};
use block::Block;
pub use shelf::Shelf;
use std::fmt;
use std::ops::{Deref, DerefMut};

/// Bytes and a header with one owner, who may write them.
///
/// ```
/// use ringmain_ring::UniqueBuffer;
/// let mut buffer = UniqueBuffer::new(64, ());
/// buffer.resize(5).copy_from_slice(b"hello");
/// let shared = buffer.share();
/// assert_eq!(shared.bytes(), b"hello");
/// let again = shared.into_unique().expect("no clone is left");
/// assert!(again.capacity() >= 64);
/// ```
pub struct UniqueBuffer<H, G = ()>(Block<H, G>);

// SAFETY: one owner; bytes are Send and Sync, and header and guest decide for themselves.
unsafe impl<H: Send, G: Send> Send for UniqueBuffer<H, G> {}
// SAFETY: a shared reference gives shared references to bytes, header and guest only.
unsafe impl<H: Sync, G: Sync> Sync for UniqueBuffer<H, G> {}

impl<H> UniqueBuffer<H> {
    /// Room for at least `capacity` bytes, none in use.
    ///
    /// # Panics
    /// When `capacity` is 4 GiB or more.
    #[must_use]
    pub fn new(capacity: usize, header: H) -> Self {
        Self::for_guests(capacity, header)
    }
}

impl<H, G> UniqueBuffer<H, G> {
    /// As [`new`](UniqueBuffer::new), with room for a guest instead.
    ///
    /// # Panics
    /// When `capacity` is 4 GiB or more.
    #[must_use]
    pub fn for_guests(capacity: usize, header: H) -> Self {
        Self(Block::new(capacity, header))
    }

    /// Puts a guest where the bytes are, of which none is in use then. One that is there already is dropped.
    #[inline]
    pub fn put_guest(&mut self, guest: G) {
        drop(self.take_guest());
        // SAFETY: the only handle is borrowed mutably.
        let head = unsafe { self.0.0.as_mut() };
        (head.len, head.has_guest) = (0, true);
        // SAFETY: every layout has room for a guest there, and nobody else sees it.
        unsafe { self.0.bytes().cast().write(guest) };
    }

    /// Takes the guest out.
    #[inline]
    pub fn take_guest(&mut self) -> Option<G> {
        // SAFETY: the only handle is borrowed mutably.
        unsafe { self.0.take_guest() }
    }

    /// How many bytes fit: at least as many as were asked for.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.0.head().capacity as usize
    }

    /// Puts the first `len` bytes in use and returns them, with whatever an earlier use left in them (zeroes in a new
    /// buffer, and after a guest, which is dropped).
    ///
    /// # Panics
    /// When `len` is more than the [`capacity`](Self::capacity).
    #[inline]
    pub fn resize(&mut self, len: usize) -> &mut [u8] {
        drop(self.take_guest());
        assert!(len <= self.capacity(), "{len} bytes do not fit a buffer of {}", self.capacity());
        let used = u32::try_from(len).expect("at most the capacity");
        // SAFETY: the only handle is borrowed mutably.
        unsafe { self.0.0.as_mut() }.len = used;
        // SAFETY: `len` bytes are inside the allocation, initialised when it was made, and ours alone.
        unsafe { std::slice::from_raw_parts_mut(self.0.bytes().as_ptr(), len) }
    }

    /// Freezes it.
    #[inline]
    #[must_use]
    pub fn share(self) -> Buffer<H, G> {
        let block = self.0;
        #[expect(clippy::mem_forget, reason = "the block moves into the other kind of handle")]
        std::mem::forget(self);
        Buffer(block)
    }
}

impl<H, G> Deref for UniqueBuffer<H, G> {
    type Target = H;

    #[inline]
    fn deref(&self) -> &H {
        &self.0.head().header
    }
}

impl<H, G> DerefMut for UniqueBuffer<H, G> {
    #[inline]
    fn deref_mut(&mut self) -> &mut H {
        // SAFETY: the only handle is borrowed mutably.
        &mut unsafe { self.0.0.as_mut() }.header
    }
}

impl<H, G> Drop for UniqueBuffer<H, G> {
    fn drop(&mut self) {
        // SAFETY: the only handle goes.
        unsafe { self.0.free() };
    }
}

impl<H, G> fmt::Debug for UniqueBuffer<H, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UniqueBuffer").field("capacity", &self.capacity()).finish_non_exhaustive()
    }
}

/// Past this many clones something leaks them; going on would wrap the count.
const MAX_REFERENCES: usize = isize::MAX as usize;

/// Frozen bytes and their header. Clones share them; derefs to the header.
pub struct Buffer<H, G = ()>(Block<H, G>);

// SAFETY: clones give shared references on several threads, and the last one dropped drops header and guest: both are
// needed.
#[cfg(not(ringmain_holes))]
unsafe impl<H: Send + Sync, G: Send + Sync> Send for Buffer<H, G> {}
// SAFETY: as for Send.
unsafe impl<H: Send + Sync, G: Send + Sync> Sync for Buffer<H, G> {}

// SAFETY: none. It is the hole that the tests of Send and Sync must see.
#[cfg(ringmain_holes)]
unsafe impl<H, G> Send for Buffer<H, G> {}

impl<H, G> Buffer<H, G> {
    /// Writes into the first line, which changes nothing but whose line it is: see [`Builder::multi_taking`].
    ///
    /// [`Builder::multi_taking`]: crate::Builder::multi_taking
    #[inline]
    pub fn take_line(&self) {
        // Relaxed: nobody reads it.
        self.0.head().taken.store(false, Ordering::Relaxed);
    }

    /// The guest, if there is one.
    #[inline]
    #[must_use]
    pub fn guest(&self) -> Option<&G> {
        // SAFETY: it was put there, and is not taken out while any `Buffer` lives.
        self.0.guest().map(|guest| unsafe { guest.as_ref() })
    }

    /// The bytes in use: none if there is a guest.
    #[inline]
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: `len` bytes are inside the allocation, initialised, and not written while any `Buffer` lives.
        unsafe { std::slice::from_raw_parts(self.0.bytes().as_ptr(), self.0.head().len as usize) }
    }

    /// How many bytes would fit.
    #[inline]
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.0.head().capacity as usize
    }

    /// Asks for the cache lines that writing `len` bytes needs, those of the first KiB at most, to be brought to this core
    /// to be written. A hint for whoever is about to take the buffer [back](Self::into_unique) from readers on other cores;
    /// it reads nothing, and changes nothing but what is cached where.
    #[inline]
    pub fn fetch(&self, len: usize) {
        self.0.fetch(len);
    }

    /// Back to a buffer that can be written, when this is the last handle. No atomic write.
    ///
    /// # Errors
    /// Gives the handle back when a clone is alive.
    #[inline]
    pub fn into_unique(self) -> Result<UniqueBuffer<H, G>, Self> {
        // Acquire: pairs with the release in `drop`: what other holders read was read before we write.
        if self.0.head().references.load(ordering("buffer.unique.acquire", Ordering::Acquire)) != 1
            && !broken("buffer.unique.unchecked")
        {
            return Err(self);
        }
        let block = self.0;
        #[expect(clippy::mem_forget, reason = "the block moves into the other kind of handle")]
        std::mem::forget(self);
        Ok(UniqueBuffer(block))
    }
}

impl<H, G> Clone for Buffer<H, G> {
    #[inline]
    fn clone(&self) -> Self {
        if broken("buffer.clone.uncounted") {
            return Self(self.0);
        }
        // Relaxed: a new handle is made from one that keeps the block alive.
        let before = self.0.head().references.fetch_add(1, Ordering::Relaxed);
        if before > MAX_REFERENCES {
            std::process::abort(); // two billion billion clones are leaked; the count must not wrap
        }
        Self(self.0)
    }
}

impl<H, G> Deref for Buffer<H, G> {
    type Target = H;

    #[inline]
    fn deref(&self) -> &H {
        &self.0.head().header
    }
}

impl<H, G> Drop for Buffer<H, G> {
    #[inline]
    fn drop(&mut self) {
        // Release: pairs with the acquire fence below, and with `into_unique`, on whichever thread is last.
        let release = before_fence(ordering("buffer.drop.release", Ordering::Release));
        if self.0.head().references.fetch_sub(1, release) != 1 {
            return;
        }
        // Acquire: pairs with the release of every other holder's drop.
        fence("buffer.drop.acquire", Ordering::Acquire);
        // SAFETY: the count says that this was the last handle.
        unsafe { self.0.free() };
    }
}

impl<H, G> fmt::Debug for Buffer<H, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer").field("len", &self.bytes().len()).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(any(ringmain_loom, ringmain_shuttle))))]
mod tests {
    use super::block::{ALLOCATORS, WIDE};
    use super::*;
    use crate::prefetch::LINE;
    use std::sync::Arc;

    #[test]
    fn recycles_only_when_no_clone_is_left() {
        let mut buffer = UniqueBuffer::new(8, 7u32);
        buffer.resize(3).copy_from_slice(b"abc");
        let shared = buffer.share();
        let clone = shared.clone();
        let shared = shared.into_unique().unwrap_err();
        assert_eq!((clone.bytes(), *clone), (&b"abc"[..], 7));
        drop(shared);
        let mut again = clone.into_unique().unwrap();
        *again = 8;
        assert_eq!(again.resize(8), b"abc\0\0\0\0\0");
        assert_eq!(*again.share(), 8);
    }

    #[test]
    fn the_header_is_dropped_once() {
        let witness = Arc::new(());
        let a = UniqueBuffer::new(0, Arc::clone(&witness)).share();
        let b = a.clone();
        drop(a);
        assert_eq!(Arc::strong_count(&witness), 2);
        drop(b);
        assert_eq!(Arc::strong_count(&witness), 1);
        drop(UniqueBuffer::new(5, Arc::clone(&witness)));
        assert_eq!(Arc::strong_count(&witness), 1);
    }

    #[test]
    fn its_capacity_is_kept_whatever_is_in_use() {
        let mut buffer = UniqueBuffer::new(100, [1u8, 2, 3]);
        let capacity = buffer.capacity();
        assert!(capacity >= 100);
        assert_eq!((buffer.resize(100).len(), buffer.resize(2).len()), (100, 2));
        let shared = buffer.share();
        assert_eq!((shared.capacity(), shared.bytes().len(), *shared), (capacity, 2, [1, 2, 3]));
        let (clone, other) = (shared.clone(), shared.clone());
        assert_eq!((clone.bytes().as_ptr(), other.capacity()), (shared.bytes().as_ptr(), capacity));
    }

    #[test]
    #[should_panic(expected = "do not fit")]
    fn more_than_the_capacity_is_refused() {
        let mut buffer = UniqueBuffer::new(4, ());
        let more = buffer.capacity() + 1;
        buffer.resize(more);
    }

    #[test]
    fn the_first_bytes_share_a_line_with_the_header_and_no_line_is_shared_with_a_neighbour() {
        for asked in [0, 1, 24, 25, 64, 1_000, 1_024, 1_048, 1_049, 65_536] {
            let mut buffer = UniqueBuffer::<u64, [usize; 4]>::for_guests(asked, 0);
            let header = std::ptr::from_ref::<u64>(&buffer).addr();
            let bytes = buffer.resize(asked).as_ptr().addr();
            assert_eq!((bytes % LINE, bytes / LINE), (WIDE, header / LINE));
            let end = bytes + buffer.capacity();
            assert_eq!(end % LINE, LINE - ALLOCATORS, "all of the last line but the allocator's word");
            assert!(buffer.capacity() >= asked && buffer.capacity() - asked < 2 * LINE, "{asked}");
        }
    }

    #[test]
    fn a_guest_lives_in_the_place_of_bytes_and_is_dropped_once() {
        let witness = Arc::new(());
        let guest = || (Arc::clone(&witness), 5u8);
        let count = || Arc::strong_count(&witness);
        let mut buffer = UniqueBuffer::for_guests(40, 1u64);
        assert!(buffer.take_guest().is_none());
        buffer.resize(40).fill(0xFF);
        buffer.put_guest(guest());
        buffer.put_guest(guest());
        assert_eq!(count(), 2, "the first is gone");
        let shared = buffer.share();
        let clone = shared.clone();
        assert_eq!((clone.guest().map(|guest| guest.1), clone.bytes().len()), (Some(5), 0));
        drop(shared);
        let mut buffer = clone.into_unique().unwrap();
        assert_eq!(buffer.take_guest().map(|guest| guest.1), Some(5));
        assert_eq!(count(), 1);
        // Bytes again, those where it was zero.
        let size = size_of::<(Arc<()>, u8)>();
        assert!(
            buffer.resize(40).iter().enumerate().all(|(at, byte)| *byte == if at < size { 0 } else { 0xFF })
        );
        assert!(buffer.share().guest().is_none());
        let mut buffer = UniqueBuffer::for_guests(0, ());
        buffer.put_guest(guest());
        buffer.resize(1);
        assert_eq!(count(), 1, "bytes drive it out");
        buffer.put_guest(guest());
        drop(buffer.share());
        assert_eq!(count(), 1, "it goes with the buffer");
    }
}
