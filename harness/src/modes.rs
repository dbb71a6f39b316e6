//! How many modes a histogram of latencies has.
//!
//! Latencies that gather around two places have two causes: a message that finds its reader awake and one that has
//! to wake it, two CPUs near each other and then far apart. No percentile says so; the p50 of such a mixture is a
//! latency that hardly any message had. The histogram has a bucket per power of two. A *mode* is a bucket that holds
//! at least 5 % of all samples and is separated from the next mode by a dip to at most half of the smaller of the
//! two.

use crate::num;

/// The share of all samples that a bucket of its own mode holds at least.
const SHARE: f64 = 0.05;
/// How deep a dip must be to separate two modes, as a share of the smaller one.
const DIP: f64 = 0.5;

/// The lower bounds of the buckets in which the modes of `histogram` peak, in rising order. A bucket is its lower
/// bound and its count; buckets that hold nothing may be left out, and count as empty.
pub(crate) fn modes(histogram: &[(f64, u64)]) -> Vec<f64> {
    let buckets = dense(histogram);
    let total: f64 = buckets.iter().map(|&(_, count)| count).sum();
    let mut modes: Vec<(f64, f64)> = Vec::new();
    // The lowest bucket since the last mode.
    let mut dip = f64::INFINITY;
    for &(bound, count) in &buckets {
        if count >= SHARE * total && count > 0.0 {
            match modes.last_mut() {
                Some(last) if dip > DIP * last.1.min(count) => {
                    if count > last.1 {
                        *last = (bound, count);
                        dip = f64::INFINITY;
                    }
                }
                _ => {
                    modes.push((bound, count));
                    dip = f64::INFINITY;
                }
            }
        }
        dip = dip.min(count);
    }
    modes.into_iter().map(|(bound, _)| bound).collect()
}

/// Whether the latencies gather around one place.
pub(crate) fn one_mode(histogram: &[(f64, u64)]) -> bool {
    modes(histogram).len() < 2
}

/// What to say about `histogram` (milliseconds); `None` when it is empty.
pub(crate) fn describe(histogram: &[(f64, u64)]) -> Option<String> {
    if histogram.is_empty() {
        return None;
    }
    if one_mode(histogram) {
        return Some("latency has one mode".to_owned());
    }
    let places: Vec<String> = modes(histogram).iter().map(|millis| num::time(millis * 1e6)).collect();
    Some(format!(
        "latency has {} modes, near {}: a percentile between them is what hardly any message took",
        places.len(),
        places.join(" and ")
    ))
}

/// The buckets with the empty ones put in.
pub(crate) fn dense(histogram: &[(f64, u64)]) -> Vec<(f64, f64)> {
    let mut buckets: Vec<(f64, f64)> = Vec::new();
    for &(bound, count) in histogram {
        if let Some(&(last, _)) = buckets.last() {
            let mut missing = last * 2.0;
            // Bounds are rounded, so the next bucket is somewhere near twice the last.
            while missing < bound * 0.75 {
                buckets.push((missing, 0.0));
                missing *= 2.0;
            }
        }
        buckets.push((bound, num::float(count)));
    }
    buckets
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(counts: &[u64]) -> Vec<(f64, u64)> {
        let mut bound = 0.000_256;
        let mut buckets = Vec::new();
        for &count in counts {
            if count > 0 {
                buckets.push((bound, count));
            }
            bound *= 2.0;
        }
        buckets
    }

    #[test]
    fn a_hill_is_one_mode_whichever_way_it_leans() {
        for counts in [
            &[10, 500, 900, 300, 40, 3][..],
            &[1000, 10, 5, 4, 1],
            &[1, 2, 400, 390, 410, 20],
            &[700],
            &[5, 900, 0, 0, 0, 45],
        ] {
            assert!(one_mode(&histogram(counts)), "{counts:?}: {:?}", modes(&histogram(counts)));
        }
    }

    #[test]
    fn two_hills_are_two_modes_named_by_their_peaks() {
        let two = histogram(&[10, 900, 100, 30, 200, 10]);
        assert!(!one_mode(&two));
        assert_eq!(modes(&two), [0.000_512, 0.004_096]);
        assert!(describe(&two).unwrap().contains("2 modes, near 512 ns and 4.10 us:"));
    }

    #[test]
    fn a_gap_in_the_list_is_a_dip() {
        assert!(!one_mode(&histogram(&[900, 0, 100])));
        assert!(one_mode(&histogram(&[900, 100])));
    }

    #[test]
    fn a_second_hill_below_five_percent_is_a_tail() {
        assert!(one_mode(&histogram(&[1_000, 10, 49])));
        assert!(!one_mode(&histogram(&[1_000, 10, 60])));
    }

    #[test]
    fn a_dip_that_is_not_down_to_half_separates_nothing() {
        assert!(one_mode(&histogram(&[1_000, 301, 600])));
        assert!(!one_mode(&histogram(&[1_000, 299, 600])));
        // The dip before a smaller hill counts for a larger one behind it.
        assert!(!one_mode(&histogram(&[1_000, 200, 300, 900])));
    }

    #[test]
    fn an_empty_histogram_says_nothing() {
        assert_eq!(describe(&[]), None);
        assert!(modes(&[]).is_empty() && modes(&[(1.0, 0)]).is_empty());
    }
}
