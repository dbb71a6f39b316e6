//! Filters: any text is refused or read as a naive reader does, and means the same.
//!
//! Bytes are the text itself, or, when they begin with a NUL, numbers of parts that filters are made of: which get deeper
//! into the grammar. The engine's parser is not public, so its files are taken as they are.
#![no_main]

#[path = "../../src/filter/mod.rs"]
mod filter;
#[path = "../support/grammar.rs"]
mod grammar;

/// What the filter's files know of the engine.
mod error {
    pub(crate) use ringmain::Invalid;
}

use filter::Filter;
use grammar::Tree;
use libfuzzer_sys::fuzz_target;
use ringmain::Invalid;

/// The longest filter.
const MAX_BYTES: usize = 256;

const PARTS: [&str; 32] = [
    "attributes",
    "hasPrefix",
    "NOT",
    "AND",
    "OR",
    "-",
    "(",
    ")",
    ":",
    ".",
    ",",
    "=",
    "!=",
    "\"",
    "\\",
    "k",
    " ",
    "\n",
    "\0",
    "\u{e9}",
    "\u{a0}",
    "\u{1f686}",
    " AND ",
    " OR ",
    "NOT ",
    "attributes:k",
    "attributes.k=\"v\"",
    "attributes.k!=\"w\"",
    "hasPrefix(attributes.k,\"\")",
    "attributes.\"\\\"\"=\"\\\\\"",
    "(attributes:k)",
    "not",
];

fn text(bytes: &[u8]) -> Option<String> {
    match bytes.split_first() {
        Some((0, parts)) => Some(parts.iter().map(|part| PARTS[usize::from(*part) % PARTS.len()]).collect()),
        _ => String::from_utf8(bytes.to_vec()).ok(),
    }
}

/// Messages among which each test of the tree holds for some and not for others.
fn messages(tree: &Tree) -> Vec<Vec<(String, String)>> {
    let mut values = Vec::new();
    tree.visit(&mut |key, value| {
        let value = value.unwrap_or("v").to_owned();
        values.extend([(key.to_owned(), format!("{value}+")), (key.to_owned(), String::new())]);
        values.push((key.to_owned(), value));
    });
    let mut messages = vec![Vec::new()];
    messages.extend(values.iter().map(|one| vec![one.clone()]));
    for shift in 0..3 {
        // Each key once, as in a message, in any order.
        let mut message: Vec<(String, String)> = Vec::new();
        for one in values.iter().skip(shift) {
            if message.iter().all(|(key, _)| *key != one.0) {
                message.push(one.clone());
            }
        }
        message.reverse();
        messages.push(message);
    }
    messages
}

fuzz_target!(|bytes: &[u8]| {
    let Some(text) = text(bytes) else { return };
    let naive = (text.len() <= MAX_BYTES).then(|| grammar::read(&text)).flatten();
    match (Filter::parse(&text), naive) {
        (Ok(filter), Some(tree)) => {
            for message in messages(&tree) {
                assert_eq!(filter.matches(&message), tree.matches(&message), "{text:?} of {message:?}");
            }
            // As the tree is written in its plainest form, it is the same filter.
            let written = tree.text();
            if written.len() <= MAX_BYTES {
                let again = Filter::parse(&written).expect("what was read can be written");
                for message in messages(&tree) {
                    assert_eq!(again.matches(&message), tree.matches(&message), "{text:?} as {written:?}");
                }
            }
        }
        (Err(Invalid::Filter { column, rule }), None) => {
            assert!((1..=text.len() + 1).contains(&column) && !rule.is_empty(), "{text:?}: {column}");
            assert!(column > MAX_BYTES || text.is_char_boundary(column - 1), "{text:?}: {column}");
        }
        (read, naive) => panic!("{text:?}: the engine says {read:?}, and naively it is {naive:?}"),
    }
});
