//! Who takes part. An actor is asked for what it does next, and remembers nothing but who it is.

use super::choices::Choices;
use super::plan::{Fault, Plan};
use crate::model::drive::{Aside, Op, Publish, Receive, Settle};

#[derive(Debug, Clone)]
pub(crate) enum Actor {
    /// Publishes by these ways, one more likely the more often it is named.
    Publisher {
        topic: u8,
        publisher: u8,
        ways: Vec<Way>,
    },
    /// Receives under lease, and settles like this.
    Consumer {
        sub: u8,
        ways: Vec<Receive>,
        settles: Vec<Option<Settle>>,
        all: usize,
    },
    /// Receives from a task.
    Streamer {
        sub: u8,
        settles: Vec<Option<Settle>>,
    },
    /// Handles in place.
    Dispatcher {
        subs: Vec<u8>,
        turn: usize,
        asides: bool,
        fickle: bool,
    },
    /// Polls who was woken.
    Executor {
        restless: usize,
        drops: usize,
    },
    Clock {
        step: u8,
        ticks: usize,
        jumps: bool,
    },
    Controller {
        churns: bool,
        topics: bool,
    },
    /// Breaks rules.
    Offender {
        topic: u8,
        publisher: u8,
    },
    Inspector,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Direct(Publish),
    Batch,
    Task,
    Flush,
    Await,
    Replace,
}

const WAYS: [Way; 10] = [
    Way::Direct(Publish::Try),
    Way::Direct(Publish::Enqueue),
    Way::Direct(Publish::Plain),
    Way::Direct(Publish::TrySlice),
    Way::Direct(Publish::With),
    Way::Direct(Publish::EnqueueAndWait),
    Way::Batch,
    Way::Task,
    Way::Flush,
    Way::Await,
];

impl Actor {
    pub(super) fn publisher(choices: &mut Choices<'_>, topic: u8) -> Self {
        let count = choices.within(1, 4);
        let mut ways: Vec<_> = (0..count).map(|_| choices.pick(&WAYS)).collect();
        ways.push(choices.pick(&WAYS[..3]));
        if choices.percent(20) {
            ways.push(Way::Replace);
        }
        Self::Publisher { topic, publisher: choices.byte(), ways }
    }

    fn settles(choices: &mut Choices<'_>, plan: &Plan) -> Vec<Option<Settle>> {
        let any = [
            Some(Settle::Ack),
            Some(Settle::Ack),
            Some(Settle::Nack),
            Some(Settle::Nack),
            Some(Settle::Drop),
            Some(Settle::Modify(choices.small(0, 23))),
            Some(Settle::IntoId),
            None,
        ];
        let count = choices.within(1, 3);
        let mut settles: Vec<_> = (0..count).map(|_| choices.pick(&any)).collect();
        if plan.has(Fault::Forgotten) {
            settles.push(Some(Settle::Forget));
        }
        if plan.has(Fault::NoAcks) {
            settles.retain(|settle| *settle != Some(Settle::Ack));
            settles.push(None);
        }
        if plan.has(Fault::Dropped) {
            settles.push(Some(Settle::Drop));
        }
        if plan.has(Fault::Expiry) {
            settles.extend([None, None]);
        }
        if plan.has(Fault::FullLetters) || plan.has(Fault::NoLetters) {
            settles.extend([Some(Settle::Nack), Some(Settle::Nack)]);
        }
        settles
    }

    pub(super) fn consumer(choices: &mut Choices<'_>, plan: &Plan, sub: u8) -> Self {
        let many = Receive::Pull(choices.within(1, 8));
        let ways =
            choices.pick(&[vec![Receive::Try], vec![many], vec![Receive::Try, many, Receive::Timeout]]);
        Self::Consumer { sub, ways, settles: Self::settles(choices, plan), all: choices.pick(&[5, 30, 60]) }
    }

    pub(super) fn streamer(choices: &mut Choices<'_>, plan: &Plan, sub: u8) -> Self {
        Self::Streamer { sub, settles: Self::settles(choices, plan) }
    }

    pub(super) fn dispatcher(choices: &mut Choices<'_>, plan: &Plan, subs: Vec<u8>) -> Self {
        Self::Dispatcher {
            subs,
            turn: choices.pick(&[1, 2, 3, 5, 16]),
            asides: plan.has(Fault::Reentrant),
            fickle: plan.has(Fault::Dropped),
        }
    }

