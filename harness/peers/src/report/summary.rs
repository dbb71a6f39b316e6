//! What became of each target, at the end.

use crate::case::Case;
use crate::verdict::Verdict;

/// Claims of one target.
#[derive(Debug, Default)]
struct Count {
    held: usize,
    all: usize,
    /// Settled with fewer samples than wanted.
    few: usize,
}

/// Held or not, target by target.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    targets: Vec<(&'static str, Count)>,
}

impl Summary {
    /// Takes down a case. What has no goal does not count.
    pub(crate) fn add(&mut self, case: &Case, verdicts: &[Verdict]) {
        let at = self.targets.iter().position(|(target, _)| *target == case.target);
        let at = at.unwrap_or_else(|| {
            self.targets.push((case.target, Count::default()));
            self.targets.len() - 1
        });
        let count = &mut self.targets[at].1;
        for verdict in verdicts {
            let Some(holds) = verdict.holds else { continue };
            count.all += 1;
            count.held += usize::from(holds);
            count.few += usize::from(!verdict.enough);
        }
    }

    pub(crate) fn all_hold(&self) -> bool {
        self.targets.iter().all(|(_, count)| count.held == count.all)
    }

    /// A line a target.
    pub(crate) fn text(&self) -> String {
        let line = |(target, count): &(&str, Count)| {
            let Count { held, all, few } = count;
            let word = if held == all { "held" } else { "NOT HELD" };
            let few = if *few > 0 { format!(", {few} with few samples") } else { String::new() };
            format!("{target:<4} {word:<9} {held} of {all}{few}\n")
        };
        self.targets.iter().filter(|(_, count)| count.all > 0).map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::Unit;
    use crate::series::tests::series;
    use crate::verdict::settle;

    #[test]
    fn a_target_holds_when_all_its_claims_do() {
        let mut summary = Summary::default();
        let all = [series("ours", &[(1.0, 36.0)]), series("peer", &[(1.0, 36.0)])];
        for goals in [[Some(1.0), None], [Some(1.1), Some(0.5)]] {
            let mut case = Case::new("T1", "test", Unit::Rate);
            goals.into_iter().for_each(|goal| case.claim("ours", &["peer"], goal));
            let settled = case.claims.iter().map(|claim| settle(&case, claim, &all, 1).unwrap());
            let settled: Vec<_> = settled.collect();
            assert!(summary.all_hold());
            summary.add(&case, &settled);
        }
        assert!(!summary.all_hold());
        assert_eq!(summary.text(), "T1   NOT HELD  2 of 3\n");
    }
}
