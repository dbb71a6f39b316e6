//! When each message was acked by the last of its subscriptions.
//!
//! A fan-out is done with a message when its last subscription is, so that is what its latency counts to. Each
//! consumer thread notes the last ack of its own cursors; merged, they tell the last of all, and how many there were.
//! This costs a few words a message, which is why only paced loads of few messages are noted.

use crate::latency::Recorder;
use crate::num;

/// What is known of one message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Acked {
    due: u64,
    last: u64,
    acks: u64,
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub(crate) struct LastAcks {
    bases: Vec<u64>,
    /// By publisher, then by number from its base on.
    messages: Vec<Vec<Acked>>,
    /// Delivered in this turn: publisher, number, due time.
    turn: Vec<(usize, u64, u64)>,
}

impl LastAcks {
    /// For messages from `bases` on, one for each publisher.
    pub(crate) fn new(bases: &[u64]) -> Self {
        Self { bases: bases.to_vec(), messages: vec![Vec::new(); bases.len()], turn: Vec::new() }
    }

    /// Notes a delivery, acked at the end of this turn.
    pub(crate) fn delivered(&mut self, publisher: usize, sequence: u64, due: u64) {
        self.turn.push((publisher, sequence, due));
    }

    /// Ends the turn.
    pub(crate) fn acked(&mut self, now: u64) {
        for (publisher, sequence, due) in std::mem::take(&mut self.turn) {
            let Some(offset) = self.bases.get(publisher).and_then(|base| sequence.checked_sub(*base)) else {
                continue; // the ledger has it as corrupt or repeated
            };
            let (messages, offset) = (&mut self.messages[publisher], num::index(offset));
            if messages.len() <= offset {
                messages.resize(offset + 1, Acked::default());
            }
            let before = messages[offset].acks;
            messages[offset] = Acked { due, last: now, acks: before + 1 };
        }
    }

    /// Adds what another thread noted of the same messages.
    pub(crate) fn merge(&mut self, other: &Self) {
        if self.messages.is_empty() {
            self.clone_from(other);
            return;
        }
        for (mine, theirs) in self.messages.iter_mut().zip(&other.messages) {
            mine.resize(mine.len().max(theirs.len()), Acked::default());
            for (mine, theirs) in mine.iter_mut().zip(theirs) {
                *mine = Acked {
                    due: mine.due.max(theirs.due),
                    last: mine.last.max(theirs.last),
                    acks: mine.acks + theirs.acks,
                };
            }
        }
    }

    /// How long each message took until the last of its acks. One that is not acked `subscriptions` times is not done
    /// with, and has no latency.
    pub(crate) fn latencies(&self, subscriptions: usize) -> Recorder {
        let mut latencies = Recorder::new();
        let done = |acked: &&Acked| acked.acks >= num::count(subscriptions);
        for acked in self.messages.iter().flatten().filter(done) {
            latencies.record(acked.last.saturating_sub(acked.due));
        }
        latencies
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ack_of_any_thread_counts() {
        let (mut one, mut other) = (LastAcks::new(&[5]), LastAcks::new(&[5]));
        one.delivered(0, 5, 100);
        one.delivered(0, 5, 100);
        one.acked(150);
        one.delivered(0, 6, 200);
        one.acked(210);
        other.delivered(0, 5, 100);
        other.acked(400);
        let mut all = LastAcks::default();
        all.merge(&one);
        all.merge(&other);
        let latencies = all.latencies(3);
        // Message 6 lacks two acks: it has none.
        assert_eq!((latencies.count(), latencies.summary().max), (1, Some(0.0003)));
        assert_eq!(all.latencies(1).count(), 2);
    }
}
