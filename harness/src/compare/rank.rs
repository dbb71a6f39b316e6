//! The Mann-Whitney U test: whether two sets of values could be draws from one lot.
//!
//! It asks for ranks only, so that one wild value counts no more than one that is just out of line. In a single stratum
//! with few values the probability is exact, also where values are equal: of all ways to deal the pooled ranks onto the
//! two sides, the share in which the sum of one side's ranks lies at least as far from its mean. From [`EXACT`] values up
//! the normal approximation is as good, with its correction for ties. (Mann and Whitney 1947; the exact distribution is
//! counted as a subset-sum over doubled mid-ranks.) Several strata are ranked each by itself, and their sums added with
//! the weight 1/(N+1) that serves best when the change is the same in all. (van Elteren 1960.)

use super::strata::Stratum;
use crate::num;

/// Values of both sides together up to which the distribution is counted.
const EXACT: usize = 60;

/// The two-sided probability of a difference in ranks at least this large when there is none. `None` without a stratum
/// that has values of both sides.
pub(super) fn probability(strata: &[Stratum]) -> Option<f64> {
    if strata.is_empty() || strata.iter().any(|one| one.base.is_empty() || one.current.is_empty()) {
        return None;
    }
    Some(match strata {
        [one] if one.len() <= EXACT => {
            let ranks = doubled_ranks(&one.base, &one.current);
            exact(&ranks, one.base.len(), ranks[..one.base.len()].iter().sum())
        }
        several => approximate(several),
    })
}

/// The smallest probability that sides of these sizes can give: with every value of one below every one of the other, in
/// each stratum.
pub(super) fn smallest(strata: &[Stratum]) -> f64 {
    let ways = |stratum: &Stratum| {
        let right = stratum.current.len();
        (1..=stratum.base.len()).fold(1.0, |ways, step| {
            ways * num::float(num::count(right + step)) / num::float(num::count(step))
        })
    };
    (2.0 / strata.iter().map(ways).product::<f64>()).min(1.0)
}

/// Twice the rank of each value among all, left side first; equal values share the mean of their ranks.
fn doubled_ranks(left: &[f64], right: &[f64]) -> Vec<usize> {
    let values: Vec<f64> = left.iter().chain(right).copied().collect();
    let below = |value: f64| values.iter().filter(|other| other.total_cmp(&value).is_lt()).count();
    let equal = |value: f64| values.iter().filter(|other| other.total_cmp(&value).is_eq()).count();
    values.iter().map(|&value| 2 * below(value) + equal(value) + 1).collect()
}

/// Counts the ways to choose `size` of `ranks` by their sum.
fn exact(ranks: &[usize], size: usize, observed: usize) -> f64 {
    let total: usize = ranks.iter().sum();
    let mut ways = vec![vec![0.0_f64; total + 1]; size + 1];
    ways[0][0] = 1.0;
    for &rank in ranks {
        for chosen in (0..size).rev() {
            for sum in 0..=total - rank {
                let more = ways[chosen][sum];
                ways[chosen + 1][sum + rank] += more;
            }
        }
    }
    // Distances from the mean in whole numbers: `ranks.len()` times the sum against `size` times the total.
    let distance = |sum: usize| (ranks.len() * sum).abs_diff(size * total);
    let all: f64 = ways[size].iter().sum();
    let far = ways[size].iter().enumerate().filter(|(sum, _)| distance(*sum) >= distance(observed));
    (far.map(|(_, count)| count).sum::<f64>() / all).min(1.0)
}

