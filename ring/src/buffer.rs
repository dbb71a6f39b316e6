//! Byte buffers with a header, counted by a reference count of our own that stands beside them.
//!
//! One allocation holds the count, the header and the bytes, so that following a slot's pointer brings all three. A
//! [`UniqueBuffer`] has one owner and can be written; [`share`](UniqueBuffer::share) freezes it into a [`Buffer`],
//! which clones by counting. A slot of a ring holds a `Buffer`; when its lap is over, the publisher gets it back and, if
//! no reader kept a clone, [`into_unique`](Buffer::into_unique) makes it writable again: nothing is allocated, nothing
//! freed, and no other thread's allocator is involved.
//!
//! Behind the bytes there can be short texts, its *labels*.
//!
//! Bytes that stay with somebody else are referred to by a *guest*, a value of any type, which then lives where the
//! buffer's own bytes would.
//!
//! `Arc<[u8]>` cannot be recycled without a second indirection, and a clone and drop of `Bytes` across threads costs more
//! (measured: docs/decisions/0004).

mod block;
mod handles;
mod labels;
mod shelf;
#[cfg(all(test, not(any(ringmain_loom, ringmain_shuttle))))]
mod tests;

use crate::sync::{Ordering, before_fence, broken, fence, ordering};
use block::Block;
pub use handles::Handles;
pub use labels::Labels;
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
    /// When `capacity`, rounded up to whole cache lines, is 4 GiB or more.
    #[must_use]
    pub fn new(capacity: usize, header: H) -> Self {
        Self::for_guests(capacity, header)
    }
}

impl<H, G> UniqueBuffer<H, G> {
    /// As [`new`](UniqueBuffer::new), with room for a guest instead.
    ///
    /// # Panics
    /// When `capacity`, rounded up to whole cache lines, is 4 GiB or more.
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
        (head.len, head.labels, head.has_guest) = (0, 0, true);
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

    /// Puts the first `len` bytes in use and returns them, with whatever an earlier use left in them: zeroes in a new
    /// buffer, and where a guest was, which is dropped.
    ///
    /// # Panics
    /// When `len` is more than the [`capacity`](Self::capacity).
    #[inline]
    pub fn resize(&mut self, len: usize) -> &mut [u8] {
        drop(self.take_guest());
        assert!(len <= self.capacity(), "{len} bytes do not fit a buffer of {}", self.capacity());
        let used = u32::try_from(len).expect("at most the capacity");
        // SAFETY: the only handle is borrowed mutably.
        let head = unsafe { self.0.0.as_mut() };
        (head.len, head.labels) = (used, 0);
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
        // Acquire: pairs with the release in `is_last_of`: what other holders read was read before we write.
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

impl<H, G> Buffer<H, G> {
    /// Two clones, for one count.
    #[inline]
    #[must_use]
    pub fn clone_twice(&self) -> (Self, Self) {
        self.count(2);
        (Self(self.0), Self(self.0))
    }

    /// Lets go of two handles on the same buffer at once: of [two clones](Self::clone_twice), say. If they were the last, it
    /// can be written again.
    ///
    /// # Panics
    /// When they are handles on different buffers.
    #[inline]
    pub fn reunite(self, other: Self) -> Option<UniqueBuffer<H, G>> {
        assert!(self.0.0 == other.0.0, "two handles on one buffer");
        let block = self.0;
        #[expect(clippy::mem_forget, reason = "both are let go of here")]
        std::mem::forget((self, other));
        let last = Self::is_last_of(block, 2);
        (last || broken("buffer.reunite.unchecked")).then(|| {
            // Relaxed: nobody else has a handle. Whoever gets the next one gets it from us.
            block.head().references.store(1, Ordering::Relaxed);
            UniqueBuffer(block)
        })
    }

    #[inline]
    fn count(&self, handles: usize) {
        // Relaxed: a new handle is made from one that keeps the block alive.
        let before = self.0.head().references.fetch_add(handles, Ordering::Relaxed);
        if before > MAX_REFERENCES {
            std::process::abort(); // two billion billion clones are leaked; the count must not wrap
        }
    }

    /// Lets go of so many handles. Returns whether they were the last: then all that the others did is done.
    #[inline]
    fn is_last_of(block: Block<H, G>, handles: usize) -> bool {
        // Release: pairs with the acquire fence below, and with `into_unique`, on whichever thread is last.
        let release = before_fence(ordering("buffer.drop.release", Ordering::Release));
        if block.head().references.fetch_sub(handles, release) != handles {
            return false;
        }
        // Acquire: pairs with the release of every other holder.
        fence("buffer.drop.acquire", Ordering::Acquire);
        true
    }
}

impl<H, G> Clone for Buffer<H, G> {
    #[inline]
    fn clone(&self) -> Self {
        if !broken("buffer.clone.uncounted") {
            self.count(1);
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
        if Self::is_last_of(self.0, 1) {
            // SAFETY: the count says that this was the last handle.
            unsafe { self.0.free() };
        }
    }
}

impl<H, G> fmt::Debug for Buffer<H, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer").field("len", &self.bytes().len()).finish_non_exhaustive()
    }
}
