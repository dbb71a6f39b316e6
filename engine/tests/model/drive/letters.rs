//! Random messages.

use crate::model::letter::{Letter, data};
use proptest::prelude::*;
use ringmain::Message;
use std::time::Duration;

/// The ordering keys in use.
pub(crate) const KEYS: [&str; 3] = ["a", "b", "c"];

/// A message without its number.
#[derive(Debug, Clone)]
pub(crate) struct LetterShape {
    /// How many deliveries in place fail.
    failures: u8,
    panics: bool,
    padding: usize,
    key: Option<usize>,
    attributes: Vec<(String, String)>,
}

pub(crate) fn letter() -> impl Strategy<Value = LetterShape> {
    let failures = prop_oneof![6 => Just(0u8), 3 => 1u8..4, 2 => 5u8..8];
    let key = proptest::option::weighted(0.4, 0..KEYS.len());
    let value = || prop_oneof![Just("v"), Just("vw"), Just("w"), Just("")];
    let attributes = (proptest::option::of(value()), proptest::option::weighted(0.2, value()));
    (failures, any::<bool>(), 0usize..40, key, attributes).prop_map(
        |(failures, panics, padding, key, (k, l))| {
            let attributes = [("k", k), ("l", l)];
            let attribute = |(key, value): (&str, Option<&str>)| Some((key.to_owned(), value?.to_owned()));
            let attributes = attributes.into_iter().filter_map(attribute).collect();
            LetterShape { failures, panics, padding, key, attributes }
        },
    )
}

impl LetterShape {
    pub(crate) fn letter(&self, number: u64, time: Duration) -> Letter {
        Letter {
            data: data(number, self.failures, self.panics, self.padding),
            attributes: self.attributes.clone(),
            key: self.key.map(|key| KEYS[key].to_owned()),
            time,
        }
    }

    /// Without what only a [`Message`] can carry.
    pub(crate) fn bare(&self, number: u64, time: Duration) -> Letter {
        Letter { attributes: Vec::new(), key: None, ..self.letter(number, time) }
    }
}

impl Letter {
    pub(crate) fn message(&self) -> Message {
        let mut message = Message::new(self.data.clone());
        for (key, value) in &self.attributes {
            message = message.attribute(key, value);
        }
        match &self.key {
            Some(key) => message.ordering_key(key),
            None => message,
        }
    }
}
