//! Measuring: the rounds in which contenders take turns.
//!
//! Contenders of a case take turns (A, B, C, A, B, C, ..; the first of a round moves on by one each time), so
//! that what the machine does to one it does to all. A sample goes into the placement class in which it ran.
//! One whose probes disagree about that, during which other processes were busy or a thread that has a CPU to
//! itself waited for it, or that took less than a few milliseconds, is thrown away and counted.
//!
//! The rounds go on until every claim has a class in which each of its contenders has enough samples, or the
//! case's time is up; each has its turn in the first round, however long the finding of sizes before it took. A
//! contender that has enough of the class that the CPUs are in at its turn passes, so that no time goes into
//! samples that nobody lacks. One in no claim takes part until it has as many in all.
//!
//! How many messages fill a sample is found out before the first round, and kept up class by class, since a
//! rate may be five times as high in one as in another.

use std::path::PathBuf;
use std::time::Duration;

use crate::case::{Case, Claim, Contender, Shape, Unit, Work};
use crate::clock::Ticker;
use crate::latency::PACED_RATE;
use crate::machine::Cpus;
use crate::placement::Placement;
use crate::sample::Sample;
use crate::series::{Discard, Point, Series, best_filled, fewest};

/// How long to wait for the CPUs to move when nobody lacks samples of the class that they are in.
const PAUSE: Duration = Duration::from_millis(10);

/// A sample that takes less says little.
const SHORTEST: Duration = Duration::from_millis(5);

/// How often, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Samples that each contender of a claim must have in one class.
    pub(crate) repeats: usize,
    pub(crate) sample: Duration,
    /// No case goes on for longer than this, once each contender has had a turn.
    pub(crate) limit: Duration,
    /// Whether it works, not how fast.
    pub(crate) quick: bool,
}

/// How many messages fill a sample, class by class.
type Sizes = [u64; Placement::ALL.len()];

/// Measures on this machine.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) cpus: Cpus,
    pub(crate) ticker: Ticker,
    pub(crate) plan: Plan,
    /// The program `harness`; built when it is needed and not given.
    pub(crate) harness: Option<PathBuf>,
}

impl Bench {
    /// Takes turns until each claim has its samples, or time is up.
    pub(crate) fn run(&self, case: &Case) -> Result<Vec<Series>, String> {
        let start = self.ticker.now();
        let contenders = &case.contenders;
        let named = |contender: &Contender, fault| format!("{}: {fault}", contender.name);
        let mut sizes = Vec::new();
        for contender in contenders {
            sizes.push(self.calibrate(case.unit, contender).map_err(|fault| named(contender, fault))?);
        }
        let mut series: Vec<_> = contenders.iter().map(|contender| Series::new(&contender.name)).collect();
        for round in 0.. {
            let lacking = lacking(case, &series, self.repeats(case));
            if !lacking.contains(&true) {
                break;
            }
            let mut idle = true;
            for turn in 0..contenders.len() {
                let at = (round + turn) % contenders.len();
                let spent = Duration::from_nanos(self.ticker.nanos(start, self.ticker.now()));
                if round > 0 && spent > self.plan.limit * case.patience {
                    return Ok(series);
                }
                if lacking[at] {
                    let (contender, own) = (&contenders[at], &mut series[at]);
                    let taken = self.turn(case, contender, &mut sizes[at], own);
                    idle &= !taken.map_err(|fault| named(contender, fault))?;
                }
            }
            if idle {
                std::thread::sleep(PAUSE);
            }
        }
        Ok(series)
    }

    /// Samples that are enough for a claim.
    pub(crate) fn repeats(&self, case: &Case) -> usize {
        self.plan.repeats.min(case.most)
    }

    /// One contender's turn; whether it took a sample.
    fn turn(
        &self,
        case: &Case,
        contender: &Contender,
        sizes: &mut Sizes,
        own: &mut Series,
    ) -> Result<bool, String> {
        if !case.placed {
            let figure = match &contender.work {
                Work::Whole(work) => work(self)?,
                Work::Race(..) => return Err("a race hinges on where the CPUs are".into()),
            };
            own.points.push(Point { figure, line: None, placement: Placement::Any });
            return Ok(true);
        }
        let before = self.cpus.line_nanos(&self.ticker)?;
        let class = Placement::of(before);
        if own.count(class) >= self.plan.repeats {
            return Ok(false);
        }
        let sample = match &contender.work {
            Work::Whole(work) => self.whole(*work)?,
            Work::Race(shape, set_up) => {
                let sample = self.sample(case.unit, shape, set_up, sizes[class as usize])?;
                if case.unit != Unit::Median && class == Placement::of(sample.line) {
                    sizes[class as usize] = self.size_for(shape, sizes[class as usize], sample.nanos);
                }
                sample
            }
        };
        let fixed = matches!(contender.work, Work::Whole(_));
        // (Not in proportion to what was planned: who is faster than before would lose his best samples by that.)
        let short = !fixed && u128::from(sample.nanos) < SHORTEST.min(self.plan.sample / 3).as_nanos();
        let line = Some(f64::midpoint(before, sample.line));
        // Whether it works shows on a busy machine, too.
        let strict = !self.plan.quick;
        match Placement::around([before, sample.line]).or((!strict).then_some(class)) {
            None => own.discarded.push(Discard::Moved),
            Some(_) if sample.disturbed && strict => own.discarded.push(Discard::Disturbed),
            Some(_) if short && strict => own.discarded.push(Discard::Short),
            Some(placement) => own.points.push(Point { figure: sample.figure, line, placement }),
        }
        Ok(true)
    }

