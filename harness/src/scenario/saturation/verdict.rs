//! What the samples of a saturation run say: each level, the knee, and whether the capacity was judged right.

use super::Outcome;
use super::rounds::Rounds;
use crate::cli::units::Capacity;
use crate::level::{self, Point};
use crate::noise::Noise;
use crate::num;
use crate::result::metrics::{self, Knee, Level, Probe, ScenarioMetrics};
use crate::search::{self, Found, Probed};

/// Levels up to here must hold, or the capacity was overestimated.
pub(super) const MUST_HOLD: f64 = 90.0;
/// How far the closed loop may drift from before the levels to after them before a given capacity is doubted.
const DRIFT: f64 = 1.3;

/// A level, and its p99 in nanoseconds for the knee.
pub(super) type Measured = (Level, Option<f64>);

/// One level out of its rounds.
pub(super) fn measured(percent: f64, rounds: &Rounds) -> Measured {
    let latency = rounds.latency();
    let level = Level {
        percent,
        offered_rate: rounds.offered(),
        achieved_rate: rounds.achieved(),
        held: rounds.held(),
        latency: latency.summary(),
        backlog_slope: rounds.backlog_slope(),
        backlog_peak: rounds.backlog_peak,
        unsent: Some(rounds.unsent).filter(|unsent| *unsent > 0),
        samples: rounds.samples(),
        iterations: rounds.iterations(),
        rounds: rounds.all.clone(),
        disturbed: rounds.noise.iter().filter(|noise| !noise.reasons().is_empty()).count(),
        noise: Noise::worst(&rounds.noise),
    };
    (level, latency.quantile(0.99))
}

/// The capacity, as found or given.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Judged {
    pub(super) capacity: f64,
    /// What all closed loops did.
    pub(super) closed: Vec<f64>,
    pub(super) found: Found,
}

impl Judged {
    /// A share of what the closed loops did, or a rate beside them.
    pub(super) fn new(found: Found, given: Option<f64>, closed: &[f64]) -> Self {
        let median = num::median(closed).unwrap_or(0.0);
        Self { capacity: given.unwrap_or(found.share * median), closed: closed.to_vec(), found }
    }

    fn closed_maximum(&self) -> f64 {
        num::median(&self.closed).unwrap_or(0.0)
    }
}

/// Whether a level that must hold did not.
pub(super) fn shows_overestimate((level, _): &Measured) -> bool {
    level.percent <= MUST_HOLD && !level.held
}

/// Why the capacity was misjudged; empty when it was not.
pub(super) fn judge(judged: &Judged, levels: &[Measured], capacity: Capacity) -> Vec<String> {
    let mut failures = Vec::new();
    let remedy = if capacity == Capacity::Auto { search::REMEDY } else { "use --capacity auto" };
    if !judged.found.plausible() {
        failures.push(format!(
            "capacity {}/s is {} % of the median closed loop {}/s; at least {} % was wanted; {remedy}",
            num::signed(judged.capacity),
            num::percent((judged.found.share * 1000.0).floor() / 10.0),
            num::signed(judged.closed_maximum()),
            num::percent(search::PLAUSIBLE * 100.0)
        ));
    }
    let highest = levels.iter().map(|(level, _)| level).max_by(|a, b| a.percent.total_cmp(&b.percent));
    if let Some(level) = highest.filter(|level| level.percent > 100.0 && level.held) {
        failures.push(format!(
            "capacity underestimated: level {} % held, which is beyond it; {remedy}",
            num::percent(level.percent)
        ));
    }
    for (level, _) in levels.iter().filter(|level| shows_overestimate(level)) {
        failures.push(format!(
            "capacity overestimated, or the machine slowed down: level {} % did not hold, and up to {} % all must; {remedy}",
            num::percent(level.percent),
            num::percent(MUST_HOLD)
        ));
    }
    failures
}

