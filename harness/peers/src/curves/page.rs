//! The figures in words: a line below each picture, the table of wait strategies, and where they go in the page.

use super::axis::{Axis, WAIT};
use super::reading::{Found, Line, Reading};
use crate::report::figure;

/// What threads must keep of the multiplexed form's rate, in every strategy but the pure spin.
const KEPT: f64 = 0.5;
/// Ratios that are no further apart than this are a tie.
const TIE: f64 = 1.3;

/// Puts what was found of an axis between its marks in the page: `<!-- curve NAME -->` and `<!-- end -->`. A page
/// without them stays as it is.
pub(super) fn put(page: &str, axis: &Axis, found: &Found) -> String {
    let begin = format!("<!-- curve {} -->\n", axis.name);
    let Some((before, rest)) = page.split_once(&begin) else { return page.to_owned() };
    let Some((_, after)) = rest.split_once("<!-- end -->") else { return page.to_owned() };
    let figures = if axis.name == WAIT {
        table(axis, found)
    } else {
        format!("![{}](curves/{}.svg)\n\n{}", axis.title, axis.name, caption(axis, found))
    };
    format!("{before}{begin}{figures}<!-- end -->{after}")
}

/// Where and when.
fn origin(found: &Found) -> String {
    let class = found.placement.map_or("nowhere", |placement| placement.name());
    format!("{}, {class} ({:.0} ns), {}", found.machine, found.distance(), found.date)
}

/// The ends of each curve, its top, and the place of the default.
pub(super) fn caption(axis: &Axis, found: &Found) -> String {
    let of = |line: &Line| {
        let (Some(first), Some(last)) = (line.readings.first(), line.readings.last()) else {
            return format!("{}: not measured", line.name);
        };
        let most =
            line.readings.iter().max_by(|one, other| one.median.total_cmp(&other.median)).unwrap_or(last);
        let mut text = format!(
            "{}: {} at {}, {} at {}, most {} at {}",
            line.name,
            figure(first.median),
            first.label,
            figure(last.median),
            last.label,
            figure(most.median),
            most.label
        );
        if let Some(default) = line.readings.iter().find(|reading| Some(reading.x) == axis.default) {
            text += &format!(
                "; the default of {} has {:.0} % of that",
                default.label,
                default.median / most.median * 100.0
            );
        }
        text
    };
    let lines: Vec<_> = found.lines.iter().map(of).collect();
    format!("*{}: {}. ({})*\n", axis.unit, lines.join(". "), origin(found))
}

/// A row for each strategy and way to share out the messages: multiplexed, as threads, and the ratio.
pub(super) fn table(axis: &Axis, found: &Found) -> String {
    let mut text = format!(
        "| strategy | published | multiplexed, {0} | 58 threads, {0} | ratio | at least {KEPT} |\n|---|---|---|---|---|---|\n",
        axis.unit
    );
    for forms in found.lines.chunks_exact(2) {
        text += &rows(axis, &forms[0], &forms[1]);
    }
    text + &format!("\n*({})*\n", origin(found))
}

/// The rows of the lines of one way to share out.
fn rows(axis: &Axis, multiplexed: &Line, threads: &Line) -> String {
    let shares = threads.name.split_once(", ").map_or("", |(_, shares)| shares);
    let cell = |reading: &Reading| {
        let [median, min, max] = [reading.median, reading.min, reading.max].map(figure);
        format!("{median} ({min} .. {max}), n={}", reading.samples)
    };
    let mut text = String::new();
    for one in &multiplexed.readings {
        let Some(many) = threads.readings.iter().find(|many| many.x == one.x) else { continue };
        let ratio = many.median / one.median;
        let verdict = match (one.label.as_str(), ratio >= KEPT) {
            ("Spin", _) => "need not",
            (_, true) => "holds",
            (_, false) => "**fails**",
        };
        let tie = verdict != "need not" && ratio < KEPT * TIE && ratio > KEPT / TIE;
        let tie = if tie { ", within the noise" } else { "" };
        let default = if Some(one.x) == axis.default { " (default)" } else { "" };
        let (ratio, apart) =
            (figure(ratio), if one.placement == many.placement { "" } else { ", CPUs moved" });
        text += &format!(
            "| `{}`{default} | {shares} | {} | {} | {ratio} | {verdict}{tie}{apart} |\n",
            one.label,
            cell(one),
            cell(many),
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::reading::tests::found;
    use super::*;

    const PAGE: &str =
        "before\n<!-- curve ring -->\nold\n<!-- end -->\nbetween\n<!-- curve wait -->\n<!-- end -->\nafter\n";

    #[test]
    fn only_what_is_between_an_axis_marks_changes() {
        let (axis, found) = found("ring");
        let page = put(PAGE, &axis, &found);
        assert!(
            page.starts_with("before\n<!-- curve ring -->\n![Slots of the ring](curves/ring.svg)\n"),
            "{page}"
        );
        assert!(
            page.ends_with("<!-- end -->\nbetween\n<!-- curve wait -->\n<!-- end -->\nafter\n"),
            "{page}"
        );
        assert!(!page.contains("old"));
        assert_eq!(put(&page, &axis, &found), page);
        assert_eq!(put("nothing", &axis, &found), "nothing");
    }

    #[test]
    fn a_caption_has_the_ends_the_top_and_the_default() {
        let (axis, found) = found("ring");
        let caption = caption(&axis, &found);
        for part in [
            "20.0 at 64",
            "1.82 at 65,536",
            "most 20.0 at 64",
            "the default of 4,096 has 14 % of that",
            "near (36 ns)",
        ] {
            assert!(caption.contains(part), "{part}: {caption}");
        }
    }

    #[test]
    fn a_row_says_whether_threads_keep_half_but_for_the_spin() {
        let (axis, mut found) = found("wait");
        for (at, [one, many]) in [[10.0, 1.0], [10.0, 6.6], [10.0, 4.9]].into_iter().enumerate() {
            found.lines[0].readings[at].median = one;
            found.lines[1].readings[at].median = many;
        }
        let table = put(PAGE, &axis, &found);
        let rows: Vec<_> = table.lines().filter(|line| line.starts_with("| `")).collect();
        assert!(rows[0].contains("`Spin`") && rows[0].ends_with("| 0.1000 | need not |"), "{table}");
        assert!(
            rows[1].contains("`SpinThenPark` (default) | equal shares |")
                && rows[1].ends_with("| 0.6600 | holds |"),
            "{table}"
        );
        assert!(
            rows[2].contains("`Park`") && rows[2].ends_with("| 0.4900 | **fails**, within the noise |"),
            "{table}"
        );
        assert!(rows.len() == 6 && rows[5].contains("`Park` | as each comes to it |"), "{table}");
    }
}
