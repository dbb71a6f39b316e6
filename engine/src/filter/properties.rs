//! Filters against a naive reading of them, and against random text.

use super::Filter;
use super::tests::wants;
use crate::error::Invalid;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

const KEYS: [&str; 6] = ["a", "b", "c-d", "-", "OR", "\u{e9} \"\\"];
const VALUES: [&str; 6] = ["", "v", "vw", "\u{e9}", "\u{e9}\\", "\" AND ("];

/// A filter, in the most literal form.
#[derive(Debug, Clone)]
enum Tree {
    Has(&'static str),
    Equal(&'static str, &'static str),
    Unequal(&'static str, &'static str),
    Prefix(&'static str, &'static str),
    Not(Box<Tree>),
    All(Vec<Tree>),
    Any(Vec<Tree>),
}

fn trees() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        select(&KEYS[..]).prop_map(Tree::Has),
        (select(&KEYS[..]), select(&VALUES[..])).prop_map(|(key, value)| Tree::Equal(key, value)),
        (select(&KEYS[..]), select(&VALUES[..])).prop_map(|(key, value)| Tree::Unequal(key, value)),
        (select(&KEYS[..]), select(&VALUES[..])).prop_map(|(key, value)| Tree::Prefix(key, value)),
    ];
    leaf.prop_recursive(5, 10, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|tree| Tree::Not(Box::new(tree))),
            prop::collection::vec(inner.clone(), 1..=3).prop_map(Tree::All),
            prop::collection::vec(inner, 1..=3).prop_map(Tree::Any),
        ]
    })
}

/// Messages: some of the keys in any order, each with some value.
fn messages() -> impl Strategy<Value = Vec<(String, String)>> {
    let keys = subsequence(&KEYS[..], 0..=KEYS.len()).prop_shuffle();
    (keys, prop::collection::vec(select(&VALUES[..]), KEYS.len())).prop_map(|(keys, values)| {
        keys.into_iter().map(str::to_owned).zip(values.into_iter().map(str::to_owned)).collect()
    })
}

impl Tree {
    /// What the filter means.
    fn matches(&self, message: &[(String, String)]) -> bool {
        let value = |wanted| message.iter().find(|(key, _)| key == wanted).map(|(_, value)| value.as_str());
        match self {
            Self::Has(key) => value(key).is_some(),
            Self::Equal(key, wanted) => value(key) == Some(wanted),
            Self::Unequal(key, wanted) => value(key) != Some(wanted),
            Self::Prefix(key, prefix) => value(key).is_some_and(|value| value.starts_with(prefix)),
            Self::Not(tree) => !tree.matches(message),
            Self::All(trees) => trees.iter().all(|tree| tree.matches(message)),
            Self::Any(trees) => trees.iter().any(|tree| tree.matches(message)),
        }
    }

    /// The filter as text; where there is a choice how to write it, `style` chooses.
    fn text(&self, style: &mut impl Iterator<Item = bool>) -> String {
        match self {
            Self::Has(key) => format!("attributes{}{}", token(":", style), write_key(key, style)),
            Self::Equal(key, value) => compare(key, "=", value, style),
            Self::Unequal(key, value) => compare(key, "!=", value, style),
            Self::Prefix(key, prefix) => {
                let (open, key, comma) = (token("(", style), write_key(key, style), token(",", style));
                format!("hasPrefix{open}attributes.{key}{comma}{}{}", quote(prefix), token(")", style))
            }
            Self::Not(tree) if style.next() == Some(true) => format!("NOT {}", tree.operand("", style)),
            Self::Not(tree) => format!("{}{}", token("-", style), tree.operand("", style)),
            Self::All(trees) => join(trees, "AND", style),
            Self::Any(trees) => join(trees, "OR", style),
        }
    }

