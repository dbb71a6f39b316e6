//! The parts of a result that let a reader judge it: the ledger, the noise, and who used the CPUs.

use serde::Serialize;
use serde_json::{Value, json};

use crate::driver::Counters;
use crate::ledger::Tally;
use crate::noise::Noise;
use crate::num;

/// The books of one subscription: the harness's and the engine's.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) tally: Tally,
    pub(crate) counters: Counters,
    /// What does not add up.
    pub(crate) faults: Vec<String>,
}

impl Account {
    /// An entry of `ledger`. Here a zero is a figure like any other: nothing lost is what was measured.
    pub(crate) fn object(&self) -> Value {
        let Tally { accepted, received, duplicated, reordered, corrupt, dropped } = self.tally;
        json!({
            "subscription": self.name,
            "accepted": accepted,
            "delivered": received,
            "acked": self.counters.acked,
            "redelivered": self.counters.redelivered,
            "droppedByPolicy": dropped,
            "lost": self.tally.lost(),
            "duplicated": duplicated,
            "outOfOrder": reordered,
            "corrupt": corrupt,
            "engine": { "delivered": self.counters.delivered, "acked": self.counters.acked,
                        "dropped": self.counters.dropped, "backlog": self.counters.backlog },
            "balanced": self.faults.is_empty(),
        })
    }
}

/// The `noise` object: whether the figures can be trusted, and why not.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NoiseReport {
    /// Whether the machine was too noisy for the figures to mean much.
    pub(crate) noisy: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) reasons: Vec<String>,
    pub(crate) samples: usize,
    /// Samples that the machine disturbed and that count all the same.
    pub(crate) disturbed: usize,
    /// Samples taken again because the machine disturbed them.
    pub(crate) retaken: u64,
    pub(crate) worst: Noise,
    /// What it was judged by, for when it is put together with others.
    #[serde(skip)]
    judged: (Vec<Noise>, Vec<String>),
}

impl NoiseReport {
    /// Adds reasons why the figures cannot be trusted.
    pub(crate) fn doubt(&mut self, reasons: Vec<String>) {
        self.noisy |= !reasons.is_empty();
        self.reasons.extend(reasons);
    }

    /// Judges the samples of several parts of a run together.
    pub(crate) fn together(parts: impl IntoIterator<Item = Self>, tolerated: f64) -> Self {
        let (mut samples, mut doubts, mut retaken) = (Vec::new(), Vec::new(), 0);
        for part in parts {
            samples.extend(part.judged.0);
            doubts.extend(part.judged.1);
            retaken += part.retaken;
        }
        doubts.dedup();
        Self::new(&samples, retaken, doubts, tolerated)
    }

    /// Judges the samples that count. More than the share `tolerated` of them disturbed is too many.
    pub(crate) fn new(samples: &[Noise], retaken: u64, mut reasons: Vec<String>, tolerated: f64) -> Self {
        let judged = (samples.to_vec(), reasons.clone());
        let disturbed: Vec<Vec<String>> =
            samples.iter().map(Noise::reasons).filter(|reasons| !reasons.is_empty()).collect();
        if num::float(num::count(disturbed.len())) > tolerated * num::float(num::count(samples.len())) {
            let example = disturbed[0].join(", ");
            reasons.push(format!(
                "{} of {} samples disturbed, as by {example}",
                disturbed.len(),
                samples.len()
            ));
        }
        Self {
            noisy: !reasons.is_empty(),
            reasons,
            samples: samples.len(),
            disturbed: disturbed.len(),
            retaken,
            worst: Noise::worst(samples),
            judged,
        }
    }
}

/// The `threads` object: milliseconds of CPU time. What could not be read is absent.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Threads {
    /// The coordinator, which also shows the progress.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) coordinator_cpu_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) publishers_cpu_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) consumers_cpu_ms: Option<f64>,
}

impl Threads {
    /// Of two parts of a run.
    pub(crate) fn and(self, other: &Self) -> Self {
        let sum = |a: Option<f64>, b: Option<f64>| a.zip(b).map(|(a, b)| a + b);
        Self {
            coordinator_cpu_ms: sum(self.coordinator_cpu_ms, other.coordinator_cpu_ms),
            publishers_cpu_ms: sum(self.publishers_cpu_ms, other.publishers_cpu_ms),
            consumers_cpu_ms: sum(self.consumers_cpu_ms, other.consumers_cpu_ms),
        }
    }

    /// From nanoseconds.
    pub(crate) fn new(coordinator: Option<u64>, publishers: Option<u64>, consumers: Option<u64>) -> Self {
        let millis = |nanos: Option<u64>| nanos.map(|nanos| num::millis(num::float(nanos)));
        Self {
            coordinator_cpu_ms: millis(coordinator),
            publishers_cpu_ms: millis(publishers),
            consumers_cpu_ms: millis(consumers),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(disturbed: usize, calm: usize) -> Vec<Noise> {
        let noise = |percent| Noise { steal_percent: Some(percent), ..Noise::default() };
        std::iter::repeat_n(noise(50.0), disturbed).chain(std::iter::repeat_n(noise(0.0), calm)).collect()
    }

    #[test]
    fn a_few_disturbed_samples_are_tolerated_and_counted() {
        let report = NoiseReport::new(&samples(1, 9), 2, Vec::new(), 0.25);
        assert!(!report.noisy && report.disturbed == 1 && report.retaken == 2);
    }

    #[test]
    fn many_make_the_run_noisy_with_an_example() {
        let report = NoiseReport::new(&samples(5, 5), 0, Vec::new(), 0.25);
        assert!(report.noisy && report.reasons[0].contains("5 of 10 samples disturbed, as by steal 50.0 %"));
    }

    #[test]
    fn parts_are_judged_together() {
        let part = |disturbed, calm| NoiseReport::new(&samples(disturbed, calm), 1, Vec::new(), 0.25);
        assert!(part(1, 1).noisy);
        let together = NoiseReport::together([part(1, 1), part(0, 6)], 0.25);
        assert!(!together.noisy && together.samples == 8 && together.retaken == 2);
    }

    #[test]
    fn a_doubt_about_the_machine_is_enough() {
        assert!(NoiseReport::new(&[], 0, vec!["unpinned".to_owned()], 0.25).noisy);
        let mut report = NoiseReport::new(&samples(0, 9), 0, Vec::new(), 0.25);
        report.doubt(Vec::new());
        assert!(!report.noisy);
        report.doubt(vec!["elsewhere".to_owned()]);
        assert!(report.noisy && report.reasons == ["elsewhere"]);
    }

    #[test]
    fn the_ledger_tells_zero_from_absent() {
        let account = Account {
            name: "s".to_owned(),
            tally: Tally { accepted: 5, received: 5, ..Tally::default() },
            counters: Counters { delivered: 5, acked: 5, ..Counters::default() },
            faults: Vec::new(),
        };
        let object = account.object();
        assert_eq!((object["lost"].as_u64(), object["balanced"].as_bool()), (Some(0), Some(true)));
    }
}
