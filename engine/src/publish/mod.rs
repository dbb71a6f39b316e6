//! The way in: validate, fill a buffer, claim, swap, publish.
//!
//! [`publisher`] has the forms that return when the message is readable, [`batch`] those for many, [`future`] the one
//! that is awaited; [`enqueue`] the form that returns at once, with a [`receipt`], and gathers in a [`lane`] while every
//! consumer is busy, which the [`batcher`] knows. All end in [`commit`]. [`spares`] are the buffers that all of them fill.
//!
//! What may hold a message up: its publisher's limits ([`flow_control`], [`credit`]), its paused ordering key
//! ([`ordering`]), what its ring may hold ([`payloads`], [`padding`]), and [`room`].

mod batch;
mod batcher;
mod commit;
mod credit;
mod enqueue;
mod flow_control;
mod forward;
mod future;
mod lane;
mod ordering;
mod padding;
mod payloads;
mod publisher;
mod receipt;
mod refusal;
mod returned;
mod room;
mod spares;

pub(crate) use batcher::Lanes;
pub use future::PublishFuture;
pub(crate) use payloads::{Payloads, threshold};
pub use publisher::Publisher;
pub use receipt::Receipt;
pub(crate) use returned::Returned;
