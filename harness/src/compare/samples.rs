//! Where a result keeps the samples behind a figure.
//!
//! Scenarios differ: `iterations` in full where the whole run is one series; `iterations` or bare `samples` of the part
//! that the headline is about, where a run has several (a fan-out's numbers of subscriptions, a firehose's cases, the
//! two kinds of herd). The windows over time of a soak are none, nor are the searches for its capacity: they lie within
//! seconds of each other, and one run's moment of the machine is not another's. Nor has memory any: a process has one peak.

use serde_json::Value;

use crate::num;

/// A value, and where the CPUs were before and after it.
pub(super) type Placed = (f64, Option<[f64; 2]>);

/// The samples behind the figure at `pointer` of `metrics`; none where the result has only the figure.
pub(super) fn of(metrics: &Value, pointer: &str) -> Vec<Placed> {
    let part = part(metrics);
    let lists: &[&Value] = match pointer {
        "/messagesPerSec" => {
            &[&metrics["iterations"], &part["iterations"], &metrics["samples"], &part["samples"]]
        }
        _ if pointer.starts_with("/latency") => &[&metrics["iterations"], &part["iterations"]],
        _ => &[],
    };
    lists.iter().map(|list| all(list, pointer)).find(|values| !values.is_empty()).unwrap_or_default()
}

/// The capacity by the samples of a saturation run: its share of the closed loop, of what closed loops did in the rounds that
/// the sample is made of, at all levels; and how near and how far apart the CPUs were in any of them. None where the capacity
/// was given, or in a file that has no rounds.
pub(super) fn capacity(metrics: &Value) -> Vec<Placed> {
    let levels = metrics["levels"].as_array().map_or(&[][..], Vec::as_slice);
    let list = |level: &'_ Value, name: &str| level[name].as_array().map_or(0, Vec::len);
    let count = levels.iter().map(|level| list(level, "samples")).min().unwrap_or(0);
    let closed = |sample: usize| -> Vec<f64> {
        let of_level = |level: &Value| -> Vec<f64> {
            let each = list(level, "rounds").div_ceil(count);
            let rounds = level["rounds"].as_array().into_iter().flatten().skip(sample * each).take(each);
            rounds.filter_map(|round| round["closedLoop"].as_f64()).collect()
        };
        levels.iter().flat_map(of_level).collect()
    };
    let placed = |sample: usize| {
        let of_level = |level: &Value| placement(&level["iterations"][sample]);
        let placements = levels.iter().map(of_level).collect::<Option<Vec<_>>>()?;
        let distances = || placements.iter().flatten().copied();
        Some([distances().min_by(f64::total_cmp)?, distances().max_by(f64::total_cmp)?])
    };
    let value = |sample| {
        let rate = metrics["capacityShare"].as_f64()? * num::median(&closed(sample))?;
        Some((rate, placed(sample)))
    };
    let values: Option<Vec<Placed>> = (0..count).map(value).collect();
    values.unwrap_or_default()
}

/// The parts of a run that may have its rate.
pub(crate) fn parts(metrics: &Value) -> impl Iterator<Item = &Value> {
    let lists = ["points", "cases"].into_iter().filter_map(|name| metrics[name].as_array()).flatten();
    lists.chain(metrics.get("threads"))
}

/// The part whose rate is that of the whole.
fn part(metrics: &Value) -> &Value {
    let rate = metrics["messagesPerSec"].as_f64();
    parts(metrics)
        .find(|part| rate.is_some() && part["messagesPerSec"].as_f64() == rate)
        .unwrap_or(&Value::Null)
}

/// Of a result with several parts: which one is compared, and that the others are not.
pub(crate) fn one_part(result: &Value) -> Option<String> {
    let metrics = &result["metrics"];
    let others = parts(metrics).count().saturating_sub(1);
    let part = part(metrics);
    if metrics["tasks"].is_object() {
        return Some("the herd of threads is compared; that of tasks is not".to_owned());
    }
    if others == 0 || part.is_null() {
        return None;
    }
    let which = match (part["label"].as_str(), part["messages"].as_u64(), part["subscriptions"].as_u64()) {
        (Some(label), Some(messages), _) => format!("{label}, {} messages", num::grouped(messages)),
        (_, _, Some(subscriptions)) => format!("{} subscriptions", num::grouped(subscriptions)),
        _ => "the headline".to_owned(),
    };
    let others = if others == 1 { "the other is not".to_owned() } else { format!("{others} others are not") };
    Some(format!("one part is compared ({which}); {others}"))
}

/// The values of a list of samples; none unless each of them has one: some would be another selection than all.
pub(super) fn all(list: &Value, pointer: &str) -> Vec<Placed> {
    let items = list.as_array().map_or(&[][..], Vec::as_slice);
    let value = |item: &Value| item.as_f64().or_else(|| item.pointer(pointer)?.as_f64());
    let values: Option<Vec<Placed>> =
        items.iter().map(|item| Some((value(item)?, placement(item)))).collect();
    values.unwrap_or_default()
}

