//! A curve as SVG: logarithmic along the axis, and upwards too where the figures spread widely.
//!
//! The picture stands alone in a page of any colour: it carries its style, with colours for light and for dark. Each mark
//! has a bar from the least sample to the most, and tells its figures when it is pointed at. A hollow mark was measured
//! with the CPUs in another place than the rest.

use std::fmt::Write as _;

use super::axis::Axis;
use super::reading::{Found, Line, Reading};
use crate::report::figure;

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 312.0;
const LEFT: f64 = 58.0;
const RIGHT: f64 = 536.0;
const TOP: f64 = 54.0;
const BOTTOM: f64 = 260.0;
/// The width of a letter of a tick.
const LETTER: f64 = 7.2;
/// Figures that are further apart than this have a logarithmic axis.
const WIDE: f64 = 12.0;

const STYLE: &str = "svg{--ground:#fff;--ink:#1b2430;--faint:#5b6675;--rule:#dde2e8;--c0:#0b62a8;--c1:#c2410c}\
@media(prefers-color-scheme:dark){svg{--ground:#11161d;--ink:#e4e9ef;--faint:#9aa7b6;--rule:#2c3541;\
--c0:#6cb6ff;--c1:#ff9e64}}\
.ground{fill:var(--ground)}text{fill:var(--faint);font:13px system-ui,sans-serif}\
.head{fill:var(--ink);font-weight:600;font-size:15px}path{fill:none}.grid{stroke:var(--rule)}\
.axis{stroke:var(--faint)}.note{stroke:var(--faint);stroke-dasharray:2 4}.line{stroke-width:2}\
.c0{stroke:var(--c0)}.c1{stroke:var(--c1)}circle.c0{fill:var(--c0)}circle.c1{fill:var(--c1)}\
circle.hollow{fill:var(--ground)}";

/// How figures become heights.
struct Scale {
    logarithmic: bool,
    low: f64,
    high: f64,
    ticks: Vec<f64>,
}

impl Scale {
    /// From zero, or from a power of ten, to what covers all.
    fn covering(low: f64, high: f64) -> Self {
        if low <= 0.0 || high / low <= WIDE {
            let step = 10_f64.powf(high.log10().floor());
            let step = [0.1, 0.2, 0.5, 1.0, 2.0].map(|part| part * step).into_iter();
            let step = step.clone().find(|step| high / step <= 6.0).unwrap_or(high);
            let ticks = (0..=7).map(|count| f64::from(count) * step).take_while(|tick| *tick < high + step);
            let ticks: Vec<_> = ticks.collect();
            return Self { logarithmic: false, low: 0.0, high: ticks.last().copied().unwrap_or(high), ticks };
        }
        let (first, last) = (low.log10().floor(), high.log10().ceil());
        let mut power = first;
        let powers = std::iter::from_fn(|| {
            power += 1.0;
            (power <= last + 1.0).then(|| 10_f64.powf(power - 1.0))
        });
        Self { logarithmic: true, low: 10_f64.powf(first), high: 10_f64.powf(last), ticks: powers.collect() }
    }

    fn row(&self, figure: f64) -> f64 {
        let share = if self.logarithmic {
            (figure / self.low).ln() / (self.high / self.low).ln()
        } else {
            (figure - self.low) / (self.high - self.low)
        };
        BOTTOM - share.clamp(0.0, 1.0) * (BOTTOM - TOP)
    }
}

/// The picture of an axis; none when nothing was measured.
pub(super) fn svg(axis: &Axis, found: &Found) -> Option<String> {
    let readings = || found.lines.iter().flat_map(|line| &line.readings);
    let (first, last) =
        (readings().map(|reading| reading.x).min()?, readings().map(|reading| reading.x).max()?);
    let low = readings().map(|reading| reading.min).min_by(f64::total_cmp)?;
    let high = readings().map(|reading| reading.max).max_by(f64::total_cmp)?;
    let scale = Scale::covering(low, high);
    let span = (last as f64 / first.max(1) as f64).ln().max(f64::MIN_POSITIVE);
    let column = |x: u64| LEFT + 12.0 + (x as f64 / first.max(1) as f64).ln() / span * (RIGHT - LEFT - 24.0);

    let title = axis.title;
    let mut out = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" xmlns=\"http://www.w3.org/2000/svg\">\
         <title>{title}</title><style>{STYLE}</style>\
         <rect class=\"ground\" width=\"{WIDTH}\" height=\"{HEIGHT}\"/>\
         <text class=\"head\" x=\"8\" y=\"20\">{title}</text>"
    );
    // Writing to a string does not fail, here and below.
    for tick in &scale.ticks {
        let (row, label) = (scale.row(*tick), tidy(*tick));
        write!(out, "<path class=\"grid\" d=\"M{LEFT} {row:.1}H{RIGHT}\"/>").ok();
        write!(out, "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>", LEFT - 6.0, row + 4.0)
            .ok();
    }
    columns(&mut out, found, column);
    write!(out, "<path class=\"axis\" d=\"M{LEFT} {TOP}V{BOTTOM}H{RIGHT}\"/>").ok();
    let row = HEIGHT - 10.0;
    let log = if scale.logarithmic { ", log" } else { "" };
    write!(out, "<text x=\"{RIGHT}\" y=\"{row}\" text-anchor=\"end\">{}, log</text>", axis.x).ok();
    write!(out, "<text x=\"8\" y=\"{row}\">{}{log}; bars: all samples</text>", axis.unit).ok();
    if let Some(default) = axis.default {
        let at = column(default);
        let (anchor, beside) = if at > WIDTH / 2.0 { ("end", -5.0) } else { ("start", 5.0) };
        write!(out, "<path class=\"note\" d=\"M{at:.1} {TOP}V{BOTTOM}\"/>").ok();
        let (at, row) = (at + beside, BOTTOM - 8.0);
        write!(out, "<text x=\"{at:.1}\" y=\"{row}\" text-anchor=\"{anchor}\">default</text>").ok();
    }
    let mut legend = 8.0;
    for (colour, line) in found.lines.iter().enumerate() {
        write!(out, "<path class=\"line c{colour}\" d=\"M{legend:.1} 38h18\"/>").ok();
        write!(out, "<text x=\"{:.1}\" y=\"42\">{}</text>", legend + 24.0, line.name).ok();
        legend += 40.0 + line.name.len() as f64 * LETTER;
        draw(&mut out, colour, line, found, axis, |reading| (column(reading.x), &scale));
    }
    out.push_str("</svg>\n");
    Some(out)
}

