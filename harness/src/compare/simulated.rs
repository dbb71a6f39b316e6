//! How often a comparison is right, on simulated machines.
//!
//! The two promises: a build compared with itself shows no difference, and one slowed down by 30 % is a regression, each
//! at least 19 times of 20. The machine is drawn: each value is off by a normal error, now and then an iteration is
//! stalled, and between iterations the CPUs may move to where everything takes four times as long. A fast moment of the
//! machine is fast in every metric, so that they are wrong together or not at all; but the tail is its own. Fixed seeds.

use serde_json::{Value, json};

use super::resample::Random;
use super::whole::whole;
use super::{Finding, is_sure, rows};
use crate::num;

/// Tries per case. The promise is 95 %; fixed seeds make them the same each time.
const TRIES: u64 = if cfg!(debug_assertions) { 20 } else { 200 };

#[derive(Debug, Clone, Copy)]
struct Machine {
    /// The relative error of an iteration.
    error: f64,
    /// The share of iterations that stall, to 60 % of the rate.
    stalls: f64,
    /// The relative error that all iterations of one run share: which pages they got.
    run_error: f64,
    /// How often the CPUs move, per iteration.
    moves: f64,
}

impl Machine {
    fn normal(random: &mut Random) -> f64 {
        // The sum of twelve: near enough to normal.
        (0..12).map(|_| random.share()).sum::<f64>() - 6.0
    }

    /// A result of `iterations` of a build that runs at `speed` of the normal.
    fn run(self, random: &mut Random, far: &mut bool, speed: f64, iterations: usize) -> Value {
        let shared = (self.run_error * Self::normal(random)).exp();
        let iterations: Vec<Value> = (0..iterations)
            .map(|_| {
                *far ^= random.share() < self.moves;
                let (distance, place) = if *far { (250.0, 0.25) } else { (62.0, 1.0) };
                let probe = |random: &mut Random| distance * (1.0 + 0.15 * random.share());
                let stall = if random.share() < self.stalls { 0.6 } else { 1.0 };
                let fast = place * shared * speed * stall * (self.error * Self::normal(random)).exp();
                let mut tail = |noise: f64| (noise * self.error * Self::normal(random)).exp() / fast;
                let latency = json!({"p50": tail(0.5), "p95": 2.0 * tail(2.0), "p99": 3.0 * tail(10.0)});
                json!({"messagesPerSec": 1e7 * fast, "latency": latency,
                       "noise": {"placementBeforeNs": probe(random), "placementAfterNs": probe(random)}})
            })
            .collect();
        json!({"metrics": {"messagesPerSec": 1e7, "iterations": iterations,
               "memory": {"peakRssMB": 20.0 + random.share(), "heapUsedMB": 9.0}}})
    }

    /// The share of tries whose finding was `wanted`. With `runs` above one, up to that many runs a side, as with
    /// `--interleave`.
    fn found(self, wanted: Finding, slow: f64, runs: usize, iterations: usize) -> f64 {
        let mut random = Random(0xc0ffee);
        let tries = (0..TRIES).filter(|_| {
            let (mut base, mut current, mut far) = (Vec::new(), Vec::new(), random.share() < 0.5);
            let enough = |base: &[Value], current: &[Value]| {
                base.len() >= 10 && base.len().is_multiple_of(5) && is_sure(base, current, 0.1)
            };
            while base.len() < runs && !enough(&base, &current) {
                base.push(self.run(&mut random, &mut far, 1.0, iterations));
                current.push(self.run(&mut random, &mut far, slow, iterations));
            }
            whole(&rows(&base, &current, 0.1)) == wanted
        });
        num::float(num::count(tries.count())) / num::float(TRIES)
    }
}

const QUIET: Machine = Machine { error: 0.03, stalls: 0.0, run_error: 0.0, moves: 0.0 };
const BUSY: Machine = Machine { error: 0.10, stalls: 0.1, run_error: 0.06, moves: 0.0 };
/// As a virtual machine among others was found.
const SHARED: Machine = Machine { error: 0.10, stalls: 0.05, run_error: 0.12, moves: 0.1 };

/// With how many runs a side and iterations a run. In a debug build, which is slow, the first and the last alone.
const CASES: [(Machine, usize, usize); 4] = [(QUIET, 1, 5), (QUIET, 60, 1), (BUSY, 60, 2), (SHARED, 60, 1)];

fn cases() -> impl Iterator<Item = (Machine, usize, usize)> {
    let every = if cfg!(debug_assertions) { CASES.len() - 1 } else { 1 };
    CASES.into_iter().step_by(every)
}

#[test]
fn a_build_against_itself_shows_no_difference_19_times_of_20() {
    for (machine, runs, iterations) in cases() {
        let found = machine.found(Finding::Same, 1.0, runs, iterations);
        assert!(found >= 0.95, "{machine:?}, {runs} runs of {iterations}: {found}");
    }
}

#[test]
fn a_slow_down_by_30_percent_is_found_19_times_of_20() {
    for (machine, runs, iterations) in cases() {
        let found = machine.found(Finding::Regression, 0.7, runs, iterations);
        assert!(found >= 0.95, "{machine:?}, {runs} runs of {iterations}: {found}");
    }
}
