//! The charts of results: latency against load, percentile curves, rates, and the histogram.

use serde_json::Value;

use super::View;
use super::chart::{self, Axis, Look, Point, Series, short};
use crate::modes;
use crate::num;

/// A time in milliseconds for people.
pub(super) fn time(millis: f64) -> String {
    num::time(millis * 1e6)
}

fn levels(result: &Value) -> Vec<&Value> {
    let mut levels: Vec<&Value> = result["metrics"]["levels"].as_array().into_iter().flatten().collect();
    levels.sort_by(|a, b| {
        let percent = |level: &Value| level["percent"].as_f64().unwrap_or(0.0);
        percent(a).total_cmp(&percent(b))
    });
    levels
}

/// Latency against load. One result shows three percentiles, several show the p99 of each.
pub(super) fn hockey_stick(views: &[View<'_>], sheet: Option<&str>) -> String {
    let line = |view: &View<'_>, percentile: &str, name: String| {
        let points = levels(view.result).into_iter().filter_map(|level| {
            let (x, y) = (level["percent"].as_f64()?, level["latency"][percentile].as_f64()?);
            let held = level["held"] == true;
            let rate = level["achievedRate"].as_f64().unwrap_or(0.0);
            let says = format!(
                "{} %: {} at {}/s{}",
                num::percent(x),
                time(y),
                num::signed(rate),
                if held { "" } else { ", did not hold" }
            );
            Some(Point { x, y, says, hollow: !held })
        });
        Series { name, points: points.collect(), look: Look::Marked }
    };
    let with_levels: Vec<&View<'_>> = views.iter().filter(|view| !levels(view.result).is_empty()).collect();
    let series: Vec<Series> = match with_levels[..] {
        [one] => [("p50", "p50"), ("p99", "p99"), ("p99.9", "p999")]
            .map(|(name, key)| line(one, key, name.to_owned()))
            .into_iter()
            .filter(|series| !series.points.is_empty())
            .collect(),
        _ => with_levels.iter().map(|view| line(view, "p99", format!("{} p99", view.name))).collect(),
    };
    let note = match with_levels[..] {
        [one] => one.result["metrics"]["knee"]["percent"].as_f64().map(|at| (at, "knee".to_owned())),
        _ => None,
    };
    let mut percents: Vec<f64> =
        series.iter().flat_map(|series| series.points.iter().map(|point| point.x)).collect();
    percents.sort_by(f64::total_cmp);
    percents.dedup();
    let ticks = percents.into_iter().map(|at| (at, num::percent(at))).collect();
    let times = series.iter().flat_map(|series| series.points.iter().map(|point| point.y));
    let y = Axis::times("latency (log); hollow: did not hold", times.clone());
    chart::svg("Latency against load", Axis::at("load, % of capacity", ticks), y, &series, note, sheet)
}

/// The place of a percentile on an axis on which every nine is as wide as the last.
fn nines(percent: f64) -> f64 {
    -((100.0 - percent).max(1e-5) / 100.0).log10()
}

