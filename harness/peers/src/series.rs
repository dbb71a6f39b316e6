//! What one contender's samples gave, by placement class.

use crate::placement::Placement;

/// One sample that counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point {
    pub(crate) figure: f64,
    /// The mean of the two probes around it.
    pub(crate) line: f64,
    pub(crate) placement: Placement,
}

/// All samples of one contender.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) points: Vec<Point>,
    /// Samples thrown away: the placement moved, other processes were busy, a thread waited for its CPU.
    pub(crate) discarded: usize,
}

impl Series {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.into(), points: Vec::new(), discarded: 0 }
    }

    /// How many samples a class has.
    pub(crate) fn count(&self, placement: Placement) -> usize {
        self.points.iter().filter(|point| point.placement == placement).count()
    }

    /// The figures of one class.
    pub(crate) fn figures(&self, placement: Placement) -> Figures {
        let of_class = self.points.iter().filter(|point| point.placement == placement);
        Figures(of_class.map(|point| point.figure).collect())
    }
}

/// Figures of one contender in one class.
#[derive(Clone, Debug)]
pub(crate) struct Figures(pub(crate) Vec<f64>);

impl Figures {
    pub(crate) fn median(&self) -> f64 {
        median(&self.0)
    }

    pub(crate) fn min(&self) -> f64 {
        self.0.iter().copied().fold(f64::INFINITY, f64::min)
    }

    pub(crate) fn max(&self) -> f64 {
        self.0.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }
}

/// The middle value, or the mean of the two; NaN without any.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// The class in which the one of these with the fewest samples has the most, and how many that are.
pub(crate) fn best_filled<'a>(
    series: impl IntoIterator<Item = &'a Series> + Clone,
) -> Option<(Placement, usize)> {
    let fewest = |placement| series.clone().into_iter().map(|one| one.count(placement)).min().unwrap_or(0);
    Placement::ALL
        .map(|placement| (placement, fewest(placement)))
        .into_iter()
        .max_by_key(|(_, count)| *count)
        .filter(|(_, count)| *count > 0)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A series with these figures at these distances.
    pub(crate) fn series(name: &str, points: &[(f64, f64)]) -> Series {
        let point = |&(figure, line): &(f64, f64)| Point { figure, line, placement: Placement::of(line) };
        Series { points: points.iter().map(point).collect(), ..Series::new(name) }
    }

    #[test]
    fn medians() {
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((median(&[4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-9);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn classes_do_not_mix() {
        let one = series("one", &[(1.0, 14.0), (100.0, 36.0), (110.0, 37.0), (120.0, 36.0), (7.0, 220.0)]);
        assert!((one.figures(Placement::Near).median() - 110.0).abs() < 1e-9);
        assert!((one.figures(Placement::Near).min() - 100.0).abs() < 1e-9);
        assert_eq!(one.count(Placement::Sibling), 1);
    }

    #[test]
    fn the_class_of_a_claim_is_the_one_that_all_have_samples_in() {
        let one = series("one", &[(1.0, 14.0), (1.0, 14.0), (1.0, 14.0), (1.0, 36.0), (1.0, 36.0)]);
        let two = series("two", &[(1.0, 14.0), (1.0, 36.0), (1.0, 36.0)]);
        assert_eq!(best_filled([&one, &two]), Some((Placement::Near, 2)));
        let other = series("other", &[(1.0, 220.0)]);
        assert_eq!(best_filled([&one, &other]), None);
    }
}
