//! What handlers do beside handling: they call back into the engine.

use super::history::Aside;
use super::world::World;
use crate::model::LeaseNo;
use crate::model::letter::Letter;
use crate::model::subscription::Overflow;
use ringmain::{AckError, AckId, Message, PublishError, Publisher, Subscription};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

/// What lies ready for the handlers of one dispatcher.
#[derive(Debug, Default)]
pub(super) struct Desk {
    /// After how many messages, whoever's those are.
    asides: Vec<(u8, Ready)>,
    handled: usize,
    subs: BTreeMap<usize, Place>,
    payloads: Arc<super::payloads::Payloads>,
    /// A handler has given its subscription up in this turn: no more of this in it.
    quiet: bool,
}

/// What the handler of one subscription has.
#[derive(Debug)]
struct Place {
    subscription: Subscription,
    publisher: Publisher,
    /// Its latest ack ids, if their leases are to be touched in the midst of a turn.
    ids: Vec<(LeaseNo, AckId)>,
    may_detach: bool,
}

#[derive(Debug)]
enum Ready {
    Publish(Letter, Message),
    Ack(u8),
    Detach,
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Done {
    /// The letter without its time; and its id, or why not.
    Published(Letter, Result<u64, String>),
    Acked(LeaseNo, Result<(), AckError>),
    Detached,
}

impl Desk {
    /// The handler of `sub` has handled one more.
    pub(super) fn turn(&mut self, sub: usize) -> Option<Done> {
        self.handled += 1;
        let due = self.asides.iter().position(|(after, _)| usize::from(*after) < self.handled)?;
        let place = self.subs.get(&sub).filter(|_| !self.quiet)?;
        let (_, aside) = self.asides.swap_remove(due);
        match aside {
            Ready::Publish(letter, message) => {
                letter.key.iter().for_each(|key| _ = place.publisher.resume_publishing(key));
                let sent = message.clone();
                let published = place.publisher.publish(message);
                let outcome = published.map(|id| id.get()).map_err(|error| match error {
                    PublishError::WouldDeadlock(back) | PublishError::Closed(back) if back == sent => {
                        self.payloads.disarmed(|| drop(back));
                        "refused".to_owned()
                    }
                    other => format!("{other:?}, or another message"),
                });
                self.payloads.disarmed(|| drop(sent));
                Some(Done::Published(letter, outcome))
            }
            Ready::Ack(which) => {
                let (lease, id) = *place.ids.get(usize::from(which) % place.ids.len().max(1))?;
                Some(Done::Acked(lease, place.subscription.ack(id)))
            }
            Ready::Detach if place.may_detach => {
                self.quiet = true;
                place.subscription.detach();
                Some(Done::Detached)
            }
            Ready::Detach => None,
        }
    }
}

impl World {
    /// For the handlers of a dispatcher that serves these.
    pub(super) fn desk(&mut self, subs: &BTreeSet<usize>, asides: &[(u8, Aside)]) -> Desk {
        let ready = |world: &mut Self, aside: &Aside| match aside {
            Aside::Publish(shape) => {
                let letter = shape.letter(world.number(), world.model.now);
                let message = letter.message(&world.payloads);
                Ready::Publish(letter, message)
            }
            Aside::Ack(which) => Ready::Ack(*which),
            Aside::Detach => Ready::Detach,
        };
        let asides = asides.iter().map(|(after, aside)| (*after, ready(self, aside))).collect();
        let place = |sub: usize| {
            let subscription = self.subs[sub].subscription.clone();
            let publisher = subscription.topic().publisher();
            (sub, Place { subscription, publisher, ids: Vec::new(), may_detach: false })
        };
        let payloads = Arc::clone(&self.payloads);
        Desk { asides, subs: subs.iter().copied().map(place).collect(), payloads, ..Desk::default() }
    }

    /// A turn is about to begin.
    pub(super) fn lay_out(&mut self, dispatcher: usize) {
        let mut desk = ringmain_ring::sync::lock(&self.dispatchers[dispatcher].desk);
        desk.quiet = false;
        for (sub, place) in &mut desk.subs {
            let model = &self.model.subs[*sub];
            // Who is detached by policy in the midst of a turn, nobody can tell from here.
            let clear = model.settings.overflow != Overflow::Detach && !model.shut;
            let ids = &self.subs[*sub].ids;
            place.ids = if clear { ids.iter().rev().take(16).copied().collect() } else { Vec::new() };
            // What is staged might come before or after the end.
            place.may_detach = clear && !self.model.topics[model.topic].is_anything_staged();
        }
    }

    /// A letter that a handler published in this step.
    pub(super) fn published_now(&self, letter: &Letter) -> Rc<Letter> {
        Rc::new(Letter { time: self.model.now, ..letter.clone() })
    }
}
