//! Topics and subscriptions come and go.

use super::history::{FILTERED_GAPS, SubShape, TopicShape};
use super::letters::KEYS;
use super::publishing::TopicHandle;
use super::receiving::SubHandle;
use super::world::{World, halves, pick};
use crate::model::Check;
use crate::model::subscription::{Overflow, Settings};
use ringmain::{Close, Error, Invalid, SubscriptionConfig, TopicConfig};

impl World {
    pub(super) fn create_topic(&mut self, shape: TopicShape) -> Check {
        let number = self.number();
        let name = format!("topic-{number}");
        let TopicShape { slots, shards, batch } = shape;
        let config = TopicConfig::default().ring_slots(slots).shards(shards).batch(batch, 1 << 20);
        if self.closed {
            let refused = self.engine.create_topic(&name, config);
            ensure!(matches!(refused, Err(Error::Closed)), "a topic after the end: {refused:?}");
            return Ok(());
        }
        let topic = self.engine.create_topic(&name, config.clone()).map_err(|error| error.to_string())?;
        let again = self.engine.create_topic(&name, config);
        ensure!(matches!(again, Err(Error::AlreadyExists(_))), "created again: {again:?}");
        self.model.create_topic(name, slots, shards);
        self.topics.push(TopicHandle { topic, publishers: Vec::new(), spy: None });
        let index = self.topics.len() - 1;
        for key in KEYS {
            let shard = self.probe(index, None, Some(key))?;
            self.model.topics[index].keys.insert(key.to_owned(), shard);
        }
        for _ in 0..2 {
            let publisher = self.topics[index].topic.publisher();
            self.add_publisher(index, publisher, None)?;
        }
        Ok(())
    }

    pub(super) fn delete_topic(&mut self, topic: u8) -> Check {
        let open = || (0..self.topics.len()).filter(|topic| !self.model.topics[*topic].closed);
        let Some(topic) = pick(topic, open().count()).and_then(|index| open().nth(index)) else {
            return Ok(());
        };
        let name = self.model.topics[topic].name.clone();
        self.payloads.armed(|| self.engine.delete_topic(&name)).map_err(|error| error.to_string())?;
        let again = self.engine.delete_topic(&name);
        ensure!(matches!(again, Err(Error::NotFound(_))), "deleted again: {again:?}");
        ensure!(self.engine.topic(&name).is_none(), "deleted, and still there");
        self.close_topic(topic)
    }

    /// A topic was closed: what was staged is published if it fitted, and refused otherwise.
    fn close_topic(&mut self, topic: usize) -> Check {
        self.fetch_all(topic)?;
        self.model.check_nothing_left_behind(topic)?;
        self.model.close_topic(topic);
        self.refuse_pending(topic)
    }

    pub(super) fn create_subscription(&mut self, topic: u8, shape: &SubShape) -> Check {
        let Some(topic) = pick(topic, self.topics.len()) else { return Ok(()) };
        let settings = self.settings(topic, shape);
        if let Some((letters, _)) = settings.dead_letter {
            self.plant_spy(letters)?;
            self.fetch(letters, None, Vec::new())?;
        }
        let config = self.config(&settings);
        let name = format!("subscription-{}", self.number());
        self.note(&settings);
        let made = self.topics[topic].topic.create_subscription(&name, config.clone());
        self.check_made(topic, &settings, made.as_ref().err())?;
        let Ok(subscription) = made else { return Ok(()) };
        let again = self.topics[topic].topic.create_subscription(&name, config);
        ensure!(matches!(again, Err(Error::AlreadyExists(_))), "created again: {again:?}");
        self.model.create_subscription(name, topic, settings);
        self.subs.push(SubHandle::new(subscription));
        Ok(())
    }

    /// Whether a subscription was made that may be, or refused for what may not.
    fn check_made(&self, topic: usize, settings: &Settings, error: Option<&Error>) -> Check {
        let gone = self.model.topics[topic].closed;
        let letters_gone = settings.dead_letter.is_some_and(|(letters, _)| self.model.topics[letters].closed);
        let leads_back = |count: &dyn Fn(usize) -> bool| {
            settings.dead_letter.is_some_and(|(letters, _)| self.model.leads_to(letters, topic, count))
        };
        // What is detached and not deleted may count.
        let surely = leads_back(&|sub| !self.model.subs[sub].shut);
        let perhaps = leads_back(&|sub| !self.subs[sub].deleted);
        let right = match error {
            None => !gone && !letters_gone && !surely,
            Some(Error::Closed) => gone,
            Some(Error::NotFound(_)) => gone || letters_gone,
            Some(Error::InvalidArgument(Invalid::DeadLetterCycle { .. })) => perhaps,
            Some(_) => false,
        };
        ensure!(right, "made, or not: {error:?} with {settings:?}");
        Ok(())
    }

