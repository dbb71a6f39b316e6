//! Like with like: values are compared within one placement of the CPUs.
//!
//! On a virtual machine the same two CPUs are 14, 35 or 200 ns apart from one moment to the next, and a rate follows
//! that distance by a factor of three or four. Values of both sides thrown together then differ by how often each side
//! met which distance, and hardly by which build is slower. So each value carries the distance that was probed before
//! and after it. Distances are sorted into *classes*, a new one wherever two neighbours are more than [`APART`] times
//! from each other; a value during which the CPUs moved from one class to another belongs to none and is left out. What
//! is left are strata: the values of either side in one class. Ranks, changes and intervals are taken inside them.
//!
//! Values without a distance (memory; a machine that could not be probed) make a single stratum. Sides that never met in
//! one class have none: nothing tells which of them is faster.

use super::metric::Measured;
use crate::num;

/// Neighbouring distances further apart than this are of two classes. Probes of one placement scatter by some 15 %.
const APART: f64 = 1.5;

/// Values that may be compared with each other.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Stratum {
    pub(super) base: Vec<f64>,
    pub(super) current: Vec<f64>,
}

impl Stratum {
    /// How many values there are.
    pub(super) fn len(&self) -> usize {
        self.base.len() + self.current.len()
    }

    fn is_shared(&self) -> bool {
        !self.base.is_empty() && !self.current.is_empty()
    }
}

/// Deals the values of both sides into the strata that have some of both; none where the two never met in one class. A run
/// that has several values in one class counts with their median.
pub(super) fn deal(base: &[Measured], current: &[Measured]) -> Vec<Stratum> {
    if base.iter().chain(current).all(|one| one.placement.is_none()) {
        return Some(stratum(base, current, None, &[])).filter(Stratum::is_shared).into_iter().collect();
    }
    let bounds = bounds(base.iter().chain(current));
    let strata = (0..=bounds.len()).map(|class| stratum(base, current, Some(class), &bounds));
    strata.filter(Stratum::is_shared).collect()
}

/// The distances at which either side was measured, in words.
pub(super) fn distances(base: &[Measured], current: &[Measured]) -> String {
    let bounds = bounds(base.iter().chain(current));
    let [base, current] = [base, current].map(|side| side_distances(side, &bounds));
    format!("{base} in BASE and {current} in CURRENT")
}

/// One of each class that a value of the side stayed in; or that none stayed.
fn side_distances(side: &[Measured], bounds: &[f64]) -> String {
    let of_class = |class| {
        let stayed = side.iter().filter(|one| one.class(bounds) == Some(class));
        num::median(&stayed.filter_map(|one| one.placement).flatten().collect::<Vec<_>>())
    };
    let all: Vec<String> =
        (0..=bounds.len()).filter_map(of_class).map(|nanos| format!("{nanos:.0} ns")).collect();
    match (&all[..], side.iter().any(|one| one.placement.is_some())) {
        ([], true) => "on the move".to_owned(),
        ([], false) => "unknown".to_owned(),
        (all, _) => all.join(" and "),
    }
}

/// The values of one class, or of all.
fn stratum(base: &[Measured], current: &[Measured], class: Option<usize>, bounds: &[f64]) -> Stratum {
    let side = |measured: &[Measured]| -> Vec<f64> {
        let of_class: Vec<&Measured> = measured
            .iter()
            .filter(|one| class.is_none_or(|class| one.class(bounds) == Some(class)))
            .collect();
        let runs = of_class.chunk_by(|left, right| left.run == right.run);
        runs.filter_map(|run| num::median(&run.iter().map(|one| one.value).collect::<Vec<_>>())).collect()
    };
    Stratum { base: side(base), current: side(current) }
}

/// The distances at which a new class begins, in order.
fn bounds<'a>(all: impl Iterator<Item = &'a Measured>) -> Vec<f64> {
    let mut distances: Vec<f64> = all.filter_map(|one| one.placement).flatten().collect();
    distances.sort_by(f64::total_cmp);
    let jumps = distances.windows(2).filter(|pair| pair[1] > pair[0] * APART);
    jumps.map(|pair| pair[1]).collect()
}

impl Measured {
    /// The class of its distances, if it has any and they agree.
    fn class(&self, bounds: &[f64]) -> Option<usize> {
        let [before, after] = self.placement?.map(|at| bounds.iter().filter(|bound| at >= **bound).count());
        (before == after).then_some(before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(run: usize, value: f64, before: f64, after: f64) -> Measured {
        Measured { run, value, placement: Some([before, after]) }
    }

    #[test]
    fn values_are_dealt_by_distance_and_those_that_moved_are_left_out() {
        let base = [at(0, 9.0, 60.0, 66.0), at(1, 2.0, 250.0, 270.0), at(2, 5.0, 62.0, 240.0)];
        let current = [at(0, 8.0, 58.0, 61.0), at(1, 3.0, 230.0, 260.0), at(2, 30.0, 14.0, 14.5)];
        let strata = deal(&base, &current);
        assert_eq!(
            strata,
            [
                Stratum { base: vec![9.0], current: vec![8.0] },
                Stratum { base: vec![2.0], current: vec![3.0] }
            ]
        );
    }

    #[test]
    fn the_values_of_a_run_in_one_class_count_as_one() {
        let base = [at(0, 1.0, 60.0, 60.0), at(0, 3.0, 60.0, 60.0), at(0, 50.0, 15.0, 15.0)];
        let current = [at(0, 4.0, 60.0, 60.0)];
        assert_eq!(deal(&base, &current), [Stratum { base: vec![2.0], current: vec![4.0] }]);
    }

    #[test]
    fn without_distances_all_are_one_and_without_a_common_class_there_is_none() {
        let plain = |value| Measured { run: 0, value, placement: None };
        let one = Stratum { base: vec![1.0], current: vec![2.0] };
        assert_eq!(deal(&[plain(1.0)], &[plain(2.0)]), std::slice::from_ref(&one));
        assert!(deal(&[at(0, 1.0, 15.0, 15.0)], &[at(0, 2.0, 200.0, 200.0)]).is_empty());
        assert!(deal(&[at(0, 1.0, 15.0, 15.0)], &[plain(2.0)]).is_empty(), "it is not known where that was");
        assert!(deal(&[at(0, 1.0, 15.0, 90.0)], &[at(0, 2.0, 15.0, 15.0)]).is_empty(), "one moved");
    }

    #[test]
    fn distances_are_told_by_class_and_those_that_moved_are_not() {
        let base = [
            at(0, 1.0, 15.0, 15.0),
            at(1, 1.0, 15.4, 15.4),
            at(2, 1.0, 210.0, 210.0),
            at(3, 1.0, 60.0, 210.0),
        ];
        let moved = [at(0, 1.0, 60.0, 256.0)];
        assert_eq!(distances(&base, &moved), "15 ns and 210 ns in BASE and on the move in CURRENT");
        let plain = [Measured { run: 0, value: 1.0, placement: None }];
        assert_eq!(distances(&moved[..0], &plain), "unknown in BASE and unknown in CURRENT");
    }
}
