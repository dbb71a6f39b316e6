//! One run: a history, lived through; a panic is a fault as any other.

use crate::model::casting::{Choices, Fault, decode};
use crate::model::drive::{History, Trace, World};
use std::cell::{Cell, RefCell};
use std::sync::Once;

/// What a seed stands for.
pub(crate) fn history(seed: u64) -> (History, Vec<Fault>) {
    decode(&mut Choices::seeded(seed))
}

/// What went wrong, if anything did.
pub(crate) fn fault(history: &History) -> Option<String> {
    live(history, Trace::Off).0
}

/// The same, with all that happened.
pub(crate) fn told(history: &History) -> (Option<String>, String) {
    let (fault, trace) = live(history, Trace::Words(String::new()));
    (fault, trace.into_words())
}

/// The same, with a number that stands for all that happened.
pub(crate) fn hashed(seed: u64) -> (Option<String>, u64) {
    let (fault, trace) = live(&history(seed).0, Trace::number());
    (fault, trace.value())
}

fn live(history: &History, trace: Trace) -> (Option<String>, Trace) {
    keep_panics_quiet();
    QUIET.set(true);
    PANIC.take();
    let (lived, trace) = World::live_traced(history, trace);
    QUIET.set(false);
    let place = PANIC.take();
    let fault = lived
        .err()
        .map(|fault| if fault.starts_with("a panic") { format!("{fault} {place}") } else { fault });
    (fault, trace)
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
    /// What the last panic said, and where.
    static PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// A panic within a run is told by the run.
fn keep_panics_quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if QUIET.get() {
                PANIC.replace(panic.to_string());
            } else {
                loud(panic);
            }
        }));
    });
}
