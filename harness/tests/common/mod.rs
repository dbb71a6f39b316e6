//! What the tests of the binary share: how it is run, whole runs one at a time, and what it must leave.
#![allow(dead_code, reason = "not every test binary needs all of it")]

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};

/// One run at a time: two would measure each other.
pub(crate) static ALONE: Mutex<()> = Mutex::new(());

/// Runs the harness to its end.
pub(crate) fn harness(arguments: &str, results: &Path) -> Output {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let words = arguments.split_whitespace();
    Command::new(env!("CARGO_BIN_EXE_harness"))
        .args(words)
        .arg("--results")
        .arg(results)
        .output()
        .expect("the harness starts")
}

/// Runs it with exactly these arguments.
pub(crate) fn asked(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_harness")).args(arguments).output().expect("the harness starts")
}

/// Runs it, expects exit code 2, nothing on stdout and one line on stderr, and returns the line.
pub(crate) fn refused(arguments: &[&str]) -> String {
    let output = asked(arguments);
    let line = String::from_utf8(output.stderr).expect("messages are text");
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {line}");
    assert!(output.stdout.is_empty(), "{arguments:?} wrote to stdout");
    assert_eq!(line.lines().count(), 1, "{arguments:?}: {line}");
    line
}

/// The only result that a run left, whose name must be fit for any file system.
pub(crate) fn only_result(results: &Path) -> Value {
    let mut files: Vec<_> =
        std::fs::read_dir(results).expect("results").map(|entry| entry.expect("an entry").path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    let file = files.remove(0);
    let name = file.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
    assert!(!name.contains(':') && name.ends_with(".json") && name.matches('.').count() == 1, "{name}");
    let valid = asked(&["validate", &file.to_string_lossy()]);
    assert!(valid.status.success(), "{}", String::from_utf8_lossy(&valid.stdout));
    serde_json::from_slice(&std::fs::read(file).expect("a file")).expect("JSON")
}

/// A result as a quiet machine would have given it.
pub(crate) fn fixture(name: &str) -> Value {
    let path = format!("{}/tests/data/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).expect("a fixture")).expect("JSON")
}

/// Writes `value` to a file, and returns its path.
pub(crate) fn put(directory: &Path, name: &str, value: &Value) -> String {
    let path = directory.join(name);
    std::fs::write(&path, value.to_string()).expect("a file");
    path.to_str().expect("a name").to_owned()
}
