//! In-process publish/subscribe: the semantics of Google Cloud Pub/Sub on disruptor-style ring buffers.
//!
//! Every topic owns a pre-allocated ring, every subscription is a cursor on it, fan-out reads in place and copies
//! nothing, and no timer stands on the publish path.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use ringmain::{Engine, Message, SubscriptionConfig, TopicConfig};
//!
//! let engine = Engine::new();
//! let orders = engine.create_topic("orders", TopicConfig::default())?;
//! let billing = orders.create_subscription("billing", SubscriptionConfig::default())?;
//! orders.publisher().publish(Message::new("paid").attribute("region", "eu"))?;
//! let delivery = billing.recv()?;
//! assert_eq!(delivery.data(), b"paid");
//! delivery.ack()?;
//! # Ok(())
//! # }
//! ```
//!
//! Two ways to receive: *leased* ([`Subscription::recv`] and its kin: an owned [`Delivery`], to be acked before its
//! deadline) and *in place* ([`Subscription::process`], or a [`Dispatcher`] that serves many subscriptions from one
//! thread: the handler reads the message in the ring and returns a [`Verdict`]).
//!
//! Everything lives in memory: not durable, not distributed.
//!
//! | feature | what it adds |
//! |---|---|
//! | `async` (default) | [`Subscription::stream`], a `futures_core::Stream` for any executor |
//! | `serde` | messages, settings (times as text: `"30s"`, `"1.5s"`, `"1h 30m"`), ids and counters can be read and written |
//! | `tracing` | life-cycle events: created, deleted (topics), detached, closed, parked; a publisher that waits for room for a second, unless the topic spins; stalled, when [`Topic::stalled`] is asked. Never one a message |
//! | `metrics` | `Engine::record_metrics`: the counters, handed to the recorder that the program has installed |

mod clock;
mod config;
mod engine;
mod error;
mod external;
mod filter;
mod message;
mod name;
mod observe;
mod publish;
mod record;
mod stall;
mod stats;
mod subscription;
mod topic;
#[cfg(feature = "serde")]
mod wire;

pub use bytes::Bytes;
pub use clock::{Clock, ManualClock};
pub use config::{LimitExceeded, PublisherConfig, RetryPolicy, SubscriptionConfig, TopicConfig};
pub use engine::{Close, CloseReport, Engine, EngineBuilder};
pub use error::{AckError, BatchError, Error, Invalid, PublishError, RecvError, Resource};
pub use message::Message;
pub use publish::{PublishFuture, Publisher, Receipt};
pub use record::{Attributes, AttributesIter, InPlace, MessageId, Received};
pub use ringmain_fanout::{Overflow, Slowest, WaitStrategy};
pub use stats::{PublisherStats, SubscriptionStats, TopicStats};
#[cfg(feature = "async")]
pub use subscription::DeliveryStream;
pub use subscription::{AckId, Deliveries, Delivery, Dispatcher, StopHandle, Subscription, Verdict};
pub use topic::Topic;

/// The README's examples are compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
