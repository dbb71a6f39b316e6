//! The way out: a subscription's cursor, and the two ways of receiving from it.
//!
//! [`inner`] is the subscription itself: what it takes from the rings, its leases and its counters; [`closing`] is
//! how it ends. [`handle`] is what
//! users call to receive leased; [`dispatcher`] is in-place processing, for one subscription or many. [`redelivery`]
//! holds what came back, and [`housekeeper`] is the thread that expires leases when nobody polls.

mod closing;
mod credit;
mod delivery;
mod dispatcher;
mod handle;
mod housekeeper;
mod in_place;
mod inner;
mod redelivery;
pub(crate) mod serving;

pub use delivery::{AckId, Delivery};
pub use dispatcher::{Dispatcher, StopHandle};
pub use handle::{Deliveries, Subscription};
pub(crate) use housekeeper::Housekeeper;
pub use in_place::Verdict;
pub(crate) use inner::SubscriptionInner;
