//! Ctrl-C: end the run with what was measured so far; a second time: leave at once.
//!
//! Publishers look at [`requested`] between two messages and stop; consumers drain what was sent, so that the ledger
//! still balances. The scenario makes its result of the samples before, and the result says that it is incomplete.
//!
//! A run that another program makes for itself alone is [`held`]: nobody wants what was measured so far, so it ends at once, and
//! with whoever made it, however that ended.

use std::io;
use std::process::{ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::commands::remark;

static REQUESTED: OnceLock<()> = OnceLock::new();
/// The other end of the standard input of the run that is held.
static HOLD: Mutex<Option<ChildStdin>> = Mutex::new(None);

/// Tells a run, by its environment, that it is held. An option would be refused by older harnesses.
const HELD: &str = "RINGMAIN_HARNESS_HELD";

/// The exit code of a second Ctrl-C: what shells report of a process that it ended.
const KILLED: i32 = 130;

/// Starts to listen for a run. The error is one line.
pub(crate) fn listen() -> Result<(), String> {
    if std::env::var_os(HELD).is_some() {
        return end_with_holder();
    }
    listen_for("ending the run with what was measured so far")
}

/// Starts to listen, and says what is done about it.
pub(crate) fn listen_for(what: &'static str) -> Result<(), String> {
    ctrlc::set_handler(move || {
        if REQUESTED.set(()).is_err() {
            std::process::exit(KILLED);
        }
        remark(&format!("interrupted: {what}; once more to leave at once"));
        let_go();
    })
    .map_err(|error| format!("cannot listen for Ctrl-C: {error}"))
}

/// Whether the run is to end.
#[inline]
pub(crate) fn requested() -> bool {
    REQUESTED.get().is_some()
}

/// Runs `command`, a run of the harness, to its end: that of the run, that of Ctrl-C, or that of this process.
pub(crate) fn held(command: &mut Command) -> io::Result<ExitStatus> {
    let mut child = command.env(HELD, "1").stdin(Stdio::piped()).spawn()?;
    *HOLD.lock().unwrap_or_else(PoisonError::into_inner) = child.stdin.take();
    // Ctrl-C may have come before there was anything to let go of.
    if requested() {
        let_go();
    }
    let status = child.wait();
    let_go();
    status
}

fn let_go() {
    drop(HOLD.lock().unwrap_or_else(PoisonError::into_inner).take());
}

/// Waits, on a thread that sleeps meanwhile, until nobody holds the other end of the standard input. The system closes it whatever
/// became of the holder.
fn end_with_holder() -> Result<(), String> {
    let wait = || {
        // Whether it was read to its end or can no longer be read is the same.
        io::copy(&mut io::stdin().lock(), &mut io::sink()).map(drop).unwrap_or(());
        std::process::exit(KILLED);
    };
    let spawned = std::thread::Builder::new().name("held".to_owned()).spawn(wait);
    spawned.map(drop).map_err(|error| format!("cannot start a thread: {error}; end other programs"))
}
