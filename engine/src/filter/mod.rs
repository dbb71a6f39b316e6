//! A subscription's filter: which messages it wants, by their attributes.
//!
//! The language is that of Google Cloud Pub/Sub. A filter has at most 256 bytes, and space between its parts is free:
//!
//! ```text
//! filter = group
//! group  = term { "AND" term } | term { "OR" term }            never both: one of them goes in parentheses
//! term   = { "NOT" | "-" } ( test | "(" group ")" )            so NOT binds tightest
//! test   = "attributes" ":" key                                the message has this key
//!        | "attributes" "." key "=" string                     it has the key, with this value
//!        | "attributes" "." key "!=" string                    it has not: another value, or no such key
//!        | "hasPrefix" "(" "attributes" "." key "," string ")" it has the key, and the value begins so
//! key    = letters, digits, "-" and "_" of ASCII | string      of at least one byte
//! string = '"' any characters, with \" and \\ for two of them '"'
//! ```
//!
//! Everything is case-sensitive, the operators too. Of the service's escapes, only these two are known.
//!
//! [`parse`](parse::parse) makes a tree of the text, and [`Filter::parse`] makes steps of the tree: one per test, and
//! each says where to go on when it holds and when it does not. Negation and grouping are all in these targets, so
//! evaluation is one loop without a stack; it stops at the first test that decides, and allocates nothing. The steps
//! are made from the last test to the first; a step leads only to steps made before it, or to a verdict, and so the
//! loop ends.

mod parse;
#[cfg(test)]
mod properties;
mod rule;
mod scan;
#[cfg(test)]
mod tests;

use crate::error::Invalid;
use crate::record::Attributes;
use parse::{Node, Term};

/// Where evaluation ends; every other target is the index of a step.
const DELIVER: usize = usize::MAX;
const SKIP: usize = usize::MAX - 1;

/// A parsed filter.
#[derive(Debug, Clone)]
pub(crate) struct Filter {
    steps: Box<[Step]>,
    /// The step to begin with.
    first: usize,
}

/// A test, and where to go on.
#[derive(Debug, Clone)]
struct Step {
    test: Test,
    /// When the test holds.
    yes: usize,
    /// When it does not.
    no: usize,
}

/// What a message's attribute must be like.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Test {
    key: Box<str>,
    value: Value,
}

/// The value that a test wants.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Any,
    Equal(Box<str>),
    Prefix(Box<str>),
}

impl Filter {
    /// Parses a filter. The error names the column of the first mistake, in bytes from 1.
    pub(crate) fn parse(text: &str) -> Result<Self, Invalid> {
        let mut steps = Vec::new();
        let first = add(parse::parse(text)?, DELIVER, SKIP, &mut steps);
        Ok(Self { steps: steps.into(), first })
    }

    /// Whether the message with these attributes is wanted.
    ///
    /// A test looks through the attributes from the first, so what is often filtered by is best added first.
    #[inline]
    pub(crate) fn matches(&self, attributes: &Attributes<'_>) -> bool {
        let mut at = self.first;
        while let Some(step) = self.steps.get(at) {
            at = if step.test.holds(attributes) { step.yes } else { step.no };
        }
        at == DELIVER
    }
}

impl Test {
    #[inline]
    fn holds(&self, attributes: &Attributes<'_>) -> bool {
        let Some(value) = attributes.get(&self.key) else { return false };
        match &self.value {
            Value::Any => true,
            Value::Equal(wanted) => *value == **wanted,
            Value::Prefix(prefix) => value.starts_with(&**prefix),
        }
    }
}

/// Adds the steps of a term, which goes on at `yes` or at `no`, and returns where it begins. Recursion is as deep as
/// groups of two terms or more are nested: 256 bytes have room for fewer than 20.
fn add(term: Term, yes: usize, no: usize, steps: &mut Vec<Step>) -> usize {
    let (yes, no) = if term.negated { (no, yes) } else { (yes, no) };
    match term.node {
        Node::Test(test) => {
            steps.push(Step { test, yes, no });
            steps.len() - 1
        }
        Node::All(terms) => terms.into_iter().rev().fold(yes, |next, term| add(term, next, no, steps)),
        Node::Any(terms) => terms.into_iter().rev().fold(no, |next, term| add(term, yes, next, steps)),
    }
}