/// Puts it all together; `searches` is how often the capacity was searched, with the
/// reasons for the second time, and `warmup` how long the first warm-up took.
pub(super) fn outcome(
    judged: Judged,
    measured: Vec<Measured>,
    nanos: u64,
    failures: Vec<String>,
    afterwards: Option<f64>,
    (searches, searched_again_for): (u32, Vec<String>),
    warmup: u64,
) -> Outcome {
    let points: Vec<Point> = measured
        .iter()
        .map(|(level, p99)| Point { percent: level.percent, held: level.held, p99: *p99 })
        .collect();
    let levels: Vec<Level> = measured.into_iter().map(|(level, _)| level).collect();
    let knee = level::knee(&points);
    // Without a knee the headline is the level that achieved most.
    let best = || {
        let achieved = levels.iter().enumerate();
        achieved.max_by(|(_, a), (_, b)| a.achieved_rate.total_cmp(&b.achieved_rate)).map(|(index, _)| index)
    };
    let headline = knee.or_else(best).map(|index| &levels[index]);
    let headline_percent = headline.map(|level| level.percent);
    let closed_maximum = judged.closed_maximum();
    let drifted = |afterwards: &f64| {
        let (more, less) = (afterwards.max(closed_maximum), afterwards.min(closed_maximum));
        more / less.max(1.0) > DRIFT
    };
    let doubt = |afterwards| {
        format!(
            "the closed loop ran at {}/s before the levels and at {}/s after them",
            num::signed(closed_maximum),
            num::signed(afterwards)
        )
    };
    let doubts: Vec<String> = afterwards.filter(drifted).map(doubt).into_iter().collect();
    let extreme =
        |pick: fn(f64, f64) -> f64| judged.closed.iter().copied().reduce(pick).unwrap_or(closed_maximum);
    Outcome {
        messages_per_sec: headline.map_or(0.0, |level| level.achieved_rate),
        nanos,
        latency: headline.map(|level| level.latency.clone()),
        metrics: ScenarioMetrics::Saturation(metrics::Saturation {
            capacity: judged.capacity,
            closed_loop_maximum: closed_maximum,
            closed_loop_lowest: extreme(f64::min),
            closed_loop_highest: extreme(f64::max),
            capacity_share: judged.found.share,
            closed_loop_afterwards: afterwards,
            searches,
            searched_again_for,
            probes: judged.found.probes.iter().map(|&Probed { rate, held }| Probe { rate, held }).collect(),
            saturated: levels.iter().any(|level| !level.held),
            knee: knee.and_then(|index| {
                let (level, p99) = (&levels[index], points[index].p99?);
                Some(Knee { percent: level.percent, rate: level.achieved_rate, p99: num::millis(p99) })
            }),
            headline_percent,
            levels,
            warmup_ms: num::millis(num::float(warmup)),
        }),
        failures,
        doubts,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::Recorder;

    fn measured(percent: f64, held: bool) -> Measured {
        let latency = Recorder::new().summary();
        let level = Level {
            percent,
            offered_rate: percent * 1e4,
            achieved_rate: percent * 1e4,
            held,
            latency,
            backlog_slope: Some(0.0),
            backlog_peak: None,
            unsent: None,
            samples: vec![],
            iterations: vec![],
            rounds: vec![],
            disturbed: 0,
            noise: Noise::default(),
        };
        (level, Some(1_000.0 * percent))
    }

    fn found(share: f64) -> Judged {
        Judged::new(Found { share, probes: vec![] }, None, &[9e5, 1e6, 1.5e6])
    }

    #[test]
    fn levels_above_the_capacity_are_expected_not_to_hold() {
        let levels =
            [measured(50.0, true), measured(90.0, true), measured(100.0, false), measured(125.0, false)];
        assert!(judge(&found(0.95), &levels, Capacity::Auto).is_empty());
    }

    #[test]
    fn the_highest_level_holding_means_underestimated_and_a_low_one_not_holding_the_opposite() {
        let high = judge(&found(0.95), &[measured(110.0, false), measured(125.0, true)], Capacity::Auto);
        assert!(high[0].contains("underestimated: level 125 % held"), "{high:?}");
        // A lower one above 100 % may hold by luck; the highest decides.
        assert!(
            judge(&found(0.95), &[measured(110.0, true), measured(125.0, false)], Capacity::Auto).is_empty()
        );
        let low = judge(&found(0.95), &[measured(90.0, false)], Capacity::Auto);
        assert!(low[0].contains("overestimated"), "{low:?}");
    }

    #[test]
    fn a_capacity_below_90_percent_of_the_closed_loop_fails() {
        let failures = judge(&found(0.5), &[measured(50.0, true)], Capacity::Given(5e5));
        assert!(failures[0].contains("50 % of the median closed loop") && failures[0].contains("auto"));
        assert!(judge(&found(0.9), &[measured(50.0, true)], Capacity::Auto).is_empty());
    }

    #[test]
    fn each_failure_says_the_rule_the_value_and_the_remedy() {
        let levels = [measured(90.0, false), measured(125.0, true)];
        let of = |capacity| judge(&found(0.5), &levels, capacity);
        let rules = [
            "capacity 500,000/s is 50 % of the median closed loop 1,000,000/s; at least 90 % was wanted",
            "capacity underestimated: level 125 % held, which is beyond it",
            "capacity overestimated, or the machine slowed down: level 90 % did not hold, and up to 90 % all must",
        ];
        for (capacity, remedy) in
            [(Capacity::Auto, search::REMEDY), (Capacity::Given(5e5), "use --capacity auto")]
        {
            assert_eq!(of(capacity), rules.map(|rule| format!("{rule}; {remedy}")));
        }
    }

    #[test]
    fn without_a_level_that_saturates_the_result_says_so() {
        let levels = vec![measured(50.0, true), measured(75.0, true)];
        let outcome = outcome(found(1.0), levels, 1, vec![], Some(1e6), (1, vec![]), 0);
        let ScenarioMetrics::Saturation(metrics) = outcome.metrics else { unreachable!() };
        assert!(!metrics.saturated);
        assert_eq!(metrics.knee.map(|knee| knee.percent), Some(75.0));
        assert!(outcome.doubts.is_empty());
    }

    #[test]
    fn a_machine_that_drifts_is_doubted() {
        assert_eq!(
            outcome(found(1.0), vec![measured(50.0, true)], 1, vec![], Some(5e5), (1, vec![]), 0)
                .doubts
                .len(),
            1
        );
    }
}
