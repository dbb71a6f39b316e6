//! The way in: validate, fill a buffer, claim, swap, publish.
//!
//! [`publisher`] has the forms that return when the message is readable; [`batcher`] the form that returns at once and
//! gathers while every consumer is busy. [`spares`] are the buffers that both fill.

mod batcher;
mod publisher;
mod spares;

pub(crate) use batcher::Lanes;
pub use batcher::Receipt;
pub use publisher::Publisher;
