//! What a profile is of: the name of its folder, its title, and whether another is of the same.

use serde_json::{Map, Value};

use super::{Request, run};
use crate::num;

/// What is not compared: how long it took, and the capacity, which is measured anew each time.
const LENGTHS: [&str; 5] = ["capacity", "sampleMs", "warmupMs", "iterations", "quick"];
/// What a title says in words of its own.
const WORDED: [&str; 3] = ["levels", "subscriptions", "subscriptionCounts"];

/// `<scenario>-<level>`; without levels, `<scenario>-<subscriptions>`, or the scenario alone where there is one.
pub(super) fn folder(request: &Request, config: &Value) -> String {
    let many = numbers(&config["subscriptions"]);
    match request.level {
        Some(level) => format!("{}-{}", request.scenario, num::percent(level)),
        None if many.is_empty() || many == ["1"] => request.scenario.clone(),
        None => format!("{}-{}", request.scenario, many.join("-")),
    }
}

/// The scenario, its level, how many subscriptions, and what else is not as it is unless told otherwise.
pub(super) fn title(request: &Request, config: &Value) -> String {
    let mut title = request.scenario.clone();
    if let Some(level) = request.level {
        title += &format!(" at {} % of capacity", num::percent(level));
    }
    let many = numbers(config.get("subscriptionCounts").unwrap_or(&config["subscriptions"]));
    if !many.is_empty() && many != ["1"] {
        title += &format!(", {} subscriptions", many.join(", "));
    }
    let usual = usual(&request.scenario);
    for (name, value) in config.as_object().into_iter().flatten() {
        let is_said = LENGTHS.contains(&&**name) || WORDED.contains(&&**name);
        if !is_said && usual.get(name) != Some(value) {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            title += &format!(", {name} {value}");
        }
    }
    title
}

fn numbers(value: &Value) -> Vec<String> {
    let many = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    many.iter().filter_map(Value::as_u64).map(|number| number.to_string()).collect()
}

/// The configuration without options; that of `throughput` for a scenario that needs some.
fn usual(scenario: &str) -> Map<String, Value> {
    let of = |scenario: &str| run::rehearse(&["--scenario".to_owned(), scenario.to_owned()]);
    match of(scenario).or_else(|_| of("throughput")) {
        Ok(Value::Object(config)) => config,
        Ok(_) | Err(_) => Map::new(),
    }
}

/// In what the configuration of a profile, by its `meta.json`, is another.
pub(super) fn difference(meta: &Value, config: &Value) -> Option<String> {
    let [theirs, ours] = [meta["config"].as_object(), config.as_object()];
    let of = |config: Option<&Map<String, Value>>, name: &String| {
        config.and_then(|config| config.get(name)).cloned()
    };
    ours.into_iter()
        .chain(theirs)
        .flat_map(Map::keys)
        .filter(|name| !LENGTHS.contains(&&***name))
        .map(|name| (name, of(theirs, name), of(ours, name)))
        .find(|(_, theirs, ours)| theirs != ours)
        .map(|(name, theirs, ours)| differs(name, theirs.as_ref(), ours.as_ref()))
}

/// The same of the CPU that both ran on, where both say.
pub(super) fn other_cpu(meta: &Value, result: &Value) -> Option<String> {
    let [theirs, ours] = [meta, result].map(|side| side["environment"].get("cpuModel"));
    (theirs.is_some() && ours.is_some() && theirs != ours).then(|| differs("cpuModel", theirs, ours))
}

fn differs(name: &str, theirs: Option<&Value>, ours: Option<&Value>) -> String {
    let text = |value: Option<&Value>| value.map_or_else(|| "absent".to_owned(), Value::to_string);
    format!("{name} is {} in the committed profile and {} here", text(theirs), text(ours))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn request(scenario: &str, level: Option<f64>, more: &str) -> Request {
        let more = more.split_whitespace().map(str::to_owned).collect();
        Request { scenario: scenario.to_owned(), level, more, ..Request::default() }
    }

    fn config(request: &Request) -> Value {
        run::rehearse(&run::arguments(request).unwrap()).unwrap()
    }

    #[test]
    fn a_folder_is_named_by_scenario_and_level_or_subscriptions() {
        let named = |scenario, level, subscriptions: Value| {
            folder(&request(scenario, level, ""), &json!({ "subscriptions": subscriptions }))
        };
        assert_eq!(named("saturation", Some(90.0), json!(1)), "saturation-90");
        assert_eq!(named("throughput", None, json!(1)), "throughput");
        assert_eq!(named("throughput", None, json!(10)), "throughput-10");
        assert_eq!(named("fanout", None, json!([50])), "fanout-50");
        assert_eq!(named("replay", None, Value::Null), "replay");
    }

    #[test]
    fn a_title_says_what_is_not_as_usual() {
        let titled = |scenario, level, more| {
            let request = request(scenario, level, more);
            title(&request, &config(&request))
        };
        assert_eq!(titled("throughput", None, "--warmup 1s"), "throughput");
        assert_eq!(titled("fanout", None, "--subscriptions 50"), "fanout, 50 subscriptions");
        assert_eq!(
            titled("saturation", Some(90.0), "--mode leased --publishers 2 --subscriptions 3"),
            "saturation at 90 % of capacity, 3 subscriptions, publishers 2, mode leased"
        );
    }

    #[test]
    fn the_documented_commands_are_those_of_the_committed_profiles() {
        for (name, request) in [
            ("saturation-90", request("saturation", Some(90.0), "")),
            ("throughput", request("throughput", None, "")),
            ("fanout-50", request("fanout", None, "--subscriptions 50")),
        ] {
            let path = format!("{}/../profiles/{name}/meta.json", env!("CARGO_MANIFEST_DIR"));
            let meta = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            let config = config(&request);
            assert_eq!(folder(&request, &config), name);
            assert_eq!(difference(&meta, &config), None, "{name}");
        }
    }

    #[test]
    fn how_long_it_took_is_no_difference_and_what_is_missing_is_one() {
        let meta = json!({ "config": { "ring": 64, "sampleMs": 1.0, "capacity": 5.0 } });
        assert_eq!(difference(&meta, &json!({ "ring": 64, "sampleMs": 2.0, "capacity": "auto" })), None);
        let line = difference(&meta, &json!({ "ring": 128 })).unwrap();
        assert_eq!(line, "ring is 64 in the committed profile and 128 here");
        assert!(difference(&meta, &json!({})).unwrap().contains("absent here"));
        assert!(
            difference(&Value::Null, &json!({ "ring": 64 })).unwrap().contains("is absent in the committed")
        );
    }
}
