//! Which messages arrived in dead-letter topics.
//!
//! Nobody is told the id of a dead letter, nor which of several was forwarded when there was not room for all. So a
//! dead-letter topic has one subscription more, that the model knows nothing of: it drops the oldest, so nobody waits
//! for it, and is read after every call, but only as far as there is something: looking in vain would fetch what is
//! enqueued.

use super::world::{UNCLEAR, World};
use crate::model::letter::Letter;
use crate::model::{Arrived, Check};
use ringmain::{Overflow, RecvError, Subscription, SubscriptionConfig};

/// Tells dead letters from others.
const SOURCE: &str = "CloudPubSubDeadLetterSourceSubscription";

pub(super) struct Spy {
    subscription: Subscription,
    /// How many messages of the topic it has read, or lost, or came too late for.
    known: u64,
    /// Whether it has lost any in this step.
    pub(super) lagged: bool,
}

impl World {
    pub(super) fn plant_spy(&mut self, topic: usize) -> Check {
        let handle = &mut self.topics[topic];
        if handle.spy.is_some() || self.model.topics[topic].closed {
            return Ok(());
        }
        let config = SubscriptionConfig::default().overflow(Overflow::DropOldest);
        let subscription = handle.topic.create_subscription(&format!("spy-{topic}"), config);
        let subscription = subscription.map_err(|error| error.to_string())?;
        handle.spy = Some(Spy { subscription, known: handle.topic.stats().published, lagged: false });
        Ok(())
    }

    /// Reads what is there, on every dead-letter topic.
    pub(super) fn spy(&mut self) -> Check {
        let mut arrived = Vec::new();
        for (topic, handle) in self.topics.iter_mut().enumerate() {
            let Some(spy) = &mut handle.spy else { continue };
            while spy.known < handle.topic.stats().published {
                let delivery = match spy.subscription.try_recv() {
                    Ok(Some(delivery)) => delivery,
                    Err(RecvError::Lagged(lost)) => {
                        spy.known += lost;
                        spy.lagged = true;
                        continue;
                    }
                    other => return Err(format!("a spy received {other:?}, with messages unread")),
                };
                spy.known += 1;
                if delivery.attribute(SOURCE).is_some() {
                    let letter = Letter {
                        data: delivery.data().to_vec(),
                        attributes: delivery.attributes().to_vec(),
                        key: delivery.ordering_key().map(str::to_owned),
                        time: delivery.publish_time().duration_since(self.zero).unwrap_or_default(),
                    };
                    arrived.push(Arrived { topic, id: delivery.id().get(), letter });
                }
                delivery.ack().map_err(|error| error.to_string())?;
            }
        }
        self.model.arrive(arrived)
    }

    /// The end of a step: everything that arrived is known.
    pub(super) fn check_spies(&mut self) -> Check {
        self.model.check_arrived()?;
        ensure!(!self.is_unclear(), "{UNCLEAR}");
        self.topics.iter_mut().filter_map(|handle| handle.spy.as_mut()).for_each(|spy| spy.lagged = false);
        Ok(())
    }

    /// Whether a spy has lost a message in this step that nobody else knows of.
    pub(super) fn is_unclear(&self) -> bool {
        let published = |topic: usize| self.topics[topic].topic.stats().published;
        let lagged = |topic: &usize| self.topics[*topic].spy.as_ref().is_some_and(|spy| spy.lagged);
        (0..self.topics.len())
            .filter(lagged)
            .any(|topic| published(topic) != self.model.topics[topic].published)
    }

    /// They have no part in what is left at the end.
    pub(super) fn recall_spies(&mut self) -> Check {
        for topic in 0..self.topics.len() {
            if let Some(spy) = self.topics[topic].spy.take() {
                self.engine
                    .delete_subscription(spy.subscription.name())
                    .map_err(|error| error.to_string())?;
                self.fetch(topic, None, Vec::new())?;
            }
        }
        Ok(())
    }
}
