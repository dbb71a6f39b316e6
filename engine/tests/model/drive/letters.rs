//! What messages look like.

use super::payloads::Payloads;
use crate::model::letter::{Letter, data};
use ringmain::Message;
use std::sync::Arc;
use std::time::Duration;

/// The ordering keys in use.
pub(crate) const KEYS: [&str; 3] = ["a", "b", "c"];

/// A message without its number.
#[derive(Debug, Clone)]
pub(crate) struct LetterShape {
    /// How many deliveries in place fail.
    pub(crate) failures: u8,
    pub(crate) panics: bool,
    pub(crate) padding: usize,
    pub(crate) key: Option<usize>,
    pub(crate) attributes: Vec<(String, String)>,
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
    /// A message like this, whose payload's end is waited for.
    pub(crate) fn message(&self, payloads: &Arc<Payloads>) -> Message {
        let mut message = Message::new(payloads.owned(self.number(), self.data.clone()));
        for (key, value) in &self.attributes {
            message = message.attribute(key, value);
        }
        match &self.key {
            Some(key) => message.ordering_key(key),
            None => message,
        }
    }
}
