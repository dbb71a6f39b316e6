//! Ctrl-C: end the run with what was measured so far; a second time: leave at once.
//!
//! Publishers look at [`requested`] between two messages and stop; consumers drain what was sent, so that the ledger
//! still balances. The scenario makes its result of the samples before, and the result says that it is incomplete.

use std::sync::OnceLock;

use crate::commands::remark;

static REQUESTED: OnceLock<()> = OnceLock::new();

/// The exit code of a second Ctrl-C: what shells report of a process that it ended.
const KILLED: i32 = 130;

/// Starts to listen for a run. The error is one line.
pub(crate) fn listen() -> Result<(), String> {
    listen_for("ending the run with what was measured so far")
}

/// Starts to listen, and says what is done about it.
pub(crate) fn listen_for(what: &'static str) -> Result<(), String> {
    ctrlc::set_handler(move || {
        if REQUESTED.set(()).is_err() {
            std::process::exit(KILLED);
        }
        remark(&format!("interrupted: {what}; once more to leave at once"));
    })
    .map_err(|error| format!("cannot listen for Ctrl-C: {error}"))
}

/// Whether the run is to end.
#[inline]
pub(crate) fn requested() -> bool {
    REQUESTED.get().is_some()
}
