//! The targets as a table: what runs in each case, and which ratio must hold.
//!
//! A case is a set of contenders that take turns; its claims compare medians within it. Where a claim names
//! several peers, the fastest of them is the one to beat. Everything a claim needs runs in one case, so that
//! no ratio is ever taken between figures of different minutes. Peers that no claim names run beside the others
//! to be seen.

mod engine;
mod fan_out;
mod latency;
mod many;
mod pair;
mod saturation;

use crate::case::{Case, Shape};
use crate::payload::Read;

/// The targets that this table measures.
pub(crate) const TARGETS: [&str; 14] =
    ["T1", "T2", "T3", "T4", "T5", "T6", "T7", "T8", "T9", "T10", "T11", "T12", "T13", "T14"];

/// Messages in a batch.
const BATCH: usize = 64;

/// The whole table, in order.
pub(crate) fn cases() -> Vec<Case> {
    let groups = [
        pair::cases(),
        many::cases(),
        fan_out::cases(),
        engine::busy(),
        fan_out::subscriptions(),
        latency::cases(),
        engine::idle_and_crowded(),
        saturation::cases(),
        engine::end_to_end(),
    ];
    groups.into_iter().flatten().collect()
}

/// One producer, one receiver, single publishes, everything read.
const fn one_to_one(capacity: usize) -> Shape {
    Shape { producers: 1, receivers: 1, capacity, batch: 1, read: Read::Every }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::Against;

    #[test]
    fn every_target_has_a_claim_with_a_goal_and_cases_come_in_their_order() {
        let cases = cases();
        for target in TARGETS {
            let claims = cases.iter().filter(|case| case.target == target).flat_map(|case| &case.claims);
            assert!(claims.filter(|claim| claim.goal.is_some()).count() > 0, "{target}");
        }
        let order = cases.iter().map(|case| TARGETS.iter().position(|target| *target == case.target));
        assert!(order.is_sorted_by(|a, b| a.is_some() && a <= b));
    }

    #[test]
    fn claims_are_about_contenders_of_their_case_that_have_different_names() {
        for case in cases() {
            let mut names: Vec<_> = case.contenders.iter().map(|contender| &contender.name).collect();
            for claim in &case.claims {
                assert!(names.contains(&&claim.ours), "{} {}: {}", case.target, case.name, claim.ours);
                if let Against::Best(peers) = &claim.against {
                    assert!(!peers.is_empty() && peers.iter().all(|peer| names.contains(&peer)), "{claim:?}");
                }
            }
            names.sort();
            assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{} {}", case.target, case.name);
        }
    }
}
