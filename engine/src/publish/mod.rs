//! The way in: validate, fill a buffer, claim, swap, publish.
//!
//! [`publisher`] has the forms that return when the message is readable, [`batch`] those for many; [`batcher`] the form
//! that returns at once, with a [`receipt`], and gathers while every consumer is busy. [`spares`] are the buffers that
//! all of them fill.

mod batch;
mod batcher;
mod forward;
mod publisher;
mod receipt;
mod refusal;
mod spares;

pub(crate) use batcher::Lanes;
pub use publisher::Publisher;
pub use receipt::Receipt;
