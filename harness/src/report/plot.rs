//! The hockey stick: latency against load, drawn with characters.
//!
//! Load runs to the right in proportion, latency upwards on a logarithmic scale, since what matters spans from a
//! microsecond to a second. A level that did not hold is marked differently.

use crate::num;

const WIDTH: usize = 64;
const HEIGHT: usize = 14;

/// One level on the plot; times in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Mark {
    pub(crate) percent: f64,
    pub(crate) held: bool,
    pub(crate) p50: Option<f64>,
    pub(crate) p99: Option<f64>,
}

/// The plot as lines of text; empty when there are not two levels to draw.
pub(crate) fn lines(marks: &[Mark]) -> Vec<String> {
    let values = || marks.iter().flat_map(|mark| [mark.p50, mark.p99]).flatten().filter(|value| *value > 0.0);
    let (Some(least), Some(most)) = (values().min_by(f64::total_cmp), values().max_by(f64::total_cmp)) else {
        return Vec::new();
    };
    let (left, right) = marks.iter().fold((f64::INFINITY, 0.0_f64), |(left, right), mark| {
        (left.min(mark.percent), right.max(mark.percent))
    });
    if left >= right {
        return Vec::new();
    }
    let (bottom, top) = (least.log10().floor(), most.log10().ceil().max(least.log10().floor() + 1.0));
    let column =
        |percent: f64| num::index(num::whole((percent - left) / (right - left) * (WIDTH - 1) as f64));
    let row = |nanos: f64| {
        let height = (nanos.log10() - bottom) / (top - bottom) * (HEIGHT - 1) as f64;
        HEIGHT - 1 - num::index(num::whole(height)).min(HEIGHT - 1)
    };
    let mut grid = vec![vec![' '; WIDTH]; HEIGHT];
    for mark in marks {
        for (value, held, missed) in [(mark.p50, 'o', 'o'), (mark.p99, '#', 'x')] {
            if let Some(value) = value.filter(|value| *value > 0.0) {
                grid[row(value)][column(mark.percent)] = if mark.held { held } else { missed };
            }
        }
    }
    let mut lines = vec!["latency (log)   o p50   # p99   x p99 of a level that did not hold".to_owned()];
    // A label where a power of ten falls on a row.
    let mut labels = vec![String::new(); HEIGHT];
    let mut power = bottom;
    while power <= top {
        labels[row(10_f64.powf(power))] = num::time(10_f64.powf(power));
        power += 1.0;
    }
    for (label, cells) in labels.iter().zip(&grid) {
        let cells: String = cells.iter().collect();
        let axis = if label.is_empty() { '|' } else { '+' };
        lines.push(format!("{label:>8} {axis}{}", cells.trim_end()));
    }
    lines.push(format!("{:>8} +{}", "", "-".repeat(WIDTH)));
    lines.push(format!("{:>8}  {}", "", ruler(marks, column)));
    lines
}

/// The percentages under their columns, as far as they fit.
fn ruler(marks: &[Mark], column: impl Fn(f64) -> usize) -> String {
    let mut percents: Vec<f64> = marks.iter().map(|mark| mark.percent).collect();
    percents.sort_by(f64::total_cmp);
    percents.dedup();
    let mut text = String::new();
    for percent in percents {
        let label = num::percent(percent);
        let start = (column(percent) + 1).saturating_sub(label.len());
        if start > text.len() || text.is_empty() {
            text.push_str(&" ".repeat(start - text.len()));
            text.push_str(&label);
        }
    }
    format!("{text} % of capacity")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(percent: f64, held: bool, p99: f64) -> Mark {
        Mark { percent, held, p50: Some(p99 / 3.0), p99: Some(p99) }
    }

    #[test]
    fn more_load_is_further_right_and_more_latency_higher() {
        let lines = lines(&[mark(50.0, true, 1_000.0), mark(90.0, true, 10_000.0), mark(125.0, false, 4e8)]);
        let find =
            |symbol| lines[1..].iter().enumerate().find_map(|(row, line)| Some((row, line.find(symbol)?)));
        let (missed, held) = (find('x').unwrap(), find('#').unwrap());
        assert!(missed.0 < held.0, "the overloaded level is above: {lines:#?}");
        assert!(missed.1 > held.1, "and to the right: {lines:#?}");
        assert!(lines.last().unwrap().contains("125 % of capacity"), "{lines:#?}");
        assert!(lines.iter().any(|line| line.trim_start().starts_with("1.00 us +")), "{lines:#?}");
    }

    #[test]
    fn one_level_is_no_curve() {
        assert!(lines(&[mark(50.0, true, 1_000.0)]).is_empty());
        assert!(lines(&[]).is_empty());
    }

    #[test]
    fn levels_without_figures_are_left_out() {
        let empty = Mark { percent: 75.0, held: true, p50: None, p99: None };
        assert!(!lines(&[mark(50.0, true, 1_000.0), empty]).is_empty());
    }
}
