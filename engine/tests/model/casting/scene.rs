//! A history: the cast, and the scheduler that lets one after the other do something.

use super::actors::Actor;
use super::choices::Choices;
use super::plan::{Fault, Plan};
use crate::model::drive::{History, Op, Receive, Settle};

/// Of operations, in a history.
const LENGTHS: [usize; 4] = [20, 60, 120, 240];

/// An actor, how often it is its turn, and how long it stands still.
#[derive(Debug)]
struct Part {
    actor: Actor,
    weight: usize,
    /// How likely it is to stop after a turn, in percent, and for how many operations.
    stalls: (usize, usize),
    stalled_until: usize,
}

impl Part {
    fn new(choices: &mut Choices<'_>, actor: Actor) -> Self {
        Self { actor, weight: choices.pick(&[1, 2, 4, 8]), stalls: (0, 0), stalled_until: 0 }
    }
}

/// The cast for a plan.
fn cast(choices: &mut Choices<'_>, plan: &Plan) -> Vec<Part> {
    let mut parts = Vec::new();
    let (topics, subs) = (plan.topics.len(), plan.subscriptions.len());
    let topic = |choices: &mut Choices<'_>| choices.small(0, u8::try_from(topics - 1).expect("few"));
    for _ in 0..choices.within(1, 3) {
        let topic = topic(choices);
        let actor = Actor::publisher(choices, topic);
        let mut part = Part::new(choices, actor);
        part.weight += 2;
        if plan.has(Fault::Stalls) {
            part.stalls = (20, 60);
        }
        parts.push(part);
    }
    // Hardly anybody reads the letters if they are to be too many.
    let too_many = plan.has(Fault::FullLetters) && plan.letters.is_some();
    let read = u8::try_from(if too_many { subs - 1 } else { subs }).expect("few");
    if too_many && choices.percent(60) {
        let last = Actor::Consumer {
            sub: read,
            ways: vec![Receive::Try],
            settles: vec![Some(Settle::Ack)],
            all: 50,
        };
        parts.push(Part { weight: 1, ..Part::new(choices, last) });
    }
    for sub in 0..read {
        for _ in 0..choices.pick(&[1, 1, 2]) {
            let actor = match choices.below(3) {
                0 => Actor::consumer(choices, plan, sub),
                1 => Actor::streamer(choices, plan, sub),
                _ => {
                    let mut subs = vec![sub];
                    subs.extend((0..read).filter(|_| choices.percent(30)));
                    Actor::dispatcher(choices, plan, subs)
                }
            };
            let mut part = Part::new(choices, actor);
            if plan.has(Fault::FullRing) {
                part.stalls = (10, 50);
            }
            parts.push(part);
        }
    }
    let drops = if plan.has(Fault::Dropped) { 20 } else { 3 };
    let restless = choices.pick(&[5, 30]);
    let mut others = vec![Actor::Executor { restless, drops }];
    let expiry = plan.has(Fault::Expiry);
    if expiry || plan.has(Fault::Jumps) || choices.percent(70) {
        let (step, ticks) =
            if expiry { (23, 90) } else { (choices.pick(&[1, 4, 23]), choices.pick(&[10, 50])) };
        others.push(Actor::Clock { step, ticks, jumps: plan.has(Fault::Jumps) });
    }
    let (churns, topics) = (plan.has(Fault::Churn), plan.has(Fault::Churn) || choices.percent(10));
    if churns || plan.has(Fault::NoLetters) || choices.percent(40) {
        others.push(Actor::Controller { churns, topics });
    }
    if plan.has(Fault::Invalid) {
        others.push(Actor::Offender { topic: topic(choices), publisher: choices.byte() });
    }
    if choices.percent(30) {
        others.push(Actor::Inspector);
    }
    for actor in others {
        let part = Part::new(choices, actor);
        parts.push(part);
    }
    parts
}

/// The history that follows from these choices, and what goes wrong in it.
pub(crate) fn decode(choices: &mut Choices<'_>) -> (History, Vec<Fault>) {
    let plan = Plan::draw(choices);
    let mut parts = cast(choices, &plan);
    let most = choices.pick(&LENGTHS);
    let close = plan.has(Fault::Close).then(|| choices.below(most));
    let mut ops: Vec<Op> = Vec::new();
    // Some begin with limits, so that whoever publishes may have to wait for itself.
    if choices.percent(30) {
        for _ in 0..choices.within(1, 3) {
            ops.push(Op::LimitPublisher(choices.byte(), 0, choices.within(1, 3), choices.percent(80)));
        }
    }
    let (seed, quiet, drain) = (choices.byte().into(), choices.percent(60), choices.percent(50));
    let mut closed = false;
    while ops.len() < most && !choices.is_over() {
        if close.is_some_and(|at| at <= ops.len()) && !closed {
            closed = true;
            ops.push(Op::Close(drain));
        }
        let now = ops.len();
        let weight = |part: &Part| if part.stalled_until > now { 0 } else { part.weight };
        let weights: Vec<_> = parts.iter().map(weight).collect();
        if weights.iter().all(|weight| *weight == 0) {
            parts.iter_mut().for_each(|part| part.stalled_until = 0);
            continue;
        }
        let part = &mut parts[choices.weighted(&weights)];
        for _ in 0..choices.pick(&[1, 1, 1, 2, 4]) {
            part.actor.act(choices, &plan, &mut ops);
        }
        if choices.percent(part.stalls.0) {
            part.stalled_until = ops.len() + part.stalls.1;
        }
    }
    // Whoever can go on has gone on: then nobody finds anything who was not woken for it.
    ops.extend([Op::RunTasks(false), Op::Tick, Op::RunTasks(false), Op::RunTasks(true), Op::Close(drain)]);
    let owners_panic = plan.has(Fault::Owners);
    let Plan { faults, topics, subscriptions, .. } = plan;
    (History { seed, owners_panic, quiet, topics, subscriptions, ops }, faults)
}