/// The normal approximation with continuity and tie correction.
fn approximate(strata: &[Stratum]) -> f64 {
    let (mut deviation, mut variance, mut lightest) = (0.0, 0.0, f64::INFINITY);
    for stratum in strata {
        let ranks = doubled_ranks(&stratum.base, &stratum.current);
        let (n, m) =
            (num::float(num::count(stratum.base.len())), num::float(num::count(stratum.current.len())));
        let all = n + m;
        let weight = 1.0 / (all + 1.0);
        let sum = num::float(num::count(ranks[..stratum.base.len()].iter().sum())) / 2.0;
        let mut sorted = ranks;
        sorted.sort_unstable();
        let ties: f64 = sorted
            .chunk_by(|a, b| a == b)
            .map(|tied| num::float(num::count(tied.len())))
            .map(|tied| tied * tied * tied - tied)
            .sum();
        deviation += weight * (sum - n * (all + 1.0) / 2.0);
        variance += weight * weight * n * m / 12.0 * (all + 1.0 - ties / (all * (all - 1.0)).max(1.0));
        lightest = weight.min(lightest);
    }
    if variance <= 0.0 {
        return 1.0;
    }
    // The sum moves in steps of a weight: half the smallest, for continuity.
    let z = (deviation.abs() - lightest / 2.0).max(0.0) / variance.sqrt();
    (2.0 * upper_tail(z)).min(1.0)
}

/// The share of a normal distribution above `z` >= 0 (Abramowitz and Stegun 26.2.17, to 1e-7).
fn upper_tail(z: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * z);
    let series = t
        * (0.319_381_530
            + t * (-0.356_563_782 + t * (1.781_477_937 + t * (-1.821_255_978 + t * 1.330_274_429))));
    (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt() * series
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(value: f64, expected: f64) {
        assert!((value - expected).abs() < 1e-4, "{value} is not {expected}");
    }

    fn one(base: &[f64], current: &[f64]) -> [Stratum; 1] {
        [Stratum { base: base.to_vec(), current: current.to_vec() }]
    }

    #[test]
    fn the_exact_values_are_those_of_the_tables() {
        let separate = |n: u64| -> (Vec<f64>, Vec<f64>) {
            ((0..n).map(num::float).collect(), (n..2 * n).map(num::float).collect())
        };
        for (n, expected) in [(1, 1.0), (2, 2.0 / 6.0), (3, 0.1), (5, 2.0 / 252.0), (10, 2.0 / 184_756.0)] {
            let (left, right) = separate(n);
            near(probability(&one(&left, &right)).unwrap(), expected);
            near(probability(&one(&right, &left)).unwrap(), expected);
            near(smallest(&one(&left, &right)), expected);
        }
        // U = 9 of 8 and 8: two-sided 0.0148 in the tables.
        let left = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.5, 16.5];
        let right = [7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0];
        near(probability(&one(&left, &right)).unwrap(), 0.0148);
    }

    #[test]
    fn equal_values_are_no_evidence() {
        near(probability(&one(&[1.0; 5], &[1.0; 5])).unwrap(), 1.0);
        near(probability(&one(&[1.0, 1.0], &[1.0, 2.0])).unwrap(), 1.0);
        assert_eq!(probability(&one(&[], &[1.0])), None);
        assert_eq!(probability(&[]), None);
    }

    #[test]
    fn counted_and_approximated_agree_where_they_meet() {
        let left: Vec<f64> = (0..30).map(|n| f64::from(n * 37 % 50)).collect();
        let right: Vec<f64> = (0..30).map(|n| f64::from(n * 29 % 50) + 9.0).collect();
        let ranks = doubled_ranks(&left, &right);
        let (counted, normal) =
            (exact(&ranks, 30, ranks[..30].iter().sum()), approximate(&one(&left, &right)));
        assert!((counted - normal).abs() < 0.003 && counted < 0.2, "{counted} and {normal}");
    }

    #[test]
    fn strata_are_ranked_each_by_itself() {
        // Thrown together, either side has the same values; in each stratum one side is below.
        let strata = [10.0, 100.0].map(|scale| Stratum {
            base: (0..6).map(|n| scale + f64::from(n)).collect(),
            current: (0..6).map(|n| scale + 6.0 + f64::from(n)).collect(),
        });
        assert!(probability(&strata).unwrap() < 0.001);
        near(smallest(&strata) * 1e4, 2.0 / (924.0 * 924.0) * 1e4);
        let turned =
            [strata[0].clone(), Stratum { base: strata[1].current.clone(), current: strata[1].base.clone() }];
        assert!(probability(&turned).unwrap() > 0.9);
    }
}
