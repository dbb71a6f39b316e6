//! What was measured along an axis, as figures and as JSON.
//!
//! The hypervisor moves the CPUs while an axis is measured, so a curve is that of one placement class: the one in
//! which most of its places have samples. A place that has none of it keeps those that it has, and says so.

use serde_json::{Value, json};

use super::axis::Axis;
use crate::placement::Placement;
use crate::report::round;
use crate::series::{Series, median};

/// One place along an axis.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    pub(super) x: u64,
    pub(super) label: String,
    pub(super) median: f64,
    pub(super) min: f64,
    pub(super) max: f64,
    pub(super) samples: usize,
    /// Nanoseconds that a cache line took from one CPU to the other.
    pub(super) line: f64,
    pub(super) placement: Placement,
    /// Samples that did not count.
    discarded: usize,
}

/// One curve; places without a sample are missing.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) name: &'static str,
    pub(super) readings: Vec<Reading>,
    missing: Vec<String>,
}

/// All that was measured along an axis.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) lines: Vec<Line>,
    /// The class that the curves are of; none when nothing was measured.
    pub(super) placement: Option<Placement>,
    /// Where, with how many CPUs, and when.
    pub(super) machine: String,
    pub(super) date: String,
}

impl Found {
    /// Sorts out an axis' series, which come in the order of its points.
    pub(super) fn new(axis: &Axis, series: &[Series], machine: &str, date: &str) -> Self {
        let placement = best(series);
        let mut series = series.iter();
        let line = |curve: &super::axis::Curve| {
            let mut line = Line { name: curve.name, readings: Vec::new(), missing: Vec::new() };
            for (point, series) in curve.points.iter().zip(series.by_ref()) {
                match reading(point.x, &point.label, series, placement) {
                    Some(reading) => line.readings.push(reading),
                    None => line.missing.push(point.label.clone()),
                }
            }
            line
        };
        let lines = axis.curves.iter().map(line).collect();
        Self { lines, placement, machine: machine.to_owned(), date: date.to_owned() }
    }

    /// The distance between the CPUs, over all that is of the curves' class.
    pub(super) fn distance(&self) -> f64 {
        let readings = self.lines.iter().flat_map(|line| &line.readings);
        let of_class = readings.filter(|reading| Some(reading.placement) == self.placement);
        median(&of_class.map(|reading| reading.line).collect::<Vec<_>>())
    }

    /// The file of an axis.
    pub(super) fn json(&self, axis: &Axis, quick: bool) -> Value {
        let reading = |reading: &Reading| {
            json!({
                "x": reading.x,
                "label": reading.label,
                "median": round(reading.median),
                "min": round(reading.min),
                "max": round(reading.max),
                "samples": reading.samples,
                "discarded": reading.discarded,
                "lineNanos": round(reading.line),
                "placement": reading.placement.name(),
            })
        };
        let line = |line: &Line| {
            json!({
                "name": line.name,
                "points": line.readings.iter().map(reading).collect::<Vec<_>>(),
                "missing": line.missing,
            })
        };
        json!({
            "axis": axis.name,
            "title": axis.title,
            "x": axis.x,
            "unit": axis.unit,
            "default": axis.default,
            "curves": self.lines.iter().map(line).collect::<Vec<_>>(),
            "placement": self.placement.map(Placement::name),
            "machine": self.machine,
            "date": self.date,
            "quick": quick,
        })
    }
}

/// The class in which most series have samples; of equals, the one with most samples, and the most usual one.
fn best(series: &[Series]) -> Option<Placement> {
    let filled = |class: &Placement| series.iter().filter(|one| one.count(*class) > 0).count();
    let samples = |class: &Placement| series.iter().map(|one| one.count(*class)).sum::<usize>();
    let classes = [Placement::Far, Placement::Sibling, Placement::Near].into_iter();
    classes.filter(|class| filled(class) > 0).max_by_key(|class| (filled(class), samples(class)))
}

fn reading(x: u64, label: &str, series: &Series, placement: Option<Placement>) -> Option<Reading> {
    let of_curve = placement.filter(|class| series.count(*class) > 0);
    let placement = of_curve.or_else(|| best(std::slice::from_ref(series)))?;
    let figures = series.figures(placement);
    let points = series.points.iter().filter(|point| point.placement == placement);
    Some(Reading {
        x,
        label: label.to_owned(),
        median: figures.median(),
        min: figures.min(),
        max: figures.max(),
        samples: figures.0.len(),
        line: median(&points.filter_map(|point| point.line).collect::<Vec<_>>()),
        placement,
        discarded: series.discarded.len(),
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::curves::axis;
    use crate::series::tests::series;

    /// An axis with a figure for each of its points, all near; the first also has one that is not.
    pub(in crate::curves) fn found(name: &str) -> (Axis, Found) {
        let axis = axis::all().into_iter().find(|axis| axis.name == name).unwrap();
        let contenders = axis.case().contenders;
        let figure = |at: usize| 10.0 / (at + 1) as f64;
        let one = |(at, contender): (usize, &crate::case::Contender)| {
            let near = [(figure(at), 36.0), (figure(at) * 2.0, 36.0), (figure(at) * 4.0, 36.0)];
            series(&contender.name, &near)
        };
        let mut all: Vec<_> = contenders.iter().enumerate().map(one).collect();
        all[0].points.extend(series("far", &[(0.1, 220.0)]).points);
        let found = Found::new(&axis, &all, "CPU", "2026-01-01");
        (axis, found)
    }

    #[test]
    fn a_curve_is_of_the_class_that_most_points_have_and_others_say_which_theirs_is() {
        let axis = axis::all().into_iter().find(|axis| axis.name == "shards").unwrap();
        let near = series("1", &[(1.0, 36.0), (3.0, 40.0), (9.0, 220.0)]);
        let far = series("2", &[(5.0, 220.0)]);
        let found = Found::new(
            &axis,
            &[near, far, series("4", &[(1.0, 36.0)]), series("8", &[])],
            "CPU",
            "2026-01-01",
        );
        assert_eq!(found.placement, Some(Placement::Near));
        let json = found.json(&axis, false);
        let points = &json["curves"][0]["points"];
        assert_eq!(points[0]["placement"], "near");
        assert_eq!((points[0]["median"].as_f64(), points[0]["max"].as_f64()), (Some(2.0), Some(3.0)));
        assert_eq!((points[0]["samples"].as_u64(), points[0]["lineNanos"].as_f64()), (Some(2), Some(38.0)));
        assert_eq!((&points[1]["placement"], &points[1]["x"]), (&json!("far"), &json!(2)));
        assert_eq!(json["curves"][0]["missing"], json!(["8"]));
        assert!((found.distance() - 37.0).abs() < 1e-9);
    }

    #[test]
    fn points_of_two_curves_are_told_apart() {
        let (axis, found) = found("threads");
        let medians = |line: usize| found.lines[line].readings[0].median;
        assert_eq!(found.lines.len(), 2);
        assert!(medians(0) > medians(1) * 2.0, "{found:?}");
        assert_eq!(found.json(&axis, true)["quick"], true);
    }
}
