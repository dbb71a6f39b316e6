//! `fanout`: every message to every one of many subscriptions.
//!
//! For each number of subscriptions: first an open loop at 100 messages a second for ten seconds, where a message's
//! latency runs from when it was due to the *last* of its acks; then the maximum rate, which tells what a delivery
//! costs. Passes when every message was acked by every subscription, and what a delivery costs does not rise with the number
//! of subscriptions (see [`rise`]).

mod rise;

pub(crate) use rise::RISES;

use std::time::Duration;

use self::rise::Rise;
use super::parts::Parts;
use super::{Bench, Outcome, pace, unless_interrupted};
use crate::cli::settings::Settings;
use crate::fault::Fault;
use crate::interrupt;
use crate::num;
use crate::report::progress::Progress;
use crate::result::Ran;
use crate::result::metrics::{Fanout, FanoutPoint, FanoutSample, ScenarioMetrics};
use crate::sample::Load;

/// The paced load, in messages a second.
const PACE: f64 = 100.0;

fn paced_length(settings: &Settings) -> Duration {
    Duration::from_secs(if settings.quick { 2 } else { 10 })
}

/// Runs all numbers of subscriptions.
pub(crate) fn run(settings: &Settings, progress: &mut Progress) -> Result<Ran, Fault> {
    let mut parts = Parts::default();
    let (mut points, mut nanos) = (Vec::new(), 0);
    for &count in &settings.counts {
        let own = Settings { subscriptions: count, ..settings.clone() };
        let mut bench = Bench::open(&own, progress)?;
        let point = point(&mut bench, count, &mut nanos);
        parts.add(&num::counted(count, "subscription"), bench.close_part(point.as_ref().err(), Vec::new()));
        match point {
            Ok(point) => points.push(point),
            Err(_) => break,
        }
        if interrupt::requested() {
            break;
        }
    }
    parts.finish(outcome(points, nanos))
}

/// One number of subscriptions.
fn point(bench: &mut Bench<'_>, count: usize, nanos: &mut u64) -> Result<FanoutPoint, Fault> {
    let settings = bench.settings;
    let least = bench.least();
    let closed = |length| Load::Closed { length, messages: least, stamped: false };
    bench.warm_up(closed)?;
    bench.note_acks(true);
    let subscriptions = num::counted(count, "subscription");
    let label = format!("{subscriptions} at {PACE}/s");
    let paced = bench.sample_once(&label, Load::Open { rate: PACE, length: paced_length(settings) })?;
    bench.note_acks(false);
    let latency = paced.acks.as_ref().map(|acks| acks.latencies(count).summary());
    let (mut expected, mut received) = (paced.expected(count), paced.deliveries());
    *nanos += paced.nanos;
    let mut iterations = Vec::new();
    for number in 1..=settings.iterations {
        let label = format!("{subscriptions}, maximum rate, {number} of {}", settings.iterations);
        let sample = bench.sample(&label, closed(settings.sample));
        let Some(sample) = unless_interrupted(sample, iterations.is_empty())? else { break };
        expected += sample.expected(count);
        received += sample.deliveries();
        *nanos += sample.nanos;
        iterations.push(FanoutSample::of(&sample));
    }
    let rates: Vec<f64> = iterations.iter().map(|sample| sample.messages_per_sec).collect();
    let rate = num::median(&rates).ok_or_else(|| Fault::new("no sample was taken"))?;
    let deliveries = rate * num::float(num::count(count));
    Ok(FanoutPoint {
        subscriptions: count,
        expected,
        received,
        paced_rate: PACE,
        paced_messages: paced.total(),
        last_ack_latency: latency.ok_or_else(|| Fault::new("the last acks were not noted"))?,
        messages_per_sec: rate,
        deliveries_per_sec: deliveries,
        cost_per_delivery_ns: 1e9 / deliveries,
        samples: rates,
        iterations,
    })
}

