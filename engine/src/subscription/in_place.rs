//! Handling messages where they stand, a batch at a time.
//!
//! A handler is erased once a batch, not once a message: the loop over the batch is compiled for its type. A panic
//! counts as a nack of the message that it happened in; the loop goes on after it.

use super::inner::SubscriptionInner;
use super::serving::Serving;
use crate::record::{Held, InPlace, MessageId, Received, Record};
use crate::stats::add;
use ringmain_fanout::{Batch, Sequence};
use std::panic::{AssertUnwindSafe, catch_unwind};

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
        let _serving = Serving::enter(&subscription.topic);
        let mut tally = Tally::default();
        let mut skip = 0;
        loop {
            let mut at = None;
            let shards = subscription.receivers.len();
            let run = AssertUnwindSafe(|| {
                batch.for_each_after(skip, |sequence, record| {
                    at = Some(sequence);
                    let id = MessageId::new(sequence, shard, shards);
                    let verdict = self(InPlace::new(record, id, 1));
                    tally.handled += 1;
                    if verdict == Verdict::Nack {
                        tally.nacked += 1;
                        subscription.hold(Received { record: record.clone(), id }, 1);
                    }
                })
            });
            if catch_unwind(run).is_ok() {
                break;
            }
            // The panic was in the message that `at` names.
            let Some(at) = at else { break };
            tally.handled += 1;
            tally.nacked += 1;
            add(&subscription.counters.panics, 1);
            skip = hold_one(subscription, shard, batch, skip, at);
        }
        tally.book(subscription);
    }

    fn again(&mut self, subscription: &SubscriptionInner, held: Held) {
        let _serving = Serving::enter(&subscription.topic);
        let Held { message, attempt } = held;
        let run = AssertUnwindSafe(|| self(InPlace::new(&message.record, message.id, attempt)));
        let verdict = catch_unwind(run).unwrap_or_else(|_panic| {
            add(&subscription.counters.panics, 1);
            Verdict::Nack
        });
        let counters = &subscription.counters;
        add(&counters.delivered, 1);
        add(&counters.redelivered, 1);
        match verdict {
            Verdict::Ack => add(&counters.acked, 1),
            Verdict::Nack => {
                add(&counters.nacked, 1);
                subscription.hold(message, attempt);
            }
        }
    }
}

/// Holds the message at `at`, and returns how many of the batch's slots lie before the one after it.
#[cold]
fn hold_one(
    subscription: &SubscriptionInner,
    shard: usize,
    batch: &Batch<'_, Record>,
    skip: usize,
    at: Sequence,
) -> usize {
    let id = MessageId::new(at, shard, subscription.receivers.len());
    let mut index = 0;
    let mut calls = 0;
    batch.for_each_after(skip, |sequence, record| {
        calls += 1;
        if sequence == at {
            index = calls;
            subscription.hold(Received { record: record.clone(), id }, 1);
        }
    });
    if batch.is_in_place() {
        // Slots, with the padding among them.
        let slots = batch.start().map_or(0, |start| start.until(at)) + 1;
        usize::try_from(slots).unwrap_or(usize::MAX)
    } else {
        skip + index
    }
}

#[derive(Debug, Default)]
struct Tally {
    handled: u64,
    nacked: u64,
}

impl Tally {
    /// One addition a batch when everything was acked.
    fn book(self, subscription: &SubscriptionInner) {
        let counters = &subscription.counters;
        if self.nacked == 0 {
            add(&counters.in_place, self.handled);
            return;
        }
        add(&counters.taken, self.handled);
        add(&counters.delivered, self.handled);
        add(&counters.acked, self.handled - self.nacked);
        add(&counters.nacked, self.nacked);
    }
}
