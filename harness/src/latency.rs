//! Latencies: one histogram per thread, merged at the end.
//!
//! An HdrHistogram with three significant digits, in nanoseconds, from 1 ns to an hour. What it may say about the tail
//! depends on how much was measured: a percentile `q` is given only with at least `100 / (1 - q)` samples behind it, so
//! that a hundred messages lie beyond it. One that is not backed by enough is absent. Beside the percentiles the result
//! keeps two pictures of the whole: the percentile curve, and a histogram by powers of two.

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::num;

const HOUR: u64 = 3_600_000_000_000;
/// The points of the percentile curve between its ends: each step halves what lies beyond, roughly.
const CURVE: [f64; 17] = [
    0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99, 0.995, 0.9975, 0.999, 0.9995, 0.9999, 0.99995, 0.99999,
    0.999_995, 0.999_999,
];

/// Records latencies on one thread.
#[derive(Debug, Clone)]
pub(crate) struct Recorder(Histogram<u64>);

impl Recorder {
    /// An empty histogram.
    pub(crate) fn new() -> Self {
        // The bounds are constants that the crate accepts; the fallback accepts any bounds.
        Self(
            Histogram::new_with_bounds(1, HOUR, 3)
                .unwrap_or_else(|_| unreachable!("constant bounds are valid")),
        )
    }

    /// Records one latency in nanoseconds. More than an hour counts as an hour.
    #[inline]
    pub(crate) fn record(&mut self, nanos: u64) {
        self.0.saturating_record(nanos);
    }

    /// Adds what another thread recorded.
    pub(crate) fn merge(&mut self, other: &Self) {
        // Both have the same bounds, so that adding cannot fail; were it to, the counts would show it.
        let merged = self.0.add(&other.0);
        debug_assert!(merged.is_ok(), "histograms of one shape add up");
    }

    /// How many latencies were recorded.
    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }

    /// The quantile `q` in nanoseconds, if enough was recorded to tell.
    pub(crate) fn quantile(&self, q: f64) -> Option<f64> {
        (self.0.len() >= samples_needed(q)).then(|| num::float(self.0.value_at_quantile(q)))
    }

    /// What the result says, in milliseconds.
    pub(crate) fn summary(&self) -> Summary {
        let some = !self.0.is_empty();
        let quantile = |q| self.quantile(q).map(num::millis);
        Summary {
            count: self.count(),
            p50: quantile(0.5),
            p95: quantile(0.95),
            p99: quantile(0.99),
            p999: quantile(0.999),
            p9999: quantile(0.9999),
            min: some.then(|| num::millis(num::float(self.0.min()))),
            max: some.then(|| num::millis(num::float(self.0.max()))),
            mean: some.then(|| num::millis(self.0.mean())),
            curve: self.curve(),
            histogram: self.histogram(),
            recorded: Some(Box::new(self.0.clone())),
        }
    }

    /// What the result says of one sample among several: the figures without the pictures.
    pub(crate) fn brief(&self) -> Summary {
        Summary { curve: Vec::new(), histogram: Vec::new(), recorded: None, ..self.summary() }
    }

    fn curve(&self) -> Vec<(f64, f64)> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let percent = |q: f64| (q * 1e8).round() / 1e6;
        let inner = CURVE.iter().filter_map(|&q| Some((percent(q), num::millis(self.quantile(q)?))));
        let ends = [self.0.min(), self.0.max()].map(|nanos| num::millis(num::float(nanos)));
        std::iter::once((0.0, ends[0])).chain(inner).chain([(100.0, ends[1])]).collect()
    }

    /// Counts by powers of two, each under its lower bound; empty buckets are left out.
    fn histogram(&self) -> Vec<(f64, u64)> {
        let mut buckets = vec![0; 64];
        for step in self.0.iter_recorded() {
            buckets[num::index(u64::from(step.value_iterated_to().max(1).ilog2()))] += step.count_at_value();
        }
        let bounds = (0..64).map(|power: u32| num::millis(num::float(1 << power)));
        bounds.zip(buckets).filter(|&(_, count)| count > 0).collect()
    }
}

/// How many samples must stand behind the quantile `q`.
pub(crate) fn samples_needed(q: f64) -> u64 {
    num::whole(100.0 / (1.0 - q))
}

/// The `latency` object of a result: milliseconds; what was not measured is absent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Summary {
    pub(crate) count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) p50: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) p95: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) p99: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) p999: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) p9999: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) min: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mean: Option<f64>,
    /// Percentile and milliseconds, from the smallest (0) to the largest (100); only what is backed by enough.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) curve: Vec<(f64, f64)>,
    /// Milliseconds and how many took that long, up to twice as long; a bucket per power of two nanoseconds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) histogram: Vec<(f64, u64)>,
    /// All of it, for `--hdr-log`.
    #[serde(skip)]
    pub(crate) recorded: Option<Box<Histogram<u64>>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(count: u64) -> Recorder {
        let mut recorder = Recorder::new();
        (0..count).for_each(|n| recorder.record(1_000 + n));
        recorder
    }

    #[test]
    fn a_percentile_needs_a_hundred_samples_beyond_it() {
        assert_eq!(samples_needed(0.5), 200);
        assert_eq!(samples_needed(0.99), 10_000);
        assert_eq!(samples_needed(0.9999), 1_000_000);
        let short = recorded(9_999).summary();
        assert!(short.p95.is_some() && short.p99.is_none() && short.p999.is_none());
        let enough = recorded(10_000).summary();
        assert!(enough.p99.is_some() && enough.p999.is_none());
    }

    #[test]
    fn nothing_recorded_is_absent_and_not_zero() {
        let json = serde_json::to_string(&Recorder::new().summary()).unwrap();
        assert_eq!(json, r#"{"count":0}"#);
    }

    #[test]
    fn times_are_given_in_milliseconds() {
        let mut recorder = Recorder::new();
        (0..1_000).for_each(|_| recorder.record(2_000_000));
        let summary = recorder.summary();
        assert!((summary.p50.unwrap() - 2.0).abs() < 0.01, "{summary:?}");
        assert!((summary.mean.unwrap() - 2.0).abs() < 0.01, "{summary:?}");
    }

    #[test]
    fn the_curve_rises_from_the_smallest_to_the_largest_and_claims_no_tail_it_has_not() {
        let curve = recorded(10_000).summary().curve;
        assert!(curve.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1), "{curve:?}");
        assert_eq!((curve[0], curve[curve.len() - 1].0), ((0.0, 0.001), 100.0));
        let percents: Vec<f64> = curve.iter().map(|&(percent, _)| percent).collect();
        assert!(percents.contains(&99.0) && !percents.contains(&99.5), "{percents:?}");
    }

    #[test]
    fn the_histogram_has_a_bucket_per_power_of_two_and_loses_nobody() {
        let mut recorder = Recorder::new();
        for (nanos, count) in [(1, 3), (1_023, 5), (1_024, 7), (2_047, 2), (1 << 30, 1)] {
            (0..count).for_each(|_| recorder.record(nanos));
        }
        let expected = [(0.000_001, 3), (0.000_512, 5), (0.001_024, 9), (1_073.741_824, 1)];
        assert_eq!(recorder.summary().histogram, expected);
        let brief = recorder.brief();
        assert!(brief.histogram.is_empty() && brief.curve.is_empty() && brief.count == 18);
    }

    #[test]
    fn threads_merge_into_one() {
        let mut one = recorded(100);
        one.merge(&recorded(200));
        assert_eq!(one.count(), 300);
    }
}