    /// The filter as one of those that `operator` joins: in parentheses if it needs them, and sometimes if not.
    fn operand(&self, operator: &str, style: &mut impl Iterator<Item = bool>) -> String {
        let free = match self {
            Self::All(_) => operator == "AND",
            Self::Any(_) => operator == "OR",
            _ => true,
        };
        let text = self.text(style);
        if free && style.next() == Some(true) { text } else { format!("({text})") }
    }
}

fn join(trees: &[Tree], operator: &str, style: &mut impl Iterator<Item = bool>) -> String {
    let texts: Vec<_> = trees.iter().map(|tree| tree.operand(operator, style)).collect();
    texts.join(&format!(" {operator} "))
}

fn compare(key: &str, operator: &str, value: &str, style: &mut impl Iterator<Item = bool>) -> String {
    let (key, operator) = (write_key(key, style), token(operator, style));
    format!("attributes.{key}{operator}{}", quote(value))
}

fn token(token: &str, style: &mut impl Iterator<Item = bool>) -> String {
    if style.next() == Some(true) { format!(" {token}\t") } else { token.to_owned() }
}

fn write_key(key: &str, style: &mut impl Iterator<Item = bool>) -> String {
    let bare = key.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if bare && style.next() == Some(true) { key.to_owned() } else { quote(key) }
}

fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Parses anything, and checks what holds of everything.
fn try_parse(text: &str) {
    match Filter::parse(text) {
        Ok(filter) => {
            assert!((12..=256).contains(&text.len()));
            wants(&filter, &[]);
        }
        Err(Invalid::Filter { column, rule }) => {
            assert!((1..=text.len() + 1).contains(&column) && !rule.is_empty());
            assert!(column == 257 || text.is_char_boundary(column - 1), "{text}: {column}");
        }
        Err(other) => panic!("{text}: {other}"),
    }
}

/// Parts that filters are made of, and some that they are not.
const PARTS: &str = "attributes hasPrefix NOT AND OR - ( ) : . , = != \" \\ \"v\" k \n \0 \u{e9} \u{a0} \u{1f686} \
    attributes:k attributes.k=\"v\" hasPrefix(attributes.k,\"\") (-attributes:k";

fn parts() -> impl Strategy<Value = &'static str> {
    select(PARTS.split(' ').collect::<Vec<_>>())
}

fn config() -> ProptestConfig {
    // Some trees make texts that are too long: they are passed over.
    let max_global_rejects = 10_000;
    ProptestConfig { cases: 1_000, failure_persistence: None, max_global_rejects, ..Default::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_tree_reads_back_as_what_it_means(
        tree in trees(),
        style in prop::collection::vec(any::<bool>(), 1..20),
        messages in prop::collection::vec(messages(), 16),
    ) {
        let text = tree.text(&mut style.into_iter().cycle());
        prop_assume!(text.len() <= 256);
        let filter = Filter::parse(&text).map_err(|error| TestCaseError::fail(format!("{text}: {error}")))?;
        for message in &messages {
            prop_assert_eq!(wants(&filter, message), tree.matches(message), "{} on {:?}", text, message);
        }
    }

    #[test]
    fn no_text_panics(text in any::<String>()) {
        try_parse(&text);
    }

    #[test]
    fn no_row_of_parts_panics(parts in prop::collection::vec(parts(), 0..24)) {
        try_parse(&parts.concat());
        try_parse(&parts.join(" "));
    }

    #[test]
    fn no_damaged_filter_panics(
        tree in trees(),
        style in prop::collection::vec(any::<bool>(), 1..20),
        at in any::<prop::sample::Index>(),
        part in parts(),
    ) {
        let text = tree.text(&mut style.into_iter().cycle());
        let boundaries: Vec<_> = text.char_indices().map(|(index, _)| index).collect();
        let (head, tail) = text.split_at(*at.get(&boundaries));
        try_parse(head);
        try_parse(&format!("{head}{part}{tail}"));
        try_parse(&format!("{head}{}", tail.chars().skip(1).collect::<String>()));
    }
}
