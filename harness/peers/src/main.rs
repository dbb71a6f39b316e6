//! `ringmain-peers`: Ringmain beside other people's crates, in one binary and one run.
//!
//! Each target of the design is a ratio between us and somebody else. This program runs all who take part in
//! a ratio in one process, in turns, on pinned threads, and says whether the ratio holds:
//!
//!     ringmain-peers                        everything, about five minutes
//!     ringmain-peers --only T1,T5           some targets
//!     ringmain-peers --quick                short samples and few of them: whether it works, not how fast
//!     ringmain-peers --json                 one line for each ratio instead of tables
//!
//! It exits 0 when all ratios hold, 1 when one does not or when a contender lost a message, 2 on wrong usage.
//!
//! Where to look: `targets` is the table of cases and ratios; `measure` takes samples; `roles` has the loops
//! that all contenders run through; `payload` what is written and read; `peer` and `ours` the contenders.

#![deny(
    unsafe_code,
    unsafe_op_in_unsafe_fn,
    clippy::undocumented_unsafe_blocks,
    clippy::multiple_unsafe_ops_per_block
)]
#![warn(
    unreachable_pub,
    let_underscore_drop,
    unused_qualifications,
    clippy::cast_possible_truncation,
    clippy::unwrap_used,
    clippy::todo,
    clippy::dbg_macro,
    clippy::mem_forget,
    clippy::allow_attributes_without_reason
)]

mod clock;
mod latency;
mod machine;
mod measure;
mod ours;
mod payload;
mod peer;
mod placement;
mod report;
mod roles;
mod sample;
mod series;
mod targets;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use clock::Ticker;
use machine::Cpus;
use measure::{Bench, Plan};

/// Ringmain beside other people's crates, in one run.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    /// Targets to measure, separated by commas: T1 to T9; all when absent.
    #[arg(long, value_delimiter = ',', ignore_case = true, value_parser = targets::TARGETS)]
    only: Vec<String>,
    /// Samples of each contender in one placement class; 5 when absent, 3 when quick.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1000))]
    repeats: Option<u16>,
    /// Only cases whose name contains this, such as `u64/1024`.
    #[arg(long)]
    case: Option<String>,
    /// Only contenders whose name contains this, and no ratios: for profiles.
    #[arg(long)]
    contender: Option<String>,
    /// How long a sample takes, in milliseconds; 120 when absent, 40 when quick.
    #[arg(long)]
    sample_ms: Option<u64>,
    /// How long a case may go on until its ratios have their samples, in seconds; 30 when absent, 4 when quick.
    #[arg(long)]
    case_seconds: Option<u64>,

    /// Short samples and few of them: whether it works, not how fast.
    #[arg(long)]
    quick: bool,
    /// One line of JSON for each ratio instead of tables.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(fault) => {
            eprintln!("ringmain-peers: {fault}");
            ExitCode::FAILURE
        }
    }
}

/// Measures what was asked for; whether all ratios hold.
fn run(arguments: &Arguments) -> Result<bool, String> {
    if cfg!(debug_assertions) {
        return Err("this is a debug build, whose figures mean nothing; build with --release".into());
    }
    let (repeats, sample, limit) = if arguments.quick { (3, 40, 4) } else { (5, 120, 30) };
    let plan = Plan {
        repeats: arguments.repeats.map_or(repeats, usize::from),
        sample: Duration::from_millis(arguments.sample_ms.unwrap_or(sample)),
        limit: Duration::from_secs(arguments.case_seconds.unwrap_or(limit)),
    };
    let bench = Bench { cpus: Cpus::find()?, ticker: Ticker::new(), plan };
    let mut all_hold = true;
    for mut case in targets::cases() {
        let chosen = arguments.only.is_empty()
            || arguments.only.iter().any(|only| only.eq_ignore_ascii_case(case.target));
        let named = arguments.case.as_ref().is_none_or(|name| case.name.contains(name.as_str()));
        if let Some(name) = &arguments.contender {
            case.contenders.retain(|contender| contender.name.contains(name.as_str()));
            case.claims.clear();
        }
        if !(chosen && named) || case.contenders.is_empty() {
            continue;
        }
        let series = bench.run(&case).map_err(|fault| format!("{} {}: {fault}", case.target, case.name))?;
        let verdicts = case
            .claims
            .iter()
            .map(|claim| report::settle(&case, claim, &series))
            .collect::<Result<Vec<_>, _>>()?;
        all_hold &= verdicts.iter().all(|verdict| verdict.holds);
        if arguments.json {
            verdicts.iter().for_each(|verdict| println!("{}", report::json_line(&case, verdict)));
        } else {
            println!("{}", report::table(&case, &series, &verdicts));
        }
    }
    Ok(all_hold)
}
