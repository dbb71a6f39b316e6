//! How a publisher with limits takes credit: at once, by waiting, or by being polled.

use super::flow_control::{Amount, Credit, FlowControl, Ticket};
use super::publisher::Publisher;
use super::refusal::{Refusal, Wait};
use super::room::on_room;
use crate::external::LetGoLater;
use crate::subscription::serving;
use ringmain_ring::{spin_until, wait_any};

impl Publisher {
    /// Credit for `amount`, waiting for it as long as `wait` and the publisher's settings say.
    pub(super) fn credit<'a>(
        &'a self,
        flow: &'a FlowControl,
        amount: Amount,
        wait: Wait,
    ) -> Result<Credit<'a>, Refusal> {
        match self.try_credit(flow, amount) {
            Some(credit) => Ok(credit),
            None if flow.blocks() => self.wait_for_credit(flow, amount, wait),
            None => Err(self.no_credit()),
        }
    }

    /// To be called before credit is taken: payloads that go meanwhile go when this does, and the credit was given back before.
    /// Their owners may publish here, for which there may be none until then.
    #[inline]
    pub(super) fn payloads_after_credit(&self) -> Option<LetGoLater> {
        self.flow.as_ref().map(|_| LetGoLater::begin())
    }

    /// There is none. That the topic is closed says more: then there never will be.
    #[cold]
    pub(super) fn no_credit(&self) -> Refusal {
        if self.topic.is_closed() { Refusal::Closed } else { Refusal::LimitExceeded }
    }

    /// Credit for `amount`, if there is enough, or will be once what is staged here is published.
    pub(super) fn try_credit<'a>(&'a self, flow: &'a FlowControl, amount: Amount) -> Option<Credit<'a>> {
        flow.try_take(amount).or_else(|| {
            self.drain_lanes();
            flow.try_take(amount)
        })
    }

    #[cold]
    fn wait_for_credit<'a>(
        &'a self,
        flow: &'a FlowControl,
        amount: Amount,
        wait: Wait,
    ) -> Result<Credit<'a>, Refusal> {
        let deadline = wait.deadline(self.no_credit())?;
        let place = flow.join(amount);
        loop {
            place.ticket.take_nudge();
            let mut outcome = self.look(flow, &place.ticket);
            if outcome.is_none() {
                let mut notifies = vec![&place.ticket.notify, self.topic.ended()];
                notifies.extend(self.staged().flat_map(|(shard, _)| on_room(&self.topic, shard)));
                let mut ready = || {
                    outcome = self.look(flow, &place.ticket);
                    outcome.is_some() || place.ticket.take_nudge()
                };
                let strategy = self.topic.config.wait;
                let in_time =
                    spin_until(strategy, deadline, &mut ready) || wait_any(&notifies, deadline, &mut ready);
                if !in_time {
                    return Err(Refusal::LimitExceeded);
                }
            }
            match outcome {
                None => {} // nudged: there may be something else to wait for
                Some(Err(refusal)) => return Err(refusal),
                Some(Ok(())) => return place.take().ok_or(Refusal::Closed),
            }
        }
    }

    /// What becomes of a place in the queue, as far as that is known. Publishes what is staged here, if there is room.
    pub(super) fn look(&self, flow: &FlowControl, ticket: &Ticket) -> Option<Result<(), Refusal>> {
        if ticket.is_granted() {
            return Some(Ok(()));
        }
        if self.topic.is_closed() {
            return Some(Err(Refusal::Closed));
        }
        self.drain_lanes();
        let stuck =
            || serving::is(&self.topic) && flow.is_stuck(|| self.staged().map(|(_, staged)| staged).sum());
        // What is staged stays there for want of room, and who else holds credit waits for room as well: inside a handler,
        // which makes room by returning, this would never end.
        let stuck = stuck();
        if ticket.is_granted() {
            return Some(Ok(()));
        }
        stuck.then_some(Err(Refusal::WouldDeadlock))
    }

    /// The shards whose lanes have messages staged, and how many.
    pub(super) fn staged(&self) -> impl Iterator<Item = (usize, u64)> {
        self.lanes().map(|(shard, lane)| (shard, lane.staged_messages())).filter(|(_, staged)| *staged > 0)
    }

    /// Publishes what is staged, as far as there is room. Looks under the locks: what was staged by one who did not see
    /// us wait is there.
    fn drain_lanes(&self) {
        for (_, lane) in self.lanes() {
            let _ = lane.try_drain(&self.topic);
        }
    }
}
