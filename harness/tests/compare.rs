//! `harness compare` as people meet it: findings and exit codes, of files and of two builds in turn.

mod common;

use common::{asked, fixture, put, refused};
use serde_json::{Value, json};
use std::path::Path;

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
    assert!(text.ends_with("\nexit 3: what cannot be told may be worse\n"), "{text}");
    let better = asked(&["compare", &slow, &base]);
    let text = String::from_utf8(better.stdout).unwrap();
    assert!(better.status.code() == Some(0) && text.contains("inconclusive"), "{text}");
    assert_eq!(asked(&["compare", &slow, &base, "--strict"]).status.code(), Some(3));
}

#[test]
fn what_a_process_has_one_value_of_is_no_regression_by_itself() {
    let directory = tempfile::tempdir().unwrap();
    let soak = |p99: f64, heap: f64| {
        let windows: Vec<Value> = (1..=20)
            .map(|n| json!({"untilMs": f64::from(n), "latency": {"count": 9, "p99": p99 + f64::from(n) / 1e3}}))
            .collect();
        json!({"scenario": "soak", "config": {}, "success": true, "metrics": {
            "messagesPerSec": 9.0, "latency": {"p99": p99}, "latencyOverTime": windows,
            "memory": {"peakRssMB": 22.0, "heapUsedMB": heap}}})
    };
    let base = put(directory.path(), "base.json", &soak(7.0, 5.4));
    for (p99, heap, code, said) in [
        (14.0, 5.4, 3, "cannot be told: p99, +100.0 % by 1 and 1 values"),
        (7.0, 6.2, 3, "cannot be told: heap used, +14.8 % by 1 and 1 values"),
        (7.0, 25.4, 1, "regression: heap used"),
        (7.1, 5.3, 0, "no difference"),
    ] {
        let output = asked(&["compare", &base, &put(directory.path(), "current.json", &soak(p99, heap))]);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(
            output.status.code() == Some(code) && text.contains(said),
            "{said}: {:?}\n{text}",
            output.status
        );
    }
}

/// `result` with the CPUs this far apart before and after every sample, in nanoseconds.
fn apart(result: &Value, distance: f64) -> Value {
    let mut result = result.clone();
    for iteration in result["metrics"]["iterations"].as_array_mut().expect("iterations") {
        iteration["noise"]["placementBeforeNs"] = json!(distance);
        iteration["noise"]["placementAfterNs"] = json!(distance);
    }
    result
}

#[test]
fn sides_whose_cpus_were_never_as_far_apart_do_not_compare_and_that_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let near = put(directory.path(), "near.json", &apart(&fixture("throughput"), 15.0));
    let far = put(directory.path(), "far.json", &apart(&at_speed(&fixture("throughput"), 0.3), 210.0));
    for (base, current, distances) in [
        (&near, &far, "15 ns in BASE and 210 ns in CURRENT"),
        (&far, &near, "210 ns in BASE and 15 ns in CURRENT"),
    ] {
        let output = asked(&["compare", base, current]);
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(3), "{text}");
        assert!(text.contains("\ninconclusive: ") && text.contains("cannot be told: throughput, "), "{text}");
        assert!(text.contains(&format!("no common distance: {distances}")), "{text}");
        let json = asked(&["compare", base, current, "--json"]);
        let object: Value = serde_json::from_slice(&json.stdout).unwrap();
        let row = &object["metrics"][0];
        assert_eq!((&row["finding"], &row["placements"]), (&json!("inconclusive"), &json!(0)), "{object:#}");
        assert!(row.get("changePercent").is_none() && row.get("intervalPercent").is_none(), "{object:#}");
    }
    let same = asked(&["compare", &near, &near]);
    assert!(same.status.success() && !String::from_utf8(same.stdout).unwrap().contains("no common distance"));
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
fn whoever_interleaves_is_told_of_more_rounds_and_whoever_does_not_of_interleaving() {
    let directory = tempfile::tempdir().unwrap();
    let mut result = fixture("throughput");
    result["metrics"].as_object_mut().unwrap().remove("iterations");
    let (near, far) = (apart(&fixture("throughput"), 15.0), apart(&fixture("throughput"), 210.0));
    for (base, current) in [(&result, at_speed(&result, 0.7)), (&near, far)] {
        let a = stand_in(directory.path(), "a", base);
        let b = stand_in(directory.path(), "b", &current);
        let output = asked(&["compare", "--interleave", &a, &b, "--rounds", "1"]);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.code() == Some(3) && text.contains("more --rounds"), "{text}");
        assert!(!text.contains("--interleave") && !text.contains("iterations"), "{text}");
        let files = ["a", "b"].map(|name| format!("{}/{name}.json", directory.path().display()));
        let text = String::from_utf8(asked(&["compare", &files[0], &files[1]]).stdout).unwrap();
        assert!(text.contains("--interleave") && !text.contains("--rounds"), "{text}");
    }
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
