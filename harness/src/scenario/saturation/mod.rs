//! `saturation`: an open loop at percentages of the measured capacity.
//!
//! The capacity is searched (see [`crate::search`]) or given, and must be at least 90 % of the closed-loop maximum
//! of the same run, or nothing said in percent of it would mean anything. Then each level offers its rate in as
//! many samples as there are iterations: the achieved rate and the growth of the backlog are their medians, the
//! latencies are those of all samples together. Above 100 % the publisher is held back by the full ring, nothing is
//! lost, and what was due keeps its due time, so the delay shows as latency. If the highest level above 100 %
//! holds, or one at 90 % or below does not, the capacity was misjudged: it is searched again, once, and then the
//! run fails.

mod verdict;

use std::time::Duration;

use self::verdict::{Measured, judge, measured, outcome, rates, shows_overestimate};
use super::{Bench, Outcome, unless_interrupted};
use crate::cli::settings::Settings;
use crate::cli::units::Capacity;
use crate::fault::Fault;
use crate::interrupt;
use crate::num;
use crate::sample::Load;
use crate::search::{self, System};

/// Closed loops and probes that a search usually takes, for the estimate.
const USUAL_SAMPLES: u32 = 4 + 7;

impl System for Bench<'_> {
    fn closed(&mut self) -> Result<f64, Fault> {
        let load = Load::Closed { length: self.settings.sample, messages: self.least(), stamped: false };
        let sample = self.sample("closed loop", load)?;
        Ok(sample.rate())
    }

    fn probe(&mut self, rate: f64) -> Result<bool, Fault> {
        let label = format!("search at {}/s", num::signed(rate));
        let sample = self.sample(&label, self.open_loop(rate))?;
        let held = rates(rate, &sample).hold();
        if held {
            self.capacity_held(&sample);
        }
        Ok(held)
    }
}

/// Runs the search and the levels.
pub(crate) fn run(bench: &mut Bench<'_>) -> Result<Outcome, Fault> {
    let settings = bench.settings;
    let least = bench.least();
    let warmup = bench.warm_up(|length| Load::Closed { length, messages: least, stamped: false })?;
    let mut searches = 0;
    let mut reasons = Vec::new();
    let (found, levels, nanos, failures) = loop {
        let found = match settings.capacity {
            Capacity::Auto => {
                searches += 1;
                search::search(bench)?
            }
            Capacity::Given(rate) => search::given(bench, rate)?,
        };
        let again = searches == 1;
        if again && !found.plausible() {
            reasons = judge(&found, &[], settings.capacity);
            bench.again(&reasons, settings.sample * USUAL_SAMPLES);
            continue;
        }
        let (levels, nanos) = run_levels(bench, found.capacity, again)?;
        let failures = judge(&found, &levels, settings.capacity);
        let again = again && !interrupt::requested();
        if again && !failures.is_empty() {
            bench.again(&failures, estimate(settings));
            reasons = failures;
            continue;
        }
        break (found, levels, nanos, failures);
    };
    let afterwards = unless_interrupted(bench.closed(), false)?;
    Ok(outcome(found, levels, nanos, failures, afterwards, (searches, reasons), warmup))
}

/// Runs the levels in their order. With `give_up`, stops at the first that shows the capacity to be overestimated:
/// there is another search to come.
fn run_levels(bench: &mut Bench<'_>, capacity: f64, give_up: bool) -> Result<(Vec<Measured>, u64), Fault> {
    let settings = bench.settings;
    let mut levels = Vec::new();
    let mut nanos = 0;
    for (position, &percent) in settings.levels.iter().enumerate() {
        let rate = (capacity * percent / 100.0).max(1.0);
        let label =
            format!("level {} % ({} of {})", num::percent(percent), position + 1, settings.levels.len());
        let warm = bench.warm_up(|length| Load::Open { rate, length });
        if unless_interrupted(warm, levels.is_empty())?.is_none() {
            break;
        }
        let mut samples = Vec::new();
        for _ in 0..settings.iterations {
            let sample = bench.level_sample(&label, bench.open_loop(rate));
            let none_yet = levels.is_empty() && samples.is_empty();
            let Some(sample) = unless_interrupted(sample, none_yet)? else { break };
            nanos += sample.nanos;
            samples.push(sample);
        }
        if !samples.is_empty() {
            levels.push(measured(percent, rate, &samples));
        }
        if interrupt::requested() {
            break;
        }
        if give_up && levels.last().is_some_and(shows_overestimate) {
            break;
        }
    }
    Ok((levels, nanos))
}

/// How long it usually takes.
pub(crate) fn estimate(settings: &Settings) -> Duration {
    let searching = match settings.capacity {
        Capacity::Auto => settings.sample * USUAL_SAMPLES,
        Capacity::Given(_) => settings.sample * 3,
    };
    let iterations = num::float(num::count(settings.iterations));
    let level = |&percent: &f64| {
        // An overloaded sample takes as long as its messages need, up to twice its length.
        let stretch = (percent / 100.0).clamp(1.0, 2.0);
        settings.sample.mul_f64(iterations * stretch) + settings.warmup.mul_f64(stretch)
    };
    settings.warmup + searching + settings.levels.iter().map(level).sum::<Duration>() + settings.sample
}

/// What would run.
pub(crate) fn steps(settings: &Settings) -> Vec<String> {
    let levels: Vec<String> = settings.levels.iter().map(|&level| num::percent(level)).collect();
    let capacity = match settings.capacity {
        Capacity::Auto => format!(
            "search: 3 closed loops, open-loop probes until the capacity is known to 3 %, 1 closed loop; {:?} each",
            settings.sample
        ),
        Capacity::Given(rate) => {
            format!("capacity: {}/s as given, against 3 closed loops", num::signed(rate))
        }
    };
    vec![
        format!(
            "warm-up: closed loop, {:?}, discarded; and {:?} before each level",
            settings.warmup, settings.warmup
        ),
        capacity,
        format!(
            "levels {} % in this order: {} samples of {:?} each",
            levels.join(", "),
            settings.iterations,
            settings.sample
        ),
        "the closed loop once more, to tell how much the machine drifted".to_owned(),
    ]
}
