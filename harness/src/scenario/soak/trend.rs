//! Whether memory grows.
//!
//! A process grows while it warms up: rings are touched, buffers filled, tables stretched to their size. What counts
//! is what comes after, so resident memory in the second quarter of a run, the plateau, is compared with that in the
//! last. Medians, since a sample may fall into a moment when much is in flight.
//!
//! The allocator warms up for longer than that where threads come and go: each takes an arena, with what others left in it,
//! and some megabytes of a small process are a tenth of it. So growth must be more than [`SLACK`] as well. (At half a million
//! messages a second a leak of one byte a message exceeds that in half a minute.)

use crate::num;
use crate::result::metrics::MemorySample;

/// Growth after the plateau, above which a run fails.
pub(crate) const LIMIT: f64 = 0.10;
/// Growth in MiB that the allocator is granted.
pub(crate) const SLACK: f64 = 16.0;
/// Samples in a quarter below which nothing is said.
const LEAST: usize = 3;

/// What memory has against a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Objection {
    Failure(String),
    Doubt(String),
}

/// Resident memory over the course of a run.
#[derive(Debug, Clone, Default)]
pub(super) struct Trend {
    pub(super) samples: Vec<MemorySample>,
}

impl Trend {
    /// The median in the second quarter and that in the last, in MiB; `None` with too few samples to tell.
    pub(super) fn plateau_and_end(&self) -> Option<(f64, f64)> {
        let length = self.samples.last()?.at_ms;
        let between = |from: f64, to: f64| {
            let within = |one: &&MemorySample| one.at_ms >= from * length && one.at_ms <= to * length;
            let values: Vec<f64> = self.samples.iter().filter(within).map(|one| one.rss).collect();
            (values.len() >= LEAST).then(|| num::median(&values)).flatten()
        };
        between(0.25, 0.5).zip(between(0.75, 1.0))
    }

    /// Growth after the plateau, as a share of it; a fall is none.
    pub(super) fn growth(&self) -> Option<f64> {
        let (plateau, end) = self.plateau_and_end()?;
        Some((end / plateau - 1.0).max(0.0))
    }

    /// Why a run failed by its memory, or is in doubt because of it: that nothing is known is no reason to pass.
    pub(super) fn verdict(&self) -> Result<(), Objection> {
        match self.growth() {
            Some(growth) if self.grows() => Err(Objection::Failure(format!(
                "resident memory grew by {:.1} % after its plateau; less than {:.0} % was wanted",
                growth * 100.0,
                LIMIT * 100.0
            ))),
            Some(_) => Ok(()),
            None if self.samples.is_empty() => Err(Objection::Doubt(
                "the system does not tell resident memory, so whether it grows is not known".to_owned(),
            )),
            None => Err(Objection::Failure(format!(
                "resident memory was seen {} times, too few to tell whether it grows; give a longer --duration",
                self.samples.len()
            ))),
        }
    }

    /// Whether that is more than is passed.
    pub(super) fn grows(&self) -> bool {
        let by = self.plateau_and_end().map(|(plateau, end)| end - plateau);
        self.growth().zip(by).is_some_and(|(growth, by)| is_too_much(growth, by))
    }
}

/// Whether memory that grew by this share, and by so many MiB, fails a run.
pub(crate) fn is_too_much(growth: f64, by: f64) -> bool {
    growth >= LIMIT && by > SLACK
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(samples: impl IntoIterator<Item = (f64, f64)>) -> Trend {
        let sample = |(at_ms, rss)| MemorySample { at_ms, rss, heap_used: 1.0 };
        Trend { samples: samples.into_iter().map(sample).collect() }
    }

    fn trend(memory: impl Fn(f64) -> f64) -> Trend {
        let sample = |step| (f64::from(step), memory(f64::from(step) / 40.0));
        of((0..=40).map(sample))
    }

    #[test]
    fn what_grows_while_it_warms_up_and_then_stays_does_not_grow() {
        assert!(trend(|at| if at < 0.2 { 500.0 * at } else { 100.0 }).growth().unwrap() < 1e-9);
        assert!(trend(|at| if at < 0.5 { 100.0 } else { 90.0 }).growth().unwrap() < 1e-9);
    }

    #[test]
    fn a_leak_shows_and_a_moment_does_not() {
        assert!(trend(|at| 100.0 + 60.0 * at).growth().unwrap() > LIMIT);
        assert!(trend(|at| 100.0 + 60.0 * at).grows());
        assert!(trend(|at| if (0.9..0.95).contains(&at) { 300.0 } else { 100.0 }).growth().unwrap() < 1e-9);
    }

    #[test]
    fn a_small_process_is_granted_some_megabytes_and_a_large_one_a_tenth() {
        assert!(!trend(|at| 30.0 + 20.0 * at).grows(), "a third, and ten megabytes");
        assert!(!trend(|at| 1_000.0 + 100.0 * at).grows(), "fifty megabytes, and a twentieth");
        assert!(trend(|at| 30.0 + 60.0 * at).grows() && trend(|at| 1_000.0 + 300.0 * at).grows());
    }

    #[test]
    fn too_few_samples_say_nothing() {
        assert_eq!(of([(0.0, 1.0), (1.0, 1.0)]).growth(), None);
        assert_eq!(Trend::default().growth(), None);
    }

    #[test]
    fn growth_that_is_not_known_does_not_pass() {
        assert_eq!(trend(|_| 100.0).verdict(), Ok(()));
        let grown = trend(|at| 100.0 + 60.0 * at).verdict();
        assert!(matches!(grown, Err(Objection::Failure(text)) if text.contains("less than 10 % was wanted")));
        let few = of([(0.0, 1.0), (1.0, 1.0)]).verdict();
        assert!(matches!(few, Err(Objection::Failure(text)) if text.contains("seen 2 times")));
        assert!(matches!(Trend::default().verdict(), Err(Objection::Doubt(_))));
    }
}
