//! Finding the capacity: the highest rate that the system sustains in an open loop.
//!
//! It is searched as a share of what the closed loop does, because that share is the system's, while what the closed loop
//! does is the machine's as well, which may be twice as fast in a second from now. Each probe offers a share of what a
//! closed loop has done right before. The bracket between the highest share that held and the lowest that did not is
//! narrowed until it is 3 % wide, and its lower end is the capacity. A share that does not hold is probed once more before
//! it counts, since a stall of the machine can fail one that the system sustains, while nothing can make it sustain one
//! that it does not.
//!
//! Everything here works on a [`System`], so that the search is tested against simulated ones.

use crate::fault::Fault;
use crate::num;

/// Closed-loop samples that a given capacity is set against.
const BEFORE: usize = 3;
/// Where the probes start, as a share of the closed loop.
const FIRST: f64 = 0.96;
/// By how much the share changes while only one end of the bracket is known.
const STEP_UP: f64 = 1.10;
const STEP_DOWN: f64 = 0.88;
/// Lowest failed over highest held share at which the search is done.
const PRECISION: f64 = 1.03;
/// Probes after which the search gives up narrowing; a sane system needs six or seven.
const PROBES: usize = 12;
/// The share of the median closed loop that a capacity must reach to be believed.
pub(crate) const PLAUSIBLE: f64 = 0.9;
/// What to do about a capacity that was searched and is none.
pub(crate) const REMEDY: &str = "run it again on a quieter machine, or give a capacity by --capacity RATE";

/// What is searched.
pub(crate) trait System {
    /// Runs a closed loop for one sample; messages a second.
    fn closed(&mut self) -> Result<f64, Fault>;
    /// Offers this share of what the closed loop does, for one sample.
    fn probe(&mut self, share: f64) -> Result<Probed, Fault>;
}

/// What became of a probe.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Probed {
    /// The rate that was offered, in messages a second.
    pub(crate) rate: f64,
    pub(crate) held: bool,
}

/// What the search found.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Found {
    /// The highest share of the closed loop that held.
    pub(crate) share: f64,
    /// Everything probed, in order.
    pub(crate) probes: Vec<Probed>,
}

impl Found {
    /// Whether the capacity reaches the share of the closed loop at which it can be believed.
    pub(crate) fn plausible(&self) -> bool {
        self.share >= PLAUSIBLE
    }
}

/// Searches the capacity.
pub(crate) fn search(system: &mut impl System) -> Result<Found, Fault> {
    let mut probes = Vec::new();
    let (mut held, mut failed) = (None::<f64>, None::<f64>);
    let mut share = FIRST;
    while probes.len() < PROBES {
        if sustained(system, share, &mut probes)? {
            held = Some(share);
        } else {
            failed = Some(share);
        }
        share = match (held, failed) {
            (Some(held), Some(failed)) if failed / held <= PRECISION => break,
            (Some(held), Some(failed)) => (held * failed).sqrt(),
            (Some(held), None) => held * STEP_UP,
            (None, Some(failed)) => failed * STEP_DOWN,
            (None, None) => share,
        };
    }
    let share = held.ok_or_else(|| {
        let lowest = num::signed(probes.last().map_or(0.0, |probed| probed.rate));
        Fault::new(format!(
            "no rate held, not even {lowest}/s: the machine stalls more than the engine works; {REMEDY}"
        ))
    })?;
    Ok(Found { share, probes })
}

/// A given capacity, set against closed loops of this run.
pub(crate) fn given(system: &mut impl System, capacity: f64) -> Result<Found, Fault> {
    let mut rates = Vec::new();
    for _ in 0..BEFORE {
        rates.push(system.closed()?);
    }
    let closed = num::median(&rates).filter(|rate| *rate >= 1.0).ok_or_else(too_slow)?;
    Ok(Found { share: capacity / closed, probes: Vec::new() })
}

/// Nothing can be told in shares of so little.
pub(crate) fn too_slow() -> Fault {
    Fault::new("the closed loop delivered less than a message a second")
}

/// Probes `share`, and once more when it did not hold.
fn sustained(system: &mut impl System, share: f64, probes: &mut Vec<Probed>) -> Result<bool, Fault> {
    for _ in 0..2 {
        let probed = system.probe(share)?;
        probes.push(probed);
        if probed.held {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A system that sustains `limit` of what its closed loop does, on a machine that goes from fast to slow, and in which
    /// every `stalls`-th sample stalls.
    struct Simulated {
        limit: f64,
        stalls: usize,
        samples: usize,
    }

    impl Simulated {
        fn new(limit: f64) -> Self {
            Self { limit, stalls: usize::MAX, samples: 0 }
        }

        fn stalled(&mut self) -> bool {
            self.samples += 1;
            self.samples.is_multiple_of(self.stalls)
        }

        fn machine(&self) -> f64 {
            if self.samples.is_multiple_of(2) { 1e7 } else { 5e6 }
        }
    }

    impl System for Simulated {
        fn closed(&mut self) -> Result<f64, Fault> {
            Ok(if self.stalled() { 4e6 } else { 1e7 })
        }

        fn probe(&mut self, share: f64) -> Result<Probed, Fault> {
            let held = !self.stalled() && share <= self.limit;
            Ok(Probed { rate: share * self.machine(), held })
        }
    }

    #[test]
    fn the_capacity_is_found_to_three_percent_from_below() {
        for limit in [0.8, 0.95, 1.0, 1.1, 1.5] {
            let found = search(&mut Simulated::new(limit)).unwrap();
            let ratio = found.share / limit;
            assert!((0.97..=1.0).contains(&ratio), "limit {limit} of the closed loop: found {ratio} of it");
            assert_eq!(found.plausible(), limit >= 0.95, "limit {limit}: {found:?}");
        }
    }

    #[test]
    fn a_stall_in_every_third_sample_does_not_fool_it() {
        let found = search(&mut Simulated { stalls: 3, ..Simulated::new(1.0) }).unwrap();
        assert!((0.97..=1.0).contains(&found.share), "{found:?}");
    }

    #[test]
    fn ninety_percent_holds_and_125_percent_does_not() {
        for limit in [0.95, 1.0, 1.05] {
            let mut system = Simulated::new(limit);
            let share = search(&mut system).unwrap().share;
            assert!(system.probe(share * 0.9).unwrap().held && !system.probe(share * 1.25).unwrap().held);
        }
    }

    #[test]
    fn it_is_quick() {
        let found = search(&mut Simulated::new(0.98)).unwrap();
        assert!(found.probes.len() <= 9, "{} probes", found.probes.len());
    }

    #[test]
    fn a_system_that_sustains_nothing_ends_with_a_reason() {
        let error = search(&mut Simulated::new(0.0)).unwrap_err().to_string();
        assert!(
            error.starts_with("no rate held, not even ") && error.contains("/s: the machine stalls"),
            "{error}"
        );
        assert!(error.ends_with(&format!("; {REMEDY}")) && REMEDY.contains("--capacity RATE"), "{error}");
    }

    #[test]
    fn a_given_capacity_is_still_set_against_the_closed_loop() {
        let found = given(&mut Simulated { stalls: 3, ..Simulated::new(1.0) }, 5e6).unwrap();
        assert!(!found.plausible());
        assert!((found.share - 0.5).abs() < 1e-9, "{found:?}");
    }
}
