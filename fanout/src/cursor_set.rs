//! Many positions on one ring, served by one thread, whatever their policies.
//!
//! The lossless ones are put under one cover, so that a publisher's scan sees one gate for all of them. The others are
//! read one by one, as clones.

use crate::batch::{Batch, Event};
use crate::channel::Channel;
use crate::error::{Foreign, ReceiveError};
use crate::overflow::Position;
use crate::receiver::Receiver;
use ringmain_ring::{Cover, Multi, Sequence};
use std::fmt;

/// In how many turns at the latest a member is told that it was detached, though others have something to read in each.
const LOOKED_AFTER: u32 = 64;

/// Receivers of one [`Channel`], read in turn by one thread. What [`Dispatcher`](crate::Dispatcher) is made of; use it
/// when events go to one place rather than to a handler each.
pub struct CursorSet<T: Send + Sync + 'static> {
    channel: Channel<T>,
    cover: Cover<T, Multi>,
    /// Which member a cursor of the cover belongs to.
    covered: Vec<usize>,
    /// Members that are not under the cover.
    others: Vec<usize>,
    members: Vec<Member<T>>,
    /// How many turns there were.
    turns: u32,
    scratch: Vec<(Sequence, T)>,
}

struct Member<T: Send + Sync + 'static> {
    receiver: Receiver<T>,
    told_detached: bool,
}

