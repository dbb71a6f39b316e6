//! Ordering keys, and what they make of the order in which messages arrive.
//!
//! Without keys the messages of a publisher arrive in the order in which they were published, and each of its
//! accounts is one lane. With keys only the messages of one key do: a publisher then has a lane per key, and a
//! message's place is its lane and its number in it. Generated messages are dealt onto the keys in turn, by each publisher
//! from another key on, since those of a herd have a single message each; lines of a file have the keys that they name,
//! and those that name none share a lane.

use std::sync::Arc;

use crate::input::Lines;
use crate::num;

/// See the module.
#[derive(Debug, Clone)]
pub(crate) enum Keying {
    /// No keys: one lane a publisher.
    Unkeyed,
    /// Generated messages dealt onto this many keys.
    Dealt(u64),
    /// Lines that bring their keys.
    Lines(Arc<Lines>),
}

impl Keying {
    /// Lanes a publisher.
    pub(crate) fn lanes(&self) -> usize {
        match self {
            Self::Unkeyed => 1,
            Self::Dealt(keys) => num::index(*keys),
            Self::Lines(lines) => lines.keys().len(),
        }
    }

    /// Whether there are keys.
    pub(crate) fn keyed(&self) -> bool {
        !matches!(self, Self::Unkeyed)
    }

    /// The lane of generated message `n` of a publisher, and its number there, which need not count from 0.
    #[inline]
    pub(crate) fn place(&self, publisher: usize, n: u64) -> (usize, u64) {
        match self {
            Self::Dealt(keys) => (dealt(publisher, n, *keys), (num::count(publisher) + n) / keys),
            Self::Unkeyed | Self::Lines(_) => (0, n),
        }
    }

    /// The number in `lane` of the first message there that is not one of a publisher's first `n`.
    pub(crate) fn before(&self, publisher: usize, lane: usize, n: u64) -> u64 {
        match self {
            Self::Unkeyed => n,
            Self::Dealt(keys) => {
                let dealt = num::count(publisher) + n;
                dealt / keys + u64::from(num::count(lane) < dealt % keys)
            }
            Self::Lines(lines) => {
                let (rounds, rest) = (n / num::count(lines.count()), n % num::count(lines.count()));
                let of_key = lines.keys().lines_of(lane);
                let in_rest = of_key.partition_point(|&line| num::count(line) < rest);
                rounds * num::count(of_key.len()) + num::count(in_rest)
            }
        }
    }
}

/// Which of `keys` ordering keys generated message `n` of a publisher has.
#[inline]
pub(crate) fn dealt(publisher: usize, n: u64, keys: u64) -> usize {
    num::index((num::count(publisher) + n) % keys)
}

/// The keys of the lines of a file. Lane 0 is that of lines without one.
#[derive(Debug, Default)]
pub(crate) struct LineKeys {
    names: Vec<String>,
    lanes: std::collections::HashMap<String, usize>,
    of_line: Vec<usize>,
    lines_of: Vec<Vec<usize>>,
}

impl LineKeys {
    /// The keys of all lines, in their order.
    pub(crate) fn new(keys: impl IntoIterator<Item = Option<String>>) -> Self {
        let mut all = Self { names: vec![String::new()], lines_of: vec![Vec::new()], ..Self::default() };
        for (line, key) in keys.into_iter().enumerate() {
            let lane = key.map_or(0, |key| {
                let next = all.names.len();
                *all.lanes.entry(key).or_insert_with_key(|key| {
                    all.names.push(key.clone());
                    all.lines_of.push(Vec::new());
                    next
                })
            });
            all.of_line.push(lane);
            all.lines_of[lane].push(line);
        }
        all
    }

    /// Lanes, that of lines without a key included.
    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    /// The key of a line.
    pub(crate) fn of_line(&self, line: usize) -> Option<&str> {
        self.of_line.get(line).filter(|lane| **lane > 0).map(|&lane| self.names[lane].as_str())
    }

    /// The lane of a key; `None` for one that no line has.
    pub(crate) fn lane(&self, key: Option<&str>) -> Option<usize> {
        key.map_or(Some(0), |key| self.lanes.get(key).copied())
    }

    fn lines_of(&self, lane: usize) -> &[usize] {
        self.lines_of.get(lane).map_or(&[], Vec::as_slice)
    }

    /// Which message is number `number` of a lane, when the lines are used in turn.
    pub(crate) fn message(&self, lane: usize, number: u64) -> Option<u64> {
        let lines = self.lines_of(lane);
        let count = num::count(lines.len());
        let round = number.checked_div(count)?;
        let line = lines[num::index(number % count)];
        Some(round * num::count(self.of_line.len()) + num::count(line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dealt_is_numbered_within_its_key() {
        let keying = Keying::Dealt(3);
        let places: Vec<_> = (0..7).map(|n| keying.place(0, n)).collect();
        assert_eq!(places, [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (2, 1), (0, 2)]);
        for publisher in 0..7 {
            // What is next in a lane is the number that its next message has.
            for n in 0..50 {
                let (lane, number) = keying.place(publisher, n);
                let before = |n| keying.before(publisher, lane, n);
                assert_eq!((before(n), before(n + 1)), (number, number + 1), "{n} of {publisher}");
            }
        }
    }

    #[test]
    fn publishers_of_one_message_each_are_dealt_onto_all_keys() {
        let lanes: Vec<_> = (0..7).map(|publisher| Keying::Dealt(3).place(publisher, 5).0).collect();
        assert_eq!(lanes, [2, 0, 1, 2, 0, 1, 2]);
    }

    #[test]
    fn the_lines_of_a_key_are_numbered_over_all_rounds() {
        let key = |key: &str| Some(key.to_owned());
        let keys = LineKeys::new([key("a"), None, key("b"), key("a")]);
        assert_eq!((keys.len(), keys.of_line(3), keys.of_line(1)), (3, Some("a"), None));
        let a = keys.lane(Some("a")).unwrap();
        let messages: Vec<_> = (0..5).filter_map(|number| keys.message(a, number)).collect();
        assert_eq!(messages, [0, 3, 4, 7, 8]);
        assert_eq!((keys.lane(None), keys.lane(Some("c"))), (Some(0), None));
    }
}
