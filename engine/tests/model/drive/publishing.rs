//! Publishing in all ways, and finding out what of the enqueued became readable.

use super::history::Publish;
use super::letters::LetterShape;
use super::spying::Spy;
use super::tasks::Alarm;
use super::world::{World, pick};
use crate::model::letter::Letter;
use crate::model::{Check, Fits};
use ringmain::{BatchError, Message, MessageId, PublishError, Publisher, Receipt, Topic};
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

pub(super) struct TopicHandle {
    pub(super) topic: Topic,
    pub(super) publishers: Vec<PublisherHandle>,
    pub(super) spy: Option<Spy>,
}

pub(super) struct PublisherHandle {
    pub(super) number: u64,
    pub(super) publisher: Arc<Publisher>,
    /// How many messages it may have outstanding, if that is limited.
    pub(super) limit: Option<usize>,
    /// Where messages without a key go.
    pub(super) shard: usize,
}

/// A message that was enqueued.
pub(super) struct Pending {
    topic: usize,
    publisher: u64,
    shard: usize,
    letter: Rc<Letter>,
    receipt: Receipt,
    alarm: Alarm,
}

impl Pending {
    fn poll(&mut self) -> Check<Poll<Result<MessageId, PublishError<()>>>> {
        let Self { alarm, receipt, letter, .. } = self;
        let (polled, overslept) = alarm.poll(|context| Pin::new(receipt).poll(context));
        ensure!(!overslept, "who awaits the receipt of message {} was not woken", letter.number());
        Ok(polled)
    }

    fn lane(&self) -> (u64, usize) {
        (self.publisher, self.shard)
    }
}

type Published<M> = Result<MessageId, PublishError<M>>;

/// The message in an error must be the one that was given.
fn came_back(error: PublishError<Message>, sent: &Message) -> Check<PublishError<()>> {
    let what = format!("{error:?}");
    let empty = match &error {
        PublishError::Full(_) => PublishError::Full(()),
        PublishError::Closed(_) => PublishError::Closed(()),
        PublishError::LimitExceeded(_) => PublishError::LimitExceeded(()),
        _ => return Err(format!("unexpected: {what}")),
    };
    let back = error.into_message();
    ensure!(back == *sent, "{what} gave another message back: {back:?}");
    Ok(empty)
}

fn checked(published: Published<Message>, sent: &Message) -> Check<Published<()>> {
    match published {
        Ok(id) => Ok(Ok(id)),
        Err(error) => Ok(Err(came_back(error, sent)?)),
    }
}

impl World {
    pub(super) fn publisher(&self, topic: u8, publisher: u8) -> Option<(usize, usize)> {
        let topic = pick(topic, self.topics.len())?;
        Some((topic, pick(publisher, self.topics[topic].publishers.len())?))
    }

    pub(super) fn shard_of(&self, topic: usize, publisher: usize, key: Option<&str>) -> usize {
        key.map_or(self.topics[topic].publishers[publisher].shard, |key| self.model.topics[topic].keys[key])
    }

