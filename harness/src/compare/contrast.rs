//! Two lots of values of one run: for scenarios that ask whether the one is larger than the other.

use super::metric::Measured;
use super::samples::Placed;
use super::strata::Stratum;
use super::{LEVEL, rank, resample, strata};

/// What two lots come to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Contrast {
    /// Relative, from the first to the second.
    pub(crate) change: f64,
    /// Whether so many values could tell a difference from noise.
    pub(crate) is_enough: bool,
    /// Whether they do.
    pub(crate) is_clear: bool,
    /// How many values of each compare.
    pub(crate) values: [usize; 2],
    /// The least of the second over the greatest of the first: by how much all of the one are above all of the other.
    pub(crate) apart: f64,
}

/// Contrasts two lots of values, each with where the CPUs were before and after it, if that was probed. `None` when the two
/// have no placement in common, or one is empty.
pub(crate) fn contrast(first: &[Placed], second: &[Placed]) -> Option<Contrast> {
    let measured = |lot: &[Placed]| -> Vec<Measured> {
        let values = lot.iter().enumerate();
        values.map(|(run, &(value, placement))| Measured { run, value, placement }).collect()
    };
    let (left, right) = (measured(first), measured(second));
    let strata = strata::deal(&left, &right);
    let probability = rank::probability(&strata)?;
    let of = |side: fn(&Stratum) -> &[f64]| strata.iter().map(|stratum| side(stratum).len()).sum();
    let apart = strata.iter().map(|stratum| {
        let least = stratum.current.iter().copied().fold(f64::INFINITY, f64::min);
        least / stratum.base.iter().copied().fold(0.0, f64::max)
    });
    Some(Contrast {
        change: resample::change(&strata)?,
        is_enough: rank::smallest(&strata) <= LEVEL,
        is_clear: probability <= LEVEL,
        values: [of(|stratum| &stratum.base), of(|stratum| &stratum.current)],
        apart: apart.fold(f64::INFINITY, f64::min),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lot(values: &[f64], distance: f64) -> Vec<Placed> {
        values.iter().map(|&value| (value, Some([distance, distance]))).collect()
    }

    #[test]
    fn a_difference_is_clear_enough_or_of_too_few_values() {
        let of = |first: &[f64], second: &[f64]| contrast(&lot(first, 60.0), &lot(second, 62.0)).unwrap();
        let five = [10.0, 10.1, 10.2, 10.3, 10.4];
        let more = of(&five, &five.map(|value| value * 1.5));
        assert!(more.is_clear && more.is_enough && (more.change - 0.5).abs() < 0.03, "{more:?}");
        let mixed = of(&five, &[9.0, 12.0, 10.15, 14.0, 10.05]);
        assert!(!mixed.is_clear && mixed.is_enough, "{mixed:?}");
        let few = of(&five[..2], &[20.2, 21.0]);
        assert!(!few.is_enough && few.values == [2, 2] && (few.apart - 2.0).abs() < 1e-9, "{few:?}");
        let placed = |near, far| [lot(near, 15.0), lot(far, 200.0)].concat();
        let two = contrast(&placed(&[1.0, 2.0], &[10.0]), &placed(&[8.0], &[30.0, 99.0, 5.0])).unwrap();
        assert!(two.values == [3, 4] && (two.apart - 0.5).abs() < 1e-9, "within each placement: {two:?}");
    }

    #[test]
    fn values_of_different_placements_do_not_compare() {
        let five = [10.0, 10.1, 10.2, 10.3, 10.4];
        assert_eq!(contrast(&lot(&five, 15.0), &lot(&five, 200.0)), None);
        assert_eq!(contrast(&[], &lot(&five, 15.0)), None);
        let bare: Vec<Placed> = five.iter().map(|&value| (value, None)).collect();
        assert!(contrast(&bare, &bare).is_some_and(|same| !same.is_clear));
    }

    #[test]
    fn five_a_side_that_are_apart_in_each_of_two_placements_are_clear() {
        let placed = |near: &[f64], far: &[f64]| [lot(near, 30.0), lot(far, 150.0)].concat();
        let few = placed(&[10.0, 10.1, 10.2], &[30.0, 30.1]);
        let found = contrast(&few, &placed(&[15.0, 15.1], &[45.0, 45.1, 45.2])).unwrap();
        assert!(found.is_enough && found.is_clear, "{found:?}");
    }
}