/// What the points come to; `None` without any.
fn outcome(points: Vec<FanoutPoint>, nanos: u64) -> Option<Outcome> {
    let most = points.iter().max_by_key(|point| point.subscriptions)?;
    let found = rise::find(&points);
    let ratio = found.as_ref().map(|found| found.ratio);
    let (rises, rise, doubt) = match found.map(|found| found.rise) {
        Some(Rise::Clear(text)) => (Some(true), Some(text), None),
        Some(Rise::Untold(text)) => (None, None, Some(text)),
        Some(Rise::No) => (Some(false), None, None),
        None => (None, None, None),
    };
    let missing = |point: &FanoutPoint| {
        (point.received != point.expected).then(|| {
            let [received, expected] = [point.received, point.expected].map(num::grouped);
            format!(
                "{} made {received} of {expected} deliveries",
                num::counted(point.subscriptions, "subscription")
            )
        })
    };
    Some(Outcome {
        messages_per_sec: most.messages_per_sec,
        nanos,
        latency: Some(most.last_ack_latency.clone()),
        failures: points.iter().filter_map(missing).chain(rise).collect(),
        doubts: doubt.into_iter().collect(),
        metrics: ScenarioMetrics::Fanout(Fanout {
            deliveries_per_sec: most.deliveries_per_sec,
            expected: points.iter().map(|point| point.expected).sum(),
            received: points.iter().map(|point| point.received).sum(),
            cost_ratio: ratio,
            cost_rises: rises,
            points,
        }),
    })
}

/// How long it takes.
pub(crate) fn estimate(settings: &Settings) -> Duration {
    let point = |&count: &usize| {
        let own = Settings { subscriptions: count, ..settings.clone() };
        let sample = pace::closed_loop(&own, own.sample).mul_f64(num::float(num::count(own.iterations)));
        pace::closed_loop(&own, own.warmup) + paced_length(&own) + sample
    };
    settings.counts.iter().map(point).sum()
}

/// What would run.
pub(crate) fn steps(settings: &Settings) -> Vec<String> {
    let counts: Vec<String> = settings.counts.iter().map(usize::to_string).collect();
    vec![
        format!("with {} subscriptions in this order, each:", counts.join(", ")),
        format!("open loop: {PACE}/s for {:?}; latency to the last of the acks", paced_length(settings)),
        format!(
            "maximum rate: {} samples of {:?}; the median is reported",
            settings.iterations, settings.sample
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::Recorder;
    use crate::noise::Noise;

    /// A point whose samples cost this much a delivery, near each other.
    pub(super) fn point(subscriptions: usize, costs: &[f64]) -> FanoutPoint {
        let samples: Vec<f64> =
            costs.iter().map(|cost| 1e9 / (cost * num::float(num::count(subscriptions)))).collect();
        let iteration = |&messages_per_sec: &f64| FanoutSample {
            messages_per_sec,
            duration_ms: 1.0,
            messages: 1,
            noise: Noise::default(),
        };
        let cost = num::median(costs).unwrap();
        let point = FanoutPoint {
            subscriptions,
            expected: 100,
            received: 100,
            paced_rate: PACE,
            paced_messages: 10,
            last_ack_latency: Recorder::new().summary(),
            messages_per_sec: num::median(&samples).unwrap(),
            deliveries_per_sec: 1e9 / cost,
            cost_per_delivery_ns: cost,
            iterations: samples.iter().map(iteration).collect(),
            samples,
        };
        at(point, 60.0)
    }

    /// The same with the CPUs so far apart.
    pub(super) fn at(mut point: FanoutPoint, distance: f64) -> FanoutPoint {
        for sample in &mut point.iterations {
            (sample.noise.placement_before_ns, sample.noise.placement_after_ns) =
                (Some(distance), Some(distance));
        }
        point
    }

    #[test]
    fn a_run_in_which_a_delivery_costs_more_with_more_subscriptions_fails() {
        let of = |points| {
            let outcome = outcome(points, 1).unwrap();
            let ScenarioMetrics::Fanout(fanout) = &outcome.metrics else { unreachable!() };
            (fanout.cost_rises, outcome.failures.len(), outcome.doubts.len())
        };
        assert_eq!(of(vec![point(50, &[10.9; 5]), point(10, &[10.0; 5])]), (Some(false), 0, 0));
        assert_eq!(of(vec![point(50, &[11.1; 5]), point(10, &[10.0; 5])]), (Some(true), 1, 0));
        assert_eq!(of(vec![point(50, &[11.1; 2]), point(10, &[10.0; 2])]), (None, 0, 1));
        assert_eq!(of(vec![point(10, &[10.0])]), (None, 0, 0));
        assert!(outcome(vec![], 1).is_none());
    }

    #[test]
    fn a_delivery_that_was_not_made_fails_the_run() {
        assert!(outcome(vec![point(10, &[1.0])], 1).unwrap().failures.is_empty());
        let failures = outcome(vec![FanoutPoint { received: 99, ..point(10, &[1.0]) }], 1).unwrap().failures;
        assert!(failures[0].contains("99 of 100"), "{failures:?}");
    }
}
