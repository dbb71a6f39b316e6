//! Publishers come and go, and refuse what breaks a rule.

use super::publishing::PublisherHandle;
use super::world::World;
use crate::model::letter::{Letter, data};
use crate::model::{Check, Fits};
use ringmain::{Bytes, LimitExceeded, Message, PublishError, Publisher, PublisherConfig};
use std::sync::{Arc, LazyLock};

/// A byte more than a message may have.
static HUGE: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(vec![0; (10 << 20) + 1]));

impl World {
    /// A publisher more, of which it is known where its messages go.
    pub(super) fn add_publisher(
        &mut self,
        topic: usize,
        publisher: Publisher,
        limit: Option<usize>,
    ) -> Check {
        let shard =
            if self.model.topics[topic].shards == 1 { 0 } else { self.probe(topic, Some(&publisher), None)? };
        let number = self.number();
        let publisher = Arc::new(publisher);
        self.topics[topic].publishers.push(PublisherHandle { number, publisher, limit, shard });
        Ok(())
    }

    /// Publishes to find out which shard a key or a publisher has.
    pub(super) fn probe(
        &mut self,
        topic: usize,
        publisher: Option<&Publisher>,
        key: Option<&str>,
    ) -> Check<usize> {
        let data = data(self.number(), 0, false, 0);
        let letter =
            Letter { data, attributes: Vec::new(), key: key.map(str::to_owned), time: self.model.now };
        let own = self.topics[topic].topic.publisher();
        let message = letter.message(&self.payloads);
        let id = publisher.unwrap_or(&own).publish(message).map_err(|error| format!("{error:?}"))?;
        self.model.publish(topic, &letter.into(), id.get())?;
        Ok(self.model.topics[topic].shard_of(id.get()))
    }

    /// Whether to find out a publisher's shard would not wait.
    fn may_probe(&self, topic: usize) -> bool {
        let model = &self.model.topics[topic];
        let full = |shard| self.model.fits(topic, shard, model.staged_at(shard) + 1) != Fits::Yes;
        !model.closed && (model.shards == 1 || !(0..model.shards).any(full))
    }

    pub(super) fn replace_publisher(&mut self, topic: u8, publisher: u8) -> Check {
        let Some((topic, publisher)) = self.publisher(topic, publisher) else { return Ok(()) };
        let shared = Arc::strong_count(&self.topics[topic].publishers[publisher].publisher) > 1;
        if shared || !self.may_probe(topic) {
            return Ok(());
        }
        let handle = self.topics[topic].publishers.swap_remove(publisher);
        let PublisherHandle { number, publisher, limit, .. } = handle;
        let shards = self.model.topics[topic].shards;
        let fit = |shard: &usize| {
            self.model.fits(topic, *shard, self.model.topics[topic].staged_by(number, *shard)) == Fits::Yes
        };
        let fit: Vec<_> = (0..shards).filter(fit).collect();
        let next = Publisher::clone(&publisher);
        drop(publisher);
        self.fetch(topic, Some(number), Vec::new())?;
        for shard in fit {
            let left = self.model.topics[topic].staged_by(number, shard);
            ensure!(left == 0, "a publisher was dropped, and {left} of its messages are not readable");
        }
        self.publish_late()?;
        self.add_publisher(topic, next, limit)
    }

    /// Another publisher, with a limit. It has nothing outstanding, and the old one lives on without a name.
    pub(super) fn limit_publisher(&mut self, topic: u8, publisher: u8, limit: usize, blocks: bool) -> Check {
        let Some((topic, _)) = self.publisher(topic, publisher) else { return Ok(()) };
        if !self.may_probe(topic) || self.topics[topic].publishers.len() >= 6 {
            return Ok(());
        }
        let action = if blocks { LimitExceeded::Block } else { LimitExceeded::Error };
        let config = PublisherConfig::default().max_outstanding_messages(limit).limit_exceeded(action);
        let next = self.topics[topic].topic.publisher_with(config).map_err(|error| error.to_string())?;
        self.add_publisher(topic, next, Some(limit))
    }

    /// What breaks a rule comes back whole, and takes nothing.
    pub(super) fn publish_invalid(&mut self, topic: u8, publisher: u8, how: u8) -> Check {
        let Some((topic, publisher)) = self.publisher(topic, publisher) else { return Ok(()) };
        let publisher = &self.topics[topic].publishers[publisher].publisher;
        let huge = |length| Message::new(HUGE.slice(..length));
        let message = match how % 6 {
            0 => Message::new(""),
            1 => huge(HUGE.len()),
            2 => huge(HUGE.len() - 1).attribute("k", "v"),
            3 => Message::new("x").attribute("goog", "v"),
            4 => Message::new("x").ordering_key(""),
            _ => (0..101).fold(Message::new("x"), |message, key| message.attribute(format!("k{key}"), "v")),
        };
        let before = publisher.stats();
        let refused = match how % 3 {
            0 => publisher.publish(message.clone()),
            1 => publisher.try_publish(message.clone()),
            _ => match publisher.enqueue(message.clone()) {
                Ok(_) => return Err("a receipt for what is invalid".into()),
                Err(error) => Err(error),
            },
        };
        let right = matches!(&refused, Err(PublishError::Invalid { message: back, .. }) if *back == message);
        ensure!(right, "what is invalid: {:?}", refused.map_err(|error| error.to_string()));
        ensure!(publisher.stats() == before, "what is invalid took credit");
        Ok(())
    }
}
