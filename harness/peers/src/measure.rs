//! Measuring: the rounds in which contenders take turns.
//!
//! Contenders of a case take turns (A, B, C, A, B, C, ..; the first of a round moves on by one each time), so
//! that what the machine does to one it does to all. Before the first round each contender finds out how many
//! messages fill a sample. A sample during which the placement of the CPUs moved, other processes were busy,
//! or a thread that has a CPU to itself waited for it, is taken again, twice at most, and then kept but
//! counted as disturbed. So is one that turned out much shorter than planned, with more messages.

use std::time::Duration;

use crate::clock::Ticker;
use crate::latency::PACED_RATE;
use crate::machine::Cpus;
use crate::payload::Read;
use crate::roles::{Load, Roles};
use crate::sample::Sample;

const RETAKES: usize = 2;

/// What a sample's figure says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Million deliveries a second, over all receivers.
    Rate,
    /// Nanoseconds: the median latency of a paced stream.
    Median,
    /// Nanoseconds for a message and its echo.
    RoundTrip,
}

/// The size of a load, without the number of messages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) producers: u64,
    pub(crate) receivers: usize,
    pub(crate) capacity: usize,
    pub(crate) batch: usize,
    pub(crate) read: Read,
}

/// One way to do the work of a case.
#[derive(Clone, Debug)]
pub(crate) struct Contender {
    pub(crate) name: String,
    pub(crate) shape: Shape,
    pub(crate) set_up: fn(&Load) -> Roles,
}

/// How often, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) repeats: usize,
    pub(crate) sample: Duration,
}

/// All samples of one contender.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) figures: Vec<f64>,
    /// The cache-line distances found around the samples.
    pub(crate) lines: Vec<f64>,
    pub(crate) disturbed: usize,
}

impl Series {
    pub(crate) fn median(&self) -> f64 {
        median(&self.figures)
    }

    pub(crate) fn min(&self) -> f64 {
        self.figures.iter().copied().fold(f64::INFINITY, f64::min)
    }

    pub(crate) fn max(&self) -> f64 {
        self.figures.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }
}

/// The middle value, or the mean of the two.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// Measures on this machine.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) cpus: Cpus,
    pub(crate) ticker: Ticker,
    pub(crate) plan: Plan,
}

impl Bench {
    /// Takes turns until each contender has its samples.
    pub(crate) fn run(&self, unit: Unit, contenders: &[Contender]) -> Result<Vec<Series>, String> {
        let mut sizes = Vec::new();
        for contender in contenders {
            sizes.push(
                self.calibrate(unit, contender).map_err(|fault| format!("{}: {fault}", contender.name))?,
            );
        }
        let empty = |contender: &Contender| Series {
            name: contender.name.clone(),
            figures: Vec::new(),
            lines: Vec::new(),
            disturbed: 0,
        };
        let mut series: Vec<_> = contenders.iter().map(empty).collect();
        for round in 0..self.plan.repeats {
            for turn in 0..contenders.len() {
                let at = (round + turn) % contenders.len();
                let (contender, own) = (&contenders[at], &mut series[at]);
                let sample = self
                    .take(unit, contender, &mut sizes[at])
                    .map_err(|fault| format!("{}: {fault}", own.name))?;
                own.figures.push(sample.figure);
                own.lines.extend(sample.lines);
                own.disturbed += usize::from(sample.disturbed);
            }
        }
        Ok(series)
    }

    /// Finds how many messages fill a sample: from four capacities upwards, until the time taken can be
    /// trusted.
    fn calibrate(&self, unit: Unit, contender: &Contender) -> Result<u64, String> {
        if unit == Unit::Median {
            return Ok(whole(self.plan.sample.as_secs_f64() * PACED_RATE as f64, &contender.shape));
        }
        let mut messages = whole(0.0, &contender.shape);
        loop {
            let sample = self.sample(unit, contender, messages)?;
            let enough = u128::from(sample.nanos) * 4 >= self.plan.sample.as_nanos();
            let next = self.size_for(contender, messages, sample.nanos);
            if enough {
                return Ok(next);
            }
            // A short trial says little: approach in steps, so that a slow contender is not given a minute's
            // work.
            messages = next.min(messages * 16).max(messages + messages / 2);
            messages = whole(messages as f64, &contender.shape);
        }
    }

    fn size_for(&self, contender: &Contender, messages: u64, nanos: u64) -> u64 {
        whole(messages as f64 * self.plan.sample.as_nanos() as f64 / nanos.max(1) as f64, &contender.shape)
    }

    /// Takes a sample, and takes it again when it should not count; sets `messages` for the next one.
    fn take(&self, unit: Unit, contender: &Contender, messages: &mut u64) -> Result<Sample, String> {
        for retake in 0.. {
            let sample = self.sample(unit, contender, *messages)?;
            if unit != Unit::Median {
                *messages = self.size_for(contender, *messages, sample.nanos);
            }
            let short = u128::from(sample.nanos) * 3 < self.plan.sample.as_nanos() * 2;
            if retake == RETAKES || !(short || sample.disturbed) {
                return Ok(sample);
            }
        }
        unreachable!("the loop ends at the last retake")
    }
}

/// A number of messages near `wanted` that deals evenly to producers and batches and is four capacities at
/// least.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a positive number far below 2^53"
)]
fn whole(wanted: f64, shape: &Shape) -> u64 {
    let grain = shape.producers * shape.batch as u64;
    (wanted as u64).max(4 * shape.capacity as u64).div_ceil(grain) * grain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((median(&[4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-9);
    }

    #[test]
    fn samples_are_four_rings_and_whole_batches() {
        let shape = Shape { producers: 8, receivers: 1, capacity: 1_024, batch: 60, read: Read::Every };
        assert_eq!(whole(0.0, &shape) % 480, 0);
        assert!(whole(0.0, &shape) >= 4_096);
    }
}
