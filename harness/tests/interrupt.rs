//! Ctrl-C: what was measured so far is reported, and marked. Release builds only.
#![cfg(all(unix, not(debug_assertions)))]

mod common;

use common::{ALONE, only_result};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::PoisonError;

/// Starts a run and waits until it says `when` on stderr.
fn started(arguments: &str, results: &Path, when: &str) -> (Child, impl BufRead) {
    saying(&mut run(arguments, results), when)
}

fn run(arguments: &str, results: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_harness"));
    command.args(arguments.split_whitespace()).arg("--results").arg(results);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

fn saying(command: &mut Command, when: &str) -> (Child, impl BufRead + use<>) {
    let mut child = command.spawn().expect("the harness starts");
    let mut stderr = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut line = String::new();
    while !line.contains(when) {
        line.clear();
        assert!(stderr.read_line(&mut line).expect("text") > 0, "it ended without saying {when}");
    }
    (child, stderr)
}

fn interrupt(child: &Child) {
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(sent.expect("kill runs").success());
}

fn end(mut child: Child) -> ExitStatus {
    child.wait().expect("it ends")
}

#[test]
fn ctrl_c_ends_a_run_with_what_was_measured_so_far() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let directory = tempfile::tempdir().unwrap();
    // Says something once a second, by when there are several samples.
    let arguments = "--scenario throughput --quick --duration 300ms --iterations 1000";
    let (child, _stderr) = started(arguments, directory.path(), "iteration");
    interrupt(&child);
    assert_eq!(end(child).code(), Some(1));
    let result = only_result(directory.path());
    assert_eq!((&result["incomplete"], &result["success"]), (&true.into(), &false.into()));
    assert!(result["errors"].to_string().contains("interrupted"), "{result}");
    let iterations = result["metrics"]["iterations"].as_array().unwrap().len();
    assert!((1..1000).contains(&iterations), "{iterations}");
    assert!(result["metrics"]["messagesPerSec"].as_f64() > Some(0.0));
    for account in result["ledger"].as_array().unwrap() {
        assert_eq!(account["balanced"], true, "what was sent was drained: {account}");
    }
}

#[test]
fn ctrl_c_before_the_first_sample_leaves_no_figure() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let directory = tempfile::tempdir().unwrap();
    let (child, _stderr) = started("--scenario throughput --duration 60s", directory.path(), "iteration 1");
    interrupt(&child);
    assert_eq!(end(child).code(), Some(1));
    let result = only_result(directory.path());
    assert_eq!(result["incomplete"], true);
    assert!(result["metrics"].get("messagesPerSec").is_none(), "{result}");
}

#[test]
fn ctrl_c_in_a_soak_has_publishers_leave_once() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let directory = tempfile::tempdir().unwrap();
    let arguments = "--scenario soak --quick --duration 60s --capacity 100k --warmup 0s";
    let (child, _stderr) = started(arguments, directory.path(), "soak at");
    interrupt(&child);
    assert_eq!(end(child).code(), Some(1));
    let metrics = &only_result(directory.path())["metrics"];
    // Each comes anew every quarter of a second, there are two, and both were there for the warm-up.
    let most = 2.0 * (metrics["durationMs"].as_f64().unwrap() / 250.0 + 2.0);
    let publishers = metrics["publishers"].as_f64().unwrap();
    assert!((1.0..=most).contains(&publishers), "{publishers} of {most}");
}

#[test]
fn a_run_that_is_held_ends_with_its_holder() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let directory = tempfile::tempdir().unwrap();
    let mut command = run("--scenario throughput --iterations 2", directory.path());
    command.env("RINGMAIN_HARNESS_HELD", "1").stdin(Stdio::piped());
    let (mut child, _stderr) = saying(&mut command, "throughput");
    drop(child.stdin.take());
    assert_eq!(end(child).code(), Some(130));
    assert_eq!(std::fs::read_dir(directory.path()).expect("results").count(), 0, "nothing is written");
}

#[test]
fn a_second_ctrl_c_leaves_at_once() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let directory = tempfile::tempdir().unwrap();
    // A publisher that stalls cannot stop when it is told to.
    let arguments = "--scenario throughput --quick --warmup 0s --inject stall=60s";
    let (child, mut stderr) = started(arguments, directory.path(), "iteration 1");
    interrupt(&child);
    let mut line = String::new();
    while !line.contains("interrupted") {
        line.clear();
        stderr.read_line(&mut line).unwrap();
    }
    interrupt(&child);
    assert_eq!(end(child).code(), Some(130));
    assert_eq!(std::fs::read_dir(directory.path()).expect("results").count(), 0, "nothing is written");
}