/// The ticks along the axis; a label that would run into the last one is left out.
fn columns(out: &mut String, found: &Found, column: impl Fn(u64) -> f64) {
    let readings = found.lines.iter().flat_map(|line| &line.readings);
    let mut ticks: Vec<_> = readings.map(|reading| (reading.x, &reading.label)).collect();
    ticks.sort();
    ticks.dedup();
    let mut free = f64::NEG_INFINITY;
    for (x, label) in ticks {
        let (at, half) = (column(x), label.len() as f64 * LETTER / 2.0);
        write!(out, "<path class=\"axis\" d=\"M{at:.1} {BOTTOM}v5\"/>").ok();
        if at - half > free {
            free = at + half + 8.0;
            let row = BOTTOM + 19.0;
            write!(out, "<text x=\"{at:.1}\" y=\"{row}\" text-anchor=\"middle\">{label}</text>").ok();
        }
    }
}

/// A line, its marks and their bars.
fn draw<'a>(
    out: &mut String,
    colour: usize,
    line: &Line,
    found: &Found,
    axis: &Axis,
    place: impl Fn(&Reading) -> (f64, &'a Scale),
) {
    let (mut path, mut bars, mut marks) = (String::new(), String::new(), String::new());
    for reading in &line.readings {
        let (at, scale) = place(reading);
        let [row, least, most] = [reading.median, reading.min, reading.max].map(|figure| scale.row(figure));
        let command = if path.is_empty() { 'M' } else { 'L' };
        write!(path, "{command}{at:.1} {row:.1}").ok();
        write!(bars, "M{at:.1} {least:.1}V{most:.1}").ok();
        let hollow = if Some(reading.placement) == found.placement { "" } else { " hollow" };
        let [median, min, max] = [reading.median, reading.min, reading.max].map(figure);
        write!(
            marks,
            "<circle class=\"c{colour}{hollow}\" cx=\"{at:.1}\" cy=\"{row:.1}\" r=\"3.4\">\
             <title>{}: {median} {} ({min} .. {max}), n={}, {} {:.0} ns</title></circle>",
            reading.label,
            axis.unit,
            reading.samples,
            reading.placement.name(),
            reading.line
        )
        .ok();
    }
    let bars = format!("<path class=\"c{colour}\" d=\"{bars}\"/>");
    write!(out, "<path class=\"line c{colour}\" d=\"{path}\"/>{bars}{marks}").ok();
}

/// A tick's figure without digits that say nothing.
fn tidy(tick: f64) -> String {
    let text = format!("{tick:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::reading::tests::found;
    use super::*;

    #[test]
    fn scales_cover_their_figures_with_few_round_ticks() {
        for (low, high) in [(0.9, 1.1), (3.0, 30.0), (0.4, 520.0), (0.001, 12.0), (7.0, 7.0)] {
            let scale = Scale::covering(low, high);
            assert!(scale.low <= low && scale.high >= high, "{low} {high}");
            assert!((2..=8).contains(&scale.ticks.len()), "{low} {high}: {:?}", scale.ticks);
            assert!(scale.row(high) < scale.row(low * 0.999) && scale.row(high) >= TOP, "{low} {high}");
        }
        assert_eq!([0.0, 0.25, 10.0, 1_000.0].map(tidy), ["0", "0.25", "10", "1000"]);
    }

    #[test]
    fn a_picture_has_a_mark_for_each_point_in_its_place() {
        let (axis, found) = found("ring");
        let svg = svg(&axis, &found).unwrap();
        let places = |attribute: &str| -> Vec<f64> {
            let starts = svg.match_indices(attribute).map(|(at, _)| &svg[at + attribute.len()..]);
            starts.map(|rest| rest.split('"').next().unwrap().parse().unwrap()).collect()
        };
        let (columns, rows) = (places("cx=\""), places("cy=\""));
        assert_eq!(columns.len(), found.lines[0].readings.len());
        // Each twice as far along, and slower: to the right in equal steps, and further down.
        let steps: Vec<_> = columns.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(steps.iter().all(|step| (step - steps[0]).abs() < 0.2 && *step > 0.0), "{columns:?}");
        assert!(rows.is_sorted(), "{rows:?}");
        assert!(svg.contains("default") && svg.contains("prefers-color-scheme") && !svg.contains("hollow\""));
    }

    #[test]
    fn what_was_measured_elsewhere_is_hollow() {
        let (axis, mut found) = found("threads");
        found.lines[1].readings[2].placement = crate::placement::Placement::Far;
        let svg = svg(&axis, &found).unwrap();
        assert_eq!(svg.matches("c1 hollow\"").count(), 1);
    }
}
