//! What of a result is compared, and in which direction it is worse.

use serde_json::Value;

use super::samples::{self, Placed};
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

/// What the memory of a process may differ by from that of another that does the same, in MiB. As a soak is granted.
const SCATTER: f64 = 16.0;

/// A value of a metric, and where the CPUs were meanwhile.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Measured {
    /// Values of one run are no more than one piece of evidence, in so far as the CPUs stayed where they were.
    pub(super) run: usize,
    pub(super) value: f64,
    /// The nanoseconds that a cache line took between the CPUs, before and after.
    pub(super) placement: Option<[f64; 2]>,
}

/// The loads at which saturation runs are compared, in percent of the capacity.
#[derive(Debug, Clone, Copy)]
struct Loads {
    /// For latencies: see [`level`].
    fit: Option<f64>,
    /// For the rate, where the capacity was given: see [`rate_level`].
    rate: Option<f64>,
}

impl Loads {
    fn of(base: &[Value], current: &[Value]) -> Self {
        Self { fit: level(base, current), rate: rate_level(base, current) }
    }
}

/// The metrics and, of each, the values of either side; those that a side lacks are left out.
pub(super) fn sides(base: &[Value], current: &[Value]) -> Vec<(Metric, Vec<Measured>, Vec<Measured>)> {
    let loads = Loads::of(base, current);
    let values = |metric: Metric, side| metric.values(side, loads);
    let measured = ALL.into_iter().map(|metric| (metric, values(metric, base), values(metric, current)));
    measured.filter(|(_, base, current)| !base.is_empty() && !current.is_empty()).collect()
}

/// The metrics that one side alone has, with the name of that side.
pub(crate) fn lopsided(base: &[Value], current: &[Value]) -> Vec<(&'static str, &'static str)> {
    let loads = Loads::of(base, current);
    let is_in = |metric: Metric, side| !metric.values(side, loads).is_empty();
    let only = |metric: Metric| match (is_in(metric, base), is_in(metric, current)) {
        (true, false) => Some((metric.name, "BASE")),
        (false, true) => Some((metric.name, "CURRENT")),
        _ => None,
    };
    ALL.into_iter().filter_map(only).collect()
}

/// The metrics that scenarios are about.
pub(super) fn headlines() -> impl Iterator<Item = Metric> {
    ALL.into_iter().filter(|metric| metric.is_headline())
}

/// The load, in percent of the capacity, at which latencies of saturation runs are compared: the highest that held in all
/// of them, and that all were fit for. Which one a run is fit for changes from run to run, and what it carries there is
/// what it was offered. `None` where they have no such level in common. (Of a run that broke down nothing is asked.)
pub(crate) fn level(base: &[Value], current: &[Value]) -> Option<f64> {
    let runs = || base.iter().chain(current).filter(|result| headline(result).is_some());
    let fit = runs().filter_map(headline).min_by(f64::total_cmp)?;
    let held = |result: &Value, percent: f64| {
        levels(result).any(|level| level["percent"].as_f64() == Some(percent) && level["held"] == true)
    };
    let percents = levels(runs().next()?).filter_map(|level| level["percent"].as_f64());
    let common = percents.filter(|&percent| percent <= fit && runs().all(|result| held(result, percent)));
    common.max_by(f64::total_cmp)
}

/// The load, in percent of a capacity that was given, at which the rates of saturation runs are compared: the highest that
/// all of them ran, whether it held or not. `None` where the capacity was measured. (Of a run that broke down nothing is asked.)
pub(crate) fn rate_level(base: &[Value], current: &[Value]) -> Option<f64> {
    let runs = || base.iter().chain(current).filter(|result| headline(result).is_some());
    let ran =
        |result: &Value, percent: f64| levels(result).any(|one| one["percent"].as_f64() == Some(percent));
    let percents = levels(runs().find(|result| is_given(result))?).filter_map(|one| one["percent"].as_f64());
    percents.filter(|&percent| runs().all(|result| ran(result, percent))).max_by(f64::total_cmp)
}

/// Whether the capacity of a saturation run was given, which says nothing of what the build carries.
fn is_given(result: &Value) -> bool {
    result["metrics"]["searches"] == 0
}

