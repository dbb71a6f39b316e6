//! What others may observe: life-cycle events (feature `tracing`) and counters (feature `metrics`). Never one a message.

/// A life-cycle event, with the fields given. Without the feature it costs nothing, its arguments included. Who listens is somebody
/// else's code, and a panic of it ends here: the call that tells may be in the midst of something.
macro_rules! event {
    ($level:ident, $what:literal, $($field:ident = $value:expr),* $(,)?) => {{
        #[cfg(feature = "tracing")]
        let _panicked = $crate::external::caught(|| {
            tracing::$level!(target: "ringmain", $($field = $value,)* $what);
        });
        #[cfg(not(feature = "tracing"))]
        {
            let _ = || { $(let _ = &$value;)* };
        }
    }};
}

pub(crate) use event;

/// Whether anybody may listen to events.
pub(crate) const LISTENS: bool = cfg!(feature = "tracing");

#[cfg(feature = "metrics")]
mod recording;
#[cfg(feature = "metrics")]
pub(crate) use recording::Recorded;
