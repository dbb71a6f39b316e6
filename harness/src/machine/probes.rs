//! What is measured of the machine, in about a second.

use serde::Serialize;
use std::hint::black_box;

use crate::clock::{self, Clock, TscClock};
use crate::noise;
use crate::num;

/// CPUs of which every pair is probed; there are 28 pairs of eight.
const CPUS: usize = 8;
/// More than any cache holds.
const COPIED: usize = 128 << 20;
const READS: u64 = 20_000;

/// How far two CPUs are apart.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Distance {
    pub(crate) from: usize,
    pub(crate) to: usize,
    /// One way of a cache line: the shortest and the longest of three probes.
    pub(crate) least_ns: f64,
    pub(crate) most_ns: f64,
}

/// The machine in practice.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Probes {
    /// One reading of the clock that measures.
    pub(crate) clock_read_ns: f64,
    /// One reading of the system's clock, for comparison.
    pub(crate) system_clock_read_ns: f64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) distances: Vec<Distance>,
    /// What one thread copies from memory to memory; read and written bytes both count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) memory_gb_per_sec: Option<f64>,
    /// The part of a tenth of a second that a thread which only read the clock did not get, in percent.
    pub(crate) gaps_percent: f64,
}

impl Probes {
    /// Measures on `cpus`.
    pub(crate) fn measure(cpus: &[usize]) -> Self {
        let clock = TscClock::new();
        Self {
            clock_read_ns: per_read(&clock, || {
                black_box(clock.now());
            }),
            system_clock_read_ns: per_read(&clock, clock::read_system),
            distances: distances(cpus, &clock),
            memory_gb_per_sec: copy_rate(&clock),
            gaps_percent: gaps(&clock, 100_000_000),
        }
    }
}

fn per_read(clock: &TscClock, mut read: impl FnMut()) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..7 {
        let begin = clock.now();
        (0..READS).for_each(|_| read());
        best = best.min(num::float(clock.now() - begin) / num::float(READS));
    }
    (best * 10.0).round() / 10.0
}

fn distances(cpus: &[usize], clock: &TscClock) -> Vec<Distance> {
    let cpus = &cpus[..cpus.len().min(CPUS)];
    let pairs = cpus
        .iter()
        .enumerate()
        .flat_map(|(index, &from)| cpus[index + 1..].iter().map(move |&to| (from, to)));
    let probe = |(from, to)| {
        let ways: Vec<f64> = (0..3).filter_map(|_| noise::distance(from, to, clock)).collect();
        let least_ns = ways.iter().copied().min_by(f64::total_cmp)?;
        let most_ns = ways.iter().copied().max_by(f64::total_cmp)?;
        Some(Distance { from, to, least_ns, most_ns })
    };
    pairs.filter_map(probe).collect()
}

/// The fastest of three copies, after one that touches the pages.
fn copy_rate(clock: &TscClock) -> Option<f64> {
    let mut target = Vec::new();
    // Where there is no room, nothing is measured.
    target.try_reserve_exact(COPIED).ok()?;
    let mut source = Vec::new();
    source.try_reserve_exact(COPIED).ok()?;
    source.resize(COPIED, 0x5a_u8);
    target.resize(COPIED, 0_u8);
    let mut best = u64::MAX;
    for _ in 0..3 {
        let begin = clock.now();
        target.copy_from_slice(black_box(&source));
        black_box(&mut target);
        best = best.min(clock.now() - begin);
    }
    Some(2.0 * num::float(num::count(COPIED)) / num::float(best.max(1)))
}

/// The share of `nanos` that passed in jumps of the clock.
fn gaps(clock: &TscClock, nanos: u64) -> f64 {
    let mut gaps = noise::Gaps::default();
    let begin = clock.now();
    let mut before = begin;
    while before - begin < nanos {
        let now = clock.now();
        gaps.note(before, now);
        before = now;
    }
    100.0 * num::float(gaps.total) / num::float(before - begin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_cpu_is_no_distance_from_itself() {
        assert!(distances(&[0], &TscClock::new()).is_empty());
    }

    #[test]
    fn a_clock_read_takes_time() {
        let clock = TscClock::new();
        assert!(per_read(&clock, clock::read_system) > 0.0);
    }
}
