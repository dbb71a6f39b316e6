//! What one contender's samples gave, by placement class.

use crate::placement::Placement;

/// One sample that counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point {
    pub(crate) figure: f64,
    /// The mean of the two probes around it; none where they were not needed.
    pub(crate) line: Option<f64>,
    pub(crate) placement: Placement,
}

/// Why a sample does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Discard {
    /// The probes around it disagree about where the CPUs are.
    Moved,
    /// Other processes were busy, or a thread waited for its CPU.
    Disturbed,
    /// It took much less time than planned.
    Short,
}

/// All samples of one contender.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) points: Vec<Point>,
    pub(crate) discarded: Vec<Discard>,
}

impl Series {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.into(), points: Vec::new(), discarded: Vec::new() }
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

/// How many samples each of these has at least in a class.
pub(crate) fn fewest(series: &[&Series], placement: Placement) -> usize {
    series.iter().map(|one| one.count(placement)).min().unwrap_or(0)
}

/// The class in which the one of these with the fewest samples has the most; of equals, the most usual one. None
/// when in no class all of them have one.
pub(crate) fn best_filled(series: &[&Series]) -> Option<Placement> {
    use Placement::{Any, Far, Near, Sibling};
    let filled = [Any, Far, Sibling, Near].into_iter().filter(|&placement| fewest(series, placement) > 0);
    filled.max_by_key(|&placement| fewest(series, placement))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A series with these figures at these distances.
    pub(crate) fn series(name: &str, points: &[(f64, f64)]) -> Series {
        let point =
            |&(figure, line): &(f64, f64)| Point { figure, line: Some(line), placement: Placement::of(line) };
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
        assert_eq!(best_filled(&[&one, &two]), Some(Placement::Near));
        assert_eq!(fewest(&[&one, &two], Placement::Sibling), 1);
        let other = series("other", &[(1.0, 220.0)]);
        assert_eq!(best_filled(&[&one, &other]), None);
    }

    #[test]
    fn of_classes_filled_alike_the_usual_one_is_taken() {
        let one = series("one", &[(1.0, 14.0), (1.0, 36.0), (1.0, 220.0)]);
        assert_eq!(best_filled(&[&one]), Some(Placement::Near));
    }
}
