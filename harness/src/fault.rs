//! What ends a run before its time.

/// A run that cannot go on: the engine refused, a thread died, or the figures are impossible. It becomes an entry of
/// `errors` in the result and exit code 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Fault(String);

impl Fault {
    /// A fault that says `reason` in one line.
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}
