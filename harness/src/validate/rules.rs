//! What a schema cannot say about a result.
//!
//! Most of these rules look at every object wherever it is, whatever the scenario.

use serde_json::{Map, Value};

use super::Flaw;
use crate::latency::samples_needed;
use crate::level::GROWTH;
use crate::num;
use crate::scenario::soak;

/// Adds what is wrong with `result`.
pub(super) fn check(result: &Value, flaws: &mut Vec<Flaw>) {
    walk(result, "$", flaws);
    let timestamp = result["environment"]["timestamp"].as_str();
    if let Some(text) = timestamp.filter(|text| text.parse::<jiff::Timestamp>().is_err()) {
        flaws.push(Flaw::new(
            "$.environment.timestamp",
            format!("must be a time such as 2026-01-31T12:00:00Z, is {text}"),
        ));
    }
    verdict(result, flaws);
    for (index, account) in result["ledger"].as_array().into_iter().flatten().enumerate() {
        let buried = buried(result);
        ledger(account, buried, &format!("$.ledger[{index}]"), flaws);
    }
    deliveries(result, flaws);
    noise(&result["noise"], flaws);
    saturation(&result["metrics"], flaws);
    for (index, level) in result["metrics"]["levels"].as_array().into_iter().flatten().enumerate() {
        level_holds(level, &format!("$.metrics.levels[{index}]"), flaws);
    }
}

/// How many messages became dead letters: where the run ended before it had an outcome, by their own account.
fn buried(result: &Value) -> u64 {
    let mut accounts = result["ledger"].as_array().into_iter().flatten();
    let account = accounts.rfind(|account| account["subscription"] == soak::DEAD_LETTERS);
    let told = result["metrics"]["deadLettered"].as_u64();
    told.or_else(|| account?["accepted"].as_u64()).unwrap_or(0)
}

/// Nulls, negative numbers, zero rates, and percentiles, at any depth.
fn walk(value: &Value, path: &str, flaws: &mut Vec<Flaw>) {
    match value {
        Value::Null => flaws.push(Flaw::new(
            path,
            "is null, which is what becomes of NaN; what was not measured is left out".to_owned(),
        )),
        Value::Number(number) => {
            let name = path.rsplit('.').next().unwrap_or(path);
            let number = number.as_f64().unwrap_or(f64::NAN);
            if number < 0.0 && !name.ends_with("Slope") {
                flaws.push(Flaw::new(path, format!("must not be negative, is {number}")));
            }
            if number == 0.0 && name.ends_with("PerSec") {
                zero(path, "a rate", flaws);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                walk(item, &format!("{path}[{index}]"), flaws);
            }
        }
        Value::Object(map) => {
            if map.contains_key("count") && FIGURES.iter().any(|name| map.contains_key(*name)) {
                latency(map, path, flaws);
            }
            for (name, value) in map {
                walk(value, &format!("{path}.{name}"), flaws);
            }
        }
        Value::Bool(_) | Value::String(_) => {}
    }
}

/// What latencies are told by, in order, and the mean, which is somewhere between.
const ORDERED: [&str; 7] = ["min", "p50", "p95", "p99", "p999", "p9999", "max"];
const FIGURES: [&str; 8] = ["min", "p50", "p95", "p99", "p999", "p9999", "max", "mean"];

/// A zero that nobody measured. Where the schema names the figure it has refused it already.
fn zero(path: &str, what: &str, flaws: &mut Vec<Flaw>) {
    if !flaws.iter().any(|flaw| flaw.path == path) {
        flaws.push(Flaw::new(path, format!("is {what} of zero; what was not measured is left out")));
    }
}

