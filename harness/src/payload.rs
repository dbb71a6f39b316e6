//! Generated payloads: written anew for every message, and checked by whoever reads them.
//!
//! ```text
//! 0        8        16            64                 128              length-8
//! | id     | time   | pattern ... | mark | pattern.. | mark | ...     | seal   |
//! ```
//!
//! `id` is the publisher (16 bits) and its message number (48 bits); `time` is when the message was due, or
//! published. The seal, the last eight bytes, is a hash of id, time and length, so that a reader of both ends knows
//! that they belong to one message. Every cache line in between carries a mark derived from the id, and the sum of
//! all words follows from id, time and the pattern: a reader of every byte notices a line left over from another
//! message. The bytes between are noise, so that nothing on the way can compress or share them.

use crate::num;

/// The shortest payload that holds id, time and seal.
pub(crate) const MINIMUM: usize = 24;

const LINE: usize = 64;
const SEQUENCE_BITS: u32 = 48;

/// What a reader looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Read {
    /// The first and the last eight bytes (and the time beside the first).
    Ends,
    /// Every byte, as a checksum.
    All,
}

/// Who sent a message, its number, and its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) publisher: usize,
    pub(crate) sequence: u64,
    pub(crate) time: u64,
}

/// The payload is not what its publisher wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Corrupt;

/// Writes and checks payloads of one length.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    template: Vec<u8>,
    /// Sum of the template's words up to the seal; the words of id, time and marks are zero in it.
    sum: u64,
    marks: u64,
}

impl Pattern {
    /// A pattern for payloads of `length` bytes, which must be at least [`MINIMUM`].
    pub(crate) fn new(length: usize) -> Self {
        debug_assert!(length >= MINIMUM, "a generated payload needs {MINIMUM} bytes, not {length}");
        let mut noise = 0x9e37_79b9_7f4a_7c15_u64;
        let mut template: Vec<u8> = (0..length)
            .map(|_| {
                noise = mix(noise.wrapping_add(1));
                noise.to_le_bytes()[0]
            })
            .collect();
        template[..16].fill(0);
        template[length - 8..].fill(0);
        let marks: Vec<usize> = mark_offsets(length).collect();
        for &offset in &marks {
            template[offset..offset + 8].fill(0);
        }
        let sum = sum(&template[..length - 8]);
        Self { template, sum, marks: num::count(marks.len()) }
    }

    /// The length of every payload.
    pub(crate) fn length(&self) -> usize {
        self.template.len()
    }

    /// Writes a whole payload into `buffer`, which has this pattern's length.
    #[inline]
    pub(crate) fn fill(&self, buffer: &mut [u8], header: Header) {
        let length = self.template.len();
        let id = id(header);
        buffer.copy_from_slice(&self.template);
        buffer[..8].copy_from_slice(&id.to_le_bytes());
        buffer[8..16].copy_from_slice(&header.time.to_le_bytes());
        let mark = mark(id).to_le_bytes();
        for offset in mark_offsets(length) {
            buffer[offset..offset + 8].copy_from_slice(&mark);
        }
        buffer[length - 8..].copy_from_slice(&seal(id, header.time, length).to_le_bytes());
    }

    /// Reads a payload and tells whose it is, or that it is not one.
    #[inline]
    pub(crate) fn open(&self, payload: &[u8], read: Read) -> Result<Header, Corrupt> {
        if payload.len() != self.template.len() {
            return Err(Corrupt);
        }
        let (Some(id), Some(time), Some(last)) =
            (word(payload, 0), word(payload, 8), word(payload, payload.len() - 8))
        else {
            return Err(Corrupt);
        };
        if last != seal(id, time, payload.len()) {
            return Err(Corrupt);
        }
        if read == Read::All {
            let expected =
                self.sum.wrapping_add(id).wrapping_add(time).wrapping_add(self.marks.wrapping_mul(mark(id)));
            if sum(&payload[..payload.len() - 8]) != expected {
                return Err(Corrupt);
            }
        }
        let sequence = id & ((1 << SEQUENCE_BITS) - 1);
        Ok(Header { publisher: num::index(id >> SEQUENCE_BITS), sequence, time })
    }
}

