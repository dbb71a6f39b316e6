//! One ring, any number of readers: a broadcast channel whose fan-out reads in place and copies nothing.
//!
//! A [`Channel`] is published to from any number of threads. [`Receiver`]s come and go while it runs; each has its own
//! position, sees every message published after it was made, and says by its [`Overflow`] policy what happens when it is
//! a whole ring behind: the publishers wait for it, it loses the oldest messages and is told exactly how many, or it is
//! detached and told so. One receiver's policy never costs another a message.
//!
//! * Clones of a receiver *compete*: each message goes to one of them.
//! * A [`Dispatcher`] serves many receivers from one thread: a message brought into cache once is delivered to all.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use ringmain_fanout::{Channel, Dispatcher, Event};
//! use std::sync::atomic::{AtomicU64, Ordering};
//! use std::sync::Arc;
//!
//! let channel = Channel::new(1024, || 0u64)?;
//! let sum = Arc::new(AtomicU64::new(0));
//! let mut dispatcher = Dispatcher::new(&channel);
//! for _ in 0..50 {
//!     let sum = Arc::clone(&sum);
//!     dispatcher.add(channel.receiver(), move |event: Event<'_, u64>| {
//!         if let Event::Batch(batch) = event {
//!             batch.for_each(|_, value| drop(sum.fetch_add(*value, Ordering::Relaxed)));
//!         }
//!     })?;
//! }
//! channel.publish(3)?;
//! assert_eq!(dispatcher.poll(), 50);
//! assert_eq!(sum.load(Ordering::Relaxed), 150);
//! # Ok(())
//! # }
//! ```

mod batch;
mod channel;
mod cursor_set;
mod dispatcher;
mod error;
mod overflow;
mod receiver;
mod registry;

pub use batch::{Batch, Event};
pub use channel::{Channel, ChannelBuilder};
pub use cursor_set::CursorSet;
pub use dispatcher::{Dispatcher, StopHandle};
pub use error::{Foreign, ReceiveError};
pub use overflow::Overflow;
pub use receiver::Receiver;
pub use registry::Slowest;
pub use ringmain_ring::{BuildError, ClaimError, Closed, Sequence, TryPublishError, WaitStrategy};
