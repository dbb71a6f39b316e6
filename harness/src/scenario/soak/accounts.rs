//! The engine's account of each subscription beside the books that the soak kept itself.

use super::books::{Kind, Settled, Told, imbalance};
use crate::driver::Counters;
use crate::driver::world::{SubscriptionStats, World};
use crate::ledger::Tally;
use crate::num;
use crate::result::Account;

/// What the account of the dead letters is called.
pub(crate) const DEAD_LETTERS: &str = "dead letters";

/// The books of every lasting subscription and of the dead letters.
pub(super) fn accounts(world: &World, told: &Told) -> Vec<Account> {
    let mut accounts = Vec::new();
    let mut fatal = Settled::default();
    for (subscription, &acked) in told.acked.iter().enumerate() {
        let name = format!("subscription {subscription}");
        let mut settled = acked;
        if Kind::of(subscription) == Kind::Fatal {
            settled = settled.and(told.fatal);
            fatal = fatal.and(told.fatal);
        }
        accounts.push(account(name, &world.stats(subscription), told.published, settled, told.corrupt));
    }
    let graveyard = account(DEAD_LETTERS.to_owned(), &world.graveyard(), fatal, told.buried, 0);
    accounts.push(graveyard);
    accounts
}

/// One subscription's books beside the engine's.
fn account(
    name: String,
    stats: &SubscriptionStats,
    published: Settled,
    settled: Settled,
    corrupt: u64,
) -> Account {
    let tally = Tally {
        accepted: published.count,
        received: settled.count.min(published.count),
        duplicated: settled.count.saturating_sub(published.count),
        corrupt,
        ..Tally::default()
    };
    let mut faults = tally.faults(&name);
    faults.extend(imbalance(&name, stats));
    if settled.count == published.count && settled != published {
        faults.push(format!("{name}: what was settled is not what was published, though it is as many"));
    }
    let mut compare = |what: &str, engine: u64, harness: u64| {
        if engine != harness {
            let [engine, harness] = [engine, harness].map(num::grouped);
            faults.push(format!("{name}: the engine counts {engine} {what}, the harness {harness}"));
        }
    };
    compare("accepted", stats.accepted, published.count);
    compare("settled", stats.acked + stats.dead_lettered, settled.count);
    compare("left", stats.unread + stats.held + stats.outstanding, 0);
    let counters = Counters {
        delivered: stats.delivered,
        acked: stats.acked,
        redelivered: stats.redelivered,
        dropped: stats.dropped,
        backlog: stats.unread + stats.held + stats.outstanding,
    };
    Account { name, tally, counters, faults }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::Header;

    fn settled(sequences: &[u64]) -> Settled {
        let mut settled = Settled::default();
        sequences.iter().for_each(|&sequence| settled.enter(Header { publisher: 0, sequence, time: 0 }));
        settled
    }

    fn stats(accepted: u64, acked: u64) -> SubscriptionStats {
        let mut stats = SubscriptionStats::default();
        (stats.accepted, stats.acked) = (accepted, acked);
        stats
    }

    #[test]
    fn the_books_are_held_against_the_engines() {
        let of = |stats: &SubscriptionStats, acked: &[u64]| {
            account("s".to_owned(), stats, settled(&[1, 2, 3]), settled(acked), 0).faults.join("; ")
        };
        assert_eq!(of(&stats(3, 3), &[3, 2, 1]), "");
        assert!(of(&stats(3, 3), &[1, 2, 2]).contains("not what was published"));
        assert!(of(&stats(3, 2), &[1, 2]).contains("1 accepted but never delivered"));
        assert!(of(&stats(3, 2), &[1, 2]).contains("3 messages accepted, 2 accounted for"));
        assert!(of(&stats(3, 3), &[1, 2, 3, 3]).contains("1 delivered more than once"));
        assert!(of(&stats(4, 4), &[1, 2, 3]).contains("the engine counts 4 accepted, the harness 3"));
    }
}
