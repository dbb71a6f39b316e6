//! What is told: figures to the standard output, remarks to the standard error. `print!` and `eprint!` would panic where
//! either is closed early, or a disk is full.

use std::io::{ErrorKind, Write};

/// Prints `text` to the standard output.
pub(crate) fn say(text: &str) -> Result<(), String> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // Whoever reads has read enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(format!("cannot write to stdout: {error}; redirect it to where there is room")),
        Ok(()) => Ok(()),
    }
}

/// Puts `text` on the standard error, if that takes it.
pub(crate) fn remark(text: &str) {
    std::io::stderr().write_all(text.as_bytes()).unwrap_or(());
}
