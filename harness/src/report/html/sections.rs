//! What is said of one result: how it ended, its figures, its books, and how far they can be trusted.

use serde_json::Value;

use super::figures::{self, time};
use super::{View, escape, shown, table};
use crate::modes;
use crate::num;

/// The section of one result.
pub(super) fn section(view: &View<'_>) -> String {
    let result = view.result;
    let mut out = format!("<section><h2>{}</h2>", escape(&view.name));
    out.push_str(&format!("<p class=\"faint\">{}</p>", escape(&view.file)));
    out.push_str(&verdict(result));
    out.push_str(&tiles(result));
    let latency = &result["metrics"]["latency"];
    let one = std::slice::from_ref(view);
    let charts = [
        figures::hockey_stick(one, None),
        figures::percentiles(one),
        figures::achieved(view),
        figures::iterations(one),
        figures::latency_over_time(result),
        figures::memory_over_time(result),
        figures::histogram(latency),
    ];
    out.push_str(&format!("<div class=\"charts\">{}</div>", charts.concat()));
    if let Some(modes) = modes::describe(&figures::buckets(latency)) {
        let class = if modes::one_mode(&figures::buckets(latency)) { "faint" } else { "warn" };
        out.push_str(&format!("<p class=\"{class}\">{}</p>", escape(&modes)));
    }
    out.push_str(&levels(result));
    out.push_str(&ledger(result));
    out.push_str("<div class=\"columns\">");
    out.push_str(&pairs("Noise", &noise(&result["noise"])));
    out.push_str(&pairs("Environment", &result["environment"]));
    out.push_str(&pairs("Configuration", &result["config"]));
    out.push_str(&pairs("What the harness itself costs", &result["harness"]));
    out.push_str("</div>");
    out.push_str(&others(result));
    out.push_str("</section>");
    out
}

/// Passed or failed, why, and whether the machine let it be told.
fn verdict(result: &Value) -> String {
    let mut out = match result["success"].as_bool() {
        Some(true) => "<p class=\"good\"><b>passed</b></p>".to_owned(),
        Some(false) => "<p class=\"bad\"><b>failed</b></p>".to_owned(),
        None => String::new(),
    };
    let list = |value: &Value| value.as_array().into_iter().flatten().map(shown).collect::<Vec<_>>();
    for error in list(&result["errors"]) {
        out.push_str(&format!("<p class=\"bad\">{error}</p>"));
    }
    if result["noise"]["noisy"] == true {
        let reasons = list(&result["noise"]["reasons"]).join("; ");
        out.push_str(&format!("<p class=\"warn\"><b>too noisy to trust</b>: {reasons}</p>"));
    }
    if result["config"]["quick"] == true {
        out.push_str("<p class=\"warn\">quick: samples are too short for more than an impression</p>");
    }
    if let Some(much) = result["environment"]["oversubscribed"].as_str() {
        out.push_str(&format!("<p class=\"warn\">oversubscribed: {}; roles share threads</p>", escape(much)));
    }
    out
}

/// The figures to look at first.
fn tiles(result: &Value) -> String {
    let metrics = &result["metrics"];
    let mut tiles = String::new();
    let mut tile = |value: Option<String>, what: &str| {
        if let Some(value) = value {
            tiles
                .push_str(&format!("<div class=\"tile\"><b>{}</b><span>{what}</span></div>", escape(&value)));
        }
    };
    let rate = |name: &str| metrics[name].as_f64().map(figures::rate);
    let headline = metrics["headlinePercent"].as_f64().map(num::percent);
    let exact = metrics["messagesPerSec"].as_f64().map(|rate| format!("{}/s", num::signed(rate)));
    tile(exact, &headline.map_or_else(|| "messages".to_owned(), |at| format!("messages, at {at} %")));
    tile(rate("capacity"), "capacity");
    let deliveries = metrics["deliveriesPerSec"] != metrics["messagesPerSec"];
    tile(rate("deliveriesPerSec").filter(|_| deliveries), "deliveries");
    let knee = &metrics["knee"];
    tile(knee["percent"].as_f64().map(|at| format!("{} %", num::percent(at))), "knee");
    for (name, what) in [
        ("p50", "p50"),
        ("p95", "p95"),
        ("p99", "p99"),
        ("p999", "p99.9"),
        ("p9999", "p99.99"),
        ("max", "max"),
    ] {
        tile(metrics["latency"][name].as_f64().map(time), what);
    }
    let size = |name: &str| metrics["memory"][name].as_f64().map(|size| format!("{size:.1} MiB"));
    tile(size("peakRssMB"), "peak resident");
    tile(size("heapUsedMB"), "heap used");
    format!("<div class=\"tiles\">{tiles}</div>")
}

