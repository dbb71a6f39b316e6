//! `harness completions SHELL`: what a shell needs to complete the command line.

use clap::Args;
use clap::builder::PossibleValuesParser;
use clap_complete::Shell;

use super::say;
use crate::Verdict;
use crate::cli::{self, Scenario};

/// The arguments of `harness completions`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The shell
    shell: Shell,
}

/// Prints the completions to stdout.
pub(crate) fn run(arguments: &Arguments) -> Result<Verdict, String> {
    // Into a buffer first: the generator panics on a pipe that was closed early.
    let mut script = Vec::new();
    // The parser of scenarios knows how to refuse, but not how to list.
    let scenarios = PossibleValuesParser::new(Scenario::EVERY.map(Scenario::name));
    let mut command = cli::command().mut_arg("scenario", |argument| argument.value_parser(scenarios));
    clap_complete::generate(arguments.shell, &mut command, "harness", &mut script);
    say(&String::from_utf8_lossy(&script))?;
    Ok(Verdict::Passed)
}
