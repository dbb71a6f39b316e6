//! The Mann-Whitney U test: whether two sets of values could be draws from one lot.
//!
//! It asks for ranks only, so that one wild value counts no more than one that is just out of line. With few values
//! the probability is exact, also where values are equal: of all ways to deal the pooled ranks onto the two sides,
//! the share in which the sum of one side's ranks lies at least as far from its mean. From [`EXACT`] values up the
//! normal approximation is as good, with its correction for ties. (Mann and Whitney 1947; the exact distribution is
//! counted as a subset-sum over doubled mid-ranks.)

use crate::num;

/// Values of both sides together up to which the distribution is counted.
const EXACT: usize = 60;

/// The two-sided probability of a difference in ranks at least this large when there is none. `None` when a side is
/// empty.
pub(super) fn probability(left: &[f64], right: &[f64]) -> Option<f64> {
    if left.is_empty() || right.is_empty() {
        return None;
    }
    let ranks = doubled_ranks(left, right);
    let sum: usize = ranks[..left.len()].iter().sum();
    Some(if ranks.len() <= EXACT {
        exact(&ranks, left.len(), sum)
    } else {
        approximate(&ranks, left.len(), num::float(num::count(sum)))
    })
}

/// The smallest probability that sides of these sizes can give: with every value of one below every one of the other.
pub(super) fn smallest(left: usize, right: usize) -> f64 {
    let ways = (1..=left)
        .fold(1.0, |ways, step| ways * num::float(num::count(right + step)) / num::float(num::count(step)));
    (2.0 / ways).min(1.0)
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
fn approximate(ranks: &[usize], size: usize, doubled_sum: f64) -> f64 {
    let (n, m) = (num::float(num::count(size)), num::float(num::count(ranks.len() - size)));
    let all = n + m;
    let u = doubled_sum / 2.0 - n * (n + 1.0) / 2.0;
    let mut sorted = ranks.to_vec();
    sorted.sort_unstable();
    let ties: f64 = sorted
        .chunk_by(|a, b| a == b)
        .map(|tied| num::float(num::count(tied.len())))
        .map(|tied| tied * tied * tied - tied)
        .sum();
    let variance = n * m / 12.0 * (all + 1.0 - ties / (all * (all - 1.0)));
    if variance <= 0.0 {
        return 1.0;
    }
    let z = ((u - n * m / 2.0).abs() - 0.5).max(0.0) / variance.sqrt();
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

    #[test]
    fn the_exact_values_are_those_of_the_tables() {
        let separate = |n: u64| -> (Vec<f64>, Vec<f64>) {
            ((0..n).map(num::float).collect(), (n..2 * n).map(num::float).collect())
        };
        for (n, expected) in [(1, 1.0), (2, 2.0 / 6.0), (3, 0.1), (5, 2.0 / 252.0), (10, 2.0 / 184_756.0)] {
            let (left, right) = separate(n);
            near(probability(&left, &right).unwrap(), expected);
            near(probability(&right, &left).unwrap(), expected);
            near(smallest(left.len(), right.len()), expected);
        }
        // U = 9 of 8 and 8: two-sided 0.0148 in the tables.
        let left = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.5, 16.5];
        let right = [7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0];
        near(probability(&left, &right).unwrap(), 0.0148);
    }

    #[test]
    fn equal_values_are_no_evidence() {
        near(probability(&[1.0; 5], &[1.0; 5]).unwrap(), 1.0);
        near(probability(&[1.0, 1.0], &[1.0, 2.0]).unwrap(), 1.0);
        assert_eq!(probability(&[], &[1.0]), None);
    }

    #[test]
    fn counted_and_approximated_agree_where_they_meet() {
        let left: Vec<f64> = (0..30).map(|n| f64::from(n * 37 % 50)).collect();
        let right: Vec<f64> = (0..30).map(|n| f64::from(n * 29 % 50) + 9.0).collect();
        let ranks = doubled_ranks(&left, &right);
        let sum = ranks[..30].iter().sum();
        let (counted, normal) =
            (exact(&ranks, 30, sum), approximate(&ranks, 30, num::float(num::count(sum))));
        assert!((counted - normal).abs() < 0.003 && counted < 0.2, "{counted} and {normal}");
    }
}
