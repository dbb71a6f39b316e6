//! What of a result is compared, and in which direction it is worse.

use serde_json::Value;

use crate::num;

/// A figure that two results are compared by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Metric {
    /// The name in the table and in JSON.
    pub(crate) name: &'static str,
    /// Where it is in `metrics`, and in each entry of `metrics.iterations` that has it.
    pointer: &'static str,
    pub(crate) unit: Unit,
    /// Whether more of it is better.
    pub(crate) more_is_better: bool,
}

/// How a figure is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    PerSecond,
    Milliseconds,
    Mebibytes,
}

impl Unit {
    /// `value` for people.
    pub(crate) fn text(self, value: f64) -> String {
        match self {
            Self::PerSecond => format!("{}/s", num::signed(value)),
            Self::Milliseconds => num::time(value * 1e6),
            Self::Mebibytes => format!("{value:.1} MiB"),
        }
    }
}

const fn metric(name: &'static str, pointer: &'static str, unit: Unit, more_is_better: bool) -> Metric {
    Metric { name, pointer, unit, more_is_better }
}

/// Every metric that is compared, in the order of the table.
const ALL: [Metric; 7] = [
    metric("throughput", "/messagesPerSec", Unit::PerSecond, true),
    metric("capacity", "/capacity", Unit::PerSecond, true),
    metric("p50", "/latency/p50", Unit::Milliseconds, false),
    metric("p95", "/latency/p95", Unit::Milliseconds, false),
    metric("p99", "/latency/p99", Unit::Milliseconds, false),
    metric("peak RSS", "/memory/peakRssMB", Unit::Mebibytes, false),
    metric("heap used", "/memory/heapUsedMB", Unit::Mebibytes, false),
];

/// The metrics and, of each, the values of either side; those that a side lacks are left out.
pub(crate) fn sides(base: &[Value], current: &[Value]) -> Vec<(Metric, Vec<f64>, Vec<f64>)> {
    let measured = ALL.into_iter().map(|metric| (metric, metric.values(base), metric.values(current)));
    measured.filter(|(_, base, current)| !base.is_empty() && !current.is_empty()).collect()
}

impl Metric {
    /// One value a result when there are several of them; of a single result, one value an iteration.
    fn values(&self, results: &[Value]) -> Vec<f64> {
        match results {
            [one] => {
                let iterations = self.of_iterations(one);
                if iterations.is_empty() { self.of_run(one).into_iter().collect() } else { iterations }
            }
            several => several
                .iter()
                // The median of the iterations: one that the machine stalled does not make the run.
                .filter_map(|one| num::median(&self.of_iterations(one)).or_else(|| self.of_run(one)))
                .collect(),
        }
    }

    fn of_run(&self, result: &Value) -> Option<f64> {
        result["metrics"].pointer(self.pointer).and_then(Value::as_f64)
    }

    /// The values of the iterations that the headline is made of. Those of a saturation level say what its latency
    /// was several times over, but its rate only once: it was offered, and follows from the capacity.
    fn of_iterations(&self, result: &Value) -> Vec<f64> {
        let metrics = &result["metrics"];
        let headline = metrics["headlinePercent"].as_f64();
        let level = metrics["levels"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|level| headline.is_some_and(|headline| level["percent"].as_f64() == Some(headline)));
        let iterations = match level {
            Some(_) if self.unit == Unit::PerSecond => &Value::Null,
            Some(level) => &level["iterations"],
            None => &metrics["iterations"],
        };
        let items = iterations.as_array().into_iter().flatten();
        let values: Vec<f64> =
            items.clone().filter_map(|item| item.pointer(self.pointer)?.as_f64()).collect();
        // Some of them would be another selection than all of them.
        if values.len() == items.count() { values } else { Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn result() -> Value {
        json!({"metrics": {
            "messagesPerSec": 10.0, "latency": {"p50": 1.0}, "memory": {"peakRssMB": 5.0},
            "iterations": [{"messagesPerSec": 9.0, "latency": {"p50": 2.0}},
                           {"messagesPerSec": 11.0, "latency": {"p50": 4.0}}],
        }})
    }

    fn values(results: &[Value]) -> Vec<(&'static str, Vec<f64>)> {
        sides(results, results).into_iter().map(|(metric, base, _)| (metric.name, base)).collect()
    }

    #[test]
    fn one_result_gives_a_value_an_iteration_and_several_a_value_each() {
        assert_eq!(
            values(&[result()]),
            [("throughput", vec![9.0, 11.0]), ("p50", vec![2.0, 4.0]), ("peak RSS", vec![5.0])]
        );
        assert_eq!(
            values(&[result(), result()]),
            [("throughput", vec![10.0; 2]), ("p50", vec![3.0; 2]), ("peak RSS", vec![5.0; 2])]
        );
    }

    #[test]
    fn a_saturation_run_has_one_capacity_and_the_latencies_of_its_headline_level() {
        let level = |percent: f64, p50: f64| json!({"percent": percent, "iterations": [{"messagesPerSec": 1.0, "latency": {"p50": p50}}]});
        let result = json!({"metrics": {
            "messagesPerSec": 90.0, "capacity": 100.0, "latency": {"p50": 7.0}, "headlinePercent": 90.0,
            "levels": [level(50.0, 1.0), level(90.0, 2.0)],
        }});
        assert_eq!(
            values(&[result]),
            [("throughput", vec![90.0]), ("capacity", vec![100.0]), ("p50", vec![2.0])]
        );
    }
}
