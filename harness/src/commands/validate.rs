//! `harness validate RESULT..`: whether files are results, and what they say can be.
//!
//! One line per flaw on stdout, with the path into the file; a line per file that has none. Exit code 1 when any file
//! has a flaw, 2 when one cannot be read.

use clap::Args;
use std::path::PathBuf;

use super::{load, say};
use crate::{Verdict, validate};

/// The arguments of `harness validate`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Result files
    #[arg(required = true, value_name = "RESULT")]
    results: Vec<PathBuf>,
}

/// Checks every file.
pub(crate) fn run(arguments: &Arguments) -> Result<Verdict, String> {
    let mut verdict = Verdict::Passed;
    for path in &arguments.results {
        let text = load::text(path)?;
        let flaws = match serde_json::from_str(&text) {
            Ok(result) => validate::check(&result)?.iter().map(ToString::to_string).collect(),
            Err(error) => vec![format!("$ is not JSON: {error}")],
        };
        if flaws.is_empty() {
            say(&format!("{}: valid\n", path.display()))?;
        } else {
            verdict = Verdict::Failed;
        }
        for flaw in flaws {
            say(&format!("{}: {flaw}\n", path.display()))?;
        }
    }
    Ok(verdict)
}
