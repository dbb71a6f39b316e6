//! Running a model, and its twins.
//!
//! A model is checked under every schedule with at most two preemptions, and every value that the memory model lets a
//! load return. Nothing cuts it short: a model that is too large fails by its time, not in silence. Its last line is
//! `model NAME: Completed in N iterations`.
//!
//! The checker leaves out schedules that it thinks equal, and thinks so too readily when a thread only loads what another
//! first loads and then changes. In such a model the one who changes it runs first: on the main thread.
//!
//! Then each of its [twins](twin) runs.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "shared by several test programs, each of which uses some of it"
)]

#[path = "twin.rs"]
mod twin;

use ringmain_ring::sync::twins;
use ringmain_ring::{Builder, Cursor, Ring, Sequencer, Single, SingleProducer, WaitStrategy};
use std::sync::{Arc, Mutex};

/// Declares a test that checks a model, and that each of the broken variants fails it.
#[macro_export]
macro_rules! model {
    ($(#[$doc:meta])* $name:ident, broken by [$($twin:literal),* $(,)?], $body:block) => {
        $(#[$doc])*
        #[test]
        fn $name() {
            models::check(stringify!($name), &[$($twin),*], || $body);
        }
    };
}

/// Checks `model`, or in a twin's process runs it broken.
pub fn check(name: &str, broken_by: &[&str], model: impl Fn() + Send + Sync + 'static) {
    if let Some(broken) = twin::broken() {
        let _before = twins::watch();
        let start = ringmain_ring::now();
        let iterations = run(model);
        if broken.is_empty() {
            let places: Vec<_> = twins::watch().into_iter().collect();
            let milliseconds = start.elapsed().as_millis();
            twin::say(&format!("unbroken: {name} {milliseconds} {iterations} {}", places.join(" ")));
        }
        return;
    }
    let iterations = run(model);
    twin::say(&format!("model {name}: Completed in {iterations} iterations"));
    assert!(iterations > 1, "a model in which nothing competes shows nothing");
    twin::run(name, broken_by);
}

/// Explores `model`; returns how many executions there were.
fn run(model: impl Fn() + Send + Sync + 'static) -> u64 {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions());
    builder.max_duration = None;
    builder.max_permutations = None;
    builder.max_branches = 20_000;
    let iterations = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&iterations);
    builder.check(move || {
        *counted.lock().expect("nothing panics in here") += 1;
        model();
    });
    *iterations.lock().expect("nothing panics in here")
}

/// Two, or more for the long run.
fn preemptions() -> usize {
    std::env::var("RINGMAIN_PREEMPTIONS").ok().and_then(|bound| bound.parse().ok()).unwrap_or(2)
}

/// Whether this is the long run, in which models may be large.
pub fn long() -> bool {
    std::env::var("RINGMAIN_LONG").is_ok_and(|long| long == "1")
}

/// A ring of `u64`s for any number of producers, whose waiters park.
pub fn parking(capacity: usize) -> Ring<u64> {
    Builder::new(capacity).wait(WaitStrategy::Park).multi(|| 0).expect("a power of two")
}

/// A ring of `u64`s for any number of producers, on which nobody sleeps, and so nobody notifies. Notifying implies a
/// fence, which the model checker never parts from the store before it; so a model of how a store is ordered does
/// without.
pub fn spinning(capacity: usize) -> Ring<u64> {
    Builder::new(capacity).wait(WaitStrategy::Spin).multi(|| 0).expect("a power of two")
}

/// A ring of `u64`s for one producer, on which nobody sleeps.
pub fn spinning_single(capacity: usize) -> (SingleProducer<u64>, Ring<u64, Single>) {
    Builder::new(capacity).wait(WaitStrategy::Spin).single(|| 0).expect("a power of two")
}

/// A ring of `u64`s for one producer, whose waiters park.
pub fn parking_single(capacity: usize) -> (SingleProducer<u64>, Ring<u64, Single>) {
    Builder::new(capacity).wait(WaitStrategy::Park).single(|| 0).expect("a power of two")
}

/// Reads the next value, waiting for it.
pub fn next<S: Sequencer>(cursor: &mut Cursor<u64, S>) -> u64 {
    let mut next = None;
    while next.is_none() {
        assert!(cursor.wait(None), "there is more to come");
        cursor.poll(1, |_, value| next = Some(*value));
    }
    next.expect("read above")
}

/// What is readable now.
pub fn rest<S: Sequencer>(cursor: &mut Cursor<u64, S>) -> Vec<u64> {
    let mut seen = Vec::new();
    while cursor.poll(usize::MAX, |_, value| seen.push(*value)) > 0 {}
    seen
}
