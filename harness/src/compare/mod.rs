//! Whether one build is slower than another, and whether that is more than noise.
//!
//! Two sides, each a result or several of the same scenario and configuration. Of every [`metric`] there are the
//! values of either side: one an iteration when a side is a single result, one a run when there are several. They are
//! dealt into [`strata`] by how far the CPUs were apart, and only compared within one; sides that have none in common cannot
//! be told apart. A change is a *regression* when
//! it is beyond the threshold for the worse and more than noise, an *improvement* the other way round; beyond the
//! threshold, but not more than noise, it is *inconclusive*; otherwise there is no difference worth naming.
//!
//! More than noise means both: the Mann-Whitney test ([`rank`]) leaves less than 2 % for all metrics together (Holm
//! 1979: the clearest of six must reach a sixth of that, the next a fifth, ..), and the bootstrap interval of the
//! change ([`resample`]) leaves out zero. So a build that is compared with itself is called worse or better one time
//! in fifty at most. With five values or fewer no test can reach that: then complete separation must do, and the line
//! says so. Of one value a side, or two, even that is mostly chance: a change beyond the threshold is inconclusive, and one
//! for the worse makes the whole so. Only of memory, which does not follow the machine's moment, does one value a side show
//! a difference: one beyond the threshold that is also more than processes scatter by ([`Metric::is_more_than_scatter`]).
//! A run that broke down is no value that is missing, but a finding of its own ([`trouble`]).
//!
//! The finding of the whole is that of its rows, with one exception. A tail percentile on a shared machine may be off
//! by a factor of ten from run to run, and would leave every comparison inconclusive. So rows that are not what the
//! scenario is about ([`Metric::is_headline`]) and cannot be told are named beside the finding, with the interval that
//! says what could hide in them, and do not take it back.

mod contrast;
mod interleave;
mod metric;
mod rank;
mod resample;
mod samples;
#[cfg(test)]
mod simulated;
mod strata;
mod trouble;
mod whole;

pub(crate) use contrast::contrast;
pub(crate) use interleave::run as interleave;
pub(crate) use metric::{Metric, Unit, level, lopsided, rate_level};
pub(crate) use samples::{one_part, parts};
pub(crate) use trouble::Trouble;
pub(crate) use whole::{Comparison, is_sure};

use serde_json::{Value, json};

use crate::num;
use metric::Measured;
use strata::Stratum;

/// The probability up to which any difference is more than noise, of all metrics together.
const LEVEL: f64 = 0.02;
/// The probability of complete separation by chance above which it proves nothing: that of three values a side is a tenth.
const CHANCE: f64 = 0.1;

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
    /// The median where most values are.
    pub(crate) base: f64,
    pub(crate) current: f64,
    /// Values of either side.
    pub(crate) values: (usize, usize),
    /// In how many placements of the CPUs.
    pub(crate) placements: usize,
    /// Relative, from base to current; absent where nothing can be compared.
    pub(crate) change: Option<f64>,
    /// How far the CPUs were apart on either side, where those distances have nothing in common.
    pub(crate) apart: Option<String>,
    strata: Vec<Stratum>,
    /// Of a difference this large when there is none; absent with one value a side.
    pub(crate) probability: Option<f64>,
    /// The smallest that so many values can give.
    smallest: f64,
    pub(crate) finding: Finding,
}

/// The relative change. `None` from zero, of which nothing is a share.
pub(crate) fn change(base: f64, current: f64) -> Option<f64> {
    (base != 0.0).then(|| current / base - 1.0)
}

/// Compares two sides of one configuration (see [`difference`]); `threshold` is a share.
fn rows(base: &[Value], current: &[Value], threshold: f64) -> Vec<Row> {
    let sides = metric::sides(base, current).into_iter();
    let mut rows: Vec<Row> =
        sides.filter_map(|(metric, base, current)| row(metric, &base, &current)).collect();
    judge(&mut rows, threshold);
    rows
}

fn row(metric: Metric, base: &[Measured], current: &[Measured]) -> Option<Row> {
    let strata = strata::deal(base, current);
    let all = |side: &[Measured]| side.iter().map(|one| one.value).collect();
    let apart = Stratum { base: all(base), current: all(current) };
    let fullest = strata.iter().max_by_key(|one| one.len()).unwrap_or(&apart);
    let count = |side: fn(&Stratum) -> &Vec<f64>| strata.iter().map(|one| side(one).len()).sum::<usize>();
    let values = (count(|one| &one.base), count(|one| &one.current));
    let several = values.0 > 1 && values.1 > 1;
    Some(Row {
        metric,
        base: num::median(&fullest.base)?,
        current: num::median(&fullest.current)?,
        values,
        placements: strata.len(),
        change: if strata.is_empty() { None } else { Some(resample::change(&strata)?) },
        apart: strata.is_empty().then(|| strata::distances(base, current)),
        probability: rank::probability(&strata).filter(|_| several),
        smallest: rank::smallest(&strata),
        strata,
        finding: Finding::Same,
    })
}

