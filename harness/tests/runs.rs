//! Whole runs, short ones: what they print, what they write, and how they exit. Release builds only, since a debug
//! build refuses to measure.
#![cfg(not(debug_assertions))]

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};

/// One run at a time: two would measure each other.
static ALONE: Mutex<()> = Mutex::new(());

fn harness(arguments: &str, results: &Path) -> Output {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let words = arguments.split_whitespace();
    Command::new(env!("CARGO_BIN_EXE_harness"))
        .args(words)
        .arg("--results")
        .arg(results)
        .output()
        .expect("the harness starts")
}

fn only_result(results: &Path) -> Value {
    let mut files: Vec<_> =
        std::fs::read_dir(results).expect("results").map(|entry| entry.expect("an entry").path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    let file = files.remove(0);
    let name = file.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
    assert!(!name.contains(':') && name.ends_with(".json") && name.matches('.').count() == 1, "{name}");
    let valid =
        Command::new(env!("CARGO_BIN_EXE_harness")).arg("validate").arg(&file).output().expect("valid");
    assert!(valid.status.success(), "{}", String::from_utf8_lossy(&valid.stdout));
    serde_json::from_slice(&std::fs::read(file).expect("a file")).expect("JSON")
}

fn assert_common_fields(result: &Value, scenario: &str) {
    assert_eq!(result["scenario"], scenario);
    assert!(result["config"].is_object() && result["success"].is_boolean());
    for name in ["cpuCores", "totalMemoryMB"] {
        assert!(result["environment"][name].as_f64() > Some(0.0), "{name}");
    }
    for name in ["platform", "arch", "timestamp", "rustcVersion", "engineVersion", "kernel", "pinning"] {
        assert!(result["environment"][name].is_string(), "{name}");
    }
    for name in ["messagesPerSec", "durationMs"] {
        assert!(result["metrics"][name].as_f64() > Some(0.0), "{name}");
    }
    for name in ["count", "p50", "p95", "p99", "min", "max", "mean"] {
        assert!(result["metrics"]["latency"][name].as_f64() > Some(0.0), "latency.{name}");
    }
    for name in ["peakRssMB", "heapUsedMB", "heapSizeMB"] {
        assert!(result["metrics"]["memory"][name].as_f64() > Some(0.0), "memory.{name}");
    }
    for account in result["ledger"].as_array().into_iter().flatten() {
        assert_eq!(account["balanced"], true, "{account}");
        assert_eq!(account["accepted"], account["acked"], "{account}");
    }
}

#[test]
fn a_quick_throughput_run_balances_and_writes_its_result() {
    let directory = tempfile::tempdir().unwrap();
    let output = harness("--scenario throughput --quick --duration 200ms", directory.path());
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("median") && text.contains("the engine's counters agree"), "{text}");
    let result = only_result(directory.path());
    assert_common_fields(&result, "throughput");
    assert_eq!(result["metrics"]["iterations"].as_array().unwrap().len(), 2);
}

#[test]
fn a_quick_saturation_run_has_a_row_per_level_in_the_order_given() {
    let directory = tempfile::tempdir().unwrap();
    let output = harness("--scenario saturation --quick --levels 90,50,125", directory.path());
    // On a busy machine a level may fail; the result must be whole all the same.
    assert!(matches!(output.status.code(), Some(0 | 1)), "{output:?}");
    let result = only_result(directory.path());
    assert_common_fields(&result, "saturation");
    let levels = result["metrics"]["levels"].as_array().unwrap();
    let percents: Vec<f64> = levels.iter().map(|level| level["percent"].as_f64().unwrap()).collect();
    assert_eq!(percents, [90.0, 50.0, 125.0]);
    for level in levels {
        for name in ["offeredRate", "achievedRate"] {
            assert!(level[name].as_f64().unwrap() > 0.0, "{name}");
        }
        assert!(level["held"].is_boolean() && level["latency"]["count"].as_u64().unwrap() > 0);
    }
    assert!(result["metrics"]["capacity"].as_f64().unwrap() > 0.0);
}

#[test]
fn the_users_own_lines_arrive_as_they_are() {
    let directory = tempfile::tempdir().unwrap();
    let input = directory.path().join("lines.txt");
    std::fs::write(&input, "{\"user\":1}\n{\"user\":22}\n\nplain text\n").unwrap();
    let results = directory.path().join("results");
    let arguments =
        format!("--scenario throughput --quick --duration 200ms --read all --input {}", input.display());
    let output = harness(&arguments, &results);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let result = only_result(&results);
    assert_common_fields(&result, "throughput");
    assert_eq!(result["config"]["inputMessages"], 3);
}

#[test]
fn other_shapes_balance_too() {
    for shape in [
        "--subscriptions 5",
        "--publishers 3",
        "--consumers 2",
        "--batch 64",
        "--mode leased",
        "--payload 10KB --read all",
        "--payload 24",
        "--ring 64 --wait park",
        "--shards 2 --publishers 2",
        "--pin off",
        "--pin 0",
        "--messages 100000",
    ] {
        let directory = tempfile::tempdir().unwrap();
        let time = if shape.contains("--messages") { "" } else { "--duration 100ms" };
        let output = harness(&format!("--scenario throughput --quick {time} {shape}"), directory.path());
        assert_eq!(output.status.code(), Some(0), "{shape}: {output:?}");
        assert_common_fields(&only_result(directory.path()), "throughput");
    }
}
