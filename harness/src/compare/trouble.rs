//! Results that broke down, and what that makes of a comparison.
//!
//! A run that broke down has no rate, and one that missed its criteria has one that means little. Neither may hide behind
//! the figures that are left, of which there are always some: memory. So each kind of trouble is counted on either side. It
//! is a regression when results of CURRENT have it and none of BASE has, or when they have it more often by more than
//! noise; and where a BASE has it, no improvement is claimed.

use serde_json::Value;

use super::rank;
use super::strata::Stratum;
use super::{LEVEL, metric};

/// A kind of trouble that at least one result has.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Trouble {
    /// What such results did, as in "failed the criteria".
    did: String,
    /// How many of either side, of how many.
    base: (usize, usize),
    current: (usize, usize),
    /// Whether CURRENT has it more often, by more than noise.
    pub(crate) is_worse: bool,
    /// Of the first such result, what it said.
    why: Option<String>,
}

/// Everything that is wrong with results of either side.
pub(crate) fn troubles(base: &[Value], current: &[Value]) -> Vec<Trouble> {
    let mut troubles = Vec::new();
    let all = || base.iter().chain(current);
    for headline in metric::headlines().filter(|metric| all().any(|result| metric.is_in(result))) {
        let lacks = |result: &Value| !headline.is_in(result);
        troubles.extend(trouble(format!("came to no {}", headline.name), [base, current], &lacks));
    }
    let unbalanced = |result: &Value| {
        let accounts = result["ledger"].as_array();
        accounts.is_some_and(|accounts| accounts.iter().any(|account| account["balanced"] == false))
    };
    troubles.extend(trouble("did not balance the books".to_owned(), [base, current], &unbalanced));
    let failed = |result: &Value| result["success"] == false;
    troubles.extend(trouble("failed the criteria".to_owned(), [base, current], &failed));
    troubles
}

fn trouble(did: String, sides: [&[Value]; 2], has: &dyn Fn(&Value) -> bool) -> Option<Trouble> {
    let marks = sides
        .map(|side| -> Vec<f64> { side.iter().map(|result| if has(result) { 1.0 } else { 0.0 }).collect() });
    let [base, current] = sides.map(|side| (side.iter().filter(|result| has(result)).count(), side.len()));
    let [in_base, in_current] = marks;
    let chance = rank::probability(&[Stratum { base: in_base, current: in_current }]);
    let more = current.0 * base.1 > base.0 * current.1;
    let first = sides[1].iter().chain(sides[0]).find(|result| has(result))?;
    Some(Trouble {
        did,
        base,
        current,
        is_worse: more && (base.0 == 0 || chance.is_some_and(|chance| chance <= LEVEL)),
        why: first["errors"][0].as_str().map(str::to_owned),
    })
}

impl Trouble {
    /// Whether a BASE has it, with which nothing compares to its advantage.
    pub(crate) fn is_in_base(&self) -> bool {
        self.base.0 > 0
    }

    /// In words.
    pub(crate) fn text(&self) -> String {
        let side = |name: &str, (count, of): (usize, usize)| match of {
            1 => name.to_owned(),
            _ => format!("{count} of {of} results of {name}"),
        };
        let (base, current) = (side("BASE", self.base), side("CURRENT", self.current));
        let who = match (self.base.0, self.current.0) {
            (0, _) => format!("{current} {}, and BASE did not", self.did),
            (_, 0) => format!("{base} {}, and CURRENT did not: no improvement is claimed", self.did),
            _ => format!("{base} and {current} {}", self.did),
        };
        self.why.as_ref().map_or_else(|| who.clone(), |why| format!("{who} ({why})"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fine() -> Value {
        json!({"success": true, "metrics": {"messagesPerSec": 9.0}, "ledger": [{"balanced": true}]})
    }

    fn broken() -> Value {
        json!({"success": false, "errors": ["the engine refused"], "metrics": {"memory": {"peakRssMB": 5.0}}})
    }

    fn texts(base: &[Value], current: &[Value]) -> Vec<(bool, String)> {
        troubles(base, current).iter().map(|trouble| (trouble.is_worse, trouble.text())).collect()
    }

    #[test]
    fn a_current_that_broke_down_is_worse_and_a_base_that_did_is_told() {
        assert!(troubles(&[fine()], &[fine()]).is_empty());
        assert_eq!(
            texts(&[fine()], &[broken()]),
            [
                (true, "CURRENT came to no throughput, and BASE did not (the engine refused)".to_owned()),
                (true, "CURRENT failed the criteria, and BASE did not (the engine refused)".to_owned()),
            ]
        );
        let reverse = troubles(&[broken()], &[fine()]);
        assert!(reverse.iter().all(|trouble| trouble.is_in_base() && !trouble.is_worse));
        assert!(reverse[0].text().contains("no improvement is claimed"), "{}", reverse[0].text());
        assert!(texts(&[broken()], &[broken()]).iter().all(|(is_worse, _)| !is_worse));
    }

    #[test]
    fn books_that_do_not_balance_are_a_trouble_of_their_own() {
        let mut lossy = fine();
        lossy["ledger"][0]["balanced"] = json!(false);
        let found = texts(&[fine()], &[lossy]);
        assert_eq!(found, [(true, "CURRENT did not balance the books, and BASE did not".to_owned())]);
    }

    #[test]
    fn of_many_runs_one_that_breaks_counts_unless_base_breaks_about_as_often() {
        let side = |broken_runs: usize| -> Vec<Value> {
            (0..10).map(|run| if run < broken_runs { broken() } else { fine() }).collect()
        };
        let worse = |base, current| troubles(&side(base), &side(current)).iter().any(|one| one.is_worse);
        assert!(worse(0, 1) && worse(1, 9) && !worse(1, 2) && !worse(2, 1) && !worse(10, 10));
        let text = &texts(&side(0), &side(1))[0].1;
        assert!(text.starts_with("1 of 10 results of CURRENT came to no throughput"), "{text}");
    }
}
