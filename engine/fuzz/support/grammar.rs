//! The grammar of filters, read naively: a function a rule, backtracking where it does not know, straight from the table
//! in `engine/src/filter/mod.rs`. It says whether a text is a filter and what it means, and not what is wrong with it.

/// A filter.
#[derive(Debug, Clone)]
pub(crate) enum Tree {
    Has(String),
    Equal(String, String),
    Prefix(String, String),
    Not(Box<Tree>),
    All(Vec<Tree>),
    Any(Vec<Tree>),
}

impl Tree {
    pub(crate) fn matches(&self, message: &[(String, String)]) -> bool {
        let value = |wanted: &str| message.iter().find(|(key, _)| key == wanted).map(|(_, value)| &**value);
        match self {
            Self::Has(key) => value(key).is_some(),
            Self::Equal(key, wanted) => value(key) == Some(wanted),
            Self::Prefix(key, prefix) => value(key).is_some_and(|value| value.starts_with(&**prefix)),
            Self::Not(tree) => !tree.matches(message),
            Self::All(trees) => trees.iter().all(|tree| tree.matches(message)),
            Self::Any(trees) => trees.iter().any(|tree| tree.matches(message)),
        }
    }

    /// Every key that is tested, with the value, if there is one.
    pub(crate) fn visit(&self, visit: &mut impl FnMut(&str, Option<&str>)) {
        match self {
            Self::Has(key) => visit(key, None),
            Self::Equal(key, value) | Self::Prefix(key, value) => visit(key, Some(value)),
            Self::Not(tree) => tree.visit(visit),
            Self::All(trees) | Self::Any(trees) => trees.iter().for_each(|tree| tree.visit(visit)),
        }
    }

    /// The filter as text, with every parenthesis and every quote that there can be.
    pub(crate) fn text(&self) -> String {
        let quote = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
        let join = |trees: &[Self], operator: &str| {
            let terms: Vec<_> = trees.iter().map(|tree| format!("({})", tree.text())).collect();
            terms.join(operator)
        };
        match self {
            Self::Has(key) => format!("attributes:{}", quote(key)),
            Self::Equal(key, value) => format!("attributes.{}={}", quote(key), quote(value)),
            Self::Prefix(key, prefix) => format!("hasPrefix(attributes.{},{})", quote(key), quote(prefix)),
            Self::Not(tree) => format!("-({})", tree.text()),
            Self::All(trees) => join(trees, "AND"),
            Self::Any(trees) => join(trees, "OR"),
        }
    }
}

/// What a rule found, and the text behind it.
type Found<'a, T> = Option<(T, &'a str)>;

/// The filter that `text` is, if it is one.
pub(crate) fn read(text: &str) -> Option<Tree> {
    let (tree, rest) = group(text)?;
    skip(rest).is_empty().then_some(tree)
}

fn skip(text: &str) -> &str {
    text.trim_start_matches(|c: char| c.is_ascii_whitespace())
}

/// What follows `token`.
fn after<'a>(text: &'a str, token: &str) -> Option<&'a str> {
    skip(text).strip_prefix(token)
}

/// What follows `word`, if the word ends there.
fn after_word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    after(text, word).filter(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_'))
}

fn group(text: &str) -> Found<'_, Tree> {
    let (first, rest) = term(text)?;
    let (operator, join): (_, fn(Vec<Tree>) -> Tree) =
        if after_word(rest, "AND").is_some() { ("AND", Tree::All) } else { ("OR", Tree::Any) };
    let (mut terms, mut rest) = (vec![first], rest);
    while let Some(behind) = after_word(rest, operator) {
        let (next, after) = term(behind)?;
        terms.push(next);
        rest = after;
    }
    Some((join(terms), rest))
}

fn term(text: &str) -> Found<'_, Tree> {
    if let Some(rest) = after_word(text, "NOT").or_else(|| after(text, "-")) {
        let (tree, rest) = term(rest)?;
        return Some((Tree::Not(Box::new(tree)), rest));
    }
    if let Some(rest) = after(text, "(") {
        let (tree, rest) = group(rest)?;
        return Some((tree, after(rest, ")")?));
    }
    test(text)
}

fn test(text: &str) -> Found<'_, Tree> {
    if let Some(rest) = after_word(text, "hasPrefix") {
        let rest = after(after_word(after(rest, "(")?, "attributes")?, ".")?;
        let (key, rest) = key(rest)?;
        let (prefix, rest) = string(after(rest, ",")?)?;
        return Some((Tree::Prefix(key, prefix), after(rest, ")")?));
    }
    let rest = after_word(text, "attributes")?;
    if let Some(rest) = after(rest, ":") {
        let (key, rest) = key(rest)?;
        return Some((Tree::Has(key), rest));
    }
    let (key, rest) = key(after(rest, ".")?)?;
    if let Some(rest) = after(rest, "!=") {
        let (value, rest) = string(rest)?;
        return Some((Tree::Not(Box::new(Tree::Equal(key, value))), rest));
    }
    let (value, rest) = string(after(rest, "=")?)?;
    Some((Tree::Equal(key, value), rest))
}

fn key(text: &str) -> Found<'_, String> {
    if skip(text).starts_with('"') {
        return string(text).filter(|(key, _)| !key.is_empty());
    }
    let text = skip(text);
    let rest = text.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    let key = &text[..text.len() - rest.len()];
    (!key.is_empty()).then(|| (key.to_owned(), rest))
}

fn string(text: &str) -> Found<'_, String> {
    let mut value = String::new();
    let mut chars = after(text, "\"")?.chars();
    loop {
        match chars.next()? {
            '"' => return Some((value, chars.as_str())),
            '\\' => value.push(chars.next().filter(|c| *c == '"' || *c == '\\')?),
            other => value.push(other),
        }
    }
}
