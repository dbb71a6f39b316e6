//! Random histories, as proptest makes them, and makes them smaller.

use crate::model::drive::{
    BYTES, DEAD_LETTER, FILTER, History, LetterShape, MAX_LEASE, ORDERING, Op, Publish, RETRY, Receive,
    Settle, SubShape, TopicShape,
};
use crate::model::filter::Filter;
use crate::model::subscription::Overflow;
use proptest::collection::vec;
use proptest::prelude::*;

pub(crate) fn letter() -> impl Strategy<Value = LetterShape> {
    let failures = prop_oneof![6 => Just(0u8), 3 => 1u8..4, 2 => 5u8..8];
    let padding = prop_oneof![2 => 0usize..40, 1 => 600usize..640]; // above 512 bytes in all, by reference
    let key = proptest::option::weighted(0.4, 0usize..3);
    let value = || prop_oneof![Just("v"), Just("vw"), Just("w"), Just("")];
    let attributes = (proptest::option::of(value()), proptest::option::weighted(0.2, value()));
    (failures, any::<bool>(), padding, key, attributes).prop_map(
        |(failures, panics, padding, key, (k, l))| {
            let attributes = [("k", k), ("l", l)];
            let attribute = |(key, value): (&str, Option<&str>)| Some((key.to_owned(), value?.to_owned()));
            let attributes = attributes.into_iter().filter_map(attribute).collect();
            LetterShape { failures, panics, padding, key, attributes }
        },
    )
}

fn option<T: std::fmt::Debug + Clone>(
    on: bool,
    some: impl Strategy<Value = T>,
) -> impl Strategy<Value = Option<T>> {
    proptest::option::weighted(if on { 0.3 } else { 0.0 }, some)
}

fn topic() -> impl Strategy<Value = TopicShape> {
    (2u32..=4, prop_oneof![3 => Just(1usize), 1 => Just(2)], 1usize..=6)
        .prop_map(|(bits, shards, batch)| TopicShape { slots: 1 << bits, shards, batch })
}

fn filter() -> impl Strategy<Value = Filter> {
    let key = || prop_oneof![Just("k".to_owned()), Just("l".to_owned())];
    let value = || prop_oneof![Just("v".to_owned()), Just("vw".to_owned()), Just("w".to_owned())];
    let leaf = prop_oneof![
        key().prop_map(Filter::Has),
        (key(), value()).prop_map(|(key, value)| Filter::Equals(key, value)),
        (key(), value()).prop_map(|(key, value)| Filter::Differs(key, value)),
        (key(), value()).prop_map(|(key, value)| Filter::Prefix(key, value)),
    ];
    leaf.prop_recursive(2, 5, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|filter| Filter::Not(Box::new(filter))),
            (inner.clone(), inner.clone()).prop_map(|(l, r)| Filter::And(Box::new(l), Box::new(r))),
            (inner.clone(), inner).prop_map(|(l, r)| Filter::Or(Box::new(l), Box::new(r))),
        ]
    })
}

fn subscription() -> impl Strategy<Value = SubShape> {
    let overflow =
        prop_oneof![4 => Just(Overflow::Block), 2 => Just(Overflow::DropOldest), 1 => Just(Overflow::Detach)];
    let retry = (0u8..8, 0u8..16).prop_map(|(least, more)| (least, least + more));
    let bounds = (1u8..20, prop_oneof![1usize..6, Just(1000)], prop_oneof![1usize..10, Just(10_000)]);
    let bytes = (option(BYTES, (10usize..100, any::<bool>())), option(BYTES, 10usize..100));
    (
        overflow,
        bounds,
        option(DEAD_LETTER, (any::<u8>(), 5u32..7)),
        option(RETRY, retry),
        proptest::bool::weighted(if ORDERING { 0.3 } else { 0.0 }),
        option(FILTER, filter()),
        option(MAX_LEASE, 1u8..40),
        bytes,
    )
        .prop_map(|(overflow, bounds, dead_letter, retry, ordering, filter, max_lease, bytes)| {
            SubShape {
                overflow,
                ack_deadline: bounds.0,
                max_messages: bounds.1,
                max_held: bounds.2,
                dead_letter,
                retry,
                ordering,
                filter,
                max_lease,
                max_bytes: bytes.0,
                max_held_bytes: bytes.1,
            }
        })
}

