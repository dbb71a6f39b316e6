//! Filters: as a tree, as text, and what they mean.

/// A condition on attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Filter {
    Has(String),
    Equals(String, String),
    Differs(String, String),
    Prefix(String, String),
    Not(Box<Filter>),
    And(Box<Filter>, Box<Filter>),
    Or(Box<Filter>, Box<Filter>),
}

impl Filter {
    pub(crate) fn matches(&self, attributes: &[(String, String)]) -> bool {
        let value = |key: &str| attributes.iter().find(|(other, _)| other == key).map(|(_, value)| &**value);
        match self {
            Self::Has(key) => value(key).is_some(),
            Self::Equals(key, wanted) => value(key) == Some(wanted),
            Self::Differs(key, unwanted) => value(key) != Some(unwanted),
            Self::Prefix(key, prefix) => value(key).is_some_and(|value| value.starts_with(&**prefix)),
            Self::Not(filter) => !filter.matches(attributes),
            Self::And(left, right) => left.matches(attributes) && right.matches(attributes),
            Self::Or(left, right) => left.matches(attributes) || right.matches(attributes),
        }
    }

    /// As it is written.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Has(key) => format!("attributes:{key}"),
            Self::Equals(key, value) => format!("attributes.{key} = \"{value}\""),
            Self::Differs(key, value) => format!("attributes.{key} != \"{value}\""),
            Self::Prefix(key, prefix) => format!("hasPrefix(attributes.{key}, \"{prefix}\")"),
            Self::Not(filter) => format!("NOT ({})", filter.text()),
            Self::And(left, right) => format!("({}) AND ({})", left.text(), right.text()),
            Self::Or(left, right) => format!("({}) OR ({})", left.text(), right.text()),
        }
    }
}
