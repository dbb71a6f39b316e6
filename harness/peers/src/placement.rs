//! Where the hypervisor had the two CPUs during a sample, as a class.
//!
//! On a virtual machine the same pair of CPUs is 14, 35 or 220 ns apart from one moment to the next, and rates
//! follow. The three distances are far enough from each other for fixed limits between them: hardware threads
//! of one core, cores that share a cache (30 to 90, by the make), and cores that do not (150 and more). A sample belongs
//! to a class when the probe before it and the probe after it agree; figures of different classes are never put into one median.

/// How far the producer's CPU was from the consumer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Placement {
    /// Hardware threads of one core.
    Sibling,
    /// Cores under one cache.
    Near,
    /// Cores of different caches or sockets.
    Far,
    /// Wherever they were: for figures that do not hinge on it.
    Any,
}

/// Nanoseconds for a cache line one way, below which CPUs are siblings.
const SIBLING_BELOW: f64 = 22.0;
/// The same, below which they are near.
const NEAR_BELOW: f64 = 120.0;
/// By how much two probes may differ that agree.
const ALIKE: f64 = 1.5;

impl Placement {
    pub(crate) const ALL: [Self; 4] = [Self::Sibling, Self::Near, Self::Far, Self::Any];

    /// The class of one probe.
    pub(crate) fn of(line_nanos: f64) -> Self {
        match line_nanos {
            sibling if sibling < SIBLING_BELOW => Self::Sibling,
            near if near < NEAR_BELOW => Self::Near,
            _ => Self::Far,
        }
    }

    /// The class of a sample by the probes around it; none when they disagree.
    pub(crate) fn around(lines: [f64; 2]) -> Option<Self> {
        let [less, more] = if lines[0] < lines[1] { lines } else { [lines[1], lines[0]] };
        (more <= less * ALIKE).then(|| Self::of(f64::midpoint(less, more)))
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sibling => "sibling",
            Self::Near => "near",
            Self::Far => "far",
            Self::Any => "any",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_fall_into_three_classes() {
        let classes = [14.0, 21.9, 22.0, 36.0, 119.9, 120.0, 220.0].map(Placement::of);
        use Placement::*;
        assert_eq!(classes, [Sibling, Sibling, Near, Near, Near, Far, Far]);
    }

    #[test]
    fn probes_that_disagree_give_no_class() {
        assert_eq!(Placement::around([30.0, 45.0]), Some(Placement::Near));
        assert_eq!(Placement::around([30.0, 46.0]), None, "of one class, and yet they have moved");
        assert_eq!(Placement::around([125.0, 114.0]), Some(Placement::Near), "about the same");
        assert_eq!(Placement::around([14.0, 36.0]), None);
        assert_eq!(Placement::around([220.0, 36.0]), None);
    }
}
