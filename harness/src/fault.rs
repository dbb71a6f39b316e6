//! What ends a run before its time.

/// A run that cannot go on: the engine refused, a thread died, the figures are impossible, or somebody pressed Ctrl-C.
/// It becomes an entry of `errors` in the result and exit code 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub(crate) struct Fault {
    reason: String,
    interrupted: bool,
}

impl Fault {
    /// A fault that says `reason` in one line.
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), interrupted: false }
    }

    /// Ctrl-C.
    pub(crate) fn interrupted() -> Self {
        Self { reason: "interrupted: the result is incomplete".to_owned(), interrupted: true }
    }

    /// Whether it was Ctrl-C, after which what was measured before still counts.
    pub(crate) fn is_interrupt(&self) -> bool {
        self.interrupted
    }
}