/// Percentiles in order and backed by enough, no figure zero or of nothing, the mean between the ends, and the pictures in
/// agreement with them.
fn latency(map: &Map<String, Value>, path: &str, flaws: &mut Vec<Flaw>) {
    let figure = |name: &str| map.get(name).and_then(Value::as_f64);
    let count = map.get("count").and_then(Value::as_u64).unwrap_or(0);
    let mut before: Option<(&str, f64)> = None;
    for name in FIGURES.into_iter().filter(|name| figure(name).is_some()) {
        let path = format!("{path}.{name}");
        if figure(name) == Some(0.0) {
            zero(&path, "a latency", flaws);
        } else if count == 0 {
            flaws.push(Flaw::new(&path, "is there, and nothing was counted".to_owned()));
        }
    }
    for name in ORDERED {
        let Some(value) = figure(name) else { continue };
        if let Some((lower, least)) = before.filter(|&(_, least)| value < least) {
            flaws.push(Flaw::new(
                &format!("{path}.{name}"),
                format!("is {value}, below {lower} with {least}"),
            ));
        }
        before = Some((name, value));
    }
    for (name, q) in [("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("p999", 0.999), ("p9999", 0.9999)] {
        let needed = samples_needed(q);
        if figure(name).is_some() && count < needed {
            flaws.push(Flaw::new(
                &format!("{path}.{name}"),
                format!("takes {} samples, and there are {}", num::grouped(needed), num::grouped(count)),
            ));
        }
    }
    if let (Some(min), Some(mean), Some(max)) = (figure("min"), figure("mean"), figure("max")) {
        // The histogram knows three digits.
        if mean < min * 0.999 || mean > max * 1.001 {
            flaws.push(Flaw::new(&format!("{path}.mean"), format!("is {mean}, not between {min} and {max}")));
        }
    }
    let pairs = |name: &str| -> Vec<(f64, f64)> {
        let items = map.get(name).and_then(Value::as_array).into_iter().flatten();
        items.filter_map(|pair| Some((pair.get(0)?.as_f64()?, pair.get(1)?.as_f64()?))).collect()
    };
    if !pairs("curve").is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1) {
        flaws.push(Flaw::new(&format!("{path}.curve"), "does not rise".to_owned()));
    }
    let histogram = pairs("histogram");
    let total: f64 = histogram.iter().map(|&(_, count)| count).sum();
    if !histogram.is_empty() && num::whole(total) != count {
        flaws.push(Flaw::new(
            &format!("{path}.histogram"),
            format!("holds {total} samples, and the count is {count}"),
        ));
    }
}

/// Success excludes errors, an end before the time, and publishers that failed.
fn verdict(result: &Value, flaws: &mut Vec<Flaw>) {
    if result["success"] == true && result.get("errors").is_some() {
        flaws.push(Flaw::new("$.errors", "are there although the run was a success".to_owned()));
    }
    if result["success"] == true && result["incomplete"] == true {
        flaws.push(Flaw::new("$.incomplete", "is true in a run that succeeded".to_owned()));
    }
    let rate = result["metrics"]["successRate"].as_f64().filter(|rate| *rate < 1.0);
    if let (Some(rate), true) = (rate, result["success"] == true) {
        flaws.push(Flaw::new("$.metrics.successRate", format!("is {rate} in a run that succeeded")));
    }
}

/// A machine was too noisy for reasons that are told, or for none.
fn noise(noise: &Value, flaws: &mut Vec<Flaw>) {
    let has_reasons = noise["reasons"].as_array().is_some_and(|reasons| !reasons.is_empty());
    match noise["noisy"].as_bool() {
        Some(false) if has_reasons => {
            flaws.push(Flaw::new("$.noise.noisy", "is false although there are reasons".to_owned()));
        }
        Some(true) if !has_reasons => {
            flaws.push(Flaw::new("$.noise.noisy", "is true without reasons".to_owned()));
        }
        _ => {}
    }
}

/// What is said of all levels together is what they say.
fn saturation(metrics: &Value, flaws: &mut Vec<Flaw>) {
    let Some(levels) = metrics["levels"].as_array() else { return };
    let at = |percent: &f64| levels.iter().find(|level| level["percent"].as_f64() == Some(*percent));
    let knee = metrics["knee"]["percent"].as_f64();
    if let Some(percent) = knee.filter(|percent| at(percent).is_none_or(|level| level["held"] == false)) {
        flaws.push(Flaw::new("$.metrics.knee.percent", format!("is {percent}, at which no level held")));
    }
    let headline = metrics["headlinePercent"].as_f64();
    if let Some(percent) = headline.filter(|percent| at(percent).is_none()) {
        flaws.push(Flaw::new(
            "$.metrics.headlinePercent",
            format!("is {percent}, and there is no such level"),
        ));
    }
    let torn = levels.iter().filter(|level| level["held"] == false).count();
    if let Some(saturated) = metrics["saturated"].as_bool().filter(|saturated| *saturated != (torn > 0)) {
        flaws.push(Flaw::new(
            "$.metrics.saturated",
            format!("is {saturated} although {torn} of {} levels did not hold", levels.len()),
        ));
    }
}

