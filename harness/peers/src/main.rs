//! `ringmain-peers`: Ringmain beside other people's crates, in one binary and one run.
//!
//! Each target of the design is a ratio between us and somebody else. This program runs all who take part in
//! a ratio in one process, in turns, on pinned threads, and says whether the ratio holds:
//!
//!     ringmain-peers                        everything, five to seven minutes
//!     ringmain-peers --only T1,T5           some targets
//!     ringmain-peers --quick                short samples and few of them: whether it works, not how fast
//!     ringmain-peers --json                 one line for each ratio instead of tables
//!     ringmain-peers curves                 not against peers, but along an axis: see `curves`
//!
//! It exits 0 when all ratios hold, 1 when one does not, when there were too few samples to tell, or when a contender lost a
//! message, 2 on wrong usage.
//! A line a case goes to the standard error while it runs, and at the end what became of each target.
//!
//! Where to look: `targets` is the table of cases and ratios, in the terms of `case`; `measure` goes round, `sample`
//! takes a sample, `placement` says where the CPUs were, `series` keeps what came out, `verdict` compares it and
//! `report` tells it, through `out`; `roles` has the loops that all contenders run through, `payload` what is written and read;
//! `peer` and `ours` are the contenders. `curves` measures the engine alone, with the same tools.

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
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::mem_forget,
    clippy::allow_attributes_without_reason
)]
#![expect(clippy::disallowed_methods, reason = "a tool that measures in real time sleeps while others work")]

mod case;
mod clock;
mod curves;
mod latency;
mod machine;
mod measure;
mod ours;
mod out;
mod payload;
mod peer;
mod placement;
mod report;
mod roles;
mod sample;
mod series;
mod targets;
mod verdict;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};

use case::Case;
use clock::Ticker;
use machine::Cpus;
use measure::{Bench, Plan};
use out::{remark, say};
use report::Summary;

/// Ringmain beside other people's crates, in one run.
#[derive(Debug, Clone, Parser)]
#[command(version, about, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Targets to measure, separated by commas: T1 to T14; all when absent.
    #[arg(long, value_delimiter = ',', ignore_case = true, value_parser = targets::TARGETS)]
    only: Vec<String>,
    /// Samples of each contender in one placement class; 5 when absent, 3 when quick. (T13 is one long run.)
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1000))]
    repeats: Option<u16>,
    /// Only cases whose name contains this, such as `u64/1024`.
    #[arg(long)]
    case: Option<String>,
    /// Only contenders whose name contains this, and no ratios: for profiles.
    #[arg(long, conflicts_with = "json")]
    contender: Option<String>,
    /// How long a sample takes, in milliseconds; 100 when absent, 40 when quick.
    #[arg(long, value_parser = clap::value_parser!(u64).range(10..=60_000))]
    sample_ms: Option<u64>,
    /// How long a case may go on until its ratios have their samples, in seconds; 25 when absent, 4 when quick.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    case_seconds: Option<u64>,
    /// The program `harness`, for T13; built when absent.
    #[arg(long, value_name = "PROGRAM")]
    harness: Option<PathBuf>,

    /// Short samples and few of them: whether it works, not how fast.
    #[arg(long)]
    quick: bool,
    /// One line of JSON for each ratio instead of tables.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Subcommand)]