    pub(super) fn publish(&mut self, topic: u8, publisher: u8, how: Publish, shape: &LetterShape) -> Check {
        let Some((topic, publisher)) = self.publisher(topic, publisher) else { return Ok(()) };
        let number = self.number();
        let slice = matches!(how, Publish::Slice | Publish::TrySlice | Publish::With);
        let now = self.model.now;
        let letter = Rc::new(if slice { shape.bare(number, now) } else { shape.letter(number, now) });
        let shard = self.shard_of(topic, publisher, letter.key.as_deref());
        let handle = &self.topics[topic].publishers[publisher];
        let lane = (handle.number, shard);
        let publisher = &handle.publisher;
        let model = &self.model.topics[topic];
        let closed = model.closed;
        // What the publisher has enqueued goes first.
        let fits = self.model.fits(topic, shard, model.staged_by(lane.0, shard) + 1);
        let before = publisher.stats();
        // (A call that drains what is staged may find credit where there was none.)
        let used_up = |limit| before.waiting > 0 || before.outstanding_messages >= limit as u64;
        let no_credit = handle.limit.is_some_and(used_up);
        let waits = !closed && (fits != Fits::Yes || no_credit);
        let message = letter.message(&self.payloads);
        let sent = message.clone();
        let armed = &self.payloads;
        let fill = |buffer: &mut [u8]| buffer.copy_from_slice(&letter.data);
        // (Keys that pause have tests of their own.)
        letter.key.iter().for_each(|key| _ = publisher.resume_publishing(key));
        let published = match how {
            Publish::Slice if !waits => armed.armed(|| publisher.publish_slice(&letter.data)),
            Publish::With if !waits => armed.armed(|| publisher.publish_with(letter.data.len(), fill)),
            Publish::Slice | Publish::TrySlice => armed.armed(|| publisher.try_publish_slice(&letter.data)),
            Publish::With => armed.armed(|| publisher.try_publish_with(letter.data.len(), fill)),
            Publish::Enqueue | Publish::EnqueueAndWait if !waits => {
                match armed.armed(|| publisher.enqueue(message)) {
                    Ok(receipt) => {
                        ensure!(!closed, "{} is closed, and took a message", model.name);
                        let pending = Pending {
                            topic,
                            publisher: lane.0,
                            shard,
                            letter: Rc::clone(&letter),
                            receipt,
                            alarm: Alarm::default(),
                        };
                        return self.enqueued(pending, how == Publish::EnqueueAndWait);
                    }
                    Err(error) => Err(came_back(error, &sent)?),
                }
            }
            Publish::Plain if !waits => checked(armed.armed(|| publisher.publish(message)), &sent)?,
            Publish::Timeout => {
                checked(armed.armed(|| publisher.publish_timeout(message, Duration::ZERO)), &sent)?
            }
            _ => checked(armed.armed(|| publisher.try_publish(message)), &sent)?,
        };
        self.note(&published);
        let mut direct = Vec::new();
        match published {
            Ok(id) => {
                ensure!(fits != Fits::No, "published, though a ring behind");
                direct.push((id.get(), letter));
            }
            Err(PublishError::Full(())) => ensure!(!closed && fits != Fits::Yes, "full, and there is room"),
            Err(PublishError::Closed(())) => ensure!(closed, "closed, though it is not"),
            Err(PublishError::LimitExceeded(())) => {
                ensure!(no_credit && !closed, "refused, and there is credit, or none ever: {before:?}")
            }
            Err(error) => return Err(format!("unexpected: {error:?}")),
        }
        self.fetch(topic, Some(lane.0), direct)
    }

    fn enqueued(&mut self, pending: Pending, wait: bool) -> Check {
        let (topic, lane) = (pending.topic, pending.lane());
        self.model.topics[topic].staged.entry(lane).or_default().push_back(Rc::clone(&pending.letter));
        if !wait {
            self.pending.push(pending);
            return self.fetch(topic, Some(lane.0), Vec::new());
        }
        let Pending { letter, receipt, .. } = pending;
        let id = receipt.wait().map_err(|error| format!("not published: {error:?}"))?;
        self.note(id);
        // It was the last of its lane, all of which is readable now.
        let staged =
            self.model.topics[topic].staged.get_mut(&lane).and_then(std::collections::VecDeque::pop_back);
        ensure!(staged == Some(Rc::clone(&letter)), "the last one enqueued is {staged:?}");
        self.fetch(topic, Some(lane.0), vec![(id.get(), letter)])
    }

