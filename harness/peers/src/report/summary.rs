//! What became of each target, at the end.

use crate::case::Case;
use crate::verdict::Verdict;

/// Claims of one target.
#[derive(Debug, Default)]
struct Count {
    held: usize,
    all: usize,
    /// Not decided, for want of samples.
    undecided: usize,
    /// What kept cases from being measured.
    faults: Vec<String>,
}

/// Held or not, target by target.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    targets: Vec<(&'static str, Count)>,
}

impl Summary {
    fn count(&mut self, case: &Case) -> &mut Count {
        let at = self.targets.iter().position(|(target, _)| *target == case.target);
        let at = at.unwrap_or_else(|| {
            self.targets.push((case.target, Count::default()));
            self.targets.len() - 1
        });
        &mut self.targets[at].1
    }

    /// Takes down a case that could not be measured: none of what it claims is known to hold.
    pub(crate) fn add_fault(&mut self, case: &Case, fault: &str) {
        let count = self.count(case);
        count.all += case.claims.iter().filter(|claim| claim.goal.is_some()).count().max(1);
        count.faults.push(format!("{}: {fault}", case.name));
    }

    /// Takes down a case. What has no goal does not count.
    pub(crate) fn add(&mut self, case: &Case, verdicts: &[Verdict]) {
        let count = self.count(case);
        for verdict in verdicts {
            if verdict.goal.is_some() {
                count.all += 1;
                count.held += usize::from(verdict.holds == Some(true));
                count.undecided += usize::from(verdict.holds.is_none());
            }
        }
    }

    pub(crate) fn all_hold(&self) -> bool {
        self.targets.iter().all(|(_, count)| count.held == count.all)
    }

    /// A line a target.
    pub(crate) fn text(&self) -> String {
        let line = |(target, count): &(&str, Count)| {
            let Count { held, all, undecided, ref faults } = *count;
            let word = match all - held {
                0 => "held",
                _ if !faults.is_empty() => "FAULT",
                open if open == undecided => "UNDECIDED",
                _ => "NOT HELD",
            };
            let few =
                if undecided > 0 { format!(", {undecided} for want of samples") } else { String::new() };
            let faults: String = faults.iter().map(|fault| format!("; {fault}")).collect();
            format!("{target:<4} {word:<9} {held} of {all}{few}{faults}\n")
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

    #[test]
    fn what_could_not_be_measured_does_not_hold() {
        let mut summary = Summary::default();
        let mut case = Case::new("T13", "test", Unit::Tail);
        case.claim("ours", &["peer"], 0.5);
        summary.add_fault(&case, "no harness");
        assert!(!summary.all_hold());
        assert_eq!(summary.text(), "T13  FAULT     0 of 1; test: no harness\n");
    }

    #[test]
    fn a_target_of_which_too_little_is_known_does_not_hold() {
        let mut summary = Summary::default();
        let all = [series("ours", &[(1.0, 36.0)]), series("peer", &[(1.0, 36.0)])];
        let mut case = Case::new("T1", "test", Unit::Rate);
        case.claim("ours", &["peer"], 0.5);
        summary.add(&case, &[settle(&case, &case.claims[0], &all, 2).unwrap()]);
        assert!(!summary.all_hold());
        assert_eq!(summary.text(), "T1   UNDECIDED 0 of 1, 1 for want of samples\n");
    }
}
