//! Whether one build is slower than another, and whether that is more than noise.
//!
//! Two sides, each a result or several of the same scenario and configuration. Of every [`metric`] there are the
//! values of either side: one an iteration when a side is a single result, one a run when there are several. The
//! change is that of the medians. It is a *regression* when it is beyond the threshold for the worse and more than
//! noise, an *improvement* the other way round; beyond the threshold, but not more than noise, it is *inconclusive*;
//! otherwise there is no difference worth naming.
//!
//! More than noise means both: the Mann-Whitney test ([`rank`]) gives at most 2 %, and the bootstrap interval of the
//! change ([`resample`]) leaves out zero. Six metrics that go together, each wrong one time in fifty and only counted
//! when it is beyond the threshold for the worse, make a build that is compared with itself pass 19 times of 20; from
//! six values a side on, a slow-down by 30 % is still found. With four values or fewer no test can reach 2 %: then
//! complete separation must do, and the line says so. With one value a side the threshold alone decides.

mod interleave;
mod metric;
mod rank;
mod resample;
#[cfg(test)]
mod simulated;

pub(crate) use interleave::run as interleave;
pub(crate) use metric::{Metric, Unit};

use serde_json::{Value, json};

use crate::num;

/// The probability up to which a difference is more than noise.
const LEVEL: f64 = 0.02;

/// What a metric says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finding {
    Same,
    Improvement,
    Inconclusive,
    Regression,
}

impl Finding {
    /// As in the table and in JSON.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Same => "no difference",
            Self::Improvement => "improvement",
            Self::Inconclusive => "inconclusive",
            Self::Regression => "regression",
        }
    }
}

/// One metric of both sides.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) metric: Metric,
    pub(crate) base: f64,
    pub(crate) current: f64,
    /// Values of either side.
    pub(crate) values: (usize, usize),
    /// Relative, from base to current.
    pub(crate) change: f64,
    /// Its 95 % interval; absent with one value a side.
    pub(crate) interval: Option<(f64, f64)>,
    /// Of a difference this large when there is none; absent with one value a side.
    pub(crate) probability: Option<f64>,
    pub(crate) finding: Finding,
}

/// The relative change. `None` from zero, of which nothing is a share.
pub(crate) fn change(base: f64, current: f64) -> Option<f64> {
    (base != 0.0).then(|| current / base - 1.0)
}

/// Compares two sides of one configuration (see [`difference`]); `threshold` is a share.
pub(crate) fn rows(base: &[Value], current: &[Value], threshold: f64) -> Vec<Row> {
    let sides = metric::sides(base, current).into_iter();
    sides.filter_map(|(metric, base, current)| row(metric, &base, &current, threshold)).collect()
}

fn row(metric: Metric, base: &[f64], current: &[f64], threshold: f64) -> Option<Row> {
    let several = base.len() > 1 && current.len() > 1;
    Some(Row {
        metric,
        base: num::median(base)?,
        current: num::median(current)?,
        values: (base.len(), current.len()),
        change: change(num::median(base)?, num::median(current)?)?,
        interval: resample::interval(base, current),
        probability: rank::probability(base, current).filter(|_| several),
        finding: finding(metric, base, current, threshold)?,
    })
}

/// What the values of a metric say. Goes no further than it takes to tell.
fn finding(metric: Metric, base: &[f64], current: &[f64], threshold: f64) -> Option<Finding> {
    let change = change(num::median(base)?, num::median(current)?)?;
    if change.abs() <= threshold {
        return Some(Finding::Same);
    }
    let more_than_noise = || {
        // The least that these sizes can reach, where that is above the level.
        let level = LEVEL.max(rank::smallest(base.len(), current.len()) * 1.000_001);
        rank::probability(base, current).is_none_or(|probability| probability <= level)
            && resample::interval(base, current).is_none_or(|(low, high)| low > 0.0 || high < 0.0)
    };
    let several = base.len() > 1 && current.len() > 1;
    Some(if several && !more_than_noise() {
        Finding::Inconclusive
    } else if (change > 0.0) == metric.more_is_better {
        Finding::Improvement
    } else {
        Finding::Regression
    })
}

