//! One ring of a topic, and what publishers and readers keep beside it.

use crate::config::TopicConfig;
use crate::error::Error;
use crate::publish::{Lanes, Payloads};
use crate::record::Record;
use crate::stall::Stall;
use ringmain_fanout::{Channel, ChannelBuilder, Sequence};

/// In bytes. Of a kilobyte each, messages come slowly enough for that (measured: docs/decisions/0020).
const FETCH_AHEAD: usize = 128;

#[derive(Debug)]
pub(crate) struct Shard {
    pub(crate) channel: Channel<Record>,
    pub(crate) lanes: Lanes,
    pub(crate) payloads: Payloads,
    pub(crate) stall: Stall,
    /// Where its numbers began, for counting.
    start: u64,
}

impl Shard {
    /// An empty one, whose first number is `start`.
    pub(super) fn new(config: &TopicConfig, start: u64) -> Result<Self, Error> {
        let channel = ChannelBuilder::new(config.ring_slots)
            .fetch_ahead(FETCH_AHEAD)
            .start(Sequence::new(start))
            .wait(config.wait)
            .build_taking(Record::default, Record::take_line)?;
        let lanes = Lanes::new(&channel);
        Ok(Self { channel, lanes, payloads: Payloads::new(config), stall: Stall::default(), start })
    }

    /// How many messages were published here; exact while nobody makes room for large payloads.
    pub(super) fn published(&self) -> u64 {
        (self.channel.tail().number() - self.start).saturating_sub(self.lanes.padding.count())
    }
}
