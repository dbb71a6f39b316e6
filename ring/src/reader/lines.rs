//! Taking lines over: a reader that has time writes into each line that it has read.
//!
//! A reader leaves the lines of the slots *shared* between its core and the producer's. Then each store of the producer, a
//! lap later, has to ask for the reader's copy to be given up, and on some processors few can be under way at a time; asking
//! ahead does not help either, since the producer's core has the line, only not to itself. A line that is the reader's
//! alone is fetched as any other. So the reader stores each stamp again as it is, before it lets the slots go: that moves the
//! wait from the producer to itself. (Measured: docs/decisions/0022.)
//!
//! That pays when the reader has caught up, and waits for the producer anyway; and as long as no other reader is to find
//! the lines in its cache.

use super::batch::View;
use crate::gating::Kind;
use crate::ring::Core;
use crate::sequence::Sequence;
use crate::sequencer::Sequencer;

/// Takes the lines of `from..to` over, as far as they are `available`, unless the reader is behind, or is one of several. The
/// caller has seen what is available published, the last padding of it before `padded`; and producers are held back from
/// `from` on until this returns.
#[inline]
pub(super) fn take_lines<T, S: Sequencer>(
    core: &Core<T, S>,
    from: Sequence,
    to: Sequence,
    available: Sequence,
    padded: Sequence,
) {
    if size_of::<S::Stamp>() > 0
        && from.is_before(to)
        && from.until(available) <= core.capacity() / 2
        && core.gates.list(Kind::Lossless).is_one()
    {
        let to = to.earlier(available);
        core.sequencer.take_lines(&core.slots, from, to);
        if let Some(take) = core.slots.0.take {
            // Published and held back, as the caller says.
            View::new(&core.slots, from, to, from.is_before(padded)).for_each(|_, value| take(value));
        }
    }
}
