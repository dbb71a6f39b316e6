//! How producers get past lossy cursors: they push them on, or detach them, and account for what that costs.
//!
//! A producer that needs the room holds each cursor in the way, and looks at the values it is to be pushed past while
//! their slots still stand: the cursor's own position keeps every producer off them until it moves.

use super::batch::View;
use super::hold::Hold;
use crate::gating::{DETACHED, DETACHES, FILTERS, Gate, LEAVES};
use crate::guarded::guarded;
use crate::ring::Core;
use crate::sequence::Sequence;
use crate::sequencer::Sequencer;
use crate::sync::{Ordering, broken, ordering};

/// The gate with the lossy cursors taken into account: those that stand in the way of a claim up to `end` are pushed
/// on, unless somebody holds them, or the lossless gate would not let the claim through anyway.
pub(crate) fn push_lossy<T, S: Sequencer>(core: &Core<T, S>, end: Sequence, lossless: Sequence) -> Sequence {
    let needed = end.minus(core.capacity());
    let blocked = lossless.is_before(needed);
    let target = needed.plus(core.capacity() / 8).earlier(lossless);
    let mut earliest = lossless;
    core.gates.lossy.for_each(|index, gate| {
        let mut position = gate.position();
        if position.is_before(needed) && !blocked {
            let held = if broken("lossy.not_pushed_is_ignored") { target } else { position };
            position = push(core, index, gate, target).unwrap_or(held);
        }
        // Acquire: pairs with the release in `Hold::end`: what the one who was detached read lies before.
        if gate.holder.load(ordering("lossy.detached.acquire", Ordering::Acquire)) != DETACHED {
            earliest = earliest.earlier(position);
        }
    });
    earliest
}

/// Pushes one cursor on to `target`, or detaches it. Returns where it stands then, if nobody else holds it.
fn push<T, S: Sequencer>(core: &Core<T, S>, index: usize, gate: &Gate, target: Sequence) -> Option<Sequence> {
    let hold = Hold::take(core, index, gate, "lossy.push_held").ok()?;
    let from = gate.position();
    if !from.is_before(target) {
        return Some(from);
    }
    // Relaxed: written by whoever attached the cursor, before it could be held.
    let policy = gate.policy.load(Ordering::Relaxed);
    if policy & DETACHES != 0 {
        // Nobody reads what lies behind the position any more, whether the predicate matches it or not.
        hold.leave(LEAVES);
        return Some(target);
    }
    // `target` is not past the lossless gate, so all of this is published, and was acquired with that gate.
    let view = View::new(&core.slots, from, target, true);
    let (lost, skipped) = if policy & FILTERS == 0 { (view.count_values(), 0) } else { split(&hold, &view) };
    if !broken("lossy.lost.uncounted") {
        gate.lost.fetch_add(lost, Ordering::Relaxed);
    }
    if skipped > 0 && !broken("lossy.skipped.uncounted") {
        gate.skipped.fetch_add(skipped, Ordering::Relaxed);
    }
    gate.move_to(target);
    Some(target)
}

/// How many values in `view` the cursor's predicate matches, and how many it does not.
#[cold]
fn split<T, S: Sequencer>(hold: &Hold<'_, T, S>, view: &View<'_, T, S>) -> (u64, u64) {
    let (mut lost, mut skipped) = (0, 0);
    let looked = hold.with_predicate(|predicate| {
        view.for_each(|_, value| {
            // What it fails to look at is lost.
            let matches = guarded(true, || predicate(value));
            *(if matches { &mut lost } else { &mut skipped }) += 1;
        })
    });
    if looked.is_none() { (view.count_values(), 0) } else { (lost, skipped) }
}
