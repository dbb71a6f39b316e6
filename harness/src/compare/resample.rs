//! How large a change is, and how far off that could be.
//!
//! The change is the median of the ratios of every value of one side to every value of the other, within each stratum.
//! It asks for no shape of the noise, and is surer than the ratio of two medians. (Hodges and Lehmann 1963.)
//!
//! Its interval is the bootstrap's: both sides of each stratum are drawn again from themselves, with replacement, and the
//! change is noted each time; the middle 95 % of what comes out is the interval. The generator starts from a fixed
//! seed, so that the same two files give the same answer. (Efron 1979, the percentile interval.)

use super::strata::Stratum;
use crate::num;

/// How often values are drawn again, for a figure that is shown, and for one that is only looked at.
pub(super) const DRAWS: usize = 1_000;
pub(super) const FEW_DRAWS: usize = 200;
const SEED: u64 = 0x005e_ed0f_a115;

/// The relative change from base to current. `None` from zero, of which nothing is a share.
pub(super) fn change(strata: &[Stratum]) -> Option<f64> {
    let mut ratios: Vec<f64> = strata
        .iter()
        .flat_map(|one| {
            one.base.iter().flat_map(|base| one.current.iter().map(move |current| current / base))
        })
        .collect();
    if ratios.is_empty() || !ratios.iter().all(|ratio| ratio.is_finite()) {
        return None;
    }
    let even = ratios.len().is_multiple_of(2);
    let middle = ratios.len() / 2;
    let (below, upper, _) = ratios.select_nth_unstable_by(middle, f64::total_cmp);
    let upper = *upper;
    let lower = below.iter().copied().max_by(f64::total_cmp).filter(|_| even);
    Some(lower.map_or(upper, |lower| f64::midpoint(lower, upper)) - 1.0)
}

/// The middle 95 % of the change, by `draws`. `None` with less than two values a side, where drawing again changes nothing.
pub(super) fn interval(strata: &[Stratum], draws: usize) -> Option<(f64, f64)> {
    let values = |side: fn(&Stratum) -> &Vec<f64>| strata.iter().map(|one| side(one).len()).sum::<usize>();
    if values(|one| &one.base) < 2 || values(|one| &one.current) < 2 {
        return None;
    }
    let mut random = Random(SEED);
    let mut draw =
        |values: &[f64]| -> Vec<f64> { values.iter().map(|_| values[random.below(values.len())]).collect() };
    let mut changes: Vec<f64> = (0..draws)
        .filter_map(|_| {
            let again = |one: &Stratum| Stratum { base: draw(&one.base), current: draw(&one.current) };
            change(&strata.iter().map(again).collect::<Vec<_>>())
        })
        .collect();
    changes.sort_by(f64::total_cmp);
    let at = |share: f64| {
        changes.get(num::index(num::floor(share * num::float(num::count(changes.len().saturating_sub(1))))))
    };
    Some((*at(0.025)?, *at(0.975)?))
}

/// SplitMix64 (Steele, Lea and Flood 2014): small, and good enough to deal with.
#[derive(Debug)]
pub(super) struct Random(pub(super) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// An index below `limit`.
    fn below(&mut self, limit: usize) -> usize {
        num::index(num::low((u128::from(self.next()) * u128::from(num::count(limit))) >> 64))
    }

    /// A number from 0 up to 1.
    #[cfg(test)]
    pub(super) fn share(&mut self) -> f64 {
        num::float(self.next() >> 11) / num::float(1 << 53)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(base: &[f64], current: &[f64]) -> [Stratum; 1] {
        [Stratum { base: base.to_vec(), current: current.to_vec() }]
    }

    #[test]
    fn the_change_is_the_median_of_all_ratios_within_strata() {
        assert!((change(&one(&[1.0, 2.0], &[3.0])).unwrap() - 1.25).abs() < 1e-12);
        assert!((change(&one(&[1.0, 2.0, 4.0], &[4.0])).unwrap() - 1.0).abs() < 1e-12);
        assert_eq!((change(&one(&[0.0], &[1.0])), change(&one(&[], &[1.0]))), (None, None));
        // The side with more values in the fast stratum is no faster for that.
        let strata = [
            Stratum { base: vec![10.0, 11.0], current: vec![10.0] },
            Stratum { base: vec![2.0], current: vec![2.0, 2.2, 2.1] },
        ];
        assert!(change(&strata).unwrap().abs() < 0.05);
    }

    #[test]
    fn the_interval_holds_the_change_and_is_the_same_each_time() {
        let base: Vec<f64> = (0..10).map(|n| 100.0 + f64::from(n)).collect();
        let current: Vec<f64> = base.iter().map(|value| value * 0.7).collect();
        let (low, high) = interval(&one(&base, &current), DRAWS).unwrap();
        assert!(low < -0.3 && -0.3 < high && high < -0.2 && low > -0.4, "{low} to {high}");
        assert_eq!(interval(&one(&base, &current), DRAWS), Some((low, high)));
    }

    #[test]
    fn one_value_a_side_has_no_interval() {
        assert_eq!(interval(&one(&[1.0], &[2.0, 3.0]), DRAWS), None);
    }

    #[test]
    fn indices_cover_the_range_and_stay_in_it() {
        let mut random = Random(1);
        let mut seen = [0; 5];
        (0..1_000).for_each(|_| seen[random.below(5)] += 1);
        assert!(seen.iter().all(|&count| count > 150), "{seen:?}");
    }
}