/// The levels of a saturation run.
fn levels(result: &Value) -> String {
    let levels: Vec<&Value> = result["metrics"]["levels"].as_array().into_iter().flatten().collect();
    if levels.is_empty() {
        return String::new();
    }
    let head = [
        "level",
        "offered/s",
        "achieved/s",
        "held",
        "p50",
        "p95",
        "p99",
        "p99.9",
        "p99.99",
        "max",
        "backlog/s",
    ];
    let rows: Vec<Vec<String>> = levels
        .iter()
        .map(|level| {
            let number = |name: &str| level[name].as_f64().map_or_else(|| "-".to_owned(), num::signed);
            let held = if level["held"] == true {
                "<span class=\"good\">yes</span>"
            } else {
                "<span class=\"bad\">no</span>"
            };
            let percent = level["percent"].as_f64().map_or_else(|| "-".to_owned(), num::percent);
            let mut row =
                vec![format!("{percent} %"), number("offeredRate"), number("achievedRate"), held.to_owned()];
            row.extend(
                ["p50", "p95", "p99", "p999", "p9999", "max"]
                    .map(|name| level["latency"][name].as_f64().map_or_else(|| "-".to_owned(), time)),
            );
            row.push(number("backlogSlope"));
            row
        })
        .collect();
    format!("<h3>Levels</h3>{}", table("", &head.map(str::to_owned), &rows))
}

/// The books of each subscription; of many, the first and their sum.
fn ledger(result: &Value) -> String {
    let accounts: Vec<&Value> = result["ledger"].as_array().into_iter().flatten().collect();
    if accounts.is_empty() {
        return String::new();
    }
    const SHOWN: usize = 12;
    let columns = [
        ("accepted", "accepted"),
        ("delivered", "delivered"),
        ("acked", "acked"),
        ("redelivered", "redelivered"),
        ("dropped", "droppedByPolicy"),
        ("lost", "lost"),
        ("repeated", "duplicated"),
        ("out of order", "outOfOrder"),
        ("corrupt", "corrupt"),
    ];
    let mut head = vec!["subscription".to_owned()];
    head.extend(columns.iter().map(|(name, _)| (*name).to_owned()));
    head.push("balanced".to_owned());
    let count = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), num::grouped);
    let row = |account: &Value| {
        let mut row = vec![shown(&account["subscription"])];
        row.extend(columns.iter().map(|(_, key)| count(account[*key].as_u64())));
        row.push(match account["balanced"].as_bool() {
            Some(true) => "<span class=\"good\">yes</span>".to_owned(),
            Some(false) => "<span class=\"bad\">no</span>".to_owned(),
            None => "-".to_owned(),
        });
        row
    };
    let mut rows: Vec<Vec<String>> = accounts.iter().take(SHOWN).map(|account| row(account)).collect();
    if accounts.len() > 1 {
        let mut sum = vec![format!("all {}", accounts.len())];
        sum.extend(
            columns.iter().map(|(_, key)| {
                count(Some(accounts.iter().filter_map(|account| account[*key].as_u64()).sum()))
            }),
        );
        let balanced = accounts.iter().filter(|account| account["balanced"] == true).count();
        sum.push(format!("{balanced} of {}", accounts.len()));
        rows.push(sum);
    }
    format!("<h3>Ledger</h3>{}", table("", &head, &rows))
}

