//! Generated payloads of one size, or of several by weight.
//!
//! The sizes are dealt evenly over a cycle as long as their weights together, so that any stretch of messages has
//! them in nearly their proportion and a run with the same mix is the same run. Which size message `n` has follows
//! from `n` alone; a reader knows it from the payload's length.

use crate::num;
use crate::payload::{Corrupt, Header, Pattern, Read};

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Patterns {
    patterns: Vec<Pattern>,
    /// Which pattern each message of a cycle has.
    cycle: Vec<u8>,
}

impl Patterns {
    /// Payloads of `length` bytes.
    pub(crate) fn single(length: usize) -> Self {
        Self { patterns: vec![Pattern::new(length)], cycle: vec![0] }
    }

    /// Payloads of these sizes with these weights: at most 16 of them, no size twice.
    pub(crate) fn mixed(parts: &[(u64, usize)]) -> Self {
        let total: u64 = parts.iter().map(|&(weight, _)| weight).sum();
        let mut given = vec![0; parts.len()];
        let mut cycle = Vec::with_capacity(num::index(total));
        for turn in 1..=total {
            // Whoever is furthest behind its share of the turns so far comes next.
            let behind = |&index: &usize| num::difference(parts[index].0 * turn, given[index] * total);
            let next = (0..parts.len()).max_by(|a, b| behind(a).total_cmp(&behind(b))).unwrap_or(0);
            given[next] += 1;
            cycle.push(u8::try_from(next).unwrap_or(0));
        }
        Self { patterns: parts.iter().map(|&(_, length)| Pattern::new(length)).collect(), cycle }
    }

    /// The pattern of message `n`.
    #[inline]
    pub(crate) fn of(&self, n: u64) -> &Pattern {
        if self.patterns.len() == 1 {
            return &self.patterns[0];
        }
        &self.patterns[usize::from(self.cycle[num::index(n % num::count(self.cycle.len()))])]
    }

    /// Reads a payload and tells whose it is, or that it is not one.
    #[inline]
    pub(crate) fn open(&self, payload: &[u8], read: Read) -> Result<Header, Corrupt> {
        if let [only] = &self.patterns[..] {
            return only.open(payload, read);
        }
        let pattern = self.patterns.iter().find(|pattern| pattern.length() == payload.len());
        let header = pattern.ok_or(Corrupt)?.open(payload, read)?;
        Ok(header)
    }

    /// The mean length, in bytes.
    pub(crate) fn mean_length(&self) -> f64 {
        let lengths = self.cycle.iter().map(|&index| self.patterns[usize::from(index)].length());
        num::float(num::count(lengths.sum())) / num::float(num::count(self.cycle.len()))
    }

    /// The length of the longest, in bytes.
    pub(crate) fn longest(&self) -> usize {
        self.patterns.iter().map(Pattern::length).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_come_in_proportion_over_any_stretch() {
        let mix = Patterns::mixed(&[(90, 1_024), (10, 100)]);
        let small = |range: std::ops::Range<u64>| range.filter(|&n| mix.of(n).length() == 100).count();
        assert_eq!(small(0..100), 10);
        for start in 0..200 {
            assert!((4..=6).contains(&small(start..start + 50)), "from {start}");
        }
        assert!((mix.mean_length() - 931.6).abs() < 0.01 && mix.longest() == 1_024);
    }

    #[test]
    fn a_reader_knows_the_size_and_refuses_any_other() {
        let mix = Patterns::mixed(&[(1, 64), (1, 100)]);
        for n in 0..4 {
            let mut buffer = vec![0; mix.of(n).length()];
            let header = Header { publisher: 1, sequence: n, time: 5 };
            mix.of(n).fill(&mut buffer, header);
            assert_eq!(mix.open(&buffer, Read::All), Ok(header));
            buffer.push(0);
            assert_eq!(mix.open(&buffer, Read::All), Err(Corrupt));
        }
    }
}
