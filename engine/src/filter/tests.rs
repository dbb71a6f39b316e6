//! What filters mean, and what those that do not parse are told.

use super::{Filter, rule};
use crate::error::Invalid;
use crate::message::Message;
use crate::record::{Draft, Header, Record};

/// Whether a message with these attributes is wanted.
pub(super) fn wants(filter: &Filter, attributes: &[(String, String)]) -> bool {
    let message = Message { attributes: attributes.to_vec(), ..Message::new("data") };
    let record = Record::copy_of(&message, |len| Draft::for_guests(len, Header::default()), 0);
    filter.matches(&record.attributes())
}

/// Attributes from `k=v` pairs, apart by spaces.
fn attributes(pairs: &str) -> Vec<(String, String)> {
    let pair = |pair: &str| pair.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
    pairs.split_whitespace().map(|text| pair(text).unwrap()).collect()
}

/// Checks a filter against attributes that match and attributes that do not.
#[track_caller]
fn check(filter: &str, matching: &[&str], others: &[&str]) {
    let parsed = Filter::parse(filter).unwrap_or_else(|error| panic!("{filter}: {error}"));
    for (all, wanted) in [(matching, true), (others, false)] {
        for pairs in all {
            assert_eq!(wants(&parsed, &attributes(pairs)), wanted, "{filter} on {pairs:?}");
        }
    }
}

#[track_caller]
fn refused(filter: &str, column: usize, rule: &'static str) {
    assert_eq!(Filter::parse(filter).unwrap_err(), Invalid::Filter { column, rule }, "{filter}");
}

