//! Byte buffers with a header, counted by a reference count of our own that stands beside them.
//!
//! One allocation holds the count, the header and the bytes, so that following a slot's pointer brings all three. A
//! [`UniqueBuffer`] has one owner and can be written; [`share`](UniqueBuffer::share) freezes it into a [`Buffer`],
//! which clones by counting. A slot of a ring holds a `Buffer`; when its lap is over, the publisher gets it back and, if
//! no reader kept a clone, [`into_unique`](Buffer::into_unique) makes it writable again: nothing is allocated, nothing
//! freed, and no other thread's allocator is involved.
//!
//! `Arc<[u8]>` cannot be recycled without a second indirection, and a clone and drop of `Bytes` across threads costs more
//! (measured: docs/decisions/0004).

use crate::sync::{AtomicUsize, Ordering, broken, fence, ordering};
use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

/// A cache line of its own where the header has at most 48 bytes: the bytes behind it then begin on a line, wide stores
/// do not straddle two, and no buffer shares a line with its neighbour.
#[repr(C, align(64))]
struct Head<H> {
    references: AtomicUsize,
    /// How many of the bytes are in use.
    len: u32,
    capacity: u32,
    header: H,
}

/// Past this many clones something leaks them; going on would wrap the count.
const MAX_REFERENCES: usize = isize::MAX as usize;

/// A pointer to the one allocation: a `Head<H>` and `capacity` bytes behind it.
struct Block<H>(NonNull<Head<H>>);

impl<H> Clone for Block<H> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<H> Copy for Block<H> {}

impl<H> Block<H> {
    fn layout(capacity: usize) -> Option<(Layout, usize)> {
        Layout::new::<Head<H>>().extend(Layout::array::<u8>(capacity).ok()?).ok()
    }

    fn new(capacity: usize, header: H) -> Self {
        let (layout, _) = Self::layout(capacity).expect("a buffer is smaller than the address space");
        let capacity = u32::try_from(capacity).expect("a buffer has less than 4 GiB");
        // SAFETY: the layout is not empty, it holds a head at least.
        let memory = unsafe { alloc_zeroed(layout) };
        let Some(head) = NonNull::new(memory.cast::<Head<H>>()) else { handle_alloc_error(layout) };
        if broken("buffer.not_zeroed") {
            // SAFETY: all of what was just allocated. It looks as memory does that somebody else has used before.
            unsafe { memory.write_bytes(0xA5, layout.size()) };
        }
        // SAFETY: freshly allocated with room and alignment for a head. The bytes behind it are zeroed.
        unsafe { head.write(Head { references: AtomicUsize::new(1), len: 0, capacity, header }) };
        Self(head)
    }

    #[inline(always)]
    fn head(&self) -> &Head<H> {
        // SAFETY: a block outlives its handles, and the head is written only through the one handle there is then.
        unsafe { self.0.as_ref() }
    }

    #[inline(always)]
    fn bytes(&self) -> NonNull<u8> {
        let (_, offset) = Self::layout(0).expect("the layout of a head alone");
        // SAFETY: bytes of alignment 1 start right behind the head, inside the same allocation.
        unsafe { self.0.cast::<u8>().add(offset) }
    }

    /// # Safety
    /// Nobody may hold the block any more.
    unsafe fn free(self) {
        let (layout, _) =
            Self::layout(self.head().capacity as usize).expect("it was allocated with this layout");
        // SAFETY: the caller is the last to know the block.
        unsafe { self.0.drop_in_place() };
        // SAFETY: allocated in `new` with this layout, and nothing in it is alive.
        unsafe { dealloc(self.0.as_ptr().cast(), layout) };
    }
}

/// Bytes and a header with one owner, who may write them.
///
/// ```
/// use ringmain_ring::UniqueBuffer;
/// let mut buffer = UniqueBuffer::new(64, ());
/// buffer.resize(5).copy_from_slice(b"hello");
/// let shared = buffer.share();
/// assert_eq!(shared.bytes(), b"hello");
/// let again = shared.into_unique().expect("no clone is left");
/// assert_eq!(again.capacity(), 64);
/// ```
pub struct UniqueBuffer<H>(Block<H>);

// SAFETY: one owner; bytes are Send and Sync, and the header decides for itself.
unsafe impl<H: Send> Send for UniqueBuffer<H> {}
// SAFETY: a shared reference gives shared references to bytes and header only.
unsafe impl<H: Sync> Sync for UniqueBuffer<H> {}

