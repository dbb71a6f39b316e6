//! Why a publish ended, and how long it may take, in as few bytes as will do.

use crate::error::PublishError;
use std::time::Instant;

/// Why a record was not published, in a byte.
#[derive(Debug, Clone, Copy)]
pub(super) enum Refusal {
    Full,
    Closed,
    WouldDeadlock,
    LimitExceeded,
}

impl Refusal {
    #[cold]
    pub(super) fn of<M>(self, message: M) -> PublishError<M> {
        match self {
            Self::Full => PublishError::Full(message),
            Self::Closed => PublishError::Closed(message),
            Self::WouldDeadlock => PublishError::WouldDeadlock(message),
            Self::LimitExceeded => PublishError::LimitExceeded(message),
        }
    }
}

impl<M> From<PublishError<M>> for Refusal {
    fn from(error: PublishError<M>) -> Self {
        match error {
            PublishError::Full(_) => Self::Full,
            PublishError::WouldDeadlock(_) => Self::WouldDeadlock,
            PublishError::LimitExceeded(_) => Self::LimitExceeded,
            _ => Self::Closed,
        }
    }
}

/// How long a publish may wait for credit and room.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wait {
    Never,
    Until(Instant),
    Forever,
}

impl Wait {
    /// Until when: `None` is for ever.
    ///
    /// # Errors
    /// `or` when there is to be no wait.
    pub(super) fn deadline<E>(self, or: E) -> Result<Option<Instant>, E> {
        match self {
            Self::Never => Err(or),
            Self::Until(deadline) => Ok(Some(deadline)),
            Self::Forever => Ok(None),
        }
    }
}
