//! Several handles on one buffer, for one count.

use super::{Block, Buffer};
use crate::sync::broken;

/// Handles on a [`Buffer`] that were counted together, or are to be let go of together: one at a time each would cost a locked
/// instruction.
///
/// ```
/// use ringmain_ring::{Handles, UniqueBuffer};
/// let buffer = UniqueBuffer::new(0, "shared").share();
/// let mut handles = buffer.handles(3);
/// let first = handles.take().expect("three");
/// assert_eq!(*first, "shared");
/// // Joined again, the three are let go of at once.
/// assert!(handles.join(first).is_none());
/// drop(handles);
/// assert!(buffer.into_unique().is_ok());
/// ```
#[derive(Debug)]
pub struct Handles<H, G = ()> {
    one: Option<Buffer<H, G>>,
    /// How many more were counted, none without the one.
    more: usize,
}

impl<H, G> Buffer<H, G> {
    /// So many clones, for one count.
    #[inline]
    #[must_use]
    pub fn handles(&self, count: u16) -> Handles<H, G> {
        if count == 0 {
            return Handles::default();
        }
        let count = usize::from(count);
        self.count(count);
        Handles { one: Some(Self(self.0)), more: count - 1 }
    }
}

impl<H, G> Handles<H, G> {
    /// One of them.
    #[inline]
    pub fn take(&mut self) -> Option<Buffer<H, G>> {
        if self.more == 0 {
            return self.one.take();
        }
        self.more -= 1;
        self.one.as_ref().map(|one| Buffer(one.0))
    }

    /// Adds a handle. If it is on another buffer than these are, they are replaced by it, and returned.
    #[inline]
    pub fn join(&mut self, handle: Buffer<H, G>) -> Option<Self> {
        if self.one.as_ref().is_some_and(|one| one.0.0 == handle.0.0) {
            #[expect(clippy::mem_forget, reason = "it is let go of with the others")]
            std::mem::forget(handle);
            self.more += 1;
            return None;
        }
        let others = std::mem::replace(self, Self { one: Some(handle), more: 0 });
        others.one.is_some().then_some(others)
    }
}

impl<H, G> Default for Handles<H, G> {
    /// None, on no buffer.
    fn default() -> Self {
        Self { one: None, more: 0 }
    }
}

impl<H, G> Drop for Handles<H, G> {
    #[inline]
    fn drop(&mut self) {
        let Some(one) = self.one.take() else { return };
        let block: Block<H, G> = one.0;
        #[expect(clippy::mem_forget, reason = "all are let go of here")]
        std::mem::forget(one);
        let more = if broken("buffer.handles.kept") { 0 } else { self.more };
        if Buffer::is_last_of(block, 1 + more) {
            // SAFETY: the count says that these were the last handles.
            unsafe { block.free() };
        }
    }
}
