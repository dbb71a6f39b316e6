//! Colour, where it is wanted.

use std::io::IsTerminal;

use crate::cli::Color;

/// Whether to colour stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Paint {
    on: bool,
}

impl Paint {
    /// Follows `--color`, and under `auto` the terminal and `NO_COLOR` (set to anything but nothing).
    pub(crate) fn new(color: Color) -> Self {
        let forbidden = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let on = match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => std::io::stdout().is_terminal() && !forbidden,
        };
        Self { on }
    }

    /// No colour.
    #[cfg(test)]
    pub(crate) fn plain() -> Self {
        Self { on: false }
    }

    /// What went well.
    pub(crate) fn good(self, text: &str) -> String {
        self.wrap("32", text)
    }

    /// What did not.
    pub(crate) fn bad(self, text: &str) -> String {
        self.wrap("31", text)
    }

    /// What to look at first.
    pub(crate) fn strong(self, text: &str) -> String {
        self.wrap("1", text)
    }

    /// What to look at last.
    pub(crate) fn faint(self, text: &str) -> String {
        self.wrap("2", text)
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_is_only_added_when_it_is_on() {
        assert_eq!(Paint::plain().bad("no"), "no");
        assert_eq!(Paint::new(Color::Always).bad("no"), "\x1b[31mno\x1b[0m");
        assert_eq!(Paint::new(Color::Never).good("yes"), "yes");
    }
}
