//! The run that is profiled: a harness as a child process, and the result it leaves.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Request, record};
use crate::cli;
use crate::interrupt;
use crate::num;
use crate::result;

/// Length of a sample: 10 s of two threads are some 20,000 stacks.
const DURATION: &str = "10s";

/// A run that is over.
#[derive(Debug)]
pub(super) struct Child {
    /// Its result file.
    pub(super) result: Value,
}

/// The arguments of the run. `Err` when they do not go together.
pub(super) fn arguments(request: &Request) -> Result<Vec<String>, String> {
    let saturation = request.scenario == "saturation";
    match request.level {
        None if saturation => {
            return Err("a profile of saturation is of one level; give --level 90".to_owned());
        }
        Some(_) if !saturation => {
            return Err(format!(
                "--level belongs to --scenario saturation; leave it out for {}",
                request.scenario
            ));
        }
        _ => {}
    }
    if request.capacity.is_some() && !saturation {
        return Err(format!(
            "--capacity belongs to --scenario saturation; leave it out for {}",
            request.scenario
        ));
    }
    let mut arguments = vec!["--scenario".to_owned(), request.scenario.clone()];
    if let Some(level) = request.level {
        arguments.extend(["--levels".to_owned(), num::percent(level)]);
    }
    if let Some(capacity) = &request.capacity {
        arguments.extend(["--capacity".to_owned(), capacity.clone()]);
    }
    // The others know themselves how long they take, and refuse to be told.
    let sampled = ["throughput", "saturation", "fanout"].contains(&&*request.scenario);
    if sampled {
        arguments.extend(["--iterations", "1"].map(str::to_owned));
    }
    if let Some(duration) = request.duration.as_deref().or(sampled.then_some(DURATION)) {
        arguments.extend(["--duration", duration].map(str::to_owned));
    }
    arguments.extend(request.more.iter().cloned());
    Ok(arguments)
}

/// Looks at the arguments, so that what is wrong with them is said before anything is built. Returns the configuration that they
/// come to.
pub(super) fn rehearse(arguments: &[String]) -> Result<Value, String> {
    if arguments.iter().any(|word| word == "--results" || word.starts_with("--results=")) {
        return Err(
            "a profile keeps the result of its run to itself; leave --results out, and say with --out where \
                    the profile goes"
                .to_owned(),
        );
    }
    let plan = cli::planned(arguments)?;
    if plan.dry_run {
        return Err("a profile is of a run, and --dry-run makes none; leave --dry-run out".to_owned());
    }
    match &plan.runs[..] {
        [run] => Ok(result::configuration(run)),
        many => Err(several(many.len())),
    }
}

fn several(runs: usize) -> String {
    format!("that is {runs} runs, and a profile is of one; give one scenario, one payload and one number")
}

/// Makes sure that this is a program, so that one that is not is told from a run that failed.
pub(super) fn starts(binary: &Path) -> Result<(), String> {
    let started = Command::new(binary)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    started.map(drop).map_err(|error| {
        format!("cannot run --binary {}: {error}; give a harness that is built already", binary.display())
    })
}

/// The arguments with a capacity, which is searched in a run that nobody looks at: `perf` costs something, and the level
/// is in percent of what the machine can do without.
pub(super) fn with_capacity(
    binary: &Path,
    request: &Request,
    mut arguments: Vec<String>,
) -> Result<Vec<String>, String> {
    if request.level.is_none() || request.capacity.is_some() {
        return Ok(arguments);
    }
    let work = tempfile::tempdir().map_err(|error| format!("cannot make a temporary directory: {error}"))?;
    let mut search: Vec<String> =
        ["--scenario", "saturation", "--levels", "50", "--iterations", "1"].map(str::to_owned).to_vec();
    search.extend(request.more.iter().cloned());
    let found = child(binary, &search, None, work.path())?;
    let capacity = found.result["metrics"]["capacity"]
        .as_f64()
        .ok_or("the search found no capacity; give --capacity RATE")?;
    arguments.extend(["--capacity".to_owned(), format!("{capacity:.0}")]);
    Ok(arguments)
}

/// Runs the harness, under `perf` when there is somewhere for its data. What it prints is not shown, its progress is.
pub(super) fn child(
    binary: &Path,
    arguments: &[String],
    data: Option<&Path>,
    work: &Path,
) -> Result<Child, String> {
    let results = work.join("results");
    std::fs::create_dir_all(&results)
        .map_err(|error| format!("cannot create {}: {error}", results.display()))?;
    let mut command = match data {
        Some(data) => record::command(data, binary),
        None => Command::new(binary),
    };
    command.args(arguments).arg("--results").arg(&results);
    let status = interrupt::held(command.stdout(Stdio::null()))
        .map_err(|error| format!("cannot run {}: {error}", binary.display()))?;
    // Not the histograms beside it.
    let is_result = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "json");
    let files: Vec<_> = std::fs::read_dir(&results)
        .map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_result).collect())
        .unwrap_or_default();
    let [file] = &files[..] else {
        return Err(match files.len() {
            0 => format!(
                "{} left no result ({status}); what it said, if anything, is above; give a harness as --binary",
                binary.display()
            ),
            many => several(many),
        });
    };
    let text = std::fs::read(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    let result =
        serde_json::from_slice(&text).map_err(|error| format!("{} is no result: {error}", file.display()))?;
    Ok(Child { result })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(scenario: &str, level: Option<f64>) -> Request {
        Request {
            scenario: scenario.to_owned(),
            level,
            more: vec!["--publishers".to_owned(), "2".to_owned()],
            ..Request::default()
        }
    }

    #[test]
    fn a_level_is_what_saturation_needs_and_nothing_else_takes() {
        assert!(arguments(&request("saturation", None)).unwrap_err().contains("--level 90"));
        assert!(arguments(&request("throughput", Some(90.0))).unwrap_err().contains("saturation"));
        let line = arguments(&request("saturation", Some(90.0))).unwrap().join(" ");
        assert_eq!(line, "--scenario saturation --levels 90 --iterations 1 --duration 10s --publishers 2");
        let line = arguments(&request("firehose", None)).unwrap().join(" ");
        assert_eq!(line, "--scenario firehose --publishers 2", "it refuses what it does not take");
    }
}
