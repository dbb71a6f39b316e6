//! What a reader is handed: messages where they stand, or clones of them.

use ringmain_ring::{Multi, Sequence, View};
use std::fmt;

/// Consecutive messages of one receiver, in order.
pub struct Batch<'a, T: Send + Sync + 'static>(Messages<'a, T>);

enum Messages<'a, T: Send + Sync + 'static> {
    InPlace(View<'a, T, Multi>),
    Cloned(&'a [(Sequence, T)]),
}

impl<'a, T: Send + Sync + 'static> Batch<'a, T> {
    pub(crate) fn in_place(view: View<'a, T, Multi>) -> Self {
        Self(Messages::InPlace(view))
    }

    pub(crate) fn cloned(messages: &'a [(Sequence, T)]) -> Self {
        Self(Messages::Cloned(messages))
    }

    /// Calls `read` with each message and its sequence; returns how many there were.
    #[inline]
    pub fn for_each(&self, mut read: impl FnMut(Sequence, &T)) -> usize {
        match &self.0 {
            Messages::InPlace(view) => view.for_each(read),
            Messages::Cloned(messages) => {
                for (sequence, message) in *messages {
                    read(*sequence, message);
                }
                messages.len()
            }
        }
    }

    /// As [`for_each`](Self::for_each), leaving out the first `skip` slots: to go on after a panic in `read`.
    #[inline]
    pub fn for_each_after(&self, skip: usize, read: impl FnMut(Sequence, &T)) -> usize {
        match &self.0 {
            Messages::InPlace(view) => view.after(skip).for_each(read),
            Messages::Cloned(messages) => {
                Batch(Messages::Cloned(messages.get(skip..).unwrap_or(&[]))).for_each(read)
            }
        }
    }

    /// The sequence of the first slot.
    #[must_use]
    pub fn start(&self) -> Option<Sequence> {
        match &self.0 {
            Messages::InPlace(view) => Some(view.start()),
            Messages::Cloned(messages) => messages.first().map(|(sequence, _)| *sequence),
        }
    }

    /// How many slots it spans: the number of messages, and any padding among them.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.0 {
            Messages::InPlace(view) => view.len(),
            Messages::Cloned(messages) => messages.len(),
        }
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the messages are read in the ring itself. If not, they are clones, and holding them holds nobody up.
    #[must_use]
    pub fn is_in_place(&self) -> bool {
        matches!(self.0, Messages::InPlace(_))
    }
}

impl<T: Send + Sync + 'static> fmt::Debug for Batch<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").field("len", &self.len()).field("in_place", &self.is_in_place()).finish()
    }
}

/// What a [`Dispatcher`](crate::Dispatcher) tells a handler.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a, T: Send + Sync + 'static> {
    /// Messages.
    Batch(Batch<'a, T>),
    /// This many messages were lost, exactly; what follows comes after them.
    Lagged(u64),
    /// The receiver was detached; this is the last event.
    Detached,
}
