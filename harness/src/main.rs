//! The load harness of Ringmain.
//!
//! `harness --scenario saturation` measures how much an engine carries and what latency it has on the way there;
//! `harness --help` lists the rest, sub-commands (`commands`) among it. The parts, from the outside in:
//!
//! - `cli` says what is asked, `scenario` what that means in samples, `search` and `level` what the samples say;
//! - `sample` runs one of them: `pin` seats the threads, `publish` (with `pacer`) and `consume` (with `inbox`, `book`,
//!   `ledger`, `keys`, `acks`, `latency`, `backlog`) are what they do, `driver` is the only part that knows the engine;
//! - `payload`, `mix` and `input` (with `records`) are what is sent, `inject` what goes wrong on purpose, and
//!   `interrupt` is Ctrl-C;
//! - `noise`, `limits`, `overhead`, `memory` and `environment` say how far the figures can be trusted;
//! - `result` and `report` are what is left when it is over.
//!
//! Exit codes: 0 passed, 1 failed its criteria, 2 wrong usage, 3 too noisy to tell (under `--strict`; a message that was
//! lost, and whatever else does not come of noise, is 1 all the same).
#![forbid(unsafe_code)]

mod acks;
mod backlog;
mod bandwidth;
mod book;
mod cli;
mod clock;
mod commands;
mod compare;
mod consume;
mod driver;
mod environment;
mod fault;
mod handicap;
mod inbox;
mod inject;
mod input;
mod interrupt;
mod keys;
mod latency;
mod ledger;
mod level;
mod limits;
mod machine;
mod memory;
mod mix;
mod modes;
mod noise;
mod num;
mod overhead;
mod pacer;
mod payload;
mod pin;
mod profile;
mod publish;
mod records;
mod report;
mod result;
mod sample;
mod scenario;
mod search;
mod shared;
mod threads;
mod validate;

use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::ExitCode;

use cli::settings::{Plan, Settings};
use cli::{Arguments, Asked, Refusal};
use report::Paint;
use report::progress::Progress;
use report::summary::Row;

/// How a run ended. Of several runs the last of these is told: one that failed for certain outweighs one that cannot be
/// told, and that one those that passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Passed,
    /// Under `--strict`: whether it passed cannot be told.
    Noisy,
    Failed,
    /// Wrong usage: nothing was measured.
    Usage,
}

impl Verdict {
    fn code(self) -> ExitCode {
        ExitCode::from(match self {
            Self::Passed => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Noisy => 3,
        })
    }
}

fn main() -> ExitCode {
    let outcome = match cli::parse() {
        Ok(Asked::Run(arguments)) => run(&arguments),
        Ok(Asked::Command(command)) => command.run(),
        Err(Refusal::Asked(help)) => Ok(match help.print() {
            // Whoever reads has read enough.
            Err(error) if error.kind() != ErrorKind::BrokenPipe => Verdict::Failed,
            Ok(()) | Err(_) => Verdict::Passed,
        }),
        Err(Refusal::Usage(line)) => Err(line),
    };
    outcome
        .unwrap_or_else(|line| {
            commands::remark(&format!("error: {line}"));
            Verdict::Usage
        })
        .code()
}

/// Runs the scenarios that were asked for; `Err` is why none was run.
fn run(arguments: &Arguments) -> Result<Verdict, String> {
    let plan = cli::settings::plan(arguments)?;
    for note in &plan.notes {
        commands::remark(&format!("note: {note}"));
    }
    if plan.dry_run {
        for run in &plan.runs {
            let seconds = scenario::estimate(run).as_secs_f64();
            commands::say(&format!("{}\n", report::text::plan(run, &scenario::steps(run), seconds)))?;
        }
        return Ok(Verdict::Passed);
    }
    limits::build()?;
    result::prepare(&plan.results, "--results")?;
    interrupt::listen()?;
    let mut worst = Verdict::Passed;
    let mut summary = Vec::new();
    for (position, run) in plan.runs.iter().enumerate() {
        if interrupt::requested() {
            break;
        }
        let gap = if position > 0 { "\n" } else { "" };
        let (verdict, row) = execute(&plan, run, gap);
        summary.push(row);
        worst = worst.max(verdict);
    }
    if plan.summary {
        let table = report::summary::table(&summary, plan.runs.len(), Paint::new(plan.color));
        if let Err(line) = commands::say(&format!("\n{table}\n")) {
            commands::remark(&format!("error: {line}"));
            worst = Verdict::Failed;
        }
    }
    Ok(if interrupt::requested() { Verdict::Failed } else { worst })
}

/// Runs one scenario, shows its result after `gap`, and writes it. Also returns its row of the summary.
fn execute(plan: &Plan, settings: &Settings, gap: &str) -> (Verdict, Row) {
    let mut progress = Progress::new(settings.scenario.name(), scenario::estimate(settings));
    let ran = scenario::measure(settings, &mut progress);
    progress.finish();
    let ran = match ran {
        Ok(ran) => ran,
        Err(fault) => {
            commands::remark(&format!("error: {fault}"));
            return (Verdict::Failed, Row::new(settings, None, Verdict::Failed));
        }
    };
    let verdict = ran.verdict(settings.scenario, plan.strict);
    let text = report::text::report(settings, &ran, verdict, Paint::new(plan.color));
    // That stdout takes nothing is no reason not to write the file.
    let told = commands::say(&format!("{gap}{text}\n"));
    let written = result::object(settings, &ran)
        .map_err(|error| error.to_string())
        .and_then(|object| result::write(&plan.results, settings, &object, &mut std::io::stdout()));
    let logged = |path: PathBuf| {
        let log = if plan.hdr_log { Some(result::write_hdr_log(&path, &ran)?) } else { None };
        let log = log.map_or_else(String::new, |log| format!("histograms: {}\n", log.display()));
        Ok(format!("result: {}\n{log}", path.display()))
    };
    match written.and_then(logged).and_then(|paths| told.and_then(|()| commands::say(&paths))) {
        Ok(()) => {}
        Err(line) => {
            commands::remark(&format!("error: {line}"));
            return (Verdict::Failed, Row::new(settings, Some(&ran), Verdict::Failed));
        }
    }
    (verdict, Row::new(settings, Some(&ran), verdict))
}

#[cfg(test)]
mod tests {
    use super::Verdict::{Failed, Noisy, Passed};

    #[test]
    fn of_several_runs_the_one_that_failed_for_certain_is_told() {
        assert_eq!([Passed, Noisy, Failed, Noisy, Passed].into_iter().max(), Some(Failed));
        assert_eq!([Passed, Noisy, Passed].into_iter().max(), Some(Noisy));
    }
}
