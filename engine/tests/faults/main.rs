//! Faults, injected one at a time and in pairs: what fails is told, and everything else goes on.
//!
//! docs/RELIABILITY.md has a row for each fault and names the tests; many are shown elsewhere, where the feature is tested.
//! Here is what belongs to no feature: [`reentrant`] about handlers that call back into the engine, [`handlers`] about
//! those that panic while something else goes wrong, [`payloads`] about payloads whose `Drop` panics, [`small_payloads`]
//! about those that are copied, [`owners`] about owners that publish, [`owners_consuming`] of
//! them about those on a consumer's thread, [`wakers`] about wakers that panic, [`forgotten`]
//! about what is never dropped, and [`clocks`] about time that jumps and threads that get none.
#![cfg(not(any(ringmain_loom, ringmain_shuttle, miri)))]

mod clocks;
#[path = "../common/mod.rs"]
mod common;
mod consumers;
mod forgotten;
mod handlers;
mod owned;
mod owners;
mod owners_consuming;
mod payloads;
mod reentrant;
mod small_payloads;
mod wakers;
