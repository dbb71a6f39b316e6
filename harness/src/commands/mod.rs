//! What the harness does besides running scenarios: a sub-command each.
//!
//! `harness --scenario X` runs, and needs no sub-command; a sub-command takes no options of a run. Each has a module
//! here with its arguments and what it does with them, while the work is done elsewhere. To add one, add a module
//! with a `run` and a line in [`Command`] and in [`Command::run`]: `Ok` is how it ended, `Err` the one line that
//! says why it could not begin (exit code 2).

pub(crate) mod compare;
pub(crate) mod completions;
pub(crate) mod env;
pub(crate) mod load;
pub(crate) mod profile;
pub(crate) mod report;
pub(crate) mod validate;

use clap::Subcommand;
use std::io::Write;

use crate::Verdict;

/// A sub-command and its arguments.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Tell whether a result is worse than another, and whether that is more than noise
    Compare(compare::Arguments),
    /// Show results as one HTML file
    Report(report::Arguments),
    /// Check result files against the published schema, and whether what they say can be
    Validate(validate::Arguments),
    /// Record where a scenario's time goes: flame graphs, the busiest functions, what the threads did
    Profile(profile::Arguments),
    /// Tell what the machine is, and what on it disturbs measurements
    Env(env::Arguments),
    /// Print the completions of the harness for a shell
    Completions(completions::Arguments),
}

impl Command {
    /// Does it.
    pub(crate) fn run(&self) -> Result<Verdict, String> {
        match self {
            Self::Compare(arguments) => compare::run(arguments),
            Self::Report(arguments) => report::run(arguments),
            Self::Validate(arguments) => validate::run(arguments),
            Self::Profile(arguments) => profile::run(arguments),
            Self::Env(arguments) => env::run(arguments),
            Self::Completions(arguments) => completions::run(arguments),
        }
    }
}

/// Prints `text` to stdout. `print!` would panic where a pipe is closed early or a disk is full.
pub(crate) fn say(text: &str) -> Result<(), String> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // Whoever reads has read enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(format!("cannot write to stdout: {error}; redirect it to where there is room")),
        Ok(()) => Ok(()),
    }
}

/// Puts a line on stderr, if that takes it: `eprintln!` would panic where it is closed, and end a run over a remark.
pub(crate) fn remark(line: &str) {
    writeln!(std::io::stderr(), "{line}").unwrap_or(());
}
