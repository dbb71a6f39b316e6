//! Memory: what the process holds, and what it allocates.
//!
//! `peakRssMB` is the kernel's high-water mark of resident memory. `heapUsedMB` is what the allocator has handed
//! out and not got back, counted by a wrapper around the system's allocator. `heapSizeMB` is what the process has
//! mapped to allocate from: the kernel's figure for private writable memory (`VmData`), since glibc tells its own
//! only through an unsafe call. It contains the arenas, large blocks, static data and the stacks of threads,
//! resident or not, so it is never below what is used.

use serde::Serialize;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;

use crate::num;

#[global_allocator]
static GLOBAL: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const MIB: f64 = 1024.0 * 1024.0;

/// The `memory` object of a result, in MiB. What could not be read is absent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Memory {
    #[serde(rename = "peakRssMB", skip_serializing_if = "Option::is_none")]
    pub(crate) peak_rss: Option<f64>,
    #[serde(rename = "heapUsedMB")]
    pub(crate) heap_used: f64,
    #[serde(rename = "heapSizeMB", skip_serializing_if = "Option::is_none")]
    pub(crate) heap_size: Option<f64>,
}

impl Memory {
    /// Reads the process's figures now.
    pub(crate) fn read() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        Self {
            peak_rss: kilobytes(&status, "VmHWM:").map(|kb| rounded(kb / 1024.0)),
            heap_used: heap_used(),
            heap_size: kilobytes(&status, "VmData:").map(|kb| rounded(kb / 1024.0)),
        }
    }
}

/// Starts the high-water mark anew, so that each of several runs in a process has its own peak. Where the kernel does not
/// let us, the mark stays that of the process.
pub(crate) fn forget_peak() {
    std::fs::write("/proc/self/clear_refs", "5").unwrap_or(());
}

/// What is resident now, in MiB.
pub(crate) fn resident() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    kilobytes(&status, "VmRSS:").map(|kb| rounded(kb / 1024.0))
}

/// What the allocator has handed out and not got back, in MiB.
pub(crate) fn heap_used() -> f64 {
    let stats = GLOBAL.stats();
    let live = stats.bytes_allocated.saturating_sub(stats.bytes_deallocated);
    rounded(num::float(num::count(live)) / MIB)
}

/// Allocations made by the process so far. Reallocations count: they may move.
pub(crate) fn allocations() -> u64 {
    let stats = GLOBAL.stats();
    num::count(stats.allocations + stats.reallocations)
}

fn kilobytes(status: &str, name: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}

fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_shows_in_every_figure() {
        // Other tests allocate and free at the same time, so only what must be there at least can be told.
        let held = std::hint::black_box(vec![1_u8; 64 << 20]);
        let memory = Memory::read();
        assert!(memory.heap_used >= 64.0, "{memory:?}");
        assert!(memory.heap_size.is_none_or(|size| size >= 64.0), "{memory:?}");
        assert!(memory.peak_rss.is_none_or(|size| size >= 64.0), "{memory:?}");
        drop(held);
    }

    #[test]
    fn allocations_are_counted() {
        let before = allocations();
        let boxed = std::hint::black_box(Box::new(5)); // or the optimizer does without
        assert!(allocations() > before);
        drop(boxed);
    }

    #[test]
    fn a_peak_that_was_forgotten_does_not_come_back() {
        let held = std::hint::black_box(vec![1_u8; 256 << 20]);
        let high = Memory::read().peak_rss;
        drop(held);
        forget_peak();
        // Other tests hold some tens of megabytes; where the kernel tells nothing there is nothing to compare.
        if let (Some(high), Some(after), Some(_)) = (high, Memory::read().peak_rss, resident()) {
            assert!(after < high - 100.0, "{after} after {high}");
        }
    }

    #[test]
    fn a_missing_figure_is_absent() {
        assert_eq!(kilobytes("VmHWM:\t    2172 kB\n", "VmHWM:"), Some(2172.0));
        assert_eq!(kilobytes("", "VmHWM:"), None);
    }
}
