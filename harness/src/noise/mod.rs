//! What the machine did to a sample while it ran.
//!
//! On a shared machine a figure is worth what the machine let it be. Each sample notes: the CPU time that the
//! hypervisor took (*steal*), how often role threads were put aside for others and how long they then waited
//! (*involuntary switches*, *run-queue delay*), how far apart the two CPUs were before and after (*placement*: the
//! same pair can be 14 or 200 ns apart from one moment to the next), and how often a thread that did nothing but
//! read the clock saw it jump (*clock gaps*). All of these come from outside the engine, so a sample spoilt by them
//! may be taken again, and a run that stays spoilt says so.

mod probe;
mod system;

pub(crate) use probe::distance;
pub(crate) use system::{StealMeter, ThreadMeter, ThreadUse};

use serde::Serialize;

/// A pause between two clock reads that counts as a gap, in nanoseconds. Shorter ones are also the engine's own: a consumer that
/// goes to sleep has every CPU of the process interrupted (`membarrier`), for up to 15 us in a virtual machine.
const GAP: u64 = 20_000;

/// Limits above which a sample is called disturbed.
const STEAL_PERCENT: f64 = 2.0;
const QUEUE_PERCENT: f64 = 2.0;
const PLACEMENT_RATIO: f64 = 1.8;
const GAP_PERCENT: f64 = 2.0;

/// Jumps of the clock seen by a thread that spun on it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Gaps {
    pub(crate) count: u64,
    pub(crate) total: u64,
    pub(crate) longest: u64,
}

impl Gaps {
    /// Notes two reads of the clock with nothing between them.
    #[inline]
    pub(crate) fn note(&mut self, before: u64, after: u64) {
        let gap = after.saturating_sub(before);
        if gap > GAP {
            self.count += 1;
            self.total += gap;
            self.longest = self.longest.max(gap);
        }
    }

    /// Adds the gaps of another thread.
    pub(crate) fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.total += other.total;
        self.longest = self.longest.max(other.longest);
    }
}

/// The noise of one sample, or of several added up. What could not be read is absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Noise {
    /// Time stolen from the CPUs of the roles, in percent of theirs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) steal_percent: Option<f64>,
    /// Times a role thread was put aside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) involuntary_switches: Option<u64>,
    /// Time that role threads waited for a CPU, in percent of theirs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) run_queue_percent: Option<f64>,
    /// One-way time of a cache line between publisher and consumer, before and after, in nanoseconds. Of a sample that is made
    /// of rounds, the least and the greatest of any: it is no sample of one placement unless all its rounds are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) placement_before_ns: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) placement_after_ns: Option<f64>,
    /// Clock gaps over 20 us seen by spinning threads that have a CPU each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) clock_gaps: Option<u64>,
    /// Their sum, in percent of the time of all role threads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) clock_gap_percent: Option<f64>,
    /// The longest, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) longest_gap_ms: Option<f64>,
}

impl Noise {
    /// Why the sample is disturbed; empty when it is not.
    pub(crate) fn reasons(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        let mut above = |value: Option<f64>, limit: f64, what: &str| {
            if let Some(value) = value.filter(|value| *value > limit) {
                reasons.push(format!("{what} {value:.1} % (limit {limit} %)"));
            }
        };
        above(self.steal_percent, STEAL_PERCENT, "steal");
        above(self.run_queue_percent, QUEUE_PERCENT, "waiting for a CPU");
        above(self.clock_gap_percent, GAP_PERCENT, "clock gaps");
        if let (Some(before), Some(after)) = (self.placement_before_ns, self.placement_after_ns) {
            let ratio = if before > after { before / after } else { after / before };
            if ratio > PLACEMENT_RATIO {
                reasons.push(format!("the CPUs moved from {before:.0} to {after:.0} ns apart"));
            }
        }
        reasons
    }

    /// The worst of several samples, value by value; counts add up.
    pub(crate) fn worst<'a>(samples: impl IntoIterator<Item = &'a Self>) -> Self {
        let larger = |a: Option<f64>, b: Option<f64>| a.into_iter().chain(b).max_by(f64::total_cmp);
        let sum = |a: Option<u64>, b: Option<u64>| a.into_iter().chain(b).reduce(|a, b| a + b);
        samples.into_iter().fold(Self::default(), |worst, sample| Self {
            steal_percent: larger(worst.steal_percent, sample.steal_percent),
            involuntary_switches: sum(worst.involuntary_switches, sample.involuntary_switches),
            run_queue_percent: larger(worst.run_queue_percent, sample.run_queue_percent),
            placement_before_ns: larger(worst.placement_before_ns, sample.placement_before_ns),
            placement_after_ns: larger(worst.placement_after_ns, sample.placement_after_ns),
            clock_gaps: sum(worst.clock_gaps, sample.clock_gaps),
            clock_gap_percent: larger(worst.clock_gap_percent, sample.clock_gap_percent),
            longest_gap_ms: larger(worst.longest_gap_ms, sample.longest_gap_ms),
        })
    }

    /// The noise of a sample that goes on: as the worst of its parts, but with how near and how far the CPUs were apart in any.
    pub(crate) fn spanning(&self, more: &Self) -> Self {
        let probes = [self, more].map(|one| [one.placement_before_ns, one.placement_after_ns]);
        let probed = || probes.into_iter().flatten().flatten();
        Self {
            placement_before_ns: probed().min_by(f64::total_cmp),
            placement_after_ns: probed().max_by(f64::total_cmp),
            ..Self::worst([self, more])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pauses_over_twenty_microseconds_are_gaps() {
        let mut gaps = Gaps::default();
        gaps.note(0, 20_000);
        gaps.note(30_000, 50_001);
        gaps.note(60_000, 100_000);
        assert_eq!((gaps.count, gaps.total, gaps.longest), (2, 60_001, 40_000));
    }

    #[test]
    fn a_quiet_sample_gives_no_reason() {
        let quiet = Noise { steal_percent: Some(0.1), placement_before_ns: Some(35.0), ..Noise::default() };
        assert!(quiet.reasons().is_empty());
    }

    #[test]
    fn steal_and_moved_cpus_are_reasons() {
        let noisy = Noise {
            steal_percent: Some(12.0),
            placement_before_ns: Some(14.0),
            placement_after_ns: Some(200.0),
            ..Noise::default()
        };
        let reasons = noisy.reasons().join("; ");
        assert!(reasons.contains("steal 12.0 %") && reasons.contains("from 14 to 200 ns"), "{reasons}");
    }

    #[test]
    fn what_was_not_read_is_absent() {
        let json = serde_json::to_string(&Noise::default()).unwrap();
        assert_eq!(json, "{}");
    }

    #[test]
    fn the_worst_of_samples_keeps_the_largest() {
        let calm = Noise { steal_percent: Some(0.5), involuntary_switches: Some(3), ..Noise::default() };
        let wild = Noise { steal_percent: Some(9.0), involuntary_switches: Some(4), ..Noise::default() };
        let worst = Noise::worst([&calm, &wild]);
        assert_eq!((worst.steal_percent, worst.involuntary_switches), (Some(9.0), Some(7)));
    }
}
