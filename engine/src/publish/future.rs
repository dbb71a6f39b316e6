//! Publishing without a thread that waits.
//!
//! A future tries when it is polled. If there is no credit it stands in the queue of those who wait for it, beside the
//! threads; if there is no room it is woken by whoever makes some. In between it holds its message and its credit, and
//! nothing else, so to drop it is to give both up.

use super::flow_control::{Amount, Credit, FlowControl, Place, Stalled};
use super::publisher::Publisher;
use super::refusal::{Refusal, Wait};
use super::room::Outlook;
use crate::error::PublishError;
use crate::message::Message;
use crate::record::MessageId;
use crate::subscription::serving;
use crate::topic::Shard;
use ringmain_ring::sync::broken;
use ringmain_ring::{Notify, Registration, Sleeper, before_sleep};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Resolves to the id of a message when it is readable; see [`Publisher::publish_async`].
///
/// Cancel-safe: dropped before it is ready, it has published nothing. Errors come with the message. It keeps no place for
/// room, which goes to whoever finds it, but one for credit, until it is ready or dropped.
///
/// # Panics
/// When it is polled after it was ready.
#[must_use = "a future does nothing until it is polled"]
pub struct PublishFuture<'a> {
    publisher: &'a Publisher,
    checked: bool,
    /// (Before the credit: dropped in this order, it no longer waits for room when its credit comes back.)
    bell: Bell<'a>,
    credit: Asked<'a>,
    /// `None` when it is done. (Last: to drop it may run code of its owner's, who may publish here.)
    message: Option<Message>,
}

/// What was asked of the publisher's limits.
enum Asked<'a> {
    Nothing,
    Waiting(Place<'a>),
    Granted { _credit: Credit<'a> },
}

/// Who is to wake the task, and who is to know that it waits.
#[derive(Default)]
struct Bell<'a> {
    sleeper: Option<Arc<Sleeper>>,
    registrations: Vec<Registration<'a>>,
    stalled: Option<Stalled<'a>>,
    /// Whether publishers wake it as well, since one of them may be in the way.
    hears_publishers: bool,
}

impl<'a> PublishFuture<'a> {
    pub(super) fn new(publisher: &'a Publisher, message: Message) -> Self {
        Self {
            publisher,
            message: Some(message),
            checked: false,
            credit: Asked::Nothing,
            bell: Bell::default(),
        }
    }

    /// Publishes, if that can be done now: `None` if not.
    fn step(&mut self) -> Option<Result<MessageId, PublishError<Message>>> {
        let message = self.message.take().expect("a future is not polled again when it was ready");
        match self.try_publish(message) {
            Ok(id) => Some(Ok(id)),
            // (Credit may come also inside a handler of the topic; whether it can, was looked at.)
            Err(PublishError::Full(message))
                if self.waits_for_credit() || !serving::is(&self.publisher.topic) =>
            {
                self.message = Some(message);
                None
            }
            // But to wait for room there is to wait for oneself.
            Err(PublishError::Full(message)) => {
                Some(Err(self.publisher.failed(PublishError::WouldDeadlock(message))))
            }
            Err(error) => Some(Err(self.publisher.failed(error))),
        }
    }

    /// `Full` when there is no credit or no room yet.
    fn try_publish(&mut self, message: Message) -> Result<MessageId, PublishError<Message>> {
        if !self.checked {
            if let Err(reason) = message.check() {
                return Err(PublishError::Invalid { message, reason });
            }
            self.checked = true;
        }
        let Some(shard) = self.publisher.route(message.ordering_key.as_deref()) else {
            return Err(PublishError::OrderingKeyPaused(message));
        };
        if let Some(flow) = self.publisher.flow.as_deref() {
            match self.ask(flow, Amount::new(1, message.size())) {
                Some(Ok(())) => {}
                Some(Err(refusal)) => return Err(refusal.of(message)),
                None => return Err(PublishError::Full(message)),
            }
        }
        self.publisher.publish_admitted(shard, message, Wait::Never)
    }

    /// Whether there is credit: `None` when there is none yet.
    fn ask(&mut self, flow: &'a FlowControl, amount: Amount) -> Option<Result<(), Refusal>> {
        if let Asked::Nothing = self.credit {
            self.credit = match self.publisher.try_credit(flow, amount) {
                Some(credit) => Asked::Granted { _credit: credit },
                None if flow.blocks() => Asked::Waiting(flow.join(amount)),
                None => return Some(Err(self.publisher.no_credit())),
            };
        }
        if let Asked::Waiting(place) = &self.credit {
            match self.publisher.look(flow, &place.ticket)? {
                Err(refusal) => return Some(Err(refusal)),
                Ok(()) => self.credit.granted(),
            }
        }
        Some(Ok(()))
    }