impl<H> UniqueBuffer<H> {
    /// Room for `capacity` bytes, none in use.
    ///
    /// # Panics
    /// When `capacity` is 4 GiB or more.
    #[must_use]
    pub fn new(capacity: usize, header: H) -> Self {
        Self(Block::new(capacity, header))
    }

    /// How many bytes fit.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.0.head().capacity as usize
    }

    /// Puts the first `len` bytes in use and returns them, with whatever an earlier use left in them (zeroes in a new
    /// buffer).
    ///
    /// # Panics
    /// When `len` is more than the [`capacity`](Self::capacity).
    #[inline]
    pub fn resize(&mut self, len: usize) -> &mut [u8] {
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
    pub fn share(self) -> Buffer<H> {
        let block = self.0;
        #[expect(clippy::mem_forget, reason = "the block moves into the other kind of handle")]
        std::mem::forget(self);
        Buffer(block)
    }
}

impl<H> Deref for UniqueBuffer<H> {
    type Target = H;

    #[inline]
    fn deref(&self) -> &H {
        &self.0.head().header
    }
}

impl<H> DerefMut for UniqueBuffer<H> {
    #[inline]
    fn deref_mut(&mut self) -> &mut H {
        // SAFETY: the only handle is borrowed mutably.
        &mut unsafe { self.0.0.as_mut() }.header
    }
}

impl<H> Drop for UniqueBuffer<H> {
    fn drop(&mut self) {
        // SAFETY: the only handle goes.
        unsafe { self.0.free() };
    }
}

impl<H> fmt::Debug for UniqueBuffer<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UniqueBuffer").field("capacity", &self.capacity()).finish_non_exhaustive()
    }
}

/// Frozen bytes and their header. Clones share them; derefs to the header.
pub struct Buffer<H>(Block<H>);

// SAFETY: clones give shared references on several threads, and the last one dropped drops the header: both are needed.
#[cfg(not(ringmain_holes))]
unsafe impl<H: Send + Sync> Send for Buffer<H> {}
// SAFETY: as for Send.
unsafe impl<H: Send + Sync> Sync for Buffer<H> {}

// SAFETY: none. It is the hole that the tests of Send and Sync must see.
#[cfg(ringmain_holes)]
unsafe impl<H> Send for Buffer<H> {}

impl<H> Buffer<H> {
    /// The bytes in use.
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

    /// Back to a buffer that can be written, when this is the last handle. No atomic write.
    ///
    /// # Errors
    /// Gives the handle back when a clone is alive.
    #[inline]
    pub fn into_unique(self) -> Result<UniqueBuffer<H>, Self> {
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

impl<H> Clone for Buffer<H> {
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

impl<H> Deref for Buffer<H> {
    type Target = H;

    #[inline]
    fn deref(&self) -> &H {
        &self.0.head().header
    }
}

impl<H> Drop for Buffer<H> {
    #[inline]
    fn drop(&mut self) {
        // Release: pairs with the acquire fence below, and with `into_unique`, on whichever thread is last.
        let mut release = ordering("buffer.drop.release", Ordering::Release);
        if cfg!(ringmain_sanitize) {
            release = Ordering::AcqRel; // for the fence below, which ThreadSanitizer takes no notice of
        }
        if self.0.head().references.fetch_sub(1, release) != 1 {
            return;
        }
        // Acquire: pairs with the release of every other holder's drop.
        fence("buffer.drop.acquire", Ordering::Acquire);
        // SAFETY: the count says that this was the last handle.
        unsafe { self.0.free() };
    }
}

impl<H> fmt::Debug for Buffer<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer").field("len", &self.bytes().len()).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(any(ringmain_loom, ringmain_shuttle))))]
mod tests {
    use super::*;
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
        assert_eq!((buffer.capacity(), buffer.resize(100).len(), buffer.resize(2).len()), (100, 100, 2));
        let shared = buffer.share();
        assert_eq!((shared.capacity(), shared.bytes().len(), *shared), (100, 2, [1, 2, 3]));
        let (clone, other) = (shared.clone(), shared.clone());
        assert_eq!((clone.bytes().as_ptr(), other.capacity()), (shared.bytes().as_ptr(), 100));
    }

    #[test]
    #[should_panic(expected = "do not fit")]
    fn more_than_the_capacity_is_refused() {
        UniqueBuffer::new(4, ()).resize(5);
    }
}
