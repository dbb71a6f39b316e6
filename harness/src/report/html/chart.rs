//! Line charts as SVG, drawn here: no script, no library, nothing to load.
//!
//! A chart has a view box and no size, so that it takes the width it is given, on a phone as on a desk. Colours come
//! from the variables of the style sheet; a chart that stands alone carries the sheet inside, which is how it
//! follows the reader's choice of light or dark in either case. Every point tells its figures when it is pointed at.

use std::fmt::Write as _;

use super::escape;
use crate::num;

const WIDTH: f64 = 460.0;
const HEIGHT: f64 = 312.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 436.0;
const BOTTOM: f64 = 260.0;
/// The height of a row of the legend, and the width of one of its letters.
const ROW: f64 = 18.0;
const LETTER: f64 = 7.2;
/// Colours in the style sheet.
const COLOURS: usize = 6;

/// How values become places on an axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Scale {
    Linear,
    Logarithmic,
}

/// One axis: its ends, what it says, and where.
#[derive(Debug, Clone)]
pub(super) struct Axis {
    title: String,
    scale: Scale,
    ends: (f64, f64),
    ticks: Vec<(f64, String)>,
}

impl Axis {
    /// An axis with ticks at `ticks`, from the smallest to the largest of them.
    pub(super) fn at(title: &str, ticks: Vec<(f64, String)>) -> Option<Self> {
        let values = || ticks.iter().map(|(value, _)| *value);
        let ends = (values().min_by(f64::total_cmp)?, values().max_by(f64::total_cmp)?);
        let ends = if ends.0 < ends.1 { ends } else { (ends.0 - 1.0, ends.1 + 1.0) };
        if !(ends.1 - ends.0).is_finite() {
            return None;
        }
        Some(Self { title: title.to_owned(), scale: Scale::Linear, ends, ticks })
    }

    /// Times in milliseconds, with a tick at every power of ten around `values`.
    pub(super) fn times(title: &str, values: impl Iterator<Item = f64> + Clone) -> Option<Self> {
        let positive = values.filter(|value| *value > 0.0 && value.is_normal());
        let least = positive.clone().min_by(f64::total_cmp)?.log10().floor();
        let most = positive.max_by(f64::total_cmp)?.log10().ceil().max(least + 1.0);
        let mut ticks = Vec::new();
        let mut power = least;
        while power <= most {
            let millis = 10_f64.powf(power);
            ticks.push((millis, num::time(millis * 1e6)));
            power += 1.0;
        }
        let ends = (10_f64.powf(least), 10_f64.powf(most));
        if !(ends.0.is_normal() && (ends.1 * 1e6).is_finite()) {
            return None;
        }
        Some(Self { title: title.to_owned(), scale: Scale::Logarithmic, ends, ticks })
    }

    /// Amounts from zero up, with four to seven round ticks. Figures too small or too large for a number to hold them fully are
    /// none to draw.
    pub(super) fn amounts(title: &str, values: impl Iterator<Item = f64>) -> Option<Self> {
        let most = values.filter(|value| *value > 0.0 && value.is_normal()).max_by(f64::total_cmp)?;
        let magnitude = 10_f64.powf(most.log10().floor());
        let step = [0.2, 0.25, 0.5, 1.0, 2.0].map(|part| part * magnitude);
        let step = step.into_iter().find(|step| most / step <= 6.0).unwrap_or(2.0 * magnitude);
        let steps = num::whole((most / step).ceil()).max(1);
        if !(step.is_normal() && (num::float(steps) * step).is_finite()) {
            return None;
        }
        let ticks: Vec<_> = (0..=steps).map(|n| num::float(n) * step).map(|at| (at, short(at))).collect();
        let ends = (0.0, num::float(steps) * step);
        Some(Self { title: title.to_owned(), scale: Scale::Linear, ends, ticks })
    }

    /// How far along the axis `value` is, from 0 to 1.
    fn share(&self, value: f64) -> f64 {
        let (low, high) = self.ends;
        let share = match self.scale {
            Scale::Linear => (value - low) / (high - low),
            Scale::Logarithmic => (value.max(low).log10() - low.log10()) / (high.log10() - low.log10()),
        };
        share.clamp(0.0, 1.0)
    }
}

/// A number of something as an axis has it: `2.5 M`.
pub(super) fn short(value: f64) -> String {
    let (scaled, unit) = match value.abs() {
        v if v >= 1e9 => (value / 1e9, " G"),
        v if v >= 1e6 => (value / 1e6, " M"),
        v if v >= 1e3 => (value / 1e3, " k"),
        _ => (value, ""),
    };
    format!("{}{unit}", num::percent(scaled))
}

