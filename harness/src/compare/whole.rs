//! What all rows together say, and the results that broke down.

use serde_json::Value;

use super::metric;
use super::trouble::{Trouble, troubles};
use super::{Finding, Row, resample, rows, strata};

/// The share of the threshold within which the interval of a headline must be for more rounds to be needless.
const SURE: f64 = 0.7;
/// Fewer pairs than this, spread over up to three placements, cannot reach a seventh of [`super::LEVEL`].
const PAIRS: usize = 8;

/// Two sides, compared.
#[derive(Debug, Clone)]
pub(crate) struct Comparison {
    pub(crate) rows: Vec<Row>,
    pub(crate) troubles: Vec<Trouble>,
}

impl Comparison {
    /// Compares two sides of one configuration; `threshold` is a share. Refuses what has nothing to be compared by.
    pub(crate) fn new(base: &[Value], current: &[Value], threshold: f64) -> Result<Self, String> {
        let has_some = |results: &[Value]| {
            results.iter().any(|result| metric::headlines().any(|headline| headline.is_in(result)))
        };
        if !has_some(base) && !has_some(current) {
            return Err(
                "neither BASE nor CURRENT has a rate or a capacity; compare runs that came to their end"
                    .to_owned(),
            );
        }
        Ok(Self { rows: rows(base, current, threshold), troubles: troubles(base, current) })
    }

    /// The finding of the whole.
    pub(crate) fn finding(&self) -> Finding {
        let found = whole(&self.rows);
        let has_headline = self.rows.iter().any(|row| row.metric.is_headline());
        let base_is_sound = has_headline && !self.troubles.iter().any(Trouble::is_in_base);
        if self.troubles.iter().any(|trouble| trouble.is_worse) {
            Finding::Regression
        } else if found == Finding::Improvement && !base_is_sound || found == Finding::Same && !has_headline {
            Finding::Inconclusive
        } else {
            found
        }
    }

    /// The rows that cannot be told.
    pub(crate) fn untold(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| row.finding == Finding::Inconclusive)
    }

    /// Whether a figure is worse by too few values, which is neither noise nor a regression for certain, or was not
    /// compared at all.
    pub(crate) fn is_open(&self) -> bool {
        self.rows.iter().any(Row::is_open)
    }
}

/// What all rows together say.
pub(super) fn whole(rows: &[Row]) -> Finding {
    let has = |finding| rows.iter().any(|row| row.finding == finding);
    let about = |row: &&Row| row.metric.is_headline();
    let untold = |row: &Row| row.finding == Finding::Inconclusive;
    let nothing_told = if rows.iter().any(|row| about(&row)) {
        rows.iter().filter(about).any(untold)
    } else {
        rows.iter().any(untold)
    };
    if has(Finding::Regression) {
        Finding::Regression
    } else if nothing_told || rows.iter().any(Row::is_open) {
        Finding::Inconclusive
    } else if has(Finding::Improvement) {
        Finding::Improvement
    } else {
        Finding::Same
    }
}

/// Whether the headlines are known so well that more rounds would hardly change what is said of them: the interval is
/// narrow, there is so much to compare in common placements that a change would be told from noise, and if there is one, it
/// is. (Of few values the interval alone makes too much.) Or whether a side breaks down, of which enough is known.
pub(crate) fn is_sure(base: &[Value], current: &[Value], threshold: f64) -> bool {
    let is_known = |base: &[metric::Measured], current: &[metric::Measured]| {
        let strata = strata::deal(base, current);
        let pairs: usize = strata.iter().map(|one| one.base.len().min(one.current.len())).sum();
        let interval = resample::interval(&strata, resample::FEW_DRAWS);
        pairs >= PAIRS && interval.is_some_and(|(low, high)| high - low <= 2.0 * SURE * threshold)
    };
    let sides = metric::sides(base, current);
    let headlines: Vec<_> = sides.iter().filter(|(metric, ..)| metric.is_headline()).collect();
    let breaks = headlines.is_empty() || troubles(base, current).iter().any(|one| one.is_worse);
    let all_known = || headlines.iter().all(|(_, base, current)| is_known(base, current));
    breaks || all_known() && whole(&rows(base, current, threshold)) != Finding::Inconclusive
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn result(rate: f64) -> Value {
        let iterations: Vec<Value> =
            (0..5).map(|n| json!({"messagesPerSec": rate * (1.0 + f64::from(n) / 1e3)})).collect();
        json!({"success": true, "metrics": {
            "messagesPerSec": rate, "iterations": iterations, "memory": {"peakRssMB": 9.0}}})
    }

    fn broken() -> Value {
        json!({"success": false, "errors": ["lost"], "metrics": {"memory": {"peakRssMB": 9.0}}})
    }

    fn found(base: &Value, current: &Value) -> Finding {
        let sides = [base, current].map(|result| vec![result.clone()]);
        Comparison::new(&sides[0], &sides[1], 0.1).unwrap().finding()
    }

    #[test]
    fn memory_alone_is_no_comparison() {
        assert_eq!(found(&result(9.0), &broken()), Finding::Regression);
        assert_eq!(found(&broken(), &result(9.0)), Finding::Inconclusive);
        let neither = Comparison::new(&[broken()], &[broken()], 0.1).unwrap_err();
        assert!(neither.contains("came to their end"), "{neither}");
    }

    #[test]
    fn a_current_that_failed_is_a_regression_and_beside_a_base_that_failed_nothing_improves() {
        let failed = |rate: f64| {
            let mut result = result(rate);
            result["success"] = json!(false);
            result
        };
        assert_eq!(found(&result(9.0), &failed(99.0)), Finding::Regression);
        assert_eq!(found(&failed(9.0), &result(99.0)), Finding::Inconclusive);
        assert_eq!(found(&failed(9.0), &failed(99.0)), Finding::Inconclusive);
        assert_eq!(found(&failed(9.0), &failed(9.0)), Finding::Same);
        assert_eq!(found(&failed(9.0), &result(5.0)), Finding::Regression);
        assert_eq!(found(&result(9.0), &result(99.0)), Finding::Improvement);
    }

    #[test]
    fn one_value_on_either_side_is_too_few_however_many_the_other_has() {
        let many = |rate: f64| {
            let mut result = result(rate);
            result["metrics"]["iterations"] =
                (0..30).map(|n| json!({"messagesPerSec": rate + f64::from(n)})).collect();
            result
        };
        let mut one = many(600.0);
        one["metrics"]["iterations"] = json!([{"messagesPerSec": 600.0}]);
        for (base, current) in [(many(900.0), one.clone()), (one, many(300.0))] {
            let compared = Comparison::new(&[base], &[current], 0.1).unwrap();
            assert_eq!(compared.finding(), Finding::Inconclusive);
            assert!(compared.is_open() && compared.rows[0].has_too_few(), "{:?}", compared.rows[0]);
            assert_eq!(compared.rows[0].caveat(), Some("one value a side: noise unknown"));
        }
    }
}
