//! Handling messages where they stand, a batch at a time.
//!
//! A handler is erased once a batch, not once a message: the loop over the batch is compiled for its type. A panic
//! counts as a nack of the message that it happened in; the loop goes on after it.

use super::inner::SubscriptionInner;
use crate::external::caught;
use crate::record::{Held, InPlace, MessageId, Received, Record};
use crate::stats::add;
use ringmain_fanout::{Batch, Sequence};

/// What a handler says of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// It is done with.
    Ack,
    /// It is to be delivered again.
    Nack,
}

/// A handler whose type is forgotten.
pub(super) trait Handler: Send {
    /// Handles what one shard's ring has.
    fn batch(&mut self, subscription: &SubscriptionInner, shard: usize, batch: &Batch<'_, Record>);

    /// Handles one message that came back.
    fn again(&mut self, subscription: &SubscriptionInner, held: Held);
}

impl<F: FnMut(InPlace<'_>) -> Verdict + Send> Handler for F {
    fn batch(&mut self, subscription: &SubscriptionInner, shard: usize, batch: &Batch<'_, Record>) {
        // A subscription without a filter has a loop without one, and a topic without callers' payloads one without them.
        if subscription.filter.is_some() {
            handle_batch(self, subscription, shard, batch, |record, id| {
                subscription.matches(record).then(|| InPlace::new(record, id, 1))
            });
        } else if subscription.topic.is_plain() {
            handle_batch(self, subscription, shard, batch, |record, id| Some(InPlace::plain(record, id)));
        } else {
            handle_batch(self, subscription, shard, batch, |record, id| Some(InPlace::new(record, id, 1)));
        }
    }

    fn again(&mut self, subscription: &SubscriptionInner, held: Held) {
        let Held { message, attempt } = held;
        let verdict =
            caught(|| self(InPlace::new(&message.record, message.id, attempt))).unwrap_or_else(|| {
                add(&subscription.counters.panics, 1);
                Verdict::Nack
            });
        let counters = &subscription.counters;
        add(&counters.delivered, 1);
        add(&counters.redelivered, u64::from(attempt > 1));
        match verdict {
            Verdict::Ack => {
                add(&counters.acked, 1);
                subscription.settle(&message);
                // With message ordering, the next one of its key may go, to whoever sleeps.
                subscription.changed.notify();
                subscription.topic.reclaim(message.record);
            }
            Verdict::Nack => {
                add(&counters.nacked, 1);
                subscription.failed(message, attempt);
            }
        }
    }
}

/// (One function a kind of loop: each has the registers to itself.)
#[inline(never)]
fn handle_batch(
    handler: &mut impl FnMut(InPlace<'_>) -> Verdict,
    subscription: &SubscriptionInner,
    shard: usize,
    batch: &Batch<'_, Record>,
    show: impl for<'a> Fn(&'a Record, MessageId) -> Option<InPlace<'a>>,
) {
    let shards = subscription.receivers.len();
    let Some(start) = batch.start() else { return };
    let mut tally = Tally::default();
    let mut skip = 0;
    loop {
        // All that the loop keeps of a message is where it is, for the case of a panic.
        let mut at = start;
        let mut handled = 0;
        let run = || {
            handled = batch.for_each_after(skip, |sequence, record| {
                at = sequence;
                let id = MessageId::new(sequence, shard, shards);
                let Some(message) = show(record, id) else {
                    tally.filtered += 1;
                    return;
                };
                if handler(message) == Verdict::Nack {
                    tally.nacked += 1;
                    subscription.failed(Received { record: record.clone(), id }, 1);
                }
            });
        };
        if caught(run).is_some() {
            tally.handled += handled as u64;
            break;
        }
        add(&subscription.counters.panics, 1);
        let (before, next) = hold_one(subscription, shard, batch, skip, at);
        tally.handled += before + 1;
        tally.nacked += 1;
        skip = next;
    }
    tally.book(subscription);
}

/// Holds the message at `at`. Returns how many messages lie before it, after the first `skip` slots of the batch, and
/// how many slots of the batch lie before the one after it.
#[cold]
fn hold_one(
    subscription: &SubscriptionInner,
    shard: usize,
    batch: &Batch<'_, Record>,
    skip: usize,
    at: Sequence,
) -> (u64, usize) {
    let id = MessageId::new(at, shard, subscription.receivers.len());
    let mut before = 0;
    batch.for_each_after(skip, |sequence, record| {
        if sequence.is_before(at) {
            before += 1;
        } else if sequence == at {
            subscription.failed(Received { record: record.clone(), id }, 1);
        }
    });
    let next = if batch.is_in_place() {
        // Slots, with the padding among them.
        batch.start().map_or(0, |start| start.until(at)) + 1
    } else {
        skip as u64 + before + 1
    };
    (before, usize::try_from(next).unwrap_or(usize::MAX))
}

#[derive(Debug, Default)]
struct Tally {
    /// All of them.
    handled: u64,
    nacked: u64,
    filtered: u64,
}

impl Tally {
    /// One addition a batch when everything was acked.
    fn book(self, subscription: &SubscriptionInner) {
        let counters = &subscription.counters;
        let delivered = self.handled - self.filtered;
        if self.filtered > 0 {
            add(&counters.filtered, self.filtered);
        }
        if self.nacked == 0 {
            add(&counters.in_place, delivered);
            return;
        }
        add(&counters.taken, delivered);
        add(&counters.delivered, delivered);
        add(&counters.acked, delivered - self.nacked);
        add(&counters.nacked, self.nacked);
    }
}