    /// What it does next: one operation, or a few that belong together.
    pub(super) fn act(&self, choices: &mut Choices<'_>, plan: &Plan, ops: &mut Vec<Op>) {
        match self {
            Self::Publisher { topic, publisher, ways } => {
                let (topic, publisher, way) = (*topic, *publisher, choices.pick(ways));
                let letter = |choices: &mut Choices<'_>| plan.style.letter(choices);
                ops.push(match way {
                    Way::Direct(how) => Op::Publish(topic, publisher, how, letter(choices)),
                    Way::Batch => {
                        let letters = (0..choices.within(1, 5)).map(|_| letter(choices)).collect();
                        Op::PublishBatch(topic, publisher, letters, choices.percent(20))
                    }
                    Way::Task => Op::StartPublish(topic, publisher, letter(choices)),
                    Way::Flush => Op::Flush(topic, publisher),
                    Way::Await => Op::Await(choices.byte()),
                    Way::Replace => Op::ReplacePublisher(topic, publisher),
                });
            }
            Self::Consumer { sub, ways, settles, all } => {
                if choices.percent(50) {
                    ops.push(Op::Receive(*sub, choices.pick(ways)));
                } else {
                    settle(choices, *sub, settles, *all, ops);
                }
            }
            Self::Streamer { sub, settles } => {
                if choices.percent(30) {
                    ops.push(Op::OpenStream(*sub));
                }
                ops.push(Op::RunTasks(false));
                settle(choices, *sub, settles, 20, ops);
            }
            Self::Dispatcher { subs, turn, asides, fickle } => {
                let begin = choices.percent(10);
                if begin {
                    let asides = if *asides { self::asides(choices, plan) } else { Vec::new() };
                    ops.push(Op::Dispatch(subs.clone(), *turn, asides));
                }
                if choices.percent(if *fickle { 15 } else { 1 }) {
                    ops.push(Op::StopDispatching(choices.byte()));
                } else {
                    ops.push(Op::Poll(choices.byte()));
                }
            }
            Self::Executor { restless, drops } => ops.push(if choices.percent(*drops) {
                Op::DropTask(choices.byte())
            } else if choices.percent(*restless) {
                let any = choices.byte();
                choices.pick(&[
                    Op::PollTask(any),
                    Op::PollTask(any),
                    Op::Await(any),
                    Op::Await(any),
                    Op::RunTasks(true),
                ])
            } else {
                Op::RunTasks(false)
            }),
            Self::Clock { step, ticks, jumps } => {
                if *jumps && choices.percent(20) {
                    ops.push(Op::Jump(choices.pick(&[1, 24, 600])));
                } else if choices.percent(60) {
                    ops.push(Op::Advance(choices.small(0, *step)));
                }
                if choices.percent(*ticks) {
                    ops.push(Op::Tick);
                }
            }
            Self::Controller { churns, topics } => control(choices, plan, *churns, *topics, ops),
            Self::Offender { topic, publisher } => {
                // (Huge messages take their time.)
                let how = choices.pick(&[0, 0, 3, 3, 4, 4, 5, 1, 2]);
                ops.push(Op::PublishInvalid(*topic, *publisher, how + 6 * choices.small(0, 2)));
            }
            Self::Inspector => ops.push(Op::Check),
        }
    }
}

fn settle(choices: &mut Choices<'_>, sub: u8, settles: &[Option<Settle>], all: usize, ops: &mut Vec<Op>) {
    let Some(how) = choices.pick(settles) else { return };
    ops.push(match choices.below(100) {
        percent if percent < all => Op::SettleAll(sub, how),
        percent if percent < all + 15 => Op::SettleById(sub, choices.byte(), how),
        _ => Op::Settle(sub, choices.byte(), how),
    });
}

fn asides(choices: &mut Choices<'_>, plan: &Plan) -> Vec<(u8, Aside)> {
    let aside = |choices: &mut Choices<'_>| match choices.below(8) {
        0 => Aside::Detach,
        1 | 2 => Aside::Ack(choices.byte()),
        _ => Aside::Publish(plan.style.letter(choices)),
    };
    (0..choices.within(1, 6)).map(|_| (choices.small(0, 9), aside(choices))).collect()
}

fn control(choices: &mut Choices<'_>, plan: &Plan, churns: bool, topics: bool, ops: &mut Vec<Op>) {
    let any = choices.byte();
    let letters = plan.letters.filter(|_| plan.has(Fault::NoLetters));
    let create = |choices: &mut Choices<'_>| {
        Op::CreateSubscription(choices.byte(), plan.style.subscription(choices, plan.letters))
    };
    ops.push(match choices.below(if churns { 8 } else { 20 }) {
        0 => Op::Detach(any),
        1 => Op::DeleteSubscription(any),
        2 | 3 if churns => create(choices),
        4 if topics => Op::CreateTopic(plan.style.topic(choices)),
        5 if topics => Op::DeleteTopic(any),
        6 => match letters {
            Some(letters) => Op::DeleteTopic(letters),
            None => create(choices),
        },
        7 => Op::LimitPublisher(any, choices.byte(), choices.within(1, 3), choices.percent(80)),
        _ => Op::RunTasks(true),
    });
}
