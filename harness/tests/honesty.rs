//! Does the harness notice? Faults are injected, and each must fail the run or show in its figures. Release builds only,
//! since a debug build refuses to measure, which is the first of these tests in `cli.rs`.
#![cfg(not(debug_assertions))]

mod common;

use common::{harness, only_result};
use serde_json::Value;

/// Runs with a fault; the exit code and the result, which must say what was injected.
fn injected(fault: &str, arguments: &str) -> (Option<i32>, Value) {
    let directory = tempfile::tempdir().expect("a directory");
    let output = harness(&format!("{arguments} --quick --inject {fault}"), directory.path());
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(text.contains("injected on purpose"), "{text}");
    let result = only_result(directory.path());
    assert_eq!(result["injected"], fault, "{result}");
    (output.status.code(), result)
}

/// All errors of a result, of a run that failed.
fn errors((code, result): &(Option<i32>, Value)) -> String {
    assert_eq!((*code, result["success"].as_bool()), (Some(1), Some(false)), "{result}");
    result["errors"].to_string()
}

const LEVEL: &str = "--scenario saturation --levels 50 --iterations 1 --warmup 0s --duration 250ms";
const THROUGHPUT: &str = "--scenario throughput --iterations 1 --warmup 0s --duration 100ms";

#[test]
fn a_stall_of_100_ms_appears_in_the_tail_and_not_in_the_middle_of_nowhere() {
    // 500,000 a second for 250 ms: a fifth and more of the messages were due while nothing was sent. A tool that counts
    // from when it got round to sending would have seen one slow message.
    let (_, result) = injected("stall=100ms", &format!("{LEVEL} --capacity 1M"));
    let latency = &result["metrics"]["levels"][0]["latency"];
    for name in ["p99", "p999", "max"] {
        assert!(latency[name].as_f64() > Some(85.0), "{name} of {latency}");
    }
}

#[test]
fn a_publisher_that_falls_behind_makes_its_level_fail() {
    // A millisecond each is 1,000 a second at most, of the 50,000 that are offered.
    let (code, result) = injected("slow-publisher=1ms", &format!("{LEVEL} --capacity 100k --ring 64"));
    let level = &result["metrics"]["levels"][0];
    assert_eq!((code, level["held"].as_bool()), (Some(1), Some(false)), "{level}");
    assert!(level["achievedRate"].as_f64() < Some(1_100.0) && level["unsent"].as_u64() > Some(0), "{level}");
}

#[test]
fn a_dropped_message_fails_the_run() {
    let failed = injected("drop=500", THROUGHPUT);
    assert!(errors(&failed).contains("accepted but never delivered"), "{}", failed.1);
    assert!(failed.1["ledger"][0]["lost"].as_u64() >= Some(1));
}

#[test]
fn a_repeated_message_fails_the_run() {
    let failed = injected("repeat=500", THROUGHPUT);
    assert!(errors(&failed).contains("delivered more than once"), "{}", failed.1);
    // One in each sample: a sample that the machine disturbs is taken again.
    assert!(failed.1["ledger"][0]["duplicated"].as_u64() >= Some(1));
    // However noisy the machine was.
    errors(&injected("repeat=500", &format!("{THROUGHPUT} --strict")));
}

#[test]
fn a_reordered_message_fails_the_run() {
    let failed = injected("reorder=500", THROUGHPUT);
    assert!(errors(&failed).contains("delivered out of order"), "{}", failed.1);
    assert!(failed.1["ledger"][0]["outOfOrder"].as_u64() >= Some(1));
}

#[test]
fn a_reordered_line_of_a_file_fails_the_run() {
    let directory = tempfile::tempdir().expect("a directory");
    let input = directory.path().join("lines");
    std::fs::write(&input, "first\nsecond line\nthird\n").unwrap();
    let failed = injected("reorder=500", &format!("{THROUGHPUT} --input {}", input.display()));
    assert!(errors(&failed).contains("not what was published"), "{}", failed.1);
}

#[test]
fn a_reordered_message_of_a_key_fails_the_run_and_of_several_keys_does_not() {
    let failed = injected("reorder=500", &format!("{THROUGHPUT} --ordering-keys 1"));
    assert!(errors(&failed).contains("delivered out of order"), "{}", failed.1);
    let (code, result) = injected("reorder=500", &format!("{THROUGHPUT} --ordering-keys 1000"));
    assert_eq!((code, &result["ledger"][0]["balanced"]), (Some(0), &Value::Bool(true)), "{result}");
}

#[test]
fn an_impossible_figure_is_refused() {
    let failed = injected("inflate=1000", THROUGHPUT);
    assert!(errors(&failed).contains("CPU cycle") || errors(&failed).contains("can copy"), "{}", failed.1);
    assert!(
        failed.1["metrics"]["messagesPerSec"].is_null(),
        "a refused figure is not reported: {}",
        failed.1
    );
}
