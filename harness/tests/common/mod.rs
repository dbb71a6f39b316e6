//! What tests of whole runs share: the binary, one run at a time, and its result.

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};

/// One run at a time: two would measure each other.
pub(crate) static ALONE: Mutex<()> = Mutex::new(());

/// Runs the harness to its end.
#[allow(dead_code, reason = "not every test binary runs it to its end")]
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

/// The only result that a run left, whose name must be fit for any file system.
pub(crate) fn only_result(results: &Path) -> Value {
    let mut files: Vec<_> =
        std::fs::read_dir(results).expect("results").map(|entry| entry.expect("an entry").path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    let file = files.remove(0);
    let name = file.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
    assert!(!name.contains(':') && name.ends_with(".json") && name.matches('.').count() == 1, "{name}");
    serde_json::from_slice(&std::fs::read(file).expect("a file")).expect("JSON")
}
