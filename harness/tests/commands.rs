//! The sub-commands as people meet them: exit codes, one line of refusal, and nothing on stdout but the result.

mod common;

use common::{asked, refused};
use serde_json::{Value, json};
use std::path::Path;

#[test]
fn completions_name_the_options_and_the_sub_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = asked(&["completions", shell]);
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
        let output = asked(&["validate", &file]);
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
        (
            "/metrics/levels/0/rounds",
            json!([{"offeredRate": 1, "achievedRate": 1, "held": true}, {"offeredRate": 1, "achievedRate": 1, "held": false}]),
            "$.metrics.levels[0].held is true although 1 of 2 rounds held",
        ),
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
        let output = asked(&["validate", &file]);
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
    let output = asked(&["validate", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stdout).unwrap().contains("$ is not JSON"));
    assert!(refused(&["validate", "/no/such/file"]).contains("/no/such/file"));
    assert!(refused(&["validate"]).contains("RESULT"));
}

/// `result` with every rate multiplied and every latency divided by `speed`.
fn at_speed(result: &Value, speed: f64) -> Value {
    let mut result = result.clone();
    scale(&mut result["metrics"], speed);
    result
}

fn scale(value: &mut Value, speed: f64) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| scale(item, speed)),
        Value::Object(map) => {
            for (name, value) in map {
                match (name.as_str(), value.as_f64()) {
                    ("messagesPerSec" | "deliveriesPerSec" | "capacity", Some(rate)) => {
                        *value = json!(rate * speed);
                    }
                    ("p50" | "p95" | "p99" | "p999" | "p9999" | "min" | "max" | "mean", Some(time)) => {
                        *value = json!(time / speed);
                    }
                    _ => scale(value, speed),
                }
            }
        }
        _ => {}
    }
}

#[test]
fn a_result_is_no_different_from_itself_and_a_slower_one_is_a_regression() {
    let directory = tempfile::tempdir().unwrap();
    for (scenario, headline) in [("throughput", "throughput"), ("saturation", "capacity")] {
        let result = fixture(scenario);
        let base = put(directory.path(), "base.json", &result);
        let slow = put(directory.path(), "slow.json", &at_speed(&result, 0.7));
        let same = asked(&["compare", &base, &base]);
        let text = String::from_utf8(same.stdout).unwrap();
        assert!(same.status.code() == Some(0) && text.contains("no difference"), "{text}");
        let worse = asked(&["compare", &base, &slow, "--json"]);
        let object: Value = serde_json::from_slice(&worse.stdout).unwrap();
        assert_eq!((worse.status.code(), object["finding"].as_str()), (Some(1), Some("regression")));
        assert_eq!(object["metrics"][0]["metric"], headline);
        let change = object["metrics"][0]["changePercent"].as_f64().unwrap();
        assert!((change + 30.0).abs() < 0.01, "{object:#}");
        let better = asked(&["compare", &slow, &base, "--color", "always"]);
        let text = String::from_utf8(better.stdout).unwrap();
        assert!(better.status.code() == Some(0) && text.contains("\x1b[32mimprovement"), "{text}");
        let tolerated = asked(&["compare", &base, &slow, "--threshold", "60"]);
        assert_eq!(tolerated.status.code(), Some(0));
    }
}

/// A run that broke down: an error, no figures but memory.
fn broken(result: &Value) -> Value {
    let mut broken = result.clone();
    broken["success"] = json!(false);
    broken["errors"] = json!(["the engine refused"]);
    broken["metrics"] = json!({"memory": result["metrics"]["memory"]});
    broken
}

#[test]
fn a_current_that_broke_down_is_a_regression_and_a_base_that_did_proves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    for scenario in ["throughput", "saturation"] {
        let result = fixture(scenario);
        let fine = put(directory.path(), "fine.json", &result);
        let broke = put(directory.path(), "broke.json", &broken(&result));
        let mut missed = at_speed(&result, 1.5);
        missed["success"] = json!(false);
        missed["errors"] = json!(["missed"]);
        let missed = put(directory.path(), "missed.json", &missed);
        let compared = |base: &str, current: &str| {
            let output = asked(&["compare", base, current]);
            (output.status.code(), String::from_utf8(output.stdout).unwrap())
        };
        let (code, text) = compared(&fine, &broke);
        assert!(code == Some(1) && text.contains("regression: CURRENT broke down"), "{text}");
        assert!(text.contains("and BASE did not (the engine refused)"), "{text}");
        let (code, text) = compared(&fine, &missed);
        assert!(code == Some(1) && text.contains("CURRENT failed the criteria"), "{text}");
        for base in [&broke, &missed] {
            let (code, text) = compared(base, &put(directory.path(), "fast.json", &at_speed(&result, 3.0)));
            assert!(code == Some(0) && text.contains("inconclusive"), "{text}");
            assert!(text.contains("no improvement is claimed") && !text.contains("improvement:"), "{text}");
        }
        assert!(refused(&["compare", &broke, &broke]).contains("came to their end"));
    }
}

