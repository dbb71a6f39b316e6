//! Whether a file is a result, and whether what it says can be.
//!
//! Two layers: the published schema ([`schema`]), which anybody can check with a tool of theirs, and what a schema
//! cannot say ([`rules`]): nothing is null or negative, percentiles rise, the ledger adds up; and no figure contradicts another
//! ([`figures`], and [`agree`] for what is said twice). A flaw is a path
//! into the file and what is wrong there.

mod agree;
mod figures;
mod rules;
mod schema;

use serde_json::Value;
use std::fmt;

/// Something wrong at a place in a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flaw {
    /// Such as `$.metrics.latency.p50`.
    path: String,
    what: String,
}

impl Flaw {
    fn new(path: &str, what: String) -> Self {
        Self { path: path.to_owned(), what }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.path, self.what)
    }
}

/// What is wrong with `result`; empty when nothing is. `Err` when the schema itself cannot be read.
pub(crate) fn check(result: &Value) -> Result<Vec<Flaw>, String> {
    let mut flaws = Vec::new();
    schema::Schema::published()?.check(result, &mut flaws);
    rules::check(result, &mut flaws);
    figures::check(result, &mut flaws);
    agree::check(result, &mut flaws);
    Ok(flaws)
}
