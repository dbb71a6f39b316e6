//! The bootstrap: how far the change of a median could be off.
//!
//! Both sides are drawn again from themselves, with replacement, and the change of the medians is noted each time; the
//! middle 95 % of what comes out is the interval. The generator starts from a fixed seed, so that the same two
//! files give the same answer. (Efron 1979, the percentile interval.)

use crate::num;

const DRAWS: u64 = 1_000;
const SEED: u64 = 0x005e_ed0f_a115;

/// The middle 95 % of the relative change from the median of `base` to that of `current`. `None` with less than two
/// values a side, where drawing again changes nothing.
pub(super) fn interval(base: &[f64], current: &[f64]) -> Option<(f64, f64)> {
    if base.len() < 2 || current.len() < 2 {
        return None;
    }
    let mut random = Random(SEED);
    let mut draw = |values: &[f64]| -> Option<f64> {
        let drawn: Vec<f64> = values.iter().map(|_| values[random.below(values.len())]).collect();
        num::median(&drawn)
    };
    let mut changes: Vec<f64> =
        (0..DRAWS).filter_map(|_| super::change(draw(base)?, draw(current)?)).collect();
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

    #[test]
    fn the_interval_holds_the_change_and_is_the_same_each_time() {
        let base: Vec<f64> = (0..10).map(|n| 100.0 + f64::from(n)).collect();
        let current: Vec<f64> = base.iter().map(|value| value * 0.7).collect();
        let (low, high) = interval(&base, &current).unwrap();
        assert!(low < -0.3 && -0.3 < high && high < -0.2 && low > -0.4, "{low} to {high}");
        assert_eq!(interval(&base, &current), Some((low, high)));
    }

    #[test]
    fn one_value_a_side_has_no_interval() {
        assert_eq!(interval(&[1.0], &[2.0, 3.0]), None);
    }

    #[test]
    fn indices_cover_the_range_and_stay_in_it() {
        let mut random = Random(1);
        let mut seen = [0; 5];
        (0..1_000).for_each(|_| seen[random.below(5)] += 1);
        assert!(seen.iter().all(|&count| count > 150), "{seen:?}");
    }
}
