//! The user's own messages: a newline-delimited file whose lines are the payloads, used in turn for as long as needed.
//!
//! A line has no room for a number or a time, so identity comes from the order of delivery instead: with one
//! publisher and one consumer per subscription, the n-th message delivered is the n-th published, and it must be
//! line `n mod lines`; with ordering keys, the n-th of its key. What was lost, repeated or swapped shows as a line
//! that does not fit its number. Times travel in a table beside the ring (see `shared::Stamps`).
//!
//! Payloads that are published by reference work the same way: a few of them, made up front, used in turn.

use bytes::Bytes;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use crate::keys::LineKeys;
use crate::num;
use crate::payload::{self, Read};
use crate::records;

/// The largest payload that the engine takes.
pub(crate) const LARGEST: usize = 10 * 1024 * 1024;

/// What a file may have.
const MOST: u64 = 2 << 30;

/// The lines of an input file.
#[derive(Debug)]
pub(crate) struct Lines {
    bytes: Bytes,
    lines: Vec<Line>,
    /// Empty unless they were asked for.
    keys: LineKeys,
    /// The field that they were taken from.
    key_field: Option<String>,
}

#[derive(Debug, Clone, Copy)]
struct Line {
    /// Counted from 1, empty lines included.
    number: usize,
    start: usize,
    end: usize,
    sum: u64,
}

