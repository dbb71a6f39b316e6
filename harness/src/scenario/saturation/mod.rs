//! `saturation`: an open loop at percentages of the measured capacity.
//!
//! The capacity is searched as a share of the closed loop (see [`crate::search`]) or given, and must be at least 90 % of the
//! closed loop of the same run, or nothing said in percent of it would mean anything. Then the levels run in their
//! order, round after round (see [`rounds`]), so that all of them meet the same machine. A level holds when most of its
//! rounds do; its rates and the growth of the backlog are their medians, its latencies those of all rounds together. Above
//! 100 % the publisher is held back by the full ring, nothing is lost, and what was due keeps its due time, so the delay
//! shows as latency. If the highest level above 100 % holds, or one at 90 % or below does not, the capacity was misjudged:
//! it is searched again, once, and then the run fails.

mod rounds;
mod verdict;

use std::time::Duration;

use self::rounds::{Arena, Pace, Rounds};
use self::verdict::{Judged, MUST_HOLD, Measured, judge, measured, outcome};
use super::{Bench, Outcome, pace, unless_interrupted};
use crate::cli::settings::Settings;
use crate::cli::units::Capacity;
use crate::fault::Fault;
use crate::interrupt;
use crate::num;
use crate::sample::Load;
use crate::search::{self, System};

/// Probes that a search usually takes, for the estimate.
const USUAL_PROBES: u32 = 5;

/// Runs the search and the levels.
pub(crate) fn run(bench: &mut Bench<'_>) -> Result<Outcome, Fault> {
    let settings = bench.settings;
    let least = bench.least();
    let warmup = bench.warm_up(|length| Load::Closed { length, messages: least, stamped: false })?;
    let mut arena = Arena { bench, closed: Vec::new() };
    let mut searches = 0;
    let mut reasons = Vec::new();
    let (judged, levels, nanos, failures) = loop {
        let (found, given) = match settings.capacity {
            Capacity::Auto => {
                searches += 1;
                arena.closed.clear();
                (search::search(&mut arena)?, None)
            }
            Capacity::Given(rate) => (search::given(&mut arena, rate)?, Some(rate)),
        };
        let again = searches == 1;
        if again && !found.plausible() {
            reasons = judge(&Judged::new(found, given, &arena.closed), &[], settings.capacity);
            arena.bench.again(&reasons, searching(settings));
            continue;
        }
        let pace = given.map_or(Pace::Share(found.share), Pace::Rate);
        let (levels, nanos) = run_levels(&mut arena, pace, again)?;
        let judged = Judged::new(found, given, &arena.closed);
        let failures = judge(&judged, &levels, settings.capacity);
        let again = again && !interrupt::requested();
        if again && !failures.is_empty() {
            arena.bench.again(&failures, estimate(settings));
            reasons = failures;
            continue;
        }
        break (judged, levels, nanos, failures);
    };
    // Where each round is set against a closed loop of its own, one more tells nothing.
    let afterwards = match settings.capacity {
        Capacity::Auto => None,
        Capacity::Given(_) => unless_interrupted(arena.closed(), false)?,
    };
    Ok(outcome(judged, levels, nanos, failures, afterwards, (searches, reasons), warmup))
}

/// Runs the levels in their order, round after round. With `give_up`, stops when one shows the capacity to be
/// overestimated: there is another search to come.
fn run_levels(arena: &mut Arena<'_, '_>, pace: Pace, give_up: bool) -> Result<(Vec<Measured>, u64), Fault> {
    let settings = arena.bench.settings;
    let per_sample = rounds::per_sample(pace, settings.sample);
    let total = per_sample * settings.iterations;
    let mut levels: Vec<Rounds> = settings.levels.iter().map(|_| Rounds::default()).collect();
    'rounds: for round in 0..total {
        for position in 0..levels.len() {
            let percent = settings.levels[position];
            let none_yet = levels[0].all.is_empty();
            let label = format!(
                "level {} % ({} of {}), round {} of {total}",
                num::percent(percent),
                position + 1,
                levels.len(),
                round + 1
            );
            let pace = pace.percent(percent);
            let ran = warm_up(arena, pace, round)
                .and_then(|()| arena.round(&label, pace, round / per_sample, &mut levels[position]));
            if unless_interrupted(ran, none_yet)?.is_none() || interrupt::requested() {
                break 'rounds;
            }
            if give_up && percent <= MUST_HOLD && levels[position].lost(total) {
                break 'rounds;
            }
        }
    }
    let nanos = levels.iter().map(Rounds::nanos).sum();
    let ran = settings.levels.iter().zip(&levels).filter(|(_, rounds)| !rounds.all.is_empty());
    Ok((ran.map(|(&percent, rounds)| measured(percent, rounds)).collect(), nanos))
}