enum Command {
    /// The engine alone, as one thing grows: subscriptions, publishers, payload, ring, batch, shards, threads; and by
    /// wait strategy.
    Curves(curves::Arguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match &arguments.command {
        Some(Command::Curves(asked)) => curves::run(asked).map(|()| true),
        None => run(&arguments),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(fault) => {
            remark(&format!("ringmain-peers: {fault}\n"));
            ExitCode::FAILURE
        }
    }
}

/// Measures what was asked for; whether all ratios hold.
fn run(arguments: &Arguments) -> Result<bool, String> {
    if cfg!(debug_assertions) {
        return Err("this is a debug build, whose figures mean nothing; build with --release".into());
    }
    if let Some(harness) = arguments.harness.as_ref().filter(|harness| !harness.is_file()) {
        misused(&format!(
            "--harness {}: there is no such program; give the path to one, or leave it out to have it built",
            harness.display()
        ));
    }
    let bench = bench(arguments)?;
    let cases = chosen(arguments);
    if cases.is_empty() {
        misused(&no_such_case(arguments));
    }
    if bench.plan.quick && !arguments.json {
        say("quick: short samples, also of a busy machine; whether it works, not how fast\n\n")?;
    }
    let mut summary = Summary::default();
    for (case, number) in cases.iter().zip(1..) {
        let (all, contenders) = (cases.len(), case.contenders.len());
        remark(&format!("[{number}/{all}] {} {}: {contenders} contenders", case.target, case.name));
        let start = bench.ticker.now();
        let series = match bench.run(case) {
            Ok(series) => series,
            Err(fault) => {
                remark(&format!("\nringmain-peers: {} {}: {fault}\n", case.target, case.name));
                summary.add_fault(case, &fault);
                if arguments.json {
                    say(&(report::json_fault(case, &fault) + "\n"))?;
                }
                // Threads of a race that failed may be at it for ever, and what was measured beside them would say nothing.
                if case.placed {
                    break;
                }
                continue;
            }
        };
        let seconds = bench.ticker.nanos(start, bench.ticker.now()) / 1_000_000_000;
        let samples: usize = series.iter().map(|series| series.points.len()).sum();
        let discarded: usize = series.iter().map(|series| series.discarded.len()).sum();
        remark(&format!(", {samples} samples and {discarded} discarded, {seconds} s\n"));
        let settle = |claim| verdict::settle(case, claim, &series, bench.repeats(case));
        let verdicts = case.claims.iter().map(settle).collect::<Result<Vec<_>, _>>()?;
        summary.add(case, &verdicts);
        if arguments.json {
            for verdict in &verdicts {
                say(&(report::json_line(case, verdict, &bench.plan, bench.repeats(case)) + "\n"))?;
            }
        } else {
            say(&(report::table(case, &series, &verdicts) + "\n"))?;
        }
    }
    if arguments.json {
        remark(&summary.text());
    } else {
        say(&summary.text())?;
    }
    Ok(summary.all_hold())
}

/// Ends the program, as wrong usage.
fn misused(what: &str) -> ! {
    Arguments::command().error(ErrorKind::ValueValidation, format!("{what}\n")).exit()
}

/// Why nothing was chosen, and what there is.
fn no_such_case(arguments: &Arguments) -> String {
    let among = Arguments { case: None, contender: None, ..arguments.clone() };
    let names: Vec<_> = chosen(&among).iter().map(|case| format!("{} {}", case.target, case.name)).collect();
    let asked = [("case", &arguments.case), ("contender", &arguments.contender)];
    let asked: Vec<_> =
        asked.into_iter().filter_map(|(what, name)| Some(format!("--{what} {}", name.as_ref()?))).collect();
    format!("nothing is called so: {}; the cases here are {}", asked.join(" and "), names.join(", "))
}

/// The machine, and the plan that the arguments ask for.
fn bench(arguments: &Arguments) -> Result<Bench, String> {
    let (ticker, harness) = (Ticker::new(), arguments.harness.clone());
    Ok(Bench { cpus: Cpus::find()?, ticker, plan: plan(arguments), harness })
}

/// How often, and for how long.
fn plan(arguments: &Arguments) -> Plan {
    let (repeats, sample, limit) = if arguments.quick { (3, 40, 4) } else { (5, 100, 25) };
    Plan {
        repeats: arguments.repeats.map_or(repeats, usize::from),
        sample: Duration::from_millis(arguments.sample_ms.unwrap_or(sample)),
        limit: Duration::from_secs(arguments.case_seconds.unwrap_or(limit)),
        quick: arguments.quick,
    }
}

/// The cases that the arguments ask for, with the contenders that they ask for.
fn chosen(arguments: &Arguments) -> Vec<Case> {
    let mut cases = targets::cases();
    cases.retain(|case| {
        let only = &arguments.only;
        let chosen = only.is_empty() || only.iter().any(|only| only.eq_ignore_ascii_case(case.target));
        chosen && arguments.case.as_ref().is_none_or(|name| case.name.contains(name.as_str()))
    });
    if let Some(name) = &arguments.contender {
        for case in &mut cases {
            case.contenders.retain(|contender| contender.name.contains(name.as_str()));
            case.claims.clear();
        }
        cases.retain(|case| !case.contenders.is_empty());
    }
    cases
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ours::idle;

    fn parsed(line: &str) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(line.split(' '))
    }

    #[test]
    fn idle_engines_have_time_for_their_samples_also_when_quick() {
        let case = targets::cases().into_iter().find(|case| case.target == "T10").unwrap();
        for line in ["ringmain-peers", "ringmain-peers --quick"] {
            let plan = plan(&parsed(line).unwrap());
            let samples = plan.repeats.min(case.most) * case.contenders.len();
            let takes = idle::takes(plan.quick) * u32::try_from(samples).unwrap();
            assert!(takes <= plan.limit * case.patience, "{line}: {takes:?}");
        }
    }
}