#[test]
fn has_key() {
    check("attributes:k", &["k=v", "k=", "j=v k=w"], &["", "j=k", "K=v", "kk=v"]);
    check(r#"attributes:"k""#, &["k=v"], &["j=v", r#""k"=v"#]);
}

#[test]
fn equal_and_unequal() {
    check(r#"attributes.k = "v""#, &["k=v", "j=w k=v"], &["", "k=", "k=w", "k=V", "k=vv", "j=v"]);
    check(r#"attributes.k != "v""#, &["", "k=", "k=w", "k=V", "k=vv", "j=v"], &["k=v", "j=w k=v"]);
    check(r#"attributes.k = """#, &["k="], &["", "k=v"]);
    check(r#"attributes.k != """#, &["", "k=v"], &["k="]);
}

#[test]
fn has_prefix() {
    check(r#"hasPrefix(attributes.k, "eu")"#, &["k=eu", "k=eu-west"], &["", "k=", "k=e", "k=us-eu", "j=eu"]);
    check(r#"hasPrefix(attributes.k, "")"#, &["k=", "k=v"], &["", "j=v"]);
}

#[test]
fn keys_and_strings_of_any_characters() {
    for key in ["a-b_C9", "-", "_", "9", "AND", "NOT", "attributes", "hasPrefix"] {
        check(&format!("attributes:{key}"), &[&format!("{key}=v")], &["x=v"]);
        check(&format!(r#"-attributes.{key}="v""#), &["x=v"], &[&format!("{key}=v")]);
    }
    check(r#"attributes."iana.org/language" = "en""#, &["iana.org/language=en"], &["iana=en"]);
    check(r#"hasPrefix(attributes."my key", "v")"#, &[], &["my=v", "key=v"]);
    check("attributes.\"ключ\"=\"значение 🚆\"", &[], &["ключ=значение"]);
    check("attributes:\"ключ\"", &["ключ=значение"], &[]);
    check(r#"attributes."\"\\" = "\\\"\\n""#, &[r#""\=\"\n"#], &[r#""\=\""#, r#"\"=\"\n"#]);
    check("attributes.k=\"AND (\"", &[], &["k=AND"]);
}

#[test]
fn not() {
    check("NOT attributes:k", &["", "j=v"], &["k=v"]);
    check("-attributes:k", &["", "j=v"], &["k=v"]);
    check(r#"NOT attributes.k != "v""#, &["k=v"], &["", "k=w"]);
    check("NOT NOT attributes:k", &["k=v"], &[""]);
    check("-NOT- attributes:k", &[""], &["k=v"]);
    check("NOT(NOT(-(attributes:k)))", &[""], &["k=v"]);
}

#[test]
fn and_and_or() {
    check("attributes:a AND attributes:b AND attributes:c", &["a= b= c="], &["", "a= b=", "a= c=", "b= c="]);
    check("attributes:a OR attributes:b OR attributes:c", &["a=", "b=", "c="], &["", "d="]);
}

#[test]
fn not_binds_tightest() {
    check("NOT attributes:a AND attributes:b", &["b="], &["", "a=", "a= b="]);
    check("NOT attributes:a OR attributes:b", &["", "b=", "a= b="], &["a="]);
    check("attributes:a AND -attributes:b", &["a="], &["", "b=", "a= b="]);
    check("NOT (attributes:a AND attributes:b)", &["", "a=", "b="], &["a= b="]);
    check("-(attributes:a OR attributes:b)", &[""], &["a=", "b=", "a= b="]);
}

#[test]
fn parentheses_group() {
    check("(attributes:a)", &["a="], &[""]);
    let (matching, others) = (["a=", "a= b=", "b= c=", "a= b= c="], ["", "b=", "c="]);
    check("attributes:a OR (attributes:b AND attributes:c)", &matching, &others);
    check("(attributes:b AND attributes:c) OR attributes:a", &matching, &others);
    let (matching, others) = (["a= b=", "a= c=", "a= b= c="], ["", "a=", "b=", "b= c="]);
    check("attributes:a AND (attributes:b OR attributes:c)", &matching, &others);
    check("((attributes:b) OR (attributes:c)) AND (attributes:a)", &matching, &others);
    check("NOT (NOT attributes:a OR NOT (attributes:b OR attributes:c))", &matching, &others);
}

#[test]
fn space_is_free() {
    let tight = r#"attributes:"a"AND(-attributes.b!="v")AND NOT-attributes:c"#;
    check(tight, &["a= b=v c="], &["a= b=v", "a= b=w c=", "b=v c="]);
    check(
        " \t\r\n( NOT\nattributes : k\t)\nOR hasPrefix ( attributes . j , \"v\" ) ",
        &["", "k= j=v"],
        &["k="],
    );
}

#[test]
fn length() {
    let longest = format!("attributes:{}", "k".repeat(245));
    assert_eq!(longest.len(), 256);
    check(&longest, &[&format!("{}=v", "k".repeat(245))], &["k=v"]);
    refused(&(longest + "k"), 257, rule::LENGTH);
    refused(&" ".repeat(257), 257, rule::LENGTH);
    for (empty, column) in [("", 1), (" ", 1), ("\t\r\n ", 1)] {
        refused(empty, column, rule::EMPTY);
    }
}

#[test]
fn the_deepest_nesting_needs_little_stack() {
    let nested = |open: &str, depth| format!("{}attributes:k{}", open.repeat(depth), ")".repeat(depth));
    let alternating = "(attributes:k AND(-attributes:j OR".repeat(6) + "(attributes:k)" + &"))".repeat(6);
    let filters = [nested("(", 122), nested("-(", 81), "-".repeat(244) + "attributes:k", alternating];
    let small = std::thread::Builder::new().stack_size(32 << 10);
    let parse = move || {
        let parsed =
            filters.each_ref().map(|filter| wants(&Filter::parse(filter).unwrap(), &attributes("k=v")));
        assert_eq!(parsed, [true, false, true, true]);
        refused(&"(".repeat(256), 257, rule::TERM);
        refused(&"-".repeat(256), 257, rule::TERM);
    };
    small.spawn(parse).unwrap().join().unwrap();
}

#[test]
fn errors_name_the_column() {
    for (filter, column, rule) in [
        // Where a term is expected.
        ("k", 1, rule::TERM),
        ("  Attributes:k", 3, rule::TERM),
        ("attributesx:k", 1, rule::TERM),
        ("hasprefix(attributes.k, \"p\")", 1, rule::TERM),
        ("NOTattributes:k", 1, rule::TERM),
        ("NOT ", 5, rule::TERM),
        ("attributes:k AND ", 18, rule::TERM),
        ("attributes:k OR AND attributes:j", 17, rule::TERM),
        ("()", 2, rule::TERM),
        ("\u{e9}", 1, rule::TERM),
        ("\u{a0}attributes:k", 1, rule::TERM),
        ("\"k\"", 1, rule::TERM),
        ("not attributes:k", 1, rule::UPPER_CASE),
        ("attributes:k AND Not attributes:j", 18, rule::UPPER_CASE),
        // Where it should go on or end.
        ("attributes:k and attributes:j", 14, rule::UPPER_CASE),
        ("(attributes:k Or attributes:j)", 15, rule::UPPER_CASE),
        ("attributes:k attributes:j", 14, rule::MORE_OR_END),
        ("attributes:k ANDattributes:j", 14, rule::MORE_OR_END),
        ("attributes:k NOT attributes:j", 14, rule::MORE_OR_END),
        ("attributes:k = \"v\"", 14, rule::MORE_OR_END),
        ("attributes:k)", 13, rule::MORE_OR_END),
        ("attributes.k = \"\u{e9}\" \u{e9}", 21, rule::MORE_OR_END),
        ("(attributes:k", 14, rule::MORE_OR_CLOSE),
        ("((attributes:k) ", 17, rule::MORE_OR_CLOSE),
        ("(attributes:k attributes:j)", 15, rule::MORE_OR_CLOSE),
        // AND with OR.
        ("attributes:a AND attributes:b OR attributes:c", 31, rule::MIXED),
        ("attributes:a OR attributes:b AND attributes:c", 30, rule::MIXED),
        ("attributes:a OR (attributes:b AND attributes:c OR attributes:d)", 48, rule::MIXED),
        ("attributes:a OR (attributes:b AND attributes:c) AND attributes:d", 49, rule::MIXED),
        // In a test.
        ("attributes", 11, rule::MEMBER),
        ("attributes = \"v\"", 12, rule::MEMBER),
        ("attributes-k", 11, rule::MEMBER),
        ("attributes:", 12, rule::KEY),
        ("attributes: = \"v\"", 13, rule::KEY),
        ("attributes.\u{e9}", 12, rule::KEY),
        ("attributes:'k'", 12, rule::KEY),
        ("attributes:k\u{e9}", 13, rule::QUOTE_KEY),
        ("attributes.iana.org/language = \"en\"", 16, rule::QUOTE_KEY),
        ("hasPrefix(attributes.a/b, \"p\")", 23, rule::QUOTE_KEY),
        ("attributes: \"\"", 13, rule::EMPTY_KEY),
        ("attributes.\"\" = \"v\"", 12, rule::EMPTY_KEY),
        ("attributes.k", 13, rule::COMPARISON),
        ("attributes.k : \"v\"", 14, rule::COMPARISON),
        ("attributes.k ! = \"v\"", 14, rule::COMPARISON),
        ("attributes.k AND attributes:j", 14, rule::COMPARISON),
        ("attributes.k = ", 16, rule::STRING),
        ("attributes.k = v", 16, rule::STRING),
        ("attributes.k == \"v\"", 15, rule::STRING),
        ("attributes.k != 'v'", 17, rule::STRING),
        ("hasPrefix(attributes.k, p)", 25, rule::STRING),
        ("hasPrefix attributes.k, \"p\")", 11, rule::PREFIX_OPEN),
        ("hasPrefix(k, \"p\")", 11, rule::PREFIX_ATTRIBUTE),
        ("hasPrefix(attributes:k, \"p\")", 21, rule::PREFIX_ATTRIBUTE),
        ("hasPrefix(attributes.k \"p\")", 24, rule::PREFIX_COMMA),
        ("hasPrefix(attributes.k, \"p\"", 28, rule::PREFIX_CLOSE),
        // In a string.
        ("attributes.k = \"v", 16, rule::UNCLOSED),
        ("attributes.k = \"v\\\"", 16, rule::UNCLOSED),
        ("attributes:\"k", 12, rule::UNCLOSED),
        ("attributes.k = \"\u{e9}\\n\"", 19, rule::ESCAPE),
        ("attributes.k = \"v\\", 18, rule::ESCAPE),
        ("attributes.k = \"\\\u{e9}\"", 17, rule::ESCAPE),
    ] {
        refused(filter, column, rule);
    }
    let error = Filter::parse("attributes:a AND attributes:b OR attributes:c").unwrap_err();
    assert_eq!(
        error.to_string(),
        "the filter is wrong at column 31: AND and OR do not mix; put the terms of one of them in parentheses"
    );
}
