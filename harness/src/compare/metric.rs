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

/// A value of a metric, and where the CPUs were meanwhile.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Measured {
    /// Values of one run are no more than one piece of evidence, in so far as the CPUs stayed where they were.
    pub(super) run: usize,
    pub(super) value: f64,
    /// The nanoseconds that a cache line took between the CPUs, before and after.
    pub(super) placement: Option<[f64; 2]>,
}

/// The metrics and, of each, the values of either side; those that a side lacks are left out.
pub(super) fn sides(base: &[Value], current: &[Value]) -> Vec<(Metric, Vec<Measured>, Vec<Measured>)> {
    let measured = ALL.into_iter().map(|metric| (metric, metric.values(base), metric.values(current)));
    measured.filter(|(_, base, current)| !base.is_empty() && !current.is_empty()).collect()
}

impl Metric {
    /// Whether a scenario is about this figure, so that nothing is told while this is not.
    pub(crate) fn is_headline(self) -> bool {
        self.unit == Unit::PerSecond
    }

    /// The values of the iterations; those of a single result count one by one.
    fn values(self, results: &[Value]) -> Vec<Measured> {
        let single = results.len() == 1;
        let of = |(run, result): (usize, &Value)| -> Vec<Measured> {
            let iterations = self.of_iterations(result);
            let values =
                if iterations.is_empty() { self.of_run(result).into_iter().collect() } else { iterations };
            let number = |index| if single { index } else { run };
            values
                .into_iter()
                .enumerate()
                .map(|(index, (value, placement))| Measured { run: number(index), value, placement })
                .collect()
        };
        results.iter().enumerate().flat_map(of).collect()
    }

    fn of_run(self, result: &Value) -> Option<(f64, Option<[f64; 2]>)> {
        Some((result["metrics"].pointer(self.pointer)?.as_f64()?, None))
    }

    /// The values of the iterations that the headline is made of. Those of a saturation level say what its latency
    /// was several times over, but its rate only once: it was offered, and follows from the capacity.
    fn of_iterations(self, result: &Value) -> Vec<(f64, Option<[f64; 2]>)> {
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
        let values: Vec<_> = items
            .clone()
            .filter_map(|item| Some((item.pointer(self.pointer)?.as_f64()?, placement(item))))
            .collect();
        // Some of them would be another selection than all of them.
        if values.len() == items.count() { values } else { Vec::new() }
    }
}

/// Where the CPUs were before and after an iteration, if that was probed.
fn placement(iteration: &Value) -> Option<[f64; 2]> {
    let noise = &iteration["noise"];
    Some([noise["placementBeforeNs"].as_f64()?, noise["placementAfterNs"].as_f64()?])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn result() -> Value {
        json!({"metrics": {
            "messagesPerSec": 10.0, "latency": {"p50": 1.0}, "memory": {"peakRssMB": 5.0},
            "iterations": [{"messagesPerSec": 9.0, "latency": {"p50": 2.0}},
                           {"messagesPerSec": 11.0, "latency": {"p50": 4.0},
                            "noise": {"placementBeforeNs": 14.0, "placementAfterNs": 15.0}}],
        }})
    }

    /// Of each metric the values, with the number of the run before each.
    fn values(results: &[Value]) -> Vec<(&'static str, Vec<(usize, f64)>)> {
        let sides = sides(results, results).into_iter();
        sides
            .map(|(metric, base, _)| (metric.name, base.iter().map(|one| (one.run, one.value)).collect()))
            .collect()
    }

    #[test]
    fn iterations_count_one_by_one_in_a_single_result_and_by_run_in_several() {
        assert_eq!(
            values(&[result()]),
            [
                ("throughput", vec![(0, 9.0), (1, 11.0)]),
                ("p50", vec![(0, 2.0), (1, 4.0)]),
                ("peak RSS", vec![(0, 5.0)])
            ]
        );
        assert_eq!(
            values(&[result(), result()]),
            [
                ("throughput", vec![(0, 9.0), (0, 11.0), (1, 9.0), (1, 11.0)]),
                ("p50", vec![(0, 2.0), (0, 4.0), (1, 2.0), (1, 4.0)]),
                ("peak RSS", vec![(0, 5.0), (1, 5.0)])
            ]
        );
    }

    #[test]
    fn each_value_knows_where_the_cpus_were_if_that_was_probed() {
        let (_, base, _) = sides(&[result()], &[result()]).remove(0);
        assert_eq!([base[0].placement, base[1].placement], [None, Some([14.0, 15.0])]);
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
            [("throughput", vec![(0, 90.0)]), ("capacity", vec![(0, 100.0)]), ("p50", vec![(0, 2.0)])]
        );
    }
}
