//! Ringmain's side, by its public API: the ring, the fan-out on it, the engine on that.

pub(crate) mod engine;
pub(crate) mod fanout;
pub(crate) mod ring;