/// Percentile curves: of every level of one saturation run, otherwise one a result.
pub(super) fn percentiles(views: &[View<'_>]) -> String {
    let line = |name: String, latency: &Value| {
        let pairs = latency["curve"].as_array().into_iter().flatten();
        // The largest value has no place on this axis: it is at the end of all nines.
        let points = pairs.filter_map(|pair| Some((pair[0].as_f64()?, pair[1].as_f64()?)));
        let points = points.filter(|(percent, millis)| *percent < 100.0 && *millis > 0.0);
        let points = points.map(|(percent, y)| {
            let says = format!("{name}: {percent} % take at most {}", time(y));
            Point { x: nines(percent), y, says, hollow: false }
        });
        Series { points: points.collect(), name: name.clone(), look: Look::Marked }
    };
    let series: Vec<Series> = match views {
        [one] if !levels(one.result).is_empty() => levels(one.result)
            .into_iter()
            .map(|level| {
                let percent = level["percent"].as_f64().map_or_else(String::new, num::percent);
                line(format!("{percent} %"), &level["latency"])
            })
            .collect(),
        _ => views.iter().map(|view| line(view.name.clone(), &view.result["metrics"]["latency"])).collect(),
    };
    let series: Vec<Series> = series.into_iter().filter(|series| series.points.len() > 1).collect();
    let points = || series.iter().flat_map(|series| &series.points);
    let end = points().map(|point| point.x).max_by(f64::total_cmp).unwrap_or(0.0);
    let marks = [0.0, 50.0, 90.0, 99.0, 99.9, 99.99, 99.999, 99.9999];
    let ticks = marks.into_iter().filter(|percent| nines(*percent) <= end + 1e-9);
    let ticks: Vec<_> = ticks.map(|percent| (nines(percent), percent.to_string())).collect();
    let x = Axis::at("percentile", ticks).filter(|_| !series.is_empty());
    chart::svg(
        "Percentile curves",
        x,
        Axis::times("latency (log)", points().map(|point| point.y)),
        &series,
        None,
        None,
    )
}

/// What was achieved of what was offered, by level.
pub(super) fn achieved(view: &View<'_>) -> String {
    let levels = levels(view.result);
    let line = |name: &str, key: &str, look: Look| {
        let points = levels.iter().filter_map(|level| {
            let (x, y) = (level["percent"].as_f64()?, level[key].as_f64()?);
            let says = format!("{} %: {}/s {name}", num::percent(x), num::signed(y));
            Some(Point { x, y, says, hollow: level["held"] != true })
        });
        Series { name: name.to_owned(), points: points.collect(), look }
    };
    let series =
        [line("achieved", "achievedRate", Look::Marked), line("offered", "offeredRate", Look::Dashed)];
    let ticks = levels.iter().filter_map(|level| level["percent"].as_f64());
    let x = Axis::at("load, % of capacity", ticks.map(|at| (at, num::percent(at))).collect());
    let rates = series.iter().flat_map(|series| series.points.iter().map(|point| point.y));
    chart::svg("Throughput by load", x, Axis::amounts("messages/s", rates.clone()), &series, None, None)
}

/// The rate of every iteration, a line per result.
pub(super) fn iterations(views: &[View<'_>]) -> String {
    let series: Vec<Series> = views
        .iter()
        .map(|view| {
            let items = view.result["metrics"]["iterations"].as_array().into_iter().flatten();
            let points = items.enumerate().filter_map(|(index, item)| {
                let (x, y) = (num::float(num::count(index + 1)), item["messagesPerSec"].as_f64()?);
                Some(Point { x, y, says: format!("iteration {x}: {}/s", num::signed(y)), hollow: false })
            });
            Series { name: view.name.clone(), points: points.collect(), look: Look::Marked }
        })
        .filter(|series| !series.points.is_empty())
        .collect();
    let most = series.iter().map(|series| series.points.len()).max().unwrap_or(0);
    let ticks = (1..=most).map(|n| (num::float(num::count(n)), n.to_string())).collect();
    let rates = series.iter().flat_map(|series| series.points.iter().map(|point| point.y));
    let x = Axis::at("iteration", ticks);
    chart::svg("Throughput by iteration", x, Axis::amounts("messages/s", rates.clone()), &series, None, None)
}

/// Percentiles of one part of a run after another, for a scenario that keeps them.
pub(super) fn latency_over_time(result: &Value) -> String {
    let parts: Vec<&Value> = result["metrics"]["latencyOverTime"].as_array().into_iter().flatten().collect();
    let line = |name: &str, key: &str| {
        let points = parts.iter().filter_map(|part| {
            let (x, y) = (part["untilMs"].as_f64()? / 1e3, part["latency"][key].as_f64()?);
            Some(Point { x, y, says: format!("until {x:.1} s: {name} {}", time(y)), hollow: false })
        });
        Series { name: name.to_owned(), points: points.collect(), look: Look::Marked }
    };
    let series: Vec<Series> = [("p50", "p50"), ("p99", "p99"), ("max", "max")]
        .map(|(name, key)| line(name, key))
        .into_iter()
        .filter(|series| series.points.len() > 1)
        .collect();
    let points = || series.iter().flat_map(|series| &series.points);
    let x = Axis::amounts("seconds", points().map(|point| point.x));
    let y = Axis::times("latency (log)", points().map(|point| point.y));
    chart::svg("Latency over time", x, y, &series, None, None)
}

/// Resident and allocated memory over a run, for a scenario that keeps them.
pub(super) fn memory_over_time(result: &Value) -> String {
    let parts: Vec<&Value> = result["metrics"]["memoryOverTime"].as_array().into_iter().flatten().collect();
    let line = |name: &str, key: &str| {
        let points = parts.iter().filter_map(|part| {
            let (x, y) = (part["atMs"].as_f64()? / 1e3, part[key].as_f64()?);
            Some(Point { x, y, says: format!("at {x:.1} s: {y:.1} MiB {name}"), hollow: false })
        });
        Series { name: name.to_owned(), points: points.collect(), look: Look::Line }
    };
    let series: Vec<Series> = [line("resident", "rssMB"), line("heap used", "heapUsedMB")]
        .into_iter()
        .filter(|series| series.points.len() > 1)
        .collect();
    let points = || series.iter().flat_map(|series| &series.points);
    let x = Axis::amounts("seconds", points().map(|point| point.x));
    let y = Axis::amounts("MiB", points().map(|point| point.y));
    chart::svg("Memory over time", x, y, &series, None, None)
}

/// The histogram of one result's latencies, as shares of all.
pub(super) fn histogram(latency: &Value) -> String {
    let buckets = buckets(latency);
    let total: f64 = buckets.iter().map(|&(_, count)| num::float(count)).sum();
    let mut points = Vec::new();
    for (bound, count) in modes::dense(&buckets) {
        // Flat over the bucket, so that the area has steps.
        let y = 100.0 * count / total.max(1.0);
        for x in [bound.log2(), bound.log2() + 1.0] {
            points.push(Point { x, y, says: String::new(), hollow: false });
        }
    }
    let ticks = buckets.iter().map(|&(bound, _)| (bound.log2(), time(bound)));
    let end = buckets.last().map(|&(bound, _)| (bound.log2() + 1.0, time(bound * 2.0)));
    let x = Axis::at("latency (log)", ticks.chain(end).collect());
    let y =
        Axis::amounts("% of messages", points.iter().map(|point| point.y).collect::<Vec<_>>().into_iter());
    let series = [Series { name: "share per power of two".to_owned(), points, look: Look::Filled }];
    chart::svg("Histogram", x, y, &series, None, None)
}

/// The buckets of `latency.histogram`.
pub(super) fn buckets(latency: &Value) -> Vec<(f64, u64)> {
    let pairs = latency["histogram"].as_array().into_iter().flatten();
    let pairs = pairs.filter_map(|pair| Some((pair[0].as_f64()?, pair[1].as_u64()?)));
    pairs.filter(|(bound, _)| *bound > 0.0).collect()
}

/// A rate for a tile.
pub(super) fn rate(value: f64) -> String {
    if value >= 1e5 {
        format!("{}/s", short((value / 1e4).round() * 1e4))
    } else {
        format!("{}/s", num::signed(value))
    }
}
