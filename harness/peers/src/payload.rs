//! What travels, how it is written, and how a reader proves that it read it.
//!
//! A message is derived from its sequence number: its 64-bit words are `seq`, `seq + 1`, .. (from `seq + 1` on in a
//! message of 64 bytes). Readers add words up, so that the total of a sample is known beforehand in closed form: a lost, doubled, torn or stale
//! message changes it. All contenders write with the same function, `fill`, and read with the same function,
//! `read`; a kilobyte is written anew for every message, be it into a slot, a recycled buffer or a fresh
//! allocation.

use std::sync::LazyLock;

use bytes::Bytes;

use crate::clock::Ticker;

/// Bytes in the large payload.
pub(crate) const KILOBYTE: usize = 1024;
const WORDS: u64 = KILOBYTE as u64 / 8;

/// How much of a kilobyte a reader touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// The first and the last eight bytes.
    Ends,
    /// Every byte, as a sum of words.
    Every,
}

/// A value that the contenders carry.
pub(crate) trait Message: Clone + Send + Sync + 'static {
    /// The message of this sequence number, newly made.
    fn new(seq: u64) -> Self;
    /// Turns what lies in a slot into the message of this sequence number.
    fn set(&mut self, seq: u64);
    /// What the reader adds to its sum.
    fn read(&self, read: Read) -> u64;
    /// What reading sequences `0..messages` adds up to.
    fn total(messages: u64, read: Read) -> u64;
}

impl Message for u64 {
    #[inline]
    fn new(seq: u64) -> Self {
        seq
    }

    #[inline]
    fn set(&mut self, seq: u64) {
        *self = seq;
    }

    #[inline]
    fn read(&self, _read: Read) -> u64 {
        *self
    }

    fn total(messages: u64, _read: Read) -> u64 {
        line(messages, 1, 0)
    }
}

/// 64 bytes: as much as a cache line, not aligned to one. Always read whole.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line([u64; 8]);

impl Message for Line {
    #[inline]
    fn new(seq: u64) -> Self {
        let mut line = Self([0; 8]);
        line.set(seq);
        line
    }

    #[inline]
    fn set(&mut self, seq: u64) {
        // From one, lest the first word, to which nothing would be added, and the last are stored apart from the others, by some
        // contenders and not by others: in what order a line is stored to shows in the rate (docs/decisions/0022).
        for (word, at) in self.0.iter_mut().zip(1..) {
            *word = seq.wrapping_add(at);
        }
    }

    #[inline]
    fn read(&self, _read: Read) -> u64 {
        self.0.iter().fold(0, |sum, word| sum.wrapping_add(*word))
    }

    fn total(messages: u64, _read: Read) -> u64 {
        line(messages, 8, 36)
    }
}

/// A kilobyte that lives in a slot and is overwritten there.
#[derive(Clone, Debug)]
pub(crate) struct Kilobyte([u8; KILOBYTE]);

impl Message for Kilobyte {
    fn new(seq: u64) -> Self {
        let mut kilobyte = Self([0; KILOBYTE]);
        kilobyte.set(seq);
        kilobyte
    }

    #[inline]
    fn set(&mut self, seq: u64) {
        fill(&mut self.0, seq);
    }

    #[inline]
    fn read(&self, read: Read) -> u64 {
        read_bytes(&self.0, read)
    }

    fn total(messages: u64, read: Read) -> u64 {
        total_of_kilobytes(messages, read)
    }
}

/// A kilobyte with the time when it was written, as a message of the engine has one.
#[derive(Clone, Debug)]
pub(crate) struct Timed {
    time: u64,
    kilobyte: Kilobyte,
}

impl Message for Timed {
    fn new(seq: u64) -> Self {
        Self { time: 0, kilobyte: Kilobyte::new(seq) }
    }

    #[inline]
    fn set(&mut self, seq: u64) {
        static CLOCK: LazyLock<Ticker> = LazyLock::new(Ticker::new);
        self.time = CLOCK.now();
        self.kilobyte.set(seq);
    }

    #[inline]
    fn read(&self, read: Read) -> u64 {
        // (Looked at, so that it must be written.)
        std::hint::black_box(&self.time);
        self.kilobyte.read(read)
    }

