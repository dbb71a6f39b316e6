//! Ringmain's side, by its public API: the ring, the fan-out on it, the engine on that, and the engine as the
//! harness drives it.

pub(crate) mod crowd;
pub(crate) mod engine;
pub(crate) mod fanout;
pub(crate) mod herd;
pub(crate) mod idle;
pub(crate) mod ring;
pub(crate) mod saturation;
