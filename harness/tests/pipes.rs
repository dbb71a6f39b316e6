//! Whoever reads what the harness says may leave early: `head`, a pager, a terminal that is closed.

mod common;

use std::process::{Command, ExitStatus, Stdio};

/// A pipe whose reader is gone.
fn closed() -> Stdio {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    writer.into()
}

/// Runs it with nobody to read either output.
fn unread(arguments: &[&str]) -> ExitStatus {
    let mut harness = Command::new(env!("CARGO_BIN_EXE_harness"));
    harness.args(arguments).stdout(closed()).stderr(closed()).status().expect("the harness starts")
}

#[test]
fn a_plan_or_a_refusal_that_nobody_reads_ends_as_any_other() {
    let notes = ["--wait", "spin", "--subscriptions", "1000"];
    let plan = ["--scenario", "throughput", "--dry-run"];
    assert_eq!(unread(&[&plan[..], &notes[..]].concat()).code(), Some(0));
    assert_eq!(unread(&["--help"]).code(), Some(0));
    assert_eq!(unread(&["--scenario", "nonsense"]).code(), Some(2));
}

#[cfg(not(debug_assertions))]
#[test]
fn a_run_that_nobody_listens_to_goes_on_and_writes_its_result() {
    let _alone = common::ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let directory = tempfile::tempdir().unwrap();
    // Longer than a second, after which it says how far it is.
    let run = ["--scenario", "throughput", "--quick", "--duration", "700ms", "--results"];
    let status = unread(&[&run[..], &[directory.path().to_str().unwrap()]].concat());
    assert_eq!(status.code(), Some(0));
    common::only_result(directory.path());
}
