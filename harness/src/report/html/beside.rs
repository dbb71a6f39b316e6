//! Several results side by side: their figures in one table, their curves in one chart.

use serde_json::Value;

use super::figures::{self, time};
use super::{View, escape, shown, table};
use crate::compare;
use crate::num;

/// The section before those of the single results.
pub(super) fn section(views: &[View<'_>]) -> String {
    let mut head = vec![String::new()];
    head.extend(views.iter().map(|view| escape(&view.name)));
    let base = views[0].result;
    let mut rows = Vec::new();
    let mut row = |name: &str, cell: &dyn Fn(&Value) -> String| {
        let cells: Vec<String> = views.iter().map(|view| cell(view.result)).collect();
        if cells.iter().any(|cell| cell != "-") {
            rows.push([vec![name.to_owned()], cells].concat());
        }
    };
    let text = |value: &Value| if value.is_null() { "-".to_owned() } else { shown(value) };
    row("scenario", &|result| text(&result["scenario"]));
    row("passed", &|result| match result["success"].as_bool() {
        Some(true) => "<span class=\"good\">yes</span>".to_owned(),
        Some(false) => "<span class=\"bad\">no</span>".to_owned(),
        None => "-".to_owned(),
    });
    row("noise", &|result| match result["noise"]["noisy"].as_bool() {
        Some(true) => "<span class=\"warn\">too noisy</span>".to_owned(),
        Some(false) => "tolerable".to_owned(),
        None => "-".to_owned(),
    });
    row("commit", &|result| {
        result["environment"]["commitHash"]
            .as_str()
            .map_or_else(|| "-".to_owned(), |hash| escape(&hash.chars().take(10).collect::<String>()))
    });
    // A change is named only where the two compare.
    let figure = |pointer: &str, write: fn(f64) -> String, more_is_better: bool| {
        let pointer = pointer.to_owned();
        move |result: &Value| {
            let of = |result: &Value| result["metrics"].pointer(&pointer).and_then(Value::as_f64);
            let Some(value) = of(result) else { return "-".to_owned() };
            let comparable = !std::ptr::eq(result, base) && compare::difference(base, result).is_none();
            let change = of(base).filter(|_| comparable).and_then(|base| compare::change(base, value));
            escape(&write(value)) + &change.map_or_else(String::new, |change| marked(change, more_is_better))
        }
    };
    row("messages/s", &figure("/messagesPerSec", num::signed, true));
    row("deliveries/s", &figure("/deliveriesPerSec", num::signed, true));
    row("capacity/s", &figure("/capacity", num::signed, true));
    row("knee, % of capacity", &figure("/knee/percent", num::percent, true));
    for (name, pointer) in [
        ("p50", "/latency/p50"),
        ("p95", "/latency/p95"),
        ("p99", "/latency/p99"),
        ("p99.9", "/latency/p999"),
        ("p99.99", "/latency/p9999"),
        ("max", "/latency/max"),
    ] {
        row(name, &figure(pointer, time, false));
    }
    row("peak resident, MiB", &figure("/memory/peakRssMB", |size| format!("{size:.1}"), false));
    row("heap used, MiB", &figure("/memory/heapUsedMB", |size| format!("{size:.1}"), false));
    let charts =
        [figures::hockey_stick(views, None), figures::percentiles(views), figures::iterations(views)];
    format!(
        "<section><h2>Side by side</h2>{}<p class=\"faint\">Changes are from the first result, where scenario and \
         configuration are the same; whether one is more than noise, <code>harness compare</code> tells.</p>\
         {}<div class=\"charts\">{}</div></section>",
        table("", &head, &rows),
        configurations(views),
        charts.concat()
    )
}

/// A change of more than 10 % in colour.
fn marked(change: f64, more_is_better: bool) -> String {
    let class = match (change.abs() > 0.1, (change > 0.0) == more_is_better) {
        (false, _) => "faint",
        (true, true) => "good",
        (true, false) => "bad",
    };
    format!(" <span class=\"{class}\">({:+.1} %)</span>", change * 100.0)
}

/// The fields of the configuration in which the results differ.
fn configurations(views: &[View<'_>]) -> String {
    let mut names: Vec<&String> = views
        .iter()
        .filter_map(|view| view.result["config"].as_object())
        .flat_map(|map| map.keys())
        .collect();
    names.sort();
    names.dedup();
    let differing = names.into_iter().filter(|name| {
        views.iter().any(|view| view.result["config"].get(*name) != views[0].result["config"].get(*name))
    });
    let rows: Vec<Vec<String>> = differing
        .map(|name| {
            let cell =
                |view: &View<'_>| view.result["config"].get(name).map_or_else(|| "-".to_owned(), shown);
            std::iter::once(escape(name)).chain(views.iter().map(cell)).collect()
        })
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    let head: Vec<String> =
        std::iter::once(String::new()).chain(views.iter().map(|view| escape(&view.name))).collect();
    format!("<h3>Where the configurations differ</h3>{}", table("", &head, &rows))
}