    fn waits_for_credit(&self) -> bool {
        matches!(self.credit, Asked::Waiting(_))
    }

    /// The shards on which room is waited for, and how many slots. (A large payload may find slots enough, and wait for readers
    /// all the same.)
    fn wanted(&self) -> Vec<(usize, u64)> {
        let publisher = self.publisher;
        if self.waits_for_credit() {
            return publisher.staged().collect();
        }
        let shard = self.message.as_ref().map(|message| publisher.shard_of(message.ordering_key.as_deref()));
        let staged = |shard| publisher.lane(shard).map_or(0, |lane| lane.staged_messages());
        shard.into_iter().map(|shard| (shard, staged(shard).max(1))).collect()
    }

    /// Has the task woken by whatever may change things, as they are. Returns what stands in the way then.
    fn register(&mut self, context: &Context<'_>) -> Vec<(&'a Shard, Outlook)> {
        let sleeper = Sleeper::task(context.waker());
        let topic = &self.publisher.topic;
        let mut notifies: Vec<&'a Notify> = Vec::new();
        if let Asked::Waiting(place) = &self.credit {
            place.ticket.take_nudge();
            place.ticket.notify.register(&sleeper).stay();
            notifies.push(topic.ended());
        } else {
            self.bell.stalled = self.publisher.flow.as_ref().map(|flow| flow.stall(1));
        }
        let wanted: Vec<_> =
            self.wanted().into_iter().map(|(shard, slots)| (topic.shard(shard), slots)).collect();
        for (shard, _) in &wanted {
            notifies.push(shard.channel.room());
            notifies.extend(self.bell.hears_publishers.then(|| shard.channel.data()));
        }
        if broken("future.unregistered") {
            notifies.clear();
        }
        self.bell.registrations.extend(notifies.into_iter().map(|notify| notify.register(&sleeper)));
        self.bell.sleeper = Some(sleeper);
        before_sleep();
        wanted.into_iter().map(|(shard, slots)| (shard, Outlook::of(shard, slots))).collect()
    }

    /// Whether what was registered for is no longer what is waited for.
    fn has_moved_on(&mut self, waited_for_credit: bool, outlook: &[(&Shard, Outlook)]) -> bool {
        let by_publishers = |(shard, outlook): &(&Shard, Outlook)| outlook.was_a_publisher(shard);
        if !self.bell.hears_publishers && outlook.iter().any(by_publishers) {
            self.bell.hears_publishers = true;
            return true;
        }
        match &self.credit {
            Asked::Waiting(place) => place.ticket.take_nudge(),
            _ => waited_for_credit,
        }
    }

    /// Takes the task out of all lists again.
    fn unregister(&mut self) {
        self.bell.registrations.clear();
        self.bell.stalled = None;
        if let (Some(sleeper), Asked::Waiting(place)) = (self.bell.sleeper.take(), &self.credit) {
            place.ticket.notify.unregister(&sleeper);
        }
    }
}

impl Asked<'_> {
    fn granted(&mut self) {
        if let Self::Waiting(place) = std::mem::replace(self, Self::Nothing)
            && let Some(credit) = place.take()
        {
            *self = Self::Granted { _credit: credit };
        }
    }
}

impl Future for PublishFuture<'_> {
    type Output = Result<MessageId, PublishError<Message>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let _payloads = this.publisher.payloads_after_credit();
        this.unregister();
        this.bell.hears_publishers = false;
        let mut done = this.step();
        while done.is_none() {
            let waits_for_credit = this.waits_for_credit();
            let outlook = this.register(context);
            done = this.step();
            if done.is_some() || !this.has_moved_on(waits_for_credit, &outlook) {
                break;
            }
            this.unregister();
        }
        let Some(outcome) = done else {
            // Where nobody parks, nobody is told of room.
            if !this.publisher.topic.config.wait.parks() {
                context.waker().wake_by_ref();
            }
            return Poll::Pending;
        };
        this.unregister();
        this.credit = Asked::Nothing;
        Poll::Ready(outcome)
    }
}

impl fmt::Debug for PublishFuture<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublishFuture")
            .field("ready", &self.message.is_none())
            .field("waits_for_credit", &self.waits_for_credit())
            .finish_non_exhaustive()
    }
}
