//! What a history is made of.

use super::letters::LetterShape;
use crate::model::filter::Filter;
use crate::model::subscription::Overflow;

/// Features that the engine has by now.
pub(crate) const RETRY: bool = true;
pub(crate) const DEAD_LETTER: bool = true;
pub(crate) const ORDERING: bool = true;
pub(crate) const FILTER: bool = true;
/// Whether gaps leave out what a filter is against.
pub(crate) const FILTERED_GAPS: bool = true;
pub(crate) const BYTES: bool = true;
pub(crate) const MAX_LEASE: bool = true;

/// What happens, in order. Operations name their objects by number, modulo how many there are: so any part of a history
/// is a history.
#[derive(Debug, Clone)]
pub(crate) struct History {
    /// Decides what the engine leaves to chance.
    pub(crate) seed: u64,
    /// Whether owners of payloads panic when those are dropped, some of them.
    pub(crate) owners_panic: bool,
    /// Whether counters are looked at only when told to.
    pub(crate) quiet: bool,
    pub(crate) topics: Vec<TopicShape>,
    pub(crate) subscriptions: Vec<(u8, SubShape)>,
    pub(crate) ops: Vec<Op>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct TopicShape {
    pub(crate) slots: usize,
    pub(crate) shards: usize,
    pub(crate) batch: usize,
}

/// A subscription's settings, times in half seconds.
#[derive(Debug, Clone)]
pub(crate) struct SubShape {
    pub(crate) overflow: Overflow,
    pub(crate) ack_deadline: u8,
    pub(crate) max_messages: usize,
    pub(crate) max_held: usize,
    /// The dead-letter topic, and after how many failures.
    pub(crate) dead_letter: Option<(u8, u32)>,
    pub(crate) retry: Option<(u8, u8)>,
    pub(crate) ordering: bool,
    pub(crate) filter: Option<Filter>,
    pub(crate) max_lease: Option<u8>,
    pub(crate) max_bytes: Option<(usize, bool)>,
    pub(crate) max_held_bytes: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Publish {
    Plain,
    Try,
    Timeout,
    Slice,
    TrySlice,
    With,
    Enqueue,
    EnqueueAndWait,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Receive {
    Try,
    Timeout,
    Pull(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settle {
    Ack,
    Nack,
    Drop,
    /// Half seconds from now.
    Modify(u8),
    IntoId,
    /// As by `mem::forget`: the delivery lives on, and nobody will ever do anything with it.
    Forget,
}

/// What a handler does beside handling, once.
#[derive(Debug, Clone)]
pub(crate) enum Aside {
    Publish(LetterShape),
    /// One of the latest ack ids of the same subscription.
    Ack(u8),
    Detach,
}

#[derive(Debug, Clone)]
pub(crate) enum Op {
    CreateTopic(TopicShape),
    DeleteTopic(u8),
    CreateSubscription(u8, SubShape),
    Detach(u8),
    DeleteSubscription(u8),
    Publish(u8, u8, Publish, LetterShape),
    /// With a message that is refused at the end of the first half, perhaps.
    PublishBatch(u8, u8, Vec<LetterShape>, bool),
    /// The last says what is wrong with it.
    PublishInvalid(u8, u8, u8),
    Flush(u8, u8),
    Await(u8),
    /// Publishes from a task, which is polled once.
    StartPublish(u8, u8, LetterShape),
    /// Receives from a task, which is not polled yet.
    OpenStream(u8),
    /// Polls one task, woken or not.
    PollTask(u8),
    /// Polls all that were woken; or, if `true`, all.
    RunTasks(bool),
    DropTask(u8),
    /// Another publisher, which may have so many messages outstanding, and then waits, or not.
    LimitPublisher(u8, u8, usize, bool),
    ReplacePublisher(u8, u8),
    Receive(u8, Receive),
    Settle(u8, u8, Settle),
    SettleAll(u8, Settle),
    SettleById(u8, u8, Settle),
    /// Handlers do each of these once, after so many messages.
    Dispatch(Vec<u8>, usize, Vec<(u8, Aside)>),
    Poll(u8),
    StopDispatching(u8),
    Advance(u8),
    /// Hours go by at once.
    Jump(u16),
    Tick,
    Check,
    Close(bool),
}
