//! What happened in a run: in words, for people; or as one number, to tell whether another run did the same.

use std::fmt::{self, Write};

#[derive(Debug, Default)]
pub(crate) enum Trace {
    #[default]
    Off,
    Words(String),
    Number(Number),
}

/// Of words, by FNV-1a.
#[derive(Debug)]
pub(crate) struct Number(u64);

impl Trace {
    pub(crate) fn number() -> Self {
        Self::Number(Number(0xcbf2_9ce4_8422_2325))
    }

    pub(super) fn note(&mut self, what: fmt::Arguments<'_>) {
        // Neither fails.
        let _ = match self {
            Self::Off => Ok(()),
            Self::Words(words) => words.write_fmt(what),
            Self::Number(number) => number.write_fmt(what),
        };
    }

    /// What is too much to read.
    pub(super) fn detail(&mut self, what: fmt::Arguments<'_>) {
        if let Self::Number(_) = self {
            self.note(what);
        }
    }

    pub(crate) fn into_words(self) -> String {
        if let Self::Words(words) = self { words } else { String::new() }
    }

    pub(crate) fn value(&self) -> u64 {
        if let Self::Number(Number(value)) = self { *value } else { 0 }
    }
}

impl Write for Number {
    fn write_str(&mut self, words: &str) -> fmt::Result {
        for byte in words.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Ok(())
    }
}
