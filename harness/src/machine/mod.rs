//! What the machine is, as far as it matters to a measurement.
//!
//! [`facts`] are read from the system's files; [`probes`] are measured: how far the CPUs are apart, what a clock
//! read costs, how fast memory is copied. `advice` says in one line each what disturbs measurements here and what
//! to do about it. What a system does not tell is absent.

mod advice;
mod facts;
mod probes;

pub(crate) use advice::advice;
pub(crate) use facts::Facts;
pub(crate) use probes::Probes;
