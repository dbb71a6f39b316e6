//! The way out: a subscription's cursor, and the two ways of receiving from it.
//!
//! [`inner`] is the subscription itself, and how one waits for it; [`receiving`] what it takes from the rings; [`settling`]
//! how a delivery ends; [`closing`] how the subscription does. [`handle`] is what users call to receive leased, and
//! [`stream`] the same without a thread; [`dispatcher`] is in-place processing, for one subscription or many,
//! until its [`stop_handle`] says so. [`held`]
//! keeps what is off the ring and not leased, [`parked`] of it the dead letters that nobody takes; [`dead_letter`] forwards
//! what failed too often, [`credit`] bounds what is leased, and [`housekeeper`] is the thread that expires leases when
//! nobody polls.

mod closing;
mod credit;
pub(crate) mod dead_letter;
mod delivery;
mod dispatcher;
mod handle;
mod held;
mod housekeeper;
mod in_place;
mod inner;
mod parked;
mod receiving;
pub(crate) mod serving;
mod settling;
mod stop_handle;
#[cfg(feature = "async")]
mod stream;
mod turns;

pub use delivery::{AckId, Delivery};
pub use dispatcher::Dispatcher;
pub use handle::{Deliveries, Subscription};
pub(crate) use housekeeper::Housekeeper;
pub use in_place::Verdict;
pub(crate) use inner::{End, SubscriptionInner};
pub use stop_handle::StopHandle;
#[cfg(feature = "async")]
pub use stream::DeliveryStream;