    pub(super) fn publish_batch(
        &mut self,
        topic: u8,
        publisher: u8,
        shapes: &[LetterShape],
        bad: bool,
    ) -> Check {
        let Some((topic, publisher)) = self.publisher(topic, publisher) else { return Ok(()) };
        let now = self.model.now;
        let letters: Vec<_> = shapes.iter().map(|shape| Rc::new(shape.letter(self.number(), now))).collect();
        let handle = &self.topics[topic].publishers[publisher];
        let number = handle.number;
        let mut counts = BTreeMap::new();
        for letter in &letters {
            *counts.entry(self.shard_of(topic, publisher, letter.key.as_deref())).or_insert(0) += 1;
        }
        let closed = self.model.topics[topic].closed;
        let fits = |(shard, count): (&usize, &usize)| {
            let staged = self.model.topics[topic].staged_by(number, *shard);
            self.model.fits(topic, *shard, staged + count) == Fits::Yes
        };
        if !closed && (handle.limit.is_some() || !counts.iter().all(fits)) {
            return Ok(()); // it would wait, or might
        }
        letters
            .iter()
            .flat_map(|letter| &letter.key)
            .for_each(|key| _ = handle.publisher.resume_publishing(key));
        let mut messages: Vec<_> = letters.iter().map(|letter| letter.message(&self.payloads)).collect();
        let good = if bad { letters.len() / 2 } else { letters.len() };
        if bad {
            messages.insert(good, Message::new(""));
        }
        let published = match self.payloads.armed(|| handle.publisher.publish_batch(messages.clone())) {
            Ok(ids) => {
                ensure!(!bad && !closed, "a batch was published that may not be");
                ids
            }
            Err(BatchError { published, error, rest }) => {
                let good_so_far = published.len();
                // What is wrong with a message is found before anything is claimed for it.
                let right = match error {
                    PublishError::Invalid { .. } => bad && good_so_far == good,
                    PublishError::Closed(_) => closed && good_so_far == 0,
                    _ => false,
                };
                ensure!(right, "unexpected: {error:?} after {good_so_far}");
                ensure!(error.into_message() == messages[good_so_far], "another message came back");
                ensure!(rest == messages[good_so_far + 1..], "the rest did not come back");
                published
            }
        };
        self.note(&published);
        let direct = published.iter().map(|id| id.get()).zip(letters).collect();
        self.fetch(topic, Some(number), direct)
    }

    pub(super) fn flush(&mut self, topic: u8, publisher: u8) -> Check {
        let Some((topic, publisher)) = self.publisher(topic, publisher) else { return Ok(()) };
        let handle = &self.topics[topic].publishers[publisher];
        let number = handle.number;
        let model = &self.model.topics[topic];
        let waits = |shard| self.model.fits(topic, shard, model.staged_by(number, shard)) != Fits::Yes;
        if !model.closed && (0..model.shards).any(waits) {
            return Ok(());
        }
        let flushed = handle.publisher.flush();
        self.note(&flushed);
        self.fetch(topic, Some(number), Vec::new())?;
        let model = &self.model.topics[topic];
        let left: usize = (0..model.shards).map(|shard| model.staged_by(number, shard)).sum();
        ensure!(flushed.is_ok() || model.closed, "not flushed: {flushed:?}");
        ensure!(left == 0, "flushed, and {left} messages are still not readable");
        Ok(())
    }

    /// Looks whether a receipt is resolved, which publishes what its publisher has enqueued, if there is room.
    pub(super) fn await_receipt(&mut self, which: u8) -> Check {
        let Some(index) = pick(which, self.pending.len()) else { return Ok(()) };
        let (topic, publisher) = (self.pending[index].topic, self.pending[index].publisher);
        let shard = self.pending[index].shard;
        let staged = self.model.topics[topic].staged_by(publisher, shard);
        let fits = self.model.fits(topic, shard, staged);
        let polled = self.pending[index].poll()?;
        self.note(&polled);
        ensure!(polled.is_ready() || fits != Fits::Yes, "awaited, and there is room");
        ensure!(polled.is_pending() || fits != Fits::No, "published, though a ring behind");
        self.fetch(topic, Some(publisher), Vec::new())
    }

    fn published(&self, topic: usize) -> u64 {
        self.topics[topic].topic.stats().published
    }

