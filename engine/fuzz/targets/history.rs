//! Any history of calls, against the reference model of `engine/tests/model`: what each call returns, and the counters
//! after each step.
//!
//! The bytes stand for the random numbers from which proptest makes a history, so that a target and a test share the way
//! from numbers to calls. Bytes that come later decide what happens later.
#![no_main]

#[path = "../../tests/model/mod.rs"]
mod model;

use libfuzzer_sys::fuzz_target;
use model::drive::{World, history};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// Calls in a history, at most.
const OPERATIONS: usize = 60;

fuzz_target!(|bytes: &[u8]| {
    let random = TestRng::from_seed(RngAlgorithm::PassThrough, bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), random);
    let Ok(history) = history(OPERATIONS).new_tree(&mut runner) else { return };
    if let Err(fault) = World::live(&history.current()) {
        panic!("{fault}");
    }
});
