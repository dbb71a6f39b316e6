//! The ledger: every message accounted for, on every run.
//!
//! A publisher numbers its messages. Each consumer keeps one [`Lane`] per publisher of the subscriptions it reads
//! and enters every number it sees; after the sample the lanes of a subscription are closed against what the
//! publishers say they sent, and the [`Tally`] tells what was lost, delivered twice, or delivered out of order. A
//! sole consumer expects the next number and pays one comparison per message; consumers that compete for a
//! subscription see gaps by design, so they mark a bit per message instead, and the bits are added up at the end.
//!
//! At the end of the run the tallies are compared with the engine's own counters: two books kept by different hands.

mod lane;
mod share;

pub(crate) use lane::Lane;
pub(crate) use share::{Share, settle};

/// What became of the messages of one subscription.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Sent by the publishers while the subscription was attached.
    pub(crate) accepted: u64,
    /// Entered at least once.
    pub(crate) received: u64,
    /// Entered again.
    pub(crate) duplicated: u64,
    /// Entered after a later one of the same publisher.
    pub(crate) reordered: u64,
    /// Whose payload was not what the publisher wrote.
    pub(crate) corrupt: u64,
    /// Dropped by the subscription's overflow policy, by the engine's count.
    pub(crate) dropped: u64,
}

impl Tally {
    /// Adds another tally of the same subscription.
    pub(crate) fn add(&mut self, other: &Self) {
        self.accepted += other.accepted;
        self.received += other.received;
        self.duplicated += other.duplicated;
        self.reordered += other.reordered;
        self.corrupt += other.corrupt;
        self.dropped += other.dropped;
    }

    /// Accepted, but neither received nor dropped by policy.
    pub(crate) fn lost(&self) -> u64 {
        self.accepted.saturating_sub(self.received + self.dropped)
    }

    /// What is wrong, in words; empty when the ledger balances.
    pub(crate) fn faults(&self, subscription: &str) -> Vec<String> {
        let mut faults = Vec::new();
        let mut note = |count: u64, what: &str| {
            if count > 0 {
                faults.push(format!("{subscription}: {} {what}", crate::num::grouped(count)));
            }
        };
        note(self.lost(), "accepted but never delivered");
        note((self.received + self.dropped).saturating_sub(self.accepted), "delivered but never accepted");
        note(self.duplicated, "delivered more than once");
        note(self.reordered, "delivered out of order");
        note(self.corrupt, "with a payload that is not what was published");
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_balanced_tally_has_no_faults() {
        let tally = Tally { accepted: 10, received: 8, dropped: 2, ..Tally::default() };
        assert_eq!(tally.lost(), 0);
        assert!(tally.faults("s").is_empty());
    }

    #[test]
    fn each_fault_is_named_with_its_count() {
        let tally =
            Tally { accepted: 10_000, received: 1, duplicated: 2, reordered: 3, corrupt: 4, dropped: 0 };
        let faults = tally.faults("billing").join("; ");
        for part in ["9,999 accepted but never", "2 delivered more", "3 delivered out", "4 with a payload"] {
            assert!(faults.contains(part), "{part} in {faults}");
        }
        let invented = Tally { accepted: 1, received: 2, ..Tally::default() };
        assert!(invented.faults("s")[0].contains("never accepted"));
    }
}
