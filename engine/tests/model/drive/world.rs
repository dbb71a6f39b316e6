//! The engine and the model, side by side.

use super::dispatching::Served;
use super::history::{History, Op};
use super::payloads::Payloads;
use super::publishing::{Pending, TopicHandle};
use super::receiving::SubHandle;
use super::tasks::Task;
use super::trace::Trace;
use crate::model::{Check, Model};
use ringmain::{Close, Engine, ManualClock, Message, SubscriptionConfig, TopicConfig};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

pub(crate) struct World {
    pub(super) clock: ManualClock,
    pub(super) engine: Engine,
    /// The wall time at the clock's zero.
    pub(super) zero: SystemTime,
    pub(super) model: Model,
    pub(super) topics: Vec<TopicHandle>,
    pub(super) subs: Vec<SubHandle>,
    pub(super) dispatchers: Vec<Served>,
    /// Receipts that are not resolved, in the order of enqueuing.
    pub(super) pending: Vec<Pending>,
    /// Messages that became readable only when we looked whether they were.
    pub(super) late: Vec<(Pending, u64)>,
    pub(super) tasks: Vec<Task>,
    pub(super) payloads: Arc<Payloads>,
    /// When the engine was told of the time last.
    pub(super) ticked: Option<Duration>,
    /// How many messages, publishers and names there were.
    pub(super) numbers: u64,
    pub(super) closed: bool,
    pub(super) trace: Trace,
}

/// The fault of a history in which more happened at once than can be told apart: it ends there, and counts as good.
pub(super) const UNCLEAR: &str = "unclear";

/// Half a second, the unit of histories.
pub(super) fn halves(count: u8) -> Duration {
    Duration::from_millis(500) * u32::from(count)
}

/// One of `count`, by a number.
pub(super) fn pick(number: u8, count: usize) -> Option<usize> {
    (count > 0).then(|| usize::from(number) % count)
}

impl World {
    fn new(history: &History, trace: Trace) -> Self {
        let clock = ManualClock::new();
        let engine = Engine::builder().clock(clock.clock()).seed(history.seed).build();
        let zero = wall_at_zero(&engine);
        Self {
            clock,
            engine,
            zero,
            model: Model::default(),
            topics: Vec::new(),
            subs: Vec::new(),
            dispatchers: Vec::new(),
            pending: Vec::new(),
            late: Vec::new(),
            tasks: Vec::new(),
            payloads: Payloads::new(history.owners_panic),
            ticked: None,
            numbers: 0,
            closed: false,
            trace,
        }
    }

    /// Lives through a history. Tells all of it if something in it was not allowed.
    pub(crate) fn live(history: &History) -> Check {
        Self::live_traced(history, Trace::Off).0.map_err(|fault| {
            let (same, trace) = Self::live_traced(history, Trace::Words(String::new()));
            let other = same.err().filter(|other| *other != fault).unwrap_or_default();
            format!("{fault}\n\nwhat happened, once more:\n{}\n{other}", trace.into_words())
        })
    }

