//! Publishing what another subscription gave up: a dead letter, with its payload by reference and its publish time.

use super::publisher::Publisher;
use super::refusal::Wait;
use crate::record::Received;

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
            self.commit(shard, &mut record, size, Wait::Never, spares).is_ok()
        })
    }
}
