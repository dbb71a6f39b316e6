//! Which topic's messages this thread is handling, so that a handler that would wait for itself is told so.

use crate::topic::TopicInner;
use std::cell::Cell;

thread_local!(static TOPIC: Cell<usize> = const { Cell::new(0) });

fn address(topic: &TopicInner) -> usize {
    std::ptr::from_ref(topic).addr()
}

/// Whether the calling thread is inside a handler of a subscription of `topic`.
pub(crate) fn is(topic: &TopicInner) -> bool {
    TOPIC.get() == address(topic)
}

/// Marks the calling thread as inside a handler until dropped.
pub(crate) struct Serving {
    outer: usize,
}

impl Serving {
    #[inline]
    pub(crate) fn enter(topic: &TopicInner) -> Self {
        Self { outer: TOPIC.replace(address(topic)) }
    }
}

impl Drop for Serving {
    #[inline]
    fn drop(&mut self) {
        TOPIC.set(self.outer);
    }
}