/// An object as pairs of name and value; what is nested is left to others.
fn pairs(title: &str, object: &Value) -> String {
    let is_nested = |value: &Value| {
        value.is_object() || value.as_array().is_some_and(|items| items.iter().any(Value::is_object))
    };
    let fields = object.as_object().into_iter().flatten().filter(|(_, value)| !is_nested(value));
    let rows: Vec<Vec<String>> = fields.map(|(name, value)| vec![escape(name), shown(value)]).collect();
    if rows.is_empty() {
        return String::new();
    }
    format!("<div><h3>{title}</h3>{}</div>", table("pairs", &[], &rows))
}

/// How many samples were disturbed, and the worst of what disturbed them; the reasons are told above.
fn noise(noise: &Value) -> Value {
    let mut all = noise.as_object().cloned().unwrap_or_default();
    all.remove("reasons");
    all.extend(noise["worst"].as_object().cloned().unwrap_or_default());
    Value::Object(all)
}

/// What the metrics hold beside that: single figures, and lists of objects as tables.
fn others(result: &Value) -> String {
    const KNOWN: [&str; 14] = [
        "messagesPerSec",
        "latency",
        "memory",
        "capacity",
        "knee",
        "levels",
        "iterations",
        "headlinePercent",
        "probes",
        "deliveriesPerSec",
        "searchedAgainFor",
        "memoryOverTime",
        "latencyOverTime",
        "durationMs",
    ];
    const ROWS: usize = 200;
    let fields = result["metrics"].as_object().into_iter().flatten();
    let mut single = serde_json::Map::new();
    let mut out = String::new();
    for (name, value) in fields.filter(|(name, _)| !KNOWN.contains(&name.as_str())) {
        match value.as_array().filter(|items| items.iter().any(Value::is_object)) {
            Some(items) => {
                let keys = columns(items);
                let head: Vec<String> = keys.iter().map(|key| escape(&key[1..].replace('/', " "))).collect();
                let rows: Vec<Vec<String>> = items
                    .iter()
                    .take(ROWS)
                    .map(|item| {
                        let cell = |key: &String| item.pointer(key).map_or_else(|| "-".to_owned(), shown);
                        keys.iter().map(cell).collect()
                    })
                    .collect();
                out.push_str(&format!("<h3>{}</h3>{}", escape(name), table("", &head, &rows)));
            }
            None if value.is_object() => out.push_str(&pairs(&escape(name), value)),
            None => drop(single.insert(name.clone(), value.clone())),
        }
    }
    pairs("Other figures", &Value::Object(single)) + &out
}

/// Where the figures of a list's items are, each for whichever items have it; of latencies p50 and p99.
fn columns(items: &[Value]) -> Vec<String> {
    let mut columns: Vec<String> = Vec::new();
    for (name, value) in items.iter().filter_map(Value::as_object).flatten() {
        let figures = match value {
            Value::Array(_) => Vec::new(),
            Value::Object(inner) => ["p50", "p99"]
                .into_iter()
                .filter(|figure| inner.contains_key(*figure))
                .map(|figure| format!("/{name}/{figure}"))
                .collect(),
            _ => vec![format!("/{name}")],
        };
        for figure in figures {
            if !columns.contains(&figure) {
                columns.push(figure);
            }
        }
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn pairs_leave_out_what_is_nested() {
        let herd = json!({"floorMs": 3, "latency": {"p50": 1}, "iterations": [{"durationMs": 1}], "samples": [4, 5]});
        let text = pairs("threads", &herd);
        assert!(text.contains("floorMs") && text.contains("samples"), "{text}");
        assert!(!text.contains("latency") && !text.contains("iterations"), "{text}");
    }

    #[test]
    fn a_table_has_a_column_for_what_any_of_its_items_has() {
        let items = [
            json!({"form": "by reference", "publishLatency": {"p50": 1, "count": 9}}),
            json!({"bytesPerSec": 7}),
        ];
        assert_eq!(columns(&items), ["/form", "/publishLatency/p50", "/bytesPerSec"]);
    }
}
