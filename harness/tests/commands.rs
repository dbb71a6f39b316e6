//! The sub-commands as people meet them: exit codes, one line of refusal, and nothing on stdout but the result.

use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Output};

fn harness(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_harness")).args(arguments).output().expect("the harness starts")
}

/// Runs it, expects exit code 2, nothing on stdout and one line on stderr, and returns the line.
fn refused(arguments: &[&str]) -> String {
    let output = harness(arguments);
    let line = String::from_utf8(output.stderr).expect("messages are text");
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {line}");
    assert!(output.stdout.is_empty(), "{arguments:?} wrote to stdout");
    assert_eq!(line.lines().count(), 1, "{arguments:?}: {line}");
    line
}

#[test]
fn completions_name_the_options_and_the_sub_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = harness(&["completions", shell]);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{shell}");
        for word in ["saturation", "completions", "levels"] {
            assert!(text.contains(word), "{shell} is not told of {word}");
        }
    }
    assert!(refused(&["completions", "tcsh"]).contains("bash"));
}

/// A result as a quiet machine would have given it.
fn fixture(name: &str) -> Value {
    let path = format!("{}/tests/data/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).expect("a fixture")).expect("JSON")
}

fn put(directory: &Path, name: &str, value: &Value) -> String {
    let path = directory.join(name);
    std::fs::write(&path, value.to_string()).expect("a file");
    path.to_str().expect("a name").to_owned()
}

#[test]
fn results_of_the_harness_are_valid() {
    for name in ["throughput", "saturation"] {
        let directory = tempfile::tempdir().unwrap();
        let file = put(directory.path(), "result.json", &fixture(name));
        let output = harness(&["validate", &file]);
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!((output.status.code(), text.trim_end().ends_with(": valid")), (Some(0), true), "{text}");
    }
}

#[test]
fn each_flaw_is_one_line_with_its_path() {
    let directory = tempfile::tempdir().unwrap();
    let remove = json!("remove");
    for (pointer, value, path) in [
        ("/scenario", remove.clone(), "$.scenario is missing"),
        ("/schemaVersion", json!(2), "$.schemaVersion must be 1"),
        ("/success", json!("yes"), "$.success must be of type boolean"),
        ("/success", json!(false), "$.errors is missing"),
        ("/errors", json!(["lost"]), "$.errors are there although"),
        ("/metrics/capacity", remove.clone(), "$.metrics.capacity is missing"),
        ("/metrics/messagesPerSec", json!(0), "$.metrics.messagesPerSec must be above 0"),
        ("/metrics/messagesPerSec", json!(-5), "$.metrics.messagesPerSec must not be negative"),
        ("/metrics/messagesPerSec", Value::Null, "$.metrics.messagesPerSec is null"),
        ("/metrics/anythingPerSec", json!(0.0), "$.metrics.anythingPerSec is a rate of zero"),
        ("/metrics/anything", json!({"deep": [1, -1]}), "$.metrics.anything.deep[1] must not be negative"),
        ("/metrics/latency/p50", json!(0), "$.metrics.latency.p50 must be above 0"),
        ("/metrics/latency/p95", json!(1e-9), "$.metrics.latency.p95 is 0.000000001, below p50"),
        ("/metrics/latency/max", remove.clone(), "$.metrics.latency.max is missing"),
        ("/metrics/latency/mean", json!(1e9), "$.metrics.latency.mean is 1000000000, not between"),
        ("/metrics/latency/count", json!(9), "$.metrics.latency.p50 takes 200 samples"),
        ("/metrics/latency/curve/3/1", json!(1e9), "$.metrics.latency.curve does not rise"),
        ("/metrics/latency/histogram/0/1", json!(1e12), "$.metrics.latency.histogram holds"),
        ("/metrics/latency/histogram/0", json!([1]), "$.metrics.latency.histogram[0] has 1 items"),
        ("/metrics/levels/0/achievedRate", json!(5), "$.metrics.levels[0].held is true although"),
        ("/metrics/levels", json!([]), "$.metrics.levels has 0 items"),
        ("/metrics/memory/peakRssMB", json!(0), "$.metrics.memory.peakRssMB must be above 0"),
        ("/metrics/expected", json!(7), "$.metrics.received is 6 of 7"),
        ("/ledger/0/accepted", json!(1), "$.ledger[0] does not add up"),
        ("/ledger/0/duplicated", json!(3), "$.ledger[0].balanced is true although duplicated is 3"),
        ("/ledger/0/balanced", json!(false), "$.ledger[0].balanced is false in a run that succeeded"),
        (
            "/environment/timestamp",
            json!("yesterday, at around noon"),
            "$.environment.timestamp must be a time",
        ),
        ("/noise/noisy", json!(0), "$.noise.noisy must be of type boolean"),
    ] {
        let mut result = fixture("saturation");
        if pointer == "/metrics/expected" {
            result["metrics"]["received"] = json!(6);
        }
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        match result.pointer_mut(parent).unwrap() {
            Value::Object(map) if value == remove => drop(map.remove(name)),
            Value::Object(map) => drop(map.insert(name.to_owned(), value)),
            list => list[name.parse::<usize>().unwrap()] = value,
        }
        let file = put(directory.path(), "broken.json", &result);
        let output = harness(&["validate", &file]);
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(1), "{pointer}: {text}");
        let wanted = format!("{file}: {path}");
        assert!(text.lines().any(|line| line.starts_with(&wanted)), "{pointer}: {wanted} in\n{text}");
    }
}

#[test]
fn what_is_no_json_is_a_flaw_and_what_cannot_be_read_is_a_refusal() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("nan.json");
    std::fs::write(&path, "{\"metrics\": NaN}").unwrap();
    let output = harness(&["validate", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stdout).unwrap().contains("$ is not JSON"));
    assert!(refused(&["validate", "/no/such/file"]).contains("/no/such/file"));
    assert!(refused(&["validate"]).contains("RESULT"));
}