/// A point, and what it says when pointed at.
#[derive(Debug, Clone)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) says: String,
    /// Drawn hollow: a level that did not hold.
    pub(super) hollow: bool,
}

/// A line through points.
#[derive(Debug, Clone)]
pub(super) struct Series {
    pub(super) name: String,
    pub(super) points: Vec<Point>,
    pub(super) look: Look,
}

/// How a line is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// With a mark at every point that was measured.
    Marked,
    /// Without, where there are too many.
    Line,
    /// Dashed: what was asked for, beside what was measured.
    Dashed,
    /// As an area: shares of a whole.
    Filled,
}

impl Look {
    fn class(self) -> &'static str {
        match self {
            Self::Marked | Self::Line => "",
            Self::Dashed => " dashed",
            Self::Filled => " filled",
        }
    }
}

/// The chart; empty when nothing is to be drawn. `note` marks a place on the x axis with a word. `sheet` is the style
/// of a chart that stands alone.
pub(super) fn svg(
    title: &str,
    x: Option<Axis>,
    y: Option<Axis>,
    series: &[Series],
    note: Option<(f64, String)>,
    sheet: Option<&str>,
) -> String {
    let (Some(x), Some(y)) = (x, y) else { return String::new() };
    let (legend, rows) = legend(series);
    let top = 30.0 + ROW * rows + 6.0;
    let column = |value: f64| LEFT + x.share(value) * (RIGHT - LEFT);
    let row = |value: f64| BOTTOM - y.share(value) * (BOTTOM - top);
    let mut out = format!(
        "<svg class=\"chart\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" xmlns=\"http://www.w3.org/2000/svg\">\
         <title>{}</title>",
        escape(title)
    );
    let mut add = |text: String| out.push_str(&text);
    if let Some(sheet) = sheet {
        add(format!("<style>{sheet}</style><rect class=\"ground\" width=\"{WIDTH}\" height=\"{HEIGHT}\"/>"));
    }
    add(format!("<text class=\"head\" x=\"8\" y=\"20\">{}</text>{legend}", escape(title)));
    for (value, label) in &y.ticks {
        let at = row(*value);
        add(format!(
            "<path class=\"grid\" d=\"M{LEFT} {at:.1}H{RIGHT}\"/>\
             <text class=\"tick\" x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 6.0,
            at + 4.0,
            escape(label)
        ));
    }
    let mut free = f64::NEG_INFINITY;
    for (value, label) in &x.ticks {
        let (at, half) = (column(*value), num::float(num::count(label.chars().count())) * LETTER / 2.0);
        add(format!("<path class=\"grid\" d=\"M{at:.1} {BOTTOM}v5\"/>"));
        let at = at.min(WIDTH - 4.0 - half);
        // A label that would run into the last one is left out.
        if at - half > free {
            free = at + half + 4.0;
            add(format!(
                "<text class=\"tick\" x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                BOTTOM + 19.0,
                escape(label)
            ));
        }
    }
    add(format!("<path class=\"axis\" d=\"M{LEFT} {top}V{BOTTOM}H{RIGHT}\"/>"));
    add(format!(
        "<text class=\"tick\" x=\"{RIGHT}\" y=\"{}\" text-anchor=\"end\">{}</text>\
         <text class=\"tick\" x=\"{}\" y=\"{}\">{}</text>",
        HEIGHT - 10.0,
        escape(&x.title),
        8.0,
        HEIGHT - 10.0,
        escape(&y.title)
    ));
    if let Some((value, word)) = note {
        let at = column(value);
        let anchor = if at > WIDTH / 2.0 { "end" } else { "start" };
        add(format!(
            "<path class=\"note\" d=\"M{at:.1} {top}V{BOTTOM}\"/>\
             <text class=\"tick\" x=\"{:.1}\" y=\"{}\" text-anchor=\"{anchor}\">{}</text>",
            if anchor == "end" { at - 5.0 } else { at + 5.0 },
            top + 12.0,
            escape(&word)
        ));
    }
    for (index, one) in series.iter().enumerate() {
        add(line(one, index % COLOURS, column, row));
    }
    out.push_str("</svg>");
    out
}

