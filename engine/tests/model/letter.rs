//! What is published, and its place in a topic.
//!
//! A letter's data says who it is and what becomes of it in place: a handler needs to know nothing else to decide, and
//! the model decides alike.

use std::rc::Rc;
use std::time::Duration;

/// A message's content. A dead letter is another letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Letter {
    pub(crate) data: Vec<u8>,
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) key: Option<String>,
    /// When it was published, since the clock's zero.
    pub(crate) time: Duration,
}

/// What a handler does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Ack,
    Nack,
    Panic,
}

const HEADER: usize = 10;

/// Data that carries a number, and fails the first `failures` deliveries in place, by panics or not.
pub(crate) fn data(number: u64, failures: u8, panics: bool, padding: usize) -> Vec<u8> {
    let mut data = number.to_le_bytes().to_vec();
    data.extend([failures, u8::from(panics)]);
    data.resize(HEADER + padding, 0);
    data
}

/// What becomes of delivery number `attempt` of this data, in place.
pub(crate) fn verdict(data: &[u8], attempt: u32) -> Verdict {
    match data.get(8..HEADER) {
        Some(&[failures, panics]) if attempt <= u32::from(failures) => {
            if panics == 1 && attempt % 2 == 1 {
                Verdict::Panic
            } else {
                Verdict::Nack
            }
        }
        _ => Verdict::Ack,
    }
}

impl Letter {
    /// Data and attribute bytes.
    pub(crate) fn size(&self) -> usize {
        self.data.len() + self.attributes.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>()
    }

    /// For messages to people.
    pub(crate) fn number(&self) -> u64 {
        self.data.get(..8).map_or(u64::MAX, |bytes| u64::from_le_bytes(bytes.try_into().expect("eight")))
    }
}

/// A letter in a topic.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) letter: Rc<Letter>,
    pub(crate) id: u64,
    /// The step in which it was published.
    pub(crate) step: u64,
}

impl Entry {
    pub(crate) fn key(&self) -> Option<&str> {
        self.letter.key.as_deref()
    }
}
