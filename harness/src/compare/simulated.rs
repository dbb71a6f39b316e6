//! How often a comparison is right, on simulated machines.
//!
//! The two promises: a build compared with itself shows no regression, and one slowed down by 30 % does, each at
//! least 19 times of 20. The machine is drawn: each value is off by a normal error, and now and then an iteration is
//! stalled; a fast moment of the machine is fast in every metric, so that they are wrong together or not at all.
//! Fixed seeds.

use serde_json::{Value, json};

use super::resample::Random;
use super::{Finding, finding, metric};
use crate::num;

/// Tries per case. The promise is 95 %; fixed seeds make them the same each time.
const TRIES: u64 = 100;

#[derive(Debug, Clone, Copy)]
struct Machine {
    /// The relative error of an iteration.
    error: f64,
    /// The share of iterations that stall, to 60 % of the rate.
    stalls: f64,
    /// The relative error that all iterations of one run share: where the CPUs were.
    run_error: f64,
}

impl Machine {
    fn normal(random: &mut Random) -> f64 {
        // The sum of twelve: near enough to normal.
        (0..12).map(|_| random.share()).sum::<f64>() - 6.0
    }

    /// A result of `iterations` of a build that runs at `speed` of the normal.
    fn run(self, random: &mut Random, speed: f64, iterations: usize) -> Value {
        let shared = (self.run_error * Self::normal(random)).exp();
        let iterations: Vec<Value> = (0..iterations)
            .map(|_| {
                let stall = if random.share() < self.stalls { 0.6 } else { 1.0 };
                let fast = shared * speed * stall * (self.error * Self::normal(random)).exp();
                let mut tail = |noise: f64| (noise * self.error * Self::normal(random)).exp() / fast;
                json!({"messagesPerSec": 1e7 * fast,
                       "latency": {"p50": tail(0.5), "p95": 2.0 * tail(1.0), "p99": 3.0 * tail(2.0)}})
            })
            .collect();
        json!({"metrics": {"messagesPerSec": 1e7, "iterations": iterations,
               "memory": {"peakRssMB": 20.0 + random.share(), "heapUsedMB": 9.0}}})
    }

    /// The share of tries in which anything was called a regression. With `runs` above one, that many runs a side,
    /// as with `--interleave`.
    fn flagged(self, slow: f64, runs: usize, iterations: usize) -> f64 {
        let mut random = Random(0xc0ffee);
        let tries = (0..TRIES).filter(|_| {
            let mut side = |speed| -> Vec<Value> {
                (0..runs).map(|_| self.run(&mut random, speed, iterations)).collect()
            };
            let (base, current) = (side(1.0), side(slow));
            metric::sides(&base, &current).iter().any(|(metric, base, current)| {
                finding(*metric, base, current, 0.1) == Some(Finding::Regression)
            })
        });
        num::float(num::count(tries.count())) / num::float(TRIES)
    }
}

const QUIET: Machine = Machine { error: 0.05, stalls: 0.0, run_error: 0.0 };
const BUSY: Machine = Machine { error: 0.10, stalls: 0.1, run_error: 0.06 };
const WILD: Machine = Machine { error: 0.30, stalls: 0.2, run_error: 0.30 };

#[test]
fn a_build_against_itself_is_no_regression_19_times_of_20() {
    for (machine, runs, iterations) in
        [(QUIET, 1, 5), (QUIET, 10, 5), (BUSY, 10, 5), (BUSY, 6, 2), (WILD, 10, 5), (WILD, 20, 2)]
    {
        let flagged = machine.flagged(1.0, runs, iterations);
        assert!(flagged <= 0.05, "{machine:?}, {runs} runs of {iterations}: flagged {flagged}");
    }
}

#[test]
fn a_slow_down_by_30_percent_is_found_19_times_of_20() {
    for (machine, runs, iterations) in
        [(QUIET, 1, 5), (QUIET, 6, 2), (QUIET, 10, 5), (BUSY, 10, 5), (BUSY, 10, 2)]
    {
        let flagged = machine.flagged(0.7, runs, iterations);
        assert!(flagged >= 0.95, "{machine:?}, {runs} runs of {iterations}: flagged {flagged}");
    }
}
