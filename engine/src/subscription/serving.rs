//! Which topics' messages this thread is handling, so that a handler that would wait for itself is told so.

use crate::topic::TopicInner;
use std::cell::{Cell, RefCell};
use std::sync::Arc;

thread_local! {
    /// The innermost.
    static TOPIC: Cell<usize> = const { Cell::new(0) };
    /// Those around it, as a handler may run a dispatcher of its own; and all that a dispatcher serves, if it serves several.
    static OUTER: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

fn address(topic: &TopicInner) -> usize {
    std::ptr::from_ref(topic).addr()
}

/// Whether the calling thread is inside a handler, of whichever topic.
pub(crate) fn any() -> bool {
    TOPIC.get() != 0
}

/// Whether the calling thread is inside a handler of a dispatcher that serves `topic`: of its messages or of another's, since
/// while the one waits the other is not handled.
pub(crate) fn is(topic: &TopicInner) -> bool {
    let (innermost, topic) = (TOPIC.get(), address(topic));
    innermost == topic || (innermost != 0 && OUTER.with_borrow(|outer| outer.contains(&topic)))
}

/// Marks the calling thread as inside a handler until dropped.
pub(crate) struct Serving {
    outer: usize,
}

impl Serving {
    #[inline]
    pub(crate) fn enter(topic: &TopicInner) -> Self {
        let outer = TOPIC.replace(address(topic));
        if outer != 0 {
            OUTER.with_borrow_mut(|all| all.push(outer));
        }
        Self { outer }
    }
}

impl Drop for Serving {
    #[inline]
    fn drop(&mut self) {
        TOPIC.set(self.outer);
        if self.outer != 0 {
            OUTER.with_borrow_mut(Vec::pop);
        }
    }
}

/// Marks the calling thread, in its handlers, as one that serves all of several topics, until dropped.
pub(super) struct ServingAll {
    outer: usize,
}

impl ServingAll {
    pub(super) fn enter(topics: &[Arc<TopicInner>]) -> Self {
        OUTER.with_borrow_mut(|all| {
            let outer = all.len();
            all.extend(topics.iter().map(|topic| address(topic)));
            Self { outer }
        })
    }
}

impl Drop for ServingAll {
    fn drop(&mut self) {
        OUTER.with_borrow_mut(|all| all.truncate(self.outer));
    }
}
