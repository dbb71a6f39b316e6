//! `harness profile`: where a scenario's time goes, as flame graphs and counts.

use clap::Args;
use std::path::PathBuf;

use super::{remark, say};
use crate::Verdict;
use crate::cli::units;
use crate::profile::{self, Made, Request};

/// The arguments of `harness profile`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The scenario to run
    #[arg(long)]
    scenario: String,
    /// Which load level, in percent of the capacity (saturation)
    #[arg(long, allow_hyphen_values = true, value_parser = units::level)]
    level: Option<f64>,
    /// The capacity in messages a second; searched, unrecorded, when it is not given (saturation)
    #[arg(long, allow_hyphen_values = true, value_name = "RATE")]
    capacity: Option<String>,
    /// Length of a sample [default: 10s for throughput, saturation and fanout: some 20,000 stacks]
    #[arg(long, allow_hyphen_values = true, value_name = "TIME")]
    duration: Option<String>,
    /// Where the folder SCENARIO-LEVEL goes [default: profiles, in the workspace]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// A harness that is built already, with frame pointers; otherwise one is built
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// Count instructions per message, too, with valgrind
    #[arg(long)]
    callgrind: bool,
    /// Further options of the run, as in: -- --subscriptions 50
    #[arg(last = true, value_name = "OPTIONS")]
    more: Vec<String>,
}

/// Makes the profile and says what there is. `Err` is what is wrong with the arguments; what goes wrong later, what could
/// not be made, and why the run failed, is told and fails the command.
pub(crate) fn run(arguments: &Arguments) -> Result<Verdict, String> {
    let request = Request {
        scenario: arguments.scenario.clone(),
        level: arguments.level,
        capacity: arguments.capacity.clone(),
        duration: arguments.duration.clone(),
        out: arguments.out.clone(),
        binary: arguments.binary.clone(),
        callgrind: arguments.callgrind,
        more: arguments.more.clone(),
    };
    let ready = profile::prepare(&request)?;
    Ok(ready.make().and_then(|made| tell(&made)).unwrap_or_else(|line| {
        remark(&format!("error: {line}"));
        Verdict::Failed
    }))
}

fn tell(made: &Made) -> Result<Verdict, String> {
    for file in &made.files {
        say(&format!("{}\n", made.folder.join(file).display()))?;
    }
    for remedy in &made.remedies {
        remark(&format!("error: {remedy}"));
    }
    for note in &made.notes {
        remark(&format!("note: {note}"));
    }
    if let Some(errors) = &made.failed {
        errors.iter().for_each(|error| remark(&format!("error: the run failed: {error}")));
    }
    let whole = made.remedies.is_empty() && made.failed.is_none();
    Ok(if whole { Verdict::Passed } else { Verdict::Failed })
}
