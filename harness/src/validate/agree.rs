//! What a result says in two places, where the harness never says two things: its books and the engine's, the noise and its
//! verdict, the whole and the part that it is taken from, a criterion and what was measured for it.

use serde_json::Value;

use super::Flaw;
use super::figures::same;
use crate::scenario::{DISTURBED, fanout, firehose};

/// Adds what does not agree in `result`.
pub(super) fn check(result: &Value, flaws: &mut Vec<Flaw>) {
    engine(result, flaws);
    disturbed(&result["noise"], flaws);
    capacity(&result["metrics"], flaws);
    headline(&result["metrics"], flaws);
    multiples(result, flaws);
    rises(&result["metrics"], flaws);
    if result["success"] == true {
        counted(result, flaws);
        levels(result, flaws);
        criteria(result, flaws);
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// In a balanced account the engine's counters are the harness's, and nothing is left. (In a soak it delivers again.)
fn engine(result: &Value, flaws: &mut Vec<Flaw>) {
    for (index, account) in list(&result["ledger"]).iter().enumerate() {
        if account["balanced"] != true {
            continue;
        }
        let mut wanted = vec![("acked", account["acked"].as_u64()), ("backlog", Some(0))];
        wanted.push(("dropped", account["droppedByPolicy"].as_u64()));
        if result["scenario"] != "soak" {
            wanted.push(("delivered", account["delivered"].as_u64()));
        }
        for (name, wanted) in wanted {
            let (Some(found), Some(wanted)) = (account["engine"][name].as_u64(), wanted) else { continue };
            if found != wanted {
                let path = format!("$.ledger[{index}].engine.{name}");
                flaws.push(Flaw::new(
                    &path,
                    format!("is {found} in a balanced account, and {wanted} was wanted"),
                ));
            }
        }
    }
}

/// Too many disturbed samples make a run noisy.
fn disturbed(noise: &Value, flaws: &mut Vec<Flaw>) {
    let (Some(disturbed), Some(samples)) = (noise["disturbed"].as_f64(), noise["samples"].as_f64()) else {
        return;
    };
    if disturbed > DISTURBED * samples && noise["noisy"] == false {
        flaws.push(Flaw::new(
            "$.noise.noisy",
            format!("is false although {disturbed} of {samples} samples were disturbed"),
        ));
    }
}

/// The closed loops are in order; and a capacity that was searched is its share of them.
fn capacity(metrics: &Value, flaws: &mut Vec<Flaw>) {
    let figure = |name: &str| metrics[name].as_f64();
    let ordered = ["closedLoopLowest", "closedLoopMaximum", "closedLoopHighest"];
    let told: Vec<(&str, f64)> = ordered.iter().filter_map(|name| Some((*name, figure(name)?))).collect();
    for pair in told.windows(2).filter(|pair| pair[0].1 > pair[1].1) {
        let [(lower, least), (name, value)] = [pair[0], pair[1]];
        flaws
            .push(Flaw::new(&format!("$.metrics.{name}"), format!("is {value}, below {lower} with {least}")));
    }
    if figure("searches").is_some_and(|searches| searches > 0.0)
        && let (Some(share), Some(closed)) = (figure("capacityShare"), figure("closedLoopMaximum"))
    {
        let what = "capacityShare of closedLoopMaximum";
        same(metrics, "capacity", "$.metrics", Some(share * closed), what, flaws);
    }
}

/// The latency of a saturation run is that of the level that it tells first.
fn headline(metrics: &Value, flaws: &mut Vec<Flaw>) {
    let percent = metrics["headlinePercent"].as_f64();
    let is_it = |level: &&Value| percent.is_some() && level["percent"].as_f64() == percent;
    let Some(level) = list(&metrics["levels"]).iter().find(is_it) else { return };
    for name in ["count", "min", "p50", "p95", "p99", "p999", "p9999", "max", "mean"] {
        let wanted = level["latency"][name].as_f64();
        same(&metrics["latency"], name, "$.metrics.latency", wanted, "that at headlinePercent", flaws);
    }
}

/// What follows from the rate: deliveries, and bytes.
fn multiples(result: &Value, flaws: &mut Vec<Flaw>) {
    let (config, metrics) = (&result["config"], &result["metrics"]);
    let mut deliveries = |part: &Value, subscriptions: &Value, path: &str| {
        let wanted =
            part["messagesPerSec"].as_f64().zip(subscriptions.as_f64()).map(|(rate, count)| rate * count);
        same(part, "deliveriesPerSec", path, wanted, "messagesPerSec for each subscription", flaws);
    };
    if result["scenario"] == "throughput" {
        deliveries(metrics, &config["subscriptions"], "$.metrics");
        let bytes = metrics["messagesPerSec"].as_f64().zip(config["payloadBytes"].as_f64());
        let wanted = bytes.map(|(rate, size)| rate * size);
        same(metrics, "bytesPerSec", "$.metrics", wanted, "payloadBytes for each of messagesPerSec", flaws);
    } else {
        for (index, point) in list(&metrics["points"]).iter().enumerate() {
            deliveries(point, &point["subscriptions"], &format!("$.metrics.points[{index}]"));
        }
    }
}

/// No more latencies than deliveries. (In a soak some are made again.)
fn counted(result: &Value, flaws: &mut Vec<Flaw>) {
    let accounts = list(&result["ledger"]);
    let deliveries: u64 = accounts.iter().filter_map(|account| account["accepted"].as_u64()).sum();
    let count = result["metrics"]["latency"]["count"].as_u64().filter(|_| result["scenario"] != "soak");
    if let Some(count) = count.filter(|count| *count > deliveries) {
        flaws.push(Flaw::new(
            "$.metrics.latency.count",
            format!("is {count}, and {deliveries} messages were accepted for all subscriptions"),
        ));
    }
}

/// A run that succeeded has run every level that it was to.
fn levels(result: &Value, flaws: &mut Vec<Flaw>) {
    let (Some(wanted), Some(levels)) =
        (result["config"]["levels"].as_array(), result["metrics"]["levels"].as_array())
    else {
        return;
    };
    let ran: Vec<Option<f64>> = levels.iter().map(|level| level["percent"].as_f64()).collect();
    if ran != wanted.iter().map(Value::as_f64).collect::<Vec<_>>() {
        flaws.push(Flaw::new(
            "$.metrics.levels",
            "are not those of config.levels in a run that succeeded".to_owned(),
        ));
    }
}

/// What a scenario asks of a run that succeeds.
fn criteria(result: &Value, flaws: &mut Vec<Flaw>) {
    let metrics = &result["metrics"];
    for form in ["threads", "tasks"].into_iter().filter(|form| !list(&metrics[*form]["refusals"]).is_empty())
    {
        flaws.push(Flaw::new(
            &format!("$.metrics.{form}.refusals"),
            "are there in a run that succeeded".to_owned(),
        ));
    }
    if result["scenario"] == "firehose" {
        for (index, case) in list(&metrics["cases"]).iter().enumerate() {
            let p99 = case["publishLatency"]["p99"].as_f64();
            if p99.is_none_or(|p99| p99 >= firehose::P99_MS) {
                let told = p99.map_or_else(|| "missing".to_owned(), |p99| p99.to_string());
                flaws.push(Flaw::new(
                    &format!("$.metrics.cases[{index}].publishLatency.p99"),
                    format!(
                        "is {told} in a run that succeeded, and below {} ms was wanted",
                        firehose::P99_MS
                    ),
                ));
            }
        }
    }
}

/// What costs more is more than a tenth more. (The other way round it may be noise, and is then not told.)
fn rises(metrics: &Value, flaws: &mut Vec<Flaw>) {
    let ratio = metrics["costRatio"].as_f64().filter(|ratio| *ratio <= fanout::RISES);
    if let (Some(ratio), true) = (ratio, metrics["costRises"] == true) {
        flaws.push(Flaw::new("$.metrics.costRises", format!("is true although costRatio is {ratio}")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn flaws(result: &Value) -> Vec<String> {
        let mut flaws = Vec::new();
        check(result, &mut flaws);
        flaws.iter().map(ToString::to_string).collect()
    }

    fn result(scenario: &str, metrics: &Value) -> Value {
        json!({"scenario": scenario, "success": true, "metrics": metrics, "config": {"levels": [50.0, 90.0]},
            "noise": {"noisy": false, "samples": 8, "disturbed": 2},
            "ledger": [{"balanced": true, "accepted": 9, "delivered": 9, "acked": 9,
                        "droppedByPolicy": 0,
                        "engine": {"delivered": 9, "acked": 9, "dropped": 0, "backlog": 0}}]})
    }

    /// `pointer` of `result` set to `value` has this flaw, and no other; without that there is none.
    fn refused(result: &Value, pointer: &str, value: &Value, told: &str) {
        assert_eq!(flaws(result), [""; 0], "{result}");
        let mut wrong = result.clone();
        *wrong.pointer_mut(pointer).unwrap() = value.clone();
        let found = flaws(&wrong);
        assert!(found.len() == 1 && found[0].contains(told), "{pointer}: {found:?}");
    }

    #[test]
    fn the_engine_and_the_harness_count_the_same() {
        let plain = result("throughput", &json!({}));
        for (name, wanted) in [("delivered", 9), ("acked", 9), ("dropped", 0), ("backlog", 0)] {
            let told = format!("engine.{name} is 5 in a balanced account, and {wanted} was wanted");
            refused(&plain, &format!("/ledger/0/engine/{name}"), &json!(5), &told);
        }
        let mut again = result("soak", &json!({"latency": {"count": 12}}));
        again["ledger"][0]["engine"]["delivered"] = json!(12);
        assert_eq!(flaws(&again), [""; 0], "a soak delivers some again");
    }

    #[test]
    fn too_many_disturbed_samples_are_noisy_and_no_more_is_counted_than_was_delivered() {
        let plain = result("throughput", &json!({"latency": {"count": 9}}));
        refused(&plain, "/noise/disturbed", &json!(3), "noisy is false although 3 of 8 samples");
        refused(&plain, "/metrics/latency/count", &json!(10), "count is 10, and 9 messages were accepted");
    }

    #[test]
    fn a_saturation_run_agrees_with_its_levels_and_closed_loops() {
        let level = |percent: f64| json!({"percent": percent, "latency": {"count": 9, "p99": percent}});
        let run = result(
            "saturation",
            &json!({"searches": 1, "capacity": 9.0, "capacityShare": 0.9, "headlinePercent": 90.0,
            "closedLoopLowest": 5.0, "closedLoopMaximum": 10.0, "closedLoopHighest": 20.0,
            "latency": {"count": 9, "p99": 90.0}, "levels": [level(50.0), level(90.0)]}),
        );
        for (pointer, value, told) in [
            ("/metrics/latency/p99", json!(50.0), "latency.p99 is 50, and that at headlinePercent is 90"),
            (
                "/metrics/closedLoopLowest",
                json!(11.0),
                "closedLoopMaximum is 10, below closedLoopLowest with 11",
            ),
            (
                "/metrics/closedLoopHighest",
                json!(9.0),
                "closedLoopHighest is 9, below closedLoopMaximum with 10",
            ),
            (
                "/metrics/capacityShare",
                json!(0.5),
                "capacity is 9, and capacityShare of closedLoopMaximum is 5",
            ),
            ("/config/levels", json!([50.0]), "levels are not those of config.levels"),
        ] {
            refused(&run, pointer, &value, told);
        }
    }

    #[test]
    fn deliveries_and_bytes_follow_from_the_rate() {
        let mut plain = result(
            "throughput",
            &json!({"messagesPerSec": 5.0, "deliveriesPerSec": 15.0, "bytesPerSec": 5_120.0}),
        );
        (plain["config"]["subscriptions"], plain["config"]["payloadBytes"]) = (json!(3), json!(1_024));
        refused(
            &plain,
            "/metrics/deliveriesPerSec",
            &json!(5.0),
            "deliveriesPerSec is 5, and messagesPerSec",
        );
        refused(&plain, "/metrics/bytesPerSec", &json!(5.0), "bytesPerSec is 5, and payloadBytes");
        let point = json!({"subscriptions": 10, "messagesPerSec": 5.0, "deliveriesPerSec": 50.0});
        let fanout = result("fanout", &json!({"points": [point]}));
        let wrong = "points[0].deliveriesPerSec is 5, and messagesPerSec";
        refused(&fanout, "/metrics/points/0/deliveriesPerSec", &json!(5.0), wrong);
    }

    #[test]
    fn a_success_met_the_criteria_of_its_scenario() {
        let hose = result("firehose", &json!({"cases": [{"publishLatency": {"p99": 0.9}}]}));
        let slow = "cases[0].publishLatency.p99 is 1 in a run that succeeded, and below 1 ms was wanted";
        refused(&hose, "/metrics/cases/0/publishLatency/p99", &json!(1.0), slow);
        refused(&hose, "/metrics/cases/0/publishLatency", &json!({}), "p99 is missing");
        let herd = result("thundering-herd", &json!({"threads": {"refusals": []}, "tasks": {}}));
        refused(&herd, "/metrics/threads/refusals", &json!(["closed"]), "threads.refusals are there");
        let fanout =
            json!({"scenario": "fanout", "success": false, "metrics": {"costRises": true, "costRatio": 1.3}});
        refused(&fanout, "/metrics/costRatio", &json!(1.1), "costRises is true although costRatio is 1.1");
    }
}
