//! What there is at the beginning, and what will go wrong.

use super::choices::Choices;
use crate::model::drive::{LetterShape, SubShape, TopicShape};
use crate::model::filter::Filter;
use crate::model::subscription::Overflow;

/// What goes wrong in a history, beside what goes wrong in any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Handlers panic.
    Panics,
    /// Owners of payloads panic when these are dropped.
    Owners,
    /// Deliveries are forgotten.
    Forgotten,
    /// Publishers stop for long, between two steps.
    Stalls,
    /// Nobody reads the dead-letter topic, and it is full.
    FullLetters,
    /// The dead-letter topic is deleted.
    NoLetters,
    /// Many leases expire at once, again and again.
    Expiry,
    /// Consumers never ack.
    NoAcks,
    /// Consumers go while they have something in their hands.
    Dropped,
    /// Nobody reads for long.
    FullRing,
    /// The engine is closed, and everybody goes on.
    Close,
    /// Messages break rules.
    Invalid,
    /// Handlers call back.
    Reentrant,
    /// Time jumps.
    Jumps,
    /// Topics and subscriptions come and go.
    Churn,
}

impl Fault {
    pub(crate) const ALL: [Self; 15] = [
        Self::Panics,
        Self::Owners,
        Self::Forgotten,
        Self::Stalls,
        Self::FullLetters,
        Self::NoLetters,
        Self::Expiry,
        Self::NoAcks,
        Self::Dropped,
        Self::FullRing,
        Self::Close,
        Self::Invalid,
        Self::Reentrant,
        Self::Jumps,
        Self::Churn,
    ];
}

/// What is chosen before anything happens.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) faults: Vec<Fault>,
    pub(crate) topics: Vec<TopicShape>,
    pub(crate) subscriptions: Vec<(u8, SubShape)>,
    /// Which topic gets dead letters, if any.
    pub(crate) letters: Option<u8>,
    pub(crate) style: Style,
}

/// How likely features are in one history: few of them at a time show more than all of them always.
#[derive(Debug, Clone)]
pub(crate) struct Style {
    keys: usize,
    attributes: usize,
    failures: usize,
    panics: usize,
    padding: usize,
    overflow: [usize; 3],
    small_limits: usize,
    retry: usize,
    letters: usize,
    ordering: usize,
    filter: usize,
    max_lease: usize,
    bytes: usize,
    slots: (u8, u8),
}

impl Style {
    fn draw(choices: &mut Choices<'_>, faults: &[Fault]) -> Self {
        let mut often = |all: &[usize]| choices.pick(all);
        let mut style = Self {
            keys: often(&[0, 30, 90]),
            attributes: often(&[10, 50]),
            failures: often(&[0, 20, 60, 90]),
            panics: often(&[0, 20]),
            padding: often(&[1, 40, 4_000]), // those above 512 bytes in all go by reference
            overflow: [often(&[2, 6, 6]), often(&[0, 2, 6]), often(&[0, 0, 2])],
            small_limits: often(&[0, 30, 80]),
            retry: often(&[0, 0, 50]),
            letters: often(&[0, 30, 80]),
            ordering: often(&[0, 20, 80]),
            filter: often(&[0, 0, 40]),
            max_lease: often(&[0, 0, 40]),
            bytes: often(&[0, 0, 40]),
            slots: if choices.percent(70) { (1, 4) } else { (1, 6) },
        };
        for fault in faults {
            match fault {
                Fault::Panics => (style.failures, style.panics) = (style.failures.max(40), 90),
                Fault::FullLetters | Fault::NoLetters => (style.letters, style.failures) = (80, 90),
                Fault::FullRing => style.slots = (1, 3),
                _ => {}
            }
        }
        style
    }

    pub(crate) fn letter(&self, choices: &mut Choices<'_>) -> LetterShape {
        let failures = match choices.percent(self.failures) {
            false => 0,
            true => choices.pick(&[1, 1, 2, 3, 5, 6, 8]),
        };
        let mut attributes = Vec::new();
        for key in ["k", "l"] {
            if choices.percent(self.attributes) {
                attributes.push((key.to_owned(), choices.pick(&["v", "vw", "w", ""]).to_owned()));
            }
        }
        LetterShape {
            failures,
            panics: choices.percent(self.panics),
            padding: choices.below(self.padding),
            key: choices.maybe(self.keys, |choices| choices.below(3)),
            attributes,
        }
    }