/// The word at `offset`, if the slice reaches that far.
#[inline]
fn word(bytes: &[u8], offset: usize) -> Option<u64> {
    bytes.get(offset..)?.first_chunk().map(|chunk| u64::from_le_bytes(*chunk))
}

/// The sum of all words, the last one filled up with zeros. Wrapping addition vectorises; it is no defence against
/// malice, and none is needed.
#[inline]
pub(crate) fn sum(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    words.iter().fold(u64::from_le_bytes(last), |sum, word| sum.wrapping_add(u64::from_le_bytes(*word)))
}

#[inline]
fn id(header: Header) -> u64 {
    (num::count(header.publisher) << SEQUENCE_BITS) | header.sequence
}

/// A hash of who sent a message and its number, for books that add messages up. Not that of the marks, so that no
/// fault in a payload agrees with it by chance.
#[inline]
pub(crate) fn hash(header: Header) -> u64 {
    mix(id(header) ^ 0x6a09_e667_f3bc_c908)
}

/// Where marks lie: at the start of each cache line that has room for one before the seal.
#[inline]
fn mark_offsets(length: usize) -> impl Iterator<Item = usize> {
    (LINE..length.saturating_sub(15)).step_by(LINE)
}

#[inline]
fn mark(id: u64) -> u64 {
    mix(id)
}

#[inline]
fn seal(id: u64, time: u64, length: usize) -> u64 {
    mix(id ^ time.rotate_left(SEQUENCE_BITS / 2) ^ num::count(length))
}

/// A bijection that spreads every bit over the word (the finalizer of splitmix64).
#[inline]
fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Header = Header { publisher: 3, sequence: 123_456_789, time: 987_654_321 };

    fn written(length: usize) -> (Pattern, Vec<u8>) {
        let pattern = Pattern::new(length);
        let mut buffer = vec![0xff; length];
        pattern.fill(&mut buffer, HEADER);
        (pattern, buffer)
    }

    #[test]
    fn what_is_written_is_read_back_at_any_length() {
        for length in [24, 25, 31, 32, 63, 64, 72, 79, 80, 81, 100, 1_023, 1_024, 1_025, 10_240] {
            let (pattern, buffer) = written(length);
            assert_eq!(pattern.open(&buffer, Read::Ends), Ok(HEADER), "{length} bytes, ends");
            assert_eq!(pattern.open(&buffer, Read::All), Ok(HEADER), "{length} bytes, all");
        }
    }

    #[test]
    fn reading_all_notices_any_byte_and_reading_ends_the_ends() {
        let (pattern, buffer) = written(200);
        for position in 0..buffer.len() {
            let mut damaged = buffer.clone();
            damaged[position] ^= 0x10;
            assert_eq!(pattern.open(&damaged, Read::All), Err(Corrupt), "byte {position}");
            let ends = !(16..192).contains(&position);
            assert_eq!(pattern.open(&damaged, Read::Ends).is_err(), ends, "byte {position}");
        }
    }

    #[test]
    fn a_line_of_another_message_is_noticed() {
        let (pattern, mut buffer) = written(1_024);
        let mut other = vec![0; 1_024];
        pattern.fill(&mut other, Header { sequence: HEADER.sequence - 4_096, ..HEADER });
        buffer[512..576].copy_from_slice(&other[512..576]);
        assert_eq!(pattern.open(&buffer, Read::Ends), Ok(HEADER));
        assert_eq!(pattern.open(&buffer, Read::All), Err(Corrupt));
    }

    #[test]
    fn another_length_is_corrupt() {
        let (pattern, buffer) = written(100);
        assert_eq!(pattern.open(&buffer[..99], Read::Ends), Err(Corrupt));
        assert_eq!(pattern.open(&[], Read::Ends), Err(Corrupt));
    }
}