/// Says of each row what it is, given all of them.
fn judge(rows: &mut [Row], threshold: f64) {
    let mut order: Vec<usize> = (0..rows.len()).filter(|&at| rows[at].probability.is_some()).collect();
    order.sort_by(|&left, &right| {
        let probability = |at: usize| rows[at].probability.unwrap_or(1.0);
        probability(left).total_cmp(&probability(right))
    });
    let mut level = vec![0.0; rows.len()];
    for (place, &at) in order.iter().enumerate() {
        let left = num::float(num::count(order.len() - place));
        // The least that these sizes can reach, where that is above the level.
        level[at] = (LEVEL / left).max(rows[at].smallest * 1.000_001);
        // Nothing less clear than what is not clear enough is.
        if rows[at].probability.is_some_and(|probability| probability > level[at]) {
            break;
        }
    }
    for (row, level) in rows.iter_mut().zip(level) {
        let more_than_noise = || {
            row.probability.is_none_or(|probability| probability <= level)
                && row.interval().is_none_or(|(low, high)| low > 0.0 || high < 0.0)
        };
        row.finding = match row.change {
            Some(change) if change.abs() <= threshold => Finding::Same,
            Some(_) if !row.has_too_few() && more_than_noise() => {
                if row.is_worse() {
                    Finding::Regression
                } else {
                    Finding::Improvement
                }
            }
            _ => Finding::Inconclusive,
        };
    }
}

impl Row {
    /// The 95 % interval of the change; none with one value a side. Takes a moment.
    pub(crate) fn interval(&self) -> Option<(f64, f64)> {
        resample::interval(&self.strata, resample::DRAWS)
    }

    /// Whether it has so few values that nothing can tell them from noise.
    pub(crate) fn has_too_few(&self) -> bool {
        let is_plain = self.metric.is_more_than_scatter(self.current - self.base);
        let is_one = self.values.0.min(self.values.1) == 1;
        (is_one || self.smallest > CHANCE * 1.000_001) && !is_plain
    }

    fn is_worse(&self) -> bool {
        self.change.is_some_and(|change| (change > 0.0) != self.metric.more_is_better)
    }

    /// Whether it is worse, as far as so few values tell, or nothing was compared.
    fn is_open(&self) -> bool {
        let is_worse = self.has_too_few() && self.is_worse();
        self.finding == Finding::Inconclusive && (is_worse || self.apart.is_some())
    }

