//! The bench the experiments stand on: interleaved repeats, medians, and a probe of the machine.
//!
//! A `Case` is a closure that moves `n` messages and says how long that took. `run` first finds an `n` per
//! case that lasts about as long as the plan asks (by growing it, so that a convoy does not stall the run),
//! then goes round all cases `repeats` times, each round from another starting point.
//!
//! The probe, taken before and after each experiment, is a cache line bounced between the two CPUs and the
//! length of a spin hint: a hypervisor that moves a CPU shows in the first, another processor in the second.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::*};

use crossbeam_utils::CachePadded;
use quanta::Instant;
use serde_json::json;

use crate::threads::race;

/// How often and how long.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) repeats: usize,
    pub(crate) millis: u64,
}

/// What one pass over a case found.
pub(crate) struct Outcome {
    pub(crate) seconds: f64,
    pub(crate) figures: Vec<(&'static str, f64)>,
}

impl Outcome {
    /// Million operations a second.
    pub(crate) fn rate(operations: u64, seconds: f64) -> Self {
        Self { seconds, figures: vec![("M/s", operations as f64 / seconds / 1e6)] }
    }

    /// Nanoseconds per operation.
    pub(crate) fn nanos(operations: u64, seconds: f64) -> Self {
        Self { seconds, figures: vec![("ns", seconds * 1e9 / operations as f64)] }
    }
}

/// One alternative in one setting.
pub(crate) struct Case {
    setting: String,
    name: String,
    body: Box<dyn FnMut(u64) -> Outcome>,
    size: Option<u64>,
}

impl Case {
    /// A case whose number of operations is found by calibration.
    pub(crate) fn new(
        setting: impl Into<String>,
        name: impl Into<String>,
        body: impl FnMut(u64) -> Outcome + 'static,
    ) -> Self {
        Self { setting: setting.into(), name: name.into(), body: Box::new(body), size: None }
    }

    /// A case that always does `size` operations: paced ones, and those whose size is the question.
    pub(crate) fn sized(mut self, size: u64) -> Self {
        self.size = Some(size);
        self
    }
}

/// One line of a table.
struct Line {
    setting: String,
    name: String,
    unit: &'static str,
    samples: Vec<f64>,
}

impl Line {
    fn median(&self) -> f64 {
        median(self.samples.clone())
    }

    fn min(&self) -> f64 {
        self.samples.iter().copied().fold(f64::INFINITY, f64::min)
    }

    fn max(&self) -> f64 {
        self.samples.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }
}

/// All lines of one experiment, with the probes taken before and after.
pub(crate) struct Report {
    name: &'static str,
    question: &'static str,
    probes: [Probe; 2],
    lines: Vec<Line>,
    seconds: f64,
}

/// Calibrates, then goes round the cases.
pub(crate) fn run(plan: &Plan, name: &'static str, question: &'static str, mut cases: Vec<Case>) -> Report {
    let started = Instant::now();
    let before = Probe::take();
    let aim = plan.millis as f64 / 1e3;
    let sizes: Vec<u64> =
        cases.iter_mut().map(|case| case.size.unwrap_or_else(|| calibrate(case, aim))).collect();
    let mut samples: Vec<Vec<Vec<(&'static str, f64)>>> = cases.iter().map(|_| Vec::new()).collect();
    for repeat in 0..plan.repeats {
        for step in 0..cases.len() {
            let at = (step + repeat * cases.len() / plan.repeats) % cases.len();
            samples[at].push((cases[at].body)(sizes[at]).figures);
        }
    }
    let mut lines = Vec::new();
    for (case, passes) in cases.iter().zip(&samples) {
        for (at, &(unit, _)) in passes[0].iter().enumerate() {
            lines.push(Line {
                setting: case.setting.clone(),
                name: case.name.clone(),
                unit,
                samples: passes.iter().map(|figures| figures[at].1).collect(),
            });
        }
    }
    Report {
        name,
        question,
        probes: [before, Probe::take()],
        lines,
        seconds: started.elapsed().as_secs_f64(),
    }
}

/// Grows the size until a pass is long enough to extrapolate from.
fn calibrate(case: &mut Case, aim: f64) -> u64 {
    let mut size = 2_000_u64;
    loop {
        let seconds = (case.body)(size).seconds.max(1e-9);
        if seconds > aim / 4.0 || size >= 1 << 28 {
            return ((size as f64 * aim / seconds) as u64).max(1_000);
        }
        size *= if seconds < aim / 40.0 { 8 } else { 3 };
    }
}

impl Report {
    pub(crate) fn json(&self) -> serde_json::Value {
        let lines: Vec<_> = self
            .lines
            .iter()
            .map(|line| {
                let [median, min, max] = [line.median(), line.min(), line.max()];
                json!({ "setting": line.setting, "case": line.name, "unit": line.unit, "median": median,
                        "min": min, "max": max, "samples": line.samples })
            })
            .collect();
        let probes: Vec<_> = self.probes.iter().map(Probe::json).collect();
        json!({ "experiment": self.name, "question": self.question, "probes": probes, "lines": lines,
                "seconds": self.seconds })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "## {}: {}", self.name, self.question)?;
        writeln!(
            f,
            "probe before: {}\nprobe after:  {}   ({:.1} s)",
            self.probes[0], self.probes[1], self.seconds
        )?;
        let widest = self.lines.iter().map(|line| line.name.len()).max().unwrap_or(0);
        let mut setting = "";
        for line in &self.lines {
            if line.setting != setting {
                setting = &line.setting;
                writeln!(f, "{setting}")?;
            }
            let [median, min, max] = [line.median(), line.min(), line.max()].map(figure);
            writeln!(f, "    {:widest$}  {median:>9} {:<7}  {min:>9} .. {max}", line.name, line.unit)?;
        }
        Ok(())
    }
}

/// Three significant digits or so.
fn figure(value: f64) -> String {
    match value.abs() {
        large if large >= 100.0 => format!("{value:.0}"),
        middle if middle >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}

/// What tells one placement of the virtual CPUs from another.
struct Probe {
    line_one_way: f64,
    spin_hint: f64,
    load_average: String,
}

impl Probe {
    fn take() -> Self {
        let trips = 20_000;
        let passes: Vec<f64> = (0..5).map(|_| ping_pong(trips) * 1e9 / (2.0 * trips as f64)).collect();
        let hints = 20_000;
        let start = Instant::now();
        (0..hints).for_each(|_| std::hint::spin_loop());
        let spin_hint = start.elapsed().as_secs_f64() * 1e9 / f64::from(hints);
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load_average = load.split(' ').take(3).collect::<Vec<_>>().join(" ");
        Self { line_one_way: median(passes), spin_hint, load_average }
    }

    fn json(&self) -> serde_json::Value {
        let [line, hint] = [self.line_one_way, self.spin_hint];
        json!({ "line_one_way_ns": line, "spin_hint_ns": hint, "load": self.load_average })
    }
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cache line one way {:.0} ns, spin hint {:.1} ns", self.line_one_way, self.spin_hint)?;
        write!(f, ", load {}", self.load_average)
    }
}

fn ping_pong(trips: u64) -> f64 {
    let turn = CachePadded::new(AtomicU64::new(0));
    let play = |parity: u64| {
        for trip in 0..trips {
            while turn.load(Acquire) != trip * 2 + parity {}
            turn.store(trip * 2 + parity + 1, Release);
        }
        0
    };
    race(vec![(0, Box::new(|| play(0))), (1, Box::new(|| play(1)))]).0
}