    /// A shape's settings, as far as the model can follow: what leaves the ring unseen is not to be dropped from it too.
    fn settings(&self, topic: usize, shape: &SubShape) -> Settings {
        let lossy = shape.overflow != Overflow::Block;
        let plain = lossy && self.model.topics[topic].shards > 1;
        let ordering = shape.ordering && !plain && shape.overflow != Overflow::DropOldest;
        let bytes = shape.max_bytes.filter(|_| !plain && shape.overflow != Overflow::DropOldest);

        let ack_deadline = halves(shape.ack_deadline);
        Settings {
            ack_deadline,
            max_lease: shape.max_lease.map(|more| ack_deadline + halves(more)),
            retry: shape.retry.map(|(least, most)| (halves(least), halves(most))),
            dead_letter: shape
                .dead_letter
                .and_then(|(number, attempts)| Some((pick(number, self.topics.len())?, attempts))),
            ordering,
            filter: shape
                .filter
                .clone()
                .filter(|_| !plain && (FILTERED_GAPS || shape.overflow != Overflow::DropOldest)),
            overflow: shape.overflow,
            max_messages: shape.max_messages,
            max_bytes: bytes.map_or(100 << 20, |(bytes, _)| bytes),
            allow_excess: bytes.is_some_and(|(_, allow)| allow),
            max_held: shape.max_held,
            max_held_bytes: shape.max_held_bytes.unwrap_or(100 << 20),
        }
    }

    fn config(&self, settings: &Settings) -> SubscriptionConfig {
        let mut config = SubscriptionConfig::default()
            .ack_deadline(settings.ack_deadline)
            .overflow(match settings.overflow {
                Overflow::Block => ringmain::Overflow::Block,
                Overflow::DropOldest => ringmain::Overflow::DropOldest,
                Overflow::Detach => ringmain::Overflow::Detach,
            })
            .max_outstanding_messages(settings.max_messages)
            .max_outstanding_bytes(settings.max_bytes)
            .allow_excess(settings.allow_excess)
            .max_held_messages(settings.max_held)
            .max_held_bytes(settings.max_held_bytes);
        if let Some(most) = settings.max_lease {
            config = config.max_lease(most);
        }
        if let Some((least, most)) = settings.retry {
            config = config.retry(least, most);
        }
        if let Some((topic, attempts)) = settings.dead_letter {
            config = config.dead_letter(&self.topics[topic].topic, attempts);
        }
        if settings.ordering {
            config = config.message_ordering();
        }
        if let Some(filter) = &settings.filter {
            config = config.filter(filter.text());
        }
        config
    }

    pub(super) fn detach(&mut self, sub: u8) -> Check {
        let Some(sub) = pick(sub, self.subs.len()) else { return Ok(()) };
        self.payloads.armed(|| self.subs[sub].subscription.detach());
        self.shut(sub)
    }

    pub(super) fn delete_subscription(&mut self, sub: u8) -> Check {
        let Some(sub) = pick(sub, self.subs.len()) else { return Ok(()) };
        let name = self.model.subs[sub].name.clone();
        match self.payloads.armed(|| self.engine.delete_subscription(&name)) {
            Ok(()) => ensure!(!std::mem::replace(&mut self.subs[sub].deleted, true), "deleted twice"),
            Err(Error::NotFound(_)) => ensure!(self.subs[sub].deleted, "not deleted, and not found"),
            Err(error) => return Err(error.to_string()),
        }
        ensure!(self.engine.subscription(&name).is_none(), "deleted, and still there");
        self.shut(sub)
    }

    pub(super) fn shut(&mut self, sub: usize) -> Check {
        self.fetch(self.model.subs[sub].topic, None, Vec::new())?;
        self.model.subs[sub].shut();
        Ok(())
    }

    pub(super) fn close(&mut self, how: Close) -> Check {
        self.recall_spies()?;
        let report = self.payloads.armed(|| self.engine.close(how));
        self.note(report);
        let (mut fresh, mut unacked, mut unsure) = (0, 0, 0);
        for topic in 0..self.topics.len() {
            if !self.model.topics[topic].closed {
                self.close_topic(topic)?;
            }
        }
        for sub in &mut self.model.subs {
            let noticed = sub.may_be_doomed(); // perhaps, and given up before
            let by_close = if sub.shut { sub.by_close } else { (!noticed).then_some(true) };
            let left = sub.shut();
            sub.by_close = by_close;
            unsure += if noticed { left.fresh + left.unacked } else { 0 };
            fresh += left.fresh;
            unacked += left.unacked;
            unsure += left.unsure;
        }
        // What was not delivered may be off the ring, and counts as unacked then.
        let (least, most) = ((fresh + unacked).saturating_sub(unsure), fresh + unacked);
        let right = (least..=most).contains(&(report.unread + report.unacked)) && report.unread <= fresh;
        ensure!(right, "{report:?}, not {fresh} and {unacked}");
        self.closed = true;
        let zero = self.engine.close(Close::Now);
        ensure!((zero.unread, zero.unacked) == (0, 0), "closed twice: {zero:?}");
        Ok(())
    }
}
