//! What a reader is told instead of messages.

use std::fmt;

/// Why a receiver has no messages, other than that there are none now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiveError {
    /// The receiver was a whole ring behind and lost this many messages, exactly. The next call reads on after the gap.
    #[error("the receiver was too slow and lost {0} messages; reading goes on after them")]
    Lagged(u64),
    /// The receiver was detached, because it was too slow or because somebody said so. It gets nothing any more.
    #[error("the receiver is detached")]
    Detached,
}

/// A receiver of another channel was given to this one's dispatcher. It comes back.
#[derive(thiserror::Error)]
#[error("the receiver belongs to another channel; a dispatcher serves receivers of one channel")]
pub struct Foreign<R>(pub R);

impl<R> fmt::Debug for Foreign<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Foreign(..)")
    }
}
