//! Finding the capacity: the highest rate that the system sustains in an open loop.
//!
//! A closed loop at full speed comes first; its median is the scale. Then open-loop samples probe: the bracket
//! between the highest rate that held and the lowest that did not is narrowed until it is 3 % wide, and its lower
//! end is the capacity. A rate that does not hold is probed once more before it counts, since a stall of the
//! machine can fail a rate that the system sustains, while nothing can make it sustain one that it does not. The
//! closed loop runs again at the end, so that its median spans the same minutes as the probes.
//!
//! Everything here works on a [`System`], so that the search is tested against simulated ones.

use crate::fault::Fault;
use crate::num;

/// Closed-loop samples before the probes, and after.
const BEFORE: usize = 3;
const AFTER: usize = 1;
/// Where the probes start, as a share of the closed loop's median.
const FIRST: f64 = 0.96;
/// By how much the rate changes while only one end of the bracket is known.
const STEP_UP: f64 = 1.10;
const STEP_DOWN: f64 = 0.88;
/// Highest failed over lowest held rate at which the search is done.
const PRECISION: f64 = 1.03;
/// Probes after which the search gives up narrowing; a sane system needs six or seven.
const PROBES: usize = 12;
/// The share of the closed-loop maximum that a capacity must reach to be believed.
pub(crate) const PLAUSIBLE: f64 = 0.9;

/// What is searched.
pub(crate) trait System {
    /// Runs a closed loop for one sample; messages a second.
    fn closed(&mut self) -> Result<f64, Fault>;
    /// Offers `rate` messages a second for one sample and tells whether it held.
    fn probe(&mut self, rate: f64) -> Result<bool, Fault>;
}

/// What the search found.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Found {
    /// The highest rate that held, in messages a second.
    pub(crate) capacity: f64,
    /// The median of the closed loops.
    pub(crate) closed_maximum: f64,
    /// Every rate probed, in order, and whether it held.
    pub(crate) probes: Vec<(f64, bool)>,
}

impl Found {
    /// Capacity over the closed-loop maximum.
    pub(crate) fn share(&self) -> f64 {
        self.capacity / self.closed_maximum
    }

    /// Whether the capacity reaches the share of the closed loop at which it can be believed.
    pub(crate) fn plausible(&self) -> bool {
        self.share() >= PLAUSIBLE
    }
}

/// The median of `count` closed loops added to `rates`.
fn closed(system: &mut impl System, count: usize, rates: &mut Vec<f64>) -> Result<f64, Fault> {
    for _ in 0..count {
        rates.push(system.closed()?);
    }
    num::median(rates)
        .filter(|rate| *rate >= 1.0)
        .ok_or_else(|| Fault::new("the closed loop delivered less than a message a second"))
}

/// Searches the capacity.
pub(crate) fn search(system: &mut impl System) -> Result<Found, Fault> {
    let mut rates = Vec::new();
    let scale = closed(system, BEFORE, &mut rates)?;
    let mut probes = Vec::new();
    let (mut held, mut failed) = (None::<f64>, None::<f64>);
    let mut rate = scale * FIRST;
    while probes.len() < PROBES {
        if sustained(system, rate, &mut probes)? {
            held = Some(rate);
        } else {
            failed = Some(rate);
        }
        rate = match (held, failed) {
            (Some(held), Some(failed)) if failed / held <= PRECISION => break,
            (Some(held), Some(failed)) => (held * failed).sqrt(),
            (Some(held), None) => held * STEP_UP,
            (None, Some(failed)) => (failed * STEP_DOWN).max(1.0),
            (None, None) => rate,
        };
    }
    let capacity = held.ok_or_else(|| {
        let lowest = num::signed(probes.last().map_or(0.0, |&(rate, _)| rate));
        Fault::new(format!(
            "no rate held, not even {lowest}/s: the machine stalls more than the engine works"
        ))
    })?;
    let closed_maximum = closed(system, AFTER, &mut rates)?;
    Ok(Found { capacity, closed_maximum, probes })
}

/// A given capacity, set against the closed loop of this run.
pub(crate) fn given(system: &mut impl System, capacity: f64) -> Result<Found, Fault> {
    let closed_maximum = closed(system, BEFORE, &mut Vec::new())?;
    Ok(Found { capacity, closed_maximum, probes: Vec::new() })
}

/// Probes `rate`, and once more when it did not hold.
fn sustained(system: &mut impl System, rate: f64, probes: &mut Vec<(f64, bool)>) -> Result<bool, Fault> {
    for _ in 0..2 {
        let held = system.probe(rate)?;
        probes.push((rate, held));
        if held {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A system that sustains `limit`, whose closed loop reports `maximum`, and in which every `stalls`-th sample
    /// stalls.
    struct Simulated {
        limit: f64,
        maximum: f64,
        stalls: usize,
        samples: usize,
    }

    impl Simulated {
        fn new(limit: f64, maximum: f64) -> Self {
            Self { limit, maximum, stalls: usize::MAX, samples: 0 }
        }

        fn stalled(&mut self) -> bool {
            self.samples += 1;
            self.samples.is_multiple_of(self.stalls)
        }
    }

    impl System for Simulated {
        fn closed(&mut self) -> Result<f64, Fault> {
            Ok(if self.stalled() { self.maximum * 0.4 } else { self.maximum })
        }

        fn probe(&mut self, rate: f64) -> Result<bool, Fault> {
            Ok(!self.stalled() && rate <= self.limit)
        }
    }

    #[test]
    fn the_capacity_is_found_to_three_percent_from_below() {
        for share in [0.8, 0.95, 1.0, 1.1, 1.5] {
            let mut system = Simulated::new(1e7 * share, 1e7);
            let found = search(&mut system).unwrap();
            let ratio = found.capacity / system.limit;
            assert!((0.97..=1.0).contains(&ratio), "limit {share} of the closed loop: found {ratio} of it");
            assert_eq!(found.plausible(), share >= 0.95, "limit {share}: {found:?}");
        }
    }

    #[test]
    fn a_stall_in_every_third_sample_does_not_fool_it() {
        let mut system = Simulated { stalls: 3, ..Simulated::new(1e7, 1e7) };
        let found = search(&mut system).unwrap();
        assert!((found.closed_maximum - 1e7).abs() < 1.0, "{found:?}");
        assert!((0.97..=1.0).contains(&(found.capacity / 1e7)), "{found:?}");
    }

    #[test]
    fn ninety_percent_holds_and_125_percent_does_not() {
        for limit in [0.95e6, 1.0e6, 1.05e6] {
            let mut system = Simulated::new(limit, 1e6);
            let capacity = search(&mut system).unwrap().capacity;
            assert!(system.probe(capacity * 0.9).unwrap() && !system.probe(capacity * 1.25).unwrap());
        }
    }

    #[test]
    fn it_is_quick() {
        let found = search(&mut Simulated::new(0.98e7, 1e7)).unwrap();
        assert!(found.probes.len() <= 9, "{} probes", found.probes.len());
    }

    #[test]
    fn a_system_that_sustains_nothing_ends_with_a_reason() {
        let error = search(&mut Simulated::new(0.0, 1e7)).unwrap_err().to_string();
        assert!(error.starts_with("no rate held"), "{error}");
        assert!(search(&mut Simulated::new(0.0, 0.0)).is_err());
    }

    #[test]
    fn a_given_capacity_is_still_set_against_the_closed_loop() {
        let found = given(&mut Simulated::new(1e7, 1e7), 5e6).unwrap();
        assert!(!found.plausible());
    }
}
