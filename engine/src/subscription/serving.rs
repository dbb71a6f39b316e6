//! Which topics' messages this thread is handling, so that a handler that would wait for itself is told so.

use crate::external::LetGoLater;
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

/// Marks the calling thread as inside a handler, or in the midst of a dispatcher's turn, until dropped.
pub(crate) struct Serving {
    outer: usize,
    /// How long the list was before, if it is longer now.
    list: usize,
}

/// It is as long as before.
const UNLISTED: usize = usize::MAX;

impl Serving {
    /// For `topic`.
    #[inline]
    pub(crate) fn enter(topic: &TopicInner) -> Self {
        let topic = address(topic);
        let outer = TOPIC.replace(topic);
        Self { outer, list: if outer == 0 || outer == topic { UNLISTED } else { list(outer, &[]) } }
    }

    /// For all of a dispatcher's topics, in and between its handlers: what it waited for there, none of them would bring.
    #[inline(always)]
    pub(super) fn enter_all(topics: &[Arc<TopicInner>]) -> Self {
        let outer = TOPIC.replace(topics.first().map_or(0, |topic| address(topic)));
        Self { outer, list: if outer == 0 && topics.len() <= 1 { UNLISTED } else { list(outer, topics) } }
    }
}

impl Drop for Serving {
    #[inline(always)]
    fn drop(&mut self) {
        TOPIC.set(self.outer);
        if self.list != UNLISTED {
            unlist(self.list);
        }
    }
}

/// Lets go of payloads. An owner who publishes to `topic` when his goes, and would wait for room, would wait for this thread, which
/// consumes there.
pub(crate) fn let_go(payloads: LetGoLater, topic: &TopicInner) {
    let _serving = Serving::enter(topic);
    drop(payloads);
}

#[cold]
fn list(outer: usize, topics: &[Arc<TopicInner>]) -> usize {
    OUTER.with_borrow_mut(|all| {
        let before = all.len();
        all.push(outer);
        all.extend(topics.iter().map(|topic| address(topic)));
        before
    })
}

#[cold]
fn unlist(before: usize) {
    OUTER.with_borrow_mut(|all| all.truncate(before));
}
