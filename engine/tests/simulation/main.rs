//! Deterministic simulation: the engine as it is, with its clock, its chances and who runs when in the hands of a seed.
//!
//! A seed chooses a history (see `model/casting`): topics, subscriptions, up to two faults, and actors whose operations a
//! scheduler interleaves on one thread. Whoever would wait is a task, polled when it was woken. The [model](model) says
//! after each operation whether what the engine did was allowed; at the end everything is closed and dropped, and nothing
//! may be left. The same seed does the same again.
//!
//! | variable | what it does |
//! |---|---|
//! | `RINGMAIN_SIM_SEEDS` | how many seeds to run |
//! | `RINGMAIN_SIM_FROM` | the first of them |
//! | `RINGMAIN_SIM_SEED` | runs this one alone, and tells all that happens in it |
//!
//! `.ci/simulation` runs 20,000, and `.ci/simulation --seed N` one. What ever failed is in `corpus.txt`, and goes first.

#![cfg_attr(ringmain_twins, allow(dead_code, unused_imports, reason = "only the twins run there"))]

#[path = "../model/mod.rs"]
mod model;
mod run;
mod seeds;
mod shrink;
#[cfg(ringmain_twins)]
mod twins;

use model::casting::{Choices, decode};
use model::drive::World;

/// Each line has a seed, and what it found.
const CORPUS: &str = include_str!("corpus.txt");

fn corpus() -> Vec<u64> {
    let lines = CORPUS.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let seed = |line: &str| line.split_whitespace().next().and_then(|seed| seed.parse().ok());
    lines.map(|line| seed(line).unwrap_or_else(|| panic!("no seed at the beginning of {line:?}"))).collect()
}

#[cfg(not(ringmain_twins))]
#[test]
fn nothing_happens_that_may_not() {
    if let Some(seed) = seeds::number("RINGMAIN_SIM_SEED") {
        return seeds::replay(seed);
    }
    let first = seeds::number("RINGMAIN_SIM_FROM").unwrap_or(0);
    let count =
        seeds::number("RINGMAIN_SIM_SEEDS").unwrap_or(if cfg!(debug_assertions) { 500 } else { 2_000 });
    seeds::all(corpus());
    seeds::all(first..first + count);
}

#[cfg(not(ringmain_twins))]
#[test]
fn a_seed_does_the_same_again() {
    for seed in 0..100 {
        let [(_, one), (_, two)] = [(); 2].map(|()| run::hashed(seed));
        assert_eq!(one, two, "seed {seed}");
        assert_ne!(one, run::hashed(seed + 1_000_000).1, "another seed does something else");
    }
}

#[cfg(not(ringmain_twins))]
#[test]
fn any_bytes_make_a_history() {
    for length in 0..200usize {
        let bytes: Vec<u8> =
            (0..length).map(|at| u8::try_from((at * at * 7 + length) % 256).expect("a byte")).collect();
        let (history, _) = decode(&mut Choices::of(&bytes));
        World::live(&history).unwrap_or_else(|fault| panic!("{fault}"));
    }
}

#[test]
fn the_corpus_can_be_read() {
    assert_eq!(
        corpus().len(),
        CORPUS.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_digit())).count()
    );
}
