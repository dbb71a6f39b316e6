//! What becomes of a delivery that failed: it waits out its backoff, or goes to the dead-letter topic.
//!
//! A message that failed too often is *buried*: forwarded when there is room, parked until then. Which of several is
//! forwarded when there is not room for all is not said; so the model is shown what arrived in dead-letter topics, and
//! finds out who gave it up.

use super::letter::{Entry, Letter};
use super::subscription::{Returned, Settings, Sub};
use super::topic::Fits;
use super::{Check, Model};
use std::rc::Rc;
use std::time::Duration;

/// A message that arrived in a dead-letter topic.
#[derive(Debug)]
pub(crate) struct Arrived {
    pub(crate) topic: usize,
    pub(crate) id: u64,
    pub(crate) letter: Letter,
}

/// A message that a subscription has given up.
#[derive(Debug)]
pub(crate) struct Buried {
    pub(crate) entry: Rc<Entry>,
    /// As it is to arrive.
    letter: Rc<Letter>,
    /// When it was given up.
    step: u64,
}

impl Settings {
    /// How long a message waits after delivery number `attempt` failed.
    fn backoff(&self, attempt: u32) -> Duration {
        let Some((minimum, maximum)) = self.retry else { return Duration::ZERO };
        let mut backoff = minimum;
        for _ in 1..attempt {
            backoff = (backoff * 2).min(maximum);
        }
        backoff.min(maximum)
    }
}

impl Sub {
    fn dead_letter(&self, entry: &Entry, attempts: u32) -> Letter {
        let mut letter = Letter::clone(&entry.letter);
        for (key, value) in [
            ("CloudPubSubDeadLetterSourceSubscription", self.name.clone()),
            ("CloudPubSubDeadLetterSourceDeliveryCount", attempts.to_string()),
            ("CloudPubSubDeadLetterSourceMessageId", entry.id.to_string()),
        ] {
            letter.attributes.retain(|(other, _)| other != key);
            letter.attributes.push((key.to_owned(), value));
        }
        letter
    }
}

impl Model {
    /// Delivery number `attempt` failed.
    pub(crate) fn fail(&mut self, sub: usize, entry: Rc<Entry>, attempt: u32) -> Check {
        let step = self.step;
        let model = &mut self.subs[sub];
        if model.settings.dead_letter.is_some_and(|(_, attempts)| attempt >= attempts) {
            let letter = Rc::new(model.dead_letter(&entry, attempt));
            model.buried.push(Buried { entry, letter, step });
            return self.match_arrived();
        }
        let ready = self.now + model.settings.backoff(attempt);
        model.returned.push(Returned { entry, attempt: attempt + 1, ready });
        Ok(())
    }

    /// These messages arrived in dead-letter topics.
    pub(crate) fn arrive(&mut self, arrived: impl IntoIterator<Item = Arrived>) -> Check {
        self.arrived.extend(arrived);
        self.match_arrived()
    }

    /// How many arrived in a topic, of which nobody is known to have given them up.
    pub(crate) fn arrived(&self, topic: usize) -> u64 {
        self.arrived.iter().filter(|arrived| arrived.topic == topic).count() as u64
    }

    /// Finds out who gave up what arrived.
    fn match_arrived(&mut self) -> Check {
        for Arrived { topic, id, letter } in std::mem::take(&mut self.arrived) {
            let forwards = |sub: &&mut Sub| sub.settings.dead_letter.is_some_and(|(other, _)| other == topic);
            let is_it = |buried: &Buried| *buried.letter == letter;
            let mut subs = self.subs.iter_mut().filter(forwards);
            let found = subs.find_map(|sub| Some((sub.buried.iter().position(is_it)?, sub)));
            let Some((index, sub)) = found else {
                self.arrived.push(Arrived { topic, id, letter });
                continue;
            };
            let Buried { letter, .. } = sub.buried.remove(index);
            sub.counts.dead_lettered += 1;
            if letter.key.is_none() {
                sub.dead_letter_shard = Some(self.topics[topic].shard_of(id));
            }
            self.publish(topic, &letter, id)?;
        }
        Ok(())
    }

    /// The step is over: everything that arrived was given up by somebody.
    pub(crate) fn check_arrived(&self) -> Check {
        ensure!(self.arrived.is_empty(), "nobody has given up {:?}", self.arrived);
        Ok(())
    }

    /// What is given up does not stay where it is while there is room: that since the step before, if `old`, and that
    /// in this step in any case.
    pub(crate) fn check_parked(&self, sub: usize, old: bool) -> Check {
        let model = &self.subs[sub];
        let Some((topic, _)) = model.settings.dead_letter else { return Ok(()) };
        let takes = &self.topics[topic];
        if takes.closed || model.shut {
            return Ok(());
        }
        for buried in model.buried.iter().filter(|buried| old || buried.step == self.step) {
            let key = buried.letter.key.as_ref();
            let shard = key.map_or(model.dead_letter_shard, |key| takes.keys.get(key).copied());
            let shards = shard.map_or(0..takes.shards, |shard| shard..shard + 1);
            let fits = shards.into_iter().all(|shard| self.fits(topic, shard, 1) == Fits::Yes);
            ensure!(
                !fits,
                "{}: message {} is parked, and {} has room",
                model.name,
                buried.entry.id,
                takes.name
            );
        }
        Ok(())
    }

    /// Whether dead letters of `from` come to `to`, or it is the same, by the subscriptions that `count`.
    pub(crate) fn leads_to(&self, from: usize, to: usize, count: &dyn Fn(usize) -> bool) -> bool {
        let subs = self.subs.iter().enumerate().filter(|(index, sub)| sub.topic == from && count(*index));
        let mut next = subs.filter_map(|(_, sub)| sub.settings.dead_letter);
        from == to || next.any(|(topic, _)| self.leads_to(topic, to, count))
    }
}