impl Lines {
    /// Reads a file. The error is one line that says what is wrong with it and what would be right.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let shown = path.display();
        // (What has no end, as a device, is not read to it.)
        let mut bytes = Vec::new();
        let read = File::open(path).and_then(|file| file.take(MOST + 1).read_to_end(&mut bytes));
        read.map_err(|error| format!("cannot read --input {shown}: {error}; give a newline-delimited file"))?;
        if num::count(bytes.len()) > MOST {
            return Err(format!(
                "--input {shown}: it has more than {MOST} bytes, which are kept in memory; give a part of it"
            ));
        }
        Self::new(bytes).map_err(|error| format!("--input {shown}: {error}"))
    }

    /// Splits `bytes` at newlines. Empty lines are left out, since the engine refuses an empty message.
    pub(crate) fn new(bytes: Vec<u8>) -> Result<Self, String> {
        let mut lines = Vec::new();
        let mut start = 0;
        for (number, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
            let end = start + line.len();
            let trimmed = line.strip_suffix(b"\r").unwrap_or(line);
            if trimmed.len() > LARGEST {
                return Err(format!(
                    "line {} has {} bytes; a message may have at most {LARGEST}",
                    number + 1,
                    trimmed.len()
                ));
            }
            if !trimmed.is_empty() {
                let sum = payload::sum(trimmed);
                lines.push(Line { number: number + 1, start, end: start + trimmed.len(), sum });
            }
            start = end + 1;
        }
        if lines.is_empty() {
            return Err("it holds no message; give at least one line that is not empty".to_owned());
        }
        Ok(Self { bytes: bytes.into(), lines, keys: LineKeys::default(), key_field: None })
    }

    /// `count` payloads of `length` bytes each, all different, to be published by reference.
    pub(crate) fn generated(count: usize, length: usize) -> Self {
        let pattern = payload::Pattern::new(length);
        let mut bytes = vec![0; count * length];
        let mut lines = Vec::with_capacity(count);
        for (n, buffer) in bytes.chunks_exact_mut(length).enumerate() {
            pattern.fill(buffer, payload::Header { publisher: 0, sequence: num::count(n), time: 0 });
            let (start, end) = (n * length, (n + 1) * length);
            lines.push(Line { number: n + 1, start, end, sum: payload::sum(buffer) });
        }
        Self { bytes: bytes.into(), lines, keys: LineKeys::default(), key_field: None }
    }

    /// Reads the ordering key of each line from a field of it.
    pub(crate) fn take_keys(&mut self, field: &str) -> Result<(), String> {
        let keys = self.texts().map(|(number, line)| records::key(number, line, field));
        let keys = keys.collect::<Result<Vec<_>, _>>()?;
        if keys.iter().all(Option::is_none) {
            return Err(format!("no line has a field '{field}' to take the ordering key from"));
        }
        self.keys = LineKeys::new(keys);
        self.key_field = Some(field.to_owned());
        Ok(())
    }

    /// The field that the ordering keys were taken from.
    pub(crate) fn key_field(&self) -> Option<&str> {
        self.key_field.as_deref()
    }

    /// When each line was recorded, by a field of it, in nanoseconds after the first; and of how many that is before one above.
    pub(crate) fn times(&self, field: &str) -> Result<(Vec<u64>, usize), String> {
        records::offsets(self.texts(), field)
    }

    /// All lines with their numbers in the file.
    fn texts(&self) -> impl Iterator<Item = (usize, &[u8])> {
        self.lines.iter().map(|line| (line.number, &self.bytes[line.start..line.end]))
    }

    /// The ordering keys.
    pub(crate) fn keys(&self) -> &LineKeys {
        &self.keys
    }

    /// Whether the messages have ordering keys.
    pub(crate) fn keyed(&self) -> bool {
        self.keys.len() > 0
    }

    /// The ordering key of message `n`.
    pub(crate) fn key(&self, n: u64) -> Option<&str> {
        self.keys.of_line(num::index(n % num::count(self.lines.len())))
    }

    /// The payload of message `n` by reference.
    pub(crate) fn reference(&self, n: u64) -> Bytes {
        let line = self.line(n);
        self.bytes.slice(line.start..line.end)
    }

    /// How many messages the file holds.
    pub(crate) fn count(&self) -> usize {
        self.lines.len()
    }

    /// The length of the longest message.
    pub(crate) fn longest(&self) -> usize {
        self.lines.iter().map(|line| line.end - line.start).max().unwrap_or(0)
    }

    /// The mean length of a message.
    pub(crate) fn mean_length(&self) -> f64 {
        let total: usize = self.lines.iter().map(|line| line.end - line.start).sum();
        num::float(num::count(total)) / num::float(num::count(self.lines.len()))
    }

    /// The payload of message `n`.
    #[inline]
    pub(crate) fn payload(&self, n: u64) -> &[u8] {
        let line = self.line(n);
        &self.bytes[line.start..line.end]
    }

    /// Whether `payload` is that of message `n`.
    #[inline]
    pub(crate) fn matches(&self, n: u64, payload: &[u8], read: Read) -> bool {
        let line = self.line(n);
        let expected = &self.bytes[line.start..line.end];
        if payload.len() != expected.len() {
            return false;
        }
        match read {
            Read::All => payload::sum(payload) == line.sum,
            Read::Ends => {
                let end = payload.len().min(8);
                let tail = payload.len() - end;
                payload[..end] == expected[..end] && payload[tail..] == expected[tail..]
            }
        }
    }

    #[inline]
    fn line(&self, n: u64) -> Line {
        self.lines[num::index(n % num::count(self.lines.len()))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_used_in_turn_and_empty_ones_left_out() {
        let lines = Lines::new(b"one\r\n\ntwo\nthree".to_vec()).unwrap();
        let payloads: Vec<&[u8]> = (0..5).map(|n| lines.payload(n)).collect();
        assert_eq!(payloads, [&b"one"[..], b"two", b"three", b"one", b"two"]);
        assert_eq!(lines.longest(), 5);
    }

    #[test]
    fn a_swapped_or_damaged_line_does_not_match() {
        let lines = Lines::new(b"a long first line\na long other line\n".to_vec()).unwrap();
        assert!(lines.matches(2, b"a long first line", Read::Ends));
        assert!(!lines.matches(3, b"a long first line", Read::All));
        assert!(!lines.matches(2, b"a long first lin!", Read::Ends));
        assert!(!lines.matches(2, b"a long first", Read::All));
    }

    #[test]
    fn a_file_without_messages_is_refused_in_one_line() {
        let error = Lines::new(b"\n\n".to_vec()).unwrap_err();
        assert!(error.contains("at least one line") && !error.contains('\n'));
    }

    #[test]
    fn generated_payloads_differ_and_are_known_by_their_ends() {
        let lines = Lines::generated(3, 100);
        assert_eq!((lines.count(), lines.longest()), (3, 100));
        assert!(lines.matches(4, &lines.reference(1), Read::All));
        assert!(!lines.matches(0, &lines.reference(1), Read::Ends));
    }

    #[test]
    fn keys_come_from_a_field_and_a_field_that_no_line_has_is_named() {
        let mut lines = Lines::new(b"{\"user\":\"u1\"}\n{\"user\":7}\n{\"other\":1}\n".to_vec()).unwrap();
        assert!(lines.take_keys("usr").unwrap_err().contains("'usr'"));
        assert!(!lines.keyed());
        lines.take_keys("user").unwrap();
        let keys: Vec<_> = (0..4).map(|n| lines.key(n)).collect();
        assert_eq!(keys, [Some("u1"), Some("7"), None, Some("u1")]);
    }

    #[test]
    fn a_line_above_the_limit_is_named() {
        let mut bytes = b"short\n".to_vec();
        bytes.extend(vec![b'x'; LARGEST + 1]);
        assert!(Lines::new(bytes).unwrap_err().starts_with("line 2 has"));
    }
}