    fn total(messages: u64, read: Read) -> u64 {
        total_of_kilobytes(messages, read)
    }
}

/// The slot holds a pointer, which stays, to where the message is.
impl<T: Message> Message for Box<T> {
    fn new(seq: u64) -> Self {
        Self::new(T::new(seq))
    }

    #[inline]
    fn set(&mut self, seq: u64) {
        (**self).set(seq);
    }

    #[inline]
    fn read(&self, read: Read) -> u64 {
        (**self).read(read)
    }

    fn total(messages: u64, read: Read) -> u64 {
        T::total(messages, read)
    }
}

/// A kilobyte in an allocation of its own, owned and shared by reference count.
impl Message for Bytes {
    #[inline]
    fn new(seq: u64) -> Self {
        let mut buffer = Vec::with_capacity(KILOBYTE);
        let mut block = [0; 64];
        for at in (0..WORDS).step_by(8) {
            fill(&mut block, seq + at);
            buffer.extend_from_slice(&block);
        }
        Self::from(buffer)
    }

    #[inline]
    fn set(&mut self, seq: u64) {
        *self = <Self as Message>::new(seq);
    }

    #[inline]
    fn read(&self, read: Read) -> u64 {
        read_bytes(self, read)
    }

    fn total(messages: u64, read: Read) -> u64 {
        total_of_kilobytes(messages, read)
    }
}

/// Writes the words of message `seq` over the whole buffer.
#[inline]
pub(crate) fn fill(buffer: &mut [u8], seq: u64) {
    for (word, at) in buffer.as_chunks_mut::<8>().0.iter_mut().zip(0..) {
        *word = seq.wrapping_add(at).to_le_bytes();
    }
}

/// What a reader of this kilobyte adds to its sum.
#[inline]
pub(crate) fn read_bytes(buffer: &[u8], read: Read) -> u64 {
    let words = buffer.as_chunks::<8>().0;
    match (read, words) {
        (Read::Ends, [first, .., last]) => u64::from_le_bytes(*first).wrapping_add(u64::from_le_bytes(*last)),
        _ => words.iter().fold(0, |sum, word| sum.wrapping_add(u64::from_le_bytes(*word))),
    }
}

/// What reading kilobytes `0..messages` adds up to.
pub(crate) fn total_of_kilobytes(messages: u64, read: Read) -> u64 {
    total_of(WORDS, messages, read)
}

/// The same for messages of so many words: two at least.
pub(crate) fn total_of(words: u64, messages: u64, read: Read) -> u64 {
    match read {
        Read::Ends => line(messages, 2, words - 1),
        Read::Every => line(messages, words, words * (words - 1) / 2),
    }
}

/// The sum of `slope * seq + offset` over `0..messages`, wrapping like the readers' sums do.
fn line(messages: u64, slope: u64, offset: u64) -> u64 {
    let twice = u128::from(messages) * u128::from(messages.saturating_sub(1));
    #[expect(clippy::cast_possible_truncation, reason = "readers wrap at 64 bits as well")]
    let pairs = (twice / 2) as u64;
    pairs.wrapping_mul(slope).wrapping_add(messages.wrapping_mul(offset))
}

/// What one receiver has read so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) count: u64,
    pub(crate) sum: u64,
}

impl Tally {
    /// Counts one message whose reading gave `value`.
    #[inline]
    pub(crate) fn add(&mut self, value: u64) {
        self.count += 1;
        self.sum = self.sum.wrapping_add(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: Message>() {
        for read in [Read::Ends, Read::Every] {
            let mut tally = Tally::default();
            let mut slot = T::new(7);
            for seq in 0..1_000 {
                slot.set(seq);
                tally.add(slot.read(read));
                assert_eq!(slot.read(read), T::new(seq).read(read));
            }
            assert_eq!(tally, Tally { count: 1_000, sum: T::total(1_000, read) });
        }
    }

    #[test]
    fn what_is_read_adds_up_to_the_total() {
        check::<u64>();
        check::<Line>();
        check::<Kilobyte>();
        check::<Timed>();
        check::<Box<Timed>>();
        check::<Bytes>();
    }
}
