//! The account of one publisher at one of several consumers that compete for a subscription.
//!
//! Each consumer sees some of the messages, in rising order. It marks a bit per message, which costs one hot cache
//! line and an eighth of a byte of memory; [`settle`] adds up the consumers of a subscription.

use super::Tally;
use crate::num;

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Share {
    base: u64,
    seen: Vec<u64>,
    next: u64,
    duplicated: u64,
    reordered: u64,
}

impl Share {
    /// An account for messages from `base` on.
    pub(crate) fn new(base: u64) -> Self {
        Self { base, seen: Vec::new(), next: base, duplicated: 0, reordered: 0 }
    }

    /// Enters one message. Whether it is new.
    #[inline]
    pub(crate) fn enter(&mut self, sequence: u64) -> bool {
        let Some(offset) = sequence.checked_sub(self.base) else {
            // From before this sample, when everything had been received already.
            self.duplicated += 1;
            return false;
        };
        let (word, bit) = (num::index(offset / 64), 1 << (offset % 64));
        if word >= self.seen.len() {
            self.seen.resize(word + 1, 0);
        }
        if self.seen[word] & bit != 0 {
            self.duplicated += 1;
            return false;
        }
        self.seen[word] |= bit;
        self.reordered += u64::from(sequence < self.next);
        self.next = sequence + 1;
        true
    }
}

/// Adds up the shares of all consumers of a subscription in the messages of one publisher, who sent `sent`.
pub(crate) fn settle(shares: &[Share], sent: u64) -> Tally {
    let mut tally = Tally { accepted: sent, ..Tally::default() };
    let words = shares.iter().map(|share| share.seen.len()).max().unwrap_or(0);
    for word in 0..words {
        let mut all = 0_u64;
        for share in shares {
            let seen = share.seen.get(word).copied().unwrap_or(0);
            tally.duplicated += u64::from((all & seen).count_ones());
            all |= seen;
        }
        tally.received += u64::from(all.count_ones());
    }
    for share in shares {
        tally.duplicated += share.duplicated;
        tally.reordered += share.reordered;
    }
    tally
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(entered: &[&[u64]]) -> Vec<Share> {
        entered
            .iter()
            .map(|sequences| {
                let mut share = Share::new(1_000);
                sequences.iter().for_each(|sequence| _ = share.enter(1_000 + sequence));
                share
            })
            .collect()
    }

    #[test]
    fn two_consumers_that_split_the_messages_balance() {
        let tally = settle(&shares(&[&[0, 1, 4, 5, 200], &[2, 3, 6]]), 8);
        assert_eq!((tally.received, tally.lost(), tally.duplicated, tally.reordered), (8, 0, 0, 0));
    }

    #[test]
    fn a_message_that_nobody_got_is_lost() {
        assert_eq!(settle(&shares(&[&[0, 1], &[3]]), 4).lost(), 1);
    }

    #[test]
    fn a_message_that_both_got_is_a_duplicate() {
        let tally = settle(&shares(&[&[0, 1, 2], &[2, 3]]), 4);
        assert_eq!((tally.lost(), tally.duplicated), (0, 1));
    }

    #[test]
    fn one_consumer_going_back_is_out_of_order() {
        let tally = settle(&shares(&[&[0, 3, 2], &[1]]), 4);
        assert_eq!((tally.lost(), tally.duplicated, tally.reordered), (0, 0, 1));
    }

    #[test]
    fn a_message_of_an_earlier_sample_is_a_duplicate() {
        let mut share = Share::new(10);
        share.enter(9);
        assert_eq!(settle(&[share], 0).duplicated, 1);
    }
}
