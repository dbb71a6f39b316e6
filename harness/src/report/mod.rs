//! What people see: progress on stderr while a run lasts, and the result on stdout when it is done.
//!
//! Nothing but the result goes to stdout, so that it can be piped. [`html`] is for later: it is
//! made from result files.

pub(crate) mod html;
mod paint;
mod plot;
pub(crate) mod progress;
mod scenarios;
pub(crate) mod summary;
pub(crate) mod text;
mod verdict;

pub(crate) use paint::Paint;
