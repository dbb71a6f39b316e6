//! Latencies: one histogram per thread, merged at the end.
//!
//! An HdrHistogram with three significant digits, in nanoseconds, from 1 ns to an hour. What it may say about the tail
//! depends on how much was measured: a percentile `q` is given only with at least `100 / (1 - q)` samples behind it, so
//! that a hundred messages lie beyond it. One that is not backed by enough is absent.

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::num;

const HOUR: u64 = 3_600_000_000_000;

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
        }
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
    fn threads_merge_into_one() {
        let mut one = recorded(100);
        one.merge(&recorded(200));
        assert_eq!(one.count(), 300);
    }
}
