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

use crate::gating::Kind;
use crate::ring::Core;
use crate::sequence::Sequence;
use crate::sequencer::Sequencer;

/// Takes the lines of `from..to` over, unless the reader, for whom everything up to `available` was `ready`, is behind, or
/// is one of several. The caller has seen all of it published, and producers are held back from it until this returns.
#[inline]
pub(super) fn take_lines<T, S: Sequencer>(
    core: &Core<T, S>,
    from: Sequence,
    to: Sequence,
    available: Sequence,
) {
    if size_of::<S::Stamp>() > 0
        && from.is_before(to)
        && from.until(available) <= core.capacity() / 2
        && core.gates.list(Kind::Lossless).is_one()
    {
        core.sequencer.take_lines(&core.slots, from, to.earlier(available));
    }
}
