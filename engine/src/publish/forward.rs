//! Publishing what another subscription gave up: a dead letter, with its payload by reference and its publish time.

use super::publisher::Publisher;
use super::refusal::{Refusal, Wait};
use super::spares::Spares;
use crate::record::{Received, Record};

impl Publisher {
    /// The shard that `message` would go to.
    pub(crate) fn shard_for(&self, message: &Received) -> usize {
        self.shard_of(message.ordering_key())
    }

    /// Publishes a copy of `message` with more attributes, if there is room now; says whether. The payload is not
    /// copied. An attribute of the message with a key among `more` is replaced. Pauses no ordering key: what is refused is
    /// tried again, in no order.
    pub(crate) fn forward(&self, message: &Received, more: &[(&str, String)]) -> bool {
        let shard = self.shard_for(message);
        self.with_spares(|spares| {
            let mut record = spares.record(message.forwarded(more), &self.topic, message.published_at());
            let size = record.size();
            match self.commit(shard, &mut record, size, Wait::Never, spares) {
                Err(Refusal::Closed) => self.commit_at_drain(shard, record, size, spares).is_ok(),
                other => other.is_ok(),
            }
        })
    }

    /// Publishes it on a topic that takes nothing new: its engine drains, and this comes from what was accepted before.
    #[cold]
    fn commit_at_drain(
        &self,
        shard: usize,
        mut record: Record,
        size: usize,
        spares: &mut Spares,
    ) -> Result<(), Refusal> {
        if !self.topic.takes_dead_letters() {
            return Err(Refusal::Closed);
        }
        if let Some(shards) = self.topic.subscribed() {
            return self.commit_stored(shards, shard, &mut record, size, Wait::Never, spares).map(drop);
        }
        self.topic.publish_unstored(shard, 1)?.map(drop).ok_or(Refusal::Full)
    }
}