    /// Something may have become readable: what was enqueued, and `direct`. To find out which, awaits receipts, those of
    /// the publisher `first` first.
    pub(super) fn fetch(
        &mut self,
        topic: usize,
        first: Option<u64>,
        direct: Vec<(u64, Rc<Letter>)>,
    ) -> Check {
        self.spy()?;
        let known = self.model.topics[topic].published + direct.len() as u64 + self.model.arrived(topic);
        let mut readable: Vec<_> = direct.into_iter().map(|(id, letter)| (id, None, letter)).collect();
        let late_before = self.late.iter().filter(|(pending, _)| pending.topic == topic).count() as u64;
        let missing = |world: &Self, found: u64| world.published(topic) > known + late_before + found;
        let mut order: Vec<_> =
            (0..self.pending.len()).filter(|at| self.pending[*at].topic == topic).collect();
        order.sort_by_key(|at| Some(self.pending[*at].publisher) != first);
        let (mut done, mut late_lanes, mut late, mut found) =
            (BTreeSet::new(), BTreeSet::new(), BTreeMap::new(), 0);
        for at in order {
            if !missing(self, found + late.len() as u64) {
                break;
            }
            let before = self.published(topic);
            let Poll::Ready(id) = self.pending[at].poll()? else { continue };
            let id = id.map_err(|error| format!("refused, though not closed: {error:?}"))?.get();
            let lane = self.pending[at].lane();
            if self.published(topic) > before {
                late_lanes.insert(lane); // by looking
            }
            if late_lanes.contains(&lane) {
                late.insert(at, id);
            } else {
                found += 1;
                done.insert(at);
                readable.push((id, Some(lane.0), Rc::clone(&self.pending[at].letter)));
            }
        }
        let pending = std::mem::take(&mut self.pending);
        for (at, pending) in pending.into_iter().enumerate() {
            match late.get(&at) {
                Some(id) => self.late.push((pending, *id)),
                None if done.contains(&at) => {}
                None => self.pending.push(pending),
            }
        }
        readable.sort_by_key(|(id, ..)| *id);
        readable.into_iter().try_for_each(|(id, publisher, letter)| match publisher {
            None => self.model.publish(topic, &letter, id),
            Some(publisher) => self.model.publish_staged(topic, publisher, &letter, id),
        })
    }

    /// What looking has published.
    pub(super) fn publish_late(&mut self) -> Check {
        let mut late = std::mem::take(&mut self.late);
        late.sort_by_key(|(_, id)| *id);
        late.iter().try_for_each(|(pending, id)| {
            self.model.publish_staged(pending.topic, pending.publisher, &pending.letter, *id)
        })
    }

    /// A topic was closed: what was enqueued is readable by now, or never will be.
    pub(super) fn fetch_all(&mut self, topic: usize) -> Check {
        let mut readable = Vec::new();
        for pending in self.pending.iter_mut().filter(|pending| pending.topic == topic) {
            ensure!(pending.receipt.is_ready(), "closed, and a receipt is not resolved");
            match pending.poll()? {
                Poll::Pending => return Err("resolved, and not ready".into()),
                Poll::Ready(Ok(id)) => {
                    readable.push((id.get(), pending.publisher, Rc::clone(&pending.letter)))
                }
                Poll::Ready(Err(PublishError::Closed(()))) => {}
                Poll::Ready(Err(error)) => return Err(format!("unexpected: {error:?}")),
            }
        }
        readable.sort_by_key(|(id, ..)| *id);
        readable
            .iter()
            .try_for_each(|(id, publisher, letter)| self.model.publish_staged(topic, *publisher, letter, *id))
    }

    /// The rest was refused.
    pub(super) fn refuse_pending(&mut self, topic: usize) -> Check {
        self.model.topics[topic].staged.clear();
        self.pending.retain(|pending| pending.topic != topic);
        Ok(())
    }
}