    /// What weakens it, if anything does.
    pub(crate) fn caveat(&self) -> Option<&'static str> {
        match self.values {
            _ if self.apart.is_some() => Some("no common distance"),
            (1, _) | (_, 1) if self.has_too_few() => Some("one value a side: noise unknown"),
            _ if self.smallest > LEVEL => Some("few values a side"),
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
            "placements": self.placements,
            "finding": self.finding.name(),
        });
        if let Some(change) = self.change {
            object["changePercent"] = json!(change * 100.0);
        }
        if let Some((low, high)) = self.interval() {
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
    if base["injected"] != current["injected"] {
        let [base, current] = [base, current].map(|side| side["injected"].as_str().unwrap_or("nothing"));
        return Some(format!("injected on purpose was {base} in BASE and {current} in CURRENT"));
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
    use super::whole::whole;
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
        assert_eq!(found(&[100.0, 101.0, 89.0], &[70.0, 71.0, 90.0]), Finding::Inconclusive);
        let rows = rows(&[result(&[100.0, 101.0])], &[result(&[70.0, 71.0])], 0.1);
        assert_eq!(rows[0].caveat(), Some("few values a side"));
        assert_eq!(rows[0].finding, Finding::Inconclusive, "two a side are separate one time in three");
    }

    fn row_of(name: &str, finding: Finding) -> Row {
        let result = json!({"metrics": {"messagesPerSec": 1.0, "latency": {"p99": 1.0}}});
        let mut rows = rows(std::slice::from_ref(&result), std::slice::from_ref(&result), 0.1);
        rows.retain(|row| row.metric.name == name);
        rows[0].finding = finding;
        rows.remove(0)
    }

    #[test]
    fn a_tail_that_cannot_be_told_does_not_take_back_what_the_headline_says() {
        let of = |throughput, p99| whole(&[row_of("throughput", throughput), row_of("p99", p99)]);
        assert_eq!(of(Finding::Same, Finding::Inconclusive), Finding::Same);
        assert_eq!(of(Finding::Improvement, Finding::Inconclusive), Finding::Improvement);
        assert_eq!(of(Finding::Inconclusive, Finding::Same), Finding::Inconclusive);
        assert_eq!(of(Finding::Inconclusive, Finding::Improvement), Finding::Inconclusive);
        assert_eq!(of(Finding::Same, Finding::Regression), Finding::Regression);
        assert_eq!(whole(&[row_of("p99", Finding::Inconclusive)]), Finding::Inconclusive);
    }

    #[test]
    fn of_many_metrics_the_clearest_must_be_clearer() {
        let rate: Vec<f64> = (0..6).map(|n| 100.0 + f64::from(n)).collect();
        let worse: Vec<f64> = rate.iter().map(|rate| rate * 0.8).collect();
        let result = |rates: &[f64]| {
            let iterations: Vec<Value> = rates
                .iter()
                .map(|rate| json!({"messagesPerSec": rate, "latency": {"p50": 1.0, "p95": 1.0, "p99": 1.0}}))
                .collect();
            json!({"metrics": {"iterations": iterations}})
        };
        let of = |current: &[f64]| rows(&[result(&rate)], &[result(current)], 0.1)[0].clone();
        assert_eq!(of(&worse).finding, Finding::Regression);
        let mut nearly = worse.clone();
        nearly[0] = 101.5; // now 0.015: below 2 %, and not below a quarter of it
        let row = of(&nearly);
        assert!(row.probability.is_some_and(|probability| (0.005..LEVEL).contains(&probability)), "{row:?}");
        assert_eq!(row.finding, Finding::Inconclusive);
    }

    #[test]
    fn agreement_of_a_few_is_not_enough_to_stop() {
        // Either side nearly always in a placement of its own: an interval as narrow as can be, and no evidence.
        let run = |far: bool| {
            let distance = if far { 200.0 } else { 15.0 };
            json!({"metrics": {"iterations": [{"messagesPerSec": if far { 25.0 } else { 100.0 },
                   "noise": {"placementBeforeNs": distance, "placementAfterNs": distance}}]}})
        };
        let side = |far: usize, near: usize| -> Vec<Value> {
            (0..far).map(|_| run(true)).chain((0..near).map(|_| run(false))).collect()
        };
        assert!(!is_sure(&side(9, 1), &side(1, 9), 0.1));
        assert!(is_sure(&side(6, 4), &side(4, 6), 0.1));
    }

    #[test]
    fn one_value_a_side_beyond_the_threshold_is_neither_noise_nor_a_regression_for_certain() {
        assert_eq!(found(&[100.0], &[89.0]), Finding::Inconclusive);
        assert_eq!(found(&[100.0], &[111.0]), Finding::Inconclusive);
        assert_eq!(found(&[100.0], &[91.0]), Finding::Same);
        assert_eq!(found(&[100.0], &CALM.map(|rate| rate * 0.7)), Finding::Inconclusive);
        // Not the headline, but it was worse: that is not passed over.
        let with = |p99: f64| {
            json!({"metrics": {"messagesPerSec": 9.0, "iterations": result(&CALM)["metrics"]["iterations"],
                                                 "latency": {"p99": p99}}})
        };
        let of = |current: f64| whole(&rows(&[with(1.0)], &[with(current)], 0.1));
        assert_eq!([of(1.0), of(0.5), of(2.0)], [Finding::Same, Finding::Same, Finding::Inconclusive]);
    }

    #[test]
    fn memory_of_one_process_a_side_is_a_regression_where_it_is_more_than_the_allocator_scatters_by() {
        let of = |base: f64, current: f64, runs: usize| {
            let side = |peak: f64| vec![json!({"metrics": {"memory": {"peakRssMB": peak}}}); runs];
            rows(&side(base), &side(current), 0.1)[0].finding
        };
        assert_eq!([of(10.0, 12.0, 1), of(12.0, 10.0, 1), of(10.0, 26.0, 2)], [Finding::Inconclusive; 3]);
        assert_eq!([of(10.0, 26.1, 1), of(500.0, 560.0, 2)], [Finding::Regression; 2]);
        assert_eq!([of(26.1, 10.0, 1), of(500.0, 520.0, 1)], [Finding::Improvement, Finding::Same]);
        assert_eq!(of(10.0, 12.0, 5), Finding::Regression, "five processes a side are told by their scatter");
    }

    #[test]
    fn nothing_is_not_known_well_and_a_side_that_breaks_down_is_known_to() {
        let broken = json!({"success": false, "metrics": {"memory": {"peakRssMB": 1.0}}});
        let runs = |result: Value| vec![result; 10];
        let rate = |rate: f64| json!({"success": true, "metrics": {"messagesPerSec": rate}});
        let wild = (1..=10).map(|n| rate(f64::from(n))).collect::<Vec<_>>();
        let mut breaking = wild.clone();
        assert!(!is_sure(&wild, &wild, 0.1));
        breaking[3] = broken.clone();
        assert!(is_sure(&wild, &breaking, 0.1), "a CURRENT that broke down is a regression, whatever comes");
        assert!(!is_sure(&breaking, &wild, 0.1));
        assert!(is_sure(&runs(broken), &wild, 0.1), "there is nothing to compare");
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
        current["injected"] = json!("stall=1ms");
        let injected = difference(&base, &current).unwrap();
        assert_eq!(injected, "injected on purpose was nothing in BASE and stall=1ms in CURRENT");
        current["scenario"] = json!("fanout");
        assert!(difference(&base, &current).unwrap().starts_with("scenario is \"soak\""));
    }
}
