//! What people and programs read: a table for each case, a line of JSON for each claim, and a summary.

mod json;
mod summary;
mod table;

pub(crate) use json::{json_fault, json_line, round};
pub(crate) use summary::Summary;
pub(crate) use table::table;

/// Three significant digits or so.
pub(crate) fn figure(value: f64) -> String {
    match value {
        large if large >= 100.0 => format!("{value:.0}"),
        middle if middle >= 10.0 => format!("{value:.1}"),
        small if small >= 1.0 || small == 0.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

/// Which way a goal is to be met.
fn sign(more_is_better: bool) -> &'static str {
    if more_is_better { ">=" } else { "<=" }
}
