//! Histories from nothing but choices: who takes part, what goes wrong, and who does something when.
//!
//! This is the seam between whoever chooses and the [engine and model](super::drive) that live through what was chosen.
//! [`decode`] makes a [`History`] of [`Choices`], which come from a seed (the simulation) or from any bytes (a fuzzer),
//! and [`World::live`](super::drive::World::live) runs it. Any choices make a history, and the same ones make the same.
//!
//! * [`plan`]: the topics, the subscriptions, and up to two [`Fault`]s.
//! * [`actors`]: publishers, consumers, tasks, a clock, a controller: each knows what it does next.
//! * [`scene`]: a scheduler lets one actor after the other do a few things. All that happens is one list of operations, so
//!   that a history can be printed, and made smaller by leaving some of them out.

mod actors;
mod choices;
mod plan;
mod scene;

#[allow(unused_imports, reason = "for the simulation; the reference machine makes its histories itself")]
pub(crate) use {choices::Choices, plan::Fault, scene::decode};
