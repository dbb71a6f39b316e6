//! What the harness does besides running scenarios: a sub-command each.
//!
//! `harness --scenario X` runs, and needs no sub-command; a sub-command takes no options of a run. Each has a module
//! here with its arguments and what it does with them, while the work is done elsewhere. To add one, add a module
//! with a `run` and a line in [`Command`] and in [`Command::run`]: `Ok` is how it ended, `Err` the one line that
//! says why it could not begin (exit code 2).

pub(crate) mod completions;
pub(crate) mod profile;

use clap::Subcommand;

use crate::Verdict;

/// A sub-command and its arguments.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Record where a scenario's time goes: flame graphs, the busiest functions, what the threads did
    Profile(profile::Arguments),
    /// Print the completions of the harness for a shell
    Completions(completions::Arguments),
}

impl Command {
    /// Does it.
    pub(crate) fn run(&self) -> Result<Verdict, String> {
        match self {
            Self::Profile(arguments) => profile::run(arguments),
            Self::Completions(arguments) => completions::run(arguments),
        }
    }
}