/// Accepted is delivered, dropped by policy, or lost; and a balanced account has no fault, and an ack for every delivery but
/// those of messages that were `buried` as dead letters.
fn ledger(account: &Value, buried: u64, path: &str, flaws: &mut Vec<Flaw>) {
    let figure = |name: &str| account[name].as_u64().unwrap_or(0);
    let (accepted, delivered) = (figure("accepted"), figure("delivered"));
    let (dropped, lost) = (figure("droppedByPolicy"), figure("lost"));
    let sum = delivered.saturating_add(dropped).saturating_add(lost);
    if accepted != sum && account["balanced"] != false {
        flaws.push(Flaw::new(
            path,
            format!("does not add up: {accepted} accepted, but {delivered} delivered + {dropped} dropped + {lost} lost"),
        ));
    }
    if account["balanced"] == true {
        let acked = figure("acked");
        if acked > delivered || delivered - acked > buried {
            flaws.push(Flaw::new(
                &format!("{path}.acked"),
                format!("is {acked} of {delivered} delivered in a balanced account"),
            ));
        }
        for name in ["lost", "duplicated", "outOfOrder", "corrupt"] {
            if figure(name) > 0 {
                flaws.push(Flaw::new(
                    &format!("{path}.balanced"),
                    format!("is true although {name} is {}", figure(name)),
                ));
            }
        }
    }
}

/// A success delivered what it was expected to, with every account balanced.
fn deliveries(result: &Value, flaws: &mut Vec<Flaw>) {
    if result["success"] != true {
        return;
    }
    let metrics = &result["metrics"];
    if let (Some(expected), Some(received)) = (metrics["expected"].as_u64(), metrics["received"].as_u64())
        && expected != received
    {
        flaws.push(Flaw::new(
            "$.metrics.received",
            format!("is {received} of {expected} in a run that succeeded"),
        ));
    }
    for (index, account) in result["ledger"].as_array().into_iter().flatten().enumerate() {
        if account["balanced"] == false {
            flaws.push(Flaw::new(
                &format!("$.ledger[{index}].balanced"),
                "is false in a run that succeeded".to_owned(),
            ));
        }
        if let Some(lost) = account["lost"].as_u64().filter(|lost| *lost > 0) {
            flaws.push(Flaw::new(
                &format!("$.ledger[{index}].lost"),
                format!("is {lost} in a run that succeeded"),
            ));
        }
    }
}

/// A level does not hold while its backlog grows. Its rounds may each have been offered another rate.
fn backlog_grows(level: &Value, path: &str, flaws: &mut Vec<Flaw>) {
    let rounds = level["rounds"].as_array().into_iter().flatten();
    let offered = rounds.chain([level]).filter_map(|one| one["offeredRate"].as_f64()).fold(0.0, f64::max);
    let slope = level["backlogSlope"].as_f64().filter(|slope| *slope > GROWTH * offered);
    if let (Some(slope), true) = (slope, level["held"] == true) {
        flaws.push(Flaw::new(
            &format!("{path}.held"),
            format!("is true although the backlog grew by {} a second", num::signed(slope)),
        ));
    }
}

/// A level holds if most of its rounds did, and then it achieved at least 98 % of what was offered.
fn level_holds(level: &Value, path: &str, flaws: &mut Vec<Flaw>) {
    if let Some(rounds) = level["rounds"].as_array() {
        let held = rounds.iter().filter(|round| round["held"] == true).count();
        if (2 * held > rounds.len()) != (level["held"] == true) {
            flaws.push(Flaw::new(
                &format!("{path}.held"),
                format!("is {} although {held} of {} rounds held", level["held"], rounds.len()),
            ));
        }
    }
    backlog_grows(level, path, flaws);
    let (Some(offered), Some(achieved)) = (level["offeredRate"].as_f64(), level["achievedRate"].as_f64())
    else {
        return;
    };
    if level["held"] == true && achieved < 0.98 * offered {
        flaws.push(Flaw::new(
            &format!("{path}.held"),
            format!(
                "is true although {} of {} a second were achieved",
                num::signed(achieved),
                num::signed(offered)
            ),
        ));
    }
}