#[test]
fn one_value_a_side_that_is_worse_is_neither_passed_nor_a_regression() {
    let directory = tempfile::tempdir().unwrap();
    let mut result = fixture("throughput");
    result["metrics"].as_object_mut().unwrap().remove("iterations");
    let base = put(directory.path(), "base.json", &result);
    let slow = put(directory.path(), "slow.json", &at_speed(&result, 0.7));
    let worse = asked(&["compare", &base, &slow]);
    let text = String::from_utf8(worse.stdout).unwrap();
    assert!(worse.status.code() == Some(3) && text.contains("cannot be told: throughput, -30.0 %"), "{text}");
    let better = asked(&["compare", &slow, &base]);
    let text = String::from_utf8(better.stdout).unwrap();
    assert!(better.status.code() == Some(0) && text.contains("inconclusive"), "{text}");
    assert_eq!(asked(&["compare", &slow, &base, "--strict"]).status.code(), Some(3));
}

#[test]
fn other_configurations_and_scenarios_are_refused_with_what_differs() {
    let directory = tempfile::tempdir().unwrap();
    let result = fixture("throughput");
    let mut other = result.clone();
    other["config"]["ring"] = json!(8192);
    let base = put(directory.path(), "base.json", &result);
    let changed = put(directory.path(), "changed.json", &other);
    let line = refused(&["compare", &base, &changed]);
    assert!(line.contains("config.ring is 4096 in BASE and 8192 in CURRENT"), "{line}");
    let saturation = put(directory.path(), "saturation.json", &fixture("saturation"));
    assert!(refused(&["compare", &base, &saturation]).contains("scenario is \"throughput\" in BASE"));
    assert!(refused(&["compare", &base, "/no/such/file"]).contains("/no/such/file"));
    assert!(refused(&["compare", &base]).contains("CURRENT"));
    assert!(refused(&["compare", &base, &base, "--rounds", "3"]).contains("--interleave"));
}

/// A command line that behaves like a harness: it leaves a copy of `result` in its `--results`.
#[cfg(unix)]
fn stand_in(directory: &Path, name: &str, result: &Value) -> String {
    let file = put(directory, &format!("{name}.json"), result);
    let log = directory.join("log");
    let script = directory.join(format!("{name}.sh"));
    let text = format!("echo {name} >> '{}'; cp '{file}' \"$2\"\n", log.display());
    std::fs::write(&script, text).expect("a script");
    format!("sh '{}'", script.display())
}

#[cfg(unix)]
#[test]
fn two_builds_are_run_in_turn_with_the_order_swapped_each_round() {
    let directory = tempfile::tempdir().unwrap();
    let result = fixture("throughput");
    let a = stand_in(directory.path(), "a", &result);
    let b = stand_in(directory.path(), "b", &at_speed(&result, 0.7));
    let output = asked(&["compare", "--interleave", &a, &b, "--rounds", "5", "--json"]);
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), object["finding"].as_str()), (Some(1), Some("regression")));
    assert_eq!(object["metrics"][0]["baseValues"], 5);
    let order = std::fs::read_to_string(directory.path().join("log")).unwrap();
    assert_eq!(order.replace('\n', ""), "abbaabbaab");
    let same = asked(&["compare", "--interleave", &a, &a, "--rounds", "5"]);
    let text = String::from_utf8(same.stdout).unwrap();
    assert!(same.status.code() == Some(0) && text.contains("no difference"), "{text}");
}

