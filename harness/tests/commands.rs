//! The sub-commands as people meet them: exit codes, one line of refusal, and nothing on stdout but the result.

mod common;

use common::{asked, fixture, put, refused};
use serde_json::{Value, json};

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

/// Of runs that are one series, or have several parts.
#[test]
fn figures_that_contradict_one_another_are_told() {
    let directory = tempfile::tempdir().unwrap();
    let part = |rate: f64| json!({"messagesPerSec": rate});
    for (pointer, value, told) in [
        ("/messagesPerSec", json!(1e15), "$.metrics.messagesPerSec is 1000000000000000, and its samples are"),
        ("/iterations/0/messages", json!(5), "$.metrics.iterations[0].messagesPerSec is"),
        ("/costRises", json!(true), "$.metrics.costRises is true in a run that succeeded"),
        ("/points", json!([part(1.0), part(2.0)]), "which no part of the run had"),
        ("/endRssMB", json!(500), "$.metrics.endRssMB is 500 after 50 in a run that succeeded"),
        ("/rssGrowth", json!(0.05), "$.metrics.rssGrowth is 0.05, from 50 to 50"),
    ] {
        let mut result = fixture("throughput");
        result["metrics"]["plateauRssMB"] = json!(50);
        result["metrics"]["endRssMB"] = json!(50);
        match result["metrics"].pointer_mut(pointer) {
            Some(figure) => *figure = value,
            None => result["metrics"][&pointer[1..]] = value,
        }
        let file = put(directory.path(), "result.json", &result);
        let output = asked(&["validate", &file]);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.code() == Some(1) && text.contains(told), "{pointer}: {text}");
    }
}

/// It has no outcome then, and its dead letters are in their account alone.
#[test]
fn a_soak_that_ended_early_is_valid() {
    let directory = tempfile::tempdir().unwrap();
    let mut result = fixture("throughput");
    result["success"] = json!(false);
    result["errors"] = json!(["interrupted"]);
    let account = |name: &str, delivered: u64, acked: u64| json!({"subscription": name, "accepted": delivered, "delivered": delivered, "acked": acked, "lost": 0, "balanced": true});
    for (buried, code) in [(527, 0), (526, 1)] {
        result["ledger"] =
            json!([account("subscription 2", 5_000, 4_473), account("dead letters", buried, buried)]);
        let file = put(directory.path(), "result.json", &result);
        assert_eq!(asked(&["validate", &file]).status.code(), Some(code));
    }
}