    pub(crate) fn topic(&self, choices: &mut Choices<'_>) -> TopicShape {
        let slots = 1 << choices.small(self.slots.0, self.slots.1);
        TopicShape { slots, shards: choices.pick(&[1, 1, 1, 2, 3]), batch: choices.pick(&[1, 2, 3, 6, 100]) }
    }

    pub(crate) fn subscription(&self, choices: &mut Choices<'_>, letters: Option<u8>) -> SubShape {
        let overflow = [Overflow::Block, Overflow::DropOldest, Overflow::Detach];
        let small = self.small_limits;
        let bytes = self.bytes;
        SubShape {
            overflow: overflow[choices.weighted(&self.overflow)],
            ack_deadline: choices.small(1, 20),
            max_messages: choices.maybe(small, |choices| choices.within(1, 5)).unwrap_or(1000),
            max_held: choices.maybe(small, |choices| choices.within(1, 9)).unwrap_or(10_000),
            dead_letter: letters
                .and_then(|topic| choices.maybe(self.letters, |choices| (topic, choices.pick(&[5, 5, 6])))),
            retry: choices.maybe(self.retry, |choices| {
                let least = choices.small(0, 7);
                (least, least + choices.small(0, 15))
            }),
            ordering: choices.percent(self.ordering),
            filter: choices.maybe(self.filter, |choices| filter(choices, 2)),
            max_lease: choices.maybe(self.max_lease, |choices| choices.small(1, 39)),
            max_bytes: choices.maybe(bytes, |choices| (choices.within(10, 99), choices.percent(50))),
            max_held_bytes: choices.maybe(bytes, |choices| choices.within(10, 99)),
        }
    }
}

fn filter(choices: &mut Choices<'_>, depth: usize) -> Filter {
    let inner = |choices: &mut Choices<'_>| Box::new(filter(choices, depth - 1));
    let kind = choices.below(if depth == 0 { 4 } else { 7 });
    match kind {
        4 => Filter::Not(inner(choices)),
        5 => Filter::And(inner(choices), inner(choices)),
        6 => Filter::Or(inner(choices), inner(choices)),
        _ => {
            let key = choices.pick(&["k", "l"]).to_owned();
            let value = choices.pick(&["v", "vw", "w"]).to_owned();
            match kind {
                0 => Filter::Has(key),
                1 => Filter::Equals(key, value),
                2 => Filter::Differs(key, value),
                _ => Filter::Prefix(key, value),
            }
        }
    }
}

impl Plan {
    pub(crate) fn draw(choices: &mut Choices<'_>) -> Self {
        let mut faults = Vec::new();
        for _ in 0..choices.pick(&[0, 1, 1, 2, 2, 2]) {
            let fault = choices.pick(&Fault::ALL);
            if !faults.contains(&fault) {
                faults.push(fault);
            }
        }
        let style = Style::draw(choices, &faults);
        let wants_letters = style.letters > 0;
        let count = choices.pick(&[1, 1, 2]) + usize::from(wants_letters);
        let mut topics: Vec<_> = (0..count).map(|_| style.topic(choices)).collect();
        // The last one gets dead letters.
        let letters = wants_letters.then(|| u8::try_from(count - 1).expect("few"));
        let mut subscriptions = Vec::new();
        for _ in 0..choices.within(1, 4) {
            let topic = choices.small(0, u8::try_from(count - 1).expect("few"));
            subscriptions
                .push((topic, style.subscription(choices, letters.filter(|letters| *letters != topic))));
        }
        if let (Some(last), true) = (letters, faults.contains(&Fault::FullLetters)) {
            topics[count - 1] = TopicShape { slots: 2, shards: choices.within(1, 3), batch: 1 };
            let blocking = SubShape {
                overflow: Overflow::Block,
                filter: None,
                dead_letter: None,
                ..style.subscription(choices, None)
            };
            subscriptions.push((last, blocking));
        }
        Self { faults, topics, subscriptions, letters, style }
    }

    pub(crate) fn has(&self, fault: Fault) -> bool {
        self.faults.contains(&fault)
    }
}
