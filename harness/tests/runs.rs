//! Whole runs, short ones: what they print, what they write, and how they exit. Release builds only, since a debug
//! build refuses to measure.
#![cfg(not(debug_assertions))]

mod common;

use common::{harness, only_result};
use serde_json::Value;

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
    let Some(levels) = result["metrics"]["levels"].as_array() else {
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("no rate held") && result["success"] == false, "{text}");
        return; // so busy is the machine that there is nothing to take a percentage of
    };
    assert_common_fields(&result, "saturation");
    let percents: Vec<f64> = levels.iter().map(|level| level["percent"].as_f64().unwrap()).collect();
    assert_eq!(percents, [90.0, 50.0, 125.0]);
    for level in levels {
        for name in ["offeredRate", "achievedRate"] {
            assert!(level[name].as_f64().unwrap() > 0.0, "{name}");
        }
        assert!(level["held"].is_boolean() && level["latency"]["count"].as_u64().unwrap() > 0);
        // Each round offered its share of what the closed loop had just done.
        let share =
            result["metrics"]["capacityShare"].as_f64().unwrap() * level["percent"].as_f64().unwrap() / 100.0;
        let rounds = level["rounds"].as_array().unwrap();
        assert_eq!(rounds.len(), 16);
        for round in rounds {
            let [closed, offered] = ["closedLoop", "offeredRate"].map(|name| round[name].as_f64().unwrap());
            assert!((offered / closed / share - 1.0).abs() < 1e-6, "{round}");
        }
    }
    assert!(result["metrics"]["capacity"].as_f64().unwrap() > 0.0);
}

#[test]
fn roles_that_take_turns_on_one_cpu_are_no_noise_of_the_machine() {
    let directory = tempfile::tempdir().unwrap();
    // Publisher and consumer give way to each other for milliseconds, whenever there is nothing to do.
    let arguments = "--scenario saturation --quick --capacity 100k --levels 50 --iterations 1 --pin 0";
    let output = harness(arguments, directory.path());
    assert!(matches!(output.status.code(), Some(0 | 1)), "{output:?}");
    let noise = &only_result(directory.path())["noise"];
    assert!(noise["worst"].get("clockGapPercent").is_none(), "{noise}");
    assert!(!noise.to_string().contains("clock gaps"), "{noise}");
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
        "--mix 9x64,1x10KB --read all",
        "--ordering-keys 7 --shards 2",
        "--ordering-keys 3 --consumers 2",
        "--ordering-keys 5 --publishers 3",
        "--mode stream --subscriptions 2",
    ] {
        let directory = tempfile::tempdir().unwrap();
        let time = if shape.contains("--messages") { "" } else { "--duration 100ms" };
        let output = harness(&format!("--scenario throughput --quick {time} {shape}"), directory.path());
        assert_eq!(output.status.code(), Some(0), "{shape}: {output:?}");
        assert_common_fields(&only_result(directory.path()), "throughput");
    }
}

#[test]
fn a_quick_fanout_has_a_row_per_number_of_subscriptions() {
    let directory = tempfile::tempdir().unwrap();
    let arguments = "--scenario fanout --quick --subscriptions 3,5 --duration 100ms --iterations 1";
    let output = harness(arguments, directory.path());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let result = only_result(directory.path());
    assert_books(&result, 8);
    let metrics = &result["metrics"];
    assert!(
        metrics["expected"].as_u64() > Some(0) && metrics["expected"] == metrics["received"],
        "{metrics}"
    );
    assert!(metrics["costRatio"].is_number() && metrics["deliveriesPerSec"].as_f64() > Some(0.0));
    for (point, count) in metrics["points"].as_array().unwrap().iter().zip([3, 5]) {
        assert_eq!(
            (&point["subscriptions"], &point["lastAckLatency"]["count"]),
            (&count.into(), &200.into())
        );
        assert!(point["lastAckLatency"]["p50"].as_f64() > Some(0.0));
        assert!(point["lastAckLatency"].get("p99").is_none(), "200 samples tell no p99: {point}");
        assert_eq!(point["iterations"].as_array().unwrap().len(), 1, "{point}");
    }
}

#[test]
fn a_quick_firehose_has_every_case_and_bytes_only_where_they_are_written() {
    let directory = tempfile::tempdir().unwrap();
    let output = harness("--scenario firehose --quick --payload 1KB --messages 2000", directory.path());
    // On a busy machine a publish may take its millisecond.
    assert!(matches!(output.status.code(), Some(0 | 1)), "{output:?}");
    let result = only_result(directory.path());
    assert_books(&result, 2);
    assert_eq!(result["config"]["read"], "all", "what is written is checksummed");
    let metrics = &result["metrics"];
    let bandwidth = metrics["memoryBandwidth"]["bytesPerSec"].as_f64().unwrap();
    let cases = metrics["cases"].as_array().unwrap();
    let kinds: Vec<_> = cases
        .iter()
        .map(|case| (case["stored"].as_bool().unwrap(), case["form"].as_str().unwrap()))
        .collect();
    assert_eq!(kinds, [(false, "reference"), (false, "written"), (true, "reference"), (true, "written")]);
    for case in cases {
        assert_eq!(case.get("bytesPerSec").is_some(), case["form"] == "written", "{case}");
        assert_eq!(case["label"].as_str().unwrap().contains("not stored"), case["stored"] == false);
        assert!(case["publishLatency"]["p99"].as_f64() > Some(0.0), "{case}");
        let bursts = case["stored"].as_bool().unwrap().then(|| case["bursts"].as_u64().unwrap());
        let samples = case["iterations"].as_array().map(|samples| samples.len() as u64);
        assert_eq!(samples, bursts, "what comparisons are made of: {case}");
    }
    assert!(cases[3]["bytesPerSec"].as_f64().unwrap() <= bandwidth);
}

