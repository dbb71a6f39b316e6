//! `fanout`: every message to every one of many subscriptions.
//!
//! For each number of subscriptions: first an open loop at 100 messages a second for ten seconds, where a message's
//! latency runs from when it was due to the *last* of its acks; then the maximum rate, which tells what a delivery
//! costs. Passes when every message was acked by every subscription. What a delivery costs should not rise with the
//! number of subscriptions, and the result says whether it does.

use std::time::Duration;

use super::parts::Parts;
use super::{Bench, Outcome, unless_interrupted};
use crate::cli::settings::Settings;
use crate::fault::Fault;
use crate::interrupt;
use crate::num;
use crate::report::progress::Progress;
use crate::result::Ran;
use crate::result::metrics::{Fanout, FanoutPoint, ScenarioMetrics};
use crate::sample::Load;

/// The paced load, in messages a second.
const PACE: f64 = 100.0;
/// Cost at the most subscriptions over that at the fewest, above which it is said to rise.
const RISES: f64 = 1.10;

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
        parts.add(&format!("{count} subscriptions"), bench.close_part(point.as_ref().err(), Vec::new()));
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
    let label = format!("{count} subscriptions at {PACE}/s");
    let paced = bench.sample_once(&label, Load::Open { rate: PACE, length: paced_length(settings) })?;
    bench.note_acks(false);
    let latency = paced.acks.as_ref().map(|acks| acks.latencies(count).summary());
    let (mut expected, mut received) = (paced.expected(count), paced.deliveries());
    *nanos += paced.nanos;
    let mut rates = Vec::new();
    for number in 1..=settings.iterations {
        let label = format!("{count} subscriptions, maximum rate, {number} of {}", settings.iterations);
        let sample = bench.sample(&label, closed(settings.sample));
        let Some(sample) = unless_interrupted(sample, rates.is_empty())? else { break };
        expected += sample.expected(count);
        received += sample.deliveries();
        *nanos += sample.nanos;
        rates.push(sample.rate());
    }
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
    })
}

/// What the points come to; `None` without any.
fn outcome(points: Vec<FanoutPoint>, nanos: u64) -> Option<Outcome> {
    let most = points.iter().max_by_key(|point| point.subscriptions)?;
    let fewest = points.iter().min_by_key(|point| point.subscriptions)?;
    let ratio = (most.subscriptions > fewest.subscriptions)
        .then(|| most.cost_per_delivery_ns / fewest.cost_per_delivery_ns);
    let missing = |point: &FanoutPoint| {
        (point.received != point.expected).then(|| {
            let [received, expected] = [point.received, point.expected].map(num::grouped);
            format!("{} subscriptions made {received} of {expected} deliveries", point.subscriptions)
        })
    };
    Some(Outcome {
        messages_per_sec: most.messages_per_sec,
        nanos,
        latency: Some(most.last_ack_latency.clone()),
        failures: points.iter().filter_map(missing).collect(),
        doubts: Vec::new(),
        metrics: ScenarioMetrics::Fanout(Fanout {
            deliveries_per_sec: most.deliveries_per_sec,
            expected: points.iter().map(|point| point.expected).sum(),
            received: points.iter().map(|point| point.received).sum(),
            cost_ratio: ratio,
            cost_rises: ratio.map(|ratio| ratio > RISES),
            points,
        }),
    })
}

/// How long it takes.
pub(crate) fn estimate(settings: &Settings) -> Duration {
    let samples = settings.sample.mul_f64(num::float(num::count(settings.iterations)));
    let point = settings.warmup + paced_length(settings) + samples;
    point.mul_f64(num::float(num::count(settings.counts.len())))
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

    fn point(subscriptions: usize, cost: f64, received: u64) -> FanoutPoint {
        FanoutPoint {
            subscriptions,
            expected: 100,
            received,
            paced_rate: PACE,
            paced_messages: 10,
            last_ack_latency: Recorder::new().summary(),
            messages_per_sec: 1.0,
            deliveries_per_sec: 1e9 / cost,
            cost_per_delivery_ns: cost,
            samples: vec![],
        }
    }

    #[test]
    fn it_says_whether_a_delivery_costs_more_with_more_subscriptions() {
        let of = |points| match outcome(points, 1).unwrap().metrics {
            ScenarioMetrics::Fanout(fanout) => (fanout.cost_rises, fanout.deliveries_per_sec),
            _ => unreachable!(),
        };
        assert_eq!(of(vec![point(50, 10.9, 100), point(10, 10.0, 100)]).0, Some(false));
        assert_eq!(of(vec![point(50, 11.1, 100), point(10, 10.0, 100)]).0, Some(true));
        assert_eq!(of(vec![point(10, 10.0, 100)]), (None, 1e8));
        assert!(outcome(vec![], 1).is_none());
    }

    #[test]
    fn a_delivery_that_was_not_made_fails_the_run() {
        assert!(outcome(vec![point(10, 1.0, 100)], 1).unwrap().failures.is_empty());
        let failures = outcome(vec![point(10, 1.0, 99)], 1).unwrap().failures;
        assert!(failures[0].contains("99 of 100"), "{failures:?}");
    }
}
