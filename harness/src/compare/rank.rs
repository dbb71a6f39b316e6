//! The Mann-Whitney U test: whether two sets of values could be draws from one lot.
//!
//! It asks for ranks only, so that one wild value counts no more than one that is just out of line. With few values the
//! probability is exact, also where values are equal: of all ways to deal the pooled ranks onto the two sides, the share in
//! which the sum of one side's ranks lies at least as far from its mean. Beyond [`EXACT`] values the normal approximation
//! is as good, with its correction for ties. (Mann and Whitney 1947; the exact distribution is counted as a subset-sum over
//! doubled mid-ranks.) Several strata are ranked each by itself, and their sums added with the weight 1/(N+1) that serves
//! best when the change is the same in all (van Elteren 1960): every way to deal the ranks of one goes with every way to
//! deal those of the others. Strata that are too many for that are approximated, too.

use super::strata::Stratum;
use crate::num;

/// Values of both sides together up to which the distribution is counted, and sums that all strata may have between them.
const EXACT: usize = 60;
const SUMS: usize = 1 << 18;

/// The two-sided probability of a difference in ranks at least this large when there is none. `None` without a stratum
/// that has values of both sides.
pub(super) fn probability(strata: &[Stratum]) -> Option<f64> {
    if strata.is_empty() || strata.iter().any(|one| one.base.is_empty() || one.current.is_empty()) {
        return None;
    }
    Some(if are_counted(strata) { counted(strata) } else { approximate(strata) })
}

/// The smallest probability that sides of these sizes can give: with every value of one below every one of the other, in
/// each stratum.
pub(super) fn smallest(strata: &[Stratum]) -> f64 {
    if !are_counted(strata) {
        let apart: Vec<Stratum> = strata.iter().map(separate).collect();
        return approximate(&apart);
    }
    let ways = |stratum: &Stratum| {
        let right = stratum.current.len();
        (1..=stratum.base.len()).fold(1.0, |ways, step| {
            ways * num::float(num::count(right + step)) / num::float(num::count(step))
        })
    };
    (2.0 / strata.iter().map(ways).product::<f64>()).min(1.0)
}

/// Whether there are so few values that the distribution is counted.
fn are_counted(strata: &[Stratum]) -> bool {
    let values: usize = strata.iter().map(Stratum::len).sum();
    let sums = |one: &Stratum| one.base.len().saturating_mul(one.current.len()).saturating_add(1);
    values <= EXACT && strata.iter().map(sums).fold(1, usize::saturating_mul) <= SUMS
}

/// A stratum of the same sizes, with every value of one side below every one of the other.
fn separate(stratum: &Stratum) -> Stratum {
    let values = |from: usize, to: usize| (from..to).map(|value| num::float(num::count(value))).collect();
    let (left, all) = (stratum.base.len(), stratum.len());
    Stratum { base: values(0, left), current: values(left, all) }
}

/// Twice the rank of each value among all, left side first; equal values share the mean of their ranks.
fn doubled_ranks(left: &[f64], right: &[f64]) -> Vec<usize> {
    let values: Vec<f64> = left.iter().chain(right).copied().collect();
    let below = |value: f64| values.iter().filter(|other| other.total_cmp(&value).is_lt()).count();
    let equal = |value: f64| values.iter().filter(|other| other.total_cmp(&value).is_eq()).count();
    values.iter().map(|&value| 2 * below(value) + equal(value) + 1).collect()
}

/// Sums of ranks, as whole distances from their mean, and in how many ways each comes about. (Floats hold such numbers exactly.)
type Ways = Vec<(f64, f64)>;

/// Of all ways to deal the ranks of each stratum, the share whose weighted sum is at least as far from its mean as this one.
fn counted(strata: &[Stratum]) -> f64 {
    // With the common denominator of all weights the sums are whole, and equal ones are found to be.
    let common = strata.iter().fold(1, |common, one| least_multiple(common, num::count(one.len()) + 1));
    let (mut observed, mut dealt) = (0.0, Vec::new());
    for one in strata {
        let (own, ways) = ways(one, common);
        observed += own;
        dealt.push(ways);
    }
    let Some(last) = dealt.pop() else { return 1.0 };
    let others = dealt.iter().fold(vec![(0.0, 1.0)], together);
    // The last stratum is looked through for each sum of the others, which is sooner done than adding it to them.
    let far = |&(sum, count): &(f64, f64)| {
        let far = last.iter().filter(|(own, _)| (sum + own).abs() >= observed.abs());
        count * far.map(|(_, count)| count).sum::<f64>()
    };
    let all = |ways: &Ways| ways.iter().map(|(_, count)| count).sum::<f64>();
    (others.iter().map(far).sum::<f64>() / (all(&others) * all(&last))).min(1.0)
}

