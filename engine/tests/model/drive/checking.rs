//! Comparing the counters, and what must be so between any two steps.

use super::history::Op;
use super::world::{World, pick};
use crate::model::Check;
use crate::model::ring::Ring;
use crate::model::stats::{Observed, ObservedTopic};

impl World {
    /// After each step: everything that became readable is known, and so is how far subscriptions have looked ahead.
    pub(super) fn settle(&mut self, op: &Op) -> Check {
        self.fetch_everything()?;
        self.check_spies()?;
        for sub in 0..self.subs.len() {
            let model = &self.model.subs[sub];
            let unsure = |ring: &Ring| ring.off.least < ring.off.most;
            if model.looks_ahead() && model.rings.iter().any(unsure) {
                self.check_subscription(sub)?;
            }
        }
        self.check_topics()?;
        self.check_credit()?;
        self.check_parked(op)
    }

    fn fetch_everything(&mut self) -> Check {
        (0..self.topics.len()).try_for_each(|topic| self.fetch(topic, None, Vec::new()))?;
        self.publish_late()
    }

    fn check_topics(&mut self) -> Check {
        for topic in 0..self.topics.len() {
            let stats = self.topics[topic].topic.stats();
            let slowest = stats.slowest.map(|slowest| (slowest.name, slowest.behind));
            let spies = usize::from(self.topics[topic].spy.is_some());
            let (published, subscriptions) = (stats.published, stats.subscriptions - spies);
            self.model.check_topic(topic, &ObservedTopic { published, subscriptions, slowest })?;
        }
        Ok(())
    }

    /// What is parked moves when there is room, as soon as somebody polls or ticks; and nothing is parked while there is.
    fn check_parked(&self, op: &Op) -> Check {
        let reads =
            |topic: usize, subs: &[usize]| subs.iter().any(|sub| self.model.subs[*sub].topic == topic);
        let all: Vec<_> = (0..self.subs.len()).collect();
        let (tried, readers) = match op {
            Op::Tick => (all, Vec::new()),
            Op::Receive(sub, _) => (pick(*sub, self.subs.len()).into_iter().collect(), Vec::new()),
            Op::Poll(which) => {
                let polled =
                    pick(*which, self.dispatchers.len()).map(|index| self.dispatchers[index].subs.clone());
                let polled = polled.unwrap_or_default();
                (polled.clone(), polled)
            }
            Op::Settle(..) | Op::SettleAll(..) | Op::SettleById(..) => {
                return all.into_iter().try_for_each(|sub| self.model.check_parked(sub, false));
            }
            _ => return Ok(()),
        };
        let aside = |sub: &usize| {
            let letters = self.model.subs[*sub].settings.dead_letter;
            !letters.is_some_and(|(topic, _)| reads(topic, &readers))
        };
        tried.into_iter().filter(aside).try_for_each(|sub| self.model.check_parked(sub, true))
    }

    /// Compares all counters.
    pub(super) fn check(&mut self) -> Check {
        (0..self.subs.len()).try_for_each(|sub| self.check_subscription(sub))?;
        self.fetch_everything()?;
        self.check_topics()
    }

    pub(super) fn check_subscription(&mut self, sub: usize) -> Check {
        let stats = self.subs[sub].subscription.stats();
        // Looking has fetched what was enqueued.
        self.fetch(self.model.subs[sub].topic, None, Vec::new())?;
        let observed = Observed {
            accepted: stats.accepted,
            delivered: stats.delivered,
            acked: stats.acked,
            nacked: stats.nacked,
            expired: stats.expired,
            redelivered: stats.redelivered,
            dead_lettered: stats.dead_lettered,
            filtered: stats.filtered,
            dropped: stats.dropped,
            discarded: stats.discarded,
            panics: stats.panics,
            outstanding: stats.outstanding,
            held: stats.held,
            parked: stats.parked,
            unread: stats.unread,
            outstanding_bytes: stats.outstanding_bytes,
            held_bytes: stats.held_bytes,
            oldest: stats.oldest_unacked,
        };
        self.trace.detail(format_args!("{observed:?}"));
        self.model.check_stats(sub, &observed)?;
        self.publish_late()
    }
}