#[test]
fn a_report_writes_over_no_result_and_no_picture() {
    let directory = tempfile::tempdir().unwrap();
    let file = put(directory.path(), "result.json", &fixture("saturation"));
    let page = directory.path().join("page.html");
    let page = page.to_str().unwrap();
    assert!(refused(&["report", &file, "-o", &file]).contains("is a result, and would be written over"));
    assert!(refused(&["report", &file, "--svg", &file]).contains("would be written over"));
    assert!(refused(&["report", &file, "-o", page, "--svg", page]).contains("give each a file of its own"));
    // Under another name, also before it is there.
    std::fs::create_dir(directory.path().join("sub")).unwrap();
    let again = directory.path().join("sub/../page.html");
    let again = again.to_str().unwrap();
    assert!(refused(&["report", &file, "-o", again, "--svg", page]).contains("give each a file of its own"));
    assert!(asked(&["validate", &file]).status.success());
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
        ("/ledger", json!([]), "$.ledger has 0 items"),
        ("/ledger", remove.clone(), "$.ledger is missing"),
        ("/scenario", json!("firehose"), "$.metrics.cases is missing"),
        ("/scenario", json!("soak"), "$.metrics.latencyOverTime is missing"),
        ("/scenario", json!("replay"), "$.metrics.replayedMs is missing"),
        ("/scenario", json!("fanout"), "$.metrics.points is missing"),
        (
            "/metrics/publishLatency",
            json!({"count": 9, "min": 0, "max": 1, "mean": 1}),
            "$.metrics.publishLatency.min must be above 0",
        ),
        (
            "/metrics/points",
            json!([{"lastAckLatency": {"count": 9, "min": 2, "max": 1, "mean": 1}}]),
            "$.metrics.points[0].lastAckLatency.max is 1, below min with 2",
        ),
        (
            "/metrics/latencyOverTime",
            json!([{"untilMs": 1, "latency": {"count": 9, "min": 0, "max": 1, "mean": 1}}]),
            "$.metrics.latencyOverTime[0].latency.min must be above 0",
        ),
        (
            "/metrics/anything",
            json!({"count": 9, "min": 0, "max": 1}),
            "$.metrics.anything.min is a latency of zero",
        ),
        ("/metrics/anything", json!({"count": 9, "p99": 1}), "$.metrics.anything.p99 takes 10,000 samples"),
        (
            "/metrics/anything",
            json!({"count": 0, "max": 1}),
            "$.metrics.anything.max is there, and nothing was counted",
        ),
        ("/ledger/0/accepted", json!(1), "$.ledger[0] does not add up"),
        ("/ledger/0/duplicated", json!(3), "$.ledger[0].balanced is true although duplicated is 3"),
        ("/ledger/0/balanced", json!(false), "$.ledger[0].balanced is false in a run that succeeded"),
        ("/ledger/0/acked", json!(5), "$.ledger[0].acked is 5 of 65199306 delivered in a balanced account"),
        ("/ledger/0/acked", json!(65_199_307), "$.ledger[0].acked is 65199307 of 65199306 delivered"),
        (
            "/metrics/levels/0/backlogSlope",
            json!(1e6),
            "$.metrics.levels[0].held is true although the backlog",
        ),
        ("/metrics/knee/percent", json!(60), "$.metrics.knee.percent is 60, at which no level held"),
        ("/metrics/knee/percent", json!(110), "$.metrics.knee.percent is 110, at which no level held"),
        (
            "/metrics/headlinePercent",
            json!(60),
            "$.metrics.headlinePercent is 60, and there is no such level",
        ),
        (
            "/metrics/saturated",
            json!(false),
            "$.metrics.saturated is false although 2 of 6 levels did not hold",
        ),
        (
            "/metrics/levels/3/achievedRate",
            json!(2e7),
            "$.metrics.levels[3].achievedRate is 20000000 of 9650000",
        ),
        (
            "/metrics/knee/percent",
            json!(50),
            "$.metrics.knee.percent is 50, and the highest level that is one is 90",
        ),
        ("/metrics/knee/rate", json!(1e6), "$.metrics.knee.rate is 1000000, and what was achieved there is"),
        ("/metrics/knee/p99", json!(1), "$.metrics.knee.p99 is 1, and the p99 there is 0.008284"),
        ("/metrics/knee", remove.clone(), "$.metrics.knee is missing, and 90 % is one"),
        (
            "/metrics/messagesPerSec",
            json!(1e6),
            "$.metrics.messagesPerSec is 1000000, and what was achieved at",
        ),
        ("/noise/disturbed", json!(1_000_000), "$.noise.disturbed is 1000000 of"),
        ("/noise/worst", json!({"stealPercent": 150}), "$.noise.worst.stealPercent is 150 %"),
        ("/incomplete", json!(true), "$.incomplete is true in a run that succeeded"),
        ("/noise/reasons", json!(["stolen from"]), "$.noise.noisy is false although there are reasons"),
        ("/noise/noisy", json!(true), "$.noise.noisy is true without reasons"),
        ("/metrics/successRate", json!(0.5), "$.metrics.successRate is 0.5 in a run that succeeded"),
        ("/scenario", json!("nonsense"), "$.scenario must be one of"),
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
fn what_is_lost_in_a_run_that_succeeded_is_a_flaw_whatever_the_account_says_of_itself() {
    let directory = tempfile::tempdir().unwrap();
    let mut result = fixture("throughput");
    let account = result["ledger"][0].as_object_mut().unwrap();
    account.remove("balanced");
    let delivered = account["delivered"].as_u64().unwrap();
    account.insert("lost".to_owned(), json!(5));
    account.insert("accepted".to_owned(), json!(delivered + 5));
    let output = asked(&["validate", &put(directory.path(), "lost.json", &result)]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("$.ledger[0].lost is 5 in a run that succeeded"), "{text}");
}

#[test]
fn a_time_that_is_none_is_told_once() {
    let directory = tempfile::tempdir().unwrap();
    let mut result = fixture("throughput");
    result["environment"]["timestamp"] = json!("yesterday");
    let output = asked(&["validate", &put(directory.path(), "when.json", &result)]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.lines().count() == 1 && text.contains("must be a time such as"), "{text}");
}

#[test]
fn a_result_of_another_version_is_refused_by_who_would_misread_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut result = fixture("throughput");
    let now = put(directory.path(), "now.json", &result);
    result["schemaVersion"] = json!(2);
    let then = put(directory.path(), "then.json", &result);
    for words in [&["compare", &now, &then][..], &["report", &then, "-o", "-"]] {
        let line = refused(words);
        assert!(
            line.contains("then.json") && line.contains("version 2") && line.contains("reads 1"),
            "{line}"
        );
    }
}

#[test]
fn the_herds_of_a_thundering_herd_are_looked_into() {
    let directory = tempfile::tempdir().unwrap();
    let mut result = fixture("throughput");
    result["scenario"] = json!("thundering-herd");
    result["metrics"]["threads"] = json!({"latency": {"count": 9, "min": 0, "max": 1, "mean": 1}});
    let output = asked(&["validate", &put(directory.path(), "herd.json", &result)]);
    let text = String::from_utf8(output.stdout).unwrap();
    for flaw in
        ["threads.latency.min must be above 0", "threads.floorMs is missing", "successRate is missing"]
    {
        assert!(text.contains(&format!("$.metrics.{flaw}")), "{flaw} in\n{text}");
    }
    // A soak has as many as it has.
    result["scenario"] = json!("soak");
    result["metrics"]["threads"] = json!(9);
    let output = asked(&["validate", &put(directory.path(), "soak.json", &result)]);
    assert!(!String::from_utf8(output.stdout).unwrap().contains("metrics.threads"));
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
