//! Topics: who gets a message, and whether there is room for it.

use super::letter::{Entry, Letter};
use super::subscription::Overflow;
use super::{Check, Model};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) name: String,
    pub(crate) slots: usize,
    pub(crate) shards: usize,
    /// Deleted, or closed with the engine.
    pub(crate) closed: bool,
    pub(crate) published: u64,
    /// The shards of ordering keys.
    pub(crate) keys: BTreeMap<String, usize>,
    /// The ids of the last step, or of an earlier one, of each shard.
    last: Vec<(u64, Vec<u64>)>,
    /// All ids before those are less than this.
    floor: Vec<u64>,
    /// What publishers have enqueued and is not readable yet, by publisher and shard.
    pub(crate) staged: BTreeMap<(u64, usize), VecDeque<Rc<Letter>>>,
}

/// Whether something fits a ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fits {
    Yes,
    No,
    /// It depends on how far a subscription has taken ahead.
    Unsure,
}

impl Topic {
    pub(crate) fn new(name: String, slots: usize, shards: usize) -> Self {
        Self {
            name,
            slots,
            shards,
            closed: false,
            published: 0,
            keys: BTreeMap::new(),
            last: vec![(0, Vec::new()); shards],
            floor: vec![0; shards],
            staged: BTreeMap::new(),
        }
    }

    /// Ids are dealt out in turn.
    pub(crate) fn shard_of(&self, id: u64) -> usize {
        usize::try_from(id % self.shards as u64).expect("small")
    }

    /// Ids rise in publish order within a shard: what is published in one step, perhaps by several, has higher ones than
    /// all before.
    fn take_id(&mut self, shard: usize, id: u64, step: u64) -> Check {
        let (last, ids) = &mut self.last[shard];
        if *last < step {
            self.floor[shard] = ids.iter().map(|id| id + 1).max().unwrap_or(self.floor[shard]);
            ids.clear();
            *last = step;
        }
        let floor = self.floor[shard];
        ensure!(floor <= id && !ids.contains(&id), "id {id} after {floor} and {ids:?}");
        ids.push(id);
        Ok(())
    }

    pub(crate) fn staged_by(&self, publisher: u64, shard: usize) -> usize {
        self.staged.get(&(publisher, shard)).map_or(0, VecDeque::len)
    }

    /// By all publishers.
    pub(crate) fn staged_at(&self, shard: usize) -> usize {
        let here = self.staged.iter().filter(|((_, other), _)| *other == shard);
        here.map(|(_, lane)| lane.len()).sum()
    }

    pub(crate) fn is_anything_staged(&self) -> bool {
        self.staged.values().any(|lane| !lane.is_empty())
    }
}

impl Model {
    /// Whether `count` more messages fit the ring of a shard. Only blocking subscriptions are in the way.
    pub(crate) fn fits(&self, topic: usize, shard: usize, count: usize) -> Fits {
        let slots = self.topics[topic].slots;
        let mut fits = if count > slots { Fits::No } else { Fits::Yes };
        for sub in self.subs.iter().filter(|sub| sub.topic == topic && !sub.shut) {
            if sub.settings.overflow == Overflow::Block {
                let (least, most) = sub.rings[shard].occupied();
                if least + count > slots {
                    return Fits::No;
                }
                if most + count > slots {
                    fits = Fits::Unsure;
                }
            }
        }
        fits
    }

    /// A message became readable, and has this id. It goes to everybody who subscribes now.
    pub(crate) fn publish(&mut self, topic: usize, letter: &Rc<Letter>, id: u64) -> Check {
        let Self { topics, subs, step, .. } = self;
        let model = &mut topics[topic];
        ensure!(!model.closed, "{} is closed, and took message {}", model.name, letter.number());
        let shard = model.shard_of(id);
        model.take_id(shard, id, *step)?;
        model.published += 1;
        let entry = Rc::new(Entry { letter: Rc::clone(letter), id, step: *step });
        for sub in subs.iter_mut().filter(|sub| sub.topic == topic && !sub.shut) {
            sub.counts.accepted += 1;
            let ring = &mut sub.rings[shard];
            ring.insert(Rc::clone(&entry));
            ring.make_room(model.slots, sub.settings.overflow)
                .map_err(|fault| format!("{}: {fault}", sub.name))?;
            sub.drop_filtered();
        }
        Ok(())
    }

    /// A message that was enqueued became readable.
    pub(crate) fn publish_staged(
        &mut self,
        topic: usize,
        publisher: u64,
        letter: &Rc<Letter>,
        id: u64,
    ) -> Check {
        let model = &mut self.topics[topic];
        let shard = model.shard_of(id);
        let lane = model.staged.entry((publisher, shard)).or_default();
        let first = lane.pop_front();
        ensure!(
            first.as_ref() == Some(letter),
            "message {} of publisher {publisher} was readable before what it had enqueued earlier: {first:?}",
            letter.number()
        );
        self.publish(topic, letter, id)
    }

    /// A topic was deleted: what is staged then was published, as far as it fits, or is refused.
    pub(crate) fn close_topic(&mut self, topic: usize) {
        self.topics[topic].closed = true;
    }

    /// Whether somebody who asked for more got nothing leaves nothing staged that fits.
    pub(crate) fn check_nothing_left_behind(&self, topic: usize) -> Check {
        for ((publisher, shard), lane) in &self.topics[topic].staged {
            let fits = lane.is_empty() || self.fits(topic, *shard, lane.len()) != Fits::Yes;
            ensure!(
                fits,
                "a consumer has nothing to read, and {} messages of publisher {publisher} stay enqueued",
                lane.len()
            );
        }
        Ok(())
    }
}
