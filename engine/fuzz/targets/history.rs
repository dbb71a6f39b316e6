//! Any history of calls, against the reference model of `engine/tests/model`: what each call returns, and the counters
//! after each step.
//!
//! The bytes are the choices from which the simulation makes a history (`engine/tests/model/casting`): bytes that come later
//! decide what happens later, and faults are among what they choose.
#![no_main]

#[path = "../../tests/model/mod.rs"]
mod model;

use libfuzzer_sys::fuzz_target;
use model::casting::{Choices, decode};
use model::drive::World;
use std::sync::Once;

fuzz_target!(|bytes: &[u8]| {
    // Handlers and owners of payloads panic on purpose, which is no crash; any other panic is told as a fault.
    static QUIET: Once = Once::new();
    QUIET.call_once(|| std::panic::set_hook(Box::new(|_| {})));
    let (history, _) = decode(&mut Choices::of(bytes));
    if let Err(fault) = World::live(&history) {
        eprintln!("{fault}");
        std::process::abort();
    }
});
