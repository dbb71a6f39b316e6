//! The one allocation of a buffer: a head, and behind it the bytes, or a guest.
//!
//! The bytes begin 32 bytes into a cache line if the header has at most 8, behind count, lengths and header: a reader that
//! looks at the first of them and at the last touches two lines, not three (measured: docs/decisions/0013). Wide stores
//! do not straddle two lines. No buffer shares a line with its neighbour, but for the last 8 bytes of one, which are left
//! to the allocator: many keep a word before each block, and another line would be spent on it.

use crate::prefetch::{LINE, to_write};
use crate::sync::{AtomicBool, AtomicUsize, broken};
use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::marker::PhantomData;
use std::ptr::NonNull;

#[repr(C)]
pub(super) struct Head<H> {
    pub(super) references: AtomicUsize,
    /// How many of the bytes are in use: none while there is a guest.
    pub(super) len: u32,
    pub(super) capacity: u32,
    pub(super) header: H,
    /// Whether a guest lives where the bytes would.
    pub(super) has_guest: bool,
    /// Written by readers that take the line over, and read by nobody.
    pub(super) taken: AtomicBool,
    /// How many texts there are behind the bytes in use, or behind the guest.
    pub(super) labels: u16,
    /// How many bytes those have together. Not told where there are none.
    pub(super) label_bytes: u32,
}

/// What the bytes are aligned to, and a guest at most.
pub(super) const WIDE: usize = 32;
/// What is left to the allocator of the last line.
pub(super) const ALLOCATORS: usize = 8;

/// A pointer to the one allocation: a `Head<H>` and `capacity` bytes behind it, or a `G`.
pub(super) struct Block<H, G>(pub(super) NonNull<Head<H>>, PhantomData<G>);

impl<H, G> Clone for Block<H, G> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<H, G> Copy for Block<H, G> {}

impl<H, G> Block<H, G> {
    /// Where the bytes are.
    const BYTES: usize = {
        assert!(align_of::<Head<H>>() <= LINE && align_of::<G>() <= WIDE, "more than a buffer is aligned to");
        size_of::<Head<H>>().next_multiple_of(WIDE)
    };

    /// For at least so many bytes, and a guest.
    fn layout(capacity: usize) -> Option<Layout> {
        let bytes = capacity.max(size_of::<G>()).checked_add(Self::BYTES + ALLOCATORS)?;
        Layout::from_size_align(bytes.checked_next_multiple_of(LINE)? - ALLOCATORS, LINE).ok()
    }

    pub(super) fn new(capacity: usize, header: H) -> Self {
        let layout = Self::layout(capacity).expect("a buffer is smaller than the address space");
        let capacity = u32::try_from(layout.size() - Self::BYTES).expect("a buffer has less than 4 GiB");
        // SAFETY: the layout is not empty, it holds a head at least.
        let memory = unsafe { alloc_zeroed(layout) };
        let Some(head) = NonNull::new(memory.cast::<Head<H>>()) else { handle_alloc_error(layout) };
        if broken("buffer.not_zeroed") {
            // SAFETY: all of what was just allocated. It looks as memory does that somebody else has used before.
            unsafe { memory.write_bytes(0xA5, layout.size()) };
        }
        let (references, taken) = (AtomicUsize::new(1), AtomicBool::new(false));
        let made =
            Head { references, len: 0, capacity, header, has_guest: false, taken, labels: 0, label_bytes: 0 };
        // SAFETY: freshly allocated with room and alignment for a head. The bytes behind it are zeroed.
        unsafe { head.write(made) };
        Self(head, PhantomData)
    }

    /// A block that was made before.
    pub(super) fn of(head: NonNull<Head<H>>) -> Self {
        Self(head, PhantomData)
    }

    #[inline(always)]
    pub(super) fn head(&self) -> &Head<H> {
        // SAFETY: a block outlives its handles, and the head is written only through the one handle there is then.
        unsafe { self.0.as_ref() }
    }

    /// Asks for the lines of the head and of the first `len` bytes, of 1 KiB at most, to be written by this core.
    #[inline(always)]
    pub(super) fn fetch(&self, len: usize) {
        // The first line's is the one that counts: the publisher looks at the count in it. Further on than a KiB the core
        // has seen that somebody writes one line after the other, and asks by itself.
        let lines = (Self::BYTES + len.min(1 << 10)).div_ceil(LINE);
        let first = self.0.cast::<u8>().as_ptr();
        for line in 0..lines {
            to_write(first.wrapping_add(line * LINE));
        }
    }

    #[inline(always)]
    pub(super) fn bytes(&self) -> NonNull<u8> {
        // SAFETY: the bytes start behind the head, inside the same allocation.
        unsafe { self.0.cast::<u8>().add(Self::BYTES) }
    }

    /// How much of the capacity is in use, but for labels.
    #[inline(always)]
    pub(super) fn before_labels(&self) -> usize {
        let head = self.head();
        if head.has_guest { size_of::<G>() } else { head.len as usize }
    }

    /// The guest, if there is one.
    #[inline(always)]
    pub(super) fn guest(&self) -> Option<NonNull<G>> {
        self.head().has_guest.then(|| self.bytes().cast())
    }

    /// The guest, whose place is bytes again, all of them zero.
    ///
    /// # Safety
    /// There is no other handle.
    pub(super) unsafe fn take_guest(mut self) -> Option<G> {
        let place = self.guest()?;
        // SAFETY: no other handle, as the caller says.
        let head = unsafe { self.0.as_mut() };
        (head.has_guest, head.labels) = (false, 0);
        // SAFETY: it was put there, and is taken once, by what the last line does.
        let guest = unsafe { place.read() };
        // SAFETY: a guest's room is inside the allocation. What it left behind need not be initialised.
        unsafe { place.write_bytes(0, 1) };
        Some(guest)
    }

    /// # Safety
    /// Nobody may hold the block any more.
    pub(super) unsafe fn free(self) {
        let layout = Self::layout(self.head().capacity as usize).expect("it was allocated with this layout");
        // In this order: guest, header, memory; each of them also if the one before panics.
        let _memory = Memory(self.0.cast(), layout);
        let _head = InPlace(self.0);
        // SAFETY: the caller is the last to know the block.
        drop(unsafe { self.take_guest() });
    }
}

/// What is to be dropped where it stands.
struct InPlace<T>(NonNull<T>);

impl<T> Drop for InPlace<T> {
    fn drop(&mut self) {
        // SAFETY: made by `free`, which alone knows the block, and dropped once.
        unsafe { self.0.drop_in_place() };
    }
}

/// An allocation.
struct Memory(NonNull<u8>, Layout);

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout, and nothing in it is alive: `free` has dropped all of it before.
        unsafe { dealloc(self.0.as_ptr(), self.1) };
    }
}
