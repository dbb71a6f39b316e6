//! Receiving under lease, and what becomes of deliveries.

use super::history::{Receive, Settle};
use super::world::{World, halves, pick};
use crate::model::{Check, LeaseNo, Outcome, Seen, Way};
use ringmain::{AckError, AckId, Delivery, RecvError, Subscription};
use std::collections::HashSet;
use std::time::Duration;

pub(super) struct SubHandle {
    pub(super) subscription: Subscription,
    pub(super) deleted: bool,
    deliveries: Vec<(LeaseNo, Delivery)>,
    /// Of which nobody knows any more. (To forget them for good would be to keep the subscription for good.)
    forgotten: Vec<Delivery>,
    /// Every id there ever was.
    pub(super) ids: Vec<(LeaseNo, AckId)>,
    known: HashSet<AckId>,
}

impl SubHandle {
    pub(super) fn new(subscription: Subscription) -> Self {
        let (deliveries, forgotten, ids, known) = (Vec::new(), Vec::new(), Vec::new(), HashSet::new());
        Self { subscription, deleted: false, deliveries, forgotten, ids, known }
    }
}

impl World {
    fn seen(&self, delivery: &Delivery) -> Check<Seen> {
        let time = delivery.publish_time().duration_since(self.zero);
        Ok(Seen {
            id: delivery.id().get(),
            attempt: delivery.delivery_attempt(),
            data: delivery.data().to_vec(),
            attributes: delivery.attributes().to_vec(),
            key: delivery.ordering_key().map(str::to_owned),
            time: time.map_err(|error| error.to_string())?,
        })
    }

    pub(super) fn receive(&mut self, sub: u8, how: Receive) -> Check {
        let Some(sub) = pick(sub, self.subs.len()) else { return Ok(()) };
        let subscription = &self.subs[sub].subscription;
        let one =
            |received: Result<Option<Delivery>, RecvError>| received.map(|one| one.into_iter().collect());
        let received: Result<Vec<_>, _> = self.payloads.armed(|| match how {
            Receive::Try => one(subscription.try_recv()),
            Receive::Timeout => match subscription.recv_timeout(Duration::ZERO) {
                Err(RecvError::Timeout) => Ok(Vec::new()),
                received => one(received.map(Some)),
            },
            Receive::Pull(max) => subscription.pull(max),
        });
        let max = if let Receive::Pull(max) = how { max } else { 1 };
        self.received(sub, max, received)
    }

    /// A call that asked for at most so many messages came to this.
    pub(super) fn received(
        &mut self,
        sub: usize,
        max: usize,
        received: Result<Vec<Delivery>, RecvError>,
    ) -> Check {
        self.note((&self.model.subs[sub].name.clone(), &received));
        self.model.subs[sub].takes([]);
        self.fetch(self.model.subs[sub].topic, None, Vec::new())?;
        if matches!(received, Err(RecvError::Detached)) && !self.model.subs[sub].shut {
            self.model.begin(sub, Way::Leased(max))?;
            return self.model.notice_detached(sub);
        }
        if self.model.subs[sub].shut {
            let by_close = self.model.subs[sub].by_close;
            let ended = match received {
                Err(RecvError::Closed) => by_close != Some(false),
                Err(RecvError::Detached) => by_close != Some(true),
                _ => false,
            };
            ensure!(ended, "shut, and received {received:?}");
            return Ok(());
        }
        let mut call = self.model.begin(sub, Way::Leased(max))?;
        let deliveries = match received {
            Ok(deliveries) => deliveries,
            Err(RecvError::Lagged(count)) => {
                self.model.lag(&mut call, count)?;
                return Ok(());
            }
            Err(RecvError::Closed) => {
                ensure!(self.model.is_ended(sub), "it was told that it is at its end, and is not");
                return Ok(());
            }
            Err(error) => return Err(format!("unexpected: {error:?}")),
        };
        for delivery in &deliveries {
            let seen = self.seen(delivery)?;
            let entry = self.model.deliver(&mut call, &seen)?;
            let lease = self.model.lease(sub, entry, seen.attempt);
            let handle = &mut self.subs[sub];
            handle.ids.push((lease, delivery.ack_id()));
            ensure!(handle.known.insert(delivery.ack_id()), "{:?} is used twice", delivery.ack_id());
        }
        let first = self.subs[sub].ids.len() - deliveries.len();
        let leases: Vec<_> = self.subs[sub].ids[first..].iter().map(|(lease, _)| *lease).collect();
        let empty = deliveries.is_empty();
        self.subs[sub].deliveries.extend(leases.into_iter().zip(deliveries));
        self.model.finish(&call)?;
        if self.model.subs[sub].may_be_doomed() {
            return self.check_subscription(sub); // it was noticed, perhaps, behind the messages
        }
        ensure!(!empty || !self.model.is_ended(sub), "it is at its end, and was not told");
        Ok(())
    }

