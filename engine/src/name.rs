//! What topics and subscriptions may be called.

use crate::error::Invalid;

/// Checks a topic or subscription id: 3-255 characters, a letter first, then letters, digits and `- _ . ~ + %`, and not
/// `goog` in front.
pub(crate) fn check(name: &str) -> Result<(), Invalid> {
    let rule = |rule: &'static str| Err(Invalid::Name { name: name.chars().take(64).collect(), rule });
    if !(3..=255).contains(&name.chars().count()) {
        return rule("it must have 3 to 255 characters");
    }
    if !name.starts_with(|first: char| first.is_ascii_alphabetic()) {
        return rule("it must start with a letter");
    }
    if !name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.~+%".contains(c)) {
        return rule("after the first letter only letters, digits and - _ . ~ + % are allowed");
    }
    if name.starts_with("goog") {
        return rule("it must not start with goog");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn good_names() {
        for name in ["abc", "Orders-2.eu_~+%", &"a".repeat(255)] {
            assert!(check(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn bad_names_say_which_rule() {
        for (name, rule) in [
            ("ab", "3 to 255"),
            (&*"a".repeat(256), "3 to 255"),
            ("1st", "start with a letter"),
            ("a b", "allowed"),
            ("orders/eu", "allowed"),
            ("größe", "allowed"),
            ("google", "goog"),
        ] {
            let error = check(name).unwrap_err().to_string();
            assert!(error.contains(rule), "{error}");
        }
    }
}
