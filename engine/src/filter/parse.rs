//! From the text of a filter to a tree of terms.
//!
//! One loop over the terms, which keeps the groups that are open on a list of its own: the depth of the parentheses
//! costs no stack. Negation is a mark on a term, so that two of them are none, and parentheses around a single term
//! leave nothing behind: every level of the tree joins two terms or more.

use super::scan::Scanner;
use super::{Test, Value, rule};
use crate::error::Invalid;

/// The longest filter, in bytes.
const MAX_BYTES: usize = 256;

/// Something that a message either is or is not.
#[derive(Debug)]
pub(super) struct Term {
    /// Whether it is the opposite of the node.
    pub(super) negated: bool,
    pub(super) node: Node,
}

/// A term without its negation.
#[derive(Debug)]
pub(super) enum Node {
    Test(Test),
    /// Two or more terms joined by AND.
    All(Vec<Term>),
    /// Two or more terms joined by OR.
    Any(Vec<Term>),
}

/// A group, as far as it has been read.
struct Group {
    negated: bool,
    terms: Vec<Term>,
    /// What joins the terms, from the second on.
    operator: Option<Operator>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operator {
    And,
    Or,
}

/// Parses a whole filter.
pub(super) fn parse(text: &str) -> Result<Term, Invalid> {
    if text.len() > MAX_BYTES {
        return Err(Invalid::Filter { column: MAX_BYTES + 1, rule: rule::LENGTH });
    }
    if text.trim_ascii().is_empty() {
        return Err(Invalid::Filter { column: 1, rule: rule::EMPTY });
    }
    let scanner = &mut Scanner::new(text);
    let mut around = Vec::new();
    let mut group = Group::new(false);
    loop {
        let negated = negation(scanner);
        if scanner.take("(") {
            around.push(group);
            group = Group::new(negated);
            continue;
        }
        let term = test(scanner)?;
        group.terms.push(Term { negated: term.negated != negated, ..term });
        while let Some(mut outer) = around.pop_if(|_| scanner.take(")")) {
            outer.terms.push(group.close());
            group = outer;
        }
        if around.is_empty() && scanner.at_end() {
            return Ok(group.close());
        }
        group.join(scanner, if around.is_empty() { rule::MORE_OR_END } else { rule::MORE_OR_CLOSE })?;
    }
}

impl Group {
    fn new(negated: bool) -> Self {
        Self { negated, terms: Vec::new(), operator: None }
    }

    /// Takes the operator before the group's next term; `rule` is for when there is none.
    fn join(&mut self, scanner: &mut Scanner<'_>, rule: &'static str) -> Result<(), Invalid> {
        let word = scanner.word();
        let operator = match word {
            "AND" => Operator::And,
            "OR" => Operator::Or,
            _ if is_any(word, &["AND", "OR"]) => return Err(scanner.error(rule::UPPER_CASE)),
            _ => return Err(scanner.error(rule)),
        };
        if *self.operator.get_or_insert(operator) != operator {
            return Err(scanner.error(rule::MIXED));
        }
        scanner.take(word);
        Ok(())
    }

    /// The group as a term. It has at least one.
    fn close(mut self) -> Term {
        match self.operator {
            Some(Operator::And) => Term { negated: self.negated, node: Node::All(self.terms) },
            Some(Operator::Or) => Term { negated: self.negated, node: Node::Any(self.terms) },
            None => {
                let term = self.terms.remove(0);
                Term { negated: self.negated != term.negated, ..term }
            }
        }
    }
}

/// Takes any NOT and `-`, and returns whether they negate.
fn negation(scanner: &mut Scanner<'_>) -> bool {
    let mut negated = false;
    while scanner.take("-") || scanner.take_word("NOT") {
        negated = !negated;
    }
    negated
}

/// Takes a test.
fn test(scanner: &mut Scanner<'_>) -> Result<Term, Invalid> {
    if scanner.take_word("attributes") {
        return attribute(scanner);
    }
    if scanner.take_word("hasPrefix") {
        return prefix(scanner);
    }
    let word = scanner.word();
    Err(scanner.error(if is_any(word, &["NOT"]) { rule::UPPER_CASE } else { rule::TERM }))
}

/// Takes what follows `attributes`.
fn attribute(scanner: &mut Scanner<'_>) -> Result<Term, Invalid> {
    if scanner.take(":") {
        let test = Test { key: scanner.key()?, value: Value::Any };
        return Ok(Term { negated: false, node: Node::Test(test) });
    }
    scanner.expect(".", rule::MEMBER)?;
    let key = scanner.key()?;
    let negated = scanner.take("!=");
    if !negated {
        scanner.expect("=", rule::COMPARISON)?;
    }
    let value = Value::Equal(scanner.string(rule::STRING)?);
    Ok(Term { negated, node: Node::Test(Test { key, value }) })
}

/// Takes what follows `hasPrefix`.
fn prefix(scanner: &mut Scanner<'_>) -> Result<Term, Invalid> {
    scanner.expect("(", rule::PREFIX_OPEN)?;
    if !scanner.take_word("attributes") {
        return Err(scanner.error(rule::PREFIX_ATTRIBUTE));
    }
    scanner.expect(".", rule::PREFIX_ATTRIBUTE)?;
    let key = scanner.key()?;
    scanner.expect(",", rule::PREFIX_COMMA)?;
    let value = Value::Prefix(scanner.string(rule::STRING)?);
    scanner.expect(")", rule::PREFIX_CLOSE)?;
    Ok(Term { negated: false, node: Node::Test(Test { key, value }) })
}

/// Whether the word is one of these, but for its case.
fn is_any(word: &str, words: &[&str]) -> bool {
    words.iter().any(|other| word.eq_ignore_ascii_case(other))
}