fn publish() -> impl Strategy<Value = Publish> {
    prop_oneof![
        2 => Just(Publish::Plain),
        3 => Just(Publish::Try),
        1 => Just(Publish::Timeout),
        1 => Just(Publish::Slice),
        1 => Just(Publish::TrySlice),
        1 => Just(Publish::With),
        6 => Just(Publish::Enqueue),
        1 => Just(Publish::EnqueueAndWait),
    ]
}

fn receive() -> impl Strategy<Value = Receive> {
    prop_oneof![3 => Just(Receive::Try), 1 => Just(Receive::Timeout), 3 => (1usize..8).prop_map(Receive::Pull)]
}

fn settle() -> impl Strategy<Value = Settle> {
    prop_oneof![
        4 => Just(Settle::Ack),
        4 => Just(Settle::Nack),
        1 => Just(Settle::Drop),
        2 => (0u8..24).prop_map(Settle::Modify),
        1 => Just(Settle::IntoId),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let pick = any::<u8>;
    prop_oneof![
        1 => topic().prop_map(Op::CreateTopic),
        1 => pick().prop_map(Op::DeleteTopic),
        4 => (pick(), subscription()).prop_map(|(topic, shape)| Op::CreateSubscription(topic, shape)),
        2 => pick().prop_map(Op::Detach),
        1 => pick().prop_map(Op::DeleteSubscription),
        50 => (pick(), pick(), publish(), letter()).prop_map(|(t, p, how, letter)| Op::Publish(t, p, how, letter)),
        10 => (pick(), pick(), vec(letter(), 1..6), proptest::bool::weighted(0.2))
            .prop_map(|(topic, publisher, letters, bad)| Op::PublishBatch(topic, publisher, letters, bad)),
        1 => (pick(), pick(), pick()).prop_map(|(topic, publisher, how)| Op::PublishInvalid(topic, publisher, how)),
        4 => (pick(), pick()).prop_map(|(topic, publisher)| Op::Flush(topic, publisher)),
        3 => pick().prop_map(Op::Await),
        2 => (pick(), pick()).prop_map(|(topic, publisher)| Op::ReplacePublisher(topic, publisher)),
        45 => (pick(), receive()).prop_map(|(sub, how)| Op::Receive(sub, how)),
        30 => (pick(), pick(), settle()).prop_map(|(sub, which, how)| Op::Settle(sub, which, how)),
        12 => (pick(), settle()).prop_map(|(sub, how)| Op::SettleAll(sub, how)),
        10 => (pick(), pick(), settle()).prop_map(|(sub, which, how)| Op::SettleById(sub, which, how)),
        4 => (vec(pick(), 1..4), 1usize..6).prop_map(|(subs, turn)| Op::Dispatch(subs, turn, Vec::new())),
        30 => pick().prop_map(Op::Poll),
        2 => pick().prop_map(Op::StopDispatching),
        14 => (0u8..24).prop_map(Op::Advance),
        8 => Just(Op::Tick),
        5 => Just(Op::Check),
    ]
}

/// Any history of at most so many operations.
pub(crate) fn history(most: usize) -> impl Strategy<Value = History> {
    let close = any::<bool>().prop_map(Op::Close);
    (any::<bool>(), vec(topic(), 1..4), vec((any::<u8>(), subscription()), 1..5), vec(op(), 1..most), close)
        .prop_map(|(quiet, topics, subscriptions, mut ops, close)| {
            ops.push(close);
            History { seed: 0, owners_panic: false, quiet, topics, subscriptions, ops }
        })
}
