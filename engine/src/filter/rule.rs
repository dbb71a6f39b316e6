//! What a filter that does not parse is told: each rule says what was expected at the column that the error names.

pub(super) const LENGTH: &str = "a filter has at most 256 bytes";
pub(super) const EMPTY: &str = "expected an expression; to receive every message, set no filter";
pub(super) const TERM: &str = "expected attributes, hasPrefix, NOT, - or (";
pub(super) const UPPER_CASE: &str = "operators are written in upper case: AND, OR, NOT";
pub(super) const MORE_OR_END: &str = "expected AND, OR or the end of the filter";
pub(super) const MORE_OR_CLOSE: &str = "expected AND, OR or )";
pub(super) const MIXED: &str = "AND and OR do not mix; put the terms of one of them in parentheses";
pub(super) const MEMBER: &str = "expected : or . after attributes";
pub(super) const COMPARISON: &str = "expected = or != after the key";
pub(super) const KEY: &str = "expected a key: letters, digits, - and _, or any others in double quotes";
pub(super) const QUOTE_KEY: &str = "a key of more than letters, digits, - and _ is written in double quotes";
pub(super) const EMPTY_KEY: &str = "a key has at least one byte";
pub(super) const STRING: &str = "expected a string in double quotes";
pub(super) const UNCLOSED: &str = "this string does not end; expected a closing double quote";
pub(super) const ESCAPE: &str = r#"a backslash in a string is written \\, and a double quote \""#;
pub(super) const PREFIX_OPEN: &str = "expected ( after hasPrefix";
pub(super) const PREFIX_ATTRIBUTE: &str = "expected attributes.key, the attribute whose value begins so";
pub(super) const PREFIX_COMMA: &str = "expected , and the prefix in double quotes";
pub(super) const PREFIX_CLOSE: &str = "expected ) after the prefix";