/// Where the CPUs were before and after a sample, if that was probed.
fn placement(sample: &Value) -> Option<[f64; 2]> {
    let noise = &sample["noise"];
    Some([noise["placementBeforeNs"].as_f64()?, noise["placementAfterNs"].as_f64()?])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn values(metrics: &Value, pointer: &str) -> Vec<f64> {
        of(metrics, pointer).into_iter().map(|(value, _)| value).collect()
    }

    #[test]
    fn of_several_parts_the_samples_of_the_headline_count() {
        let (few, most) = (
            json!({"messagesPerSec": 9.0, "samples": [8.0, 9.0, 10.0]}),
            json!({"messagesPerSec": 2.0, "samples": [1.0, 2.0, 3.0]}),
        );
        for name in ["points", "cases"] {
            let metrics = json!({"messagesPerSec": 2.0, "latency": {"p50": 1.0}, name: [few, most]});
            assert_eq!(values(&metrics, "/messagesPerSec"), [1.0, 2.0, 3.0]);
            assert!(values(&metrics, "/latency/p50").is_empty(), "there is one value");
        }
        let herd = json!({"messagesPerSec": 2.0, "threads": {"messagesPerSec": 2.0, "iterations":
            [{"messagesPerSec": 2.0, "latency": {"p50": 5.0},
              "noise": {"placementBeforeNs": 14.0, "placementAfterNs": 15.0}}]}});
        assert_eq!(of(&herd, "/latency/p50"), [(5.0, Some([14.0, 15.0]))]);
    }

    #[test]
    fn a_saturation_run_has_a_capacity_for_each_sample() {
        let level = |closed: [f64; 4]| json!({"samples": [1.0, 1.0], "rounds": closed.map(|rate| json!({"closedLoop": rate}))});
        let mut metrics = json!({"capacityShare": 0.5, "levels": [level([1.0, 2.0, 10.0, 20.0]), level([3.0, 4.0, 30.0, 40.0])]});
        assert_eq!(capacity(&metrics), [(1.25, None), (12.5, None)]);
        metrics["levels"][0]["rounds"] = json!([]);
        metrics["levels"][1]["rounds"] = json!([{"offeredRate": 1.0}]);
        assert!(capacity(&metrics).is_empty(), "it was given");
        assert!(capacity(&json!({"capacity": 1.0})).is_empty());
    }

    #[test]
    fn a_replay_has_passes_and_a_soak_is_one_value() {
        assert_eq!(
            values(&json!({"messagesPerSec": 2.0, "samples": [1.0, 3.0]}), "/messagesPerSec"),
            [1.0, 3.0]
        );
        let soak = json!({"messagesPerSec": 2.0, "threads": 9, "capacity": 4.0, "capacitySamples": [3.0, 4.0, 5.0],
            "latencyOverTime": [{"untilMs": 1.0, "latency": {"p50": 6.0}}, {"untilMs": 2.0, "latency": {"p50": 7.0}}]});
        assert!(values(&soak, "/capacity").is_empty(), "searches see one moment of the machine");
        assert!(values(&soak, "/latency/p50").is_empty(), "and so do windows");
        assert!(values(&soak, "/memory/peakRssMB").is_empty());
    }

    #[test]
    fn which_part_of_a_run_is_compared_is_told() {
        let case =
            |label: &str, rate: f64| json!({"label": label, "messages": 1_000, "messagesPerSec": rate});
        let firehose =
            json!({"metrics": {"messagesPerSec": 2.0, "cases": [case("one", 1.0), case("two", 2.0)]}});
        assert_eq!(
            one_part(&firehose).unwrap(),
            "one part is compared (two, 1,000 messages); the other is not"
        );
        let herd =
            json!({"metrics": {"messagesPerSec": 2.0, "threads": {"messagesPerSec": 2.0}, "tasks": {}}});
        assert!(one_part(&herd).unwrap().contains("of tasks is not"));
        assert_eq!(one_part(&json!({"metrics": {"messagesPerSec": 2.0}})), None);
    }

    #[test]
    fn a_capacity_is_as_far_apart_as_the_cpus_were_at_any_level_of_its_sample() {
        let level = |placed: [[f64; 2]; 2]| {
            let iteration = |[before, after]: [f64; 2]| json!({"noise": {"placementBeforeNs": before, "placementAfterNs": after}});
            json!({"samples": [1.0, 1.0], "rounds": [{"closedLoop": 2.0}, {"closedLoop": 4.0}],
                   "iterations": placed.map(iteration)})
        };
        let mut metrics = json!({"capacityShare": 0.5, "levels":
            [level([[30.0, 31.0], [30.0, 150.0]]), level([[29.0, 33.0], [151.0, 149.0]])]});
        assert_eq!(capacity(&metrics), [(1.0, Some([29.0, 33.0])), (2.0, Some([30.0, 151.0]))]);
        metrics["levels"][1]["iterations"][0]["noise"] = json!({});
        assert_eq!(capacity(&metrics)[0].1, None, "it is not known where that was");
    }
}
