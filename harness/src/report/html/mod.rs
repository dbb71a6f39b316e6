//! Results as one HTML file that needs nothing else: no network, no script, no library.
//!
//! The page is made from the result files alone, so that it shows what other builds measured, too. What belongs to a
//! scenario is shown when it is there; a scenario that this build does not know still shows what all have in common,
//! and its own figures as they are named. Everything that comes from a file is escaped.
//!
//! [`figures`] makes charts of results, with [`chart`] to draw them; [`sections`] is what is said of one result,
//! [`beside`] of several side by side.

mod beside;
mod chart;
mod figures;
mod sections;

use serde_json::Value;

use crate::num;

const COLOURS: &str = include_str!("colours.css");
const PAGE: &str = include_str!("page.css");

/// A result, and what it is called among the others.
#[derive(Debug, Clone)]
pub(crate) struct View<'a> {
    pub(crate) name: String,
    /// The file it came from.
    pub(crate) file: String,
    pub(crate) result: &'a Value,
}

/// The whole page.
pub(crate) fn page(views: &[View<'_>]) -> String {
    let title = match views {
        [one] => format!("Ringmain: {}", one.result["scenario"].as_str().unwrap_or("unknown")),
        _ => format!("Ringmain: {} results", views.len()),
    };
    let title = escape(&title);
    let mut body = format!("<h1>{title}</h1>");
    if views.len() > 1 {
        body.push_str(&beside::section(views));
    }
    views.iter().for_each(|view| body.push_str(&sections::section(view)));
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{title}</title><style>\n{COLOURS}{PAGE}</style></head>\n<body><main>\n{body}\n\
         <p class=\"faint\">Made by harness {}. Latencies are counted from when a message was due.</p>\
         </main></body></html>\n",
        env!("CARGO_PKG_VERSION")
    )
}

/// The hockey stick alone, as a picture; empty when no result has levels.
pub(crate) fn picture(views: &[View<'_>]) -> String {
    figures::hockey_stick(views, Some(COLOURS))
}

/// Text that cannot become markup, in an element or in a quoted attribute.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

/// A table that scrolls in its own box. Cells are markup already.
fn table(class: &str, head: &[String], rows: &[Vec<String>]) -> String {
    let cells = |cells: &[String], kind: &str| -> String {
        cells.iter().map(|cell| format!("<{kind}>{cell}</{kind}>")).collect()
    };
    let head = if head.is_empty() {
        String::new()
    } else {
        format!("<thead><tr>{}</tr></thead>", cells(head, "th"))
    };
    let rows: String = rows.iter().map(|row| format!("<tr>{}</tr>", cells(row, "td"))).collect();
    format!("<div class=\"scroll\"><table class=\"{class}\">{head}<tbody>{rows}</tbody></table></div>")
}

/// A value of a file as text, escaped.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => escape(text),
        Value::Array(items) => escape(&items.iter().map(plain).collect::<Vec<_>>().join(", ")),
        other => escape(&plain(other)),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_f64() => {
            let number = number.as_f64().unwrap_or_default();
            if number.abs() >= 100.0 {
                return num::signed(number);
            }
            let text = format!("{number:.4}");
            if text.contains('.') {
                text.trim_end_matches('0').trim_end_matches('.').to_owned()
            } else {
                text
            }
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_file_says_cannot_become_markup() {
        let hostile = "</title><script>alert('x')</script>";
        let result = json!({
            "scenario": hostile, "success": false, "errors": [hostile],
            "config": {(hostile): hostile}, "environment": {"cpuModel": hostile, "timestamp": hostile},
            "metrics": {(hostile): hostile, "iterations": [{"messagesPerSec": 1.0}, {"messagesPerSec": 2.0}]},
            "noise": {"noisy": true, "reasons": [hostile]}, "ledger": [{"subscription": hostile}],
        });
        let view = View { name: hostile.to_owned(), file: hostile.to_owned(), result: &result };
        for views in [&[view.clone()][..], &[view.clone(), view.clone()]] {
            let page = page(views);
            assert!(!page.contains("<script") && !page.contains("alert('"), "{page}");
            assert!(page.contains("&lt;script&gt;"), "it is shown all the same");
        }
    }

    #[test]
    fn a_scenario_of_another_build_shows_what_all_have_in_common_and_its_own() {
        let result = json!({
            "scenario": "something-else", "success": true, "config": {"ring": 64},
            "environment": {"cpuModel": "Some CPU"},
            "metrics": {"messagesPerSec": 5000.0, "kinds": 7, "rounds": [{"size": 1}, {"size": 2}],
                        "latency": {"count": 1000, "p50": 0.002}},
        });
        let view = View { name: "A".to_owned(), file: "a.json".to_owned(), result: &result };
        let page = page(&[view]);
        for text in
            ["something-else", "Some CPU", "5,000/s", "2.00 us", "kinds", "rounds", "size", "viewport"]
        {
            assert!(page.contains(text), "{text}");
        }
    }

    #[test]
    fn a_page_of_nothing_is_still_a_page() {
        let empty = json!({});
        let view = View { name: "A".to_owned(), file: "a.json".to_owned(), result: &empty };
        assert!(page(&[view.clone(), view]).ends_with("</html>\n"));
    }
}