#[cfg(unix)]
#[test]
fn a_build_that_breaks_down_in_one_round_of_many_is_a_regression() {
    let directory = tempfile::tempdir().unwrap();
    let result = fixture("throughput");
    let fine = stand_in(directory.path(), "fine", &result);
    let broke = put(directory.path(), "broke.json", &broken(&result));
    // The first run breaks, the others do not.
    let flag = directory.path().join("flag");
    let script = directory.path().join("once.sh");
    let text = format!(
        "if [ -e '{flag}' ]; then cp '{fine}' \"$2\"; else touch '{flag}'; cp '{broke}' \"$2\"; fi\n",
        flag = flag.display(),
        fine = directory.path().join("fine.json").display(),
    );
    std::fs::write(&script, text).expect("a script");
    let once = format!("sh '{}'", script.display());
    let output = asked(&["compare", "--interleave", &fine, &once, "--rounds", "5"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("1 of 5 results of CURRENT came to no throughput, and BASE did not"), "{text}");
}

#[cfg(unix)]
#[test]
fn commands_that_leave_no_result_are_refused_with_their_last_line() {
    let line = refused(&["compare", "--interleave", "sh -c 'echo broken >&2'", "true"]);
    assert!(line.contains("left no result (broken)"), "{line}");
    assert!(refused(&["compare", "--interleave", "/no/such/harness", "true"]).contains("cannot run"));
    assert!(refused(&["compare", "--interleave", "harness --results x", "true"]).contains("leave it out"));
}

#[test]
fn a_report_is_one_file_that_loads_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let results: Vec<String> = ["throughput", "saturation"]
        .map(|name| put(directory.path(), &format!("{name}.json"), &fixture(name)))
        .into();
    let page = directory.path().join("report.html");
    let output = asked(&["report", &results[0], &results[1], "-o", page.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = std::fs::read_to_string(&page).unwrap();
    for wanted in [
        "name=\"viewport\"",
        "prefers-color-scheme: dark",
        "Side by side",
        "Latency against load",
        "Percentile curves",
        "Throughput by iteration",
        "Histogram",
        "Ledger",
        "Environment",
        "Noise",
    ] {
        assert!(text.contains(wanted), "{wanted}");
    }
    let bare = text.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
    for unwanted in
        ["http:", "https:", "<script", "<link", "<img", "@import", "url(", "<2 threads>", "NaN", "inf "]
    {
        assert!(!bare.contains(unwanted), "{unwanted}");
    }
    for element in ["svg", "table", "section", "div", "p", "text", "title"] {
        let opened =
            text.matches(&format!("<{element}>")).count() + text.matches(&format!("<{element} ")).count();
        assert_eq!(opened, text.matches(&format!("</{element}>")).count(), "{element}");
    }
}

#[test]
fn the_hockey_stick_can_be_had_alone() {
    let directory = tempfile::tempdir().unwrap();
    let saturation = put(directory.path(), "saturation.json", &fixture("saturation"));
    let picture = directory.path().join("curve.svg");
    let output = asked(&["report", &saturation, "--svg", picture.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = std::fs::read_to_string(&picture).unwrap();
    assert!(text.starts_with("<svg") && text.ends_with("</svg>") && text.contains("<style>"), "{text}");
    // Three percentiles at six levels, and the two levels that did not hold are hollow.
    assert_eq!((text.matches("<circle").count(), text.matches(" hollow\"").count()), (18, 6));
    let throughput = put(directory.path(), "throughput.json", &fixture("throughput"));
    assert!(refused(&["report", &throughput, "--svg", "x.svg"]).contains("saturation"));
    assert!(refused(&["report", &throughput, "-o", "/no/such/place/x.html"]).contains("- for stdout"));
    let stdout = asked(&["report", &throughput, "-o", "-"]).stdout;
    assert!(stdout.starts_with(b"<!doctype html>") && stdout.ends_with(b"</html>\n"));
}

#[test]
fn the_machine_is_told_as_text_and_as_json() {
    let text = String::from_utf8(asked(&["env"]).stdout).unwrap();
    for name in ["CPU", "governor", "clock source", "clock read", "memory copy", "perf", "membarrier"] {
        assert!(text.lines().any(|line| line.starts_with(name)), "{name} in\n{text}");
    }
    let output = asked(&["env", "--json"]);
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(output.status.success() && object["advice"].is_array());
    assert!(object["probes"]["clockReadNs"].as_f64() > Some(0.0), "{object:#}");
    assert!(!object["facts"]["cpus"].as_array().unwrap().is_empty(), "{object:#}");
}