    /// Lives through a history, and says what happened as far as it is to be traced.
    pub(crate) fn live_traced(history: &History, trace: Trace) -> (Check, Trace) {
        let mut world = Self::new(history, trace);
        let ran = catch_unwind(AssertUnwindSafe(|| world.run(history))).unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            Err(format!("a panic: {}", text.or(panic.downcast_ref().cloned()).unwrap_or_default()))
        });
        let trace = std::mem::take(&mut world.trace);
        let payloads = Arc::clone(&world.payloads);
        drop(world);
        match ran {
            Err(fault) if fault == UNCLEAR => (Ok(()), trace),
            Err(fault) => (Err(fault), trace),
            Ok(()) => (payloads.check_gone(), trace),
        }
    }

    fn run(&mut self, history: &History) -> Check {
        let topics = history.topics.iter().map(|shape| Op::CreateTopic(*shape));
        let subscriptions = history.subscriptions.iter();
        let subscriptions = subscriptions.map(|(topic, shape)| Op::CreateSubscription(*topic, shape.clone()));
        for op in topics.chain(subscriptions).chain(history.ops.iter().cloned()) {
            self.model.step();
            self.trace.note(format_args!("\n{:>4} {op:?}", self.model.step));
            let done = self.apply(&op).and_then(|()| self.settle(&op));
            done.map_err(|fault| if self.is_unclear() { UNCLEAR.into() } else { fault })?;
            if !history.quiet || matches!(op, Op::Check | Op::Close(_)) {
                self.check()?;
            }
        }
        if self.closed { self.end_tasks() } else { Ok(()) }
    }

    /// Notes what a call came to.
    pub(super) fn note(&mut self, what: impl std::fmt::Debug) {
        self.trace.note(format_args!("\n       -> {what:?}"));
    }

    /// A number that was not used yet.
    pub(super) fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    fn apply(&mut self, op: &Op) -> Check {
        match op {
            Op::CreateTopic(shape) => self.create_topic(*shape),
            Op::DeleteTopic(topic) => self.delete_topic(*topic),
            Op::CreateSubscription(topic, shape) => self.create_subscription(*topic, shape),
            Op::Detach(sub) => self.detach(*sub),
            Op::DeleteSubscription(sub) => self.delete_subscription(*sub),
            Op::Publish(topic, publisher, how, shape) => self.publish(*topic, *publisher, *how, shape),
            Op::PublishBatch(topic, publisher, shapes, bad) => {
                self.publish_batch(*topic, *publisher, shapes, *bad)
            }
            Op::PublishInvalid(topic, publisher, how) => self.publish_invalid(*topic, *publisher, *how),
            Op::Flush(topic, publisher) => self.flush(*topic, *publisher),
            Op::Await(which) => self.await_receipt(*which),
            Op::ReplacePublisher(topic, publisher) => self.replace_publisher(*topic, *publisher),
            Op::StartPublish(topic, publisher, shape) => self.start_publish(*topic, *publisher, shape),
            Op::OpenStream(sub) => self.open_stream(*sub),
            Op::PollTask(which) => self.poll_task(*which),
            Op::RunTasks(all) => self.run_tasks(*all),
            Op::DropTask(which) => self.drop_task(*which),
            Op::LimitPublisher(topic, publisher, limit, blocks) => {
                self.limit_publisher(*topic, *publisher, *limit, *blocks)
            }
            Op::Receive(sub, how) => self.receive(*sub, *how),
            Op::Settle(sub, which, how) => self.settle_one(*sub, *which, *how),
            Op::SettleAll(sub, how) => self.settle_all(*sub, *how),
            Op::SettleById(sub, which, how) => self.settle_by_id(*sub, *which, *how),
            Op::Dispatch(subs, turn, asides) => self.dispatch(subs, *turn, asides),
            Op::Poll(which) => self.poll(*which),
            Op::StopDispatching(which) => {
                if let Some(index) = pick(*which, self.dispatchers.len()) {
                    drop(self.dispatchers.swap_remove(index));
                }
                Ok(())
            }
            Op::Advance(time) => self.advance(halves(*time)),
            Op::Jump(hours) => self.jump(Duration::from_secs(3600) * u32::from(*hours)),
            Op::Tick => self.tick(),
            Op::Check => self.check(),
            Op::Close(drain) => self.close(if *drain { Close::Drain(Duration::ZERO) } else { Close::Now }),
        }
    }
}

impl World {
    fn advance(&mut self, by: Duration) -> Check {
        self.clock.advance(by);
        self.model.now += by;
        Ok(())
    }

    /// Tells the engine of the time.
    pub(super) fn tick(&mut self) -> Check {
        self.payloads.armed(|| self.engine.tick());
        self.ticked = Some(self.model.now);
        self.spy()?;
        self.model.tick()
    }

    /// The engine promises to notice what has happened if somebody looks once in 26 days.
    fn jump(&mut self, by: Duration) -> Check {
        const SINCE_A_LOOK: Duration = Duration::from_secs(25 * 86_400);
        let since = self.model.now + by - self.ticked.unwrap_or_default();
        if since > SINCE_A_LOOK { Ok(()) } else { self.advance(by) }
    }
}

/// Publish times tell it.
fn wall_at_zero(engine: &Engine) -> SystemTime {
    let topic = engine.create_topic("zero", TopicConfig::default().ring_slots(1)).expect("new");
    let subscription = topic.create_subscription("zero", SubscriptionConfig::default()).expect("new");
    topic.publisher().publish(Message::new("zero")).expect("room");
    let delivery = subscription.recv().expect("a message");
    let zero = delivery.publish_time();
    delivery.ack().expect("in time");
    engine.delete_subscription("zero").expect("there");
    engine.delete_topic("zero").expect("there");
    zero
}
