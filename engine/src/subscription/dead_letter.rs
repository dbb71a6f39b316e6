//! Dead letters: messages that failed too often, forwarded to another topic.
//!
//! Forwarding never waits. When the topic is full, or gone, the message is *parked*: it is held, counted, no longer in
//! the way of its ordering key, and tried again at each poll and tick.

use super::inner::SubscriptionInner;
use super::serving;
use crate::clock::nanos;
use crate::config::DeadLetterPolicy;
use crate::engine::Directory;
use crate::error::Invalid;
use crate::external::LetGoLater;
use crate::observe::event;
use crate::publish::Publisher;
use crate::record::{Held, Received};
use crate::stats::add;
use crate::topic::{Topic, TopicInner};
use ringmain_ring::sync::broken;
use std::sync::Arc;
use std::time::Duration;

/// How soon a parked message is tried again when nobody polls.
pub(super) const RETRY: Duration = Duration::from_millis(100);

/// Attributes of a dead letter, as Google Cloud Pub/Sub names them, where it has them.
const SUBSCRIPTION: &str = "CloudPubSubDeadLetterSourceSubscription";
const COUNT: &str = "CloudPubSubDeadLetterSourceDeliveryCount";
const ID: &str = "CloudPubSubDeadLetterSourceMessageId";

#[derive(Debug)]
pub(crate) struct DeadLetters {
    publisher: Publisher,
    pub(super) max_delivery_attempts: u32,
}

impl DeadLetters {
    pub(super) fn new(policy: &DeadLetterPolicy) -> Self {
        Self { publisher: policy.topic.publisher(), max_delivery_attempts: policy.max_delivery_attempts }
    }

    /// Whether the dead-letter topic takes any more.
    pub(super) fn may_forward(&self) -> bool {
        self.publisher.topic().inner().takes_dead_letters()
    }

    /// Publishes a copy to the dead-letter topic, if there is room now. The payload is not copied.
    fn forward(&self, subscription: &str, message: &Received, attempts: u32) -> bool {
        let more = [
            (SUBSCRIPTION, subscription.to_owned()),
            (COUNT, attempts.to_string()),
            (ID, message.id().to_string()),
        ];
        self.publisher.forward(message, &more)
    }
}

/// Whether a subscription of `topic` may have `dead_letters` as its dead-letter topic: no chain of such topics, by the
/// subscriptions that exist, may lead back.
pub(crate) fn check(
    topic: &Arc<TopicInner>,
    dead_letters: &Topic,
    others: &Directory<Arc<SubscriptionInner>>,
) -> Result<(), Invalid> {
    let mut next = vec![dead_letters.inner()];
    let mut seen: Vec<&Arc<TopicInner>> = Vec::new();
    while let Some(at) = next.pop() {
        if Arc::ptr_eq(at, topic) {
            let (topic, dead_letter) = (topic.name.clone(), dead_letters.name().to_owned());
            return Err(Invalid::DeadLetterCycle { topic, dead_letter });
        }
        if seen.iter().any(|other| Arc::ptr_eq(other, at)) {
            continue;
        }
        seen.push(at);
        let here = others.values().filter(|other| Arc::ptr_eq(&other.topic, at));
        next.extend(here.filter_map(|other| Some(other.config.dead_letter.as_ref()?.topic.inner())));
    }
    Ok(())
}

impl SubscriptionInner {
    /// Whether its dead letters go to `topic`.
    pub(crate) fn forwards_to(&self, topic: &Arc<TopicInner>) -> bool {
        let to = |policy: &DeadLetterPolicy| Arc::ptr_eq(policy.topic.inner(), topic);
        self.config.dead_letter.as_ref().is_some_and(to)
    }

    /// Forwards a message that failed `attempts` times, or parks it.
    #[cold]
    pub(super) fn bury(&self, message: Received, attempts: u32) {
        let Some(letters) = &self.dead_letter else { return };
        let payloads = LetGoLater::begin();
        let forwarded = letters.forward(&self.name, &message, attempts);
        if !broken("letters.key_stays") {
            self.settle(&message);
        }
        if forwarded || broken("letters.not_parked") {
            add(&self.counters.dead_lettered, 1);
            drop(message);
        } else {
            event!(
                warn,
                "dead letter parked: its topic is full or deleted",
                subscription = self.name,
                message = message.id().get(),
                attempts = attempts,
            );
            let shard = letters.publisher.shard_for(&message);
            self.held.park(shard, Held { message, attempt: attempts });
            self.is_due_at(self.topic.clock.now() + nanos(RETRY));
        }
        // What was in its slot; and the letter itself, if its topic keeps nothing.
        serving::let_go(payloads, &self.topic);
    }

    /// Forwards what is parked, as far as the dead-letter topic takes it now. Each of its shards is asked until it refuses
    /// one: that another is full is nothing to it.
    #[cold]
    pub(super) fn try_parked(&self, time: u64) {
        let Some(letters) = &self.dead_letter else { return };
        let Some(_retrying) = self.held.retry() else { return };
        let payloads = LetGoLater::begin();
        let (mut moved, mut refused) = (false, false);
        for shard in 0..letters.publisher.topic().config().shards {
            while let Some(held) = self.held.unpark(shard) {
                if letters.forward(&self.name, &held.message, held.attempt) {
                    add(&self.counters.dead_lettered, 1);
                    self.held.forwarded(held.message.size());
                    moved = true;
                } else {
                    self.held.park_again(shard, held);
                    self.held_after_all();
                    refused = true;
                    if broken("parked.one_queue") {
                        return;
                    }
                    break;
                }
            }
        }
        if refused {
            self.is_due_at(time + nanos(RETRY));
        }
        serving::let_go(payloads, &self.topic); // as in `bury`
        // Less is held: whoever found too much held looks again.
        if moved && !(refused && broken("parked.in_silence")) {
            self.changed.notify();
        }
    }
}