/// Of one stratum: the sum of the left side's ranks, and all that it could be.
fn ways(stratum: &Stratum, common: u64) -> (f64, Ways) {
    let ranks = doubled_ranks(&stratum.base, &stratum.current);
    let (size, after) = (stratum.base.len(), stratum.len() + 1);
    let scale = num::float(common / num::count(after));
    let distance = |sum: usize| scale * num::difference(num::count(sum), num::count(size * after));
    let counts = subsets(&ranks, size).into_iter().enumerate();
    let ways = counts.filter(|(_, count)| *count > 0.0).map(|(sum, count)| (distance(sum), count));
    (distance(ranks[..size].iter().sum()), ways.collect())
}

/// Counts the ways to choose `size` of `ranks`, by their sum.
fn subsets(ranks: &[usize], size: usize) -> Vec<f64> {
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
    ways.swap_remove(size)
}

/// Every sum of one with every sum of the other.
fn together(some: Ways, more: &Ways) -> Ways {
    let with = |&(sum, count): &(f64, f64)| more.iter().map(move |(own, ways)| (sum + own, count * ways));
    let mut all: Ways = some.iter().flat_map(with).collect();
    all.sort_unstable_by(|one, other| one.0.total_cmp(&other.0));
    all.dedup_by(|next, kept| {
        let is_same = next.0.total_cmp(&kept.0).is_eq();
        kept.1 += if is_same { next.1 } else { 0.0 };
        is_same
    });
    all
}

fn least_multiple(one: u64, other: u64) -> u64 {
    let (mut divisor, mut rest) = (one, other);
    while rest > 0 {
        (divisor, rest) = (rest, divisor % rest);
    }
    one / divisor * other
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
        let strata = one(&left, &right);
        let (counted, normal) = (counted(&strata), approximate(&strata));
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

    /// Of all ways to deal the values of each stratum onto two sides of the same sizes, the share that is as far apart.
    fn by_hand(strata: &[Stratum; 2]) -> f64 {
        let weighted = |one: &Stratum| -> Vec<f64> {
            let ranks = doubled_ranks(&one.base, &one.current);
            let (n, all) = (one.base.len(), one.len());
            let sums = (0_usize..1 << all).filter(|chosen| chosen.count_ones() == u32::try_from(n).unwrap());
            let of = |chosen: usize| -> f64 {
                let sum: usize = (0..all).filter(|at| chosen >> at & 1 == 1).map(|at| ranks[at]).sum();
                num::difference(num::count(sum), num::count(n * (all + 1))) / num::float(num::count(all + 1))
            };
            // The first is the one that there is: the base is chosen.
            std::iter::once((1 << n) - 1).chain(sums).map(of).collect()
        };
        let [left, right] = [&strata[0], &strata[1]].map(weighted);
        let all: Vec<f64> =
            left[1..].iter().flat_map(|one| right[1..].iter().map(move |other| one + other)).collect();
        let far = all.iter().filter(|sum| sum.abs() >= (left[0] + right[0]).abs() - 1e-9).count();
        num::float(num::count(far)) / num::float(num::count(all.len()))
    }

    #[test]
    fn of_few_values_in_several_strata_every_way_to_deal_them_is_counted() {
        let stratum =
            |base: &[f64], current: &[f64]| Stratum { base: base.to_vec(), current: current.to_vec() };
        for strata in [
            [stratum(&[1.0, 2.0, 3.0], &[4.0, 5.0]), stratum(&[1.0, 2.0], &[3.0, 4.0, 5.0])],
            [stratum(&[1.0, 4.0, 2.0], &[3.0, 5.0]), stratum(&[7.0], &[6.0, 9.0, 8.0, 1.0])],
            [stratum(&[1.0, 2.0, 2.0], &[2.0, 5.0]), stratum(&[3.0, 3.0], &[3.0, 4.0])],
        ] {
            let (told, counted) = (probability(&strata).unwrap(), by_hand(&strata));
            assert!((told - counted).abs() < 1e-9, "{told} is not {counted}: {strata:?}");
            assert!(told >= smallest(&strata) * 0.999_999, "{told} of {strata:?}");
        }
    }

    #[test]
    fn complete_separation_reaches_the_smallest_probability_however_many_values_there_are() {
        for sizes in
            [vec![(3, 2), (2, 3)], vec![(4, 1), (3, 2), (1, 1)], vec![(20, 30), (9, 8)], vec![(1, 1); 40]]
        {
            let count = |values: std::ops::Range<u32>| values.map(f64::from).collect();
            let stratum = |&(n, m): &(u32, u32)| Stratum { base: count(0..n), current: count(n..n + m) };
            let apart: Vec<Stratum> = sizes.iter().map(stratum).collect();
            let (told, least) = (probability(&apart).unwrap(), smallest(&apart));
            assert!((told / least - 1.0).abs() < 1e-6, "{told} and {least}: {sizes:?}");
        }
    }
}
