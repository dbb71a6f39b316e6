//! When a load level holds, and where the knee is.
//!
//! A level *holds* when the achieved rate is at least 98 % of the offered one and the backlog does not grow. The
//! knee is the highest level that held with a p99 of at most ten times the p99 of the lowest level: beyond it there
//! is throughput left, but no longer at a latency worth having.

/// Achieved over offered, below which a level does not hold.
const ACHIEVED: f64 = 0.98;
/// Growth of the backlog, as a share of what is offered, that is still called none: what a fit through two seconds of a
/// busy machine cannot tell from zero.
pub(crate) const GROWTH: f64 = 0.005;
/// How much worse than at the lowest level p99 may be at the knee.
const KNEE: f64 = 10.0;

/// The rates of one sample, in messages a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rates {
    pub(crate) offered: f64,
    pub(crate) achieved: f64,
    /// Growth of the backlog; `None` when the sample was too short to fit one.
    pub(crate) backlog_slope: Option<f64>,
}

impl Rates {
    /// Whether the system kept up.
    pub(crate) fn hold(&self) -> bool {
        self.achieved >= ACHIEVED * self.offered
            && self.backlog_slope.is_none_or(|slope| slope <= GROWTH * self.offered)
    }
}

/// What the knee is chosen from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Point {
    pub(crate) percent: f64,
    pub(crate) held: bool,
    /// Nanoseconds; `None` when too little was measured to tell.
    pub(crate) p99: Option<f64>,
}

/// The index of the knee among `points`, in whatever order they ran.
pub(crate) fn knee(points: &[Point]) -> Option<usize> {
    let lowest = points.iter().min_by(|a, b| a.percent.total_cmp(&b.percent))?;
    let limit = lowest.p99? * KNEE;
    let eligible = |point: &Point| point.held && point.p99.is_some_and(|p99| p99 <= limit);
    let best = points.iter().enumerate().filter(|(_, point)| eligible(point));
    best.max_by(|(_, a), (_, b)| a.percent.total_cmp(&b.percent)).map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(achieved: f64, backlog_slope: Option<f64>) -> Rates {
        Rates { offered: 1e6, achieved, backlog_slope }
    }

    #[test]
    fn a_level_holds_at_98_percent_without_growth() {
        assert!(rates(1e6, Some(0.0)).hold());
        assert!(rates(980_000.0, Some(-10.0)).hold());
        assert!(!rates(979_999.0, Some(0.0)).hold());
    }

    #[test]
    fn a_growing_backlog_does_not_hold_whatever_the_rate() {
        assert!(rates(999_000.0, Some(5_000.0)).hold());
        assert!(!rates(999_000.0, Some(5_001.0)).hold());
        assert!(rates(999_000.0, None).hold());
    }

    fn point(percent: f64, held: bool, p99: f64) -> Point {
        Point { percent, held, p99: Some(p99) }
    }

    #[test]
    fn the_knee_is_the_highest_level_within_ten_times_the_lowest_p99() {
        let points = [
            point(50.0, true, 1.0),
            point(75.0, true, 4.0),
            point(90.0, true, 10.0),
            point(100.0, true, 10.1),
        ];
        assert_eq!(knee(&points), Some(2));
    }

    #[test]
    fn a_level_that_did_not_hold_is_no_knee() {
        let points = [point(50.0, true, 1.0), point(110.0, false, 1.0), point(75.0, true, 2.0)];
        assert_eq!(knee(&points), Some(2));
        assert_eq!(knee(&[point(50.0, false, 1.0)]), None);
        assert_eq!(knee(&[]), None);
    }

    #[test]
    fn the_order_of_the_levels_does_not_matter() {
        let points = [point(90.0, true, 9.0), point(100.0, true, 30.0), point(50.0, true, 1.0)];
        assert_eq!(knee(&points), Some(0));
    }

    #[test]
    fn without_a_p99_at_the_lowest_level_there_is_nothing_to_compare_with() {
        let points = [Point { percent: 50.0, held: true, p99: None }, point(75.0, true, 1.0)];
        assert_eq!(knee(&points), None);
    }
}
