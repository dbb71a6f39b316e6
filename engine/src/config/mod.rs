//! Settings of topics, publishers and subscriptions. Chainable; every default is what Google Cloud Pub/Sub has, where it
//! has one.

mod publisher;
mod subscription;
mod topic;

pub use publisher::{LimitExceeded, PublisherConfig};
pub(crate) use subscription::DeadLetterPolicy;
pub use subscription::{RetryPolicy, SubscriptionConfig};
pub use topic::TopicConfig;

use crate::error::Invalid;

fn setting(
    setting: &'static str,
    rule: &'static str,
    actual: usize,
    good: impl FnOnce(usize) -> bool,
) -> Result<(), Invalid> {
    if good(actual) { Ok(()) } else { Err(Invalid::Setting { setting, rule, actual: actual.to_string() }) }
}
