//! A payload that does something when its owner is dropped.

use ringmain::{Bytes, Message};

struct Owned<F: FnMut()>(usize, F);

impl<F: FnMut()> AsRef<[u8]> for Owned<F> {
    fn as_ref(&self) -> &[u8] {
        &[7; 4_000][..self.0]
    }
}

impl<F: FnMut()> Drop for Owned<F> {
    fn drop(&mut self) {
        self.1();
    }
}

/// A message of so many bytes, 4,000 at most. (Those of a few hundred are copied, and let go of at once.)
pub(crate) fn owned(len: usize, dropped: impl FnMut() + Send + 'static) -> Message {
    Message::new(Bytes::from_owner(Owned(len, dropped)))
}
