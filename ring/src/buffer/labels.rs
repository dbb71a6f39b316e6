//! Short texts behind the bytes of a buffer, or behind its guest: before each how long it is, in two bytes.

use super::block::Head;
use super::{Buffer, UniqueBuffer};
use std::iter::FusedIterator;

/// How long a text is.
type Length = u16;
const LENGTH: usize = size_of::<Length>();

impl<H> Head<H> {
    /// How much of the capacity the labels take.
    fn labels_take(&self) -> usize {
        if self.labels == 0 { 0 } else { self.label_bytes as usize + LENGTH * usize::from(self.labels) }
    }
}

impl<H, G> UniqueBuffer<H, G> {
    /// How much of the [capacity](Self::capacity) a label of `len` bytes takes, behind the bytes or the guest.
    #[inline]
    #[must_use]
    pub const fn room_for_label(len: usize) -> usize {
        LENGTH + len
    }

    /// Adds a text behind the bytes in use or the guest, and behind the labels that are there, which [`Buffer::labels`]
    /// gives back. Until the bytes are resized, or a guest comes or goes.
    ///
    /// # Panics
    /// When there is no [room](Self::room_for_label) for it, it has 64 KiB or more, or 65,535 are there.
    #[inline]
    pub fn push_label(&mut self, label: &str) {
        let before = self.0.before_labels() + self.0.head().labels_take();
        let room = self.capacity() - before;
        let take = Self::room_for_label(label.len());
        assert!(take <= room, "a label that takes {take} bytes does not fit where there is room for {room}");
        let length = Length::try_from(label.len()).expect("a label has less than 64 KiB").to_ne_bytes();
        // SAFETY: the only handle is borrowed mutably.
        let head = unsafe { self.0.0.as_mut() };
        let bytes = if head.labels == 0 { 0 } else { head.label_bytes };
        let labels = head.labels.checked_add(1).expect("at most 65,535 labels");
        head.label_bytes = bytes + u32::from(Length::from_ne_bytes(length));
        head.labels = labels;
        // SAFETY: what is in use is inside the allocation.
        let place = unsafe { self.0.bytes().add(before) };
        // SAFETY: so many bytes behind it are as well, as was just asserted, they were initialised when it was made, and nobody
        // else has the buffer.
        let place = unsafe { std::slice::from_raw_parts_mut(place.as_ptr(), take) };
        let (before, text) = place.split_at_mut(LENGTH);
        before.copy_from_slice(&length);
        text.copy_from_slice(label.as_bytes());
    }
}

impl<H, G> Buffer<H, G> {
    /// The texts behind the bytes, or behind the guest.
    #[inline]
    #[must_use]
    pub fn labels(&self) -> Labels<'_> {
        let head = self.0.head();
        if head.labels == 0 {
            return Labels::default();
        }
        // SAFETY: what is in use is inside the allocation.
        let place = unsafe { self.0.bytes().add(self.0.before_labels()) };
        // SAFETY: so many bytes there are initialised, and not written while any `Buffer` lives.
        let bytes = unsafe { std::slice::from_raw_parts(place.as_ptr(), head.labels_take()) };
        Labels { left: head.labels, bytes }
    }

    /// How many bytes the labels have together, those alone.
    #[inline]
    #[must_use]
    pub fn label_bytes(&self) -> usize {
        let head = self.0.head();
        if head.labels == 0 { 0 } else { head.label_bytes as usize }
    }
}

/// The labels of a [`Buffer`], in the order in which they were pushed.
#[derive(Debug, Clone, Default)]
pub struct Labels<'a> {
    left: u16,
    /// Those that are left: made by `push_label`, and by nobody else.
    bytes: &'a [u8],
}

impl<'a> Iterator for Labels<'a> {
    type Item = &'a str;

    #[inline]
    fn next(&mut self) -> Option<&'a str> {
        let (length, rest) = self.bytes.split_first_chunk::<LENGTH>()?;
        let (text, rest) = rest.split_at_checked(usize::from(Length::from_ne_bytes(*length)))?;
        self.left -= 1;
        self.bytes = rest;
        // SAFETY: `push_label` has copied a text of this length there. Whoever gets those bytes to write, by `resize` or for a
        // guest, has taken the labels away before, and so has who took a guest out.
        Some(unsafe { std::str::from_utf8_unchecked(text) })
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::from(self.left), Some(usize::from(self.left)))
    }
}

impl ExactSizeIterator for Labels<'_> {}
impl FusedIterator for Labels<'_> {}
