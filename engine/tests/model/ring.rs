//! What was not delivered yet to a subscription, of one shard, in order.
//!
//! Those at the front may have left the ring: moved off, or dropped. How many is known within bounds, and decides what
//! else fits.

use super::Check;
use super::letter::Entry;
use super::subscription::Overflow;
use std::collections::VecDeque;
use std::rc::Rc;

#[derive(Debug, Default)]
pub(crate) struct Ring {
    pub(crate) queue: VecDeque<Rc<Entry>>,
    /// How many at the front have left the ring, at least and at most.
    pub(crate) off: Bounds,
    /// It fell a whole ring behind, and that detaches the subscription as soon as somebody looks.
    pub(crate) doomed: bool,
    /// Perhaps it did.
    pub(crate) may_be_doomed: bool,
    /// How many the call under way takes, perhaps before what came in its course.
    pub(crate) taking: usize,
    /// How many wait for their keys then, and leave the ring when what is before them is taken.
    pub(crate) waiting: usize,
    /// Before the call under way: how many at the front had left the ring at least, and whether it was doomed.
    pub(crate) before: (usize, bool),
    /// Whether what came in its course pushed something out, perhaps behind what it takes.
    pub(crate) pushed: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) least: usize,
    pub(crate) most: usize,
}

impl Ring {
    pub(crate) fn first(&self, count: usize) -> impl Iterator<Item = &Rc<Entry>> {
        self.queue.range(..count)
    }

    /// How many slots are taken by what was not read, at least and at most.
    pub(crate) fn occupied(&self) -> (usize, usize) {
        (self.queue.len() - self.off.most, self.queue.len() - self.off.least)
    }

    /// A message came. Of those that came in one step, the ids tell the order.
    pub(crate) fn insert(&mut self, entry: Rc<Entry>) {
        let place = self.queue.partition_point(|other| other.id < entry.id);
        self.queue.insert(place, entry);
    }

    /// A message came: what it pushed out, if the ring was full.
    pub(crate) fn make_room(&mut self, slots: usize, overflow: Overflow) -> Check {
        let beyond = self.queue.len().saturating_sub(slots + self.taking);
        match overflow {
            Overflow::Block => {
                let gone = if self.taking > 0 { self.off.most.max(self.waiting) } else { self.off.most };
                ensure!(
                    beyond <= gone,
                    "a message was accepted while {} of {slots} slots were unread",
                    (self.queue.len() - 1).saturating_sub(self.off.most)
                );
                self.off.least = self.off.least.max(beyond.min(self.off.most));
            }
            // By an eighth of the ring more than it must, at most.
            Overflow::DropOldest => {
                // What is being taken may go before this, or after it: a turn tells a gap and reads on.
                let maybe = self.queue.len().saturating_sub(slots);
                if self.off.least < maybe {
                    self.off.most = self.off.most.max(maybe + slots / 8);
                    self.pushed |= self.taking > 0;
                }
                self.off.least = self.off.least.max(beyond);
            }
            Overflow::Detach => {
                self.doomed |= beyond > self.off.most;
                self.may_be_doomed |= beyond > self.off.least;
            }
        }
        Ok(())
    }

    /// Takes out what is delivered; what was before it has left the ring, too.
    pub(crate) fn take(&mut self, index: usize) {
        self.queue.remove(index);
        self.before.0 = self.before.0.saturating_sub(1);
        self.off.least = self.off.least.saturating_sub(1).max(index);
        self.off.most = self.off.most.saturating_sub(1).max(index);
    }

    /// Nothing is left.
    pub(crate) fn empty(&mut self) {
        self.queue.clear();
        self.off = Bounds::default();
    }

    /// Takes out, from the first `count`, all that `gone` names; returns how many there were.
    pub(crate) fn remove(&mut self, count: usize, gone: impl Fn(&Entry) -> bool) -> usize {
        let mut removed = 0;
        for index in (0..count.min(self.queue.len())).rev() {
            if gone(&self.queue[index]) {
                self.queue.remove(index);
                removed += 1;
                self.off.least -= usize::from(index < self.off.least);
                self.off.most -= usize::from(index < self.off.most);
            }
        }
        removed
    }
}
