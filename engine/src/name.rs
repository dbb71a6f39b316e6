//! What topics and subscriptions may be called.

use crate::error::Invalid;

/// In characters.
const LONGEST: usize = 255;
/// How many of a wrong one are shown.
const SHOWN: usize = 64;

/// Checks a topic or subscription id: 3-255 characters, a letter first, then letters, digits and `- _ . ~ + %`, and not
/// `goog` in front.
pub(crate) fn check(name: &str) -> Result<(), Invalid> {
    let rule = |rule: &'static str| {
        let end = name.char_indices().nth(SHOWN).map(|(end, _)| end);
        let name = end.map_or_else(|| name.to_owned(), |end| format!("{}..", &name[..end]));
        Err(Invalid::Name { name, rule })
    };
    let length = name.chars().count();
    if length > LONGEST {
        return Err(Invalid::TooMuch { what: "a name, in characters,", limit: LONGEST, actual: length });
    }
    if length < 3 {
        return rule("it must have 3 to 255 characters");
    }
    if !name.starts_with(|first: char| first.is_ascii_alphabetic()) {
        return rule("it must start with an ASCII letter");
    }
    if !name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.~+%".contains(c)) {
        return rule("after the first letter only ASCII letters, digits and - _ . ~ + % are allowed");
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
            (&*"a".repeat(256), "limited to 255, and this has 256"),
            (&*"aé".repeat(100), "aéaé..\""),
            ("1st", "start with an ASCII letter"),
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