    pub(super) fn settle_one(&mut self, sub: u8, which: u8, how: Settle) -> Check {
        let Some(sub) = pick(sub, self.subs.len()) else { return Ok(()) };
        let Some(index) = pick(which, self.subs[sub].deliveries.len()) else { return Ok(()) };
        self.settle_delivery(sub, index, how)
    }

    pub(super) fn settle_all(&mut self, sub: u8, how: Settle) -> Check {
        let Some(sub) = pick(sub, self.subs.len()) else { return Ok(()) };
        if how == Settle::Ack {
            return self.ack_all(sub);
        }
        (0..self.subs[sub].deliveries.len()).rev().try_for_each(|index| self.settle_delivery(sub, index, how))
    }

    fn ack_all(&mut self, sub: usize) -> Check {
        let (leases, mut deliveries): (Vec<_>, Vec<_>) = self.subs[sub].deliveries.drain(..).unzip();
        let before: Vec<_> = deliveries.iter().map(Delivery::ack_id).collect();
        let outcome = self.payloads.armed(|| Delivery::ack_all(&mut deliveries));
        let late: Vec<_> = deliveries.iter().map(Delivery::ack_id).collect();
        self.payloads.armed(|| drop(deliveries));
        let outcomes: Vec<Outcome> =
            before.iter().map(|id| if late.contains(id) { Err(AckError::Expired) } else { Ok(()) }).collect();
        ensure!(
            outcome == outcomes.iter().copied().collect(),
            "{outcome:?}, with {late:?} left of {before:?}"
        );
        self.note((&leases, &outcomes));
        self.spy()?;
        leases.into_iter().zip(outcomes).try_for_each(|(lease, outcome)| self.model.ack(sub, lease, outcome))
    }

    fn settle_delivery(&mut self, sub: usize, index: usize, how: Settle) -> Check {
        if let Settle::Modify(time) = how {
            let (lease, delivery) = &self.subs[sub].deliveries[index];
            let (lease, outcome) =
                (*lease, self.payloads.armed(|| delivery.modify_ack_deadline(halves(time))));
            self.note((lease, outcome));
            self.spy()?;
            return self.model.modify(sub, lease, halves(time), outcome);
        }
        let (lease, delivery) = self.subs[sub].deliveries.swap_remove(index);
        let outcome = match how {
            Settle::Ack => self.payloads.armed(|| delivery.ack()),
            Settle::Nack => self.payloads.armed(|| delivery.nack()),
            Settle::Forget => {
                self.subs[sub].forgotten.push(delivery);
                return Ok(());
            }
            Settle::Drop => {
                self.payloads.armed(|| drop(delivery));
                self.note((lease, "dropped"));
                self.spy()?;
                return self.model.drop_delivery(sub, lease);
            }
            Settle::IntoId | Settle::Modify(_) => {
                let id = delivery.into_ack_id();
                ensure!(self.subs[sub].ids.contains(&(lease, id)), "{id:?} is not the id it had");
                self.model.becomes_id(sub, lease);
                return Ok(());
            }
        };
        self.note((lease, outcome));
        self.spy()?;
        if how == Settle::Ack {
            self.model.ack(sub, lease, outcome)
        } else {
            self.model.nack(sub, lease, outcome)
        }
    }

    pub(super) fn settle_by_id(&mut self, sub: u8, which: u8, how: Settle) -> Check {
        let Some(sub) = pick(sub, self.subs.len()) else { return Ok(()) };
        // The latest ones are of more interest.
        let ids = &self.subs[sub].ids;
        let Some(index) = pick(which, ids.len().min(16)) else { return Ok(()) };
        let (lease, id) = ids[ids.len() - 1 - index];
        let subscription = &self.subs[sub].subscription;
        let outcome = self.payloads.armed(|| match how {
            // Alone, or as a list; and what is done with is not in there any more.
            Settle::Ack if which.is_multiple_of(2) => subscription.ack(id),
            Settle::Ack => {
                let mut ids = vec![id];
                let outcome = subscription.ack_all(&mut ids);
                assert_eq!(ids.len(), usize::from(outcome.is_err()), "{ids:?} after {outcome:?}");
                outcome
            }
            Settle::Modify(time) => subscription.modify_ack_deadline(id, halves(time)),
            Settle::Nack | Settle::Drop | Settle::IntoId | Settle::Forget => subscription.nack(id),
        });
        self.note((lease, outcome));
        self.spy()?;
        match how {
            Settle::Ack => self.model.ack(sub, lease, outcome),
            Settle::Modify(time) => self.model.modify(sub, lease, halves(time), outcome),
            Settle::Nack | Settle::Drop | Settle::IntoId | Settle::Forget => {
                self.model.nack(sub, lease, outcome)
            }
        }
    }
}