    /// Finds how many messages fill a sample: from four capacities upwards, until the time taken can be
    /// trusted.
    fn calibrate(&self, unit: Unit, contender: &Contender) -> Result<Sizes, String> {
        let Work::Race(shape, set_up) = &contender.work else { return Ok(Sizes::default()) };
        if unit == Unit::Median {
            let messages = whole(self.plan.sample.as_secs_f64() * PACED_RATE as f64, shape);
            return Ok([messages; Placement::ALL.len()]);
        }
        let mut messages = whole(0.0, shape);
        loop {
            let Sample { nanos, .. } = self.sample(unit, shape, set_up, messages)?;
            let enough = u128::from(nanos) * 4 >= self.plan.sample.as_nanos();
            let next = self.size_for(shape, messages, nanos);
            if enough {
                return Ok([next; Placement::ALL.len()]);
            }
            // A short trial says little: approach in steps, so that a slow contender is not given a minute's
            // work.
            messages = next.min(messages * 16).max(messages + messages / 2);
            messages = whole(messages as f64, shape);
        }
    }

    fn size_for(&self, shape: &Shape, messages: u64, nanos: u64) -> u64 {
        whole(messages as f64 * self.plan.sample.as_nanos() as f64 / nanos.max(1) as f64, shape)
    }
}

/// Which contenders still lack samples: all those of a claim together, so that they go on in turns.
fn lacking(case: &Case, series: &[Series], repeats: usize) -> Vec<bool> {
    let unsettled = |claim: &&Claim| {
        let concerned: Vec<_> = series.iter().filter(|one| claim.concerns(&one.name)).collect();
        best_filled(&concerned).is_none_or(|placement| fewest(&concerned, placement) < repeats)
    };
    let unsettled: Vec<_> = case.claims.iter().filter(unsettled).collect();
    let lacks = |one: &Series| {
        if case.claims.iter().any(|claim| claim.concerns(&one.name)) {
            unsettled.iter().any(|claim| claim.concerns(&one.name))
        } else {
            one.points.len() < repeats
        }
    };
    series.iter().map(lacks).collect()
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
    use crate::payload::Read;
    use crate::peer::bare;
    use crate::series::tests::series;

    #[test]
    fn samples_are_four_rings_and_whole_batches() {
        let shape = Shape { producers: 8, receivers: 1, capacity: 1_024, batch: 60, read: Read::Every };
        assert_eq!(whole(0.0, &shape) % 480, 0);
        assert!(whole(0.0, &shape) >= 4_096);
    }

    fn case() -> Case {
        let mut case = Case::new("T1", "test", Unit::Rate);
        case.claim("ours", &["peer"], 1.0);
        case
    }

    #[test]
    fn a_claim_lacks_samples_until_one_class_has_enough_of_both() {
        let near = (1.0, 36.0);
        let ours = series("ours", &[near; 5]);
        let mixed = series("peer", &[near, near, near, near, (1.0, 220.0), (1.0, 220.0)]);
        assert_eq!(lacking(&case(), &[ours.clone(), mixed], 5), [true, true]);
        assert_eq!(lacking(&case(), &[ours, series("peer", &[near; 5])], 5), [false, false]);
    }

    #[test]
    fn each_has_a_turn_though_the_time_was_up_before_the_first_round() {
        let plan = Plan { repeats: 1, sample: Duration::ZERO, limit: Duration::ZERO, quick: true };
        let bench = Bench { cpus: Cpus::find().unwrap(), ticker: Ticker::new(), plan, harness: None };
        let shape = Shape { producers: 1, receivers: 1, capacity: 64, batch: 1, read: Read::Every };
        let mut case = case();
        case.race("ours", shape, bare::one_by_one::<u64>);
        case.race("peer", shape, bare::one_by_one::<u64>);
        let series = bench.run(&case).unwrap();
        assert!(series.iter().all(|one| one.points.len() == 1 && one.discarded.is_empty()), "{series:?}");
    }

    #[test]
    fn who_is_in_no_claim_is_done_with_samples_of_any_class() {
        let far_and_near = [(1.0, 220.0), (1.0, 36.0)];
        let others = [series("ours", &[]), series("peer", &[]), series("other", &far_and_near)];
        assert_eq!(lacking(&case(), &others, 2), [true, true, false]);
        assert_eq!(lacking(&case(), &others, 3), [true, true, true]);
    }
}
