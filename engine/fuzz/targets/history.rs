//! Any history of calls, against the reference model of `engine/tests/model`: what each call returns, and the counters
//! after each step.
//!
//! The bytes stand for the random numbers from which proptest makes a history, so that a target and a test share the way
//! from numbers to calls. Bytes that come later decide what happens later; when they are used up, numbers follow that
//! depend on all of them (and not zeroes, from which some of proptest's draws never come back).
#![no_main]

#[path = "../../tests/model/mod.rs"]
mod model;

use libfuzzer_sys::fuzz_target;
use model::drive::{World, history};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// Calls in a history, at most.
const OPERATIONS: usize = 60;
/// Bytes of numbers: many times what a history takes.
const ENOUGH: usize = 1 << 18;

fn numbers(bytes: &[u8]) -> Vec<u8> {
    let mut state = bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let mut numbers = bytes.to_vec();
    while numbers.len() < ENOUGH {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        numbers.extend((state ^ state >> 29).to_le_bytes());
    }
    numbers
}

fuzz_target!(|bytes: &[u8]| {
    let random = TestRng::from_seed(RngAlgorithm::PassThrough, &numbers(bytes));
    let mut runner = TestRunner::new_with_rng(Config::default(), random);
    let Ok(history) = history(OPERATIONS).new_tree(&mut runner) else { return };
    if let Err(fault) = World::live(&history.current()) {
        panic!("{fault}");
    }
});