/// A line and its marks.
fn line(series: &Series, colour: usize, column: impl Fn(f64) -> f64, row: impl Fn(f64) -> f64) -> String {
    let mut path = String::new();
    for point in &series.points {
        let command = if path.is_empty() { 'M' } else { 'L' };
        // Writing to a string cannot fail.
        write!(path, "{command}{:.1} {:.1}", column(point.x), row(point.y)).unwrap_or(());
    }
    if let (Look::Filled, [first, .., last]) = (series.look, &series.points[..]) {
        path = format!("M{:.1} {BOTTOM}L{}L{:.1} {BOTTOM}Z", column(first.x), &path[1..], column(last.x));
    }
    let mut out = format!("<path class=\"line c{colour}{}\" d=\"{path}\"/>", series.look.class());
    for point in series.points.iter().filter(|_| series.look == Look::Marked) {
        let hollow = if point.hollow { " hollow" } else { "" };
        write!(
            out,
            "<circle class=\"mark c{colour}{hollow}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"3.6\"><title>{}</title></circle>",
            column(point.x),
            row(point.y),
            escape(&point.says)
        )
        .unwrap_or(());
    }
    out
}

/// The legend, and how many rows it takes.
fn legend(series: &[Series]) -> (String, f64) {
    let mut out = String::new();
    let (mut at, mut row) = (8.0, 0.0);
    for (index, one) in series.iter().enumerate() {
        let width = 26.0 + num::float(num::count(one.name.chars().count())) * LETTER + 12.0;
        if at > 8.0 && at + width > WIDTH {
            (at, row) = (8.0, row + 1.0);
        }
        let y = 42.0 + ROW * row;
        let dash = one.look.class();
        write!(
            out,
            "<path class=\"line c{}{dash}\" d=\"M{at:.1} {:.1}h18\"/>\
             <text class=\"tick\" x=\"{:.1}\" y=\"{y:.1}\">{}</text>",
            index % COLOURS,
            y - 4.0,
            at + 24.0,
            escape(&one.name)
        )
        .unwrap_or(());
        at += width;
    }
    (out, row + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_ticks_reach_over_the_largest_value() {
        for most in [0.7, 9.9, 10.9e6, 31.0, 1.0, 2.1e9, 49.0] {
            let axis = Axis::amounts("rate", [most].into_iter()).unwrap();
            assert!(axis.ends.1 >= most && (3..=8).contains(&axis.ticks.len()), "{most}: {axis:?}");
        }
        assert!(Axis::amounts("rate", std::iter::empty()).is_none());
    }

    #[test]
    fn a_logarithmic_axis_covers_its_values_with_powers_of_ten() {
        let axis = Axis::times("latency", [0.0004, 30.0].into_iter()).unwrap();
        let labels: Vec<&str> = axis.ticks.iter().map(|(_, label)| label.as_str()).collect();
        assert_eq!(labels, ["100 ns", "1.00 us", "10.0 us", "100 us", "1.00 ms", "10.0 ms", "100 ms"]);
        assert!((axis.share(0.1) - 0.5).abs() < 1e-9);
        assert!(Axis::times("latency", [0.0].into_iter()).is_none());
    }

    #[test]
    fn more_is_further_up_and_names_are_escaped() {
        let point = |x: f64, y: f64| Point { x, y, says: "a & b".to_owned(), hollow: false };
        let series = Series {
            name: "<p99>".to_owned(),
            points: vec![point(0.0, 1.0), point(1.0, 9.0)],
            look: Look::Marked,
        };
        let x = Axis::at("x", vec![(0.0, "0".to_owned()), (1.0, "1".to_owned())]);
        let y = Axis::amounts("y", [9.0].into_iter());
        let text = svg("t", x, y, &[series], None, None);
        let heights: Vec<f64> = text
            .match_indices("cy=\"")
            .map(|(at, _)| text[at + 4..].split('"').next().unwrap().parse().unwrap())
            .collect();
        assert!(heights[0] > heights[1], "{heights:?}");
        assert!(text.contains("&lt;p99&gt;") && text.contains("a &amp; b") && !text.contains("<p99>"));
    }

    #[test]
    fn amounts_beyond_what_can_be_drawn_are_no_axis_and_spoil_none() {
        let tiny = 5e-324;
        for alone in [tiny, f64::MAX, f64::INFINITY] {
            assert!(Axis::amounts("rate", [alone].into_iter()).is_none(), "{alone}");
        }
        assert!(Axis::times("latency", [tiny].into_iter()).is_none());
        assert!(Axis::times("latency", [1e308].into_iter()).is_none());
        assert!(Axis::at("load", vec![(-1e308, String::new()), (1e308, String::new())]).is_none());
        let axis = Axis::amounts("rate", [tiny, f64::INFINITY, 9.0].into_iter()).unwrap();
        assert!(axis.ends.1 >= 9.0 && axis.ends.1 < 20.0, "{axis:?}");
    }
}
