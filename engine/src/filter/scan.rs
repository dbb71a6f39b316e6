//! The text of a filter, taken from the front.
//!
//! What a `-` means depends on where it stands (part of a key, or NOT), so there is no separate list of tokens: the
//! parser asks for what may come next. The rest of the text is only ever split at what was found in it, so no input, of
//! whatever characters, can make it panic.

use super::rule;
use crate::error::Invalid;

/// What is left of the text.
pub(super) struct Scanner<'a> {
    rest: &'a str,
    /// Of the whole text.
    length: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text, length: text.len() }
    }

    /// Whether nothing but space is left.
    pub(super) fn at_end(&mut self) -> bool {
        self.skip_space();
        self.rest.is_empty()
    }

    /// Takes these characters, if they come next.
    pub(super) fn take(&mut self, token: &str) -> bool {
        self.skip_space();
        let rest = self.rest.strip_prefix(token);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// Takes these characters, which must come next.
    pub(super) fn expect(&mut self, token: &str, rule: &'static str) -> Result<(), Invalid> {
        if self.take(token) { Ok(()) } else { Err(self.error(rule)) }
    }

    /// The word that comes next, which may be empty; it is not taken.
    pub(super) fn word(&mut self) -> &'a str {
        self.skip_space();
        self.run(|c| c.is_ascii_alphanumeric() || c == '_')
    }

    /// Takes this word, if it comes next and does not go on.
    pub(super) fn take_word(&mut self, word: &str) -> bool {
        self.word() == word && self.take(word)
    }

    /// Takes an attribute's key.
    pub(super) fn key(&mut self) -> Result<Box<str>, Invalid> {
        self.skip_space();
        if self.rest.starts_with('"') {
            let empty = self.error(rule::EMPTY_KEY);
            return self.string(rule::KEY).and_then(|key| if key.is_empty() { Err(empty) } else { Ok(key) });
        }
        let key = self.run(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        if key.is_empty() {
            return Err(self.error(rule::KEY));
        }
        self.take(key);
        // As in `iana.org/language`: better told here than as a missing operator.
        if self.rest.starts_with(|c: char| c == '.' || c == '/' || !c.is_ascii()) {
            return Err(self.error(rule::QUOTE_KEY));
        }
        Ok(key.into())
    }

    /// Takes a string; `rule` is for when there is none.
    pub(super) fn string(&mut self, rule: &'static str) -> Result<Box<str>, Invalid> {
        let unclosed = self.error(rule::UNCLOSED);
        self.expect("\"", rule)?;
        let mut value = String::new();
        loop {
            let escape = self.column();
            match self.next() {
                None => return Err(unclosed),
                Some('"') => return Ok(value.into()),
                Some('\\') => match self.next() {
                    Some(escaped @ ('"' | '\\')) => value.push(escaped),
                    _ => return Err(Invalid::Filter { column: escape, rule: rule::ESCAPE }),
                },
                Some(other) => value.push(other),
            }
        }
    }

    /// The error that breaks `rule` where the next part begins.
    pub(super) fn error(&mut self, rule: &'static str) -> Invalid {
        self.skip_space();
        Invalid::Filter { column: self.column(), rule }
    }

    fn column(&self) -> usize {
        self.length - self.rest.len() + 1
    }

    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let next = chars.next();
        self.rest = chars.as_str();
        next
    }

    /// The characters like this that come next; they are not taken.
    fn run(&self, like: impl Fn(char) -> bool) -> &'a str {
        self.rest.split(|c| !like(c)).next().unwrap_or_default()
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_ascii_start();
    }
}