/// Each round begins with a closed loop, or, where the capacity was given, the first one of a level with a warm-up.
fn warm_up(arena: &mut Arena<'_, '_>, pace: Pace, round: usize) -> Result<(), Fault> {
    match pace {
        Pace::Rate(rate) if round == 0 => {
            arena.bench.warm_up(|length| Load::Open { rate, length }).map(|_| ())
        }
        Pace::Rate(_) | Pace::Share(_) => Ok(()),
    }
}

/// How long a search usually takes, or the closed loops that a given capacity is set against.
fn searching(settings: &Settings) -> Duration {
    match settings.capacity {
        Capacity::Auto => rounds::length(settings, Pace::Share(1.0)) * USUAL_PROBES,
        Capacity::Given(_) => pace::closed_loop(settings, settings.sample) * 4,
    }
}

/// How long it usually takes.
pub(crate) fn estimate(settings: &Settings) -> Duration {
    let pace = match settings.capacity {
        Capacity::Auto => Pace::Share(1.0),
        Capacity::Given(rate) => Pace::Rate(rate),
    };
    let iterations = num::float(num::count(settings.iterations));
    let level = |&percent: &f64| {
        let length = rounds::length(settings, pace.percent(percent));
        // An overloaded sample takes as long as its messages need, up to twice its length.
        let more = settings.sample.mul_f64((percent / 100.0).clamp(1.0, 2.0) - 1.0);
        (length + more).mul_f64(iterations)
    };
    pace::closed_loop(settings, settings.warmup)
        + searching(settings)
        + settings.levels.iter().map(level).sum::<Duration>()
}

/// What would run.
pub(crate) fn steps(settings: &Settings) -> Vec<String> {
    let levels: Vec<String> = settings.levels.iter().map(|&level| num::percent(level)).collect();
    let levels = levels.join(", ");
    let (sample, samples) = (settings.sample, settings.iterations);
    let mut steps = vec![format!("warm-up: closed loop, {:?}, discarded", settings.warmup)];
    match settings.capacity {
        Capacity::Auto => {
            let rounds = rounds::per_sample(Pace::Share(1.0), sample);
            steps.push(format!(
                "search: open loops at shares of what a closed loop does right before, until the capacity is known to 3 %; \
                 {rounds} rounds each"
            ));
            steps.push(format!(
                "levels {levels} % in this order, {} times: closed loop, then open loop at that percentage of the capacity \
                 at that moment; {samples} samples of {sample:?} per level",
                rounds * samples
            ));
        }
        Capacity::Given(rate) => {
            steps.push(format!("capacity: {}/s as given, against 3 closed loops", num::signed(rate)));
            let length = |&percent: &f64| rounds::length(settings, Pace::Rate(rate).percent(percent));
            let is_longer = settings.levels.iter().map(length).any(|length| length > sample);
            let longer = if is_longer {
                format!(", or until {} messages are sent", num::grouped(settings.least()))
            } else {
                String::new()
            };
            steps.push(format!(
                "levels {levels} % in this order, {samples} times: {sample:?} each{longer}, after {:?} of warm-up",
                settings.warmup
            ));
            steps.push("the closed loop once more, to tell how much the machine drifted".to_owned());
        }
    }
    steps
}