#[test]
fn a_quick_herd_is_released_as_threads_and_as_tasks() {
    let directory = tempfile::tempdir().unwrap();
    let arguments = "--scenario thundering-herd --quick --publishers 200 --subscriptions 3 --mix 1x64,1x1KB \
                     --ordering-keys 7";
    let output = harness(arguments, directory.path());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let result = only_result(directory.path());
    assert_books(&result, 3);
    let metrics = &result["metrics"];
    assert_eq!((&metrics["successRate"], &metrics["received"]), (&1.0.into(), &2_400.into()), "{metrics}");
    for form in ["threads", "tasks"] {
        for figure in ["publishedMs", "deliveredMs", "floorMs", "floorRatio", "messagesPerSec"] {
            assert!(metrics[form][figure].as_f64() > Some(0.0), "{form}.{figure}");
        }
        assert_eq!(metrics[form]["iterations"].as_array().unwrap().len(), 2, "{form}");
    }
}

#[test]
fn a_soak_balances_whatever_happens_in_it() {
    let directory = tempfile::tempdir().unwrap();
    let arguments = "--scenario soak --quick --duration 5s --capacity 200k --warmup 100ms";
    let output = harness(arguments, directory.path());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(!String::from_utf8(output.stderr).unwrap().contains("panicked"), "staged panics are not shown");
    let result = only_result(directory.path());
    assert_books(&result, 4);
    let metrics = &result["metrics"];
    for happened in ["panics", "nacked", "expired", "redelivered", "deadLettered", "visitingSubscriptions"] {
        assert!(metrics[happened].as_u64() > Some(0), "{happened} in {metrics}");
    }
    // (Whether memory grows is the run's own to judge, and it passed: seconds are too short for another opinion.)
    assert!(metrics["rssGrowth"].is_number(), "{metrics}");
    assert!(metrics["memoryOverTime"].as_array().unwrap().len() > 50, "{metrics}");
    assert!(metrics["latencyOverTime"].as_array().unwrap().len() > 10, "{metrics}");
}

#[test]
fn lines_are_replayed_in_their_order_or_at_their_times() {
    let directory = tempfile::tempdir().unwrap();
    let input = directory.path().join("lines");
    let line = |n: u32| format!("{{\"at\":{},\"user\":\"u{}\"}}\n", 100.0 + f64::from(n) / 1e3, n % 7);
    std::fs::write(&input, (0..1_000).map(line).collect::<String>()).unwrap();
    let replay = |options: &str, results: &str| {
        let results = directory.path().join(results);
        let output =
            harness(&format!("--scenario replay --quick --input {} {options}", input.display()), &results);
        assert_eq!(output.status.code(), Some(0), "{options}: {output:?}");
        let result = only_result(&results);
        assert_books(&result, 1);
        result["metrics"].clone()
    };
    let in_order = replay("", "order");
    assert!(in_order.get("recordedMs").is_none() && in_order["passes"] == 2, "{in_order}");
    assert_eq!(in_order["iterations"].as_array().unwrap().len(), 2, "{in_order}");
    let rate = in_order["messagesPerSec"].as_f64().unwrap();
    let replayed = rate * in_order["replayedMs"].as_f64().unwrap() / 1e3;
    assert!((replayed - 1_000.0).abs() < 0.1, "the rate is that of the time: {in_order}");
    // A second of recording, four times as fast.
    let timed = replay("--time-field at --key-field user --speed 4", "timed");
    assert!((timed["recordedMs"].as_f64().unwrap() - 249.75).abs() < 0.1, "{timed}");
    assert!(timed["replayedMs"].as_f64() >= Some(249.0), "{timed}");
}

/// Every account balances, and there are so many.
fn assert_books(result: &Value, accounts: usize) {
    let ledger = result["ledger"].as_array().expect("a ledger");
    assert_eq!(ledger.len(), accounts);
    for account in ledger {
        assert_eq!(account["balanced"], true, "{account}");
        assert!(account["accepted"].as_u64() > Some(0), "{account}");
    }
}

#[test]
fn what_a_sample_loses_by_policy_is_not_missing_from_the_next_one() {
    let directory = tempfile::tempdir().unwrap();
    let lossy = "--overflow drop-oldest --mode leased --ring 256";
    let output = harness(
        &format!("--scenario throughput --quick --duration 200ms --iterations 8 {lossy}"),
        directory.path(),
    );
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    let account = &only_result(directory.path())["ledger"][0];
    assert!(account["balanced"] == true && account["droppedByPolicy"].as_u64() > Some(0), "{account}");
}