/// The load of which a saturation run tells first.
fn headline(result: &Value) -> Option<f64> {
    result["metrics"]["headlinePercent"].as_f64()
}

fn levels(result: &Value) -> impl Iterator<Item = &Value> {
    result["metrics"]["levels"].as_array().into_iter().flatten()
}

impl Metric {
    /// Whether a scenario is about this figure, so that nothing is told while this is not.
    pub(crate) fn is_headline(self) -> bool {
        self.unit == Unit::PerSecond
    }

    /// Whether a difference of this much is more than two processes of one build scatter by. Nothing is of rates and latencies,
    /// which a moment of the machine may double; memory differs by what the allocator keeps for threads that come and go.
    pub(super) fn is_more_than_scatter(self, difference: f64) -> bool {
        self.unit == Unit::Mebibytes && difference.abs() > SCATTER
    }

    /// Whether a result has it, by itself.
    pub(super) fn is_in(self, result: &Value) -> bool {
        !self.of(result, Loads::of(std::slice::from_ref(result), &[])).is_empty()
    }

    /// The values of the iterations; those of a single result count one by one. Of a saturation run those at these loads.
    fn values(self, results: &[Value], loads: Loads) -> Vec<Measured> {
        let single = results.len() == 1;
        let measured = |(run, result): (usize, &Value)| -> Vec<Measured> {
            let number = |index| if single { index } else { run };
            let values = self.of(result, loads).into_iter().enumerate();
            values
                .map(|(index, (value, placement))| Measured { run: number(index), value, placement })
                .collect()
        };
        results.iter().enumerate().flat_map(measured).collect()
    }

    /// The values of one result: those of its samples, or else the one of the whole.
    fn of(self, result: &Value, loads: Loads) -> Vec<Placed> {
        let metrics = &result["metrics"];
        let is_saturation = headline(result).is_some() || result["scenario"] == "saturation";
        let (whole, values) = if is_saturation {
            self.of_saturation(result, loads)
        } else if self.pointer == "/messagesPerSec" && metrics.get("capacitySamples").is_some() {
            // A soak's rate was offered, too, where its capacity was measured.
            (None, Vec::new())
        } else {
            (metrics.pointer(self.pointer), samples::of(metrics, self.pointer))
        };
        let whole = whole.and_then(Value::as_f64).map(|value| (value, None));
        if values.is_empty() { whole.into_iter().collect() } else { values }
    }