impl<T: Send + Sync + 'static> CursorSet<T> {
    /// No members yet.
    #[must_use]
    pub fn new(channel: &Channel<T>) -> Self {
        Self {
            channel: channel.clone(),
            cover: channel.ring().cover(),
            covered: Vec::new(),
            others: Vec::new(),
            members: Vec::new(),
            turns: 0,
            scratch: Vec::new(),
        }
    }

    /// Serves `receiver` from now on, as the member numbered by the order of adding. Clones of it elsewhere compete.
    ///
    /// # Errors
    /// [`Foreign`] with the receiver when it reads another channel.
    pub fn add(&mut self, receiver: Receiver<T>) -> Result<usize, Foreign<Receiver<T>>> {
        if !receiver.channel().is_same(&self.channel) {
            return Err(Foreign(receiver));
        }
        let member = self.members.len();
        match &**receiver.shared_position() {
            Position::Lossless(cursor) => {
                if self.cover.add(cursor.clone()).is_err() {
                    return Err(Foreign(receiver));
                }
                self.covered.push(member);
            }
            Position::Lossy { .. } => self.others.push(member),
        }
        self.members.push(Member { receiver, told_detached: false });
        Ok(member)
    }

    /// How many members there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there is no member.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Whether something may have been published since the last turn: a hint that costs a load, where a turn costs what it
    /// takes to keep others from taking one. (Of members that lose what they do not read in time it tells nothing, and
    /// says yes.)
    #[inline]
    #[must_use]
    pub fn has_news(&self) -> bool {
        !self.others.is_empty() || self.cover.has_news()
    }

    /// One turn: what is ready for each member, at most `limit` slots each, goes to `handle` with the member's number.
    /// Returns how many slots were read; of a lossy receiver, how many messages, or slots where there was nothing but padding. Waits for
    /// no message; but under a lossy policy for a clone that reads just then, or a publisher that is in the way.
    ///
    /// If `handle` panics, the batch it was given counts as read.
    #[inline]
    pub fn turn(&mut self, limit: usize, handle: impl FnMut(usize, Event<'_, T>)) -> usize {
        self.turn_by(|_| limit, handle)
    }

    /// As [`turn`](Self::turn), with a limit for each member, asked for when it is its turn; 0 leaves it out.
    #[inline]
    pub fn turn_by(
        &mut self,
        mut limit: impl FnMut(usize) -> usize,
        mut handle: impl FnMut(usize, Event<'_, T>),
    ) -> usize {
        let mut count = 0;
        if !self.covered.is_empty() {
            let turn = self.cover.turn();
            for (index, member) in self.covered.iter().enumerate() {
                if let Some(view) = turn.claim(index, limit(*member)) {
                    count += view.len();
                    handle(*member, Event::Batch(Batch::in_place(view)));
                }
            }
        }
        self.turns = self.turns.wrapping_add(1);
        if count == 0 || self.turns.is_multiple_of(LOOKED_AFTER) {
            self.tell_detached(&mut handle);
        }
        if self.others.is_empty() {
            return count;
        }
        // What handlers publish meanwhile is for the next turn, as it is to the lossless.
        let end = self.channel.tail();
        let Self { members, others, scratch, .. } = self;
        for &member in &*others {
            let limit = limit(member);
            count += members[member].lossy_turn(limit, end, scratch, |event| handle(member, event));
        }
        count
    }

    /// Lossless members can be detached too, by a clone of theirs: looked for when there is nothing else to do, and now and
    /// then. They leave the cover, which holds publishers up for whom it covers only.
    fn tell_detached(&mut self, handle: &mut impl FnMut(usize, Event<'_, T>)) {
        for index in (0..self.covered.len()).rev() {
            let number = self.covered[index];
            let member = &mut self.members[number];
            if member.receiver.shared_position().is_detached() {
                member.told_detached = true;
                drop(self.cover.swap_remove(index));
                self.covered.swap_remove(index);
                handle(number, Event::Detached);
            }
        }
    }

    /// Whether a turn would find something to read or to tell. Looks at every member: for use before sleeping.
    #[must_use]
    pub fn has_work(&self) -> bool {
        self.members.iter().any(|member| !member.told_detached && member.receiver.has_work())
    }

    /// Whether the channel is closed and every member has read to its end, or was told that it is detached.
    #[must_use]
    pub fn is_at_end(&self) -> bool {
        let at_end = |member: &Member<T>| {
            member.told_detached || member.receiver.shared_position().is_at_end(&self.channel)
        };
        // In this order: at the end there may still be a loss to be told.
        self.channel.is_closed() && self.members.iter().all(at_end) && !self.has_work()
    }

    /// The channel whose receivers these are.
    #[must_use]
    pub fn channel(&self) -> &Channel<T> {
        &self.channel
    }
}

impl<T: Send + Sync + 'static> Member<T> {
    /// The turn of a member that loses what it does not read in time: as many slots as others get, a hold at a time, of those before
    /// `end`. After a gap it reads on, or a publisher who keeps the others' pace would push it from gap to gap, and it would never
    /// read a message again; after a second one not, lest a publisher who is faster than that keeps it here.
    fn lossy_turn(
        &mut self,
        limit: usize,
        end: Sequence,
        scratch: &mut Vec<(Sequence, T)>,
        mut handle: impl FnMut(Event<'_, T>),
    ) -> usize {
        let position = self.receiver.shared_position();
        let (mut count, mut gaps) = (0, 0);
        while count < limit && gaps < 2 {
            let before = position.sequence();
            match position.read(limit - count, scratch, |batch| handle(Event::Batch(batch))) {
                // Nothing, or nothing but padding.
                Ok(0) if position.sequence() == before => break,
                Ok(0) => count += usize::try_from(before.until(position.sequence())).unwrap_or(limit),
                Ok(read) => count += read,
                Err(ReceiveError::Lagged(lost)) => {
                    gaps += 1;
                    handle(Event::Lagged(lost));
                }
                Err(_) => {
                    if !std::mem::replace(&mut self.told_detached, true) {
                        handle(Event::Detached);
                    }
                    break;
                }
            }
            if !position.sequence().is_before(end) {
                break;
            }
        }
        count
    }
}

impl<T: Send + Sync + 'static> fmt::Debug for CursorSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CursorSet").field("members", &self.members.len()).finish_non_exhaustive()
    }
}
