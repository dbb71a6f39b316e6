//! Measuring: the rounds in which contenders take turns.
//!
//! Contenders of a case take turns (A, B, C, A, B, C, ..; the first of a round moves on by one each time), so
//! that what the machine does to one it does to all. A sample goes into the placement class in which it ran.
//! One whose probes disagree about that, during which other processes were busy or a thread that has a CPU to
//! itself waited for it, or that turned out much too short, is thrown away and counted.
//!
//! The rounds go on until every claim has a class in which each of its contenders has enough samples, or the
//! case's time is up. A contender in no claim takes part until it has as many samples in all.
//!
//! How many messages fill a sample is found out before the first round, and kept up class by class, since a
//! rate may be five times as high in one as in another.

use std::time::Duration;

use crate::clock::Ticker;
use crate::latency::PACED_RATE;
use crate::machine::Cpus;
use crate::payload::Read;
use crate::placement::Placement;
use crate::roles::{Load, Roles};
use crate::sample::Sample;
use crate::series::{Point, Series, best_filled};
use crate::targets::{Case, Claim};

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
    /// Samples that each contender of a claim must have in one class.
    pub(crate) repeats: usize,
    pub(crate) sample: Duration,
    /// No case goes on for longer than this.
    pub(crate) limit: Duration,
}

/// Measures on this machine.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) cpus: Cpus,
    pub(crate) ticker: Ticker,
    pub(crate) plan: Plan,
}

impl Bench {
    /// Takes turns until each claim has its samples, or time is up.
    pub(crate) fn run(&self, case: &Case) -> Result<Vec<Series>, String> {
        let start = self.ticker.now();
        let contenders = &case.contenders;
        let mut sizes = Vec::new();
        for contender in contenders {
            let size = self.calibrate(case.unit, contender);
            sizes.push([size.map_err(|fault| format!("{}: {fault}", contender.name))?; Placement::ALL.len()]);
        }
        let mut series: Vec<_> = contenders.iter().map(|contender| Series::new(&contender.name)).collect();
        for round in 0.. {
            let wanted = self.wanted(case, &series);
            if !wanted.contains(&true) {
                break;
            }
            for turn in 0..contenders.len() {
                let at = (round + turn) % contenders.len();
                if u128::from(self.ticker.nanos(start, self.ticker.now())) > self.plan.limit.as_nanos() {
                    return Ok(series);
                }
                if wanted[at] {
                    let (contender, sizes, own) = (&contenders[at], &mut sizes[at], &mut series[at]);
                    match self.take(case.unit, contender, sizes) {
                        Ok(Some(point)) => own.points.push(point),
                        Ok(None) => own.discarded += 1,
                        Err(fault) => return Err(format!("{}: {fault}", own.name)),
                    }
                }
            }
        }
        Ok(series)
    }

    /// Which contenders still lack samples: all those of a claim together, so that they go on in turns.
    fn wanted(&self, case: &Case, series: &[Series]) -> Vec<bool> {
        let concerns =
            |claim: &Claim, name: &str| claim.ours == name || claim.peers.iter().any(|p| p == name);
        let unsettled = |claim: &&Claim| {
            let concerned: Vec<_> = series.iter().filter(|one| concerns(claim, &one.name)).collect();
            best_filled(concerned).is_none_or(|(_, count)| count < self.plan.repeats)
        };
        let unsettled: Vec<_> = case.claims.iter().filter(unsettled).collect();
        let lacks = |one: &Series| {
            if case.claims.iter().any(|claim| concerns(claim, &one.name)) {
                unsettled.iter().any(|claim| concerns(claim, &one.name))
            } else {
                one.points.len() < self.plan.repeats
            }
        };
        series.iter().map(lacks).collect()
    }

    /// Finds how many messages fill a sample: from four capacities upwards, until the time taken can be
    /// trusted.
    fn calibrate(&self, unit: Unit, contender: &Contender) -> Result<u64, String> {
        if unit == Unit::Median {
            return Ok(whole(self.plan.sample.as_secs_f64() * PACED_RATE as f64, &contender.shape));
        }
        let mut messages = whole(0.0, &contender.shape);
        loop {
            let sample = self.sample(unit, contender, |_| messages)?;
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

    /// Takes a sample, none when it does not count; sets the class's number of messages for the next one.
    fn take(
        &self,
        unit: Unit,
        contender: &Contender,
        sizes: &mut [u64; Placement::ALL.len()],
    ) -> Result<Option<Point>, String> {
        let Sample { figure, nanos, messages, lines, disturbed } =
            self.sample(unit, contender, |placement| sizes[placement as usize])?;
        let Some(placement) = Placement::around(lines) else { return Ok(None) };
        if unit != Unit::Median {
            sizes[placement as usize] = self.size_for(contender, messages, nanos);
        }
        let short = u128::from(nanos) * 3 < self.plan.sample.as_nanos();
        let line = f64::midpoint(lines[0], lines[1]);
        Ok((!short && !disturbed).then_some(Point { figure, line, placement }))
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
    fn samples_are_four_rings_and_whole_batches() {
        let shape = Shape { producers: 8, receivers: 1, capacity: 1_024, batch: 60, read: Read::Every };
        assert_eq!(whole(0.0, &shape) % 480, 0);
        assert!(whole(0.0, &shape) >= 4_096);
    }
}
