//! Which samples are taken again, and how many were.

use crate::noise::Noise;

/// How many disturbed samples are taken again in a run, and how many that were taken elsewhere, so that a run on a bad day
/// still ends.
const DISTURBED_PER_RUN: u64 = 5;
const ELSEWHERE_PER_RUN: u64 = 6;

/// What a run has taken again so far.
#[derive(Debug, Default)]
pub(super) struct Retakes {
    disturbed: u64,
    elsewhere: u64,
    /// What the machine did to the sample that showed the capacity.
    found_under: Option<Noise>,
}

impl Retakes {
    /// A sample with this noise showed the capacity: levels are measured against the machine as it was then.
    pub(super) fn capacity_found(&mut self, noise: &Noise) {
        self.found_under = Some(noise.clone());
    }

    /// Whether a sample with this noise is taken again because the machine disturbed it.
    pub(super) fn disturbed(&mut self, noise: &Noise) -> bool {
        let again = self.disturbed < DISTURBED_PER_RUN && !noise.reasons().is_empty();
        self.disturbed += u64::from(again);
        again
    }

    /// Whether a level's sample with this noise is taken again because the CPUs were elsewhere than where the capacity was
    /// found: it is of no percentage of it, whatever it shows. (On a virtual machine a pair of CPUs may carry half of what
    /// it did a second ago.)
    pub(super) fn elsewhere(&mut self, noise: &Noise) -> bool {
        let elsewhere = self.found_under.as_ref().is_some_and(|then| noise.elsewhere(then));
        let again = self.elsewhere < ELSEWHERE_PER_RUN && elsewhere;
        self.elsewhere += u64::from(again);
        again
    }

    /// How many there were.
    pub(super) fn count(&self) -> u64 {
        self.disturbed + self.elsewhere
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(ns: f64) -> Noise {
        Noise { placement_before_ns: Some(ns), placement_after_ns: Some(ns), ..Noise::default() }
    }

    #[test]
    fn a_run_takes_so_many_again_for_each_reason_and_no_more() {
        let mut retakes = Retakes::default();
        let far = placed(200.0);
        assert!(!retakes.elsewhere(&far), "no capacity was found yet");
        retakes.capacity_found(&placed(36.0));
        assert!(
            !retakes.elsewhere(&placed(40.0)) && !retakes.disturbed(&far),
            "it is where it was, and calm"
        );
        assert_eq!((0..20).filter(|_| retakes.elsewhere(&far)).count(), 6);
        let stolen = Noise { steal_percent: Some(9.0), ..Noise::default() };
        assert_eq!((0..20).filter(|_| retakes.disturbed(&stolen)).count(), 5);
        assert_eq!(retakes.count(), 11);
    }
}
