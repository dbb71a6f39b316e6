//! The account of one publisher at the only consumer of a subscription.
//!
//! In the good case every number is the one expected and the account is a single counter. A number further on opens
//! a gap; one further back is either late (it closes part of a gap: out of order) or a repeat (it lies in none:
//! duplicate). Memory grows with what goes wrong, not with what is sent.

use super::Tally;

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Lane {
    base: u64,
    next: u64,
    received: u64,
    duplicated: u64,
    reordered: u64,
    /// Half-open ranges not seen yet, in order.
    gaps: Vec<(u64, u64)>,
}

impl Lane {
    /// An account that expects `base` next.
    pub(crate) fn new(base: u64) -> Self {
        Self { base, next: base, received: 0, duplicated: 0, reordered: 0, gaps: Vec::new() }
    }

    /// Enters one message. Whether it is new.
    #[inline]
    pub(crate) fn enter(&mut self, sequence: u64) -> bool {
        if sequence == self.next {
            self.next += 1;
            self.received += 1;
            true
        } else {
            self.surprise(sequence)
        }
    }

    #[cold]
    fn surprise(&mut self, sequence: u64) -> bool {
        if sequence > self.next {
            self.gaps.push((self.next, sequence));
            self.next = sequence + 1;
            self.received += 1;
            return true;
        }
        let position = self.gaps.partition_point(|&(_, end)| end <= sequence);
        match self.gaps.get(position).copied() {
            Some((start, end)) if start <= sequence => {
                self.reordered += 1;
                self.received += 1;
                let rest = [(start, sequence), (sequence + 1, end)];
                self.gaps.splice(position..=position, rest.into_iter().filter(|(start, end)| start < end));
                true
            }
            _ => {
                self.duplicated += 1;
                false
            }
        }
    }

    /// The number expected next.
    #[inline]
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Closes the account against the number of messages that the publisher sent.
    pub(crate) fn close(&self, sent: u64) -> Tally {
        debug_assert!(self.next - self.base >= self.received, "no more was received than there are numbers");
        Tally {
            accepted: sent,
            received: self.received,
            duplicated: self.duplicated,
            reordered: self.reordered,
            ..Tally::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entered(sequences: &[u64], sent: u64) -> Tally {
        let mut lane = Lane::new(100);
        for &sequence in sequences {
            lane.enter(100 + sequence);
        }
        lane.close(sent)
    }

    #[test]
    fn everything_once_in_order_balances() {
        let tally = entered(&[0, 1, 2, 3, 4], 5);
        assert_eq!((tally.lost(), tally.duplicated, tally.reordered), (0, 0, 0));
    }

    #[test]
    fn loss_is_caught_in_the_middle_and_at_the_end() {
        assert_eq!(entered(&[0, 1, 3, 4], 5).lost(), 1);
        assert_eq!(entered(&[0, 1, 2], 5).lost(), 2);
        assert_eq!(entered(&[], 5).lost(), 5);
    }

    #[test]
    fn duplicates_are_caught_at_once_and_much_later() {
        assert_eq!(entered(&[0, 1, 1, 2], 3).duplicated, 1);
        let tally = entered(&[0, 1, 2, 3, 0], 4);
        assert_eq!((tally.lost(), tally.duplicated, tally.reordered), (0, 1, 0));
    }

    #[test]
    fn a_late_message_is_reordered_and_neither_lost_nor_repeated() {
        let tally = entered(&[0, 2, 3, 1, 4], 5);
        assert_eq!((tally.lost(), tally.duplicated, tally.reordered), (0, 0, 1));
        // Late, and then once more.
        let tally = entered(&[0, 2, 3, 1, 1, 4], 5);
        assert_eq!((tally.lost(), tally.duplicated, tally.reordered), (0, 1, 1));
    }

    #[test]
    fn a_gap_closes_piece_by_piece() {
        let tally = entered(&[0, 10, 5, 3, 7, 4, 1, 2, 9, 8, 6], 11);
        assert_eq!((tally.lost(), tally.duplicated, tally.reordered), (0, 0, 9));
    }

    #[test]
    fn loss_and_repeat_do_not_cancel_out() {
        let tally = entered(&[0, 1, 1, 3], 4);
        assert_eq!((tally.lost(), tally.duplicated), (1, 1));
    }
}
