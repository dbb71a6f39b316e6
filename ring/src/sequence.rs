//! Sequences: the numbers that everything on a ring is counted in.
//!
//! A sequence is a 63-bit counter, kept shifted left by one. The low bit is always clear in a [`Sequence`] and free for
//! a tag where a sequence is stored in an atomic word: *padding* in a slot's stamp, *engaged* in a reader's pin.
//!
//! Positions are half-open, as in a Rust range: a cursor *at* `s` has read everything before `s` and reads `s` next.
//! Sequences wrap, and are compared by signed difference: a comparison of the bare numbers hangs a ring when a gate
//! passes a stale head, and again after 2^63 messages.

use std::fmt;

/// The number of a message on its ring, or a position between two messages. Compare with [`distance_from`]
/// (`Ord` is left out on purpose: sequences wrap).
///
/// [`distance_from`]: Sequence::distance_from
///
/// ```
/// use ringmain_ring::Sequence;
/// let last = Sequence::new(u64::MAX >> 1);
/// assert_eq!(last.plus(1), Sequence::new(0));
/// assert_eq!(last.plus(3).distance_from(last), 3);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sequence(u64);

/// The bit that a [`Sequence`] leaves free.
pub(crate) const TAG: u64 = 1;

impl Sequence {
    /// The sequence numbered `number`, modulo 2^63.
    #[inline]
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number << 1)
    }

    /// The number: 0 for the first message of a ring that starts where rings start.
    #[inline]
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0 >> 1
    }

    /// The sequence `count` further on.
    #[inline]
    #[must_use]
    pub const fn plus(self, count: u64) -> Self {
        Self(self.0.wrapping_add(count << 1))
    }

    /// The sequence `count` before.
    #[inline]
    #[must_use]
    pub const fn minus(self, count: u64) -> Self {
        Self(self.0.wrapping_sub(count << 1))
    }

    /// How far `self` is ahead of `earlier`; negative when it is behind.
    #[inline]
    #[must_use]
    pub const fn distance_from(self, earlier: Self) -> i64 {
        (self.0.wrapping_sub(earlier.0) as i64) >> 1
    }

    /// Whether `self` comes before `other`.
    #[inline]
    #[must_use]
    pub const fn is_before(self, other: Self) -> bool {
        self.distance_from(other) < 0
    }

    /// The one of the two that comes first.
    #[inline]
    #[must_use]
    pub const fn earlier(self, other: Self) -> Self {
        if other.is_before(self) { other } else { self }
    }

    /// The one of the two that comes last.
    #[inline]
    #[must_use]
    pub const fn later(self, other: Self) -> Self {
        if self.is_before(other) { other } else { self }
    }

    /// How many sequences lie in `self..end`; 0 when `end` is not ahead.
    #[inline]
    #[must_use]
    pub const fn until(self, end: Self) -> u64 {
        let distance = end.distance_from(self);
        if distance > 0 { distance as u64 } else { 0 }
    }

    /// Back from the raw word of an atomic, whatever its tag.
    #[inline]
    pub(crate) const fn from_raw(raw: u64) -> Self {
        Self(raw & !TAG)
    }

    /// The raw word, with the tag clear.
    #[inline]
    pub(crate) const fn raw(self) -> u64 {
        self.0
    }

    /// The raw word, with the tag set.
    #[inline]
    pub(crate) const fn tagged(self) -> u64 {
        self.0 | TAG
    }

    /// The slot index on a ring of `mask + 1` slots.
    #[inline]
    pub(crate) const fn index(self, mask: usize) -> usize {
        (self.0 >> 1) as usize & mask
    }
}

impl fmt::Debug for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.number())
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.number().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_hold_across_both_wraps() {
        for base in [0, (1 << 62) - 2, (1 << 62) - 1, (1 << 63) - 2, (1 << 63) - 1] {
            let start = Sequence::new(base);
            for step in 0..5 {
                assert_eq!(start.plus(step).distance_from(start), i64::try_from(step).unwrap());
                assert_eq!(start.plus(step).minus(step), start);
                assert_eq!(start.until(start.plus(step)), step);
            }
            assert!(start.is_before(start.plus(1)));
            assert!(!start.plus(1).is_before(start));
            assert_eq!(start.earlier(start.plus(1)), start);
            assert_eq!(start.later(start.plus(1)), start.plus(1));
        }
    }

    #[test]
    fn the_tag_never_shows() {
        for number in [0, 1, 41, 1 << 62] {
            let sequence = Sequence::new(number);
            assert_eq!(
                (sequence.number(), sequence.raw(), sequence.tagged()),
                (number, number << 1, number << 1 | 1)
            );
            assert_eq!(Sequence::from_raw(sequence.tagged()), sequence);
            assert_eq!(Sequence::from_raw(sequence.raw()), sequence);
        }
        assert_eq!((Sequence::new(41).index(7), Sequence::new(14).index(15)), (1, 14));
    }

    #[test]
    fn what_is_behind_is_not_ahead() {
        let [one, two] = [1, 2].map(Sequence::new);
        assert_eq!((two.distance_from(one), one.distance_from(two), one.distance_from(one)), (1, -1, 0));
        assert_eq!((one.until(two), two.until(one), one.until(one)), (1, 0, 0));
        assert_eq!([one.is_before(two), two.is_before(one), one.is_before(one)], [true, false, false]);
        assert_eq!((two.earlier(one), one.earlier(two), two.later(one)), (one, one, two));
    }

    #[test]
    fn it_is_written_as_its_number() {
        assert_eq!(format!("{} {:?}", Sequence::new(7), Sequence::new(8)), "7 #8");
    }
}