    /// Where a saturation run has it: as a whole, and by samples. Its capacity and its memory are the run's (see
    /// [`samples::capacity`] for those of its samples); its latency is a level's. The rate of a level was offered, and follows
    /// from the capacity: so it is no figure of its own where that was measured, and where that was given it is the only one.
    fn of_saturation(self, result: &Value, loads: Loads) -> (Option<&Value>, Vec<Placed>) {
        let metrics = &result["metrics"];
        let at =
            |load: Option<f64>| levels(result).find(|one| load.is_some() && one["percent"].as_f64() == load);
        match self.pointer {
            "/capacity" if is_given(result) => (None, Vec::new()),
            "/capacity" => (metrics.pointer(self.pointer), samples::capacity(metrics)),
            "/messagesPerSec" => at(loads.rate.filter(|_| is_given(result)))
                .map_or((None, Vec::new()), |level| {
                    (level.get("achievedRate"), samples::of(level, self.pointer))
                }),
            _ if self.pointer.starts_with("/latency") => at(loads.fit).map_or((None, Vec::new()), |level| {
                (level.pointer(self.pointer), samples::all(&level["iterations"], self.pointer))
            }),
            _ => (metrics.pointer(self.pointer), Vec::new()),
        }
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

    fn saturation(headline: f64, p50: [f64; 2]) -> Value {
        let level = |percent: f64, p50: f64| {
            json!({"percent": percent, "held": true, "latency": {"p50": p50, "p99": 9.0},
                   "iterations": [{"messagesPerSec": 1.0, "latency": {"p50": p50}}]})
        };
        json!({"metrics": {
            "messagesPerSec": headline, "capacity": 100.0, "latency": {"p50": 7.0}, "headlinePercent": headline,
            "levels": [level(50.0, p50[0]), level(90.0, p50[1])],
        }})
    }

    #[test]
    fn a_saturation_run_has_one_capacity_and_the_latencies_of_its_headline_level() {
        assert_eq!(
            values(&[saturation(90.0, [1.0, 2.0])]),
            [("capacity", vec![(0, 100.0)]), ("p50", vec![(0, 2.0)]), ("p99", vec![(0, 9.0)])]
        );
    }

    #[test]
    fn runs_that_were_fit_for_different_loads_are_compared_at_one_that_all_were_fit_for() {
        let sides = [[saturation(50.0, [1.0, 2.0])], [saturation(90.0, [3.0, 4.0])]];
        for [base, current] in [&sides, &[sides[1].clone(), sides[0].clone()]] {
            assert_eq!(level(base, current), Some(50.0));
            let found = super::sides(base, current);
            let of = |name| found.iter().find(|(metric, ..)| metric.name == name);
            assert!(of("throughput").is_none(), "what was offered");
            let (_, base, current) = of("p50").unwrap();
            assert_eq!(base[0].value + current[0].value, 1.0 + 3.0);
        }
    }

    #[test]
    fn latencies_are_those_of_a_level_that_held_in_all_runs_or_none() {
        let fit = [saturation(90.0, [1.0, 2.0])];
        let mut torn = [saturation(90.0, [3.0, 4.0])];
        torn[0]["metrics"]["levels"][1]["held"] = json!(false);
        assert_eq!(level(&fit, &torn), Some(50.0));
        torn[0]["metrics"]["levels"][0]["held"] = json!(false);
        assert_eq!(level(&fit, &torn), None);
        let left: Vec<_> = sides(&fit, &torn).iter().map(|(metric, ..)| metric.name).collect();
        assert_eq!(left, ["capacity"]);
        // One that has not run this level, and one that broke down before it ran any.
        let mut short = fit.clone();
        short[0]["metrics"]["levels"].as_array_mut().unwrap().pop();
        assert_eq!(level(&fit, &short), Some(50.0));
        assert_eq!(level(&fit, &[json!({"metrics": {"memory": {}}})]), Some(90.0));
    }

    #[test]
    fn what_one_side_alone_has_is_named() {
        let mut less = result();
        less["metrics"].as_object_mut().unwrap().remove("memory");
        assert_eq!(lopsided(&[result()], &[less.clone()]), [("peak RSS", "BASE")]);
        assert_eq!(lopsided(&[less.clone()], &[result()]), [("peak RSS", "CURRENT")]);
        assert!(lopsided(&[less.clone()], &[less]).is_empty());
    }

    #[test]
    fn of_a_capacity_that_was_given_the_rate_at_the_highest_level_of_all_is_compared() {
        let given = |percents: &[f64]| {
            let level = |percent: &f64| {
                json!({"percent": percent, "held": *percent < 100.0, "achievedRate": percent,
                       "iterations": [{"messagesPerSec": percent + 1.0}, {"messagesPerSec": percent + 2.0}]})
            };
            json!({"scenario": "saturation", "metrics": {"messagesPerSec": 50.0, "capacity": 100.0, "searches": 0,
                   "headlinePercent": 50.0, "levels": percents.iter().map(level).collect::<Vec<_>>()}})
        };
        let (base, current) = (given(&[50.0, 125.0, 110.0, 200.0]), given(&[50.0, 110.0, 125.0]));
        let found = sides(std::slice::from_ref(&base), std::slice::from_ref(&current));
        let values = |side: &[Measured]| side.iter().map(|one| one.value).collect::<Vec<_>>();
        let told: Vec<_> = found.iter().map(|(metric, base, _)| (metric.name, values(base))).collect();
        assert_eq!(told, [("throughput", vec![126.0, 127.0])]);
        let alone = sides(std::slice::from_ref(&given(&[50.0])), std::slice::from_ref(&current));
        assert_eq!(values(&alone[0].2), [51.0, 52.0]);
    }
}