impl Row {
    /// What weakens it, if anything does.
    pub(crate) fn caveat(&self) -> Option<&'static str> {
        match self.values {
            (1, _) | (_, 1) => Some("one value a side: noise unknown"),
            (base, current) if rank::smallest(base, current) > LEVEL => Some("few values a side"),
            _ => None,
        }
    }

    /// The row in JSON.
    pub(crate) fn object(&self) -> Value {
        let mut object = json!({
            "metric": self.metric.name,
            "base": self.base,
            "current": self.current,
            "baseValues": self.values.0,
            "currentValues": self.values.1,
            "changePercent": self.change * 100.0,
            "finding": self.finding.name(),
        });
        if let Some((low, high)) = self.interval {
            object["intervalPercent"] = json!([low * 100.0, high * 100.0]);
        }
        if let Some(probability) = self.probability {
            object["probability"] = json!(probability);
        }
        object
    }
}

/// The first field in which two results are not of the same scenario and configuration.
pub(crate) fn difference(base: &Value, current: &Value) -> Option<String> {
    if base["scenario"] != current["scenario"] {
        return Some(format!(
            "scenario is {} in BASE and {} in CURRENT",
            base["scenario"], current["scenario"]
        ));
    }
    let (left, right) = (base["config"].as_object(), current["config"].as_object());
    let names = left.into_iter().chain(right).flat_map(|config| config.keys());
    let of = |config: Option<&serde_json::Map<String, Value>>, name: &String| {
        config.and_then(|config| config.get(name)).map_or_else(|| "absent".to_owned(), ToString::to_string)
    };
    names
        .map(|name| (name, of(left, name), of(right, name)))
        .find(|(_, left, right)| left != right)
        .map(|(name, left, right)| format!("config.{name} is {left} in BASE and {right} in CURRENT"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(rates: &[f64]) -> Value {
        let iterations: Vec<Value> = rates.iter().map(|rate| json!({"messagesPerSec": rate})).collect();
        json!({"metrics": {"messagesPerSec": num::median(rates), "iterations": iterations}})
    }

    fn found(base: &[f64], current: &[f64]) -> Finding {
        rows(&[result(base)], &[result(current)], 0.1)[0].finding
    }

    const CALM: [f64; 5] = [100.0, 101.0, 99.0, 100.5, 99.5];

    #[test]
    fn beyond_the_threshold_and_the_noise_is_a_regression_or_an_improvement() {
        assert_eq!(found(&CALM, &CALM.map(|rate| rate * 0.7)), Finding::Regression);
        assert_eq!(found(&CALM, &CALM.map(|rate| rate * 1.3)), Finding::Improvement);
        assert_eq!(found(&CALM, &CALM.map(|rate| rate * 0.95)), Finding::Same);
    }

    #[test]
    fn beyond_the_threshold_within_the_noise_is_inconclusive() {
        assert_eq!(found(&CALM, &[70.0, 130.0, 60.0, 140.0, 80.0]), Finding::Inconclusive);
    }

    #[test]
    fn with_few_values_complete_separation_must_do_and_is_marked() {
        assert_eq!(found(&[100.0, 101.0, 102.0], &[70.0, 71.0, 72.0]), Finding::Regression);
        assert_eq!(found(&[100.0, 101.0, 69.0], &[70.0, 71.0, 102.0]), Finding::Inconclusive);
        let rows = rows(&[result(&[100.0, 101.0])], &[result(&[70.0, 71.0])], 0.1);
        assert_eq!(rows[0].caveat(), Some("few values a side"));
    }

    #[test]
    fn with_one_value_a_side_the_threshold_decides() {
        assert_eq!(found(&[100.0], &[89.0]), Finding::Regression);
        assert_eq!(found(&[100.0], &[91.0]), Finding::Same);
    }

    #[test]
    fn what_differs_is_named_with_both_values() {
        let base = json!({"scenario": "soak", "config": {"ring": 64, "quick": false}});
        let mut current = base.clone();
        assert_eq!(difference(&base, &current), None);
        current["config"]["ring"] = json!(128);
        assert_eq!(difference(&base, &current).unwrap(), "config.ring is 64 in BASE and 128 in CURRENT");
        current["config"] = json!({"ring": 64, "quick": false, "batch": 2});
        assert_eq!(difference(&base, &current).unwrap(), "config.batch is absent in BASE and 2 in CURRENT");
        current["scenario"] = json!("fanout");
        assert!(difference(&base, &current).unwrap().starts_with("scenario is \"soak\""));
    }
}
